//! Copying a store to another file while it is in use.
//!
//! The copy is written under another name and gets its own when it is whole, so that whatever has
//! that name is a backup.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use order_core::store::{StoreError, StoreErrorKind};
use rusqlite::Connection;
use tracing::{debug, warn};

use super::errors::store_error;
use super::sql;
use crate::file::{self, Identity};

/// Copies what `db` sees of its file into a new one.
pub(super) fn copy(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let started = std::time::Instant::now();
    // Absolute, so that SQLite takes no name for one of its own, such as `:memory:`.
    let path = std::path::absolute(path).map_err(|e| no_file(path, e))?;
    // Told now rather than when the work is done; it is looked at again then.
    if fs::symlink_metadata(&path).is_ok() {
        return Err(no_file(&path, io::ErrorKind::AlreadyExists.into()));
    }
    let partial = file::beside(&path, ".partial");
    let taken = take(&partial, &path)?;
    let copied = write(db, &partial, &taken).and_then(|()| give_name(&partial, &path));
    // Still ours: it is locked until here.
    match fs::remove_file(&partial) {
        // It was renamed, or never made.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(path = %partial.display(), %error, "what a backup was written to remains");
        }
        Err(_) | Ok(()) => {}
    }
    copied?;
    sync_folder_of(&path).map_err(|e| not_written(&path, e))?;
    debug!(path = %path.display(), took = ?started.elapsed(), "backup written");
    Ok(())
}

/// Takes the name to write under, from a backup that was interrupted if need be; the file is empty,
/// and ours as long as it is open.
fn take(partial: &Path, path: &Path) -> Result<File, StoreError> {
    loop {
        let file = file::open_or_make(partial).map_err(|e| no_file(path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let message = format!(
                    "cannot back up to {}: another backup to it is under way",
                    path.display()
                );
                return Err(invalid(message, None));
            }
            Err(fs::TryLockError::Error(error)) => return Err(not_written(partial, error)),
        }
        // Whoever had it may have given it its final name, or removed it, between our opening and
        // locking it.
        let ours = Identity::of_open(&file).map_err(|e| not_written(partial, e))?;
        if Identity::of(partial).is_ok_and(|named| named == ours) {
            if file.metadata().is_ok_and(|found| found.len() == 0) {
                return Ok(file);
            }
            // It may be whole and have its final name too, so it is not written over.
            fs::remove_file(partial).map_err(|e| not_written(partial, e))?;
        }
    }
}

fn write(db: &Connection, partial: &Path, file: &File) -> Result<(), StoreError> {
    let Some(name) = partial.to_str() else {
        return Err(invalid(
            format!(
                "cannot back up to {}: the path is not Unicode",
                partial.display()
            ),
            None,
        ));
    };
    db.execute(sql::BACK_UP, [name]).map_err(store_error)?;
    // SQLite does not wait for the disk here.
    file.sync_all().map_err(|e| not_written(partial, e))
}

/// Gives the whole copy its name, unless something else has it.
fn give_name(partial: &Path, path: &Path) -> Result<(), StoreError> {
    match fs::hard_link(partial, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(no_file(path, error)),
        // A file system without links: renaming replaces what has got the name in the last
        // microseconds.
        Err(_) if fs::symlink_metadata(path).is_ok() => {
            Err(no_file(path, io::ErrorKind::AlreadyExists.into()))
        }
        Err(_) => fs::rename(partial, path).map_err(|e| not_written(path, e)),
    }
}

/// A new name is on disk once its folder is.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(not(unix))]
fn sync_folder_of(_: &Path) -> io::Result<()> {
    Ok(())
}

fn no_file(path: &Path, error: io::Error) -> StoreError {
    let why = match error.kind() {
        io::ErrorKind::AlreadyExists => "there is a file already: name a new one",
        _ => "no file can be made there: name one in a folder that may be written to",
    };
    invalid(
        format!("cannot back up to {}: {why}", path.display()),
        Some(error),
    )
}

fn invalid(message: String, cause: Option<io::Error>) -> StoreError {
    match cause {
        Some(cause) => StoreError::caused(StoreErrorKind::InvalidQuery, message, cause),
        None => StoreError::new(StoreErrorKind::InvalidQuery, message),
    }
}

fn not_written(path: &Path, error: io::Error) -> StoreError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull => StoreErrorKind::Full,
        _ => StoreErrorKind::Unavailable,
    };
    StoreError::caused(
        kind,
        format!("cannot write the backup {}", path.display()),
        error,
    )
}
