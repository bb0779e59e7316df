//! Reads of one order, each in one round trip and one snapshot.

use std::sync::Arc;

use order_core::ids::{Bucket, Fence, OrderId, UserId};
use order_core::order::JournalRow;
use order_core::store::records::{
    CHILDREN, ORDER_WORK, ORDERS, StoredOrder, Unreadable, read, read_work,
};
use order_core::store::{JournalQuery, Loaded, Lookup, Peek, StoreError, StoreErrorKind};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnection, PgRow};

use crate::places::ReadError;
use crate::statements::{PEEK, STATEMENTS};
use crate::wire::{Bound, Fields};

/// The error that says whose what cannot be read is.
pub(crate) fn of_order(order: impl std::fmt::Display) -> impl FnOnce(StoreError) -> StoreError {
    move |error| match error.kind {
        StoreErrorKind::Corrupt => StoreError {
            message: format!("order {order}: {}", error.message),
            ..error
        },
        _ => error,
    }
}

/// A value that is none of what PostgreSQL sends.
pub(crate) fn corrupt(why: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    let source = std::io::Error::other(why);
    StoreError::caused(
        StoreErrorKind::Corrupt,
        "what is stored cannot be read",
        source,
    )
}

/// The order of a row with the columns of [`crate::statements::Statements::order`]; none if it is
/// not `owner`'s.
pub(crate) fn order(
    fields: &Fields<'_>,
    owner: Option<UserId>,
) -> Result<Option<Loaded>, StoreError> {
    let mut order: StoredOrder = read(fields, 0)?;
    if owner.is_some_and(|owner| owner != order.user()) {
        return Ok(None);
    }
    let work = read_work(fields, ORDERS.columns.len())?;
    for (at, table) in (ORDERS.columns.len() + ORDER_WORK.columns.len()..).zip(CHILDREN) {
        let unreadable = |why| Unreadable {
            table: table.name,
            column: "?",
            why,
        };
        for record in fields.records(at).map_err(unreadable)? {
            order.add(table, &record, 0)?;
        }
    }
    let (order, key) = order.finish();
    Ok(Some(Loaded {
        order: Arc::new(order),
        work,
        key,
    }))
}

pub(crate) async fn load(
    db: &mut PgConnection,
    lookup: &Lookup,
    owner: Option<UserId>,
) -> Result<Option<Loaded>, ReadError> {
    let query = match lookup {
        Lookup::Id(id) => {
            let query = sqlx::query(AssertSqlSafe(STATEMENTS.load_by_id.as_str()));
            query
                .bind(Bound::small(Some(id.bucket().number())))
                .bind(Bound::id(Some(id.as_bytes())))
        }
        Lookup::Number(number) => {
            let query = sqlx::query(AssertSqlSafe(STATEMENTS.load_by_number.as_str()));
            query
                .bind(Bound::small(Some(number.bucket().number())))
                .bind(Bound::text(&number.to_string()))
        }
        Lookup::Key { user, method, key } => {
            let query = sqlx::query(AssertSqlSafe(STATEMENTS.load_by_key.as_str()));
            let query = query
                .bind(Bound::small(Some(Bucket::of(user).number())))
                .bind(Bound::id(Some(user.as_bytes())));
            query
                .bind(Bound::text(method.as_str()))
                .bind(Bound::text(key.as_str()))
        }
    };
    let Some(row) = query.fetch_optional(db).await? else {
        return Ok(None);
    };
    let fields = Fields::of(&row).map_err(corrupt)?;
    Ok(order(&fields, owner).map_err(of_order(lookup))?)
}

fn journal_row(row: &PgRow) -> Result<JournalRow, StoreError> {
    let fields = Fields::of(row).map_err(corrupt)?;
    Ok(read(&fields, 0)?)
}

pub(crate) async fn journal(
    db: &mut PgConnection,
    query: &JournalQuery,
) -> Result<Vec<JournalRow>, ReadError> {
    let JournalQuery {
        order,
        after,
        limit,
        command_key,
    } = query;
    let after = i64::try_from(*after).unwrap_or(i64::MAX);
    let sql = if command_key.is_some() {
        &STATEMENTS.journal_of_key
    } else {
        &STATEMENTS.journal
    };
    let select = sqlx::query(AssertSqlSafe(sql.as_str()));
    let select = select
        .bind(Bound::small(Some(order.bucket().number())))
        .bind(Bound::id(Some(order.as_bytes())));
    let mut select = select
        .bind(Bound::int(after))
        .bind(Bound::int((*limit).into()));
    if let Some(key) = command_key {
        select = select.bind(Bound::text(key.as_str()));
    }
    let rows = select.fetch_all(db).await?;
    let rows: Result<_, StoreError> = rows.iter().map(journal_row).collect();
    Ok(rows.map_err(of_order(order))?)
}

pub(crate) async fn peek(db: &mut PgConnection, order: OrderId) -> Result<Option<Peek>, ReadError> {
    let select = sqlx::query(PEEK)
        .bind(Bound::small(Some(order.bucket().number())))
        .bind(Bound::id(Some(order.as_bytes())));
    let Some(row) = select.fetch_optional(db).await? else {
        return Ok(None);
    };
    let read = || {
        let fields = Fields::of(&row)?;
        let version = fields.int(0)?.ok_or("the version is NULL")?.cast_unsigned();
        Ok(Peek {
            version,
            fence: fields.id(1)?.map(Fence::from_bytes),
        })
    };
    Ok(Some(read().map_err(corrupt)?))
}
