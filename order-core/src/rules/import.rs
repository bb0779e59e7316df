//! The order that comes from elsewhere: it has its past, and no call was ever made for it here.

use std::collections::BTreeMap;

use crate::ids::Sku;
use crate::order::{
    Addresses, Counters, Imported, ImportedLine, ImportedPayment, ImportedReturn, ImportedShipment,
    Lifecycle, Line, OperationKind, OperationOrigin, OperationState, Order, PaymentOperation,
    Reservation, Return, ReturnState, Shipment, ShipmentState, derive,
};
use crate::text::Private;
use crate::time::Timestamp;

/// The order that [`Event::Imported`](crate::order::Event::Imported) makes, imported `at`.
///
/// Its money moved outside the engine, so nothing of it is captured or refunded through a payment
/// service here. Units that have left were never in the inventory's books under one of our keys
/// ([`Reservation::is_elsewhere`]); units that are yet to be sent are reserved like those of an
/// order whose hold was lost.
pub fn begin_imported(imported: &Imported, at: Timestamp) -> Order {
    let Imported {
        id,
        number,
        user,
        external_ref,
        currency,
        lifecycle,
        lines,
        amounts,
        shipping_method,
        payment_method,
        terms,
        coupon,
        payments,
        shipments,
        returns,
        credits,
        placed_at,
        confirmed_at,
        ended_at,
        addresses,
        notes,
        metadata,
    } = imported;
    let placed_at = *placed_at;
    let ended = |as_what| ended_at.filter(|_| *lifecycle == as_what);
    let mut order = Order {
        lifecycle: *lifecycle,
        lines: lines
            .iter()
            .zip(1..)
            .map(|(l, n)| line(l, n, placed_at))
            .collect(),
        amounts: *amounts,
        shipping_method: shipping_method.clone(),
        external_ref: Some(external_ref.into()),
        coupon: coupon.clone(),
        payments: payments
            .iter()
            .zip(1..)
            .map(|(p, n)| payment(p, n))
            .collect(),
        shipments: shipments
            .iter()
            .zip(1..)
            .map(|(s, n)| shipment(s, n, placed_at))
            .collect(),
        returns: returns
            .iter()
            .zip(1..)
            .map(|(r, n)| closed_return(r, n))
            .collect(),
        credits: credits.clone(),
        retry_until: ended(Lifecycle::PaymentFailed),
        updated_at: at,
        confirmed_at: *confirmed_at,
        completed_at: ended(Lifecycle::Completed),
        cancelled_at: ended(Lifecycle::Cancelled),
        addresses: Private::<Addresses>::clone(addresses),
        notes: notes.clone(),
        metadata: metadata.clone(),
        ..Order::new(
            *id,
            *number,
            *user,
            *currency,
            payment_method.clone(),
            *terms,
            placed_at,
        )
    };
    count_returned(&mut order);
    order.place_units(placed_at);
    order.reservations = committed_elsewhere(&order);
    order.statuses = derive(&order);
    order
}

fn line(imported: &ImportedLine, n: u32, placed_at: Timestamp) -> Line {
    let ImportedLine { line, cancelled } = imported;
    let counters = Counters {
        cancelled: *cancelled,
        ..Counters::default()
    };
    Line {
        counters,
        ..Line::placed(line, n, placed_at)
    }
}

fn payment(imported: &ImportedPayment, n: u32) -> PaymentOperation {
    let ImportedPayment {
        refunds,
        method,
        amount,
        reference,
        at,
    } = imported;
    let (kind, state) = match refunds {
        Some(_) => (OperationKind::Refund, OperationState::Refunded),
        None => (OperationKind::Charge, OperationState::Captured),
    };
    let mut op = PaymentOperation::planned(n, kind, *refunds, method.clone(), *amount, *at);
    op.origin = OperationOrigin::Outside;
    op.state = state;
    op.settled = *amount;
    op.reference = Some(reference.clone());
    op
}

fn shipment(imported: &ImportedShipment, n: u32, placed_at: Timestamp) -> Shipment {
    let ImportedShipment {
        lines,
        state,
        carrier,
        tracking,
        shipped_at,
        delivered_at,
    } = imported;
    Shipment {
        n,
        lines: lines.clone(),
        state: *state,
        carrier: carrier.clone(),
        tracking: tracking.clone(),
        shipped_at: *shipped_at,
        delivered_at: *delivered_at,
        // When is not said of it.
        lost_at: shipped_at.filter(|_| *state == ShipmentState::Lost),
        created_at: shipped_at.unwrap_or(placed_at),
        updated_at: delivered_at.or(*shipped_at).unwrap_or(placed_at),
    }
}

fn closed_return(imported: &ImportedReturn, n: u32) -> Return {
    let ImportedReturn {
        lines,
        requested_at,
        closed_at,
    } = imported;
    Return {
        n,
        lines: lines.clone(),
        state: ReturnState::Closed,
        created_at: *requested_at,
        updated_at: *closed_at,
    }
}

/// Counts on each line what came back of it.
fn count_returned(order: &mut Order) {
    let Order { lines, returns, .. } = order;
    for l in returns.iter().flat_map(|r| &r.lines) {
        if let Some(line) = lines.iter_mut().find(|line| line.n == l.line) {
            line.counters.returned += l.received();
            line.counters.restocked += l.restocked;
        }
    }
}

/// Returns what has left the stock for the order before it came here: a reservation for each SKU.
fn committed_elsewhere(order: &Order) -> Vec<Reservation> {
    let mut gone: BTreeMap<&Sku, u32> = BTreeMap::new();
    for (sku, units) in order.stock_to_commit(false) {
        *gone.entry(sku).or_insert(0) += units;
    }
    let gone = gone.into_iter().filter(|(_, units)| *units > 0);
    gone.zip(1..)
        .map(|((sku, units), n)| Reservation::elsewhere(n, sku.clone(), units, order.created_at))
        .collect()
}
