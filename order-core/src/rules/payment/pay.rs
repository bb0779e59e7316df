//! Paying by command: a declined order again, or what another one is short; and writing that off.

use super::planned::PlannedPayment;
use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::money::Minor;
use crate::order::{
    CreditKind, DisputeState, Event, FulfilmentStatus, Lifecycle, OperationKind, Order,
    PaymentOperation, PaymentTerms,
};
use crate::rules::attention;
use crate::rules::lifecycle::complete::fulfilled_at;
use crate::rules::payment::state::attempt_outstanding;
use crate::rules::refusal::{illegal, not_now, refusal};
use crate::rules::{Command, Env};
use crate::text::Private;
use crate::time::Timestamp;

/// Returns the payment and the write-off of all that is short.
pub(in crate::rules) fn samples() -> impl Iterator<Item = Command> {
    let pay = "sample".parse().ok().map(|method| Command::RetryPayment {
        amount: None,
        method,
        terms: PaymentTerms::Confirm,
        token: Private(None),
        return_url: Private(None),
    });
    pay.into_iter().chain([Command::WriteOff { amount: None }])
}

/// Gives up what an order is short, or some of it.
pub(in crate::rules) fn write_off(
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

/// Returns how much an order is short that could be paid or written off now.
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

/// Returns what an order owes that is neither paid nor can still be captured, by invoice and on
/// delivery too.
fn unpaid(order: &Order, now: Timestamp) -> Minor {
    match order.terms {
        PaymentTerms::Confirm | PaymentTerms::Shipment => order.short(now),
        PaymentTerms::Invoice | PaymentTerms::Delivery => {
            (order.owed() - order.kept()).clamp(0, order.owed())
        }
    }
}

/// The way in which a payment is to be made.
pub(in crate::rules) struct Paying<'a> {
    pub method: &'a Name,
    pub terms: PaymentTerms,
    /// The part of what is short to pay; all of it if `None`.
    pub amount: Option<Minor>,
    pub token: &'a Private<String>,
    pub return_url: &'a Private<String>,
}

/// Pays a declined order again, or what another one is short, all or part of it.
pub(in crate::rules) fn pay_again(
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
        let planned = PlannedPayment::new(order, kind, method, amount);
        return Ok(vec![planned.paid_with(token, return_url).event()]);
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
pub(in crate::rules) fn not_charged(order: &Order, command: &Command, method: &Name) -> Rejection {
    not_now(
        order,
        command,
        RejectionReason::NothingToPay,
        format!("nothing is charged by {method}"),
    )
}

/// Returns what is short is given up where the shop wants that: a few cents, and what went back
/// after everything had arrived. Not while more may be coming in, or a bank is to decide.
pub(in crate::rules) fn write_off_by_policy(order: &Order, env: &Env<'_>) -> Option<Event> {
    let short = attention::short_to_tell(order, env);
    let undecided = order
        .payments
        .iter()
        .any(|p| p.state.is_open() || p.verification.is_due())
        || order.disputes.iter().any(|d| d.state == DisputeState::Open);
    if short == 0 || undecided {
        return None;
    }
    let arrived = order.lifecycle != Lifecycle::Pending
        && matches!(
            order.statuses.fulfilment,
            FulfilmentStatus::Delivered | FulfilmentStatus::NotRequired
        );
    let amount = if short <= env.policy.write_off_up_to {
        short
    } else if arrived && env.policy.write_off_after_delivery {
        let since = fulfilled_at(order);
        let later = order.payments.iter().filter(|p| p.created_at >= since);
        let given_up = order
            .credits
            .iter()
            .filter(|c| c.kind == CreditKind::WriteOff && c.at >= since);
        let later = later
            .map(PaymentOperation::went_back_outside)
            .sum::<Minor>();
        // Once.
        (later - given_up.map(|c| c.amount).sum::<Minor>()).min(short)
    } else {
        0
    };
    (amount > 0).then(|| Event::Credited {
        kind: CreditKind::WriteOff,
        amount,
        lines: Vec::new(),
    })
}
