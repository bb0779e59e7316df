//! Work items: how they are leased, and how many there are.

use std::collections::HashSet;
use std::time::Duration;

use order_core::ids::{Bucket, OrderId};
use order_core::store::records::with_causes;
use order_core::store::{
    LeasePage, LeaseRequest, Leased, StoreError, StoreErrorKind, Unreadable, WorkSummary,
};
use order_core::time::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use tracing::{debug, warn};

use crate::commit::{Meant, ttl};
use crate::load::{corrupt, of_order, order};
use crate::places::ReadError;
use crate::statements::{LEASABLE, LEASE, STATEMENTS, WORK_SUMMARY};
use crate::wire::{Array, Bound, Fields, SMALLINT, UUID};

/// The orders that were leased, in the order in which they can be; the time until there is more;
/// and the database's time.
pub(crate) type Taken = (Vec<OrderId>, Option<Duration>, Option<Timestamp>);

/// Takes leases, in a transaction of its own; where buckets are apart, in one for each bucket.
pub(crate) async fn take(
    db: &mut PgConnection,
    meant: Meant<'_>,
    request: &LeaseRequest,
) -> Result<Taken, ReadError> {
    let LeaseRequest { limit, order, .. } = request;
    match order {
        None if meant.buckets.are_apart() => take_soonest(db, meant, request).await,
        Some(order) if meant.buckets.are_apart() => {
            let (taken, _, now) = take_in(db, meant, request, Some(order.bucket()), *limit).await?;
            let (soonest, _) = leasable(db, meant, 1).await?;
            Ok((taken, soonest.first().map(|(within, _)| *within), now))
        }
        _ => {
            take_in(
                db,
                meant,
                request,
                order.map(|order| order.bucket()),
                *limit,
            )
            .await
        }
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
    let LeaseRequest {
        fence,
        ttl: for_so_long,
        limit: _,
        order,
    } = request;
    let query = sqlx::query(LEASE)
        .bind(Bound::id(Some(meant.store.as_bytes())))
        .bind(Bound::integer(meant.schema));
    let query = query
        .bind(Bound::time(meant.now))
        .bind(Bound::id(Some(fence.as_bytes())))
        .bind(Bound::int_some(ttl(*for_so_long)));
    let query = query
        .bind(Bound::int(limit.into()))
        .bind(Bound::small(bucket.map(Bucket::number)));
    let row = query
        .bind(Bound::id(order.as_ref().map(OrderId::as_bytes)))
        .fetch_one(db)
        .await?;
    let fields = Fields::of(&row).map_err(corrupt)?;
    let orders = fields
        .ids(0)
        .map_err(corrupt)?
        .into_iter()
        .map(OrderId::from_bytes)
        .collect();
    let next = fields.int(1).map_err(corrupt)?;
    let now = fields.time(2).map_err(corrupt)?;
    Ok((orders, next.map(micros), now))
}

fn micros(n: i64) -> Duration {
    Duration::from_micros(n.max(0).cast_unsigned())
}

/// The items whose leases can be had soonest, over all buckets, with in how long each; and the
/// database's time.
async fn leasable(
    db: &mut PgConnection,
    meant: Meant<'_>,
    most: u32,
) -> Result<(Vec<(Duration, OrderId)>, Option<Timestamp>), ReadError> {
    let mut soonest = Vec::new();
    let mut now = None;
    for row in sqlx::query(LEASABLE)
        .bind(Bound::time(meant.now))
        .bind(Bound::int(most.into()))
        .fetch_all(db)
        .await?
    {
        let fields = Fields::of(&row).map_err(corrupt)?;
        let read = || {
            Ok((
                fields.int(0)?.ok_or("the time is NULL")?,
                fields.id(1)?,
                fields.time(2)?,
            ))
        };
        let (within, order, at) = read().map_err(corrupt)?;
        now = at;
        soonest.extend(order.map(|order| (micros(within), OrderId::from_bytes(order))));
    }
    Ok((soonest, now))
}

/// Looks which leases can be had soonest, over all buckets, and takes those in each bucket by
/// itself. One that somebody else is quicker to take is done without.
async fn take_soonest(
    db: &mut PgConnection,
    meant: Meant<'_>,
    request: &LeaseRequest,
) -> Result<Taken, ReadError> {
    let (found, now) = leasable(db, meant, request.limit.saturating_add(1)).await?;
    let due = found
        .iter()
        .take_while(|(within, _)| within.is_zero())
        .count()
        .min(request.limit as usize);
    let (soonest, later) = found.split_at(due);
    let mut taken = Vec::new();
    let mut seen = HashSet::new();
    for bucket in soonest.iter().map(|(_, order)| order.bucket()) {
        if !seen.insert(bucket) {
            continue;
        }
        let limit = soonest
            .iter()
            .filter(|(_, order)| order.bucket() == bucket)
            .count();
        match take_in(
            db,
            meant,
            request,
            Some(bucket),
            u32::try_from(limit).unwrap_or(u32::MAX),
        )
        .await
        {
            Ok((orders, ..)) => taken.extend(orders),
            // What was taken before is ours, and would stand still until its leases run out.
            Err(_) if !taken.is_empty() => {
                warn!(
                    orders = taken.len(),
                    "leases could not be taken in all buckets"
                );
                break;
            }
            Err(error) => return Err(error),
        }
    }
    // In the order of their times, as they were asked for.
    taken.sort_by_key(|order| soonest.iter().position(|(_, other)| other == order));
    // A lease lasts until the end of time at the longest.
    let lasts = now.map_or(request.ttl, |now| now.after(request.ttl).since(now));
    let ours = (!taken.is_empty()).then_some(lasts);
    Ok((
        taken,
        later
            .first()
            .map(|(within, _)| *within)
            .into_iter()
            .chain(ours)
            .min(),
        now,
    ))
}

/// Reads the orders that were leased. An item that is no longer ours by then is left out.
pub(crate) async fn leased(
    db: &mut PgConnection,
    request: &LeaseRequest,
    taken: &Taken,
) -> Result<LeasePage, ReadError> {
    let (orders, next_in, now) = taken;
    let mut page = LeasePage {
        next_in: *next_in,
        now: *now,
        ..LeasePage::default()
    };
    if orders.is_empty() {
        return Ok(page);
    }
    debug!(orders = orders.len(), next_in = ?next_in, "leases taken");
    let (mut ids, mut buckets) = (Array::new(UUID), Array::new(SMALLINT));
    for id in orders {
        ids.id(Some(id.as_bytes()));
        buckets.small(id.bucket().number());
    }
    let select = sqlx::query(AssertSqlSafe(STATEMENTS.load_leased.as_str()))
        .bind(ids)
        .bind(buckets);
    for row in select
        .bind(Bound::id(Some(request.fence.as_bytes())))
        .fetch_all(db)
        .await?
    {
        let fields = Fields::of(&row).map_err(corrupt)?;
        match readable(&fields)? {
            Ok(loaded) => page.leased.extend(loaded.and_then(|l| {
                Some(Leased {
                    order: l.order,
                    work: l.work?,
                })
            })),
            Err(unreadable) => page.unreadable.push(unreadable),
        }
    }
    Ok(page)
}

/// The order of a row; or, where it cannot be read, which and why (clause 25).
pub(crate) fn readable(
    fields: &Fields<'_>,
) -> Result<Result<Option<order_core::store::Loaded>, Unreadable>, StoreError> {
    let id = fields
        .id(0)
        .map_err(corrupt)?
        .map(OrderId::from_bytes)
        .ok_or_else(|| corrupt("the id is NULL".into()))?;
    match order(fields, None).map_err(of_order(id)) {
        Ok(loaded) => Ok(Ok(loaded)),
        Err(error) if error.kind == StoreErrorKind::Corrupt => Ok(Err(Unreadable {
            order: id,
            reason: with_causes(&error),
        })),
        Err(error) => Err(error),
    }
}

pub(crate) async fn summary(
    db: &mut PgConnection,
    now: Option<Timestamp>,
) -> Result<WorkSummary, ReadError> {
    let row = sqlx::query(WORK_SUMMARY)
        .bind(Bound::time(now))
        .fetch_one(db)
        .await?;
    let read = || {
        let fields = Fields::of(&row)?;
        let count = |at| {
            fields
                .int(at)
                .map(|n| n.unwrap_or_default().cast_unsigned())
        };
        Ok(WorkSummary {
            total: count(0)?,
            stuck: count(1)?,
            next_due: fields.time(2)?,
            leased_until: fields.time(3)?,
        })
    };
    Ok(read().map_err(corrupt)?)
}
