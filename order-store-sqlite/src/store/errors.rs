//! The errors of SQLite, as the contract of stores has them.

use order_core::store::records::Unreadable;
use order_core::store::{StoreError, StoreErrorKind};
use rusqlite::ErrorCode;

/// The reason why something could not be written or read: SQLite, or what stands in a column.
#[derive(Debug)]
pub(super) enum Failed {
    Sqlite(rusqlite::Error),
    Unreadable(Unreadable),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Failed::Sqlite(error)
    }
}

impl From<Unreadable> for Failed {
    fn from(error: Unreadable) -> Self {
        Failed::Unreadable(error)
    }
}

/// An error before `COMMIT`, or of a read: nothing happened.
pub(super) fn store_error(error: impl Into<Failed>) -> StoreError {
    let error = match error.into() {
        Failed::Unreadable(unreadable) => return unreadable.into(),
        Failed::Sqlite(error) => error,
    };
    let (kind, message) = match &error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => {
            (StoreErrorKind::Corrupt, "what is stored cannot be read")
        }
        rusqlite::Error::StatementChangedRows(_) => (
            StoreErrorKind::Corrupt,
            "what is stored is not what was read",
        ),
        other => match other.sqlite_error_code() {
            Some(code) => meaning(code),
            None => (StoreErrorKind::Corrupt, "the database was used wrongly"),
        },
    };
    StoreError::caused(kind, message, error)
}

/// The same, of a read of one order: what cannot be read is said to be that order's.
pub(super) fn error_of<E: Into<Failed>>(
    order: impl std::fmt::Display,
) -> impl FnOnce(E) -> StoreError {
    move |error| {
        let error = store_error(error);
        match error.kind {
            StoreErrorKind::Corrupt => StoreError {
                message: format!("order {order}: {}", error.message),
                ..error
            },
            _ => error,
        }
    }
}

/// An error of `COMMIT` itself: after a failed write or sync, what was committed may still be there
/// after a restart.
pub(super) fn commit_error(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => StoreError::caused(
            StoreErrorKind::Unknown,
            "writing to disk failed while committing: the outcome is not known",
            error,
        ),
        _ => store_error(error),
    }
}

fn meaning(code: ErrorCode) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Corrupt, Full, Misconfigured, Unavailable};
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => (
            Unavailable,
            "database is locked by another process: it was waited for in vain",
        ),
        ErrorCode::DiskFull => (Full, "disk is full: the database cannot grow"),
        ErrorCode::SystemIoFailure => (Unavailable, "reading or writing the database failed"),
        ErrorCode::DatabaseCorrupt => {
            (Corrupt, "the database is damaged: restore it from a backup")
        }
        ErrorCode::NotADatabase => (Corrupt, "the file is not a SQLite database"),
        ErrorCode::CannotOpen => (Misconfigured, "the database file cannot be opened"),
        ErrorCode::ReadOnly => (Misconfigured, "the database may not be written to"),
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => {
            (Misconfigured, "access to the database is denied")
        }
        // The domain keeps what the schema checks, so this is an order that should not exist.
        ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig => {
            (Corrupt, "what was to be stored breaks a rule of the schema")
        }
        ErrorCode::OutOfMemory => (Unavailable, "out of memory"),
        ErrorCode::FileLockingProtocolFailed | ErrorCode::NoLargeFileSupport => (
            Unavailable,
            "the file system does not lock files as a database needs it",
        ),
        _ => (Unavailable, "the database could not be used"),
    }
}
