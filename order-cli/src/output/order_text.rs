//! An order for people: who, what, how much, and what became of stock and money.

use std::fmt::Write as _;

use order_core::money::{Currency, Minor};
use order_core::order::{
    Address, Amounts, Counters, Line, OperationOrigin, Order, ReturnStatus, Status,
};
use order_core::text::printable;

use super::table::Table;
use super::terminal;
use super::time::plain;
use order_core::json::amount;

/// The order for people: who, what, how much, and what became of stock and money.
pub fn text(order: &Order) -> String {
    let money = |minor| amount(minor, order.currency);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}  {}  {} {}",
        terminal::heading(&order.number.to_string()),
        status_line(order),
        money(order.amounts.total),
        order.currency
    );
    let mut facts = Table::new(&["", ""]).indented(2);
    let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
    fact("id", order.id.to_string());
    fact("user", order.user.to_string());
    fact("placed", plain(order.created_at));
    if let Some(reference) = &order.external_ref {
        fact("called", format!("{reference} elsewhere"));
    }
    if order.updated_at != order.created_at {
        fact(
            "updated",
            format!("{} (version {})", plain(order.updated_at), order.version),
        );
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
    if let Some(until) = order
        .retry_until
        .filter(|_| order.statuses.status == Status::PaymentFailed)
    {
        fact("retry until", plain(until));
    }
    for hold in &order.holds {
        let until = hold
            .until
            .map(|t| format!(", until {}", plain(t)))
            .unwrap_or_default();
        fact(
            "hold",
            format!(
                "{} blocks {}, placed by {}{until}",
                hold.kind, hold.blocks, hold.placed_by
            ),
        );
    }
    for attention in &order.attention {
        let about = attention
            .about
            .map(|op| format!(" about {op}"))
            .unwrap_or_default();
        let seen = if attention.acknowledged {
            ", acknowledged"
        } else {
            ""
        };
        let how_much = attention.amount.map_or_else(String::new, |minor| {
            format!(" of {}", order.in_currency(minor))
        });
        fact(
            "attention",
            format!(
                "{}{how_much}{about} since {}{seen}",
                attention.reason,
                plain(attention.since)
            ),
        );
        if !attention.acknowledged {
            fact(
                "",
                format!(
                    "{}: {}",
                    attention.reason.meaning(),
                    attention.reason.remedy()
                ),
            );
        }
    }
    if let Some(notes) = order.notes.get() {
        fact("notes", notes.clone());
    }
    for (key, value) in order.metadata.get().into_iter().flatten() {
        fact("metadata", format!("{key} = {value}"));
    }
    if let Some(at) = order.redacted_at {
        fact("redacted", plain(at));
    }
    out.push_str(&facts.render());
    out.push('\n');
    out.push_str(&items(order));
    out.push_str(&sums(&order.amounts, order.currency));
    out.push_str(&balance(order));
    if !order.reservations.is_empty() {
        out.push('\n');
        out.push_str(&reservations(order));
    }
    if !order.payments.is_empty() {
        out.push('\n');
        out.push_str(&payments(order));
    }
    for part in super::life::parts(order) {
        out.push('\n');
        out.push_str(&part);
    }
    out
}

/// The money that is owed and what became of it, where that differs from the total, or where
/// nothing was paid and nobody is asking for it: an invoice, or cash on delivery.
fn balance(order: &Order) -> String {
    let m = order.money();
    let shown = [
        ("owed", m.owed),
        ("authorized", m.authorized),
        ("captured", m.captured),
        ("refunded", m.refunded),
    ];
    let usual = m.owed == order.amounts.total
        && m.authorized == 0
        && m.refunded == 0
        && (m.captured == m.owed || m.captured == 0 && !order.payments.is_empty());
    if usual {
        return String::new();
    }
    let mut table = Table::new(&["", ">"]).indented(2);
    for (name, minor) in shown
        .into_iter()
        .filter(|(name, minor)| *minor != 0 || *name == "owed")
    {
        table.row([name.to_owned(), amount(minor, order.currency)]);
    }
    table.render()
}

/// The statuses on one line: `CONFIRMED (payment PAID, fulfilment UNFULFILLED)`.
pub fn status_line(order: &Order) -> String {
    let s = order.statuses;
    let mut parts = vec![
        format!("payment {}", terminal::status(s.payment.as_str())),
        format!("fulfilment {}", terminal::status(s.fulfilment.as_str())),
    ];
    if s.returned != ReturnStatus::None {
        parts.push(format!("returns {}", terminal::status(s.returned.as_str())));
    }
    let status = terminal::status(s.status.as_str());
    format!("{status} ({})", parts.join(", "))
}

fn address_line(a: &Address) -> String {
    let mut parts = vec![
        format!("{} {}", a.first_name, a.last_name),
        a.address_line1.clone(),
    ];
    parts.extend(a.address_line2.clone());
    parts.push(
        format!("{} {} {}", a.postal_code, a.city, a.state)
            .trim()
            .to_owned(),
    );
    parts.push(a.country.clone());
    printable(&parts.join(", "))
}

/// The lines that were ordered, and what became of their units where that is more than waiting.
pub fn items(order: &Order) -> String {
    let mut table = Table::new(&[
        ">LINE",
        "SKU",
        "NAME",
        ">QTY",
        ">PRICE",
        ">DISCOUNT",
        ">SUBTOTAL",
        "UNITS",
    ])
    .indented(2);
    for line in order.visible_lines() {
        table.row([
            line.n.to_string(),
            line.sku.to_string(),
            line.name.clone(),
            line.quantity.to_string(),
            amount(line.unit_price, order.currency),
            amount(line.discount, order.currency),
            amount(line.subtotal, order.currency),
            units(line),
        ]);
    }
    table.render()
}

/// The state of a line's units: `1 open, 2 shipped`; nothing while all of them wait.
fn units(line: &Line) -> String {
    if line.open() == line.quantity && line.counters.lost == 0 {
        return String::new();
    }
    let Counters {
        cancelled,
        planned,
        shipped,
        delivered,
        returned,
        restocked: _,
        lost,
    } = line.counters;
    let on_its_way = shipped.saturating_sub(delivered);
    let there = delivered.saturating_sub(returned);
    let parts = [
        (line.open(), "open"),
        (cancelled, "cancelled"),
        (planned, "planned"),
        (on_its_way, "shipped"),
        (
            there,
            if line.requires_shipping {
                "delivered"
            } else {
                "given out"
            },
        ),
        (returned, "returned"),
        (lost, "lost"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    parts.join(", ")
}

/// The sums of an order, down to its total.
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
    let mut table = Table::new(&["STOCK", "SKU", ">QTY", "STATE", "REFERENCE"])
        .statuses(&["STATE"])
        .indented(2);
    for r in &order.reservations {
        let parts = [
            (r.held(), "held"),
            (r.committed, "committed"),
            (r.released, "given back"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("{n} {what}"))
            .collect();
        let state = match (r.closing, r.available) {
            (Some(closing), _) => format!("{} ({})", r.state, closing.kind),
            _ if parts.len() > 1 => format!("{} ({})", r.state, parts.join(", ")),
            (None, Some(available)) => format!("{} ({available} available)", r.state),
            (None, None) => r.state.to_string(),
        };
        table.row([
            format!("r{}", r.n),
            r.sku.to_string(),
            r.quantity.to_string(),
            state,
            r.reference
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ]);
    }
    table.render()
}

fn payments(order: &Order) -> String {
    let mut table = Table::new(&["PAYMENT", "KIND", "METHOD", ">AMOUNT", "STATE", "REFERENCE"])
        .statuses(&["STATE"])
        .indented(2);
    for p in &order.payments {
        let mut state = p.state.to_string();
        let moved = p.settled != p.amount && p.settled != 0;
        if moved {
            let _ = write!(state, " {}", amount(p.settled, order.currency));
        }
        if p.origin != OperationOrigin::Engine {
            let _ = write!(state, " ({})", p.origin.as_str().to_lowercase());
        }
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
            p.reference
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ]);
    }
    table.render()
}
