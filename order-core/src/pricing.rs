//! What an order costs beyond its products: shipping, tax, coupons. Pluggable; the default is a [`PriceBook`].

mod price_book;

use async_trait::async_trait;

pub use price_book::{CouponRule, Discount, PaymentMethodRule, PriceBook, PriceBookError, ShippingRule, TaxRule};

use crate::error::Error;
use crate::ids::{Name, Sku, UserId};
use crate::money::{Currency, Minor};
use crate::order::{Claim, PaymentTerms};
use crate::time::Timestamp;

/// What is to be priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricingRequest {
    /// Who orders.
    pub user: UserId,
    /// The order's currency.
    pub currency: Currency,
    /// The lines, with their product prices.
    pub lines: Vec<PricingLine>,
    /// Country of the shipping address, as written.
    pub country: String,
    /// State of the shipping address, as written.
    pub state: String,
    /// The shipping method asked for.
    pub shipping_method: Option<Name>,
    /// The payment method asked for.
    pub payment_method: Name,
    /// The coupon asked for.
    pub coupon: Option<Name>,
    /// Now.
    pub now: Timestamp,
}

/// A line to be priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricingLine {
    /// What.
    pub sku: Sku,
    /// How many units.
    pub quantity: u32,
    /// `quantity × unit price − product discount`.
    pub subtotal: Minor,
    /// Whether it must be sent.
    pub requires_shipping: bool,
}

/// What pricing adds to the lines' subtotals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Priced {
    /// For each line, in order.
    pub lines: Vec<LineShares>,
    /// Shipping, without the tax added to it.
    pub shipping: Minor,
    /// Tax added for shipping.
    pub shipping_tax: Minor,
    /// Tax contained in the price of shipping.
    pub shipping_tax_included: Minor,
    /// When the money is due.
    pub terms: PaymentTerms,
    /// Limited things the order takes.
    pub claims: Vec<Claim>,
}

/// A line's shares of what was priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineShares {
    /// Its share of the coupon.
    pub coupon: Minor,
    /// Tax added for it.
    pub tax: Minor,
    /// Tax contained in its price.
    pub tax_included: Minor,
}

/// Prices an order before it is decided. Called once per placing, and again for previews.
#[async_trait]
pub trait Pricing: Send + Sync {
    /// Prices it. [`Error::Invalid`] for a method nobody offers, [`Error::Rejected`] for a coupon that does not apply.
    async fn price(&self, request: &PricingRequest) -> Result<Priced, Error>;
    /// When money paid by `method` is due; `None` if nobody offers the method.
    async fn terms(&self, method: &Name) -> Result<Option<PaymentTerms>, Error>;
    /// The currency that prices are in.
    fn currency(&self) -> Currency;
}
