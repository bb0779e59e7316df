//! Opening the file: who may make it, its settings, and whether it is still the one that was
//! opened.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use order_core::store::{StoreError, StoreErrorKind};
use order_core::time::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::errors::store_error;
use super::schema;
use crate::file::{self, Identity};
use crate::{linked, settings};

/// More statements than the store has, so that each is compiled once per connection.
const STATEMENTS_CACHED: usize = 128;

/// The changes that opening a store may make to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Makes the file if there is none, and brings its schema up to date.
    #[default]
    Create,
    /// Brings the schema up to date, and refuses a file that is not there or has nothing in it:
    /// where orders are expected, an empty store would look like one whose orders were all lost.
    Existing,
    /// Changes nothing: refuses what [`Access::Existing`] refuses, and a schema that is not up to
    /// date. Files and file systems that may not be written to can be read as long as nobody has
    /// the store open elsewhere. Whatever writes is refused.
    ReadOnly,
}

/// A store's file, and what its connections are opened with.
#[derive(Debug, Clone)]
pub(super) struct StoreFile {
    path: PathBuf,
    busy_timeout: Duration,
    /// Bytes of the write-ahead log.
    log_limit: u64,
    /// Neither file nor folder may be written to, and there is no log.
    immutable: bool,
    /// None before it was opened, and in memory.
    opened: Option<Identity>,
}

impl StoreFile {
    pub(super) fn new(path: PathBuf, busy_timeout: Duration, log_limit: u64) -> Self {
        StoreFile {
            path,
            busy_timeout,
            log_limit,
            immutable: false,
            opened: None,
        }
    }

    /// Returns whether the store lives in memory only.
    pub(super) fn is_memory(&self) -> bool {
        self.path.as_os_str() == ":memory:"
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn log(&self) -> PathBuf {
        file::log_of(&self.path)
    }

    pub(super) fn log_limit(&self) -> u64 {
        self.log_limit
    }

    pub(super) fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    /// A connection that may write, to a file that is ours and up to date.
    pub(super) fn open_writer(
        &mut self,
        access: Access,
        now: Timestamp,
    ) -> Result<Connection, StoreError> {
        self.try_open_writer(access, now)
            .map_err(|error| self.at_path(error))
    }

    fn try_open_writer(
        &mut self,
        access: Access,
        now: Timestamp,
    ) -> Result<Connection, StoreError> {
        linked::check().map_err(misconfigured)?;
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match access {
            _ if self.is_memory() => flags |= OpenFlags::SQLITE_OPEN_CREATE,
            Access::Create => file::make(&self.path).map_err(cannot_make)?,
            Access::Existing | Access::ReadOnly => self.must_hold_something()?,
        }
        let mut db = Connection::open_with_flags(&self.path, flags).map_err(store_error)?;
        db.busy_timeout(self.busy_timeout).map_err(store_error)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        // Before any setting: switching to write-ahead logging would alter a foreign file.
        if schema::applied_migrations(&db, schema::Use::Write)? == 0 && access != Access::Create {
            return Err(misconfigured(
                "there are no orders in it, nor the tables for them".into(),
            ));
        }
        self.settings(&db)?;
        schema::bring_up_to_date(&mut db, now)?;
        // Only now: bringing a large file up to date may sort more than fits into memory.
        db.pragma_update(None, "temp_store", "MEMORY")
            .map_err(store_error)?;
        if !self.is_memory() {
            self.opened = Some(Identity::of(&self.path).map_err(gone)?);
        }
        Ok(db)
    }

    /// A connection that reads a file nobody has opened to write it before; where it may not be
    /// written to, not even SQLite's own files beside it, it is read as it is.
    pub(super) fn open_for_reading(&mut self) -> Result<Connection, StoreError> {
        self.try_open_for_reading()
            .map_err(|error| self.at_path(error))
    }

    fn try_open_for_reading(&mut self) -> Result<Connection, StoreError> {
        linked::check().map_err(misconfigured)?;
        self.must_hold_something()?;
        let db = match self.probe() {
            Err(error) if may_not_write(&error) => {
                let log = self.log();
                if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
                    let message = format!(
                        "{} holds what is not in the file yet, and cannot be used from here: copy both to where they can be written",
                        log.display()
                    );
                    return Err(StoreError::caused(
                        StoreErrorKind::Misconfigured,
                        message,
                        error,
                    ));
                }
                self.immutable = true;
                self.probe()
            }
            opened => opened,
        };
        let db = db.map_err(store_error)?;
        schema::must_be_up_to_date(&db)?;
        self.opened = Some(Identity::of(&self.path).map_err(gone)?);
        Ok(db)
    }

    /// Opens it and reads something, before which SQLite does not know whether it can.
    fn probe(&self) -> rusqlite::Result<Connection> {
        let db = self.open_reader()?;
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(db)
    }

    /// A connection for reading. The file must have been opened in one of the other ways before.
    pub(super) fn open_reader(&self) -> rusqlite::Result<Connection> {
        let db = self.open_copier()?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
        db.pragma_update(None, "query_only", true)?;
        db.pragma_update(None, "cache_size", -8_192)?;
        Ok(db)
    }

    /// A connection for copying the file, as for [`StoreFile::open_reader`]: one that only reads
    /// may not write the copy either.
    pub(super) fn open_copier(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = if self.immutable {
            let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(file::immutable_uri(&self.path), flags)?
        } else {
            Connection::open_with_flags(&self.path, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)?
        };
        db.busy_timeout(self.busy_timeout)?;
        Ok(db)
    }

    /// Refuses to go on with a file that is no longer the one with this name: what was written to
    /// it would be found by nobody.
    pub(super) fn must_be_the_same(&self) -> Result<(), StoreError> {
        let Some(opened) = &self.opened else {
            return Ok(());
        };
        match Identity::of(&self.path) {
            Ok(found) if found == *opened => Ok(()),
            Ok(_) => Err(misconfigured(format!(
                "{} was replaced by another file while in use: start anew",
                self.path.display()
            ))),
            Err(error) => Err(self.at_path(gone(error))),
        }
    }

    fn must_hold_something(&self) -> Result<(), StoreError> {
        match fs::metadata(&self.path) {
            Ok(found) if found.len() == 0 => Err(misconfigured(
                "it is empty: there never was a store in it, or all of it was lost".into(),
            )),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::caused(
                StoreErrorKind::Misconfigured,
                "there is no such file",
                error,
            )),
            Err(error) => Err(StoreError::caused(
                StoreErrorKind::Misconfigured,
                "the database file cannot be opened",
                error,
            )),
        }
    }

    /// Sets what durability depends on and reads it back: a store that may lose commits is refused.
    fn settings(&self, db: &Connection) -> Result<(), StoreError> {
        let journal_mode = settings::switch_to_wal(db, self.busy_timeout).map_err(store_error)?;
        settings::set(db, self.log_limit).map_err(store_error)?;
        // Pages are KiB when negative.
        db.pragma_update(None, "cache_size", "-32768")
            .map_err(store_error)?;
        let expected_mode = if self.is_memory() { "memory" } else { "wal" };
        if !journal_mode.eq_ignore_ascii_case(expected_mode) {
            return Err(misconfigured(format!(
                "journal_mode is {journal_mode:?} and cannot be set to {expected_mode:?}: the file system may lack shared memory"
            )));
        }
        settings::check(db)
            .map_err(store_error)?
            .map_err(misconfigured)
    }

    fn at_path(&self, error: StoreError) -> StoreError {
        StoreError {
            message: format!("cannot open {}: {}", self.path.display(), error.message),
            ..error
        }
    }
}

/// Returns whether SQLite failed because it may not write, be it only the files that it puts
/// beside.
fn may_not_write(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    )
}

fn cannot_make(error: io::Error) -> StoreError {
    let (kind, message) = match error.kind() {
        io::ErrorKind::StorageFull => (
            StoreErrorKind::Full,
            "disk is full: the database file cannot be made",
        ),
        _ => (
            StoreErrorKind::Misconfigured,
            "the database file cannot be opened, or made",
        ),
    };
    StoreError::caused(kind, message, error)
}

/// It may come back, as when a volume is mounted again.
fn gone(error: io::Error) -> StoreError {
    StoreError::caused(
        StoreErrorKind::Unavailable,
        "the file was removed or moved while in use",
        error,
    )
}

fn misconfigured(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::Misconfigured, message)
}

/// A store of its own for a test that needs no file.
#[cfg(test)]
pub(super) fn open_in_memory() -> Connection {
    let mut file = StoreFile::new(":memory:".into(), Duration::ZERO, 0);
    file.open_writer(Access::Create, Timestamp::default())
        .unwrap()
}

/// A folder that goes with the test.
#[cfg(test)]
pub(crate) struct Folder(pub(crate) PathBuf);

#[cfg(test)]
impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("order-store-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    /// A store in it, with a connection that writes.
    pub(super) fn store(&self) -> (StoreFile, Connection) {
        let mut file = StoreFile::new(self.0.join("orders.db"), Duration::ZERO, 1 << 20);
        let db = file
            .open_writer(Access::Create, Timestamp::default())
            .unwrap();
        (file, db)
    }
}

#[cfg(test)]
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
