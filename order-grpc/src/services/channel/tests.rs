use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::pending;
use http::HeaderMap;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use order_core::runtime::{BoxFuture, Clock, Runtime};
use order_core::services::CallError;
use order_core::time::Timestamp;
use prost::Message as _;
use prost::bytes::{BufMut as _, Bytes, BytesMut};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::Code;

use super::*;
use crate::TrackedRuntime;
use crate::proto::order_service_client::OrderServiceClient;
use crate::proto::{GetOrderRequest, Order};

/// A way in which a service treats a call.
#[derive(Clone)]
pub(in crate::services) enum Does {
    Answers,
    Says(Code),
    /// Answers with a status of HTTP alone.
    Http(u16),
    /// Answers with these bytes for a message.
    Bytes(Bytes),
    /// Never answers.
    Hangs,
    /// Breaks the connection once the message has arrived.
    Breaks,
}

/// A service on a socket of its own, until it is dropped.
pub(in crate::services) struct Peer {
    address: SocketAddr,
    /// The headers of every call whose message arrived.
    calls: Arc<Mutex<Vec<HeaderMap>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    pub(in crate::services) async fn start(does: Does) -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap(), does).await
    }

    async fn start_on(address: SocketAddr, does: Does) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
        let told = Arc::clone(&calls);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (told, does) = (Arc::clone(&told), does.clone());
                let (broken, mut breaks) = mpsc::channel::<()>(1);
                connections.spawn(async move {
                    let answer = service_fn(move |request: Request<Incoming>| {
                        answer(request, does.clone(), Arc::clone(&told), broken.clone())
                    });
                    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), answer);
                    tokio::select! {
                        _ = connection => {}
                        Some(()) = breaks.recv() => {}
                    }
                });
            }
        });
        Peer {
            address,
            calls,
            task,
        }
    }

    pub(in crate::services) fn calls(&self) -> Vec<HeaderMap> {
        self.calls.lock().unwrap().clone()
    }

    pub(in crate::services) fn channel(&self) -> ServiceChannel {
        channel(&Endpoint::new(format!("http://{}", self.address)))
    }
}

async fn answer(
    request: Request<Incoming>,
    does: Does,
    told: Arc<Mutex<Vec<HeaderMap>>>,
    broken: mpsc::Sender<()>,
) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(message) = body.collect().await else {
        return pending().await;
    };
    if !message.to_bytes().is_empty() {
        told.lock().unwrap().push(parts.headers);
    }
    let framed = |length: usize, message: &[u8]| {
        let mut bytes = BytesMut::new();
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(length).unwrap());
        bytes.put_slice(message);
        bytes.freeze()
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let response = |bytes| {
        let body = Full::new(bytes).with_trailers(std::future::ready(Some(Ok(trailers))));
        Response::builder()
            .header("content-type", "application/grpc")
            .body(Body::new(body))
            .unwrap()
    };
    Ok(match does {
        Does::Answers => {
            let message = order().encode_to_vec();
            response(framed(message.len(), &message))
        }
        Does::Bytes(bytes) => response(bytes),
        Does::Says(code) => Status::new(code, "said so").into_http(),
        Does::Http(status) => Response::builder()
            .status(status)
            .body(Body::empty())
            .unwrap(),
        Does::Hangs => pending().await,
        Does::Breaks => {
            broken.send(()).await.unwrap();
            pending().await
        }
    })
}

fn channel(endpoint: &Endpoint) -> ServiceChannel {
    ServiceChannel::new(ServiceName::Payment, endpoint).unwrap()
}

async fn get(channel: &ServiceChannel) -> Result<Order, Failure> {
    get_by(channel, &CallDeadline::NEVER).await
}

async fn get_by(channel: &ServiceChannel, deadline: &CallDeadline) -> Result<Order, Failure> {
    channel
        .call(deadline, |wire| async {
            OrderServiceClient::new(wire)
                .get_order(GetOrderRequest::default())
                .await
        })
        .await
}

fn order() -> Order {
    Order {
        id: "it".to_owned(),
        ..Order::default()
    }
}

/// A clock that is set by hand, in milliseconds.
#[derive(Default)]
struct ByHand(AtomicU64);

impl Clock for ByHand {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0).after(self.monotonic())
    }
}

impl Runtime for ByHand {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        Box::pin(pending())
    }
    fn spawn(&self, _: BoxFuture<()>) {}
}

#[tokio::test]
async fn an_endpoint_that_makes_no_sense_is_refused_when_it_is_made() {
    let ok = Endpoint::new("http://127.0.0.1:1");
    for (endpoint, expected) in [
        (Endpoint::new("127.0.0.1:50054"), "payment service: url"),
        (
            Endpoint::new("ftp://shop.example"),
            "url \"ftp://shop.example\" is not a URL of a service: expected http://HOST:PORT",
        ),
        (
            Endpoint::new("http://shop.example/v1"),
            "url \"http://shop.example/v1\" has a path or a query",
        ),
        (
            Endpoint::new("http://me:secret@shop.example"),
            "url has a user name",
        ),
        (
            Endpoint {
                deadline: Duration::ZERO,
                ..ok.clone()
            },
            "deadline is 0ns: expected more than nothing",
        ),
        (
            Endpoint {
                connect_timeout: Duration::from_secs(601),
                ..ok.clone()
            },
            "connect_timeout is 601s",
        ),
        (
            Endpoint {
                concurrency: 0,
                ..ok.clone()
            },
            "concurrency is 0: expected 1 to 10000",
        ),
        (
            Endpoint {
                keep_alive: Some(Duration::from_secs(60)),
                ..ok.clone()
            },
            "keep_alive is 60s: expected at least 5 min",
        ),
        (
            Endpoint {
                tls: Tls {
                    roots: Some("Cargo.toml".into()),
                    ..Tls::default()
                },
                ..ok.clone()
            },
            "tls is set, but the URL",
        ),
    ] {
        let error = ServiceChannel::new(ServiceName::Payment, &endpoint)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    ServiceChannel::new(
        ServiceName::Payment,
        &Endpoint {
            keep_alive: Some(Duration::from_secs(300)),
            ..ok
        },
    )
    .unwrap();
}

#[test]
fn a_channel_outside_a_runtime_is_an_error_and_no_panic() {
    let error =
        ServiceChannel::new(ServiceName::User, &Endpoint::new("http://127.0.0.1:1")).unwrap_err();
    assert!(
        matches!(
            error,
            EndpointError::NoRuntime {
                service: ServiceName::User
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn what_a_service_answers_is_told_from_what_the_way_to_it_did() {
    let ok = Peer::start(Does::Answers).await;
    assert_eq!(get(&ok.channel()).await.unwrap(), order());

    let refusing = Peer::start(Does::Says(Code::NotFound)).await;
    assert_eq!(
        get(&refusing.channel()).await.unwrap_err().code(),
        Some(Code::NotFound)
    );
    let door = Peer::start(Does::Http(403)).await;
    assert_eq!(
        get(&door.channel()).await.unwrap_err().code(),
        Some(Code::PermissionDenied)
    );

    let breaking = Peer::start(Does::Breaks).await;
    let lost = get(&breaking.channel()).await.unwrap_err();
    assert!(matches!(lost, Failure::Lost { .. }), "{lost:?}");
    assert_eq!(breaking.calls().len(), 1);

    // Tonic calls the first INTERNAL and the second OUT_OF_RANGE, as if the service had refused it.
    let too_long = BytesMut::from_iter([0u8, 0x7f, 0, 0, 0]).freeze();
    let nonsense = Bytes::from_static(&[0, 0, 0, 0, 1, 0xff]);
    let flood = Bytes::from([&[0, 0, 0x20, 0, 0][..], &vec![0; 2 * 1024 * 1024]].concat());
    for bytes in [nonsense, too_long, flood, Bytes::new()] {
        let length = bytes.len();
        let service = Peer::start(Does::Bytes(bytes)).await;
        let malformed = get(&service.channel()).await.unwrap_err();
        assert!(
            matches!(malformed, Failure::Malformed { .. }),
            "{length} bytes: {malformed:?}"
        );
    }
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent_and_the_next_call_connects_again() {
    let first = Peer::start(Does::Answers).await;
    let (address, channel) = (first.address, first.channel());
    assert_eq!(get(&channel).await.unwrap(), order());
    drop(first);
    // The connection may break under the first call after; once it is seen to be gone, nothing is
    // sent.
    let failure = loop {
        match get(&channel).await.unwrap_err() {
            Failure::Lost { .. } => {}
            failure => break failure,
        }
    };
    let Failure::NotSent { message } = &failure else {
        panic!("{failure:?}")
    };
    assert!(
        message.contains(&address.to_string()) && message.contains("refused"),
        "{message}"
    );
    assert!(matches!(
        CallError::from(failure),
        CallError::NotDone { .. }
    ));

    let second = Peer::start_on(address, Does::Answers).await;
    assert_eq!(get(&channel).await.unwrap(), order());
    assert_eq!(second.calls().len(), 1);
}

#[tokio::test]
async fn a_call_is_given_up_at_its_deadline_and_says_whether_it_was_sent() {
    let service = Peer::start(Does::Hangs).await;
    let short = Endpoint {
        deadline: Duration::from_millis(300),
        concurrency: 1,
        ..Endpoint::new(format!("http://{}", service.address))
    };
    let channel = channel(&short);
    let runtime = TrackedRuntime::default();
    let earlier = CallDeadline::at(
        Arc::new(runtime.clone()),
        runtime.monotonic() + Duration::from_millis(100),
    );
    let (first, second) = tokio::join!(get(&channel), get_by(&channel, &earlier));
    assert!(matches!(&first, Err(Failure::Lost { .. })), "{first:?}");
    let Err(Failure::NotSent { message }) = second else {
        panic!("{second:?}")
    };
    assert!(
        message.starts_with("1 calls to http://127.0.0.1"),
        "{message}"
    );
    assert_eq!(service.calls().len(), 1);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_call_that_waits_for_a_handshake_until_its_deadline_was_not_sent() {
    // The system takes the connection, and nobody ever reads from it.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf = Endpoint {
        deadline: Duration::from_millis(300),
        ..Endpoint::new(format!("https://{}", deaf.local_addr().unwrap()))
    };
    let unsent = get(&channel(&deaf)).await.unwrap_err();
    assert!(matches!(unsent, Failure::NotSent { .. }), "{unsent:?}");
}

#[tokio::test]
async fn a_call_that_is_late_is_not_sent_even_if_time_passes_on_the_way() {
    let service = Peer::start(Does::Answers).await;
    let channel = service.channel();
    let clock = Arc::new(ByHand::default());
    let deadline = CallDeadline::at(clock.clone(), Duration::from_millis(1_000));
    get_by(&channel, &deadline).await.unwrap();
    let told = service.calls().pop().unwrap();
    let timeout = told["grpc-timeout"].to_str().unwrap();
    let micros: u64 = timeout
        .strip_suffix('u')
        .unwrap_or_else(|| panic!("{timeout}"))
        .parse()
        .unwrap();
    assert!((1..=1_000_000).contains(&micros), "{timeout}");

    // The process stands still between the check and the connection's taking the message.
    let standing_still = channel.call(&deadline, |wire| async {
        clock.0.store(1_000, Ordering::SeqCst);
        OrderServiceClient::new(wire)
            .get_order(GetOrderRequest::default())
            .await
    });
    let late = standing_still.await.unwrap_err();
    assert!(matches!(late, Failure::NotSent { .. }), "{late:?}");
    let late = get_by(&channel, &deadline).await.unwrap_err();
    assert!(matches!(late, Failure::NotSent { .. }), "{late:?}");
    get(&channel).await.unwrap();
    assert_eq!(service.calls().len(), 2, "only what was not late was sent");
}

#[tokio::test]
async fn the_request_that_is_served_is_named_to_services_also_by_tasks() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let service = Peer::start(Does::Answers).await;
    let channel = service.channel();
    let named = |headers: &HeaderMap| {
        ["x-request-id", "traceparent"].map(|name| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        })
    };
    get(&channel).await.unwrap();
    assert_eq!(named(&service.calls()[0]), [None, None]);

    let headers = HeaderMap::from_iter([(
        http::HeaderName::from_static("traceparent"),
        HeaderValue::from_static(TRACE),
    )]);
    let runtime = TrackedRuntime::default();
    let task_of_a_task = || {
        let (runtime, channel) = (runtime.clone(), channel.clone());
        Box::pin(async move {
            let call = Box::pin(async move { drop(get(&channel).await.unwrap()) });
            runtime.spawn(call);
        })
    };
    Serving::of("r-1", &headers)
        .during(async { runtime.spawn(task_of_a_task()) })
        .await;
    runtime.idle().await;
    runtime.spawn(task_of_a_task());
    runtime.idle().await;
    let calls = service.calls();
    assert_eq!(
        named(&calls[1]),
        [Some("r-1".to_owned()), Some(TRACE.to_owned())]
    );
    assert_eq!(
        named(&calls[2]),
        [None, None],
        "it is gone with the request"
    );
}
