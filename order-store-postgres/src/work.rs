//! Work items: how they are leased, and how many there are.

use std::collections::HashSet;
use std::time::Duration;

use order_core::ids::{Bucket, OrderId};
use order_core::store::{LeasePage, LeaseRequest, Leased, StoreError, StoreErrorKind, Unreadable, WorkSummary};
use order_core::time::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::commit::{Meant, ttl};
use crate::errors::with_causes;
use crate::load::{corrupt, of_order, order};
use crate::places::ReadError;
use crate::statements::{LEASABLE, LEASE, STATEMENTS, WORK_SUMMARY};
use crate::wire::{Array, Bound, Fields, SMALLINT, UUID};

/// What was leased, in the order in which it can be; in how long there is more; and the database's time.
pub(crate) type Taken = (Vec<OrderId>, Option<Duration>, Option<Timestamp>);

/// Takes leases, in a transaction of its own; where buckets are apart, in one for each bucket.
pub(crate) async fn take(db: &mut PgConnection, meant: Meant<'_>, request: &LeaseRequest) -> Result<Taken, ReadError> {
    let LeaseRequest { limit, order, .. } = request;
    match order {
        None if meant.buckets.are_apart() => take_soonest(db, meant, request).await,
        _ => take_in(db, meant, request, order.map(|order| order.bucket()), *limit).await,
    }
}

/// Takes leases in one bucket, or wherever they are.
async fn take_in(
    db: &mut PgConnection,
    meant: Meant<'_>,
    request: &LeaseRequest,
    bucket: Option<Bucket>,
    limit: u32,
) -> Result<Taken, ReadError> {
    let LeaseRequest { fence, ttl: for_so_long, limit: _, order } = request;
    let query = sqlx::query(LEASE).bind(Bound::id(Some(meant.store.as_bytes()))).bind(Bound::integer(meant.schema));
    let query =
        query.bind(Bound::time(meant.now)).bind(Bound::id(Some(fence.as_bytes()))).bind(Bound::int_some(ttl(*for_so_long)));
    let query = query.bind(Bound::int(limit.into())).bind(Bound::small(bucket.map(Bucket::number)));
    let row = query.bind(Bound::id(order.as_ref().map(OrderId::as_bytes))).fetch_one(db).await?;
    let fields = Fields::of(&row).map_err(corrupt)?;
    let orders = fields.ids(0).map_err(corrupt)?.into_iter().map(OrderId::from_bytes).collect();
    let next = fields.int(1).map_err(corrupt)?;
    let now = fields.time(2).map_err(corrupt)?;
    Ok((orders, next.map(micros), now))
}

fn micros(n: i64) -> Duration {
    Duration::from_micros(n.max(0).cast_unsigned())
}

/// Looks which leases can be had soonest, over all buckets, and takes those in each bucket by itself. One that somebody else is quicker
/// to take is done without.
async fn take_soonest(db: &mut PgConnection, meant: Meant<'_>, request: &LeaseRequest) -> Result<Taken, ReadError> {
    let most = i64::from(request.limit) + 1;
    let select = sqlx::query(LEASABLE).bind(Bound::time(meant.now)).bind(Bound::int(most));
    let mut next_in = None::<Duration>;
    let mut now = None;
    let mut soonest = Vec::new();
    for row in select.fetch_all(&mut *db).await? {
        let fields = Fields::of(&row).map_err(corrupt)?;
        let read = || Ok((fields.int(1)?.ok_or("the time is NULL")?, fields.id(2)?, fields.time(3)?));
        let (within, order, at) = read().map_err(corrupt)?;
        now = at;
        let Some(order) = order else { continue };
        match within {
            0 if soonest.len() < request.limit as usize => soonest.push(OrderId::from_bytes(order)),
            within => next_in = Some(next_in.unwrap_or(Duration::MAX).min(micros(within))),
        }
    }
    let mut taken = Vec::new();
    let mut seen = HashSet::new();
    for bucket in soonest.iter().map(|order| order.bucket()) {
        if !seen.insert(bucket) {
            continue;
        }
        let limit = soonest.iter().filter(|order| order.bucket() == bucket).count();
        let (orders, next, _) = take_in(db, meant, request, Some(bucket), u32::try_from(limit).unwrap_or(u32::MAX)).await?;
        taken.extend(orders);
        next_in = next_in.into_iter().chain(next).min();
    }
    // In the order of their times, as they were asked for.
    taken.sort_by_key(|order| soonest.iter().position(|other| other == order));
    Ok((taken, next_in, now))
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
