//! Pages of orders. The statements are put together here, from enums only; values are always bound.

use std::fmt::Write as _;
use std::ops::Bound;

use order_core::ids::OrderId;
use order_core::number::OrderNumber;
use order_core::order::Status;
use order_core::store::records::with_causes;
use order_core::store::{
    Cursor, Driver, ListPlan, ListQuery, Lookup, OrderPage, SORTED_MAX, SortKey, StoreError,
    StoreErrorKind, TimeRange, Unreadable,
};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::errors::{error_of, store_error};
use super::read;

/// A page, its count and its orders in one snapshot. Clause 17.
pub(super) fn list(db: &Connection, query: &ListQuery) -> Result<OrderPage, StoreError> {
    let plan = query.plan()?;
    let place = query
        .after
        .as_ref()
        .map(|cursor| place_of(cursor, query))
        .transpose()?;
    let snapshot = db.unchecked_transaction().map_err(store_error)?;
    if plan.sorted
        && count(&snapshot, query, plan, SORTED_MAX + 1).map_err(store_error)? > SORTED_MAX
    {
        return Err(query.too_many_to_sort());
    }
    let page = read_page(&snapshot, query, plan, place)?;
    snapshot.finish().map_err(store_error)?;
    Ok(page)
}

fn read_page(
    db: &Connection,
    query: &ListQuery,
    plan: ListPlan,
    place: Option<(Value, OrderId)>,
) -> Result<OrderPage, StoreError> {
    let total = match query.count_up_to {
        0 => 0,
        most => count(db, query, plan, most).map_err(store_error)?,
    };
    let mut found = places(db, query, plan, place).map_err(store_error)?;
    let more = found.len() > query.limit as usize;
    found.truncate(query.limit as usize);
    let mut page = OrderPage {
        orders: Vec::with_capacity(found.len()),
        unreadable: Vec::new(),
        next: None,
        total,
    };
    let Some((last, value)) = found.last().cloned() else {
        return Ok(page);
    };
    for (id, _) in found {
        match read::load(db, &Lookup::Id(id), None).map_err(error_of(id)) {
            Ok(loaded) => page.orders.extend(loaded.map(|loaded| loaded.order)),
            Err(e) if e.kind == StoreErrorKind::Corrupt => {
                page.unreadable.push(Unreadable {
                    order: id,
                    reason: with_causes(&e),
                });
            }
            Err(e) => return Err(e),
        }
    }
    if more {
        page.next = Some(match page.orders.last().filter(|order| order.id == last) {
            Some(order) => Cursor::after(order, query.sort, query.descending),
            None => Cursor {
                sort: query.sort,
                descending: query.descending,
                value: text_of(&value),
                id: last,
            },
        });
    }
    Ok(page)
}

fn count(db: &Connection, query: &ListQuery, plan: ListPlan, most: u32) -> rusqlite::Result<u32> {
    let mut sql = Select::new(query, plan);
    let text = sql.count(most);
    db.prepare_cached(&text)?
        .query_row(params_from_iter(sql.values), |row| row.get(0))
}

/// One more than the page has, with what each is sorted by.
fn places(
    db: &Connection,
    query: &ListQuery,
    plan: ListPlan,
    place: Option<(Value, OrderId)>,
) -> rusqlite::Result<Vec<(OrderId, Value)>> {
    let mut sql = Select::new(query, plan);
    let text = sql.page(place);
    let mut statement = db.prepare_cached(&text)?;
    let rows = statement.query_map(params_from_iter(sql.values), |row| {
        Ok((row.get(0).map(OrderId::from_bytes)?, row.get(1)?))
    })?;
    rows.collect()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Integer(n) => n.to_string(),
        Value::Text(text) => text.clone(),
        Value::Null | Value::Real(_) | Value::Blob(_) => String::new(),
    }
}

fn place_of(cursor: &Cursor, query: &ListQuery) -> Result<(Value, OrderId), StoreError> {
    let refused = || {
        let message = format!("cursor {cursor} is not of a list sorted like this one");
        StoreError::new(StoreErrorKind::InvalidQuery, message)
    };
    let value = match query.sort {
        SortKey::CreatedAt => Some(Value::Null),
        SortKey::UpdatedAt | SortKey::TotalAmount => cursor.value.parse().ok().map(Value::Integer),
        SortKey::OrderNumber => cursor
            .value
            .parse::<OrderNumber>()
            .ok()
            .map(|number| Value::Text(number.to_string())),
    };
    Ok((value.ok_or_else(refused)?, cursor.id))
}

/// A statement and the values bound to it.
struct Select<'a> {
    query: &'a ListQuery,
    plan: ListPlan,
    values: Vec<Value>,
}

impl<'a> Select<'a> {
    fn new(query: &'a ListQuery, plan: ListPlan) -> Self {
        Select {
            query,
            plan,
            values: Vec::new(),
        }
    }

    /// Binds a value; the parameter's name.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    fn page(&mut self, place: Option<(Value, OrderId)>) -> String {
        let query = self.query;
        let (direction, beyond) = if query.descending {
            ("DESC", "<")
        } else {
            ("ASC", ">")
        };
        let id = self.id();
        // By id, the place is the id: what is looked up needs no more than the index.
        let by_id = query.sort == SortKey::CreatedAt;
        let key = match self.plan.sorted {
            _ if by_id => "NULL".to_owned(),
            // The index by what they are sorted by is not to be read for it.
            true => format!("+o.{}", query.sort),
            false => format!("o.{}", query.sort),
        };
        let mut conditions = self.conditions();
        conditions.extend(self.ids(place.as_ref().map(|(_, after)| *after).filter(|_| by_id)));
        if let Some((value, after)) = place.filter(|_| !by_id) {
            let (value, after) = (self.bind(value), self.bind(after.as_bytes().to_vec()));
            conditions.push(format!("({key}, o.id) {beyond} ({value}, {after})"));
        }
        let (limit, skip) = (
            self.bind(i64::from(query.limit) + 1),
            self.bind(i64::from(query.skip)),
        );
        let order = if by_id {
            format!("id {direction}")
        } else {
            format!("place {direction}, id {direction}")
        };
        let rows = self.rows(&format!("{id} AS id, {key} AS place"), &conditions);
        format!("{rows} ORDER BY {order} LIMIT {limit} OFFSET {skip}")
    }

    fn count(&mut self, most: u32) -> String {
        let mut conditions = self.conditions();
        conditions.extend(self.ids(None));
        let most = self.bind(i64::from(most));
        format!(
            "SELECT count(*) FROM ({} LIMIT {most})",
            self.rows("1", &conditions)
        )
    }

    /// The rows of each range.
    fn rows(&self, columns: &str, conditions: &[String]) -> String {
        let mut sql = String::with_capacity(2048);
        for (n, status) in self.ranges().into_iter().enumerate() {
            if n > 0 {
                sql.push_str(" UNION ALL ");
            }
            let _ = write!(sql, "SELECT {columns} FROM {}", self.source());
            let of_status = status.map(|status| format!("o.status = '{status}'"));
            for (n, condition) in of_status.iter().chain(conditions).enumerate() {
                let _ = write!(sql, " {} {condition}", if n == 0 { "WHERE" } else { "AND" });
            }
        }
        sql
    }

    /// That the ids are those of the time of placing, and beyond the place.
    fn ids(&mut self, after: Option<OrderId>) -> Vec<String> {
        let (id, (from, before)) = (self.id(), self.query.ids(after));
        let mut bound = |bound: Bound<OrderId>, included: &str, excluded: &str| match bound {
            Bound::Included(limit) => Some(format!(
                "{id} {included} {}",
                self.bind(limit.as_bytes().to_vec())
            )),
            Bound::Excluded(limit) => Some(format!(
                "{id} {excluded} {}",
                self.bind(limit.as_bytes().to_vec())
            )),
            Bound::Unbounded => None,
        };
        [bound(from, ">=", ">"), bound(before, "<=", "<")]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The order's id, in the index that is read.
    fn id(&self) -> &'static str {
        if self.is_joined() {
            "d.order_id"
        } else {
            "o.id"
        }
    }

    /// Returns whether the orders are found through rows of another table.
    fn is_joined(&self) -> bool {
        matches!(
            self.plan.driver,
            Driver::Metadata | Driver::Email | Driver::Sku | Driver::OpenWork
        )
    }

    /// The source of the rows of a range: the index of what is looked up, in the order of ids, or
    /// of what they are sorted by.
    fn source(&self) -> &'static str {
        match (self.plan.driver, self.query.sort) {
            (Driver::ExternalRef, _) => "orders o INDEXED BY orders_by_external_ref",
            (Driver::Metadata, _) => {
                "order_metadata d INDEXED BY order_metadata_by_value CROSS JOIN orders o ON o.id = d.order_id"
            }
            (Driver::Email, _) => {
                "order_addresses d INDEXED BY order_addresses_by_email CROSS JOIN orders o ON o.id = d.order_id"
            }
            (Driver::Attention, _) => "orders o INDEXED BY orders_with_attention",
            (Driver::OpenWork, _) => "order_work d CROSS JOIN orders o ON o.id = d.order_id",
            (Driver::User, _) => "orders o INDEXED BY orders_by_user",
            (Driver::Sku, _) => {
                "order_items d INDEXED BY order_items_by_sku CROSS JOIN orders o ON o.id = d.order_id"
            }
            (Driver::PaymentStatus, _) => "orders o INDEXED BY orders_by_payment",
            (Driver::FulfilmentStatus, _) => "orders o INDEXED BY orders_by_fulfilment",
            (Driver::Statuses | Driver::All, SortKey::UpdatedAt) if !self.plan.sorted => {
                "orders o INDEXED BY orders_by_update"
            }
            (Driver::Statuses | Driver::All, SortKey::TotalAmount) if !self.plan.sorted => {
                "orders o INDEXED BY orders_by_total"
            }
            (Driver::Statuses, _) => "orders o INDEXED BY orders_by_status",
            (Driver::Stuck | Driver::All, _) => "orders o",
        }
    }

    /// Each of the statuses is read as a range of its own where the index is by status: merged
    /// rather than sorted, so that a page costs the same at any depth. Otherwise one range, of any
    /// status.
    fn ranges(&self) -> Vec<Option<Status>> {
        let ListQuery { sort, statuses, .. } = self.query;
        let by_status = match self.plan.driver {
            Driver::User => {
                !self.plan.sorted || !statuses.is_empty() || !self.query.placed.is_all()
            }
            Driver::Statuses => true,
            Driver::All => {
                !self.plan.sorted && matches!(sort, SortKey::UpdatedAt | SortKey::TotalAmount)
            }
            _ => false,
        };
        if !by_status {
            return vec![None];
        }
        // Each once, however often it is asked for.
        let asked = |status: &Status| statuses.is_empty() || statuses.contains(status);
        Status::ALL
            .iter()
            .copied()
            .filter(asked)
            .map(Some)
            .collect()
    }

    /// Everything that is asked for, but for statuses that have a range each.
    fn conditions(&mut self) -> Vec<String> {
        let query = self.query;
        let ListPlan { driver, .. } = self.plan;
        let mut conditions = Vec::new();
        if let Some(user) = &query.user {
            let user = self.bind(user.as_bytes().to_vec());
            conditions.push(format!("o.user_id = {user}"));
        }
        if let Some(status) = query.payment_status {
            conditions.push(format!("o.payment_status = '{status}'"));
        }
        if let Some(status) = query.fulfilment_status {
            conditions.push(format!("o.fulfilment_status = '{status}'"));
        }
        if !query.statuses.is_empty() && self.ranges() == [None] {
            let quoted: Vec<String> = query
                .statuses
                .iter()
                .map(|status| format!("'{status}'"))
                .collect();
            conditions.push(format!("o.status IN ({})", quoted.join(", ")));
        }
        if let Some(reason) = query.attention {
            conditions.push(format!(
                "o.attention_open = 1 AND EXISTS (SELECT 1 FROM json_each(o.attention) \
                 WHERE value ->> 'reason' = '{reason}' AND NOT coalesce(value ->> 'acknowledged', 0))"
            ));
        }
        if query.stuck {
            conditions.push(if driver == Driver::Stuck {
                STUCK.to_owned()
            } else {
                IS_STUCK.to_owned()
            });
        }
        if query.open_work && driver != Driver::OpenWork {
            conditions.push("EXISTS (SELECT 1 FROM order_work WHERE order_id = o.id)".to_owned());
        }
        if let Some(email) = &query.email {
            let email = self.bind(email.clone());
            conditions.push(match driver {
                Driver::Email => format!("d.email = {email} AND {}", first_of("order_addresses", "email", "address_type")),
                _ => format!("EXISTS (SELECT 1 FROM order_addresses WHERE order_id = o.id AND email = {email})"),
            });
        }
        if let Some(sku) = &query.sku {
            let sku = self.bind(sku.as_str().to_owned());
            conditions.push(match driver {
                Driver::Sku => format!("d.sku = {sku} AND {}", first_of("order_items", "sku", "n")),
                _ => format!(
                    "EXISTS (SELECT 1 FROM order_items WHERE order_id = o.id AND sku = {sku})"
                ),
            });
        }
        if let Some(reference) = &query.external_ref {
            let reference = self.bind(reference.as_str().to_owned());
            conditions.push(format!("o.external_ref = {reference}"));
        }
        if let Some((key, value)) = &query.metadata {
            let (key, value) = (self.bind(key.as_str().to_owned()), self.bind(value.clone()));
            conditions.push(match driver {
                Driver::Metadata => format!("d.key = {key} AND d.value = {value}"),
                _ => format!("EXISTS (SELECT 1 FROM order_metadata WHERE order_id = o.id AND key = {key} AND value = {value})"),
            });
        }
        let TimeRange { from, before } = query.updated;
        for (comparison, time) in [(">=", from), ("<", before)] {
            if let Some(time) = time {
                let time = self.bind(time.as_micros());
                conditions.push(format!("o.updated_at {comparison} {time}"));
            }
        }
        conditions
    }
}

/// That no earlier row of the order has the same value: so that an order is found once.
fn first_of(table: &str, value: &str, n: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM {table} e WHERE e.order_id = d.order_id AND e.{n} < d.{n} AND +e.{value} = d.{value})"
    )
}

/// The few that are stuck, looked up.
const STUCK: &str = "o.id IN (SELECT id FROM orders WHERE attention_open = 1 \
     UNION ALL SELECT order_id FROM order_work WHERE leasable_at IS NULL)";

/// The work of an order is stuck, or is not.
const IS_STUCK: &str = "(o.attention_open = 1 \
     OR EXISTS (SELECT 1 FROM order_work WHERE order_id = o.id AND leasable_at IS NULL))";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open;
    use order_core::ids::UserId;
    use order_core::order::{AttentionReason, FulfilmentStatus, PaymentStatus};
    use order_core::time::Timestamp;
    use std::time::Duration;

    fn plan(db: &Connection, sql: &str, values: &[Value]) -> String {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement
            .query_map(params_from_iter(values), |row| row.get::<_, String>(3))
            .unwrap();
        lines.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
    }

    fn list_plan_ranges(query: &ListQuery, plan: ListPlan) -> usize {
        Select::new(query, plan).ranges().len()
    }

    /// Each by itself, with what its plan is to name.
    fn queries() -> Vec<(Driver, ListQuery, &'static str)> {
        let any = ListQuery::default;
        let statuses = vec![Status::Pending, Status::Confirmed];
        vec![
            (Driver::All, any(), ""),
            (
                Driver::Statuses,
                ListQuery {
                    statuses: statuses.clone(),
                    ..any()
                },
                "orders_by_",
            ),
            (
                Driver::FulfilmentStatus,
                ListQuery {
                    fulfilment_status: Some(FulfilmentStatus::Shipped),
                    ..any()
                },
                "orders_by_fulfilment",
            ),
            (
                Driver::PaymentStatus,
                ListQuery {
                    payment_status: Some(PaymentStatus::Paid),
                    ..any()
                },
                "orders_by_payment",
            ),
            (
                Driver::Sku,
                ListQuery {
                    sku: "MUG-01".parse().ok(),
                    ..any()
                },
                "order_items_by_sku",
            ),
            (
                Driver::User,
                ListQuery {
                    user: Some(UserId::from_bytes([2; 16])),
                    ..any()
                },
                "orders_by_user",
            ),
            (
                Driver::OpenWork,
                ListQuery {
                    open_work: true,
                    ..any()
                },
                "",
            ),
            (
                Driver::Stuck,
                ListQuery {
                    stuck: true,
                    ..any()
                },
                "orders_with_attention",
            ),
            (
                Driver::Attention,
                ListQuery {
                    attention: Some(AttentionReason::Dispute),
                    ..any()
                },
                "orders_with_attention",
            ),
            (
                Driver::Email,
                ListQuery {
                    email: Some("ada@example.org".into()),
                    ..any()
                },
                "order_addresses_by_email",
            ),
            (
                Driver::Metadata,
                ListQuery {
                    metadata: "key".parse().ok().zip(Some("v".into())),
                    ..any()
                },
                "order_metadata_by_value",
            ),
            (
                Driver::ExternalRef,
                ListQuery {
                    external_ref: "x".parse().ok(),
                    ..any()
                },
                "orders_by_external_ref",
            ),
        ]
    }

    #[test]
    fn lists_are_read_from_the_index_of_what_is_looked_up_and_in_order_unless_they_are_sorted() {
        let db = open::open_in_memory();
        let id = OrderId::from_bytes([1; 16]);
        for (driver, query, index) in queries() {
            for (sort, descending) in SortKey::ALL
                .iter()
                .flat_map(|sort| [(*sort, false), (*sort, true)])
            {
                let number = "ORD-1000-0000-000Y".into();
                let value = if sort == SortKey::OrderNumber {
                    number
                } else {
                    "1".into()
                };
                for after in [
                    None,
                    Some(Cursor {
                        sort,
                        descending,
                        value,
                        id,
                    }),
                ] {
                    let query = ListQuery {
                        sort,
                        descending,
                        after,
                        ..query.clone()
                    };
                    let list_plan = query.plan().unwrap();
                    assert_eq!(list_plan.driver, driver);
                    let mut select = Select::new(&query, list_plan);
                    let sql = select.page(
                        query
                            .after
                            .as_ref()
                            .map(|cursor| place_of(cursor, &query).unwrap()),
                    );
                    let plan = plan(&db, &sql, &select.values);
                    let what = format!("{driver:?} by {sort} {descending}:\n{sql}\n{plan}");
                    assert!(plan.contains(index), "{what}");
                    assert_eq!(plan.contains("TEMP B-TREE"), list_plan.sorted, "{what}");
                    // Only what has an order of its own is read from its beginning.
                    let scans = plan.lines().filter(|line| line.starts_with("SCAN")).count();
                    let own = matches!(
                        driver,
                        Driver::All | Driver::OpenWork | Driver::Attention | Driver::Stuck
                    );
                    assert!(scans == 0 || own, "{what}");
                    // A time of placing is a range of ids, and nothing outside is read.
                    let from = Timestamp::from_micros(1_772_359_200_000_000);
                    let placed = TimeRange {
                        from: Some(from),
                        before: Some(from.after(Duration::from_secs(3600))),
                    };
                    let query = ListQuery {
                        placed,
                        ..query.clone()
                    };
                    let list_plan = query.plan().unwrap();
                    assert_eq!(
                        (list_plan.driver, list_plan.sorted),
                        (driver, sort != SortKey::CreatedAt)
                    );
                    let mut select = Select::new(&query, list_plan);
                    let sql = select.page(
                        query
                            .after
                            .as_ref()
                            .map(|cursor| place_of(cursor, &query).unwrap()),
                    );
                    let plan = self::plan(&db, &sql, &select.values);
                    let ranges = plan
                        .lines()
                        .filter(|line| line.contains("id>? AND ") && line.contains("id<?"))
                        .count();
                    let found_otherwise = matches!(driver, Driver::Stuck);
                    let expected = if found_otherwise {
                        0
                    } else {
                        list_plan_ranges(&query, list_plan)
                    };
                    assert_eq!(
                        ranges, expected,
                        "{driver:?} by {sort} {descending}:\n{sql}\n{plan}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_asked_for_besides_changes_no_index() {
        let db = open::open_in_memory();
        let everything = |query: &ListQuery| ListQuery {
            user: query.user.or(Some(UserId::from_bytes([2; 16]))),
            statuses: vec![Status::Pending],
            payment_status: Some(PaymentStatus::Paid),
            fulfilment_status: Some(FulfilmentStatus::Shipped),
            attention: Some(AttentionReason::Dispute),
            stuck: true,
            open_work: true,
            email: Some("ada@example.org".into()),
            sku: "MUG-01".parse().ok(),
            metadata: "key".parse().ok().zip(Some("v".into())),
            external_ref: query.external_ref.clone(),
            ..ListQuery::default()
        };
        for (driver, query, index) in queries().into_iter().rev() {
            let mut all = everything(&query);
            if driver != Driver::ExternalRef {
                // Only what comes after the driver in the order of drivers is asked for besides.
                let ListQuery {
                    metadata,
                    email,
                    attention,
                    stuck,
                    open_work,
                    user,
                    sku,
                    payment_status,
                    ..
                } = query.clone();
                let rank = |d: Driver| queries().iter().position(|(other, ..)| *other == d);
                let behind = |d: Driver| rank(d) < rank(driver);
                all.metadata = all
                    .metadata
                    .filter(|_| behind(Driver::Metadata))
                    .or(metadata);
                all.email = all.email.filter(|_| behind(Driver::Email)).or(email);
                all.attention = all
                    .attention
                    .filter(|_| behind(Driver::Attention))
                    .or(attention);
                all.stuck = behind(Driver::Stuck) || stuck;
                all.open_work = behind(Driver::OpenWork) || open_work;
                all.user = all.user.filter(|_| behind(Driver::User)).or(user);
                all.sku = all.sku.filter(|_| behind(Driver::Sku)).or(sku);
                all.payment_status = all
                    .payment_status
                    .filter(|_| behind(Driver::PaymentStatus))
                    .or(payment_status);
                all.fulfilment_status = all
                    .fulfilment_status
                    .filter(|_| behind(Driver::FulfilmentStatus))
                    .or(query.fulfilment_status);
                if driver == Driver::All {
                    all.statuses.clear();
                }
            }
            let list_plan = all.plan().unwrap();
            assert_eq!((list_plan.driver, list_plan.sorted), (driver, false));
            let mut select = Select::new(&all, list_plan);
            let sql = select.page(None);
            let plan = plan(&db, &sql, &select.values);
            assert!(
                plan.contains(index) && !plan.contains("TEMP B-TREE"),
                "{driver:?}:\n{sql}\n{plan}"
            );
        }
    }
}
