//! The storage contract.

mod common;

use std::future::Future;
use std::sync::{Arc, Mutex};

use common::Schema;
use order_core::ids::OrderId;
use order_core::testkit::ManualClock;
use order_core::testkit::conformance::StoreFactory;
use order_core::time::Timestamp;
use order_store_postgres::{Layout, PostgresStore};

/// Stores of one layout.
struct Postgres {
    layout: Layout,
    clock: Arc<ManualClock>,
    schemas: Mutex<Vec<Schema>>,
}

impl Postgres {
    fn laid_out(layout: Layout) -> Self {
        Postgres {
            layout,
            clock: Arc::default(),
            schemas: Mutex::default(),
        }
    }
}

impl StoreFactory for Postgres {
    type Store = PostgresStore;

    fn set_time(&self, to: Timestamp) {
        self.clock.set(to);
    }

    async fn fresh(&self) -> PostgresStore {
        let schema = Schema::laid_out(self.layout).await;
        let store = schema.open(Some(self.clock.clone())).await;
        self.schemas.lock().unwrap().push(schema);
        store
    }

    /// Writes what no program of today writes: a phase of an order's life, and an event, that a
    /// newer one may know.
    async fn damage(&self, _: &PostgresStore, order: OrderId) {
        let (sql, name) = {
            let schemas = self.schemas.lock().unwrap();
            let id = order.uuid();
            let sql = format!(
                "ALTER TABLE order_state DROP CONSTRAINT order_state_lifecycle_check;
                 UPDATE order_state SET lifecycle = 'TELEPORTED' WHERE order_id = '{id}';
                 UPDATE order_status_history SET event = '{{\"teleported\":{{}}}}'
                 WHERE order_id = '{id}' AND seq = (SELECT max(seq) FROM order_status_history WHERE order_id = '{id}')"
            );
            (sql, schemas.last().expect("a store").name.clone())
        };
        common::run_in(&name, &sql).await;
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        common::block_on(future)
    }
}

order_core::conformance_tests!(Postgres::laid_out(common::layout()));

/// With as many partitions of the feed, and with buckets as far apart, as on several nodes.
mod with_several_partitions {
    use super::{Layout, Postgres, common};

    order_core::conformance_tests!(Postgres::laid_out(Layout {
        partitions: Some(5),
        ..common::layout()
    }));
}
