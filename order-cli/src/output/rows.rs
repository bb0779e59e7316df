//! Lists of orders and journals, as JSON rows and as tables.

use std::sync::Arc;

use order_core::order::{JournalRow, Order};
use order_core::store::{FeedRow, OrderPage, Unreadable};
use order_core::text::printable;
use serde::Serialize;
use serde_json::Value;

use super::order::OrderView;
use super::table::Table;
use super::terminal::status;
use super::time::plain;
use crate::exit::{Code, Failure, Outcome};

/// A page of orders.
#[derive(Debug, Serialize)]
pub struct PageView {
    /// The orders.
    pub orders: Vec<OrderView>,
    /// The orders of the page that match and cannot be read; left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<UnreadableView>,
    /// The cursor to pass to `--after` for the next page.
    pub next: Option<String>,
}

/// An order that is stored and cannot be read.
#[derive(Debug, Serialize)]
pub struct UnreadableView {
    order_id: String,
    reason: String,
}

impl UnreadableView {
    /// The view of `unreadable`.
    pub fn of(Unreadable { order, reason }: &Unreadable) -> Self {
        UnreadableView {
            order_id: order.to_string(),
            reason: reason.clone(),
        }
    }
}

impl PageView {
    /// The view of `page`.
    pub fn of(page: &OrderPage) -> Self {
        PageView {
            orders: page.orders.iter().map(|o| OrderView::of(o)).collect(),
            unreadable: page.unreadable.iter().map(UnreadableView::of).collect(),
            next: page.next.as_ref().map(ToString::to_string),
        }
    }
}

/// Orders, one per row.
pub fn orders_table(orders: &[Arc<Order>]) -> Table {
    let mut table = Table::new(&[
        "NUMBER",
        "STATUS",
        "PAYMENT",
        "FULFILMENT",
        ">TOTAL",
        "PLACED",
        "ID",
    ])
    .statuses(&["STATUS", "PAYMENT", "FULFILMENT"])
    .spare(&["FULFILMENT", "ID"]);
    for order in orders {
        table.row([
            order.number.to_string(),
            flagged(order),
            order.statuses.payment.to_string(),
            order.statuses.fulfilment.to_string(),
            order.in_currency(order.amounts.total).to_string(),
            plain(order.created_at),
            order.id.to_string(),
        ]);
    }
    table
}

/// The status, with `!` where a person must look and `#` where the order is on hold.
pub fn flagged(order: &Order) -> String {
    let mut text = order.statuses.status.to_string();
    if needs_a_person(order) {
        text.push_str(" !");
    }
    if !order.holds.is_empty() {
        text.push_str(" #");
    }
    text
}

/// Returns true for an order with attention that nobody has acknowledged.
pub fn needs_a_person(order: &Order) -> bool {
    order.attention.iter().any(|a| !a.acknowledged)
}

/// A row of an order's journal.
#[derive(Debug, Serialize)]
pub struct HistoryView {
    seq: u64,
    event: &'static str,
    from: Option<&'static str>,
    to: &'static str,
    actor: String,
    cause: String,
    notes: Option<String>,
    at: String,
}

impl HistoryView {
    /// The view of `row`.
    pub fn of(row: &JournalRow) -> Self {
        HistoryView {
            seq: row.seq,
            event: row.event.name(),
            from: row.from.map(|s| s.as_str()),
            to: row.to.as_str(),
            actor: row.actor.to_string(),
            cause: row.cause.clone(),
            notes: row.notes.clone(),
            at: row.at.to_string(),
        }
    }
}

/// A row of the feed.
#[derive(Debug, Serialize)]
pub struct FeedView {
    cursor: String,
    order_id: String,
    order_number: String,
    seq: u64,
    #[serde(flatten)]
    row: FeedRowView,
}

/// The content of a row of the feed, or the reason why it cannot be read.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum FeedRowView {
    Row {
        event: &'static str,
        from: Option<&'static str>,
        to: &'static str,
        actor: String,
        cause: String,
        at: String,
        data: Value,
    },
    Unreadable {
        unreadable: String,
    },
}

impl FeedView {
    /// The view of `row`. It holds no personal data, and no text that a person wrote.
    pub fn of(
        FeedRow {
            cursor,
            order,
            seq,
            number,
            row,
        }: &FeedRow,
    ) -> Outcome<Self> {
        let row = match row {
            Ok(row) => {
                let event = serde_json::to_value(&row.event);
                let event = event.map_err(|e| {
                    Failure::caused(Code::Unavailable, &e).context("cannot print an event")
                })?;
                FeedRowView::Row {
                    event: row.event.name(),
                    from: row.from.map(|s| s.as_str()),
                    to: row.to.as_str(),
                    actor: row.actor.to_string(),
                    cause: row.cause.clone(),
                    at: row.at.to_string(),
                    // An event is written under its name, or as no more than its name.
                    data: event
                        .as_object()
                        .and_then(|named| named.values().next())
                        .cloned()
                        .unwrap_or_default(),
                }
            }
            Err(unreadable) => FeedRowView::Unreadable {
                unreadable: unreadable.reason.clone(),
            },
        };
        let (order_id, order_number) = (order.to_string(), number.to_string());
        Ok(FeedView {
            cursor: cursor.to_string(),
            order_id,
            order_number,
            seq: *seq,
            row,
        })
    }
}

/// A row of the feed on one line, for people.
pub fn feed_line(FeedRow { number, row, .. }: &FeedRow) -> String {
    match row {
        Ok(row) => {
            let status = match row.from {
                Some(from) if from != row.to => {
                    let (from, to) = (from.as_str(), row.to.as_str());
                    format!("{} -> {}", status(from), status(to))
                }
                _ => status(row.to.as_str()),
            };
            let event = row.event.name();
            format!("{}  {number}  {event:<20}  {status}\n", plain(row.at))
        }
        Err(unreadable) => {
            let reason = printable(&unreadable.reason);
            format!("{:<20}  {number}  cannot be read: {reason}\n", "")
        }
    }
}

/// A journal, one event per row.
pub fn history_table(rows: &[JournalRow]) -> Table {
    let headings = [">SEQ", "EVENT", "STATUS", "ACTOR", "CAUSE", "AT", "NOTES"];
    let mut table = Table::new(&headings).spare(&["CAUSE"]);
    for row in rows {
        let status = match row.from {
            Some(from) if from != row.to => format!("{from} -> {}", row.to),
            _ => row.to.to_string(),
        };
        table.row([
            row.seq.to_string(),
            row.event.name().to_owned(),
            status,
            row.actor.to_string(),
            row.cause.clone(),
            plain(row.at),
            row.notes.clone().unwrap_or_default(),
        ]);
    }
    table
}
