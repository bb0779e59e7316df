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

/// The words that providers put to a refusal. The last is also what the engine says of an operation
/// that a look-up proved never to have happened.
const CODES: [&str; 3] = ["NO_FUNDS", "never happened", "NEVER_HAPPENED"];

/// Whatever is asked of `kind` for two weeks is refused, in these words; how often it was.
fn refused_over_and_over(j: &mut Journey, kind: OperationKind, code: &str) -> usize {
    for _ in 0..14 * 24 {
        for _ in 0..3 {
            j.work(&mut |_, call| match call.verb {
                Verb::Pay(asked) if asked == kind => Reply::Crash,
                _ => Reply::Yes,
            });
        }
        let armed = j.order.payments.iter().filter(|p| p.state == S::Armed);
        let refused: Vec<Fact> = armed.map(|p| refused(&j.order, p.n, code)).collect();
        j.facts(&refused);
        j.wait(HOUR);
    }
    let refused = j.order.payments.iter().filter(|p| p.state == S::Failed);
    refused.filter(|p| p.kind == kind).count()
}

fn refused(order: &Order, n: u32, code: &str) -> Fact {
    let PaymentOutcome::Answer(answer) = answer(order, S::Declined, n, 0, order.updated_at) else {
        unreachable!("it is an answer")
    };
    let code = Some(code.to_owned());
    let outcome = PaymentOutcome::Answer(ProviderAnswer { code, ..answer });
    Fact::Payment { n, outcome }
}

#[test]
fn a_refused_refund_is_asked_for_as_often_as_the_policy_says_whatever_the_code() {
    for code in CODES {
        let mut j = confirmed(PaymentTerms::Confirm);
        j.does(&Command::Cancel);
        let refused = refused_over_and_over(&mut j, OperationKind::Refund, code);
        assert_eq!(
            refused, j.shop.policy.refusals_before_stuck as usize,
            "{code}"
        );
        assert_eq!(j.told_of(Why::RefundFailed), Some(TOTAL), "{code}");
    }
}

#[test]
fn a_refused_capture_is_not_asked_for_again_whatever_the_code() {
    for code in CODES {
        let mut j = confirmed(PaymentTerms::Shipment);
        j.ship().expect("it is covered");
        let refused = refused_over_and_over(&mut j, OperationKind::Capture, code);
        assert_eq!((refused, j.short()), (1, 3_000), "{code}");
        assert_eq!(j.told_of(Why::CaptureFailed), Some(3_000), "{code}");
    }
}

#[test]
fn a_declined_charge_that_is_said_to_have_been_captured_is_looked_up_first_whatever_the_code() {
    for code in CODES {
        let mut j = placed(PaymentTerms::Confirm);
        j.until_asked(1);
        let declined = refused(&j.order, 1, code);
        j.facts(&[declined]);
        j.called_back(1, S::Captured, TOTAL);
        assert_eq!((j.state(1), j.kept()), (S::Declined, 0), "{code}");
        assert!(j.order.payments[0].verification.is_due(), "{code}");
    }
}

#[test]
fn a_capture_that_was_proven_absent_and_is_refused_late_is_a_refused_one() {
    let mut j = confirmed(PaymentTerms::Shipment);
    j.ship().expect("it is covered");
    j.work(&mut |_, _| Reply::Crash);
    let n = j.order.payments.last().expect("it is planned").n;
    let outcome = PaymentOutcome::Absent;
    j.facts(&[Fact::Payment { n, outcome }]);
    assert_eq!((j.state(n), j.short()), (S::NeverHappened, 0));
    // Before the one in its place is answered.
    j.until_asked(n + 1);
    j.called_back(n, S::Declined, 0);
    assert_eq!(
        (j.state(n), j.told_of(Why::CaptureFailed)),
        (S::Failed, Some(3_000))
    );
    j.work_well();
    assert_eq!(
        (j.state(n + 1), j.kept(), j.open(Why::CaptureFailed)),
        (S::Captured, TOTAL, None)
    );
}
