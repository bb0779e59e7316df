//! Work items: how changesets write them, and how they are claimed.

use order_core::ids::OrderId;
use order_core::store::records::{ORDER_WORK, read_work};
use order_core::store::{ClaimRequest, WorkChange, WorkItem, WorkSummary};
use order_core::time::Timestamp;
use rusqlite::{Connection, Row, params};

use super::bind::{Found, change_one};
use super::errors::Failed;
use super::sql;
use super::statements::{STATEMENTS, Update};

/// The order's work item, but for what was tried.
pub(super) fn find(db: &Connection, order: OrderId) -> Result<Option<WorkItem>, Failed> {
    let mut statement = db.prepare_cached(&STATEMENTS.work)?;
    let mut found = statement.query([order.as_bytes()])?;
    match found.next()? {
        None => Ok(None),
        Some(row) => Ok(read_work(&Found(row), 0)?),
    }
}

/// Writes what `change` makes of the item `before`; `tries` are those that it sets. Returns the revision afterwards, 0 if there is
/// no item.
pub(super) fn change(
    db: &Connection,
    order: OrderId,
    change: &WorkChange,
    before: Option<WorkItem>,
    tries: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<u64> {
    if *change == WorkChange::Keep {
        return Ok(before.map_or(0, |item| item.revision));
    }
    let was_there = before.is_some();
    let Some(item) = change.clone().apply(before, now) else {
        db.prepare_cached(sql::DELETE_WORK)?.execute([order.as_bytes()])?;
        return Ok(0);
    };
    let values = item.values(order, tries);
    let of_table = STATEMENTS.of(ORDER_WORK);
    let Update { sql, binds } = match (was_there, change.tries()) {
        (false, _) => {
            change_one(db, &of_table.insert, values.into_iter())?;
            return Ok(item.revision);
        }
        (true, Some(_)) => of_table.update(u32::MAX >> 31),
        (true, None) => &STATEMENTS.update_work,
    };
    change_one(db, sql, binds.iter().map(|&at| values[at].clone()))?;
    Ok(item.revision)
}

/// Takes leases; returns whose, soonest due first.
pub(super) fn claim(db: &Connection, request: &ClaimRequest, now: Timestamp) -> rusqlite::Result<Vec<OrderId>> {
    let ClaimRequest { fence, ttl, limit, order } = request;
    if *limit == 0 {
        return Ok(Vec::new());
    }
    let (now_us, until_us) = (now.as_micros(), now.after(*ttl).as_micros());
    let claimed = |row: &Row<'_>| Ok((row.get::<_, i64>(1)?, OrderId::from_bytes(row.get(0)?)));
    let (mut statement, which): (_, &dyn rusqlite::ToSql) = match order {
        Some(order) => (db.prepare_cached(sql::CLAIM_ORDER)?, order.as_bytes()),
        None => (db.prepare_cached(sql::CLAIM_DUE)?, limit),
    };
    let rows = statement.query_map(params![now_us, fence.as_bytes(), until_us, which], claimed)?;
    let mut claimed: Vec<(i64, OrderId)> = rows.collect::<Result<_, _>>()?;
    claimed.sort_unstable();
    Ok(claimed.into_iter().map(|(_, order)| order).collect())
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
