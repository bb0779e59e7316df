//! The storage contract: one write, five reads, no business rule.

mod changeset;
mod feed;
mod memory;
mod provided;
mod query;
pub mod records;
mod work;

use std::sync::Arc;

use async_trait::async_trait;

pub use changeset::{
    Changeset, CommitError, Committed, KeyMethod, KeyRecord, KeyUse, RedemptionChange, StoreError,
    StoreErrorKind,
};
pub use feed::{DumpPage, DumpQuery, Dumped, FeedCursor, FeedPage, FeedPlace, FeedQuery, FeedRow};
#[cfg(feature = "testkit")]
pub use memory::MemoryCopy;
pub use memory::MemoryStore;
pub use query::{
    Cursor, Driver, JournalQuery, ListPlan, ListQuery, Loaded, Lookup, OrderPage, OrderRef,
    SORTED_MAX, SortKey, TimeRange,
};
pub use work::{
    LeasePage, LeaseRequest, Leased, Peek, Tries, Try, Unreadable, WorkChange, WorkItem,
    WorkSummary,
};

use crate::ids::{OrderId, UserId};
use crate::order::JournalRow;

/// Durable storage of orders. Every clause below has a test of its number in `testkit`,
/// which any store can run.
///
/// # Contract
///
/// **Writing**
///
/// 1. *All or nothing.* After [`commit`](OrderStore::commit) answers `Ok`, every part of the
///    changeset is durable and visible to every later read; after any error but
///    [`StoreErrorKind::Unknown`], none of it ever is.
/// 2. *Replay.* If the journal row numbered `expected + 1` of the order was written by this
///    changeset's id, the answer is `Ok` with `replayed`, however far the version has moved, and
///    nothing is written: sending a changeset again after a lost answer is harmless. Checked before
///    anything else, wherever something else would be refused. So the first row of every changeset
///    carries its id; the others do too, but for those of an order that is restored (clause 23).
/// 3. *Order of checks.* Replay, then idempotency key ([`CommitError::KeyTaken`]), then command key
///    ([`CommitError::CommandKeyTaken`]), then fence ([`CommitError::Fenced`]), then redemptions
///    ([`CommitError::RedemptionExhausted`]), then version or revision ([`CommitError::Conflict`]),
///    then the order number ([`CommitError::NumberTaken`]). The first that fails, as things are at
///    one moment, is the answer.
/// 4. *Version.* A changeset with k ≥ 1 journal rows applies only if the stored version is
///    `expected` (0: the order does not exist); the rows are `expected + 1 ..= expected + k`, and
///    the stored version becomes `expected + k`.
/// 5. *No rows.* With k = 0 only the work item and
///    [`Order::notified`](crate::order::Order::notified) are written, on condition of the work
///    item's revision, never of the version. `notified` only ever rises, whatever a changeset says.
/// 6. *Idempotency keys* are unique by (user, method, key), for ever. A taken key answers with its
///    record. An order has one at most, which comes with the changeset that makes it and names that
///    order and its user.
/// 7. *Command keys* are unique by (order, key), for ever. A taken key answers with the number and
///    the hash of the row that has it; where a changeset has one key twice, with those of the
///    earlier row.
/// 8. *Redemptions* are counted: one that is taken counts one of its name's uses, unless that many
///    are in use already; one that is given back frees it. Each order holds a name at most once, so
///    taking or giving back twice changes nothing.
/// 9. *Order numbers* are unique and never change, nor do an order's user, the time it was placed,
///    and what it is called elsewhere. Its id and its number carry the bucket of its user, so that
///    uniqueness within a bucket is uniqueness.
/// 10. *Independence.* Concurrent changesets may share a durable transaction; each still applies or
///     fails by itself, and none sees another's half.
///
/// **Work**
///
/// 11. *Fence.* A changeset with a fence applies only while the work item exists and carries that
///     very fence and the revision the caller saw; a lease that has run out and that nobody has
///     taken still counts as carried.
/// 12. *Waking* creates the work item, or pulls its due time forward, never back; it needs no
///     fence, keeps a lease that is held, and makes a stuck item due again.
/// 13. *Every change* of a work item raises its revision by one; leasing does too.
/// 14. *Leasing* gives items that anybody may take: those of which the later of due time and end of
///     lease has come, that one soonest first, each to one taker only. It says whether the lease
///     was taken over from somebody who never gave it back, and in how long there is more.
///     Beginning on an item counts one more run, and giving it back forgets all runs. All times are
///     judged by the store's own clock, and what that said is told with every answer.
/// 15. *Done* removes the item. An item without a due time is stuck: never leased until woken.
///
/// **Reading**
///
/// 16. *Loading* gives the order exactly as committed, with its work item and the idempotency key
///     it was made under, by id, number or that key; with an owner, only that owner's. Notices up
///     to `notified` are no longer there.
/// 17. *Listing* is keyset-paged by (sort key, id): no order is shown twice or skipped while none
///     changes, the order of equal sort keys is that of ids, and everything that is asked for is
///     applied by the store, which reads the list as [`ListQuery::plan`] says and refuses what that
///     refuses. A cursor of another sort key or direction is refused.
/// 18. *The journal* of an order comes in sequence, from after a given row; asked for a command
///     key, only the row that has it, without reading the others.
/// 19. *Texts, times and amounts* come back bit by bit as they went in, whatever characters they
///     hold.
///
/// **Reading the whole store**
///
/// 20. *The feed* gives every journal row of every order exactly once, each order's in sequence and
///     without gaps, and within each of its partitions in an order that never changes. No row ever
///     comes to stand before one of its partition that was given out: whoever goes on after a row,
///     or after a page's `next`, misses nothing and sees nothing twice, whatever is committed
///     meanwhile and however often the store is closed and opened. All rows of an order are in one
///     partition.
/// 21. *A cursor of the feed* names its store and the changesets it stands on. That of another
///     store is refused, and so is one that this store has not given out: also when it was set back
///     to an earlier copy and has given out the same position anew since.
/// 22. *Dumping* gives each order as it was committed, with its whole journal up to that version
///     and the idempotency key it was made under, in the order of ids. Each order is as it was at
///     one moment; those of a page need not be of the same.
/// 23. *Restoring*: what was dumped can be committed as it is, in another store: a changeset
///     without `before`, with the order at version n, its key, the redemptions it holds, and its n
///     journal rows, which keep the ids of the changesets that wrote them first. Its own id is that
///     of the first row, so that clause 2 recognises it when it is sent again, and, since the other
///     rows keep theirs, every changeset that the order was made by. `replayed` says that the order
///     is there, in whatever version.
///
/// **Erasing**
///
/// 24. *Redaction.* A changeset with journal rows that sets
///     [`Order::redacted_at`](crate::order::Order::redacted_at), where its `before` had none, also
///     erases the notes of every row that the order's journal has already; its own rows keep
///     theirs, and nothing else of a row changes. No read gives out again what was erased, nor what
///     `after` no longer has of addresses, notes, metadata, tokens and URLs, and sending an earlier
///     changeset again brings nothing of it back.
///
/// **What cannot be read**
///
/// 25. *An order that cannot be read*, damaged or written by a newer build, is that order's trouble
///     only: lists, leases and dumps name it, with the reason, beside the others, and the feed
///     gives a row of its journal that cannot be read in that row's place. Loading it fails with
///     [`StoreErrorKind::Corrupt`].
///
/// # Examples
///
/// ```
/// use order_core::OrderStore;
/// use order_core::ids::UserId;
/// use order_core::order::JournalRow;
/// use order_core::store::*;
///
/// /// A store of another kind, which refuses to write while it is closed for maintenance.
/// struct Closable<S> {
///     store: S,
///     closed: std::sync::atomic::AtomicBool,
/// }
///
/// #[order_core::async_trait]
/// impl<S: OrderStore> OrderStore for Closable<S> {
///     async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
///         if self.closed.load(std::sync::atomic::Ordering::Relaxed) {
///             return Err(StoreError::new(StoreErrorKind::Unavailable, "closed").into());
///         }
///         self.store.commit(changeset).await
///     }
///     async fn load(&self, id: Lookup, by: Option<UserId>) -> Result<Option<Loaded>, StoreError> {
///         self.store.load(id, by).await
///     }
///     async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
///         self.store.list(query).await
///     }
///     async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
///         self.store.journal(query).await
///     }
///     async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
///         self.store.lease(request).await
///     }
///     async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
///         self.store.feed(query).await
///     }
/// }
/// ```
#[async_trait]
pub trait OrderStore: Send + Sync + 'static {
    /// Applies a changeset in full or not at all.
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError>;
    /// Returns the order, with what is left to do for it and the key it was made under; `None` if
    /// there is none (or it is not `owner`'s).
    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError>;
    /// Returns a page of orders.
    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError>;
    /// Returns rows of an order's journal, in sequence.
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError>;
    /// Takes leases on due work.
    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError>;
    /// Returns a page of the feed of all journal rows.
    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError>;

    /// Returns the order's version and lease, and nothing else: the cheap re-read before money
    /// moves. `None` if there is no such order. Provided by loading it; a store that can read less
    /// should.
    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        let loaded = self.load(order.into(), None).await?;
        Ok(loaded.map(|Loaded { order, work, .. }| Peek {
            version: order.version,
            fence: work.and_then(|item| item.fence),
        }))
    }

    /// Says how much work there is, and when it is due. For operators: provided by loading every
    /// order with open work, which a store should do at less cost.
    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        provided::work_summary(self).await
    }

    /// Returns a page of orders with all that belongs to them, to be taken elsewhere. Provided by
    /// listing them, and reading each.
    async fn dump(&self, query: &DumpQuery) -> Result<DumpPage, StoreError> {
        provided::dump(self, query).await
    }
}

pub(crate) use provided::dumped;

#[async_trait]
impl<T: OrderStore + ?Sized> OrderStore for Arc<T> {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        (**self).commit(changeset).await
    }
    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        (**self).load(order, owner).await
    }
    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        (**self).list(query).await
    }
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        (**self).journal(query).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        (**self).lease(request).await
    }
    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        (**self).feed(query).await
    }
    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        (**self).peek(order).await
    }
    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        (**self).work_summary().await
    }
    async fn dump(&self, query: &DumpQuery) -> Result<DumpPage, StoreError> {
        (**self).dump(query).await
    }
}
