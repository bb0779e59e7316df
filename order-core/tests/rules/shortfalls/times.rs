//! Money that lapses or never comes, and the methods by which money is asked for.

use super::*;

#[test]
fn an_authorization_that_has_lapsed_covers_nothing_whoever_has_looked() {
    let mut j = placed(PaymentTerms::Shipment);
    j.until_asked(1);
    j.authorized(1, TOTAL, 7 * DAY, Evidence::Answer);
    j.work_well();
    assert_eq!((j.order.lifecycle, j.short()), (Lifecycle::Confirmed, 0));
    // No worker has been here.
    j.advance(8 * DAY);
    let lost = TOTAL - j.kept();
    assert_eq!((j.short(), j.order.secured(j.now)), (lost, j.kept()));
    assert_eq!(
        j.ship().expect_err("it has lapsed").reason,
        RejectionReason::NotCovered
    );
    j.settle();
    assert_eq!(
        (
            j.told_of(Why::PaymentShort),
            j.open(Why::AuthorizationLost).is_some()
        ),
        (Some(lost), true)
    );
    j.work_well();
    assert_eq!((j.state(1), j.kept()), (S::Voided, TOTAL - lost));
    j.does(&pay(None, PaymentTerms::Shipment));
    j.work_well();
    assert_eq!(
        (
            j.short(),
            j.open(Why::AuthorizationLost),
            j.open(Why::PaymentShort)
        ),
        (0, None, None)
    );
    j.ship().expect("it is covered");
}

#[test]
fn an_authorization_known_by_callback_only_is_looked_up_for_how_long_it_lasts() {
    let mut j = placed(PaymentTerms::Shipment);
    j.until_asked(1);
    j.called_back(1, S::Authorized, TOTAL);
    assert_eq!(j.order.payment(1).unwrap().capture_before, None);
    let asked = |j: &mut Journey| {
        j.plan()
            .calls
            .iter()
            .any(|c| c.op == Op::Payment(1) && c.verb == Verb::LookUpPayment)
    };
    assert!(asked(&mut j), "it is asked at once");
    j.authorized(1, TOTAL, 7 * DAY, Evidence::LookUp);
    assert_eq!(
        j.order.payment(1).unwrap().capture_before,
        Some(j.now.after(7 * DAY))
    );
    assert!(!asked(&mut j), "and asked once");
    assert_eq!(j.order.money().authorized, TOTAL - j.order.money().captured);
}

#[test]
fn an_authorization_that_a_person_found_is_looked_up_for_how_long_it_lasts() {
    let mut j = placed(PaymentTerms::Shipment);
    j.until_asked(1);
    let (status, amount, reference) = (S::Authorized, TOTAL, Some(text("pay-1")));
    j.does(&Command::Resolve {
        finding: Finding::Payment {
            n: 1,
            status,
            amount,
            reference,
        },
    });
    assert_eq!(
        (
            j.order.payment(1).unwrap().capture_before,
            j.order.money().authorized > 0
        ),
        (None, true)
    );
    let asked = |j: &mut Journey| {
        j.plan()
            .calls
            .iter()
            .any(|c| c.op == Op::Payment(1) && c.verb == Verb::LookUpPayment)
    };
    assert!(asked(&mut j), "it is asked at once");
    j.authorized(1, TOTAL, 7 * DAY, Evidence::LookUp);
    assert_eq!(
        j.order.payment(1).unwrap().capture_before,
        Some(j.now.after(7 * DAY))
    );
    assert!(!asked(&mut j), "and asked once");
}

/// Told of by callback, and looked into by a person before the provider's records, or its answer,
/// say for how long it lasts.
#[test]
fn whoever_tells_for_how_long_an_authorization_lasts_is_heard_whoever_was_first_with_the_rest() {
    let found = |j: &mut Journey| {
        let (status, amount, reference) = (S::Authorized, TOTAL, Some(text("pay-1")));
        j.does(&Command::Resolve {
            finding: Finding::Payment {
                n: 1,
                status,
                amount,
                reference,
            },
        });
    };
    for (by_person, evidence) in [(false, Evidence::LookUp), (true, Evidence::LookUp)] {
        let mut j = placed(PaymentTerms::Shipment);
        j.until_asked(1);
        j.called_back(1, S::Authorized, TOTAL);
        if by_person {
            found(&mut j);
        }
        let asked = |j: &mut Journey| {
            j.plan()
                .calls
                .iter()
                .any(|c| c.op == Op::Payment(1) && c.verb == Verb::LookUpPayment)
        };
        assert!(asked(&mut j), "what the person said does not answer it");
        j.authorized(1, TOTAL, 7 * DAY, evidence);
        assert_eq!(
            j.order.payment(1).unwrap().capture_before,
            Some(j.now.after(7 * DAY))
        );
        assert!(!asked(&mut j));
    }
    // Where nothing can be looked up, the answer to the call itself is the only one who says it.
    let shop = Shop {
        payment: PaymentCapabilities::IDEAL.with_look_up(false),
        ..quiet()
    };
    let mut j = Journey::place(shop, &sample(PaymentTerms::Shipment));
    j.until_asked(1);
    j.called_back(1, S::Authorized, TOTAL);
    j.authorized(1, TOTAL, 7 * DAY, Evidence::Answer);
    assert_eq!(
        j.order.payment(1).unwrap().capture_before,
        Some(j.now.after(7 * DAY))
    );
    // And it is news once.
    let version = j.order.version;
    j.authorized(1, TOTAL, 7 * DAY, Evidence::Answer);
    assert_eq!(j.order.version, version);
}

#[test]
fn a_transfer_that_never_comes_is_looked_up_given_up_and_expires_and_late_money_goes_back() {
    let mut j = placed(PaymentTerms::Confirm);
    let mut asked = 0;
    let mut transfer = |_: &Order, call: Call| match call.verb {
        Verb::Pay(OperationKind::Charge) => Reply::Pending,
        Verb::LookUpPayment => {
            asked += 1;
            Reply::Pending
        }
        _ => Reply::Yes,
    };
    for _ in 0..40 {
        if let Some(plan) = j.work(&mut transfer) {
            let Some(at) = plan.wake else { break };
            j.now = at;
        }
    }
    assert_eq!(
        (j.order.lifecycle, j.state(1)),
        (Lifecycle::Expired, S::Voided)
    );
    assert!((1..10).contains(&asked), "asked {asked} times");
    assert!(
        j.now < j.order.created_at.after(j.shop.policy.longest_wait + DAY),
        "it has an end: {}",
        j.now
    );
    assert!(j.order.reservations.iter().all(|r| !r.state.may_hold()));
    j.called_back(1, S::Captured, TOTAL);
    assert_eq!(j.kept(), 0, "the provider's records are asked first");
    j.work_well();
    assert!(j.open(Why::MoneyOnDeadOrder).is_some());
    assert_eq!(
        (j.order.lifecycle, j.kept(), j.order.money().refunded),
        (Lifecycle::Expired, 0, TOTAL)
    );
}

#[test]
fn an_edit_waits_for_its_payment_as_long_as_the_provider_says() {
    let mut j = confirmed(PaymentTerms::Confirm);
    let more = edit(raised(&j.order, 1, 1));
    j.does(&more);
    j.until_asked(2);
    let waits = answer(&j.order, S::Pending, 2, 1_250, j.now.after(3 * DAY));
    j.facts(&[Fact::Payment {
        n: 2,
        outcome: waits,
    }]);
    j.wait(2 * DAY);
    j.plan();
    assert_eq!(
        (j.order.edits[0].state, j.state(2)),
        (EditState::Open, S::Pending)
    );
    j.called_back(2, S::Captured, 1_250);
    assert_eq!(
        (j.order.edits[0].state, j.order.owed()),
        (EditState::Applied, TOTAL + 1_250)
    );
    // And no longer.
    let more = edit(raised(&j.order, 1, 1));
    j.does(&more);
    j.until_asked(3);
    let waits = answer(&j.order, S::Pending, 3, 1_250, j.now.after(3 * DAY));
    j.facts(&[Fact::Payment {
        n: 3,
        outcome: waits,
    }]);
    j.wait(3 * DAY);
    assert_eq!(
        (j.order.edits[1].state, j.order.edits[1].cause),
        (EditState::Discarded, Some(DiscardCause::Expired))
    );
}

#[test]
fn what_is_captured_before_it_lapses_does_not_go_back_because_it_could_be_captured_again() {
    let policy = Policy {
        before_lapse: BeforeLapse::Capture,
        ..Policy::default()
    };
    let mut j = Journey::place(Shop { policy, ..quiet() }, &sample(PaymentTerms::Shipment));
    j.until_asked(1);
    j.authorized(1, TOTAL, 7 * DAY, Evidence::Answer);
    j.work_well();
    j.does(&Command::Credit { amount: 1_000 });
    j.work_well();
    assert_eq!((j.kept(), j.order.owed()), (0, TOTAL - 1_000));
    j.wait(6 * DAY + HOUR);
    j.work_well();
    let done: Vec<_> = j.order.payments.iter().skip(1).collect();
    assert!(
        matches!(done[..], [p] if p.kind == OperationKind::Capture && p.settled == TOTAL - 1_000),
        "captured once, and kept: {done:#?}"
    );
}

/// An order whose authorization of all but what needs no shipping lapses in 23 hours, where another
/// is to be asked for.
fn about_to_lapse() -> Journey {
    let policy = Policy {
        before_lapse: BeforeLapse::Reauthorize,
        ..Policy::default()
    };
    let mut j = Journey::place(Shop { policy, ..quiet() }, &sample(PaymentTerms::Shipment));
    j.until_asked(1);
    j.authorized(1, TOTAL, 7 * DAY, Evidence::Answer);
    j.work_well();
    // The shop's policy asks for it.
    j.planned_by_command += 1;
    j.wait(6 * DAY + HOUR);
    j.plan();
    let last = j
        .order
        .payments
        .last()
        .expect("another is asked for")
        .clone();
    assert_eq!(
        (last.kind, last.amount),
        (OperationKind::Authorize, TOTAL - j.kept())
    );
    j
}

#[test]
fn a_new_authorization_is_asked_for_only_once_it_may_be() {
    let policy = Policy {
        before_lapse: BeforeLapse::Reauthorize,
        ..Policy::default()
    };
    let mut j = Journey::place(Shop { policy, ..quiet() }, &sample(PaymentTerms::Shipment));
    j.until_asked(1);
    j.authorized(1, TOTAL, 7 * DAY, Evidence::Answer);
    j.work_well();
    j.does(&Command::PlaceHold {
        kind: text("fraud"),
        blocks: Some(Blocks::Capture),
        until: None,
    });
    let payments = j.order.payments.len();
    for _ in 0..3 {
        j.wait(6 * DAY + HOUR);
        j.work_well();
        let attempts = j
            .order
            .payments
            .iter()
            .skip(payments)
            .filter(|p| p.is_attempt())
            .count();
        assert_eq!(
            attempts, 0,
            "nothing is planned, dropped, and planned again"
        );
    }
    j.planned_by_command += 1;
    j.does(&Command::ReleaseHold {
        kind: text("fraud"),
    });
    let last = j
        .order
        .payments
        .last()
        .expect("another is asked for")
        .clone();
    assert_eq!(
        (last.kind, last.state),
        (OperationKind::Authorize, S::Planned)
    );
}

#[test]
fn the_old_authorization_is_kept_until_the_new_one_is_there() {
    let mut j = about_to_lapse();
    let n = j.order.payments.len() as u32;
    assert_eq!((j.state(1), j.short()), (S::Authorized, 0));
    j.until_asked(n);
    assert_eq!((j.state(1), j.short()), (S::Authorized, 0));
    j.authorized(n, TOTAL - j.kept(), 7 * DAY, Evidence::Answer);
    j.work_well();
    assert_eq!(
        (j.state(1), j.state(n), j.short()),
        (S::Voided, S::Authorized, 0)
    );
    j.ship().expect("it is covered");
    j.work_well();
    assert_eq!(j.kept(), TOTAL);
}

#[test]
fn a_renewal_that_is_declined_leaves_the_old_cover() {
    let mut j = about_to_lapse();
    let n = j.order.payments.len() as u32;
    j.until_asked(n);
    j.hears(n, S::Declined, 0);
    j.work_well();
    assert_eq!(
        (j.state(1), j.state(n), j.short()),
        (S::Authorized, S::Declined, 0)
    );
    assert!(j.order.payments.len() as u32 == n, "it is asked for once");
    j.ship().expect("23 hours are left");
    j.work_well();
    assert_eq!(j.kept(), TOTAL);
}

#[test]
fn a_method_by_which_nothing_is_charged_is_never_charged() {
    for own in [PaymentTerms::Confirm, PaymentTerms::Shipment] {
        for terms in [PaymentTerms::Invoice, PaymentTerms::Delivery] {
            let mut j = confirmed(own);
            j.disputed("d", DisputeState::Lost, 1_000);
            let payments = j.order.payments.len();
            assert_eq!(
                j.refuses(&pay(None, terms)),
                RejectionReason::NothingToPay,
                "{own} by {terms}"
            );
            assert_eq!(j.order.payments.len(), payments);
        }
    }
    for terms in [PaymentTerms::Invoice, PaymentTerms::Delivery] {
        let mut j = confirmed(terms);
        let more = edit(raised(&j.order, 1, 1));
        j.does(&more);
        j.work_well();
        assert_eq!(
            (j.order.edits[0].state, j.order.payments.len()),
            (EditState::Applied, 0),
            "an edit charges nothing"
        );
    }
}

#[test]
fn a_declined_capture_covers_no_longer_and_another_method_works() {
    let mut j = confirmed(PaymentTerms::Shipment);
    let lines = vec![LineUnits { line: 1, units: 1 }];
    j.does(&Command::Ship {
        shipment: None,
        lines,
        carrier: None,
        tracking: None,
    });
    j.work_with(&mut |_, call| {
        if call.verb == Verb::Pay(OperationKind::Capture) {
            Reply::No
        } else {
            Reply::Yes
        }
    });
    let (failed, kept) = (1_750, 1_500);
    assert_eq!(
        (j.kept(), j.told_of(Why::CaptureFailed)),
        (kept, Some(failed))
    );
    assert_eq!(
        (j.short(), j.told_of(Why::PaymentShort)),
        (TOTAL - kept, Some(TOTAL - kept))
    );
    assert_eq!(
        j.ship().expect_err("nothing covers it").reason,
        RejectionReason::NotCovered
    );
    j.does(&pay(None, PaymentTerms::Shipment));
    j.work_well();
    assert_eq!(
        (
            j.short(),
            j.open(Why::PaymentShort),
            j.open(Why::CaptureFailed)
        ),
        (0, None, None)
    );
    j.ship().expect("it is covered");
    j.work_well();
    assert_eq!((j.kept(), j.order.owed()), (TOTAL, TOTAL));
}

#[test]
fn an_authorization_voided_at_the_provider_covers_no_longer() {
    let mut j = confirmed(PaymentTerms::Shipment);
    let rest = TOTAL - j.kept();
    j.called_back(1, S::Voided, rest);
    assert_eq!(
        (j.short(), j.told_of(Why::PaymentShort)),
        (rest, Some(rest))
    );
    assert_eq!(
        j.ship().expect_err("it is short").reason,
        RejectionReason::NotCovered
    );
    j.does(&pay(None, PaymentTerms::Shipment));
    j.work_well();
    j.ship().expect("it is covered");
}
