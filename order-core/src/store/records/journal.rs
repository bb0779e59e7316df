//! `order_status_history`: the journal.

use uuid::Uuid;

use super::Record;
use super::read::{Columns, Stored};
use super::table::{Column, Table, Unreadable};
use super::write::Cells;
use crate::ids::{ChangesetId, IdempotencyKey, OrderId};
use crate::order::{CommandKey, JOURNAL_FORMAT, JournalRow, decode_event_of};

/// One row for each event: only ever added to, but for notes that are erased. Numbered 1, 2, …
/// within the order.
///
/// To be unique besides its key: `(order_id, command_key)` where there is a command key.
pub const ORDER_STATUS_HISTORY: &Table = &Table {
    n: 11,
    name: "order_status_history",
    key: 2,
    columns: &[
        Column::id("order_id"),
        Column::int("seq"),
        // The event as JSON, without personal data, and the format it is written in.
        Column::int("format"),
        Column::text("event"),
        Column::text("from_status").nullable(),
        Column::text("status"),
        // user:<uuid>, operator:<name>, service:<name> or system.
        Column::text("created_by"),
        Column::text("cause"),
        Column::text("notes").nullable(),
        // The key that the command was given under, and a hash of the command.
        Column::text("command_key").nullable(),
        Column::id("command_hash").nullable(),
        Column::id("changeset_id"),
        Column::time("created_at"),
    ],
};

pub(super) fn put(journal: &JournalRow, row: &mut Cells) {
    let JournalRow {
        order,
        seq,
        event,
        from,
        to,
        actor,
        cause,
        notes,
        command_key,
        changeset,
        at,
    } = journal;
    row.id(order.as_bytes())
        .count(*seq)
        .int(JOURNAL_FORMAT)
        .json(event);
    row.text_some(from.map(|s| s.as_str()))
        .text(to.as_str())
        .shown(actor)
        .text(cause)
        .text_some(notes.as_deref());
    match command_key {
        None => row.null().null(),
        Some(CommandKey { key, hash }) => row.text(key.as_str()).id(hash.as_bytes()),
    };
    row.id(changeset.as_bytes()).time(*at);
}

impl Record for JournalRow {
    const TABLE: &'static Table = ORDER_STATUS_HISTORY;

    fn take<R: Stored + ?Sized>(c: &mut Columns<'_, R>) -> Result<Self, Unreadable> {
        Ok(JournalRow {
            order: OrderId::from_bytes(c.id()?),
            seq: c.int()?,
            event: {
                let format = c.int()?;
                c.read(|event| decode_event_of(format, event))?
            },
            from: c.parse_some()?,
            to: c.parse()?,
            actor: c.parse()?,
            cause: c.text()?,
            notes: c.text_some()?,
            command_key: {
                let (key, hash) = (c.parse_some::<IdempotencyKey>()?, c.id_some()?);
                match (key, hash) {
                    (None, None) => None,
                    (Some(key), Some(hash)) => Some(CommandKey {
                        key,
                        hash: Uuid::from_bytes(hash),
                    }),
                    (Some(_), None) | (None, Some(_)) => {
                        return Err(c.wrong("a command key and its hash go together"));
                    }
                }
            },
            changeset: ChangesetId::from_bytes(c.id()?),
            at: c.time()?,
        })
    }
}
