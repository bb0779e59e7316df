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

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use commuting::Pairs;
use walk::{Found, Setting, Walk};

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

/// Everything that the walks of a setting found.
#[derive(Default)]
struct Sum {
    pairs: usize,
    ended: usize,
    states: usize,
    steps: usize,
    resting: usize,
    longest: u32,
}

impl Sum {
    fn add(&mut self, found: &Found) {
        self.pairs += 1;
        self.ended += usize::from(!found.cut);
        self.states += found.states;
        self.steps += found.steps;
        self.resting += found.resting;
        self.longest = self.longest.max(found.longest);
    }
}

#[allow(clippy::disallowed_methods, reason = "it measures real time")]
fn walk_states(verbose: bool) {
    let began = Instant::now();
    let mut jobs: Vec<(Setting, _, Walk)> = Vec::new();
    for setting in walk::SETTINGS {
        let (placed, walks) = walk::every_pair(setting, usize::MAX);
        jobs.extend(
            walks
                .into_iter()
                .map(|walk| (setting, placed.clone(), walk)),
        );
    }
    let found = on_all_cores(&jobs, |(_, placed, walk)| walk.explore(placed));
    let (mut all_states, mut all_pairs, mut all_ended) = (0, 0, 0);
    for setting in walk::SETTINGS {
        let mut sum = Sum::default();
        for ((of, _, walk), found) in jobs.iter().zip(&found) {
            if of.0 != setting.0 {
                continue;
            }
            if verbose {
                let [first, second] = walk.axes;
                let (states, steps) = (found.states, found.steps);
                println!("  {first:?} × {second:?}: {states} states, {steps} steps");
            }
            sum.add(found);
        }
        let Sum {
            pairs,
            ended,
            states,
            steps,
            resting,
            longest,
        } = sum;
        println!(
            "{}: {states} states, {steps} steps between them, {resting} at rest, at most {longest} steps to rest; \
             {ended} of {pairs} pairs of axes walked to their end",
            setting.0,
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
    let began = Instant::now();
    let jobs: Vec<_> = (walk::SETTINGS.into_iter())
        .flat_map(|setting| commuting::AXES.map(|axes| (setting, axes)))
        .collect();
    let heard = on_all_cores(&jobs, |&(setting, axes)| {
        commuting::hear(setting, axes, FACTS_IN, nth)
    });
    for setting in walk::SETTINGS {
        let mut pairs = Pairs::default();
        for ((of, _), heard) in jobs.iter().zip(&heard) {
            if of.0 == setting.0 {
                pairs += *heard;
            }
        }
        println!(
            "{}: {} pairs of facts in either order come to the same; in {} of them one ends or decides something",
            setting.0, pairs.all, pairs.decided,
        );
    }
    println!("heard in {:.1} s", began.elapsed().as_secs_f64());
}

/// Does every job, on as many threads as there are cores, and gives what they came to in the order
/// of the jobs.
fn on_all_cores<J: Sync, R: Send>(jobs: &[J], run: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let waiting = Mutex::new(jobs.iter().enumerate());
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = waiting.lock().expect("nobody panics with it").next();
            let Some((nth, job)) = next else {
                return done;
            };
            done.push((nth, run(job)));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        (threads.into_iter())
            .flat_map(|thread| thread.join().expect("a walk failed, as it said"))
            .collect()
    });
    done.sort_by_key(|(nth, _)| *nth);
    done.into_iter().map(|(_, result)| result).collect()
}
