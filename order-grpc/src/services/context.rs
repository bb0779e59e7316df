//! The request that is being served while a service is called: its id and its place in a trace go
//! along with the call, so that the logs of both name the same thing.

use std::future::Future;

use http::{HeaderMap, HeaderValue};
use order_core::runtime::BoxFuture;

pub(crate) const REQUEST_ID: &str = "x-request-id";
pub(crate) const TRACEPARENT: &str = "traceparent";

tokio::task_local! {
    static SERVING: Serving;
}

/// The request that a task works for. Tasks that nobody asked for, such as the worker's, have none.
#[derive(Debug, Clone)]
pub(crate) struct Serving {
    request: Option<HeaderValue>,
    trace: Option<HeaderValue>,
}

impl Serving {
    /// The request `id`, with the `traceparent` that its headers have if it is well-formed.
    pub(crate) fn of(id: &str, headers: &HeaderMap) -> Self {
        let mut traces = headers.get_all(TRACEPARENT).iter();
        let trace = traces
            .next()
            .filter(|trace| is_traceparent(trace.as_bytes()))
            .cloned();
        Serving {
            request: HeaderValue::from_str(id).ok(),
            trace: trace.filter(|_| traces.next().is_none()),
        }
    }

    /// The one this task works for.
    pub(crate) fn current() -> Option<Self> {
        SERVING.try_with(Clone::clone).ok()
    }

    /// Runs `work` for this request.
    pub(crate) fn during<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        SERVING.scope(self, work)
    }

    /// The id of the trace that the request is part of.
    pub(crate) fn trace_id(&self) -> Option<&str> {
        self.trace.as_ref()?.to_str().ok()?.split('-').nth(1)
    }

    /// The request's id.
    pub(crate) fn into_request_id(self) -> Option<String> {
        self.request
            .and_then(|id| id.to_str().ok().map(str::to_owned))
    }

    /// Names the request in the headers of a call.
    pub(crate) fn put(self, headers: &mut HeaderMap) {
        let Serving { request, trace } = self;
        for (name, value) in [(REQUEST_ID, request), (TRACEPARENT, trace)] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }
}

/// The same task, which works for whatever request this one works for.
pub(crate) fn carrying(task: BoxFuture<()>) -> BoxFuture<()> {
    match Serving::current() {
        Some(serving) => Box::pin(serving.during(task)),
        None => task,
    }
}

/// Tells whether it is a `traceparent` of W3C Trace Context (level 1, 3.2.2): version, trace id,
/// parent id and flags in lower-case hex, neither id all zeros; versions above 00 may have more
/// after that.
fn is_traceparent(value: &[u8]) -> bool {
    let hex = |part: &[u8]| {
        part.iter()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
    };
    let id = |part: &[u8]| hex(part) && part.iter().any(|b| *b != b'0');
    let fits = match value.get(..2) {
        Some(b"ff") | None => false,
        Some(b"00") => value.len() == 55,
        Some(version) => {
            hex(version) && value.len() <= 512 && matches!(value.get(55), None | Some(b'-'))
        }
    };
    fits && value.len() >= 55
        && [value[2], value[35], value[52]] == *b"---"
        && id(&value[3..35])
        && id(&value[36..52])
        && hex(&value[53..55])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_goes_on_only_if_it_is_well_formed() {
        let zeros = "0".repeat(32);
        for (value, fits) in [
            (TRACE.to_owned(), true),
            (
                TRACE.replacen("00-", "cc-", 1) + "-what-the-future-will-be-like",
                true,
            ),
            (TRACE.replacen("00-", "cc-", 1), true),
            (TRACE.replacen("00-", "ff-", 1), false),
            (TRACE.replacen("00-", "cc-", 1) + "more", false),
            (TRACE.to_owned() + "-more", false),
            (TRACE.to_uppercase(), false),
            (
                TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros),
                false,
            ),
            (TRACE.replace("00f067aa0ba902b7", "0000000000000000"), false),
            (TRACE.replace('-', "_"), false),
            (TRACE[..54].to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_traceparent(value.as_bytes()), fits, "{value}");
        }
    }

    #[test]
    fn two_traceparents_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(TRACE));
        assert!(Serving::of("r-1", &headers).trace.is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static(TRACE));
        assert!(Serving::of("r-1", &headers).trace.is_none());
    }
}
