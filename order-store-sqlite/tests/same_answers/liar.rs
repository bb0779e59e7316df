//! A store that does not always do what it should, to see whether that is noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use order_core::ids::{OrderId, UserId};
use order_core::order::{JournalRow, Order};
use order_core::store::{
    Changeset, CommitError, Committed, DumpPage, DumpQuery, FeedPage, FeedQuery, JournalQuery,
    KeyUse, LeasePage, LeaseRequest, ListQuery, Loaded, Lookup, MemoryStore, OrderPage, OrderStore,
    Peek, StoreError, WorkChange, WorkSummary,
};
use order_core::text::Private;
use uuid::Uuid;

use super::world::redacts;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    WakeDropped,
    ReleaseForgotten,
    RedemptionKept,
    ReplayNotSaid,
    ConflictCalledFenced,
    KeyOfAnotherOrder,
    CommandKeyOfAnotherCommand,
    RowOfKeyMissed,
    PageMisSorted,
    PageEndsTheList,
    CountOneShort,
    JournalRowLost,
    LeasedBackwards,
    OwnerNotAsked,
    NotesForgotten,
    RedactionForgotten,
    ShipmentForgotten,
    FeedRowSkipped,
    DumpedKeyLost,
}

impl Lie {
    pub const ALL: [Lie; 19] = [
        Lie::WakeDropped,
        Lie::ReleaseForgotten,
        Lie::RedemptionKept,
        Lie::ReplayNotSaid,
        Lie::ConflictCalledFenced,
        Lie::KeyOfAnotherOrder,
        Lie::CommandKeyOfAnotherCommand,
        Lie::RowOfKeyMissed,
        Lie::PageMisSorted,
        Lie::PageEndsTheList,
        Lie::CountOneShort,
        Lie::JournalRowLost,
        Lie::LeasedBackwards,
        Lie::OwnerNotAsked,
        Lie::NotesForgotten,
        Lie::RedactionForgotten,
        Lie::ShipmentForgotten,
        Lie::FeedRowSkipped,
        Lie::DumpedKeyLost,
    ];
}

/// Lies once, as soon as there is an occasion.
pub struct Liar {
    pub store: MemoryStore,
    pub lie: Lie,
    pub told: AtomicBool,
}

impl Liar {
    /// Returns whether to lie now.
    fn lies(&self, lie: Lie, occasion: bool) -> bool {
        self.lie == lie && occasion && !self.told.swap(true, Ordering::SeqCst)
    }
}

#[async_trait]
impl OrderStore for Liar {
    async fn commit(&self, mut changeset: Changeset) -> Result<Committed, CommitError> {
        if self.lies(
            Lie::WakeDropped,
            matches!(changeset.work, WorkChange::Wake { .. }),
        ) {
            changeset.work = WorkChange::Keep;
        }
        if self.lies(
            Lie::RedemptionKept,
            changeset
                .redemptions
                .iter()
                .any(|redemption| !redemption.take),
        ) {
            changeset.redemptions.clear();
        }
        if let Some(before) = changeset.before.clone()
            && self.lies(Lie::RedactionForgotten, redacts(&changeset))
        {
            let redacted_at = changeset.after.redacted_at;
            changeset.before = Some(Arc::new(Order {
                redacted_at,
                ..Order::clone(&before)
            }));
        }
        if let WorkChange::Release {
            fence,
            revision,
            due: _,
            tries,
        } = changeset.work.clone()
            && self.lies(Lie::ReleaseForgotten, true)
        {
            changeset.work = WorkChange::Extend {
                fence,
                revision,
                ttl: Duration::ZERO,
                tries,
            };
        }
        match self.store.commit(changeset).await {
            Ok(Committed { replayed, revision }) if self.lies(Lie::ReplayNotSaid, replayed) => {
                Ok(Committed {
                    replayed: false,
                    revision,
                })
            }
            Err(CommitError::Conflict) if self.lies(Lie::ConflictCalledFenced, true) => {
                Err(CommitError::Fenced)
            }
            Err(CommitError::KeyTaken(mut record)) if self.lies(Lie::KeyOfAnotherOrder, true) => {
                record.order = OrderId::from_bytes([9; 16]);
                Err(CommitError::KeyTaken(record))
            }
            Err(CommitError::CommandKeyTaken(KeyUse { seq, hash: _ }))
                if self.lies(Lie::CommandKeyOfAnotherCommand, true) =>
            {
                Err(CommitError::CommandKeyTaken(KeyUse {
                    seq,
                    hash: Uuid::nil(),
                }))
            }
            answer => answer,
        }
    }

    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        let mut loaded = self.store.load(order.clone(), owner).await?;
        if loaded.is_none() && self.lies(Lie::OwnerNotAsked, owner.is_some()) {
            return self.store.load(order, None).await;
        }
        if let Some(Loaded { order, .. }) = &mut loaded
            && self.lies(Lie::NotesForgotten, order.notes.get().is_some())
        {
            *order = Arc::new(Order {
                notes: Private(Some("others".into())),
                ..Order::clone(order)
            });
        }
        if let Some(Loaded { order, .. }) = &mut loaded
            && self.lies(Lie::ShipmentForgotten, order.shipments.len() > 1)
        {
            Arc::make_mut(order).shipments.pop();
        }
        Ok(loaded)
    }

    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        self.store.peek(order).await
    }

    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        let mut page = self.store.list(query).await?;
        if self.lies(Lie::PageMisSorted, page.orders.len() > 1) {
            page.orders.swap(0, 1);
        }
        if self.lies(Lie::PageEndsTheList, page.next.is_some()) {
            page.next = None;
        }
        if self.lies(Lie::CountOneShort, page.total > 1) {
            page.total -= 1;
        }
        Ok(page)
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        let mut rows = self.store.journal(query).await?;
        if self.lies(Lie::JournalRowLost, rows.len() > 1) {
            rows.pop();
        }
        if self.lies(
            Lie::RowOfKeyMissed,
            query.command_key.is_some() && !rows.is_empty(),
        ) {
            rows.clear();
        }
        Ok(rows)
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        let mut leased = self.store.lease(request).await?;
        if self.lies(Lie::LeasedBackwards, leased.leased.len() > 1) {
            leased.leased.reverse();
        }
        Ok(leased)
    }

    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        self.store.work_summary().await
    }

    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        let mut page = self.store.feed(query).await?;
        if self.lies(Lie::FeedRowSkipped, page.rows.len() > 1) {
            page.rows.remove(0);
        }
        Ok(page)
    }

    async fn dump(&self, query: &DumpQuery) -> Result<DumpPage, StoreError> {
        let mut page = self.store.dump(query).await?;
        if let Some(dumped) = page.orders.iter_mut().find(|dumped| dumped.key.is_some())
            && self.lies(Lie::DumpedKeyLost, true)
        {
            dumped.key = None;
        }
        Ok(page)
    }
}
