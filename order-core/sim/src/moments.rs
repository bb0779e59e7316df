//! The invariants that must hold at the moment something happens, looked at on the order as the
//! journal gives it then.

use std::collections::HashSet;

use super::ledgers::provider_has;
use super::world::World;
use order_core::audit::{Breach, Invariant};
use order_core::order::{
    Blocks, DisputeState, Event, JournalRow, LineUnits, OperationKind, Order, OrderMoney,
    PaymentTerms, Reservation, Shipment,
};
use order_core::policy::BeforeLapse;
use order_core::testkit::services::LedgerReservation;

/// The past of an order that it cannot know of itself.
#[derive(Clone, Copy)]
pub(super) struct Past<'a> {
    /// Its cancellation was answered.
    pub cancelled: bool,
    /// The inventory lost a hold of it.
    pub lost: bool,
    /// A provider has said what is not so of its payments, and not yet what is.
    pub misled: bool,
    /// The operations made outside the engine that were heard of, by the provider's names for it.
    pub heard: &'a HashSet<String>,
}

/// Judges a row by the order just after it.
pub(super) fn check_row(
    world: &World,
    order: &Order,
    row: &JournalRow,
    past: Past<'_>,
    breaches: &mut Vec<Breach>,
) {
    let mut wrong = |invariant, what: String| {
        let detail = format!(
            "order {} row {} {}: {what}",
            order.id,
            row.seq,
            row.event.name()
        );
        breaches.push(Breach { invariant, detail });
    };
    let OrderMoney {
        captured,
        refunded,
        refunding,
        capturing,
        ..
    } = order.money();
    let paid = captured - refunded - refunding;
    let disputed = order.disputes.iter().any(|d| d.state == DisputeState::Open);
    match &row.event {
        Event::ShipmentShipped { n, .. } => {
            if past.cancelled {
                wrong(
                    Invariant::CancelledForGood,
                    "its cancellation was answered before".into(),
                );
            }
            if let Some(hold) = order.holds.iter().find(|h| h.blocks == Blocks::Ship) {
                wrong(
                    Invariant::Transitions,
                    format!("hold {} blocks it", hold.kind),
                );
            }
            let needed = order
                .due_when_shipped(|l| l.counters.shipped)
                .min(order.least_kept());
            let there = match order.terms {
                PaymentTerms::Confirm => paid,
                PaymentTerms::Shipment => order.secured(row.at),
                PaymentTerms::Invoice | PaymentTerms::Delivery => needed,
            };
            if there < needed {
                wrong(
                    Invariant::PaidAsDue,
                    format!("{needed} are needed for what has left, {there} are there"),
                );
            }
            if let Some(there) = provider_has(world, order, row.at, past)
                && there < needed
            {
                wrong(
                    Invariant::ShippedCovered,
                    format!("{needed} are needed for what has left, the provider has {there}"),
                );
            }
            for LineUnits { line, .. } in
                order.shipment(*n).map_or(&[][..], |s: &Shipment| &s.lines)
            {
                let Some(sku) = order.line(*line).map(|l| &l.sku) else {
                    continue;
                };
                let left = |l: &order_core::order::Line| {
                    (l.counters.shipped + l.counters.lost).saturating_sub(l.counters.restocked)
                };
                let needed: u32 = order.lines.iter().filter(|l| l.sku == *sku).map(left).sum();
                let there: u32 = world.inventory.with_ledger(|holds| {
                    let of_sku = holds
                        .iter()
                        .filter(|h| h.order == order.id && h.sku == *sku);
                    of_sku
                        .map(|h| h.held + h.committed + lapsed_since(world, order, row, h))
                        .sum()
                });
                if there < needed && !past.lost {
                    wrong(
                        Invariant::ConfirmedHasStock,
                        format!(
                            "{needed} units of {sku} have left, the inventory has {there} for it"
                        ),
                    );
                }
            }
        }
        Event::PaymentPlanned {
            kind: OperationKind::Refund,
            ..
        } if disputed => {
            wrong(Invariant::PaidAsDue, "a dispute is open".into());
        }
        Event::PaymentPlanned {
            kind: OperationKind::Refund,
            ..
        } => {
            let needed = if order.terms == PaymentTerms::Shipment {
                order.due()
            } else {
                order.owed()
            };
            if let Some(there) = provider_has(world, order, row.at, past)
                && there < needed
            {
                wrong(
                    Invariant::RefundsLeaveWhatIsDue,
                    format!(
                        "{needed} are due, and the refund leaves {there} of what the provider has"
                    ),
                );
            }
        }
        Event::PaymentPlanned {
            kind: OperationKind::Capture,
            ..
        } => {
            let early = world.config.policy.before_lapse == BeforeLapse::Capture;
            let most = if early { order.owed() } else { order.due() };
            if paid + capturing > most.max(0) {
                wrong(
                    Invariant::PaidAsDue,
                    format!("{most} are due, {paid} are paid and {capturing} on their way with it"),
                );
            }
        }
        Event::EditApplied { .. } if order.edits.last().is_some_and(|e| e.due > 0) => {
            let there = match order.terms {
                PaymentTerms::Confirm => paid,
                PaymentTerms::Shipment => order.secured(row.at),
                PaymentTerms::Invoice | PaymentTerms::Delivery => order.owed(),
            };
            let least = order.least_kept();
            if there < least {
                wrong(
                    Invariant::PaidAsDue,
                    format!("applied with {there} secured of {least}"),
                );
            }
        }
        Event::Completed
            if !(order.least_kept()..=order.owed()).contains(&(captured - refunded)) =>
        {
            wrong(
                Invariant::PaidAsDue,
                format!(
                    "{} are paid, {} are owed",
                    captured - refunded,
                    order.owed()
                ),
            );
        }
        _ => {}
    }
}

/// Returns how many units of a reservation were there when the row was decided, and lapsed while
/// whoever decided it stood still before writing it down.
fn lapsed_since(world: &World, order: &Order, row: &JournalRow, hold: &LedgerReservation) -> u32 {
    let since = hold
        .expires_at
        .is_some_and(|t| row.at < t && t <= world.runtime.true_now());
    let known = order.reservations.iter().find(|r| {
        r.reference
            .as_ref()
            .is_some_and(|n| n.as_str() == hold.reference)
    });
    if since && hold.held == 0 {
        known
            .map_or(0, Reservation::held)
            .min(hold.quantity - hold.committed)
    } else {
        0
    }
}
