//! At rest: the ledgers of the services against what the orders say.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::lock;
use super::moments::Past;
use super::world::World;
use order_core::audit::Invariant;
use order_core::ids::OrderId;
use order_core::money::Minor;
use order_core::order::{
    AttentionReason, Lifecycle, OperationKind, OperationOrigin, OperationState, Order,
    PaymentTerms, ReservationState,
};
use order_core::rules::{Purpose, key};
use order_core::testkit::services::{LedgerPayment, LedgerReservation};
use order_core::time::Timestamp;

/// Returns what the provider has of an order's money, less what is to go back, at a moment at which
/// something rests on it: captured, less what has gone back, whoever has heard of it; and what can
/// still be captured, where the goods are paid as they leave.
///
/// The engine is blamed for what it could know. So what went back outside counts from when somebody
/// has said to have heard of it, unless it is of a payment that nobody has told of, and on the list
/// of what fitted nothing for that; what the engine itself sends back counts as what was asked for
/// until it is told of more. And nothing is said of an order while a callback that was wrong has
/// not been put right (`past.misled`), or has been and the records are yet to be asked.
pub(super) fn provider_has(
    world: &World,
    order: &Order,
    at: Timestamp,
    past: Past<'_>,
) -> Option<Minor> {
    let nothing_charged = matches!(order.terms, PaymentTerms::Invoice | PaymentTerms::Delivery);
    if past.misled || nothing_charged || order.payments.iter().any(|p| p.verification.is_due()) {
        return None;
    }
    let entries: Vec<LedgerPayment> = world
        .payments
        .with_ledger(|l| l.iter().filter(|e| e.order == order.id).cloned().collect());
    let on_record = |e: &LedgerPayment| {
        order.payments.iter().any(|p| {
            p.refunded() > 0
                && p.reference
                    .as_ref()
                    .is_some_and(|r| r.as_str() == e.reference)
        })
    };
    let listed = |e: &LedgerPayment| {
        order
            .unmatched
            .iter()
            .any(|u| u.reference.as_str() == e.reference)
    };
    let heard = |e: &LedgerPayment| e.outside && past.heard.contains(&e.reference) && !listed(e);
    let mut there = 0;
    for e in &entries {
        there += match e.status {
            OperationState::Captured => e.amount.minor,
            OperationState::Refunded if on_record(e) || heard(e) => -e.amount.minor,
            OperationState::Refunded if e.outside => 0,
            OperationState::Refunded => -e.amount.minor.min(e.asked.minor),
            // How long it lasts, a process with a wrong clock cannot know.
            OperationState::Authorized if order.terms == PaymentTerms::Shipment => {
                let lasts = e.capture_before.is_none_or(|t| t > at) || world.config.wrong_clocks;
                if lasts {
                    world.payments.rest(e.key, OperationKind::Capture)
                } else {
                    0
                }
            }
            _ => 0,
        };
    }
    // Refunds that are wanted and have not reached the provider.
    for p in order.payments.iter().filter(|p| p.refunding() > 0) {
        let own = key(order.id, Purpose::Payment, p.n);
        if !entries.iter().any(|e| e.key == own) {
            there -= p.refunding();
        }
    }
    Some(there)
}

/// The provider's ledger and the orders' records say the same, operation by operation and in all.
pub(super) fn check_payments(world: &World, orders: &[Arc<Order>]) {
    let entries: Vec<LedgerPayment> = world.payments.with_ledger(<[_]>::to_vec);
    let mut seen: HashMap<uuid::Uuid, &LedgerPayment> =
        entries.iter().map(|p| (p.key, p)).collect();
    if seen.len() != entries.len() {
        world.breach(
            Invariant::ChargesKnown,
            "the provider has two operations under one key".into(),
        );
    }
    for order in orders {
        for p in &order.payments {
            let by_engine = p.origin == OperationOrigin::Engine;
            let own = if by_engine {
                Some(key(order.id, Purpose::Payment, p.n))
            } else {
                let named = |e: &&LedgerPayment| {
                    e.outside
                        && p.reference
                            .as_ref()
                            .is_some_and(|r| r.as_str() == e.reference)
                };
                entries.iter().find(named).map(|e| e.key)
            };
            let entry = own.and_then(|key| seen.remove(&key));
            let mismatch = |what: &str| {
                let ledger = entry.map(|e| (e.status, e.amount, e.effects));
                world.breach(
                    Invariant::ChargesKnown,
                    format!(
                        "order {} payment {} {} {}: {what}: {ledger:?}",
                        order.id, p.n, p.kind, p.state
                    ),
                );
            };
            let Some(e) = entry else {
                if matches!(
                    p.state,
                    OperationState::Authorized
                        | OperationState::Captured
                        | OperationState::Refunded
                ) {
                    mismatch("the provider has never heard of it");
                }
                continue;
            };
            if e.effects != 1 {
                mismatch("it took effect more than once");
            }
            // What somebody else captured of an authorization is a charge to whoever knows of no
            // authorization.
            let kind = e.kind == p.kind || (!by_engine && e.status == p.state);
            if !kind || (e.order, e.asked) != (order.id, order.in_currency(p.amount)) {
                mismatch("the provider knows another request");
            }
            let moves = matches!(
                p.state,
                OperationState::Authorized | OperationState::Captured | OperationState::Refunded
            );
            if moves && e.amount != order.in_currency(p.settled) {
                mismatch("the provider moved another amount");
            }
            let agree = match e.status {
                OperationState::Declined => {
                    matches!(p.state, OperationState::Declined | OperationState::Failed)
                }
                // Given up after it had been declined: nothing came of it either way.
                OperationState::Voided => {
                    matches!(p.state, OperationState::Voided | OperationState::Declined)
                }
                // What is used up is as good as given up.
                OperationState::Authorized if p.state == OperationState::Voided => {
                    world.payments.rest(e.key, OperationKind::Capture) == 0
                }
                status => p.state == status,
            };
            if !agree {
                mismatch("the provider says otherwise");
            }
        }
        let moved = |e: &LedgerPayment| match e.status {
            OperationState::Captured => e.amount.minor,
            OperationState::Refunded => -e.amount.minor,
            _ => 0,
        };
        let net: Minor = entries
            .iter()
            .filter(|e| e.order == order.id)
            .map(moved)
            .sum();
        let money = order.money();
        if net != money.captured - money.refunded {
            world.breach(
                Invariant::ChargesKnown,
                format!(
                    "order {}: the provider has {net} of it, the records say {money:?}",
                    order.id
                ),
            );
        }
    }
    for stray in seen.values() {
        world.breach(
            Invariant::ChargesKnown,
            format!(
                "the provider knows a {} of {} for order {}, which does not",
                stray.kind, stray.amount, stray.order
            ),
        );
    }
}

/// The inventory's ledger holds and committed what the orders know, or suspect, unit by unit.
pub(super) fn check_holds(world: &World, orders: &[Arc<Order>]) {
    let by_id: HashMap<OrderId, &Arc<Order>> = orders.iter().map(|o| (o.id, o)).collect();
    // Suspects not yet matched with a hold that nobody knows.
    let mut suspects: Vec<(OrderId, &str, u32)> = orders
        .iter()
        .flat_map(|o| o.reservations.iter().map(move |r| (o, r)))
        .filter(|(_, r)| r.state == ReservationState::Suspect)
        .map(|(o, r)| (o.id, r.sku.as_str(), r.quantity))
        .collect();
    let holds: Vec<LedgerReservation> = world.inventory.with_ledger(<[_]>::to_vec);
    for hold in &holds {
        let known = by_id.get(&hold.order).and_then(|o| {
            o.reservations.iter().find(|r| {
                r.reference
                    .as_ref()
                    .is_some_and(|n| n.as_str() == hold.reference)
            })
        });
        // An inventory that knows a hold by its state alone says of a lost one that all is done.
        let lost = !world.config.inventory.repeat_reserve
            && lock(&world.oracle).lost.contains_key(&hold.reference);
        let fine = match known {
            Some(_) if lost => true,
            // We count a hold's life from the first call that may have made it, so it is over
            // sooner for us. It lapses by itself.
            Some(r) if r.state == ReservationState::Expired && hold.expires_at.is_some() => {
                hold.committed == r.committed
            }
            Some(r) => (hold.held, hold.committed) == (r.held(), r.committed),
            None if (hold.held, hold.committed) == (0, 0) => true,
            None => {
                let wanted = (hold.order, hold.sku.as_str(), hold.held);
                hold.committed == 0
                    && suspects
                        .iter()
                        .position(|s| *s == wanted)
                        .map(|i| suspects.swap_remove(i))
                        .is_some()
            }
        };
        if !fine {
            let known = known.map(|r| (r.n, r.state, r.held(), r.committed));
            let LedgerReservation {
                order,
                sku,
                held,
                committed,
                reference,
                ..
            } = hold;
            world.breach(
                Invariant::ReservationsKnown,
                format!("order {order}: the inventory has {held} of {sku} held and {committed} committed as {reference}, the order {known:?}"),
            );
        }
    }
    for order in orders {
        for r in order
            .reservations
            .iter()
            .filter(|r| r.held() + r.committed > 0)
        {
            let name = r.reference.as_ref().map(|n| n.as_str());
            if !holds.iter().any(|h| Some(h.reference.as_str()) == name) {
                world.breach(
                    Invariant::ReservationsKnown,
                    format!(
                        "order {} counts on reservation {} {}, which the inventory has not",
                        order.id, r.n, r.state
                    ),
                );
            }
        }
        check_shelves(world, order, &holds);
    }
    for sku in &world.fixture.skus {
        let level = world.inventory.level(sku);
        if level.committed > level.stocked || level.reserved > level.on_hand {
            world.breach(Invariant::CommittedStock, format!("{sku}: {level:?}"));
        }
    }
}

/// Demands that what has left has left the stock, and what was restocked, or never wanted, is back
/// on the shelf.
fn check_shelves(world: &World, order: &Order, holds: &[LedgerReservation]) {
    let mut units: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for line in &order.lines {
        let (least, most) = units.entry(line.sku.as_str()).or_default();
        let c = line.counters;
        let kept = if order.lifecycle == Lifecycle::Completed {
            c.shipped
        } else {
            line.quantity - c.cancelled
        };
        *least += (c.shipped + c.lost).saturating_sub(c.restocked);
        *most += (kept + c.lost).saturating_sub(c.restocked);
    }
    let live = matches!(order.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed);
    let stuck = |reason| order.has_attention(reason);
    // What an inventory cannot take back, or could not commit, a person has been told of.
    let excused = stuck(AttentionReason::ReleaseRefused)
        || stuck(AttentionReason::StockLost)
        || stuck(AttentionReason::SuspectReservation);
    let excused = excused || lock(&world.oracle).lost.values().any(|o| *o == order.id);
    for (sku, (least, most)) in units {
        // What was lost on the way is gone, whatever became of the order.
        let (least, most) = if live { (least, most) } else { (least, least) };
        let committed: u32 = holds
            .iter()
            .filter(|h| h.order == order.id && h.sku.as_str() == sku)
            .map(|h| h.committed)
            .sum();
        if !(least..=most).contains(&committed) && !excused {
            world.breach(
                Invariant::ReservationsKnown,
                format!("order {}: {committed} units of {sku} have left the stock, {least} to {most} should have", order.id),
            );
        }
    }
}
