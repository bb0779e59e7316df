//! Work items: how they are leased, and how many there are.

use std::time::Duration;

use order_core::ids::OrderId;
use order_core::store::{LeasePage, LeaseRequest, Leased, StoreError, StoreErrorKind, Unreadable, WorkSummary};
use order_core::time::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::commit::{Meant, ttl};
use crate::errors::with_causes;
use crate::load::{corrupt, of_order, order};
use crate::places::ReadError;
use crate::statements::{LEASE, STATEMENTS, WORK_SUMMARY};
use crate::wire::{Array, Bound, Fields, SMALLINT, UUID};

/// What was leased, in the order in which it can be; in how long there is more; and the database's time.
pub(crate) type Taken = (Vec<OrderId>, Option<Duration>, Option<Timestamp>);

/// Takes leases, in a transaction of its own.
pub(crate) async fn take(db: &mut PgConnection, meant: Meant, request: &LeaseRequest) -> Result<Taken, ReadError> {
    let LeaseRequest { fence, ttl: for_so_long, limit, order } = request;
    let query = sqlx::query(LEASE).bind(Bound::id(Some(meant.store.as_bytes()))).bind(Bound::integer(meant.schema));
    let query =
        query.bind(Bound::time(meant.now)).bind(Bound::id(Some(fence.as_bytes()))).bind(Bound::int_some(ttl(*for_so_long)));
    let query = query.bind(Bound::int((*limit).into()));
    let query = query.bind(Bound::small(order.map(|order| order.bucket().number())));
    let row = query.bind(Bound::id(order.as_ref().map(OrderId::as_bytes))).fetch_one(db).await?;
    let fields = Fields::of(&row).map_err(corrupt)?;
    let orders = fields.ids(0).map_err(corrupt)?.into_iter().map(OrderId::from_bytes).collect();
    let next = fields.int(1).map_err(corrupt)?;
    let now = fields.time(2).map_err(corrupt)?;
    Ok((orders, next.map(|micros| Duration::from_micros(micros.max(0).cast_unsigned())), now))
}

/// Reads the orders that were leased. An item that is no longer ours by then is left out.
pub(crate) async fn leased(db: &mut PgConnection, request: &LeaseRequest, taken: &Taken) -> Result<LeasePage, ReadError> {
    let (orders, next_in, now) = taken;
    let mut page = LeasePage { next_in: *next_in, now: *now, ..LeasePage::default() };
    if orders.is_empty() {
        return Ok(page);
    }
    let (mut ids, mut buckets) = (Array::new(UUID), Array::new(SMALLINT));
    for id in orders {
        ids.id(Some(id.as_bytes()));
        buckets.small(id.bucket().number());
    }
    let select = sqlx::query(AssertSqlSafe(STATEMENTS.load_leased.as_str())).bind(ids).bind(buckets);
    for row in select.bind(Bound::id(Some(request.fence.as_bytes()))).fetch_all(db).await? {
        let fields = Fields::of(&row).map_err(corrupt)?;
        match readable(&fields)? {
            Ok(loaded) => page.leased.extend(loaded.and_then(|l| Some(Leased { order: l.order, work: l.work? }))),
            Err(unreadable) => page.unreadable.push(unreadable),
        }
    }
    Ok(page)
}

/// The order of a row; or, where it cannot be read, which and why (clause 25).
pub(crate) fn readable(fields: &Fields<'_>) -> Result<Result<Option<order_core::store::Loaded>, Unreadable>, StoreError> {
    let id = fields.id(0).map_err(corrupt)?.map(OrderId::from_bytes).ok_or_else(|| corrupt("the id is NULL".into()))?;
    match order(fields, None).map_err(of_order(id)) {
        Ok(loaded) => Ok(Ok(loaded)),
        Err(error) if error.kind == StoreErrorKind::Corrupt => Ok(Err(Unreadable { order: id, reason: with_causes(&error) })),
        Err(error) => Err(error),
    }
}

pub(crate) async fn summary(db: &mut PgConnection, now: Option<Timestamp>) -> Result<WorkSummary, ReadError> {
    let row = sqlx::query(WORK_SUMMARY).bind(Bound::time(now)).fetch_one(db).await?;
    let read = || {
        let fields = Fields::of(&row)?;
        let count = |at| fields.int(at).map(|n| n.unwrap_or_default().cast_unsigned());
        Ok(WorkSummary { total: count(0)?, stuck: count(1)?, next_due: fields.time(2)?, leased_until: fields.time(3)? })
    };
    Ok(read().map_err(corrupt)?)
}
