//! The feed: the journal of all orders in the order of commits. Clauses 20 and 21.

use order_core::ids::{ChangesetId, OrderId, ParseIdError};
use order_core::money::MoneyError;
use order_core::store::records::{self, ORDER_STATUS_HISTORY, with_causes};
use order_core::store::{
    FeedCursor, FeedPage, FeedPlace, FeedQuery, FeedRow, StoreError, Unreadable,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::bind::record;
use super::errors::{Failed, error_of, store_error};
use super::sql;
use super::statements::STATEMENTS;

/// Returns the id by which cursors name the store. It never changes.
pub(super) fn store_id(db: &Connection) -> rusqlite::Result<Uuid> {
    db.query_row(sql::SELECT_STORE, [], |row| {
        row.get(0).map(Uuid::from_bytes)
    })
}

pub(super) fn feed(
    db: &Connection,
    store: Uuid,
    query: &FeedQuery,
) -> Result<FeedPage, StoreError> {
    let start = query.start(store, 1)?;
    let place = start.places()[0];
    let snapshot = db.unchecked_transaction().map_err(store_error)?;
    if place.position > 0 && !is_in_feed(&snapshot, place).map_err(store_error)? {
        return Err(start.never_given_out());
    }
    let rows = read_feed(&snapshot, store, place, query.limit).map_err(store_error)?;
    snapshot.finish().map_err(store_error)?;
    Ok(FeedPage {
        next: rows.last().map_or(start, |row| row.cursor.clone()),
        rows,
    })
}

/// The place of a row: each has a position of its own.
fn place_of(position: u64, changeset: ChangesetId) -> FeedPlace {
    FeedPlace::of(position, 1, changeset)
}

fn is_in_feed(db: &Connection, place: FeedPlace) -> rusqlite::Result<bool> {
    // No position that large was ever given out.
    let Ok(position) = i64::try_from(place.position) else {
        return Ok(false);
    };
    let changeset = db
        .prepare_cached(sql::FEED_HAS)?
        .query_row([position], |row| row.get(0))
        .optional()?;
    Ok(changeset
        .map(ChangesetId::from_bytes)
        .is_some_and(|id| place_of(place.position, id) == place))
}

fn read_feed(
    db: &Connection,
    store: Uuid,
    start: FeedPlace,
    limit: u32,
) -> Result<Vec<FeedRow>, Failed> {
    let mut statement = db.prepare_cached(&STATEMENTS.feed)?;
    let mut found = statement.query(params![start.position.cast_signed(), limit])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(feed_row(store, row)?);
    }
    Ok(rows)
}

fn feed_row(store: Uuid, row: &Row<'_>) -> Result<FeedRow, Failed> {
    let beside = ORDER_STATUS_HISTORY.columns.len();
    let position = row.get(beside).map(i64::cast_unsigned)?;
    let order = row.get("order_id").map(OrderId::from_bytes)?;
    let changeset = row.get("changeset_id").map(ChangesetId::from_bytes)?;
    let number: String = row.get(beside + 1)?;
    let number = number
        .parse()
        .map_err(|why: ParseIdError| records::Unreadable {
            table: "orders",
            column: "order_number",
            why: why.into(),
        })?;
    let currency: String = row.get(beside + 2)?;
    let currency = currency
        .parse()
        .map_err(|why: MoneyError| records::Unreadable {
            table: "orders",
            column: "currency",
            why: why.into(),
        })?;
    let unreadable = |error: Failed| Unreadable {
        order,
        reason: with_causes(&error_of(order)(error)),
    };
    Ok(FeedRow {
        cursor: FeedCursor::new(store, vec![place_of(position, changeset)]),
        order,
        seq: row.get("seq").map(i64::cast_unsigned)?,
        number,
        currency,
        row: record(row, 0).map_err(unreadable),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open;

    fn plan(sql: &str) -> Vec<String> {
        let db = open::open_in_memory();
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = vec![1; statement.parameter_count()];
        let lines = statement
            .query_map(rusqlite::params_from_iter(parameters), |row| {
                row.get::<_, String>(3)
            })
            .unwrap();
        lines.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_page_of_the_feed_is_read_from_where_it_starts_and_not_sorted() {
        let expected = [
            "SEARCH h USING INTEGER PRIMARY KEY (rowid>?)",
            "SEARCH o USING PRIMARY KEY (id=?)",
        ];
        assert_eq!(plan(&STATEMENTS.feed), expected);
    }

    #[test]
    fn rows_of_an_order_are_found_through_its_changesets_and_not_sorted() {
        let by_position = "SEARCH h USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
        for (sql, by_order) in [
            (
                STATEMENTS.journal.as_str(),
                "SEARCH c USING PRIMARY KEY (order_id=? AND first_seq>?)",
            ),
            (sql::ERASE_NOTES, "SEARCH c USING PRIMARY KEY (order_id=?)"),
        ] {
            let plan = plan(sql);
            assert!(
                plan.iter().any(|line| line == by_order)
                    && plan.iter().any(|line| line == by_position),
                "{plan:?}"
            );
            assert!(
                !plan.iter().any(
                    |line| line.starts_with("SCAN h") || line.contains("TEMP B-TREE FOR ORDER")
                ),
                "{plan:?}"
            );
        }
        let plan = plan(sql::REPLAYED);
        assert!(
            plan.iter()
                .any(|line| line == "SEARCH h USING INTEGER PRIMARY KEY (rowid=?)"),
            "{plan:?}"
        );
    }
}
