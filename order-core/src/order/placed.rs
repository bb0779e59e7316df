//! Everything about an order when it was placed.

use serde::{Deserialize, Serialize};

use super::{Addresses, Amounts, Lot, OrderHold, PaymentTerms, Redemption};
use crate::ids::{ExternalRef, LineId, Name, OrderId, ProductId, Sku, UserId, VariantId};
use crate::money::{Currency, Minor};
use crate::number::OrderNumber;
use crate::text::Private;
use crate::time::Timestamp;

/// Everything about an order when it was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "fields are named as on the order, and documented there"
)]
pub struct Placed {
    pub id: OrderId,
    pub number: OrderNumber,
    pub user: UserId,
    pub currency: Currency,
    pub lines: Vec<PlacedLine>,
    pub amounts: Amounts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_method: Option<Name>,
    pub payment_method: Name,
    pub terms: PaymentTerms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<Name>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redemptions: Vec<Redemption>,
    pub placing_deadline: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<OrderHold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_ref: Option<ExternalRef>,
    #[serde(skip)]
    pub addresses: Private<Addresses>,
    #[serde(skip)]
    pub notes: Private<String>,
    #[serde(skip)]
    pub token: Private<String>,
    #[serde(skip)]
    pub return_url: Private<String>,
    #[serde(skip)]
    pub metadata: Private<std::collections::BTreeMap<Name, String>>,
}

/// A line when it was placed: one lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "fields are named as on the line, and documented there"
)]
pub struct PlacedLine {
    pub id: LineId,
    pub product: ProductId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantId>,
    pub sku: Sku,
    pub name: String,
    pub unit_price: Minor,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discount: Minor,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub requires_shipping: bool,
    pub lot: Lot,
}

fn yes() -> bool {
    true
}

fn is_yes(flag: &bool) -> bool {
    *flag
}

fn is_zero(minor: &Minor) -> bool {
    *minor == 0
}
