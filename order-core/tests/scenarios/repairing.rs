//! Repairs in bulk, and what an order is said to wait for.

use std::time::Duration;

use order_core::error::ErrorKind;
use order_core::manager::{CommandOptions, Principal, Retried};
use order_core::order::{Order, PaymentStatus, Status};
use order_core::policy::Policy;
use order_core::rules::Command;
use order_core::runtime::Runtime as _;
use order_core::services::InventoryCapabilities;
use order_core::testkit::services::{Fault, Method};

use super::world::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn execute(world: &World, order: &Order, command: Command) {
    let operator = operator();
    let done = world.manager.execute(
        &operator,
        order.id.into(),
        command,
        CommandOptions::default(),
    );
    world.runtime.block_on(done).unwrap();
}

fn fulfil(world: &World, order: &Order) {
    execute(
        world,
        order,
        Command::Ship {
            shipment: None,
            lines: Vec::new(),
            carrier: None,
            tracking: None,
        },
    );
    execute(world, order, Command::Deliver { shipment: None });
}

fn explained(world: &World, order: &Order) -> String {
    world
        .runtime
        .block_on(world.manager.explain(&operator(), order.id.into()))
        .unwrap()
        .sentences
        .join("\n")
}

fn retry_stuck(world: &World) -> Vec<Retried> {
    let mut retried = Vec::new();
    world
        .runtime
        .block_on(
            world
                .manager
                .retry_stuck(&operator(), |one| retried.push(one)),
        )
        .unwrap();
    retried
}

#[test]
fn a_thousand_stuck_orders_are_made_due_again_without_waiting_for_any() {
    let world = World::new();
    world.inventory.inner().restock(&sku(1), 4000);
    let orders: Vec<_> = (0..1200).map(|_| world.place(&[1], "CARD").id).collect();
    world.payment.set(
        Method::Refund,
        Some(Fault::Decline("ACCOUNT_CLOSED".into())),
    );
    for order in &orders {
        world.cancel(*order);
    }
    world.advance(DAY);
    // Still down, and slow with it.
    world
        .payment
        .set(Method::Refund, Some(Fault::Late(Duration::from_secs(20))));
    let asked = world.runtime.monotonic();
    let retried = retry_stuck(&world);
    assert_eq!(world.runtime.monotonic(), asked, "nobody waits");
    assert_eq!(retried.len(), orders.len(), "all pages of them, each once");
    assert!(retried.iter().all(|r| {
        r.after
            .as_ref()
            .is_ok_and(|after| after.version == r.before.version + 1)
    }));
    assert!(orders.iter().all(|id| {
        world
            .item(*id)
            .is_some_and(|w| w.due.is_some() && w.fence.is_none())
    }));
    world.payment.set(Method::Refund, None);
    world.work();
    assert!(
        orders
            .iter()
            .all(|id| world.order(*id).statuses.status == Status::Cancelled)
    );
}

#[test]
fn what_is_stuck_is_tried_again_once_a_person_says_so_and_what_is_not_is_left_alone() {
    let world = World::new();
    let fine = world.place(&[2], "CARD");
    let stuck = world.place(&[1], "CARD");
    for _ in 0..3 {
        world
            .payment
            .push(Method::Refund, Fault::Decline("ACCOUNT_CLOSED".into()));
    }
    world.cancel(stuck.id);
    world.advance(DAY);
    assert_eq!(world.order(stuck.id).statuses.status, Status::Cancelling);

    let retried = retry_stuck(&world);
    world.work();
    let [one] = &retried[..] else {
        panic!("{retried:?}")
    };
    assert_eq!(one.before.id, stuck.id);
    assert!(
        one.stuck.iter().any(|s| s.contains("refused to refund")),
        "{:?}",
        one.stuck
    );
    assert!(one.after.is_ok());
    let order = world.order(stuck.id);
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Cancelled, PaymentStatus::Refunded)
    );
    assert!(world.events(stuck.id).contains(&"STUCK_RETRIED"));
    assert!(!world.events(fine.id).contains(&"STUCK_RETRIED"));

    let again = retry_stuck(&world);
    assert!(
        again.is_empty(),
        "what is cured is not tried again: {again:?}"
    );
}

#[test]
fn after_a_change_of_policy_every_order_is_looked_at_anew_and_nothing_is_journaled() {
    let policy = Policy {
        completion_window: 14 * DAY,
        ..Policy::default()
    };
    let world = World::with(InventoryCapabilities::IDEAL, None, policy);
    let order = world.place(&[1], "CARD");
    fulfil(&world, &order);
    let unshipped = world.place(&[2], "CARD");
    let quiet = world
        .runtime
        .block_on(world.manager.resync(&operator()))
        .unwrap();
    assert_eq!(
        (quiet.looked_at, quiet.woken.len()),
        (2, 0),
        "everything is known already"
    );

    let policy = Policy {
        completion_window: 2 * DAY,
        ..Policy::default()
    };
    let world = world.with_policy(policy);
    world.advance(3 * DAY);
    assert_eq!(
        world.order(order.id).statuses.status,
        Status::Delivered,
        "the workers know only the old time"
    );
    let version = world.order(order.id).version;
    let resynced = world
        .runtime
        .block_on(world.manager.resync(&operator()))
        .unwrap();
    assert_eq!(
        resynced.woken.iter().map(|w| w.0).collect::<Vec<_>>(),
        [order.id]
    );
    assert_eq!(world.order(order.id).version, version);
    world.work();
    assert_eq!(world.order(order.id).statuses.status, Status::Completed);
    assert_eq!(world.order(unshipped.id).statuses.status, Status::Confirmed);
}

#[test]
fn repairs_are_not_for_customers() {
    let world = World::new();
    let customer = Principal::Customer(USER.parse().unwrap());
    let retried = world
        .runtime
        .block_on(world.manager.retry_stuck(&customer, drop));
    assert_eq!(retried.unwrap_err().kind(), ErrorKind::Forbidden);
    let resynced = world.runtime.block_on(world.manager.resync(&customer));
    assert_eq!(resynced.unwrap_err().kind(), ErrorKind::Forbidden);
}

#[test]
fn an_order_says_what_it_waits_for() {
    let world = World::new();
    let order = world.place(&[1], "LATER");
    assert!(explained(&world, &order).contains("waits to be shipped: 2 × SKU-1"));
    execute(&world, &order, Command::PlanShipment { lines: Vec::new() });
    assert!(
        explained(&world, &order).contains("shipment 1 is planned and has not left: 2 × SKU-1")
    );
    execute(
        &world,
        &order,
        Command::Ship {
            shipment: Some(1),
            lines: Vec::new(),
            carrier: None,
            tracking: None,
        },
    );
    assert!(explained(&world, &order).contains("shipment 1 is on its way since"));
    execute(&world, &order, Command::Deliver { shipment: None });
    assert!(explained(&world, &order).contains("completes by itself at"));

    let lines = vec![order_core::order::LineUnits { line: 1, units: 1 }];
    execute(&world, &order, Command::RequestReturn { lines });
    let said = explained(&world, &order);
    assert!(
        said.contains("return 1 waits to be approved or rejected"),
        "{said}"
    );
    assert!(
        said.contains("cannot be completed: a return is open"),
        "{said}"
    );
    execute(&world, &order, Command::ApproveReturn { number: 1 });
    assert!(explained(&world, &order).contains("return 1 waits for goods: 1 × SKU-1"));

    let invoice = world.place(&[2], "INVOICE");
    assert!(
        explained(&world, &invoice).contains("24.90 USD are owed, and due by invoice"),
        "{}",
        explained(&world, &invoice)
    );
}
