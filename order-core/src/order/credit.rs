//! Credits and disputes: what takes money off an order besides units that are cancelled or
//! returned.

use serde::{Deserialize, Serialize};

use super::text_enum::text_enum;
use crate::ids::Reference;
use crate::money::Minor;
use crate::time::Timestamp;

text_enum! {
    /// The purpose of a credit.
    CreditKind, "credit" {
        /// For the order as a whole, as goodwill.
        Goodwill = "GOODWILL",
        /// For what is kept of one line: later shares of the line are smaller.
        Line = "LINE",
        /// A shortfall that is given up. Less than nothing if money that had been written off
        /// comes back after all.
        WriteOff = "WRITE_OFF",
    }
}

/// Something taken off what is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// 1, 2, … within the order.
    pub n: u32,
    /// Its purpose.
    pub kind: CreditKind,
    /// The line it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The amount, in minor units; more than 0, unless a write-off is taken back.
    pub amount: Minor,
    /// The time at which it was given.
    pub at: Timestamp,
}

text_enum! {
    /// The state of a dispute.
    DisputeState, "dispute state" {
        /// The bank is to decide.
        Open = "OPEN",
        /// The money stays.
        Won = "WON",
        /// The bank took the money back.
        Lost = "LOST",
    }
}

/// A payment that the customer's bank questions. While one is open nothing is refunded: the bank
/// may take the same money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The provider's name for it; at most one dispute of an order has it.
    pub reference: Reference,
    /// The payment operation it is about, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<u32>,
    /// The disputed amount, in minor units.
    pub amount: Minor,
    /// Its state.
    pub state: DisputeState,
    /// The time at which it was opened.
    pub opened_at: Timestamp,
    /// The time at which it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
}
