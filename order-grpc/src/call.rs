//! What happens to every call before and after the service sees it: it gets an id and a deadline, its message is taken in within
//! bounds, it is turned away when there is no room, a panic ends it alone, and a line of the log says how it ended.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use order_core::error::Error;
use order_core::ids::OrderId;
use order_core::manager::Principal;
use order_core::text::check_customer_line;
use prost::bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::{Code, Status};

use crate::auth::{Auth, Refused};
use crate::limits::{CALL_WITHIN, MESSAGE_MAX, Place, Places, timeout};
use crate::log::{CallLine, Log};
use crate::rate::Rate;
use crate::services::Serving;
use crate::status;
use crate::tls::Peer;

const REQUEST_ID: &str = "x-request-id";
const REQUEST_ID_MAX: usize = 64;
/// What stands before a message: whether it is compressed, and its length ("gRPC over HTTP2").
const PREFIX: usize = 5;

/// A future on the heap.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// An answer, and the place among open calls that it keeps until it is sent.
pub(crate) type Answered = (Response<Body>, Option<Place>);
/// Answers requests.
pub(crate) type Handler = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<Answered> + Send + Sync>;

/// A call, as the service sees it: an extension of its request. The default has no deadline and tells nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    deadline: Option<Instant>,
    notes: Arc<Notes>,
}

/// What a service wants said after its message, as an extension of its response: tonic's own trailers hold the status alone.
#[derive(Debug, Clone)]
pub(crate) struct Trailer {
    pub(crate) name: &'static str,
    pub(crate) value: HeaderValue,
}

impl Trailer {
    /// The response, with the trailer that it asks for.
    fn put(mut response: Response<Body>) -> Response<Body> {
        let Some(Trailer { name, value }) = response.extensions_mut().remove::<Trailer>() else { return response };
        response.map(|body| {
            Body::new(body.map_frame(move |frame| match frame.into_trailers() {
                Ok(mut trailers) => {
                    trailers.insert(name, value.clone());
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            }))
        })
    }
}

/// What the service lets the log know.
#[derive(Debug, Default)]
struct Notes {
    order: OnceLock<OrderId>,
    error: OnceLock<String>,
    store_failed: AtomicBool,
}

impl Call {
    /// How long the caller can still wait; `None` if it did not say.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Which order it is about.
    pub(crate) fn note_order(&self, id: OrderId) {
        let _ = self.notes.order.set(id);
    }

    /// What went wrong on our side, with its causes, which the caller is not told.
    pub(crate) fn note_error(&self, error: &Error) {
        match error {
            Error::Service { .. } => {}
            Error::Store(_) => self.notes.store_failed.store(true, Ordering::Relaxed),
            _ => return,
        }
        let _ = self.notes.error.set(chain(error));
    }
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Whether the store has failed a call since somebody last looked.
#[derive(Debug, Default)]
pub(crate) struct StoreFailures {
    pub(crate) failed: AtomicBool,
    pub(crate) told: Notify,
}

/// The way into the service of orders, and what is beside it.
pub(crate) struct Gate<O> {
    pub(crate) orders: O,
    pub(crate) others: Handler,
    pub(crate) places: Places,
    /// How long a message may take to arrive.
    pub(crate) message_within: Duration,
    pub(crate) log: Log,
    pub(crate) store_failures: Arc<StoreFailures>,
    pub(crate) request_ids: RequestIds,
    /// What knows callers; without it they are all operators.
    pub(crate) auth: Option<Auth>,
    /// How many orders a customer may place.
    pub(crate) rate: Option<Rate>,
}

impl<O> Gate<O>
where
    O: Service<Request<Full<Bytes>>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    O::Future: Send,
{
    /// The handler that a connection calls.
    pub(crate) fn into_handler(self) -> Handler {
        let gate = Arc::new(self);
        Arc::new(move |request| {
            let gate = Arc::clone(&gate);
            Box::pin(async move { gate.handle(request).await })
        })
    }

    async fn handle(&self, request: Request<Incoming>) -> Answered {
        if let Some(refused) = not_grpc(&request) {
            return (refused, None);
        }
        match method(request.uri().path()) {
            Some(method) => self.order_call(method, request).await,
            None => match self.may_reflect(&request).await {
                Ok(()) => (self.others)(request).await,
                Err(refused) => (refused.into_http(), None),
            },
        }
    }

    /// Who calls; `notes` learns why they are not let in.
    async fn caller(&self, headers: &HeaderMap, peer: &Peer, notes: Option<&Notes>) -> Result<Principal, Status> {
        let Some(auth) = &self.auth else { return Ok(Principal::operator(ANYBODY)) };
        auth.caller(headers, peer, &self.log).await.map_err(|refused| match refused {
            Refused::Unknown(doubt) => {
                if let Some(notes) = notes {
                    let _ = notes.error.set(doubt);
                }
                status::unauthenticated()
            }
            Refused::NoKeys => status::no_keys(),
        })
    }

    /// Reflection tells the whole contract: where callers are known, it is for operators.
    async fn may_reflect(&self, request: &Request<Incoming>) -> Result<(), Status> {
        if self.auth.is_none() || !request.uri().path().starts_with("/grpc.reflection.") {
            return Ok(());
        }
        let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
        match self.caller(request.headers(), &peer, None).await? {
            Principal::Operator(_) => Ok(()),
            Principal::Customer(_) | Principal::Service(_) => Err(status::forbidden("ask for the contract")),
        }
    }

    async fn order_call(&self, method: &'static str, request: Request<Incoming>) -> Answered {
        let started = Instant::now();
        let (mut parts, body) = request.into_parts();
        let id = self.request_ids.of(&parts.headers);
        let given = timeout(&parts.headers);
        let deadline = started + given.unwrap_or(CALL_WITHIN).min(CALL_WITHIN);
        let call = Call { deadline: given.map(|_| deadline), notes: Arc::default() };
        let mut line = Line { gate: self, method, started, id: &id, notes: Arc::clone(&call.notes), code: Code::Cancelled };
        parts.extensions.insert(call);
        let peer = parts.extensions.remove::<Peer>().unwrap_or_default();

        let open = self.places.open();
        let answer = tokio::time::timeout_at(deadline, async {
            open.as_ref().ok_or_else(status::overloaded)?;
            let caller = self.caller(&parts.headers, &peer, Some(&line.notes)).await?;
            if method == UNKNOWN {
                return Err(status::unimplemented("order.OrderService has no such method"));
            }
            if let (CREATE, Principal::Customer(user), Some(rate)) = (method, &caller, &self.rate) {
                rate.take(*user).map_err(status::rate_limited)?;
            }
            parts.extensions.insert(caller);
            let message = receive(body, self.message_within).await?;
            let _working = self.places.work().await.ok_or_else(status::overloaded)?;
            let mut orders = self.orders.clone();
            let serving = Serving::of(&id, &parts.headers);
            let answer = serving.during(async { orders.call(Request::from_parts(parts, Full::new(message))).await });
            let answer = AssertUnwindSafe(answer);
            match answer.catch_unwind().await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(never)) => match never {},
                Err(_panic) => Err(status::internal()),
            }
        });
        let mut response = match answer.await {
            Ok(Ok(response)) => Trailer::put(response),
            Ok(Err(refused)) => refused.into_http(),
            Err(_elapsed) => status::too_late().into_http(),
        };
        line.code = response.headers().get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
        drop(line);
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        (response, open)
    }
}

/// Writes the log's line when the call is over, also when it was dropped because the caller went away.
struct Line<'a, O> {
    gate: &'a Gate<O>,
    method: &'static str,
    started: Instant,
    id: &'a str,
    notes: Arc<Notes>,
    code: Code,
}

impl<O> Drop for Line<'_, O> {
    fn drop(&mut self) {
        let Line { gate, method, started, id, notes, code } = self;
        if notes.store_failed.load(Ordering::Relaxed) && !gate.store_failures.failed.swap(true, Ordering::Relaxed) {
            gate.store_failures.told.notify_one();
        }
        gate.log.call(&CallLine {
            method,
            code: *code,
            took: started.elapsed(),
            request: id,
            order: notes.order.get().copied(),
            error: notes.error.get().map(String::as_str),
        });
    }
}

/// The method of a path of the order service; `None` for another service's.
fn method(path: &str) -> Option<&'static str> {
    const METHODS: [&str; 8] = [
        CREATE,
        "GetOrder",
        "UpdateOrderStatus",
        "CancelOrder",
        "ListOrders",
        "AddOrderItem",
        "UpdateOrderItem",
        "RemoveOrderItem",
    ];
    let name = path.strip_prefix("/order.OrderService/")?;
    Some(METHODS.into_iter().find(|m| *m == name).unwrap_or(UNKNOWN))
}

/// The call that makes orders, and is limited for each customer.
const CREATE: &str = "CreateOrder";
/// What the journal calls callers who are not asked who they are.
const ANYBODY: &str = "grpc";
/// How the log names a method that there is not.
const UNKNOWN: &str = "unknown";

/// What is not gRPC at all is answered in HTTP, as the protocol asks.
fn not_grpc(request: &Request<Incoming>) -> Option<Response<Body>> {
    let of = |code: StatusCode| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = code;
        response
    };
    if request.method() != Method::POST {
        return Some(of(StatusCode::METHOD_NOT_ALLOWED));
    }
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let rest = kind
        .strip_prefix(b"application/grpc")
        .filter(|rest| rest.is_empty() || rest.starts_with(b";") || *rest == b"+proto" || rest.starts_with(b"+proto;"));
    rest.is_none().then(|| of(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// Takes in a request's message, so that a slow sender takes up no place among the calls that are worked on.
async fn receive(mut body: Incoming, within: Duration) -> Result<Bytes, Status> {
    let received = tokio::time::timeout(within, async {
        let mut first: Option<Bytes> = None;
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Status::cancelled("the caller went away"))?;
            let Ok(data) = frame.into_data() else { continue };
            if first.as_ref().map_or(0, Bytes::len).max(all.len()) + data.len() > MESSAGE_MAX + PREFIX {
                return Err(status::too_large());
            }
            match (&first, all.is_empty()) {
                (None, _) => first = Some(data),
                (Some(first), true) => {
                    all.extend_from_slice(first);
                    all.extend_from_slice(&data);
                }
                (Some(_), false) => all.extend_from_slice(&data),
            }
        }
        Ok(if all.is_empty() { first.unwrap_or_default() } else { all.freeze() })
    });
    received.await.unwrap_or_else(|_| Err(status::too_slow()))
}

/// Names requests that do not name themselves: the same for a process, and a number.
#[derive(Debug)]
pub(crate) struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl Default for RequestIds {
    fn default() -> Self {
        // The seed of a hasher is random, and all that is asked is that two processes differ.
        RequestIds { process: RandomState::new().hash_one(std::process::id()), next: AtomicU64::new(1) }
    }
}

impl RequestIds {
    /// The caller's own id for its request, if it is fit for a log; else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> String {
        let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        match given.filter(|id| is_fit(id)) {
            Some(id) => id.to_owned(),
            None => format!("{:016x}-{:x}", self.process, self.next.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

fn is_fit(id: &str) -> bool {
    (1..=REQUEST_ID_MAX).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b))
        && check_customer_line(id, REQUEST_ID_MAX).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_taken_over_only_if_it_is_fit_for_a_log() {
        let ids = RequestIds::default();
        let of = |id: &str| {
            ids.of(&HeaderMap::from_iter([(http::HeaderName::from_static(REQUEST_ID), HeaderValue::from_str(id).unwrap())]))
        };
        assert_eq!(of("trace-1/span:2"), "trace-1/span:2");
        for unfit in ["", "a b", "a\"b", "someone@example.org", "4111111111111111", &"x".repeat(65)] {
            assert_ne!(of(unfit), unfit);
        }
        assert_ne!(of(""), of(""));
    }

    #[test]
    fn methods_are_known_by_their_path() {
        assert_eq!(method("/order.OrderService/GetOrder"), Some("GetOrder"));
        assert_eq!(method("/order.OrderService/Sell"), Some("unknown"));
        assert_eq!(method("/grpc.health.v1.Health/Check"), None);
    }
}
