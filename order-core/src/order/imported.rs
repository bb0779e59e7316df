//! Orders from elsewhere, as they were when they came here.

use serde::{Deserialize, Serialize};

use super::{
    Addresses, Amounts, Credit, Lifecycle, LineUnits, PaymentTerms, PlacedLine, ReturnLine,
    ShipmentState,
};
use crate::ids::{IdempotencyKey, Name, OrderId, Reference, UserId};
use crate::money::{Currency, Minor};
use crate::number::OrderNumber;
use crate::text::Private;
use crate::time::Timestamp;

/// Everything about an order when it was imported. What became of its units follows from its
/// shipments and returns; what stock has left for it, from its units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "fields are named as on the order, and documented there"
)]
pub struct Imported {
    pub id: OrderId,
    pub number: OrderNumber,
    pub user: UserId,
    /// The name it had where it comes from.
    pub external_ref: IdempotencyKey,
    pub currency: Currency,
    /// At rest: confirmed, completed, cancelled, rejected, expired, or its payment failed.
    pub lifecycle: Lifecycle,
    pub lines: Vec<ImportedLine>,
    pub amounts: Amounts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_method: Option<Name>,
    pub payment_method: Name,
    pub terms: PaymentTerms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<Name>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payments: Vec<ImportedPayment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shipments: Vec<ImportedShipment>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<ImportedReturn>,
    /// For the order as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credits: Vec<Credit>,
    pub placed_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Timestamp>,
    /// The time at which it was completed, cancelled, rejected, or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    #[serde(skip)]
    pub addresses: Private<Addresses>,
    #[serde(skip)]
    pub notes: Private<String>,
    #[serde(skip)]
    pub metadata: Private<std::collections::BTreeMap<Name, String>>,
}

/// A line as it was ordered, and how many of its units were cancelled since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "fields are named as on the line, and documented there"
)]
pub struct ImportedLine {
    pub line: PlacedLine,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u32,
}

fn is_zero(units: &u32) -> bool {
    *units == 0
}

/// Money that came in, or went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedPayment {
    /// For money that went back: the number of the payment it came in by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunds: Option<u32>,
    /// The payment method.
    pub method: Name,
    /// The amount, in minor units.
    pub amount: Minor,
    /// The provider's name for it.
    pub reference: Reference,
    /// The time at which it moved.
    pub at: Timestamp,
}

/// Units that left together, or are to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "fields are named as on the shipment, and documented there"
)]
pub struct ImportedShipment {
    pub lines: Vec<LineUnits>,
    pub state: ShipmentState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipped_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
}

/// A return that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedReturn {
    /// The units that came back: each line once.
    pub lines: Vec<ReturnLine>,
    /// The time at which it was asked for.
    pub requested_at: Timestamp,
    /// The time at which it was closed.
    pub closed_at: Timestamp,
}
