//! Taking a historic order apart, each field by itself.

use serde_json::Value;

use super::object::{Object, Optional, Required};
use super::{ValidImport, derived};
use crate::allocation::largest_remainder;
use crate::error::Violation;
use crate::ids::{Bucket, IdempotencyKey, LineId, Name, OrderId};
use crate::money::{Currency, Minor};
use crate::number::OrderNumber;
use crate::order::{
    AddressType, Addresses, Amounts, Credit, CreditKind, Imported, ImportedLine, ImportedPayment,
    ImportedReturn, ImportedShipment, Lifecycle, LineUnits, Lot, PaymentTerms, PlacedLine,
    ReturnLine, ShipmentState, Status,
};
use crate::request::{AddressInput, Check, MAX_LINES, MAX_NOTES, MAX_QUANTITY};
use crate::text::{self, Private};
use crate::time::Timestamp;

/// The most shipments, payments, returns or credits of one order, and entries of its metadata.
const MAX_RECORDS: usize = 1000;
const MAX_VALUE: usize = 2_000;

/// A historic order of which each field by itself is sound, and what it says of itself.
pub(super) struct Stated {
    pub import: ValidImport,
    pub status: Status,
    pub subtotal: Option<Minor>,
    pub tax: Option<Minor>,
    pub total: Minor,
}

pub(super) fn read(json: &str) -> Result<Stated, Vec<Violation>> {
    let value: Value = match serde_json::from_str(json) {
        Ok(value) => value,
        Err(e) => {
            return Err(vec![Violation::new(
                "line",
                format!("is no JSON from character {} on", e.column().max(1)),
            )]);
        }
    };
    let mut check = Check::default();
    let stated = Object::of(&mut check, "", &value).and_then(|root| order(&mut check, root));
    match stated {
        Some(stated) if check.0.is_empty() => Ok(stated),
        _ => Err(check.0),
    }
}

/// Everything is read before anything missing ends it, so that all mistakes are found.
fn order(check: &mut Check, mut o: Object<'_>) -> Option<Stated> {
    let external_ref: Option<IdempotencyKey> = o.parsed(check, "external_ref", Required);
    let number: Option<OrderNumber> = o.parsed(check, "order_number", Optional);
    let user = o.parsed(check, "user_id", Required);
    let currency: Option<Currency> = o.parsed(check, "currency", Required);
    let status: Option<Status> = o.parsed(check, "status", Required);
    let lifecycle = status.and_then(|s| lifecycle(check, s));
    let payment_method: Option<Name> = name(check, &mut o, "payment_method");
    let shipping_method = name(check, &mut o, "shipping_method");
    let coupon = name(check, &mut o, "coupon_code");
    let terms = terms(check, &mut o);
    let placed_at = o.time(check, "placed_at", Required);
    let confirmed_at = o.time(check, "confirmed_at", Optional);
    let ended_at = o.time(check, "ended_at", Optional);

    let objects = bounded(check, &mut o, "items", MAX_LINES);
    if objects.is_empty() {
        check.wrong("items", "is empty: an order has at least one line");
    }
    let external = external_ref.as_ref();
    let lines: Vec<ImportedLine> = objects
        .into_iter()
        .zip(1..)
        .filter_map(|(item, n)| line(check, item, n, external, currency))
        .collect();
    let discount = o.amount(check, "discount", currency, Optional);
    let shipping = o.amount(check, "shipping_amount", currency, Optional);
    let shipping_tax = o.amount(check, "shipping_tax", currency, Optional);
    let shipping_included = o.amount(check, "shipping_tax_included", currency, Optional);
    let subtotal = o.amount_if_given(check, "subtotal", currency, Optional);
    let tax = o.amount_if_given(check, "tax", currency, Optional);
    let total = o.amount(check, "total", currency, Required);

    let payments = payments(check, &mut o, currency, payment_method.as_ref());
    let shipments = bounded(check, &mut o, "shipments", MAX_RECORDS);
    let shipments = shipments
        .into_iter()
        .filter_map(|s| shipment(check, s))
        .collect();
    let returns = bounded(check, &mut o, "returns", MAX_RECORDS);
    let returns = returns
        .into_iter()
        .filter_map(|r| closed_return(check, r))
        .collect();
    let credits = bounded(check, &mut o, "credits", MAX_RECORDS);
    let credits = credits
        .into_iter()
        .zip(1..)
        .filter_map(|(c, n)| credit(check, c, n, currency))
        .collect();

    let addresses = addresses(check, &mut o);
    let notes = o
        .text(check, "notes", Optional)
        .filter(|notes| !notes.is_empty());
    check.text("notes", notes, |notes| text::check_note(notes, MAX_NOTES));
    let metadata = metadata(check, &mut o);
    o.end(check);

    let external_ref = external_ref?;
    let (user, placed_at, lifecycle) = (user?, placed_at?, lifecycle?);
    let bucket = Bucket::of(&user);
    if let Some(number) = number.filter(|number| number.bucket() != bucket) {
        let problem = format!(
            "{number} was not given out for customer {user}: leave it out, and the order gets one"
        );
        check.wrong("order_number", problem);
    }
    let amounts = amounts(
        &lines,
        discount?,
        shipping?,
        shipping_tax?,
        shipping_included?,
    );
    let random = derived(&external_ref, "number").as_u64_pair().0;
    let id = OrderId::new(placed_at, derived(&external_ref, "order").as_u128(), bucket);
    let mut imported = Imported {
        id,
        number: number.unwrap_or_else(|| OrderNumber::new(random, bucket)),
        user,
        external_ref,
        currency: currency?,
        lifecycle,
        lines,
        amounts,
        shipping_method,
        payment_method: payment_method?,
        terms: terms?,
        coupon,
        payments,
        shipments,
        returns,
        credits,
        placed_at,
        confirmed_at,
        ended_at,
        addresses: Private(addresses),
        notes: Private(notes.map(Into::into)),
        metadata: Private(metadata),
    };
    share_discount(&mut imported);
    fill_in_times(&mut imported);
    let import = ValidImport {
        imported: Box::new(imported),
        own_number: number.is_some(),
    };
    Some(Stated {
        import,
        status: status?,
        subtotal: subtotal?,
        tax: tax?,
        total: total?,
    })
}

/// The statuses of an order that comes from elsewhere: nothing that still waits for an answer.
fn lifecycle(check: &mut Check, status: Status) -> Option<Lifecycle> {
    match status {
        Status::Confirmed
        | Status::Processing
        | Status::PartiallyShipped
        | Status::Shipped
        | Status::PartiallyDelivered
        | Status::Delivered => Some(Lifecycle::Confirmed),
        Status::Completed => Some(Lifecycle::Completed),
        Status::Cancelled => Some(Lifecycle::Cancelled),
        Status::PaymentFailed => Some(Lifecycle::PaymentFailed),
        Status::Rejected => Some(Lifecycle::Rejected),
        Status::Expired => Some(Lifecycle::Expired),
        Status::Pending | Status::Cancelling => {
            let problem = format!(
                "{status} is under way where it comes from: import it when that is over, or place it anew"
            );
            check.refuse("status", problem)
        }
    }
}

fn name(check: &mut Check, o: &mut Object<'_>, field: &'static str) -> Option<Name> {
    let need = if field == "payment_method" {
        Required
    } else {
        Optional
    };
    let text = o.text(check, field, need)?;
    check.name(field, text).flatten()
}

fn terms(check: &mut Check, o: &mut Object<'_>) -> Option<PaymentTerms> {
    match o.parsed(check, "payment_terms", Optional) {
        Some(PaymentTerms::Shipment) => {
            let problem = "shipment needs an authorization of this engine: import what is captured as confirm, or as invoice";
            check.refuse("payment_terms", problem)
        }
        terms => Some(terms.unwrap_or(PaymentTerms::Confirm)),
    }
}

/// The objects of an optional list, as many as an order may have.
fn bounded<'v>(
    check: &mut Check,
    o: &mut Object<'v>,
    field: &'static str,
    most: usize,
) -> Vec<Object<'v>> {
    let need = if field == "items" { Required } else { Optional };
    let mut objects = o.list(check, field, need);
    if objects.len() > most {
        check.wrong(
            o.at(field),
            format!("has {} entries: at most {most} are allowed", objects.len()),
        );
        objects.truncate(most);
    }
    objects
}

fn line(
    check: &mut Check,
    mut o: Object<'_>,
    n: u32,
    external_ref: Option<&IdempotencyKey>,
    currency: Option<Currency>,
) -> Option<ImportedLine> {
    let product = o.parsed(check, "product_id", Required);
    let variant = o.parsed(check, "variant_id", Optional);
    let sku = o.parsed(check, "sku", Required);
    let name = o.text(check, "name", Required);
    check.text(o.at("name"), name, |name| text::check_line(name, 255));
    let quantity = o.count(check, "quantity", (1, MAX_QUANTITY), None);
    let unit_price = o.amount(check, "unit_price", currency, Required);
    let discount = o.amount(check, "discount", currency, Optional);
    let tax = o.amount(check, "tax", currency, Optional);
    let tax_included = o.amount(check, "tax_included", currency, Optional);
    let requires_shipping = o.truth(check, "requires_shipping", true);
    let cancelled = o.count(check, "cancelled", (0, MAX_QUANTITY), Some(0));
    let field = o.at("discount");
    o.end(check);
    let (quantity, unit_price, discount) = (quantity?, unit_price?, discount?);
    let subtotal = Minor::from(quantity) * unit_price - discount;
    if subtotal < 0 {
        return check.refuse(field, "is more than the units cost");
    }
    let lot = Lot {
        units: quantity,
        subtotal,
        coupon: 0,
        tax: tax?,
        tax_included: tax_included?,
        credit: 0,
    };
    let line = PlacedLine {
        id: LineId::from_uuid(derived(external_ref?, &format!("line {n}"))),
        product: product?,
        variant,
        sku: sku?,
        name: name?.into(),
        unit_price,
        discount,
        requires_shipping: requires_shipping?,
        lot,
    };
    Some(ImportedLine {
        line,
        cancelled: cancelled?,
    })
}

fn payments(
    check: &mut Check,
    o: &mut Object<'_>,
    currency: Option<Currency>,
    of_order: Option<&Name>,
) -> Vec<ImportedPayment> {
    let mut payments: Vec<ImportedPayment> = Vec::new();
    for mut p in bounded(check, o, "payments", MAX_RECORDS) {
        let method = p
            .parsed(check, "method", Optional)
            .or_else(|| of_order.cloned());
        let charge = moved(check, &mut p, None, method.clone(), currency, "captured_at");
        let parent = payments.len() as u32 + 1;
        let refunds = bounded(check, &mut p, "refunds", MAX_RECORDS);
        p.end(check);
        payments.extend(charge);
        for mut r in refunds {
            payments.extend(moved(
                check,
                &mut r,
                Some(parent),
                method.clone(),
                currency,
                "refunded_at",
            ));
            r.end(check);
        }
    }
    payments
}

fn moved(
    check: &mut Check,
    o: &mut Object<'_>,
    refunds: Option<u32>,
    method: Option<Name>,
    currency: Option<Currency>,
    when: &'static str,
) -> Option<ImportedPayment> {
    let amount = o.amount(check, "amount", currency, Required);
    let reference = o.parsed(check, "reference", Required);
    let at = o.time(check, when, Required);
    if amount == Some(0) {
        return check.refuse(o.at("amount"), "is 0: leave out what moved no money");
    }
    Some(ImportedPayment {
        refunds,
        method: method?,
        amount: amount?,
        reference: reference?,
        at: at?,
    })
}

fn units(check: &mut Check, o: &mut Object<'_>) -> Vec<LineUnits> {
    let mut lines = Vec::new();
    for mut l in bounded(check, o, "lines", MAX_LINES) {
        let line = l.count(check, "line", (1, MAX_LINES as u32), None);
        let units = l.count(check, "quantity", (1, MAX_QUANTITY), None);
        l.end(check);
        lines.extend(
            line.zip(units)
                .map(|(line, units)| LineUnits { line, units }),
        );
    }
    lines
}

fn shipment(check: &mut Check, mut o: Object<'_>) -> Option<ImportedShipment> {
    let lines = units(check, &mut o);
    let state = o.parsed(check, "status", Required);
    let carrier = o.text(check, "carrier", Optional);
    check.text(o.at("carrier"), carrier, |t| text::check_line(t, 100));
    let tracking = o.text(check, "tracking", Optional);
    check.text(o.at("tracking"), tracking, |t| text::check_line(t, 255));
    let shipped_at = o.time(check, "shipped_at", Optional);
    let delivered_at = o.time(check, "delivered_at", Optional);
    let (left, arrived) = match state? {
        ShipmentState::Planned | ShipmentState::Cancelled => (false, false),
        ShipmentState::Shipped
        | ShipmentState::Failed
        | ShipmentState::Lost
        | ShipmentState::Returned => (true, false),
        ShipmentState::Delivered => (true, true),
    };
    for (field, given, wanted) in [
        ("shipped_at", shipped_at.is_some(), left),
        ("delivered_at", delivered_at.is_some(), arrived),
    ] {
        match (given, wanted) {
            (true, false) => check.wrong(
                o.at(field),
                format!("does not fit a shipment that is {}", state?),
            ),
            (false, true) => check.wrong(
                o.at(field),
                format!("is missing: the shipment is {}", state?),
            ),
            _ => {}
        }
    }
    o.end(check);
    Some(ImportedShipment {
        lines,
        state: state?,
        carrier: carrier.map(Into::into),
        tracking: tracking.map(Into::into),
        shipped_at,
        delivered_at,
    })
}

fn closed_return(check: &mut Check, mut o: Object<'_>) -> Option<ImportedReturn> {
    let mut lines = Vec::new();
    for mut l in bounded(check, &mut o, "lines", MAX_LINES) {
        let line = l.count(check, "line", (1, MAX_LINES as u32), None);
        let restocked = l.count(check, "restocked", (0, MAX_QUANTITY), Some(0));
        let scrapped = l.count(check, "scrapped", (0, MAX_QUANTITY), Some(0));
        let field = l.at("restocked");
        l.end(check);
        let (Some(line), Some(restocked), Some(scrapped)) = (line, restocked, scrapped) else {
            continue;
        };
        match restocked + scrapped {
            0 => check.wrong(field, "and scrapped are 0: say how many units came back"),
            units => lines.push(ReturnLine {
                line,
                units,
                restocked,
                scrapped,
            }),
        }
    }
    let closed_at = o.time(check, "closed_at", Required);
    let requested_at = o.time(check, "requested_at", Optional).or(closed_at);
    o.end(check);
    Some(ImportedReturn {
        lines,
        requested_at: requested_at?,
        closed_at: closed_at?,
    })
}

fn credit(
    check: &mut Check,
    mut o: Object<'_>,
    n: u32,
    currency: Option<Currency>,
) -> Option<Credit> {
    let amount = o.amount(check, "amount", currency, Required);
    let at = o.time(check, "at", Required);
    if amount == Some(0) {
        check.wrong(o.at("amount"), "is 0: leave it out");
    }
    o.end(check);
    Some(Credit {
        n,
        kind: CreditKind::Goodwill,
        line: None,
        amount: amount?,
        at: at?,
    })
}

fn addresses(check: &mut Check, o: &mut Object<'_>) -> Option<Addresses> {
    let mut address = |field, kind| {
        let mut a = o.object(check, field)?;
        let mut text = |name| a.text(check, name, Optional).map(ToOwned::to_owned);
        let input = AddressInput {
            address_type: text("address_type").unwrap_or_default(),
            first_name: text("first_name").unwrap_or_default(),
            last_name: text("last_name").unwrap_or_default(),
            address_line1: text("address_line1").unwrap_or_default(),
            address_line2: text("address_line2"),
            city: text("city").unwrap_or_default(),
            state: text("state").unwrap_or_default(),
            postal_code: text("postal_code").unwrap_or_default(),
            country: text("country").unwrap_or_default(),
            phone: text("phone"),
            email: text("email"),
        };
        a.end(check);
        check.address(kind, &input)
    };
    let shipping = address("shipping_address", AddressType::Shipping);
    let billing = address("billing_address", AddressType::Billing);
    match (shipping, billing) {
        (Some(shipping), billing) => Some(Addresses {
            billing: billing.unwrap_or_else(|| shipping.clone()),
            shipping,
        }),
        (None, Some(_)) => check.refuse(
            "billing_address",
            "is there without a shipping_address: give both, or that one",
        ),
        (None, None) => None,
    }
}

fn metadata(
    check: &mut Check,
    o: &mut Object<'_>,
) -> Option<std::collections::BTreeMap<Name, String>> {
    let object = o.object(check, "metadata")?;
    let mut metadata = std::collections::BTreeMap::new();
    for (key, value) in object.entries() {
        let name = key.parse::<Name>().ok();
        if name.is_none() {
            check.wrong(
                "metadata",
                "has a name that is none: expected 1 to 50 printable characters",
            );
        }
        let value = value.as_str();
        if value.is_none() {
            check.wrong("metadata", "has a value that is no text: write it as one");
        }
        check.text("metadata", value, |value| {
            text::check_note(value, MAX_VALUE)
        });
        metadata.extend(name.zip(value.map(ToOwned::to_owned)));
    }
    if metadata.len() > MAX_RECORDS {
        check.wrong(
            "metadata",
            format!(
                "has {} entries: at most {MAX_RECORDS} are allowed",
                metadata.len()
            ),
        );
    }
    Some(metadata).filter(|m| !m.is_empty())
}

fn amounts(
    lines: &[ImportedLine],
    discount: Minor,
    shipping: Minor,
    shipping_tax: Minor,
    shipping_included: Minor,
) -> Amounts {
    let sum = |part: fn(&Lot) -> Minor| lines.iter().map(|l| part(&l.line.lot)).sum::<Minor>();
    let subtotal = sum(|l| l.subtotal);
    let tax = sum(|l| l.tax) + shipping_tax;
    Amounts {
        subtotal,
        discount,
        tax,
        tax_included: sum(|l| l.tax_included) + shipping_included,
        shipping,
        shipping_tax,
        total: subtotal + tax + shipping - discount,
    }
}

/// The order's discount falls on its lines in proportion to what they cost, as a coupon's does.
fn share_discount(imported: &mut Imported) {
    let weights: Vec<Minor> = imported.lines.iter().map(|l| l.line.lot.subtotal).collect();
    for (l, part) in imported
        .lines
        .iter_mut()
        .zip(largest_remainder(imported.amounts.discount, &weights))
    {
        l.line.lot.coupon = part;
    }
}

/// An order was confirmed when it was placed, and ended with the last that is known of it, unless
/// it says more.
fn fill_in_times(imported: &mut Imported) {
    let live = imported.lifecycle.is_live();
    if live && imported.confirmed_at.is_none() {
        imported.confirmed_at = Some(imported.placed_at);
    }
    if imported.lifecycle != Lifecycle::Confirmed && imported.ended_at.is_none() {
        imported.ended_at = times(imported).into_iter().map(|(_, at)| at).max();
    }
}

/// Every time that is named, with its field.
pub(super) fn times(imported: &Imported) -> Vec<(String, Timestamp)> {
    let mut times: Vec<(String, Timestamp)> = vec![("placed_at".into(), imported.placed_at)];
    times.extend(imported.confirmed_at.map(|t| ("confirmed_at".into(), t)));
    times.extend(imported.ended_at.map(|t| ("ended_at".into(), t)));
    times.extend(imported.payments.iter().map(|p| ("payments".into(), p.at)));
    times.extend(imported.credits.iter().map(|c| ("credits".into(), c.at)));
    for (s, i) in imported.shipments.iter().zip(0..) {
        times.extend(
            s.shipped_at
                .map(|t| (format!("shipments[{i}].shipped_at"), t)),
        );
        times.extend(
            s.delivered_at
                .map(|t| (format!("shipments[{i}].delivered_at"), t)),
        );
    }
    for (r, i) in imported.returns.iter().zip(0..) {
        times.push((format!("returns[{i}].requested_at"), r.requested_at));
        times.push((format!("returns[{i}].closed_at"), r.closed_at));
    }
    times
}
