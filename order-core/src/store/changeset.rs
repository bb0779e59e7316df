//! The one write, and why it may fail.

use std::error::Error as StdError;
use std::sync::Arc;

use uuid::Uuid;

use super::work::WorkChange;
use crate::ids::{ChangesetId, IdempotencyKey, OrderId, UserId};
use crate::order::{JournalRow, Order, Redemption, text_enum};

/// Everything that changes together. See the contract of [`super::OrderStore`].
#[derive(Debug, Clone)]
pub struct Changeset {
    /// Its own id, carried by its journal rows; of a restored order's, by the first (clause 23 of
    /// the contract).
    pub id: ChangesetId,
    /// The order as it was read; `None` for a new one. Its version is the expected one, and a store
    /// may write only the records in which `after` differs from it.
    pub before: Option<Arc<Order>>,
    /// The order as it becomes.
    pub after: Arc<Order>,
    /// The new journal rows.
    pub journal: Vec<JournalRow>,
    /// The idempotency key that made the order.
    pub key: Option<KeyRecord>,
    /// Limited things taken or given back.
    pub redemptions: Vec<RedemptionChange>,
    /// The change of the work item.
    pub work: WorkChange,
}

impl Changeset {
    /// The version the stored order must have; 0 if it must not exist.
    pub fn expected(&self) -> u64 {
        self.before.as_ref().map_or(0, |o| o.version)
    }
}

/// One use of something limited, taken or given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedemptionChange {
    /// The limited thing.
    pub redemption: Redemption,
    /// Taken (true) or given back (false).
    pub take: bool,
}

text_enum! {
    /// The request an idempotency key belongs to.
    KeyMethod, "method" {
        /// Placing an order.
        Place = "place",
        /// Importing an order; the key is what the order was called where it comes from.
        Import = "import",
    }
}

/// An idempotency key and the order it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The owner of the key.
    pub user: UserId,
    /// The kind of request that it was used for.
    pub method: KeyMethod,
    /// The key.
    pub key: IdempotencyKey,
    /// A hash of the normalised request, so that another request under the same key is noticed.
    pub request_hash: Uuid,
    /// The order.
    pub order: OrderId,
}

/// The place where a command key was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    /// The journal row that carries it.
    pub seq: u64,
    /// The hash beside it.
    pub hash: Uuid,
}

/// A changeset that was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// True if it had been applied before, and this time nothing was written.
    pub replayed: bool,
    /// The work item's revision after it; 0 if there is no item, or the answer is a replay.
    pub revision: u64,
}

/// The reason why a changeset was not applied.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The idempotency key names an order already.
    #[error("idempotency key is taken by order {}", .0.order)]
    KeyTaken(Box<KeyRecord>),
    /// The order's journal has a row with that command key: the command was applied before, or
    /// another was.
    #[error("command key is taken by journal row {}", .0.seq)]
    CommandKeyTaken(KeyUse),
    /// The lease is no longer ours.
    #[error("the lease on the order's work was lost")]
    Fenced,
    /// All uses of a limited thing are taken.
    #[error("all uses of {name} are taken")]
    RedemptionExhausted {
        /// The service's name.
        name: String,
    },
    /// The order or its work item changed since it was read: reload and decide again.
    #[error("the order changed since it was read")]
    Conflict,
    /// Another order has that number: draw another.
    #[error("the order number is taken")]
    NumberTaken,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A store that could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// The kind, by what the caller does next.
    pub kind: StoreErrorKind,
    /// The failure in words.
    pub message: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kind of a [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// Nothing happened; try again later.
    Unavailable,
    /// A commit may or may not have happened: send the same changeset again.
    Unknown,
    /// No room: nothing happened; refuse new orders.
    Full,
    /// Something stored cannot be read: stop and look.
    Corrupt,
    /// The store cannot be used as it is set up, such as by a newer schema.
    Misconfigured,
    /// The query makes no sense, such as a foreign cursor.
    InvalidQuery,
    /// The program that keeps the orders refused the changeset, by a hook of the store's; nothing
    /// of it happened.
    Vetoed,
}

impl StoreError {
    /// An error of a kind, without a cause.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        StoreError {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// An error of a kind, with its cause.
    pub fn caused(
        kind: StoreErrorKind,
        message: impl Into<String>,
        source: impl StdError + Send + Sync + 'static,
    ) -> Self {
        StoreError {
            kind,
            message: message.into(),
            source: Some(Box::new(source)),
        }
    }
}
