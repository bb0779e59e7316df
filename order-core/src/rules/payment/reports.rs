//! Reports of a payment provider, as its callbacks bring them: matched to an operation, or kept.

use super::outcome::{fits, heard};
use super::outside;
use crate::money::Money;
use crate::order::{AttentionReason, Event, Order, PaymentOperation, UnmatchedPayment};
use crate::rules::attention::{clear, raise};
use crate::rules::fact::{Evidence, PaymentReport, ProviderAnswer};
use crate::rules::{Env, Purpose, key};
use crate::text::Private;

/// Matches a report to an operation by our key first, then by the provider's reference; keeps what
/// matches none.
pub(in crate::rules) fn report(order: &Order, report: &PaymentReport, env: &Env<'_>) -> Vec<Event> {
    if let Some(p) = operation_of(order, report) {
        return heard(order, p, &answer_of(report, env), env);
    }
    if let Some(events) = outside::payment(order, report) {
        return events;
    }
    let PaymentReport {
        key: _,
        reference,
        parent,
        status,
        amount,
    } = report;
    let unmatched = UnmatchedPayment {
        reference: reference.clone(),
        parent: parent.clone(),
        status: *status,
        amount: amount.minor,
        currency: amount.currency,
    };
    if order.unmatched.contains(&unmatched) {
        return Vec::new();
    }
    let look = raise(order, AttentionReason::UnexpectedReport, None);
    std::iter::once(Event::PaymentUnmatched(unmatched))
        .chain(outside::questioned(order, report))
        .chain(look)
        .collect()
}

/// Returns a report as what the provider says of an operation.
fn answer_of(report: &PaymentReport, env: &Env<'_>) -> ProviderAnswer {
    ProviderAnswer {
        status: report.status,
        reference: Some(report.reference.clone()),
        amount: report.amount,
        code: None,
        deadline: env.now.after(env.policy.action_deadline),
        action: Private(None),
        capture_before: None,
        evidence: Evidence::Report,
    }
}

/// Returns the operation that a report is about.
fn operation_of<'o>(order: &'o Order, report: &PaymentReport) -> Option<&'o PaymentOperation> {
    let by_key = || {
        let wanted = report.key?;
        order
            .payments
            .iter()
            .find(|p| key(order.id, Purpose::Payment, p.n) == wanted)
    };
    let named = |p: &&PaymentOperation| p.reference.as_ref() == Some(&report.reference);
    by_key().or_else(|| {
        order
            .payments
            .iter()
            .filter(named)
            .find(|p| fits(p.kind, report.status))
    })
}

/// The events of a report that was kept because it fitted nothing, once what it names is known.
pub(in crate::rules) fn matched(
    order: &Order,
    kept: &UnmatchedPayment,
    env: &Env<'_>,
) -> Option<Vec<Event>> {
    let report = PaymentReport {
        key: None,
        reference: kept.reference.clone(),
        parent: kept.parent.clone(),
        status: kept.status,
        amount: Money::new(kept.amount, kept.currency),
    };
    let mut events = match operation_of(order, &report) {
        Some(p) => heard(order, p, &answer_of(&report, env), env),
        None => outside::payment(order, &report)?,
    };
    events.insert(
        0,
        Event::UnmatchedMatched {
            reference: kept.reference.clone(),
            status: kept.status,
        },
    );
    if order.unmatched.len() == 1 {
        events.extend(clear(order, AttentionReason::UnexpectedReport, None));
    }
    Some(events)
}
