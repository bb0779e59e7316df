//! A store in memory that fails, panics or takes its time on request.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use order_core::ids::{OrderId, UserId};
use order_core::order::JournalRow;
use order_core::store::*;

/// A fate of every call of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    Slow(Duration),
    Fails(StoreErrorKind),
    Panics,
}

pub struct Flaky {
    inner: MemoryStore,
    reads: Mutex<Trouble>,
    writes: Mutex<Trouble>,
    pub reading: AtomicU32,
}

impl Flaky {
    pub fn new(inner: MemoryStore) -> Self {
        Flaky {
            inner,
            reads: Mutex::new(Trouble::None),
            writes: Mutex::new(Trouble::None),
            reading: AtomicU32::new(0),
        }
    }

    pub fn reads(&self, trouble: Trouble) {
        *self.reads.lock().unwrap() = trouble;
    }

    pub fn writes(&self, trouble: Trouble) {
        *self.writes.lock().unwrap() = trouble;
    }

    async fn read(&self) -> Result<(), StoreError> {
        let trouble = *self.reads.lock().unwrap();
        befall(trouble).await
    }
}

async fn befall(trouble: Trouble) -> Result<(), StoreError> {
    match trouble {
        Trouble::None => Ok(()),
        Trouble::Slow(by) => {
            tokio::time::sleep(by).await;
            Ok(())
        }
        Trouble::Fails(kind) => Err(StoreError::new(kind, "secret path /var/lib/orders.db")),
        Trouble::Panics => panic!("the store panics, as the test asked"),
    }
}

#[tonic::async_trait]
impl OrderStore for Flaky {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        let trouble = *self.writes.lock().unwrap();
        befall(trouble).await?;
        self.inner.commit(changeset).await
    }
    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        self.reading.fetch_add(1, Ordering::SeqCst);
        self.read().await?;
        self.inner.load(order, owner).await
    }
    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        self.read().await?;
        self.inner.peek(order).await
    }
    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        self.read().await?;
        self.inner.list(query).await
    }
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        self.inner.journal(query).await
    }
    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        self.inner.feed(query).await
    }
    async fn dump(&self, query: &DumpQuery) -> Result<DumpPage, StoreError> {
        self.inner.dump(query).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        self.inner.lease(request).await
    }
    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        self.inner.work_summary().await
    }
}
