//! What a fact says: data alone. What it changes stands in `record.rs` and `told.rs`.

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
    /// What became of asking for reservation `n`.
    Reservation {
        /// The reservation.
        n: u32,
        /// What became of it.
        outcome: ReservationOutcome,
    },
    /// What became of giving back or committing reservation `n`.
    Closing {
        /// The reservation.
        n: u32,
        /// Which of the reservation's closings: [`crate::order::Closing::serial`].
        serial: u32,
        /// Which of the two.
        kind: ClosingKind,
        /// How many units it was about.
        units: u32,
        /// Whether units were to be given back that had been committed.
        committed: bool,
        /// What became of it.
        outcome: ClosingOutcome,
    },
    /// What became of payment operation `n`.
    Payment {
        /// The operation.
        n: u32,
        /// What became of it.
        outcome: PaymentOutcome,
    },
    /// What a provider told us unasked.
    Report(PaymentReport),
    /// What a provider told us of a dispute.
    Dispute(DisputeReport),
    /// A call keeps failing, or cannot be decided: a person must look.
    NeedsAttention {
        /// Why.
        reason: AttentionReason,
        /// What it is about.
        about: Option<Op>,
    },
    /// What needed a person has settled by itself.
    NoLongerNeedsAttention {
        /// Why it did.
        reason: AttentionReason,
        /// What it was about.
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

    /// What is left of it when somebody else may have changed what it is about since it was asked:
    /// what the records said then is one word among others, and that something was nowhere says
    /// nothing.
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

/// What became of asking for a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReservationOutcome {
    /// It exists.
    Held {
        /// The inventory's name for it.
        reference: Option<Reference>,
        /// When it lapses.
        expires_at: Option<Timestamp>,
    },
    /// A definite no.
    Refused {
        /// How many units there are, if the inventory said so.
        available: Option<u32>,
        /// The inventory's reason.
        code: String,
    },
    /// It may or may not exist.
    Unknown {
        /// Whether the answer made no sense.
        malformed: bool,
    },
    /// It provably does not exist.
    Absent,
    /// It cannot be found out.
    Undecidable,
    /// Its units have left the stock already.
    Committed,
    /// It was given back already.
    Released,
    /// It lapsed.
    Expired,
    /// The inventory knew it and no longer does.
    Lost,
}

/// What became of giving back or committing a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClosingOutcome {
    /// Done.
    Done,
    /// A definite no.
    Refused {
        /// The inventory's reason.
        code: String,
    },
    /// It may or may not have happened.
    Unknown {
        /// Whether the answer made no sense.
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

/// What a provider tells us unasked, as a callback does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentReport {
    /// Our key of the operation, if the provider passes it on.
    pub key: Option<Uuid>,
    /// The provider's reference of the operation.
    pub reference: Reference,
    /// The provider's reference of the payment that it acts on, for a capture or refund that the
    /// engine may not know of.
    pub parent: Option<Reference>,
    /// What it says.
    pub status: OperationState,
    /// How much.
    pub amount: Money,
}

/// What a provider tells us of a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeReport {
    /// The provider's name for the dispute.
    pub reference: Reference,
    /// The provider's reference of the payment it is about, if it says so.
    pub payment: Option<Reference>,
    /// How it stands.
    pub state: DisputeState,
    /// How much is disputed.
    pub amount: Money,
}
