//! The feed: every changeset that wrote journal rows, in the order of their commits. Clauses 20 and 21.

use order_core::ids::{ChangesetId, OrderId};
use order_core::store::records::{ORDER_STATUS_HISTORY, read};
use order_core::store::{FeedCursor, FeedPage, FeedPlace, FeedQuery, FeedRow, StoreError, Unreadable};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgRow};
use uuid::Uuid;

use crate::errors::with_causes;
use crate::load::{corrupt, of_order};
use crate::places::ReadError;
use crate::statements::{FEED_HAS, STATEMENTS};
use crate::wire::{Bound, Fields};

/// The one partition there is.
const PARTITION: u16 = 0;

pub(crate) async fn feed(db: &mut PgConnection, store: Uuid, query: &FeedQuery) -> Result<FeedPage, ReadError> {
    let start = query.start(store, 1)?;
    let place = start.places()[0];
    if place.position > 0 && !is_in_feed(db, place).await? {
        return Err(start.never_given_out().into());
    }
    let select = sqlx::query(AssertSqlSafe(STATEMENTS.feed.as_str())).bind(Bound::small(Some(PARTITION)));
    let select = select.bind(Bound::int(place.position.cast_signed())).bind(Bound::int(place.row.into()));
    let rows = select.bind(Bound::int(query.limit.into())).fetch_all(db).await?;
    let rows: Vec<FeedRow> = rows.iter().map(|row| feed_row(store, row)).collect::<Result<_, _>>()?;
    Ok(FeedPage { next: rows.last().map_or(start, |row| row.cursor.clone()), rows })
}

async fn is_in_feed(db: &mut PgConnection, place: FeedPlace) -> Result<bool, ReadError> {
    // No position that large was ever given out.
    let Ok(position) = i64::try_from(place.position) else { return Ok(false) };
    let select = sqlx::query(FEED_HAS).bind(Bound::small(Some(PARTITION))).bind(Bound::int(position));
    let Some(row) = select.bind(Bound::int(place.row.into())).fetch_optional(db).await? else { return Ok(false) };
    let changeset = Fields::of(&row).and_then(|fields| fields.id(0)).map_err(corrupt)?.map(ChangesetId::from_bytes);
    Ok(changeset.is_some_and(|id| FeedPlace::of(place.position, place.row, id) == place))
}

fn feed_row(store: Uuid, row: &PgRow) -> Result<FeedRow, StoreError> {
    let fields = Fields::of(row).map_err(corrupt)?;
    let after = ORDER_STATUS_HISTORY.columns.len();
    let place = |name: &str| ORDER_STATUS_HISTORY.columns.iter().position(|column| column.name == name).unwrap_or_default();
    let head = || -> Result<_, Box<dyn std::error::Error + Send + Sync>> {
        let order = fields.id(0)?.map(OrderId::from_bytes).ok_or("the order is NULL")?;
        let seq = fields.int(place("seq"))?.ok_or("the number is NULL")?.cast_unsigned();
        let changeset = fields.id(place("changeset_id"))?.map(ChangesetId::from_bytes).ok_or("the changeset is NULL")?;
        let position = fields.int(after)?.ok_or("the position is NULL")?.cast_unsigned();
        let row = u32::try_from(fields.int(after + 1)?.ok_or("the row is NULL")?)?;
        let number = fields.text(after + 2)?.ok_or("the order number is NULL")?.parse()?;
        Ok((order, seq, FeedPlace::of(position, row, changeset), number))
    };
    let (order, seq, place, number) = head().map_err(corrupt)?;
    let unreadable = |why| Unreadable { order, reason: with_causes(&of_order(order)(StoreError::from(why))) };
    Ok(FeedRow { cursor: FeedCursor::new(store, vec![place]), order, seq, number, row: read(&fields, 0).map_err(unreadable) })
}
