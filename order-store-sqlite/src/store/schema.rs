//! Opening the file: settings, whose file it is, and the migrations it still needs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use order_core::store::{StoreError, StoreErrorKind};
use order_core::time::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use uuid::Uuid;

use super::errors::store_error;

/// Marks a SQLite file as an order store (`OrdE`), so that no other program's file is altered.
const APPLICATION_ID: i32 = 0x4F72_6445;

/// Of SQLite's default.
const PAGE_BYTES: u64 = 4096;

/// More statements than the store has, so that each is compiled once per connection.
const STATEMENTS_CACHED: usize = 128;

struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// Numbered from 1, and never edited after release.
const MIGRATIONS: &[Migration] = &[
    Migration { name: "orders", sql: include_str!("../../migrations/0001_orders.sql") },
    Migration { name: "feed", sql: include_str!("../../migrations/0002_feed.sql") },
    Migration { name: "life", sql: include_str!("../../migrations/0003_life.sql") },
];

const CREATE_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS order_migrations (
    version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT";
const INSERT_MIGRATION: &str = "INSERT INTO order_migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)";
const SELECT_MIGRATIONS: &str = "SELECT version, checksum FROM order_migrations ORDER BY version";
const COUNT_SCHEMA: &str = "SELECT count(*) FROM sqlite_schema";

/// A store's file, and what its connections are opened with.
#[derive(Debug, Clone)]
pub(super) struct StoreFile {
    pub path: PathBuf,
    pub busy_timeout: Duration,
    /// Bytes of the write-ahead log.
    pub log_limit: u64,
}

/// A connection that may write, to a file that is ours and up to date.
pub(super) fn open_writer(file: &StoreFile, now: Timestamp) -> Result<Connection, StoreError> {
    let path = &file.path;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(|e| at_path(path, store_error(e)))?;
    prepare(&mut db, file, now).map_err(|e| at_path(path, e))?;
    Ok(db)
}

/// A connection for reading. The file must have been opened by [`open_writer`] before.
pub(super) fn open_reader(file: &StoreFile) -> rusqlite::Result<Connection> {
    let db = open_copier(file)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    db.pragma_update(None, "query_only", true)?;
    db.pragma_update(None, "cache_size", -8_192)?;
    Ok(db)
}

/// A connection for copying the file, as for [`open_reader`]: one that only reads may not write the copy either.
pub(super) fn open_copier(file: &StoreFile) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(&file.path, flags)?;
    db.busy_timeout(file.busy_timeout)?;
    Ok(db)
}

fn prepare(db: &mut Connection, file: &StoreFile, now: Timestamp) -> Result<(), StoreError> {
    db.busy_timeout(file.busy_timeout).map_err(store_error)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    // Before any setting: switching to write-ahead logging would alter a foreign file.
    let applied = applied_migrations(db)?;
    settings(db, file)?;
    if applied < MIGRATIONS.len() { migrate(db, now) } else { check_checksums(db) }
}

/// Sets what durability depends on and reads it back: a store that may lose commits is refused.
fn settings(db: &Connection, file: &StoreFile) -> Result<(), StoreError> {
    let set = |name: &str, value: &str| db.pragma_update(None, name, value).map_err(store_error);
    let journal_mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).map_err(store_error)?;
    set("synchronous", "FULL")?;
    set("fullfsync", "ON")?;
    set("checkpoint_fullfsync", "ON")?;
    set("foreign_keys", "ON")?;
    set("trusted_schema", "OFF")?;
    set("temp_store", "MEMORY")?;
    // What is deleted or replaced is overwritten, so that erased personal data and tokens do not stay in unused bytes.
    set("secure_delete", "ON")?;
    // Pages are KiB when negative.
    set("cache_size", "-32768")?;
    // A checkpoint syncs twice, so it is worth putting off; the log starts over after it, as long as no read is in the way.
    set("wal_autocheckpoint", &(file.log_limit / 2 / PAGE_BYTES).clamp(64, 1 << 20).to_string())?;
    set("journal_size_limit", &file.log_limit.min(i64::MAX.cast_unsigned()).to_string())?;
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(store_error);
    let (synchronous, foreign_keys) = (number("synchronous")?, number("foreign_keys")?);
    let expected_mode = if is_memory(&file.path) { "memory" } else { "wal" };
    if !journal_mode.eq_ignore_ascii_case(expected_mode) {
        return Err(misconfigured(format!(
            "journal_mode is {journal_mode:?} and cannot be set to {expected_mode:?}: the file system may lack shared memory"
        )));
    }
    if synchronous < 2 {
        return Err(misconfigured(format!("synchronous is {synchronous} and cannot be set to 2 (FULL): commits could be lost")));
    }
    if foreign_keys != 1 {
        return Err(misconfigured("foreign_keys cannot be switched on".into()));
    }
    Ok(())
}

/// Whether the store is to live in memory only.
pub(super) fn is_memory(path: &Path) -> bool {
    path.as_os_str() == ":memory:"
}

/// How many migrations the file has seen; refused if it is another program's or a newer schema.
fn applied_migrations(db: &Connection) -> Result<usize, StoreError> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(store_error);
    // Another process may be making the file this very moment. It marks the file with the very commit that makes it, so
    // the mark is read last: whoever saw the file made sees the mark too.
    let version = number("user_version")?;
    let objects: i64 = db.query_row(COUNT_SCHEMA, [], |row| row.get(0)).map_err(store_error)?;
    let application = number("application_id")?;
    if application == i64::from(APPLICATION_ID) {
        return match usize::try_from(version) {
            Ok(version) if version <= MIGRATIONS.len() => Ok(version),
            _ => Err(misconfigured(format!(
                "its schema has version {version}, and this program knows versions up to {}: upgrade the program",
                MIGRATIONS.len()
            ))),
        };
    }
    if application != 0 || version != 0 || objects != 0 {
        return Err(misconfigured("it is another program's SQLite file: orders need a file of their own".into()));
    }
    Ok(0)
}

/// One process at a time: whoever waited for the lock finds the work done.
fn migrate(db: &mut Connection, now: Timestamp) -> Result<(), StoreError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let applied = applied_migrations(&transaction)?;
    for (version, migration) in (1i64..).zip(MIGRATIONS).skip(applied) {
        let run = || -> rusqlite::Result<()> {
            transaction.execute_batch(CREATE_MIGRATIONS)?;
            transaction.execute_batch(migration.sql)?;
            transaction.execute(INSERT_MIGRATION, (version, migration.name, checksum(migration), now.as_micros()))?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", version)
        };
        run().map_err(store_error)?;
    }
    transaction.commit().map_err(store_error)?;
    check_checksums(db)
}

/// A migration that was edited after it ran means that the schema is not the one this program was tested with.
fn check_checksums(db: &Connection) -> Result<(), StoreError> {
    let mut statement = db.prepare(SELECT_MIGRATIONS).map_err(store_error)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(store_error)?;
    let recorded: Vec<(i64, String)> = rows.collect::<Result<_, _>>().map_err(store_error)?;
    let known: Vec<(i64, String)> = (1i64..).zip(MIGRATIONS.iter().map(checksum)).collect();
    if recorded == known {
        return Ok(());
    }
    Err(misconfigured("its migrations are not those of this program: it was made by another build".into()))
}

/// A name-based UUID (RFC 9562, 5.5) of the statements.
fn checksum(migration: &Migration) -> String {
    Uuid::new_v5(&Uuid::nil(), migration.sql.as_bytes()).to_string()
}

fn misconfigured(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}

fn at_path(path: &Path, error: StoreError) -> StoreError {
    StoreError { message: format!("cannot open {}: {}", path.display(), error.message), ..error }
}

/// A store of its own for a test that needs no file.
#[cfg(test)]
pub(super) fn open_in_memory() -> Connection {
    let file = StoreFile { path: ":memory:".into(), busy_timeout: Duration::ZERO, log_limit: 0 };
    open_writer(&file, Timestamp::default()).unwrap()
}

/// A folder that goes with the test.
#[cfg(test)]
pub(super) struct Folder(pub PathBuf);

#[cfg(test)]
impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("order-store-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    /// A store in it.
    pub(super) fn store(&self) -> StoreFile {
        StoreFile { path: self.0.join("orders.db"), busy_timeout: Duration::ZERO, log_limit: 1 << 20 }
    }
}

#[cfg(test)]
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
