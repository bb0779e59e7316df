//! Orders that are held from the moment they are accepted, and holds that come too late.

use std::collections::BTreeMap;
use std::time::Duration;

use order_core::error::{Error, ErrorKind, RejectionReason};
use order_core::manager::{CommandOptions, PlaceOptions, Principal};
use order_core::order::{Actor, Blocks, Event, HoldEnd, Order, OrderHold, PaymentStatus, Status};
use order_core::request::{HoldInput, PlaceRequest};
use order_core::rules::Command;
use order_core::runtime::Clock as _;

use super::world::*;

fn hold(kind: &str, blocks: &str, until: Option<HoldEnd>) -> HoldInput {
    HoldInput {
        kind: kind.into(),
        blocks: blocks.into(),
        until,
    }
}

fn held(holds: Vec<HoldInput>, method: &str) -> PlaceRequest {
    PlaceRequest {
        holds,
        ..request(&[1], method)
    }
}

impl World {
    fn hold(&self, order: &Order, blocks: Option<Blocks>) -> Result<Blocks, Error> {
        let command = Command::PlaceHold {
            kind: "late".parse().unwrap(),
            blocks,
            until: None,
        };
        let operator = operator();
        let done = self.manager.execute(
            &operator,
            order.id.into(),
            command,
            CommandOptions::default(),
        );
        let answered = self.runtime.block_on(done)?;
        Ok(answered
            .order
            .holds
            .iter()
            .find(|h| h.kind.as_str() == "late")
            .unwrap()
            .blocks)
    }

    fn execute(&self, order: &Order, command: Command) {
        let operator = operator();
        let done = self.manager.execute(
            &operator,
            order.id.into(),
            command,
            CommandOptions::default(),
        );
        self.runtime.block_on(done).unwrap();
    }

    fn lift(&self, order: &Order, kind: &str) -> std::sync::Arc<Order> {
        let operator = operator();
        let kind = kind.parse().unwrap();
        let lifted = self.manager.execute(
            &operator,
            order.id.into(),
            Command::ReleaseHold { kind },
            CommandOptions::default(),
        );
        self.runtime.block_on(lifted).unwrap().order
    }
}

#[test]
fn an_order_with_a_confirm_hold_is_never_confirmed_before_it_is_lifted() {
    let world = World::new();
    let order = world
        .try_place(
            held(vec![hold("review", "", None)], "CARD"),
            PlaceOptions::default(),
        )
        .unwrap()
        .order;
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Pending, PaymentStatus::Paid)
    );
    let placed_by = Actor::Operator("test".into());
    assert_eq!(
        order.holds,
        [OrderHold {
            kind: "review".parse().unwrap(),
            blocks: Blocks::Confirm,
            placed_by,
            until: None
        }]
    );
    world.advance(Duration::from_secs(48 * 3600));
    assert_eq!(world.order(order.id).statuses.status, Status::Pending);
    assert!(!world.events(order.id).contains(&"CONFIRMED"));
    assert_eq!(
        world.lift(&order, "review").statuses.status,
        Status::Confirmed
    );
}

#[test]
fn an_order_with_a_capture_hold_is_charged_nothing_before_it_is_lifted() {
    let world = World::new();
    let asked = world.runtime.now();
    let order = world
        .try_place(
            held(vec![hold("review", "capture", None)], "CARD"),
            PlaceOptions::default(),
        )
        .unwrap()
        .order;
    assert_eq!(
        world.runtime.now(),
        asked,
        "nobody waits for what only a person can let go on"
    );
    world.advance(Duration::from_secs(60));
    assert_eq!(
        (world.order(order.id).statuses.status, world.books()),
        (Status::Pending, (0, 2)),
        "held, and not paid"
    );
    let order = world.lift(&order, "review");
    assert_eq!(
        (order.statuses.status, world.books()),
        (Status::Confirmed, (order.amounts.total, 2))
    );
}

#[test]
fn an_order_with_a_ship_hold_is_confirmed_and_does_not_leave() {
    let world = World::new();
    let two_days = HoldEnd::After(Duration::from_secs(48 * 3600));
    let holds = vec![hold("address", "ship", Some(two_days))];
    let order = world
        .try_place(held(holds, "CARD"), PlaceOptions::default())
        .unwrap()
        .order;
    assert_eq!(order.statuses.status, Status::Confirmed);
    let ship = Command::Ship {
        shipment: None,
        lines: Vec::new(),
        carrier: None,
        tracking: None,
    };
    let operator = operator();
    let early = world.manager.execute(
        &operator,
        order.id.into(),
        ship.clone(),
        CommandOptions::default(),
    );
    match world.runtime.block_on(early) {
        Err(Error::Rejected(no)) => assert_eq!(no.reason, RejectionReason::OnHold),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        order.holds[0].until,
        Some(order.created_at.after(Duration::from_secs(48 * 3600)))
    );
    world.advance(Duration::from_secs(48 * 3600));
    assert_eq!(world.order(order.id).holds, []);
    world.execute(&order, ship);
}

#[test]
fn what_is_kept_with_an_order_is_there_from_the_start_and_not_in_its_journal() {
    let world = World::new();
    let wanted = PlaceRequest {
        metadata: BTreeMap::from([("crm".into(), "Ada's account".into())]),
        external_ref: Some("channel/1001".into()),
        ..request(&[1], "CARD")
    };
    let key = PlaceOptions {
        key: Some("k".parse().unwrap()),
        ..PlaceOptions::default()
    };
    let order = world.try_place(wanted.clone(), key.clone()).unwrap().order;
    let crm = "crm".parse().unwrap();
    assert_eq!(
        order.metadata.get().unwrap().get(&crm).map(String::as_str),
        Some("Ada's account")
    );
    assert_eq!(
        order.external_ref.as_ref().map(|r| r.as_str()),
        Some("channel/1001")
    );
    match &world.store.inner.journal_of(order.id)[0].event {
        Event::Placed(placed) => {
            assert_eq!(placed.external_ref, order.external_ref);
            assert!(placed.metadata.get().is_none());
        }
        other => panic!("{other:?}"),
    }
    // All of it is part of what was asked for.
    assert!(
        world
            .try_place(wanted.clone(), key.clone())
            .unwrap()
            .replayed
    );
    for other in [
        PlaceRequest {
            metadata: BTreeMap::new(),
            ..wanted.clone()
        },
        PlaceRequest {
            external_ref: Some("channel/1002".into()),
            ..wanted.clone()
        },
        PlaceRequest {
            holds: vec![hold("review", "", None)],
            ..wanted.clone()
        },
    ] {
        assert_eq!(
            world.try_place(other, key.clone()).unwrap_err().kind(),
            ErrorKind::KeyReused
        );
    }
}

#[test]
fn a_hold_that_lasts_is_the_same_when_it_is_asked_for_again_later() {
    let world = World::new();
    let lasting = |hours: u64| {
        held(
            vec![hold(
                "review",
                "",
                Some(HoldEnd::After(Duration::from_secs(hours * 3600))),
            )],
            "CARD",
        )
    };
    let key = PlaceOptions {
        key: Some("k".parse().unwrap()),
        ..PlaceOptions::default()
    };
    let first = world.try_place(lasting(1), key.clone()).unwrap();
    world.advance(Duration::from_secs(7200));
    let again = world.try_place(lasting(1), key.clone()).unwrap();
    assert_eq!((again.order.id, again.replayed), (first.order.id, true));
    assert_eq!(
        world.try_place(lasting(2), key).unwrap_err().kind(),
        ErrorKind::KeyReused
    );
    let past = HoldEnd::At(world.runtime.now());
    let error = world
        .try_place(
            held(vec![hold("review", "", Some(past))], "CARD"),
            PlaceOptions::default(),
        )
        .unwrap_err();
    assert!(
        error.to_string().starts_with("holds[0].until: ") && error.kind() == ErrorKind::Invalid,
        "{error}"
    );
}

#[test]
fn customers_place_no_holds_and_keep_nothing_with_an_order() {
    let world = World::new();
    let customer = Principal::Customer(USER.parse().unwrap());
    let metadata = PlaceRequest {
        metadata: BTreeMap::from([("a".into(), "b".into())]),
        ..request(&[1], "CARD")
    };
    let named = PlaceRequest {
        external_ref: Some("x".into()),
        ..request(&[1], "CARD")
    };
    for refused in [
        held(vec![hold("review", "", None)], "CARD"),
        metadata,
        named,
    ] {
        let placed = world.runtime.block_on(world.manager.place(
            &customer,
            refused,
            PlaceOptions::default(),
        ));
        assert_eq!(placed.unwrap_err().kind(), ErrorKind::Forbidden);
    }
    let allowed = world
        .manager
        .place(&customer, request(&[1], "CARD"), PlaceOptions::default());
    assert_eq!(
        world.runtime.block_on(allowed).unwrap().outcome().err(),
        None
    );
}

#[test]
fn everything_wrong_with_what_is_kept_is_told_at_once() {
    let many = |n: usize| {
        (0..n)
            .map(|i| (format!("k{i}"), "v".to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let wrong = PlaceRequest {
        holds: vec![
            hold("", "", None),
            hold("a", "everything", None),
            hold("b", "", Some(HoldEnd::After(Duration::ZERO))),
            hold("c", "", None),
            hold("c", "ship", None),
        ],
        metadata: BTreeMap::from([
            ("x".repeat(51), "v".into()),
            ("empty".into(), " ".into()),
            ("line".into(), "a\nb".into()),
        ]),
        external_ref: Some("with space".into()),
        ..request(&[1], "CARD")
    };
    let Err(Error::Invalid(violations)) = wrong.validate() else {
        panic!("all of it is wrong")
    };
    let mut fields: Vec<&str> = violations.iter().map(|v| v.field.as_str()).collect();
    fields.sort_unstable();
    let expected = [
        "external_ref",
        "holds[0].kind",
        "holds[1].blocks",
        "holds[2].until",
        "holds[4].kind",
        "metadata",
        "metadata.empty",
        "metadata.line",
    ];
    assert_eq!(fields, expected);
    for (field, wrong) in [
        (
            "holds",
            held(
                (0..11).map(|i| hold(&format!("k{i}"), "", None)).collect(),
                "CARD",
            ),
        ),
        (
            "metadata",
            PlaceRequest {
                metadata: many(51),
                ..request(&[1], "CARD")
            },
        ),
    ] {
        let Err(Error::Invalid(violations)) = wrong.validate() else {
            panic!("{field} has too many")
        };
        assert_eq!(
            violations.iter().map(|v| &*v.field).collect::<Vec<_>>(),
            [field]
        );
    }
    assert!(
        PlaceRequest {
            metadata: many(50),
            ..request(&[1], "CARD")
        }
        .validate()
        .is_ok()
    );
}

#[test]
fn a_hold_whose_step_has_passed_is_refused_with_what_can_still_be_held() {
    let world = World::new();
    let refused = |answer: Result<Blocks, Error>| match answer {
        Err(Error::Rejected(no)) => {
            assert_eq!(no.reason, RejectionReason::TooLate);
            no.message.split_once(": ").unwrap().1.to_owned()
        }
        other => panic!("{other:?}"),
    };
    let later = world.place(&[1], "LATER");
    assert_eq!(
        refused(world.hold(&later, Some(Blocks::Confirm))),
        "it is confirmed already: ship and capture can still be held"
    );
    let paid = world.place(&[2], "CARD");
    assert_eq!(
        refused(world.hold(&paid, Some(Blocks::Confirm))),
        "it is confirmed already: ship can still be held"
    );
    assert_eq!(
        refused(world.hold(&paid, Some(Blocks::Capture))),
        "nothing is left to be captured: ship can still be held"
    );
    world.execute(
        &paid,
        Command::Ship {
            shipment: None,
            lines: Vec::new(),
            carrier: None,
            tracking: None,
        },
    );
    assert_eq!(
        refused(world.hold(&paid, Some(Blocks::Ship))),
        "nothing is left to be shipped: nothing can be held any more"
    );
    let none = "it is confirmed, and nothing is left to be captured or shipped: nothing can be held any more";
    assert_eq!(refused(world.hold(&paid, None)), none);
    let explained = world
        .runtime
        .block_on(world.manager.explain(&operator(), paid.id.into()))
        .unwrap();
    assert!(!explained.possible.contains(&"place hold"));
}

#[test]
fn without_a_step_a_hold_blocks_what_comes_next() {
    let world = World::new();
    let pending = world.place(&[1], "PENDING");
    assert_eq!(world.hold(&pending, None).unwrap(), Blocks::Confirm);
    let paid = world.place(&[2], "CARD");
    assert_eq!(world.hold(&paid, None).unwrap(), Blocks::Ship);
    assert_eq!(
        world.hold(&paid, None).unwrap(),
        Blocks::Ship,
        "the same again is the same"
    );
}
