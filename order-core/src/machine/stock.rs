//! How an order stands with the stock it wants, SKU by SKU.

use super::Env;
use super::payments::money_moved;
use crate::ids::Sku;
use crate::order::{ClosingKind, HoldState, Lifecycle, Order, Reservation};
use crate::policy::LostStock;
use crate::time::Timestamp;

/// How an order stands with one SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkuStock {
    /// Enough is held or committed, and will be for long enough.
    Held,
    /// A hold has been asked for, or is about to be.
    Open,
    /// The inventory said no.
    Refused {
        /// How many units it had, if it said so.
        available: Option<u32>,
    },
    /// A hold must be planned for so many units: there was none, or it lapsed, was lost or came to nothing.
    Missing {
        /// How many units.
        units: u32,
    },
    /// Too many holds of it may exist without proof: no further one is asked for.
    Suspect,
}

/// How the order stands with each SKU it wants, SKUs in sorted order.
pub fn sku_stock<'o>(order: &'o Order, env: &Env<'_>) -> Vec<(&'o Sku, u32, SkuStock)> {
    order.wanted_stock().into_iter().map(|(sku, wanted)| (sku, wanted, stand(order, env, sku, wanted))).collect()
}

fn stand(order: &Order, env: &Env<'_>, sku: &Sku, wanted: u32) -> SkuStock {
    let mut good = 0;
    let mut suspects = 0;
    let mut last = None;
    for r in of_attempt(order).filter(|r| r.sku == *sku) {
        if is_good(r, env) {
            good += r.quantity;
        } else if r.state.is_open() {
            return SkuStock::Open;
        } else if r.state == HoldState::Suspect {
            suspects += 1;
        }
        last = Some(r);
    }
    if good >= wanted {
        return SkuStock::Held;
    }
    match last {
        Some(r) if r.state == HoldState::Refused && !is_retried(order, env, r) => SkuStock::Refused { available: r.available },
        _ if suspects > env.policy.suspects_allowed => SkuStock::Suspect,
        _ => SkuStock::Missing { units: wanted - good },
    }
}

/// An order on backorder asks again from time to time.
fn is_retried(order: &Order, env: &Env<'_>, refused: &Reservation) -> bool {
    backorder_retry(order, env, refused).is_some_and(|t| t <= env.now)
}

/// When an order on backorder asks again for what was refused.
pub(super) fn backorder_retry(order: &Order, env: &Env<'_>, refused: &Reservation) -> Option<Timestamp> {
    on_backorder(order, env).then(|| refused.updated_at.after(env.policy.backoff_longest))
}

/// Whether the order is kept although stock it was paid for is missing.
fn on_backorder(order: &Order, env: &Env<'_>) -> bool {
    let paid = order.lifecycle == Lifecycle::Confirmed || (order.lifecycle == Lifecycle::Pending && money_moved(order));
    paid && env.policy.lost_stock == LostStock::Backorder
}

/// Whether a shortage ends the placing, so that nothing more is wanted of stock and money.
pub(super) fn is_short(order: &Order, env: &Env<'_>, stock: &[(&Sku, u32, SkuStock)]) -> bool {
    let short = |s: &SkuStock| matches!(s, SkuStock::Refused { .. } | SkuStock::Suspect);
    stock.iter().any(|(_, _, s)| short(s)) && !on_backorder(order, env)
}

/// Reservations of the attempt at placing that is under way.
fn of_attempt(order: &Order) -> impl Iterator<Item = &Reservation> {
    order.reservations.iter().filter(|r| r.attempt == order.attempt)
}

/// Whether the hold counts: it is there, is not being given back, and does not lapse too soon.
fn is_good(r: &Reservation, env: &Env<'_>) -> bool {
    match r.state {
        HoldState::Committed => r.closing.is_none(),
        HoldState::Held => match r.closing.map(|c| c.kind) {
            // Its units may have left already: until that is known nothing takes their place, or twice as many would leave.
            Some(ClosingKind::Commit) => true,
            Some(ClosingKind::Release) => false,
            None => r.expires_at.is_none_or(|t| t > env.now.after(env.policy.hold_reserve)),
        },
        _ => false,
    }
}

/// Whether the order still wants what reservation `r` holds or asks for.
pub(super) fn is_wanted(order: &Order, env: &Env<'_>, r: &Reservation) -> bool {
    if !order.lifecycle.is_live() || r.attempt != order.attempt {
        return false;
    }
    // A shortage of one SKU ends the placing: what is held of the others goes back once the order is rejected.
    let wanted = order.wanted_stock().get(&r.sku).copied().unwrap_or(0);
    // What has left the stock, or is leaving it, comes first, then earlier holds; what is beyond what is wanted is surplus.
    let rank = |r: &Reservation| {
        let leaving = r.closing.is_some_and(|c| c.kind == ClosingKind::Commit);
        (r.state != HoldState::Committed && !leaving, r.n)
    };
    let before: u32 = of_attempt(order)
        .filter(|o| o.sku == r.sku && rank(o) < rank(r) && (is_good(o, env) || o.state.is_open()))
        .map(|o| o.quantity)
        .sum();
    if is_good(r, env) || r.state.is_open() {
        return before < wanted;
    }
    // A hold about to lapse is kept until its replacement is there.
    r.state == HoldState::Held && stand(order, env, &r.sku, wanted) != SkuStock::Held
}
