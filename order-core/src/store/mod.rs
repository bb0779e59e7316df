//! The storage contract: one write, a handful of reads, no business rule.

mod changeset;
mod feed;
mod memory;
mod query;
pub mod records;
mod work;

use std::sync::Arc;

use async_trait::async_trait;

pub use changeset::{Changeset, ClaimChange, CommitError, Committed, KeyMethod, KeyRecord, KeyUse, StoreError, StoreErrorKind};
pub use feed::{DumpQuery, Dumped, FeedCursor, FeedPage, FeedQuery, FeedRow};
pub use memory::MemoryStore;
pub use query::{Cursor, JournalQuery, ListQuery, Loaded, OrderPage, OrderRef, SortKey};
pub use work::{ClaimRequest, Claimed, Peek, Tries, Try, WorkChange, WorkItem, WorkSummary};

use crate::ids::{IdempotencyKey, OrderId, UserId};
use crate::order::JournalRow;

/// Durable storage of orders. Every clause below has a test of its number in [`crate::testkit`], which any store can run.
///
/// # Contract
///
/// **Writing**
///
/// 1. *All or nothing.* After [`commit`](OrderStore::commit) answers `Ok`, every part of the changeset is durable and
///    visible to every later read; after any error but [`StoreErrorKind::Unknown`], none of it ever is.
/// 2. *Replay.* If the journal row numbered `expected + 1` of the order was written by this changeset's id, the answer is
///    `Ok` with `replayed`, however far the version has moved, and nothing is written: sending a changeset again after a
///    lost answer is harmless. Checked before anything else, wherever something else would be refused. So the first row of
///    every changeset carries its id; the others do too, but for those of an order that is restored (clause 23).
/// 3. *Order of checks.* Replay, then idempotency key ([`CommitError::KeyTaken`]), then command key
///    ([`CommitError::CommandKeyTaken`]), then fence ([`CommitError::Fenced`]), then claims
///    ([`CommitError::ClaimExhausted`]), then version or revision ([`CommitError::Conflict`]), then the order number
///    ([`CommitError::NumberTaken`]). The first that fails is the answer.
/// 4. *Version.* A changeset with k ≥ 1 journal rows applies only if the stored version is `expected` (0: the order does
///    not exist); the rows are `expected + 1 ..= expected + k`, and the stored version becomes `expected + k`.
/// 5. *No rows.* With k = 0 only the work item and [`Order::notified`](crate::order::Order::notified) are written, on
///    condition of the work item's revision, never of the version.
/// 6. *Idempotency keys* are unique by (user, method, key), for ever. A taken key answers with its record. A changeset's
///    key names its own order, and that order's user.
/// 7. *Command keys* are unique by (order, key), for ever. A taken key answers with the number and the hash of the row that
///    has it; where a changeset has one key twice, with those of the earlier row.
/// 8. *Claims* are counted: a taken claim counts one of its name's uses, unless that many are in use already; a given-back
///    one frees it. Each order holds a name at most once, so taking or giving back twice changes nothing.
/// 9. *Order numbers* are unique and never change, nor do an order's user, the time it was placed, and what it is called
///    elsewhere.
/// 10. *Independence.* Concurrent changesets may share a durable transaction; each still applies or fails by itself, and
///     none sees another's half.
///
/// **Work**
///
/// 11. *Fence.* A changeset with a fence applies only while the work item exists and carries that very fence and the
///     revision the caller saw; a lease that has run out and that nobody has taken still counts as carried.
/// 12. *Waking* creates the work item, or pulls its due time forward, never back; it needs no fence, keeps a lease that is
///     held, and makes a stuck item due again.
/// 13. *Every change* of a work item raises its revision by one; claiming does too.
/// 14. *Claiming* gives due items whose lease is free or has run out, soonest due first, each to one claimer only, and says
///     whether the lease was taken over from somebody who never gave it back. Beginning on one counts one more run, and giving
///     it back forgets all runs. Due and lease times are judged by the store's own clock.
/// 15. *Done* removes the item. An item without a due time is stuck: never claimed until woken.
///
/// **Reading**
///
/// 16. *Loading* gives the order exactly as committed, with its work item, by id or number; with an owner, only that
///     owner's.
/// 17. *Listing* is keyset-paged by (sort key, id): no order is shown twice or skipped while none changes, the order of
///     equal sort keys is that of ids, and an owner, user or status filter is applied by the store. A cursor of another
///     sort key or direction is refused.
/// 18. *The journal* of an order comes in sequence, from after a given row; asked for a command key, only the row that has it,
///     without reading the others.
/// 19. *Texts, times and amounts* come back bit by bit as they went in, whatever characters they hold.
///
/// **Reading the whole store**
///
/// 20. *The feed* gives every journal row of every order exactly once, each order's in sequence and without gaps, in an order
///     that never changes. No row ever comes to stand before one that was given out: whoever goes on after a row, or after
///     a page's `next`, misses nothing and sees nothing twice, whatever is committed meanwhile and however often the store is
///     closed and opened.
/// 21. *A cursor of the feed* names its store. That of another store is refused, and so is one that this store has not given
///     out, as after it was set back to an earlier copy.
/// 22. *Dumping* gives each order as it was committed, with its whole journal and the idempotency keys that name it, in the
///     order of ids. Each page is one snapshot.
/// 23. *Restoring*: what was dumped can be committed as it is, in another store: a changeset without `before`, with the order
///     at version n, its key, the claims it holds, and its n journal rows, which keep the ids of the changesets that wrote them
///     first. Its own id is that of the first row, so that clause 2 recognises it when it is sent again, and, since the other
///     rows keep theirs, every changeset that the order was made by. `replayed` says that the order is there, in whatever
///     version.
///
/// **Erasing**
///
/// 24. *Redaction.* A changeset with journal rows that sets [`Order::redacted_at`](crate::order::Order::redacted_at), where its
///     `before` had none, also erases the notes of every row that the order's journal has already; its own rows keep theirs,
///     and nothing else of a row changes. No read gives out again what was erased, nor what `after` no longer has of addresses,
///     notes, metadata, tokens and URLs, and sending an earlier changeset again brings nothing of it back.
#[async_trait]
pub trait OrderStore: Send + Sync + 'static {
    /// Applies a changeset in full or not at all.
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError>;
    /// The order, with what is left to do for it; `None` if there is none (or it is not `owner`'s).
    async fn load(&self, order: OrderRef, owner: Option<UserId>) -> Result<Option<Loaded>, StoreError>;
    /// The order's version and lease, and nothing else: the cheap re-read before money moves. `None` if there is no such order.
    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError>;
    /// The order that was made under an idempotency key.
    async fn find_key(&self, user: UserId, method: KeyMethod, key: &IdempotencyKey) -> Result<Option<KeyRecord>, StoreError>;
    /// A page of orders.
    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError>;
    /// Rows of an order's journal, in sequence.
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError>;
    /// Takes leases on due work.
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError>;
    /// How much work there is, and when it is due.
    async fn work_summary(&self) -> Result<WorkSummary, StoreError>;
    /// A page of the feed of all journal rows.
    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError>;
    /// A page of orders with all that belongs to them, to be taken elsewhere.
    async fn dump(&self, query: &DumpQuery) -> Result<Vec<Dumped>, StoreError>;
}

#[async_trait]
impl<T: OrderStore + ?Sized> OrderStore for Arc<T> {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        (**self).commit(changeset).await
    }
    async fn load(&self, order: OrderRef, owner: Option<UserId>) -> Result<Option<Loaded>, StoreError> {
        (**self).load(order, owner).await
    }
    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        (**self).peek(order).await
    }
    async fn find_key(&self, user: UserId, method: KeyMethod, key: &IdempotencyKey) -> Result<Option<KeyRecord>, StoreError> {
        (**self).find_key(user, method, key).await
    }
    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        (**self).list(query).await
    }
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        (**self).journal(query).await
    }
    async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        (**self).claim(request).await
    }
    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        (**self).work_summary().await
    }
    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        (**self).feed(query).await
    }
    async fn dump(&self, query: &DumpQuery) -> Result<Vec<Dumped>, StoreError> {
        (**self).dump(query).await
    }
}
