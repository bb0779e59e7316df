//! Pages of orders. The statements are put together here, from enums only; values are always bound.

use std::fmt::Write as _;

use order_core::ids::OrderId;
use order_core::number::OrderNumber;
use order_core::order::Status;
use order_core::store::{Cursor, ListQuery, OrderPage, OrderRef, SortKey, StoreError, StoreErrorKind};
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::errors::{Failed, store_error};
use super::read;

/// A page, its count and its orders in one snapshot. Clause 17.
pub(super) fn list(db: &Connection, query: &ListQuery) -> Result<OrderPage, StoreError> {
    if query.limit == 0 {
        return Err(invalid("a page of 0 orders: expected 1 to 1000"));
    }
    let place = query.after.as_ref().map(|cursor| place_of(cursor, query)).transpose()?;
    let snapshot = db.unchecked_transaction().map_err(store_error)?;
    let page = read_page(&snapshot, query, place).map_err(store_error)?;
    snapshot.finish().map_err(store_error)?;
    Ok(page)
}

fn read_page(db: &Connection, query: &ListQuery, place: Option<(Value, OrderId)>) -> Result<OrderPage, Failed> {
    let (user, status) = (query.user.as_ref().map(|u| u.as_bytes()), query.status.map(Status::as_str));
    let total = match query.count_up_to {
        0 => 0,
        most => db.prepare_cached(&count_sql(query))?.query_row(params![user, status, most], |row| row.get(0))?,
    };
    let mut ids: Vec<OrderId> = {
        let (value, after) = place.map_or((Value::Null, None), |(value, id)| (value, Some(*id.as_bytes())));
        let one_more = i64::from(query.limit) + 1;
        let mut statement = db.prepare_cached(&page_sql(query))?;
        let page = params![user, status, value, after, one_more, query.skip];
        statement.query_map(page, |row| row.get(0).map(OrderId::from_bytes))?.collect::<Result<_, _>>()?
    };
    let more = ids.len() > query.limit as usize;
    ids.truncate(query.limit as usize);
    let mut orders = Vec::with_capacity(ids.len());
    for id in ids {
        orders.extend(read::load(db, OrderRef::Id(id), None)?.map(|loaded| loaded.order));
    }
    let last = orders.last().filter(|_| more);
    Ok(OrderPage { next: last.map(|order| Cursor::after(order, query.sort, query.descending)), total, orders })
}

fn place_of(cursor: &Cursor, query: &ListQuery) -> Result<(Value, OrderId), StoreError> {
    let refused = || invalid(format!("cursor {cursor} is not of a list sorted like this one"));
    if (cursor.sort, cursor.descending) != (query.sort, query.descending) {
        return Err(refused());
    }
    let value = match cursor.sort {
        SortKey::CreatedAt | SortKey::UpdatedAt | SortKey::TotalAmount => cursor.value.parse().ok().map(Value::Integer),
        SortKey::OrderNumber => cursor.value.parse::<OrderNumber>().ok().map(|number| Value::Text(number.to_string())),
    };
    Ok((value.ok_or_else(refused)?, cursor.id))
}

fn invalid(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::InvalidQuery, message)
}

const STUCK: &str = "id IN (SELECT id FROM orders WHERE attention_open = 1 \
     UNION ALL SELECT order_id FROM order_work WHERE claimable_at IS NULL)";

/// Where the rows of a page come from.
enum Source {
    /// One range of an index, or for a sort key without one a sort of it.
    One(&'static str),
    /// A range for each status, each in order: merged rather than sorted, so that a page costs the same at any depth.
    EachStatus(&'static str),
}

fn source(query: &ListQuery) -> Source {
    let by_status = |index| if query.status.is_some() { Source::One(index) } else { Source::EachStatus(index) };
    match (query.stuck, query.sort, query.user) {
        (true, _, _) => Source::One(""),
        (_, SortKey::CreatedAt, Some(_)) => by_status("INDEXED BY orders_by_user"),
        (_, SortKey::CreatedAt, None) => by_status("INDEXED BY orders_by_creation"),
        (_, SortKey::UpdatedAt, None) => by_status("INDEXED BY orders_by_update"),
        (_, SortKey::TotalAmount, None) => by_status("INDEXED BY orders_by_total"),
        (_, SortKey::OrderNumber, None) if query.status.is_none() => Source::One(""),
        (_, SortKey::OrderNumber, None) => Source::One("INDEXED BY orders_by_creation"),
        // One user's orders are few enough to sort.
        (_, SortKey::UpdatedAt | SortKey::TotalAmount | SortKey::OrderNumber, Some(_)) => {
            Source::One("INDEXED BY orders_by_user")
        }
    }
}

/// Parameters: ?1 user, ?2 status, ?3 and ?4 the cursor's value and id, ?5 limit, ?6 skip.
fn page_sql(query: &ListQuery) -> String {
    let key = query.sort.as_str();
    let (direction, beyond) = if query.descending { ("DESC", "<") } else { ("ASC", ">") };
    let cursor = query.after.as_ref().map(|_| format!("({key}, id) {beyond} (?3, ?4)"));
    let mut sql = String::with_capacity(2048);
    let mut select = |index: &str, status: Option<&str>| {
        if !sql.is_empty() {
            sql.push_str(" UNION ALL ");
        }
        let _ = write!(sql, "SELECT id, {key} AS place FROM orders {index}");
        // A unary plus keeps SQLite from walking a whole range where the stuck ones are few.
        let plus = if query.stuck { "+" } else { "" };
        let conditions = [
            query.stuck.then(|| STUCK.to_owned()),
            query.user.map(|_| format!("{plus}user_id = ?1")),
            status.map(|status| format!("{plus}status = {status}")),
            cursor.clone(),
        ];
        for (n, condition) in conditions.into_iter().flatten().enumerate() {
            let _ = write!(sql, " {} {condition}", if n == 0 { "WHERE" } else { "AND" });
        }
    };
    match source(query) {
        Source::One(index) => select(index, query.status.map(|_| "?2")),
        Source::EachStatus(index) => Status::ALL.iter().for_each(|status| select(index, Some(&format!("'{status}'")))),
    }
    let _ = write!(sql, " ORDER BY place {direction}, id {direction} LIMIT ?5 OFFSET ?6");
    sql
}

/// Parameters: ?1 user, ?2 status, ?3 up to how many.
fn count_sql(query: &ListQuery) -> String {
    let conditions = [query.stuck.then_some(STUCK), query.user.map(|_| "user_id = ?1"), query.status.map(|_| "status = ?2")];
    let mut sql = "SELECT count(*) FROM (SELECT 1 FROM orders".to_owned();
    for (n, condition) in conditions.into_iter().flatten().enumerate() {
        let _ = write!(sql, " {} {condition}", if n == 0 { "WHERE" } else { "AND" });
    }
    sql.push_str(" LIMIT ?3)");
    sql
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open;
    use order_core::ids::UserId;

    fn plan(query: &ListQuery) -> String {
        let db = open::open_in_memory();
        let sql = format!("EXPLAIN QUERY PLAN {}", page_sql(query));
        let mut statement = db.prepare(&sql).unwrap();
        let nothing = params![None::<i64>, None::<i64>, None::<i64>, None::<i64>, 1, 0];
        let lines = statement.query_map(nothing, |row| row.get::<_, String>(3)).unwrap();
        lines.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
    }

    #[test]
    fn pages_by_user_or_status_are_read_from_their_index_in_order() {
        let id = OrderId::from_bytes([1; 16]);
        let user = Some(UserId::from_bytes([2; 16]));
        for (sort, user, status, index) in [
            (SortKey::CreatedAt, None, None, "orders_by_creation"),
            (SortKey::CreatedAt, None, Some(Status::Pending), "orders_by_creation"),
            (SortKey::CreatedAt, user, None, "orders_by_user"),
            (SortKey::CreatedAt, user, Some(Status::Pending), "orders_by_user"),
            (SortKey::UpdatedAt, None, None, "orders_by_update"),
            (SortKey::UpdatedAt, None, Some(Status::Pending), "orders_by_update"),
            (SortKey::TotalAmount, None, None, "orders_by_total"),
            (SortKey::TotalAmount, None, Some(Status::Pending), "orders_by_total"),
            (SortKey::OrderNumber, None, None, "sqlite_autoindex_orders_2"),
        ] {
            for descending in [false, true] {
                for after in [None, Some(Cursor { sort, descending, value: "1".into(), id })] {
                    let deep = after.is_some();
                    let plan = plan(&ListQuery { user, status, sort, descending, after, ..ListQuery::default() });
                    let what = format!("{sort} {user:?} {status:?} {descending} {deep}:\n{plan}");
                    assert!(!plan.contains("TEMP B-TREE"), "{what}");
                    assert!(plan.contains(index), "{what}");
                    let whole = plan.lines().any(|l| l.starts_with("SCAN"));
                    assert!(!whole || (sort == SortKey::OrderNumber && !deep), "{what}");
                }
            }
        }
    }

    #[test]
    fn stuck_orders_are_looked_up_one_by_one() {
        let user = Some(UserId::from_bytes([2; 16]));
        for (user, status) in [(None, None), (user, None), (None, Some(Status::Pending)), (user, Some(Status::Pending))] {
            let plan = plan(&ListQuery { user, status, stuck: true, ..ListQuery::default() });
            assert!(plan.contains("SEARCH orders USING PRIMARY KEY (id=?)"), "{plan}");
            assert!(plan.contains("orders_with_attention") && plan.contains("order_work_claimable"), "{plan}");
        }
    }
}
