//! The way to one service: where it is, and how it is called.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use order_core::services::{CallDeadline, ServiceName};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::Channel;
use tonic::{Request as Call, Status};

use super::context::Serving;
use super::outcome::Failure;
use super::progress::{Guarded, Progress};

#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "channel/without_tls.rs"]
mod tls;

/// The longest answer that is read, in bytes.
pub const ANSWER_MAX: usize = 1024 * 1024;
/// The longest header list of an answer, in bytes, as HTTP/2 counts it (RFC 9113, 6.5.2).
const HEADERS_MAX: u32 = 16 * 1024;
/// The shortest interval of pings: grpc-go's usual enforcement policy takes shorter ones for abuse
/// and breaks the connection.
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(5 * 60);
/// The time after which a connection on which nothing happens is probed below HTTP/2, where no
/// server counts it.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(30);
const DEADLINE_MAX: Duration = Duration::from_secs(10 * 60);
const CONCURRENCY_MAX: usize = 10_000;

/// The address of a service, and the limits of calls to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `http://HOST:PORT`, or `https://HOST:PORT` for TLS.
    pub url: String,
    /// The certificates by which both sides prove who they are. Only with `https`.
    pub tls: Tls,
    /// The longest that a call may take, waiting for a place and for a connection included; a call
    /// with less time left has less. 5 s; at most 10 min.
    pub deadline: Duration,
    /// The longest that making a connection may take, its TLS handshake included. 2 s; at most
    /// 10 min.
    pub connect_timeout: Duration,
    /// The number of calls that may be under way at a time; the next waits for its turn. 64; 1 to
    /// 10,000.
    pub concurrency: usize,
    /// The time between two pings of a connection with calls under way, at least 5 min. `None`, the
    /// default, sends no pings: a server in Go takes those that come more often than every 5 min
    /// for abuse. A peer that vanished is noticed by TCP.
    pub keep_alive: Option<Duration>,
}

impl Endpoint {
    /// The service at `url`, `http://HOST:PORT` or `https://HOST:PORT`, called with the documented
    /// defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Endpoint {
            url: url.into(),
            tls: Tls::default(),
            deadline: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            concurrency: 64,
            keep_alive: None,
        }
    }
}

/// The certificates by which both sides of a connection prove who they are. Files are PEM, and are
/// read once, when the channel is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities that are trusted instead of the system's.
    pub roots: Option<PathBuf>,
    /// Our certificate, with those between it and its authority, for services that ask for one.
    /// Together with `key`.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// The name that the service's certificate must have, if it is not the URL's host.
    pub domain: Option<String>,
}

/// A reason why there is no way to a service. The message names the service, the setting, its value
/// and what is expected.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// A setting that makes no sense.
    #[error("{service} service: {setting} {problem}")]
    Setting {
        /// The service.
        service: ServiceName,
        /// The field of [`Endpoint`] or [`Tls`].
        setting: &'static str,
        /// Says what is wrong with its value, and what is expected.
        problem: String,
    },
    /// A file that cannot be read.
    #[error("{service} service: cannot read {setting} {}", path.display())]
    File {
        /// The service.
        service: ServiceName,
        /// The field of [`Tls`].
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// TLS cannot be set up with what the files say.
    #[error("{service} service: TLS cannot be set up: {problem}")]
    Tls {
        /// The service.
        service: ServiceName,
        /// Says why not.
        problem: String,
    },
    /// Not called within a tokio runtime, which connections live in.
    #[error("{service} service: a channel must be made within a tokio runtime")]
    NoRuntime {
        /// The service.
        service: ServiceName,
    },
}

/// The way to one service. It connects when the first call is made, and again whenever a connection
/// was lost; clones share the connection and the places.
#[derive(Clone)]
pub struct ServiceChannel {
    shared: Arc<Shared>,
}

struct Shared {
    service: ServiceName,
    url: String,
    channel: Channel,
    places: Semaphore,
    concurrency: usize,
    deadline: Duration,
}

impl fmt::Debug for ServiceChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { service, url, .. } = &*self.shared;
        f.debug_struct("ServiceChannel")
            .field("service", service)
            .field("url", url)
            .finish_non_exhaustive()
    }
}

impl ServiceChannel {
    /// Prepares the way to `service`, without connecting. To be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] names what is wrong: a URL, a bound, a file, a certificate or its key.
    pub fn new(service: ServiceName, endpoint: &Endpoint) -> Result<Self, EndpointError> {
        let Endpoint {
            url,
            tls,
            deadline,
            connect_timeout,
            concurrency,
            keep_alive,
        } = endpoint;
        let wrong = |setting, problem: String| EndpointError::Setting {
            service,
            setting,
            problem,
        };
        let uri = parse(url).map_err(|problem| wrong("url", problem))?;
        for (setting, time) in [("deadline", deadline), ("connect_timeout", connect_timeout)] {
            if time.is_zero() || *time > DEADLINE_MAX {
                return Err(wrong(
                    setting,
                    format!("is {time:?}: expected more than nothing and at most 10 min"),
                ));
            }
        }
        if !(1..=CONCURRENCY_MAX).contains(concurrency) {
            return Err(wrong(
                "concurrency",
                format!("is {concurrency}: expected 1 to {CONCURRENCY_MAX}"),
            ));
        }
        if let Some(interval) = keep_alive.filter(|interval| *interval < KEEP_ALIVE_MIN) {
            let problem = format!(
                "is {interval:?}: expected at least 5 min, or none: servers take more pings for abuse"
            );
            return Err(wrong("keep_alive", problem));
        }
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(EndpointError::NoRuntime { service });
        }

        let secure = uri.scheme_str() == Some("https");
        let mut to = Channel::builder(uri)
            .connect_timeout(*connect_timeout)
            .http2_max_header_list_size(HEADERS_MAX);
        if let Some(interval) = keep_alive {
            to = to
                .http2_keep_alive_interval(*interval)
                .keep_alive_timeout(Duration::from_secs(20));
        }
        if secure {
            to = tls.secure(to, service, *connect_timeout)?;
        } else if *tls != Tls::default() {
            return Err(wrong(
                "tls",
                format!("is set, but the URL {url:?} is without TLS: use https://, or remove it"),
            ));
        }
        let channel = to.connect_with_connector_lazy(connector(*connect_timeout, *deadline));
        let (url, places) = (url.clone(), Semaphore::new(*concurrency));
        Ok(ServiceChannel {
            shared: Arc::new(Shared {
                service,
                url,
                channel,
                places,
                concurrency: *concurrency,
                deadline: *deadline,
            }),
        })
    }

    /// Returns the service it leads to.
    pub fn service(&self) -> ServiceName {
        self.shared.service
    }

    /// Returns the service's address.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Returns the longest that a call may take.
    pub fn deadline(&self) -> Duration {
        self.shared.deadline
    }

    /// Makes one call, by a generated client over the [`Wire`] that `send` is given:
    ///
    /// ```
    /// # use order_core::services::CallDeadline;
    /// # use order_grpc::proto::{GetOrderRequest, Order, order_service_client::OrderServiceClient};
    /// # use order_grpc::services::{Failure, ServiceChannel};
    /// # async fn example(channel: &ServiceChannel, deadline: &CallDeadline) -> Result<Order, Failure> {
    /// let request = GetOrderRequest::default();
    /// channel.call(deadline, |wire| async { OrderServiceClient::new(wire).get_order(request).await }).await
    /// # }
    /// ```
    ///
    /// It waits for a place and for a connection, and is given up at the channel's deadline, or at
    /// the call's `deadline` if that is earlier: nothing is sent any more from then on, not even if
    /// the process stood still meanwhile. The service is told how much time it has
    /// (`grpc-timeout`), and which request is being served (`x-request-id`, `traceparent`), if any.
    ///
    /// # Errors
    ///
    /// [`Failure`], which says what is proven. Whatever was not handed to the connection is
    /// [`Failure::NotSent`].
    pub async fn call<R, F, Fut>(&self, deadline: &CallDeadline, send: F) -> Result<R, Failure>
    where
        F: FnOnce(Wire) -> Fut,
        Fut: Future<Output = Result<tonic::Response<R>, Status>>,
    {
        let Shared {
            url,
            channel,
            places,
            concurrency,
            deadline: usual,
            ..
        } = &*self.shared;
        let left = deadline.left().map_or(*usual, |left| left.min(*usual));
        let until = Instant::now() + left;
        let Ok(Ok(_place)) = tokio::time::timeout_at(until, places.acquire()).await else {
            return Err(Failure::NotSent {
                message: format!(
                    "{concurrency} calls to {url} were under way for {} ms",
                    left.as_millis()
                ),
            });
        };
        if deadline.is_over() {
            return Err(Failure::NotSent {
                message: "the call's deadline was over".to_owned(),
            });
        }
        let progress = Arc::new(Progress::new(deadline.clone(), until));
        // However this ends, also by being dropped: what was not sent by then is not sent any more.
        let _ended = progress.end_with_this();
        let wire = Wire {
            channel: channel.clone(),
            progress: Arc::clone(&progress),
        };
        match tokio::time::timeout_at(until, send(wire)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(progress.failed(url, status)),
            Err(_elapsed) if progress.give_up() => Err(Failure::NotSent {
                message: format!("no connection to {url} within {} ms", left.as_millis()),
            }),
            Err(_elapsed) => Err(Failure::Lost {
                message: format!("{url} did not answer within {} ms", left.as_millis()),
            }),
        }
    }
}

/// One call's use of a [`ServiceChannel`], for a generated client. A second call over it is not
/// sent.
pub struct Wire {
    channel: Channel,
    progress: Arc<Progress>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let progress = Arc::clone(&self.progress);
        let (mut parts, body) = request.into_parts();
        if let Some(value) = timeout_header(progress.left()) {
            parts.headers.insert("grpc-timeout", value);
        }
        if let Some(serving) = Serving::current() {
            serving.put(&mut parts.headers);
        }
        let body = Body::new(Guarded::new(body, Arc::clone(&progress)));
        let answer = self.channel.call(Request::from_parts(parts, body));
        Box::pin(async move {
            let (parts, body) = answer.await?.into_parts();
            progress.heard_head(&parts);
            let body = body.map_frame(move |frame| {
                if let Some(trailers) = frame.trailers_ref() {
                    progress.heard(trailers);
                }
                frame
            });
            Ok(Response::from_parts(
                parts,
                Body::new(Limited::new(body, ANSWER_MAX)),
            ))
        })
    }
}

/// The time in the longest form that `grpc-timeout` takes ("gRPC over HTTP2": at most 8 digits and
/// a unit).
fn timeout_header(left: Duration) -> Option<HeaderValue> {
    // Borrowed from tonic, which writes it for requests of its own.
    let mut request = Call::new(());
    request.set_timeout(left);
    let value = request.metadata().get("grpc-timeout")?;
    HeaderValue::from_bytes(value.as_encoded_bytes()).ok()
}

/// Connects by TCP. Bytes that nobody acknowledges end a connection after two deadlines, so that a
/// peer that vanished without a word costs a few calls and not the quarter of an hour that systems
/// usually wait.
fn connector(connect_timeout: Duration, deadline: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.set_keepalive(Some(TCP_KEEP_ALIVE));
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    tcp.set_tcp_user_timeout(Some(2 * deadline));
    #[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
    let _ = deadline;
    tcp
}

/// A URL without anything that gRPC does not use. Says what is wrong without repeating a password.
fn parse(url: &str) -> Result<Uri, String> {
    const EXPECTED: &str = "expected http://HOST:PORT or https://HOST:PORT";
    let uri: Uri = url
        .parse()
        .map_err(|e| format!("is not a URL ({e}): {EXPECTED}"))?;
    match (uri.scheme_str(), uri.authority()) {
        (_, Some(authority)) if authority.as_str().contains('@') => {
            Err(format!("has a user name: {EXPECTED}"))
        }
        (Some("http" | "https"), Some(authority)) if authority.host().is_empty() => {
            Err(format!("{url:?} has no host: {EXPECTED}"))
        }
        (Some("http" | "https"), Some(_)) => match uri.path_and_query().map(PathAndQuery::as_str) {
            None | Some("/") => Ok(uri),
            Some(_) => Err(format!("{url:?} has a path or a query: {EXPECTED}")),
        },
        _ => Err(format!("{url:?} is not a URL of a service: {EXPECTED}")),
    }
}

#[cfg(test)]
pub(super) mod tests;
