//! Opening a shop file: recognising it, its settings, its migrations.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use order_core::time::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tracing::info;

use super::error::ShopError;
use crate::file::{self, Identity};
use crate::migrations::{Migration, Record};
use crate::{checkpoint, linked, settings};

/// `ORSH`, so that a file of another kind is never taken for a shop.
const APPLICATION_ID: i32 = 0x4F52_5348;

/// Numbered from 1. A released one is never edited; `user_version` says how many a file has had.
const MIGRATIONS: &[Migration] = &[Migration {
    name: "shop",
    sql: include_str!("migrations/0001_shop.sql"),
}];

const RECORD: Record = Record {
    table: "shop_migrations",
};

/// The version of a file that has had all of them.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// The time that a statement waits for another process's transaction. Below the engine's call
/// deadline of 5 s, so that a locked file is answered as "not done" and never counts as an unknown
/// outcome.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

/// The bytes that the write-ahead log is let grow to.
pub(super) const LOG_LIMIT: u64 = 8 << 20;

/// Enough for every statement of the shop.
const STATEMENTS: usize = 96;

/// A shop's file.
#[derive(Debug, Clone)]
pub(super) struct ShopFile {
    name: PathBuf,
    /// The name that errors give it.
    path: Arc<str>,
    /// None before it was opened.
    opened: Option<Identity>,
}

impl ShopFile {
    pub(super) fn new(name: &Path) -> Self {
        ShopFile {
            name: name.to_owned(),
            path: name.to_string_lossy().into(),
            opened: None,
        }
    }

    pub(super) fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Opens it for writing; makes it if there is none, where that is wanted.
    pub(super) fn open_writer(
        &mut self,
        make: bool,
        now: Timestamp,
    ) -> Result<Connection, ShopError> {
        let path = &self.path;
        let wrap = |source| unusable(path, source);
        let foreign = |reason: String| ShopError::Foreign {
            path: path.clone(),
            reason,
        };
        linked::check().map_err(foreign)?;
        if self.name.as_os_str().is_empty() {
            // SQLite would make a nameless file that is gone when it is closed.
            return Err(ShopError::Foreign {
                path: "\"\"".into(),
                reason: "the name is empty; name a file".into(),
            });
        }
        if make {
            // Where it fails, SQLite says why when it opens the file.
            let _ = file::make(&self.name);
        } else {
            match std::fs::metadata(&self.name) {
                Ok(found) if found.len() == 0 => {
                    return Err(foreign(
                        "it is empty; there never was a shop in it, or all of it was lost".into(),
                    ));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(foreign(
                        "there is no such file; load a catalogue, which makes it".into(),
                    ));
                }
                // Whatever else is wrong, SQLite says when it opens the file.
                _ => {}
            }
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(&self.name, flags).map_err(wrap)?;
        db.busy_timeout(BUSY_TIMEOUT).map_err(wrap)?;
        recognise(&db, path)?;
        // Only now: switching the journal writes to the file, and a file of another kind must stay
        // as it is.
        let mode = settings::switch_to_wal(&db, BUSY_TIMEOUT).map_err(wrap)?;
        if mode != "wal" {
            let reason = format!(
                "its file system cannot keep a write-ahead log (journal mode {mode}); use a local disk"
            );
            return Err(foreign(reason));
        }
        settle(&db).map_err(wrap)?;
        settings::check(&db).map_err(wrap)?.map_err(foreign)?;
        migrate(&mut db, path, now)?;
        self.opened = Identity::of(&self.name).ok();
        Ok(db)
    }

    /// Opens the file that [`ShopFile::open_writer`] has opened, for reading.
    pub(super) fn open_reader(&self) -> Result<Connection, ShopError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let db = Connection::open_with_flags(&self.name, flags)?;
            db.busy_timeout(BUSY_TIMEOUT)?;
            settle(&db)?;
            db.pragma_update(None, "query_only", true)?;
            Ok(db)
        };
        open().map_err(|source| unusable(&self.path, source))
    }

    /// Copies the write-ahead log into the file when it has grown long, where SQLite may not do so
    /// by itself.
    pub(super) fn keep_log(&self, db: &Connection) -> rusqlite::Result<()> {
        let long = |log: std::fs::Metadata| log.len() > settings::checkpoint_at(LOG_LIMIT);
        if linked::has_reset_fault() && std::fs::metadata(file::log_of(&self.name)).is_ok_and(long)
        {
            checkpoint::alone(db, &self.name, BUSY_TIMEOUT)?;
        }
        Ok(())
    }

    /// Refuses to go on with a file that is no longer the one with this name.
    pub(super) fn must_be_the_same(&self) -> Result<(), ShopError> {
        match Identity::of(&self.name) {
            Ok(found) if self.opened.is_none_or(|opened| opened == found) => Ok(()),
            Ok(_) => {
                let reason = "it was replaced by another file while in use; start anew".into();
                Err(ShopError::Foreign {
                    path: self.path.clone(),
                    reason,
                })
            }
            Err(error) => {
                let source = rusqlite::Error::ToSqlConversionFailure(Box::new(error));
                Err(ShopError::Unavailable {
                    path: self.path.clone(),
                    remedy: "it was removed or moved while in use; put it back",
                    maybe_done: false,
                    source: Arc::new(source),
                })
            }
        }
    }
}

/// Refuses to go on with a file that another program has brought up to date meanwhile.
pub(super) fn must_still_fit(db: &Connection, path: &Arc<str>) -> Result<(), ShopError> {
    let version = || {
        db.prepare_cached("PRAGMA user_version")?
            .query_row([], |row| row.get::<_, i64>(0))
    };
    let version = version().map_err(|source| unusable(path, source))?;
    if version == VERSION {
        return Ok(());
    }
    let reason = format!(
        "its schema was brought to {version} while in use, this program knows those up to {VERSION}; use a newer program"
    );
    Err(ShopError::Foreign {
        path: path.clone(),
        reason,
    })
}

/// A shop that lasts as long as its only connection.
pub(super) fn open_in_memory(path: &Arc<str>, now: Timestamp) -> Result<Connection, ShopError> {
    let mut db = Connection::open_in_memory().map_err(|source| unusable(path, source))?;
    settle(&db).map_err(|source| unusable(path, source))?;
    migrate(&mut db, path, now)?;
    Ok(db)
}

fn settle(db: &Connection) -> rusqlite::Result<()> {
    settings::set(db, LOG_LIMIT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

fn unusable(path: &Arc<str>, source: rusqlite::Error) -> ShopError {
    if source.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
        let reason = "it is not an SQLite file; name another file".into();
        return ShopError::Foreign {
            path: path.clone(),
            reason,
        };
    }
    ShopError::unavailable(path, Arc::new(source), false)
}

/// Refuses files that are neither empty nor a shop's, and those of a later version. Only reads.
fn recognise(db: &Connection, path: &Arc<str>) -> Result<(), ShopError> {
    let read = |sql| {
        db.query_row(sql, [], |r| r.get::<_, i64>(0))
            .map_err(|source| unusable(path, source))
    };
    let foreign = |reason| {
        Err(ShopError::Foreign {
            path: path.clone(),
            reason,
        })
    };
    // Another process may be making the file this very moment. It marks the file with the very
    // commit that makes it, so the mark is read last: whoever saw the file made sees the mark too.
    let version = read("PRAGMA user_version")?;
    let objects = read("SELECT count(*) FROM sqlite_schema")?;
    let id = read("PRAGMA application_id")?;
    match id {
        0 if objects == 0 && version == 0 => Ok(()),
        id if id != i64::from(APPLICATION_ID) => foreign(format!(
            "it is the database of another program (application id {id}); name another file"
        )),
        _ if version > VERSION => foreign(format!(
            "its schema is {version}, this program knows those up to {VERSION}; use a newer program"
        )),
        _ => Ok(()),
    }
}

fn migrate(db: &mut Connection, path: &Arc<str>, now: Timestamp) -> Result<(), ShopError> {
    let wrap = |source| unusable(path, source);
    let version = |db: &Connection| {
        db.query_row("PRAGMA user_version", [], |r| r.get::<_, i64>(0))
            .map_err(wrap)
    };
    // Versions only rise: without anything to do, nobody who only looks waits for whoever writes.
    if version(db)? == VERSION {
        return check_migrations(db, path);
    }
    // Under the write lock, so that of two processes that open a new file one migrates and the
    // other finds it done.
    let tx = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(wrap)?;
    recognise(&tx, path)?;
    let from = version(&tx)?;
    let seen = usize::try_from(from).unwrap_or(0);
    for (number, migration) in (1..).zip(MIGRATIONS).skip(seen) {
        RECORD.run(&tx, number, migration, now).map_err(wrap)?;
    }
    if from < VERSION {
        tx.pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(wrap)?;
        tx.pragma_update(None, "user_version", VERSION)
            .map_err(wrap)?;
    }
    tx.commit().map_err(wrap)?;
    if from < VERSION {
        info!(
            from,
            to = VERSION,
            "the schema of the shop was brought up to date"
        );
    }
    check_migrations(db, path)
}

/// Refuses a file whose migrations are not those that this program was tested with.
fn check_migrations(db: &Connection, path: &Arc<str>) -> Result<(), ShopError> {
    let agrees = || Ok(!RECORD.is_kept(db)? || RECORD.agrees_with(db, MIGRATIONS)?);
    match agrees() {
        // Also a shop that was made before its migrations were recorded.
        Ok(true) => Ok(()),
        Ok(false) => Err(ShopError::Foreign {
            path: path.clone(),
            reason: "its migrations are not those of this program; it was made by another build"
                .into(),
        }),
        Err(source) => Err(unusable(path, source)),
    }
}
