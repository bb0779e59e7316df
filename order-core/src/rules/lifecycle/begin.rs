//! The order as it is when it is placed.

use crate::order::{Line, Numbered, Order, PaymentOperation, Placed, Reservation, derive};
use crate::text::Private;
use crate::time::Timestamp;

/// Returns the order that [`Event::Placed`](crate::order::Event::Placed) makes, with its stock and
/// first payment planned.
pub fn begin(placed: &Placed, at: Timestamp) -> Order {
    let Placed {
        id,
        number,
        user,
        currency,
        lines,
        amounts,
        shipping_method,
        payment_method,
        terms,
        coupon,
        redemptions,
        placing_deadline,
        holds,
        external_ref,
        addresses,
        notes,
        token,
        return_url,
        metadata,
    } = placed;
    let lines = lines
        .iter()
        .zip(1..)
        .map(|(l, n)| Line::placed(l, n, at))
        .collect();
    let mut order = Order {
        lines,
        amounts: *amounts,
        shipping_method: shipping_method.clone(),
        external_ref: external_ref.clone(),
        coupon: coupon.clone(),
        redemptions: redemptions.clone(),
        holds: holds.clone(),
        placing_deadline: *placing_deadline,
        addresses: addresses.clone(),
        notes: notes.clone(),
        metadata: metadata.clone(),
        ..Order::new(
            *id,
            *number,
            *user,
            *currency,
            payment_method.clone(),
            *terms,
            at,
        )
    };
    plan_attempt(&mut order, token, return_url, at);
    order.statuses = derive(&order);
    order
}

/// Plans a reservation for each SKU, and the payment that its terms ask for.
pub(super) fn plan_attempt(
    order: &mut Order,
    token: &Private<String>,
    return_url: &Private<String>,
    at: Timestamp,
) {
    let wanted: Vec<_> = order
        .wanted_stock()
        .into_iter()
        .map(|(sku, units)| (sku.clone(), units))
        .collect();
    for (sku, quantity) in wanted {
        let n = order.reservations.next_number();
        order
            .reservations
            .push(Reservation::planned(n, sku, quantity, order.round, at));
    }
    let Some(kind) = order.terms.attempt_kind() else {
        return;
    };
    let due = order.least_kept() - order.secured(at);
    if due > 0 {
        let mut op = PaymentOperation::planned(
            order.payments.next_number(),
            kind,
            None,
            order.payment_method.clone(),
            due,
            at,
        );
        op.token = token.clone();
        op.return_url = return_url.clone();
        order.payments.push(op);
    }
}
