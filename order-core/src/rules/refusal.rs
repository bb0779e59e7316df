//! Refusals of commands, in words: why this command does not go on this order now. The commands
//! that could be given instead are added by [`decide()`](super::decide()), once for all of them.

use std::fmt::Display;

use super::Command;
use crate::error::{Rejection, RejectionReason};
use crate::order::Order;

/// Returns the refusal of a command that the order's status does not allow at all.
pub(super) fn illegal(order: &Order, command: &Command) -> Rejection {
    let since = order.updated_at;
    let status = order.statuses.status;
    let what = match command {
        Command::SetStatus { status } => format!("set order {} to {status}", order.number),
        _ => format!("{} order {}", command.phrase(), order.number),
    };
    refusal(
        order,
        RejectionReason::IllegalTransition,
        format!("cannot {what}: its status is {status} since {since}"),
    )
}

/// Returns the refusal of a command that the order's status allows and something else does not.
pub(super) fn not_now(
    order: &Order,
    command: &Command,
    reason: RejectionReason,
    why: impl Display,
) -> Rejection {
    refusal(
        order,
        reason,
        format!("cannot {} order {}: {why}", command.phrase(), order.number),
    )
}

/// Returns the refusal of a command about a record that the order does not have.
pub(super) fn no_such(order: &Order, command: &Command, what: &str, n: u32) -> Rejection {
    not_now(
        order,
        command,
        RejectionReason::NoSuchRecord,
        format_args!("it has no {what} {n}"),
    )
}

/// Returns a refusal with the amount that the order is short.
pub(super) fn refusal(order: &Order, reason: RejectionReason, message: String) -> Rejection {
    Rejection {
        order: Some((order.id, order.number)),
        short: Some(order.short(order.updated_at))
            .filter(|short| *short > 0)
            .map(|short| Box::new(order.in_currency(short))),
        ..Rejection::new(reason, message)
    }
}
