//! Completing: by command, or by itself a while after everything has arrived and is paid.

use crate::error::{Rejection, RejectionReason};
use crate::order::{DisputeState, Event, FulfilmentStatus, Lifecycle, Order};
use crate::rules::refusal::{illegal, not_now};
use crate::rules::{Command, Env};
use crate::time::Timestamp;

/// Completes an order that nothing keeps from it.
pub(in crate::rules) fn complete(
    order: &Order,
    command: &Command,
) -> Result<Vec<Event>, Rejection> {
    match keeps_from_completing(order) {
        None => Ok(vec![Event::Completed]),
        Some(_) if order.lifecycle == Lifecycle::Completed => Ok(Vec::new()),
        Some(_) if order.lifecycle != Lifecycle::Confirmed => Err(illegal(order, command)),
        Some(why) => Err(not_now(order, command, RejectionReason::NotReady, why)),
    }
}

/// Returns when the order completes by itself if nothing else happens; `None` while something keeps
/// it from that.
pub(crate) fn completes_at(order: &Order, env: &Env<'_>) -> Option<Timestamp> {
    keeps_from_completing(order)
        .is_none()
        .then(|| fulfilled_at(order).after(env.policy.completion_window))
}

/// Returns when the last of it arrived; for an order of which nothing needs shipping, when it was
/// confirmed.
pub(in crate::rules) fn fulfilled_at(order: &Order) -> Timestamp {
    let delivered = order.shipments.iter().filter_map(|s| s.delivered_at).max();
    delivered.or(order.confirmed_at).unwrap_or(order.updated_at)
}

/// Returns what keeps a confirmed order from being completed, in words; `None` if nothing does.
pub(crate) fn keeps_from_completing(order: &Order) -> Option<&'static str> {
    let money = order.money();
    let fulfilled = matches!(
        order.statuses.fulfilment,
        FulfilmentStatus::Delivered | FulfilmentStatus::NotRequired
    );
    if order.lifecycle != Lifecycle::Confirmed {
        Some("it is not confirmed")
    } else if !fulfilled {
        Some("not everything is delivered")
    } else if !order.holds.is_empty() {
        Some("a hold is placed")
    } else if order.open_edit().is_some() {
        Some("an edit is under way")
    } else if order.returns.iter().any(|r| r.state.is_open()) {
        Some("a return is open")
    } else if order.disputes.iter().any(|d| d.state == DisputeState::Open) {
        Some("a dispute is open")
    } else if order.payments.iter().any(|p| p.state.is_open()) {
        Some("a payment is under way")
    } else if !(order.least_kept()..=money.owed).contains(&(money.captured - money.refunded)) {
        Some("what is paid is not what is owed")
    } else {
        None
    }
}
