//! An order as JSON. Field names and spellings are those of the order service's proto; payment
//! tokens are never among them.

use std::collections::BTreeMap;

use super::error::RejectionView;
use super::life::{CreditView, DisputeView, EditView, ReturnView, ShipmentView, UnmatchedView};
use super::{amount, time};
use crate::money::Minor;
use crate::order::{Address, AddressType, Line, Order, OrderHold, PaymentOperation, Reservation};
use crate::rules::{Purpose, failure, key};
use serde::Serialize;

/// An order, whole.
#[derive(Debug, Serialize)]
pub struct OrderView {
    id: String,
    user_id: String,
    order_number: String,
    status: &'static str,
    total_amount: String,
    subtotal: String,
    tax_amount: String,
    shipping_amount: String,
    discount_amount: String,
    currency: String,
    payment_method: String,
    payment_status: &'static str,
    shipping_method: Option<String>,
    notes: Option<String>,
    created_at: String,
    updated_at: String,
    completed_at: Option<String>,
    cancelled_at: Option<String>,
    items: Vec<ItemView>,
    addresses: Vec<AddressView>,
    lifecycle: &'static str,
    fulfilment_status: &'static str,
    return_status: &'static str,
    payment_terms: &'static str,
    tax_included: String,
    coupon_code: Option<String>,
    external_ref: Option<String>,
    holds: Vec<HoldView>,
    attention: Vec<AttentionView>,
    version: u64,
    reservations: Vec<ReservationView>,
    payments: Vec<PaymentView>,
    owed_amount: String,
    authorized_amount: String,
    captured_amount: String,
    refunded_amount: String,
    shipments: Vec<ShipmentView>,
    returns: Vec<ReturnView>,
    credits: Vec<CreditView>,
    disputes: Vec<DisputeView>,
    edits: Vec<EditView>,
    unmatched_payments: Vec<UnmatchedView>,
    metadata: BTreeMap<String, String>,
    redacted_at: Option<String>,
    /// The reason why the order came to nothing, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<RejectionView>,
    /// On the answer to a request that was carried out before under the same key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
}

#[derive(Debug, Serialize)]
struct ItemView {
    id: String,
    order_id: String,
    product_id: String,
    variant_id: Option<String>,
    sku: String,
    name: String,
    quantity: u32,
    unit_price: String,
    subtotal: String,
    discount_amount: String,
    created_at: String,
    updated_at: String,
    line: u32,
    open: u32,
    cancelled: u32,
    planned: u32,
    shipped: u32,
    delivered: u32,
    returned: u32,
    lost: u32,
    owed_amount: String,
}

#[derive(Debug, Serialize)]
struct AddressView {
    id: String,
    order_id: String,
    address_type: &'static str,
    first_name: String,
    last_name: String,
    address_line1: String,
    address_line2: Option<String>,
    city: String,
    state: String,
    postal_code: String,
    country: String,
    phone: Option<String>,
    email: Option<String>,
}

#[derive(Debug, Serialize)]
struct HoldView {
    kind: String,
    blocks: &'static str,
    placed_by: String,
    until: Option<String>,
}

#[derive(Debug, Serialize)]
struct AttentionView {
    reason: &'static str,
    about: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    text: &'static str,
    remedy: &'static str,
    since: String,
    acknowledged: bool,
}

#[derive(Debug, Serialize)]
struct ReservationView {
    n: u32,
    sku: String,
    quantity: u32,
    round: u32,
    state: &'static str,
    held: u32,
    committed: u32,
    released: u32,
    closing: Option<&'static str>,
    reference: Option<String>,
    expires_at: Option<String>,
    available: Option<u32>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct PaymentView {
    n: u32,
    key: String,
    kind: String,
    parent: Option<u32>,
    payment_method: String,
    amount: String,
    settled_amount: String,
    currency: String,
    status: &'static str,
    reference: Option<String>,
    code: Option<String>,
    origin: &'static str,
    capture_before: Option<String>,
    deadline: Option<String>,
    action: Option<ActionView>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct ActionView {
    url: String,
    data: Option<String>,
}

impl OrderView {
    /// The view of `order`.
    pub fn of(order: &Order) -> Self {
        let amount = |minor| amount(minor, order.currency);
        let money = order.money();
        let addresses = order.addresses.get().map(|a| {
            vec![
                AddressView::of(order, AddressType::Shipping, &a.shipping),
                AddressView::of(order, AddressType::Billing, &a.billing),
            ]
        });
        OrderView {
            id: order.id.to_string(),
            user_id: order.user.to_string(),
            order_number: order.number.to_string(),
            status: order.statuses.status.as_str(),
            total_amount: amount(order.amounts.total),
            subtotal: amount(order.amounts.subtotal),
            tax_amount: amount(order.amounts.tax),
            shipping_amount: amount(order.amounts.shipping),
            discount_amount: amount(order.amounts.discount),
            currency: order.currency.to_string(),
            payment_method: order.payment_method.to_string(),
            payment_status: order.statuses.payment.as_str(),
            shipping_method: order.shipping_method.as_ref().map(ToString::to_string),
            notes: order.notes.get().cloned(),
            created_at: order.created_at.to_string(),
            updated_at: order.updated_at.to_string(),
            completed_at: time(order.completed_at),
            cancelled_at: time(order.cancelled_at),
            items: order
                .visible_lines()
                .map(|l| ItemView::of(order, l))
                .collect(),
            addresses: addresses.unwrap_or_default(),
            lifecycle: order.lifecycle.as_str(),
            fulfilment_status: order.statuses.fulfilment.as_str(),
            return_status: order.statuses.returned.as_str(),
            payment_terms: order.terms.as_str(),
            tax_included: amount(order.amounts.tax_included),
            coupon_code: order.coupon.as_ref().map(ToString::to_string),
            external_ref: order.external_ref.as_ref().map(ToString::to_string),
            holds: order.holds.iter().map(HoldView::of).collect(),
            attention: order
                .attention
                .iter()
                .map(|a| AttentionView {
                    reason: a.reason.as_str(),
                    about: a.about.map(|op| op.to_string()),
                    amount: a.amount.map(amount),
                    text: a.reason.meaning(),
                    remedy: a.reason.remedy(),
                    since: a.since.to_string(),
                    acknowledged: a.acknowledged,
                })
                .collect(),
            version: order.version,
            reservations: order.reservations.iter().map(ReservationView::of).collect(),
            payments: order
                .payments
                .iter()
                .map(|p| PaymentView::of(order, p))
                .collect(),
            owed_amount: amount(money.owed),
            authorized_amount: amount(money.authorized),
            captured_amount: amount(money.captured),
            refunded_amount: amount(money.refunded),
            shipments: order.shipments.iter().map(ShipmentView::of).collect(),
            returns: order.returns.iter().map(ReturnView::of).collect(),
            credits: order
                .credits
                .iter()
                .map(|c| CreditView::of(order, c))
                .collect(),
            disputes: order
                .disputes
                .iter()
                .map(|d| DisputeView::of(order, d))
                .collect(),
            edits: order.edits.iter().map(|e| EditView::of(order, e)).collect(),
            unmatched_payments: order.unmatched.iter().map(UnmatchedView::of).collect(),
            metadata: order
                .metadata
                .get()
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.to_string(), value.clone()))
                .collect(),
            redacted_at: time(order.redacted_at),
            rejection: failure(order).as_ref().map(RejectionView::of),
            replayed: false,
        }
    }

    /// The view on the answer to a request that may be a repeat.
    pub fn replayed(self, replayed: bool) -> Self {
        OrderView { replayed, ..self }
    }
}

impl ItemView {
    fn of(order: &Order, line: &Line) -> Self {
        ItemView {
            id: line.id.to_string(),
            order_id: order.id.to_string(),
            product_id: line.product.to_string(),
            variant_id: line.variant.map(|v| v.to_string()),
            sku: line.sku.to_string(),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: amount(line.unit_price, order.currency),
            subtotal: amount(line.subtotal, order.currency),
            discount_amount: amount(line.discount, order.currency),
            created_at: line.created_at.to_string(),
            updated_at: line.updated_at.to_string(),
            line: line.n,
            open: line.open(),
            cancelled: line.counters.cancelled,
            planned: line.counters.planned,
            shipped: line.counters.shipped,
            delivered: line.counters.delivered,
            returned: line.counters.returned,
            lost: line.counters.lost,
            owed_amount: amount(owed_of(order, line), order.currency),
        }
    }
}

/// Returns what is owed of a line: nothing, once the order has come to nothing.
fn owed_of(order: &Order, line: &Line) -> Minor {
    match order.lifecycle.is_live() {
        true => line.owed(),
        false => 0,
    }
}

impl AddressView {
    fn of(order: &Order, kind: AddressType, address: &Address) -> Self {
        let Address {
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        } = address.clone();
        AddressView {
            id: kind.id_in(order.id).to_string(),
            order_id: order.id.to_string(),
            address_type: kind.as_str(),
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        }
    }
}

impl HoldView {
    fn of(hold: &OrderHold) -> Self {
        let OrderHold {
            kind,
            blocks,
            placed_by,
            until,
        } = hold;
        HoldView {
            kind: kind.to_string(),
            blocks: blocks.as_str(),
            placed_by: placed_by.to_string(),
            until: time(*until),
        }
    }
}

impl ReservationView {
    fn of(r: &Reservation) -> Self {
        ReservationView {
            n: r.n,
            sku: r.sku.to_string(),
            quantity: r.quantity,
            round: r.round,
            state: r.state.as_str(),
            held: r.held(),
            committed: r.committed,
            released: r.released,
            closing: r.closing.map(|c| c.kind.as_str()),
            reference: r.reference.as_ref().map(ToString::to_string),
            expires_at: time(r.expires_at),
            available: r.available,
            created_at: r.created_at.to_string(),
            updated_at: r.updated_at.to_string(),
        }
    }
}

impl PaymentView {
    fn of(order: &Order, p: &PaymentOperation) -> Self {
        PaymentView {
            n: p.n,
            key: key(order.id, Purpose::Payment, p.n).to_string(),
            kind: p.kind.as_str().to_lowercase(),
            parent: p.parent,
            payment_method: p.method.to_string(),
            amount: amount(p.amount, order.currency),
            settled_amount: amount(p.settled, order.currency),
            currency: order.currency.to_string(),
            status: p.state.as_str(),
            reference: p.reference.as_ref().map(ToString::to_string),
            code: p.code.clone(),
            origin: p.origin.as_str(),
            capture_before: time(p.capture_before),
            deadline: time(p.deadline),
            action: p.action.get().map(|a| ActionView {
                url: a.url.clone(),
                data: a.data.clone(),
            }),
            created_at: p.created_at.to_string(),
            updated_at: p.updated_at.to_string(),
        }
    }
}
