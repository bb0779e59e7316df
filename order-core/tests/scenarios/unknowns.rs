//! Calls whose outcome is not known, services that are down, and workers that die.

use std::time::Duration;

use order_core::ids::OrderId;
use order_core::manager::{CommandOptions, WorkerOptions};
use order_core::order::{AttentionReason, PaymentStatus, ReservationState, Status};
use order_core::rules::Command;
use order_core::runtime::Runtime;
use order_core::services::InventoryCapabilities;
use order_core::testkit::services::{Fault, Method};

use super::world::*;

#[test]
fn a_charge_that_times_out_after_it_happened_is_found_and_not_repeated() {
    let world = World::new();
    world.payment.push(Method::Charge, Fault::UnknownAfter);
    let order = world.place(&[1], "CARD");
    assert_eq!(order.statuses.status, Status::Confirmed);
    assert_eq!(world.books(), (2490, 2));
    assert_eq!(world.payment.inner().with_ledger(|l| l.len()), 1);
}

#[test]
fn a_charge_that_times_out_before_it_happened_is_made() {
    let world = World::new();
    world.payment.push(Method::Charge, Fault::UnknownBefore);
    let order = world.place(&[1], "CARD");
    assert_eq!(order.statuses.status, Status::Confirmed);
    assert_eq!(world.books(), (2490, 2));
}

#[test]
fn a_reserve_that_times_out_at_an_inventory_that_cannot_repeat_is_looked_into() {
    let world = World::with(InventoryCapabilities::PLATFORM, None, Default::default());
    world.inventory.push(Method::Reserve, Fault::UnknownBefore);
    let order = world.place(&[1, 2], "CARD");
    world.advance(Duration::from_secs(30));
    let order = world.order(order.id);
    assert_eq!(
        order.statuses.status,
        Status::Confirmed,
        "{:?}",
        world.events(order.id)
    );
    assert_eq!(world.books(), (4490, 4));
}

#[test]
fn a_hold_that_cannot_be_proven_is_a_suspect_and_one_more_is_asked_for() {
    let world = World::with(InventoryCapabilities::PLATFORM, None, Default::default());
    world.inventory.push(Method::Reserve, Fault::UnknownAfter);
    let order = world.place(&[1], "CARD");
    world.advance(Duration::from_secs(30));
    let order = world.order(order.id);
    assert_eq!(
        order.statuses.status,
        Status::Confirmed,
        "{:?}",
        world.events(order.id)
    );
    assert!(order.has_attention(AttentionReason::SuspectReservation));
    assert_eq!(world.books(), (2490, 4));
}

#[test]
fn an_order_whose_stock_is_never_certain_is_rejected_and_says_so() {
    let world = World::with(InventoryCapabilities::PLATFORM, None, Default::default());
    for _ in 0..2 {
        world.inventory.push(Method::Reserve, Fault::UnknownAfter);
    }
    let order = world.place(&[1], "CARD");
    for _ in 0..2 {
        world.advance(Duration::from_secs(30));
    }
    let order = world.order(order.id);
    assert_eq!(
        order.statuses.status,
        Status::Rejected,
        "{:?}",
        world.events(order.id)
    );
    let told = order_core::rules::failure(&order).expect("a rejection");
    let sku = &order.lines[0].sku;
    assert_eq!(
        told.message,
        format!(
            "order {} was rejected: the inventory did not say for certain that it set stock aside \
             ({sku} requested 2)",
            order.number
        )
    );
    let short: Vec<_> = (told.shortages.iter())
        .map(|s| (&s.sku, s.requested, s.available))
        .collect();
    assert_eq!(short, [(sku, 2, None)]);
}

#[test]
fn a_payment_service_that_is_down_for_a_night_heals_by_itself() {
    let policy = order_core::policy::Policy {
        placing_deadline: Duration::from_secs(24 * 3600),
        ..order_core::policy::Policy::default()
    };
    let world = World::with(InventoryCapabilities::IDEAL, None, policy);
    world.payment.set(Method::Charge, Some(Fault::NotDone));
    let order = world.place(&[1], "CARD");
    assert_eq!(order.statuses.status, Status::Pending);
    for _ in 0..40 {
        world.advance(Duration::from_secs(900));
    }
    let version = world.order(order.id).version;
    assert!(
        world
            .order(order.id)
            .has_attention(AttentionReason::RetriesExhausted)
    );
    world.advance(Duration::from_secs(900));
    assert_eq!(
        world.order(order.id).version,
        version,
        "retries move no version"
    );
    world.payment.clear();
    world.advance(Duration::from_secs(900));
    let order = world.order(order.id);
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Confirmed, PaymentStatus::Paid)
    );
    assert!(order.attention.is_empty());
    assert_eq!(world.books(), (2490, 2));
}

#[test]
fn a_service_that_stays_down_lets_the_order_expire_and_give_its_stock_back() {
    let world = World::new();
    world.payment.set(Method::Charge, Some(Fault::NotDone));
    let order = world.place(&[1], "CARD");
    for _ in 0..5 {
        world.advance(Duration::from_secs(900));
    }
    assert_eq!(world.order(order.id).statuses.status, Status::Expired);
    assert_eq!(world.books(), (0, 0));
}

#[test]
fn a_cancel_while_the_charge_is_unknown_finds_out_and_refunds() {
    let world = World::new();
    world.payment.set(Method::Charge, Some(Fault::UnknownAfter));
    world.payment.set(Method::LookUp, Some(Fault::NotDone));
    let order = world.place(&[1], "CARD");
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Pending, PaymentStatus::Unknown)
    );
    world.cancel(order.id);
    world.payment.clear();
    world.advance(Duration::from_secs(3600));
    let order = world.order(order.id);
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Cancelled, PaymentStatus::Refunded)
    );
    assert_eq!(world.books(), (0, 0));
}

#[test]
fn a_malformed_answer_is_not_believed_and_shown_until_the_outcome_is_known() {
    let world = World::new();
    world.inventory.push(Method::Reserve, Fault::Malformed);
    let order = world.place(&[1], "CARD");
    world.work();
    assert_eq!(order.statuses.status, Status::Confirmed);
    assert!(world.events(order.id).contains(&"ATTENTION_RAISED"));
    assert!(world.order(order.id).attention.is_empty());
    assert_eq!(world.books(), (2490, 2));
}

#[test]
fn a_hold_about_to_lapse_is_replaced_and_the_old_one_released() {
    let lifetime = Duration::from_secs(3600);
    let world = World::with(
        InventoryCapabilities::IDEAL,
        Some(lifetime),
        Default::default(),
    );
    let order = world.place(&[1], "CARD");
    assert_eq!(order.statuses.status, Status::Confirmed);
    world.advance(lifetime - Duration::from_secs(60));
    let order = world.order(order.id);
    assert_eq!(order.reservations.len(), 2, "{:?}", world.events(order.id));
    assert_eq!(order.statuses.status, Status::Confirmed);
    assert_eq!(world.books(), (2490, 2));
}

fn ship(world: &World, order: OrderId) {
    let ship = Command::Ship {
        shipment: None,
        lines: Vec::new(),
        carrier: None,
        tracking: None,
    };
    let options = CommandOptions::default();
    let operator = operator();
    let shipped = world
        .manager
        .execute(&operator, order.into(), ship, options);
    world.runtime.block_on(shipped).unwrap();
}

#[test]
fn a_hold_that_is_lost_for_certain_is_replaced_at_once_and_nobody_is_told() {
    let world = World::with(InventoryCapabilities::PLATFORM, None, Default::default());
    let order = world.place(&[1], "CARD");
    let reference = order.reservations[0].reference.clone().unwrap();
    assert!(world.inventory.inner().lose(reference.as_str()));
    world.inventory.push(Method::Commit, Fault::ReservationLost);
    ship(&world, order.id);
    world.work();
    let order = world.order(order.id);
    let states: Vec<ReservationState> = order.reservations.iter().map(|r| r.state).collect();
    assert_eq!(
        states,
        [ReservationState::Lost, ReservationState::Committed],
        "{:?}",
        world.events(order.id)
    );
    assert!(!world.events(order.id).contains(&"ATTENTION_RAISED"));
    assert_eq!(world.inventory.inner().level(&sku(1)).committed, 2);
}

#[test]
fn a_refused_commit_is_no_proof_that_the_hold_is_lost_whatever_the_code() {
    for code in ["LOCKED", "RESERVATION_LOST"] {
        let world = World::with(InventoryCapabilities::PLATFORM, None, Default::default());
        let order = world.place(&[1], "CARD");
        world
            .inventory
            .push(Method::Commit, Fault::Decline(code.into()));
        ship(&world, order.id);
        world.advance(Duration::from_secs(60));
        let order = world.order(order.id);
        let states: Vec<ReservationState> = order.reservations.iter().map(|r| r.state).collect();
        let events = world.events(order.id);
        assert_eq!(states, [ReservationState::Committed], "{code}: {events:?}");
        let level = world.inventory.inner().level(&sku(1));
        assert_eq!((level.committed, level.reserved), (2, 0), "{code}");
    }
}

#[test]
fn a_worker_takes_up_what_was_left_undone_and_stops_when_told() {
    let world = World::new();
    world.payment.set(Method::Charge, Some(Fault::NotDone));
    let order = world.place(&[1], "CARD");
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Pending, PaymentStatus::Pending)
    );
    world.payment.clear();
    let stop = world.runtime.sleep(Duration::from_secs(60));
    world
        .runtime
        .block_on(world.manager.run_worker(WorkerOptions::default(), stop));
    assert_eq!(world.order(order.id).statuses.status, Status::Confirmed);
    assert_eq!(world.books(), (2490, 2));
}
