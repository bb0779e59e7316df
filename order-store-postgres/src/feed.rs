//! The feed: every changeset that wrote journal rows, in each partition in the order of their
//! commits. Clauses 20 and 21.
//!
//! Partitions are merged by the time at which each changeset was fed, which never goes back within
//! a partition: so none is left behind by the others, and a page costs the same wherever it starts.

use order_core::ids::{ChangesetId, OrderId};
use order_core::store::records::{ORDER_STATUS_HISTORY, read, with_causes};
use order_core::store::{
    FeedCursor, FeedPage, FeedPlace, FeedQuery, FeedRow, StoreError, Unreadable,
};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};
use uuid::Uuid;

use crate::load::{corrupt, of_order};
use crate::places::ReadError;
use crate::schema::Identity;
use crate::statements::{FEED_HAS, STATEMENTS};
use crate::wire::{Array, BIGINT, Bound, Fields, SMALLINT};

pub(crate) async fn feed(
    db: &mut PgConnection,
    store: &Identity,
    query: &FeedQuery,
) -> Result<FeedPage, ReadError> {
    let start = start(db, store, query).await?;
    let select = sqlx::query(AssertSqlSafe(STATEMENTS.feed.as_str()));
    let select = bind_places(select, (0..).zip(start.places()));
    let rows = select
        .bind(Bound::int(query.limit.into()))
        .fetch_all(db)
        .await?;
    let mut places = start.places().to_vec();
    let rows: Vec<FeedRow> = rows
        .iter()
        .map(|row| feed_row(store.id, &mut places, row))
        .collect::<Result<_, _>>()?;
    Ok(FeedPage {
        next: rows.last().map_or(start, |row| row.cursor.clone()),
        rows,
    })
}

/// The places that a page begins after, each of which was given out. Clause 21.
pub(crate) async fn start(
    db: &mut PgConnection,
    store: &Identity,
    query: &FeedQuery,
) -> Result<FeedCursor, ReadError> {
    let start = query.start(store.id, store.buckets.partitions)?;
    let begun = (0..)
        .zip(start.places())
        .filter(|(_, place)| place.position > 0);
    match are_in_feed(db, &begun.collect::<Vec<_>>()).await? {
        true => Ok(start),
        false => Err(start.never_given_out().into()),
    }
}

type Select = Query<'static, Postgres, PgArguments>;

/// Binds the number of each partition, and a position and a row in it.
fn bind_places<'p>(select: Select, places: impl Iterator<Item = (u16, &'p FeedPlace)>) -> Select {
    let (mut partitions, mut positions, mut rows) =
        (Array::new(SMALLINT), Array::new(BIGINT), Array::new(BIGINT));
    for (
        partition,
        FeedPlace {
            position,
            row,
            mark: _,
        },
    ) in places
    {
        partitions.small(partition);
        positions.int(Some(position.cast_signed()));
        rows.int(Some((*row).into()));
    }
    select.bind(partitions).bind(positions).bind(rows)
}

/// Returns whether all of these places, each with its partition, were given out.
async fn are_in_feed(
    db: &mut PgConnection,
    places: &[(u16, &FeedPlace)],
) -> Result<bool, ReadError> {
    // No position that large was ever given out.
    if places
        .iter()
        .any(|(_, place)| i64::try_from(place.position).is_err())
    {
        return Ok(false);
    }
    if places.is_empty() {
        return Ok(true);
    }
    let mut found = 0;
    for row in bind_places(sqlx::query(FEED_HAS), places.iter().copied())
        .fetch_all(db)
        .await?
    {
        let fields = Fields::of(&row).map_err(corrupt)?;
        let read = || Ok((fields.int(0)?, fields.id(1)?.map(ChangesetId::from_bytes)));
        let (partition, changeset) = read().map_err(corrupt)?;
        let stands = |(of, place): &&(u16, &FeedPlace)| {
            partition == Some((*of).into())
                && changeset
                    .is_some_and(|id| FeedPlace::of(place.position, place.row, id) == **place)
        };
        found += usize::from(places.iter().any(|place| stands(&place)));
    }
    Ok(found == places.len())
}

/// Reads a row, whose cursor is `places` with that of its own partition moved on.
fn feed_row(store: Uuid, places: &mut [FeedPlace], row: &PgRow) -> Result<FeedRow, StoreError> {
    let fields = Fields::of(row).map_err(corrupt)?;
    let after = ORDER_STATUS_HISTORY.columns.len();
    let place = |name: &str| {
        ORDER_STATUS_HISTORY
            .columns
            .iter()
            .position(|column| column.name == name)
            .unwrap_or_default()
    };
    let mut head = || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let order = fields
            .id(0)?
            .map(OrderId::from_bytes)
            .ok_or("the order is NULL")?;
        let seq = fields
            .int(place("seq"))?
            .ok_or("the number is NULL")?
            .cast_unsigned();
        let changeset = fields
            .id(place("changeset_id"))?
            .map(ChangesetId::from_bytes)
            .ok_or("the changeset is NULL")?;
        let position = fields
            .int(after)?
            .ok_or("the position is NULL")?
            .cast_unsigned();
        let row = u32::try_from(fields.int(after + 1)?.ok_or("the row is NULL")?)?;
        let number = fields
            .text(after + 2)?
            .ok_or("the order number is NULL")?
            .parse()?;
        let partition = usize::try_from(fields.int(after + 3)?.ok_or("the partition is NULL")?)?;
        let currency = fields
            .text(after + 4)?
            .ok_or("the currency is NULL")?
            .parse()?;
        *places
            .get_mut(partition)
            .ok_or("there is no such partition")? = FeedPlace::of(position, row, changeset);
        Ok((order, seq, number, currency))
    };
    let (order, seq, number, currency) = head().map_err(corrupt)?;
    let unreadable = |why| Unreadable {
        order,
        reason: with_causes(&of_order(order)(StoreError::from(why))),
    };
    Ok(FeedRow {
        cursor: FeedCursor::new(store, places.to_vec()),
        order,
        seq,
        number,
        currency,
        row: read(&fields, 0).map_err(unreadable),
    })
}
