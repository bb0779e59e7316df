//! The verdict on a case.

use std::fmt;

use crate::services::CallError;

/// The verdict on a case.
pub type Verdict = Result<(), Failure>;

/// The reason why a case fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The service does not keep the contract.
    #[error("clause {clause} is broken\n  claimed: {claimed}\n  seen:    {seen}")]
    Broken {
        /// The number of the clause.
        clause: u8,
        /// The demand of the clause, or the claim of the service.
        claimed: String,
        /// The observation against it.
        seen: String,
    },
    /// The case needs what the service does not claim, or the sandbox cannot provoke.
    #[error(
        "not tested: {need} is not there\n  provide it, or leave it out by name: …_conformance_tests!(factory, without [{need}])"
    )]
    NotTested {
        /// The thing that is missing.
        need: &'static str,
    },
}

/// A verdict that something is needed that is not there.
pub(super) fn missing<T>(need: &'static str) -> Result<T, Failure> {
    Err(Failure::NotTested { need })
}

/// A verdict that a clause is broken.
pub(super) fn broken<T>(
    clause: u8,
    claimed: impl Into<String>,
    seen: impl Into<String>,
) -> Result<T, Failure> {
    Err(Failure::Broken {
        clause,
        claimed: claimed.into(),
        seen: seen.into(),
    })
}

/// Ends the case unless the condition holds: the clause's number, what it says, and what was seen
/// as for `format!`.
macro_rules! ensure {
    ($holds:expr, $clause:literal, $claimed:expr, $($seen:tt)+) => {
        if !$holds {
            return $crate::testkit::service_conformance::broken($clause, $claimed, format!($($seen)+));
        }
    };
}
pub(super) use ensure;

/// An error in a few words.
pub(super) fn said_error(error: &CallError) -> String {
    match error {
        CallError::Refused { code, .. } => format!("Refused ({code})"),
        CallError::NotDone { message } => format!("NotDone ({message})"),
        CallError::Unknown {
            message,
            malformed: false,
        } => format!("Unknown ({message})"),
        CallError::Unknown {
            message,
            malformed: true,
        } => format!("Unknown, malformed ({message})"),
    }
}

/// An answer in a few words.
pub(super) fn said<T: fmt::Debug>(answer: &Result<T, CallError>) -> String {
    match answer {
        Ok(answer) => format!("Ok ({answer:?})"),
        Err(error) => said_error(error),
    }
}
