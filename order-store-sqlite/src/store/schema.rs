//! The mark of a file that is ours, and the migrations it still needs.

use order_core::store::{StoreError, StoreErrorKind};
use order_core::time::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tracing::info;

use super::errors::store_error;
use crate::migrations::{Migration, Record};

/// Marks a SQLite file as an order store (`OrdE`), so that no other program's file is altered.
const APPLICATION_ID: i32 = 0x4F72_6445;

/// Numbered from 1, and never edited after release.
const MIGRATIONS: &[Migration] = &[Migration {
    name: "orders",
    sql: include_str!("../../migrations/0001_orders.sql"),
}];

const RECORD: Record = Record {
    table: "order_migrations",
};

const READ_VERSION: &str = "PRAGMA user_version";
const READ_NEEDED: &str = "SELECT min_reader, min_writer FROM order_store";
const COUNT_SCHEMA: &str = "SELECT count(*) FROM sqlite_schema";

/// The uses of a file, which may have been brought to a newer schema than this
/// program's. Its `order_store` says which programs may still do so: those that know a schema of at
/// least that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

/// Brings a file up to date that is ours, or nobody's yet.
pub(super) fn bring_up_to_date(db: &mut Connection, now: Timestamp) -> Result<(), StoreError> {
    if applied_migrations(db, Use::Write)? < MIGRATIONS.len() {
        migrate(db, now)
    } else {
        check_checksums(db)
    }
}

/// Refuses a file that would have to be brought up to date before it is read, or is not ours.
pub(super) fn must_be_up_to_date(db: &Connection) -> Result<(), StoreError> {
    match applied_migrations(db, Use::Read)? {
        0 => Err(misconfigured(
            "there are no orders in it, nor the tables for them".into(),
        )),
        applied if applied < MIGRATIONS.len() => Err(misconfigured(format!(
            "its schema has version {applied}, and this program reads version {}: whatever opens it to write, such as \
             `order work`, brings it up to date",
            MIGRATIONS.len()
        ))),
        _ => check_checksums(db),
    }
}

/// Refuses to go on with a file that another program has brought to a newer schema meanwhile,
/// unless that is made for this one too.
pub(super) fn must_still_fit(db: &Connection, what: Use) -> Result<(), StoreError> {
    let version = || {
        db.prepare_cached(READ_VERSION)?
            .query_row([], |row| row.get::<_, i64>(0))
    };
    let version = version().map_err(store_error)?;
    match usize::try_from(version) {
        Ok(version) if version == MIGRATIONS.len() => Ok(()),
        _ => check_needed(
            db,
            what,
            &format!("its schema was brought to version {version} while in use"),
        ),
    }
}

/// Refuses a newer schema that this program is too old for.
fn check_needed(db: &Connection, what: Use, found: &str) -> Result<(), StoreError> {
    let needed = db.query_row(READ_NEEDED, [], |row| Ok((row.get(0)?, row.get(1)?)));
    let (reader, writer): (i64, i64) = needed.map_err(store_error)?;
    let (needed, to) = match what {
        Use::Read => (reader, "read"),
        // What it writes it reads, too.
        Use::Write => (reader.max(writer), "write"),
    };
    if usize::try_from(needed).is_ok_and(|needed| needed <= MIGRATIONS.len()) {
        return Ok(());
    }
    Err(misconfigured(format!(
        "{found}, and is for programs that know version {needed} to {to} it, this one knows {}: upgrade the program",
        MIGRATIONS.len()
    )))
}

/// Returns the number of migrations that the file has seen, which may be more than this program
/// knows; refused if it is another program's, or a newer schema that is not made for this one.
pub(super) fn applied_migrations(db: &Connection, what: Use) -> Result<usize, StoreError> {
    let number = |name: &str| {
        db.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(store_error)
    };
    // Another process may be making the file this very moment. It marks the file with the very
    // commit that makes it, so the mark is read last: whoever saw the file made sees the mark too.
    let version = number("user_version")?;
    let objects: i64 = db
        .query_row(COUNT_SCHEMA, [], |row| row.get(0))
        .map_err(store_error)?;
    let application = number("application_id")?;
    if application == i64::from(APPLICATION_ID) {
        let applied = usize::try_from(version).unwrap_or(usize::MAX);
        if applied > MIGRATIONS.len() {
            check_needed(db, what, &format!("its schema has version {version}"))?;
        }
        return Ok(applied);
    }
    if application != 0 || version != 0 || objects != 0 {
        return Err(misconfigured(
            "it is another program's SQLite file: orders need a file of their own".into(),
        ));
    }
    Ok(0)
}

/// One process at a time: whoever waited for the lock finds the work done.
fn migrate(db: &mut Connection, now: Timestamp) -> Result<(), StoreError> {
    let transaction = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(store_error)?;
    let applied = applied_migrations(&transaction, Use::Write)?;
    for (version, migration) in (1i64..).zip(MIGRATIONS).skip(applied) {
        let run = || -> rusqlite::Result<()> {
            RECORD.run(&transaction, version, migration, now)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", version)
        };
        run().map_err(store_error)?;
    }
    transaction.commit().map_err(store_error)?;
    info!(
        from = applied,
        to = MIGRATIONS.len(),
        "the schema of the orders was brought up to date"
    );
    check_checksums(db)
}

/// A migration that was edited after it ran means that the schema is not one that this program was
/// tested with.
fn check_checksums(db: &Connection) -> Result<(), StoreError> {
    if RECORD.agrees_with(db, MIGRATIONS).map_err(store_error)? {
        return Ok(());
    }
    Err(misconfigured(
        "its migrations are not those of this program: it was made by another build".into(),
    ))
}

fn misconfigured(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}
