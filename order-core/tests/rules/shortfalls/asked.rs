//! Money that is asked for is owed at that moment, as far as is known: what was planned and never
//! sent is planned anew when less is owed by then.

use super::*;

/// The calls that are made now, and what each asks for.
fn calls(j: &mut Journey) -> Vec<(Verb, Minor)> {
    let plan = j.plan();
    let of_payments = plan.calls.iter().filter_map(|c| match c.op {
        Op::Payment(n) => j.order.payment(n).map(|p| (c.verb, p.amount)),
        _ => None,
    });
    of_payments.collect()
}

fn cancel_one() -> Command {
    Command::CancelLines {
        lines: vec![LineUnits { line: 1, units: 1 }],
    }
}

/// The requests to the provider, by operation: what it is, how much, and what became of it.
fn operations(j: &Journey) -> Vec<(OperationKind, Minor, OperationState)> {
    let of = |p: &PaymentOperation| (p.kind, p.amount, p.state);
    j.order.payments.iter().map(of).collect()
}

#[test]
fn a_payment_that_was_not_sent_yet_asks_only_for_what_is_owed_when_it_is() {
    let mut j = confirmed(PaymentTerms::Invoice);
    let token = Private(Some("tok_card".to_owned()));
    j.does(&Command::RetryPayment {
        amount: None,
        method: text("wallet"),
        terms: PaymentTerms::Confirm,
        token: token.clone(),
        return_url: Private(None),
    });
    j.does(&cancel_one());
    assert_eq!(
        calls(&mut j),
        [(Verb::Pay(OperationKind::Charge), TOTAL - 1_250)]
    );
    let anew = j.order.payment(2).expect("it is planned anew");
    assert_eq!((&anew.token, &anew.method), (&token, &text("wallet")));
    j.work_well();
    assert_eq!(
        operations(&j),
        [
            (OperationKind::Charge, TOTAL, S::Dropped),
            (OperationKind::Charge, TOTAL - 1_250, S::Captured)
        ]
    );
    assert_eq!((j.kept(), j.order.owed()), (TOTAL - 1_250, TOTAL - 1_250));
}

#[test]
fn a_payment_that_is_known_not_to_have_been_sent_is_planned_anew_when_less_is_owed() {
    let mut j = confirmed(PaymentTerms::Invoice);
    j.does(&pay(None, PaymentTerms::Confirm));
    j.work(&mut |_, _| Reply::NotDone);
    assert_eq!(j.state(1), S::Armed);
    j.does(&Command::Credit { amount: 500 });
    j.wait(HOUR / 4);
    j.work_well();
    assert_eq!(
        operations(&j),
        [
            (OperationKind::Charge, TOTAL, S::Dropped),
            (OperationKind::Charge, TOTAL - 500, S::Captured)
        ]
    );
}

#[test]
fn a_payment_that_asks_for_no_more_than_is_owed_is_made_as_it_was_planned() {
    let mut j = confirmed(PaymentTerms::Invoice);
    j.does(&pay(Some(TOTAL - 1_250), PaymentTerms::Confirm));
    j.does(&cancel_one());
    j.work_well();
    assert_eq!(
        operations(&j),
        [(OperationKind::Charge, TOTAL - 1_250, S::Captured)]
    );
}

#[test]
fn a_payment_that_may_have_been_sent_is_looked_up_and_not_repeated_when_less_is_owed() {
    let mut j = confirmed(PaymentTerms::Invoice);
    j.does(&pay(None, PaymentTerms::Confirm));
    j.work(&mut |_, _| Reply::Crash);
    assert_eq!(
        calls(&mut j),
        [(Verb::Pay(OperationKind::Charge), TOTAL)],
        "the same is asked again"
    );
    j.does(&cancel_one());
    assert_eq!(calls(&mut j), [(Verb::LookUpPayment, TOTAL)]);
    j.hears(1, S::Captured, TOTAL);
    j.work_well();
    assert_eq!((j.kept(), j.order.owed()), (TOTAL - 1_250, TOTAL - 1_250));
}

#[test]
fn a_capture_that_was_not_sent_yet_takes_only_what_is_due_when_it_is() {
    let mut j = confirmed(PaymentTerms::Shipment);
    j.ship().expect("it is covered");
    let due = j.order.due() - j.order.kept();
    let last = j.order.payments.len() as u32;
    assert_eq!(
        (j.state(last), j.order.payment(last).map(|p| p.amount)),
        (S::Planned, Some(due))
    );
    j.does(&Command::Credit { amount: 100 });
    j.work_well();
    assert_eq!(
        operations(&j)[last as usize - 1..][..2],
        [
            (OperationKind::Capture, due, S::Dropped),
            (OperationKind::Capture, due - 100, S::Captured)
        ]
    );
    assert_eq!((j.kept(), j.order.owed()), (TOTAL - 100, TOTAL - 100));
}

#[test]
fn a_refund_that_the_provider_says_is_pending_is_under_way_whatever_became_of_the_call() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.does(&Command::Credit { amount: 500 });
    j.work(&mut |_, _| Reply::NotDone);
    assert_eq!(j.state(2), S::Armed);
    j.hears(2, S::Pending, 500);
    j.refunded_elsewhere("back", None, 100);
    j.plan();
    assert_eq!(
        operations(&j),
        [
            (OperationKind::Charge, TOTAL, S::Captured),
            (OperationKind::Refund, 500, S::Pending),
            (OperationKind::Refund, 100, S::Refunded)
        ],
        "no other refund is planned beside it"
    );
}
