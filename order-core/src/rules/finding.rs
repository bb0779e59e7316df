//! An operator's findings, as data. What follows from one stands in `resolve.rs`.

use super::fact::ReservationOutcome;
use crate::hash::Encoder;
use crate::ids::Reference;
use crate::money::Minor;
use crate::order::OperationState;

/// The outcome that an operator found out, by asking the service's people or looking at its books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The outcome of asking for a reservation.
    Hold {
        /// The reservation's number.
        n: u32,
        /// The outcome that was found.
        outcome: ReservationOutcome,
    },
    /// The outcome of releasing or committing a reservation's units.
    Closing {
        /// The reservation's number.
        n: u32,
        /// True if it was done, false if it was not.
        done: bool,
    },
    /// The outcome of a payment operation.
    Payment {
        /// The operation's number.
        n: u32,
        /// `AUTHORIZED`, `CAPTURED`, `DECLINED`, `VOIDED`, `REFUNDED` or `FAILED`.
        status: OperationState,
        /// The amount that moved, in minor units.
        amount: Minor,
        /// The provider's name for it.
        reference: Option<Reference>,
    },
    /// Money that came in or went back outside the engine, and that no provider reported.
    Moved {
        /// `CAPTURED` for money that came in, `REFUNDED` for money that went back.
        status: OperationState,
        /// The amount that moved, in minor units.
        amount: Minor,
        /// A name for it that no other movement has, such as a bank's.
        reference: Reference,
    },
    /// A report that fits no operation and needs nothing to be done.
    Unmatched {
        /// The report's reference.
        reference: Reference,
    },
}

impl Finding {
    /// Writes what makes it another finding into the hash of its command.
    pub(super) fn hash_fields(&self, hashed: &mut Encoder) {
        match self {
            Finding::Hold { n, outcome } => {
                hashed.text("hold");
                hashed.bytes(&n.to_be_bytes());
                hash_outcome(outcome, hashed);
            }
            Finding::Closing { n, done } => {
                hashed.text("closing");
                hashed.bytes(&n.to_be_bytes());
                hashed.flag(*done);
            }
            Finding::Payment {
                n,
                status,
                amount,
                reference,
            } => {
                hashed.text("payment");
                hashed.bytes(&n.to_be_bytes());
                hashed.text(status.as_str());
                hashed.bytes(&amount.to_be_bytes());
                hashed.option(reference.as_ref().map(|r| r.as_str()));
            }
            Finding::Moved {
                status,
                amount,
                reference,
            } => {
                hashed.text("moved");
                hashed.text(status.as_str());
                hashed.bytes(&amount.to_be_bytes());
                hashed.text(reference.as_str());
            }
            Finding::Unmatched { reference } => {
                hashed.text("unmatched");
                hashed.text(reference.as_str());
            }
        }
    }
}

fn hash_outcome(outcome: &ReservationOutcome, hashed: &mut Encoder) {
    match outcome {
        ReservationOutcome::Held {
            reference,
            expires_at,
        } => {
            hashed.text("held");
            hashed.option(reference.as_ref().map(|r| r.as_str()));
            hashed.time(*expires_at);
        }
        ReservationOutcome::Refused { available, code } => {
            hashed.text("refused");
            hashed.option(available.map(u32::to_be_bytes));
            hashed.text(code);
        }
        ReservationOutcome::Unknown { malformed } => {
            hashed.text("unknown");
            hashed.flag(*malformed);
        }
        ReservationOutcome::Absent => hashed.text("absent"),
        ReservationOutcome::Undecidable => hashed.text("undecidable"),
        ReservationOutcome::Committed => hashed.text("committed"),
        ReservationOutcome::Released => hashed.text("released"),
        ReservationOutcome::Expired => hashed.text("expired"),
        ReservationOutcome::Lost => hashed.text("lost"),
    }
}
