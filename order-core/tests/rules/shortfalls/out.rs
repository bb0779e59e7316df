//! The ways out of being short: pay the rest, write it off, cancel.

use super::*;

#[test]
fn an_order_that_is_underpaid_when_its_time_is_over_is_cancelled_and_what_came_in_goes_back() {
    let mut j = placed(PaymentTerms::Confirm);
    j.pays_only(1_000);
    assert_eq!(
        (j.order.lifecycle, j.told_of(Why::PaymentShort)),
        (Lifecycle::Pending, Some(3_500))
    );
    j.wait(HOUR);
    let cause = |e: &Event| {
        matches!(
            e,
            Event::CancelRequested {
                cause: CancelCause::PaymentShort
            }
        )
    };
    assert!(
        j.rows
            .iter()
            .any(|(payload, ..)| cause(&order_core::order::decode_event(payload).unwrap()))
    );
    j.work_well();
    assert_eq!(
        (j.order.lifecycle, j.kept(), j.order.money().refunded),
        (Lifecycle::Cancelled, 0, 1_000)
    );
    assert!(j.open(Why::PaymentShort).is_none());
    assert!(
        j.order.reservations.iter().all(|r| !r.state.may_hold()),
        "nothing is held any more"
    );
}

#[test]
fn the_rest_of_a_pending_order_is_paid_in_parts_by_another_method() {
    let mut j = placed(PaymentTerms::Confirm);
    j.pays_only(1_000);
    assert_eq!(
        j.refuses(&pay(Some(3_501), PaymentTerms::Confirm)),
        RejectionReason::NothingToPay
    );
    j.does(&pay(Some(1_500), PaymentTerms::Confirm));
    assert_eq!(
        j.refuses(&pay(None, PaymentTerms::Confirm)),
        RejectionReason::PaymentUnderWay
    );
    j.work_well();
    assert_eq!(
        (j.order.lifecycle, j.told_of(Why::PaymentShort)),
        (Lifecycle::Pending, Some(2_000))
    );
    j.does(&pay(None, PaymentTerms::Confirm));
    assert_eq!(
        j.open(Why::PaymentShort),
        None,
        "what is under way would cover it"
    );
    j.work_well();
    assert_eq!((j.order.lifecycle, j.kept()), (Lifecycle::Confirmed, TOTAL));
    assert_eq!(
        j.refuses(&pay(None, PaymentTerms::Confirm)),
        RejectionReason::NothingToPay
    );
}

#[test]
fn the_rest_of_a_confirmed_order_is_paid_and_it_ships() {
    for terms in [PaymentTerms::Confirm, PaymentTerms::Shipment] {
        let mut j = confirmed(terms);
        j.disputed("d", DisputeState::Lost, 1_000);
        assert_eq!(
            (j.short(), j.told_of(Why::PaymentShort)),
            (1_000, Some(1_000)),
            "{terms}"
        );
        j.does(&pay(Some(400), terms));
        j.work_well();
        assert_eq!(
            (j.short(), j.told_of(Why::PaymentShort)),
            (600, Some(600)),
            "{terms}"
        );
        j.does(&pay(None, terms));
        j.work_well();
        assert_eq!((j.short(), j.open(Why::PaymentShort)), (0, None), "{terms}");
        j.ship().expect("it is covered");
        j.work_well();
        assert_eq!((j.kept(), j.order.owed()), (TOTAL, TOTAL), "{terms}");
    }
}

#[test]
fn the_rest_of_a_completed_order_can_be_paid_or_written_off() {
    for paid in [true, false] {
        let mut j = delivered(PaymentTerms::Confirm);
        j.does(&Command::Complete);
        j.refunded_elsewhere("back", Some(1), 700);
        assert_eq!(
            (j.order.lifecycle, j.told_of(Why::PaymentShort)),
            (Lifecycle::Completed, Some(700))
        );
        j.does(&if paid {
            pay(None, PaymentTerms::Confirm)
        } else {
            write_off(None)
        });
        j.work_well();
        assert_eq!(
            (
                j.short(),
                j.open(Why::PaymentShort),
                j.open(Why::OutsideRefund)
            ),
            (0, None, None)
        );
        assert_eq!(
            (j.kept(), j.order.owed()),
            if paid { (TOTAL, TOTAL) } else { (3_800, 3_800) }
        );
    }
}

#[test]
fn what_is_short_is_written_off_in_part_or_in_full_and_no_more() {
    let mut j = confirmed(PaymentTerms::Confirm);
    assert_eq!(j.refuses(&write_off(None)), RejectionReason::NothingToPay);
    j.disputed("d", DisputeState::Lost, 1_000);
    for wrong in [0, -1, 1_001] {
        assert_eq!(
            j.refuses(&write_off(Some(wrong))),
            RejectionReason::CreditTooLarge
        );
    }
    j.does(&write_off(Some(300)));
    assert_eq!((j.short(), j.told_of(Why::PaymentShort)), (700, Some(700)));
    j.does(&write_off(None));
    assert_eq!(
        (j.order.owed(), j.short(), j.open(Why::PaymentShort)),
        (3_500, 0, None)
    );
    j.ship().expect("it is covered");
    j.work_well();
    assert_eq!(j.order.money().refunded, 1_000, "nothing goes back for it");
}

#[test]
fn a_short_order_is_cancelled_and_what_is_left_goes_back() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.disputed("d", DisputeState::Lost, 1_000);
    j.does(&Command::Cancel);
    j.work_well();
    let money = j.order.money();
    assert_eq!(
        (j.order.lifecycle, money.captured, money.refunded),
        (Lifecycle::Cancelled, TOTAL, TOTAL)
    );
    assert!(j.open(Why::PaymentShort).is_none());
}

#[test]
fn a_few_cents_are_written_off_where_the_shop_wants_that() {
    let policy = Policy {
        write_off_up_to: 5,
        ..Policy::default()
    };
    for (missing, left) in [(5, None), (6, Some(6))] {
        let mut j = Journey::place(
            Shop {
                policy: policy.clone(),
                ..quiet()
            },
            &sample(PaymentTerms::Confirm),
        );
        j.until_asked(1);
        j.hears(1, S::Captured, TOTAL - missing);
        let early = j.told_of(Why::PaymentShort);
        assert_eq!(
            (early, j.order.lifecycle),
            (Some(missing), Lifecycle::Pending),
            "the provider is asked first"
        );
        j.found(1, S::Captured, TOTAL - missing);
        assert_eq!(j.told_of(Why::PaymentShort), left);
        let lifecycle = if left.is_none() {
            Lifecycle::Confirmed
        } else {
            Lifecycle::Pending
        };
        assert_eq!(
            (j.order.lifecycle, j.order.owed() - j.kept()),
            (lifecycle, left.unwrap_or(0))
        );
    }
}

#[test]
fn what_goes_back_after_everything_has_arrived_is_written_off_where_the_shop_wants_that() {
    let shop = Shop {
        policy: Policy {
            write_off_after_delivery: true,
            ..Policy::default()
        },
        ..quiet()
    };
    let mut j = confirmed_in(shop, PaymentTerms::Confirm);
    j.wait(HOUR);
    j.refunded_elsewhere("before", Some(1), 100);
    assert_eq!(
        j.told_of(Why::PaymentShort),
        Some(100),
        "it has not arrived"
    );
    j.does(&write_off(None));
    j.ship().expect("it is covered");
    j.work_well();
    j.does(&Command::Deliver { shipment: None });
    j.wait(HOUR);
    j.disputed("d", DisputeState::Open, 700);
    j.refunded_elsewhere("after", Some(1), 200);
    assert_eq!(
        j.told_of(Why::PaymentShort),
        Some(200),
        "the bank is to decide first"
    );
    j.disputed("d", DisputeState::Won, 700);
    assert_eq!(
        (j.short(), j.open(Why::PaymentShort), j.order.owed()),
        (0, None, TOTAL - 300)
    );
    let credits: Vec<_> = j.order.credits.iter().map(|c| (c.kind, c.amount)).collect();
    assert_eq!(
        credits,
        [(CreditKind::WriteOff, 100), (CreditKind::WriteOff, 200)]
    );
}

#[test]
fn an_unpaid_invoice_is_not_short() {
    for terms in [PaymentTerms::Invoice, PaymentTerms::Delivery] {
        let mut j = confirmed(terms);
        assert_eq!((j.short(), j.open(Why::PaymentShort)), (0, None));
        j.ship().expect("nothing is to be paid before");
        // What was paid and went back elsewhere is told of all the same.
        j.reported("transfer", None, S::Captured, j.order.in_currency(TOTAL));
        j.refunded_elsewhere("back", None, 900);
        assert_eq!(
            (j.order.owed(), j.kept(), j.short()),
            (TOTAL, 3_600, 0),
            "{terms}"
        );
        assert_eq!(j.told_of(Why::OutsideRefund), Some(900), "{terms}");
        assert_eq!(j.order.statuses.payment, PaymentStatus::PartiallyPaid);
    }
}

#[test]
fn nobody_sends_back_by_hand_what_the_engine_is_about_to() {
    let mut j = confirmed(PaymentTerms::Invoice);
    j.reported("transfer", None, S::Captured, j.order.in_currency(1));
    for amount in [Some(2_000), None] {
        j.does(&pay(amount, PaymentTerms::Confirm));
        j.work_well();
    }
    assert_eq!(j.kept(), TOTAL);
    // The refund from the newest payment provably never happened: it is asked for again after a
    // pause.
    j.does(&Command::Credit { amount: 1 });
    j.work(&mut |_, _| Reply::Crash);
    let refund = j.order.payments.last().expect("it is planned").clone();
    assert_eq!(
        (refund.kind, refund.parent, refund.amount),
        (OperationKind::Refund, Some(3), 1)
    );
    j.facts(&[Fact::Payment {
        n: refund.n,
        outcome: PaymentOutcome::Absent,
    }]);
    j.plan();
    assert_eq!(j.open(Why::RefundByHand), None);
    j.wait(HOUR);
    j.work_well();
    assert_eq!((j.kept(), j.order.money().refunded), (TOTAL - 1, 1));
}
