//! The moment at which whoever changes an order is answered, and what a repeat is answered.

use std::time::Duration;

use order_core::error::{Error, ErrorKind};
use order_core::manager::{CommandOptions, PlaceOptions};
use order_core::order::{EditState, PaymentStatus, Status};
use order_core::request::{EditRequest, LineRef};
use order_core::rules::Command;
use order_core::runtime::Runtime as _;
use order_core::testkit::services::{Fault, Method};

use super::world::*;

const SHIP: Command = Command::Ship {
    shipment: None,
    lines: Vec::new(),
    carrier: None,
    tracking: None,
};

fn keyed(key: &str, expected_version: Option<u64>) -> CommandOptions {
    CommandOptions {
        key: Some(key.parse().unwrap()),
        expected_version,
        ..CommandOptions::default()
    }
}

fn set(quantity: i64) -> EditRequest {
    EditRequest {
        set: vec![(LineRef::Number(1), quantity)],
        ..EditRequest::default()
    }
}

#[test]
fn who_ships_is_answered_once_the_stock_has_left() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    let operator = operator();
    let done = world
        .manager
        .execute(&operator, order.id.into(), SHIP, CommandOptions::default());
    let shipped = world.runtime.block_on(done).unwrap().order;
    assert_eq!(world.books().1, 0, "nothing is held any more");
    world.work();
    assert_eq!(
        world.order(order.id).version,
        shipped.version,
        "nothing was left to be done"
    );
}

#[test]
fn who_edits_is_answered_once_what_is_too_much_is_sent_back() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    let operator = operator();
    let fewer = world.manager.edit(
        &operator,
        order.id.into(),
        set(1),
        CommandOptions::default(),
    );
    let edited = world.runtime.block_on(fewer).unwrap();
    assert_eq!(
        (edited.state, edited.order.statuses.payment),
        (EditState::Applied, PaymentStatus::PartiallyRefunded)
    );
}

#[test]
fn a_slow_notification_keeps_nobody_waiting() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    world
        .notification
        .set(Method::Notify, Some(Fault::Late(Duration::from_secs(4))));
    let (operator, started) = (operator(), world.runtime.monotonic());
    let done = world
        .manager
        .execute(&operator, order.id.into(), SHIP, CommandOptions::default());
    world.runtime.block_on(done).unwrap();
    assert!(world.runtime.monotonic() - started < Duration::from_secs(4));
}

#[test]
fn a_repeat_under_its_key_is_no_conflict_whatever_version_it_expects() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    let seen = world.order(order.id).version;
    let operator = operator();
    let ship = |key: &str| {
        let options = keyed(key, Some(seen));
        world.runtime.block_on(
            world
                .manager
                .execute(&operator, order.id.into(), SHIP, options),
        )
    };
    let shipped = ship("ship-1").unwrap();
    assert_eq!(ship("ship-1").unwrap().order.version, shipped.order.version);
    assert_eq!(ship("ship-2").unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn an_edit_repeated_under_its_key_waits_like_the_first() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    let operator = operator();
    world
        .payment
        .push(Method::Charge, Fault::Late(Duration::from_secs(3)));
    let edit = |wait| {
        let options = CommandOptions {
            wait,
            ..keyed("edit-1", None)
        };
        world
            .runtime
            .block_on(
                world
                    .manager
                    .edit(&operator, order.id.into(), set(4), options),
            )
            .unwrap()
    };
    let hurried = edit(Some(Duration::from_secs(1)));
    assert_eq!((hurried.edit, hurried.state), (Some(1), EditState::Open));
    let patient = edit(None);
    assert_eq!((patient.edit, patient.state), (Some(1), EditState::Applied));
    assert_eq!(patient.order.line(1).unwrap().quantity, 4);
}

#[test]
fn an_edit_that_comes_to_nothing_names_what_was_missing_and_what_is_possible() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    let operator = operator();
    let edit = world.manager.edit(
        &operator,
        order.id.into(),
        set(50),
        CommandOptions::default(),
    );
    let Err(Error::Rejected(rejection)) = world.runtime.block_on(edit) else {
        panic!("there is too little")
    };
    let [missing] = &rejection.shortages[..] else {
        panic!("{rejection:?}")
    };
    let before = order.line(1).unwrap().quantity;
    assert_eq!(
        (missing.requested, missing.available),
        (50 - before, Some(10 - before))
    );
    assert!(rejection.possible.contains(&"edit"));

    let shipped =
        world
            .manager
            .execute(&operator, order.id.into(), SHIP, CommandOptions::default());
    world.runtime.block_on(shipped).unwrap();
    let fewer = world.manager.edit(
        &operator,
        order.id.into(),
        set(1),
        CommandOptions::default(),
    );
    let refused = world.runtime.block_on(fewer).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Rejected);
    assert!(
        refused.to_string().contains("1 is too few for line 1"),
        "{refused}"
    );
}

#[test]
fn a_program_that_ends_waits_for_placing_under_way_as_long_as_it_likes() {
    let world = World::new();
    world
        .payment
        .set(Method::Charge, Some(Fault::Late(Duration::from_secs(4))));
    let operator = operator();
    let hurried = PlaceOptions {
        wait: Some(Duration::from_secs(1)),
        ..PlaceOptions::default()
    };
    let placed = world
        .runtime
        .block_on(
            world
                .manager
                .place(&operator, request(&[1], "CARD"), hurried),
        )
        .unwrap()
        .order;
    assert_eq!(placed.statuses.status, Status::Pending);
    let started = world.runtime.monotonic();
    assert!(
        !world
            .runtime
            .block_on(world.manager.drain(Duration::from_secs(1))),
        "the charge is under way"
    );
    assert_eq!(world.runtime.monotonic() - started, Duration::from_secs(1));
    assert!(
        world
            .runtime
            .block_on(world.manager.drain(Duration::from_secs(60)))
    );
    assert!(world.runtime.monotonic() - started < Duration::from_secs(10));
    assert_eq!(world.order(placed.id).statuses.status, Status::Confirmed);
    let summary = world
        .runtime
        .block_on(world.manager.work_summary())
        .unwrap();
    assert_eq!(summary.leased_until, None, "every lease went back");
}
