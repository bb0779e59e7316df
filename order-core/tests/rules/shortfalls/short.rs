//! Causes that make an order short, what that stops, and what was paid and went back counts once.

use super::*;

#[test]
fn a_chargeback_makes_an_order_short_by_just_that_and_nothing_of_it_leaves() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.disputed("d", DisputeState::Lost, 1_000);
    assert_eq!((j.order.owed(), j.kept(), j.short()), (TOTAL, 3_500, 1_000));
    assert_eq!(
        (j.told_of(Why::PaymentShort), j.told_of(Why::Chargeback)),
        (Some(1_000), Some(1_000))
    );
    assert!(j.order.credits.is_empty());
    let refused = j.ship().expect_err("it is short");
    assert_eq!(refused.reason, RejectionReason::NotCovered);
    assert!(refused.message.contains("10.00"), "{}", refused.message);
    assert_eq!(
        j.refuses(&Command::PlanShipment {
            lines: vec![LineUnits { line: 1, units: 1 }]
        }),
        RejectionReason::NotCovered
    );
    let more = edit(raised(&j.order, 1, 1));
    assert_eq!(j.refuses(&more), RejectionReason::NotCovered);
    j.work_well();
    assert_eq!(j.order.payments.len(), 2, "nothing is charged by itself");
}

#[test]
fn a_parcel_that_is_planned_stays_when_the_money_goes() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.does(&Command::PlanShipment { lines: Vec::new() });
    j.refunded_elsewhere("back", Some(1), 100);
    let ship = Command::Ship {
        shipment: Some(1),
        lines: Vec::new(),
        carrier: None,
        tracking: None,
    };
    assert_eq!(j.refuses(&ship), RejectionReason::NotCovered);
    assert_eq!(j.order.shipments[0].state, ShipmentState::Planned);
    j.does(&write_off(None));
    j.does(&ship);
}

#[test]
fn an_order_whose_money_went_back_under_a_hold_does_not_confirm_when_the_hold_lapses() {
    for (amount, end) in [(TOTAL, Lifecycle::Expired), (1, Lifecycle::Cancelled)] {
        let mut j = placed(PaymentTerms::Confirm);
        let until = Some(HoldEnd::At(j.now.after(2 * HOUR)));
        j.does(&Command::PlaceHold {
            kind: text("fraud"),
            blocks: Some(Blocks::Confirm),
            until,
        });
        j.work_well();
        assert_eq!((j.order.lifecycle, j.kept()), (Lifecycle::Pending, TOTAL));
        j.refunded_elsewhere("back", Some(1), amount);
        assert_eq!(j.short(), amount);
        j.wait(HOUR);
        // While something is left of it, a person is to release the hold first.
        assert_eq!(
            j.order.lifecycle,
            if amount == TOTAL {
                end
            } else {
                Lifecycle::Pending
            }
        );
        j.wait(2 * HOUR);
        j.work_well();
        assert_eq!(
            (j.order.lifecycle, j.kept(), j.journaled("CONFIRMED")),
            (end, 0, 0)
        );
    }
}

#[test]
fn what_went_back_in_the_dashboard_before_a_return_does_not_go_back_twice() {
    let mut j = delivered(PaymentTerms::Confirm);
    j.refunded_elsewhere("back", Some(1), 1_250);
    assert_eq!(j.told_of(Why::PaymentShort), Some(1_250));
    for command in returned(1) {
        j.does(&command);
        j.work_well();
    }
    assert_eq!(
        (j.order.owed(), j.kept(), j.short()),
        (TOTAL - 1_250, TOTAL - 1_250, 0)
    );
    assert!(
        j.open(Why::PaymentShort).is_none() && j.open(Why::OutsideRefund).is_none(),
        "{:?}",
        j.order.attention
    );
}

#[test]
fn what_went_back_in_the_dashboard_or_by_the_bank_before_a_cancel_does_not_go_back_twice() {
    for by_bank in [false, true] {
        let mut j = confirmed(PaymentTerms::Confirm);
        match by_bank {
            true => j.disputed("d", DisputeState::Lost, 1_250),
            false => j.refunded_elsewhere("back", None, 1_250),
        }
        j.does(&Command::CancelLines {
            lines: vec![LineUnits { line: 1, units: 1 }],
        });
        j.work_well();
        assert_eq!((j.kept(), j.order.owed()), (TOTAL - 1_250, TOTAL - 1_250));
        j.does(&Command::Cancel);
        j.work_well();
        assert_eq!((j.order.lifecycle, j.kept()), (Lifecycle::Cancelled, 0));
    }
}

#[test]
fn a_refund_that_is_planned_and_no_longer_due_is_not_made() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.does(&Command::CancelLines {
        lines: vec![LineUnits { line: 1, units: 1 }],
    });
    j.plan();
    j.refunded_elsewhere("back", Some(1), 1_250);
    j.work_well();
    assert_eq!((j.kept(), j.order.owed()), (TOTAL - 1_250, TOTAL - 1_250));
}

#[test]
fn the_second_chargeback_is_told_of_although_the_first_was_acknowledged() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.disputed("first", DisputeState::Lost, 300);
    j.acknowledge(Why::Chargeback);
    j.acknowledge(Why::PaymentShort);
    assert_eq!(
        (j.told_of(Why::Chargeback), j.told_of(Why::PaymentShort)),
        (None, None)
    );
    j.disputed("second", DisputeState::Lost, 400);
    assert_eq!(
        (j.told_of(Why::Chargeback), j.told_of(Why::PaymentShort)),
        (Some(700), Some(700))
    );
    // The same for refunds in the dashboard.
    j.refunded_elsewhere("one", Some(1), 50);
    j.acknowledge(Why::OutsideRefund);
    j.refunded_elsewhere("another", Some(1), 60);
    assert_eq!(
        (j.told_of(Why::OutsideRefund), j.told_of(Why::PaymentShort)),
        (Some(110), Some(810))
    );
}

#[test]
fn a_dispute_that_was_won_may_be_lost_later() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.disputed("d", DisputeState::Open, 1_000);
    j.disputed("d", DisputeState::Won, 1_000);
    assert_eq!((j.short(), j.open(Why::Dispute)), (0, None));
    j.disputed("d", DisputeState::Lost, 1_000);
    assert_eq!(
        (j.order.owed(), j.kept(), j.told_of(Why::PaymentShort)),
        (TOTAL, 3_500, Some(1_000))
    );
    // And the other way round, with all that it meant.
    j.disputed("d", DisputeState::Won, 1_000);
    assert_eq!(
        (j.kept(), j.open(Why::PaymentShort), j.open(Why::Chargeback)),
        (TOTAL, None, None)
    );
    j.disputed("d", DisputeState::Lost, 1_000);
    assert_eq!(
        (j.kept(), j.told_of(Why::PaymentShort)),
        (3_500, Some(1_000))
    );
    j.disputed("d", DisputeState::Lost, 1_000);
    assert_eq!(j.kept(), 3_500, "the same word again is no news");
}

#[test]
fn what_was_written_off_for_a_dispute_is_owed_again_when_the_bank_takes_it_back() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.disputed("d", DisputeState::Lost, 1_000);
    j.does(&write_off(None));
    assert_eq!((j.order.owed(), j.kept(), j.short()), (3_500, 3_500, 0));
    j.disputed("d", DisputeState::Won, 1_000);
    j.work_well();
    assert_eq!(
        (j.order.owed(), j.kept()),
        (TOTAL, TOTAL),
        "it is not the customer's"
    );
    assert_eq!(j.order.money().refunded, 0);
    assert_eq!(
        j.order
            .credits
            .iter()
            .map(|c| (c.kind, c.amount))
            .collect::<Vec<_>>(),
        [
            (CreditKind::WriteOff, 1_000),
            (CreditKind::WriteOff, -1_000)
        ]
    );
}

#[test]
fn an_order_that_is_paid_anew_makes_up_for_what_went_back_before_it() {
    let mut j = placed(PaymentTerms::Confirm);
    j.until_asked(1);
    j.hears(1, S::Declined, 0);
    j.work_well();
    assert_eq!(j.order.lifecycle, Lifecycle::PaymentFailed);
    j.disputed("d", DisputeState::Lost, 9);
    j.does(&pay(None, PaymentTerms::Shipment));
    j.work_well();
    assert_eq!((j.order.lifecycle, j.short()), (Lifecycle::Confirmed, 0));
    j.ship().expect("it is covered");
    j.work_well();
    assert_eq!((j.kept(), j.order.money().captured), (TOTAL, TOTAL + 9));
}

#[test]
fn the_rest_is_not_asked_for_while_the_stock_is_in_doubt() {
    let policy = Policy {
        commit_at_confirm: true,
        ..Policy::default()
    };
    let mut j = Journey::place(Shop { policy, ..quiet() }, &sample(PaymentTerms::Confirm));
    // Nobody knows whether the units were taken out of the stock before their hold was over.
    let mut in_doubt = |_: &Order, call: Call| match call.verb {
        Verb::Reserve => Reply::Odd,
        Verb::Commit => Reply::Unknown,
        _ => Reply::Yes,
    };
    j.work_with(&mut in_doubt);
    assert_eq!(j.order.lifecycle, Lifecycle::Confirmed);
    j.wait(31 * DAY);
    j.refunded_elsewhere("back", Some(1), 500);
    j.does(&pay(None, PaymentTerms::Confirm));
    let charges = |j: &mut Journey| {
        j.plan()
            .calls
            .iter()
            .any(|c| c.verb == Verb::Pay(OperationKind::Charge))
    };
    assert!(!charges(&mut j), "the inventory is asked first");
    j.work_well();
    assert_eq!(j.kept(), TOTAL);
}
