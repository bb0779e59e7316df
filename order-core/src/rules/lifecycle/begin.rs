//! The order as it is when it is placed.

use crate::order::{
    Lifecycle, Line, Order, PaymentOperation, Placed, Reservation, Statuses, derive,
};
use crate::text::Private;
use crate::time::Timestamp;

/// The order that [`Event::Placed`] makes, with its stock and first payment planned.
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
        id: *id,
        number: *number,
        user: *user,
        version: 1,
        lifecycle: Lifecycle::Pending,
        statuses: Statuses::default(),
        currency: *currency,
        lines,
        amounts: *amounts,
        shipping_method: shipping_method.clone(),
        payment_method: payment_method.clone(),
        terms: *terms,
        external_ref: external_ref.clone(),
        coupon: coupon.clone(),
        redemptions: redemptions.clone(),
        round: 1,
        reservations: Vec::new(),
        payments: Vec::new(),
        unmatched: Vec::new(),
        shipments: Vec::new(),
        returns: Vec::new(),
        credits: Vec::new(),
        disputes: Vec::new(),
        edits: Vec::new(),
        holds: holds.clone(),
        attention: Vec::new(),
        notices: Vec::new(),
        notified: 0,
        placing_deadline: *placing_deadline,
        retry_until: None,
        created_at: at,
        updated_at: at,
        confirmed_at: None,
        completed_at: None,
        cancelled_at: None,
        addresses: addresses.clone(),
        notes: notes.clone(),
        metadata: metadata.clone(),
        stuck_retried_at: None,
        redacted_at: None,
    };
    plan_attempt(&mut order, token, return_url, at);
    order.statuses = derive(&order);
    order
}

/// Plans a hold for each SKU, and the payment that its terms ask for.
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
        let n = order.reservations.len() as u32 + 1;
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
            order.payments.len() as u32 + 1,
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
