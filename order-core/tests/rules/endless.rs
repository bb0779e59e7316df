//! Cases that once went on for ever, found by the walk of small orders or suspected of it.

use std::time::Duration;

use order_core::order::{
    DiscardCause, EditState, LineUnits, OperationKind, OperationState, PaymentTerms, ReceivedUnits,
    ReservationState,
};
use order_core::rules::{Call, Command, Fact, PaymentOutcome, ReservationOutcome, Verb};
use order_core::testkit::orders::text;
use order_core::text::Private;

use super::inputs::edit;
use super::journey::{Journey, Reply, answer};
use super::shop::{Shop, raised, small};

/// A small order on which all that is due has been done, well.
fn confirmed(terms: PaymentTerms) -> Journey {
    let mut journey = Journey::place(
        Shop {
            notify: false,
            ..Shop::ideal()
        },
        &small(terms),
    );
    work_well(&mut journey);
    journey
}

fn work_well(journey: &mut Journey) {
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
}

fn said(journey: &Journey, n: u32, status: OperationState) -> Fact {
    let amount = journey.order.payment(n).expect("it exists").amount;
    let deadline = journey.now.after(Duration::from_secs(600));
    let outcome: PaymentOutcome = answer(&journey.order, status, n, amount, deadline);
    Fact::Payment { n, outcome }
}

fn last_of(journey: &Journey, kind: OperationKind) -> u32 {
    journey
        .order
        .payments
        .iter()
        .rev()
        .find(|p| p.kind == kind)
        .expect("there is one")
        .n
}

#[test]
fn what_is_captured_while_a_refund_too_many_is_under_way_is_planned_once() {
    let mut journey = confirmed(PaymentTerms::Shipment);
    let returned = vec![LineUnits { line: 1, units: 1 }];
    for command in [
        Command::Ship {
            shipment: None,
            lines: Vec::new(),
            carrier: None,
            tracking: None,
        },
        Command::Deliver { shipment: None },
        Command::RequestReturn { lines: returned },
        Command::ApproveReturn { number: 1 },
        Command::ReceiveReturn {
            number: 1,
            lines: vec![ReceivedUnits {
                line: 1,
                restock: 1,
                scrap: 0,
            }],
        },
    ] {
        journey.command(&command).unwrap();
        work_well(&mut journey);
    }
    journey
        .command(&Command::CloseReturn { number: 1 })
        .unwrap();
    // The refund is said to have failed, another capture is refunded in its place, and then it went
    // through after all.
    journey.work(&mut |_, _| Reply::Crash);
    let first = last_of(&journey, OperationKind::Refund);
    journey.facts(&[said(&journey, first, OperationState::Declined)]);
    journey.plan();
    let second = last_of(&journey, OperationKind::Refund);
    assert!(second > first, "another refund is planned");
    // It may have been sent: it is not taken back.
    journey.advance(Duration::from_secs(60));
    journey.work(&mut |_, _| Reply::Crash);
    journey.facts(&[said(&journey, first, OperationState::Refunded)]);
    // What is missing then is authorized anew.
    let again = Command::RetryPayment {
        amount: None,
        method: text("wallet"),
        terms: PaymentTerms::Shipment,
        token: Private(None),
        return_url: Private(None),
    };
    journey.command(&again).unwrap();
    journey.work(&mut |_, _| Reply::Crash);
    let authorization = last_of(&journey, OperationKind::Authorize);
    journey.facts(&[said(&journey, authorization, OperationState::Authorized)]);
    journey.plan();
    let captures = journey
        .order
        .payments
        .iter()
        .filter(|p| p.parent == Some(authorization) && p.kind == OperationKind::Capture);
    assert_eq!(
        captures.map(|p| p.state).collect::<Vec<_>>(),
        [OperationState::Planned]
    );
}

#[test]
fn two_edits_in_the_same_moment_each_ask_the_inventory_once() {
    let mut journey = confirmed(PaymentTerms::Invoice);
    for n in 1..=2 {
        let plan = raised(&journey.order, 1, 1);
        journey.command(&edit(plan)).unwrap();
        journey.plan();
        let asked = journey
            .order
            .reservations
            .last()
            .expect("it is asked for")
            .n;
        assert_eq!(
            asked,
            2 + n,
            "edit {n} asks, whatever was answered to the one before"
        );
        let refused = ReservationOutcome::Refused {
            available: Some(0),
            code: "OUT_OF_STOCK".into(),
        };
        journey.facts(&[Fact::Reservation {
            n: asked,
            outcome: refused,
        }]);
        let over = journey.order.edits.last().expect("it is there");
        assert_eq!(
            (over.n, over.state, over.cause),
            (n, EditState::Discarded, Some(DiscardCause::StockRefused))
        );
        journey.plan();
        assert_eq!(
            journey.order.reservations.last().map(|r| (r.n, r.state)),
            Some((asked, ReservationState::Refused)),
            "once"
        );
    }
}

#[test]
fn what_lapses_while_another_part_of_its_hold_is_committed_is_asked_for_once() {
    let mut journey = Journey::place(
        Shop {
            notify: false,
            ..Shop::ideal()
        },
        &small(PaymentTerms::Confirm),
    );
    // An odd answer to a reserve is a hold that lapses.
    let lapsing = |call: Call| {
        if call.verb == Verb::Reserve {
            Reply::Odd
        } else {
            Reply::Yes
        }
    };
    while journey.work(&mut |_, call| lapsing(call)).is_none() {}
    let ship = Command::Ship {
        shipment: None,
        lines: vec![LineUnits { line: 1, units: 1 }],
        carrier: None,
        tracking: None,
    };
    journey.command(&ship).unwrap();
    journey.plan();
    let hold = journey.order.reservation(1).expect("it is held").clone();
    assert_eq!(
        (hold.held(), hold.closing.map(|c| c.units)),
        (2, Some(1)),
        "one of two units is being committed"
    );
    journey.now = hold.expires_at.expect("it lapses");
    journey.plan();
    let instead: Vec<_> = journey
        .order
        .reservations
        .iter()
        .skip(2)
        .filter(|r| r.sku == hold.sku)
        .collect();
    assert_eq!(
        instead
            .iter()
            .map(|r| (r.state, r.quantity))
            .collect::<Vec<_>>(),
        [(ReservationState::Planned, 1)]
    );
}
