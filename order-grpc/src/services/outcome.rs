//! Decides whether a call happened that has no good answer.

use order_core::services::CallError;
use order_core::text::check_line;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::log::code_name;

/// The domain of the `google.rpc.ErrorInfo` in which a service of one's own tells more than a code
/// can.
pub const SERVICES_DOMAIN: &str = "order.services";
/// The reason, in the domain [`SERVICES_DOMAIN`], by which a service proves that it did nothing,
/// whatever the code.
pub const NOT_DONE: &str = "NOT_DONE";
/// The key under which a refusal's ErrorInfo says how many units there are.
pub(crate) const AVAILABLE: &str = "available";
/// The key under which the ErrorInfo of a refused commit, in the domain [`SERVICES_DOMAIN`], says
/// that the reservation is over for certain.
pub(crate) const RESERVATION: &str = "reservation";
/// The value of [`RESERVATION`] that says so.
pub(crate) const LOST: &str = "LOST";

/// The longest message about a failed call, in characters: an operator reads it in a list.
const MESSAGE_CHARS_MAX: usize = 300;
/// The longest reason, as `google.rpc.ErrorInfo` has it.
const REASON_MAX: usize = 63;

/// A call without a good answer, by what is proven of it. [`CallError::from`] sorts it; a client of
/// a service that has its own ideas of codes looks at [`Failure::Answered`] first.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The request was not sent: there was no connection, no place, or no time left.
    #[error("not sent: {message}")]
    NotSent {
        /// The reason, for operators.
        message: String,
    },
    /// The service, or a proxy before it, answered with this status.
    #[error("answered {}: {}", code_name(.0.code()), plain(.0.message()))]
    Answered(Status),
    /// The request was sent, and no answer came.
    #[error("no answer: {message}")]
    Lost {
        /// The course of events, for operators.
        message: String,
    },
    /// The request was sent, and the answer of success cannot be read.
    #[error("unreadable answer: {message}")]
    Malformed {
        /// The mistake in it, for operators.
        message: String,
    },
}

impl Failure {
    /// The code that the service answered with; `None` if it did not answer, or with what makes no
    /// sense.
    pub fn code(&self) -> Option<Code> {
        match self {
            Failure::Answered(status) => Some(status.code()),
            Failure::NotSent { .. } | Failure::Lost { .. } | Failure::Malformed { .. } => None,
        }
    }
}

/// Sorts by the table at [`CallError`], which for gRPC is this:
///
/// | what was seen | error | why |
/// |---|---|---|
/// | not sent | `NotDone` | nothing reached the service |
/// | INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, OUT_OF_RANGE, ALREADY_EXISTS | `Refused` | the service read the request and will not do it; its code is the reason of the status' ErrorInfo, else the name of the code |
/// | UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED | `NotDone` | turned away at the door; operators mend it, or time does |
/// | any code, with the ErrorInfo [`NOT_DONE`] of the domain [`SERVICES_DOMAIN`] | `NotDone` | the service knows that nothing happened |
/// | CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, ABORTED, INTERNAL, UNAVAILABLE | `Unknown` | it failed half-way, or a proxy lost the answer |
/// | DATA_LOSS | `Unknown`, malformed | the service found that its own books make no sense |
/// | a broken connection or a time-out after sending | `Unknown` | nothing is proven |
/// | an answer of success that cannot be read | `Unknown`, malformed | it was done, and what it says could not be read |
impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Answered(status) => of_status(&status),
            Failure::NotSent { message } => {
                CallError::not_done(plain(&format!("not sent: {message}")))
            }
            Failure::Lost { message } => {
                CallError::unknown(plain(&format!("no answer: {message}")))
            }
            Failure::Malformed { message } => {
                CallError::malformed(plain(&format!("unreadable answer: {message}")))
            }
        }
    }
}

fn of_status(status: &Status) -> CallError {
    let info = status.get_details_error_info();
    let message = || {
        plain(&format!(
            "{}: {}",
            code_name(status.code()),
            status.message()
        ))
    };
    if info
        .as_ref()
        .is_some_and(|info| info.domain == SERVICES_DOMAIN && info.reason == NOT_DONE)
    {
        return CallError::not_done(message());
    }
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::AlreadyExists => {
            let available = info
                .as_ref()
                .and_then(|info| info.metadata.get(AVAILABLE)?.parse().ok());
            let reservation_lost = info.as_ref().is_some_and(|info| {
                let said = info.metadata.get(RESERVATION);
                info.domain == SERVICES_DOMAIN && said.is_some_and(|said| said == LOST)
            });
            let reason = info
                .map(|info| info.reason)
                .filter(|reason| is_reason(reason));
            CallError::Refused {
                code: reason.unwrap_or_else(|| code_name(status.code()).to_owned()),
                available,
                reservation_lost,
            }
        }
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::Unimplemented => CallError::not_done(message()),
        Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable => CallError::unknown(message()),
        // A failure with the status of success makes no sense.
        Code::DataLoss | Code::Ok => CallError::malformed(message()),
    }
}

/// Reasons are stored, compared and shown: short words, and nothing that could be somebody's name.
fn is_reason(reason: &str) -> bool {
    (1..=REASON_MAX).contains(&reason.len())
        && reason
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
}

/// A text from outside, fit for one line of a log: bounded, and without characters that steer a
/// terminal.
pub(crate) fn plain(text: &str) -> String {
    let mut chars = text
        .chars()
        .filter(|c| check_line(c.encode_utf8(&mut [0; 4]), 1).is_ok());
    let mut plain: String = chars.by_ref().take(MESSAGE_CHARS_MAX).collect();
    if chars.next().is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    fn with_info(code: Code, reason: &str, domain: &str, metadata: &[(&str, &str)]) -> Status {
        let metadata: HashMap<String, String> = metadata
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Status::with_error_details(
            code,
            "said",
            ErrorDetails::with_error_info(reason, domain, metadata),
        )
    }

    fn told(error: &CallError) -> (&'static str, &str) {
        match error {
            CallError::Refused { code, .. } => ("refused", code),
            CallError::NotDone { message } => ("not done", message),
            CallError::Unknown {
                message,
                malformed: false,
            } => ("unknown", message),
            CallError::Unknown {
                message,
                malformed: true,
            } => ("malformed", message),
        }
    }

    #[test]
    fn every_code_says_what_is_proven_and_no_more() {
        for (number, expected, name) in [
            (0, "malformed", "OK"),
            (1, "unknown", "CANCELLED"),
            (2, "unknown", "UNKNOWN"),
            (3, "refused", "INVALID_ARGUMENT"),
            (4, "unknown", "DEADLINE_EXCEEDED"),
            (5, "refused", "NOT_FOUND"),
            (6, "refused", "ALREADY_EXISTS"),
            (7, "not done", "PERMISSION_DENIED"),
            (8, "not done", "RESOURCE_EXHAUSTED"),
            (9, "refused", "FAILED_PRECONDITION"),
            (10, "unknown", "ABORTED"),
            (11, "refused", "OUT_OF_RANGE"),
            (12, "not done", "UNIMPLEMENTED"),
            (13, "unknown", "INTERNAL"),
            (14, "unknown", "UNAVAILABLE"),
            (15, "malformed", "DATA_LOSS"),
            (16, "not done", "UNAUTHENTICATED"),
        ] {
            let error = CallError::from(Failure::Answered(Status::new(Code::from(number), "said")));
            let said = if expected == "refused" {
                name.to_owned()
            } else {
                format!("{name}: said")
            };
            assert_eq!(told(&error), (expected, said.as_str()), "{number}");
        }
    }

    #[test]
    fn what_was_not_answered_by_the_service_is_sorted_by_what_was_sent() {
        let message = || "connection refused".to_owned();
        assert_eq!(
            told(&Failure::NotSent { message: message() }.into()),
            ("not done", "not sent: connection refused")
        );
        assert_eq!(
            told(&Failure::Lost { message: message() }.into()),
            ("unknown", "no answer: connection refused")
        );
        assert_eq!(
            told(&Failure::Malformed { message: message() }.into()),
            ("malformed", "unreadable answer: connection refused")
        );
    }

    #[test]
    fn a_refusal_has_the_service_s_reason_if_it_is_one() {
        let refused =
            |reason: &str, metadata: &[(&str, &str)]| match CallError::from(Failure::Answered(
                with_info(Code::FailedPrecondition, reason, "stock", metadata),
            )) {
                CallError::Refused {
                    code, available, ..
                } => (code, available),
                other => panic!("{other}"),
            };
        assert_eq!(
            refused("OUT_OF_STOCK", &[("available", "3")]),
            ("OUT_OF_STOCK".to_owned(), Some(3))
        );
        assert_eq!(
            refused("OUT_OF_STOCK", &[("available", "three")]),
            ("OUT_OF_STOCK".to_owned(), None)
        );
        for unfit in ["", "Jane Doe", "a\nb", &"X".repeat(64)] {
            assert_eq!(
                refused(unfit, &[]),
                ("FAILED_PRECONDITION".to_owned(), None),
                "{unfit:?}"
            );
        }
    }

    #[test]
    fn a_reservation_is_lost_for_certain_only_where_the_contract_says_so() {
        let lost = |reason: &str, domain: &str, metadata: &[(&str, &str)]| {
            let status = with_info(Code::FailedPrecondition, reason, domain, metadata);
            matches!(
                CallError::from(Failure::Answered(status)),
                CallError::Refused {
                    reservation_lost: true,
                    ..
                }
            )
        };
        let said = [("reservation", "LOST")];
        assert!(lost("EXPIRED", SERVICES_DOMAIN, &said));
        assert!(!lost("EXPIRED", "stock", &said), "another contract's word");
        assert!(!lost(
            "EXPIRED",
            SERVICES_DOMAIN,
            &[("reservation", "HELD")]
        ));
        assert!(!lost("RESERVATION_LOST", SERVICES_DOMAIN, &[]), "a code");
    }

    #[test]
    fn a_service_can_prove_that_it_did_nothing() {
        let of = |domain| {
            CallError::from(Failure::Answered(with_info(
                Code::Unavailable,
                NOT_DONE,
                domain,
                &[],
            )))
        };
        assert_eq!(
            told(&of(SERVICES_DOMAIN)),
            ("not done", "UNAVAILABLE: said")
        );
        assert_eq!(told(&of("elsewhere")), ("unknown", "UNAVAILABLE: said"));
    }

    #[test]
    fn messages_are_bounded_and_of_one_line() {
        let error = CallError::from(Failure::Answered(Status::internal(
            "a\n\u{1b}[2J\u{202e}b".to_owned() + &"x".repeat(1000),
        )));
        let (kind, message) = told(&error);
        assert_eq!(
            (kind, message.chars().count()),
            ("unknown", MESSAGE_CHARS_MAX + 1)
        );
        assert!(
            message.starts_with("INTERNAL: a[2Jbxxx") && message.ends_with('…'),
            "{message}"
        );
        assert_eq!(plain("short"), "short");
    }
}
