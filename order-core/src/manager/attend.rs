//! Waiting for an order on a caller's behalf.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::oneshot;

use super::draft::Draft;
use super::drive::settle_and_plan;
use super::sessions::Waiter;
use super::{OrderManager, telemetry};
use crate::error::Error;
use crate::ids::OrderId;
use crate::order::{Blocks, Lifecycle, OperationKind, OperationState, Order, PaymentOperation};
use crate::rules::{Verb, Wait};
use crate::services::Clients;
use crate::store::{OrderStore, Tries};

impl Wait {
    pub(super) fn is_over(self, order: &Order) -> bool {
        match self {
            Wait::Decided => is_decided(order),
            Wait::Quiet => is_decided(order) && is_quiet(order),
        }
    }
}

/// Returns whether no operation of the order is in the engine's hands.
fn is_quiet(order: &Order) -> bool {
    !is_asking(order) && order.reservations.iter().all(|r| r.closing.is_none())
}

/// Returns whether the engine is asking, or about to ask, for money or stock.
fn is_asking(order: &Order) -> bool {
    let in_our_hands = |state| {
        matches!(
            state,
            OperationState::Planned | OperationState::Armed | OperationState::Unknown
        )
    };
    // What a hold keeps back is asked for when a person lifts it.
    let held_back = |p: &PaymentOperation| {
        let takes_money = p.is_attempt() || p.kind == OperationKind::Capture;
        p.state == OperationState::Planned && takes_money && order.is_blocked(Blocks::Capture)
    };
    order
        .payments
        .iter()
        .any(|p| in_our_hands(p.state) && !held_back(p))
        || order.reservations.iter().any(|r| r.state.is_open())
}

/// Returns whether waiting is of no use to a caller: the order is decided, or only a person or a
/// provider can move it.
fn is_decided(order: &Order) -> bool {
    let others_turn = order.payments.iter().any(|p| {
        matches!(
            p.state,
            OperationState::Pending | OperationState::ActionRequired
        )
    });
    let ours = is_asking(order);
    match order.lifecycle {
        // What is neither asked for nor about to be waits for the customer, the provider, a person
        // or its deadline.
        Lifecycle::Pending => !ours,
        Lifecycle::Cancelling => {
            !ours && others_turn && order.reservations.iter().all(|r| r.closing.is_none())
        }
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
    /// Waits until the order is decided, or `until` (monotonic); works it where nobody else is at
    /// it.
    pub(super) async fn attend(
        &self,
        id: OrderId,
        until: Duration,
        wait: Wait,
    ) -> Result<Arc<Order>, Error> {
        let mut poll = POLL_FIRST;
        let mut waiter = Waiter::default();
        loop {
            let loaded = self.load_any(id.into(), None).await?;
            let loaded = loaded.ok_or_else(|| Error::order_not_found(id))?;
            let left = until.saturating_sub(self.inner.runtime.monotonic());
            let now = self.now();
            let Some(work) = loaded.work.filter(|_| !left.is_zero()) else {
                return Ok(loaded.order);
            };
            let free = work.fence.is_none() || work.leased_until.is_none_or(|t| t <= now);
            // What is to be done may not be planned yet, and then does not show.
            let busy = wait == Wait::Quiet && self.is_left_to_do(&loaded.order, &work.tries);
            if wait.is_over(&loaded.order) && !busy {
                return Ok(loaded.order);
            }
            let pause = match work.due {
                Some(due) if free && due <= now => {
                    if let Some(order) = self.work_detached(id, left, wait).await {
                        return Ok(order);
                    }
                    // Never at once: the store may be unable to give it out, or find by its own
                    // clock that it is not due.
                    poll
                }
                Some(due) if free => due.since(now).max(POLL_FIRST),
                // Stuck: only a person can move it.
                None if free => return Ok(loaded.order),
                Some(_) | None => {
                    self.note_wait(&mut waiter, &loaded.order, &work);
                    poll
                }
            };
            let left = until.saturating_sub(self.inner.runtime.monotonic());
            self.inner.runtime.sleep(pause.min(left)).await;
            poll = (poll * 2).min(POLL_LONGEST);
        }
    }

    /// Works an order until nothing is due for it now, and gives its lease back; the order as it is
    /// then. Another worker that has it is waited for, at most for the length of a lease.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Store`].
    pub async fn work_to_rest(&self, id: OrderId) -> Result<Arc<Order>, Error> {
        let patience = self.inner.runtime.monotonic() + self.inner.policy.lease;
        let mut poll = POLL_FIRST;
        let mut waiter = Waiter::default();
        loop {
            let loaded = self.load_any(id.into(), None).await?;
            let loaded = loaded.ok_or_else(|| Error::order_not_found(id))?;
            let now = self.now();
            let left = patience.saturating_sub(self.inner.runtime.monotonic());
            let Some(work) = loaded.work else {
                return Ok(loaded.order);
            };
            let taken = work.fence.is_some() && work.leased_until.is_some_and(|until| until > now);
            let due = work
                .due
                .is_some_and(|due| due <= self.inner.store_time.there_and_back(now));
            if taken && !left.is_zero() {
                self.note_wait(&mut waiter, &loaded.order, &work);
            } else if taken || !due {
                return Ok(loaded.order);
            } else if self.work(id).await?.orders > 0 {
                continue;
            } else if left.is_zero() {
                return Ok(loaded.order);
            }
            self.inner.runtime.sleep(poll.min(left)).await;
            poll = (poll * 2).min(POLL_LONGEST);
        }
    }

    /// Returns whether there is a call to be made now, other than to tell the customer.
    fn is_left_to_do(&self, order: &Arc<Order>, tries: &Tries) -> bool {
        let env = self.env();
        let mut draft = Draft::of(
            Arc::clone(order),
            self.inner.ids.changeset_id(env.now),
            env.now,
        );
        let plan = settle_and_plan(&mut draft, tries, &env);
        plan.calls.iter().any(|c| c.verb != Verb::Notify)
    }

    /// Works the order in a task of its own, so that a caller who hangs up does not stop it. The
    /// order, if it was decided within `left`.
    pub(super) async fn work_detached(
        &self,
        id: OrderId,
        left: Duration,
        wait: Wait,
    ) -> Option<Arc<Order>> {
        let (answer, answered) = oneshot::channel();
        let manager = self.clone();
        let task = self.inner.sessions.task();
        self.inner.runtime.spawn(Box::pin(async move {
            let _task = task;
            // What went wrong shows in the store, where the caller looks next.
            let done = manager
                .lease_and_drive(1, Some(id), Some((answer, wait)))
                .await;
            if let Err(Error::Store(e)) = done {
                telemetry::order_failed(id, "taking its lease", &e);
            }
        }));
        match select(answered, self.inner.runtime.sleep(left)).await {
            Either::Left((order, _)) => order.ok(),
            Either::Right(_) => None,
        }
    }

    /// Returns the monotonic time at which a caller who waits at most `wait` is answered.
    pub(super) fn answer_by(&self, wait: Option<Duration>) -> Duration {
        let policy = &self.inner.policy;
        let wait = wait.map_or(policy.answer_within, |w| {
            w.saturating_sub(policy.answer_margin)
        });
        self.inner.runtime.monotonic() + wait
    }
}
