//! Steps that a hold keeps from happening, whatever had begun when it was placed.

use order_core::order::{Actor, Blocks, Event, Op, OperationKind, PaymentTerms};
use order_core::rules::{Command, Verb, evolve, next};
use order_core::store::{Tries, Try};
use order_core::testkit::orders::text;

use super::journey::{Journey, Reply};
use super::shop::{Shop, small};

#[test]
fn a_capture_that_was_armed_and_never_sent_waits_for_a_hold_that_blocks_it() {
    let shop = Shop {
        notify: false,
        ..Shop::ideal()
    };
    let mut journey = Journey::place(shop.clone(), &small(PaymentTerms::Shipment));
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    journey
        .command(&Command::Ship {
            shipment: None,
            lines: Vec::new(),
            carrier: None,
            tracking: None,
        })
        .unwrap();
    journey.plan();
    let mut order = journey.order.clone();
    let capture = order
        .payments
        .iter()
        .find(|p| p.kind == OperationKind::Capture)
        .expect("what shipped is captured")
        .n;
    let op = Op::Payment(capture);
    let held = Event::HoldPlaced {
        kind: text("review"),
        blocks: Blocks::Capture,
        until: None,
    };
    evolve(
        &mut order,
        &Event::Armed { ops: vec![op] },
        &Actor::System,
        journey.now,
    );
    let unsent = Try {
        count: 0,
        next_at: journey.now,
        error: String::new(),
        clear: true,
        quiet_at: journey.now,
        stuck: None,
    };
    let tries = Tries([(op, unsent)].into());
    let captures = |order: &_| {
        let calls = next(order, &tries, &shop.env(journey.now)).calls;
        calls
            .iter()
            .any(|c| c.op == op && c.verb == Verb::Pay(OperationKind::Capture))
    };

    assert!(captures(&order), "nothing blocks it");
    evolve(&mut order, &held, &Actor::System, journey.now);
    assert!(!captures(&order), "the hold blocks it");
    evolve(
        &mut order,
        &Event::HoldReleased {
            kind: text("review"),
            lapsed: false,
        },
        &Actor::System,
        journey.now,
    );
    assert!(captures(&order), "it goes on when the hold is lifted");
}
