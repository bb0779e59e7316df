//! A service of the platform's on a real socket: what may go wrong on the way to it, and what it
//! was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::{Code, Status};

/// A fate of a call.
#[derive(Debug)]
pub enum Fault {
    /// It is carried out, and every connection breaks before it is answered.
    LoseAnswer,
    /// Every connection breaks before it is carried out.
    Break,
    /// It fails with this status before it is carried out.
    Fail(Code),
    /// Once its state was checked, it waits for this before it writes; the first half tells that it
    /// waits.
    Pause(oneshot::Sender<()>, oneshot::Receiver<()>),
    /// It is carried out, and then waits for this before it is answered; the first half tells that
    /// it waits.
    Late(oneshot::Sender<()>, oneshot::Receiver<()>),
}

pub const ANY: &str = "any";
pub const EFFECT: &str = "effect";

/// A fault that waits, the end of it that hears that it does, and the end that lets it go on.
pub fn waiting(
    kind: fn(oneshot::Sender<()>, oneshot::Receiver<()>) -> Fault,
) -> (Fault, oneshot::Receiver<()>, oneshot::Sender<()>) {
    let (reached, is_reached) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel();
    (kind(reached, may_go_on), is_reached, go_on)
}

/// The wire of one service, shared by its handlers and its tests.
#[derive(Clone)]
pub struct Wire(Arc<State>);

struct State {
    faults: Mutex<VecDeque<(&'static str, Fault)>>,
    calls: Mutex<Vec<(&'static str, String)>>,
    answer: Mutex<Option<(&'static str, u16, String)>>,
    /// Counts how often all connections were cut.
    cuts: watch::Sender<u64>,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Wire {
    fn default() -> Self {
        let (faults, calls, answer) = Default::default();
        Wire(Arc::new(State {
            faults,
            calls,
            answer,
            cuts: watch::Sender::new(0),
        }))
    }
}

impl Wire {
    /// The next call of `method` that no earlier fault hits is hit by this one. [`ANY`] is any
    /// method, and [`EFFECT`] any that changes something.
    pub fn fault(&self, method: &'static str, fault: Fault) {
        lock(&self.0.faults).push_back((method, fault));
    }

    /// The next request whose path ends so is answered by this HTTP status and body, and never
    /// reaches the service.
    pub fn answer_next(&self, path: &'static str, status: u16, body: &str) {
        *lock(&self.0.answer) = Some((path, status, body.to_owned()));
    }

    /// Forgets every fault that has hit no call.
    pub fn calm(&self) {
        lock(&self.0.faults).clear();
    }

    /// Breaks every connection.
    pub fn cut(&self) {
        self.0.cuts.send_modify(|n| *n += 1);
    }

    /// Every call that reached the service, the oldest first: its method and what it was about.
    pub fn calls(&self) -> Vec<(&'static str, String)> {
        lock(&self.0.calls).clone()
    }

    /// Returns what the calls of `method` were about.
    pub fn calls_of(&self, method: &str) -> Vec<String> {
        self.calls()
            .into_iter()
            .filter(|(m, _)| *m == method)
            .map(|(_, about)| about)
            .collect()
    }

    /// Carries a call out by `check`, which looks, and `write`, which does it, under the next fault
    /// for its method.
    pub async fn carry_out<C, T>(
        &self,
        method: &'static str,
        about: String,
        check: impl FnOnce() -> Result<C, Status>,
        write: impl FnOnce(C) -> Result<T, Status>,
    ) -> Result<T, Status> {
        lock(&self.0.calls).push((method, about));
        let fault = {
            let mut faults = lock(&self.0.faults);
            let reads = method.starts_with("Get") || method.starts_with("Check");
            let found = faults
                .iter()
                .position(|(m, _)| *m == ANY || *m == method || *m == EFFECT && !reads);
            found.and_then(|i| faults.remove(i)).map(|(_, fault)| fault)
        };
        match fault {
            None => write(check()?),
            Some(Fault::Fail(code)) => Err(Status::new(code, "scripted")),
            Some(Fault::Break) => {
                self.cut();
                std::future::pending().await
            }
            Some(Fault::LoseAnswer) => {
                // Whatever it says is lost.
                let _ = check().and_then(write);
                self.cut();
                std::future::pending().await
            }
            Some(Fault::Pause(reached, go_on)) => {
                let checked = check()?;
                let _ = reached.send(());
                let _ = go_on.await;
                write(checked)
            }
            Some(Fault::Late(reached, go_on)) => {
                let answer = check().and_then(write);
                let _ = reached.send(());
                let _ = go_on.await;
                answer
            }
        }
    }
}

/// A server on a socket of its own. Its handlers run to their end whoever hangs up, as those of the
/// platform may.
pub struct Peer {
    pub address: SocketAddr,
    wire: Wire,
    server: JoinHandle<()>,
}

impl Peer {
    pub async fn start<S: Handler>(wire: Wire, service: S) -> Self
    where
        S::Future: Send,
    {
        Peer::start_at("127.0.0.1:0".parse().unwrap(), wire, service).await
    }

    /// The same at an address, as of one that was stopped.
    pub async fn start_at<S: Handler>(address: SocketAddr, wire: Wire, service: S) -> Self
    where
        S::Future: Send,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(accept(listener, wire.clone(), service));
        Peer {
            address,
            wire,
            server,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody listens any more, and every connection is broken.
    pub async fn stop(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
        self.wire.cut();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A generated server.
pub trait Handler:
    Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
    + Clone
    + Send
    + 'static
{
}

impl<S> Handler for S where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static
{
}

async fn accept<S: Handler>(listener: TcpListener, wire: Wire, service: S)
where
    S::Future: Send,
{
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, wire.clone(), service.clone()));
    }
}

async fn connection<S: Handler>(stream: TcpStream, wire: Wire, handler: S)
where
    S::Future: Send,
{
    let mut cuts = wire.0.cuts.subscribe();
    cuts.mark_unchanged();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (wire, mut handler) = (wire.clone(), handler.clone());
        async move {
            let answer = {
                let mut answer = lock(&wire.0.answer);
                let hit = answer
                    .as_ref()
                    .is_some_and(|(path, ..)| request.uri().path().ends_with(path));
                if hit { answer.take() } else { None }
            };
            if let Some((_, status, body)) = answer {
                let response = http::Response::builder()
                    .status(status)
                    .header("content-type", "text/plain");
                return Ok::<_, Infallible>(
                    response
                        .body(Body::new(http_body_util::Full::from(body)))
                        .unwrap(),
                );
            }
            let call = tokio::spawn(async move { handler.call(request.map(Body::new)).await });
            let broken = || Status::internal("the handler panicked").into_http();
            Ok(call
                .await
                .map_or_else(|_| broken(), |Ok(response)| response))
        }
    });
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = connection => {}
        _ = cuts.changed() => {}
    }
}
