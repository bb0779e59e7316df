//! Permissions: every action by everybody, and every way into the engine.

use order_core::error::{Error, ErrorKind, RejectionReason};
use order_core::ids::UserId;
use order_core::manager::{Action, CommandOptions, Principal, RetryPayment, authorize};
use order_core::money::{Currency, Money};
use order_core::order::{
    AddressType, AttentionReason, DisputeState, EditPlan, LineCredit, LineUnits, OperationState,
    Order, PaymentTerms, ReceivedUnits, Status,
};
use order_core::request::EditRequest;
use order_core::rules::{Command, DisputeReport, Finding, PaymentReport};
use order_core::store::{ListQuery, MemoryStore, OrderRef};
use order_core::text::Private;

use super::world::*;

const OTHER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a36";

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

/// The customer whose order it is, another, a service, an operator.
fn principals() -> [Principal; 4] {
    [
        Principal::Customer(user(USER)),
        Principal::Customer(user(OTHER)),
        Principal::Service("desk".into()),
        Principal::operator("erin"),
    ]
}

/// The answer that somebody gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gets {
    /// It is done, or refused for another reason than who asks.
    In,
    /// As if there were no such order.
    Nothing,
    Refused,
}
use Gets::{In, Nothing, Refused};

/// The answers on something that belongs to the first of them.
const CUSTOMERS: [Gets; 4] = [In, Nothing, Refused, In];
const OPERATORS: [Gets; 4] = [Refused, Nothing, Refused, In];
const READERS: [Gets; 4] = [In, Nothing, In, In];
/// The answers on what has no owner yet, or is about all orders.
const ALL_OPERATORS: [Gets; 4] = [Refused, Refused, Refused, In];
const REPORTERS: [Gets; 4] = [Refused, Refused, In, In];

/// The purpose of each action; one without a row does not compile.
fn row(action: Action) -> [Gets; 4] {
    match action {
        Action::Place
        | Action::Cancel
        | Action::RetryPayment
        | Action::Note
        | Action::Edit
        | Action::RequestReturn => CUSTOMERS,
        Action::Read => READERS,
        Action::RecordPayment => REPORTERS,
        Action::Hold
        | Action::Fulfil
        | Action::Credit
        | Action::HandleReturn
        | Action::SetMetadata
        | Action::Repair
        | Action::Redact => OPERATORS,
        Action::Watch | Action::Move => ALL_OPERATORS,
    }
}

#[test]
fn each_role_may_do_what_it_is_for() {
    for action in Action::ALL {
        for (principal, expected) in principals().iter().zip(row(action)) {
            // What the store's query keeps from another customer is refused as well, should it come
            // this far.
            let expected = if expected == Nothing {
                Refused
            } else {
                expected
            };
            let got = match authorize(principal, action, Some(user(USER))) {
                Ok(()) => In,
                Err(Error::Forbidden { .. }) => Refused,
                Err(e) => panic!("{e}"),
            };
            assert_eq!(got, expected, "{action:?} by {principal:?}");
        }
    }
}

fn gets<T>(answer: Result<T, Error>) -> Gets {
    match answer.map_err(|e| e.kind()) {
        Err(ErrorKind::Forbidden) => Refused,
        Err(ErrorKind::NotFound) => Nothing,
        _ => In,
    }
}

/// One command of each kind.
fn commands() -> Vec<Command> {
    let one = |line| vec![LineUnits { line, units: 1 }];
    let name = |text: &str| text.parse().unwrap();
    vec![
        Command::Cancel,
        Command::CancelLines { lines: one(1) },
        Command::CancelRest,
        Command::RetryPayment {
            amount: None,
            method: name("CARD"),
            terms: PaymentTerms::Confirm,
            token: Private(None),
            return_url: Private(None),
        },
        Command::PlaceHold {
            kind: name("fraud"),
            blocks: None,
            until: None,
        },
        Command::ReleaseHold {
            kind: name("fraud"),
        },
        Command::PlanShipment { lines: one(1) },
        Command::Ship {
            shipment: None,
            lines: one(1),
            carrier: None,
            tracking: None,
        },
        Command::Deliver { shipment: None },
        Command::FailShipment { shipment: 1 },
        Command::LoseShipment { shipment: 1 },
        Command::ReturnToSender { shipment: 1 },
        Command::CancelShipment { shipment: 1 },
        Command::Complete,
        Command::SetStatus {
            status: Status::Shipped,
        },
        Command::Credit { amount: 1 },
        Command::CreditLines {
            lines: vec![LineCredit { line: 1, amount: 1 }],
        },
        Command::WriteOff { amount: None },
        Command::RequestReturn { lines: one(1) },
        Command::ApproveReturn { number: 1 },
        Command::RejectReturn { number: 1 },
        Command::ReceiveReturn {
            number: 1,
            lines: vec![ReceivedUnits {
                line: 1,
                restock: 1,
                scrap: 0,
            }],
        },
        Command::CloseReturn { number: 1 },
        an_edit(),
        Command::DiscardEdit,
        Command::ChangeAddress {
            which: AddressType::Shipping,
            address: Private(None),
        },
        Command::SetMetadata {
            key: name("channel"),
            value: Private(Some("web".into())),
        },
        Command::Acknowledge {
            reason: AttentionReason::Dispute,
            about: None,
        },
        Command::RetryStuck,
        Command::Resolve {
            finding: Finding::Closing { n: 1, done: true },
        },
        Command::Redact,
        Command::Note,
    ]
}

/// An edit that changes nothing.
fn an_edit() -> Command {
    Command::Edit {
        plan: Box::new(EditPlan::default()),
        method: "CARD".parse().unwrap(),
        terms: PaymentTerms::Confirm,
        token: Private(None),
        return_url: Private(None),
        address: Private(None),
    }
}

#[test]
fn no_two_commands_share_the_name_that_their_hashes_are_made_with() {
    let commands = commands();
    let mut tags: Vec<&str> = commands.iter().map(|c| c.spec().tag).collect();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), commands.len(), "{tags:?}");
}

#[test]
fn every_command_asks_who_commands() {
    for command in commands() {
        let expected = row(command.spec().action);
        for (principal, expected) in principals().iter().zip(expected) {
            let world = World::new();
            let id = world.place(&[1, 2], "CARD").id;
            let of = |id: OrderRef| {
                let tried = gets(
                    world
                        .runtime
                        .block_on(world.manager.preview(principal, id, &command)),
                );
                let notes = "a note".to_owned();
                let options = CommandOptions::default();
                let done = world.manager.execute(
                    principal,
                    id,
                    command.clone(),
                    options.with_notes(notes),
                );
                (tried, gets(world.runtime.block_on(done)))
            };
            assert_eq!(
                of(id.into()),
                (expected, expected),
                "{} by {principal:?}",
                command.name()
            );
        }
    }
}

#[test]
fn every_way_into_the_engine_asks_who_comes() {
    let world = World::new();
    let order = world.place(&[1, 2], "CARD");
    let report = PaymentReport {
        key: None,
        reference: "r-1".parse().unwrap(),
        parent: None,
        status: OperationState::Captured,
        amount: Money::new(1, Currency::USD),
    };
    let dispute = DisputeReport {
        reference: "d-1".parse().unwrap(),
        payment: None,
        state: DisputeState::Open,
        amount: Money::new(1, Currency::USD),
    };
    let retry = || RetryPayment {
        method: "CARD".into(),
        ..RetryPayment::default()
    };
    let edit = EditRequest {
        set: vec![(order_core::request::LineRef::Number(1), 1)],
        ..EditRequest::default()
    };
    let address = request(&[], "CARD").shipping_address.unwrap();
    let owner = || ListQuery {
        user: Some(user(USER)),
        limit: 10,
        ..ListQuery::default()
    };
    let elsewhere = MemoryStore::new(world.runtime.clone());
    let hold = || "fraud".parse().unwrap();
    for (n, principal) in principals().iter().enumerate() {
        let m = &world.manager;
        let id = || -> OrderRef { order.id.into() };
        let none = CommandOptions::default;
        let on = &world.runtime;
        let got = [
            (
                "quote",
                [In, Refused, Refused, In],
                gets(on.block_on(m.quote(principal, &request(&[1], "CARD")))),
            ),
            (
                "place",
                [In, Refused, Refused, In],
                gets(on.block_on(m.place(principal, request(&[1], "CARD"), Default::default()))),
            ),
            ("get", READERS, gets(on.block_on(m.get(principal, id())))),
            (
                "get by number",
                READERS,
                gets(on.block_on(m.get(principal, OrderRef::Number(order.number)))),
            ),
            (
                "list",
                [In, Refused, In, In],
                gets(on.block_on(m.list(principal, owner()))),
            ),
            (
                "history",
                READERS,
                gets(on.block_on(m.history(principal, id()))),
            ),
            (
                "explain",
                READERS,
                gets(on.block_on(m.explain(principal, id()))),
            ),
            (
                "note",
                CUSTOMERS,
                gets(on.block_on(m.execute(
                    principal,
                    id(),
                    Command::Note,
                    none().with_notes("hello"),
                ))),
            ),
            (
                "preview_edit",
                CUSTOMERS,
                gets(on.block_on(m.preview_edit(principal, id(), &edit))),
            ),
            (
                "edit",
                CUSTOMERS,
                gets(on.block_on(m.edit(principal, id(), edit.clone(), none()))),
            ),
            (
                "retry_payment",
                CUSTOMERS,
                gets(on.block_on(m.retry_payment(principal, id(), retry(), none()))),
            ),
            (
                "change_address",
                CUSTOMERS,
                gets(on.block_on(m.execute(
                    principal,
                    id(),
                    Command::ChangeAddress {
                        which: AddressType::Shipping,
                        address: Private(Some(address.validate(AddressType::Shipping).unwrap())),
                    },
                    none(),
                ))),
            ),
            (
                "place_hold",
                OPERATORS,
                gets(on.block_on(m.execute(
                    principal,
                    id(),
                    Command::PlaceHold {
                        kind: hold(),
                        blocks: None,
                        until: None,
                    },
                    none(),
                ))),
            ),
            (
                "release_hold",
                OPERATORS,
                gets(on.block_on(m.execute(
                    principal,
                    id(),
                    Command::ReleaseHold { kind: hold() },
                    none(),
                ))),
            ),
            (
                "record_payment",
                REPORTERS,
                gets(on.block_on(m.record_payment(principal, id(), report.clone()))),
            ),
            (
                "record_dispute",
                REPORTERS,
                gets(on.block_on(m.record_dispute(principal, id(), dispute.clone()))),
            ),
            (
                "changes",
                ALL_OPERATORS,
                gets(on.block_on(m.changes(principal, None, 10))),
            ),
            ("watch", ALL_OPERATORS, gets(m.watch(principal, None))),
            (
                "export",
                ALL_OPERATORS,
                gets(on.block_on(m.export(principal, None))),
            ),
            (
                "restore",
                ALL_OPERATORS,
                gets(on.block_on(m.restore::<Error>(principal, Vec::new(), || ()))),
            ),
            (
                "copy_from",
                ALL_OPERATORS,
                gets(on.block_on(m.copy_from(principal, &elsewhere, || ()))),
            ),
            (
                "import",
                ALL_OPERATORS,
                gets(on.block_on(m.import::<Error>(principal, Vec::new(), |_| ()))),
            ),
            (
                "retry_stuck",
                ALL_OPERATORS,
                gets(on.block_on(m.retry_stuck(principal, |_| ()))),
            ),
            (
                "resync",
                ALL_OPERATORS,
                gets(on.block_on(m.resync(principal))),
            ),
            (
                "cancel",
                CUSTOMERS,
                gets(on.block_on(m.execute(principal, id(), Command::Cancel, none()))),
            ),
        ];
        for (way, expected, got) in got {
            assert_eq!(got, expected[n], "{way} by {principal:?}");
        }
    }
}

#[test]
fn a_customer_s_list_has_their_own_orders_only() {
    let world = World::new();
    let order = world.place(&[1], "CARD");
    let all = || ListQuery {
        limit: 10,
        ..ListQuery::default()
    };
    let [owner, other, service, operator] = principals();
    let ids = |principal: &Principal| {
        let page = world
            .runtime
            .block_on(world.manager.list(principal, all()))
            .unwrap();
        page.orders
            .iter()
            .map(|order: &std::sync::Arc<Order>| order.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        [ids(&owner), ids(&service), ids(&operator)],
        [(); 3].map(|()| vec![order.id])
    );
    assert_eq!(ids(&other), []);
}

#[test]
fn a_suspended_customer_buys_nothing_by_any_command() {
    let world = World::new();
    let refused = |command: Command, id: OrderRef| {
        let by = operator();
        let done = world
            .manager
            .execute(&by, id, command, CommandOptions::default());
        match world.runtime.block_on(done) {
            Err(Error::Rejected(r)) => Some(r.reason),
            Ok(_) => None,
            Err(e) => panic!("{e}"),
        }
    };
    let declined = world.place(&[1], "DECLINED");
    let paid = world.place(&[1, 2], "CARD");
    let priced = EditRequest {
        set: vec![(order_core::request::LineRef::Number(1), 1)],
        ..EditRequest::default()
    };
    world.suspend("suspended");
    let again = commands()
        .into_iter()
        .find(|c| matches!(c, Command::RetryPayment { .. }))
        .unwrap();
    assert_eq!(
        refused(again.clone(), declined.id.into()),
        Some(RejectionReason::UserNotActive)
    );
    let dearer = EditRequest {
        add: request(&[3], "CARD").items,
        ..EditRequest::default()
    };
    match world.runtime.block_on(
        world
            .manager
            .preview_edit(&operator(), paid.id.into(), &dearer),
    ) {
        Err(Error::Rejected(r)) => assert_eq!(r.reason, RejectionReason::UserNotActive),
        other => panic!("{other:?}"),
    }
    assert!(
        world
            .runtime
            .block_on(
                world
                    .manager
                    .preview_edit(&operator(), paid.id.into(), &priced)
            )
            .is_ok(),
        "but less"
    );
    assert_eq!(
        refused(
            Command::SetStatus {
                status: Status::Shipped
            },
            paid.id.into()
        ),
        None,
        "what is bought is sent"
    );

    world.suspend("active");
    let key = CommandOptions {
        key: Some("k".parse().unwrap()),
        ..CommandOptions::default()
    };
    let retry = || {
        let retry = RetryPayment {
            method: "CARD".into(),
            ..RetryPayment::default()
        };
        world.runtime.block_on(world.manager.retry_payment(
            &operator(),
            declined.id.into(),
            retry,
            key.clone(),
        ))
    };
    assert_eq!(retry().unwrap().repeats, None);
    world.suspend("suspended");
    assert!(
        retry().unwrap().repeats.is_some(),
        "a repeat is told what came of the first"
    );
}
