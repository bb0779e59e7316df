//! Lists of orders and journals, as JSON rows and as tables.

use std::sync::Arc;

use order_core::order::{JournalRow, Order};
use order_core::store::FeedRow;
use order_core::text::printable;

use super::table::Table;
use super::terminal::status;
use super::time::plain;

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
