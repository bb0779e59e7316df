//! Leases: given back as soon as nothing is left to do, waited for audibly, and lost without blame
//! when the store fails.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_core::error::ErrorKind;
use order_core::manager::{CommandOptions, LeaseWait, PlaceOptions, TroubleHook, WorkerOptions};
use order_core::order::{AttentionReason, OperationState, Order, Status};
use order_core::request::{EditRequest, LineRef};
use order_core::rules::Command;
use order_core::runtime::Runtime as _;
use order_core::services::PaymentCapabilities;
use order_core::store::{LeaseRequest, OrderStore as _};
use order_core::testkit::orders::fence;
use order_core::testkit::services::{Fault, MemoryPayments, Method, Outcome, Scripted};

use futures_util::future::{Either, select};

use super::world::*;

const SECOND: Duration = Duration::from_secs(1);

fn edit(world: &World, order: &Order, quantity: i64) -> ErrorKind {
    let more = EditRequest {
        set: vec![(LineRef::Number(1), quantity)],
        ..EditRequest::default()
    };
    let operator = operator();
    let edit = world
        .manager
        .edit(&operator, order.id.into(), more, CommandOptions::default());
    world.runtime.block_on(edit).unwrap_err().kind()
}

#[test]
fn a_refused_edit_leaves_no_lease_behind_for_the_next_command_to_wait_for() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    world
        .notification
        .set(Method::Notify, Some(Fault::Late(2 * SECOND)));
    for (quantity, method) in [(50, None), (3, Some(Fault::Decline("NO".into())))] {
        if let Some(fault) = method {
            world.payment.push(Method::Charge, fault);
        }
        assert_eq!(edit(&world, &order, quantity), ErrorKind::Rejected);
        assert!(
            world.item(order.id).is_some_and(|w| w.fence.is_some()),
            "the customer is told while nobody waits"
        );
        let asked = world.runtime.monotonic();
        world.runtime.block_on(world.manager.idle());
        assert!(world.runtime.monotonic() - asked <= 2 * SECOND);
        assert_eq!(world.item(order.id), None, "nothing is left to do");
        // The process ends here; another one does what is asked next, at once.
        let waits = Arc::default();
        let (next, asked) = (world.other_process(&waits), world.runtime.monotonic());
        let version = world
            .runtime
            .block_on(next.work_to_rest(order.id))
            .unwrap()
            .version;
        assert_eq!(
            (version, world.runtime.monotonic()),
            (world.order(order.id).version, asked)
        );
        assert_eq!(*waits.lock().unwrap(), []);
    }
}

#[test]
fn who_waits_for_another_process_is_told_so_once_after_a_second() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    world.set_trouble(Trouble::NoLeases);
    let operator = operator();
    let hurried = CommandOptions {
        wait: Some(SECOND),
        ..CommandOptions::default()
    };
    world
        .runtime
        .block_on(
            world
                .manager
                .execute(&operator, order.id.into(), Command::Cancel, hurried),
        )
        .unwrap();
    world.set_trouble(Trouble::None);
    // A process that took the lease and died.
    let request = LeaseRequest {
        fence: fence(9),
        ttl: 10 * SECOND,
        limit: 1,
        order: Some(order.id),
    };
    let leased = world
        .runtime
        .block_on(world.store.inner.lease(&request))
        .unwrap();
    let until = leased.leased[0].work.leased_until.unwrap();
    let waits: Arc<Mutex<Vec<LeaseWait>>> = Arc::default();
    let manager = world.other_process(&waits);
    let hurried = CommandOptions {
        wait: Some(SECOND),
        ..CommandOptions::default()
    };
    world
        .runtime
        .block_on(manager.execute(&operator, order.id.into(), Command::Cancel, hurried))
        .unwrap();
    assert_eq!(
        *waits.lock().unwrap(),
        [],
        "who waits less than a second need not be told"
    );

    let asked = world.runtime.monotonic();
    let patient = CommandOptions {
        wait: Some(60 * SECOND),
        ..CommandOptions::default()
    };
    let cancelled = world
        .runtime
        .block_on(manager.execute(&operator, order.id.into(), Command::Cancel, patient))
        .unwrap();
    assert_eq!(cancelled.order.statuses.status, Status::Cancelled);
    assert!(world.runtime.monotonic() - asked < 11 * SECOND);
    assert_eq!(
        *waits.lock().unwrap(),
        [LeaseWait {
            order: order.id,
            number: order.number,
            until
        }]
    );
}

#[test]
fn nobody_is_told_of_the_work_of_its_own_process() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    let waits: Arc<Mutex<Vec<LeaseWait>>> = Arc::default();
    let manager = world.other_process(&waits);
    world
        .payment
        .set(Method::Refund, Some(Fault::Late(4 * SECOND)));
    let operator = operator();
    let cancel = |wait| {
        let options = CommandOptions {
            wait: Some(wait),
            ..CommandOptions::default()
        };
        world
            .runtime
            .block_on(manager.execute(&operator, order.id.into(), Command::Cancel, options))
            .unwrap()
            .order
            .statuses
            .status
    };
    assert_eq!(cancel(SECOND / 2), Status::Cancelling);
    assert_eq!(cancel(20 * SECOND), Status::Cancelled);
    assert_eq!(*waits.lock().unwrap(), []);
}

#[test]
fn a_caller_does_not_spin_when_the_store_gives_nothing_out() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    world.set_trouble(Trouble::NoLeases);
    let before = world.store.leases.load(Ordering::Relaxed);
    let operator = operator();
    let cancelled = world.manager.execute(
        &operator,
        order.id.into(),
        Command::Cancel,
        CommandOptions::default(),
    );
    let answered = world.runtime.block_on(cancelled).unwrap();
    assert_eq!(answered.order.statuses.status, Status::Cancelling);
    let leases = world.store.leases.load(Ordering::Relaxed) - before;
    assert!(
        (10..100).contains(&leases),
        "{leases} leases in ten seconds"
    );
    world.set_trouble(Trouble::None);
    world.work();
    assert_eq!(world.order(order.id).statuses.status, Status::Cancelled);
}

#[test]
fn a_workers_trouble_with_the_store_parks_no_order() {
    for trouble in [
        Trouble::LeasesUnheard,
        Trouble::NoWorkersCommits,
        Trouble::NoLeases,
    ] {
        let world = World::new();
        let order = world.place(&[1], "CARD");
        world.work();
        world.set_trouble(trouble);
        let operator = operator();
        let hurried = CommandOptions {
            wait: Some(SECOND),
            ..CommandOptions::default()
        };
        world
            .runtime
            .block_on(
                world
                    .manager
                    .execute(&operator, order.id.into(), Command::Cancel, hurried),
            )
            .unwrap();
        for _ in 0..30 {
            world.runtime.advance(15 * SECOND);
            let _ = world.runtime.block_on(world.manager.work_due(10));
        }
        let item = world.item(order.id).unwrap();
        assert!(item.due.is_some(), "{trouble:?}: it is parked");
        world.set_trouble(Trouble::None);
        world.advance(15 * SECOND);
        let order = world.order(order.id);
        assert_eq!(
            (order.statuses.status, &order.attention[..]),
            (Status::Cancelled, &[][..]),
            "{trouble:?}"
        );
        assert_eq!(world.books(), (0, 0));
    }
}

#[test]
fn a_lease_is_given_back_when_the_store_fails_only_for_a_while() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    world.set_trouble(Trouble::NoWorkersCommits);
    let operator = operator();
    let hurried = CommandOptions {
        wait: Some(SECOND),
        ..CommandOptions::default()
    };
    world
        .runtime
        .block_on(
            world
                .manager
                .execute(&operator, order.id.into(), Command::Cancel, hurried),
        )
        .unwrap();
    world.runtime.advance(2 * SECOND);
    assert!(world.item(order.id).unwrap().fence.is_some());
    world.set_trouble(Trouble::None);
    world.runtime.advance(4 * SECOND);
    let item = world.item(order.id).unwrap();
    assert_eq!(
        (item.fence, item.runs, item.taken_over),
        (None, 0, false),
        "it was given back before it ran out"
    );
    world.advance(10 * SECOND);
    assert_eq!(world.order(order.id).statuses.status, Status::Cancelled);
}

#[test]
fn an_order_on_which_workers_die_is_set_aside_all_the_same() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    world
        .payment
        .set(Method::Refund, Some(Fault::Late(4 * SECOND)));
    world.set_trouble(Trouble::NoLeases);
    let operator = operator();
    let hurried = CommandOptions {
        wait: Some(SECOND),
        ..CommandOptions::default()
    };
    world
        .runtime
        .block_on(
            world
                .manager
                .execute(&operator, order.id.into(), Command::Cancel, hurried),
        )
        .unwrap();
    world.set_trouble(Trouble::None);
    let mut died = 0;
    while world.item(order.id).is_some_and(|w| w.due.is_some()) {
        assert!(died < 20);
        let work = Box::pin(world.manager.work(order.id));
        let dies = world.runtime.sleep(SECOND);
        // A process that ends in the middle of a call says nothing to anybody.
        if let Either::Right(_) = world.runtime.block_on(select(work, dies)) {
            died += 1;
        }
        world.runtime.advance(15 * SECOND);
    }
    let parked = world.order(order.id);
    assert_eq!(
        parked
            .attention
            .iter()
            .map(|a| a.reason)
            .collect::<Vec<_>>(),
        [AttentionReason::Parked]
    );
    assert_eq!(
        died,
        u64::from(world.manager.policy().runs_before_stuck) + 1
    );
}

#[test]
fn an_order_that_cannot_be_read_keeps_no_other_from_being_worked() {
    let world = World::new();
    let orders: Vec<_> = (0..5).map(|_| world.place(&[1], "CARD")).collect();
    world.work();
    let operator = operator();
    world.set_trouble(Trouble::NoLeases);
    for order in &orders {
        let hurried = CommandOptions {
            wait: Some(SECOND),
            ..CommandOptions::default()
        };
        world
            .runtime
            .block_on(
                world
                    .manager
                    .execute(&operator, order.id.into(), Command::Cancel, hurried),
            )
            .unwrap();
    }
    world.set_trouble(Trouble::None);
    world
        .store
        .inner
        .damage(orders[2].id, Some("it was damaged"));
    // What the callers tried meanwhile is over.
    world.runtime.advance(60 * SECOND);

    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let hook = Arc::clone(&told);
    let trouble = TroubleHook::new(move |trouble| hook.lock().unwrap().push(trouble.to_string()));
    let options = WorkerOptions {
        trouble,
        ..WorkerOptions::default()
    };
    let stop = world.runtime.sleep(25 * SECOND);
    world
        .runtime
        .block_on(world.manager.run_worker(options, stop));
    for (n, order) in orders.iter().enumerate().filter(|(n, _)| *n != 2) {
        assert_eq!(
            world.order(order.id).statuses.status,
            Status::Cancelled,
            "order {n}"
        );
    }
    let told = told.lock().unwrap().clone();
    let expected = format!(
        "order {} is due and cannot be read: it was damaged",
        orders[2].id
    );
    // Once for each lease, and no more often: it is set aside for that long.
    assert!(
        (2..=4).contains(&told.len()) && told.iter().all(|said| *said == expected),
        "{told:?}"
    );

    // Whoever can read it goes on with it.
    world.store.inner.damage(orders[2].id, None);
    world.runtime.advance(60 * SECOND);
    world.work();
    let mended = world.order(orders[2].id);
    assert_eq!(mended.statuses.status, Status::Cancelled);
    assert!(
        mended.attention.is_empty(),
        "nobody need look at it: {:?}",
        mended.attention
    );
}

/// A shop whose provider does not repeat what it was asked: what became of it is looked up.
fn looking_up(outcome: Outcome) -> (World, Arc<Scripted<MemoryPayments>>) {
    let world = World::new();
    let mut capabilities = PaymentCapabilities::IDEAL;
    capabilities.repeat = false;
    let desk = MemoryPayments::new(capabilities, 60 * SECOND, Box::new(move |_| outcome));
    let payment = Arc::new(Scripted::new(desk, world.runtime.clone()));
    (
        world.changed(|clients| clients.payment = payment.clone(), None),
        payment,
    )
}

fn payments(order: &Order) -> Vec<OperationState> {
    order.payments.iter().map(|p| p.state).collect()
}

#[test]
fn that_something_never_happened_counts_for_nothing_once_the_lease_is_gone() {
    let (world, payment) = looking_up(Outcome::Approve);
    payment.push(Method::Charge, Fault::UnknownBefore);
    let order = world.place(&[1], "CARD");
    assert_eq!(order.payments[0].state, OperationState::Unknown);
    // The provider knows nothing of it; but whoever has taken the order over may have asked for it
    // since.
    world.set_trouble(Trouble::LeasesLost);
    world.runtime.advance(11 * SECOND);
    world.runtime.block_on(world.manager.work_due(10)).unwrap();
    assert_eq!(payments(&world.order(order.id)), [OperationState::Unknown]);
    world.set_trouble(Trouble::None);
    // The next one waits until whatever the last one may have called is over too.
    world.advance(15 * SECOND);
    assert_eq!(payments(&world.order(order.id)), [OperationState::Unknown]);
    world.advance(10 * SECOND);
    let order = world.order(order.id);
    assert_eq!(
        payments(&order),
        [OperationState::NeverHappened, OperationState::Captured]
    );
    assert_eq!(
        (
            order.statuses.status,
            payment.inner().with_ledger(<[_]>::len)
        ),
        (Status::Confirmed, 1)
    );
}

#[test]
fn a_look_up_that_a_callback_has_overtaken_is_asked_again() {
    let (world, payment) = looking_up(Outcome::Decline);
    payment.push(Method::Charge, Fault::UnknownAfter);
    payment.push(Method::LookUp, Fault::Late(3 * SECOND));
    let hurried = PlaceOptions {
        wait: Some(SECOND),
        ..PlaceOptions::default()
    };
    let order = world
        .try_place(request(&[1], "CARD"), hurried)
        .unwrap()
        .order;
    assert_eq!(payments(&order), [OperationState::Armed]);
    // The bank says yes after all, while the answer that it said no is on its way.
    let key = payment.inner().with_ledger(|l| l[0].key);
    let captured = payment.inner().capture_late(key).expect("it was declined");
    world
        .runtime
        .block_on(
            world
                .manager
                .record_payment(&operator(), order.id.into(), captured),
        )
        .unwrap();
    world.advance(15 * SECOND);
    let order = world.order(order.id);
    assert_eq!(
        (payments(&order), order.statuses.status),
        (vec![OperationState::Captured], Status::Confirmed)
    );
    assert!(
        order.payments.iter().all(|p| !p.verification.is_due()),
        "the provider was asked again"
    );
}

#[test]
fn a_look_up_that_a_callback_has_overtaken_is_asked_again_also_where_it_was_to_be_asked_anyway() {
    let (world, payment) = looking_up(Outcome::ActionRequired);
    let order = world.place(&[1], "CARD");
    let key = payment.inner().with_ledger(|l| l[0].key);
    let waits = payment.inner().report(key);
    world.cancel(order.id);
    assert_eq!(payments(&world.order(order.id))[0], OperationState::Voided);
    // Heard late, it contradicts what is settled; and then the money comes in, while the records
    // are asked.
    payment.set(Method::LookUp, Some(Fault::Late(3 * SECOND)));
    let operator = operator();
    let tell = |report| {
        Box::pin(
            world
                .manager
                .record_payment(&operator, order.id.into(), report),
        )
    };
    let soon = world.runtime.sleep(SECOND);
    let first = world
        .runtime
        .block_on(select(tell(waits.expect("it is known")), soon));
    let captured = payment.inner().capture_late(key).expect("it was given up");
    world.runtime.block_on(tell(captured)).unwrap();
    if let Either::Right((_, first)) = first {
        world.runtime.block_on(first).unwrap();
    }
    world.advance(15 * SECOND);
    let states = payments(&world.order(order.id));
    assert_eq!(
        (states[0], states.last()),
        (OperationState::Captured, Some(&OperationState::Refunded))
    );
}
