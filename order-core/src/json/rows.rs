//! Lists of orders, journals and the feed, as JSON.

use serde::Serialize;
use serde_json::Value;

use super::event;
use super::order::OrderView;
use crate::order::JournalRow;
use crate::store::{FeedRow, OrderPage, Unreadable};

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
    /// Returns the view of `row`. It holds no personal data, and no text that a person wrote.
    pub fn of(
        FeedRow {
            cursor,
            order,
            seq,
            number,
            currency,
            row,
        }: &FeedRow,
    ) -> Self {
        let row = match row {
            Ok(row) => FeedRowView::Row {
                event: row.event.name(),
                from: row.from.map(|s| s.as_str()),
                to: row.to.as_str(),
                actor: row.actor.to_string(),
                cause: row.cause.clone(),
                at: row.at.to_string(),
                data: event::content(&row.event, *currency),
            },
            Err(unreadable) => FeedRowView::Unreadable {
                unreadable: unreadable.reason.clone(),
            },
        };
        FeedView {
            cursor: cursor.to_string(),
            order_id: order.to_string(),
            order_number: number.to_string(),
            seq: *seq,
            row,
        }
    }
}
