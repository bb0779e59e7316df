//! Work items: how changesets write them, and how they are leased.

use std::time::Duration;

use order_core::ids::OrderId;
use order_core::store::records::{ORDER_WORK, read_work};
use order_core::store::{LeaseRequest, WorkChange, WorkItem, WorkSummary};
use order_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::bind::{Found, change_one, record};
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

/// Writes what `change` makes of the item `before`; `tries` are those that it sets. Returns the
/// revision afterwards, 0 if there is no item.
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
        db.prepare_cached(sql::DELETE_WORK)?
            .execute([order.as_bytes()])?;
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

/// Takes leases; returns whose, soonest leasable first, and in how long there is more.
pub(super) fn take(
    db: &Connection,
    request: &LeaseRequest,
    now: Timestamp,
) -> Result<(Vec<OrderId>, Option<Duration>), Failed> {
    let LeaseRequest {
        fence,
        ttl,
        limit,
        order,
    } = request;
    let free: Vec<(OrderId, WorkItem)> = match order {
        _ if *limit == 0 => Vec::new(),
        Some(order) => {
            let item = find(db, *order)?.filter(|item| item.due.is_some() && !item.is_leased(now));
            item.map(|item| (*order, item)).into_iter().collect()
        }
        None => leasable(db, *limit, now)?,
    };
    let until = now.after(*ttl);
    let Update { sql, binds } = &STATEMENTS.update_work;
    let mut taken = Vec::with_capacity(free.len());
    for (order, item) in free {
        let values = item.leased(*fence, until).values(order, None);
        change_one(db, sql, binds.iter().map(|&at| values[at].clone()))?;
        taken.push(order);
    }
    let next: Option<i64> = db
        .prepare_cached(sql::NEXT_LEASABLE)?
        .query_row([], |row| row.get(0))?;
    Ok((taken, next.map(|at| Timestamp::from_micros(at).since(now))))
}

fn leasable(
    db: &Connection,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<(OrderId, WorkItem)>, Failed> {
    let mut statement = db.prepare_cached(sql::LEASABLE)?;
    let mut found = statement.query(params![now.as_micros(), limit])?;
    let mut items = Vec::new();
    while let Some(row) = found.next()? {
        items.push((row.get(0).map(OrderId::from_bytes)?, record(row, 0)?));
    }
    Ok(items)
}

pub(super) fn summary(db: &Connection, now: Timestamp) -> rusqlite::Result<WorkSummary> {
    db.prepare_cached(sql::WORK_SUMMARY)?
        .query_row([now.as_micros()], |row| {
            Ok(WorkSummary {
                total: row.get(0).map(i64::cast_unsigned)?,
                stuck: row.get(1).map(i64::cast_unsigned)?,
                next_due: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros),
                leased_until: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_micros),
            })
        })
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;

    #[test]
    fn leasing_walks_its_index_alone() {
        let db = open::open_in_memory();
        for (sql, expected) in [
            (
                sql::LEASABLE,
                "SEARCH order_work USING INDEX order_work_leasable (leasable_at<?)",
            ),
            (
                sql::NEXT_LEASABLE,
                "SEARCH order_work USING COVERING INDEX order_work_leasable",
            ),
        ] {
            assert_eq!(open::plan_of(&db, sql), [expected]);
        }
    }
}
