//! Errors as JSON: those of the engine, and those of reading JSON itself.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, Rejection, Violation};

/// Text that is not the JSON it should be, with the place of the mistake:
/// `SOURCE:LINE:COLUMN: PATH: PROBLEM`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

impl JsonError {
    pub(super) fn new(message: impl fmt::Display) -> Self {
        JsonError(message.to_string())
    }
}

/// The reason why an order came to nothing, or a command was refused.
#[derive(Debug, Serialize)]
pub struct RejectionView {
    reason: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shortages: Vec<ShortageView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_amount: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShortageView {
    sku: String,
    requested: u32,
    available: Option<u32>,
}

impl RejectionView {
    /// Returns the view of `rejection`.
    pub fn of(rejection: &Rejection) -> Self {
        RejectionView {
            reason: rejection.reason.as_str(),
            message: rejection.message.clone(),
            shortages: rejection
                .shortages
                .iter()
                .map(|s| ShortageView {
                    sku: s.sku.to_string(),
                    requested: s.requested,
                    available: s.available,
                })
                .collect(),
            short_amount: rejection.short.as_ref().map(|m| m.amount().to_string()),
        }
    }
}

/// An error: its kind, which says what to do next, a message, and the particulars that it has.
#[derive(Debug, Serialize)]
pub struct ErrorView {
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<ViolationView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<RejectionView>,
}

#[derive(Debug, Serialize)]
struct ViolationView {
    field: String,
    problem: String,
}

impl ErrorView {
    /// Returns the view of `error`. What is the store's or a service's own stays out of it.
    pub fn of(error: &Error) -> Self {
        let violations: &[Violation] = match error {
            Error::Invalid(violations) => violations,
            _ => &[],
        };
        let rejection = match error {
            Error::Rejected(rejection) => Some(RejectionView::of(rejection)),
            _ => None,
        };
        ErrorView {
            kind: error.kind().as_str(),
            message: error.to_string(),
            violations: violations
                .iter()
                .map(|v| ViolationView {
                    field: v.field.clone(),
                    problem: v.problem.clone(),
                })
                .collect(),
            rejection,
        }
    }
}
