//! Walks every state that a small order can reach, every pair of axes to its end, and says how many
//! there are.
//!
//! ```sh
//! cargo run --release -p order-sim --bin walk
//! cargo run --release -p order-sim --bin walk -- --verbose
//! ```
//!
//! `--verbose` prints every pair; `--facts` does the second part alone, in more states. What may
//! happen, what is checked and what bounds the states: `order-core/tests/rules/walk`; which facts
//! are heard in either order in those states: `order-core/tests/rules/commuting.rs`.

#![allow(
    missing_docs,
    dead_code,
    reason = "shared with order-core/tests/rules, which uses all of it"
)]

#[path = "../../../tests/rules/commuting.rs"]
mod commuting;
#[path = "../../../tests/rules/inputs.rs"]
mod inputs;
#[path = "../../../tests/rules/invariants.rs"]
mod invariants;
#[path = "../../../tests/rules/journey.rs"]
mod journey;
#[path = "../../../tests/rules/shop.rs"]
mod shop;
#[path = "../../../tests/rules/steps.rs"]
mod steps;
#[path = "../../../tests/rules/walk/mod.rs"]
mod walk;

use std::time::Instant;

/// States of each pair of axes among which facts are heard in either order, and in each how
/// manieth: hundreds of pairs in each of them, each four times.
const FACTS_IN: usize = 100_000;
const EVERY_NTH: usize = 17;
/// The same, where nothing else is done.
const EVERY_NTH_ALONE: usize = 3;

fn main() {
    let verbose = std::env::args().any(|a| a == "--verbose");
    if std::env::args().any(|a| a == "--facts") {
        return hear_facts(EVERY_NTH_ALONE);
    }
    walk_states(verbose);
    hear_facts(EVERY_NTH);
}

#[allow(clippy::disallowed_methods, reason = "it measures real time")]
fn walk_states(verbose: bool) {
    let began = Instant::now();
    let (mut all_states, mut all_pairs, mut all_ended) = (0, 0, 0);
    for setting in walk::SETTINGS {
        let since = Instant::now();
        let (mut pairs, mut ended, mut states, mut steps, mut resting, mut longest) =
            (0, 0, 0, 0, 0, 0);
        walk::every_pair(setting, usize::MAX, |pair, found| {
            if verbose {
                println!("  {pair}: {} states, {} steps", found.states, found.steps);
            }
            pairs += 1;
            ended += usize::from(!found.cut);
            states += found.states;
            steps += found.steps;
            resting += found.resting;
            longest = longest.max(found.longest);
        });
        println!(
            "{}: {states} states, {steps} steps between them, {resting} at rest, at most {longest} steps to rest; \
             {ended} of {pairs} pairs of axes walked to their end, {:.1} s",
            setting.0,
            since.elapsed().as_secs_f64()
        );
        all_states += states;
        all_pairs += pairs;
        all_ended += ended;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{all_states} states in all; {all_ended} of {all_pairs} pairs of axes walked to their end, {seconds:.1} s"
    );
    assert_eq!(all_ended, all_pairs, "a pair of axes was cut short");
}

#[allow(clippy::disallowed_methods, reason = "it measures real time")]
fn hear_facts(nth: usize) {
    for setting in walk::SETTINGS {
        let since = Instant::now();
        let pairs = commuting::everywhere(setting, FACTS_IN, nth);
        println!(
            "{}: {} pairs of facts in either order come to the same; in {} of them one ends or decides something, {:.1} s",
            setting.0,
            pairs.all,
            pairs.decided,
            since.elapsed().as_secs_f64()
        );
    }
}
