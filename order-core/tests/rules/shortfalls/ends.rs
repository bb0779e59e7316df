//! Refunds, captures and cancellations come to an end, and so do the reasons for attention.

use super::*;

#[test]
fn a_refund_that_bounces_can_be_recorded_and_goes_out_again() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.does(&Command::CancelLines {
        lines: vec![LineUnits { line: 1, units: 1 }],
    });
    j.work_well();
    assert_eq!((j.kept(), j.state(2)), (TOTAL - 1_250, S::Refunded));
    let finding = Finding::Payment {
        n: 2,
        status: S::Failed,
        amount: 0,
        reference: None,
    };
    j.does(&Command::Resolve { finding });
    assert_eq!((j.state(2), j.kept()), (S::Failed, TOTAL));
    j.advance(HOUR);
    j.work_well();
    assert_eq!(
        (j.kept(), j.order.owed()),
        (TOTAL - 1_250, TOTAL - 1_250),
        "it goes out anew"
    );
}

#[test]
fn cancelling_ends_when_as_much_or_more_has_gone_back_as_came_in() {
    for taken in [TOTAL, TOTAL + 300] {
        let mut j = confirmed(PaymentTerms::Confirm);
        j.disputed("d", DisputeState::Lost, taken);
        j.does(&Command::Cancel);
        j.work_well();
        assert_eq!(
            (j.order.lifecycle, j.kept()),
            (Lifecycle::Cancelled, TOTAL - taken)
        );
        assert_eq!(j.told_of(Why::Chargeback), Some(taken), "a person is told");
    }
}

#[test]
fn money_to_be_sent_back_by_hand_is_named_exactly_until_it_has_gone() {
    let mut j = confirmed(PaymentTerms::Invoice);
    j.reported(
        "transfer",
        None,
        S::Captured,
        j.order.in_currency(TOTAL + 800),
    );
    j.work_well();
    assert_eq!(j.told_of(Why::RefundByHand), Some(800));
    j.refunded_elsewhere("by hand", None, 300);
    j.work_well();
    assert_eq!(j.open(Why::RefundByHand).and_then(|a| a.amount), Some(500));
    assert_eq!(
        j.open(Why::OutsideRefund),
        None,
        "what was to go back is no new trouble"
    );
    j.refunded_elsewhere("the rest", None, 500);
    j.work_well();
    assert_eq!(
        (j.open(Why::RefundByHand), j.kept(), j.order.owed()),
        (None, TOTAL, TOTAL)
    );
    assert!(j.plan().is_done(), "{:?}", j.plan());
}

#[test]
fn a_capture_that_failed_is_told_of_until_it_is_made_or_no_longer_due() {
    let fails = |j: &mut Journey| {
        j.ship().expect("it is covered");
        j.work_with(&mut |_, call| {
            if call.verb == Verb::Pay(OperationKind::Capture) {
                Reply::No
            } else {
                Reply::Yes
            }
        });
        assert_eq!(j.told_of(Why::CaptureFailed), Some(3_000));
    };
    let mut j = confirmed(PaymentTerms::Shipment);
    fails(&mut j);
    j.advance(HOUR);
    j.does(&Command::RetryStuck);
    j.work_well();
    assert_eq!(
        (
            j.open(Why::CaptureFailed),
            j.open(Why::PaymentShort),
            j.kept()
        ),
        (None, None, TOTAL)
    );
    let mut j = confirmed(PaymentTerms::Shipment);
    fails(&mut j);
    j.does(&write_off(None));
    j.work_well();
    assert_eq!(
        (
            j.open(Why::CaptureFailed),
            j.open(Why::PaymentShort),
            j.order.owed()
        ),
        (None, None, 1_500)
    );
}

#[test]
fn where_payment_follows_the_shipments_a_closed_return_pays_back_at_once_as_far_as_the_rest_stays_covered()
 {
    let one = |line| vec![LineUnits { line, units: 1 }];
    let ship = |lines| Command::Ship {
        shipment: None,
        lines,
        carrier: None,
        tracking: None,
    };
    let mut j = confirmed(PaymentTerms::Shipment);
    j.does(&ship(one(1)));
    j.work_well();
    assert_eq!(j.kept(), 1_500 + 1_250 + 500);
    j.does(&Command::Deliver { shipment: None });
    for command in returned(1) {
        j.does(&command);
        j.work_well();
    }
    assert_eq!(
        (j.kept(), j.order.owed(), j.short()),
        (2_000, TOTAL - 1_250, 0),
        "its price is back, the other is authorized"
    );
    j.ship().expect("it is covered");
    j.work_well();
    assert_eq!((j.kept(), j.order.owed()), (TOTAL - 1_250, TOTAL - 1_250));
    // Where the rest could not be captured, what came back pays for it.
    let mut j = confirmed(PaymentTerms::Shipment);
    j.does(&ship(one(1)));
    j.work_well();
    j.does(&Command::Deliver { shipment: None });
    let rest = TOTAL - j.kept();
    j.called_back(1, S::Voided, rest);
    assert_eq!(j.short(), rest);
    for command in returned(1) {
        j.does(&command);
        j.work_well();
    }
    assert_eq!(
        (j.kept(), j.order.owed(), j.short()),
        (TOTAL - 1_250, TOTAL - 1_250, 0)
    );
}
