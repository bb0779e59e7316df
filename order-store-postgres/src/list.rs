//! Pages of orders. The statements are put together here, from enums only; values are always bound.

use std::ops;

use order_core::ids::OrderId;
use order_core::number::OrderNumber;
use order_core::order::Status;
use order_core::store::{
    Cursor, Driver, ListPlan, ListQuery, OrderPage, SORTED_MAX, SortKey, StoreError,
    StoreErrorKind, TimeRange,
};
use order_core::time::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use crate::load::corrupt;
use crate::places::ReadError;
use crate::statements::{STATEMENTS, order_columns};
use crate::wire::{Bound, Fields};
use crate::work::readable;

/// A page with its orders, in one statement; counts are statements of their own. Clause 17.
pub(crate) async fn list(db: &mut PgConnection, query: &ListQuery) -> Result<OrderPage, ReadError> {
    let plan = query.plan()?;
    let place = query
        .after
        .as_ref()
        .map(|cursor| place_of(cursor, query))
        .transpose()?;
    if plan.sorted && count(db, query, plan, SORTED_MAX + 1).await? > SORTED_MAX {
        return Err(query.too_many_to_sort().into());
    }
    let total = match query.count_up_to {
        0 => 0,
        most => count(db, query, plan, most).await?,
    };
    let mut select = Select::new(query, plan);
    let sql = select.whole_page(place);
    let mut rows = run(&sql, select.values).fetch_all(db).await?;
    let more = rows.len() > query.limit as usize;
    rows.truncate(query.limit as usize);
    let mut page = OrderPage {
        orders: Vec::with_capacity(rows.len()),
        unreadable: Vec::new(),
        next: None,
        total,
    };
    for row in &rows {
        let fields = Fields::of(row).map_err(corrupt)?;
        match readable(&fields)? {
            Ok(loaded) => page.orders.extend(loaded.map(|loaded| loaded.order)),
            Err(unreadable) => page.unreadable.push(unreadable),
        }
    }
    if let Some(last) = rows.last().filter(|_| more) {
        page.next = Some(cursor_after(query, last, &page)?);
    }
    Ok(page)
}

fn run(
    sql: &str,
    values: Vec<Bound>,
) -> sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments> {
    values
        .into_iter()
        .fold(sqlx::query(AssertSqlSafe(sql)), |query, value| {
            query.bind(value)
        })
}

async fn count(
    db: &mut PgConnection,
    query: &ListQuery,
    plan: ListPlan,
    most: u32,
) -> Result<u32, ReadError> {
    let mut select = Select::new(query, plan);
    let sql = select.count(most);
    let row = run(&sql, select.values).fetch_one(db).await?;
    let counted = Fields::of(&row)
        .and_then(|fields| fields.int(0))
        .map_err(corrupt)?;
    Ok(counted.and_then(|n| u32::try_from(n).ok()).unwrap_or(most))
}

/// The plan of a page, line by line.
pub(crate) async fn explain(
    db: &mut PgConnection,
    query: &ListQuery,
    analyze: bool,
) -> Result<Vec<String>, ReadError> {
    let plan = query.plan()?;
    let place = query
        .after
        .as_ref()
        .map(|cursor| place_of(cursor, query))
        .transpose()?;
    let mut select = Select::new(query, plan);
    let page = select.whole_page(place);
    let sql = format!(
        "EXPLAIN {}{page}",
        if analyze {
            "(ANALYZE, COSTS OFF, TIMING OFF) "
        } else {
            ""
        }
    );
    let rows = run(&sql, select.values).fetch_all(db).await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?)
}

/// The cursor after the last row of a page, also where its order cannot be read.
fn cursor_after(query: &ListQuery, last: &PgRow, page: &OrderPage) -> Result<Cursor, StoreError> {
    let ListQuery {
        sort, descending, ..
    } = *query;
    let fields = Fields::of(last).map_err(corrupt)?;
    let id = fields.id(0).map_err(corrupt)?.map(OrderId::from_bytes);
    if let Some(order) = page.orders.last().filter(|order| Some(order.id) == id) {
        return Ok(Cursor::after(order, sort, descending));
    }
    let at = order_columns();
    let value = match sort {
        SortKey::CreatedAt => String::new(),
        SortKey::UpdatedAt => fields
            .time(at)
            .map_err(corrupt)?
            .map(|time| time.as_micros().to_string())
            .unwrap_or_default(),
        SortKey::TotalAmount => fields
            .int(at)
            .map_err(corrupt)?
            .map(|n| n.to_string())
            .unwrap_or_default(),
        SortKey::OrderNumber => fields
            .text(at)
            .map_err(corrupt)?
            .unwrap_or_default()
            .to_owned(),
    };
    Ok(Cursor {
        sort,
        descending,
        value,
        id: id.ok_or_else(|| corrupt("the id is NULL".into()))?,
    })
}

/// The sort value of a cursor, if lists are not sorted by id alone, and its id.
type Place = (Option<Bound>, OrderId);

fn place_of(cursor: &Cursor, query: &ListQuery) -> Result<Place, StoreError> {
    let refused = || {
        let message = format!("cursor {cursor} is not of a list sorted like this one");
        StoreError::new(StoreErrorKind::InvalidQuery, message)
    };
    let number = || cursor.value.parse::<i64>().map_err(|_| refused());
    let value = match query.sort {
        SortKey::CreatedAt => None,
        SortKey::UpdatedAt => Some(Bound::time(Some(Timestamp::from_micros(number()?)))),
        SortKey::TotalAmount => Some(Bound::int(number()?)),
        SortKey::OrderNumber => {
            let number: OrderNumber = cursor.value.parse().map_err(|_| refused())?;
            Some(Bound::text(&number.to_string()))
        }
    };
    Ok((value, cursor.id))
}

/// A range of an index, in whose order its rows are read.
struct Range {
    source: String,
    conditions: Vec<String>,
}

/// A statement and the values bound to it.
pub(crate) struct Select<'a> {
    query: &'a ListQuery,
    plan: ListPlan,
    pub(crate) values: Vec<Bound>,
}

impl<'a> Select<'a> {
    pub(crate) fn new(query: &'a ListQuery, plan: ListPlan) -> Self {
        Select {
            query,
            plan,
            values: Vec::new(),
        }
    }

    /// Binds a value; the parameter's name.
    fn bind(&mut self, value: Bound) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    fn text(&mut self, text: &str) -> String {
        self.bind(Bound::text(text))
    }

    /// The orders of a page with all that belongs to them, and with what each is sorted by.
    fn whole_page(&mut self, place: Option<Place>) -> String {
        let direction = if self.query.descending { "DESC" } else { "ASC" };
        let page = self.page(place);
        let (order, beside) = (&STATEMENTS.order, STATEMENTS.beside);
        format!(
            "SELECT {order}, p.place FROM ({page}) p JOIN orders o ON o.bucket = p.bucket AND o.id = p.id {beside} \
             ORDER BY p.place {direction}, p.id {direction}"
        )
    }

    /// One more than the page has: where each is kept, and what it is sorted by.
    pub(crate) fn page(&mut self, place: Option<Place>) -> String {
        let query = self.query;
        let (direction, beyond) = if query.descending {
            ("DESC", "<")
        } else {
            ("ASC", ">")
        };
        let by_id = query.sort == SortKey::CreatedAt;
        let (id, key) = (self.id(), self.key());
        let mut ranges = self.ranges();
        let mut all_of = self.ids(place.as_ref().map(|(_, after)| *after).filter(|_| by_id));
        if let Some((Some(value), after)) = place {
            let (value, after) = (
                self.bind(value),
                self.bind(Bound::id(Some(after.as_bytes()))),
            );
            all_of.push(format!("({key}, {id}) {beyond} ({value}, {after})"));
        }
        ranges
            .iter_mut()
            .for_each(|range| range.conditions.extend(all_of.iter().cloned()));
        let (limit, skip) = (i64::from(query.limit) + 1, i64::from(query.skip));
        let (limit, most) = (
            self.bind(Bound::int(limit)),
            self.bind(Bound::int(limit + skip)),
        );
        let skip = self.bind(Bound::int(skip));
        let in_order = if by_id {
            format!("{id} {direction}")
        } else {
            format!("{key} {direction}, {id} {direction}")
        };
        let (bucket, place) = (
            id.replace(".order_id", ".bucket").replace(".id", ".bucket"),
            if by_id { "NULL::bigint" } else { key },
        );
        let selects = ranges.iter().map(|Range { source, conditions }| {
            let conditions = where_all(conditions);
            format!("(SELECT {bucket} AS bucket, {id} AS id, {place} AS place FROM {source}{conditions} ORDER BY {in_order} LIMIT {most})")
        });
        let selects: Vec<String> = selects.collect();
        let in_order = if by_id {
            format!("id {direction}")
        } else {
            format!("place {direction}, id {direction}")
        };
        format!(
            "SELECT * FROM ({}) q ORDER BY {in_order} LIMIT {limit} OFFSET {skip}",
            selects.join(" UNION ALL ")
        )
    }

    pub(crate) fn count(&mut self, most: u32) -> String {
        let (mut ranges, ids) = (self.ranges(), self.ids(None));
        ranges
            .iter_mut()
            .for_each(|range| range.conditions.extend(ids.iter().cloned()));
        let most = self.bind(Bound::int(most.into()));
        let selects = ranges.iter().map(|Range { source, conditions }| {
            format!("SELECT 1 FROM {source}{}", where_all(conditions))
        });
        let selects: Vec<String> = selects.collect();
        format!(
            "SELECT count(*) FROM ({} LIMIT {most}) c",
            selects.join(" UNION ALL ")
        )
    }

    /// That the ids are those of the time of placing, and beyond the place.
    fn ids(&mut self, after: Option<OrderId>) -> Vec<String> {
        let (id, (from, before)) = (self.id(), self.query.ids(after));
        let mut bound = |bound: ops::Bound<OrderId>, included: &str, excluded: &str| match bound {
            ops::Bound::Included(limit) => Some(format!(
                "{id} {included} {}",
                self.bind(Bound::id(Some(limit.as_bytes())))
            )),
            ops::Bound::Excluded(limit) => Some(format!(
                "{id} {excluded} {}",
                self.bind(Bound::id(Some(limit.as_bytes())))
            )),
            ops::Bound::Unbounded => None,
        };
        [bound(from, ">=", ">"), bound(before, "<=", "<")]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Returns whether the table that is looked into first is another than `orders`.
    fn is_joined(&self) -> bool {
        matches!(
            self.plan.driver,
            Driver::Metadata | Driver::Email | Driver::Sku | Driver::OpenWork
        )
    }

    /// The expression for the order's id in the index that is read.
    fn id(&self) -> &'static str {
        match self.by_update() {
            true => "u.order_id",
            false if self.is_joined() => "d.order_id",
            false => "o.id",
        }
    }

    fn key(&self) -> &'static str {
        match self.query.sort {
            SortKey::CreatedAt => self.id(),
            SortKey::UpdatedAt => "u.updated_at",
            SortKey::TotalAmount => "o.total_amount",
            SortKey::OrderNumber => "o.order_number",
        }
    }

    /// Returns whether the index of the last changes is what is read.
    fn by_update(&self) -> bool {
        !self.plan.sorted && self.query.sort == SortKey::UpdatedAt
    }

    /// The source of the rows of a range: the table with the index of what is looked up, and what
    /// else conditions are about.
    fn source(&self) -> String {
        let joined = |table: &str| {
            format!("{table} d JOIN orders o ON o.bucket = d.bucket AND o.id = d.order_id")
        };
        let mut source = match self.plan.driver {
            _ if self.by_update() => {
                return "order_updates u JOIN orders o ON o.bucket = u.bucket AND o.id = u.order_id".to_owned();
            }
            Driver::Metadata => joined("order_metadata"),
            Driver::Email => joined("order_addresses"),
            Driver::Sku => joined("order_items"),
            Driver::OpenWork => joined("order_work"),
            _ => "orders o".to_owned(),
        };
        if self.query.sort == SortKey::UpdatedAt || !self.query.updated.is_all() {
            source.push_str(" JOIN order_updates u ON u.bucket = o.bucket AND u.order_id = o.id");
        }
        source
    }

    /// The ranges to merge. Each of the statuses is one where the index is by status, so that a
    /// page costs the same at any depth.
    fn ranges(&mut self) -> Vec<Range> {
        let ListQuery { sort, statuses, .. } = self.query;
        let (source, conditions) = (self.source(), self.conditions());
        let with = |more: String| {
            let conditions = [more]
                .into_iter()
                .chain(conditions.iter().cloned())
                .collect();
            Range {
                source: source.clone(),
                conditions,
            }
        };
        let by_status = match self.plan.driver {
            Driver::Statuses => true,
            Driver::All => *sort != SortKey::OrderNumber || self.plan.sorted,
            _ => false,
        };
        if by_status {
            let column = if self.by_update() {
                "u.status"
            } else {
                "o.status"
            };
            // Each once, however often it is asked for.
            let asked = |status: &Status| statuses.is_empty() || statuses.contains(status);
            let asked = Status::ALL.iter().copied().filter(asked);
            return asked
                .map(|status| with(format!("{column} = '{status}'")))
                .collect();
        }
        if self.plan.driver == Driver::Stuck {
            let stuck_work = source.replacen(
                "orders o",
                "order_work d JOIN orders o ON o.bucket = d.bucket AND o.id = d.order_id",
                1,
            );
            let conditions = [
                "d.due_at IS NULL".to_owned(),
                "NOT o.attention_open".to_owned(),
            ]
            .into_iter()
            .chain(conditions.iter().cloned());
            let stuck_work = Range {
                source: stuck_work,
                conditions: conditions.collect(),
            };
            return vec![with("o.attention_open".to_owned()), stuck_work];
        }
        vec![Range { source, conditions }]
    }

    /// Everything that is asked for, but for statuses that have a range each.
    fn conditions(&mut self) -> Vec<String> {
        let query = self.query;
        let driver = self.plan.driver;
        let mut conditions = Vec::new();
        if let Some(user) = &query.user {
            let bucket = self.bind(Bound::small(Some(
                order_core::ids::Bucket::of(user).number(),
            )));
            let user = self.bind(Bound::id(Some(user.as_bytes())));
            conditions.push(format!("o.user_id = {user} AND o.bucket = {bucket}"));
        }
        if let Some(status) = query.payment_status {
            conditions.push(format!("o.payment_status = '{status}'"));
        }
        if let Some(status) = query.fulfilment_status {
            conditions.push(format!("o.fulfilment_status = '{status}'"));
        }
        if !query.statuses.is_empty() && driver != Driver::Statuses {
            let quoted: Vec<String> = query
                .statuses
                .iter()
                .map(|status| format!("'{status}'"))
                .collect();
            conditions.push(format!("o.status IN ({})", quoted.join(", ")));
        }
        if let Some(reason) = query.attention {
            conditions.push(format!(
                "o.attention_open AND EXISTS (SELECT 1 FROM order_state s, json_array_elements(s.attention::json) a \
                 WHERE s.bucket = o.bucket AND s.order_id = o.id AND a ->> 'reason' = '{reason}' \
                 AND NOT coalesce((a ->> 'acknowledged')::boolean, false))"
            ));
        }
        if query.stuck && driver != Driver::Stuck {
            conditions.push(format!(
                "(o.attention_open OR {})",
                exists("order_work", "x.due_at IS NULL")
            ));
        }
        if query.open_work && driver != Driver::OpenWork {
            conditions.push(exists("order_work", "true"));
        }
        if let Some(email) = &query.email {
            let email = self.text(email);
            conditions.push(match driver {
                // An order is listed once, also where both of its addresses have it.
                Driver::Email => format!(
                    "d.email = {email} AND (d.address_type = 'SHIPPING' OR NOT {})",
                    exists(
                        "order_addresses",
                        &format!("x.address_type = 'SHIPPING' AND x.email = {email}")
                    )
                ),
                _ => exists("order_addresses", &format!("x.email = {email}")),
            });
        }
        if let Some(sku) = &query.sku {
            let sku = self.text(sku.as_str());
            conditions.push(match driver {
                Driver::Sku => {
                    format!(
                        "d.sku = {sku} AND NOT {}",
                        exists("order_items", &format!("x.sku = {sku} AND x.n < d.n"))
                    )
                }
                _ => exists("order_items", &format!("x.sku = {sku}")),
            });
        }
        if let Some(reference) = &query.external_ref {
            let reference = self.text(reference.as_str());
            conditions.push(format!(
                "o.external_ref = {reference} AND o.external_ref IS NOT NULL"
            ));
        }
        if let Some((key, value)) = &query.metadata {
            let (key, value) = (self.text(key.as_str()), self.text(value));
            conditions.push(match driver {
                Driver::Metadata => format!("d.key = {key} AND d.value = {value}"),
                _ => exists(
                    "order_metadata",
                    &format!("x.key = {key} AND x.value = {value}"),
                ),
            });
        }
        let TimeRange { from, before } = query.updated;
        for (comparison, time) in [(">=", from), ("<", before)] {
            if time.is_some() {
                let time = self.bind(Bound::time(time));
                conditions.push(format!("u.updated_at {comparison} {time}"));
            }
        }
        conditions
    }
}

/// The condition that the order `o` has a row `x` of the table.
fn exists(table: &str, condition: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM {table} x WHERE x.bucket = o.bucket AND x.order_id = o.id AND {condition})"
    )
}

fn where_all(conditions: &[String]) -> String {
    if conditions.is_empty() {
        String::new()
    } else {
        format!(" WHERE {}", conditions.join(" AND "))
    }
}
