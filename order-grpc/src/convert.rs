//! Between the messages of the proto and the types of the engine: the one place that knows both.
//! Every field is named, so that a new one on either side does not compile until it is decided what
//! becomes of it.

use order_core::ids::OrderId;
use order_core::money::{Currency, Minor};
use order_core::order::{Address, AddressType, Addresses, Amounts, Line, Order, Statuses};
use order_core::request::{AddressInput, ItemInput, PlaceRequest};
use order_core::time::Timestamp;

use crate::proto;

/// A request to place an order, but for what comes in metadata.
pub(crate) fn place_request(request: proto::CreateOrderRequest) -> PlaceRequest {
    let proto::CreateOrderRequest {
        user_id,
        items,
        shipping_address,
        billing_address,
        payment_method,
        shipping_method,
        notes,
        coupon_code,
    } = request;
    PlaceRequest {
        user_id,
        items: items.into_iter().map(item_input).collect(),
        shipping_address: shipping_address.map(address_input),
        billing_address: billing_address.map(address_input),
        payment_method,
        shipping_method,
        notes,
        coupon_code,
        // The contract has no fields for the rest.
        ..PlaceRequest::default()
    }
}

/// One line of a request.
pub(crate) fn item_input(item: proto::OrderItemInput) -> ItemInput {
    let proto::OrderItemInput {
        product_id,
        variant_id,
        quantity,
    } = item;
    ItemInput {
        product_id,
        variant_id,
        quantity: quantity.into(),
    }
}

fn address_input(address: proto::OrderAddressInput) -> AddressInput {
    let proto::OrderAddressInput {
        address_type,
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
    } = address;
    AddressInput {
        address_type,
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

/// An order as clients see it. The engine's own records (reservations, payment operations,
/// shipments, returns, holds, work) have no place in the contract; the statuses say what they come
/// to.
pub(crate) fn order(order: &Order) -> proto::Order {
    let Order {
        id,
        number,
        user,
        version: _,
        lifecycle: _,
        statuses,
        currency,
        lines,
        amounts,
        shipping_method,
        payment_method,
        terms: _,
        external_ref: _,
        coupon: _,
        redemptions: _,
        round: _,
        reservations: _,
        payments: _,
        unmatched: _,
        shipments: _,
        returns: _,
        credits: _,
        disputes: _,
        edits: _,
        holds: _,
        attention: _,
        notices: _,
        notified: _,
        placing_deadline: _,
        retry_until: _,
        created_at,
        updated_at,
        confirmed_at: _,
        completed_at,
        cancelled_at,
        addresses,
        notes,
        metadata: _,
        stuck_retried_at: _,
        redacted_at: _,
    } = order;
    // What is ordered, where it stands in its life, and what is on its way back all show in
    // `status`.
    let Statuses {
        status,
        payment,
        fulfilment: _,
        returned: _,
    } = statuses;
    let Amounts {
        subtotal,
        discount,
        tax,
        tax_included: _,
        shipping,
        shipping_tax: _,
        total,
    } = *amounts;
    let major = |minor| major(minor, *currency);
    proto::Order {
        id: id.to_string(),
        user_id: user.to_string(),
        order_number: number.to_string(),
        status: status.as_str().to_owned(),
        total_amount: major(total),
        subtotal: major(subtotal),
        tax_amount: major(tax),
        shipping_amount: major(shipping),
        discount_amount: major(discount),
        currency: currency.code().to_owned(),
        payment_method: payment_method.as_str().to_owned(),
        payment_status: payment.as_str().to_owned(),
        shipping_method: shipping_method
            .as_ref()
            .map(|name| name.as_str().to_owned())
            .unwrap_or_default(),
        notes: notes.get().cloned().unwrap_or_default(),
        created_at: Some(timestamp(*created_at)),
        updated_at: Some(timestamp(*updated_at)),
        completed_at: completed_at.map(timestamp),
        cancelled_at: cancelled_at.map(timestamp),
        // A line that was edited away is gone.
        items: lines
            .iter()
            .filter(|l| l.quantity > 0)
            .map(|l| line(*id, *currency, l))
            .collect(),
        addresses: addresses
            .get()
            .map(|both| both_addresses(*id, both))
            .unwrap_or_default(),
    }
}

fn line(order: OrderId, currency: Currency, line: &Line) -> proto::OrderItem {
    let Line {
        n: _,
        id,
        product,
        variant,
        sku,
        name,
        quantity,
        unit_price,
        discount,
        subtotal,
        requires_shipping: _,
        counters: _,
        lots: _,
        created_at,
        updated_at,
    } = line;
    proto::OrderItem {
        id: id.to_string(),
        order_id: order.to_string(),
        product_id: product.to_string(),
        variant_id: variant.map(|v| v.to_string()),
        sku: sku.as_str().to_owned(),
        name: name.clone(),
        quantity: i32::try_from(*quantity).unwrap_or(i32::MAX),
        unit_price: major(*unit_price, currency),
        subtotal: major(*subtotal, currency),
        discount_amount: major(*discount, currency),
        created_at: Some(timestamp(*created_at)),
        updated_at: Some(timestamp(*updated_at)),
    }
}

fn both_addresses(order: OrderId, addresses: &Addresses) -> Vec<proto::OrderAddress> {
    let Addresses { shipping, billing } = addresses;
    vec![
        address(order, AddressType::Shipping, shipping),
        address(order, AddressType::Billing, billing),
    ]
}

fn address(order: OrderId, kind: AddressType, address: &Address) -> proto::OrderAddress {
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
    proto::OrderAddress {
        id: kind.id_in(order).to_string(),
        order_id: order.to_string(),
        address_type: kind.as_str().to_owned(),
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

/// The double nearest to an amount in major units: one correctly rounded division (IEEE 754) of two
/// exact numbers. Multiplied back and rounded it gives the same minor units up to 2⁵¹, beyond any
/// total of real orders.
pub(crate) fn major(minor: Minor, currency: Currency) -> f64 {
    minor as f64 / 10f64.powi(currency.decimals() as i32)
}

pub(crate) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    let micros = time.as_micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
