//! Values to records: reading a row's columns from left to right.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::str::FromStr;

use serde::de::DeserializeOwned;

use super::table::{Column, Kind, Table, Unreadable, Value};
use crate::time::Timestamp;

/// A row that a store has read.
pub trait Stored {
    /// The value in the row's column `at`, counted from 0, which is of `kind` or NULL.
    ///
    /// # Errors
    ///
    /// If there is something else.
    fn value(&self, at: usize, kind: Kind) -> Result<Value<'_>, Box<dyn StdError + Send + Sync>>;
}

impl Stored for [Value<'_>] {
    fn value(&self, at: usize, kind: Kind) -> Result<Value<'_>, Box<dyn StdError + Send + Sync>> {
        match self.get(at) {
            None => Err(format!("there is no column {at}").into()),
            Some(Value::Text(text)) if kind == Kind::Text => Ok(Value::Text(Cow::Borrowed(text))),
            Some(value) => Ok(value.clone().into_owned()),
        }
    }
}

/// The reason why a value is not what a column holds.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("it is NULL")]
    Null,
    #[error("it is of another kind than {0:?}")]
    Kind(Kind),
    #[error("{0} is out of range")]
    Range(i64),
}

/// Reads the columns of one table, all of which stand side by side in the row.
///
/// Named by [`super::Record`], and reachable by nobody else.
pub struct Columns<'r, R: ?Sized> {
    row: &'r R,
    /// The place of the next column in the row.
    place: usize,
    table: &'static Table,
    /// The next column of the table.
    at: usize,
}

impl<'r, R: Stored + ?Sized> Columns<'r, R> {
    /// The columns of `table`, the first of which is the row's column `from`.
    pub(super) fn of(row: &'r R, from: usize, table: &'static Table) -> Self {
        Columns {
            row,
            place: from,
            table,
            at: 0,
        }
    }

    /// Passes over columns.
    pub(super) fn skip(&mut self, columns: usize) -> &mut Self {
        self.place += columns;
        self.at += columns;
        self
    }

    /// Something is wrong with the column that was read last.
    pub(super) fn wrong(&self, why: impl Into<Box<dyn StdError + Send + Sync>>) -> Unreadable {
        let column = self
            .at
            .checked_sub(1)
            .and_then(|at| self.table.columns.get(at));
        Unreadable {
            table: self.table.name,
            column: column.map_or("?", |column| column.name),
            why: why.into(),
        }
    }

    fn next(&mut self) -> Result<Value<'r>, Unreadable> {
        let (at, place) = (self.at, self.place);
        self.skip(1);
        let Column { kind, .. } = self.table.columns[at];
        self.row.value(place, kind).map_err(|e| self.wrong(e))
    }

    fn kind(&self, kind: Kind) -> Unreadable {
        self.wrong(Wrong::Kind(kind))
    }

    fn there<T>(&self, value: Option<T>) -> Result<T, Unreadable> {
        value.ok_or_else(|| self.wrong(Wrong::Null))
    }

    pub(super) fn id_some(&mut self) -> Result<Option<[u8; 16]>, Unreadable> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Id(id) => Ok(Some(id)),
            _ => Err(self.kind(Kind::Id)),
        }
    }

    pub(super) fn id(&mut self) -> Result<[u8; 16], Unreadable> {
        let id = self.id_some()?;
        self.there(id)
    }

    pub(super) fn int_some<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, Unreadable> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Int(n) => T::try_from(n)
                .map(Some)
                .map_err(|_| self.wrong(Wrong::Range(n))),
            _ => Err(self.kind(Kind::Int)),
        }
    }

    pub(super) fn int<T: TryFrom<i64>>(&mut self) -> Result<T, Unreadable> {
        let n = self.int_some()?;
        self.there(n)
    }

    fn cow(&mut self) -> Result<Option<Cow<'r, str>>, Unreadable> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(self.kind(Kind::Text)),
        }
    }

    pub(super) fn text_some(&mut self) -> Result<Option<String>, Unreadable> {
        Ok(self.cow()?.map(Cow::into_owned))
    }

    pub(super) fn text(&mut self) -> Result<String, Unreadable> {
        let text = self.text_some()?;
        self.there(text)
    }

    /// Reads a text that is there by `make`.
    pub(super) fn read<T, E>(
        &mut self,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Unreadable>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let text = self.cow()?;
        let text = self.there(text)?;
        read(&text).map_err(|e| self.wrong(e))
    }

    pub(super) fn parse<T: FromStr<Err: StdError + Send + Sync + 'static>>(
        &mut self,
    ) -> Result<T, Unreadable> {
        self.read(str::parse)
    }

    pub(super) fn parse_some<T: FromStr<Err: StdError + Send + Sync + 'static>>(
        &mut self,
    ) -> Result<Option<T>, Unreadable> {
        let text = self.cow()?;
        text.map(|text| text.parse().map_err(|e| self.wrong(e)))
            .transpose()
    }

    /// Reads JSON, or nothing for NULL.
    pub(super) fn json_some<T: DeserializeOwned + Default>(&mut self) -> Result<T, Unreadable> {
        match self.cow()? {
            None => Ok(T::default()),
            Some(text) => serde_json::from_str(&text).map_err(|e| self.wrong(e)),
        }
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Result<T, Unreadable> {
        self.read(|text| serde_json::from_str(text))
    }

    pub(super) fn flag_some(&mut self) -> Result<Option<bool>, Unreadable> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Flag(flag) => Ok(Some(flag)),
            _ => Err(self.kind(Kind::Flag)),
        }
    }

    pub(super) fn flag(&mut self) -> Result<bool, Unreadable> {
        let flag = self.flag_some()?;
        self.there(flag)
    }

    pub(super) fn time_some(&mut self) -> Result<Option<Timestamp>, Unreadable> {
        match self.next()? {
            Value::Null => Ok(None),
            Value::Time(time) => Ok(Some(time)),
            _ => Err(self.kind(Kind::Time)),
        }
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, Unreadable> {
        let time = self.time_some()?;
        self.there(time)
    }
}
