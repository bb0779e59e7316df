//! More went back than came in: an order is short by what is missing below nothing too, until that
//! is paid or a person writes just that off.

use super::*;

/// The part of the sample order's total by which more went back than came in.
const BEYOND: Minor = 1_000;

/// A pending order that was paid for and may not be confirmed yet; more went back than was paid.
fn below_nothing() -> Journey {
    let mut j = placed(PaymentTerms::Confirm);
    j.does(&Command::PlaceHold {
        kind: text("fraud"),
        blocks: Some(Blocks::Confirm),
        until: None,
    });
    j.work_well();
    j.refunded_elsewhere("twice", Some(1), TOTAL + TOTAL + BEYOND);
    j
}

fn lift(j: &mut Journey) {
    j.does(&Command::ReleaseHold {
        kind: text("fraud"),
    });
}

#[test]
fn an_order_is_short_by_what_went_back_beyond_all_that_came_in() {
    let j = below_nothing();
    let short = TOTAL + TOTAL + BEYOND;
    assert_eq!(
        (j.order.owed(), j.kept(), j.short()),
        (TOTAL, -TOTAL - BEYOND, short)
    );
    assert_eq!(j.told_of(Why::PaymentShort), Some(short));
}

#[test]
fn an_order_of_which_only_what_it_owed_was_written_off_is_not_confirmed() {
    let mut j = below_nothing();
    j.does(&write_off(Some(TOTAL)));
    lift(&mut j);
    j.work_well();
    assert_eq!((j.order.owed(), j.short()), (0, TOTAL + BEYOND));
    assert_eq!(
        (j.order.lifecycle, j.told_of(Why::PaymentShort)),
        (Lifecycle::Pending, Some(TOTAL + BEYOND))
    );
}

#[test]
fn an_order_is_confirmed_and_leaves_when_a_person_wrote_just_that_off() {
    let mut j = below_nothing();
    j.does(&write_off(None));
    assert_eq!(
        (j.order.owed(), j.short(), j.open(Why::PaymentShort)),
        (0, 0, None)
    );
    lift(&mut j);
    assert_eq!(j.order.lifecycle, Lifecycle::Confirmed);
    j.ship().expect("nothing is short");
    j.work_well();
    j.does(&Command::Deliver { shipment: None });
    j.wait(15 * DAY);
    assert_eq!(j.order.lifecycle, Lifecycle::Completed);
    // More that goes back is short again, by just that.
    j.refunded_elsewhere("once more", Some(1), 7);
    assert_eq!((j.short(), j.told_of(Why::PaymentShort)), (7, Some(7)));
}

#[test]
fn what_is_short_below_nothing_is_paid_in_one_and_in_parts() {
    for terms in [PaymentTerms::Confirm, PaymentTerms::Shipment] {
        for amount in [None, Some(TOTAL + 1)] {
            let mut j = confirmed(terms);
            let back = j.kept() + BEYOND;
            j.refunded_elsewhere("too much", Some(1), back);
            let before = j.short();
            assert!(before >= BEYOND, "{terms}: {before}");
            j.does(&pay(amount.map(|a| a.min(before)), terms));
            j.work_well();
            if j.short() > 0 {
                j.does(&pay(None, terms));
                j.work_well();
            }
            assert_eq!((j.short(), j.open(Why::PaymentShort)), (0, None), "{terms}");
            j.ship().expect("it is covered");
            j.work_well();
            assert_eq!((j.kept(), j.order.owed()), (TOTAL, TOTAL), "{terms}");
        }
    }
}

#[test]
fn what_is_still_missing_is_paid_also_where_nothing_is_owed_any_more() {
    for terms in [PaymentTerms::Confirm, PaymentTerms::Shipment] {
        let mut j = confirmed(terms);
        j.does(&Command::Credit { amount: TOTAL });
        j.work_well();
        assert_eq!((j.order.owed(), j.kept(), j.short()), (0, 0, 0), "{terms}");
        j.refunded_elsewhere("too much", None, BEYOND);
        assert_eq!(
            (j.short(), j.told_of(Why::PaymentShort)),
            (BEYOND, Some(BEYOND)),
            "{terms}"
        );
        let refused = j.ship().expect_err("it is short");
        assert_eq!(refused.reason, RejectionReason::NotCovered, "{terms}");
        j.does(&pay(None, terms));
        j.work_well();
        assert_eq!(
            (j.kept(), j.short(), j.open(Why::PaymentShort)),
            (0, 0, None),
            "{terms}"
        );
        j.ship().expect("it is covered");
    }
}

#[test]
fn what_is_authorized_makes_up_for_what_went_back_and_is_taken_when_the_goods_leave() {
    let mut j = Journey::place(quiet(), &sample(PaymentTerms::Shipment));
    j.work_well();
    j.refunded_elsewhere("too much", None, BEYOND);
    j.does(&pay(None, PaymentTerms::Shipment));
    j.work_well();
    assert_eq!((j.kept(), j.short()), (-BEYOND, 0));
    assert_eq!(order_core::audit::check_at_rest(&j.order), []);
    j.ship().expect("it is covered");
    j.work_well();
    assert_eq!((j.kept(), j.order.owed()), (TOTAL, TOTAL));
    assert_eq!(order_core::audit::check_at_rest(&j.order), []);
}

#[test]
fn an_edit_of_an_order_that_was_written_off_is_paid_for() {
    let mut j = below_nothing();
    j.does(&write_off(None));
    lift(&mut j);
    let more = edit(raised(&j.order, 1, 1));
    j.does(&more);
    let due = j.order.edits[0].due;
    assert_eq!(due, 1_250, "it is not free");
    let kept = j.kept();
    j.work_well();
    assert_eq!(
        (j.order.edits[0].state, j.kept()),
        (EditState::Applied, kept + due)
    );
    assert_eq!(j.short(), 0);
}
