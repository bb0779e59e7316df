//! Keys of commands: a repeat changes nothing and says that it is one; anything else under the same
//! key is refused.

use order_core::error::{Error, ErrorKind, UsedFor};
use order_core::manager::{Answered, CommandOptions};
use order_core::order::{AddressType, Blocks, EditState, LineUnits, Order, Status};
use order_core::request::{EditRequest, ItemInput, LineRef};
use order_core::rules::Command;
use order_core::testkit::services::{Fault, Method};
use order_core::text::Private;

use super::world::*;

fn keyed(key: &str) -> CommandOptions {
    CommandOptions {
        key: Some(key.parse().unwrap()),
        ..CommandOptions::default()
    }
}

impl World {
    fn under(
        &self,
        order: &Order,
        key: &str,
        command: Command,
        notes: &str,
    ) -> Result<Answered, Error> {
        self.runtime.block_on(self.manager.execute(
            &operator(),
            order.id.into(),
            command,
            keyed(key).with_notes(notes),
        ))
    }
}

/// The journal row that an error says has the key.
fn used(answer: Result<Answered, Error>) -> UsedFor {
    match answer {
        Err(Error::KeyReused {
            used: Some(used), ..
        }) => used,
        other => panic!("expected the key to be used, got {other:?}"),
    }
}

#[test]
fn a_cancel_under_the_key_of_another_command_is_refused_and_names_the_row() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    let noted = world
        .under(&order, "checkout-42", Command::Note, "rang twice")
        .unwrap();
    assert_eq!(noted.repeats, None);
    let operator = operator();
    let cancel = |reason: &str| {
        let cancelled = world.manager.execute(
            &operator,
            order.id.into(),
            Command::Cancel,
            keyed("checkout-42").with_notes(reason),
        );
        world.runtime.block_on(cancelled)
    };
    for reason in ["", "rang twice"] {
        let error = cancel(reason).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyReused);
        let row = world.store.inner.journal_of(order.id).pop().unwrap();
        let said = format!(
            "used for a different request: note, journal row {}, at {}",
            row.seq, row.at
        );
        assert!(error.to_string().ends_with(&said), "{error}");
    }
    assert_eq!(world.order(order.id).statuses.status, Status::Confirmed);
    assert_eq!(world.books().0, order.amounts.total);
}

#[test]
fn every_part_of_a_command_tells_it_from_another_one_under_its_key() {
    let lines = |units| vec![LineUnits { line: 1, units }];
    let ship = |lines, carrier: Option<&str>, tracking: Option<&str>| Command::Ship {
        shipment: None,
        lines,
        carrier: carrier.map(Into::into),
        tracking: tracking.map(Into::into),
    };
    let metadata = |key: &str, value: Option<&str>| Command::SetMetadata {
        key: key.parse().unwrap(),
        value: Private(value.map(Into::into)),
    };
    let asked: Vec<(Command, &str)> = vec![
        (Command::Note, "one"),
        (Command::Note, "two"),
        (Command::Credit { amount: 100 }, ""),
        (Command::Credit { amount: 500 }, ""),
        (Command::Credit { amount: 100 }, "late"),
        (Command::CancelLines { lines: lines(1) }, ""),
        (Command::CancelRest, ""),
        (Command::Cancel, ""),
        (
            Command::SetStatus {
                status: Status::Cancelled,
            },
            "",
        ),
        (ship(lines(1), None, None), ""),
        (ship(Vec::new(), None, None), ""),
        (ship(lines(1), Some("A"), None), ""),
        (ship(lines(1), None, Some("A")), ""),
        (metadata("a", Some("b")), ""),
        (metadata("a", Some("")), ""),
        (metadata("ab", None), ""),
    ];
    for (first, notes) in &asked {
        let world = World::new();
        let order = world.place(&[1], "CARD");
        world.work();
        let Ok(done) = world.under(&order, "k", first.clone(), notes) else {
            // What is refused or invalid leaves its key free.
            assert!(
                world
                    .under(&order, "k", Command::Note, "free")
                    .unwrap()
                    .repeats
                    .is_none()
            );
            continue;
        };
        let row = world
            .store
            .inner
            .journal_of(order.id)
            .into_iter()
            .find(|r| r.command_key.is_some());
        for (second, other) in &asked {
            let answer = world.under(&order, "k", second.clone(), other);
            let Some(row) = &row else { continue };
            if (first, notes) == (second, other) {
                assert_eq!(answer.unwrap().repeats, Some(row.seq), "{first:?}");
            } else if matches!(&answer, Err(e) if e.kind() == ErrorKind::Invalid) {
                continue;
            } else {
                assert_eq!(used(answer).seq, row.seq, "{first:?}, then {second:?}");
            }
        }
        assert_eq!(
            world.order(order.id).version,
            world.order(done.order.id).version
        );
    }
}

#[test]
fn an_edit_is_told_by_what_was_asked_for_and_not_by_its_price() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    let edit = |key: &str, request: EditRequest| {
        world.runtime.block_on(world.manager.edit(
            &operator(),
            order.id.into(),
            request,
            keyed(key),
        ))
    };
    let more = |quantity| EditRequest {
        set: vec![(LineRef::Number(1), quantity)],
        ..EditRequest::default()
    };
    let first = edit("e", more(3)).unwrap();
    assert_eq!(
        (first.edit, first.state, first.repeats),
        (Some(1), EditState::Applied, None)
    );
    // On the order as it is now the same request would change nothing.
    let again = edit("e", more(3)).unwrap();
    assert_eq!(
        (again.edit, again.state, again.repeats.is_some()),
        (Some(1), EditState::Applied, true)
    );
    let add = EditRequest {
        add: vec![ItemInput {
            product_id: product_id(2),
            variant_id: None,
            quantity: 1,
        }],
        ..EditRequest::default()
    };
    for other in [
        more(4),
        add,
        EditRequest {
            payment_token: Some("tok".into()),
            ..more(3)
        },
    ] {
        match edit("e", other) {
            Err(Error::KeyReused {
                used: Some(used), ..
            }) => {
                assert_eq!((&*used.command, Some(used.seq)), ("edit", again.repeats))
            }
            other => panic!("{other:?}"),
        }
    }
    // No other command has the key either, and no edit that of a command.
    assert_eq!(
        Some(used(world.under(&order, "e", Command::Note, "x")).seq),
        again.repeats
    );
    world.under(&order, "n", Command::Note, "x").unwrap();
    assert_eq!(edit("n", more(4)).unwrap_err().kind(), ErrorKind::KeyReused);
    assert_eq!(world.order(order.id).line(1).unwrap().quantity, 3);
}

#[test]
fn an_edit_that_came_to_nothing_says_so_as_often_as_it_is_asked_for() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    let more = EditRequest {
        set: vec![(LineRef::Number(1), 50)],
        ..EditRequest::default()
    };
    let edit = || {
        world.runtime.block_on(world.manager.edit(
            &operator(),
            order.id.into(),
            more.clone(),
            keyed("e"),
        ))
    };
    let first = edit().unwrap_err();
    assert_eq!(first.kind(), ErrorKind::Rejected);
    assert_eq!(edit().unwrap_err().to_string(), first.to_string());
    assert_eq!(world.order(order.id).edits.len(), 1);
}

#[test]
fn one_edit_asked_for_many_times_at_once_is_made_once() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.payment.push(
        Method::Charge,
        Fault::Late(std::time::Duration::from_secs(1)),
    );
    let (operator, options) = (operator(), keyed("e"));
    let more = EditRequest {
        set: vec![(LineRef::Number(1), 3)],
        ..EditRequest::default()
    };
    let edits = (0..20).map(|_| {
        world
            .manager
            .edit(&operator, order.id.into(), more.clone(), options.clone())
    });
    let answers = world
        .runtime
        .block_on(futures_util::future::join_all(edits));
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(
        answers
            .iter()
            .all(|a| (a.edit, a.state) == (Some(1), EditState::Applied))
    );
    assert_eq!(answers.iter().filter(|a| a.repeats.is_none()).count(), 1);
    assert_eq!(world.order(order.id).line(1).unwrap().quantity, 3);
}

#[test]
fn a_hundred_different_commands_at_once_under_one_key_are_one_command() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.work();
    let operator = operator();
    let credits = (0..100).map(|n| {
        let credit = Command::Credit { amount: 1 + n % 2 };
        world
            .manager
            .execute(&operator, order.id.into(), credit, keyed("k"))
    });
    let answers = world
        .runtime
        .block_on(futures_util::future::join_all(credits));
    let refused = answers
        .iter()
        .filter(|a| matches!(a, Err(Error::KeyReused { .. })))
        .count();
    let done = answers
        .iter()
        .filter(|a| matches!(a, Ok(a) if a.repeats.is_none()))
        .count();
    let repeated = answers
        .iter()
        .filter(|a| matches!(a, Ok(a) if a.repeats.is_some()))
        .count();
    assert_eq!((done, repeated, refused), (1, 49, 50));
    assert_eq!(world.order(order.id).credits.len(), 1);
}

#[test]
fn what_changes_nothing_leaves_its_key_free() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    world.cancel(order.id);
    let operator = operator();
    let cancelled = world
        .manager
        .execute(&operator, order.id.into(), Command::Cancel, keyed("k"));
    let answered = world.runtime.block_on(cancelled).unwrap();
    assert_eq!(
        (answered.order.statuses.status, answered.repeats),
        (Status::Cancelled, None)
    );
    assert_eq!(
        world
            .under(&order, "k", Command::Note, "called back")
            .unwrap()
            .repeats,
        None
    );
    // From now on the key is the note's, and a cancel under it is refused although the order is
    // cancelled.
    assert_eq!(
        used(world.under(&order, "k", Command::Cancel, "")).command,
        "note"
    );
}

#[test]
fn an_address_and_a_hold_are_repeated_under_their_keys() {
    let world = World::new();
    let order = world.place(&[1], "PENDING");
    let mut address = request(&[1], "CARD").shipping_address.unwrap();
    let mut correct = |line: &str| {
        address.address_line1 = line.into();
        let operator = operator();
        let changed = world.manager.execute(
            &operator,
            order.id.into(),
            Command::ChangeAddress {
                which: AddressType::Shipping,
                address: Private(Some(address.validate(AddressType::Shipping).unwrap())),
            },
            keyed("a"),
        );
        world.runtime.block_on(changed)
    };
    assert_eq!(correct("2 Main Street").unwrap().repeats, None);
    assert!(correct("2 Main Street").unwrap().repeats.is_some());
    assert_eq!(used(correct("3 Main Street")).command, "change address");

    let hold = |blocks| Command::PlaceHold {
        kind: "review".parse().unwrap(),
        blocks: Some(blocks),
        until: None,
    };
    assert_eq!(
        world
            .under(&order, "h", hold(Blocks::Confirm), "")
            .unwrap()
            .repeats,
        None
    );
    assert!(
        world
            .under(&order, "h", hold(Blocks::Confirm), "")
            .unwrap()
            .repeats
            .is_some()
    );
    assert_eq!(
        used(world.under(&order, "h", hold(Blocks::Ship), "")).command,
        "place hold"
    );
}
