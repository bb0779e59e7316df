//! The server: the service, its worker, health and reflection in one process, from the first
//! connection to the last.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use order_core::ids::OrderId;
use order_core::manager::{OrderManager, TroubleHook, WorkerOptions};
use order_core::services::Clients;
use order_core::store::OrderStore;
use tokio::net::{TcpListener, lookup_host};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::codec::CompressionEncoding;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tracing::Level;

use crate::auth::Auth;
use crate::beside::Beside;
use crate::call::{Gate, RequestIds, StoreFailures};
use crate::connections;
use crate::limits::{Limits, MESSAGE_MAX};
use crate::log::Log;
use crate::proto::order_service_server::OrderServiceServer;
use crate::rate::{Rate, RateLimit};
use crate::service::OrderApi;
use crate::shares::Shares;
use crate::tally::Tally;
use crate::tasks::TrackedRuntime;
use crate::tls::Tls;

/// Options of a server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Limits of what it takes on at a time.
    pub limits: Limits,
    /// The time that work under way has to come to an end once the server is told to stop. 10 s.
    pub grace: Duration,
    /// Options of its worker; `grace` holds for the worker too.
    pub worker: WorkerOptions,
    /// The log that its events are written to. The default: the subscriber that the program has.
    pub log: Log,
    /// The runtime of the manager, if its tasks are to be waited for when the server stops. None.
    pub tasks: Option<TrackedRuntime>,
    /// TLS. None: calls come in the clear.
    pub tls: Option<Tls>,
    /// Recognises callers. None: whoever can reach the server is an operator.
    pub auth: Option<Auth>,
    /// The rate at which each customer may place orders; customers are only those whom `auth`
    /// knows. None: as many as they like.
    pub rate_limit: Option<RateLimit>,
}

impl ServerOptions {
    /// Tells whether a server with these options may be reached from other machines: it knows its
    /// callers, and nobody can listen in.
    pub const fn is_guarded(&self) -> bool {
        self.tls.is_some() && self.auth.is_some()
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        ServerOptions {
            limits: Limits::default(),
            grace: Duration::from_secs(10),
            worker: WorkerOptions::default(),
            log: Log::default(),
            tasks: None,
            tls: None,
            auth: None,
            rate_limit: Some(RateLimit::default()),
        }
    }
}

/// The way in which a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything that was under way came to its end, and every lease went back.
    Clean,
    /// The grace period was over first: what was under way is taken up by whoever works next, once
    /// its lease has run out.
    CutShort,
}

/// A reason why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Not an address.
    #[error(
        "listen address {address:?} is not an address: expected HOST:PORT such as 127.0.0.1:50053"
    )]
    Unknown {
        /// The address that was given.
        address: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Reachable from other machines without both authentication and TLS.
    #[error(
        "listen address {address} can be reached from other machines, and callers are not authenticated, or not by TLS: set up both, listen on 127.0.0.1, or insist on it"
    )]
    Exposed {
        /// The address that was given.
        address: SocketAddr,
    },
    /// The system refuses it.
    #[error("cannot listen on {address}")]
    Refused {
        /// The address that was given.
        address: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

/// Listens on `address`, `HOST:PORT`; port 0 takes a free one. Beyond loopback only if `exposed`:
/// because the server [is guarded](ServerOptions::is_guarded), or because somebody insists, which
/// [`serve`] says in the log.
///
/// # Errors
///
/// [`ListenError`] says which of the three is wrong.
pub async fn bind(address: &str, exposed: bool) -> Result<TcpListener, ListenError> {
    let unknown = |source| ListenError::Unknown {
        address: address.to_owned(),
        source,
    };
    let found: Vec<SocketAddr> = lookup_host(address).await.map_err(unknown)?.collect();
    if found.is_empty() {
        return Err(unknown(std::io::Error::new(
            std::io::ErrorKind::NotFound,
            "it has no address",
        )));
    }
    if let Some(address) = found
        .iter()
        .find(|a| !exposed && !a.ip().to_canonical().is_loopback())
    {
        return Err(ListenError::Exposed { address: *address });
    }
    let refused = |source| ListenError::Refused {
        address: address.to_owned(),
        source,
    };
    TcpListener::bind(&found[..]).await.map_err(refused)
}

/// Serves `manager` on `listener`, works its orders, and drains when `stop` ends: health says
/// NOT_SERVING, no connection and no work is taken on, calls and orders under way come to their end
/// within the grace period, and leases go back.
///
/// What the engine has accepted needs none of that: after a kill, whoever works next takes it up.
pub async fn serve<S: OrderStore, C: Clients>(
    manager: OrderManager<S, C>,
    listener: TcpListener,
    options: ServerOptions,
    stop: impl Future<Output = ()> + Send,
) -> Drained {
    let is_guarded = options.is_guarded();
    let ServerOptions {
        limits,
        grace,
        worker,
        log,
        tasks,
        tls,
        auth,
        rate_limit,
    } = options;
    if let Ok(address) = listener.local_addr()
        && !is_guarded
        && !address.ip().to_canonical().is_loopback()
    {
        let lacks = if auth.is_none() {
            "every caller acts as an operator"
        } else {
            "calls and tokens can be read on the way"
        };
        log.event(
            Level::WARN,
            "exposed",
            &format!("{address} can be reached from other machines, and {lacks}"),
        );
    }
    let (stopping, stopped) = watch::channel(false);
    let (health, health_service) = tonic_health::server::health_reporter();
    let store_failures = Arc::new(StoreFailures::default());
    let (shares, tally) = (Shares::new(limits), Arc::new(Tally::default()));
    let gate = Gate {
        orders: OrderServiceServer::new(OrderApi::new(manager.clone()))
            .max_decoding_message_size(MESSAGE_MAX)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip),
        beside: Beside::new(health_service, Arc::clone(&tally)),
        log: log.clone(),
        store_failures: Arc::clone(&store_failures),
        request_ids: RequestIds::default(),
        auth: auth.clone(),
        rate: rate_limit.map(Rate::new),
    };

    // Dropped with everything in it when this ends, however it ends.
    let mut background = JoinSet::new();
    say(&health, ServingStatus::Serving).await;
    background.spawn(watch_store(
        manager.clone(),
        health.clone(),
        store_failures,
        stopped.clone(),
    ));
    let trouble = troubles(worker.trouble.clone(), log.clone());
    background.spawn(keep_working(
        manager,
        WorkerOptions {
            grace,
            trouble,
            ..worker
        },
        log.clone(),
        stopped.clone(),
    ));
    if let Some(auth) = auth {
        let (log, stopped) = (log.clone(), stopped.clone());
        background.spawn(async move { auth.keep_fresh(&log, stopped).await });
    }
    background.spawn(connections::serve(
        listener,
        tls,
        gate.into_handler(),
        shares,
        Arc::clone(&tally),
        log.clone(),
        stopped,
    ));
    // Not among those that come to an end.
    let mut telling = JoinSet::new();
    telling.spawn({
        let (tally, log) = (Arc::clone(&tally), log.clone());
        async move { tally.keep_telling(&log).await }
    });

    stop.await;
    say(&health, ServingStatus::NotServing).await;
    log.event(
        Level::INFO,
        "drain",
        &format!(
            "told to stop: finishing what is under way, at most {} s",
            grace.as_secs_f32()
        ),
    );
    let _ = stopping.send(true);
    let until = Instant::now() + grace;
    let finished = tokio::time::timeout_at(until, async {
        while background.join_next().await.is_some() {}
        if let Some(tasks) = tasks {
            tasks.idle().await;
        }
    });
    let in_time = finished.await.is_ok();
    tally.tell(&log);
    let drained = if in_time {
        Drained::Clean
    } else {
        Drained::CutShort
    };
    match drained {
        Drained::Clean => log.event(
            Level::INFO,
            "stopped",
            "everything under way has come to its end",
        ),
        Drained::CutShort => log.event(
            Level::WARN,
            "stopped",
            "the grace period is over: what was under way is taken up again later",
        ),
    }
    log.flush();
    drained
}

/// Says how all services are.
async fn say(health: &HealthReporter, status: ServingStatus) {
    for service in ["", "order.OrderService"] {
        health.set_service_status(service, status).await;
    }
}

/// The time between two tries of the store, the longest that one may take, and the time for which a
/// failed call counts as its failure.
const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBE_WITHIN: Duration = Duration::from_secs(2);
const FAILURE_COUNTS: Duration = Duration::from_secs(5);

/// Keeps health saying whether the store can be used: asks it every second, and listens to what
/// calls found out.
async fn watch_store<S: OrderStore, C: Clients>(
    manager: OrderManager<S, C>,
    health: HealthReporter,
    failures: Arc<StoreFailures>,
    mut stopped: watch::Receiver<bool>,
) {
    let nobody = OrderId::from_bytes([0; 16]);
    let mut failed_at: Option<Instant> = None;
    let mut serving = true;
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return,
            () = failures.told.notified() => {}
            () = tokio::time::sleep(PROBE_EVERY) => {}
        }
        let probe = tokio::time::timeout(PROBE_WITHIN, manager.store().peek(nobody)).await;
        if failures.failed.swap(false, Ordering::Relaxed) || !matches!(probe, Ok(Ok(_))) {
            failed_at = Some(Instant::now());
        }
        let usable = failed_at.is_none_or(|at| at.elapsed() >= FAILURE_COUNTS);
        // Once the server drains it is not for this task to say that it serves.
        if usable != serving && !*stopped.borrow() {
            serving = usable;
            say(
                &health,
                if usable {
                    ServingStatus::Serving
                } else {
                    ServingStatus::NotServing
                },
            )
            .await;
        }
    }
}

/// The pause before a worker that panicked is started again.
const WORKER_PAUSE: Duration = Duration::from_secs(1);

/// Tells the log too of what keeps the worker from working; of the same thing once a minute.
fn troubles(hook: TroubleHook, log: Log) -> TroubleHook {
    let said: Mutex<Vec<(String, Instant)>> = Mutex::default();
    TroubleHook::new(move |trouble| {
        let (message, now) = (trouble.to_string(), Instant::now());
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|(_, at)| now.duration_since(*at) < TROUBLE_AGAIN);
        if said.len() < TROUBLES_KEPT && !said.iter().any(|(earlier, _)| *earlier == message) {
            log.event(Level::ERROR, "worker", &message);
            said.push((message, now));
        }
        drop(said);
        hook.tell(trouble);
    })
}

/// After what time the same trouble is logged again, and how many kinds of it are logged meanwhile.
const TROUBLE_AGAIN: Duration = Duration::from_secs(60);
const TROUBLES_KEPT: usize = 32;

/// Runs the worker until the server stops, and again if it panics.
async fn keep_working<S: OrderStore, C: Clients>(
    manager: OrderManager<S, C>,
    options: WorkerOptions,
    log: Log,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let (manager, options, mut until) = (manager.clone(), options.clone(), stopped.clone());
        let mut worker = JoinSet::new();
        worker.spawn(async move {
            let stop = async move { drop(until.wait_for(|stop| *stop).await) };
            manager.run_worker(options, stop).await;
        });
        match worker.join_next().await {
            Some(Err(e)) if e.is_panic() => log.event(
                Level::ERROR,
                "worker",
                "the worker panicked and is started again",
            ),
            _ => return,
        }
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(WORKER_PAUSE) => {}
        }
    }
}
