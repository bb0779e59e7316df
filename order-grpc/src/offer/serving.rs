//! The five services on a listener, until they are told to stop.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use order_core::runtime::TokioRuntime;
use order_core::services::{CallError, Clients, ServiceName};
use prost::bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::{Code, Status};
use tracing::Span;

use super::fault::{CALLS, Fault, Faults};
use super::{Offer, status_of};
use crate::answers::{Answer, count_details};
use crate::call::{Handler, RequestIds, receive};
use crate::connections;
use crate::limits::{Limits, MESSAGE_MAX, ROOM_USUAL};
use crate::log::{CallLine, Log};
use crate::proto::notification::notification_service_server::NotificationServiceServer;
use crate::proto::payment::payment_service_server::PaymentServiceServer;
use crate::proto::product::product_service_server::ProductServiceServer;
use crate::proto::stock::stock_service_server::StockServiceServer;
use crate::proto::user::user_service_server::UserServiceServer;
use crate::server::Drained;
use crate::shares::{Holder, Shares, Thing};
use crate::tally::Tally;

/// Options of the services that are offered.
#[derive(Debug, Clone)]
pub struct OfferOptions {
    /// The name they give when they are asked. `order`.
    pub name: String,
    /// The number of connections, calls and bytes they take on at a time. Those of a server of
    /// orders, but 1,024 calls: an engine has 64 under way with each of the five.
    pub limits: Limits,
    /// The faults that happen on request. None.
    pub faults: Faults,
    /// The log that each call is told to. The default: the subscriber that the program has.
    pub log: Log,
    /// The time that calls under way have to come to their end once the server is told to
    /// stop. 10 s.
    pub grace: Duration,
}

impl Default for OfferOptions {
    fn default() -> Self {
        let (name, grace) = ("order".to_owned(), Duration::from_secs(10));
        OfferOptions {
            name,
            limits: Limits {
                in_flight: 1024,
                ..Limits::default()
            },
            faults: Faults::default(),
            log: Log::default(),
            grace,
        }
    }
}

/// Offers `clients` as five services on `listener` until `stop` ends; then takes no more calls and
/// lets those under way come to their end within the grace period.
///
/// Callers are not asked who they are: for loopback and for trying things out.
pub async fn serve<C: Clients>(
    clients: Arc<C>,
    listener: TcpListener,
    options: OfferOptions,
    stop: impl Future<Output = ()> + Send,
) -> Drained {
    let OfferOptions {
        name,
        limits,
        faults,
        log,
        grace,
    } = options;
    let offer = Offer {
        clients,
        runtime: Arc::new(TokioRuntime::default()),
        name: name.into(),
    };
    let desk = Arc::new(Desk {
        offer,
        faults,
        log: log.clone(),
        request_ids: RequestIds::default(),
    });
    let handler: Handler = Arc::new(move |holder, request| {
        let desk = Arc::clone(&desk);
        Box::pin(async move { desk.handle(&holder, request).await })
    });
    let (shares, tally) = (Shares::new(limits), Arc::new(Tally::default()));
    let (stopping, stopped) = watch::channel(false);
    // Dropped with everything in it when this ends, however it ends.
    let mut serving = JoinSet::new();
    serving.spawn(connections::serve(
        listener,
        None,
        handler,
        shares,
        Arc::clone(&tally),
        log.clone(),
        stopped,
    ));
    let mut telling = JoinSet::new();
    telling.spawn({
        let (tally, log) = (Arc::clone(&tally), log.clone());
        async move { tally.keep_telling(&log).await }
    });
    stop.await;
    let _ = stopping.send(true);
    let ended = tokio::time::timeout(grace, serving.join_next()).await;
    tally.tell(&log);
    log.flush();
    if ended.is_ok() {
        Drained::Clean
    } else {
        Drained::CutShort
    }
}

/// Refuses a call before anything is done for it. Our own clients understand that it was not done.
fn busy() -> Status {
    status_of(CallError::not_done(
        "too many calls at a time: nothing was done, try again later",
    ))
}

/// The entrance of calls.
struct Desk<C> {
    offer: Offer<C>,
    faults: Faults,
    log: Log,
    request_ids: RequestIds,
}

impl<C: Clients> Desk<C> {
    async fn handle(&self, holder: &Arc<Holder>, request: Request<Incoming>) -> Response<Answer> {
        let started = Instant::now();
        let id = self.request_ids.of(request.headers());
        let path = request.uri().path();
        let found = CALLS.iter().find(|(.., known)| *known == path);
        let Some((service, call, path)) = found else {
            let known = "expected payment.PaymentService, stock.StockService, \
                         notification.NotificationService, product.ProductService/GetProduct or \
                         user.UserService/GetUser";
            return Answer::refusal(Status::unimplemented(format!("no such call: {known}")));
        };
        let mut line = Line {
            log: &self.log,
            span: self.log.request(&id, None),
            method: path,
            started,
            code: Code::Cancelled,
            note: None,
        };
        let fault = self.faults.of(*service, call);
        line.note = fault.as_ref().map(|fault| match fault {
            Fault::Down => "fault: down",
            Fault::Slow(_) => "fault: slow",
            Fault::Lost => "fault: lost",
        });
        // Kept for as long as a fault holds the answer back.
        let open = holder.take(Thing::Open, 1);
        let answer = match fault {
            _ if open.is_none() => Err(busy()),
            Some(Fault::Down) => Err(Status::unavailable("down, as a fault says")),
            _ => self.bounded(holder, *service, path, request).await,
        };
        let mut response = answer.unwrap_or_else(Answer::refusal);
        match fault {
            Some(Fault::Slow(time)) if open.is_some() => tokio::time::sleep(time).await,
            Some(Fault::Lost) => {
                let lost = Status::unknown("lost, as a fault says");
                response = Answer::broken(Response::new(()), lost);
            }
            Some(Fault::Down | Fault::Slow(_)) | None => {}
        }
        line.code = match fault {
            Some(Fault::Lost) => Code::Unknown,
            _ => response
                .headers()
                .get("grpc-status")
                .map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes())),
        };
        drop(line);
        count_details(holder, response.headers_mut());
        with_id(response, &id)
    }

    /// Carries a call out once there is room for it: its message, its work and its answer.
    async fn bounded(
        &self,
        holder: &Arc<Holder>,
        service: ServiceName,
        path: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Answer>, Status> {
        let (parts, body) = request.into_parts();
        let (message, _held) = receive(body, holder, MESSAGE_MAX, false).await?;
        let _place = holder.work().await.ok_or_else(busy)?;
        let room = holder
            .take(Thing::AnswerBytes, ROOM_USUAL)
            .ok_or_else(busy)?;
        let request = Request::from_parts(parts, Full::new(message));
        let response = self.carry_out(service, path, request).await;
        // Done, but not told: its caller looks it up.
        let untold = || Status::internal("there is no room for the answer");
        Answer::whole(response, room, false)
            .await
            .ok_or_else(untold)
    }

    async fn carry_out(
        &self,
        service: ServiceName,
        path: &str,
        request: Request<Full<Bytes>>,
    ) -> Response<Body> {
        /// Hands the request to one of the generated servers.
        macro_rules! by {
            ($server:ident) => {
                $server::new(self.offer.clone())
                    .max_decoding_message_size(MESSAGE_MAX)
                    .call(request)
                    .await
                    .unwrap_or_else(|never: Infallible| match never {})
            };
        }
        match service {
            ServiceName::Inventory => by!(StockServiceServer),
            ServiceName::Product => by!(ProductServiceServer),
            ServiceName::User => by!(UserServiceServer),
            ServiceName::Payment => by!(PaymentServiceServer),
            ServiceName::Notification => by!(NotificationServiceServer),
            ServiceName::Pricing => {
                Status::unimplemented(format!("no such call: {path}")).into_http()
            }
        }
    }
}

fn with_id(mut response: Response<Answer>, id: &str) -> Response<Answer> {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

/// Writes the log's line when the call is over, also when it was dropped because the caller went
/// away.
struct Line<'a> {
    log: &'a Log,
    span: Span,
    method: &'static str,
    started: Instant,
    code: Code,
    note: Option<&'static str>,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let Line {
            log,
            span,
            method,
            started,
            code,
            note,
        } = self;
        log.call(&CallLine {
            span,
            method,
            code: *code,
            took: started.elapsed(),
            order: None,
            error: *note,
        });
    }
}
