//! Reservations: what the inventory holds, or may hold, for an order.

use serde::{Deserialize, Serialize};

use super::text_enum::text_enum;
use crate::ids::{Reference, Sku};
use crate::time::Timestamp;

text_enum! {
    /// The state of a reservation, as far as it is known.
    ReservationState, "reservation state" {
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
        /// A reservation that may exist and cannot be proven: listed for an operator.
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

impl ReservationState {
    /// Returns true if the inventory may hold units because of it, now or later.
    pub const fn may_hold(self) -> bool {
        matches!(
            self,
            ReservationState::Armed | ReservationState::Unknown | ReservationState::Held
        )
    }

    /// Returns true if the outcome of asking is outstanding.
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            ReservationState::Planned | ReservationState::Armed | ReservationState::Unknown
        )
    }
}

text_enum! {
    /// The kind of an operation on reserved units.
    ClosingKind, "closing" {
        /// Giving the units back.
        Release = "RELEASE",
        /// Taking the units out of the stock.
        Commit = "COMMIT",
    }
}

/// An operation under way on a reservation. The reservation keeps its state until it is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// 0, 1, … within the reservation; its key is derived from it.
    pub serial: u32,
    /// The kind of the operation.
    pub kind: ClosingKind,
    /// To how many units.
    pub units: u32,
    /// True if units are released that had been committed: they return to the stock.
    pub committed: bool,
    /// True if a call was made whose outcome is not known.
    pub unknown: bool,
}

/// The name of what was committed before its order was imported.
const ELSEWHERE: &str = "imported";

/// One reservation of one SKU. An order may have any number over its life.
///
/// Its units are committed and released in parts, where the inventory can do that: `quantity` =
/// units still held, or no longer because the reservation is expired or lost, + `committed` +
/// `released`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// 1, 2, … within the order; also the number its keys are derived from.
    pub n: u32,
    /// The SKU.
    pub sku: Sku,
    /// The units that were asked for; lines of one SKU share a reservation.
    pub quantity: u32,
    /// The round of placing it belongs to: 1, and one more for each retried payment.
    pub round: u32,
    /// Its state.
    pub state: ReservationState,
    /// The number of its units that have left the stock.
    pub committed: u32,
    /// The number of its units that were released.
    pub released: u32,
    /// The larger reservation it takes the place of.
    pub replaces: Option<u32>,
    /// The operation under way on it.
    pub closing: Option<Closing>,
    /// The number of closings that were begun.
    pub closings: u32,
    /// True if the last of them was refused.
    pub closing_refused: bool,
    /// The inventory's name for it, once known.
    pub reference: Option<Reference>,
    /// The time at which it lapses by itself, counted from the start of our call; `None` if it does
    /// not.
    pub expires_at: Option<Timestamp>,
    /// The number of refused releases and commits since somebody last asked for them anew.
    pub refusals: u32,
    /// After a refusal: how many units the inventory had, if it said so.
    pub available: Option<u32>,
    /// The time at which it was planned.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub updated_at: Timestamp,
}

impl Reservation {
    /// A reservation that is wanted, and not asked for yet.
    pub const fn planned(
        n: u32,
        sku: Sku,
        quantity: u32,
        round: u32,
        at: Timestamp,
    ) -> Reservation {
        Reservation {
            n,
            sku,
            quantity,
            round,
            state: ReservationState::Planned,
            committed: 0,
            released: 0,
            replaces: None,
            closing: None,
            closings: 0,
            closing_refused: false,
            reference: None,
            expires_at: None,
            refusals: 0,
            available: None,
            created_at: at,
            updated_at: at,
        }
    }

    /// Units that had left the stock for an order before it was imported.
    pub(crate) fn elsewhere(n: u32, sku: Sku, units: u32, at: Timestamp) -> Reservation {
        let reference = ELSEWHERE.parse().ok();
        let planned = Reservation::planned(n, sku, units, 1, at);
        Reservation {
            state: ReservationState::Committed,
            committed: units,
            reference,
            ..planned
        }
    }

    /// Returns true if its units left the stock before the order was imported: no inventory knows
    /// it by a key of ours, so it can neither be looked up nor released. Any other reservation
    /// with a name is held first and committed by a closing.
    pub fn is_elsewhere(&self) -> bool {
        self.closings == 0 && self.state == ReservationState::Committed && self.reference.is_some()
    }

    /// Units that the inventory holds for us.
    pub const fn held(&self) -> u32 {
        match self.state {
            ReservationState::Held => self.quantity.saturating_sub(self.committed + self.released),
            _ => 0,
        }
    }
}
