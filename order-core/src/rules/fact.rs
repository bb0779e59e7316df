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
                outcome: PaymentOutcome::Answer { evidence, .. },
                ..
            } => *evidence = Evidence::Answer,
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

/// How it is known what became of a payment operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evidence {
    /// The provider answered the request itself.
    #[default]
    Answer,
    /// The provider was asked what became of it: this is what its records say.
    LookUp,
    /// An operator looked into it.
    Finding,
}

/// What became of a payment operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// What the provider says.
    Answer {
        /// `AUTHORIZED`, `CAPTURED`, `PENDING`, `ACTION_REQUIRED`, `DECLINED`, `VOIDED`, `REFUNDED`
        /// or `FAILED`.
        status: OperationState,
        /// The provider's name for it.
        reference: Option<Reference>,
        /// How much.
        amount: Money,
        /// Why not.
        code: Option<String>,
        /// Until when the provider or the customer is waited for.
        deadline: Timestamp,
        /// What the customer must do.
        action: Private<CustomerAction>,
        /// Until when an authorization can be captured.
        capture_before: Option<Timestamp>,
        /// How that is known.
        evidence: Evidence,
    },
    /// It may or may not have happened.
    Unknown {
        /// Whether the answer made no sense.
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
