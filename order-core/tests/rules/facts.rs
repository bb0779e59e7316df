//! Facts: repeated, swapped, late, and about things that do not exist.

use std::time::Duration;

use order_core::order::{
    Actor, AttentionReason, Event, Lifecycle, OperationKind, OperationState, Order, PaymentStatus,
    PaymentTerms, ReservationState, derive,
};
use order_core::rules::{
    Call, Command, Fact, PaymentOutcome, PaymentReport, Purpose, ReservationOutcome, Verb, evolve,
    key, record,
};
use order_core::testkit::orders::{at, plain, text};
use proptest::prelude::*;

use super::journal::every_event;
use super::journey::{Journey, Reply, answer};
use super::shop::{Shop, placed_orders, sample, sample_given_out, shops};
use super::steps::{facts, walks};
use super::walks::cases;

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_fact_told_twice_changes_nothing_the_second_time(
        shop in shops(), placed in placed_orders(), steps in walks(15), fact in facts(),
    ) {
        let mut journey = Journey::place(shop, &placed);
        journey.walk(&steps);
        let fact = fact.on(&journey);
        let unmatched = journey.order.unmatched.len();
        journey.facts(std::slice::from_ref(&fact));
        // What was kept of what it names was heard after it then, and may say otherwise.
        prop_assume!(journey.order.unmatched.len() >= unmatched);
        let env = journey.shop.env(journey.now);
        let again = record(&journey.order, &fact, &env);
        // What contradicts the records is written down each time it is said.
        let news = again.iter().find(|e| !matches!(e, Event::PaymentReported { .. } | Event::AttentionRaised { .. } | Event::PaymentVerified { .. }));
        prop_assert_eq!(news, None, "{:?} again: {:?}", fact, again);
    }

    #[test]
    fn two_facts_in_one_commit_mean_the_same_in_either_order(
        shop in shops(), placed in placed_orders(), steps in walks(15), one in facts(), other in facts(),
    ) {
        let meet = |swap: bool| {
            let mut journey = Journey::place(shop.clone(), &placed);
            journey.walk(&steps);
            let mut both = [one.on(&journey), other.on(&journey)];
            let [a, b] = [subject(&journey.order, &both[0]), subject(&journey.order, &both[1])];
            // What does not exist yet may come to by the other fact.
            let exists = |(kind, n): (char, u32)| kind != 'p' || journey.order.payment(n).is_some();
            // What moved outside is matched with whatever is known by then.
            let outside = |a: (char, u32), b: (char, u32)| a.0 == 'o' && b.0 != 'r' && b.0 != 'a';
            if a == b || !exists(a) || !exists(b) || outside(a, b) || outside(b, a) {
                return None;
            }
            if swap {
                both.reverse();
            }
            journey.facts(&both);
            journey.plan();
            Some(journey.order)
        };
        if let (Some(a), Some(b)) = (meet(false), meet(true)) {
            prop_assert_eq!(a.statuses, b.statuses, "{:?} and {:?}\n{:#?}\n{:#?}", one, other, a, b);
        }
    }

    #[test]
    fn a_late_failure_never_hides_a_success(
        shop in shops(), placed in placed_orders(), steps in walks(20), n in 0u32..8, which in 0usize..6,
    ) {
        let mut journey = Journey::place(shop, &placed);
        journey.walk(&steps);
        let before = journey.order.clone();
        let n = 1 + n % (before.payments.len() as u32).max(1);
        let failed = |status| Fact::Payment { n, outcome: answer(&before, status, n, 0, journey.now) };
        let reported = |status| Fact::Report(PaymentReport {
            key: Some(key(before.id, Purpose::Payment, n)),
            reference: text("pay-late"),
            parent: None,
            status,
            amount: before.in_currency(0),
        });
        let fact = match which {
            0 => failed(OperationState::Declined),
            1 => failed(OperationState::Failed),
            2 => reported(OperationState::Declined),
            3 => reported(OperationState::Failed),
            4 => Fact::Payment { n, outcome: PaymentOutcome::Unknown { malformed: true } },
            _ => Fact::Payment { n, outcome: PaymentOutcome::Absent },
        };
        for event in record(&before, &fact, &journey.shop.env(journey.now)) {
            journey.push(event, &Actor::System);
        }
        let (was, is) = (before.money(), journey.order.money());
        prop_assert_eq!((was.authorized, was.captured, was.refunded), (is.authorized, is.captured, is.refunded), "{:?}", fact);
    }

    #[test]
    fn an_event_about_what_does_not_exist_changes_nothing_but_version_and_time(n in 0usize..200, away in 1u32..u32::MAX) {
        let events: Vec<Event> = every_event();
        let event = events[n % events.len()].clone();
        let mut order = plain(1);
        let before = order.clone();
        let about_a_record = matches!(order_core::order::encode_event(&event), e if e.contains("{\"n\":") || e.contains("\"ops\""));
        evolve(&mut order, &renumbered(event.clone(), away), &Actor::System, at(60));
        prop_assert_eq!(order.statuses, derive(&order));
        prop_assert_eq!((order.version, order.updated_at), (before.version + 1, at(60)));
        let adds = matches!(
            event,
            Event::ReservationPlanned { .. }
                | Event::PaymentPlanned { .. }
                | Event::PaymentFound { .. }
                | Event::ShipmentPlanned { .. }
                | Event::ReturnRequested { .. }
                | Event::EditStarted { .. }
        );
        if about_a_record && !adds {
            let notices = before.notices.clone();
            let same = Order { version: before.version, updated_at: before.updated_at, notices, ..order };
            prop_assert_eq!(same, before, "{:?}", event);
        }
    }

    #[test]
    fn no_sequence_of_events_whatever_breaks_evolve(
        shop in shops(), placed in placed_orders(), steps in walks(10), picks in prop::collection::vec((0usize..200, 0u32..5), 1..20),
    ) {
        let mut journey = Journey::place(shop, &placed);
        journey.walk(&steps);
        let events = every_event();
        let mut order = journey.order;
        for (n, away) in picks {
            let version = order.version;
            evolve(&mut order, &renumbered(events[n % events.len()].clone(), away), &Actor::System, journey.now);
            prop_assert_eq!(order.statuses, derive(&order));
            prop_assert_eq!(order.version, version + 1);
        }
    }
}

/// An authorization whose void is under way, and that turns out to be captured before the void is
/// answered.
fn captured_while_being_voided() -> Journey {
    let mut journey = Journey::place(Shop::ideal(), &sample(PaymentTerms::Shipment));
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    journey
        .command(&Command::Cancel)
        .expect("it can be cancelled");
    journey.work(&mut |_, _| Reply::Crash);
    let captured = answer(
        &journey.order,
        OperationState::Captured,
        1,
        journey.order.amounts.total,
        journey.now,
    );
    journey.facts(&[Fact::Payment {
        n: 1,
        outcome: captured,
    }]);
    journey
}

#[test]
fn captured_money_is_not_refunded_while_a_void_of_it_is_under_way() {
    let mut journey = captured_while_being_voided();
    journey.plan();
    let of_it = |j: &Journey| {
        j.order
            .children(1)
            .filter(|p| p.kind == OperationKind::Refund)
            .count()
    };
    assert_eq!(
        of_it(&journey),
        0,
        "its void is under way; only what was captured before goes back"
    );
    // Refused, as a void of captured money is: now the refund.
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    assert_eq!(journey.order.money().refunded, journey.order.amounts.total);
    assert_eq!(journey.order.lifecycle, Lifecycle::Cancelled);
}

#[test]
fn a_void_that_succeeds_on_captured_money_hides_none_of_it_and_a_person_is_told() {
    let mut journey = captured_while_being_voided();
    let voided = answer(
        &journey.order,
        OperationState::Voided,
        2,
        journey.order.amounts.total,
        journey.now,
    );
    journey.facts(&[Fact::Payment {
        n: 2,
        outcome: voided,
    }]);
    assert_eq!(journey.order.money().captured, journey.order.amounts.total);
    assert!(
        journey
            .order
            .has_attention(AttentionReason::UnexpectedReport)
    );
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    assert_eq!(journey.order.lifecycle, Lifecycle::Cancelled);
}

#[test]
fn a_confirmed_order_whose_authorization_the_provider_gives_up_is_shown_to_a_person() {
    let mut journey = Journey::place(Shop::ideal(), &sample(PaymentTerms::Shipment));
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    let voided = answer(&journey.order, OperationState::Voided, 1, 0, journey.now);
    journey.facts(&[Fact::Payment {
        n: 1,
        outcome: voided,
    }]);
    assert_eq!(
        (journey.order.lifecycle, journey.order.money().authorized),
        (Lifecycle::Confirmed, 0)
    );
    assert!(
        journey
            .order
            .has_attention(AttentionReason::UnexpectedReport)
    );
}

#[test]
fn a_second_refund_is_dropped_when_the_first_went_through_after_all() {
    let mut journey = Journey::place(Shop::ideal(), &sample(PaymentTerms::Confirm));
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    journey
        .command(&Command::Cancel)
        .expect("it can be cancelled");
    journey.work(&mut |_, _| Reply::Crash);
    journey.facts(&[Fact::Payment {
        n: 2,
        outcome: PaymentOutcome::Absent,
    }]);
    journey.advance(Duration::from_secs(60));
    journey.plan();
    let total = journey.order.amounts.total;
    assert_eq!(
        journey.order.payments.len(),
        3,
        "the charge, the refund that never happened, and the one in its place"
    );
    let late = Fact::Payment {
        n: 2,
        outcome: answer(
            &journey.order,
            OperationState::Refunded,
            2,
            total,
            journey.now,
        ),
    };
    journey.facts(&[late]);
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    assert_eq!(
        (journey.order.money().refunded, journey.order.lifecycle),
        (total, Lifecycle::Cancelled)
    );
}

/// An order whose first charge was declined, and that is being paid again.
fn retried() -> Journey {
    let mut journey = Journey::place(Shop::ideal(), &sample(PaymentTerms::Confirm));
    let declined = |_: &Order, call: Call| {
        if call.verb == Verb::Reserve {
            Reply::Yes
        } else {
            Reply::No
        }
    };
    while journey.order.lifecycle == Lifecycle::Pending {
        journey.work(&mut { declined });
    }
    let (method, terms) = (text("wallet"), PaymentTerms::Confirm);
    let retry = Command::RetryPayment {
        amount: None,
        method,
        terms,
        token: None.into(),
        return_url: None.into(),
    };
    journey.command(&retry).expect("it is inside the window");
    journey
}

#[test]
fn a_declined_payment_fails_no_order_that_has_money_from_another() {
    let mut journey = retried();
    let less = journey.order.amounts.total - 1;
    let late = Fact::Payment {
        n: 1,
        outcome: answer(
            &journey.order,
            OperationState::Captured,
            1,
            less,
            journey.now,
        ),
    };
    journey.facts(&[late]);
    let declined = Fact::Payment {
        n: 2,
        outcome: answer(&journey.order, OperationState::Declined, 2, 0, journey.now),
    };
    journey.facts(&[declined]);
    assert_eq!(
        (journey.order.lifecycle, journey.order.money().captured),
        (Lifecycle::Pending, less)
    );
    assert!(journey.order.has_attention(AttentionReason::AmountMismatch));
}

#[test]
fn of_two_authorizations_of_one_order_only_the_newer_is_voided() {
    let mut journey = Journey::place(Shop::ideal(), &sample_given_out(PaymentTerms::Shipment));
    journey.work(&mut |_, _| Reply::Yes);
    journey.work(&mut |_, _| Reply::Crash);
    let total = journey.order.amounts.total;
    let authorized = |order: &Order, n, now| Fact::Payment {
        n,
        outcome: answer(order, OperationState::Authorized, n, total, now),
    };
    journey.facts(&[Fact::Payment {
        n: 1,
        outcome: PaymentOutcome::Absent,
    }]);
    let both = [2, 1].map(|n| authorized(&journey.order, n, journey.now));
    journey.facts(&both);
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    let attempts = journey.order.payments.iter().filter(|p| p.is_attempt());
    assert_eq!(
        attempts.map(|p| p.state).collect::<Vec<_>>(),
        [OperationState::Authorized, OperationState::Voided]
    );
    // What needs no shipping is captured at once.
    let money = journey.order.money();
    assert_eq!(
        (journey.order.lifecycle, money.authorized + money.captured),
        (Lifecycle::Confirmed, total)
    );
}

#[test]
fn of_two_captures_of_one_order_the_newer_goes_back_once() {
    let mut journey = retried();
    let total = journey.order.amounts.total;
    while journey.order.lifecycle == Lifecycle::Pending {
        journey.work(&mut |_, _| Reply::Yes);
    }
    let late = Fact::Payment {
        n: 1,
        outcome: answer(
            &journey.order,
            OperationState::Captured,
            1,
            total,
            journey.now,
        ),
    };
    journey.facts(&[late]);
    assert_eq!(journey.order.statuses.payment, PaymentStatus::Overpaid);
    journey.plan();
    let refunds: Vec<_> = journey
        .order
        .payments
        .iter()
        .filter(|p| p.kind == OperationKind::Refund)
        .collect();
    assert_eq!(
        refunds
            .iter()
            .map(|p| (p.parent, p.amount))
            .collect::<Vec<_>>(),
        [(Some(2), total)]
    );
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    assert_eq!(
        (
            journey.order.money().captured,
            journey.order.money().refunded
        ),
        (2 * total, total)
    );
}

/// An order whose first hold could not be proven, and whose second, asked for in its place, has
/// left the stock.
fn committed_in_place_of_a_suspect() -> Journey {
    let mut journey = Journey::place(Shop::ideal(), &sample_given_out(PaymentTerms::Invoice));
    // The one that needs no shipping, and so is committed at once.
    journey.facts(&[Fact::Reservation {
        n: 2,
        outcome: ReservationOutcome::Undecidable,
    }]);
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    assert_eq!(
        states(&journey, 2),
        [ReservationState::Suspect, ReservationState::Committed]
    );
    journey
}

/// The states of the reservations of the same SKU as reservation `n`.
fn states(journey: &Journey, n: u32) -> Vec<ReservationState> {
    let sku = &journey.order.reservation(n).expect("it exists").sku;
    journey
        .order
        .reservations
        .iter()
        .filter(|r| r.sku == *sku)
        .map(|r| r.state)
        .collect()
}

#[test]
fn a_suspect_hold_that_turns_up_is_not_committed_beside_the_one_that_took_its_place() {
    let mut journey = committed_in_place_of_a_suspect();
    journey.facts(&[Fact::Reservation {
        n: 2,
        outcome: ReservationOutcome::Held {
            reference: Some(text("late")),
            expires_at: None,
        },
    }]);
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    assert_eq!(
        states(&journey, 2),
        [ReservationState::Released, ReservationState::Committed]
    );
}

#[test]
fn units_that_left_the_stock_twice_are_given_back_once_where_that_is_possible() {
    let mut journey = committed_in_place_of_a_suspect();
    journey.facts(&[Fact::Reservation {
        n: 2,
        outcome: ReservationOutcome::Committed,
    }]);
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    assert_eq!(
        states(&journey, 2),
        [ReservationState::Committed, ReservationState::Released]
    );
}

#[test]
fn a_hold_that_turns_up_when_another_has_taken_its_place_makes_one_of_them_surplus() {
    let mut journey = Journey::place(Shop::ideal(), &sample(PaymentTerms::Confirm));
    journey.work(&mut |_, _| Reply::Crash);
    journey.facts(&[Fact::Reservation {
        n: 1,
        outcome: ReservationOutcome::Absent,
    }]);
    while journey.order.lifecycle == Lifecycle::Pending {
        journey.work(&mut |_, _| Reply::Yes);
    }
    let late = ReservationOutcome::Held {
        reference: Some(text("hold-late")),
        expires_at: None,
    };
    journey.facts(&[Fact::Reservation {
        n: 1,
        outcome: late,
    }]);
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    assert_eq!(
        states(&journey, 1),
        [ReservationState::Held, ReservationState::Released]
    );
}

#[test]
fn a_refund_that_a_provider_declines_twice_in_the_same_words_is_news_once() {
    let mut journey = Journey::place(Shop::ideal(), &sample(PaymentTerms::Confirm));
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    journey
        .command(&Command::Cancel)
        .expect("it can be cancelled");
    journey.work(&mut |_, _| Reply::Crash);
    let refused = Fact::Payment {
        n: 2,
        outcome: answer(&journey.order, OperationState::Declined, 2, 0, journey.now),
    };
    journey.facts(std::slice::from_ref(&refused));
    assert!(journey.order.has_attention(AttentionReason::RefundFailed));
    assert_eq!(
        record(&journey.order, &refused, &journey.shop.env(journey.now)),
        []
    );
}

#[test]
fn a_refund_that_happened_after_it_was_proven_absent_is_shown_to_a_person() {
    let mut journey = Journey::place(Shop::ideal(), &sample(PaymentTerms::Confirm));
    while journey.work(&mut |_, _| Reply::Yes).is_none() {}
    journey
        .command(&Command::Cancel)
        .expect("it can be cancelled");
    journey.work(&mut |_, _| Reply::Crash);
    journey.facts(&[Fact::Payment {
        n: 2,
        outcome: PaymentOutcome::Absent,
    }]);
    let refunded = |n| Fact::Payment {
        n,
        outcome: answer(
            &journey.order,
            OperationState::Refunded,
            n,
            journey.order.amounts.total,
            journey.now,
        ),
    };
    let (first, second) = (refunded(2), refunded(3));
    journey.advance(Duration::from_secs(60));
    journey.plan();
    journey.facts(&[second, first]);
    assert_eq!(
        journey.order.money().refunded,
        2 * journey.order.amounts.total
    );
    assert!(
        !journey.order.attention.is_empty(),
        "the customer has the money twice"
    );
}

/// The subject of a fact, by which facts are independent of each other. A void and what it voids
/// are one subject.
fn subject(order: &Order, fact: &Fact) -> (char, u32) {
    let root = |n: u32| order.payment(n).and_then(|p| p.parent).unwrap_or(n);
    match fact {
        Fact::Reservation { n, .. } | Fact::Closing { n, .. } => ('r', *n),
        Fact::Payment { n, .. } => ('p', root(*n)),
        Fact::Report(report)
            if report.key.is_none() && report.reference.as_str().starts_with("outside") =>
        {
            ('o', 0)
        }
        Fact::Report(report) => {
            // The other fact may be what tells the reference: then the report is about that
            // operation all the same.
            let named = report
                .reference
                .as_str()
                .strip_prefix("pay-")
                .and_then(|n| n.parse().ok());
            let keyed = order
                .payments
                .iter()
                .find(|p| report.key == Some(key(order.id, Purpose::Payment, p.n)));
            keyed
                .map(|p| p.n)
                .or(named)
                .map_or(('o', 0), |n| ('p', root(n)))
        }
        Fact::Dispute(_) => ('o', 0),
        Fact::NeedsAttention { .. } | Fact::NoLongerNeedsAttention { .. } => ('a', 0),
    }
}

/// The same event about record `number`, if it is about one.
fn renumbered(event: Event, number: u32) -> Event {
    if let Event::Armed { .. } = event {
        let ops = vec![
            order_core::order::Op::Reservation(number),
            order_core::order::Op::Payment(number),
        ];
        return Event::Armed { ops };
    }
    let mut json: serde_json::Value = serde_json::to_value(&event).unwrap();
    let fields = json.as_object_mut().and_then(|o| o.values_mut().next());
    match fields.and_then(|fields| fields.get_mut("n")) {
        Some(n) => {
            *n = number.into();
            serde_json::from_value(json).unwrap()
        }
        None => event,
    }
}

#[test]
fn attention_for_less_than_was_seen_stays_seen_and_for_as_much_or_more_does_not() {
    for (amount, seen) in [(200, true), (300, false), (400, false)] {
        let (reason, about) = (AttentionReason::PaymentShort, None);
        let mut order = plain(1);
        for event in [
            Event::AttentionRaised {
                reason,
                about,
                amount: Some(300),
            },
            Event::AttentionAcknowledged { reason, about },
            Event::AttentionRaised {
                reason,
                about,
                amount: Some(amount),
            },
        ] {
            evolve(&mut order, &event, &Actor::System, at(1));
        }
        assert_eq!(
            order
                .attention
                .iter()
                .map(|a| (a.amount, a.acknowledged))
                .collect::<Vec<_>>(),
            [(Some(amount), seen)]
        );
    }
}
