//! Reservations: what the inventory holds, or may hold, for an order.

use serde::{Deserialize, Serialize};

use super::status::text_enum;
use crate::ids::{Reference, Sku};
use crate::time::Timestamp;

text_enum! {
    /// What is known of a hold.
    HoldState, "reservation state" {
        /// Wanted; the inventory was provably never asked.
        Planned = "PLANNED",
        /// Handed to the workers: the inventory may have been asked.
        Armed = "ARMED",
        /// Asked, and the outcome is not known.
        Unknown = "UNKNOWN",
        /// No longer wanted, and provably never asked.
        Dropped = "DROPPED",
        /// The inventory holds the units for us.
        Held = "HELD",
        /// The inventory said no.
        Refused = "REFUSED",
        /// A hold that may exist and cannot be proven: listed for an operator.
        Suspect = "SUSPECT",
        /// The units have left the stock.
        Committed = "COMMITTED",
        /// Given back.
        Released = "RELEASED",
        /// Its lifetime ended before it was used.
        Expired = "EXPIRED",
        /// The inventory no longer knows it.
        Lost = "LOST",
    }
}

impl HoldState {
    /// Whether the inventory may hold units because of it, now or later.
    pub const fn may_hold(self) -> bool {
        matches!(self, HoldState::Armed | HoldState::Unknown | HoldState::Held)
    }

    /// Whether the outcome of asking is outstanding.
    pub const fn is_open(self) -> bool {
        matches!(self, HoldState::Planned | HoldState::Armed | HoldState::Unknown)
    }
}

text_enum! {
    /// What is being done to a hold that exists.
    ClosingKind, "closing" {
        /// Giving the units back.
        Release = "RELEASE",
        /// Taking the units out of the stock.
        Commit = "COMMIT",
    }
}

/// An operation under way on a held reservation. The reservation stays `HELD` until it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// What is being done.
    pub kind: ClosingKind,
    /// Whether a call was made whose outcome is not known.
    pub unknown: bool,
}

/// One hold of one SKU. An order may have any number over its life; at most one per SKU is wanted at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// 1, 2, … within the order; also the number its keys are derived from.
    pub n: u32,
    /// What is held.
    pub sku: Sku,
    /// How many units; lines of one SKU share a hold.
    pub quantity: u32,
    /// Which attempt at placing it belongs to: 1, and one more for each retried payment.
    pub attempt: u32,
    /// What is known of it.
    pub state: HoldState,
    /// What is being done to it, while it is held.
    pub closing: Option<Closing>,
    /// The inventory's name for it, once known.
    pub reference: Option<Reference>,
    /// When it lapses by itself, counted from the start of our call; `None` if it does not.
    pub expires_at: Option<Timestamp>,
    /// How often giving it back or committing it was refused.
    pub refusals: u32,
    /// After a refusal: how many units the inventory had, if it said so.
    pub available: Option<u32>,
    /// When it was planned.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
