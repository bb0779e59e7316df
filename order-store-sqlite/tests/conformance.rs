//! The storage contract, on a file and in memory.

mod common;

use order_core::ids::OrderId;
use order_store_sqlite::SqliteStore;

/// Writes what no program of today writes: a phase of an order's life, and an event, that a newer
/// one may know.
async fn damage(store: &SqliteStore, order: OrderId) {
    let damaged = store.on_writer(move |db| {
        let id = order.as_bytes();
        db.pragma_update(None, "ignore_check_constraints", true)?;
        db.execute("UPDATE orders SET lifecycle = 'TELEPORTED' WHERE id = ?1", [id])?;
        db.pragma_update(None, "ignore_check_constraints", false)?;
        db.execute(
            "UPDATE order_status_history SET event = '{\"teleported\":{}}' \
             WHERE order_id = ?1 AND seq = (SELECT max(seq) FROM order_status_history WHERE order_id = ?1)",
            [id],
        )
    });
    assert_eq!(damaged.await.unwrap(), Ok(1));
}

mod on_file {
    use std::sync::{Arc, Mutex};

    use order_core::ids::OrderId;
    use order_core::testkit::ManualClock;
    use order_core::testkit::conformance::StoreFactory;
    use order_core::time::Timestamp;
    use order_store_sqlite::{SqliteOptions, SqliteStore};

    use super::common::TempFile;

    #[derive(Default)]
    struct File {
        clock: Arc<ManualClock>,
        files: Mutex<Vec<TempFile>>,
    }

    impl StoreFactory for File {
        type Store = SqliteStore;
        fn set_time(&self, to: Timestamp) {
            self.clock.set(to);
        }
        async fn fresh(&self) -> SqliteStore {
            let file = TempFile::new();
            let store = SqliteStore::open(&file.0, SqliteOptions::new(self.clock.clone())).unwrap();
            self.files.lock().unwrap().push(file);
            store
        }
        async fn damage(&self, store: &SqliteStore, order: OrderId) {
            super::damage(store, order).await;
        }
    }

    order_core::conformance_tests!(File::default());
}

mod in_memory {
    use std::sync::Arc;

    use order_core::ids::OrderId;
    use order_core::testkit::ManualClock;
    use order_core::testkit::conformance::StoreFactory;
    use order_core::time::Timestamp;
    use order_store_sqlite::{SqliteOptions, SqliteStore};

    struct Memory(Arc<ManualClock>);

    impl StoreFactory for Memory {
        type Store = SqliteStore;
        fn set_time(&self, to: Timestamp) {
            self.0.set(to);
        }
        async fn fresh(&self) -> SqliteStore {
            SqliteStore::open(":memory:", SqliteOptions::new(self.0.clone())).unwrap()
        }
        async fn damage(&self, store: &SqliteStore, order: OrderId) {
            super::damage(store, order).await;
        }
    }

    order_core::conformance_tests!(Memory(Arc::default()));
}
