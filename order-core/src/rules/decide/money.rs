//! What is owed and how it is paid: cancelled lines, credits, paying again.

use super::shipping::{check_distinct, check_open};
use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::money::Minor;
use crate::order::{
    CancelCause, CreditKind, Event, Lifecycle, LineCredit, LineUnits, OperationKind, Order,
    PaymentTerms,
};
use crate::rules::payments::attempt_outstanding;
use crate::rules::refusal::{illegal, no_such, not_now, refusal};
use crate::rules::{Command, Env};
use crate::text::Private;
use crate::time::Timestamp;

/// Returns the cancellation of one unit of each line that has one open.
pub(super) fn cancel_samples(order: &Order) -> impl Iterator<Item = Command> {
    order
        .lines
        .iter()
        .filter(|l| l.open() > 0)
        .map(|l| Command::CancelLines {
            lines: vec![LineUnits {
                line: l.n,
                units: 1,
            }],
        })
}

/// Returns the payment and the write-off of all that is short.
pub(super) fn pay_samples() -> impl Iterator<Item = Command> {
    let pay = "sample".parse().ok().map(|method| Command::RetryPayment {
        amount: None,
        method,
        terms: PaymentTerms::Confirm,
        token: Private(None),
        return_url: Private(None),
    });
    pay.into_iter().chain([Command::WriteOff { amount: None }])
}

pub(super) fn cancel_lines(
    order: &Order,
    command: &Command,
    lines: &[LineUnits],
) -> Result<Vec<Event>, Rejection> {
    if order.lifecycle != Lifecycle::Confirmed {
        return Err(illegal(order, command));
    }
    if lines.is_empty() {
        return Err(not_now(
            order,
            command,
            RejectionReason::NotOpen,
            "no units were named",
        ));
    }
    check_distinct(order, command, lines.iter().map(|l| l.line))?;
    for l in lines {
        check_open(order, command, *l)?;
    }
    let kept: u32 = order
        .lines
        .iter()
        .map(|l| l.quantity - l.counters.cancelled)
        .sum();
    let cause = CancelCause::Requested;
    if lines.iter().map(|l| l.units).sum::<u32>() == kept {
        return Ok(vec![Event::CancelRequested { cause }]);
    }
    Ok(vec![Event::LinesCancelled {
        lines: lines.to_vec(),
        cause,
    }])
}

pub(super) fn cancel_rest(order: &Order, command: &Command) -> Result<Vec<Event>, Rejection> {
    if order.lifecycle != Lifecycle::Confirmed {
        return Err(illegal(order, command));
    }
    let open = order
        .lines
        .iter()
        .filter(|l| l.open() > 0 && l.requires_shipping);
    let lines: Vec<LineUnits> = open
        .map(|l| LineUnits {
            line: l.n,
            units: l.open(),
        })
        .collect();
    if lines.is_empty() {
        return Err(not_now(
            order,
            command,
            RejectionReason::NotOpen,
            "nothing is left to be shipped",
        ));
    }
    cancel_lines(order, command, &lines)
}

pub(super) fn credit(
    order: &Order,
    command: &Command,
    amount: Minor,
) -> Result<Vec<Event>, Rejection> {
    creditable(order, command)?;
    let owed = order.owed();
    if amount <= 0 || amount > owed {
        return Err(too_large(order, command, amount, owed, "is still owed"));
    }
    Ok(vec![Event::Credited {
        kind: CreditKind::Goodwill,
        amount,
        lines: Vec::new(),
    }])
}

pub(super) fn credit_lines(
    order: &Order,
    command: &Command,
    lines: &[LineCredit],
) -> Result<Vec<Event>, Rejection> {
    creditable(order, command)?;
    check_distinct(order, command, lines.iter().map(|l| l.line))?;
    for LineCredit { line, amount } in lines {
        let of = order
            .line(*line)
            .ok_or_else(|| no_such(order, command, "line", *line))?;
        if *amount <= 0 || *amount > of.owed() {
            return Err(too_large(
                order,
                command,
                *amount,
                of.owed(),
                &format!("is still owed for line {line}"),
            ));
        }
    }
    let amount: Minor = lines.iter().map(|l| l.amount).sum();
    if amount <= 0 || amount > order.owed() {
        return Err(too_large(
            order,
            command,
            amount,
            order.owed(),
            "is still owed",
        ));
    }
    Ok(vec![Event::Credited {
        kind: CreditKind::Line,
        amount,
        lines: lines.to_vec(),
    }])
}

fn creditable(order: &Order, command: &Command) -> Result<(), Rejection> {
    match order.lifecycle {
        Lifecycle::Confirmed | Lifecycle::Completed => Ok(()),
        _ => Err(illegal(order, command)),
    }
}

fn too_large(order: &Order, command: &Command, amount: Minor, owed: Minor, of: &str) -> Rejection {
    let (amount, owed) = (order.in_currency(amount), order.in_currency(owed));
    not_now(
        order,
        command,
        RejectionReason::CreditTooLarge,
        format!("{amount} is not between 0 and the {owed} that {of}"),
    )
}

/// Gives up what an order is short, or some of it.
pub(super) fn write_off(
    order: &Order,
    command: &Command,
    amount: Option<Minor>,
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    let short = short_now(order, command, env)?;
    let amount = amount.unwrap_or(short);
    if amount <= 0 || amount > short {
        let (amount, short) = (order.in_currency(amount), order.in_currency(short));
        let why = format!("{amount} is not between 0 and the {short} that are short");
        return Err(not_now(
            order,
            command,
            RejectionReason::CreditTooLarge,
            why,
        ));
    }
    Ok(vec![Event::Credited {
        kind: CreditKind::WriteOff,
        amount,
        lines: Vec::new(),
    }])
}

/// How much an order is short that could be paid or written off now.
fn short_now(order: &Order, command: &Command, env: &Env<'_>) -> Result<Minor, Rejection> {
    if !matches!(
        order.lifecycle,
        Lifecycle::Pending | Lifecycle::Confirmed | Lifecycle::Completed
    ) {
        return Err(illegal(order, command));
    }
    let unpaid = unpaid(order, env.now);
    if unpaid <= 0 {
        return Err(not_now(
            order,
            command,
            RejectionReason::NothingToPay,
            "nothing is left to be paid",
        ));
    }
    if attempt_outstanding(order, true) {
        return Err(not_now(
            order,
            command,
            RejectionReason::PaymentUnderWay,
            "a payment is under way",
        ));
    }
    Ok(unpaid)
}

/// What an order owes that is neither paid nor can still be captured, by invoice and on delivery
/// too.
fn unpaid(order: &Order, now: Timestamp) -> Minor {
    match order.terms {
        PaymentTerms::Confirm | PaymentTerms::Shipment => order.short(now),
        PaymentTerms::Invoice | PaymentTerms::Delivery => {
            (order.owed() - order.kept()).clamp(0, order.owed())
        }
    }
}

/// How a payment is to be made.
pub(super) struct Paying<'a> {
    pub method: &'a Name,
    pub terms: PaymentTerms,
    /// How much of what is short; all of it if not said.
    pub amount: Option<Minor>,
    pub token: &'a Private<String>,
    pub return_url: &'a Private<String>,
}

/// Pays a declined order again, or what another one is short, all or part of it.
pub(super) fn pay_again(
    order: &Order,
    command: &Command,
    paying: &Paying<'_>,
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    let Paying {
        method,
        terms,
        amount,
        token,
        return_url,
    } = *paying;
    if order.lifecycle != Lifecycle::PaymentFailed {
        let short = short_now(order, command, env)?;
        let kind = match (order.terms, terms) {
            (_, PaymentTerms::Invoice | PaymentTerms::Delivery) => {
                return Err(not_charged(order, command, method));
            }
            (PaymentTerms::Shipment, _) => OperationKind::Authorize,
            (_, PaymentTerms::Confirm | PaymentTerms::Shipment) => OperationKind::Charge,
        };
        let amount = amount.unwrap_or(short);
        if amount <= 0 || amount > short {
            let (amount, short) = (order.in_currency(amount), order.in_currency(short));
            let why = format!("{amount} is not between 0 and the {short} that are left to be paid");
            return Err(not_now(order, command, RejectionReason::NothingToPay, why));
        }
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
    if let Some(until) = order.retry_until.filter(|t| *t <= env.now) {
        let message = format!(
            "cannot retry the payment of order {}: it could be retried until {until}",
            order.number
        );
        return Err(refusal(order, RejectionReason::TooLate, message));
    }
    if amount.is_some_and(|amount| amount != order.amounts.total) {
        let why = "a failed payment is made anew for the whole order: leave the amount out";
        return Err(not_now(order, command, RejectionReason::NothingToPay, why));
    }
    Ok(vec![Event::PaymentRetried {
        method: method.clone(),
        terms,
        placing_deadline: env.now.after(env.policy.placing_deadline),
        token: token.clone(),
        return_url: return_url.clone(),
    }])
}

/// A method by which nothing is charged is never charged.
pub(super) fn not_charged(order: &Order, command: &Command, method: &Name) -> Rejection {
    not_now(
        order,
        command,
        RejectionReason::NothingToPay,
        format!("nothing is charged by {method}"),
    )
}
