//! Payment operations: every authorization, charge, capture, void and refund an order ever asked
//! for.

use super::text_enum::text_enum;
use crate::ids::{Name, Reference};
use crate::money::Minor;
use crate::text::Private;
use crate::time::Timestamp;

text_enum! {
    /// The kind of a request to the provider.
    OperationKind, "payment operation" {
        /// Set the amount aside; captured or voided later.
        Authorize = "AUTHORIZE",
        /// Authorize and capture at once.
        Charge = "CHARGE",
        /// Take some of an authorized amount.
        Capture = "CAPTURE",
        /// Give up an authorization, or an attempt that is not settled yet.
        Void = "VOID",
        /// Send captured money back.
        Refund = "REFUND",
    }
}

text_enum! {
    /// The state of an operation, as far as it is known.
    OperationState, "payment state" {
        /// Wanted; the provider was provably never asked.
        Planned = "PLANNED",
        /// Handed to the workers: the provider may have been asked.
        Armed = "ARMED",
        /// Asked, and the outcome is not known.
        Unknown = "UNKNOWN",
        /// No longer wanted, and provably never asked.
        Dropped = "DROPPED",
        /// The customer must do something first.
        ActionRequired = "ACTION_REQUIRED",
        /// The provider will say later.
        Pending = "PENDING",
        /// The amount is set aside.
        Authorized = "AUTHORIZED",
        /// The amount is ours.
        Captured = "CAPTURED",
        /// The provider or the bank said no.
        Declined = "DECLINED",
        /// Given up before any money moved, or the authorization was released.
        Voided = "VOIDED",
        /// The amount went back.
        Refunded = "REFUNDED",
        /// It was refused, or taken back: it did not happen, and never will under this number.
        Failed = "FAILED",
        /// The provider's records prove that it never happened. No provider says so: it is what
        /// follows from a look-up that found nothing, once nothing of it can come any more.
        NeverHappened = "NEVER_HAPPENED",
    }
}

impl OperationState {
    /// Returns true if the provider may still change it without being asked again.
    pub const fn is_open(self) -> bool {
        match self {
            OperationState::Planned
            | OperationState::Armed
            | OperationState::Unknown
            | OperationState::ActionRequired
            | OperationState::Pending => true,
            OperationState::Dropped
            | OperationState::Authorized
            | OperationState::Captured
            | OperationState::Declined
            | OperationState::Voided
            | OperationState::Refunded
            | OperationState::Failed
            | OperationState::NeverHappened => false,
        }
    }

    /// Returns true if a provider can say it of an operation: the others are the engine's own.
    pub const fn is_a_providers(self) -> bool {
        match self {
            OperationState::ActionRequired
            | OperationState::Pending
            | OperationState::Authorized
            | OperationState::Captured
            | OperationState::Declined
            | OperationState::Voided
            | OperationState::Refunded
            | OperationState::Failed => true,
            OperationState::Planned
            | OperationState::Armed
            | OperationState::Unknown
            | OperationState::Dropped
            | OperationState::NeverHappened => false,
        }
    }

    /// Returns true if it was asked for and nothing came of it: refused, failed, or proven never to
    /// have happened.
    pub(crate) const fn came_to_nothing(self) -> bool {
        matches!(
            self,
            OperationState::Declined | OperationState::Failed | OperationState::NeverHappened
        )
    }
}

text_enum! {
    /// The origin of a payment operation.
    OperationOrigin, "origin" {
        /// The engine asked for it.
        Engine = "ENGINE",
        /// Somebody made it outside the engine, and reported it.
        Outside = "OUTSIDE",
        /// A bank took the money back.
        Chargeback = "CHARGEBACK",
    }
}

text_enum! {
    /// The state of the comparison of an operation's record with the provider's own records.
    Verification, "verification" {
        /// Nothing contradicts what is recorded.
        None = "NONE",
        /// A report says something else, or more than was asked: the provider is to be asked, and a
        /// person to look if it cannot be.
        Due = "DUE",
        /// The record is what the provider's records say, or what an operator found in them.
        Done = "DONE",
        /// A report contradicts what was verified: the provider is to be asked again. Until then
        /// what was verified counts.
        Again = "AGAIN",
    }
}

impl Verification {
    /// Returns true if the provider's records are to be asked.
    pub const fn is_due(self) -> bool {
        matches!(self, Verification::Due | Verification::Again)
    }
}

text_enum! {
    /// The moment at which an order's money is due.
    PaymentTerms, "payment terms" {
        /// Captured before the order is confirmed.
        Confirm = "confirm",
        /// Authorized before the order is confirmed, captured as it ships.
        Shipment = "shipment",
        /// Invoiced; nothing is charged.
        Invoice = "invoice",
        /// Cash on delivery; nothing is charged.
        Delivery = "delivery",
    }
}

/// The action that a customer must take to go on with a payment, as the provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerAction {
    /// The address to send the customer to.
    pub url: String,
    /// More for the client, opaque to us.
    pub data: Option<String>,
}

/// One request to the payment service, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentOperation {
    /// 1, 2, … within the order; also the number its key is derived from.
    pub n: u32,
    /// For a capture, void or refund: the operation it acts on.
    pub parent: Option<u32>,
    /// The kind of the request.
    pub kind: OperationKind,
    /// Its origin.
    pub origin: OperationOrigin,
    /// The payment method.
    pub method: Name,
    /// The amount that is asked for, in minor units of the order's currency.
    pub amount: Minor,
    /// The amount that the provider says was authorized, captured or refunded; counted beyond
    /// `amount` only once verified.
    pub settled: Minor,
    /// Its state.
    pub state: OperationState,
    /// The state of the comparison with the provider's records.
    pub verification: Verification,
    /// The provider's name for it; the plan's `transaction_id`.
    pub reference: Option<Reference>,
    /// The provider's reason for a decline or a failure.
    pub code: Option<String>,
    /// The moment at which an authorization lapses.
    pub capture_before: Option<Timestamp>,
    /// The end of the wait for a pending payment or a customer's action.
    pub deadline: Option<Timestamp>,
    /// The client's payment token, until the attempt is settled.
    pub token: Private<String>,
    /// The address that the provider sends the customer back to, until the attempt is settled.
    pub return_url: Private<String>,
    /// The action that the customer must take, while it is outstanding.
    pub action: Private<CustomerAction>,
    /// The time at which it was planned.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub updated_at: Timestamp,
}

impl PaymentTerms {
    /// Returns what an attempt is under these terms; `None` where nothing is charged.
    pub const fn attempt_kind(self) -> Option<OperationKind> {
        match self {
            PaymentTerms::Confirm => Some(OperationKind::Charge),
            PaymentTerms::Shipment => Some(OperationKind::Authorize),
            PaymentTerms::Invoice | PaymentTerms::Delivery => None,
        }
    }
}

impl PaymentOperation {
    /// Returns an operation that is wanted and was never asked for.
    pub const fn planned(
        n: u32,
        kind: OperationKind,
        parent: Option<u32>,
        method: Name,
        amount: Minor,
        at: Timestamp,
    ) -> PaymentOperation {
        PaymentOperation {
            n,
            parent,
            kind,
            origin: OperationOrigin::Engine,
            method,
            amount,
            settled: 0,
            state: OperationState::Planned,
            verification: Verification::None,
            reference: None,
            code: None,
            capture_before: None,
            deadline: None,
            token: Private(None),
            return_url: Private(None),
            action: Private(None),
            created_at: at,
            updated_at: at,
        }
    }

    /// Erases what is only needed until it is settled: token, return URL and the customer's action.
    pub(crate) fn erase_private(&mut self) {
        self.token = Private(None);
        self.return_url = Private(None);
        self.action = Private(None);
    }

    /// Returns true if it may bring money in: an authorization or a charge.
    pub const fn is_attempt(&self) -> bool {
        matches!(self.kind, OperationKind::Authorize | OperationKind::Charge)
    }

    /// Returns what of `settled` counts: more than was asked only once the provider's records bear
    /// it out.
    pub(crate) fn counted(&self) -> Minor {
        match self.verification {
            Verification::Done | Verification::Again => self.settled.max(0),
            Verification::None | Verification::Due => self.settled.clamp(0, self.amount),
        }
    }

    /// Returns what of it was captured: of an authorization, with what was captured from it, so
    /// that sums use [`crate::order::Order::captured_of`].
    pub fn captured(&self) -> Minor {
        match (self.kind, self.state) {
            (
                OperationKind::Authorize | OperationKind::Charge | OperationKind::Capture,
                OperationState::Captured,
            ) => self.counted(),
            _ => 0,
        }
    }

    /// Returns what of it was sent back and counts.
    pub fn refunded(&self) -> Minor {
        match (self.kind, self.state) {
            (OperationKind::Refund, OperationState::Refunded) => self.counted(),
            _ => 0,
        }
    }

    /// Returns what went back without the engine asking: refunds made elsewhere, and chargebacks.
    pub fn went_back_outside(&self) -> Minor {
        if self.origin == OperationOrigin::Engine {
            0
        } else {
            self.refunded()
        }
    }

    /// Returns what of it may be coming in on top of what its authorization has brought: a capture
    /// that is asked, or about to be.
    pub fn capturing(&self) -> Minor {
        match self.kind {
            OperationKind::Capture if self.state.is_open() => self.amount,
            _ => 0,
        }
    }

    /// Returns what of it may be on its way back: asked, or about to be.
    pub fn refunding(&self) -> Minor {
        match self.kind {
            OperationKind::Refund if self.state.is_open() => self.amount,
            _ => 0,
        }
    }
}
