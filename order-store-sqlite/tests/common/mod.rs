//! A store with a clock set by hand, on a file that is removed, and the changesets to try it with.
#![allow(dead_code, unused_imports, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use order_core::ids::OrderId;
use order_core::order::Order;
use order_core::store::{Changeset, OrderStore};
use order_core::testkit::{ManualClock, orders};
use order_store_sqlite::{SqliteOptions, SqliteStore};

pub use order_core::testkit::orders::{
    at, fence, full, key_record as key, plain, text, user_id as user, work,
};

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(at(0)))
}

pub fn open(path: impl AsRef<Path>) -> SqliteStore {
    SqliteStore::open(path, SqliteOptions::new(clock())).unwrap()
}

/// A database file in the temporary directory, removed with what SQLite puts beside it.
pub struct TempFile(pub PathBuf);

impl TempFile {
    pub fn new() -> Self {
        let name = format!("order-store-{}-{}.db", std::process::id(), serial());
        TempFile(std::env::temp_dir().join(name))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm", ".partial"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}

pub fn serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A changeset with one journal row, after which the order is `after` but for version and time.
pub fn changeset(before: Option<&Arc<Order>>, after: Order) -> Changeset {
    match before {
        None => orders::place(after),
        Some(before) => orders::amend(before, |order| {
            let (version, updated_at) = (order.version, order.updated_at);
            *order = Order {
                version,
                updated_at,
                ..after
            };
        }),
    }
}

pub async fn place(store: &SqliteStore, order: Order) -> Arc<Order> {
    let changeset = changeset(None, order);
    let after = Arc::clone(&changeset.after);
    store.commit(changeset).await.unwrap();
    after
}

pub async fn load(
    store: &SqliteStore,
    id: OrderId,
) -> (Arc<Order>, Option<order_core::store::WorkItem>) {
    let loaded = store.load(id.into(), None).await.unwrap().unwrap();
    (loaded.order, loaded.work)
}
