//! Money that moved without the engine asking: refunds made by hand, payments of invoices, chargebacks and disputes.

use super::record::{DisputeReport, PaymentReport, clear, raise};
use crate::ids::{Name, Reference};
use crate::money::{Minor, Money};
use crate::order::{
    AttentionReason, CreditKind, DisputeState, Event, OperationKind, OperationOrigin, OperationState, Order, PaymentOperation,
    PaymentTerms,
};

/// The events of a report that fits no operation of ours, if it can be understood without one. `None`: it is to be kept as it is.
pub(super) fn payment(order: &Order, report: &PaymentReport) -> Option<Vec<Event>> {
    let &Money { minor: amount, currency } = &report.amount;
    if currency != order.currency || amount <= 0 {
        return None;
    }
    let parent = report.parent.as_ref().or(Some(&report.reference)).and_then(|r| taken(order, r));
    // It may be one of ours whose answer is still on its way.
    let nameless = |kind| {
        order
            .payments
            .iter()
            .any(|p| p.kind == kind && p.reference.is_none() && p.state.is_open() && p.state != OperationState::Planned)
    };
    match report.status {
        OperationState::Refunded if !nameless(OperationKind::Refund) => {
            let parent = parent.or_else(|| order.payments.iter().rev().find(|p| order.captured_of(p) > 0))?;
            Some(money_back(order, Some(parent), OperationOrigin::Outside, amount, &report.reference))
        }
        OperationState::Captured => {
            let authorization = order
                .payments
                .iter()
                .find(|p| p.kind == OperationKind::Authorize && p.reference.is_some() && p.reference == report.parent);
            let (kind, method, parent) = match authorization {
                Some(p) if !nameless(OperationKind::Capture) => (OperationKind::Capture, p.method.clone(), Some(p.n)),
                None if pays_later(order) && !nameless(OperationKind::Charge) => {
                    (OperationKind::Charge, order.payment_method.clone(), None)
                }
                _ => return None,
            };
            let found = found(order, kind, OperationOrigin::Outside, parent, method, amount, &report.reference);
            let more = authorization.is_some_and(|p| amount > order.authorized_rest(p.n));
            let dead = !order.lifecycle.is_live();
            let look = more.then(|| raise(order, AttentionReason::AmountMismatch, None)).flatten();
            let look_dead = dead.then(|| raise(order, AttentionReason::MoneyOnDeadOrder, None)).flatten();
            Some(std::iter::once(found).chain(look).chain(look_dead).collect())
        }
        _ => None,
    }
}

/// The events of money that an operator says has moved, whatever the terms.
pub(super) fn moved(order: &Order, report: &PaymentReport) -> Vec<Event> {
    let amount = report.amount.minor;
    match report.status {
        OperationState::Refunded => {
            let parent = order.payments.iter().rev().find(|p| order.captured_of(p) > 0);
            money_back(order, parent, OperationOrigin::Outside, amount, &report.reference)
        }
        _ => {
            let method = order.payment_method.clone();
            vec![found(order, OperationKind::Charge, OperationOrigin::Outside, None, method, amount, &report.reference)]
        }
    }
}

/// The events of what a provider says of a dispute.
pub(super) fn dispute(order: &Order, report: &DisputeReport) -> Vec<Event> {
    let known = order.disputes.iter().find(|d| d.reference == report.reference);
    if known.is_some_and(|d| d.state != DisputeState::Open || report.state == DisputeState::Open) {
        return Vec::new();
    }
    let about = report.payment.as_ref().and_then(|r| taken(order, r));
    let mut events = Vec::new();
    if known.is_none() {
        let payment = about.map(|p| p.n);
        events.push(Event::DisputeOpened { reference: report.reference.clone(), payment, amount: report.amount.minor });
        if report.state == DisputeState::Open {
            events.extend(raise(order, AttentionReason::Dispute, None));
        }
    }
    if report.state == DisputeState::Open {
        return events;
    }
    let won = report.state == DisputeState::Won;
    events.push(Event::DisputeClosed { reference: report.reference.clone(), won });
    let others = order.disputes.iter().any(|d| d.state == DisputeState::Open && d.reference != report.reference);
    if !others {
        events.extend(clear(order, AttentionReason::Dispute, None));
    }
    if !won && report.amount.currency == order.currency && report.amount.minor > 0 {
        let by_dispute = known.and_then(|d| d.payment).and_then(|n| order.payment(n));
        let parent = about.or(by_dispute).or_else(|| order.payments.iter().rev().find(|p| order.captured_of(p) > 0));
        events.extend(money_back(order, parent, OperationOrigin::Chargeback, report.amount.minor, &report.reference));
    }
    events
}

/// The operation by which money came in, by the provider's reference.
fn taken<'o>(order: &'o Order, reference: &Reference) -> Option<&'o PaymentOperation> {
    order.payments.iter().find(|p| p.reference.as_ref() == Some(reference) && order.captured_of(p) > 0)
}

/// Whether the customer pays without the engine asking for it.
const fn pays_later(order: &Order) -> bool {
    matches!(order.terms, PaymentTerms::Invoice | PaymentTerms::Delivery)
}

/// Money went back without the engine asking. What is owed falls with it, or the engine would want it again; unless so much
/// was to go back anyway.
fn money_back(
    order: &Order,
    parent: Option<&PaymentOperation>,
    origin: OperationOrigin,
    amount: Minor,
    reference: &Reference,
) -> Vec<Event> {
    let method = parent.map_or_else(|| order.payment_method.clone(), |p| p.method.clone());
    let mut events = vec![found(order, OperationKind::Refund, origin, parent.map(|p| p.n), method, amount, reference)];
    let money = order.money();
    // Only money that was there: nobody gets goods for nothing because more is said to have gone back than came in.
    let there = order.kept();
    let surplus = (there - money.owed).max(0);
    let credit = (amount.min(there) - surplus).clamp(0, money.owed);
    if credit > 0 {
        events.push(Event::Credited { kind: CreditKind::Outside, amount: credit, lines: Vec::new() });
    }
    let reason = match origin {
        OperationOrigin::Chargeback => AttentionReason::Chargeback,
        OperationOrigin::Engine | OperationOrigin::Outside => AttentionReason::OutsideRefund,
    };
    events.extend(raise(order, reason, None));
    events
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
    Event::PaymentFound { n, kind, origin, parent, method, amount, reference: Some(reference.clone()) }
}
