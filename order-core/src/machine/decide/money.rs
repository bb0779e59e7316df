//! What is owed and how it is paid: cancelled lines, credits, paying again.

use super::shipping::{check_distinct, check_open, no_such};
use super::{illegal, not_now, refusal};
use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::machine::payments::attempt_outstanding;
use crate::machine::{Command, Env};
use crate::money::Minor;
use crate::order::{CancelCause, CreditKind, Event, Lifecycle, LineCredit, LineUnits, OperationKind, Order, PaymentTerms};
use crate::text::Private;

pub(super) fn cancel_lines(order: &Order, command: &Command, lines: &[LineUnits]) -> Result<Vec<Event>, Rejection> {
    if order.lifecycle != Lifecycle::Confirmed {
        return Err(illegal(order, command));
    }
    if lines.is_empty() {
        return Err(not_now(order, command, RejectionReason::NotOpen, "no units were named"));
    }
    check_distinct(order, command, lines.iter().map(|l| l.line))?;
    for l in lines {
        check_open(order, command, *l)?;
    }
    let kept: u32 = order.lines.iter().map(|l| l.quantity - l.counters.cancelled).sum();
    let cause = CancelCause::Requested;
    if lines.iter().map(|l| l.units).sum::<u32>() == kept {
        return Ok(vec![Event::CancelRequested { cause }]);
    }
    Ok(vec![Event::LinesCancelled { lines: lines.to_vec(), cause }])
}

pub(super) fn cancel_rest(order: &Order, command: &Command) -> Result<Vec<Event>, Rejection> {
    if order.lifecycle != Lifecycle::Confirmed {
        return Err(illegal(order, command));
    }
    let open = order.lines.iter().filter(|l| l.open() > 0 && l.requires_shipping);
    let lines: Vec<LineUnits> = open.map(|l| LineUnits { line: l.n, units: l.open() }).collect();
    if lines.is_empty() {
        return Err(not_now(order, command, RejectionReason::NotOpen, "nothing is left to be shipped"));
    }
    cancel_lines(order, command, &lines)
}

pub(super) fn credit(order: &Order, command: &Command, amount: Minor) -> Result<Vec<Event>, Rejection> {
    creditable(order, command)?;
    let owed = order.owed();
    if amount <= 0 || amount > owed {
        return Err(too_large(order, command, amount, owed, "is still owed"));
    }
    Ok(vec![Event::Credited { kind: CreditKind::Goodwill, amount, lines: Vec::new() }])
}

pub(super) fn credit_lines(order: &Order, command: &Command, lines: &[LineCredit]) -> Result<Vec<Event>, Rejection> {
    creditable(order, command)?;
    check_distinct(order, command, lines.iter().map(|l| l.line))?;
    for LineCredit { line, amount } in lines {
        let of = order.line(*line).ok_or_else(|| no_such(order, command, "line", *line))?;
        if *amount <= 0 || *amount > of.owed() {
            return Err(too_large(order, command, *amount, of.owed(), &format!("is still owed for line {line}")));
        }
    }
    let amount: Minor = lines.iter().map(|l| l.amount).sum();
    if amount <= 0 || amount > order.owed() {
        return Err(too_large(order, command, amount, order.owed(), "is still owed"));
    }
    Ok(vec![Event::Credited { kind: CreditKind::Line, amount, lines: lines.to_vec() }])
}

fn creditable(order: &Order, command: &Command) -> Result<(), Rejection> {
    match order.lifecycle {
        Lifecycle::Confirmed | Lifecycle::Completed => Ok(()),
        _ => Err(illegal(order, command)),
    }
}

fn too_large(order: &Order, command: &Command, amount: Minor, owed: Minor, of: &str) -> Rejection {
    let (amount, owed) = (order.in_currency(amount), order.in_currency(owed));
    not_now(order, command, RejectionReason::CreditTooLarge, format!("{amount} is not between 0 and the {owed} that {of}"))
}

/// What a confirmed order owes and has not secured, where it is to be secured by now.
pub(super) fn unsecured(order: &Order) -> Minor {
    let secured = match order.terms {
        PaymentTerms::Shipment => order.secured(),
        PaymentTerms::Confirm | PaymentTerms::Invoice | PaymentTerms::Delivery => order.kept(),
    };
    order.owed() - secured
}

/// Pays a declined order again, or what a confirmed one has not secured.
pub(super) fn pay_again(
    order: &Order,
    command: &Command,
    (method, terms): (&Name, PaymentTerms),
    (token, return_url): (&Private<String>, &Private<String>),
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    match order.lifecycle {
        Lifecycle::PaymentFailed => {}
        Lifecycle::Confirmed => {
            let amount = unsecured(order);
            if amount <= 0 {
                return Err(not_now(order, command, RejectionReason::NothingToPay, "nothing is left to be paid"));
            }
            if attempt_outstanding(order, true) {
                return Err(not_now(order, command, RejectionReason::PaymentUnderWay, "a payment is under way"));
            }
            let kind = match (order.terms, terms) {
                (PaymentTerms::Shipment, _) => OperationKind::Authorize,
                (_, PaymentTerms::Confirm | PaymentTerms::Shipment) => OperationKind::Charge,
                (_, PaymentTerms::Invoice | PaymentTerms::Delivery) => {
                    let why = format!("nothing is charged by {method}");
                    return Err(not_now(order, command, RejectionReason::NothingToPay, why));
                }
            };
            return Ok(vec![Event::PaymentPlanned {
                n: order.payments.len() as u32 + 1,
                kind,
                parent: None,
                method: method.clone(),
                amount,
                token: token.clone(),
                return_url: return_url.clone(),
            }]);
        }
        _ => return Err(illegal(order, command)),
    }
    if let Some(until) = order.retry_until.filter(|t| *t <= env.now) {
        let message = format!("cannot retry the payment of order {}: it could be retried until {until}", order.number);
        return Err(refusal(order, RejectionReason::TooLate, message));
    }
    Ok(vec![Event::PaymentRetried {
        method: method.clone(),
        terms,
        placing_deadline: env.now.after(env.policy.placing_deadline),
        token: token.clone(),
        return_url: return_url.clone(),
    }])
}
