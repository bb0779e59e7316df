//! Work items: which orders have something left to do, when, and who is at it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{Fence, OrderId};
use crate::order::{Op, Order};
use crate::time::Timestamp;

/// The work that is left to do for an order. There is one exactly while [`crate::rules::next`] is
/// not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkItem {
    /// The time to look at it next; none if it is stuck.
    pub due: Option<Timestamp>,
    /// The token of the lease on it; none if nobody has one.
    pub fence: Option<Fence>,
    /// The end of the lease.
    pub leased_until: Option<Timestamp>,
    /// The number of times that it was changed.
    pub revision: u64,
    /// True if the lease was taken over from a worker that never gave it back.
    pub taken_over: bool,
    /// The number of workers in a row that began on it after they had taken it over, and did not
    /// give it back so far.
    pub runs: u32,
    /// The tries so far.
    pub tries: Tries,
}

/// The tries so far, per operation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tries(pub BTreeMap<Op, Try>);

/// The tries of one operation so far. Absent: never tried, or tried by a worker that died before it
/// could say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Try {
    /// The number of calls that failed since the last success.
    pub count: u32,
    /// The time to call again.
    pub next_at: Timestamp,
    /// The last failure, in words for operators.
    pub error: String,
    /// True if no call can have taken effect: every one so far provably did not happen.
    pub clear: bool,
    /// From when on no call made so far can still take effect; a look-up that finds nothing proves
    /// nothing before.
    pub quiet_at: Timestamp,
    /// The reason why repeating cannot help; then it is not called again until an operator says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
}

impl WorkItem {
    /// From when on anybody may lease it: the later of its due time and the end of its lease.
    /// `None` if it is stuck.
    pub fn leasable_at(&self) -> Option<Timestamp> {
        let due = self.due?;
        Some(self.leased_until.map_or(due, |until| until.max(due)))
    }

    /// Returns whether somebody has a lease on it that has not run out.
    pub fn is_leased(&self, now: Timestamp) -> bool {
        self.leased_until.is_some_and(|until| until > now)
    }
}

impl Tries {
    /// Returns the tries of `op`.
    pub fn get(&self, op: Op) -> Option<&Try> {
        self.0.get(&op)
    }
}

/// The change that a changeset makes to the work item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkChange {
    /// Leaves the work item as it is.
    Keep,
    /// Creates the item with a lease on it: for a new order, whose placer works on it at once.
    Lease {
        /// The new lease.
        fence: Fence,
        /// The length of the lease.
        ttl: Duration,
        /// The time for others to look if the lease runs out.
        due: Timestamp,
    },
    /// Creates the item, or pulls its due time forward. Needs no lease.
    Wake {
        /// The time to look.
        due: Timestamp,
    },
    /// Says that whoever took the lease over begins to work. A lease alone says nothing: its answer
    /// may have been lost.
    Begin {
        /// The lease.
        fence: Fence,
        /// The revision seen.
        revision: u64,
        /// The length of the lease, from now.
        ttl: Duration,
    },
    /// Keeps the lease and goes on working.
    Extend {
        /// The lease.
        fence: Fence,
        /// The revision seen.
        revision: u64,
        /// The length of the lease, from now.
        ttl: Duration,
        /// The tries so far.
        tries: Tries,
    },
    /// Gives the lease back.
    Release {
        /// The lease.
        fence: Fence,
        /// The revision seen.
        revision: u64,
        /// The time to look next; none if stuck.
        due: Option<Timestamp>,
        /// The tries so far.
        tries: Tries,
    },
    /// Removes the item: nothing is left to do.
    Done {
        /// The lease.
        fence: Fence,
        /// The revision seen.
        revision: u64,
    },
}

impl WorkChange {
    /// The lease and the revision the change depends on, if any.
    pub const fn fence(&self) -> Option<(Fence, u64)> {
        match self {
            WorkChange::Keep | WorkChange::Lease { .. } | WorkChange::Wake { .. } => None,
            WorkChange::Begin {
                fence, revision, ..
            }
            | WorkChange::Extend {
                fence, revision, ..
            }
            | WorkChange::Release {
                fence, revision, ..
            }
            | WorkChange::Done { fence, revision } => Some((*fence, *revision)),
        }
    }
}

/// A request for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The lease that the items get.
    pub fence: Fence,
    /// The length of the lease.
    pub ttl: Duration,
    /// The most items to lease; with 0 none is, and only the time of the next is told.
    pub limit: u32,
    /// Only this order's item, due or not, unless it is stuck.
    pub order: Option<OrderId>,
}

/// The items that were leased, and when there is more.
#[derive(Debug, Clone, Default)]
pub struct LeasePage {
    /// The items, soonest leasable first, with their orders.
    pub leased: Vec<Leased>,
    /// Orders whose items were leased all the same, so that they are not given out again at once,
    /// and that cannot be read. Whoever can read them, such as a newer build, takes them once the
    /// lease has run out.
    pub unreadable: Vec<Unreadable>,
    /// In how long the next item can be leased, by the store's clock: zero if there is one now that
    /// was not given; `None` if none waits but stuck ones.
    pub next_in: Option<Duration>,
    /// The store's clock meanwhile. Nodes whose own clocks differ find out by it, and say when work
    /// is due as the store has it; a store that does not tell (`None`) has nodes whose clocks agree
    /// with its own.
    pub now: Option<Timestamp>,
}

/// A leased item with its order.
#[derive(Debug, Clone)]
pub struct Leased {
    /// The order.
    pub order: Arc<Order>,
    /// Its item, with the new lease.
    pub work: WorkItem,
}

/// An order, or a row of its journal, that is stored and cannot be read: it is damaged, or holds
/// what a newer build wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The order.
    pub order: OrderId,
    /// The place where it is unreadable and the reason, for operators.
    pub reason: String,
}

/// The facts that a worker looks at again before money moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    /// The order's version.
    pub version: u64,
    /// The token of the lease on it, if there is one.
    pub fence: Option<Fence>,
}

/// The amount of work there is. Times are by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkSummary {
    /// All items.
    pub total: u64,
    /// Items without a due time.
    pub stuck: u64,
    /// The earliest due time of an item that nobody is at.
    pub next_due: Option<Timestamp>,
    /// The end of the last lease that is held now.
    pub leased_until: Option<Timestamp>,
}
