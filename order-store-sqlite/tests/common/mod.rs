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

pub use order_core::testkit::orders::{at, fence, full, key_record as key, plain, text, user_id as user, work};

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

const APPLICATION_ID: i64 = 0x4F72_6445;

/// The orders of `file` in another, as the first version of the schema kept them: what it had no column for is left out.
pub fn as_of_the_first_version(file: &TempFile) -> TempFile {
    let old = TempFile::new();
    let db = rusqlite::Connection::open(&old.0).unwrap();
    db.execute_batch(include_str!("../../migrations/0001_orders.sql")).unwrap();
    db.execute("ATTACH ?1 AS new", [file.0.to_str().unwrap()]).unwrap();
    let tables = texts(&db, "SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name = 'orders' DESC");
    for table in tables {
        let columns = texts(&db, &format!("SELECT name FROM pragma_table_info('{table}', 'main')")).join(", ");
        db.execute_batch(&format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}")).unwrap();
    }
    let migrations: String =
        db.query_row("SELECT sql FROM new.sqlite_schema WHERE name = 'order_migrations'", [], |row| row.get(0)).unwrap();
    db.execute_batch(&migrations).unwrap();
    db.execute_batch("INSERT INTO main.order_migrations SELECT * FROM new.order_migrations WHERE version = 1").unwrap();
    db.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    old
}

fn texts(db: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
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
            *order = Order { version, updated_at, ..after };
        }),
    }
}

pub async fn place(store: &SqliteStore, order: Order) -> Arc<Order> {
    let changeset = changeset(None, order);
    let after = Arc::clone(&changeset.after);
    store.commit(changeset).await.unwrap();
    after
}

pub async fn load(store: &SqliteStore, id: OrderId) -> (Arc<Order>, Option<order_core::store::WorkItem>) {
    let loaded = store.load(id.into(), None).await.unwrap().unwrap();
    (loaded.order, loaded.work)
}
