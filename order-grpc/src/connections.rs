//! Connections: accepted while there is room, closed when nobody uses them, and drained when the server stops.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use prost::bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;

use crate::call::Handler;
use crate::limits::{HEADERS_MAX, Limits, Place, STREAMS_MAX};
use crate::log::Log;
use crate::metadata::ORDER_EDIT_ID;
use crate::tls::{self, Io, Peer, Tls};

/// How often a connection is asked whether it is still of use.
const LOOK: Duration = Duration::from_secs(5);
/// The same while it is closing.
const LOOK_CLOSING: Duration = Duration::from_millis(20);
/// How long a closing connection is left to say goodbye after its last call. A stream of health has no end of its own.
const GOODBYE: Duration = Duration::from_millis(200);
/// How often an idle connection is asked whether its other end is alive, and how long it may take to say so.
const PING: Duration = Duration::from_secs(60);
const PONG: Duration = Duration::from_secs(20);
/// The pause after a connection could not be accepted, as when there are too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections until `stop` turns true, then lets them finish; whoever calls limits for how long, by dropping this.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    handler: Handler,
    limits: Limits,
    log: Log,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let (tls, handler, limits) = (tls.clone(), Arc::clone(&handler), limits.clone());
                let (log, mut stopped, stop) = (log.clone(), stop.clone(), stop.clone());
                connections.spawn(async move {
                    let opened = tokio::select! {
                        opened = tls::open(tls.as_ref(), stream, limits.first_call, &log) => opened,
                        _ = stopped.wait_for(|stop| *stop) => None,
                    };
                    if let Some((stream, peer)) = opened {
                        serve_one(stream, peer, handler, limits, stop).await;
                    }
                    drop(place);
                });
            }
            Err(e) => {
                log.event("WARN", "accept", &format!("cannot accept a connection: {e}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // From here on a new connection is refused by the system, not left waiting.
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn serve_one(stream: Box<dyn Io>, peer: Peer, handler: Handler, limits: Limits, mut stop: watch::Receiver<bool>) {
    let activity = Arc::new(Activity::default());
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        let open = Open::new(&activity, request.uri().path());
        let answer = handler(request);
        async move {
            let (mut response, place) = answer.await;
            let trailer = response.headers_mut().remove(ORDER_EDIT_ID);
            Ok::<_, Infallible>(response.map(|inner| Answer { inner, trailer, _open: open, _place: place }))
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_MAX)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut closing: Option<Instant> = None;
    let mut seen = Seen { changes: 0, at: Instant::now() };
    let mut look = pin!(tokio::time::sleep(LOOK));
    loop {
        tokio::select! {
            // How it ended is the client's affair.
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop), if closing.is_none() => {}
            () = look.as_mut() => {
                seen.update(&activity);
                match closing {
                    Some(since) if activity.calls() == 0 && since.max(seen.at).elapsed() >= GOODBYE => return,
                    Some(_) => {}
                    None if activity.calls() > 0 && seen.at.elapsed() >= limits.stuck => return,
                    None if activity.is_idle_for(seen.at.elapsed(), &limits) => {}
                    None => {
                        look.as_mut().reset(Instant::now() + LOOK);
                        continue;
                    }
                }
            }
        }
        if closing.is_none() {
            connection.as_mut().graceful_shutdown();
            closing = Some(Instant::now());
        }
        look.as_mut().reset(Instant::now() + LOOK_CLOSING);
    }
}

/// What goes on on a connection.
#[derive(Debug, Default)]
struct Activity {
    /// Calls whose answer is not sent in full.
    calls: AtomicU32,
    /// The same of services whose answers may have no end.
    streams: AtomicU32,
    /// How many began and how many ended.
    changes: AtomicU64,
}

/// When the last change was noticed.
struct Seen {
    changes: u64,
    at: Instant,
}

impl Seen {
    fn update(&mut self, activity: &Activity) {
        let changes = activity.changes.load(Ordering::Relaxed);
        if changes != self.changes {
            *self = Seen { changes, at: Instant::now() };
        }
    }
}

impl Activity {
    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    fn is_idle_for(&self, quiet: Duration, limits: &Limits) -> bool {
        let used = self.changes.load(Ordering::Relaxed) > 0;
        let enough = if used { limits.idle } else { limits.first_call };
        self.calls() == 0 && self.streams.load(Ordering::Relaxed) == 0 && quiet >= enough
    }
}

/// A call that is not over before its answer is sent or given up.
struct Open {
    activity: Arc<Activity>,
    is_call: bool,
}

impl Open {
    fn new(activity: &Arc<Activity>, path: &str) -> Self {
        let open = Open { activity: Arc::clone(activity), is_call: path.starts_with("/order.") };
        open.counter().fetch_add(1, Ordering::Relaxed);
        activity.changes.fetch_add(1, Ordering::Relaxed);
        open
    }

    fn counter(&self) -> &AtomicU32 {
        if self.is_call { &self.activity.calls } else { &self.activity.streams }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counter().fetch_sub(1, Ordering::Relaxed);
        self.activity.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// The body of an answer.
struct Answer {
    inner: Body,
    /// What becomes of an edit is known at the end, and told there; tonic has no trailers of a call that succeeds.
    trailer: Option<HeaderValue>,
    _open: Open,
    _place: Option<Place>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        match frame {
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                if let Some(trailer) = self.trailer.take() {
                    trailers.insert(ORDER_EDIT_ID, trailer);
                }
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            frame => frame,
        }
    }
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    #[tokio::test]
    async fn an_edit_s_number_goes_out_with_the_trailers() {
        let activity = Arc::new(Activity::default());
        let trailers =
            http::HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
        let frames = [Frame::data(Bytes::from_static(b"message")), Frame::trailers(trailers)].map(Ok::<_, Status>);
        let answer = Answer {
            inner: Body::new(StreamBody::new(futures_util::stream::iter(frames))),
            trailer: Some(HeaderValue::from_static("7")),
            _open: Open::new(&activity, "/order.OrderService/AddOrderItem"),
            _place: None,
        };
        assert_eq!(activity.calls(), 1);
        let sent = answer.collect().await.unwrap();
        let trailers = sent.trailers().unwrap();
        assert_eq!((trailers["grpc-status"].as_bytes(), trailers[ORDER_EDIT_ID].as_bytes()), (&b"0"[..], &b"7"[..]));
        assert_eq!(sent.to_bytes(), "message");
        assert_eq!(activity.calls(), 0);
    }
}
