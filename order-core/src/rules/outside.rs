//! Money that moved without the engine asking: refunds made elsewhere, payments of invoices,
//! chargebacks and disputes.
//!
//! It changes what was paid, never what is owed: so the same facts add up to the same, in whatever
//! order they are heard.

use super::fact::{DisputeReport, PaymentReport};
use super::record::{clear, raise};
use crate::ids::{Name, Reference};
use crate::money::{Minor, Money};
use crate::order::{
    AttentionReason, CreditKind, DisputeState, Event, OperationKind, OperationOrigin,
    OperationState, Order, PaymentOperation, PaymentTerms, UnmatchedPayment,
};

/// The code of a chargeback that the bank took back.
const DISPUTE_WON: &str = "DISPUTE_WON";

/// The events of a report that fits no operation of ours, if it can be understood without one.
/// `None`: it is to be kept until what it names is known.
pub(super) fn payment(order: &Order, report: &PaymentReport) -> Option<Vec<Event>> {
    let &Money {
        minor: amount,
        currency,
    } = &report.amount;
    if currency != order.currency || amount <= 0 {
        return None;
    }
    // It may be one of ours whose answer is still on its way.
    let nameless = |kind| {
        order.payments.iter().any(|p| {
            p.kind == kind
                && p.reference.is_none()
                && p.state.is_open()
                && p.state != OperationState::Planned
        })
    };
    match report.status {
        OperationState::Refunded if !nameless(OperationKind::Refund) => {
            // What names one payment is never put down to another.
            let parent = match &report.parent {
                Some(parent) => Some(named(order, parent)?),
                None => named(order, &report.reference),
            };
            let mut events = vec![money_back(
                order,
                parent,
                OperationOrigin::Outside,
                amount,
                &report.reference,
            )];
            events.extend(questioned(order, report));
            Some(events)
        }
        OperationState::Captured => {
            let authorization = order.payments.iter().find(|p| {
                p.kind == OperationKind::Authorize
                    && p.reference.is_some()
                    && p.reference == report.parent
            });
            // One that is in flight is found out first: what is left of it says whether this is too
            // much.
            if authorization.is_some_and(|p| p.state.is_open()) {
                return None;
            }
            let (kind, method, parent) = match authorization {
                Some(p) if !nameless(OperationKind::Capture) => {
                    (OperationKind::Capture, p.method.clone(), Some(p.n))
                }
                None if pays_later(order) && !nameless(OperationKind::Charge) => {
                    (OperationKind::Charge, order.payment_method.clone(), None)
                }
                _ => return None,
            };
            let found = found(
                order,
                kind,
                OperationOrigin::Outside,
                parent,
                method,
                amount,
                &report.reference,
            );
            let dead = !order.lifecycle.is_live();
            let look_dead = dead
                .then(|| raise(order, AttentionReason::MoneyOnDeadOrder, None))
                .flatten();
            Some(std::iter::once(found).chain(look_dead).collect())
        }
        _ => None,
    }
}

/// The events of money that an operator says has moved, whatever the terms.
pub(super) fn moved(order: &Order, report: &PaymentReport) -> Vec<Event> {
    let amount = report.amount.minor;
    match report.status {
        OperationState::Refunded => vec![money_back(
            order,
            None,
            OperationOrigin::Outside,
            amount,
            &report.reference,
        )],
        _ => {
            let method = order.payment_method.clone();
            vec![found(
                order,
                OperationKind::Charge,
                OperationOrigin::Outside,
                None,
                method,
                amount,
                &report.reference,
            )]
        }
    }
}

/// A refund or dispute of a payment proves that it was captured, and a capture that it was
/// authorized: an attempt in flight that it names, or may mean, is looked up at once.
pub(super) fn questioned(order: &Order, report: &PaymentReport) -> Vec<Event> {
    match report.status {
        OperationState::Refunded => {
            in_flight(order, report.parent.as_ref().or(Some(&report.reference)))
        }
        OperationState::Captured if report.parent.is_some() => {
            in_flight(order, report.parent.as_ref())
        }
        _ => Vec::new(),
    }
}

fn in_flight(order: &Order, about: Option<&Reference>) -> Vec<Event> {
    let meant = about.and_then(|r| named(order, r)).map(|p| p.n);
    let waits = |p: &&PaymentOperation| {
        let asked = p.state.is_open() && p.state != OperationState::Planned;
        p.is_attempt() && asked && !p.verification.is_due() && meant.is_none_or(|n| n == p.n)
    };
    order
        .payments
        .iter()
        .filter(waits)
        .map(|p| Event::PaymentQuestioned { n: p.n })
        .collect()
}

/// The attempt in flight that a report which was kept names, or may mean: once it is known, the
/// report is matched.
pub(super) fn waited_for(order: &Order, kept: &UnmatchedPayment) -> Option<u32> {
    let parent = kept.parent.as_ref()?;
    let meant = named(order, parent).map(|p| p.n);
    let may_be = |p: &&PaymentOperation| meant.map_or(p.reference.is_none(), |n| n == p.n);
    let in_flight = |p: &&PaymentOperation| {
        p.is_attempt() && p.state.is_open() && p.state != OperationState::Planned
    };
    order
        .payments
        .iter()
        .filter(in_flight)
        .find(may_be)
        .map(|p| p.n)
}

/// The events of what a provider says of a dispute. Of one dispute the last word counts.
pub(super) fn dispute(order: &Order, report: &DisputeReport) -> Vec<Event> {
    let DisputeReport {
        reference,
        payment,
        state,
        amount,
    } = report;
    let known = order.disputes.iter().find(|d| d.reference == *reference);
    // Whoever wrote it down: somebody who looked into it may have been faster than the bank.
    let went_back = |p: &&PaymentOperation| {
        p.kind == OperationKind::Refund && p.origin != OperationOrigin::Engine
    };
    let chargeback = order
        .payments
        .iter()
        .filter(went_back)
        .find(|p| p.reference.as_ref() == Some(reference));
    let taken = chargeback.map_or(0, PaymentOperation::refunded);
    let ours = amount.currency == order.currency;
    let said = known.is_some_and(|d| match state {
        // It was open once: heard late, or again.
        DisputeState::Open => d.state != DisputeState::Open || d.amount == amount.minor || !ours,
        DisputeState::Won => d.state == DisputeState::Won,
        DisputeState::Lost => d.state == DisputeState::Lost && (!ours || taken == amount.minor),
    });
    if said {
        return Vec::new();
    }
    let about = payment.as_ref().and_then(|r| named(order, r)).map(|p| p.n);
    let mut events = Vec::new();
    if known.is_none() || *state == DisputeState::Open {
        let disputed = if ours { amount.minor } else { 0 };
        events.push(Event::DisputeOpened {
            reference: reference.clone(),
            payment: about,
            amount: disputed,
        });
    }
    if !ours {
        let status = if *state == DisputeState::Lost {
            OperationState::Refunded
        } else {
            OperationState::Pending
        };
        let told = UnmatchedPayment {
            reference: reference.clone(),
            parent: payment.clone(),
            status,
            amount: amount.minor,
            currency: amount.currency,
        };
        if !order.unmatched.contains(&told) {
            events.push(Event::PaymentUnmatched(told));
            events.extend(raise(order, AttentionReason::UnexpectedReport, None));
        }
    }
    if *state == DisputeState::Open {
        events.extend(raise(order, AttentionReason::Dispute, None));
        events.extend(in_flight(order, payment.as_ref()));
        return events;
    }
    let won = *state == DisputeState::Won;
    if known.is_none_or(|d| d.state != *state) {
        events.push(Event::DisputeClosed {
            reference: reference.clone(),
            won,
        });
    }
    let others = order
        .disputes
        .iter()
        .any(|d| d.state == DisputeState::Open && d.reference != *reference);
    if !others {
        events.extend(clear(order, AttentionReason::Dispute, None));
    }
    match chargeback {
        Some(p) if won && taken > 0 => {
            events.push(settled_chargeback(
                p.n,
                OperationState::Failed,
                0,
                Some(DISPUTE_WON),
            ));
            let written_off: Minor = order
                .credits
                .iter()
                .filter(|c| c.kind == CreditKind::WriteOff)
                .map(|c| c.amount)
                .sum();
            // What was given up has come after all: it is not the customer's.
            let back = taken.min(written_off);
            if back > 0 {
                events.push(Event::Credited {
                    kind: CreditKind::WriteOff,
                    amount: -back,
                    lines: Vec::new(),
                });
            }
        }
        Some(p) if !won && ours && amount.minor > 0 && taken != amount.minor => {
            events.push(settled_chargeback(
                p.n,
                OperationState::Refunded,
                amount.minor,
                None,
            ));
        }
        None if !won && ours && amount.minor > 0 => {
            let by_dispute = known.and_then(|d| d.payment);
            let parent = about.or(by_dispute).and_then(|n| order.payment(n));
            events.push(money_back(
                order,
                parent,
                OperationOrigin::Chargeback,
                amount.minor,
                reference,
            ));
        }
        _ => {}
    }
    if !won {
        events.extend(in_flight(order, payment.as_ref()));
    }
    events
}

fn settled_chargeback(n: u32, state: OperationState, amount: Minor, code: Option<&str>) -> Event {
    let code = code.map(str::to_owned);
    // The bank's word is the record itself.
    Event::PaymentSettled {
        n,
        state,
        amount,
        reference: None,
        code,
        capture_before: None,
        verified: true,
    }
}

/// The operation by which money comes in that the provider calls so.
fn named<'o>(order: &'o Order, reference: &Reference) -> Option<&'o PaymentOperation> {
    let comes_in =
        |p: &&PaymentOperation| !matches!(p.kind, OperationKind::Refund | OperationKind::Void);
    order
        .payments
        .iter()
        .filter(comes_in)
        .find(|p| p.reference.as_ref() == Some(reference))
}

/// Whether the customer pays without the engine asking for it.
const fn pays_later(order: &Order) -> bool {
    matches!(order.terms, PaymentTerms::Invoice | PaymentTerms::Delivery)
}

/// Money went back without the engine asking.
fn money_back(
    order: &Order,
    parent: Option<&PaymentOperation>,
    origin: OperationOrigin,
    amount: Minor,
    reference: &Reference,
) -> Event {
    let method = parent.map_or_else(|| order.payment_method.clone(), |p| p.method.clone());
    found(
        order,
        OperationKind::Refund,
        origin,
        parent.map(|p| p.n),
        method,
        amount,
        reference,
    )
}

fn found(
    order: &Order,
    kind: OperationKind,
    origin: OperationOrigin,
    parent: Option<u32>,
    method: Name,
    amount: Minor,
    reference: &Reference,
) -> Event {
    let n = order.payments.len() as u32 + 1;
    Event::PaymentFound {
        n,
        kind,
        origin,
        parent,
        method,
        amount,
        reference: Some(reference.clone()),
    }
}
