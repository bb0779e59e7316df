//! Commands: may this happen, and what are the facts if it does?

use super::Env;
use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::order::{Blocks, CancelCause, Event, Lifecycle, Order, PaymentTerms};
use crate::text::Private;
use crate::time::Timestamp;

/// Something a person or another program wants done to an order that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Be rid of the order: give back its stock and its money.
    Cancel,
    /// Pay a declined order again.
    RetryPayment {
        /// How.
        method: Name,
        /// When money paid that way is due.
        terms: PaymentTerms,
        /// The client's payment token.
        token: Private<String>,
        /// Where the provider sends the customer back to.
        return_url: Private<String>,
    },
    /// Keep the order from going on.
    PlaceHold {
        /// Its kind.
        kind: Name,
        /// What it blocks.
        blocks: Blocks,
        /// When it lapses by itself.
        until: Option<Timestamp>,
    },
    /// Let the order go on.
    ReleaseHold {
        /// Its kind.
        kind: Name,
    },
    /// Write something down.
    Note,
}

impl Command {
    /// Its name, as in messages and journal causes.
    pub const fn name(&self) -> &'static str {
        match self {
            Command::Cancel => "cancel",
            Command::RetryPayment { .. } => "retry payment",
            Command::PlaceHold { .. } => "place hold",
            Command::ReleaseHold { .. } => "release hold",
            Command::Note => "note",
        }
    }
}

impl Command {
    /// What it does to an order, as in "cannot … order ORD-…".
    pub(crate) const fn phrase(&self) -> &'static str {
        match self {
            Command::Cancel => "cancel",
            Command::RetryPayment { .. } => "retry the payment of",
            Command::PlaceHold { .. } => "place a hold on",
            Command::ReleaseHold { .. } => "release a hold on",
            Command::Note => "write a note on",
        }
    }
}

/// Decides a command. No events: it holds already, and is a success without effect.
///
/// Checked in this order: the order's state, the command's time, the command's own arguments. From there it succeeds.
pub fn decide(order: &Order, command: &Command, env: &Env<'_>) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Cancel => cancel(order),
        Command::RetryPayment { method, terms, token, return_url } => {
            if order.lifecycle != Lifecycle::PaymentFailed {
                return Err(illegal(order, command));
            }
            if let Some(until) = order.retry_until.filter(|t| *t <= env.now) {
                let message = format!("cannot retry the payment of order {}: it could be retried until {until}", order.number);
                return Err(refusal(order, RejectionReason::TooLate, message));
            }
            Ok(vec![Event::PaymentRetried {
                method: method.clone(),
                terms: *terms,
                placing_deadline: env.now.after(env.policy.placing_deadline),
                token: token.clone(),
                return_url: return_url.clone(),
            }])
        }
        Command::PlaceHold { kind, blocks, until } => {
            if !matches!(order.lifecycle, Lifecycle::Pending | Lifecycle::Confirmed) {
                return Err(illegal(order, command));
            }
            if until.is_some_and(|t| t <= env.now) {
                let message = format!("cannot place hold {kind} on order {}: its end is in the past", order.number);
                return Err(refusal(order, RejectionReason::TooLate, message));
            }
            match order.holds.iter().find(|h| h.kind == *kind) {
                Some(hold) if hold.blocks == *blocks && hold.until == *until => Ok(Vec::new()),
                Some(hold) => {
                    let message = format!("order {} has a hold {kind} already, which blocks {}", order.number, hold.blocks);
                    Err(refusal(order, RejectionReason::HoldExists, message))
                }
                None => Ok(vec![Event::HoldPlaced { kind: kind.clone(), blocks: *blocks, until: *until }]),
            }
        }
        Command::ReleaseHold { kind } => {
            if order.holds.iter().any(|h| h.kind == *kind) {
                return Ok(vec![Event::HoldReleased { kind: kind.clone(), lapsed: false }]);
            }
            let placed: Vec<&str> = order.holds.iter().map(|h| h.kind.as_str()).collect();
            let placed = if placed.is_empty() { "none is placed".to_owned() } else { format!("placed: {}", placed.join(", ")) };
            Err(refusal(order, RejectionReason::NoSuchHold, format!("order {} has no hold {kind}: {placed}", order.number)))
        }
        Command::Note => Ok(vec![Event::Noted]),
    }
}

fn cancel(order: &Order) -> Result<Vec<Event>, Rejection> {
    if can_cancel(order) {
        return Ok(vec![Event::CancelRequested { cause: CancelCause::Requested }]);
    }
    match order.lifecycle {
        Lifecycle::Cancelling | Lifecycle::Cancelled => Ok(Vec::new()),
        _ => Err(illegal(order, &Command::Cancel)),
    }
}

/// Whether cancelling would change something. Refusals ask this too, so it must not itself refuse.
fn can_cancel(order: &Order) -> bool {
    match order.lifecycle {
        Lifecycle::Pending | Lifecycle::PaymentFailed => true,
        Lifecycle::Confirmed => order.lines.iter().all(|l| l.counters.shipped == 0),
        Lifecycle::Completed | Lifecycle::Cancelling | Lifecycle::Cancelled | Lifecycle::Rejected | Lifecycle::Expired => false,
    }
}

/// The commands that could be tried on the order as it is, for refusals and explanations.
pub fn possible(order: &Order, now: Timestamp) -> Vec<&'static str> {
    let mut names = Vec::new();
    if can_cancel(order) {
        names.push("cancel");
    }
    if order.lifecycle == Lifecycle::PaymentFailed && order.retry_until.is_none_or(|t| now < t) {
        names.push("retry payment");
    }
    if matches!(order.lifecycle, Lifecycle::Pending | Lifecycle::Confirmed) {
        names.push("place hold");
    }
    if !order.holds.is_empty() {
        names.push("release hold");
    }
    names.push("note");
    names
}

fn illegal(order: &Order, command: &Command) -> Rejection {
    let since = order.updated_at;
    let status = order.statuses.status;
    let message = format!("cannot {} order {}: its status is {status} since {since}", command.phrase(), order.number);
    refusal(order, RejectionReason::IllegalTransition, message)
}

fn refusal(order: &Order, reason: RejectionReason, message: String) -> Rejection {
    Rejection {
        order: Some((order.id, order.number)),
        possible: possible(order, order.updated_at),
        ..Rejection::new(reason, message)
    }
}
