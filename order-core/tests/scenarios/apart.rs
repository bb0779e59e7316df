//! Nodes whose clocks are ten minutes apart, on one store with a clock of its own.

use std::sync::Arc;
use std::time::Duration;

use order_core::manager::{OrderManager, PlaceOptions};
use order_core::order::OperationState;
use order_core::runtime::virtual_time::{SeededIds, VirtualRuntime};
use order_core::runtime::{BoxFuture, Clock, Runtime};
use order_core::services::PaymentCapabilities;
use order_core::testkit::services::*;
use order_core::time::Timestamp;

use super::world::*;

const SECOND: Duration = Duration::from_secs(1);
const FAST: i64 = 300;
const SLOW: i64 = -300;

/// The true time, wrong by so many seconds.
struct WrongClock {
    right: Arc<VirtualRuntime>,
    by: i64,
}

impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.right.now().as_micros() + self.by * 1_000_000)
    }
}

impl Runtime for WrongClock {
    fn monotonic(&self) -> Duration {
        self.right.monotonic()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.right.sleep(duration)
    }
    fn spawn(&self, task: BoxFuture<()>) {
        self.right.spawn(task);
    }
}

/// A node with such a clock, which has yet to ask the store for anything.
fn node(world: &World, by: i64) -> Manager {
    let runtime = WrongClock {
        right: world.runtime.clone(),
        by,
    };
    OrderManager::builder(world.store.clone(), world.manager.clients().clone())
        .pricing(Arc::new(price_book()))
        .runtime(Arc::new(runtime))
        .ids(Arc::new(SeededIds::new(by as u64)))
        .build()
        .unwrap()
}

/// A shop whose provider answers the first charge with silence, and cannot be asked for it again:
/// what became of it is looked up.
fn silent() -> (World, Arc<Scripted<MemoryPayments>>) {
    let world = World::new();
    let capabilities = PaymentCapabilities::IDEAL.with_repeat(false);
    let desk = MemoryPayments::new(capabilities, 60 * SECOND, Box::new(|_| Outcome::Approve));
    let payment = Arc::new(Scripted::new(desk, world.runtime.clone()));
    payment.push(Method::Charge, Fault::UnknownBefore);
    (
        world.changed(|clients| clients.payment = payment.clone(), None),
        payment,
    )
}

#[test]
fn what_a_node_with_a_fast_clock_leaves_to_others_is_due_when_it_should_be() {
    let (world, payment) = silent();
    let fast = node(&world, FAST);
    let hurried = PlaceOptions {
        wait: Some(SECOND),
        ..PlaceOptions::default()
    };
    let placed = world
        .runtime
        .block_on(fast.place(&operator(), request(&[1], "CARD"), hurried))
        .unwrap()
        .order;
    world.runtime.run_until_idle();
    let due = world.item(placed.id).unwrap().due.unwrap();
    assert!(
        due.since(world.runtime.now()) <= 10 * SECOND,
        "{} s from now",
        due.since(world.runtime.now()).as_secs()
    );
    // It dies, and the others do the rest.
    drop(fast);
    world.advance(11 * SECOND);
    world.advance(11 * SECOND);
    let payments: Vec<_> = world
        .order(placed.id)
        .payments
        .iter()
        .map(|p| p.state)
        .collect();
    assert_eq!(
        payments,
        [OperationState::NeverHappened, OperationState::Captured]
    );
    assert_eq!(payment.inner().with_ledger(<[_]>::len), 1);
}

#[test]
fn a_node_with_a_fast_clock_waits_until_what_one_with_a_slow_clock_called_is_over() {
    let (world, _) = silent();
    let (slow, fast) = (node(&world, SLOW), node(&world, FAST));
    let hurried = PlaceOptions {
        wait: Some(SECOND),
        ..PlaceOptions::default()
    };
    let placed = world
        .runtime
        .block_on(slow.place(&operator(), request(&[1], "CARD"), hurried))
        .unwrap()
        .order;
    world.runtime.run_until_idle();
    let payments = || {
        world
            .order(placed.id)
            .payments
            .iter()
            .map(|p| p.state)
            .collect::<Vec<_>>()
    };
    for _ in 0..8 {
        world.runtime.advance(SECOND);
        world.runtime.block_on(fast.work(placed.id)).unwrap();
        assert_eq!(
            payments(),
            [OperationState::Unknown],
            "the call may still take effect"
        );
    }
    for _ in 0..6 {
        world.runtime.advance(SECOND);
        world.runtime.block_on(fast.work(placed.id)).unwrap();
    }
    assert_eq!(
        payments(),
        [OperationState::NeverHappened, OperationState::Captured],
        "after that nobody waits for minutes"
    );
}
