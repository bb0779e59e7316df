//! Simulates seed after seed, and says how fast, what it came upon, and what did not hold.
//!
//! ```sh
//! cargo run --release -p order-sim --bin simulate -- --seeds 20000
//! cargo run --release -p order-sim --bin simulate -- --replay 4711
//! ```
//!
//! `--start N` begins at seed N. Exits with 1 when something did not hold; the seed's trace is
//! printed then, and `--replay` prints it again. `--list N` goes on until N seeds have failed, and
//! prints what did not hold in each instead of a trace. `--complete` demands that every command,
//! event, status and fault was come upon.

use std::process::ExitCode;
use std::time::Instant;

use order_sim::{Coverage, Outcome, replay, run};

/// Every so many seeds one is run twice, to see that a seed decides everything.
const TWICE_EVERY: u64 = 64;

struct Arguments {
    start: u64,
    seeds: u64,
    replay: Option<u64>,
    list: u64,
    complete: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut found = Arguments {
        start: 0,
        seeds: 2000,
        replay: None,
        list: 0,
        complete: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut number = || -> Result<u64, String> {
            let value = given
                .next()
                .ok_or_else(|| format!("{name} needs a number"))?;
            value
                .parse()
                .map_err(|_| format!("{name} needs a number, not {value:?}"))
        };
        match name.as_str() {
            "--start" => found.start = number()?,
            "--seeds" => found.seeds = number()?,
            "--replay" => found.replay = Some(number()?),
            "--list" => found.list = number()?,
            "--complete" => found.complete = true,
            _ => {
                return Err(format!(
                    "unknown option {name:?}: expected --seeds N, --start N, --list N, --complete or --replay SEED"
                ));
            }
        }
    }
    Ok(found)
}

#[allow(
    clippy::disallowed_methods,
    reason = "it says how fast the simulation was in real time"
)]
fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    if let Some(seed) = arguments.replay {
        let outcome = replay(seed);
        println!("{}", outcome.trace);
        println!(
            "seed {seed}: {} choices, trace hash {:016x}",
            outcome.choices, outcome.hash
        );
        return verdict(&outcome);
    }
    let started = Instant::now();
    let mut coverage = Coverage::default();
    let (mut choices, mut orders, mut virtual_seconds, mut failed) = (0, 0, 0.0, 0);
    for seed in arguments.start..arguments.start.saturating_add(arguments.seeds) {
        let outcome = run(seed);
        let twice = seed % TWICE_EVERY == 0;
        if twice && run(seed).hash != outcome.hash {
            println!("seed {seed} took another course the second time");
            return ExitCode::FAILURE;
        }
        choices += outcome.choices * if twice { 2 } else { 1 };
        orders += outcome.orders;
        virtual_seconds += outcome.virtual_time.as_secs_f64();
        if !outcome.is_sound() && failed < arguments.list {
            failed += 1;
            verdict(&outcome);
            continue;
        }
        if !outcome.is_sound() {
            let outcome = replay(seed);
            println!("{}", outcome.trace);
            println!("replay with: --replay {seed}");
            return verdict(&outcome);
        }
        coverage.add(&outcome.coverage);
    }
    let seconds = started.elapsed().as_secs_f64();
    let n = arguments.seeds.max(1) as f64;
    let run_twice = (arguments.start..arguments.start + arguments.seeds)
        .filter(|s| s % TWICE_EVERY == 0)
        .count();
    let runs = n + run_twice as f64;
    let held = arguments.seeds - failed;
    println!(
        "{held} seeds without a violation, {run_twice} of them run twice with the same trace hash"
    );
    println!(
        "{:.0} seeds a second, {:.0} choices a second on one core, {:.1} choices a seed, {:.1} orders a seed",
        runs / seconds,
        choices as f64 / seconds,
        choices as f64 / runs,
        orders as f64 / n,
    );
    println!(
        "{:.0} hours of virtual time in {seconds:.1} s",
        virtual_seconds / 3600.0
    );
    println!("{coverage}");
    let missing = coverage.missing();
    if arguments.complete && !missing.is_empty() {
        println!("never came upon {}", missing.join(", "));
        return ExitCode::FAILURE;
    }
    if failed > 0 {
        println!("{failed} seeds failed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn verdict(outcome: &Outcome) -> ExitCode {
    for violation in outcome.violations() {
        println!("seed {} VIOLATES {violation}", outcome.seed);
    }
    if outcome.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
