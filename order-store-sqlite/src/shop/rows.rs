//! Between columns and the domain's types.

use std::fmt::Display;
use std::str::FromStr;

use order_core::ids::{OrderId, ProductId, UserId, VariantId};
use order_core::money::Currency;
use order_core::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use uuid::Uuid;

/// Runs a cached statement and tells how many rows it changed.
pub(super) fn execute(db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    db.prepare_cached(sql)?.execute(params)
}

/// The row a cached query finds, if any.
pub(super) fn find<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    map: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    db.prepare_cached(sql)?.query_row(params, map).optional()
}

/// Every row of a cached query.
pub(super) fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(params, map)?.collect()
}

/// A text column that holds a `T`.
pub(super) fn text<T: FromStr<Err: Display>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    damaged(column, row.get_ref(column)?.as_str()?.parse())
}

/// Like [`text`], for a column that may be null.
pub(super) fn optional_text<T: FromStr<Err: Display>>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    row.get_ref(column)?.as_str_or_null()?.map(|s| damaged(column, s.parse())).transpose()
}

fn damaged<T, E: Display>(column: usize, parsed: Result<T, E>) -> rusqlite::Result<T> {
    parsed.map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, e.to_string().into()))
}

/// A column that counts something, kept from going below 0 by its CHECK.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(column)?;
    u64::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, n))
}

/// A time column that may be null.
pub(super) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

/// A UUID column.
pub(super) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

macro_rules! ids {
    ($($function:ident, $id:ident;)*) => {$(
        pub(super) fn $function(row: &Row<'_>, column: usize) -> rusqlite::Result<$id> {
            row.get(column).map($id::from_bytes)
        }
    )*};
}

ids! {
    order_id, OrderId;
    user_id, UserId;
    product_id, ProductId;
    variant_id, VariantId;
}

/// The shop's currency, once a catalogue was loaded.
pub(super) fn currency(db: &Connection) -> rusqlite::Result<Option<Currency>> {
    find(db, "SELECT currency FROM shop", [], |r| text(r, 0))
}
