//! Cancelling: the whole order, or units of it that have not left.

use crate::error::{Rejection, RejectionReason};
use crate::order::{CancelCause, Event, Lifecycle, Line, LineUnits, Order, ReservationState};
use crate::rules::Command;
use crate::rules::check::{check_distinct, check_open};
use crate::rules::refusal::{illegal, not_now};

/// Returns the cancellation of one unit of each line that has one open.
pub(in crate::rules) fn samples(order: &Order) -> impl Iterator<Item = Command> {
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

/// Cancels an order of which nothing has left.
///
/// A cancelled order refunds what was paid because it owes nothing from
/// [`Event::CancelRequested`] on ([`Order::owed`]): all that is kept is surplus, and surplus goes
/// back (`payment/refund.rs`).
pub(in crate::rules) fn cancel(order: &Order) -> Result<Vec<Event>, Rejection> {
    if can_cancel(order) {
        return Ok(vec![Event::CancelRequested {
            cause: CancelCause::Requested,
        }]);
    }
    match order.lifecycle {
        Lifecycle::Cancelling | Lifecycle::Cancelled => Ok(Vec::new()),
        Lifecycle::Confirmed if let Some(line) = given_out(order) => {
            let why = format!(
                "line {} ({}) needs no shipping and was given out: it can be returned or \
                 credited, and what is yet to be sent can be cancelled without it",
                line.n, line.sku
            );
            Err(not_now(
                order,
                &Command::Cancel,
                RejectionReason::IllegalTransition,
                why,
            ))
        }
        _ => Err(illegal(order, &Command::Cancel)),
    }
}

/// A line that was given out, if nothing else has left.
fn given_out(order: &Order) -> Option<&Line> {
    let gone = |l: &&Line| l.counters.shipped > 0;
    let first = order.lines.iter().find(gone)?;
    order
        .lines
        .iter()
        .filter(gone)
        .all(|l| !l.requires_shipping)
        .then_some(first)
}

/// Returns true if cancelling would change something.
fn can_cancel(order: &Order) -> bool {
    match order.lifecycle {
        Lifecycle::Pending | Lifecycle::PaymentFailed => true,
        Lifecycle::Confirmed => order.lines.iter().all(|l| l.counters.shipped == 0),
        Lifecycle::Completed
        | Lifecycle::Cancelling
        | Lifecycle::Cancelled
        | Lifecycle::Rejected
        | Lifecycle::Expired => false,
    }
}

/// Cancels open units; the whole order if nothing would be left.
pub(in crate::rules) fn cancel_lines(
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

/// Cancels every unit that is yet to be sent and is in no planned shipment.
pub(in crate::rules) fn cancel_rest(
    order: &Order,
    command: &Command,
) -> Result<Vec<Event>, Rejection> {
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

/// Returns true if a cancelled order has given everything back: no money kept or under way, and no
/// stock that may be held.
pub(in crate::rules) fn is_undone(order: &Order) -> bool {
    let money = order.money();
    money.refunded >= money.captured
        && money.authorized == 0
        && order.payments.iter().all(|p| !p.state.is_open())
        && order.reservations.iter().all(|r| {
            !r.state.may_hold() && r.state != ReservationState::Planned && r.closing.is_none()
        })
}
