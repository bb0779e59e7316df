//! Holds on an order: what someone keeps it from until they are lifted or lapse. What the inventory
//! holds is a reservation.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Actor;
use super::text_enum::text_enum;
use crate::ids::Name;
use crate::time::Timestamp;

text_enum! {
    /// The step that a hold keeps from happening.
    Blocks, "blocked step" {
        /// The order is not confirmed.
        Confirm = "confirm",
        /// No money is captured.
        Capture = "capture",
        /// Nothing ships.
        Ship = "ship",
    }
}

/// The moment at which a hold lapses by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldEnd {
    /// At that time.
    At(Timestamp),
    /// So long after it is placed.
    After(Duration),
}

impl HoldEnd {
    /// The moment, for a hold that is placed `now`.
    pub fn for_one_placed(self, now: Timestamp) -> Timestamp {
        match self {
            HoldEnd::At(at) => at,
            HoldEnd::After(lasts) => now.after(lasts),
        }
    }
}

impl From<Timestamp> for HoldEnd {
    fn from(at: Timestamp) -> Self {
        HoldEnd::At(at)
    }
}

/// Something that keeps an order from going on, such as a fraud review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderHold {
    /// Its kind; at most one of each kind at a time.
    pub kind: Name,
    /// The step that it blocks.
    pub blocks: Blocks,
    /// The actor who placed it.
    pub placed_by: Actor,
    /// The time at which it lapses by itself.
    pub until: Option<Timestamp>,
}
