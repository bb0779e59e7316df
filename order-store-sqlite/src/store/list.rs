//! Pages of orders. The statements are put together here, from enums only; values are always bound.

use std::fmt::Write as _;

use order_core::ids::OrderId;
use order_core::number::OrderNumber;
use order_core::order::Status;
use order_core::store::{
    Cursor, Driver, ListPlan, ListQuery, Lookup, OrderPage, SORTED_MAX, SortKey, StoreError, StoreErrorKind, TimeRange,
    Unreadable,
};
use order_core::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::errors::{error_of, store_error, with_causes};
use super::read;

/// A page, its count and its orders in one snapshot. Clause 17.
pub(super) fn list(db: &Connection, query: &ListQuery) -> Result<OrderPage, StoreError> {
    let plan = query.plan()?;
    let place = query.after.as_ref().map(|cursor| place_of(cursor, query)).transpose()?;
    let snapshot = db.unchecked_transaction().map_err(store_error)?;
    if plan.sorted && count(&snapshot, query, plan, SORTED_MAX + 1).map_err(store_error)? > SORTED_MAX {
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
    let last = found.last().filter(|_| more);
    let next = last.map(|(id, value)| Cursor { sort: query.sort, descending: query.descending, value: text_of(value), id: *id });
    let mut page = OrderPage { orders: Vec::with_capacity(found.len()), unreadable: Vec::new(), next, total };
    for (id, _) in found {
        match read::load(db, &Lookup::Id(id), None).map_err(error_of(id)) {
            Ok(loaded) => page.orders.extend(loaded.map(|loaded| loaded.order)),
            Err(e) if e.kind == StoreErrorKind::Corrupt => {
                page.unreadable.push(Unreadable { order: id, reason: with_causes(&e) });
            }
            Err(e) => return Err(e),
        }
    }
    Ok(page)
}

fn count(db: &Connection, query: &ListQuery, plan: ListPlan, most: u32) -> rusqlite::Result<u32> {
    let mut sql = Select::new(query, plan);
    let text = sql.count(most);
    db.prepare_cached(&text)?.query_row(params_from_iter(sql.values), |row| row.get(0))
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
    let rows =
        statement.query_map(params_from_iter(sql.values), |row| Ok((row.get(0).map(OrderId::from_bytes)?, row.get(1)?)))?;
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
        SortKey::OrderNumber => cursor.value.parse::<OrderNumber>().ok().map(|number| Value::Text(number.to_string())),
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
        Select { query, plan, values: Vec::new() }
    }

    /// Binds a value; the parameter's name.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    fn bytes(&mut self, id: &[u8; 16]) -> String {
        self.bind(id.to_vec())
    }

    fn page(&mut self, place: Option<(Value, OrderId)>) -> String {
        let query = self.query;
        let (direction, beyond) = if query.descending { ("DESC", "<") } else { ("ASC", ">") };
        let key = match query.sort {
            SortKey::CreatedAt => "created_at",
            sort => sort.as_str(),
        };
        let by_id = query.sort == SortKey::CreatedAt;
        let mut conditions = self.conditions();
        if let Some((value, id)) = place {
            let after = self.bytes(id.as_bytes());
            let value = if by_id { String::new() } else { self.bind(value) };
            conditions.push(if by_id {
                format!("id {beyond} {after}")
            } else {
                format!("({key}, id) {beyond} ({value}, {after})")
            });
        }
        let (limit, skip) = (self.bind(i64::from(query.limit) + 1), self.bind(i64::from(query.skip)));
        let order = if by_id { format!("id {direction}") } else { format!("place {direction}, id {direction}") };
        let mut sql = String::with_capacity(2048);
        for (n, status) in self.ranges().into_iter().enumerate() {
            if n > 0 {
                sql.push_str(" UNION ALL ");
            }
            let _ = write!(sql, "SELECT id, {key} AS place FROM orders");
            let of_status = status.map(|status| format!("status = '{status}'"));
            for (n, condition) in of_status.iter().chain(&conditions).enumerate() {
                let _ = write!(sql, " {} {condition}", if n == 0 { "WHERE" } else { "AND" });
            }
        }
        let _ = write!(sql, " ORDER BY {order} LIMIT {limit} OFFSET {skip}");
        sql
    }

    fn count(&mut self, most: u32) -> String {
        let conditions = self.conditions();
        let most = self.bind(i64::from(most));
        let mut sql = "SELECT count(*) FROM (SELECT 1 FROM orders".to_owned();
        let of_status = statuses(&self.query.statuses);
        for (n, condition) in of_status.iter().chain(&conditions).enumerate() {
            let _ = write!(sql, " {} {condition}", if n == 0 { "WHERE" } else { "AND" });
        }
        let _ = write!(sql, " LIMIT {most})");
        sql
    }

    /// Each of the statuses is read as a range of its own where the index is by status: merged rather than sorted, so that a
    /// page costs the same at any depth. Otherwise one range, of any status.
    fn ranges(&self) -> Vec<Option<Status>> {
        let query = self.query;
        let by_status = matches!(self.plan.driver, Driver::User | Driver::Statuses | Driver::All) && !self.plan.sorted;
        match () {
            () if !query.statuses.is_empty() => {
                // Each once, however often it is asked for.
                Status::ALL.iter().copied().filter(|status| query.statuses.contains(status)).map(Some).collect()
            }
            () if by_status && query.sort != SortKey::OrderNumber => Status::ALL.iter().copied().map(Some).collect(),
            () => vec![None],
        }
    }

    /// Everything that is asked for but the statuses.
    fn conditions(&mut self) -> Vec<String> {
        let query = self.query;
        let mut conditions = Vec::new();
        if let Some(user) = &query.user {
            let user = self.bytes(user.as_bytes());
            conditions.push(format!("user_id = {user}"));
        }
        if let Some(status) = query.payment_status {
            conditions.push(format!("payment_status = '{status}'"));
        }
        if let Some(status) = query.fulfilment_status {
            conditions.push(format!("fulfilment_status = '{status}'"));
        }
        if let Some(reason) = query.attention {
            conditions.push(format!(
                "id IN (SELECT id FROM orders WHERE attention_open = 1) AND EXISTS (SELECT 1 FROM json_each(attention) \
                 WHERE value ->> 'reason' = '{reason}' AND NOT coalesce(value ->> 'acknowledged', 0))"
            ));
        }
        if query.stuck {
            conditions.push(STUCK.to_owned());
        }
        if query.open_work {
            conditions.push("id IN (SELECT order_id FROM order_work)".to_owned());
        }
        if let Some(email) = &query.email {
            let email = self.bind(email.clone());
            conditions.push(format!("id IN (SELECT order_id FROM order_addresses WHERE email = {email})"));
        }
        if let Some(sku) = &query.sku {
            let sku = self.bind(sku.as_str().to_owned());
            conditions.push(format!("id IN (SELECT order_id FROM order_items WHERE sku = {sku})"));
        }
        if let Some(reference) = &query.external_ref {
            let reference = self.bind(reference.as_str().to_owned());
            conditions.push(format!("external_ref = {reference}"));
        }
        if let Some((key, value)) = &query.metadata {
            let (key, value) = (self.bind(key.as_str().to_owned()), self.bind(value.clone()));
            conditions.push(format!("id IN (SELECT order_id FROM order_metadata WHERE key = {key} AND value = {value})"));
        }
        for (column, TimeRange { from, before }) in [("created_at", query.placed), ("updated_at", query.updated)] {
            let mut bound = |comparison: &str, time: Option<Timestamp>| {
                if let Some(time) = time {
                    let time = self.bind(time.as_micros());
                    conditions.push(format!("{column} {comparison} {time}"));
                }
            };
            bound(">=", from);
            bound("<", before);
        }
        conditions
    }
}

fn statuses(statuses: &[Status]) -> Option<String> {
    let quoted: Vec<String> = statuses.iter().map(|status| format!("'{status}'")).collect();
    (!quoted.is_empty()).then(|| format!("status IN ({})", quoted.join(", ")))
}

const STUCK: &str = "id IN (SELECT id FROM orders WHERE attention_open = 1 \
     UNION ALL SELECT order_id FROM order_work WHERE due_at IS NULL)";
