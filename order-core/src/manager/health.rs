//! Health: what a program that embeds the engine can tell of it to whoever watches over it.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};

use super::OrderManager;
use crate::ids::OrderId;
use crate::services::{Clients, ServiceName};
use crate::store::{OrderStore, StoreError, StoreErrorKind};

/// The state of an engine and of what it depends on, at one moment.
#[derive(Debug)]
#[non_exhaustive]
pub struct Health {
    /// The store's answer to a read, or why it gave none.
    pub store: Result<(), StoreError>,
    /// The services that count as down, so that new orders that need them are refused. What was
    /// accepted is worked on.
    pub down: Vec<ServiceName>,
    /// The time since a worker of this manager last asked the store for work, with success; `None`
    /// if none has. More than a few polls says that the worker hangs, or fails, or was stopped.
    pub worker_idle_for: Option<Duration>,
}

impl Health {
    /// Returns whether new orders can be taken: the store answers, and no service that placing
    /// needs counts as down.
    pub fn can_place(&self) -> bool {
        self.store.is_ok() && self.down.is_empty()
    }
}

/// The moment, in monotonic time, at which a worker last asked for work with success.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<Option<Duration>>);

impl Pulse {
    pub(super) fn beat(&self, now: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    fn last(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Returns how the engine and what it depends on are. Asks the store for something small, for
    /// at most [`Policy::call_deadline`](crate::policy::Policy::call_deadline); asks no service,
    /// but tells what the last calls of each came to.
    ///
    /// ```
    /// # use order_core::manager::OrderManager;
    /// # async fn example(orders: &OrderManager) -> u16 {
    /// // What a readiness probe answers.
    /// if orders.health().await.can_place() { 200 } else { 503 }
    /// # }
    /// ```
    pub async fn health(&self) -> Health {
        let inner = &self.inner;
        // No order has it.
        let nobody = OrderId::from_bytes([0; 16]);
        let most = inner.policy.call_deadline;
        let asked = pin!(inner.store.peek(nobody));
        let store = match select(asked, inner.runtime.sleep(most)).await {
            Either::Left((answer, _)) => answer.map(drop),
            Either::Right(_) => Err(StoreError::new(
                StoreErrorKind::Unavailable,
                format!("no answer within {} ms", most.as_millis()),
            )),
        };
        let now = inner.runtime.monotonic();
        Health {
            store,
            down: inner.breakers.all_down(now),
            worker_idle_for: inner.pulse.last().map(|at| now.saturating_sub(at)),
        }
    }
}
