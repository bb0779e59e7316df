//! An order as JSON and as text. Field names and spellings are those of the order service's proto; payment tokens are
//! never among them.

use std::fmt::Write as _;

use order_core::machine::{Purpose, key};
use order_core::money::{Currency, Minor, Money};
use order_core::order::{Address, AddressType, Amounts, Line, Order, OrderHold, PaymentOperation, Reservation};
use order_core::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::table::{Table, printable};

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
    holds: Vec<HoldView>,
    attention: Vec<AttentionView>,
    version: u64,
    reservations: Vec<ReservationView>,
    payments: Vec<PaymentView>,
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
    since: String,
}

#[derive(Debug, Serialize)]
struct ReservationView {
    n: u32,
    sku: String,
    quantity: u32,
    attempt: u32,
    state: &'static str,
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
            items: order.lines.iter().map(|l| ItemView::of(order, l)).collect(),
            addresses: addresses.unwrap_or_default(),
            lifecycle: order.lifecycle.as_str(),
            fulfilment_status: order.statuses.fulfilment.as_str(),
            return_status: order.statuses.returned.as_str(),
            payment_terms: order.terms.as_str(),
            tax_included: amount(order.amounts.tax_included),
            coupon_code: order.coupon.as_ref().map(ToString::to_string),
            holds: order.holds.iter().map(HoldView::of).collect(),
            attention: order
                .attention
                .iter()
                .map(|a| AttentionView {
                    reason: a.reason.as_str(),
                    about: a.about.map(|op| op.to_string()),
                    since: a.since.to_string(),
                })
                .collect(),
            version: order.version,
            reservations: order.reservations.iter().map(ReservationView::of).collect(),
            payments: order.payments.iter().map(|p| PaymentView::of(order, p)).collect(),
        }
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
        }
    }
}

impl AddressView {
    fn of(order: &Order, kind: AddressType, address: &Address) -> Self {
        let Address { first_name, last_name, address_line1, address_line2, city, state, postal_code, country, phone, email } =
            address.clone();
        AddressView {
            // As stores derive it: an order has at most one address of a type.
            id: Uuid::new_v5(&order.id.uuid(), format!("address/{kind}").as_bytes()).to_string(),
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
        let OrderHold { kind, blocks, placed_by, until } = hold;
        HoldView { kind: kind.to_string(), blocks: blocks.as_str(), placed_by: placed_by.to_string(), until: time(*until) }
    }
}

impl ReservationView {
    fn of(r: &Reservation) -> Self {
        ReservationView {
            n: r.n,
            sku: r.sku.to_string(),
            quantity: r.quantity,
            attempt: r.attempt,
            state: r.state.as_str(),
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
            capture_before: time(p.capture_before),
            deadline: time(p.deadline),
            action: p.action.get().map(|a| ActionView { url: a.url.clone(), data: a.data.clone() }),
            created_at: p.created_at.to_string(),
            updated_at: p.updated_at.to_string(),
        }
    }
}

/// The amount with its currency's decimals.
pub fn amount(minor: Minor, currency: Currency) -> String {
    Money::new(minor, currency).amount().to_string()
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|t| t.to_string())
}

/// The order for people: who, what, how much, and what became of stock and money.
pub fn text(order: &Order) -> String {
    let money = |minor| amount(minor, order.currency);
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}  {} {}", order.number, status_line(order), money(order.amounts.total), order.currency);
    let mut facts = Table::new(&["", ""]).indented(2);
    let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
    fact("id", order.id.to_string());
    fact("user", order.user.to_string());
    fact("placed", order.created_at.to_string());
    if order.updated_at != order.created_at {
        fact("updated", format!("{} (version {})", order.updated_at, order.version));
    }
    let pays = format!("{} (due: {})", order.payment_method, order.terms);
    fact("pays by", pays);
    if let Some(method) = &order.shipping_method {
        fact("ships by", method.to_string());
    }
    if let Some(addresses) = order.addresses.get() {
        fact("ships to", address_line(&addresses.shipping));
        if addresses.billing != addresses.shipping {
            fact("bills", address_line(&addresses.billing));
        }
    }
    if let Some(until) = order.retry_until.filter(|_| order.statuses.status == order_core::order::Status::PaymentFailed) {
        fact("retry until", until.to_string());
    }
    for hold in &order.holds {
        let until = hold.until.map(|t| format!(", until {t}")).unwrap_or_default();
        fact("hold", format!("{} blocks {}, placed by {}{until}", hold.kind, hold.blocks, hold.placed_by));
    }
    for attention in &order.attention {
        let about = attention.about.map(|op| format!(" about {op}")).unwrap_or_default();
        fact("attention", format!("{}{about} since {}", attention.reason, attention.since));
    }
    if let Some(notes) = order.notes.get() {
        fact("notes", notes.clone());
    }
    out.push_str(&facts.render());
    out.push('\n');
    out.push_str(&items(order));
    out.push_str(&sums(&order.amounts, order.currency));
    if !order.reservations.is_empty() {
        out.push('\n');
        out.push_str(&reservations(order));
    }
    if !order.payments.is_empty() {
        out.push('\n');
        out.push_str(&payments(order));
    }
    out
}

/// The statuses on one line: `CONFIRMED, PAID, UNFULFILLED`.
pub fn status_line(order: &Order) -> String {
    let s = order.statuses;
    let mut text = format!("{}, {}, {}", s.status, s.payment, s.fulfilment);
    if s.returned != order_core::order::ReturnStatus::None {
        let _ = write!(text, ", {}", s.returned);
    }
    text
}

fn address_line(a: &Address) -> String {
    let mut parts = vec![format!("{} {}", a.first_name, a.last_name), a.address_line1.clone()];
    parts.extend(a.address_line2.clone());
    parts.push(format!("{} {} {}", a.postal_code, a.city, a.state).trim().to_owned());
    parts.push(a.country.clone());
    printable(&parts.join(", "))
}

fn items(order: &Order) -> String {
    let mut table = Table::new(&["SKU", "NAME", ">QTY", ">PRICE", ">DISCOUNT", ">SUBTOTAL"]).indented(2);
    for line in &order.lines {
        table.row([
            line.sku.to_string(),
            line.name.clone(),
            line.quantity.to_string(),
            amount(line.unit_price, order.currency),
            amount(line.discount, order.currency),
            amount(line.subtotal, order.currency),
        ]);
    }
    table.render()
}

/// What an order comes to.
pub fn sums(a: &Amounts, currency: Currency) -> String {
    let mut table = Table::new(&["", ">"]).indented(2);
    let mut sum = |name: &str, minor: Minor| table.row([name.to_owned(), amount(minor, currency)]);
    sum("subtotal", a.subtotal);
    if a.discount != 0 {
        sum("discount", -a.discount);
    }
    sum("shipping", a.shipping);
    sum("tax", a.tax);
    if a.tax_included != 0 {
        sum("(tax included)", a.tax_included);
    }
    sum("total", a.total);
    table.render()
}

fn reservations(order: &Order) -> String {
    let mut table = Table::new(&["STOCK", "SKU", ">QTY", "STATE", "REFERENCE"]).indented(2);
    for r in &order.reservations {
        let state = match (r.closing, r.available) {
            (Some(closing), _) => format!("{} ({})", r.state, closing.kind),
            (None, Some(available)) => format!("{} ({available} available)", r.state),
            (None, None) => r.state.to_string(),
        };
        table.row([
            format!("r{}", r.n),
            r.sku.to_string(),
            r.quantity.to_string(),
            state,
            r.reference.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]);
    }
    table.render()
}

fn payments(order: &Order) -> String {
    let mut table = Table::new(&["PAYMENT", "KIND", "METHOD", ">AMOUNT", "STATE", "REFERENCE"]).indented(2);
    for p in &order.payments {
        let mut state = p.state.to_string();
        if let Some(code) = &p.code {
            let _ = write!(state, " ({code})");
        }
        if let Some(action) = p.action.get() {
            let _ = write!(state, " at {}", action.url);
        }
        table.row([
            format!("p{}", p.n),
            p.kind.as_str().to_lowercase(),
            p.method.to_string(),
            amount(p.amount, order.currency),
            state,
            p.reference.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]);
    }
    table.render()
}
