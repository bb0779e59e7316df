//! Reads of one order, each inside one snapshot.

use std::sync::Arc;

use order_core::ids::{IdempotencyKey, OrderId, UserId};
use order_core::order::JournalRow;
use order_core::store::{JournalQuery, KeyMethod, KeyRecord, Loaded, Lookup, Peek};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::{life, rows, sql};

pub(super) fn load(db: &Connection, order: &Lookup, owner: Option<UserId>) -> rusqlite::Result<Option<Loaded>> {
    match order {
        Lookup::Id(id) => load_where(db, sql::LOAD_BY_ID, [id.as_bytes()], owner),
        Lookup::Number(number) => load_where(db, sql::LOAD_BY_NUMBER, [number.to_string()], owner),
        Lookup::Key { user, method, key } => match find_key(db, *user, *method, key)? {
            Some(record) => load_where(db, sql::LOAD_BY_ID, [record.order.as_bytes()], owner),
            None => Ok(None),
        },
    }
}

/// The first statement stays open until the last is done, which keeps all of them in one snapshot without `BEGIN`.
fn load_where(db: &Connection, sql: &str, key: impl Params, owner: Option<UserId>) -> rusqlite::Result<Option<Loaded>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut found = statement.query(key)?;
    let Some(row) = found.next()? else { return Ok(None) };
    let columns = &mut rows::Columns::of(row);
    let mut order = rows::order(columns)?;
    if owner.is_some_and(|owner| owner != order.user) {
        return Ok(None);
    }
    let records = columns.next()?;
    let work = rows::work(columns)?;
    let id = order.id;
    order.lines = children(db, sql::SELECT_ITEMS, id, rows::line)?;
    order.reservations = children(db, sql::SELECT_RESERVATIONS, id, rows::reservation)?;
    order.payments = children(db, sql::SELECT_PAYMENTS, id, rows::payment)?;
    order.addresses = {
        let mut statement = db.prepare_cached(sql::SELECT_ADDRESSES)?;
        rows::addresses(statement.query_map([id.as_bytes()], rows::address)?)?
    };
    life::load(db, records, &mut order)?;
    let key = db.prepare_cached(sql::SELECT_KEY_OF)?.query_row([id.as_bytes(), order.user.as_bytes()], rows::key).optional()?;
    order.notices.retain(|notice| notice.seq > order.notified);
    Ok(Some(Loaded { order: Arc::new(order), work, key }))
}

pub(super) fn children<T>(
    db: &Connection,
    sql: &str,
    order: OrderId,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map([order.as_bytes()], read)?.collect()
}

fn find_key(db: &Connection, user: UserId, method: KeyMethod, key: &IdempotencyKey) -> rusqlite::Result<Option<KeyRecord>> {
    let mut statement = db.prepare_cached(sql::SELECT_KEY)?;
    statement.query_row(params![user.as_bytes(), method.as_str(), key.as_str()], rows::key).optional()
}

pub(super) fn journal(db: &Connection, query: &JournalQuery) -> rusqlite::Result<Vec<JournalRow>> {
    let JournalQuery { order, after, limit, command_key } = query;
    let after = i64::try_from(*after).unwrap_or(i64::MAX);
    match command_key {
        None => {
            let mut statement = db.prepare_cached(sql::SELECT_JOURNAL)?;
            statement.query_map(params![order.as_bytes(), after, limit], rows::journal)?.collect()
        }
        Some(key) => {
            let mut statement = db.prepare_cached(sql::SELECT_JOURNAL_OF_KEY)?;
            statement.query_map(params![order.as_bytes(), after, limit, key.as_str()], rows::journal)?.collect()
        }
    }
}

pub(super) fn peek(db: &Connection, order: OrderId) -> rusqlite::Result<Option<Peek>> {
    db.prepare_cached(sql::PEEK)?.query_row([order.as_bytes()], rows::peek).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_of_a_command_key_is_found_by_the_index_of_keys() {
        let db = super::super::open::open_in_memory();
        for sql in [sql::SELECT_JOURNAL_OF_KEY, sql::COMMAND_KEY_USE] {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let parameters = vec![1; statement.parameter_count()];
            let lines = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
            let plan: Vec<String> = lines.collect::<Result<_, _>>().unwrap();
            let by_index = "SEARCH order_status_history USING INDEX order_command_keys (order_id=? AND command_key=?)";
            assert_eq!(plan, [by_index], "{sql}");
        }
    }
}
