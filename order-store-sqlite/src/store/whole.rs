//! The feed: every changeset that wrote journal rows, in the order of their commits. Clauses 20 and 21.

use order_core::ids::{ChangesetId, OrderId};
use order_core::store::{FeedCursor, FeedPage, FeedPlace, FeedQuery, FeedRow, StoreError, StoreErrorKind, Unreadable};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::errors::{error_of, store_error, with_causes};
use super::{rows, sql};

/// What cursors name the store by. It never changes.
pub(super) fn store_id(db: &Connection) -> rusqlite::Result<Uuid> {
    db.query_row(sql::SELECT_STORE, [], |row| row.get(0).map(Uuid::from_bytes))
}

pub(super) fn feed(db: &Connection, store: Uuid, query: &FeedQuery) -> Result<FeedPage, StoreError> {
    let start = query.start(store, 1)?;
    let place = start.places()[0];
    let snapshot = db.unchecked_transaction().map_err(store_error)?;
    if place.position > 0 && !is_in_feed(&snapshot, place).map_err(store_error)? {
        return Err(start.never_given_out());
    }
    let rows = read_feed(&snapshot, store, place, query.limit).map_err(store_error)?;
    snapshot.finish().map_err(store_error)?;
    Ok(FeedPage { next: rows.last().map_or(start, |row| row.cursor.clone()), rows })
}

fn is_in_feed(db: &Connection, place: FeedPlace) -> rusqlite::Result<bool> {
    // No position that large was ever given out.
    let Ok(position) = i64::try_from(place.position) else { return Ok(false) };
    let changeset = db.prepare_cached(sql::FEED_HAS)?.query_row(params![position, place.row], |row| row.get(0)).optional()?;
    Ok(changeset.map(ChangesetId::from_bytes).is_some_and(|id| FeedPlace::of(place.position, place.row, id) == place))
}

fn read_feed(db: &Connection, store: Uuid, start: FeedPlace, limit: u32) -> rusqlite::Result<Vec<FeedRow>> {
    let mut statement = db.prepare_cached(sql::SELECT_FEED)?;
    let mut found = statement.query(params![start.position.cast_signed(), start.row, limit])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(feed_row(store, row)?);
    }
    Ok(rows)
}

fn feed_row(store: Uuid, row: &Row<'_>) -> rusqlite::Result<FeedRow> {
    let position = row.get(rows::JOURNAL_COLUMNS).map(i64::cast_unsigned)?;
    let order = row.get(0).map(OrderId::from_bytes)?;
    let changeset = row.get("changeset_id").map(ChangesetId::from_bytes)?;
    let place = FeedPlace::of(position, row.get(rows::JOURNAL_COLUMNS + 1)?, changeset);
    let unreadable = |error| match error_of(order)(error) {
        error if error.kind == StoreErrorKind::Corrupt => Unreadable { order, reason: with_causes(&error) },
        error => Unreadable { order, reason: error.to_string() },
    };
    Ok(FeedRow {
        cursor: FeedCursor::new(store, vec![place]),
        order,
        seq: row.get(1).map(i64::cast_unsigned)?,
        number: rows::number(row, rows::JOURNAL_COLUMNS + 2)?,
        row: rows::journal(row).map_err(unreadable),
    })
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
}
