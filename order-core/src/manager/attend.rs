//! Waiting for an order on a caller's behalf.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::OrderManager;
use crate::error::Error;
use crate::ids::OrderId;
use crate::order::{Lifecycle, OperationState, Order};
use crate::services::Clients;
use crate::store::OrderStore;

/// Whether waiting is of no use to a caller: the order is decided, or only a person or a provider can move it.
pub(super) fn is_decided(order: &Order) -> bool {
    let in_our_hands = |state| matches!(state, OperationState::Planned | OperationState::Armed | OperationState::Unknown);
    let others_turn = order.payments.iter().any(|p| matches!(p.state, OperationState::Pending | OperationState::ActionRequired));
    let ours = order.payments.iter().any(|p| in_our_hands(p.state)) || order.reservations.iter().any(|r| r.state.is_open());
    match order.lifecycle {
        // What is neither asked for nor about to be waits for the customer, the provider, a person or its deadline.
        Lifecycle::Pending => !ours,
        Lifecycle::Cancelling => !ours && others_turn && order.reservations.iter().all(|r| r.closing.is_none()),
        Lifecycle::Confirmed
        | Lifecycle::Completed
        | Lifecycle::Cancelled
        | Lifecycle::PaymentFailed
        | Lifecycle::Rejected
        | Lifecycle::Expired => true,
    }
}

const POLL_FIRST: Duration = Duration::from_millis(5);
const POLL_LONGEST: Duration = Duration::from_millis(200);

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Waits until the order is decided, or `until` (monotonic); works it where nobody else is at it.
    pub(super) async fn attend(&self, id: OrderId, until: Duration) -> Result<Arc<Order>, Error> {
        let mut poll = POLL_FIRST;
        loop {
            let loaded = self.inner.store.load(id.into(), None).await?;
            let loaded = loaded.ok_or_else(|| Error::order_not_found(id))?;
            let left = until.saturating_sub(self.inner.runtime.monotonic());
            let Some(work) = loaded.work.filter(|_| !is_decided(&loaded.order) && !left.is_zero()) else {
                return Ok(loaded.order);
            };
            let now = self.now();
            let free = work.fence.is_none() || work.leased_until.is_none_or(|t| t <= now);
            match work.due {
                Some(due) if free && due <= now => {
                    if let Some(order) = self.work_detached(id, left).await {
                        return Ok(order);
                    }
                }
                Some(due) => {
                    let pause = if free { due.since(now).max(POLL_FIRST) } else { poll };
                    self.inner.runtime.sleep(pause.min(left)).await;
                    poll = (poll * 2).min(POLL_LONGEST);
                }
                // Stuck: only a person can move it.
                None if free => return Ok(loaded.order),
                None => {
                    self.inner.runtime.sleep(poll.min(left)).await;
                    poll = (poll * 2).min(POLL_LONGEST);
                }
            }
        }
    }

    /// Works the order in a task of its own, so that a caller who hangs up does not stop it. The order, if it was decided
    /// within `wait`.
    pub(super) async fn work_detached(&self, id: OrderId, wait: Duration) -> Option<Arc<Order>> {
        let (answer, answered) = oneshot::channel();
        let manager = self.clone();
        self.inner.runtime.spawn(Box::pin(async move {
            // What went wrong shows in the store, where the caller looks next.
            let _ = manager.claim_and_drive(1, Some(id), Some(answer)).await;
        }));
        match select(answered, self.inner.runtime.sleep(wait)).await {
            Either::Left((order, _)) => order.ok(),
            Either::Right(_) => None,
        }
    }

    /// When a caller who waits at most `wait` is answered, in monotonic time.
    pub(super) fn answer_by(&self, wait: Option<Duration>) -> Duration {
        let policy = &self.inner.policy;
        let wait = wait.map_or(policy.answer_within, |w| w.saturating_sub(policy.answer_margin));
        self.inner.runtime.monotonic() + wait
    }
}
