//! Orders a person must look at, and why.

use order_core::manager::Explanation;
use order_core::order::{Op, Order};
use order_core::time::Timestamp;
use serde::Serialize;

use super::table::Table;
use super::time::plain_if;
use order_core::json::{OrderView, amount};

/// One reason why a person must look at an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its stable name; `STUCK` for what repeating cannot cure.
    pub name: &'static str,
    /// The operation it is about.
    pub about: Option<Op>,
    /// The time since which it holds, if that is known.
    pub since: Option<Timestamp>,
    /// The reason in words, with its remedy.
    pub text: String,
}

/// The reasons that nobody has acknowledged, and what is stuck.
pub fn reasons(e: &Explanation) -> Vec<Reason> {
    let order = &e.order;
    let open = order.attention.iter().filter(|a| !a.acknowledged);
    let mut reasons: Vec<Reason> = open
        .map(|a| Reason {
            name: a.reason.as_str(),
            about: a.about,
            since: Some(a.since),
            text: {
                let how_much = a.amount.map_or_else(String::new, |minor| {
                    format!(" ({})", order.in_currency(minor))
                });
                let text = format!("{}{how_much}", a.reason.meaning());
                format!("{}: {}", with(order, a.about, &text), a.reason.remedy())
            },
        })
        .collect();
    reasons.extend(e.next.stuck.iter().map(|s| Reason {
        name: "STUCK",
        about: Some(s.op),
        since: None,
        text: with(order, Some(s.op), &format!("is stuck: {}", s.why)),
    }));
    let parked = e
        .work
        .as_ref()
        .is_some_and(|w| w.due.is_none() && w.fence.is_none());
    if parked && reasons.is_empty() {
        reasons.push(Reason {
            name: "STUCK",
            about: None,
            since: None,
            text: "its work was put aside".into(),
        });
    }
    reasons
}

fn with(order: &Order, about: Option<Op>, text: &str) -> String {
    let what = match about {
        Some(Op::Payment(n)) => order.payment(n).map(|p| {
            format!(
                "p{n}, {} {} {}",
                p.kind.as_str().to_lowercase(),
                amount(p.amount, order.currency),
                p.state
            )
        }),
        Some(Op::Reservation(n)) => order
            .reservation(n)
            .map(|r| format!("r{n}, {} {} {}", r.quantity, r.sku, r.state)),
        Some(op @ Op::Notice(_)) => Some(op.to_string()),
        None => None,
    };
    what.map_or_else(|| text.to_owned(), |what| format!("{text} ({what})"))
}

/// The orders, each with its reasons.
#[derive(Debug, Serialize)]
pub struct StuckView {
    orders: Vec<StuckOrderView>,
}

/// An order and its reasons.
#[derive(Debug, Serialize)]
pub struct StuckOrderView {
    #[serde(flatten)]
    order: OrderView,
    reasons: Vec<ReasonView>,
}

#[derive(Debug, Serialize)]
struct ReasonView {
    reason: &'static str,
    about: Option<String>,
    since: Option<String>,
    text: String,
}

impl StuckView {
    /// Returns all orders as one document.
    pub fn document(found: &[Explanation]) -> Self {
        StuckView {
            orders: StuckView::rows(found),
        }
    }

    /// Returns a view for each order.
    pub fn rows(found: &[Explanation]) -> Vec<StuckOrderView> {
        let reason = |r: Reason| ReasonView {
            reason: r.name,
            about: r.about.map(|op| op.to_string()),
            since: r.since.map(|t| t.to_string()),
            text: r.text,
        };
        found
            .iter()
            .map(|e| StuckOrderView {
                order: OrderView::of(&e.order),
                reasons: reasons(e).into_iter().map(reason).collect(),
            })
            .collect()
    }
}

/// A table with a row for each reason; the order is named on its first.
pub fn stuck_table(found: &[Explanation]) -> Table {
    let mut table = Table::new(&[
        "NUMBER",
        "STATUS",
        "PAYMENT",
        "SINCE",
        "REASON",
        "WHAT IT IS",
    ])
    .statuses(&["STATUS", "PAYMENT"])
    .spare(&["PAYMENT", "SINCE"]);
    for e in found {
        for (i, reason) in reasons(e).into_iter().enumerate() {
            let first = |text: String| if i == 0 { text } else { String::new() };
            table.row([
                first(e.order.number.to_string()),
                first(e.order.statuses.status.to_string()),
                first(e.order.statuses.payment.to_string()),
                plain_if(reason.since),
                reason.name.to_owned(),
                reason.text,
            ]);
        }
    }
    table
}
