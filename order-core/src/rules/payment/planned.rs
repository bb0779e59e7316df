//! The event that plans a payment operation.

use crate::ids::Name;
use crate::money::Minor;
use crate::order::{Event, Numbered, OperationKind, Order, PaymentOperation};
use crate::text::Private;

/// A payment operation that is to be planned.
pub(super) struct PlannedPayment {
    n: u32,
    kind: OperationKind,
    parent: Option<u32>,
    method: Name,
    amount: Minor,
    token: Private<String>,
    return_url: Private<String>,
}

impl PlannedPayment {
    /// Returns an operation of `amount` minor units, the next of the order's.
    pub(super) fn new(order: &Order, kind: OperationKind, method: &Name, amount: Minor) -> Self {
        PlannedPayment {
            n: order.payments.next_number(),
            kind,
            parent: None,
            method: method.clone(),
            amount,
            token: Private(None),
            return_url: Private(None),
        }
    }

    /// Gives it another number, where others are planned before it.
    pub(super) fn numbered(self, n: u32) -> Self {
        PlannedPayment { n, ..self }
    }

    /// Makes it a capture, void or refund of operation `parent`.
    pub(super) fn following(self, parent: &PaymentOperation) -> Self {
        PlannedPayment {
            parent: Some(parent.n),
            ..self
        }
    }

    /// Gives it what the client pays with, and where the customer is sent back to.
    pub(super) fn paid_with(self, token: &Private<String>, return_url: &Private<String>) -> Self {
        PlannedPayment {
            token: token.clone(),
            return_url: return_url.clone(),
            ..self
        }
    }

    /// Returns the event that plans it.
    pub(super) fn event(self) -> Event {
        let PlannedPayment {
            n,
            kind,
            parent,
            method,
            amount,
            token,
            return_url,
        } = self;
        Event::PaymentPlanned {
            n,
            kind,
            parent,
            method,
            amount,
            token,
            return_url,
        }
    }
}
