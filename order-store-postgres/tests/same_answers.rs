//! Same questions, same answers: random sequences with the store in memory and the one on
//! PostgreSQL, every answer compared.
//!
//! `SAME_ANSWERS_SEQUENCES=10000 cargo test -p order-store-postgres --test same_answers` runs more
//! of them.

mod common;
#[path = "../../order-store-sqlite/tests/same_answers/steps.rs"]
mod steps;
#[path = "../../order-store-sqlite/tests/same_answers/world.rs"]
mod world;

use std::sync::{Arc, Mutex};

use common::{RUNTIME, Schema, block_on, layout, options, run_in};
use order_core::runtime::Clock;
use order_core::store::OrderStore;
use order_core::testkit::ManualClock;
use order_core::time::Timestamp;
use order_store_postgres::{Layout, PostgresOptions, PostgresStore};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRunner};
use steps::sequences;
use world::{Other, run};

/// Empties the store: quicker than another one.
const EMPTY: &str = "DELETE FROM order_feed; UPDATE order_feed_head SET position = 0, fed_at = '-infinity'; DELETE FROM order_work; \
     DELETE FROM order_redemption_counts; DELETE FROM order_redemptions; DELETE FROM order_status_history; DELETE FROM order_metadata; \
     DELETE FROM order_edits; DELETE FROM order_disputes; DELETE FROM order_credits; DELETE FROM order_returns; \
     DELETE FROM order_shipments; DELETE FROM order_reservations; DELETE FROM order_payment_transactions; \
     DELETE FROM order_addresses; DELETE FROM order_items; DELETE FROM order_updates; DELETE FROM order_state; DELETE FROM orders";

/// The clock of the sequence that is run, for a store that is opened once for many.
#[derive(Default)]
struct OfTheSequence(Mutex<Arc<ManualClock>>);

impl Clock for OfTheSequence {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().now()
    }
}

/// The number of sequences that are run, of those that were asked for: all, or one in so many.
fn sequences_in(share: u32) -> u32 {
    let all = std::env::var("SAME_ANSWERS_SEQUENCES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000u32);
    all.div_ceil(share)
}

#[test]
fn postgres_answers_as_the_store_in_memory() {
    answers_as_the_store_in_memory(layout(), sequences_in(1));
}

#[test]
fn with_several_partitions_it_answers_as_the_store_in_memory() {
    answers_as_the_store_in_memory(
        Layout {
            citus: false,
            partitions: Some(5),
        },
        sequences_in(4),
    );
}

fn answers_as_the_store_in_memory(layout: Layout, cases: u32) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 500,
        rng_algorithm: RngAlgorithm::XorShift,
        ..Config::default()
    };
    let schema = Arc::new(block_on(Schema::laid_out(layout)));
    let clock = Arc::new(OfTheSequence::default());
    let store = open(&schema, Arc::clone(&clock) as _);
    // The stores are asked by an executor without a runtime of its own.
    let _on_runtime = RUNTIME.enter();
    let outcome = TestRunner::new(config).run(&sequences(), |sequence| {
        block_on(run_in(&schema.name, EMPTY));
        let (schema, store) = (Arc::clone(&schema), Arc::clone(&store));
        let other = |of_the_sequence: Arc<ManualClock>| {
            *clock.0.lock().unwrap() = of_the_sequence;
            // Where a group is of one bucket, what fails to get its locks is tried again, after
            // what came later.
            let one_by_one = layout.partitions.is_some();
            Other {
                store,
                open: Some(Box::new(move |clock| open(&schema, clock as _))),
                in_order: false,
                one_by_one,
            }
        };
        run(&sequence, other).map(drop).map_err(TestCaseError::fail)
    });
    if let Err(difference) = outcome {
        panic!("{difference}");
    }
}

/// Opens the store on a thread of its own, for whoever asks may be within an executor. One task
/// writes, so that changesets that are sent together are taken in their order.
fn open(schema: &Schema, clock: Arc<dyn Clock>) -> Arc<dyn OrderStore> {
    let opened = std::thread::scope(|scope| {
        let options = PostgresOptions {
            writers: 1,
            ..options(Some(clock))
        };
        scope
            .spawn(|| block_on(PostgresStore::open(&schema.url, options)))
            .join()
    });
    Arc::new(opened.expect("no panic").expect("the store opens"))
}
