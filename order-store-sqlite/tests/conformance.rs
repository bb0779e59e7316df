//! The storage contract, on a file and in memory.

mod common;

mod on_file {
    use std::sync::{Arc, Mutex};

    use order_core::testkit::ManualClock;
    use order_core::testkit::conformance::StoreFactory;
    use order_store_sqlite::{SqliteOptions, SqliteStore};

    use super::common::TempFile;

    #[derive(Default)]
    struct File {
        clock: Arc<ManualClock>,
        files: Mutex<Vec<TempFile>>,
    }

    impl StoreFactory for File {
        type Store = SqliteStore;
        fn clock(&self) -> Arc<ManualClock> {
            Arc::clone(&self.clock)
        }
        async fn fresh(&self) -> SqliteStore {
            let file = TempFile::new();
            let store = SqliteStore::open(&file.0, SqliteOptions::new(self.clock())).unwrap();
            self.files.lock().unwrap().push(file);
            store
        }
    }

    order_core::conformance_tests!(File::default());
}

mod in_memory {
    use std::sync::Arc;

    use order_core::testkit::ManualClock;
    use order_core::testkit::conformance::StoreFactory;
    use order_store_sqlite::{SqliteOptions, SqliteStore};

    struct Memory(Arc<ManualClock>);

    impl StoreFactory for Memory {
        type Store = SqliteStore;
        fn clock(&self) -> Arc<ManualClock> {
            Arc::clone(&self.0)
        }
        async fn fresh(&self) -> SqliteStore {
            SqliteStore::open(":memory:", SqliteOptions::new(self.clock())).unwrap()
        }
    }

    order_core::conformance_tests!(Memory(Arc::default()));
}
