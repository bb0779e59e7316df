//! Records to values: the rows of a changeset, side by side in two pieces of memory.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io;

use serde::Serialize;

use super::table::{Table, Value};
use crate::time::Timestamp;

/// A value; a text is so many bytes of [`Cells::texts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Null,
    Id([u8; 16]),
    Int(i64),
    Text { from: u32, to: u32 },
    Flag(bool),
    Time(i64),
}

/// The values of many rows. Nothing of it is a piece of memory of its own, so that it is made and
/// freed quickly.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    cells: Vec<Cell>,
    texts: String,
}

impl Cells {
    pub(super) fn with_room(cells: usize, text_bytes: usize) -> Self {
        Cells {
            cells: Vec::with_capacity(cells),
            texts: String::with_capacity(text_bytes),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn value(&self, at: usize) -> Value<'_> {
        match self.cells[at] {
            Cell::Null => Value::Null,
            Cell::Id(bytes) => Value::Id(bytes),
            Cell::Int(n) => Value::Int(n),
            Cell::Text { from, to } => {
                Value::Text(Cow::Borrowed(&self.texts[from as usize..to as usize]))
            }
            Cell::Flag(flag) => Value::Flag(flag),
            Cell::Time(micros) => Value::Time(Timestamp::from_micros(micros)),
        }
    }

    /// Forgets the rows from the cell `len` on; their texts stay.
    pub(super) fn truncate(&mut self, len: usize) {
        self.cells.truncate(len);
    }

    fn cell(&mut self, cell: Cell) -> &mut Self {
        self.cells.push(cell);
        self
    }

    fn since(&mut self, from: usize) -> &mut Self {
        // A changeset is far below 4 GiB; beyond it, the text would be found empty rather than
        // wrong.
        let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
        let (from, to) = (place(from), place(self.texts.len()));
        self.cell(Cell::Text { from, to })
    }

    pub(super) fn null(&mut self) -> &mut Self {
        self.cell(Cell::Null)
    }

    pub(super) fn id(&mut self, id: &[u8; 16]) -> &mut Self {
        self.cell(Cell::Id(*id))
    }

    pub(super) fn id_some(&mut self, id: Option<&[u8; 16]>) -> &mut Self {
        self.cell(id.map_or(Cell::Null, |id| Cell::Id(*id)))
    }

    pub(super) fn int(&mut self, n: impl Into<i64>) -> &mut Self {
        self.cell(Cell::Int(n.into()))
    }

    pub(super) fn int_some(&mut self, n: Option<impl Into<i64>>) -> &mut Self {
        self.cell(n.map_or(Cell::Null, |n| Cell::Int(n.into())))
    }

    /// A count that stays far below 2⁶³.
    pub(super) fn count(&mut self, n: u64) -> &mut Self {
        self.cell(Cell::Int(n.cast_signed()))
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let from = self.texts.len();
        self.texts.push_str(text);
        self.since(from)
    }

    pub(super) fn text_some(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// The text that it is shown as.
    pub(super) fn shown(&mut self, value: impl Display) -> &mut Self {
        let from = self.texts.len();
        // Writing to a String does not fail.
        let _ = write!(self.texts, "{value}");
        self.since(from)
    }

    /// JSON of what holds nothing that could fail: no map with other than text keys.
    pub(super) fn json(&mut self, value: &impl Serialize) -> &mut Self {
        let from = self.texts.len();
        let _ = serde_json::to_writer(Texts(&mut self.texts), value);
        self.since(from)
    }

    /// JSON, or NULL if there is nothing.
    pub(super) fn json_some<T: Serialize>(&mut self, records: &[T]) -> &mut Self {
        if records.is_empty() {
            self.null()
        } else {
            self.json(&records)
        }
    }

    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.cell(Cell::Flag(flag))
    }

    pub(super) fn time(&mut self, time: Timestamp) -> &mut Self {
        self.cell(Cell::Time(time.as_micros()))
    }

    pub(super) fn time_some(&mut self, time: Option<Timestamp>) -> &mut Self {
        self.cell(time.map_or(Cell::Null, |time| Cell::Time(time.as_micros())))
    }
}

/// The output of serde_json, piece by piece, each of them a text.
struct Texts<'a>(&'a mut String);

impl io::Write for Texts<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(piece)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        self.0.push_str(text);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A row of values.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub(super) table: &'static Table,
    pub(super) cells: &'a Cells,
    /// Its first cell.
    pub(super) from: usize,
}

impl<'a> Row<'a> {
    /// The table it belongs to.
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// The value of the table's column `at`.
    ///
    /// # Panics
    ///
    /// If the table has no such column.
    pub fn value(&self, at: usize) -> Value<'a> {
        assert!(
            at < self.table.columns.len(),
            "{} has no column {at}",
            self.table.name
        );
        self.cells.value(self.from + at)
    }

    /// The values of all columns, in their order.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (cells, from) = (self.cells, self.from);
        (from..from + self.table.columns.len()).map(|at| cells.value(at))
    }

    /// The values of the primary key.
    pub fn key(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        self.values().take(self.table.key)
    }
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values = self
            .table
            .columns
            .iter()
            .map(|column| column.name)
            .zip(self.values());
        write!(f, "{} ", self.table.name)?;
        f.debug_map().entries(values).finish()
    }
}
