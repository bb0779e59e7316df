//! The fate of shipments: whatever is found out of one, however late, every unit is in one
//! place and the stock adds up.

use std::time::Duration;

use order_core::error::RejectionReason;
use order_core::order::{
    AddressType, AttentionReason, Counters, Lifecycle, LineUnits, Order, PaymentTerms,
    ReceivedUnits, ReservationState, ReturnStatus, ShipmentState,
};
use order_core::rules::{Command, Fact, ReservationOutcome, Verb};
use order_core::text::Private;
use proptest::prelude::*;

use super::inputs::edit;
use super::journey::{Journey, Reply};
use super::shop::{Shop, added, address, lowered, sample, sample_given_out};
use super::walks::cases;

fn work(j: &mut Journey) {
    for _ in 0..60 {
        if j.work(&mut |_, _| Reply::Yes).is_some() {
            return;
        }
    }
    panic!("it does not come to an end: {:#?}", j.order);
}

/// An order of two units each of two SKUs, paid and confirmed.
fn confirmed() -> Journey {
    let mut j = Journey::place(
        Shop {
            notify: false,
            ..Shop::ideal()
        },
        &sample(PaymentTerms::Confirm),
    );
    work(&mut j);
    j
}

fn act(j: &mut Journey, command: &Command) {
    j.command(command)
        .unwrap_or_else(|no| panic!("{command:?}: {no}"));
    work(j);
}

fn ship(line: u32, units: u32) -> Command {
    Command::Ship {
        shipment: None,
        lines: vec![LineUnits { line, units }],
        carrier: None,
        tracking: None,
    }
}

fn delivered(n: u32) -> Command {
    Command::Deliver { shipment: Some(n) }
}

const fn lost(shipment: u32) -> Command {
    Command::LoseShipment { shipment }
}

const fn failed(shipment: u32) -> Command {
    Command::FailShipment { shipment }
}

const fn came_back(shipment: u32) -> Command {
    Command::ReturnToSender { shipment }
}

/// Units of a line's SKU that have left the stock, and that are held.
fn stock(order: &Order, line: u32) -> (u32, u32) {
    let sku = &order.line(line).expect("it exists").sku;
    let of_sku = || order.reservations.iter().filter(|r| r.sku == *sku);
    (
        of_sku().map(|r| r.committed).sum(),
        of_sku().map(order_core::order::Reservation::held).sum(),
    )
}

fn counters(order: &Order, line: u32) -> Counters {
    order.line(line).expect("it exists").counters
}

fn is_told(order: &Order) -> bool {
    order
        .attention
        .iter()
        .any(|a| a.reason == AttentionReason::UnexpectedDelivery && !a.acknowledged)
}

#[test]
fn units_of_a_lost_shipment_are_gone_from_the_stock_and_sent_again_from_further_stock() {
    let mut j = confirmed();
    act(&mut j, &ship(1, 2));
    assert_eq!(stock(&j.order, 1), (2, 0));
    act(&mut j, &lost(1));
    assert_eq!(
        j.order.shipment(1).map(|s| s.state),
        Some(ShipmentState::Lost)
    );
    assert_eq!(j.order.lines[0].open(), 2);
    assert_eq!(
        counters(&j.order, 1),
        Counters {
            lost: 2,
            ..Counters::default()
        }
    );
    assert_eq!(
        stock(&j.order, 1),
        (2, 2),
        "what was lost stays out of the stock, and as much is held anew"
    );
    act(&mut j, &ship(1, 2));
    act(&mut j, &delivered(2));
    assert_eq!(stock(&j.order, 1), (4, 0));
    assert_eq!(
        counters(&j.order, 1),
        Counters {
            shipped: 2,
            delivered: 2,
            lost: 2,
            ..Counters::default()
        }
    );
}

#[test]
fn a_shipment_cannot_leave_before_further_stock_is_there_for_what_was_lost() {
    let mut j = confirmed();
    act(&mut j, &ship(1, 2));
    j.command(&lost(1)).expect("it is on its way");
    let no = j
        .command(&ship(1, 2))
        .expect_err("nothing is held for it yet");
    assert_eq!(no.reason, RejectionReason::StockNotHeld);
    assert!(
        no.message
            .contains("of SKU-1 only 2 units are held for it, 4 are needed"),
        "{no}"
    );
}

#[test]
fn what_was_lost_stays_lost_when_the_order_is_cancelled_and_what_came_back_does_not() {
    let mut j = confirmed();
    act(&mut j, &ship(1, 2));
    act(&mut j, &ship(2, 2));
    act(&mut j, &lost(1));
    act(&mut j, &came_back(2));
    act(&mut j, &Command::Cancel);
    assert_eq!(j.order.lifecycle, Lifecycle::Cancelled);
    assert_eq!((stock(&j.order, 1), stock(&j.order, 2)), ((2, 0), (0, 0)));
    assert!(j.order.attention.is_empty());
    // It turns up at the shop after all.
    act(&mut j, &came_back(1));
    assert_eq!(stock(&j.order, 1), (0, 0), "it is on the shelf again");
    assert!(!is_told(&j.order));
}

#[test]
fn what_was_lost_is_taken_out_of_the_hold_of_a_cancelled_order_that_had_not_taken_it_yet() {
    let mut j = confirmed();
    j.command(&ship(1, 2)).expect("it is paid and held");
    j.command(&lost(1)).expect("it is on its way");
    j.command(&Command::Cancel).expect("nothing is on its way");
    work(&mut j);
    assert_eq!(j.order.lifecycle, Lifecycle::Cancelled);
    assert_eq!(stock(&j.order, 1), (2, 0));
}

#[test]
fn a_lost_shipment_that_arrives_after_it_was_sent_again_is_not_counted_twice_and_a_person_is_told()
{
    let mut j = confirmed();
    act(&mut j, &ship(1, 2));
    act(&mut j, &lost(1));
    act(&mut j, &ship(1, 2));
    act(&mut j, &delivered(2));
    act(&mut j, &delivered(1));
    assert_eq!(
        j.order.shipment(1).map(|s| s.state),
        Some(ShipmentState::Delivered)
    );
    assert_eq!(
        counters(&j.order, 1),
        Counters {
            shipped: 2,
            delivered: 2,
            lost: 2,
            ..Counters::default()
        }
    );
    assert_eq!(stock(&j.order, 1), (4, 0));
    assert!(is_told(&j.order));
    // The customer sends one of them back unasked.
    act(&mut j, &came_back(1));
    assert_eq!(
        counters(&j.order, 1),
        Counters {
            shipped: 2,
            delivered: 2,
            ..Counters::default()
        }
    );
    assert_eq!(
        stock(&j.order, 1),
        (2, 0),
        "its units are on the shelf again"
    );
    assert!(!is_told(&j.order), "every unit has its place");
}

#[test]
fn a_lost_shipment_that_arrives_takes_the_place_of_what_was_to_be_sent_for_it() {
    let mut j = confirmed();
    act(&mut j, &ship(1, 2));
    act(&mut j, &lost(1));
    act(&mut j, &delivered(1));
    assert_eq!(
        counters(&j.order, 1),
        Counters {
            shipped: 2,
            delivered: 2,
            ..Counters::default()
        }
    );
    assert_eq!(
        stock(&j.order, 1),
        (2, 0),
        "the further units are given back"
    );
    assert!(!is_told(&j.order));
}

#[test]
fn what_arrives_after_its_units_were_cancelled_is_told_again_after_it_was_seen() {
    let mut j = confirmed();
    act(&mut j, &ship(1, 1));
    act(&mut j, &ship(1, 1));
    for n in [1, 2] {
        act(&mut j, &failed(n));
    }
    act(
        &mut j,
        &Command::CancelLines {
            lines: vec![LineUnits { line: 1, units: 2 }],
        },
    );
    assert_eq!(stock(&j.order, 1), (0, 0));
    act(&mut j, &delivered(1));
    assert!(is_told(&j.order));
    assert_eq!(
        counters(&j.order, 1),
        Counters {
            cancelled: 2,
            lost: 1,
            ..Counters::default()
        }
    );
    assert_eq!(
        stock(&j.order, 1),
        (1, 0),
        "it is not on the shelf, whatever was taken for true"
    );
    let seen = Command::Acknowledge {
        reason: AttentionReason::UnexpectedDelivery,
        about: None,
    };
    act(&mut j, &seen);
    assert!(!is_told(&j.order));
    act(&mut j, &delivered(2));
    assert!(is_told(&j.order), "what was seen was another shipment");
}

#[test]
fn stock_that_cannot_be_had_anew_costs_only_the_units_that_were_lost() {
    let mut j = confirmed();
    act(&mut j, &ship(1, 1));
    j.command(&lost(1)).expect("it is on its way");
    while j
        .work(&mut |_, call| {
            if call.verb == Verb::Reserve {
                Reply::No
            } else {
                Reply::Yes
            }
        })
        .is_none()
    {}
    assert_eq!(j.order.lifecycle, Lifecycle::Confirmed);
    assert_eq!(
        (
            counters(&j.order, 1).cancelled,
            j.order.lines[0].open(),
            j.order.lines[1].open()
        ),
        (1, 1, 2)
    );
    assert_eq!(
        stock(&j.order, 1),
        (1, 1),
        "one is lost, the other still held"
    );
    assert!(j.order.has_attention(AttentionReason::StockLost));
}

#[test]
fn an_order_of_which_all_was_lost_and_nothing_is_left_is_cancelled() {
    let mut j = confirmed();
    for line in [1, 2] {
        act(&mut j, &ship(line, 2));
    }
    for n in [1, 2] {
        j.command(&lost(n)).expect("it is on its way");
    }
    while j
        .work(&mut |_, call| {
            if call.verb == Verb::Reserve {
                Reply::No
            } else {
                Reply::Yes
            }
        })
        .is_none()
    {}
    assert_eq!(j.order.lifecycle, Lifecycle::Cancelled);
    assert_eq!((stock(&j.order, 1), stock(&j.order, 2)), ((2, 0), (2, 0)));
    assert_eq!(j.order.money().refunded, j.order.amounts.total);
}

/// An order of which all has arrived, and that is completed.
fn completed() -> Journey {
    let mut j = confirmed();
    act(
        &mut j,
        &Command::Ship {
            shipment: None,
            lines: Vec::new(),
            carrier: None,
            tracking: None,
        },
    );
    act(&mut j, &delivered(1));
    act(&mut j, &Command::Complete);
    j
}

#[test]
fn a_shipment_of_a_completed_order_may_turn_out_lost_or_returned_and_nothing_is_reserved_for_it() {
    for (found, committed) in [(lost(1), 2), (failed(1), 0), (came_back(1), 0)] {
        let mut j = completed();
        act(&mut j, &found);
        assert_eq!(
            (j.order.lifecycle, j.order.lines[0].open()),
            (Lifecycle::Completed, 2)
        );
        assert_eq!(stock(&j.order, 1), (committed, 0), "{found:?}");
        assert!(is_told(&j.order), "the customer has paid for it");
        act(&mut j, &delivered(1));
        assert_eq!(stock(&j.order, 1), (2, 0));
        assert!(!is_told(&j.order));
    }
}

#[test]
fn a_shipment_of_a_cancelled_order_may_still_turn_out_otherwise() {
    for found in [delivered(1), lost(1)] {
        let mut j = confirmed();
        act(&mut j, &ship(1, 2));
        act(&mut j, &failed(1));
        act(&mut j, &Command::Cancel);
        assert_eq!(stock(&j.order, 1), (0, 0), "it was to come back");
        act(&mut j, &found);
        assert_eq!(
            (j.order.lifecycle, counters(&j.order, 1).lost),
            (Lifecycle::Cancelled, 2)
        );
        assert!(
            j.order.has_attention(AttentionReason::StockLost),
            "the shelf has less than the inventory says"
        );
        assert_eq!(
            is_told(&j.order),
            matches!(found, Command::Deliver { .. }),
            "somebody has goods and no order"
        );
    }
}

#[test]
fn what_came_back_by_a_return_is_not_open_again_whatever_is_said_of_its_shipment() {
    let mut j = confirmed();
    act(&mut j, &ship(1, 2));
    act(&mut j, &delivered(1));
    act(
        &mut j,
        &Command::RequestReturn {
            lines: vec![LineUnits { line: 1, units: 1 }],
        },
    );
    act(&mut j, &Command::ApproveReturn { number: 1 });
    act(
        &mut j,
        &Command::ReceiveReturn {
            number: 1,
            lines: vec![ReceivedUnits {
                line: 1,
                restock: 1,
                scrap: 0,
            }],
        },
    );
    act(&mut j, &Command::CloseReturn { number: 1 });
    assert_eq!(stock(&j.order, 1), (1, 0));
    act(&mut j, &came_back(1));
    assert_eq!(
        j.order.lines[0].open(),
        1,
        "of two, one came back by the return already"
    );
    assert_eq!(
        stock(&j.order, 1),
        (1, 0),
        "the other waits to be sent again"
    );
    assert!(is_told(&j.order));
}

#[test]
fn what_never_left_cannot_have_become_anything() {
    let mut j = confirmed();
    act(&mut j, &Command::PlanShipment { lines: Vec::new() });
    for found in [delivered(1), failed(1), lost(1), came_back(1)] {
        let no = j.command(&found).expect_err("it has not left");
        assert_eq!(no.reason, RejectionReason::IllegalTransition);
        assert!(no.message.contains("shipment 1 is PLANNED since"), "{no}");
        assert!(!no.possible.contains(&found.name()));
    }
}

#[test]
fn an_address_is_corrected_while_something_is_to_be_sent_and_nothing_is_on_its_way() {
    let mut j = confirmed();
    let corrected = |street| Command::ChangeAddress {
        which: AddressType::Shipping,
        address: Private(Some(address(street, "US"))),
    };
    act(&mut j, &ship(1, 1));
    let no = j
        .command(&corrected("2 Main Street"))
        .expect_err("it is on its way there");
    assert!(
        no.message
            .contains("a shipment is on its way to its address"),
        "{no}"
    );
    act(&mut j, &delivered(1));
    act(&mut j, &ship(1, 1));
    act(&mut j, &came_back(2));
    act(&mut j, &corrected("3 Main Street"));
    let to = j
        .order
        .addresses
        .get()
        .map(|a| a.shipping.address_line1.clone());
    assert_eq!(to.as_deref(), Some("3 Main Street"));
    for line in [1, 2] {
        let units = j.order.line(line).expect("it exists").open();
        act(&mut j, &ship(line, units));
    }
    act(&mut j, &Command::Deliver { shipment: None });
    let no = j
        .command(&corrected("4 Main Street"))
        .expect_err("all is there");
    assert!(
        no.message
            .contains("all of it has shipped to its address already"),
        "{no}"
    );
}

#[test]
fn shipping_is_owed_once_something_was_sent_but_not_for_what_was_lost() {
    let shipping = confirmed().order.amounts.shipping;
    assert!(shipping > 0);
    for (found, owed) in [
        (lost(1), 0),
        (came_back(1), shipping),
        (failed(1), shipping),
    ] {
        let mut j = confirmed();
        act(&mut j, &ship(1, 2));
        act(&mut j, &found);
        act(
            &mut j,
            &Command::CancelLines {
                lines: vec![LineUnits { line: 1, units: 2 }],
            },
        );
        let goods = j.order.lines[1].owed();
        assert_eq!(
            j.order.owed(),
            goods + shipping,
            "something is yet to be sent"
        );
        // As if the second line needed no shipping: what is left of the order then is not sent.
        let mut rest = j.order.clone();
        rest.lines[1].requires_shipping = false;
        assert_eq!(rest.owed(), goods + owed, "{found:?}");
    }
}

#[test]
fn shipping_that_is_no_longer_owed_is_not_owed_again_when_the_lost_shipment_turns_up() {
    for found in [delivered(1), came_back(1), failed(1)] {
        let mut j = Journey::place(
            Shop {
                notify: false,
                ..Shop::ideal()
            },
            &sample_given_out(PaymentTerms::Confirm),
        );
        work(&mut j);
        act(&mut j, &ship(1, 2));
        act(&mut j, &lost(1));
        act(&mut j, &Command::CancelRest);
        let owed = j.order.lines[1].owed();
        assert_eq!(
            (
                j.order.owed(),
                j.order.money().captured - j.order.money().refunded
            ),
            (owed, owed)
        );
        act(&mut j, &found);
        assert_eq!(j.order.owed(), owed, "{found:?}");
        assert_eq!(j.order.shipment(1).map(|s| s.lost_at.is_some()), Some(true));
    }
}

#[test]
fn a_swap_of_lines_of_one_sku_needs_no_further_stock() {
    let mut j = confirmed();
    let mut plan = lowered(1, 1);
    plan.added = added(&j.order, 1, 1).added;
    let reservations = j.order.reservations.len();
    act(&mut j, &edit(plan));
    assert_eq!(
        (
            j.order.lines.len(),
            j.order.lines[0].quantity,
            j.order.lines[2].quantity
        ),
        (3, 1, 1)
    );
    assert_eq!(
        j.order.reservations.len(),
        reservations,
        "nothing was asked of the inventory"
    );
    assert_eq!(stock(&j.order, 1), (0, 2));

    let mut plan = lowered(1, 1);
    plan.added = added(&j.order, 1, 3).added;
    act(&mut j, &edit(plan));
    let asked: Vec<u32> = j.order.reservations[reservations..]
        .iter()
        .map(|r| r.quantity)
        .collect();
    assert_eq!(asked, [2], "only the difference");
}

#[test]
fn all_is_returned_only_when_all_that_was_not_cancelled_is_back() {
    let mut j = confirmed();
    let back = |j: &mut Journey, line, units| {
        let number = j.order.returns.len() as u32 + 1;
        act(
            j,
            &Command::RequestReturn {
                lines: vec![LineUnits { line, units }],
            },
        );
        act(j, &Command::ApproveReturn { number });
        act(
            j,
            &Command::ReceiveReturn {
                number,
                lines: Vec::new(),
            },
        );
        act(j, &Command::CloseReturn { number });
    };
    act(&mut j, &ship(1, 2));
    act(&mut j, &delivered(1));
    back(&mut j, 1, 2);
    assert_eq!(
        j.order.statuses.returned,
        ReturnStatus::PartiallyReturned,
        "two units are yet to be sent"
    );
    act(
        &mut j,
        &Command::CancelLines {
            lines: vec![LineUnits { line: 2, units: 1 }],
        },
    );
    act(&mut j, &ship(2, 1));
    act(&mut j, &delivered(2));
    back(&mut j, 2, 1);
    assert_eq!(j.order.statuses.returned, ReturnStatus::Returned);
}

#[test]
fn units_being_committed_of_a_hold_whose_time_is_over_let_nothing_more_leave() {
    let mut shop = Shop {
        notify: false,
        ..Shop::ideal()
    };
    shop.policy.commit_at_confirm = true;
    let mut j = Journey::place(shop, &sample(PaymentTerms::Confirm));
    let expires = j.now.after(Duration::from_secs(600));
    j.plan();
    for n in [1, 2] {
        let outcome = ReservationOutcome::Held {
            reference: None,
            expires_at: Some(expires),
        };
        j.facts(&[Fact::Reservation { n, outcome }]);
    }
    // Confirmed, and all of it is being committed; the answers do not come.
    while j.order.reservations.iter().any(|r| r.closing.is_none()) {
        j.work(&mut |_, call| {
            if call.verb == Verb::Commit {
                Reply::Crash
            } else {
                Reply::Yes
            }
        });
    }
    assert_eq!(
        (j.order.lifecycle, stock(&j.order, 1)),
        (Lifecycle::Confirmed, (0, 2))
    );
    j.command(&ship(1, 1)).expect("its hold has its time yet");
    j.now = expires;
    let no = j
        .command(&ship(1, 1))
        .expect_err("the hold may be somebody else's by now");
    assert_eq!(no.reason, RejectionReason::StockNotHeld);
    assert!(
        no.message
            .contains("only 1 units are held for it, 2 are needed"),
        "{no}"
    );
    assert!(
        j.order
            .reservations
            .iter()
            .all(|r| r.state == ReservationState::Held)
    );
}

/// A command or a finding about an order.
#[derive(Debug, Clone, Copy)]
enum Step {
    Ship { line: u32, units: u32 },
    Plan { line: u32 },
    ShipPlanned { n: u32 },
    Found { n: u32, state: ShipmentState },
    Cancel { line: u32, units: u32 },
    CancelAll,
    Return { line: u32, restock: bool },
    Complete,
    Raise { line: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let found = prop::sample::select(vec![
        ShipmentState::Delivered,
        ShipmentState::Delivered,
        ShipmentState::Failed,
        ShipmentState::Lost,
        ShipmentState::Lost,
        ShipmentState::Returned,
    ]);
    let step = prop_oneof![
        5 => (1..3u32, 1..3u32).prop_map(|(line, units)| Step::Ship { line, units }),
        1 => (1..3u32).prop_map(|line| Step::Plan { line }),
        1 => (1..6u32).prop_map(|n| Step::ShipPlanned { n }),
        9 => (1..6u32, found).prop_map(|(n, state)| Step::Found { n, state }),
        2 => (1..3u32, 1..3u32).prop_map(|(line, units)| Step::Cancel { line, units }),
        1 => Just(Step::CancelAll),
        2 => (1..3u32, any::<bool>()).prop_map(|(line, restock)| Step::Return { line, restock }),
        1 => Just(Step::Complete),
        1 => (1..3u32).prop_map(|line| Step::Raise { line }),
    ];
    prop::collection::vec(step, 1..16)
}

fn commands(order: &Order, step: Step) -> Vec<Command> {
    let lines = |line, units| vec![LineUnits { line, units }];
    match step {
        Step::Ship { line, units } => vec![ship(line, units)],
        Step::Plan { line } => vec![Command::PlanShipment {
            lines: lines(line, 1),
        }],
        Step::ShipPlanned { n } => {
            vec![Command::Ship {
                shipment: Some(n),
                lines: Vec::new(),
                carrier: None,
                tracking: None,
            }]
        }
        Step::Found { n, state } => vec![match state {
            ShipmentState::Delivered => delivered(n),
            ShipmentState::Failed => failed(n),
            ShipmentState::Lost => lost(n),
            _ => came_back(n),
        }],
        Step::Cancel { line, units } => vec![Command::CancelLines {
            lines: lines(line, units),
        }],
        Step::CancelAll => vec![Command::Cancel],
        Step::Return { line, restock } => {
            let number = order.returns.len() as u32 + 1;
            let (restock, scrap) = if restock { (1, 0) } else { (0, 1) };
            vec![
                Command::RequestReturn {
                    lines: lines(line, 1),
                },
                Command::ApproveReturn { number },
                Command::ReceiveReturn {
                    number,
                    lines: vec![ReceivedUnits {
                        line,
                        restock,
                        scrap,
                    }],
                },
                Command::CloseReturn { number },
            ]
        }
        Step::Complete => vec![Command::Complete],
        Step::Raise { line } => vec![edit(super::shop::raised(order, line, 1))],
    }
}

/// Units of a line in shipments of which that is said.
fn in_shipments(order: &Order, line: u32, states: &[ShipmentState]) -> u32 {
    let shipments = order.shipments.iter().filter(|s| states.contains(&s.state));
    shipments
        .flat_map(|s| &s.lines)
        .filter(|l| l.line == line)
        .map(|l| l.units)
        .sum()
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn whatever_is_found_out_of_shipments_every_unit_is_in_one_place_and_the_stock_adds_up(
        steps in steps(), given_out in any::<bool>(),
    ) {
        use ShipmentState::{Delivered, Lost, Shipped};
        let placed = if given_out { sample_given_out(PaymentTerms::Confirm) } else { sample(PaymentTerms::Confirm) };
        let mut j = Journey::place(Shop { notify: false, ..Shop::ideal() }, &placed);
        work(&mut j);
        for step in steps {
            for command in commands(&j.order, step) {
                let found = matches!(command, Command::Deliver { shipment: Some(n) } | Command::FailShipment { shipment: n }
                    | Command::LoseShipment { shipment: n } | Command::ReturnToSender { shipment: n }
                    if j.order.shipment(n).is_some_and(|s| s.state.has_left()));
                let answer = j.command(&command);
                prop_assert!(answer.is_ok() || !found, "a fact was refused: {command:?}: {answer:?}");
            }
            work(&mut j);
            for line in &j.order.lines {
                let (c, n) = (line.counters, line.n);
                prop_assert_eq!(c.cancelled + c.planned + c.shipped + line.open(), line.quantity);
                prop_assert!(c.returned <= c.delivered && c.delivered <= c.shipped, "{c:?}");
                let out = if line.requires_shipping {
                    in_shipments(&j.order, n, &[Shipped, Delivered, Lost])
                } else {
                    line.quantity - c.cancelled
                };
                let back_by_returns = line.requires_shipping && c.returned > in_shipments(&j.order, n, &[Delivered]);
                prop_assert!(c.shipped + c.lost == out || back_by_returns, "{c:?}, {out} units are out of the house");
                let (committed, held) = stock(&j.order, n);
                let gone = c.shipped + c.lost - c.restocked;
                match j.order.lifecycle {
                    Lifecycle::Confirmed => {
                        prop_assert_eq!(committed + held, line.quantity - c.cancelled + c.lost - c.restocked);
                        prop_assert!(committed >= gone, "{committed} committed, {gone} are gone");
                    }
                    Lifecycle::Completed => prop_assert_eq!((committed, held), (gone, 0)),
                    // What was given back is not taken again by an order that is over: then a
                    // person is told.
                    _ => {
                        let told = j.order.has_attention(AttentionReason::StockLost);
                        prop_assert!(held == 0 && (committed == gone || told && committed < gone), "{committed}, {gone}");
                    }
                }
            }
            let placed = j.order.misplaced_units() == 0;
            prop_assert_eq!(is_told(&j.order), !placed, "a person is told exactly while a unit has no place");
            let m = j.order.money();
            prop_assert!(m.captured - m.refunded == m.owed, "no fact about goods makes anybody owe: {m:?}");
        }
    }
}
