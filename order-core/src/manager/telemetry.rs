//! The spans and events that the manager gives to `tracing`, all in this one file, so that it can
//! be seen at a glance what they say.
//!
//! They name orders, services, operations, counts and times, and never anything that a customer or
//! a caller wrote: no address, e-mail, note, token, metadata or URL. The words of an error are
//! those of a store or of a service's client, which keep them free of such things.
//!
//! | level | what |
//! |---|---|
//! | error | a store that fails, an order that cannot be read |
//! | warn | a call to be repeated, an outcome that is unknown, a lost lease, a parked order, a service that counts as down |
//! | info | an order that is accepted, decided, or needs a person; a store or service that answers again |
//! | debug | each call and each commit |

use std::time::Duration;

use tracing::{Span, debug, debug_span, error, info, warn};

use crate::ids::OrderId;
use crate::order::{Event, Lifecycle, Op, Order};
use crate::rules::Call;
use crate::services::{CallError, ServiceName};
use crate::store::{Changeset, StoreError, Unreadable};
use crate::time::Timestamp;

/// The span of placing an order, until its caller is answered.
pub(super) fn placing() -> Span {
    debug_span!("place")
}

/// The span of driving an order, from taking its lease until giving it back.
pub(super) fn driving(order: &Order) -> Span {
    debug_span!("drive", order = %order.number, id = %order.id)
}

/// The span of one call of an order's operation, with the number of calls before it that failed.
pub(super) fn calling(order: &Order, call: Call, tries: u32) -> Span {
    debug_span!("call", order = %order.number, op = ?call.op, verb = ?call.verb, tries)
}

/// Tells how a call was answered.
pub(super) fn answered<T>(
    service: ServiceName,
    method: &'static str,
    took: Duration,
    result: &Result<T, CallError>,
) {
    let outcome = match result {
        Ok(_) => "done",
        Err(CallError::Refused { .. }) => "refused",
        Err(CallError::NotDone { .. }) => "not done",
        Err(CallError::Unknown { .. }) => "unknown",
    };
    let took_ms = took.as_millis() as u64;
    debug!(%service, method, outcome, took_ms, "call answered");
}

/// Tells of a call on nobody's lease that failed, such as reading a product.
pub(super) fn unanswered(service: ServiceName, method: &'static str, error: &CallError) {
    if !matches!(error, CallError::Refused { .. }) {
        warn!(%service, method, %error, "call failed");
    }
}

/// Tells of an operation that will be called again.
pub(super) fn to_repeat(
    order: &Order,
    op: Op,
    tries: u32,
    next_at: Timestamp,
    unknown: bool,
    error: &str,
) {
    let order = order.number;
    if unknown {
        warn!(%order, ?op, tries, %next_at, error, "outcome unknown");
    } else {
        warn!(%order, ?op, tries, %next_at, error, "call not done, to be repeated");
    }
}

/// Tells what a commit made of an order.
pub(super) fn committed(changeset: &Changeset, replayed: bool) {
    let (before, after) = (changeset.before.as_deref(), &changeset.after);
    let (order, id, status) = (after.number, after.id, after.statuses.status);
    let rows = changeset.journal.len();
    debug!(%order, version = after.version, rows, replayed, "committed");
    let mut placed = false;
    for row in &changeset.journal {
        match &row.event {
            Event::Placed(_) => {
                placed = true;
                info!(%order, %id, "order accepted");
            }
            Event::AttentionRaised { reason, about, .. } => {
                info!(%order, %id, %reason, ?about, "a person must look");
            }
            _ => {}
        }
    }
    let from = before.map_or(Lifecycle::Pending, |order| order.lifecycle);
    // What is imported or restored was decided long ago.
    if from == after.lifecycle || (before.is_none() && !placed) {
        return;
    }
    match after.lifecycle {
        Lifecycle::Confirmed
        | Lifecycle::Cancelled
        | Lifecycle::PaymentFailed
        | Lifecycle::Rejected
        | Lifecycle::Expired => info!(%order, %id, %status, "order decided"),
        Lifecycle::Pending | Lifecycle::Cancelling | Lifecycle::Completed => {
            debug!(%order, %id, %status, "order moved on");
        }
    }
}

/// Tells that a changeset is sent again, since the store was busy or its answer was lost.
pub(super) fn commit_repeated(order: &Order, tries: u32, error: &StoreError) {
    warn!(order = %order.number, tries, kind = ?error.kind, %error, "commit to be repeated");
}

/// Tells that somebody else has an order's lease, which this manager had.
pub(super) fn lease_lost(order: &Order, facts: usize) {
    warn!(order = %order.number, facts, "lease lost while the order was worked");
}

/// Tells that a lease was taken over from a worker that never gave it back.
pub(super) fn taken_over(order: &Order, runs: u32) {
    warn!(order = %order.number, runs, "order taken over from a worker that did not give it back");
}

/// Tells that an order is set aside, since it has cost so many workers.
pub(super) fn parked(order: &Order, runs: u32) {
    warn!(order = %order.number, runs, "order parked: its workers do not come to an end");
}

/// Tells that a service begins or ceases to count as down.
pub(super) fn breaker(service: ServiceName, down: bool) {
    if down {
        warn!(%service, "service counts as down: new orders that need it are refused");
    } else {
        info!(%service, "service answers again");
    }
}

/// Tells that the store failed somebody who worked an order.
pub(super) fn order_failed(order: OrderId, doing: &'static str, error: &StoreError) {
    error!(id = %order, doing, kind = ?error.kind, %error, "the store failed a worker");
}

/// Tells that the store could not be asked for work. What fails again and again is told of once.
pub(super) fn worker_failed(again: bool, error: &StoreError) {
    let kind = error.kind;
    if again {
        debug!(?kind, %error, "the store still cannot be asked for work");
    } else {
        error!(?kind, %error, "the store cannot be asked for work");
    }
}

/// Tells that the store can be asked for work again.
pub(super) fn worker_recovered() {
    info!("the store can be asked for work again");
}

/// Tells of an order that was due and cannot be read.
pub(super) fn unreadable(unreadable: &Unreadable) {
    let Unreadable { order, reason } = unreadable;
    error!(id = %order, reason, "an order is due and cannot be read");
}
