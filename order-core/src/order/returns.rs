//! Returns: delivered units that come back.

use serde::{Deserialize, Serialize};

use super::text_enum::text_enum;
use crate::time::Timestamp;

text_enum! {
    /// The state of a return.
    ReturnState, "return state" {
        /// The customer asked for it.
        Requested = "REQUESTED",
        /// The customer may send the goods.
        Approved = "APPROVED",
        /// It was turned down.
        Rejected = "REJECTED",
        /// It is over: what came back is no longer owed.
        Closed = "CLOSED",
    }
}

impl ReturnState {
    /// Returns true if goods may still come back under it.
    pub const fn is_open(self) -> bool {
        match self {
            ReturnState::Requested | ReturnState::Approved => true,
            ReturnState::Rejected | ReturnState::Closed => false,
        }
    }
}

/// Units of one line in a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnLine {
    /// The line's number.
    pub line: u32,
    /// The units that are to come back, at least 1.
    pub units: u32,
    /// The units that came back and went into the stock again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restocked: u32,
    /// The units that came back and cannot be sold again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub scrapped: u32,
}

impl ReturnLine {
    /// Returns how many came back so far.
    pub const fn received(&self) -> u32 {
        self.restocked + self.scrapped
    }
}

/// Units of one line that came back together, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedUnits {
    /// The line's number.
    pub line: u32,
    /// The units that go into the stock again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restock: u32,
    /// The units that cannot be sold again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub scrap: u32,
}

fn is_zero(units: &u32) -> bool {
    *units == 0
}

/// Delivered units that come back. An order may have any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// 1, 2, … within the order.
    pub n: u32,
    /// The units that are to come back: each line once.
    pub lines: Vec<ReturnLine>,
    /// Its state.
    pub state: ReturnState,
    /// The time at which it was asked for.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub updated_at: Timestamp,
}

impl Return {
    /// Returns how many units of `line` may still come back under it.
    pub fn outstanding(&self, line: u32) -> u32 {
        let of_line = self
            .lines
            .iter()
            .filter(|l| l.line == line && self.state.is_open());
        of_line.map(|l| l.units.saturating_sub(l.received())).sum()
    }

    /// Returns how many units of `line` it speaks for while it is open.
    pub fn spoken_for(&self, line: u32) -> u32 {
        self.lines
            .iter()
            .filter(|l| l.line == line && self.state.is_open())
            .map(|l| l.units)
            .sum()
    }
}
