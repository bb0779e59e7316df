//! The store, with a look at its tables after each commit.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use order_core::ids::{OrderId, UserId};
use order_core::order::JournalRow;
use order_core::store::*;
use order_store_sqlite::SqliteStore;

use super::twin::Snapshot;

pub struct Watched {
    pub store: Arc<SqliteStore>,
    pub path: PathBuf,
    pub snapshots: Mutex<Vec<Snapshot>>,
    /// Transactions that were no commits: a manager asks for nothing once, to learn the store's
    /// clock.
    pub leases: AtomicU64,
}

#[async_trait]
impl OrderStore for Watched {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        let committed = self.store.commit(changeset).await?;
        self.snapshots
            .lock()
            .expect("nobody panicked")
            .push(Snapshot::of(&self.path));
        Ok(committed)
    }
    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        self.store.load(order, owner).await
    }
    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        self.store.peek(order).await
    }
    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        self.store.list(query).await
    }
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        self.store.journal(query).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        let page = self.store.lease(request).await?;
        self.leases.fetch_add(1, Ordering::Relaxed);
        Ok(page)
    }
    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        self.store.work_summary().await
    }
    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        self.store.feed(query).await
    }
    async fn dump(&self, query: &DumpQuery) -> Result<DumpPage, StoreError> {
        self.store.dump(query).await
    }
}
