//! The errors of the shop, sorted by what the caller does next.

use std::sync::Arc;

use order_core::ids::Sku;
use order_core::money::Currency;
use order_core::order::OperationState;
use order_core::services::CallError;
use uuid::Uuid;

/// The reason why the shop did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ShopError {
    /// The file cannot be used now: full, locked, read-only, gone. Cure that and try again.
    #[error("the shop {path} cannot be used: {remedy}")]
    Unavailable {
        /// The file.
        path: Arc<str>,
        /// The remedy.
        remedy: &'static str,
        /// True if the change may have been made all the same.
        maybe_done: bool,
        /// The error of SQLite.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// The file is not a shop's, or a newer version's. Name another file.
    #[error("{path} is not a shop this program can use: {reason}")]
    Foreign {
        /// The file.
        path: Arc<str>,
        /// The reason why it is refused, and what to do instead.
        reason: String,
    },
    /// Nothing was loaded yet. Load a catalogue.
    #[error("the shop {path} has no catalogue: load one first")]
    NoCatalogue {
        /// The file.
        path: Arc<str>,
    },
    /// There is no such SKU.
    #[error("sku {0} not found: expected one that a loaded catalogue has")]
    UnknownSku(Sku),
    /// There is no such payment.
    #[error("payment {0} not found: expected the key of a payment at this desk")]
    UnknownPayment(Uuid),
    /// The payment has its outcome already, and keeps it.
    #[error(
        "cannot settle payment {key}: it is {status} already, only PENDING and ACTION_REQUIRED ones can be settled"
    )]
    AlreadySettled {
        /// The payment.
        key: Uuid,
        /// Its outcome.
        status: OperationState,
    },
    /// A shop has one currency for its whole life. Use another shop file.
    #[error(
        "cannot load a catalogue in {given}: the shop sells in {has}; use another shop file for {given}"
    )]
    OtherCurrency {
        /// The shop's.
        has: Currency,
        /// The catalogue's.
        given: Currency,
    },
    /// The catalogue contradicts what other products of the shop have. Change the catalogue.
    #[error("cannot load the catalogue: {0}")]
    Conflict(String),
    /// The value could never be right. Change it.
    #[error("{field}: {problem}")]
    Invalid {
        /// The value's name.
        field: &'static str,
        /// The mistake, and what would be right.
        problem: String,
    },
}

impl ShopError {
    /// Returns whether the same request may succeed later without anybody changing it.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, ShopError::Unavailable { .. })
    }

    /// It cannot be used, though SQLite has no part in it.
    pub(super) fn failed(
        path: &Arc<str>,
        remedy: &'static str,
        cause: &'static str,
        maybe_done: bool,
    ) -> Self {
        let source = Arc::new(rusqlite::Error::ToSqlConversionFailure(cause.into()));
        ShopError::Unavailable {
            path: path.clone(),
            remedy,
            maybe_done,
            source,
        }
    }

    pub(super) fn unavailable(
        path: &Arc<str>,
        source: Arc<rusqlite::Error>,
        maybe_done: bool,
    ) -> Self {
        use rusqlite::ErrorCode;
        let remedy = match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "the disk is full; free some space and try again",
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another program keeps it locked; try again"
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                "it must be writable, and so must its directory"
            }
            Some(ErrorCode::CannotOpen) => "check that its directory exists and is writable",
            Some(ErrorCode::DatabaseCorrupt) => "it is damaged; restore a copy",
            Some(ErrorCode::SystemIoFailure) => {
                "the disk failed to read or write; check it and try again"
            }
            _ => "it failed to answer",
        };
        ShopError::Unavailable {
            path: path.clone(),
            remedy,
            maybe_done,
            source,
        }
    }
}

/// As the engine sees it: the shop's own refusals are not calls' outcomes, so what is left says
/// whether it happened.
impl From<ShopError> for CallError {
    fn from(error: ShopError) -> CallError {
        let message = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        match error {
            ShopError::Unavailable {
                maybe_done: true, ..
            } => CallError::unknown(message),
            _ => CallError::not_done(message),
        }
    }
}

/// The reason why a job was undone.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite failed.
    Sql(rusqlite::Error),
    /// The shop refuses.
    Shop(ShopError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sql(error)
    }
}

impl From<ShopError> for Failure {
    fn from(error: ShopError) -> Self {
        Failure::Shop(error)
    }
}
