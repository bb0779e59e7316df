//! Values as SQLite keeps them, into a statement and out of a row.

use std::error::Error as StdError;

use order_core::store::records::{Kind, Put, Record, Row as Values, Stored, Table, Value, read};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Error, Row, ToSql};

use super::errors::Failed;
use super::statements::{STATEMENTS, Update};

/// A value that is bound to a parameter.
pub(super) struct Bound<'a>(pub(super) Value<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match &self.0 {
            Value::Null => ValueRef::Null,
            Value::Id(bytes) => ValueRef::Blob(bytes),
            Value::Int(n) => ValueRef::Integer(*n),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Flag(flag) => ValueRef::Integer((*flag).into()),
            Value::Time(time) => ValueRef::Integer(time.as_micros()),
        }))
    }
}

/// A row that was read.
pub(super) struct Found<'a, 'stmt>(pub(super) &'a Row<'stmt>);

impl Stored for Found<'_, '_> {
    fn value(&self, at: usize, kind: Kind) -> Result<Value<'_>, Box<dyn StdError + Send + Sync>> {
        match (self.0.get_ref(at)?, kind) {
            (ValueRef::Null, _) => Ok(Value::Null),
            (ValueRef::Integer(n), Kind::Int) => Ok(Value::Int(n)),
            (ValueRef::Integer(n), Kind::Flag) => Ok(Value::Flag(n != 0)),
            (ValueRef::Integer(n), Kind::Time) => {
                Ok(Value::Time(order_core::time::Timestamp::from_micros(n)))
            }
            (ValueRef::Text(text), Kind::Text) => {
                Ok(Value::Text(std::str::from_utf8(text)?.into()))
            }
            (ValueRef::Blob(bytes), Kind::Id) => Ok(Value::Id(bytes.try_into()?)),
            (other, kind) => Err(format!("it is {} and not {kind:?}", other.data_type()).into()),
        }
    }
}

/// The record that a row says from its column `from` on.
pub(super) fn record<T: Record>(row: &Row<'_>, from: usize) -> Result<T, Failed> {
    Ok(read(&Found(row), from)?)
}

/// Runs a statement whose parameters are the values in their order, and which changes one row.
pub(super) fn change_one<'a>(
    db: &Connection,
    sql: &str,
    values: impl Iterator<Item = Value<'a>>,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(sql)?;
    bind(&mut statement, values)?;
    match statement.raw_execute()? {
        1 => Ok(()),
        rows => Err(Error::StatementChangedRows(rows)),
    }
}

fn bind<'a>(
    statement: &mut CachedStatement<'_>,
    values: impl Iterator<Item = Value<'a>>,
) -> rusqlite::Result<()> {
    for (parameter, value) in (1..).zip(values) {
        statement.raw_bind_parameter(parameter, Bound(value))?;
    }
    Ok(())
}

/// Adds a row.
pub(super) fn insert(db: &Connection, row: &Values<'_>) -> rusqlite::Result<()> {
    change_one(db, &STATEMENTS.of(row.table()).insert, row.values())
}

/// Makes a row what it is to be.
pub(super) fn put(db: &Connection, put: &Put<'_>) -> rusqlite::Result<()> {
    let Put {
        row,
        is_new,
        changed,
    } = put;
    if *is_new {
        return insert(db, row);
    }
    let Update { sql, binds } = STATEMENTS.of(row.table()).update(*changed);
    change_one(db, sql, binds.iter().map(|&at| row.value(at)))
}

/// Deletes a row.
pub(super) fn delete<'a>(
    db: &Connection,
    table: &Table,
    key: impl Iterator<Item = Value<'a>>,
) -> rusqlite::Result<()> {
    change_one(db, &STATEMENTS.of(table).delete, key)
}
