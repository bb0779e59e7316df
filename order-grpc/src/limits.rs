//! What a caller may ask for at a time, and for how long.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest request message, in bytes. A longer one is refused with RESOURCE_EXHAUSTED before it is read to its end.
pub const MESSAGE_MAX: usize = 256 * 1024;
/// The longest header list of a request, in bytes, as HTTP/2 counts it (RFC 9113, 6.5.2).
pub(crate) const HEADERS_MAX: u32 = 16 * 1024;
/// How many calls one connection may have open at a time.
pub(crate) const STREAMS_MAX: u32 = 256;
/// How long after its headers a request message may take to arrive.
pub(crate) const MESSAGE_WITHIN: Duration = Duration::from_secs(10);
/// The longest a call may take, whatever deadline its caller gave.
pub(crate) const CALL_WITHIN: Duration = Duration::from_secs(60);
/// When a caller who was turned away should try again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How much the server takes on at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many calls it works on at a time; the next is turned away with RESOURCE_EXHAUSTED before anything is accepted. 256.
    pub in_flight: usize,
    /// How many calls may be open at a time, those included whose message is still on its way. 1,024.
    pub open: usize,
    /// How many connections it has at a time; further ones wait to be accepted. 1,024.
    pub connections: usize,
    /// After how long a connection without a call is closed. 5 min.
    pub idle: Duration,
    /// After how long a connection that never made a call is closed. 30 s.
    pub first_call: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            in_flight: 256,
            open: 1024,
            connections: 1024,
            idle: Duration::from_secs(5 * 60),
            first_call: Duration::from_secs(30),
        }
    }
}

/// The places for calls.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    open: Arc<Semaphore>,
    in_flight: Arc<Semaphore>,
}

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(limits: &Limits) -> Self {
        let places = |n: usize| Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS)));
        Places { open: places(limits.open), in_flight: places(limits.in_flight) }
    }

    /// A place for a call whose message is still to come; none if all are taken.
    pub(crate) fn open(&self) -> Option<Place> {
        take(&self.open)
    }

    /// A place for a call that can be worked on; none if all are taken.
    pub(crate) fn work(&self) -> Option<Place> {
        take(&self.in_flight)
    }
}

fn take(places: &Arc<Semaphore>) -> Option<Place> {
    Arc::clone(places).try_acquire_owned().ok().map(|permit| Place { _permit: permit })
}

/// How long the caller of a request waits for its answer, as `grpc-timeout` says ("gRPC over HTTP2": at most eight digits and a
/// unit); `None` if it does not say, or says nothing that can be read.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(n * 3600)),
        "M" => Some(Duration::from_secs(n * 60)),
        "S" => Some(Duration::from_secs(n)),
        "m" => Some(Duration::from_millis(n)),
        "u" => Some(Duration::from_micros(n)),
        "n" => Some(Duration::from_nanos(n)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        let read = |text: &'static str| {
            timeout(&HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-timeout"),
                http::HeaderValue::from_static(text),
            )]))
        };
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("3M"), Some(Duration::from_secs(180)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("9n"), Some(Duration::from_nanos(9)));
        for bad in ["", "S", "1", "123456789S", "+1S", "1s", "-1S", "1 S"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = Places::new(&Limits { in_flight: 1, ..Limits::default() });
        let first = places.work();
        assert!(first.is_some());
        assert!(places.work().is_none());
        drop(first);
        assert!(places.work().is_some());
    }
}
