//! Money that moved without the engine asking: refunds made elsewhere, and payments of invoices.
//!
//! It changes what was paid, never what is owed: so the same facts add up to the same, in whatever
//! order they are heard.

use crate::ids::{Name, Reference};
use crate::money::{Minor, Money};
use crate::order::{
    AttentionReason, Event, Numbered, OperationKind, OperationOrigin, OperationState, Order,
    PaymentOperation, PaymentTerms, UnmatchedPayment,
};
use crate::rules::attention::raise;
use crate::rules::fact::PaymentReport;

/// The events of a report that fits no operation of ours, if it can be understood without one.
/// `None`: it is to be kept until what it names is known.
pub(in crate::rules) fn payment(order: &Order, report: &PaymentReport) -> Option<Vec<Event>> {
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
pub(in crate::rules) fn moved(order: &Order, report: &PaymentReport) -> Vec<Event> {
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
pub(in crate::rules) fn questioned(order: &Order, report: &PaymentReport) -> Vec<Event> {
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

pub(super) fn in_flight(order: &Order, about: Option<&Reference>) -> Vec<Event> {
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
pub(in crate::rules) fn waited_for(order: &Order, kept: &UnmatchedPayment) -> Option<u32> {
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

/// The operation by which money comes in that the provider calls so.
pub(super) fn named<'o>(order: &'o Order, reference: &Reference) -> Option<&'o PaymentOperation> {
    let comes_in =
        |p: &&PaymentOperation| !matches!(p.kind, OperationKind::Refund | OperationKind::Void);
    order
        .payments
        .iter()
        .filter(comes_in)
        .find(|p| p.reference.as_ref() == Some(reference))
}

/// Returns true if the customer pays without the engine asking for it.
const fn pays_later(order: &Order) -> bool {
    matches!(order.terms, PaymentTerms::Invoice | PaymentTerms::Delivery)
}

/// Money went back without the engine asking.
pub(super) fn money_back(
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
    let n = order.payments.next_number();
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
