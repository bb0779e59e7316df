//! One changeset inside the open transaction: checks that only read, then writes that cannot be
//! refused. So a refused changeset leaves nothing behind for its group.

use order_core::ids::{Fence, IdempotencyKey, OrderId};
use order_core::store::records::{Changes, Facts, Tally, Verdict, check};
use order_core::store::{
    Changeset, CommitError, Committed, KeyRecord, KeyUse, StoreError, WorkItem,
};
use order_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::errors::Failed;
use super::{bind, sql, work};

/// A changeset, and the rows it writes, worked out on the caller's thread.
pub(super) struct Prepared {
    pub(super) changeset: Changeset,
    pub(super) changes: Changes,
}

impl Prepared {
    /// Refuses a changeset whose parts do not belong together.
    pub(super) fn new(changeset: Changeset) -> Result<Self, StoreError> {
        Ok(Prepared {
            changes: Changes::of(&changeset)?,
            changeset,
        })
    }
}

/// Applies the changeset, or says why not. An `Err` leaves the transaction fit for nothing but a
/// rollback.
pub(super) fn apply(
    db: &Connection,
    prepared: &Prepared,
    now: Timestamp,
) -> Result<Result<Committed, CommitError>, Failed> {
    let Prepared { changeset, changes } = prepared;
    let mut stored = InDatabase {
        db,
        changeset,
        item: None,
    };
    let tallies = match check(changeset, &mut stored)? {
        Err(refusal) => return Ok(Err(refusal)),
        Ok(Verdict::Replayed) => {
            return Ok(Ok(Committed {
                replayed: true,
                revision: 0,
            }));
        }
        Ok(Verdict::Write(tallies)) => tallies,
    };
    write(db, changeset, changes)?;
    for tally in &tallies {
        settle(db, changeset.after.id, tally)?;
    }
    // A new order has no work item yet.
    let is_new = changes.order().is_some_and(|order| order.is_new);
    let before = if is_new {
        None
    } else {
        stored.item()?.cloned()
    };
    let revision = work::change(
        db,
        changeset.after.id,
        &changeset.work,
        before,
        changes.tries(),
        now,
    )?;
    Ok(Ok(Committed {
        replayed: false,
        revision,
    }))
}

/// The facts of the database, asked for when they matter.
struct InDatabase<'a> {
    db: &'a Connection,
    changeset: &'a Changeset,
    /// The order's work item, once it was looked for.
    item: Option<Option<WorkItem>>,
}

impl InDatabase<'_> {
    fn order(&self) -> OrderId {
        self.changeset.after.id
    }

    /// The order's work item, but for what was tried.
    fn item(&mut self) -> Result<Option<&WorkItem>, Failed> {
        if self.item.is_none() {
            self.item = Some(work::find(self.db, self.order())?);
        }
        Ok(self.item.as_ref().and_then(Option::as_ref))
    }
}

impl Facts for InDatabase<'_> {
    type Error = Failed;

    fn replayed(&mut self) -> Result<bool, Failed> {
        let (order, first) = (self.order(), self.changeset.expected() + 1);
        let row = params![
            order.as_bytes(),
            first.cast_signed(),
            self.changeset.id.as_bytes()
        ];
        Ok(self.db.prepare_cached(sql::REPLAYED)?.exists(row)?)
    }

    fn key(&mut self, key: &KeyRecord) -> Result<Option<KeyRecord>, Failed> {
        let KeyRecord {
            user,
            method,
            key: text,
            request_hash: _,
            order: _,
        } = key;
        let taken = |row: &Row<'_>| {
            let (request_hash, order) = (
                row.get(0).map(Uuid::from_bytes)?,
                row.get(1).map(OrderId::from_bytes)?,
            );
            Ok(KeyRecord {
                request_hash,
                order,
                ..key.clone()
            })
        };
        let mut statement = self.db.prepare_cached(sql::SELECT_KEY)?;
        Ok(statement
            .query_row(
                params![user.as_bytes(), method.as_str(), text.as_str()],
                taken,
            )
            .optional()?)
    }

    fn command_key(&mut self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Failed> {
        let used = |row: &Row<'_>| {
            Ok(KeyUse {
                seq: row.get(0).map(i64::cast_unsigned)?,
                hash: row.get(1).map(Uuid::from_bytes)?,
            })
        };
        let mut statement = self.db.prepare_cached(sql::COMMAND_KEY_USE)?;
        Ok(statement
            .query_row(params![self.order().as_bytes(), key.as_str()], used)
            .optional()?)
    }

    fn lease(&mut self) -> Result<Option<(Option<Fence>, u64)>, Failed> {
        Ok(self.item()?.map(|item| (item.fence, item.revision)))
    }

    fn redemption(&mut self, name: &str) -> Result<(bool, u32), Failed> {
        let mut statement = self.db.prepare_cached(sql::SELECT_REDEMPTION)?;
        Ok(
            statement.query_row(params![self.order().as_bytes(), name], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?,
        )
    }

    fn version(&mut self) -> Result<Option<u64>, Failed> {
        let mut statement = self.db.prepare_cached(sql::SELECT_VERSION)?;
        let version: Option<i64> = statement
            .query_row([self.order().as_bytes()], |row| row.get(0))
            .optional()?;
        Ok(version.map(i64::cast_unsigned))
    }

    fn number_is_taken(&mut self) -> Result<bool, Failed> {
        Ok(self.db.prepare_cached(sql::NUMBER_IS_TAKEN)?.exists([self
            .changeset
            .after
            .number
            .to_string()])?)
    }
}

/// Writes everything but redemptions and the work item.
fn write(db: &Connection, changeset: &Changeset, changes: &Changes) -> Result<(), Failed> {
    let id = changeset.after.id.as_bytes();
    let Some(order) = changes.order() else {
        if let Some(notified) = changes.notified() {
            db.prepare_cached(sql::UPDATE_NOTIFIED)?
                .execute(params![id, notified.cast_signed()])?;
        }
        return Ok(());
    };
    bind::put(db, &order)?;
    for put in changes.puts() {
        bind::put(db, &put)?;
    }
    for gone in changes.gone() {
        bind::delete(db, gone.table(), gone.key())?;
    }
    if changes.redacts() {
        db.prepare_cached(sql::ERASE_NOTES)?.execute([id])?;
    }
    for row in changes.journal() {
        bind::insert(db, &row)?;
    }
    let (first, rows) = (changeset.expected() + 1, changes.journal().len() as u64);
    db.prepare_cached(sql::INSERT_CHANGESET)?.execute(params![
        id,
        first.cast_signed(),
        rows.cast_signed()
    ])?;
    Ok(())
}

fn settle(db: &Connection, order: OrderId, tally: &Tally<'_>) -> rusqlite::Result<()> {
    let &Tally {
        name,
        held_before,
        held,
        in_use,
    } = tally;
    if held == held_before {
        return Ok(());
    }
    let change = if held {
        sql::INSERT_REDEMPTION
    } else {
        sql::DELETE_REDEMPTION
    };
    db.prepare_cached(change)?
        .execute(params![order.as_bytes(), name])?;
    match in_use {
        0 => db
            .prepare_cached(sql::DELETE_REDEMPTION_COUNT)?
            .execute([name])?,
        in_use => db
            .prepare_cached(sql::PUT_REDEMPTION_COUNT)?
            .execute(params![name, in_use])?,
    };
    Ok(())
}
