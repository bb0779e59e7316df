//! Work items: what changesets do to them, and how they are leased.

use std::time::Duration;

use order_core::ids::{Fence, OrderId};
use order_core::store::{LeaseRequest, WorkSummary};
use order_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::sql;

fn revision_of(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get(0).map(i64::cast_unsigned)
}

/// The item's revision; 0 if there is none.
pub(super) fn revision(db: &Connection, order: OrderId) -> rusqlite::Result<u64> {
    let mut statement = db.prepare_cached(sql::SELECT_LEASE)?;
    let revision: Option<i64> = statement.query_row([order.as_bytes()], |row| row.get(1)).optional()?;
    Ok(revision.map_or(0, i64::cast_unsigned))
}

/// Returns the revision afterwards.
pub(super) fn lease(db: &Connection, order: OrderId, due: Timestamp, fence: Fence, until: Timestamp) -> rusqlite::Result<u64> {
    let item = params![order.as_bytes(), due.as_micros(), fence.as_bytes(), until.as_micros()];
    db.prepare_cached(sql::LEASE_WORK)?.query_row(item, revision_of)
}

/// Returns the revision afterwards.
pub(super) fn wake(db: &Connection, order: OrderId, due: Timestamp) -> rusqlite::Result<u64> {
    db.prepare_cached(sql::WAKE_WORK)?.query_row(params![order.as_bytes(), due.as_micros()], revision_of)
}

pub(super) fn begin(db: &Connection, order: OrderId, until: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached(sql::BEGIN_WORK)?.execute(params![order.as_bytes(), until.as_micros()])?;
    Ok(())
}

pub(super) fn extend(db: &Connection, order: OrderId, until: Timestamp, tries: Option<&str>) -> rusqlite::Result<()> {
    db.prepare_cached(sql::EXTEND_WORK)?.execute(params![order.as_bytes(), until.as_micros(), tries])?;
    Ok(())
}

pub(super) fn release(db: &Connection, order: OrderId, due: Option<Timestamp>, tries: Option<&str>) -> rusqlite::Result<()> {
    let item = params![order.as_bytes(), due.map(Timestamp::as_micros), tries];
    db.prepare_cached(sql::RELEASE_WORK)?.execute(item)?;
    Ok(())
}

pub(super) fn done(db: &Connection, order: OrderId) -> rusqlite::Result<()> {
    db.prepare_cached(sql::DELETE_WORK)?.execute([order.as_bytes()])?;
    Ok(())
}

/// Takes leases; returns whose, soonest claimable first, and in how long there is more.
pub(super) fn take(
    db: &Connection,
    request: &LeaseRequest,
    now: Timestamp,
) -> rusqlite::Result<(Vec<OrderId>, Option<Duration>)> {
    let LeaseRequest { fence, ttl, limit, order } = request;
    let id = |row: &Row<'_>| row.get(0).map(OrderId::from_bytes);
    let orders: Vec<OrderId> = match order {
        _ if *limit == 0 => Vec::new(),
        Some(order) => {
            let mut statement = db.prepare_cached(sql::CLAIMABLE_OF)?;
            statement.query_map(params![order.as_bytes(), now.as_micros()], id)?.collect::<Result<_, _>>()?
        }
        None => {
            let mut statement = db.prepare_cached(sql::CLAIMABLE)?;
            statement.query_map(params![now.as_micros(), limit], id)?.collect::<Result<_, _>>()?
        }
    };
    let until = now.after(*ttl).as_micros();
    for order in &orders {
        db.prepare_cached(sql::TAKE_LEASE)?.execute(params![order.as_bytes(), fence.as_bytes(), until])?;
    }
    let next: Option<i64> = db.prepare_cached(sql::NEXT_CLAIMABLE)?.query_row([], |row| row.get(0))?;
    Ok((orders, next.map(|at| Timestamp::from_micros(at).since(now))))
}

pub(super) fn summary(db: &Connection, now: Timestamp) -> rusqlite::Result<WorkSummary> {
    db.prepare_cached(sql::WORK_SUMMARY)?.query_row([now.as_micros()], |row| {
        Ok(WorkSummary {
            total: row.get(0).map(i64::cast_unsigned)?,
            stuck: row.get(1).map(i64::cast_unsigned)?,
            next_due: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros),
            leased_until: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_micros),
        })
    })
}
