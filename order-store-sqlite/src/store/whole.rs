//! Reading the whole store: the feed, and dumps. Clauses 20 to 22.

use std::sync::Arc;

use order_core::ids::{OrderId, ParseIdError};
use order_core::store::records::{ORDER_STATUS_HISTORY, Unreadable};
use order_core::store::{DumpQuery, Dumped, FeedCursor, FeedPage, FeedQuery, FeedRow, JournalQuery, OrderRef, StoreError};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::bind::record;
use super::errors::{Failed, error_of, store_error};
use super::read::{self, Whole};
use super::sql;
use super::statements::STATEMENTS;

/// What cursors name the store by. It never changes.
pub(super) fn store_id(db: &Connection) -> rusqlite::Result<Uuid> {
    db.query_row(sql::SELECT_STORE, [], |row| row.get(0).map(Uuid::from_bytes))
}

pub(super) fn feed(db: &Connection, store: Uuid, query: &FeedQuery) -> Result<FeedPage, StoreError> {
    let start = query.start(store)?;
    let snapshot = db.unchecked_transaction().map_err(store_error)?;
    if start.position > 0 && !is_in_feed(&snapshot, &start).map_err(store_error)? {
        return Err(start.never_given_out());
    }
    let rows = read_feed(&snapshot, &start, query.limit)?;
    snapshot.finish().map_err(store_error)?;
    Ok(FeedPage { next: rows.last().map_or(start, |row| row.cursor), rows })
}

fn is_in_feed(db: &Connection, cursor: &FeedCursor) -> rusqlite::Result<bool> {
    // No position that large was ever given out.
    let Ok(position) = i64::try_from(cursor.position) else { return Ok(false) };
    db.prepare_cached(sql::FEED_HAS)?.exists(params![position, cursor.row])
}

/// What cannot be read is said to be its order's.
fn read_feed(db: &Connection, start: &FeedCursor, limit: u32) -> Result<Vec<FeedRow>, StoreError> {
    let mut statement = db.prepare_cached(&STATEMENTS.feed).map_err(store_error)?;
    let from = params![start.position.cast_signed(), start.row, limit];
    let mut found = statement.query(from).map_err(store_error)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(store_error)? {
        let order = row.get(0).map(OrderId::from_bytes).map_err(store_error)?;
        rows.push(feed_row(start.store, row).map_err(error_of(order))?);
    }
    Ok(rows)
}

fn feed_row(store: Uuid, row: &Row<'_>) -> Result<FeedRow, Failed> {
    let beside = ORDER_STATUS_HISTORY.columns.len();
    let position = row.get(beside).map(i64::cast_unsigned)?;
    let number: String = row.get(beside + 2)?;
    let unreadable = |why| Unreadable { table: "orders", column: "order_number", why };
    Ok(FeedRow {
        cursor: FeedCursor { store, position, row: row.get(beside + 1)? },
        number: number.parse().map_err(|e: ParseIdError| unreadable(e.into()))?,
        row: record(row, 0)?,
    })
}

/// A page in one snapshot.
pub(super) fn dump(db: &Connection, query: &DumpQuery) -> Result<Vec<Dumped>, StoreError> {
    query.check()?;
    let snapshot = db.unchecked_transaction().map_err(store_error)?;
    let mut page = Vec::new();
    for id in ids(&snapshot, query).map_err(store_error)? {
        page.extend(read_one(&snapshot, id).map_err(error_of(id))?);
    }
    snapshot.finish().map_err(store_error)?;
    Ok(page)
}

fn ids(db: &Connection, query: &DumpQuery) -> rusqlite::Result<Vec<OrderId>> {
    // Sorts before every id.
    let after: &[u8] = query.after.as_ref().map_or(&[], |id| id.as_bytes());
    let mut statement = db.prepare_cached(sql::SELECT_ORDER_IDS)?;
    statement.query_map(params![after, query.limit], |row| row.get(0).map(OrderId::from_bytes))?.collect()
}

fn read_one(db: &Connection, id: OrderId) -> Result<Option<Dumped>, Failed> {
    let Some(Whole { order, work: _, key }) = read::load_whole(db, OrderRef::Id(id), None)? else { return Ok(None) };
    let journal = read::journal(db, &JournalQuery::of(id, 0, u32::MAX))?;
    Ok(Some(Dumped { order: Arc::new(order), journal, keys: key.into_iter().collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open;

    fn plan(sql: &str) -> Vec<String> {
        let db = open::open_in_memory();
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.query_map(params![1, 1, 1], |row| row.get::<_, String>(3)).unwrap();
        lines.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_page_of_the_feed_is_read_from_where_it_starts_and_not_sorted() {
        let plan = plan(&STATEMENTS.feed);
        assert_eq!(plan.len(), 3, "{plan:?}");
        assert!(plan[0].starts_with("SEARCH f USING INTEGER PRIMARY KEY"), "{plan:?}");
        assert!(plan[1].ends_with("(order_id=? AND seq>? AND seq<?)"), "{plan:?}");
        assert!(plan[2].starts_with("SEARCH o USING PRIMARY KEY"), "{plan:?}");
    }
}
