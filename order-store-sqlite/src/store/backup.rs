//! Copying a store to another file while it is in use.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use order_core::store::{StoreError, StoreErrorKind};
use rusqlite::Connection;

use super::errors::store_error;
use super::sql;

/// Copies what `db` sees of its file into a new one.
pub(super) fn copy(db: &Connection, path: &Path) -> Result<(), StoreError> {
    // Absolute, so that SQLite takes no name for one of its own, such as `:memory:`.
    let path = std::path::absolute(path).map_err(|e| no_file(path, e))?;
    // Takes the name; what stands under it is empty, and then the whole copy.
    File::create_new(&path).map_err(|e| no_file(&path, e))?;
    let partial = partial(&path);
    let copied = write(db, &partial).and_then(|()| fs::rename(&partial, &path).map_err(|e| not_written(&path, e)));
    if copied.is_err() {
        let _ = fs::remove_file(&partial);
        let _ = fs::remove_file(&path);
    }
    copied?;
    sync_folder_of(&path).map_err(|e| not_written(&path, e))
}

fn partial(path: &Path) -> PathBuf {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    partial.into()
}

fn write(db: &Connection, partial: &Path) -> Result<(), StoreError> {
    let Some(name) = partial.to_str() else {
        return Err(invalid(format!("cannot back up to {}: the path is not Unicode", partial.display()), None));
    };
    // What an earlier backup that was interrupted has left; nobody else's, as the name without the ending is ours.
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(not_written(partial, error)),
        _ => {}
    }
    db.execute(sql::BACK_UP, [name]).map_err(store_error)?;
    // SQLite does not wait for the disk here.
    File::open(partial).and_then(|file| file.sync_all()).map_err(|e| not_written(partial, e))
}

/// A new name is on disk once its folder is.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
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
    invalid(format!("cannot back up to {}: {why}", path.display()), Some(error))
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
    StoreError::caused(kind, format!("cannot write the backup {}", path.display()), error)
}
