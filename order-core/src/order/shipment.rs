//! Shipments: units of an order's lines that leave together.

use serde::{Deserialize, Serialize};

use super::text_enum::text_enum;
use crate::time::Timestamp;

/// Units of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineUnits {
    /// The line's number.
    pub line: u32,
    /// The number of its units, at least 1.
    pub units: u32,
}

text_enum! {
    /// The state of a shipment.
    ShipmentState, "shipment state" {
        /// It is being got ready.
        Planned = "PLANNED",
        /// It has left.
        Shipped = "SHIPPED",
        /// It has arrived.
        Delivered = "DELIVERED",
        /// It could not be delivered; its units are open again.
        Failed = "FAILED",
        /// It was lost on the way: its units are gone from the stock, and open again.
        Lost = "LOST",
        /// It came back undelivered; its units are open again.
        Returned = "RETURNED_TO_SENDER",
        /// It never left; its units are open again.
        Cancelled = "CANCELLED",
    }
}

impl ShipmentState {
    /// Returns true if its units are spoken for: planned, on their way or there.
    pub const fn is_live(self) -> bool {
        match self {
            ShipmentState::Planned | ShipmentState::Shipped | ShipmentState::Delivered => true,
            ShipmentState::Failed
            | ShipmentState::Lost
            | ShipmentState::Returned
            | ShipmentState::Cancelled => false,
        }
    }

    /// Returns true if it has left, whatever became of it then. Only then can something become of
    /// it.
    pub const fn has_left(self) -> bool {
        match self {
            ShipmentState::Shipped
            | ShipmentState::Delivered
            | ShipmentState::Failed
            | ShipmentState::Lost
            | ShipmentState::Returned => true,
            ShipmentState::Planned | ShipmentState::Cancelled => false,
        }
    }
}

/// Units that leave together. An order may have any number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    /// 1, 2, … within the order.
    pub n: u32,
    /// The units in it: each line once.
    pub lines: Vec<LineUnits>,
    /// Its state.
    pub state: ShipmentState,
    /// The carrier.
    pub carrier: Option<String>,
    /// The carrier's number for it.
    pub tracking: Option<String>,
    /// The time at which it left.
    pub shipped_at: Option<Timestamp>,
    /// The time at which it arrived.
    pub delivered_at: Option<Timestamp>,
    /// The time at which it was last taken for lost, whatever it was found to be since.
    pub lost_at: Option<Timestamp>,
    /// The time at which it was planned.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub updated_at: Timestamp,
}
