//! Reports of providers: too much, nothing, in another currency, too early, or something else than
//! before.

use super::*;

#[test]
fn money_beyond_what_was_asked_counts_once_the_provider_bears_it_out_and_goes_back() {
    let mut j = placed(PaymentTerms::Confirm);
    j.until_asked(1);
    j.called_back(1, S::Captured, 10_000);
    assert_eq!(
        (j.kept(), j.open(Why::AmountMismatch).is_some()),
        (TOTAL, true)
    );
    let plan = j.plan();
    assert!(
        plan.calls
            .iter()
            .any(|c| c.op == Op::Payment(1) && c.verb == Verb::LookUpPayment),
        "{plan:?}"
    );
    assert_eq!(j.order.money().refunding, 0);
    j.found(1, S::Captured, 10_000);
    j.work_well();
    let money = j.order.money();
    assert_eq!(
        (money.captured, money.refunded, j.order.lifecycle),
        (10_000, 5_500, Lifecycle::Confirmed)
    );
    j.does(&Command::Cancel);
    j.work_well();
    assert_eq!((j.kept(), j.order.lifecycle), (0, Lifecycle::Cancelled));
}

#[test]
fn money_beyond_what_was_asked_that_the_provider_knows_nothing_of_does_not_count() {
    let mut j = placed(PaymentTerms::Confirm);
    j.until_asked(1);
    j.called_back(1, S::Captured, 10_000);
    j.found(1, S::Captured, TOTAL);
    j.work_well();
    let money = j.order.money();
    assert_eq!(
        (money.captured, money.refunded, j.order.lifecycle),
        (TOTAL, 0, Lifecycle::Confirmed)
    );
}

#[test]
fn what_makes_no_sense_is_journaled_each_time_and_the_right_word_later_counts() {
    // First nothing, seen by a person; then the right amount.
    let mut j = placed(PaymentTerms::Confirm);
    j.until_asked(1);
    j.called_back(1, S::Captured, 0);
    assert_eq!((j.kept(), j.journaled("PAYMENT_REPORTED")), (0, 1));
    j.acknowledge(Why::AmountMismatch);
    j.called_back(1, S::Captured, TOTAL);
    j.work_well();
    assert_eq!((j.kept(), j.order.lifecycle), (TOTAL, Lifecycle::Confirmed));
    // Nothing is lost of what contradicts a settled one: every word is there, and the provider is
    // asked.
    let reports = j.journaled("PAYMENT_REPORTED");
    for (times, (status, amount)) in [
        (S::Captured, 0),
        (S::Captured, 1),
        (S::Declined, 0),
        (S::Captured, 1),
    ]
    .into_iter()
    .enumerate()
    {
        j.called_back(1, status, amount);
        assert_eq!(
            (j.kept(), j.journaled("PAYMENT_REPORTED")),
            (TOTAL, reports + times + 1),
            "{status} {amount}"
        );
        let unseen = |a: &Attention| {
            !a.acknowledged && matches!(a.reason, Why::AmountMismatch | Why::UnexpectedReport)
        };
        assert!(
            j.order.attention.iter().any(unseen),
            "{status} {amount}: {:?}",
            j.order.attention
        );
        j.order
            .attention
            .clone()
            .iter()
            .filter(|a| unseen(a))
            .for_each(|a| j.acknowledge(a.reason));
        assert!(
            j.order.payment(1).unwrap().verification.is_due(),
            "the provider is asked"
        );
    }
    // Its records count.
    j.found(1, S::Captured, 4_000);
    assert_eq!((j.kept(), j.told_of(Why::PaymentShort)), (4_000, Some(500)));
    assert_eq!(j.order.payment(1).unwrap().verification, Verification::Done);
}

/// Or an answer that was on its way when it came would count as the last word.
#[test]
fn what_agrees_is_journaled_while_the_records_are_asked() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.called_back(1, S::Captured, TOTAL);
    assert_eq!(j.journaled("PAYMENT_REPORTED"), 0, "nothing is in question");
    j.called_back(1, S::Declined, 0);
    assert!(j.order.payment(1).unwrap().verification.is_due());
    j.called_back(1, S::Captured, TOTAL);
    assert_eq!((j.kept(), j.journaled("PAYMENT_REPORTED")), (TOTAL, 2));
    assert!(
        j.order.payment(1).unwrap().verification.is_due(),
        "it is asked about all the same"
    );
    j.found(1, S::Captured, TOTAL);
    j.called_back(1, S::Captured, TOTAL);
    assert_eq!((j.kept(), j.journaled("PAYMENT_REPORTED")), (TOTAL, 2));
}

#[test]
fn money_in_another_currency_is_told_to_a_person_and_counts_for_nothing() {
    let francs = |amount| Money::new(amount, text("CHF"));
    let mut j = confirmed(PaymentTerms::Confirm);
    j.reported("back", Some(1), S::Refunded, francs(1_000));
    assert_eq!((j.kept(), j.order.unmatched.len()), (TOTAL, 1));
    assert!(j.open(Why::UnexpectedReport).is_some());
    j.acknowledge(Why::UnexpectedReport);
    let (reference, payment) = (text("d"), Some(text("pay-1")));
    j.facts(&[Fact::Dispute(DisputeReport {
        reference,
        payment,
        state: DisputeState::Lost,
        amount: francs(700),
    })]);
    assert_eq!(
        (j.kept(), j.order.unmatched.len(), j.order.disputes.len()),
        (TOTAL, 2, 1)
    );
    assert!(
        j.open(Why::UnexpectedReport)
            .is_some_and(|a| !a.acknowledged),
        "an acknowledgement hides nothing that came later"
    );
    j.reported("pay-1", None, S::Captured, francs(TOTAL));
    assert_eq!(
        (j.kept(), j.open(Why::AmountMismatch).is_some()),
        (TOTAL, true)
    );
}

#[test]
fn what_names_an_attempt_in_flight_has_it_looked_up_at_once_whatever_blocks_capture() {
    for by_bank in [false, true] {
        let mut j = placed(PaymentTerms::Confirm);
        j.until_asked(1);
        let called = answer(&j.order, S::Pending, 1, TOTAL, j.now.after(3 * DAY));
        j.facts(&[Fact::Payment {
            n: 1,
            outcome: called,
        }]);
        j.does(&Command::PlaceHold {
            kind: text("fraud"),
            blocks: Some(Blocks::Capture),
            until: None,
        });
        let asked = |j: &mut Journey| {
            j.plan()
                .calls
                .iter()
                .any(|c| c.op == Op::Payment(1) && c.verb == Verb::LookUpPayment)
        };
        assert!(!asked(&mut j), "it waits");
        match by_bank {
            true => j.disputed("d", DisputeState::Lost, 800),
            false => j.refunded_elsewhere("back", Some(1), 800),
        }
        assert!(asked(&mut j), "it must have been captured");
        j.found(1, S::Captured, TOTAL);
        j.work_well();
        assert_eq!(
            (j.kept(), j.order.owed(), j.order.unmatched.len()),
            (TOTAL - 800, TOTAL, 0)
        );
        assert_eq!(
            (j.order.lifecycle, j.told_of(Why::PaymentShort)),
            (Lifecycle::Pending, Some(800))
        );
    }
}

#[test]
fn what_names_an_attempt_that_can_only_be_repeated_has_it_asked_for_again() {
    let mut shop = quiet();
    shop.payment.look_up = false;
    let mut j = Journey::place(shop, &sample(PaymentTerms::Confirm));
    j.until_asked(1);
    // It names nothing that is known, so it may mean the one in flight.
    j.refunded_elsewhere("back", None, 800);
    assert!(j.order.payment(1).unwrap().verification.is_due());
    j.work_well();
    assert_eq!(
        (j.state(1), j.kept(), j.told_of(Why::PaymentShort)),
        (S::Captured, TOTAL - 800, Some(800))
    );
}

#[test]
fn an_unmatched_report_is_matched_when_what_it_names_becomes_known() {
    let mut j = placed(PaymentTerms::Confirm);
    j.until_asked(1);
    j.refunded_elsewhere("back", Some(1), TOTAL);
    assert_eq!(j.order.unmatched.len(), 1);
    assert!(j.open(Why::UnexpectedReport).is_some());
    j.hears(1, S::Captured, TOTAL);
    j.work_well();
    assert_eq!(
        (j.order.unmatched.len(), j.journaled("UNMATCHED_MATCHED")),
        (0, 1)
    );
    assert_eq!((j.kept(), j.order.owed(), j.short()), (0, TOTAL, TOTAL));
    assert_eq!(
        (j.order.lifecycle, j.journaled("CONFIRMED")),
        (Lifecycle::Pending, 0)
    );
    assert!(j.open(Why::UnexpectedReport).is_none());
}

#[test]
fn what_came_to_nothing_has_happened_after_all_once_the_providers_records_say_so() {
    for (settled, captured) in [
        (S::Declined, false),
        (S::Declined, true),
        (S::Voided, false),
        (S::Voided, true),
    ] {
        let mut j = placed(PaymentTerms::Confirm);
        j.until_asked(1);
        j.hears(1, settled, 0);
        j.called_back(1, S::Captured, TOTAL);
        assert_eq!(
            (j.kept(), j.order.lifecycle == Lifecycle::Confirmed),
            (0, false),
            "{settled}"
        );
        assert!(j.open(Why::UnexpectedReport).is_some());
        let plan = j.plan();
        assert!(
            plan.calls
                .iter()
                .any(|c| c.op == Op::Payment(1) && c.verb == Verb::LookUpPayment),
            "{settled}: {plan:?}"
        );
        assert_eq!(j.order.money().refunding, 0, "nothing goes back before");
        j.found(
            1,
            if captured { S::Captured } else { settled },
            if captured { TOTAL } else { 0 },
        );
        assert_eq!(
            (j.state(1) == S::Captured, j.order.money().captured > 0),
            (captured, captured),
            "{settled}"
        );
        // The same word again is asked about again.
        if !captured {
            j.called_back(1, S::Captured, TOTAL);
            assert_eq!(
                (j.kept(), j.order.payment(1).unwrap().verification),
                (0, Verification::Again)
            );
        }
    }
}

#[test]
fn the_providers_records_are_asked_however_late_something_is_said() {
    let mut j = placed(PaymentTerms::Confirm);
    j.until_asked(1);
    j.hears(1, S::Declined, 0);
    j.work_well();
    j.wait(j.shop.policy.longest_wait + DAY);
    j.called_back(1, S::Captured, TOTAL);
    j.work_well();
    assert_eq!(
        (j.kept(), j.order.money().refunded, j.open(Why::Undecidable)),
        (0, TOTAL, None)
    );
}

#[test]
fn where_no_records_can_be_asked_a_late_capture_is_believed_until_somebody_has_looked_into_it() {
    let mut shop = quiet();
    shop.payment.look_up = false;
    for looked_into in [false, true] {
        let mut j = Journey::place(shop.clone(), &sample(PaymentTerms::Confirm));
        j.until_asked(1);
        j.hears(1, S::Declined, 0);
        if looked_into {
            j.called_back(1, S::Captured, TOTAL);
            let (status, amount, reference) = (S::Declined, 0, None);
            j.does(&Command::Resolve {
                finding: Finding::Payment {
                    n: 1,
                    status,
                    amount,
                    reference,
                },
            });
        }
        j.called_back(1, S::Captured, TOTAL);
        assert_eq!(j.kept(), if looked_into { 0 } else { TOTAL });
    }
}

/// A look-up may have looked before the money came, and say so after it did.
#[test]
fn a_person_who_found_that_a_payment_never_came_is_held_against_the_providers_records() {
    for said in [S::Declined, S::Voided, S::Failed] {
        let mut j = confirmed(PaymentTerms::Confirm);
        let (status, amount, reference) = (said, 0, None);
        j.does(&Command::Resolve {
            finding: Finding::Payment {
                n: 1,
                status,
                amount,
                reference,
            },
        });
        assert_eq!(j.state(1), said);
        let calls = j.plan().calls;
        assert!(
            calls
                .iter()
                .any(|c| c.op == Op::Payment(1) && c.verb == Verb::LookUpPayment),
            "{said}: {calls:?}"
        );
        let found = answer(&j.order, S::Captured, 1, TOTAL, j.now.after(HOUR));
        j.facts(&[Fact::Payment {
            n: 1,
            outcome: looked_up(found),
        }]);
        assert_eq!(
            j.state(1),
            S::Captured,
            "{said}, and the records say otherwise: {:?}",
            j.order.payment(1)
        );
    }
    // An authorization that somebody gave up at the provider is given up.
    let mut j = confirmed(PaymentTerms::Shipment);
    let (status, amount, reference) = (S::Voided, 0, None);
    j.does(&Command::Resolve {
        finding: Finding::Payment {
            n: 1,
            status,
            amount,
            reference,
        },
    });
    assert_eq!(
        (j.state(1), j.order.payment(1).unwrap().verification),
        (S::Voided, Verification::Done)
    );
    // That a refund bounced is in no provider's records.
    let mut j = confirmed(PaymentTerms::Confirm);
    j.does(&Command::Cancel);
    j.work_well();
    let (status, amount, reference) = (S::Failed, 0, None);
    j.does(&Command::Resolve {
        finding: Finding::Payment {
            n: 2,
            status,
            amount,
            reference,
        },
    });
    assert!(!j.order.payment(2).unwrap().verification.is_due());
}

#[test]
fn what_a_bank_took_back_is_missed_once_whoever_has_heard_of_it_first() {
    let mut j = confirmed(PaymentTerms::Confirm);
    j.does(&Command::Resolve {
        finding: Finding::Moved {
            status: S::Refunded,
            amount: 800,
            reference: text("dsp-1"),
        },
    });
    assert_eq!(j.kept(), TOTAL - 800);
    j.disputed("dsp-1", DisputeState::Lost, 800);
    assert_eq!((j.kept(), j.short()), (TOTAL - 800, 800));
    j.disputed("dsp-1", DisputeState::Lost, 900);
    assert_eq!((j.kept(), j.short()), (TOTAL - 900, 900));
    j.disputed("dsp-1", DisputeState::Won, 900);
    assert_eq!((j.kept(), j.short()), (TOTAL, 0));
}

#[test]
fn money_that_may_be_of_an_attempt_in_flight_is_put_down_once_that_is_known() {
    let mut j = placed(PaymentTerms::Shipment);
    j.until_asked(1);
    // Somebody captures in the provider's dashboard what the engine does not know to be authorized.
    j.reported("by-hand", Some(1), S::Captured, j.order.in_currency(TOTAL));
    assert_eq!(j.order.unmatched.len(), 1);
    let moved = Command::Resolve {
        finding: Finding::Moved {
            status: S::Captured,
            amount: TOTAL,
            reference: text("by-hand"),
        },
    };
    assert_eq!(j.refuses(&moved), RejectionReason::PaymentUnderWay);
    j.found(1, S::Authorized, TOTAL);
    assert_eq!(
        (
            j.order.unmatched.len(),
            j.kept(),
            j.order.money().authorized
        ),
        (0, TOTAL, 0)
    );
}
