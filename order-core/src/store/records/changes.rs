//! The rows that a changeset writes: which rows are put, which are deleted, and which are appended,
//! worked out once and without a database.

use std::collections::BTreeMap;

use super::addresses::{self, ORDER_ADDRESSES, ORDER_METADATA};
use super::journal::ORDER_STATUS_HISTORY;
use super::order::ORDERS;
use super::table::{Table, Value};
use super::work::tries_json;
use super::write::{Cells, Row};
use super::{Child, journal, order};
use crate::ids::{Bucket, Name};
use crate::order::Order;
use crate::store::{Changeset, StoreError, StoreErrorKind};

/// Values and bytes of text that a placed order comes to.
const USUAL: (usize, usize) = (512, 8_192);

/// The rows that a changeset writes. Worked out from the changeset alone, so that it can be done
/// before the store is asked; it owns all it needs.
///
/// A changeset without journal rows writes none, but for what [`Changes::notified`] and its work
/// item say.
#[derive(Debug, Clone)]
pub struct Changes {
    cells: Cells,
    /// The order's own row, if anything of it is written.
    order: Option<Head>,
    puts: Vec<Head>,
    gone: Vec<Head>,
    /// First cells of the journal's rows.
    journal: Vec<usize>,
    notified: Option<u64>,
    redacts: bool,
    tries: Option<String>,
}

/// A row, and what is done to it.
#[derive(Debug, Clone, Copy)]
struct Head {
    table: &'static Table,
    from: usize,
    is_new: bool,
    changed: u32,
}

/// A row as it is afterwards.
#[derive(Debug, Clone, Copy)]
pub struct Put<'a> {
    /// The row.
    pub row: Row<'a>,
    /// True if there is no such row yet; otherwise there is one.
    pub is_new: bool,
    /// The columns in [`Table::indexed`] that change: bit 0 for the first of them. None of a
    /// row that is new.
    pub changed: u32,
}

/// A row that is to be deleted.
#[derive(Debug, Clone, Copy)]
pub struct Gone<'a> {
    cells: &'a Cells,
    head: Head,
}

impl<'a> Gone<'a> {
    /// The table it stands in.
    pub fn table(&self) -> &'static Table {
        self.head.table
    }

    /// The values of its primary key.
    pub fn key(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let (cells, from) = (self.cells, self.head.from);
        (from..from + self.head.table.key).map(|at| cells.value(at))
    }
}

impl Changes {
    /// Returns what `changeset` writes.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Corrupt`] if the changeset's parts do not belong together: nothing of it
    /// may be written.
    pub fn of(changeset: &Changeset) -> Result<Self, StoreError> {
        check_shape(changeset)?;
        let Changeset {
            id: _,
            before,
            after,
            journal,
            key,
            redemptions: _,
            work,
        } = changeset;
        let before = before.as_deref();
        let mut changes = Changes {
            cells: Cells::default(),
            order: None,
            puts: Vec::new(),
            gone: Vec::new(),
            journal: Vec::new(),
            notified: before
                .is_none_or(|before| before.notified < after.notified)
                .then_some(after.notified),
            redacts: false,
            tries: work.tries().and_then(tries_json),
        };
        if journal.is_empty() {
            return Ok(changes);
        }
        changes.cells = Cells::with_room(USUAL.0, USUAL.1);
        changes.redacts = after.redacted_at.is_some()
            && before.is_some_and(|before| before.redacted_at.is_none());
        let head = changes.put(
            ORDERS,
            before.map(|before| move |row: &mut Cells| order::put(before, None, row)),
            |row| {
                order::put(after, key.as_ref(), row);
            },
        );
        changes.order = Some(head);
        changes.diff_children(before, after);
        for row in journal {
            changes.journal.push(changes.cells.len());
            journal::put(row, &mut changes.cells);
        }
        Ok(changes)
    }

    /// The order's own row; none if nothing of it is written but the notified number.
    pub fn order(&self) -> Option<Put<'_>> {
        self.order.map(|head| self.row(head))
    }

    /// The rows of other tables that are new or change. Those of a table come in the order of their
    /// keys.
    pub fn puts(&self) -> impl Iterator<Item = Put<'_>> {
        self.puts.iter().map(|head| self.row(*head))
    }

    /// The rows of other tables that are to be deleted.
    pub fn gone(&self) -> impl Iterator<Item = Gone<'_>> {
        self.gone.iter().map(|head| Gone {
            cells: &self.cells,
            head: *head,
        })
    }

    /// The journal's new rows, in sequence.
    pub fn journal(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.journal.iter().map(|&from| Row {
            table: ORDER_STATUS_HISTORY,
            cells: &self.cells,
            from,
        })
    }

    /// The number to which [`Order::notified`] rises, if it is lower: a store keeps the larger of
    /// this and what it has. So does it with the column of [`Changes::order`], where that is
    /// written.
    pub fn notified(&self) -> Option<u64> {
        self.notified
    }

    /// Returns whether the notes of the journal rows before these are to be erased.
    pub fn redacts(&self) -> bool {
        self.redacts
    }

    /// Returns what was tried as JSON, as the work item has it afterwards, where
    /// [`crate::store::WorkChange::tries`] says that it changes.
    pub fn tries(&self) -> Option<&str> {
        self.tries.as_deref()
    }

    fn row(
        &self,
        Head {
            table,
            from,
            is_new,
            changed,
        }: Head,
    ) -> Put<'_> {
        Put {
            row: Row {
                table,
                cells: &self.cells,
                from,
            },
            is_new,
            changed,
        }
    }

    /// Writes a row down, and finds out which of its indexed columns differ from what they were.
    fn put(
        &mut self,
        table: &'static Table,
        before: Option<impl FnOnce(&mut Cells)>,
        after: impl FnOnce(&mut Cells),
    ) -> Head {
        let from = self.cells.len();
        after(&mut self.cells);
        debug_assert_eq!(
            self.cells.len() - from,
            table.columns.len(),
            "{} has as many values as columns",
            table.name
        );
        let mut head = Head {
            table,
            from,
            is_new: before.is_none(),
            changed: 0,
        };
        if let Some(before) = before
            && table.columns.iter().any(|column| column.indexed)
        {
            let old = self.cells.len();
            before(&mut self.cells);
            for (bit, at) in table.indexed().enumerate() {
                head.changed |=
                    u32::from(self.cells.value(from + at) != self.cells.value(old + at)) << bit;
            }
            self.cells.truncate(old);
        }
        head
    }

    fn diff_children(&mut self, before: Option<&Order>, after: &Order) {
        macro_rules! diff {
            ($($field:ident)*) => {{
                // Whoever adds a field to the order decides here whether it has rows of its own.
                $(self.diff(before, after, before.map_or(&[][..], |order| &order.$field), &after.$field);)*
            }};
        }
        diff!(lines);
        self.diff_addresses(before, after);
        diff!(payments reservations shipments returns credits disputes edits);
        self.diff_metadata(before.and_then(|o| o.metadata.get()), after);
    }

    fn diff<T: Child + PartialEq>(
        &mut self,
        before: Option<&Order>,
        after: &Order,
        old: &[T],
        new: &[T],
    ) {
        let number = |records: &[T], at: usize| records.get(at).map(|record| record.number(at));
        for (at, record) in new
            .iter()
            .enumerate()
            .filter(|(at, record)| old.get(*at) != Some(record))
        {
            let n = record.number(at);
            // Records keep their places, so that it is nearly always the first that is looked at.
            let place = (at..old.len())
                .chain(0..at.min(old.len()))
                .find(|&place| number(old, place) == Some(n));
            let was = place
                .zip(before)
                .map(|(place, before)| (&old[place], before));
            let head = self.put(
                T::TABLE,
                was.map(|(was, before)| |row: &mut Cells| was.put(before, n, row)),
                |row| {
                    record.put(after, n, row);
                },
            );
            self.puts.push(head);
        }
        for (at, was) in old.iter().enumerate() {
            let n = was.number(at);
            if number(new, at) != Some(n)
                && !(0..new.len()).any(|place| number(new, place) == Some(n))
            {
                self.delete(T::TABLE, |row| {
                    row.id(after.id.as_bytes()).int(n);
                });
            }
        }
    }

    fn delete(&mut self, table: &'static Table, key: impl FnOnce(&mut Cells)) {
        let from = self.cells.len();
        key(&mut self.cells);
        debug_assert_eq!(
            self.cells.len() - from,
            table.key,
            "{} is deleted from by its key",
            table.name
        );
        self.gone.push(Head {
            table,
            from,
            is_new: false,
            changed: 0,
        });
    }

    fn diff_addresses(&mut self, before: Option<&Order>, after: &Order) {
        let id = after.id;
        let old = addresses::rows(before.and_then(|order| order.addresses.get()));
        let new = addresses::rows(after.addresses.get());
        for (old, new) in old.into_iter().zip(new) {
            match (old, new) {
                (old, new) if old == new => {}
                (old, Some((kind, address))) => {
                    let was = old.map(|(kind, was)| {
                        move |row: &mut Cells| addresses::put(id, kind, was, row)
                    });
                    let head = self.put(ORDER_ADDRESSES, was, |row| {
                        addresses::put(id, kind, address, row)
                    });
                    self.puts.push(head);
                }
                (Some((kind, _)), None) => self.delete(ORDER_ADDRESSES, |row| {
                    row.id(id.as_bytes()).text(kind.as_str());
                }),
                (None, None) => {}
            }
        }
    }

    fn diff_metadata(&mut self, before: Option<&BTreeMap<Name, String>>, after: &Order) {
        let nothing = BTreeMap::new();
        let (old, new) = (
            before.unwrap_or(&nothing),
            after.metadata.get().unwrap_or(&nothing),
        );
        for (key, value) in new
            .iter()
            .filter(|(key, value)| old.get(*key) != Some(value))
        {
            let was = old
                .get(key)
                .map(|was| |row: &mut Cells| addresses::put_entry(after, key, was, row));
            let head = self.put(ORDER_METADATA, was, |row| {
                addresses::put_entry(after, key, value, row)
            });
            self.puts.push(head);
        }
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            self.delete(ORDER_METADATA, |row| {
                row.id(after.id.as_bytes()).text(key.as_str());
            });
        }
    }
}

/// Refuses a changeset whose parts do not belong together. Clauses 2, 4, 6, 9 and 23: what tells a
/// replay from a conflict, and finds an order, its rows and its key.
///
/// # Errors
///
/// [`StoreErrorKind::Corrupt`] if they do not.
pub fn check_shape(changeset: &Changeset) -> Result<(), StoreError> {
    let Changeset {
        id,
        before,
        after,
        journal,
        key,
        redemptions: _,
        work: _,
    } = changeset;
    let expected = changeset.expected();
    let numbered = (expected + 1..).zip(journal);
    let restores = before.is_none();
    let bucket = Bucket::of(&after.user);
    let wrong = if [after.id.bucket(), after.number.bucket()] != [bucket; 2] {
        "the order's id or number is of another bucket than its user"
    } else if before.as_ref().is_some_and(|before| before.id != after.id) {
        "it makes one order of another"
    } else if after.version != expected + journal.len() as u64 {
        "the version does not count its journal rows"
    } else if !numbered
        .into_iter()
        .all(|(seq, row)| row.seq == seq && row.order == after.id)
    {
        "its journal rows are not numbered from the expected version on, or not its order's"
    } else if !journal
        .iter()
        .enumerate()
        .all(|(at, row)| row.changeset == *id || at > 0 && restores)
    {
        "its journal rows are another changeset's"
    } else if key
        .as_ref()
        .is_some_and(|key| key.order != after.id || key.user != after.user)
    {
        "its key is another order's"
    } else {
        return Ok(());
    };
    let message = format!(
        "changeset {id} of order {} is not in itself sound: {wrong}",
        after.id
    );
    Err(StoreError::new(StoreErrorKind::Corrupt, message))
}
