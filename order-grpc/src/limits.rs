//! Limits of what callers may have at a time, and for how long.

use std::time::Duration;

use http::HeaderMap;

/// The longest request message, in bytes. A longer one is refused with RESOURCE_EXHAUSTED before it
/// is read to its end.
pub const MESSAGE_MAX: usize = 256 * 1024;
/// The longest header list of a request, in bytes, as HTTP/2 counts it (RFC 9113, 6.5.2).
pub(crate) const HEADERS_MAX: u32 = 16 * 1024;
/// The bytes of a request's body that may be on their way before they are taken in.
pub(crate) const STREAM_WINDOW: u32 = 128 * 1024;
/// The number of calls that one connection may have open at a time.
pub(crate) const STREAMS_MAX: u32 = 128;
/// The longest a call may take, whatever deadline its caller gave.
pub(crate) const CALL_WITHIN: Duration = Duration::from_secs(60);
/// The time for which a call waits for a place before it is turned away. Short, since whoever waits
/// could be asking somebody else; but not nothing: callers who ask again at once would otherwise
/// keep the machine busy with turning them away.
pub(crate) const PLACE_WITHIN: Duration = Duration::from_millis(30);
/// The same for a list. Longer, since lists take their time, and few are worked on at once so that
/// they hold up nothing else.
pub(crate) const LIST_WITHIN: Duration = Duration::from_secs(1);
/// The time for which an answer waits until those before it are taken, if there is no room for it.
pub(crate) const ROOM_WITHIN: Duration = Duration::from_secs(5);
/// The bytes of answers that a call is sure of before it is begun: those of an order with eighty
/// lines.
pub(crate) const ROOM_USUAL: usize = 16 * 1024;
/// The time after which a caller who was turned away should try again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Limits of what the server takes on at a time, and for how long.
///
/// Of each of these numbers a peer (an address, or an IPv6 /64) may have three quarters, and a
/// connection the part that is named, so that nobody can keep all others out. What finds no room is
/// refused, and the log says how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The number of calls it works on at a time, those included whose caller has gone but whose
    /// work goes on. The next waits 30 ms for its turn and is then turned away with
    /// RESOURCE_EXHAUSTED, before anything is accepted. 256.
    pub in_flight: usize,
    /// The number of lists of orders it works on at a time. The next waits for its turn, a second
    /// at the most. 8: more would be slower, as they keep a processor busy each.
    pub lists: usize,
    /// The number of calls that may be open at a time, those included whose message is still on its
    /// way. 1,024; a connection may have an eighth.
    pub open: usize,
    /// The number of messages that may be on their way at a time. 512; of a connection a quarter.
    pub messages: usize,
    /// The bytes of messages it holds at a time. 64 MiB; of a connection an eighth.
    pub message_bytes: usize,
    /// The bytes of answers it holds at a time that are not taken. One that finds no room
    /// waits 5 s, and then its call fails with RESOURCE_EXHAUSTED. 64 MiB; of a connection an
    /// eighth.
    pub answer_bytes: usize,
    /// The number of streams of health and reflection it has at a time. 512; of a connection one in
    /// 64.
    pub watches: usize,
    /// The number of checks of health it answers at a time. 128; of a connection an eighth.
    pub checks: usize,
    /// The number of connections it has at a time. For the next one the idlest goes, of the peer
    /// that has its share, or else of the one that has most. 512, since systems often allow a
    /// process 1,024 open files.
    pub connections: usize,
    /// The time after which a connection without a call is closed. 5 min.
    pub idle: Duration,
    /// The time after which a connection that never made a call is closed. 30 s.
    pub first_call: Duration,
    /// The longest that a request's message may take to arrive after its headers. 10 s.
    pub message: Duration,
    /// The longest that an answer may take to be taken, from when it is made. Then it is reset;
    /// where it waits for nothing but the connection to be read, that is closed soon after. 30 s.
    pub answer: Duration,
    /// The time for which a stream of health goes on before it ends with UNAVAILABLE and is to be
    /// asked for anew. 1 h.
    pub watch: Duration,
    /// The time for which a stream of reflection may ask nothing before it ends. 10 s; after ten
    /// times that it ends in any case.
    pub reflection: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            in_flight: 256,
            lists: 8,
            open: 1024,
            messages: 512,
            message_bytes: 64 * 1024 * 1024,
            answer_bytes: 64 * 1024 * 1024,
            watches: 512,
            checks: 128,
            connections: 512,
            idle: Duration::from_secs(5 * 60),
            first_call: Duration::from_secs(30),
            message: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            watch: Duration::from_secs(3600),
            reflection: Duration::from_secs(10),
        }
    }
}

/// Says that a `grpc-timeout` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MalformedTimeout;

/// Reads how long the caller of a request waits for its answer, as `grpc-timeout` says ("gRPC over
/// HTTP2": at most eight digits and a unit); `None` if it does not say.
pub(crate) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, MalformedTimeout> {
    headers
        .get("grpc-timeout")
        .map(|value| {
            value
                .to_str()
                .ok()
                .and_then(read_timeout)
                .ok_or(MalformedTimeout)
        })
        .transpose()
}

fn read_timeout(text: &str) -> Option<Duration> {
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
        assert_eq!(read("2H"), Ok(Some(Duration::from_secs(7200))));
        assert_eq!(read("3M"), Ok(Some(Duration::from_secs(180))));
        assert_eq!(read("99999999S"), Ok(Some(Duration::from_secs(99_999_999))));
        assert_eq!(read("1500m"), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(read("7u"), Ok(Some(Duration::from_micros(7))));
        assert_eq!(read("0n"), Ok(Some(Duration::ZERO)));
        for bad in [
            "",
            "S",
            "1",
            "123456789S",
            "+1S",
            "1s",
            "-1S",
            "1 S",
            "1.5S",
        ] {
            assert_eq!(read(bad), Err(MalformedTimeout), "{bad:?}");
        }
        assert_eq!(timeout(&HeaderMap::new()), Ok(None));
    }
}
