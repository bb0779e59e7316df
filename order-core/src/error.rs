//! Errors, sorted by what the caller does next.

use std::fmt;

use crate::ids::{IdempotencyKey, OrderId};
use crate::money::Money;
use crate::number::OrderNumber;
use crate::order::Shortage;
use crate::services::{CallError, ServiceName};
use crate::store::{StoreError, StoreErrorKind};
use crate::time::Timestamp;

/// The error of a request that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or it is somebody else's. Look elsewhere.
    #[error("{what} {id} not found")]
    NotFound {
        /// `order`, `product`, `variant` or `user`.
        what: &'static str,
        /// The id or name that was looked for.
        id: String,
    },
    /// Right, but not now. Change the situation, not the request.
    #[error(transparent)]
    Rejected(#[from] Box<Rejection>),
    /// Could never be right. Change the request.
    #[error("{}", Violations(.0))]
    Invalid(Vec<Violation>),
    /// The order has changed since the caller last saw it. Read it again.
    #[error("order {order} is at version {actual}, not {expected}")]
    Conflict {
        /// The order.
        order: OrderId,
        /// The version that the caller expected.
        expected: u64,
        /// The version that the order has.
        actual: u64,
    },
    /// The idempotency key was used before for a different request. Use another key.
    #[error("idempotency key {key} was used for a different request{}", Used(.used.as_ref()))]
    KeyReused {
        /// The key.
        key: IdempotencyKey,
        /// Of an order's command: the one that it was used for. `None` for placing.
        used: Option<UsedFor>,
    },
    /// The caller may not do this.
    #[error("not allowed to {action}")]
    Forbidden {
        /// The action that they tried.
        action: &'static str,
    },
    /// A service could not be asked. Nothing was accepted; try again later.
    #[error("the {service} service is not available")]
    Service {
        /// The service's name.
        service: ServiceName,
        /// The failure in words.
        #[source]
        source: CallError,
    },
    /// The store could not be used. Try again later.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The command that a key was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedFor {
    /// Its name, as in the journal.
    pub command: String,
    /// The journal row it wrote.
    pub seq: u64,
    /// The time of that.
    pub at: Timestamp,
}

struct Used<'a>(Option<&'a UsedFor>);

impl fmt::Display for Used<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(UsedFor { command, seq, at }) => {
                write!(f, ": {command}, journal row {seq}, at {at}")
            }
            None => Ok(()),
        }
    }
}

/// The kind of an [`Error`], for status codes and exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named after the variants of Error")]
pub enum ErrorKind {
    NotFound,
    Rejected,
    Invalid,
    Conflict,
    KeyReused,
    Forbidden,
    Service,
    Store,
}

impl ErrorKind {
    /// Returns the spelling used in JSON, such as `NOT_FOUND`.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "NOT_FOUND",
            ErrorKind::Rejected => "REJECTED",
            ErrorKind::Invalid => "INVALID",
            ErrorKind::Conflict => "CONFLICT",
            ErrorKind::KeyReused => "KEY_REUSED",
            ErrorKind::Forbidden => "FORBIDDEN",
            ErrorKind::Service => "SERVICE",
            ErrorKind::Store => "STORE",
        }
    }

    /// Returns the HTTP status that says the same to a caller.
    ///
    /// | kind | status |
    /// |---|---|
    /// | `Invalid` | 400 Bad Request |
    /// | `Forbidden` | 403 Forbidden |
    /// | `NotFound` | 404 Not Found |
    /// | `Conflict` | 412 Precondition Failed, to a caller who named the version in `If-Match` |
    /// | `Rejected` | 409 Conflict |
    /// | `KeyReused` | 422 Unprocessable Content, as draft-ietf-httpapi-idempotency-key-header has it |
    /// | `Service`, `Store` | 503 Service Unavailable |
    ///
    /// [`Error::http_status`] tells broken stores from busy ones.
    ///
    /// ```
    /// # use order_core::error::{Error, ErrorKind, Violation};
    /// let error = Error::Invalid(vec![Violation::new("items", "is empty")]);
    /// assert_eq!(error.kind(), ErrorKind::Invalid);
    /// assert_eq!(error.http_status(), 400);
    /// ```
    pub const fn http_status(self) -> u16 {
        match self {
            ErrorKind::Invalid => 400,
            ErrorKind::Forbidden => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::Rejected => 409,
            ErrorKind::Conflict => 412,
            ErrorKind::KeyReused => 422,
            ErrorKind::Service | ErrorKind::Store => 503,
        }
    }
}

impl Error {
    /// Returns its kind.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Error::NotFound { .. } => ErrorKind::NotFound,
            Error::Rejected(_) => ErrorKind::Rejected,
            Error::Invalid(_) => ErrorKind::Invalid,
            Error::Conflict { .. } => ErrorKind::Conflict,
            Error::KeyReused { .. } => ErrorKind::KeyReused,
            Error::Forbidden { .. } => ErrorKind::Forbidden,
            Error::Service { .. } => ErrorKind::Service,
            Error::Store(_) => ErrorKind::Store,
        }
    }

    /// Returns the HTTP status that says the same: that of its [`ErrorKind`], and for a store's
    /// error what its kind makes of it. 503 is only for what a client may send again by itself, as
    /// many libraries do: an outcome that is unknown is 500, as is a store that a person must mend.
    pub const fn http_status(&self) -> u16 {
        let Error::Store(store) = self else {
            return self.kind().http_status();
        };
        match store.kind {
            StoreErrorKind::Unavailable | StoreErrorKind::Full => 503,
            StoreErrorKind::Unknown | StoreErrorKind::Corrupt | StoreErrorKind::Misconfigured => {
                500
            }
            StoreErrorKind::InvalidQuery => 400,
            StoreErrorKind::Vetoed => 409,
        }
    }

    /// Returns whether the same request may succeed later without anybody changing anything.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Error::Service { .. } | Error::Store(_))
    }

    /// One violation.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Error::Invalid(vec![Violation::new(field, problem)])
    }

    pub(crate) fn order_not_found(id: impl fmt::Display) -> Self {
        Error::NotFound {
            what: "order",
            id: id.to_string(),
        }
    }
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path, such as `items[2].quantity`.
    pub field: String,
    /// The fault of its value, and what would be right.
    pub problem: String,
}

impl Violation {
    /// `problem` with the value of `field`.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Violation {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

struct Violations<'a>(&'a [Violation]);

impl fmt::Display for Violations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, violation) in self.0.iter().enumerate() {
            write!(f, "{}{violation}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// A refusal by a business rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// Stable, for machines.
    pub reason: RejectionReason,
    /// For people.
    pub message: String,
    /// The order, where there is one.
    pub order: Option<(OrderId, OrderNumber)>,
    /// The units that were missing, for a shortage.
    pub shortages: Vec<Shortage>,
    /// The amount that the order is short, if less is paid, or can still be captured, than it owes.
    pub short: Option<Box<Money>>,
    /// The commands that are possible instead, now.
    pub possible: Vec<&'static str>,
}

impl Rejection {
    /// A refusal that concerns no order.
    pub fn new(reason: RejectionReason, message: impl Into<String>) -> Self {
        Rejection {
            reason,
            message: message.into(),
            order: None,
            shortages: Vec::new(),
            short: None,
            possible: Vec::new(),
        }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Error::Rejected(Box::new(rejection))
    }
}

crate::order::text_enum! {
    /// The stable machine reasons of refusals.
    RejectionReason, "reason" {
        /// The order's state does not allow the command.
        IllegalTransition = "ILLEGAL_TRANSITION",
        /// The time for it is over.
        TooLate = "TOO_LATE",
        /// A hold of that kind is already placed.
        HoldExists = "HOLD_EXISTS",
        /// No hold of that kind is placed.
        NoSuchHold = "NO_SUCH_HOLD",
        /// The order's status allows it, but something else is still outstanding.
        NotReady = "NOT_READY",
        /// The units named are not open: shipped, in a shipment, cancelled, or never ordered.
        NotOpen = "NOT_OPEN",
        /// The units named cannot be sent back, or are not outstanding.
        NotReturnable = "NOT_RETURNABLE",
        /// There is no record of that number.
        NoSuchRecord = "NO_SUCH_RECORD",
        /// A hold blocks it.
        OnHold = "ON_HOLD",
        /// The units are not held for the order.
        StockNotHeld = "STOCK_NOT_HELD",
        /// Money that must be paid or authorized is not.
        NotCovered = "NOT_COVERED",
        /// The credit is more than what is owed.
        CreditTooLarge = "CREDIT_TOO_LARGE",
        /// Nothing is left to be paid.
        NothingToPay = "NOTHING_TO_PAY",
        /// A payment's outcome is outstanding.
        PaymentUnderWay = "PAYMENT_UNDER_WAY",
        /// Another edit is under way.
        EditUnderWay = "EDIT_UNDER_WAY",
        /// The edit came to nothing; the order is as it was.
        EditDiscarded = "EDIT_DISCARDED",
        /// The address is in another country or state.
        OtherTaxPlace = "OTHER_TAX_PLACE",
        /// The product may not be ordered.
        ProductUnpublished = "PRODUCT_UNPUBLISHED",
        /// The product's price makes no sense.
        PriceUnusable = "PRICE_UNUSABLE",
        /// The user's account may not order.
        UserNotActive = "USER_NOT_ACTIVE",
        /// No such coupon, or not valid now.
        CouponInvalid = "COUPON_INVALID",
        /// The coupon needs a larger order.
        CouponMinimum = "COUPON_MINIMUM",
        /// The coupon's uses are used up.
        CouponExhausted = "COUPON_EXHAUSTED",
        /// The total is not what the caller expected.
        TotalChanged = "TOTAL_CHANGED",
        /// Stock was refused.
        OutOfStock = "OUT_OF_STOCK",
        /// Payment was declined.
        PaymentDeclined = "PAYMENT_DECLINED",
        /// Nobody paid in time.
        OrderExpired = "ORDER_EXPIRED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_sent_again_blindly_is_503() {
        let status = |kind| Error::from(StoreError::new(kind, "busy")).http_status();
        assert_eq!(
            [
                StoreErrorKind::Unavailable,
                StoreErrorKind::Full,
                StoreErrorKind::Unknown,
                StoreErrorKind::Corrupt,
                StoreErrorKind::Misconfigured,
                StoreErrorKind::InvalidQuery,
                StoreErrorKind::Vetoed,
            ]
            .map(status),
            [503, 503, 500, 500, 500, 400, 409]
        );
        let service = Error::Service {
            service: ServiceName::Product,
            source: CallError::not_done("down"),
        };
        assert_eq!(service.http_status(), 503);
        let order = OrderId::from_bytes([7; 16]);
        assert_eq!(Error::order_not_found(order).http_status(), 404);
        let conflict = Error::Conflict {
            order,
            expected: 3,
            actual: 4,
        };
        assert_eq!(conflict.http_status(), 412);
    }
}
