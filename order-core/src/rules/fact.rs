//! Facts, as data. The rules for them stand in the files of their topics.

use uuid::Uuid;

use crate::ids::Reference;
use crate::money::Money;
use crate::order::{
    AttentionReason, ClosingKind, CustomerAction, DisputeState, Op, OperationState,
};
use crate::text::Private;
use crate::time::Timestamp;

/// Something that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The outcome of asking for reservation `n`.
    Reservation {
        /// The reservation.
        n: u32,
        /// The outcome.
        outcome: ReservationOutcome,
    },
    /// The outcome of releasing or committing units of reservation `n`.
    Closing {
        /// The reservation.
        n: u32,
        /// The number of the closing: [`crate::order::Closing::serial`].
        serial: u32,
        /// The kind of the closing.
        kind: ClosingKind,
        /// The units it was about.
        units: u32,
        /// True if units were to be released that had been committed.
        committed: bool,
        /// The outcome.
        outcome: ClosingOutcome,
    },
    /// The outcome of payment operation `n`.
    Payment {
        /// The operation.
        n: u32,
        /// The outcome.
        outcome: PaymentOutcome,
    },
    /// A provider's report of a payment, which nobody asked for.
    Report(PaymentReport),
    /// A provider's report of a dispute.
    Dispute(DisputeReport),
    /// A call keeps failing, or cannot be decided: a person must look.
    NeedsAttention {
        /// The reason.
        reason: AttentionReason,
        /// The operation it is about, if it is about one.
        about: Option<Op>,
    },
    /// A reason for a person to look that is over by itself.
    NoLongerNeedsAttention {
        /// The reason.
        reason: AttentionReason,
        /// The operation it was about, if it was about one.
        about: Option<Op>,
    },
}

impl Fact {
    /// The payment operation that it is about.
    pub(crate) const fn payment(&self) -> Option<u32> {
        match self {
            Fact::Payment { n, .. } => Some(*n),
            _ => None,
        }
    }

    /// Returns what is left of it when somebody else may have changed what it is about since it was
    /// asked: what the records said then is one word among others, and that something was nowhere
    /// says nothing.
    pub(crate) fn overtaken(mut self) -> Option<Fact> {
        match &mut self {
            Fact::Reservation {
                outcome: ReservationOutcome::Absent | ReservationOutcome::Undecidable,
                ..
            }
            | Fact::Payment {
                outcome: PaymentOutcome::Absent,
                ..
            } => return None,
            Fact::Payment {
                outcome: PaymentOutcome::Answer(answer),
                ..
            } => answer.evidence = Evidence::Answer,
            _ => {}
        }
        Some(self)
    }
}

/// The release or commit of a reservation's units that an answer is about.
pub(super) struct ClosingCall {
    pub(super) n: u32,
    pub(super) serial: u32,
    pub(super) kind: ClosingKind,
    pub(super) units: u32,
    pub(super) committed: bool,
}

/// The outcome of asking for a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReservationOutcome {
    /// It exists.
    Held {
        /// The inventory's name for it.
        reference: Option<Reference>,
        /// The moment at which it lapses.
        expires_at: Option<Timestamp>,
    },
    /// A definite no.
    Refused {
        /// The units there are, if the inventory said so.
        available: Option<u32>,
        /// The inventory's reason.
        code: String,
    },
    /// It may or may not exist.
    Unknown {
        /// True if the answer made no sense.
        malformed: bool,
    },
    /// It provably does not exist.
    Absent,
    /// It cannot be found out.
    Undecidable,
    /// Its units have left the stock already.
    Committed,
    /// It was released already.
    Released,
    /// It lapsed.
    Expired,
    /// The inventory knew it and no longer does.
    Lost,
}

/// The outcome of releasing or committing reserved units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClosingOutcome {
    /// It was done.
    Done,
    /// A definite no.
    Refused {
        /// The inventory's reason.
        code: String,
    },
    /// It may or may not have happened.
    Unknown {
        /// True if the answer made no sense.
        malformed: bool,
    },
}

/// The evidence for what is said of a payment operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evidence {
    /// The provider's answer to the request itself.
    #[default]
    Answer,
    /// The provider's records: it was asked what became of the operation.
    LookUp,
    /// The finding of an operator who looked into it.
    Finding,
    /// The provider's report, which nobody asked for.
    Report,
}

/// An answer about a payment operation: what the provider says of it, or an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderAnswer {
    /// `AUTHORIZED`, `CAPTURED`, `PENDING`, `ACTION_REQUIRED`, `DECLINED`, `VOIDED`, `REFUNDED` or
    /// `FAILED`.
    pub status: OperationState,
    /// The provider's name for the operation.
    pub reference: Option<Reference>,
    /// The amount that was authorized, captured or refunded.
    pub amount: Money,
    /// The reason of a decline or failure, as a code.
    pub code: Option<String>,
    /// The end of the wait for the provider or the customer.
    pub deadline: Timestamp,
    /// The action that the customer must take.
    pub action: Private<CustomerAction>,
    /// The moment from which an authorization can no longer be captured.
    pub capture_before: Option<Timestamp>,
    /// The evidence for it.
    pub evidence: Evidence,
}

/// The outcome of asking for a payment operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// The provider, or an operator, said what became of it.
    Answer(ProviderAnswer),
    /// It may or may not have happened.
    Unknown {
        /// True if the answer made no sense.
        malformed: bool,
    },
    /// It provably did not happen, and never will under this number.
    Absent,
}

/// A provider's report of a payment, as a callback brings it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentReport {
    /// Our key of the operation, if the provider passes it on.
    pub key: Option<Uuid>,
    /// The provider's reference of the operation.
    pub reference: Reference,
    /// The provider's reference of the payment that it acts on, for a capture or refund that the
    /// engine may not know of.
    pub parent: Option<Reference>,
    /// The status it reports.
    pub status: OperationState,
    /// The amount it reports.
    pub amount: Money,
}

/// A provider's report of a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeReport {
    /// The provider's name for the dispute.
    pub reference: Reference,
    /// The provider's reference of the payment it is about, if it says so.
    pub payment: Option<Reference>,
    /// The state of the dispute.
    pub state: DisputeState,
    /// The disputed amount.
    pub amount: Money,
}
