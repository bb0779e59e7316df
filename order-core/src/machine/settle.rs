//! The transitions that hold by themselves: appended after every command, fact or timer.

use super::Env;
use super::payments::{attempt_outstanding, deadline, money_moved};
use super::stock::{SkuStock, sku_stock};
use crate::order::{
    AttentionReason, Blocks, CancelCause, Event, HoldState, Lifecycle, OperationState, Order, PaymentTerms, Shortage,
};
use crate::policy::LostStock;

/// The next transition that holds now, if any. Apply it and ask again until there is none.
pub fn settle(order: &Order, env: &Env<'_>) -> Option<Event> {
    lapse(order, env).or_else(|| match order.lifecycle {
        Lifecycle::Pending => settle_pending(order, env),
        Lifecycle::Confirmed => settle_lost_stock(order, env),
        Lifecycle::Cancelling => is_undone(order).then_some(Event::Cancelled),
        Lifecycle::Completed | Lifecycle::Cancelled | Lifecycle::PaymentFailed | Lifecycle::Rejected | Lifecycle::Expired => None,
    })
}

/// Holds whose time is over.
fn lapse(order: &Order, env: &Env<'_>) -> Option<Event> {
    if order.lifecycle.is_terminal() {
        return None;
    }
    let over = order.holds.iter().find(|h| h.until.is_some_and(|t| t <= env.now))?;
    Some(Event::HoldReleased { kind: over.kind.clone(), lapsed: true })
}

fn settle_pending(order: &Order, env: &Env<'_>) -> Option<Event> {
    let stock = sku_stock(order, env);
    if let Some(event) = stock_refused(order, env, &stock) {
        return event;
    }
    let covered = covered(order);
    if covered && !order.is_blocked(Blocks::Confirm) && stock.iter().all(|(_, _, s)| *s == SkuStock::Held) {
        return Some(Event::Confirmed);
    }
    if !covered && !attempt_outstanding(order, true) {
        let last = order.payments.iter().rev().find(|p| p.is_attempt() && p.state != OperationState::Dropped);
        if last.is_some_and(|p| matches!(p.state, OperationState::Declined | OperationState::Failed)) && !money_moved(order) {
            return Some(Event::PaymentFailed { retry_until: env.now.after(env.policy.retry_window) });
        }
    }
    let waits_for_a_person = covered && order.is_blocked(Blocks::Confirm);
    let time_over = deadline(order) <= env.now;
    (time_over && !waits_for_a_person && !attempt_outstanding(order, false) && !money_moved(order)).then_some(Event::Expired)
}

/// What a refused SKU means: `Some(None)` when the order must wait for a payment's outcome first.
#[allow(clippy::option_option, reason = "no refusal, a refusal that waits, and a refusal that ends are three things")]
fn stock_refused(order: &Order, env: &Env<'_>, stock: &[(&crate::ids::Sku, u32, SkuStock)]) -> Option<Option<Event>> {
    let shortages: Vec<Shortage> = stock
        .iter()
        .filter_map(|(sku, requested, s)| match s {
            SkuStock::Refused { available } => {
                Some(Shortage { sku: (*sku).clone(), requested: *requested, available: *available })
            }
            SkuStock::Suspect => Some(Shortage { sku: (*sku).clone(), requested: *requested, available: None }),
            _ => None,
        })
        .collect();
    if shortages.is_empty() {
        return None;
    }
    if money_moved(order) {
        return Some(lost(order, env));
    }
    Some((!attempt_outstanding(order, false)).then_some(Event::Rejected { shortages }))
}

/// Stock that was already paid for is gone.
fn settle_lost_stock(order: &Order, env: &Env<'_>) -> Option<Event> {
    let gone = |s: &SkuStock| matches!(s, SkuStock::Refused { .. } | SkuStock::Suspect);
    if sku_stock(order, env).iter().any(|(_, _, s)| gone(s)) { lost(order, env) } else { None }
}

fn lost(order: &Order, env: &Env<'_>) -> Option<Event> {
    if !order.has_attention(AttentionReason::StockLost) {
        return Some(Event::AttentionRaised { reason: AttentionReason::StockLost, about: None });
    }
    match env.policy.lost_stock {
        LostStock::Cancel => Some(Event::CancelRequested { cause: CancelCause::StockLost }),
        LostStock::Backorder => None,
    }
}

/// Whether what is due at confirmation is covered. Nothing due counts as covered.
pub fn covered(order: &Order) -> bool {
    match order.terms {
        PaymentTerms::Confirm => {
            let money = order.money();
            money.captured - money.refunded - money.refunding >= money.owed
        }
        PaymentTerms::Shipment => order.secured() >= order.owed(),
        PaymentTerms::Invoice | PaymentTerms::Delivery => true,
    }
}

/// Whether a cancelled order has given everything back: no money kept or under way, and no stock that may be held.
fn is_undone(order: &Order) -> bool {
    let money = order.money();
    money.captured == money.refunded
        && money.authorized == 0
        && order.payments.iter().all(|p| !p.state.is_open())
        && order.reservations.iter().all(|r| !r.state.may_hold() && r.state != HoldState::Planned && r.closing.is_none())
}
