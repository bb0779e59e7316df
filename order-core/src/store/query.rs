//! Queries: what is read, and how lists are paged.

use std::fmt;
use std::ops::{Bound, RangeBounds as _};
use std::str::FromStr;
use std::sync::Arc;

use super::work::{Unreadable, WorkItem};
use super::{KeyMethod, KeyRecord, StoreError, StoreErrorKind};
use crate::ids::{ExternalRef, IdempotencyKey, Name, OrderId, ParseIdError, Sku, UserId};
use crate::number::OrderNumber;
use crate::order::{AttentionReason, FulfilmentStatus, Order, PaymentStatus, Status, text_enum};
use crate::time::Timestamp;

/// The name of an order: its id or its number.
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
        if OrderNumber::looks_like(s) {
            s.parse().map(OrderRef::Number)
        } else {
            s.parse().map(OrderRef::Id)
        }
    }
}

/// The key that an order is looked up by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Its id.
    Id(OrderId),
    /// Its number.
    Number(OrderNumber),
    /// The idempotency key that it was made under.
    Key {
        /// The owner of the key.
        user: UserId,
        /// The kind of request that it was used for.
        method: KeyMethod,
        /// The key.
        key: IdempotencyKey,
    },
}

impl From<OrderId> for Lookup {
    fn from(id: OrderId) -> Self {
        Lookup::Id(id)
    }
}

impl From<OrderRef> for Lookup {
    fn from(order: OrderRef) -> Self {
        match order {
            OrderRef::Id(id) => Lookup::Id(id),
            OrderRef::Number(number) => Lookup::Number(number),
        }
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lookup::Id(id) => id.fmt(f),
            Lookup::Number(number) => number.fmt(f),
            Lookup::Key { user, method, key } => write!(f, "key {key} of user {user} to {method}"),
        }
    }
}

/// An order, and what is left to do for it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The order.
    pub order: Arc<Order>,
    /// Its work item; none if nothing is left to do.
    pub work: Option<WorkItem>,
    /// The idempotency key that it was made under.
    pub key: Option<KeyRecord>,
}

text_enum! {
    /// The order of a list; equal ones are sorted by id.
    SortKey, "sort key" {
        /// The time it was placed: by id, since ids are built of that time.
        CreatedAt = "created_at",
        /// The time it last changed.
        UpdatedAt = "updated_at",
        /// Its total, in minor units.
        TotalAmount = "total_amount",
        /// Its number.
        OrderNumber = "order_number",
    }
}

/// From one time to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub before: Option<Timestamp>,
}

impl TimeRange {
    /// Returns whether it leaves out nothing.
    pub const fn is_all(&self) -> bool {
        self.from.is_none() && self.before.is_none()
    }

    /// Returns whether the time is in it.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.before.is_none_or(|before| time < before)
    }
}

/// A choice of orders, and how they are sorted: those that match everything that is asked for.
///
/// One of what is asked for is looked up in an index, the first of these: external reference,
/// metadata, e-mail, stuck or with open attention, open work, user, SKU, payment status, fulfilment
/// status, statuses. Sorted by `created_at`, orders are read in that index's order, and a page
/// costs the same however many there are. So they are when nothing but statuses is asked for and
/// they are sorted by `updated_at` or `total_amount`, or nothing at all and they are sorted by
/// number. Any other combination is sorted first, and refused where more than [`SORTED_MAX`] orders
/// would have to be: see [`ListQuery::plan`]. A time of placing is a range of ids, of which nothing
/// outside is looked at: see [`ListQuery::ids`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Only those with one of these statuses; with any if there is none here.
    pub statuses: Vec<Status>,
    /// Only those that are paid so far.
    pub payment_status: Option<PaymentStatus>,
    /// Only those that have been delivered so far.
    pub fulfilment_status: Option<FulfilmentStatus>,
    /// Only those with attention for this reason that nobody has acknowledged.
    pub attention: Option<AttentionReason>,
    /// Only those with attention that nobody has acknowledged, or stuck work.
    pub stuck: bool,
    /// Only those for which something is left to do, now or later.
    pub open_work: bool,
    /// Only those with this address as the e-mail of their shipping or billing address, to the
    /// letter. Those whose personal data was erased have none.
    pub email: Option<String>,
    /// Only those with a line of this SKU.
    pub sku: Option<Sku>,
    /// Only those that are called so elsewhere.
    pub external_ref: Option<ExternalRef>,
    /// Only those with this metadata.
    pub metadata: Option<(Name, String)>,
    /// Only those placed in this time, by what their ids say.
    pub placed: TimeRange,
    /// Only those that changed last in this time.
    pub updated: TimeRange,
    /// The key that they are sorted by.
    pub sort: SortKey,
    /// Largest first.
    pub descending: bool,
    /// After this one.
    pub after: Option<Cursor>,
    /// The number of orders to pass over first; for page numbers, at most 10,000.
    pub skip: u32,
    /// The most orders to return, 1..=1000.
    pub limit: u32,
    /// Up to how many matching orders to count; 0 counts none.
    pub count_up_to: u32,
    /// True if something is decided by what is found: then a store that reads lists from a copy
    /// which may lag reads the original.
    pub decides: bool,
}

impl Default for ListQuery {
    fn default() -> Self {
        ListQuery {
            user: None,
            statuses: Vec::new(),
            payment_status: None,
            fulfilment_status: None,
            attention: None,
            stuck: false,
            open_work: false,
            email: None,
            sku: None,
            external_ref: None,
            metadata: None,
            placed: TimeRange::default(),
            updated: TimeRange::default(),
            sort: SortKey::CreatedAt,
            descending: false,
            after: None,
            skip: 0,
            limit: 20,
            count_up_to: 0,
            decides: false,
        }
    }
}

/// The most orders that a store sorts for one page.
pub const SORTED_MAX: u32 = 10_000;

/// The part of a list that is looked up in an index. See [`ListQuery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// The external reference.
    ExternalRef,
    /// The metadata.
    Metadata,
    /// The e-mail address.
    Email,
    /// Stuck work and open attention.
    Stuck,
    /// Open attention.
    Attention,
    /// Open work.
    OpenWork,
    /// The user.
    User,
    /// The SKU.
    Sku,
    /// The payment status.
    PaymentStatus,
    /// The fulfilment status.
    FulfilmentStatus,
    /// The statuses.
    Statuses,
    /// Nothing: it is a list of all orders.
    All,
}

/// The way in which a store reads a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPlan {
    /// The part that is looked up; the rest is checked order by order.
    pub driver: Driver,
    /// True if orders are sorted before the first is shown, at most [`SORTED_MAX`]; else they are
    /// read in order.
    pub sorted: bool,
}

impl ListQuery {
    /// Returns the way in which it is read, the same in every store.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidQuery`] for a limit outside 1..=1000, a `skip` above 10,000, a
    /// cursor of another sort key or direction, and a time of the last change in a list that is
    /// neither sorted by it nor narrowed otherwise.
    pub fn plan(&self) -> Result<ListPlan, StoreError> {
        if !(1..=PAGE_MAX).contains(&self.limit) {
            return Err(invalid(format!(
                "a page of {} orders: expected 1 to {PAGE_MAX}",
                self.limit
            )));
        }
        if self.skip > SKIP_MAX {
            return Err(invalid(format!(
                "{} orders to pass over: expected at most {SKIP_MAX}; use a cursor",
                self.skip
            )));
        }
        if let Some(cursor) = self
            .after
            .as_ref()
            .filter(|cursor| (cursor.sort, cursor.descending) != (self.sort, self.descending))
        {
            return Err(invalid(format!(
                "cursor {cursor} is not of a list sorted like this one"
            )));
        }
        let driver = self.driver();
        // A range of ids is no range of what else they may be sorted by.
        let read_in_order = match (driver, self.sort) {
            (_, SortKey::CreatedAt) => true,
            (Driver::All, _) | (Driver::Statuses, SortKey::UpdatedAt | SortKey::TotalAmount) => {
                self.placed.is_all()
            }
            _ => false,
        };
        let sorted = !read_in_order;
        let many = matches!(
            driver,
            Driver::Sku
                | Driver::PaymentStatus
                | Driver::FulfilmentStatus
                | Driver::Statuses
                | Driver::All
        );
        if !self.updated.is_all() && !sorted && many && self.sort != SortKey::UpdatedAt {
            let instead = "sort by updated_at, or ask for a user, an e-mail, an external reference or metadata besides";
            return Err(invalid(format!(
                "orders that changed in a certain time, sorted by {}: {instead}",
                self.sort
            )));
        }
        Ok(ListPlan { driver, sorted })
    }

    fn driver(&self) -> Driver {
        let asked = [
            (self.external_ref.is_some(), Driver::ExternalRef),
            (self.metadata.is_some(), Driver::Metadata),
            (self.email.is_some(), Driver::Email),
            (self.attention.is_some(), Driver::Attention),
            (self.stuck, Driver::Stuck),
            (self.open_work, Driver::OpenWork),
            (self.user.is_some(), Driver::User),
            (self.sku.is_some(), Driver::Sku),
            (self.payment_status.is_some(), Driver::PaymentStatus),
            (self.fulfilment_status.is_some(), Driver::FulfilmentStatus),
            (!self.statuses.is_empty(), Driver::Statuses),
        ];
        asked
            .into_iter()
            .find(|(is_asked, _)| *is_asked)
            .map_or(Driver::All, |(_, driver)| driver)
    }

    /// The ids of the orders placed in the time that is asked for, and those of them beyond
    /// `after`, the place in a list that is sorted by id. Of two bounds at one end only the
    /// narrower is there: an index is entered at one place.
    pub fn ids(&self, after: Option<OrderId>) -> (Bound<OrderId>, Bound<OrderId>) {
        let TimeRange { from, before } = self.placed;
        let from = from.map_or(Bound::Unbounded, |time| {
            Bound::Included(OrderId::first_at(time))
        });
        let before = before.map_or(Bound::Unbounded, |time| {
            Bound::Excluded(OrderId::first_at(time))
        });
        match after {
            Some(after)
                if self.descending && !matches!(before, Bound::Excluded(id) if id <= after) =>
            {
                (from, Bound::Excluded(after))
            }
            Some(after)
                if !self.descending && !matches!(from, Bound::Included(id) if after < id) =>
            {
                (Bound::Excluded(after), before)
            }
            _ => (from, before),
        }
    }

    /// The error where more than [`SORTED_MAX`] orders would have to be sorted.
    pub fn too_many_to_sort(&self) -> StoreError {
        let sort = self.sort;
        invalid(format!(
            "more than {SORTED_MAX} orders would have to be sorted by {sort}: sort by created_at, at any number of orders, or \
             ask for fewer of them, such as those placed in a shorter time"
        ))
    }

    /// Returns whether the order, with its work item, is one of those asked for.
    pub fn matches(&self, order: &Order, work: Option<&WorkItem>) -> bool {
        let open = || order.attention.iter().filter(|a| !a.acknowledged);
        let has_email = |email: &String| {
            let addresses = order
                .addresses
                .get()
                .into_iter()
                .flat_map(|a| [&a.shipping, &a.billing]);
            addresses
                .into_iter()
                .any(|address| address.email.as_ref() == Some(email))
        };
        let has_metadata = |(name, value): &(Name, String)| {
            order
                .metadata
                .get()
                .is_some_and(|metadata| metadata.get(name) == Some(value))
        };
        self.user.is_none_or(|user| order.user == user)
            && (self.statuses.is_empty() || self.statuses.contains(&order.statuses.status))
            && self
                .payment_status
                .is_none_or(|status| order.statuses.payment == status)
            && self
                .fulfilment_status
                .is_none_or(|status| order.statuses.fulfilment == status)
            && self
                .attention
                .is_none_or(|reason| open().any(|a| a.reason == reason))
            && (!self.stuck
                || open().next().is_some()
                || work.is_some_and(|item| item.due.is_none()))
            && (!self.open_work || work.is_some())
            && self.email.as_ref().is_none_or(has_email)
            && self
                .sku
                .as_ref()
                .is_none_or(|sku| order.lines.iter().any(|line| line.sku == *sku))
            && (self.external_ref.is_none() || order.external_ref == self.external_ref)
            && self.metadata.as_ref().is_none_or(has_metadata)
            && self.ids(None).contains(&order.id)
            && self.updated.contains(order.updated_at)
    }
}

/// The most orders of one page.
const PAGE_MAX: u32 = 1000;
/// The most orders that are passed over.
const SKIP_MAX: u32 = 10_000;

fn invalid(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::InvalidQuery, message)
}

/// A place in a list: after the order with this sort value and id. Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The key that the list is sorted by.
    pub sort: SortKey,
    /// True if the largest come first.
    pub descending: bool,
    /// The sort value of the last order shown: microseconds, minor units, or the number's text. Of
    /// no account where orders are sorted by `created_at`, that is by id.
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
        Cursor {
            sort,
            descending,
            value,
            id: order.id,
        }
    }

    /// The cursor after the order with that id in a list sorted by `created_at`, oldest first.
    pub const fn after_id(id: OrderId) -> Self {
        Cursor {
            sort: SortKey::CreatedAt,
            descending: false,
            value: String::new(),
            id,
        }
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
            SortKey::CreatedAt if value.is_empty() => true,
            SortKey::OrderNumber => value.parse::<OrderNumber>().is_ok(),
            _ => value.parse::<i64>().is_ok(),
        };
        let id = part()?.parse().map_err(|_| wrong())?;
        if sound {
            Ok(Cursor {
                sort,
                descending,
                value,
                id,
            })
        } else {
            Err(wrong())
        }
    }
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct OrderPage {
    /// The orders.
    pub orders: Vec<Arc<Order>>,
    /// Those of the page that match and cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The start of the next page; none if this is the last.
    pub next: Option<Cursor>,
    /// The number of orders that match, up to what was asked to count.
    pub total: u32,
}

/// A choice of rows of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalQuery {
    /// The order.
    pub order: OrderId,
    /// After this row; 0 for all.
    pub after: u64,
    /// The most rows to return.
    pub limit: u32,
    /// Only the row with this command key.
    pub command_key: Option<IdempotencyKey>,
}

impl JournalQuery {
    /// Up to `limit` rows after row `after`.
    pub fn of(order: OrderId, after: u64, limit: u32) -> Self {
        JournalQuery {
            order,
            after,
            limit,
            command_key: None,
        }
    }

    /// The row that carries the command key, if there is one.
    pub fn of_key(order: OrderId, key: IdempotencyKey) -> Self {
        JournalQuery {
            command_key: Some(key),
            ..JournalQuery::of(order, 0, 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Bucket;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(1_772_359_200_000_000 + micros)
    }

    #[test]
    fn ids_in_a_time_are_those_of_orders_placed_in_it() {
        let bounds = [None, Some(at(2)), Some(at(4)), Some(at(1_000))];
        for (from, before) in bounds
            .iter()
            .flat_map(|from| bounds.iter().map(move |before| (*from, *before)))
        {
            let placed = TimeRange { from, before };
            let query = ListQuery {
                placed,
                ..ListQuery::default()
            };
            for micros in [0, 1, 2, 3, 4, 5, 999, 1_000, 1_001] {
                for id in [0, u128::MAX].map(|random| OrderId::new(at(micros), random, Bucket::MAX))
                {
                    assert_eq!(
                        query.ids(None).contains(&id),
                        placed.contains(at(micros)),
                        "{micros} in {placed:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_narrower_of_the_time_and_the_place_in_a_list_is_its_bound() {
        let id = |micros| OrderId::new(at(micros), 7, Bucket::MAX);
        let placed = TimeRange {
            from: Some(at(10)),
            before: Some(at(20)),
        };
        let (from, before) = (
            Bound::Included(OrderId::first_at(at(10))),
            Bound::Excluded(OrderId::first_at(at(20))),
        );
        for (descending, after, expected) in [
            (false, id(5), (from, before)),
            (false, id(15), (Bound::Excluded(id(15)), before)),
            (true, id(25), (from, before)),
            (true, id(15), (from, Bound::Excluded(id(15)))),
        ] {
            let query = ListQuery {
                placed,
                descending,
                ..ListQuery::default()
            };
            assert_eq!(
                query.ids(Some(after)),
                expected,
                "{descending} after {after}"
            );
        }
    }

    #[test]
    fn orders_of_a_time_are_read_by_id_or_sorted() {
        let placed = TimeRange {
            from: Some(at(0)),
            before: None,
        };
        for sort in SortKey::ALL.iter().copied() {
            for statuses in [vec![], vec![Status::Pending]] {
                let sorted = |placed| {
                    ListQuery {
                        placed,
                        sort,
                        statuses: statuses.clone(),
                        ..ListQuery::default()
                    }
                    .plan()
                };
                assert_eq!(sorted(placed).unwrap().sorted, sort != SortKey::CreatedAt);
                let by_number = sort == SortKey::OrderNumber && !statuses.is_empty();
                assert_eq!(
                    sorted(TimeRange::default()).unwrap().sorted,
                    by_number,
                    "{sort} {statuses:?}"
                );
            }
        }
    }
}
