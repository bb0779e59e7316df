//! Same questions, same answers: random sequences with [`MemoryStore`] and [`SqliteStore`], every
//! answer compared.
//!
//! `SAME_ANSWERS_SEQUENCES=10000 cargo test -p order-store-sqlite --test same_answers` runs more of
//! them.

#[path = "../common/mod.rs"]
mod common;
mod liar;
mod steps;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use common::TempFile;
use liar::{Liar, Lie};
use order_core::store::{MemoryStore, OrderStore};
use order_core::testkit::ManualClock;
use order_store_sqlite::{SqliteOptions, SqliteStore};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use steps::{Sequence, sequences};
use world::{Other, run};

/// So many sequences of a thousand, or of as many as `SAME_ANSWERS_SEQUENCES` says. A failing one
/// is printed with the first difference; the ones worth keeping become tests with a name.
/// Unoptimised, the default generator takes as long as a store.
fn of_a_thousand(part: u32) -> Config {
    let all = std::env::var("SAME_ANSWERS_SEQUENCES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000u32);
    let cases = u32::try_from(u64::from(all) * u64::from(part) / 1000)
        .unwrap_or(u32::MAX)
        .max(1);
    Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        rng_algorithm: RngAlgorithm::XorShift,
        ..Config::default()
    }
}

fn open(path: impl AsRef<std::path::Path>, clock: Arc<ManualClock>) -> Arc<dyn OrderStore> {
    Arc::new(SqliteStore::open(path, SqliteOptions::new(clock)).unwrap())
}

proptest! {
    #![proptest_config(of_a_thousand(950))]

    #[test]
    fn sqlite_in_memory_answers_as_the_store_in_memory(sequence in sequences()) {
        run(&sequence, |clock| Other { store: open(":memory:", clock), open: None, in_order: true, one_by_one: false }).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    #![proptest_config(of_a_thousand(50))]

    #[test]
    fn sqlite_on_a_file_answers_as_the_store_in_memory(sequence in sequences()) {
        let file = Arc::new(TempFile::new());
        let again = move |clock| open(&file.0, clock);
        run(&sequence, |clock| Other { store: again(clock), open: Some(Box::new(again)), in_order: true, one_by_one: false }).map_err(TestCaseError::fail)?;
    }
}

fn liar(lie: Lie) -> impl Fn(Arc<ManualClock>) -> Other {
    move |clock| {
        let store = Liar {
            store: MemoryStore::new(clock),
            lie,
            told: AtomicBool::new(false),
        };
        Other {
            store: Arc::new(store),
            open: None,
            in_order: true,
            one_by_one: false,
        }
    }
}

#[test]
fn a_store_that_lies_once_is_found_out_with_a_short_sequence() {
    for lie in Lie::ALL {
        // One fixed seed: this is about the comparison.
        let mut runner = TestRunner::new_with_rng(
            of_a_thousand(1000),
            TestRng::deterministic_rng(RngAlgorithm::XorShift),
        );
        let found = runner.run(&sequences(), |sequence| {
            run(&sequence, liar(lie))
                .map(drop)
                .map_err(TestCaseError::fail)
        });
        let Err(TestError::Fail(difference, Sequence(steps))) = found else {
            panic!("{lie:?} was not noticed: {found:?}")
        };
        assert!(
            steps.len() <= 6,
            "{lie:?} is hard to see in {:?}\n{difference}",
            Sequence(steps)
        );
    }
}

#[test]
fn sequences_meet_with_every_answer() {
    // One fixed seed: this is about the sequences, that they do not miss what is to be compared.
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(RngAlgorithm::XorShift),
    );
    let mut met = BTreeMap::<&str, u32>::new();
    for _ in 0..300 {
        let sequence = sequences()
            .new_tree(&mut runner)
            .expect("no sequence is rejected")
            .current();
        let same = |clock: Arc<ManualClock>| Other {
            store: Arc::new(MemoryStore::new(clock)),
            open: None,
            in_order: true,
            one_by_one: false,
        };
        for name in run(&sequence, same).unwrap() {
            *met.entry(name).or_default() += 1;
        }
    }
    for name in EVERY_ANSWER {
        let often = met.remove(name).unwrap_or_default();
        assert!(often >= 5, "{name}: {often} of 300");
    }
    assert!(met.is_empty(), "not expected: {met:?}");
}

const EVERY_ANSWER: [&str; 27] = [
    "applied",
    "replayed",
    "key taken",
    "command key taken",
    "fenced",
    "redemption exhausted",
    "conflict",
    "number taken",
    "work without rows",
    "told without rows",
    "redacted",
    "one order leased",
    "several orders leased",
    "leased again",
    "loaded by number",
    "not loaded",
    "key found",
    "later journal rows",
    "row of a command key",
    "one user's orders listed",
    "stuck orders listed",
    "a page after a cursor",
    "three pages",
    "cursor refused",
    "later rows fed",
    "feed refused",
    "dumped with a key",
];
