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
pub(crate) const STREAMS_MAX: u32 = 128;
/// The longest a call may take, whatever deadline its caller gave.
pub(crate) const CALL_WITHIN: Duration = Duration::from_secs(60);
/// How long a call waits for a place before it is turned away. Short, since whoever waits could be asking somebody else; but not nothing:
/// callers who ask again at once would otherwise keep the machine busy with turning them away.
pub(crate) const PLACE_WITHIN: Duration = Duration::from_millis(30);
/// When a caller who was turned away should try again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How much the server takes on at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many calls it works on at a time. The next waits 30 ms for its turn and is then turned away with RESOURCE_EXHAUSTED, before
    /// anything is accepted. 256.
    pub in_flight: usize,
    /// How many calls may be open at a time, those included whose message is still on its way or whose answer is not taken. 1,024.
    pub open: usize,
    /// How many connections it has at a time; further ones wait to be accepted. 512, since systems often allow a process 1,024 open files.
    pub connections: usize,
    /// After how long a connection without a call is closed. 5 min.
    pub idle: Duration,
    /// After how long a connection that never made a call is closed. 30 s.
    pub first_call: Duration,
    /// After how long a connection whose calls neither begin nor end is given up: its client takes no answers. 2 min.
    pub stuck: Duration,
    /// How long after its headers a request's message may take to arrive. 10 s.
    pub message: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            in_flight: 256,
            open: 1024,
            connections: 512,
            idle: Duration::from_secs(5 * 60),
            first_call: Duration::from_secs(30),
            stuck: Duration::from_secs(120),
            message: Duration::from_secs(10),
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

    /// A place for a call that can be worked on; none if all are taken and none becomes free soon. Who waits longest is next.
    pub(crate) async fn work(&self) -> Option<Place> {
        if let Some(place) = take(&self.in_flight) {
            return Some(place);
        }
        let freed = tokio::time::timeout(PLACE_WITHIN, Arc::clone(&self.in_flight).acquire_owned()).await;
        freed.ok()?.ok().map(|permit| Place { _permit: permit })
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

    #[tokio::test]
    async fn a_place_is_free_again_when_it_is_dropped_and_goes_to_whoever_waits() {
        let places = Places::new(&Limits { in_flight: 1, ..Limits::default() });
        let first = places.work().await;
        assert!(first.is_some());
        assert!(places.work().await.is_none(), "none became free");
        let (second, ()) = tokio::join!(places.work(), async { drop(first) });
        assert!(second.is_some());
    }
}
