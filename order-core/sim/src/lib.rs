//! The simulator: whole lives of orders, on one thread, in virtual time, with everything that may
//! go wrong going wrong.
//!
//! A seed decides everything: how many processes and customers there are, what they do, which
//! faults occur and when, and who runs next. After the chaos everything heals, and every order must
//! come to rest; invariants are checked at every commit and call, and at rest against the ledgers
//! of the services. The same seed gives the same run, down to a hash of its choices.
//!
//! In the manner of FoundationDB's simulation (Zhou et al., SIGMOD 2021).

mod bank;
mod clients;
mod config;
mod coverage;
mod customers;
mod dice;
mod faults;
mod fixture;
mod follower;
mod keys;
mod ledgers;
mod moments;
mod operators;
mod oracle;
mod provider;
mod reports;
mod rest;
mod setback;
mod store;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use coverage::Coverage;

use customers::customer;
use follower::follow;
use order_core::audit::{Breach, Invariant};
use rest::heal_and_rest;
use world::World;

/// The course that one seed took.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The number of random draws with at least two possible outcomes.
    pub choices: u64,
    /// A hash of all draws and of what came of them: the same for every run of the seed.
    pub hash: u64,
    /// The number of orders that were placed.
    pub orders: usize,
    /// The virtual time that passed.
    pub virtual_time: Duration,
    /// The states, faults and events it came upon.
    pub coverage: Coverage,
    /// The invariants that did not hold. Empty if all is well.
    pub breaches: Vec<Breach>,
    /// The message of the panic that ended the seed, if one did.
    pub panic: Option<String>,
    /// The trace of what happened, line by line, if asked for.
    pub trace: String,
}

impl Outcome {
    /// Returns true if every invariant held, and nothing panicked.
    pub fn is_sound(&self) -> bool {
        self.breaches.is_empty() && self.panic.is_none()
    }

    /// Returns what went wrong, each in words: the invariants that did not hold, and a panic.
    pub fn violations(&self) -> Vec<String> {
        let breach = |b: &Breach| format!("{b} (it must hold: {})", b.invariant.statement());
        let panic = self.panic.iter().map(|text| format!("panic: {text}"));
        self.breaches.iter().map(breach).chain(panic).collect()
    }
}

/// Locks, also after a task panicked: a world that broke is still to be looked at.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// More polls than any seed needs that comes to rest.
const POLLS_MAX: u32 = 300_000;

/// Runs one seed.
pub fn run(seed: u64) -> Outcome {
    simulate(World::new(seed, false, false), seed)
}

/// Runs one seed and writes down what happens.
pub fn replay(seed: u64) -> Outcome {
    simulate(World::new(seed, true, false), seed)
}

/// Runs one seed of an engine that is known to have a bug, which may have orders grow for ever:
/// gives up much sooner on orders that do not come to rest.
pub fn hunt(seed: u64) -> Outcome {
    simulate(World::new(seed, false, true), seed)
}

fn simulate(world: Arc<World>, seed: u64) -> Outcome {
    let panicked = catch_unwind(AssertUnwindSafe(|| drive(&world))).err();
    let panic = panicked.map(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("without a message").to_owned()
    });
    let coverage = std::mem::take(&mut *lock(&world.coverage));
    let (choices, hash) = {
        let dice = lock(&world.dice);
        (dice.choices(), dice.hash())
    };
    let orders = world.store.orders().len();
    let virtual_time = world.executor.elapsed();
    let outcome = Outcome {
        seed,
        choices,
        hash,
        orders,
        virtual_time,
        coverage,
        breaches: world.take_breaches(),
        panic,
        trace: world.take_trace(),
    };
    world.end();
    outcome
}

/// Lets customers come, then heals; runs until that is done or something does not hold.
fn drive(world: &Arc<World>) {
    let done = Arc::new(AtomicBool::new(false));
    let customers: Vec<_> = (0..world.config.clients)
        .map(|n| {
            let (gone, left) = tokio::sync::oneshot::channel();
            let visit = customer(Arc::clone(world), n);
            world.executor.spawn(
                world.outside,
                Box::pin(async move {
                    visit.await;
                    // Nobody waits for it once the seed has failed.
                    let _ = gone.send(());
                }),
            );
            left
        })
        .collect();
    world.outside_task(follow(Arc::clone(world)));
    let (main, ended) = (Arc::clone(world), Arc::clone(&done));
    world.executor.spawn(
        world.outside,
        Box::pin(async move {
            for customer in customers {
                // An error says that the customer's task is gone, which is as good.
                let _ = customer.await;
            }
            heal_and_rest(main).await;
            ended.store(true, Ordering::Relaxed);
        }),
    );
    let executor = &world.executor;
    for _ in 0..POLLS_MAX {
        if done.load(Ordering::Relaxed) || world.is_breached() {
            return;
        }
        if !executor.step(|n| world.choose(n)) && !executor.fire_next_timer(Duration::MAX) {
            return world.breach(
                Invariant::WorkItem,
                "everything waits for something that never happens".into(),
            );
        }
    }
    world.breach(
        Invariant::WorkItem,
        format!("no rest after {POLLS_MAX} steps"),
    );
}
