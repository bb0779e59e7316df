//! The in-memory store keeps the contract of stores.
#![cfg(feature = "testkit")]

use std::sync::Arc;

use order_core::ids::OrderId;
use order_core::store::MemoryStore;
use order_core::testkit::ManualClock;
use order_core::testkit::conformance::StoreFactory;
use order_core::time::Timestamp;

#[derive(Default)]
struct Memory(Arc<ManualClock>);

impl StoreFactory for Memory {
    type Store = MemoryStore;
    fn set_time(&self, to: Timestamp) {
        self.0.set(to);
    }
    async fn fresh(&self) -> MemoryStore {
        MemoryStore::new(self.0.clone())
    }
    async fn damage(&self, store: &MemoryStore, order: OrderId) {
        store.damage(order, Some("it was damaged"));
    }
}

order_core::conformance_tests!(Memory::default());
