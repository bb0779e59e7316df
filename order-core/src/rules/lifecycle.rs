//! The life of an order as a whole: placed, confirmed, cancelled, completed, redacted.

pub(super) mod begin;
pub(super) mod cancel;
pub(super) mod complete;
pub(super) mod pending;

use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::order::{
    Blocks, DisputeState, Event, Lifecycle, LineUnits, Order, PaymentOperation, ShipmentState,
    Status,
};
use crate::rules::refusal::{illegal, not_now};
use crate::rules::{Command, Env, shipping};
use crate::text::Private;
use crate::time::Timestamp;

/// Stores or removes an entry of metadata.
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
        Status::Cancelled => cancel::cancel(order),
        Status::Completed => complete::complete(order, command),
        Status::Pending
        | Status::PartiallyShipped
        | Status::PartiallyDelivered
        | Status::Cancelling
        | Status::PaymentFailed
        | Status::Rejected
        | Status::Expired => Err(illegal(order, command)),
    }
}

/// Erases the personal data of an order that is over.
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
            begin::plan_attempt(order, token, return_url, at);
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
        Event::StuckRetried => {
            order.stuck_retried_at = Some(at);
            for r in &mut order.reservations {
                r.refusals = 0;
            }
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
