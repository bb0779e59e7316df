//! Stock that was reserved and is gone: what the order does without it.

use crate::ids::Sku;
use crate::order::{
    AttentionReason, CancelCause, Event, Line, LineUnits, Order, Reservation, Shipment,
    ShipmentState,
};
use crate::policy::LostStock;
use crate::rules::Env;
use crate::rules::stock::state::{committed_for_good, missing_units, sku_stock};

/// Stock that was already paid for is gone.
pub(in crate::rules) fn settle(order: &Order, env: &Env<'_>) -> Option<Event> {
    let stock = sku_stock(order, env);
    let missing: Vec<(&Sku, u32)> = (stock.iter().filter(|s| s.is_refused()))
        .map(|s| (s.sku, missing_units(order, env, s.sku, s.wanted)))
        .collect();
    if missing.is_empty() {
        return None;
    }
    if order
        .lines
        .iter()
        .all(|l| l.counters.shipped + l.counters.lost == 0)
    {
        return lost(order, env);
    }
    // Some of it has left or was given out: only what is missing is cancelled. What was to leave
    // with it is open again, if that is needed for it.
    let lines: Vec<LineUnits> = missing
        .iter()
        .flat_map(|(sku, units)| last_open(order, sku, *units))
        .collect();
    let short = |sku: &Sku| {
        let open: u32 = order
            .lines
            .iter()
            .filter(|l| l.sku == *sku)
            .map(Line::open)
            .sum();
        missing.iter().any(|(s, units)| *s == sku && *units > open)
    };
    let of_short = |s: &Shipment| {
        s.lines
            .iter()
            .any(|l| order.line(l.line).is_some_and(|l| short(&l.sku)))
    };
    let planned = order
        .shipments
        .iter()
        .find(|s| s.state == ShipmentState::Planned && of_short(s));
    let kept: u32 = order
        .lines
        .iter()
        .map(|l| l.quantity.saturating_sub(l.counters.cancelled))
        .sum();
    let all = lines.iter().map(|l| l.units).sum::<u32>() == kept;
    match (lost(order, env)?, planned) {
        (Event::CancelRequested { .. }, Some(s)) => Some(Event::ShipmentCancelled { n: s.n }),
        (Event::CancelRequested { .. }, None) if lines.is_empty() => None,
        (Event::CancelRequested { cause }, None) if !all => {
            Some(Event::LinesCancelled { lines, cause })
        }
        (event, _) => Some(event),
    }
}

/// At most `units` open units of a SKU, from its last line on.
fn last_open(order: &Order, sku: &Sku, mut units: u32) -> Vec<LineUnits> {
    let mut lines = Vec::new();
    for line in order.lines.iter().rev().filter(|l| l.sku == *sku) {
        let k = line.open().min(units);
        units -= k;
        if k > 0 {
            lines.push(LineUnits {
                line: line.n,
                units: k,
            });
        }
    }
    lines
}

/// Tells a person that stock is lost; then cancels the order, unless the policy is to wait for
/// more.
pub(in crate::rules) fn lost(order: &Order, env: &Env<'_>) -> Option<Event> {
    if !order.has_attention(AttentionReason::StockLost) {
        return Some(Event::AttentionRaised {
            reason: AttentionReason::StockLost,
            about: None,
            amount: None,
        });
    }
    if order.is_imported() {
        return None;
    }
    match env.policy.lost_stock {
        LostStock::Cancel => Some(Event::CancelRequested {
            cause: CancelCause::StockLost,
        }),
        LostStock::Backorder => None,
    }
}

/// A person is told of what a dead order lost on the way and no reservation accounts for: the shelf
/// has less than the inventory says.
pub(in crate::rules) fn stock_gone(order: &Order) -> Option<Event> {
    if order.lifecycle.is_live() || order.has_attention(AttentionReason::StockLost) {
        return None;
    }
    let held = |sku: &Sku| -> u32 {
        order
            .reservations
            .iter()
            .filter(|r| r.sku == *sku)
            .map(Reservation::held)
            .sum()
    };
    let accounted = |sku: &Sku| committed_for_good(order, sku, order.round) + held(sku);
    let gone = order
        .lines
        .iter()
        .any(|l| l.counters.lost > 0 && order.gone_from_stock(&l.sku) > accounted(&l.sku));
    gone.then_some(Event::AttentionRaised {
        reason: AttentionReason::StockLost,
        about: None,
        amount: None,
    })
}
