//! The worker: takes due orders from the store for as long as the program runs.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::Semaphore;

use super::{OrderManager, telemetry};
use crate::ids::OrderId;
use crate::services::Clients;
use crate::store::{LeasePage, LeaseRequest, OrderStore, StoreError, Unreadable};

/// Options of a worker.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The number of orders that it works at a time, at least 1. 32.
    pub concurrency: u32,
    /// The interval at which it looks for work when it expects none. 500 ms.
    pub poll: Duration,
    /// The time that orders under way have to come to an end when it stops. 10 s.
    pub grace: Duration,
    /// The hook that is told of what keeps it from working. One that does nothing.
    pub trouble: TroubleHook,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        let (poll, grace) = (Duration::from_millis(500), Duration::from_secs(10));
        WorkerOptions {
            concurrency: 32,
            poll,
            grace,
            trouble: TroubleHook::default(),
        }
    }
}

impl WorkerOptions {
    /// Returns the options with a hook that is given whatever keeps the worker from working, for a
    /// program that shows it, or counts it. It stands in the log of `tracing` as well.
    ///
    /// ```
    /// # use order_core::manager::WorkerOptions;
    /// let options = WorkerOptions::default().on_error(|trouble| eprintln!("worker: {trouble}"));
    /// ```
    #[must_use]
    pub fn on_error(self, told: impl Fn(Trouble) + Send + Sync + 'static) -> Self {
        WorkerOptions {
            trouble: TroubleHook::new(told),
            ..self
        }
    }
}

/// An event that keeps a worker from working.
#[derive(Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// The store could not be asked for work. It is asked again after [`WorkerOptions::poll`].
    Store(StoreError),
    /// An order was due and cannot be read. It is set aside for the length of a lease, and nothing
    /// else is.
    Unreadable(Unreadable),
    /// The store failed while an order was worked. It is given back, and worked again.
    Order {
        /// The order.
        order: OrderId,
        /// The store's error.
        error: StoreError,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Store(error) => write!(f, "the store cannot be asked for work: {error}"),
            Trouble::Unreadable(Unreadable { order, reason }) => {
                write!(f, "order {order} is due and cannot be read: {reason}")
            }
            Trouble::Order { order, error } => {
                write!(
                    f,
                    "the store failed while order {order} was worked: {error}"
                )
            }
        }
    }
}

/// Called by a worker for each [`Trouble`], on the task that looks for work: it should return soon.
#[derive(Clone)]
pub struct TroubleHook(Arc<dyn Fn(Trouble) + Send + Sync>);

impl TroubleHook {
    /// Calls `told`.
    pub fn new(told: impl Fn(Trouble) + Send + Sync + 'static) -> Self {
        TroubleHook(Arc::new(told))
    }

    /// Tells of `trouble`.
    pub fn tell(&self, trouble: Trouble) {
        (self.0)(trouble);
    }
}

impl Default for TroubleHook {
    fn default() -> Self {
        TroubleHook::new(drop)
    }
}

impl fmt::Debug for TroubleHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TroubleHook")
    }
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Works due orders until `stop` ends, each in a task of its own, so that a slow or a panicking
    /// one holds up no other.
    ///
    /// Any number of workers may run on one store, in any number of processes: leases keep their
    /// work apart. While the store cannot be used it waits and tries again. What is still under way
    /// after the grace period is recovered by whoever works next.
    pub async fn run_worker(&self, options: WorkerOptions, stop: impl Future<Output = ()> + Send) {
        let WorkerOptions {
            concurrency,
            poll,
            grace,
            trouble,
        } = options;
        let concurrency = concurrency.max(1);
        let places = Arc::new(Semaphore::new(concurrency as usize));
        let mut stop = pin!(stop);
        let mut failing = false;
        loop {
            // Nobody looks for work that nobody could do.
            let free = match select(&mut stop, pin!(places.acquire())).await {
                Either::Left(_) | Either::Right((Err(_), _)) => break,
                Either::Right((Ok(one), _)) => {
                    drop(one);
                    places.available_permits() as u32
                }
            };
            let pause = match self.take_up(&places, free, &trouble).await {
                // An order may fall due sooner than the next poll.
                Ok(next_in) => {
                    if std::mem::take(&mut failing) {
                        telemetry::worker_recovered();
                    }
                    self.inner.pulse.beat(self.inner.runtime.monotonic());
                    next_in.map_or(poll, |next_in| next_in.min(poll))
                }
                Err(error) => {
                    telemetry::worker_failed(std::mem::replace(&mut failing, true), &error);
                    trouble.tell(Trouble::Store(error));
                    poll
                }
            };
            // Even without a pause, so that stopping and other tasks get their turn.
            match select(&mut stop, self.inner.runtime.sleep(pause)).await {
                Either::Left(_) => break,
                Either::Right(_) => {}
            }
        }
        let all_back = pin!(places.acquire_many(concurrency));
        select(all_back, self.inner.runtime.sleep(grace)).await;
    }

    /// Takes up as much work as there is room for; says in how long there is more.
    async fn take_up(
        &self,
        places: &Arc<Semaphore>,
        free: u32,
        trouble: &TroubleHook,
    ) -> Result<Option<Duration>, StoreError> {
        let leased_at = self.inner.runtime.monotonic();
        let fence = self.inner.ids.fence(self.now());
        let request = LeaseRequest {
            fence,
            ttl: self.inner.policy.lease,
            limit: free,
            order: None,
        };
        let LeasePage {
            leased,
            unreadable,
            next_in,
            now: _,
        } = self.lease(&request).await?;
        for order in unreadable {
            telemetry::unreadable(&order);
            trouble.tell(Trouble::Unreadable(order));
        }
        let all = leased.len() == free as usize;
        for leased in leased {
            let Ok(place) = Arc::clone(places).try_acquire_owned() else {
                break;
            };
            let manager = self.clone();
            let mut session = self.session(leased, fence, leased_at, None);
            session.trouble = trouble.clone();
            let task = self.inner.sessions.task();
            self.inner.runtime.spawn(Box::pin(async move {
                let _task = task;
                manager.drive(session).await;
                drop(place);
            }));
        }
        // What is due and was not given although there was room, as by a store that tries to give
        // each item once, is looked for soon.
        Ok(if all {
            next_in
        } else {
            next_in.map(|next_in| next_in.max(IDLE_SHORTEST))
        })
    }
}

/// The shortest pause of a worker that found less to do than it could.
const IDLE_SHORTEST: Duration = Duration::from_millis(10);
