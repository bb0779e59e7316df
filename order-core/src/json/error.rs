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

/// A refusal by a rule, without its message.
#[derive(Debug, Serialize)]
struct RefusedView {
    /// Stable, the same as over gRPC.
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_number: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shortages: Vec<ShortageView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    short_amount: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    possible: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct ShortageView {
    sku: String,
    requested: u32,
    available: Option<u32>,
}

impl RefusedView {
    fn of(rejection: &Rejection) -> Self {
        let Rejection {
            reason,
            message: _,
            order,
            shortages,
            short,
            possible,
        } = rejection;
        RefusedView {
            reason: reason.as_str(),
            order_id: order.map(|(id, _)| id.to_string()),
            order_number: order.map(|(_, number)| number.to_string()),
            shortages: shortages
                .iter()
                .map(|s| ShortageView {
                    sku: s.sku.to_string(),
                    requested: s.requested,
                    available: s.available,
                })
                .collect(),
            short_amount: short.as_ref().map(|m| m.amount().to_string()),
            possible: possible.clone(),
        }
    }
}

/// The reason why an order came to nothing, or a command was refused.
#[derive(Debug, Serialize)]
pub struct RejectionView {
    message: String,
    #[serde(flatten)]
    refused: RefusedView,
}

impl RejectionView {
    /// Returns the view of `rejection`.
    pub fn of(rejection: &Rejection) -> Self {
        RejectionView {
            message: rejection.message.clone(),
            refused: RefusedView::of(rejection),
        }
    }
}

/// An error: its kind, which says what to do next, a message, and the particulars that it has. A
/// rejection's stand beside these.
#[derive(Debug, Serialize)]
pub struct ErrorView {
    kind: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<ViolationView>,
    #[serde(flatten)]
    refused: Option<RefusedView>,
}

#[derive(Debug, Serialize)]
struct ViolationView {
    field: String,
    message: String,
}

impl ErrorView {
    /// Returns the view of `error`.
    pub fn of(error: &Error) -> Self {
        let violations: &[Violation] = match error {
            Error::Invalid(violations) => violations,
            _ => &[],
        };
        let rejection = match error {
            Error::Rejected(rejection) => Some(&**rejection),
            _ => None,
        };
        let kind = error.kind().as_str();
        ErrorView::new(kind, error.to_string(), violations, rejection)
    }

    /// Returns the view of an error that need not be the engine's, such as one of a command line.
    pub fn new(
        kind: &'static str,
        message: impl Into<String>,
        violations: &[Violation],
        rejection: Option<&Rejection>,
    ) -> Self {
        ErrorView {
            kind,
            message: message.into(),
            violations: violations
                .iter()
                .map(|v| ViolationView {
                    field: v.field.clone(),
                    message: v.problem.clone(),
                })
                .collect(),
            refused: rejection.map(RefusedView::of),
        }
    }
}
