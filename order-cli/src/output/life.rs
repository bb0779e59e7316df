//! The life of an order after it was placed, as text: shipments, returns, credits, disputes, edits.

use order_core::json::amount;
use order_core::order::{Order, ReturnLine};

use super::table::Table;
use super::time::{plain, plain_if};

/// Tables of all this, of what there is.
pub fn parts(order: &Order) -> Vec<String> {
    let tables = [
        (!order.shipments.is_empty()).then(|| shipments(order)),
        (!order.returns.is_empty()).then(|| returns(order)),
        (!order.credits.is_empty()).then(|| credits(order)),
        (!order.disputes.is_empty()).then(|| disputes(order)),
        (!order.edits.is_empty()).then(|| edits(order)),
        (!order.unmatched.is_empty()).then(|| unmatched(order)),
    ];
    tables
        .into_iter()
        .flatten()
        .map(|t| t.indented(2).render())
        .collect()
}

/// `2 MUG-01, 1 TEA-01`.
pub fn named(order: &Order, lines: impl IntoIterator<Item = (u32, u32)>) -> String {
    let one = |(line, units): (u32, u32)| match order.line(line) {
        Some(l) => format!("{units} {}", l.sku),
        None => format!("{units} of line {line}"),
    };
    lines.into_iter().map(one).collect::<Vec<_>>().join(", ")
}

fn shipments(order: &Order) -> Table {
    let mut table = Table::new(&["SHIPMENT", "ITEMS", "STATE", "SINCE", "CARRIER", "TRACKING"])
        .statuses(&["STATE"]);
    for s in &order.shipments {
        table.row([
            s.n.to_string(),
            named(order, s.lines.iter().map(|l| (l.line, l.units))),
            s.state.to_string(),
            plain(s.updated_at),
            s.carrier.clone().unwrap_or_default(),
            s.tracking.clone().unwrap_or_default(),
        ]);
    }
    table
}

fn returns(order: &Order) -> Table {
    let mut table =
        Table::new(&["RETURN", "ITEMS", "CAME BACK", "STATE", "SINCE"]).statuses(&["STATE"]);
    for r in &order.returns {
        let back = |of: fn(&ReturnLine) -> u32| {
            named(
                order,
                r.lines
                    .iter()
                    .map(|l| (l.line, of(l)))
                    .filter(|(_, n)| *n > 0),
            )
        };
        let (restocked, scrapped) = (back(|l| l.restocked), back(|l| l.scrapped));
        let came = match (restocked.is_empty(), scrapped.is_empty()) {
            (true, true) => String::new(),
            (false, true) => restocked,
            (true, false) => format!("{scrapped} (scrap)"),
            (false, false) => format!("{restocked}; {scrapped} (scrap)"),
        };
        table.row([
            r.n.to_string(),
            named(order, r.lines.iter().map(|l| (l.line, l.units))),
            came,
            r.state.to_string(),
            plain(r.updated_at),
        ]);
    }
    table
}

fn credits(order: &Order) -> Table {
    let mut table = Table::new(&["CREDIT", "KIND", "LINE", ">AMOUNT", "AT"]);
    for c in &order.credits {
        let line = c
            .line
            .and_then(|n| order.line(n))
            .map(|l| l.sku.to_string())
            .unwrap_or_default();
        table.row([
            c.n.to_string(),
            c.kind.to_string(),
            line,
            amount(c.amount, order.currency),
            plain(c.at),
        ]);
    }
    table
}

fn disputes(order: &Order) -> Table {
    let mut table = Table::new(&[
        "DISPUTE", "PAYMENT", ">AMOUNT", "STATE", "OPENED", "DECIDED",
    ])
    .statuses(&["STATE"]);
    for d in &order.disputes {
        table.row([
            d.reference.to_string(),
            d.payment.map(|n| format!("p{n}")).unwrap_or_default(),
            amount(d.amount, order.currency),
            d.state.to_string(),
            plain(d.opened_at),
            plain_if(d.closed_at),
        ]);
    }
    table
}

fn edits(order: &Order) -> Table {
    let mut table =
        Table::new(&["EDIT", "CHANGES", ">TO PAY", "STATE", "SINCE"]).statuses(&["STATE"]);
    for e in &order.edits {
        let mut changes: Vec<String> = e
            .plan
            .added
            .iter()
            .map(|l| format!("+{} {}", l.lot.units, l.sku))
            .collect();
        let sku = |n: u32| {
            order
                .line(n)
                .map_or_else(|| format!("line {n}"), |l| l.sku.to_string())
        };
        changes.extend(
            e.plan
                .raised
                .iter()
                .map(|r| format!("+{} {}", r.lot.units, sku(r.line))),
        );
        changes.extend(
            e.plan
                .lowered
                .iter()
                .map(|l| format!("-{} {}", l.units, sku(l.line))),
        );
        if e.plan.coupon_ends {
            changes.push("without the coupon".into());
        } else if !e.plan.retaxed.is_empty() {
            changes.push("another place".into());
        }
        changes.extend(
            e.plan
                .shipping_method
                .iter()
                .map(|method| format!("sent by {method}")),
        );
        let state = e.cause.map_or_else(
            || e.state.to_string(),
            |cause| format!("{} ({cause})", e.state),
        );
        table.row([
            e.n.to_string(),
            changes.join(", "),
            amount(e.due, order.currency),
            state,
            plain(e.updated_at),
        ]);
    }
    table
}

fn unmatched(order: &Order) -> Table {
    let mut table = Table::new(&["UNMATCHED REPORT", "STATE", ">AMOUNT"]).statuses(&["STATE"]);
    for u in &order.unmatched {
        table.row([
            u.reference.to_string(),
            u.status.to_string(),
            format!("{} {}", amount(u.amount, u.currency), u.currency),
        ]);
    }
    table
}
