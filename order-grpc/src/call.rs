//! Surrounds every call before and after the service sees it: it gets an id and a deadline,
//! its message is taken in within bounds, it is turned away when there is no room, a panic ends it
//! alone, and a line of the log says how it ended.

use std::convert::Infallible;
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
use hyper::body::{Body as HttpBody, Frame, Incoming};
use order_core::error::Error;
use order_core::ids::OrderId;
use order_core::manager::Principal;
use order_core::text::{chain, check_customer_line};
use prost::bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::{Code, Status};
use tracing::{Instrument as _, Span};

use crate::answers::{Answer, count_details};
use crate::auth::{Auth, Refused};
use crate::beside::Beside;
use crate::limits::{CALL_WITHIN, MESSAGE_MAX, ROOM_USUAL, timeout};
use crate::log::{CallLine, Log};
use crate::rate::Rate;
use crate::services::Serving;
use crate::shares::{Held, Holder, Thing};
use crate::status;
use crate::tasks::PLACE;
use crate::tls::Peer;

pub(crate) const REQUEST_ID: &str = "x-request-id";
const REQUEST_ID_MAX: usize = 64;
/// The length of what stands before a message: a flag for compression, and its length ("gRPC over
/// HTTP2").
const PREFIX: usize = 5;

/// A future on the heap.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Answers requests that come on a connection.
pub(crate) type Handler =
    Arc<dyn Fn(Arc<Holder>, Request<Incoming>) -> BoxFuture<Response<Answer>> + Send + Sync>;

/// A call, as the service sees it: an extension of its request. The default has no deadline and
/// tells nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    deadline: Option<Instant>,
    notes: Arc<Notes>,
}

/// A trailer that a service wants sent after its message, as an extension of its response: tonic's
/// own trailers hold the status alone.
#[derive(Debug, Clone)]
pub(crate) struct Trailer {
    pub(crate) name: &'static str,
    pub(crate) value: HeaderValue,
}

impl Trailer {
    /// The response, with the trailer that it asks for.
    pub(crate) fn put(mut response: Response<Body>) -> Response<Body> {
        let Some(Trailer { name, value }) = response.extensions_mut().remove::<Trailer>() else {
            return response;
        };
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

/// Notes of the service for the log.
#[derive(Debug, Default)]
struct Notes {
    order: OnceLock<OrderId>,
    error: OnceLock<String>,
    store_failed: AtomicBool,
    /// Set once the service has seen the call.
    begun: AtomicBool,
}

impl Call {
    /// A call whose caller waits until then; `None` if it did not say.
    pub(crate) fn until(deadline: Option<Instant>) -> Self {
        Call {
            deadline,
            notes: Arc::default(),
        }
    }

    /// Tells whether the service has its message.
    pub(crate) fn has_begun(&self) -> bool {
        self.notes.begun.load(Ordering::Relaxed)
    }

    /// Returns the time that the caller can still wait; `None` if it did not say.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Notes that the service has its message.
    pub(crate) fn note_begun(&self) {
        self.notes.begun.store(true, Ordering::Relaxed);
    }

    /// Notes the order that it is about.
    pub(crate) fn note_order(&self, id: OrderId) {
        let _ = self.notes.order.set(id);
    }

    /// Notes a failure on our side with its causes, which the caller is not told.
    pub(crate) fn note_error(&self, error: &Error) {
        match error {
            Error::Service { .. } => {}
            Error::Store(_) => self.notes.store_failed.store(true, Ordering::Relaxed),
            _ => return,
        }
        let _ = self.notes.error.set(chain(error));
    }
}

/// Remembers that the store has failed a call since somebody last looked.
#[derive(Debug, Default)]
pub(crate) struct StoreFailures {
    pub(crate) failed: AtomicBool,
    pub(crate) told: Notify,
}

/// The way into the service of orders, and what is beside it.
pub(crate) struct Gate<O> {
    pub(crate) orders: O,
    pub(crate) beside: Beside,
    pub(crate) log: Log,
    pub(crate) store_failures: Arc<StoreFailures>,
    pub(crate) request_ids: RequestIds,
    /// Recognises callers; without it they are all operators.
    pub(crate) auth: Option<Auth>,
    /// The rate at which a customer may place orders.
    pub(crate) rate: Option<Rate>,
}

impl<O> Gate<O>
where
    O: Service<Request<Full<Bytes>>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    O::Future: Send,
{
    /// The handler that a connection calls.
    pub(crate) fn into_handler(self) -> Handler {
        let gate = Arc::new(self);
        Arc::new(move |holder, request| {
            let gate = Arc::clone(&gate);
            Box::pin(async move { gate.handle(&holder, request).await })
        })
    }

    async fn handle(&self, holder: &Arc<Holder>, request: Request<Incoming>) -> Response<Answer> {
        if let Some(refused) = not_grpc(&request) {
            return refused;
        }
        match method(request.uri().path()) {
            Some(method) => self.order_call(method, holder, request).await,
            None => match self.may_reflect(&request).await {
                Ok(()) => self.beside.answer(holder, request).await,
                Err(refused) => Answer::refusal(refused),
            },
        }
    }

    /// Finds out who calls; `notes` learns why they are not let in.
    async fn caller(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        notes: Option<&Notes>,
    ) -> Result<Principal, Status> {
        let Some(auth) = &self.auth else {
            return Ok(Principal::operator(ANYBODY));
        };
        auth.caller(headers, peer, &self.log)
            .await
            .map_err(|refused| match refused {
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
        let peer = request
            .extensions()
            .get::<Peer>()
            .cloned()
            .unwrap_or_default();
        match self.caller(request.headers(), &peer, None).await? {
            Principal::Operator(_) => Ok(()),
            Principal::Customer(_) | Principal::Service(_) => {
                Err(status::forbidden("ask for the contract"))
            }
        }
    }

    async fn order_call(
        &self,
        method: &'static str,
        holder: &Arc<Holder>,
        request: Request<Incoming>,
    ) -> Response<Answer> {
        let started = Instant::now();
        let (mut parts, body) = request.into_parts();
        let id = self.request_ids.of(&parts.headers);
        let given = timeout(&parts.headers);
        let deadline = started + given.ok().flatten().unwrap_or(CALL_WITHIN).min(CALL_WITHIN);
        let call = Call::until(given.ok().flatten().map(|_| deadline));
        let notes = Arc::clone(&call.notes);
        let serving = Serving::of(&id, &parts.headers);
        let mut line = Line {
            gate: self,
            method,
            started,
            span: self.log.request(&id, serving.trace_id()),
            notes: Arc::clone(&notes),
            code: Code::Cancelled,
        };
        let span = line.span.clone();
        parts.extensions.insert(call);
        let peer = parts.extensions.remove::<Peer>().unwrap_or_default();

        let answered = async {
            given.map_err(|_| status::bad_timeout())?;
            let _open = holder.take(Thing::Open, 1).ok_or_else(status::overloaded)?;
            let caller = self.caller(&parts.headers, &peer, Some(&notes)).await?;
            if method == UNKNOWN {
                return Err(status::unimplemented(
                    "order.OrderService has no such method",
                ));
            }
            if let (CREATE, Principal::Customer(user), Some(rate)) = (method, &caller, &self.rate) {
                rate.take(*user).map_err(status::rate_limited)?;
            }
            parts.extensions.insert(caller);
            let is_gzip = parts
                .headers
                .get("grpc-encoding")
                .is_some_and(|encoding| encoding == "gzip");
            let (message, _held) = receive(body, holder, MESSAGE_MAX, is_gzip).await?;
            let place = if method == LIST {
                holder.work_on_list().await
            } else {
                holder.work().await
            };
            let place = Arc::new(place.ok_or_else(status::overloaded)?);
            // Before it is begun: afterwards it is done, whether or not it can be answered.
            let room = holder
                .take(Thing::AnswerBytes, ROOM_USUAL)
                .ok_or_else(status::answers_untaken)?;
            if Instant::now() >= deadline {
                return Err(status::over_before_begun());
            }
            let mut orders = self.orders.clone();
            let answer = orders.call(Request::from_parts(parts, Full::new(message)));
            let answer = PLACE.scope(place, answer).instrument(span);
            match AssertUnwindSafe(answer).catch_unwind().await {
                Ok(Ok(response)) if !notes.begun.load(Ordering::Relaxed) => {
                    Err(not_begun(response.headers()))
                }
                Ok(Ok(response)) => {
                    let answer = Answer::whole(Trailer::put(response), room, method == LIST).await;
                    answer.ok_or_else(status::no_room_for_answer)
                }
                Ok(Err(never)) => match never {},
                Err(_panic) => Err(status::internal()),
            }
        };
        // Whatever is refused, the caller is told its id.
        let mut response = serving
            .during(async {
                match tokio::time::timeout_at(deadline, answered).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(refused)) => Answer::refusal(refused),
                    Err(_elapsed) if notes.begun.load(Ordering::Relaxed) => {
                        Answer::refusal(status::too_late())
                    }
                    Err(_elapsed) => Answer::refusal(status::over_before_begun()),
                }
            })
            .await;
        line.code = response
            .headers()
            .get("grpc-status")
            .map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
        drop(line);
        count_details(holder, response.headers_mut());
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    }
}

/// Says why a call did not reach the service, of which tonic says little that a caller could use.
fn not_begun(headers: &HeaderMap) -> Status {
    match headers
        .get("grpc-status")
        .map(|code| Code::from_bytes(code.as_bytes()))
    {
        Some(Code::Unimplemented) => status::unimplemented(COMPRESSION),
        Some(Code::ResourceExhausted) => status::too_large(MESSAGE_MAX),
        _ => status::malformed("it is not the protobuf that the call takes"),
    }
}

/// The answer to any other compression than gzip's.
const COMPRESSION: &str = "messages are compressed by gzip here, or not at all: send it so";

/// Writes the log's line when the call is over, also when it was dropped because the caller went
/// away.
struct Line<'a, O> {
    gate: &'a Gate<O>,
    method: &'static str,
    started: Instant,
    span: Span,
    notes: Arc<Notes>,
    code: Code,
}

impl<O> Drop for Line<'_, O> {
    fn drop(&mut self) {
        let Line {
            gate,
            method,
            started,
            span,
            notes,
            code,
        } = self;
        if notes.store_failed.load(Ordering::Relaxed)
            && !gate.store_failures.failed.swap(true, Ordering::Relaxed)
        {
            gate.store_failures.told.notify_one();
        }
        gate.log.call(&CallLine {
            span,
            method,
            code: *code,
            took: started.elapsed(),
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
/// The journal's name for callers who are not asked who they are.
const ANYBODY: &str = "grpc";
/// The log's name for a method that there is not.
const UNKNOWN: &str = "unknown";
/// The call whose answers may be long.
const LIST: &str = "ListOrders";

/// Answers what is not gRPC at all in HTTP, as the protocol asks.
fn not_grpc(request: &Request<Incoming>) -> Option<Response<Answer>> {
    let of = |code: StatusCode| {
        let mut response = Response::new(());
        *response.status_mut() = code;
        Answer::empty(response)
    };
    if request.method() != Method::POST {
        return Some(of(StatusCode::METHOD_NOT_ALLOWED));
    }
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let rest = kind.strip_prefix(b"application/grpc").filter(|rest| {
        rest.is_empty()
            || rest.starts_with(b";")
            || *rest == b"+proto"
            || rest.starts_with(b"+proto;")
    });
    rest.is_none()
        .then(|| of(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// Takes in a request's one message, so that a slow sender takes up no place among the calls that
/// are worked on. With it comes what counts its bytes.
pub(crate) async fn receive<B>(
    body: B,
    holder: &Arc<Holder>,
    bytes_max: usize,
    is_gzip: bool,
) -> Result<(Bytes, Held), Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let _message = holder
        .take(Thing::Messages, 1)
        .ok_or_else(status::overloaded)?;
    let mut held = holder
        .take(Thing::MessageBytes, 0)
        .ok_or_else(status::overloaded)?;
    let arriving = take_in(body, &mut held, bytes_max, is_gzip);
    let received = tokio::time::timeout(holder.limits().message, arriving).await;
    let message = received.unwrap_or_else(|_| Err(status::too_slow()))?;
    Ok((message, held))
}

async fn take_in<B>(
    mut body: B,
    held: &mut Held,
    bytes_max: usize,
    is_gzip: bool,
) -> Result<Bytes, Status>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Status::cancelled("the caller went away"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if !held.resize(held.size() + data.len()) {
            return Err(status::overloaded());
        }
        match (&first, all.is_empty()) {
            (None, _) => first = Some(data),
            (Some(first), true) => {
                all.extend_from_slice(first);
                all.extend_from_slice(&data);
            }
            (Some(_), false) => all.extend_from_slice(&data),
        }
        let so_far = if all.is_empty() {
            first.as_deref().unwrap_or_default()
        } else {
            &all
        };
        must_be_part_of_one(so_far, bytes_max, is_gzip)?;
    }
    let all = if all.is_empty() {
        first.unwrap_or_default()
    } else {
        all.freeze()
    };
    must_be_whole(&all)?;
    Ok(all)
}

/// The length that stands before a message, once it is there.
fn declared(bytes: &[u8]) -> Option<usize> {
    let [_, length @ ..] = *bytes.first_chunk::<PREFIX>()?;
    Some(usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX))
}

/// Refuses what can become no message that a call takes, without waiting for the rest.
fn must_be_part_of_one(bytes: &[u8], bytes_max: usize, is_gzip: bool) -> Result<(), Status> {
    match bytes.first() {
        None | Some(0) => {}
        Some(1) if is_gzip => {}
        Some(1) => return Err(status::unimplemented(COMPRESSION)),
        Some(_) => return Err(status::malformed("its first byte is neither 0 nor 1")),
    }
    match declared(bytes) {
        Some(length) if length > bytes_max => Err(status::too_large(bytes_max)),
        Some(length) if bytes.len() - PREFIX > length => {
            Err(status::not_one_message("more follows the first"))
        }
        _ => Ok(()),
    }
}

/// Refuses what is less than a message.
fn must_be_whole(bytes: &[u8]) -> Result<(), Status> {
    match declared(bytes) {
        _ if bytes.is_empty() => Err(status::not_one_message("none came")),
        Some(length) if bytes.len() - PREFIX == length => Ok(()),
        _ => Err(status::malformed("it ends before its declared length")),
    }
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
        RequestIds {
            process: RandomState::new().hash_one(std::process::id()),
            next: AtomicU64::new(1),
        }
    }
}

impl RequestIds {
    /// The caller's own id for its request, if it is fit for a log; else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> String {
        let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        match given.filter(|id| is_fit(id)) {
            Some(id) => id.to_owned(),
            None => format!(
                "{:016x}-{:x}",
                self.process,
                self.next.fetch_add(1, Ordering::Relaxed)
            ),
        }
    }
}

fn is_fit(id: &str) -> bool {
    (1..=REQUEST_ID_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b))
        && check_customer_line(id, REQUEST_ID_MAX).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_taken_over_only_if_it_is_fit_for_a_log() {
        let ids = RequestIds::default();
        let of = |id: &str| {
            ids.of(&HeaderMap::from_iter([(
                http::HeaderName::from_static(REQUEST_ID),
                HeaderValue::from_str(id).unwrap(),
            )]))
        };
        assert_eq!(of("trace-1/span:2"), "trace-1/span:2");
        for unfit in [
            "",
            "a b",
            "a\"b",
            "someone@example.org",
            "4111111111111111",
            &"x".repeat(65),
        ] {
            assert_ne!(of(unfit), unfit);
        }
        assert_ne!(of(""), of(""));
    }

    #[test]
    fn what_can_become_no_message_is_refused_before_the_rest_is_there() {
        let of = |bytes: &[u8]| {
            let refused = must_be_part_of_one(bytes, 4, false)
                .and_then(|()| must_be_whole(bytes))
                .err();
            refused.map(|status| {
                (
                    status.code(),
                    status.message().split(": ").next().unwrap().to_owned(),
                )
            })
        };
        let one = "the call takes exactly one message, and ";
        assert_eq!(of(&[0, 0, 0, 0, 2, 7, 7]), None);
        assert_eq!(of(&[0, 0, 0, 0, 0]), None);
        assert_eq!(
            of(&[]),
            Some((Code::Unimplemented, format!("{one}none came")))
        );
        assert_eq!(
            of(&[0, 0, 0, 0, 1, 7, 0]),
            Some((Code::Unimplemented, format!("{one}more follows the first")))
        );
        assert_eq!(
            of(&[0, 0xff, 0xff, 0xff, 0xff]),
            Some((
                Code::ResourceExhausted,
                "the message is longer than 4 bytes".into()
            ))
        );
        assert_eq!(
            of(&[1]),
            Some((
                Code::Unimplemented,
                "messages are compressed by gzip here, or not at all".into()
            ))
        );
        assert!(must_be_part_of_one(&[1, 0, 0, 0, 1, 7], 4, true).is_ok());
        for unreadable in [&[0, 0][..], &[0, 0, 0, 0, 3, 7], &[2]] {
            assert_eq!(
                of(unreadable),
                Some((Code::InvalidArgument, "the message cannot be read".into())),
                "{unreadable:?}"
            );
        }
    }

    #[test]
    fn methods_are_known_by_their_path() {
        assert_eq!(method("/order.OrderService/GetOrder"), Some("GetOrder"));
        assert_eq!(method("/order.OrderService/Sell"), Some("unknown"));
        assert_eq!(method("/grpc.health.v1.Health/Check"), None);
    }
}
