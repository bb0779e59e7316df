//! The life of an order after it was placed: shipments, returns, credits, disputes, edits, as
//! JSON and as text.

use order_core::order::{
    Credit, Dispute, Edit, LineUnits, Order, Return, ReturnLine, Shipment, UnmatchedPayment,
};
use serde::Serialize;

use super::order::{amount, time};
use super::table::Table;
use super::time::{plain, plain_if};

/// A shipment.
#[derive(Debug, Serialize)]
pub struct ShipmentView {
    n: u32,
    state: &'static str,
    items: Vec<UnitsView>,
    carrier: Option<String>,
    tracking: Option<String>,
    shipped_at: Option<String>,
    delivered_at: Option<String>,
    lost_at: Option<String>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct UnitsView {
    line: u32,
    quantity: u32,
}

/// A return.
#[derive(Debug, Serialize)]
pub struct ReturnView {
    n: u32,
    state: &'static str,
    items: Vec<ReturnLineView>,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct ReturnLineView {
    line: u32,
    quantity: u32,
    restocked: u32,
    scrapped: u32,
}

/// A credit.
#[derive(Debug, Serialize)]
pub struct CreditView {
    n: u32,
    kind: &'static str,
    line: Option<u32>,
    amount: String,
    at: String,
}

/// A dispute.
#[derive(Debug, Serialize)]
pub struct DisputeView {
    reference: String,
    payment: Option<u32>,
    amount: String,
    state: &'static str,
    opened_at: String,
    closed_at: Option<String>,
}

/// An edit.
#[derive(Debug, Serialize)]
pub struct EditView {
    n: u32,
    state: &'static str,
    cause: Option<&'static str>,
    due_amount: String,
    added: Vec<AddedView>,
    raised: Vec<UnitsView>,
    lowered: Vec<UnitsView>,
    coupon_ends: bool,
    shipping_method: Option<String>,
    deadline: String,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct AddedView {
    sku: String,
    quantity: u32,
}

/// A provider's report that fits no operation.
#[derive(Debug, Serialize)]
pub struct UnmatchedView {
    reference: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    status: &'static str,
    amount: String,
    currency: String,
}

impl UnitsView {
    fn of(units: &LineUnits) -> Self {
        UnitsView {
            line: units.line,
            quantity: units.units,
        }
    }
}

impl ShipmentView {
    /// The view of `s`.
    pub fn of(s: &Shipment) -> Self {
        let Shipment {
            n,
            lines,
            state,
            carrier,
            tracking,
            shipped_at,
            delivered_at,
            lost_at,
            created_at,
            updated_at,
        } = s;
        ShipmentView {
            n: *n,
            state: state.as_str(),
            items: lines.iter().map(UnitsView::of).collect(),
            carrier: carrier.clone(),
            tracking: tracking.clone(),
            shipped_at: time(*shipped_at),
            delivered_at: time(*delivered_at),
            lost_at: time(*lost_at),
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
        }
    }
}

impl ReturnView {
    /// The view of `r`.
    pub fn of(r: &Return) -> Self {
        let Return {
            n,
            lines,
            state,
            created_at,
            updated_at,
        } = r;
        let item = |l: &ReturnLine| {
            let ReturnLine {
                line,
                units,
                restocked,
                scrapped,
            } = *l;
            ReturnLineView {
                line,
                quantity: units,
                restocked,
                scrapped,
            }
        };
        ReturnView {
            n: *n,
            state: state.as_str(),
            items: lines.iter().map(item).collect(),
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
        }
    }
}

impl CreditView {
    /// The view of `c`, a credit of `order`.
    pub fn of(order: &Order, c: &Credit) -> Self {
        let Credit {
            n,
            kind,
            line,
            amount: minor,
            at,
        } = c;
        let amount = amount(*minor, order.currency);
        CreditView {
            n: *n,
            kind: kind.as_str(),
            line: *line,
            amount,
            at: at.to_string(),
        }
    }
}

impl DisputeView {
    /// The view of `d`, a dispute of `order`.
    pub fn of(order: &Order, d: &Dispute) -> Self {
        let Dispute {
            reference,
            payment,
            amount: minor,
            state,
            opened_at,
            closed_at,
        } = d;
        DisputeView {
            reference: reference.to_string(),
            payment: *payment,
            amount: amount(*minor, order.currency),
            state: state.as_str(),
            opened_at: opened_at.to_string(),
            closed_at: time(*closed_at),
        }
    }
}

impl EditView {
    /// The view of `e`, an edit of `order`. Where the goods go then is personal, and shown once it
    /// applies.
    pub fn of(order: &Order, e: &Edit) -> Self {
        let Edit {
            n,
            plan,
            state,
            cause,
            due,
            payment: _,
            reservation: _,
            reservation_end: _,
            deadline,
            created_at,
            updated_at,
            address: _,
        } = e;
        EditView {
            n: *n,
            state: state.as_str(),
            cause: cause.map(|c| c.as_str()),
            due_amount: amount(*due, order.currency),
            added: plan
                .added
                .iter()
                .map(|l| AddedView {
                    sku: l.sku.to_string(),
                    quantity: l.lot.units,
                })
                .collect(),
            raised: plan
                .raised
                .iter()
                .map(|r| UnitsView {
                    line: r.line,
                    quantity: r.lot.units,
                })
                .collect(),
            lowered: plan.lowered.iter().map(UnitsView::of).collect(),
            coupon_ends: plan.coupon_ends,
            shipping_method: plan.shipping_method.as_ref().map(ToString::to_string),
            deadline: deadline.to_string(),
            created_at: created_at.to_string(),
            updated_at: updated_at.to_string(),
        }
    }
}

impl UnmatchedView {
    /// The view of `u`.
    pub fn of(u: &UnmatchedPayment) -> Self {
        let UnmatchedPayment {
            reference,
            parent,
            status,
            amount: minor,
            currency,
        } = u;
        UnmatchedView {
            reference: reference.to_string(),
            parent: parent.as_ref().map(ToString::to_string),
            status: status.as_str(),
            amount: amount(*minor, *currency),
            currency: currency.to_string(),
        }
    }
}

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
