//! An order against the ledgers of the services: what the inventory and the payment service have on
//! record of it.

use std::error::Error as StdError;

use async_trait::async_trait;
use uuid::Uuid;

use super::{Breach, Invariant};
use crate::ids::{OrderId, Sku};
use crate::money::{Minor, Money};
use crate::order::{
    OperationKind, OperationOrigin, OperationState, Order, Reservation, ReservationState,
};
use crate::rules::{Purpose, key};

/// The invariants that [`check_reservations`], [`check_payments`] and [`check_stock`] test.
pub const CHECKED_WITH_LEDGERS: &[Invariant] = &[
    Invariant::ChargesKnown,
    Invariant::DeadHoldsNothing,
    Invariant::ReservationsKnown,
    Invariant::CommittedStock,
    Invariant::DerivedKeys,
    Invariant::IntentFirst,
];

/// The inventory's record of a request to set stock aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationRecord {
    /// The order it is for.
    pub order: OrderId,
    /// The key it was asked under.
    pub key: Uuid,
    /// The SKU.
    pub sku: Sku,
    /// The number of units asked for.
    pub quantity: u32,
    /// The units of them that are still set aside.
    pub held: u32,
    /// The units of them that left the stock, and have not come back.
    pub committed: u32,
}

/// The payment service's record of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRecord {
    /// The order it is for.
    pub order: OrderId,
    /// The key it was asked under.
    pub key: Uuid,
    /// For a capture, void or refund: the key of the operation it acts on.
    pub parent: Option<Uuid>,
    /// The kind of the operation.
    pub kind: OperationKind,
    /// The amount asked for.
    pub amount: Money,
    /// The outcome; `FAILED` if it was refused.
    pub status: OperationState,
    /// Of an authorization, the part that was captured, as the service counts it.
    pub captured: Minor,
    /// Of a charge or capture, the part that went back, as the service counts it.
    pub refunded: Minor,
}

/// A SKU's stock: the units that its requests add up to, beside those that the stock counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockRecord {
    /// The SKU.
    pub sku: Sku,
    /// The stock's own count; `None` if the SKU has requests and no stock.
    pub counted: Option<StockCount>,
    /// Units of requests that are set aside.
    pub held: u64,
    /// Units of requests that are committed.
    pub committed: u64,
}

/// The units of a SKU that its stock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockCount {
    /// Units that are there, those set aside included.
    pub on_hand: u64,
    /// Units of these that are set aside.
    pub reserved: u64,
    /// Units that left with orders.
    pub committed: u64,
    /// Units that ever came in.
    pub stocked: u64,
}

/// A ledger that cannot be read.
pub type LedgerError = Box<dyn StdError + Send + Sync>;

/// The ledgers of an inventory and a payment service, for [`check_store`](super::check_store).
#[async_trait]
pub trait Ledgers: Send + Sync {
    /// Returns the requests for stock of an order.
    async fn reservations_of(&self, order: OrderId) -> Result<Vec<ReservationRecord>, LedgerError>;
    /// Returns the payment operations of an order.
    async fn payments_of(&self, order: OrderId) -> Result<Vec<PaymentRecord>, LedgerError>;
    /// Returns the orders that have stock set aside.
    async fn orders_with_stock(&self) -> Result<Vec<OrderId>, LedgerError>;
    /// Returns the orders that have payment operations.
    async fn orders_with_payments(&self) -> Result<Vec<OrderId>, LedgerError>;
    /// Returns the stock of every SKU that has any, or has requests.
    async fn stock(&self) -> Result<Vec<StockRecord>, LedgerError>;
}

/// Tells what is wrong between an order and the inventory's records of it (I15, I17, I20, I21).
pub fn check_reservations(order: &Order, records: &[ReservationRecord]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut breach = |invariant, detail| breaches.push(Breach { invariant, detail });
    for record in records {
        let named = order
            .reservations
            .iter()
            .find(|r| key(order.id, Purpose::Reserve, r.n) == record.key);
        let Some(r) = named else {
            if record.held > 0 {
                breach(
                    Invariant::ReservationsKnown,
                    format!(
                        "the inventory holds {} {} under {}, which is none of the order's",
                        record.held, record.sku, record.key
                    ),
                );
            }
            continue;
        };
        if record.sku != r.sku || record.quantity != r.quantity {
            breach(
                Invariant::DerivedKeys,
                format!(
                    "reservation {} asks for {} {}, the inventory was asked for {} {}",
                    r.n, r.quantity, r.sku, record.quantity, record.sku
                ),
            );
        }
        if matches!(
            r.state,
            ReservationState::Planned | ReservationState::Dropped
        ) {
            breach(
                Invariant::IntentFirst,
                format!(
                    "reservation {} is {}, and the inventory was asked",
                    r.n, r.state
                ),
            );
        }
        let over = matches!(
            r.state,
            ReservationState::Refused
                | ReservationState::Released
                | ReservationState::Expired
                | ReservationState::Lost
        );
        if record.held > 0 && over {
            breach(
                Invariant::DeadHoldsNothing,
                format!(
                    "reservation {} is {}, and the inventory still holds it",
                    r.n, r.state
                ),
            );
        }
    }
    let settled = |r: &&Reservation| {
        matches!(
            r.state,
            ReservationState::Held | ReservationState::Committed
        ) && r.closing.is_none()
    };
    // What came from elsewhere never was in this inventory.
    for r in order
        .reservations
        .iter()
        .filter(settled)
        .filter(|r| !r.is_elsewhere())
    {
        let record = records
            .iter()
            .find(|h| h.key == key(order.id, Purpose::Reserve, r.n));
        let is = record.map(|h| (h.held, h.committed));
        if is != Some((r.held(), r.committed)) {
            let is = is.map_or("it is unknown to it".into(), |(held, committed)| {
                format!("{held} held and {committed} committed")
            });
            let detail = format!(
                "reservation {} is {}, {} units held and {} committed, and for the inventory {is}",
                r.n,
                r.state,
                r.held(),
                r.committed
            );
            breach(Invariant::ReservationsKnown, detail);
        }
    }
    breaches
}

/// Tells what is wrong between an order and the payment service's records of it (I6, I20, I21).
pub fn check_payments(order: &Order, records: &[PaymentRecord]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for record in records {
        check_payment(order, record, records, &mut breaches);
    }
    // What moved outside the engine passed no service of ours.
    for p in order
        .payments
        .iter()
        .filter(|p| p.origin == OperationOrigin::Engine)
    {
        let known = records
            .iter()
            .any(|d| d.key == key(order.id, Purpose::Payment, p.n));
        if !known && matches!(p.state, OperationState::Captured | OperationState::Refunded) {
            let kind = OperationKind::as_str(p.kind).to_lowercase();
            breaches.push(Breach {
                invariant: Invariant::ChargesKnown,
                detail: format!(
                    "payment {} is a {kind} that is {}, and the desk does not know it",
                    p.n, p.state
                ),
            });
        }
    }
    breaches
}

/// Compares one record with the operation it belongs to; `all` are those of the order.
fn check_payment(
    order: &Order,
    record: &PaymentRecord,
    all: &[PaymentRecord],
    breaches: &mut Vec<Breach>,
) {
    let mut breach = |invariant, detail| breaches.push(Breach { invariant, detail });
    let Some(p) = order
        .payments
        .iter()
        .find(|p| key(order.id, Purpose::Payment, p.n) == record.key)
    else {
        breach(
            Invariant::ChargesKnown,
            format!(
                "the desk knows a {} under {}, which is none of the order's",
                record.kind, record.key
            ),
        );
        return;
    };
    if record.kind != p.kind || record.amount != order.in_currency(p.amount) {
        let asked = order.in_currency(p.amount);
        breach(
            Invariant::DerivedKeys,
            format!(
                "payment {} is a {} of {asked}, the desk was asked for a {} of {}",
                p.n, p.kind, record.kind, record.amount
            ),
        );
    }
    if matches!(p.state, OperationState::Planned | OperationState::Dropped) {
        breach(
            Invariant::IntentFirst,
            format!("payment {} is {}, and the desk was asked", p.n, p.state),
        );
    }
    let moved_on = |kind, state| -> Minor {
        let children = all
            .iter()
            .filter(|c| c.parent == Some(record.key) && c.kind == kind && c.status == state);
        children.map(|c| c.amount.minor).sum()
    };
    for (what, counted, adds_up_to) in [
        (
            "captured",
            record.captured,
            moved_on(OperationKind::Capture, OperationState::Captured),
        ),
        (
            "refunded",
            record.refunded,
            moved_on(OperationKind::Refund, OperationState::Refunded),
        ),
    ] {
        if counted != adds_up_to {
            let (counted, adds_up_to) = (order.in_currency(counted), order.in_currency(adds_up_to));
            breach(
                Invariant::ChargesKnown,
                format!(
                    "the desk counts {counted} of payment {} as {what}, and {what} {adds_up_to}",
                    p.n
                ),
            );
        }
    }
    // While it is open the service may know more than the order, and a void ends the attempt it
    // acts on.
    let settled = !p.state.is_open()
        && !matches!(
            record.status,
            OperationState::Pending | OperationState::ActionRequired
        );
    let moved = |state| matches!(state, OperationState::Captured | OperationState::Refunded);
    if settled && moved(record.status) != moved(p.state) {
        breach(
            Invariant::ChargesKnown,
            format!(
                "payment {} is {}, and for the desk it is {}",
                p.n, p.state, record.status
            ),
        );
    }
}

/// Tells what is wrong with a SKU's stock: it counts what its requests add up to (I17, I18).
pub fn check_stock(record: &StockRecord) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut breach = |invariant, detail| breaches.push(Breach { invariant, detail });
    let StockRecord {
        held, committed, ..
    } = record;
    let Some(count) = &record.counted else {
        if held + committed > 0 {
            breach(
                Invariant::ReservationsKnown,
                format!("{held} held and {committed} committed of what has no stock"),
            );
        }
        return breaches;
    };
    if count.reserved != *held {
        breach(
            Invariant::ReservationsKnown,
            format!(
                "{} counted as reserved, and {held} held for orders",
                count.reserved
            ),
        );
    }
    if count.committed != *committed {
        breach(
            Invariant::CommittedStock,
            format!(
                "{} counted as committed, and {committed} committed for orders",
                count.committed
            ),
        );
    }
    if count.on_hand + count.committed != count.stocked {
        breach(
            Invariant::CommittedStock,
            format!(
                "{} committed and {} on hand of {} stocked",
                count.committed, count.on_hand, count.stocked
            ),
        );
    }
    breaches
}
