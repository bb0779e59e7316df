//! The end of waiting: a pending order is confirmed, rejected, fails, expires or is cancelled.

use crate::order::{Blocks, CancelCause, Event, OperationState, Order, Shortage};
use crate::rules::Env;
use crate::rules::payment::state::{attempt_outstanding, covered, deadline, money_moved};
use crate::rules::stock::lost::lost;
use crate::rules::stock::state::{SkuStock, Stock, sku_stock};

/// Confirms, rejects, fails or expires an order that waits for stock and payment.
pub(in crate::rules) fn settle(order: &Order, env: &Env<'_>) -> Option<Event> {
    // What is to be confirmed is about to change.
    if order.open_edit().is_some() {
        return None;
    }
    let stock = sku_stock(order, env);
    if let Some(event) = stock_refused(order, env, &stock) {
        return event;
    }
    let covered = covered(order, env);
    if covered && !order.is_blocked(Blocks::Confirm) && stock.iter().all(Stock::is_held) {
        return Some(Event::Confirmed);
    }
    if !covered && !attempt_outstanding(order, true) {
        let last = order
            .payments
            .iter()
            .rev()
            .find(|p| p.is_attempt() && p.state != OperationState::Dropped);
        if last.is_some_and(|p| p.state.came_to_nothing()) && !money_moved(order) {
            return Some(Event::PaymentFailed {
                retry_until: env.now.after(env.policy.retry_window),
            });
        }
    }
    let held_back = order.is_blocked(Blocks::Confirm);
    if deadline(order) > env.now || (covered && held_back) || attempt_outstanding(order, false) {
        return None;
    }
    match money_moved(order) {
        false => Some(Event::Expired),
        // Too little has come in, and nothing more will.
        true if !covered && !held_back => Some(Event::CancelRequested {
            cause: CancelCause::PaymentShort,
        }),
        true => None,
    }
}

/// Returns what a refused SKU means: `Some(None)` when the order must wait for a payment's outcome
/// first.
#[allow(
    clippy::option_option,
    reason = "no refusal, a refusal that waits, and a refusal that ends are three things"
)]
fn stock_refused(order: &Order, env: &Env<'_>, stock: &[Stock<'_>]) -> Option<Option<Event>> {
    let shortages: Vec<Shortage> = stock
        .iter()
        .filter_map(|s| match s.state {
            SkuStock::Refused { available } => Some(Shortage {
                sku: s.sku.clone(),
                requested: s.wanted,
                available,
            }),
            SkuStock::Suspect => Some(Shortage {
                sku: s.sku.clone(),
                requested: s.wanted,
                available: None,
            }),
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
