//! Reading the whole store: the feed, and dumps. Clauses 20 to 22.

use std::collections::{BTreeMap, BTreeSet};

use order_core::ids::{OrderId, UserId};
use order_core::store::{
    DumpQuery, Dumped, FeedCursor, FeedPage, FeedQuery, FeedRow, JournalQuery, KeyRecord, OrderRef, StoreError,
};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::errors::{error_of, store_error};
use super::{read, rows, sql};

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
    let mut statement = db.prepare_cached(sql::SELECT_FEED).map_err(store_error)?;
    let from = params![start.position.cast_signed(), start.row, limit];
    let mut found = statement.query(from).map_err(store_error)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(store_error)? {
        let order = row.get(0).map(OrderId::from_bytes).map_err(store_error)?;
        rows.push(feed_row(start.store, row).map_err(error_of(order))?);
    }
    Ok(rows)
}

fn feed_row(store: Uuid, row: &Row<'_>) -> rusqlite::Result<FeedRow> {
    let position = row.get(rows::JOURNAL_COLUMNS).map(i64::cast_unsigned)?;
    Ok(FeedRow {
        cursor: FeedCursor { store, position, row: row.get(rows::JOURNAL_COLUMNS + 1)? },
        number: rows::number(row, rows::JOURNAL_COLUMNS + 2)?,
        row: rows::journal(row)?,
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
    let mut keys = keys(&snapshot, &page).map_err(store_error)?;
    for dumped in &mut page {
        dumped.keys = keys.remove(&dumped.order.id).unwrap_or_default();
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

fn read_one(db: &Connection, id: OrderId) -> rusqlite::Result<Option<Dumped>> {
    let Some(loaded) = read::load(db, OrderRef::Id(id), None)? else { return Ok(None) };
    let journal = read::journal(db, &JournalQuery::of(id, 0, u32::MAX))?;
    Ok(Some(Dumped { order: loaded.order, journal, keys: Vec::new() }))
}

/// The keys of the page's orders. A key is its order's user's (clause 6), so they are looked for under these users: there is no
/// index by order, which every placing would have to keep up.
fn keys(db: &Connection, page: &[Dumped]) -> rusqlite::Result<BTreeMap<OrderId, Vec<KeyRecord>>> {
    let mut found = BTreeMap::<OrderId, Vec<KeyRecord>>::new();
    let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(found) };
    let users: BTreeSet<UserId> = page.iter().map(|dumped| dumped.order.user).collect();
    let mut statement = db.prepare_cached(sql::SELECT_KEYS)?;
    for user in users {
        let of_user = params![user.as_bytes(), first.order.id.as_bytes(), last.order.id.as_bytes()];
        for record in statement.query_map(of_user, rows::key)? {
            let record = record?;
            found.entry(record.order).or_default().push(record);
        }
    }
    Ok(found)
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
        let plan = plan(sql::SELECT_FEED);
        assert_eq!(plan.len(), 3, "{plan:?}");
        assert!(plan[0].starts_with("SEARCH f USING INTEGER PRIMARY KEY"), "{plan:?}");
        assert!(plan[1].ends_with("(order_id=? AND seq>? AND seq<?)"), "{plan:?}");
        assert!(plan[2].starts_with("SEARCH o USING INDEX"), "{plan:?}");
    }

    #[test]
    fn keys_of_a_dump_are_looked_for_under_their_user() {
        let plan = plan(sql::SELECT_KEYS);
        assert_eq!(plan, ["SEARCH order_idempotency_keys USING PRIMARY KEY (user_id=?)"]);
    }
}
