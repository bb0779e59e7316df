//! The worker: takes due orders from the store for as long as the program runs.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::Semaphore;

use super::OrderManager;
use crate::error::Error;
use crate::services::Clients;
use crate::store::{ClaimRequest, OrderStore};

/// How a worker works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerOptions {
    /// How many orders it works on at a time, at least 1. 32.
    pub concurrency: u32,
    /// How often it looks for work when it expects none. 500 ms.
    pub poll: Duration,
    /// How long it lets orders under way come to an end when it stops. 10 s.
    pub grace: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions { concurrency: 32, poll: Duration::from_millis(500), grace: Duration::from_secs(10) }
    }
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Works due orders until `stop` ends, each in a task of its own, so that a slow or a panicking one holds up no other.
    ///
    /// Any number of workers may run on one store, in any number of processes: leases keep their work apart. While the
    /// store cannot be used it waits and tries again. What is still under way after the grace period is recovered by
    /// whoever works next.
    pub async fn run_worker(&self, options: WorkerOptions, stop: impl Future<Output = ()> + Send) {
        let WorkerOptions { concurrency, poll, grace } = options;
        let concurrency = concurrency.max(1);
        let places = Arc::new(Semaphore::new(concurrency as usize));
        let mut stop = pin!(stop);
        loop {
            let pause = match self.take_up(&places).await {
                Ok(true) => Duration::ZERO,
                // An order may fall due sooner than the next poll.
                Ok(false) => self.until_next_due(poll).await,
                Err(_) => poll,
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

    /// Takes up as much work as there is room for; says whether there may be more.
    async fn take_up(&self, places: &Arc<Semaphore>) -> Result<bool, Error> {
        let free = places.available_permits() as u32;
        if free == 0 {
            return Ok(false);
        }
        let leased_at = self.inner.runtime.monotonic();
        let fence = self.inner.ids.fence(self.now());
        let request = ClaimRequest { fence, ttl: self.inner.policy.lease, limit: free, order: None };
        let claimed = self.inner.store.claim(&request).await?;
        let found = claimed.len();
        for claimed in claimed {
            let Ok(place) = Arc::clone(places).try_acquire_owned() else { break };
            let manager = self.clone();
            let session = self.session(claimed, fence, leased_at, None);
            let task = self.inner.sessions.task();
            self.inner.runtime.spawn(Box::pin(async move {
                let _task = task;
                manager.drive(session).await;
                drop(place);
            }));
        }
        Ok(found == free as usize)
    }

    async fn until_next_due(&self, poll: Duration) -> Duration {
        match self.inner.store.work_summary().await {
            Ok(summary) => {
                summary.next_due.map_or(poll, |due| due.since(self.now())).clamp(IDLE_SHORTEST, poll.max(IDLE_SHORTEST))
            }
            Err(_) => poll,
        }
    }
}

/// The shortest pause of a worker that found nothing to do.
const IDLE_SHORTEST: Duration = Duration::from_millis(10);
