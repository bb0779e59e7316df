//! Disputes: payments that a bank questions, and chargebacks.

use super::outside::{in_flight, money_back, named};
use crate::money::Minor;
use crate::order::{
    AttentionReason, CreditKind, Dispute, DisputeState, Event, OperationKind, OperationOrigin,
    OperationState, Order, PaymentOperation, UnmatchedPayment,
};
use crate::rules::attention::{clear, raise};
use crate::rules::fact::DisputeReport;
use crate::time::Timestamp;

/// The code of a chargeback that the bank took back.
const DISPUTE_WON: &str = "DISPUTE_WON";

/// The events of what a provider says of a dispute. Of one dispute the last word counts.
pub(in crate::rules) fn dispute(order: &Order, report: &DisputeReport) -> Vec<Event> {
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

/// Applies an event of a dispute to the order.
pub(in crate::rules) fn apply(order: &mut Order, event: &Event, at: Timestamp) {
    match event {
        Event::DisputeOpened {
            reference,
            payment,
            amount,
        } => {
            let known = order
                .disputes
                .iter_mut()
                .find(|d| d.reference == *reference);
            let (payment, amount) = (*payment, *amount);
            match known {
                Some(d) => (d.payment, d.amount) = (payment.or(d.payment), amount),
                None => order.disputes.push(Dispute {
                    reference: reference.clone(),
                    payment,
                    amount,
                    state: DisputeState::Open,
                    opened_at: at,
                    closed_at: None,
                }),
            }
        }
        Event::DisputeClosed { reference, won } => {
            for d in order
                .disputes
                .iter_mut()
                .filter(|d| d.reference == *reference)
            {
                d.state = if *won {
                    DisputeState::Won
                } else {
                    DisputeState::Lost
                };
                d.closed_at = Some(at);
            }
        }
        _ => {}
    }
}
