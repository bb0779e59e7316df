//! Tables, their columns, and the values that stand in them.

use std::borrow::Cow;
use std::error::Error as StdError;

use crate::order::DecodeError;
use crate::store::{StoreError, StoreErrorKind};
use crate::time::Timestamp;

/// The kinds of values that columns hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Sixteen bytes: a UUID, or a hash.
    Id,
    /// A 64-bit integer: a count, or minor units of the order's currency.
    Int,
    /// A text of any characters but U+0000, told apart and sorted by its bytes. Some hold JSON,
    /// which no store looks into.
    Text,
    /// Yes or no.
    Flag,
    /// Microseconds since 1970 in UTC.
    Time,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: Kind,
    /// True if it may be NULL.
    pub nullable: bool,
    /// True if it never changes once the row is there.
    pub fixed: bool,
    /// True if a store is to keep an index with it: a statement that leaves it alone where it does
    /// not change leaves that index alone too. See [`Table::indexed`].
    pub indexed: bool,
    /// True if it only ever rises: a row that changes keeps the larger of what it has and what it
    /// is given.
    pub rises: bool,
}

impl Column {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Column {
            name,
            kind,
            nullable: false,
            fixed: false,
            indexed: false,
            rises: false,
        }
    }

    pub(super) const fn id(name: &'static str) -> Self {
        Column::new(name, Kind::Id)
    }

    pub(super) const fn int(name: &'static str) -> Self {
        Column::new(name, Kind::Int)
    }

    pub(super) const fn text(name: &'static str) -> Self {
        Column::new(name, Kind::Text)
    }

    pub(super) const fn flag(name: &'static str) -> Self {
        Column::new(name, Kind::Flag)
    }

    pub(super) const fn time(name: &'static str) -> Self {
        Column::new(name, Kind::Time)
    }

    pub(super) const fn nullable(self) -> Self {
        Column {
            nullable: true,
            ..self
        }
    }

    pub(super) const fn fixed(self) -> Self {
        Column {
            fixed: true,
            ..self
        }
    }

    pub(super) const fn indexed(self) -> Self {
        Column {
            indexed: true,
            ..self
        }
    }

    pub(super) const fn rises(self) -> Self {
        Column {
            rises: true,
            ..self
        }
    }
}

/// A table: one row for each record of a kind. Its first column is the order's id.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// Its number: its place in [`super::TABLES`]. Stored in `orders.records`, so that it never
    /// changes.
    pub n: usize,
    /// Its name.
    pub name: &'static str,
    /// Its columns, in the order in which values are given and taken. A store may have further ones
    /// of its own.
    pub columns: &'static [Column],
    /// The number of first columns that are its primary key.
    pub key: usize,
}

impl Table {
    /// The columns of its primary key.
    pub fn key_columns(&self) -> &'static [Column] {
        &self.columns[..self.key]
    }

    /// The positions of the columns that are [indexed](field@Column::indexed), which the bits of
    /// [`super::Put::changed`] stand for: the first is bit 0.
    pub fn indexed(&self) -> impl Iterator<Item = usize> + use<> {
        let columns = self.columns.iter().enumerate();
        columns
            .filter(|(_, column)| column.indexed)
            .map(|(at, _)| at)
    }

    /// The positions of the columns that a statement sets which changes a row, in the order of
    /// columns: all but the key, those that never change, and those indexed ones whose bit is not
    /// in `changed`.
    pub fn set(&self, changed: u32) -> impl Iterator<Item = usize> + use<> {
        let mut bit = 0;
        self.columns
            .iter()
            .enumerate()
            .skip(self.key)
            .filter_map(move |(at, column)| {
                let is_set = !column.indexed || changed >> bit & 1 == 1;
                bit += u32::from(column.indexed);
                (!column.fixed && is_set).then_some(at)
            })
    }

    /// The names of its columns, with `prefix` before each and commas between them.
    pub fn list(&self, prefix: &str) -> String {
        let mut list = String::with_capacity(self.columns.len() * 20);
        for column in self.columns {
            let comma = if list.is_empty() { "" } else { ", " };
            list.extend([comma, prefix, column.name]);
        }
        list
    }
}

/// The value of a column in a row.
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// No value: SQL's NULL.
    Null,
    /// Of [`Kind::Id`].
    Id([u8; 16]),
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::Text`].
    Text(Cow<'a, str>),
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Of [`Kind::Time`].
    Time(Timestamp),
}

impl Value<'_> {
    /// The value by itself.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Id(bytes) => Value::Id(bytes),
            Value::Int(n) => Value::Int(n),
            Value::Text(text) => Value::Text(text.into_owned().into()),
            Value::Flag(flag) => Value::Flag(flag),
            Value::Time(time) => Value::Time(time),
        }
    }

    /// Returns its kind; none for NULL, which is of any.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Value::Null => None,
            Value::Id(_) => Some(Kind::Id),
            Value::Int(_) => Some(Kind::Int),
            Value::Text(_) => Some(Kind::Text),
            Value::Flag(_) => Some(Kind::Flag),
            Value::Time(_) => Some(Kind::Time),
        }
    }
}

/// Texts are not shown: they may be personal.
impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Null => f.write_str("Null"),
            Value::Id(bytes) => write!(f, "Id({:032x})", u128::from_be_bytes(*bytes)),
            Value::Int(n) => write!(f, "Int({n})"),
            Value::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Value::Flag(flag) => write!(f, "Flag({flag})"),
            Value::Time(time) => write!(f, "Time({time})"),
        }
    }
}

/// A stored value that makes no record: damaged, or written by a newer program.
#[derive(Debug, thiserror::Error)]
#[error("column {column} of {table} cannot be read")]
pub struct Unreadable {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The mistake in it.
    #[source]
    pub why: Box<dyn StdError + Send + Sync>,
}

impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> Self {
        let message = match unreadable.why.downcast_ref::<DecodeError>() {
            Some(DecodeError::NewerFormat(_)) => "it was written by a newer program",
            Some(DecodeError::Damaged(_)) | None => "what is stored cannot be read",
        };
        StoreError::caused(StoreErrorKind::Corrupt, message, unreadable)
    }
}
