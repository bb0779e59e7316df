//! Opening a shop file: recognising it, its settings, its migrations.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::ShopError;

/// `ORSH`, so that a file of another kind is never taken for a shop.
const APPLICATION_ID: i32 = 0x4F52_5348;

/// Numbered from 1. A released one is never edited; `user_version` says how many a file has had.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001_shop.sql"), include_str!("migrations/0002_parts.sql")];

/// How long a statement waits for another process's transaction. Below the engine's call deadline of 5 s, so that a locked
/// file is answered as "not done" and never counts as an unknown outcome.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

/// Enough for every statement of the shop.
const STATEMENTS: usize = 96;

/// Opens or creates `file` for writing; `path` is what errors call it.
pub(super) fn open_writer(file: &Path, path: &Arc<str>) -> Result<Connection, ShopError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let wrap = |source| unusable(path, source);
    if file.as_os_str().is_empty() {
        // SQLite would make a nameless file that is gone when it is closed.
        return Err(ShopError::Foreign { path: "\"\"".into(), reason: "the name is empty; name a file".into() });
    }
    let mut db = Connection::open_with_flags(file, flags).map_err(wrap)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(wrap)?;
    recognise(&db, path)?;
    // Only now: switching the journal writes to the file, and a file of another kind must stay as it is.
    let mode = switch_to_wal(&db).map_err(wrap)?;
    if mode != "wal" {
        let reason = format!("its file system cannot keep a write-ahead log (journal mode {mode}); use a local disk");
        return Err(ShopError::Foreign { path: path.clone(), reason });
    }
    settle(&db).map_err(wrap)?;
    migrate(&mut db, path)?;
    Ok(db)
}

/// SQLite does not wait for a lock that this switch needs, so that two who open a new file at once must do it themselves.
fn switch_to_wal(db: &Connection) -> rusqlite::Result<String> {
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);
    let mut waited = std::time::Duration::ZERO;
    loop {
        match db.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0)) {
            Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && waited < BUSY_TIMEOUT => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            mode => return mode,
        }
    }
}

/// Opens the file that [`open_writer`] has opened, for reading.
pub(super) fn open_reader(file: &Path, path: &Arc<str>) -> Result<Connection, ShopError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let db = Connection::open_with_flags(file, flags)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        settle(&db)?;
        db.pragma_update(None, "query_only", true)?;
        Ok(db)
    };
    open().map_err(|source| unusable(path, source))
}

/// A shop that lasts as long as its only connection.
pub(super) fn open_in_memory(path: &Arc<str>) -> Result<Connection, ShopError> {
    let mut db = Connection::open_in_memory().map_err(|source| unusable(path, source))?;
    settle(&db).map_err(|source| unusable(path, source))?;
    migrate(&mut db, path)?;
    Ok(db)
}

fn settle(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

fn unusable(path: &Arc<str>, source: rusqlite::Error) -> ShopError {
    if source.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
        let reason = "it is not an SQLite file; name another file".into();
        return ShopError::Foreign { path: path.clone(), reason };
    }
    ShopError::unavailable(path, Arc::new(source), false)
}

/// Refuses files that are neither empty nor a shop's, and those of a later version. Only reads.
fn recognise(db: &Connection, path: &Arc<str>) -> Result<(), ShopError> {
    let read = |sql| db.query_row(sql, [], |r| r.get::<_, i64>(0)).map_err(|source| unusable(path, source));
    let foreign = |reason| Err(ShopError::Foreign { path: path.clone(), reason });
    // Another process may be making the file this very moment. It marks the file with the very commit that makes it, so
    // the mark is read last: whoever saw the file made sees the mark too.
    let version = read("PRAGMA user_version")?;
    let objects = read("SELECT count(*) FROM sqlite_schema")?;
    let id = read("PRAGMA application_id")?;
    match id {
        0 if objects == 0 && version == 0 => Ok(()),
        id if id != i64::from(APPLICATION_ID) => {
            foreign(format!("it is the database of another program (application id {id}); name another file"))
        }
        _ if version > MIGRATIONS.len() as i64 => {
            let known = MIGRATIONS.len();
            foreign(format!("its schema is {version}, this program knows those up to {known}; use a newer program"))
        }
        _ => Ok(()),
    }
}

fn migrate(db: &mut Connection, path: &Arc<str>) -> Result<(), ShopError> {
    let wrap = |source| unusable(path, source);
    let version = |db: &Connection| db.query_row("PRAGMA user_version", [], |r| r.get::<_, i64>(0)).map_err(wrap);
    // Versions only rise: without anything to do, nobody who only looks waits for whoever writes.
    if version(db)? == MIGRATIONS.len() as i64 {
        return Ok(());
    }
    // Under the write lock, so that of two processes that open a new file one migrates and the other finds it done.
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrap)?;
    recognise(&tx, path)?;
    let pending = MIGRATIONS.get(usize::try_from(version(&tx)?).unwrap_or(0)..).unwrap_or_default();
    for migration in pending {
        tx.execute_batch(migration).map_err(wrap)?;
    }
    if !pending.is_empty() {
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(wrap)?;
        tx.pragma_update(None, "user_version", MIGRATIONS.len() as i64).map_err(wrap)?;
    }
    tx.commit().map_err(wrap)
}
