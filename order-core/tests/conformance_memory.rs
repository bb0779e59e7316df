//! The in-memory store keeps the contract of stores.
#![cfg(feature = "testkit")]

use std::sync::Arc;

use order_core::store::MemoryStore;
use order_core::testkit::ManualClock;
use order_core::testkit::conformance::StoreFactory;

#[derive(Default)]
struct Memory(Arc<ManualClock>);

impl StoreFactory for Memory {
    type Store = MemoryStore;
    fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.0)
    }
    async fn fresh(&self) -> MemoryStore {
        MemoryStore::new(self.clock())
    }
}

order_core::conformance_tests!(Memory::default());
