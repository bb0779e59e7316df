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
    // No position that large was ever given out. Each row has one of its own.
    let Ok(position) = i64::try_from(cursor.position) else { return Ok(false) };
    Ok(cursor.row == 1 && db.prepare_cached(sql::FEED_HAS)?.exists([position])?)
}

/// What cannot be read is said to be its order's.
fn read_feed(db: &Connection, start: &FeedCursor, limit: u32) -> Result<Vec<FeedRow>, StoreError> {
    let mut statement = db.prepare_cached(&STATEMENTS.feed).map_err(store_error)?;
    let from = params![start.position.cast_signed(), limit];
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
    let number: String = row.get(beside + 1)?;
    let unreadable = |why| Unreadable { table: "orders", column: "order_number", why };
    Ok(FeedRow {
        cursor: FeedCursor { store, position, row: 1 },
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
        let parameters = vec![1; statement.parameter_count()];
        let lines = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
        lines.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_page_of_the_feed_is_read_from_where_it_starts_and_not_sorted() {
        let expected = ["SEARCH h USING INTEGER PRIMARY KEY (rowid>?)", "SEARCH o USING PRIMARY KEY (id=?)"];
        assert_eq!(plan(&STATEMENTS.feed), expected);
    }

    #[test]
    fn rows_of_an_order_are_found_through_its_changesets_and_not_sorted() {
        let by_position = "SEARCH h USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
        for (sql, by_order) in [
            (STATEMENTS.journal.as_str(), "SEARCH c USING PRIMARY KEY (order_id=? AND first_seq>?)"),
            (sql::ERASE_NOTES, "SEARCH c USING PRIMARY KEY (order_id=?)"),
        ] {
            let plan = plan(sql);
            assert!(plan.iter().any(|line| line == by_order) && plan.iter().any(|line| line == by_position), "{plan:?}");
            assert!(!plan.iter().any(|line| line.starts_with("SCAN h") || line.contains("TEMP B-TREE FOR ORDER")), "{plan:?}");
        }
        let plan = plan(sql::REPLAYED);
        assert!(plan.iter().any(|line| line == "SEARCH h USING INTEGER PRIMARY KEY (rowid=?)"), "{plan:?}");
    }
}
