//! The leases that this manager has, and those that somebody must wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::Notify;

use super::OrderManager;
use crate::ids::{Fence, OrderId};
use crate::number::OrderNumber;
use crate::order::Order;
use crate::services::Clients;
use crate::store::{OrderStore, WorkItem};
use crate::time::Timestamp;

/// A lease that somebody waits for, because another worker has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseWait {
    /// The order.
    pub order: OrderId,
    /// Its number.
    pub number: OrderNumber,
    /// The time at which the lease runs out if it is neither extended nor given back.
    pub until: Timestamp,
}

/// The hook that is called once for each lease that has been waited for a second.
pub(super) type OnWait = Arc<dyn Fn(&LeaseWait) + Send + Sync>;

/// The time for which a lease is waited for in silence.
const SILENCE: Duration = Duration::from_secs(1);

/// The work that is under way in tasks of this manager.
#[derive(Default)]
pub(super) struct Sessions {
    tasks: Mutex<Tasks>,
    ended: Notify,
    pub(super) on_wait: Option<OnWait>,
}

#[derive(Default)]
struct Tasks {
    running: usize,
    /// The number of sessions on each lease.
    leases: BTreeMap<Fence, usize>,
    /// Orders that were left because the store failed, and could not be given back in time.
    left: BTreeSet<OrderId>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("running", &self.tasks().running)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    pub(super) fn telling(on_wait: Option<OnWait>) -> Arc<Self> {
        Arc::new(Sessions {
            on_wait,
            ..Sessions::default()
        })
    }

    /// Counts a task from before it is spawned until it ends, however it ends.
    pub(super) fn task(self: &Arc<Self>) -> Task {
        self.tasks().running += 1;
        Task(Arc::clone(self))
    }

    /// Notes a session on a lease, until it ends.
    pub(super) fn lease(self: &Arc<Self>, fence: Fence) -> LeaseHeld {
        *self.tasks().leases.entry(fence).or_default() += 1;
        LeaseHeld {
            sessions: Arc::clone(self),
            fence,
        }
    }

    /// Notes that an order is left without its lease being given back, and that it is not to blame
    /// for that.
    pub(super) fn leave(&self, order: OrderId) {
        self.tasks().left.insert(order);
    }

    /// Returns whether it was this manager that left the order, and the order is not to blame.
    /// Asked once.
    pub(super) fn was_left(&self, order: OrderId) -> bool {
        self.tasks().left.remove(&order)
    }

    fn has(&self, fence: Fence) -> bool {
        self.tasks().leases.contains_key(&fence)
    }

    /// Counts are whole whoever panicked.
    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that counts as running.
pub(super) struct Task(Arc<Sessions>);

impl Drop for Task {
    fn drop(&mut self) {
        let mut tasks = self.0.tasks();
        tasks.running -= 1;
        if tasks.running == 0 {
            self.0.ended.notify_waiters();
        }
    }
}

/// A session on a lease.
pub(super) struct LeaseHeld {
    sessions: Arc<Sessions>,
    fence: Fence,
}

impl Drop for LeaseHeld {
    fn drop(&mut self) {
        let mut tasks = self.sessions.tasks();
        if let Some(sessions) = tasks.leases.get_mut(&self.fence) {
            *sessions -= 1;
            if *sessions == 0 {
                tasks.leases.remove(&self.fence);
            }
        }
    }
}

/// Somebody's wait for a lease, told of once for each lease.
#[derive(Default)]
pub(super) struct Waiter {
    lease: Option<(Fence, Duration)>,
    told: bool,
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Ends when this manager works on no order any more, so that every lease it took has been
    /// given back.
    ///
    /// Who asks for something is answered as soon as it is decided, while what is left to do, such
    /// as telling the customer, goes on in a task of its own. A program that ends at once leaves
    /// the order's lease behind, and whoever wants something of the order next waits until it has
    /// run out: wait for this before you end.
    pub async fn idle(&self) {
        loop {
            let ended = self.inner.sessions.ended.notified();
            if self.inner.sessions.tasks().running == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Waits as [`Self::idle`] does, but for at most `grace`; says whether nothing is under way any
    /// more. For the end of a program: take no more requests, stop the workers, and drain. What is
    /// still under way then is in the store, and is taken up by whoever works next, once its lease
    /// has run out.
    pub async fn drain(&self, grace: Duration) -> bool {
        let (idle, over) = (pin!(self.idle()), self.inner.runtime.sleep(grace));
        matches!(select(idle, over).await, Either::Left(_))
    }

    /// Tells, after a while, that a lease is waited for that another worker has.
    pub(super) fn note_wait(&self, waiter: &mut Waiter, order: &Order, work: &WorkItem) {
        let now = self.inner.runtime.monotonic();
        let (Some(fence), Some(until)) = (work.fence, work.leased_until) else {
            return;
        };
        let since = match waiter.lease {
            Some((waited_for, since)) if waited_for == fence => since,
            _ => {
                *waiter = Waiter {
                    lease: Some((fence, now)),
                    told: false,
                };
                now
            }
        };
        if waiter.told || now.saturating_sub(since) < SILENCE || self.inner.sessions.has(fence) {
            return;
        }
        waiter.told = true;
        if let Some(on_wait) = &self.inner.sessions.on_wait {
            on_wait(&LeaseWait {
                order: order.id,
                number: order.number,
                until,
            });
        }
    }
}
