//! The end of a command: an exit code, one readable line, and what to do about it.

use std::error::Error as StdError;
use std::fmt;

use order_core::error::{Error, ErrorKind, Rejection, RejectionReason, Violation};
use order_core::ids::ParseIdError;
use order_core::json::JsonError;
use order_core::money::MoneyError;
use order_core::order::Order;
use order_core::store::{StoreError, StoreErrorKind};
use order_core::text::chain;
use order_grpc::{ListenError, SecurityError};

use crate::commands::changes::typed;

/// The exit code, for scripts that call `order`. 0 is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A business rule said no: change the situation, not the request.
    Refused = 1,
    /// The command line or a file could never be right: change it.
    BadInput = 2,
    /// The thing that was named does not exist.
    NotFound = 3,
    /// A service or the store could not be used: try again later.
    Unavailable = 4,
}

/// The reason why a command did not do what it was asked, and the remedy.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    message: String,
    hint: Option<String>,
    kind: Option<ErrorKind>,
    violations: Vec<Violation>,
    rejection: Option<Box<Rejection>>,
}

/// The result of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Failure {
            code,
            message: message.into(),
            hint: None,
            kind: None,
            violations: Vec::new(),
            rejection: None,
        }
    }

    /// Input that could never be right.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Failure::new(Code::BadInput, message)
    }

    /// `error` and its causes, joined by `: `.
    pub fn caused(code: Code, error: &dyn StdError) -> Self {
        Failure::new(code, chain(error))
    }

    /// The same with `context` in front.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// The same with a line that says what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The mistake, on one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The remedy, if one is known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The engine's kind of it, if it is the engine that failed.
    pub fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    /// The fields of a request that are wrong, one by one.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The engine's rejection, if a rule refused it.
    pub fn rejection(&self) -> Option<&Rejection> {
        self.rejection.as_deref()
    }

    /// The stable reason of a rejection.
    pub fn reason(&self) -> Option<RejectionReason> {
        self.rejection().map(|rejection| rejection.reason)
    }
}

/// Returns the failure of an order that came to nothing when it was placed or paid again; `None`
/// if it did not.
pub fn dead_order(order: &Order) -> Option<Failure> {
    let rejection = order_core::rules::failure(order)?;
    let failure = Failure::from(Error::from(rejection));
    Some(match failure.reason()? {
        RejectionReason::PaymentDeclined => failure.hint(format!(
            "`order retry-payment {} --method METHOD` pays it in another way, `order cancel` gives up",
            order.number
        )),
        RejectionReason::OutOfStock => failure.hint("`order shop stock` shows what there is"),
        _ => failure,
    })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = Some(error.kind());
        let (violations, rejection) = match &error {
            Error::Invalid(violations) => (violations.clone(), None),
            Error::Rejected(rejection) => (Vec::new(), Some(rejection.clone())),
            _ => (Vec::new(), None),
        };
        Failure {
            kind,
            violations,
            rejection,
            ..unsorted(error)
        }
    }
}

fn unsorted(error: Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::Rejected | ErrorKind::Conflict | ErrorKind::KeyReused => Code::Refused,
        ErrorKind::Invalid => Code::BadInput,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Forbidden | ErrorKind::Service => Code::Unavailable,
        ErrorKind::Store => {
            return match error {
                Error::Store(store) => store.into(),
                other => Failure::caused(Code::Unavailable, &other),
            };
        }
    };
    let failure = Failure::caused(code, &error);
    match hint_for(&error) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn hint_for(error: &Error) -> Option<String> {
    match error {
        Error::NotFound { what: "order", .. } => {
            Some("`order list` shows the orders of this store".into())
        }
        Error::NotFound {
            what: "product" | "variant",
            ..
        } => Some("`order shop stock` shows what this shop has".into()),
        Error::NotFound { what: "item", .. } => Some("`order get` shows an order's lines".into()),
        Error::NotFound { what: "user", .. } => {
            Some("customers come from the catalogue: `order shop load FILE`".into())
        }
        Error::Rejected(rejection) if !rejection.possible.is_empty() => {
            let typed: Vec<&str> = rejection.possible.iter().map(|name| typed(name)).collect();
            Some(format!("possible now: {}", typed.join(", ")))
        }
        Error::Conflict { actual, .. } => Some(format!(
            "read it with `order get`, then repeat with --expect-version {actual}"
        )),
        Error::KeyReused { .. } => {
            Some("use another --key, or repeat the very same request".into())
        }
        Error::Service { .. } => Some("nothing was accepted; try again later".into()),
        _ => None,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (code, hint) = match error.kind {
            StoreErrorKind::InvalidQuery => (Code::BadInput, None),
            StoreErrorKind::Vetoed => (Code::Refused, None),
            StoreErrorKind::Unavailable => (
                Code::Unavailable,
                Some("nothing was changed; try again later"),
            ),
            StoreErrorKind::Unknown => (
                Code::Unavailable,
                Some(
                    "it may have happened; repeat the command with the same --key, or look with `order get`",
                ),
            ),
            StoreErrorKind::Full => (
                Code::Unavailable,
                Some("make room on the disk; nothing was lost"),
            ),
            StoreErrorKind::Corrupt => (
                Code::Unavailable,
                Some(
                    "check --store; if it is the right file, stop using it and restore it from a copy",
                ),
            ),
            StoreErrorKind::Misconfigured => (
                Code::Unavailable,
                Some(
                    "check the URL of the store, and whether you may read and write what it names; `order migrate` makes a schema on a server",
                ),
            ),
        };
        let failure = Failure::caused(code, &error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<ListenError> for Failure {
    fn from(error: ListenError) -> Self {
        let (code, hint) = match &error {
            ListenError::Unknown { .. } => (
                Code::BadInput,
                "use --listen HOST:PORT, such as --listen 127.0.0.1:50053",
            ),
            ListenError::Exposed { .. } => (
                Code::BadInput,
                "docs/security.md sets both up; --insecure insists on it, where only friends can reach this machine",
            ),
            ListenError::Refused { .. } => (
                Code::Unavailable,
                "another program may listen there; --listen takes another address",
            ),
        };
        Failure::caused(code, &error).hint(hint)
    }
}

impl From<SecurityError> for Failure {
    fn from(error: SecurityError) -> Self {
        Failure::caused(Code::BadInput, &error)
    }
}

impl From<JsonError> for Failure {
    fn from(error: JsonError) -> Self {
        Failure::bad_input(error.to_string())
    }
}

impl From<ParseIdError> for Failure {
    fn from(error: ParseIdError) -> Self {
        Failure::caused(Code::BadInput, &error)
    }
}

impl From<MoneyError> for Failure {
    fn from(error: MoneyError) -> Self {
        Failure::caused(Code::BadInput, &error)
    }
}

#[cfg(test)]
mod tests {
    use order_core::text::one_line;

    use super::*;

    #[test]
    fn every_kind_of_error_has_its_code() {
        let cases: [(Error, Code); 4] = [
            (
                Error::NotFound {
                    what: "order",
                    id: "x".into(),
                },
                Code::NotFound,
            ),
            (Error::invalid("items", "is empty"), Code::BadInput),
            (
                StoreError::new(StoreErrorKind::InvalidQuery, "foreign cursor").into(),
                Code::BadInput,
            ),
            (
                StoreError::new(StoreErrorKind::Full, "disk full").into(),
                Code::Unavailable,
            ),
        ];
        for (error, code) in cases {
            assert_eq!(Failure::from(error).code, code);
        }
    }

    #[test]
    fn a_message_is_one_line_with_its_causes() {
        let io = std::io::Error::other("no\nsuch\u{1b}disk");
        let error = StoreError::caused(StoreErrorKind::Unavailable, "cannot open orders.db", io);
        assert_eq!(
            one_line(Failure::from(error).message()),
            "cannot open orders.db: no such disk"
        );
    }
}
