//! The life of an order as a whole: placed, confirmed, cancelled, completed, redacted.

use super::check::{check_distinct, check_open};
use super::refusal::{illegal, not_now};
use super::settle::keeps_from_completing;
use super::{Command, Env, shipping};
use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::order::{
    Blocks, CancelCause, DisputeState, Event, Lifecycle, Line, LineUnits, Order, PaymentOperation,
    Placed, Reservation, ShipmentState, Status, Statuses, derive,
};
use crate::text::Private;
use crate::time::Timestamp;

/// The order that [`Event::Placed`] makes, with its stock and first payment planned.
pub fn begin(placed: &Placed, at: Timestamp) -> Order {
    let Placed {
        id,
        number,
        user,
        currency,
        lines,
        amounts,
        shipping_method,
        payment_method,
        terms,
        coupon,
        redemptions,
        placing_deadline,
        holds,
        external_ref,
        addresses,
        notes,
        token,
        return_url,
        metadata,
    } = placed;
    let lines = lines
        .iter()
        .zip(1..)
        .map(|(l, n)| Line::placed(l, n, at))
        .collect();
    let mut order = Order {
        id: *id,
        number: *number,
        user: *user,
        version: 1,
        lifecycle: Lifecycle::Pending,
        statuses: Statuses::default(),
        currency: *currency,
        lines,
        amounts: *amounts,
        shipping_method: shipping_method.clone(),
        payment_method: payment_method.clone(),
        terms: *terms,
        external_ref: external_ref.clone(),
        coupon: coupon.clone(),
        redemptions: redemptions.clone(),
        round: 1,
        reservations: Vec::new(),
        payments: Vec::new(),
        unmatched: Vec::new(),
        shipments: Vec::new(),
        returns: Vec::new(),
        credits: Vec::new(),
        disputes: Vec::new(),
        edits: Vec::new(),
        holds: holds.clone(),
        attention: Vec::new(),
        notices: Vec::new(),
        notified: 0,
        placing_deadline: *placing_deadline,
        retry_until: None,
        created_at: at,
        updated_at: at,
        confirmed_at: None,
        completed_at: None,
        cancelled_at: None,
        addresses: addresses.clone(),
        notes: notes.clone(),
        metadata: metadata.clone(),
        stuck_retried_at: None,
        redacted_at: None,
    };
    plan_attempt(&mut order, token, return_url, at);
    order.statuses = derive(&order);
    order
}

/// Plans a hold for each SKU, and the payment that its terms ask for.
fn plan_attempt(
    order: &mut Order,
    token: &Private<String>,
    return_url: &Private<String>,
    at: Timestamp,
) {
    let wanted: Vec<_> = order
        .wanted_stock()
        .into_iter()
        .map(|(sku, units)| (sku.clone(), units))
        .collect();
    for (sku, quantity) in wanted {
        let n = order.reservations.len() as u32 + 1;
        order
            .reservations
            .push(Reservation::planned(n, sku, quantity, order.round, at));
    }
    let Some(kind) = order.terms.attempt_kind() else {
        return;
    };
    let due = order.owed() - order.secured(at);
    if due > 0 {
        let mut op = PaymentOperation::planned(
            order.payments.len() as u32 + 1,
            kind,
            None,
            order.payment_method.clone(),
            due,
            at,
        );
        op.token = token.clone();
        op.return_url = return_url.clone();
        order.payments.push(op);
    }
}

/// Returns the cancellation of one unit of each line that has one open.
pub(super) fn samples(order: &Order) -> impl Iterator<Item = Command> {
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
/// What makes a cancelled order refund its payments: it owes nothing from [`Event::CancelRequested`]
/// on ([`Order::owed`]), so all that is kept is surplus, and surplus goes back.
pub(super) fn cancel(order: &Order) -> Result<Vec<Event>, Rejection> {
    if can_cancel(order) {
        return Ok(vec![Event::CancelRequested {
            cause: CancelCause::Requested,
        }]);
    }
    match order.lifecycle {
        Lifecycle::Cancelling | Lifecycle::Cancelled => Ok(Vec::new()),
        Lifecycle::Confirmed if let Some(line) = given_out(order) => {
            let why = format!(
                "line {} ({}) needs no shipping and was given out: it can be returned or credited, and what is yet to be sent \
                 can be cancelled without it",
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

/// Whether cancelling would change something.
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

pub(super) fn complete(order: &Order, command: &Command) -> Result<Vec<Event>, Rejection> {
    match keeps_from_completing(order) {
        None => Ok(vec![Event::Completed]),
        Some(_) if order.lifecycle == Lifecycle::Completed => Ok(Vec::new()),
        Some(_) if order.lifecycle != Lifecycle::Confirmed => Err(illegal(order, command)),
        Some(why) => Err(not_now(order, command, RejectionReason::NotReady, why)),
    }
}

pub(super) fn set_metadata(order: &Order, key: &Name, value: &Private<String>) -> Vec<Event> {
    let before = order.metadata.0.as_ref().and_then(|m| m.get(key));
    if before == value.0.as_ref() {
        return Vec::new();
    }
    vec![Event::MetadataChanged {
        key: key.clone(),
        removed: value.0.is_none(),
        value: value.clone(),
    }]
}

/// Brings the order to a status: a shorter way to give another command.
pub(super) fn set_status(
    order: &Order,
    command: &Command,
    status: Status,
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    if status == order.statuses.status {
        return Ok(Vec::new());
    }
    let none = Vec::new();
    match status {
        Status::Confirmed => {
            let blocking = order.holds.iter().filter(|h| h.blocks == Blocks::Confirm);
            let released: Vec<Event> = blocking
                .map(|h| Event::HoldReleased {
                    kind: h.kind.clone(),
                    lapsed: false,
                })
                .collect();
            if order.lifecycle != Lifecycle::Pending || released.is_empty() {
                Err(illegal(order, command))
            } else {
                Ok(released)
            }
        }
        Status::Processing => shipping::plan(order, command, &none, env).map(|(_, events)| events),
        Status::Shipped => shipping::ship_all(order, command, env),
        Status::Delivered => shipping::deliver_all(order, command, env),
        Status::Cancelled => cancel(order),
        Status::Completed => complete(order, command),
        Status::Pending
        | Status::PartiallyShipped
        | Status::PartiallyDelivered
        | Status::Cancelling
        | Status::PaymentFailed
        | Status::Rejected
        | Status::Expired => Err(illegal(order, command)),
    }
}

pub(super) fn redact(order: &Order, command: &Command) -> Result<Vec<Event>, Rejection> {
    if order.redacted_at.is_some() {
        return Ok(Vec::new());
    }
    let over = order.lifecycle.is_terminal() || order.lifecycle == Lifecycle::Completed;
    if !over {
        return Err(illegal(order, command));
    }
    let under_way = order.payments.iter().any(|p| p.state.is_open())
        || order.returns.iter().any(|r| r.state.is_open());
    if under_way {
        return Err(not_now(
            order,
            command,
            RejectionReason::NotReady,
            "a payment or return is under way",
        ));
    }
    // The addresses are the shop's evidence.
    if order.disputes.iter().any(|d| d.state == DisputeState::Open) {
        return Err(not_now(
            order,
            command,
            RejectionReason::NotReady,
            "a dispute is open",
        ));
    }
    Ok(vec![Event::Redacted])
}

/// Cancels open units; the whole order if nothing would be left.
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

/// Cancels every unit that is yet to be sent and is in no planned shipment.
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

/// Applies an event of the order as a whole.
pub(super) fn apply(order: &mut Order, event: &Event, at: Timestamp) {
    match event {
        Event::Confirmed => {
            order.lifecycle = Lifecycle::Confirmed;
            order.confirmed_at = Some(at);
        }
        Event::Rejected { .. } => order.lifecycle = Lifecycle::Rejected,
        Event::PaymentFailed { retry_until } => {
            order.lifecycle = Lifecycle::PaymentFailed;
            order.retry_until = Some(*retry_until);
        }
        Event::PaymentRetried {
            method,
            terms,
            placing_deadline,
            token,
            return_url,
        } => {
            order.lifecycle = Lifecycle::Pending;
            order.round += 1;
            order.payment_method = method.clone();
            order.terms = *terms;
            order.placing_deadline = *placing_deadline;
            order.retry_until = None;
            plan_attempt(order, token, return_url, at);
        }
        Event::Expired => order.lifecycle = Lifecycle::Expired,
        Event::CancelRequested { .. } => {
            order.lifecycle = Lifecycle::Cancelling;
            let planned: Vec<u32> = order
                .shipments
                .iter()
                .filter(|s| s.state == ShipmentState::Planned)
                .map(|s| s.n)
                .collect();
            for n in planned {
                shipping::end(order, n, ShipmentState::Cancelled, at);
            }
        }
        Event::Cancelled => {
            order.lifecycle = Lifecycle::Cancelled;
            order.cancelled_at = Some(at);
        }
        Event::Completed => {
            order.lifecycle = Lifecycle::Completed;
            order.completed_at = Some(at);
        }
        Event::LinesCancelled { lines, cause: _ } => {
            for LineUnits { line, units } in lines {
                order.with_line(*line, at, |l| l.counters.cancelled += units);
            }
        }
        Event::MetadataChanged {
            key,
            removed,
            value,
        } => {
            let mut metadata = order.metadata.0.take().unwrap_or_default();
            match (&value.0, removed) {
                (Some(value), false) => drop(metadata.insert(key.clone(), value.clone())),
                _ => drop(metadata.remove(key)),
            }
            order.metadata = Private((!metadata.is_empty()).then_some(metadata));
        }
        Event::Redacted => {
            order.redacted_at = Some(at);
            order.addresses = Private(None);
            order.notes = Private(None);
            order.metadata = Private(None);
            order
                .payments
                .iter_mut()
                .for_each(PaymentOperation::erase_private);
        }
        _ => {}
    }
}
