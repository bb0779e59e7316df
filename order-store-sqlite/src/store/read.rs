//! Reads of one order, each inside one snapshot.

use std::sync::Arc;

use order_core::ids::{Fence, OrderId, UserId};
use order_core::order::JournalRow;
use order_core::store::records::{CHILDREN, ORDERS, StoredOrder, read_work};
use order_core::store::{JournalQuery, Loaded, Lookup, Peek};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::bind::{Found, record};
use super::errors::Failed;
use super::sql;
use super::statements::STATEMENTS;

pub(super) fn load(
    db: &Connection,
    order: &Lookup,
    owner: Option<UserId>,
) -> Result<Option<Loaded>, Failed> {
    match order {
        Lookup::Id(id) => load_where(db, &STATEMENTS.load_by_id, [id.as_bytes()], owner),
        Lookup::Number(number) => {
            load_where(db, &STATEMENTS.load_by_number, [number.to_string()], owner)
        }
        Lookup::Key { user, method, key } => load_where(
            db,
            &STATEMENTS.load_by_key,
            params![user.as_bytes(), method.as_str(), key.as_str()],
            owner,
        ),
    }
}

/// The first statement stays open until the last is done, which keeps all of them in one snapshot
/// without `BEGIN`.
fn load_where(
    db: &Connection,
    sql: &str,
    key: impl Params,
    owner: Option<UserId>,
) -> Result<Option<Loaded>, Failed> {
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query(key)?;
    let Some(row) = found.next()? else {
        return Ok(None);
    };
    let mut order: StoredOrder = record(row, 0)?;
    if owner.is_some_and(|owner| owner != order.user()) {
        return Ok(None);
    }
    let work = read_work(&Found(row), ORDERS.columns.len())?;
    let id = order.id();
    for table in CHILDREN {
        if !order.has(table) {
            continue;
        }
        let mut statement = db.prepare_cached(&STATEMENTS.of(table).select)?;
        let mut rows = statement.query([id.as_bytes()])?;
        while let Some(row) = rows.next()? {
            order.add(table, &Found(row), 0)?;
        }
    }
    let (order, key) = order.finish();
    Ok(Some(Loaded {
        order: Arc::new(order),
        work,
        key,
    }))
}

pub(super) fn journal(db: &Connection, query: &JournalQuery) -> Result<Vec<JournalRow>, Failed> {
    let JournalQuery {
        order,
        after,
        limit,
        command_key,
    } = query;
    let after = i64::try_from(*after).unwrap_or(i64::MAX);
    let mut rows = Vec::new();
    let (sql, key) = match command_key {
        None => (&STATEMENTS.journal, None),
        Some(key) => (&STATEMENTS.journal_of_key, Some(key.as_str())),
    };
    let mut statement = db.prepare_cached(sql)?;
    let mut found = match key {
        None => statement.query(params![order.as_bytes(), after, limit])?,
        Some(key) => statement.query(params![order.as_bytes(), after, limit, key])?,
    };
    while let Some(row) = found.next()? {
        rows.push(record(row, 0)?);
    }
    Ok(rows)
}

pub(super) fn peek(db: &Connection, order: OrderId) -> Result<Option<Peek>, Failed> {
    let mut statement = db.prepare_cached(sql::PEEK)?;
    let found = statement.query_row([order.as_bytes()], |row| {
        let fence: Option<[u8; 16]> = row.get(1)?;
        Ok(Peek {
            version: row.get(0).map(i64::cast_unsigned)?,
            fence: fence.map(Fence::from_bytes),
        })
    });
    Ok(found.optional()?)
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;

    #[test]
    fn keys_are_found_by_their_indexes() {
        let db = open::open_in_memory();
        let by_key =
            "SEARCH orders USING INDEX orders_by_key (user_id=? AND key_method=? AND key=?)";
        let by_command = "SEARCH order_status_history USING INDEX order_command_keys (order_id=? AND command_key=?)";
        for (sql, plan) in [
            (sql::SELECT_KEY, by_key),
            (sql::COMMAND_KEY_USE, by_command),
            (&STATEMENTS.journal_of_key, by_command),
        ] {
            assert_eq!(open::plan_of(&db, sql), [plan], "{sql}");
        }
    }
}
