//! Goods that need no shipping are given out when the order is confirmed: it can be returned or
//! credited then, and not cancelled.

use std::time::Duration;

use order_core::error::RejectionReason;
use order_core::order::{
    AddressType, Counters, DisputeState, EditPlan, FulfilmentStatus, Lifecycle, LineUnits, Order,
    PaymentTerms, Reservation, Status,
};
use order_core::rules::{Command, DisputeReport, Fact, ReservationOutcome};
use order_core::testkit::orders::text;
use order_core::text::Private;

use super::inputs::edit;
use super::journey::{Journey, Reply};
use super::shop::{Shop, added, address, lowered, raised, sample_given_out};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn work(j: &mut Journey) {
    while j.work(&mut |_, _| Reply::Yes).is_none() {}
}

fn act(j: &mut Journey, command: &Command) {
    j.command(command)
        .unwrap_or_else(|no| panic!("{command:?}: {no}"));
    work(j);
}

/// Two units that are sent, and two that are given out.
fn confirmed(terms: PaymentTerms) -> Journey {
    let mut j = Journey::place(
        Shop {
            notify: false,
            ..Shop::ideal()
        },
        &sample_given_out(terms),
    );
    work(&mut j);
    j
}

fn units(line: u32, units: u32) -> Vec<LineUnits> {
    vec![LineUnits { line, units }]
}

fn given(order: &Order, line: u32) -> (u32, u32) {
    let c = order.line(line).expect("it exists").counters;
    (c.shipped, c.delivered)
}

#[test]
fn it_counts_as_shipped_and_delivered_from_confirmation_on() {
    let placed = Journey::place(Shop::ideal(), &sample_given_out(PaymentTerms::Confirm));
    assert_eq!(
        placed.order.lines[1].counters,
        Counters::default(),
        "nothing is given out before"
    );
    let j = confirmed(PaymentTerms::Confirm);
    assert_eq!(given(&j.order, 2), (2, 2));
    assert_eq!(j.order.lines[1].open(), 0);
    assert_eq!(
        (j.order.statuses.status, j.order.statuses.fulfilment),
        (Status::Confirmed, FulfilmentStatus::Unfulfilled)
    );
    let committed: u32 = j
        .order
        .reservations
        .iter()
        .filter(|r| r.sku == j.order.lines[1].sku)
        .map(|r| r.committed)
        .sum();
    assert_eq!(committed, 2);
}

#[test]
fn it_can_be_cancelled_before_and_not_after() {
    let mut pending = Journey::place(Shop::ideal(), &sample_given_out(PaymentTerms::Confirm));
    pending
        .command(&Command::Cancel)
        .expect("nothing is given out yet");

    let mut j = confirmed(PaymentTerms::Confirm);
    let no = j.command(&Command::Cancel).expect_err("it was given out");
    assert_eq!(no.reason, RejectionReason::IllegalTransition);
    assert!(
        no.message
            .contains("line 2 (SKU-2) needs no shipping and was given out"),
        "{no}"
    );
    assert!(!no.possible.contains(&"cancel"));
    let no = j
        .command(&Command::CancelLines { lines: units(2, 1) })
        .expect_err("it was given out");
    assert!(
        no.message
            .contains("1 units of line 2 (SKU-2) were named, 0 are open"),
        "{no}"
    );
    j.command(&edit(lowered(2, 1)))
        .expect_err("it was given out");
    j.command(&edit(lowered(1, 1))).expect("it is open");
}

#[test]
fn the_rest_can_be_cancelled_and_shipping_is_not_owed_then() {
    for terms in [PaymentTerms::Confirm, PaymentTerms::Shipment] {
        let mut j = confirmed(terms);
        let (goods, shipping) = (j.order.lines[1].owed(), j.order.amounts.shipping);
        assert!(shipping > 0 && j.order.owed() == goods + j.order.lines[0].owed() + shipping);
        act(&mut j, &Command::CancelRest);
        assert_eq!(
            (j.order.lifecycle, j.order.statuses.fulfilment),
            (Lifecycle::Confirmed, FulfilmentStatus::NotRequired)
        );
        assert_eq!(
            (j.order.owed(), j.order.due()),
            (goods, goods),
            "nothing is sent, nothing was"
        );
        let money = j.order.money();
        assert_eq!(
            (money.captured - money.refunded, money.authorized),
            (goods, 0)
        );
        assert_eq!(
            j.order.amounts.shipping, shipping,
            "what was ordered stays as it was"
        );
    }
}

#[test]
fn it_can_be_returned_in_a_window_that_begins_at_confirmation() {
    let mut j = confirmed(PaymentTerms::Confirm);
    let share = j.order.lines[1].owed() / 2;
    j.advance(29 * DAY);
    act(&mut j, &Command::RequestReturn { lines: units(2, 1) });
    act(&mut j, &Command::ApproveReturn { number: 1 });
    act(
        &mut j,
        &Command::ReceiveReturn {
            number: 1,
            lines: Vec::new(),
        },
    );
    act(&mut j, &Command::CloseReturn { number: 1 });
    assert_eq!(j.order.money().refunded, share);
    let no = j
        .command(&Command::RequestReturn { lines: units(2, 2) })
        .expect_err("one is back already");
    assert!(no.message.contains("1 can be sent back"), "{no}");
    j.advance(2 * DAY);
    let no = j
        .command(&Command::RequestReturn { lines: units(2, 1) })
        .expect_err("its time is over");
    assert_eq!(no.reason, RejectionReason::TooLate);
}

#[test]
fn what_an_edit_adds_is_given_out_when_it_applies_and_its_window_begins_then() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.advance(20 * DAY);
    let mut more: EditPlan = added(&j.order, 3, 1);
    more.added[0].requires_shipping = false;
    more.raised = raised(&j.order, 2, 1).raised;
    j.command(&edit(more)).expect("nothing is in its way");
    assert_eq!(
        (given(&j.order, 2), j.order.lines.len()),
        ((2, 2), 2),
        "it does not apply before it is paid"
    );
    work(&mut j);
    assert_eq!((given(&j.order, 2), given(&j.order, 3)), ((3, 3), (1, 1)));
    j.advance(29 * DAY);
    for line in [2, 3] {
        act(
            &mut j,
            &Command::RequestReturn {
                lines: units(line, 1),
            },
        );
    }
    j.advance(2 * DAY);
    for line in [2, 3] {
        let no = j
            .command(&Command::RequestReturn {
                lines: units(line, 1),
            })
            .expect_err("too late, or all is asked for");
        assert!(line == 3 || no.reason == RejectionReason::TooLate, "{no}");
    }
}

#[test]
fn stock_that_is_lost_costs_only_what_is_yet_to_be_sent() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.facts(&[Fact::Reservation {
        n: 1,
        outcome: ReservationOutcome::Lost,
    }]);
    while j
        .work(&mut |_, call| {
            if call.verb == order_core::rules::Verb::Reserve {
                Reply::No
            } else {
                Reply::Yes
            }
        })
        .is_none()
    {}
    assert_eq!(j.order.lifecycle, Lifecycle::Confirmed);
    assert_eq!(
        (j.order.lines[0].counters.cancelled, given(&j.order, 2)),
        (2, (2, 2))
    );
    assert_eq!(j.order.owed(), j.order.lines[1].owed());
    let held: u32 = j.order.reservations.iter().map(Reservation::held).sum();
    assert_eq!(held, 0);
}

#[test]
fn personal_data_is_kept_while_a_bank_may_ask_where_the_goods_went() {
    let mut j = confirmed(PaymentTerms::Confirm);
    act(&mut j, &Command::CancelRest);
    act(&mut j, &Command::Complete);
    let dispute = |state| {
        let amount = j.order.in_currency(100);
        Fact::Dispute(DisputeReport {
            reference: text("dispute"),
            payment: Some(text("pay-1")),
            state,
            amount,
        })
    };
    let (open, won) = (dispute(DisputeState::Open), dispute(DisputeState::Won));
    j.facts(&[open]);
    let no = j
        .command(&Command::Redact)
        .expect_err("the address is evidence");
    assert_eq!(no.reason, RejectionReason::NotReady);
    assert!(no.message.contains("a dispute is open"), "{no}");
    j.facts(&[won]);
    act(&mut j, &Command::Redact);
    assert!(j.order.addresses.get().is_none());
}

#[test]
fn it_keeps_nobody_from_correcting_the_address() {
    let mut j = confirmed(PaymentTerms::Confirm);
    let address = Private(Some(address("2 Main Street", "US")));
    act(
        &mut j,
        &Command::ChangeAddress {
            which: AddressType::Shipping,
            address,
        },
    );
    let to = j
        .order
        .addresses
        .get()
        .map(|a| a.shipping.address_line1.clone());
    assert_eq!(to.as_deref(), Some("2 Main Street"));
}
