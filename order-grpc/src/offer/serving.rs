//! The five services on a listener, until they are told to stop.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use order_core::runtime::TokioRuntime;
use order_core::services::{Clients, ServiceName};
use prost::bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::{Code, Status};
use tracing::{Level, Span};

use super::Offer;
use super::fault::{CALLS, Fault, Faults};
use crate::call::RequestIds;
use crate::limits::{HEADERS_MAX, MESSAGE_MAX, STREAMS_MAX};
use crate::log::{CallLine, Log};
use crate::proto::notification::notification_service_server::NotificationServiceServer;
use crate::proto::payment::payment_service_server::PaymentServiceServer;
use crate::proto::product::product_service_server::ProductServiceServer;
use crate::proto::stock::stock_service_server::StockServiceServer;
use crate::proto::user::user_service_server::UserServiceServer;
use crate::server::Drained;

/// How many connections are served at a time; further ones wait.
const CONNECTIONS_MAX: usize = 256;
/// The pause after a connection could not be accepted, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the services are offered.
#[derive(Debug, Clone)]
pub struct OfferOptions {
    /// What they call themselves when they are asked. `order`.
    pub name: String,
    /// What goes wrong on request. Nothing.
    pub faults: Faults,
    /// Where each call is told. The default: to the subscriber that the program has.
    pub log: Log,
    /// How long, once told to stop, calls under way are let come to their end. 10 s.
    pub grace: Duration,
}

impl Default for OfferOptions {
    fn default() -> Self {
        let (name, grace) = ("order".to_owned(), Duration::from_secs(10));
        OfferOptions {
            name,
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
    let (stopping, stopped) = watch::channel(false);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    {
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.as_mut() => break,
                Some(_) = connections.join_next(), if !connections.is_empty() => continue,
                accepted = accept(&listener, &room) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    let connection = serve_one(stream, Arc::clone(&desk), stopped.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(e) => {
                    log.event(
                        Level::WARN,
                        "accept",
                        &format!("cannot accept a connection: {e}"),
                    );
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    // From here on a new connection is refused by the system, not left waiting.
    drop(listener);
    let _ = stopping.send(true);
    let ended = tokio::time::timeout(grace, async {
        while connections.join_next().await.is_some() {}
    });
    let drained = if ended.await.is_ok() {
        Drained::Clean
    } else {
        Drained::CutShort
    };
    log.flush();
    drained
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(room)
        .acquire_owned()
        .await
        .map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn serve_one<C: Clients>(
    stream: TcpStream,
    desk: Arc<Desk<C>>,
    mut stop: watch::Receiver<bool>,
) {
    // Without it answers are only slower.
    let _ = stream.set_nodelay(true);
    // One for the connection and one for each call under way.
    let open = Arc::new(());
    let calls = Arc::clone(&open);
    let service = service_fn(move |request| {
        let (desk, call) = (Arc::clone(&desk), Arc::clone(&calls));
        async move {
            let answer = desk.handle(request).await;
            drop(call);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // How it ended is the client's affair.
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A client that stands still does not say goodbye.
    let mut answered = Instant::now();
    while answered.elapsed() < GOODBYE {
        if tokio::time::timeout(LOOK_CLOSING, connection.as_mut())
            .await
            .is_ok()
        {
            return;
        }
        if Arc::strong_count(&open) > IDLE {
            answered = Instant::now();
        }
    }
}

/// How often a connection that closes is asked whether calls are under way, and how long it is left
/// to say goodbye after the last.
const LOOK_CLOSING: Duration = Duration::from_millis(20);
const GOODBYE: Duration = Duration::from_millis(200);
/// How many hold on to the count of calls while there are none: the connection, and what answers on
/// it.
const IDLE: usize = 2;

/// Where calls come in.
struct Desk<C> {
    offer: Offer<C>,
    faults: Faults,
    log: Log,
    request_ids: RequestIds,
}

impl<C: Clients> Desk<C> {
    async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let started = Instant::now();
        let id = self.request_ids.of(request.headers());
        let path = request.uri().path();
        let found = CALLS.iter().find(|(.., known)| *known == path);
        let Some((service, call, path)) = found else {
            let known = "expected payment.PaymentService, stock.StockService, notification.NotificationService, \
                         product.ProductService/GetProduct or user.UserService/GetUser";
            return Status::unimplemented(format!("no such call: {known}")).into_http();
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
        let response = match fault {
            Some(Fault::Down) => Status::unavailable("down, as a fault says").into_http(),
            None | Some(Fault::Slow(_) | Fault::Lost) => {
                self.carry_out(*service, path, request).await
            }
        };
        let response = match fault {
            None => response,
            Some(fault) => {
                line.note = Some(match fault {
                    Fault::Down => "fault: down",
                    Fault::Slow(_) => "fault: slow",
                    Fault::Lost => "fault: lost",
                });
                match fault {
                    Fault::Down => response,
                    Fault::Slow(time) => {
                        tokio::time::sleep(time).await;
                        response
                    }
                    Fault::Lost => Response::new(Body::new(Broken)),
                }
            }
        };
        line.code = match fault {
            Some(Fault::Lost) => Code::Unknown,
            _ => response
                .headers()
                .get("grpc-status")
                .map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes())),
        };
        drop(line);
        with_id(response, &id)
    }

    async fn carry_out(
        &self,
        service: ServiceName,
        path: &str,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let never = |never: Infallible| match never {};
        let offer = self.offer.clone();
        match service {
            ServiceName::Inventory => {
                let mut server =
                    StockServiceServer::new(offer).max_decoding_message_size(MESSAGE_MAX);
                server.call(request).await.unwrap_or_else(never)
            }
            ServiceName::Product => {
                let mut server =
                    ProductServiceServer::new(offer).max_decoding_message_size(MESSAGE_MAX);
                server.call(request).await.unwrap_or_else(never)
            }
            ServiceName::User => {
                let mut server =
                    UserServiceServer::new(offer).max_decoding_message_size(MESSAGE_MAX);
                server.call(request).await.unwrap_or_else(never)
            }
            ServiceName::Payment => {
                let mut server =
                    PaymentServiceServer::new(offer).max_decoding_message_size(MESSAGE_MAX);
                server.call(request).await.unwrap_or_else(never)
            }
            ServiceName::Notification => {
                let mut server =
                    NotificationServiceServer::new(offer).max_decoding_message_size(MESSAGE_MAX);
                server.call(request).await.unwrap_or_else(never)
            }
            ServiceName::Pricing => {
                Status::unimplemented(format!("no such call: {path}")).into_http()
            }
        }
    }
}

fn with_id(mut response: Response<Body>, id: &str) -> Response<Body> {
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

/// A body that breaks its stream: the caller never learns how the call ended.
struct Broken;

impl HttpBody for Broken {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(Some(Err(Status::unknown("lost, as a fault says"))))
    }
}
