//! The errors of PostgreSQL, as the contract of stores has them.

use order_core::store::{StoreError, StoreErrorKind};
use sqlx::Error;

use crate::tls;

/// The step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum During {
    /// Getting a connection: nothing was asked for.
    Connect,
    /// A read: nothing can have happened.
    Read,
    /// A statement that commits: without an answer, it may have.
    Write,
}

/// The five characters by which PostgreSQL names an error.
pub(crate) fn code(error: &Error) -> Option<String> {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .map(|code| code.into_owned())
}

/// Returns whether nothing happened because somebody else was at it: the same may succeed at once.
pub(crate) fn collided(error: &Error) -> bool {
    // Serialization failure, deadlock, a unique index that somebody else was first in, a lock that
    // was not to be had in time.
    code(error).is_some_and(|code| matches!(code.as_str(), "40001" | "40P01" | "23505" | "55P03"))
}

/// Returns whether a connection that was idle turned out to be gone, so that another is worth a
/// try.
pub(crate) fn is_broken(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => true,
        // Among them that the server ended a session which stood still within a transaction.
        error => code(error).is_some_and(|code| {
            code.starts_with("57P") || code.starts_with("08") || code == "25P03"
        }),
    }
}

/// The error as the contract of stores has it.
pub(crate) fn store_error(error: Error, during: During) -> StoreError {
    use StoreErrorKind::{Corrupt, Misconfigured, Unavailable, Unknown};
    if let Some(message) = tls::refusal(&error).filter(|_| during == During::Connect) {
        return StoreError::caused(Misconfigured, message, error);
    }
    let (kind, message) = match &error {
        Error::Database(_) => of_code(&code(&error).unwrap_or_default(), during),
        Error::PoolTimedOut => (
            Unavailable,
            "no connection to the database was free in time",
        ),
        Error::PoolClosed => (Unavailable, "the store is closed"),
        Error::Configuration(_) | Error::InvalidArgument(_) => (
            Misconfigured,
            "the database cannot be connected to as it is set up",
        ),
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed
            if during == During::Write =>
        {
            (
                Unknown,
                "the connection to the database broke: whether it wrote is not known",
            )
        }
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => {
            (Unavailable, "the database cannot be reached")
        }
        Error::Encode(_) | Error::Decode(_) | Error::ColumnDecode { .. } => {
            (Corrupt, "what is stored cannot be read")
        }
        _ => (Unavailable, "the database could not be used"),
    };
    StoreError::caused(kind, message, error)
}

fn of_code(code: &str, during: During) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Corrupt, Full, Misconfigured, Unavailable, Unknown};
    match (code, code.get(..2).unwrap_or_default()) {
        ("OS001", _) => (
            Misconfigured,
            "another store stands in the schema by now: start anew",
        ),
        ("OS002", _) => (
            Misconfigured,
            "the schema was migrated for newer programs: use one of them",
        ),
        // Of 57P01 to 57P03 the first two can follow a commit that was not answered; 40003 says so
        // itself.
        ("40003" | "57P01" | "57P02", _) | (_, "08") if during == During::Write => (
            Unknown,
            "the server went away: whether it wrote is not known",
        ),
        (_, "40") => (Unavailable, "others kept writing the same: try again"),
        ("55P03", _) => (Unavailable, "what others write was waited for in vain"),
        ("57014", _) => (Unavailable, "it took longer than it may"),
        (_, "57" | "08" | "53") if code != "53100" => {
            (Unavailable, "the server does not take requests now")
        }
        ("53100", _) => (Full, "the server's disk is full"),
        ("25006", _) => (
            Unavailable,
            "the server is a standby or read-only: it may be failing over",
        ),
        ("28000", _) => (
            Misconfigured,
            "the server does not let this user in like this: look at its pg_hba.conf, and at the user and sslmode of the URL",
        ),
        (_, "28") => (
            Misconfigured,
            "the server does not let this user in: look at the user and the password of the URL",
        ),
        ("3D000", _) => (
            Misconfigured,
            "the server has no such database: look at the URL",
        ),
        ("3F000" | "42P01" | "42883" | "42703" | "42501", _) => (
            Misconfigured,
            "the database has no such store, or not for this user: migrate it, or look at the URL",
        ),
        (_, "XX") => (Corrupt, "the database is damaged"),
        // The domain keeps what the schema checks, so this is an order that should not exist.
        (_, "23" | "22") => (Corrupt, "what was to be stored breaks a rule of the schema"),
        _ => (Unavailable, "the database could not be used"),
    }
}
