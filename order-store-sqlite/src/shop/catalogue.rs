//! The goods of a shop, its customers and its terms: read from TOML, checked as a whole.
//!
//! ```toml
//! currency = "USD"
//! [[product]]
//! id = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11"
//! sku = "MUG-01"
//! name = "Enamel mug"
//! price = "12.50"
//! discount_price = "11.00"        # optional, below the price
//! stock = 40
//! published = true                # optional, default true
//! requires_shipping = true        # optional, default true
//! [[product.variant]]             # optional; with two or more, an order must choose one
//! id = "6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b22"
//! sku = "MUG-01-BLUE"
//! name = "Blue"
//! price = "13.00"
//! stock = 5
//! [[customer]]
//! id = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33"
//! email = "customer@example.com"
//! first_name = "Sample"
//! last_name = "Customer"
//! status = "active"               # optional, default active
//! [[shipping]]
//! method = "STANDARD"
//! price = "4.90"
//! free_from = "50.00"             # optional: free from this subtotal less coupon on
//! [[tax]]
//! country = "US"
//! state = "CA"                    # optional: the whole country without it
//! rate = "0.0725"
//! inclusive = false               # optional, default false
//! taxes_shipping = false          # optional, default false
//! [[coupon]]
//! code = "SUMMER10"
//! percent = "10"                  # or amount = "5.00"
//! minimum = "20.00"               # optional; also from, until (RFC 3339), uses, uses_per_customer
//! [[payment_method]]
//! method = "CREDIT_CARD"
//! outcome = "approve"             # approve | decline | pending | action_required | timeout_done | timeout_lost
//! due = "confirm"                 # optional: confirm (default) | shipment | invoice | delivery
//! capture_within_days = 7         # optional: an authorization can be captured so long, 1 to 365; for ever without it
//! ```
//!
//! Fields not marked optional are required, unknown fields and duplicates are errors, and every
//! error names its line and column. Amounts and rates are quoted decimals, so that nothing is
//! rounded on the way in.

mod check;
mod raw;

use std::fmt;

use order_core::ids::{Name, Sku, UserId};
use order_core::money::Currency;
use order_core::pricing::{CouponRule, PaymentMethodRule, PriceBook, ShippingRule, TaxRule};
use order_core::services::Product;
use serde::Deserialize;

pub use raw::{CatalogueSource, RawCatalogue, RawPriceBook};

/// A checked catalogue: everything in it can be sold as it stands.
#[derive(Debug, Clone)]
pub struct Catalogue {
    pub(super) currency: Currency,
    pub(super) products: Vec<StockedProduct>,
    pub(super) customers: Vec<Customer>,
    pub(super) shipping: Vec<ShippingRule>,
    pub(super) tax: Vec<TaxRule>,
    pub(super) coupons: Vec<CouponRule>,
    pub(super) payment_methods: Vec<DeskMethod>,
    pub(super) price_book: PriceBook,
}

/// A product with the stock its SKUs start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockedProduct {
    /// The product and its variants.
    pub product: Product,
    /// Units of its own SKU, and of each variant's in the order of [`Product::variants`].
    pub stock: Vec<(Sku, u32)>,
}

/// Somebody who may order. Personal: `Debug` shows the id and the status alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Customer {
    /// Their id.
    pub id: UserId,
    /// Their e-mail address.
    pub email: String,
    /// Their first name.
    pub first_name: String,
    /// Their last name.
    pub last_name: String,
    /// Their account's status, `active` unless said otherwise.
    pub status: String,
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Customer")
            .field("id", &self.id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// A payment method, and what the desk does with a payment made by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskMethod {
    /// The method, and when money paid by it is due.
    pub rule: PaymentMethodRule,
    /// The desk's answer.
    pub outcome: Outcome,
    /// For how many days an authorization can be captured, 1 to 365; without limit if `None`.
    pub capture_within_days: Option<u32>,
}

impl DeskMethod {
    /// The method's name.
    pub fn method(&self) -> &Name {
        &self.rule.method
    }
}

/// The ways in which the payment desk ends an authorization or a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Approves it.
    Approve,
    /// Declines it with the code `CARD_DECLINED`.
    Decline,
    /// Leaves it pending until it is settled at the desk.
    Pending,
    /// Sends the customer to a page first, until it is settled at the desk.
    ActionRequired,
    /// Approves it, but loses the answer to an order's first attempt.
    TimeoutDone,
    /// Loses an order's first attempt before it has any effect; approves later ones.
    TimeoutLost,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 6] = [
        Outcome::Approve,
        Outcome::Decline,
        Outcome::Pending,
        Outcome::ActionRequired,
        Outcome::TimeoutDone,
        Outcome::TimeoutLost,
    ];

    /// The spelling used in catalogues and in the shop's file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Approve => "approve",
            Outcome::Decline => "decline",
            Outcome::Pending => "pending",
            Outcome::ActionRequired => "action_required",
            Outcome::TimeoutDone => "timeout_done",
            Outcome::TimeoutLost => "timeout_lost",
        }
    }
}

impl std::str::FromStr for Outcome {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let outcome = Outcome::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == s);
        outcome.ok_or_else(|| {
            format!(
                "{s:?} is not an outcome: expected one of {}",
                Outcome::ALL.map(Outcome::as_str).join(", ")
            )
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The place at which a catalogue is wrong, and the mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {reason}")]
pub struct CatalogueError {
    /// The file, as it was named to the parser.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The field, what is wrong with its value, and what would be right.
    pub reason: String,
}

impl CatalogueError {
    fn at(file: &str, text: &str, offset: usize, reason: String) -> Self {
        let (line, column) = position(text, offset);
        CatalogueError {
            file: file.into(),
            line,
            column,
            reason,
        }
    }
}

/// Line and column of a byte offset, both from 1; the column counts characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

impl Catalogue {
    /// The catalogue that `text` says; `name` is what errors call it. The first error ends the
    /// reading.
    pub fn parse(text: &str, name: &str) -> Result<Self, CatalogueError> {
        RawCatalogue::parse(text, name)?.check(name, text)
    }

    /// The currency of every amount in it.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The products, as written.
    pub fn products(&self) -> &[StockedProduct] {
        &self.products
    }

    /// The customers, as written.
    pub fn customers(&self) -> &[Customer] {
        &self.customers
    }

    /// The payment methods, as written.
    pub fn payment_methods(&self) -> &[DeskMethod] {
        &self.payment_methods
    }

    /// Shipping, tax, coupons and payment terms.
    pub fn price_book(&self) -> &PriceBook {
        &self.price_book
    }
}
