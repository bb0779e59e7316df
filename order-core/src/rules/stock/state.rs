//! The stock that an order wants and has, SKU by SKU.

use crate::ids::Sku;
use crate::order::{
    ClosingKind, Lifecycle, Order, Reservation, ReservationState, Shipment, ShipmentState,
};
use crate::policy::LostStock;
use crate::rules::Env;
use crate::rules::payment::state::money_moved;
use crate::time::Timestamp;

/// The state of what an order wants of one SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkuStock {
    /// Enough is held or committed, and will be for long enough.
    Held,
    /// A reservation has been asked for, or is about to be.
    Open,
    /// The inventory said no.
    Refused {
        /// The units it had, if it said so.
        available: Option<u32>,
    },
    /// A reservation must be planned for so many units: there was none, or it lapsed, was lost or
    /// came to nothing.
    Missing {
        /// The units that are missing.
        units: u32,
    },
    /// Too many reservations of it may exist without proof: no further one is asked for.
    Suspect,
}

/// A SKU that an order wants, and what is reserved of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock<'o> {
    /// The SKU.
    pub sku: &'o Sku,
    /// The units that the order wants of it.
    pub wanted: u32,
    /// The state of what is reserved.
    pub state: SkuStock,
}

impl Stock<'_> {
    /// Returns true if enough is reserved or committed, and will be for long enough.
    pub fn is_held(&self) -> bool {
        self.state == SkuStock::Held
    }

    /// Returns true if no more of it can be had: it was refused, or may be reserved too often
    /// without proof.
    pub const fn is_refused(&self) -> bool {
        matches!(self.state, SkuStock::Refused { .. } | SkuStock::Suspect)
    }
}

/// Returns the stock of each SKU that the order wants, SKUs in sorted order.
pub fn sku_stock<'o>(order: &'o Order, env: &Env<'_>) -> Vec<Stock<'o>> {
    order
        .wanted_stock()
        .into_iter()
        .map(|(sku, wanted)| Stock {
            sku,
            wanted,
            state: stand(order, env, sku, wanted),
        })
        .collect()
}

fn stand(order: &Order, env: &Env<'_>, sku: &Sku, wanted: u32) -> SkuStock {
    let mut good = 0;
    let mut suspects = 0;
    let mut last = None;
    for r in of_round(order).filter(|r| r.sku == *sku) {
        good += good_units(r, env);
        // A smaller reservation in place of a larger one takes nothing away, asked for or refused.
        if r.replaces.is_some() && (r.state.is_open() || r.state == ReservationState::Refused) {
            continue;
        }
        if r.state.is_open() {
            return SkuStock::Open;
        } else if r.state == ReservationState::Suspect {
            suspects += 1;
        }
        last = Some(r);
    }
    if good >= wanted {
        return SkuStock::Held;
    }
    match last {
        Some(r)
            if r.state == ReservationState::Refused
                && !is_retried(order, env, r)
                && !is_stale(order, env, r) =>
        {
            SkuStock::Refused {
                available: r.available,
            }
        }
        _ if suspects > env.policy.suspects_allowed => SkuStock::Suspect,
        _ => SkuStock::Missing {
            units: wanted - good,
        },
    }
}

/// Returns how many units of `sku` are there to leave: held for long enough, or committed. Those
/// being committed of a reservation whose time is over may be somebody else's by now: they count as
/// far as they have left already.
pub(in crate::rules) fn secured_units(order: &Order, env: &Env<'_>, sku: &Sku) -> u32 {
    let (mut sure, mut committed, mut doubtful) = (0, 0, 0);
    for r in of_round(order).filter(|r| r.sku == *sku) {
        let over = r.expires_at.is_some_and(|t| t <= env.now);
        let lapsed = if over { committing_units(r) } else { 0 };
        sure += good_units(r, env) - lapsed;
        committed += committed_units(r);
        doubtful += lapsed;
    }
    sure + doubtful.min(order.gone_from_stock(sku).saturating_sub(committed))
}

/// Returns true if all that the order wants is there for sure, so that money may be asked for it.
pub(in crate::rules) fn is_secured(order: &Order, env: &Env<'_>, stock: &[Stock<'_>]) -> bool {
    stock
        .iter()
        .all(|s| s.is_held() && secured_units(order, env, s.sku) >= s.wanted)
}

/// Returns how many units of `sku` the order has too few.
pub(in crate::rules) fn missing_units(order: &Order, env: &Env<'_>, sku: &Sku, wanted: u32) -> u32 {
    wanted.saturating_sub(
        of_round(order)
            .filter(|r| r.sku == *sku)
            .map(|r| good_units(r, env))
            .sum(),
    )
}

/// Returns true if a refusal answered another question than the one that stands now: what an edit
/// wanted that is over, or that had not begun yet, or what was wanted before a reservation or a
/// shipment was lost.
fn is_stale(order: &Order, env: &Env<'_>, refused: &Reservation) -> bool {
    // Told by numbers: much can happen to an order in the same instant.
    let other_edit = order.edits.iter().any(|e| match e.reservation_end {
        None => refused.n < e.reservation,
        Some(end) => (e.reservation..end).contains(&refused.n),
    });
    let lost_at = |r: &Reservation| match r.state {
        ReservationState::Lost => Some(r.updated_at),
        // What has left the stock does not lapse any more.
        ReservationState::Committed => None,
        _ => r
            .expires_at
            .map(|t| t.before(env.policy.reservation_margin))
            .filter(|t| *t <= env.now),
    };
    let others = of_round(order).filter(|r| r.n != refused.n && r.sku == refused.sku);
    let of_sku = |s: &Shipment| {
        s.lines.iter().any(|l| {
            order
                .line(l.line)
                .is_some_and(|line| line.sku == refused.sku)
        })
    };
    let lost_parcels = order
        .shipments
        .iter()
        .filter(|s| s.state == ShipmentState::Lost && of_sku(s))
        .map(|s| s.updated_at);
    other_edit
        || others
            .filter_map(lost_at)
            .chain(lost_parcels)
            .any(|t| t > refused.updated_at)
}

/// An order on backorder asks again from time to time.
fn is_retried(order: &Order, env: &Env<'_>, refused: &Reservation) -> bool {
    backorder_retry(order, env, refused).is_some_and(|t| t <= env.now)
}

/// Returns when an order on backorder asks again for what was refused.
pub(in crate::rules) fn backorder_retry(
    order: &Order,
    env: &Env<'_>,
    refused: &Reservation,
) -> Option<Timestamp> {
    on_backorder(order, env).then(|| refused.updated_at.after(env.policy.backoff_longest))
}

/// Returns true if the order is kept although stock it was paid for is missing.
fn on_backorder(order: &Order, env: &Env<'_>) -> bool {
    let paid = order.lifecycle == Lifecycle::Confirmed
        || (order.lifecycle == Lifecycle::Pending && money_moved(order));
    paid && (order.is_imported() || env.policy.lost_stock == LostStock::Backorder)
}

/// Returns true if a shortage ends the placing, so that nothing more is wanted of stock and money.
/// What it means for a confirmed order is settled before anything is planned: what is kept of it
/// then is wanted.
pub(in crate::rules) fn is_short(order: &Order, env: &Env<'_>, stock: &[Stock<'_>]) -> bool {
    order.lifecycle == Lifecycle::Pending
        && stock.iter().any(|s| s.is_refused())
        && !on_backorder(order, env)
}

/// Reservations of the attempt at placing that is under way.
fn of_round(order: &Order) -> impl Iterator<Item = &Reservation> {
    order.reservations.iter().filter(|r| r.round == order.round)
}

/// Returns how many units of a reservation count: there, not being released, and not about to
/// lapse.
fn good_units(r: &Reservation, env: &Env<'_>) -> u32 {
    // Units being committed may have left already: until that is known nothing takes their place,
    // or twice as many would.
    committed_units(r) + committing_units(r) + free_units(r, env)
}

/// Returns how many units have left the stock and are not on their way back.
fn committed_units(r: &Reservation) -> u32 {
    let giving_back = r
        .closing
        .filter(|c| c.kind == ClosingKind::Release && c.committed)
        .map_or(0, |c| c.units);
    r.committed.saturating_sub(giving_back)
}

/// Returns how many held units are leaving the stock.
fn committing_units(r: &Reservation) -> u32 {
    r.closing
        .filter(|c| c.kind == ClosingKind::Commit)
        .map_or(0, |c| c.units.min(r.held()))
}

/// Returns how many reserved units lie there as they are and will for long enough.
///
/// A reservation that expires counts for nothing from [`Policy::reservation_margin`] before its end
/// on: the SKU is [`SkuStock::Missing`], and another one is planned in its place. The expired one
/// is released like any other, because our clock may be wrong about it; a refusal of that is
/// [`Event::StockExpired`].
///
/// [`Policy::reservation_margin`]: crate::policy::Policy::reservation_margin
/// [`Event::StockExpired`]: crate::order::Event::StockExpired
fn free_units(r: &Reservation, env: &Env<'_>) -> u32 {
    let lasts = r
        .expires_at
        .is_none_or(|t| t > env.now.after(env.policy.reservation_margin));
    if lasts { untouched_units(r) } else { 0 }
}

/// Returns how many held units are not on their way out or back.
fn untouched_units(r: &Reservation) -> u32 {
    r.held()
        .saturating_sub(r.closing.filter(|c| !c.committed).map_or(0, |c| c.units))
}

/// Returns how many units of `sku` have left the stock for an attempt at placing, or are leaving
/// it, and are not on their way back.
pub(in crate::rules) fn committed_for_good(order: &Order, sku: &Sku, round: u32) -> u32 {
    let of = |r: &Reservation| match r.closing {
        Some(c) if c.kind == ClosingKind::Commit => r.committed + c.units,
        Some(c) if c.committed => r.committed.saturating_sub(c.units),
        _ => r.committed,
    };
    order
        .reservations
        .iter()
        .filter(|r| r.round == round && r.sku == *sku)
        .map(of)
        .sum()
}

/// Returns true if a smaller reservation is being asked for in place of this one.
pub(in crate::rules) fn is_being_replaced(order: &Order, r: &Reservation) -> bool {
    order
        .reservations
        .iter()
        .any(|q| q.replaces == Some(r.n) && q.state.is_open())
}

/// Returns true if a smaller reservation has taken the place of this one.
fn is_replaced(order: &Order, r: &Reservation) -> bool {
    let there = |q: &Reservation| {
        matches!(
            q.state,
            ReservationState::Held | ReservationState::Committed
        )
    };
    order
        .reservations
        .iter()
        .any(|q| q.replaces == Some(r.n) && there(q))
}

/// Returns how many of the units that reservation `r` holds the order wants to keep.
pub(in crate::rules) fn kept_units(order: &Order, env: &Env<'_>, r: &Reservation) -> u32 {
    let wanted = wanted_of(order, r);
    if wanted == 0 {
        return 0;
    }
    if free_units(r, env) > 0 {
        return allotted(order, env, r, wanted);
    }
    // A reservation about to lapse is kept until its replacement is there.
    if stand(order, env, &r.sku, wanted) == SkuStock::Held {
        0
    } else {
        untouched_units(r)
    }
}

/// Returns true if the order still wants the reservation that reservation `r` asks for.
pub(in crate::rules) fn is_wanted(order: &Order, env: &Env<'_>, r: &Reservation) -> bool {
    // A dead order takes out of its reservations what was lost, and asks for nothing more.
    let wanted = if order.lifecycle.is_live() {
        wanted_of(order, r)
    } else {
        0
    };
    match r.replaces {
        // The smaller reservation is wanted as long as it is just what is wanted of the larger one.
        Some(n) => order.reservation(n).is_some_and(|larger| {
            !is_replaced(order, larger)
                && kept_units(order, env, larger) == r.quantity
                && wanted > 0
        }),
        None => allotted(order, env, r, wanted) > 0,
    }
}

/// Returns how many units of the reservation's SKU the order wants.
fn wanted_of(order: &Order, r: &Reservation) -> u32 {
    if r.round != order.round {
        return 0;
    }
    order.wanted_stock().get(&r.sku).copied().unwrap_or(0)
}

/// Returns what of the wanted units falls to reservation `r`: what has left the stock comes first,
/// then earlier reservations; what is beyond what is wanted is surplus.
fn allotted(order: &Order, env: &Env<'_>, r: &Reservation, wanted: u32) -> u32 {
    let mut left = wanted.saturating_sub(committed_for_good(order, &r.sku, order.round));
    for o in of_round(order).filter(|o| o.sku == r.sku && !is_replaced(order, o)) {
        let units = if o.state.is_open() {
            if o.replaces.is_some() { 0 } else { o.quantity }
        } else {
            free_units(o, env)
        };
        let taken = units.min(left);
        if o.n == r.n {
            return taken;
        }
        left -= taken;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Closing;
    use crate::policy::Policy;
    use crate::services::{InventoryCapabilities, PaymentCapabilities};
    use crate::testkit::orders::{at, plain, reservation};

    #[test]
    fn units_on_their_way_count_for_where_they_are_going() {
        let of = |kind, units, committed| {
            let closing = Closing {
                serial: 1,
                kind,
                units,
                committed,
                unknown: false,
            };
            Reservation {
                quantity: 4,
                committed: 2,
                closing: Some(closing),
                ..reservation(1, ReservationState::Held)
            }
        };
        for (r, gone) in [
            (
                Reservation {
                    closing: None,
                    ..of(ClosingKind::Commit, 1, false)
                },
                2,
            ),
            (of(ClosingKind::Commit, 1, false), 3),
            (of(ClosingKind::Release, 2, false), 2),
            (of(ClosingKind::Release, 1, true), 1),
        ] {
            let sku = r.sku.clone();
            let order = Order {
                reservations: vec![r],
                ..plain(1)
            };
            assert_eq!(
                committed_for_good(&order, &sku, 1),
                gone,
                "{:?}",
                order.reservations
            );
            assert_eq!(committed_for_good(&order, &sku, 2), 0, "of another attempt");
        }
    }

    #[test]
    fn a_smaller_hold_is_wanted_only_for_just_what_is_wanted_of_the_larger_one() {
        let (policy, clock) = (Policy::default(), at(3));
        let env = Env {
            now: clock,
            clock,
            policy: &policy,
            inventory: InventoryCapabilities::PLATFORM,
            payment: PaymentCapabilities::IDEAL,
            notify: false,
        };
        // Two units are ordered, and `cancelled` of them are not wanted any more; the larger
        // reservation has both.
        for (cancelled, asked, wanted) in [
            (0, 1, false),
            (0, 2, true),
            (1, 1, true),
            (1, 2, false),
            (2, 0, false),
        ] {
            let mut order = plain(1);
            order.lines[0].sku = "SKU-1".parse().unwrap();
            order.lines[0].counters.cancelled = cancelled;
            let larger = reservation(1, ReservationState::Held);
            let smaller = Reservation {
                sku: larger.sku.clone(),
                quantity: asked,
                replaces: Some(1),
                ..reservation(2, ReservationState::Armed)
            };
            order.reservations = vec![larger, smaller.clone()];
            assert_eq!(
                is_wanted(&order, &env, &smaller),
                wanted,
                "{asked} asked for, {cancelled} cancelled"
            );
        }
    }
}
