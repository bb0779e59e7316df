//! What is read, and how lists are paged.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::work::WorkItem;
use crate::ids::{IdempotencyKey, OrderId, ParseIdError, UserId};
use crate::number::OrderNumber;
use crate::order::{Order, Status, text_enum};

/// How an order is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderRef {
    /// By id.
    Id(OrderId),
    /// By number.
    Number(OrderNumber),
}

impl From<OrderId> for OrderRef {
    fn from(id: OrderId) -> Self {
        OrderRef::Id(id)
    }
}

impl fmt::Display for OrderRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrderRef::Id(id) => id.fmt(f),
            OrderRef::Number(number) => number.fmt(f),
        }
    }
}

/// Reads either: what starts with `ORD` is meant as a number.
impl FromStr for OrderRef {
    type Err = ParseIdError;
    fn from_str(s: &str) -> Result<Self, ParseIdError> {
        if OrderNumber::looks_like(s) { s.parse().map(OrderRef::Number) } else { s.parse().map(OrderRef::Id) }
    }
}

/// An order, and what is left to do for it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The order.
    pub order: Arc<Order>,
    /// Its work item; none if nothing is left to do.
    pub work: Option<WorkItem>,
}

text_enum! {
    /// What a list is sorted by; equal ones by id.
    SortKey, "sort key" {
        /// When it was placed.
        CreatedAt = "created_at",
        /// When it last changed.
        UpdatedAt = "updated_at",
        /// Its total, in minor units.
        TotalAmount = "total_amount",
        /// Its number.
        OrderNumber = "order_number",
    }
}

/// Which orders, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Only those with this status.
    pub status: Option<Status>,
    /// Only those with attention that nobody has acknowledged, or stuck work.
    pub stuck: bool,
    /// What they are sorted by.
    pub sort: SortKey,
    /// Largest first.
    pub descending: bool,
    /// After this one.
    pub after: Option<Cursor>,
    /// How many to pass over first; for page numbers, at most 10,000.
    pub skip: u32,
    /// How many at the most, 1..=1000.
    pub limit: u32,
    /// Up to how many matching orders to count; 0 counts none.
    pub count_up_to: u32,
}

impl Default for ListQuery {
    fn default() -> Self {
        ListQuery {
            user: None,
            status: None,
            stuck: false,
            sort: SortKey::CreatedAt,
            descending: false,
            after: None,
            skip: 0,
            limit: 20,
            count_up_to: 0,
        }
    }
}

/// A place in a list: after the order with this sort value and id. Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// What the list is sorted by.
    pub sort: SortKey,
    /// Whether the largest come first.
    pub descending: bool,
    /// The sort value of the last order shown: microseconds, minor units, or the number's text.
    pub value: String,
    /// Its id.
    pub id: OrderId,
}

impl Cursor {
    /// The cursor after `order` in a list sorted by `sort`.
    pub fn after(order: &Order, sort: SortKey, descending: bool) -> Self {
        let value = match sort {
            SortKey::CreatedAt => order.created_at.as_micros().to_string(),
            SortKey::UpdatedAt => order.updated_at.as_micros().to_string(),
            SortKey::TotalAmount => order.amounts.total.to_string(),
            SortKey::OrderNumber => order.number.to_string(),
        };
        Cursor { sort, descending, value, id: order.id }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.descending { "desc" } else { "asc" };
        write!(f, "{}.{direction}.{}.{}", self.sort, self.value, self.id)
    }
}

impl FromStr for Cursor {
    type Err = ParseIdError;
    fn from_str(s: &str) -> Result<Self, ParseIdError> {
        let wrong = || ParseIdError::new("cursor", s, "expected the `next` of a list's answer");
        let mut parts = s.splitn(4, '.');
        let mut part = || parts.next().ok_or_else(wrong);
        let sort: SortKey = part()?.parse().map_err(|_| wrong())?;
        let descending = match part()? {
            "desc" => true,
            "asc" => false,
            _ => return Err(wrong()),
        };
        let value = part()?.to_owned();
        let sound = match sort {
            SortKey::OrderNumber => value.parse::<OrderNumber>().is_ok(),
            _ => value.parse::<i64>().is_ok(),
        };
        let id = part()?.parse().map_err(|_| wrong())?;
        if sound { Ok(Cursor { sort, descending, value, id }) } else { Err(wrong()) }
    }
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct OrderPage {
    /// The orders.
    pub orders: Vec<Arc<Order>>,
    /// Where the next page starts; none if this is the last.
    pub next: Option<Cursor>,
    /// How many orders match, up to what was asked to count.
    pub total: u32,
}

/// Which rows of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalQuery {
    /// The order.
    pub order: OrderId,
    /// After this row; 0 for all.
    pub after: u64,
    /// How many at the most.
    pub limit: u32,
    /// Only the row with this command key.
    pub command_key: Option<IdempotencyKey>,
}

impl JournalQuery {
    /// Up to `limit` rows after row `after`.
    pub fn of(order: OrderId, after: u64, limit: u32) -> Self {
        JournalQuery { order, after, limit, command_key: None }
    }

    /// The row that carries the command key, if there is one.
    pub fn of_key(order: OrderId, key: IdempotencyKey) -> Self {
        JournalQuery { command_key: Some(key), ..JournalQuery::of(order, 0, 1) }
    }
}
