//! Prices beyond those of products: shipping, tax, coupons. Pluggable; the default is a
//! [`PriceBook`].

mod price_book;

use async_trait::async_trait;

pub use price_book::{
    CouponRule, Discount, PaymentMethodRule, PriceBook, PriceBookError, ShippingRule, TaxRule,
};

use crate::error::{Rejection, Violation};
use crate::ids::{Name, ProductId, Sku, UserId, VariantId};
use crate::money::{Currency, Minor};
use crate::order::{Address, PaymentTerms, Redemption};
use crate::services::CallError;
use crate::text::Private;
use crate::time::Timestamp;

/// A request for a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricingRequest {
    /// The customer.
    pub user: UserId,
    /// The order's currency.
    pub currency: Currency,
    /// The lines, with their product prices.
    pub lines: Vec<PricingLine>,
    /// The address that the goods go to; `None` only for an order whose address is not known.
    pub to: Private<Address>,
    /// The shipping method asked for.
    pub shipping_method: Option<Name>,
    /// The payment method asked for.
    pub payment_method: Name,
    /// The coupon asked for.
    pub coupon: Option<Name>,
    /// The time whose prices count: now, or, when an edit asks whether a coupon still holds, when
    /// the order was placed.
    pub now: Timestamp,
}

impl PricingRequest {
    /// The country the goods go to, as written; empty if it is not known.
    pub fn country(&self) -> &str {
        self.to.get().map_or("", |to| &to.country)
    }

    /// The state the goods go to, as written; empty if there is none or it is not known.
    pub fn state(&self) -> &str {
        self.to.get().map_or("", |to| &to.state)
    }
}

/// A line to be priced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricingLine {
    /// The product.
    pub product: ProductId,
    /// Its variant, if one was chosen.
    pub variant: Option<VariantId>,
    /// The name under which the inventory counts it.
    pub sku: Sku,
    /// The number of units.
    pub quantity: u32,
    /// `quantity × unit price − product discount`.
    pub subtotal: Minor,
    /// True if it must be sent.
    pub requires_shipping: bool,
}

/// The amounts that pricing adds to the lines' subtotals.
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
    /// The moment at which the money is due.
    pub terms: PaymentTerms,
    /// Limited things the order takes.
    pub redemptions: Vec<Redemption>,
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

/// The error of a request that has no price.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PricingError {
    /// The request names what nobody offers, such as a shipping or payment method: every violation
    /// at once.
    #[error("the request cannot be priced")]
    Invalid(Vec<Violation>),
    /// A business rule says no, such as a coupon that does not apply.
    #[error(transparent)]
    Rejected(#[from] Box<Rejection>),
    /// A source of prices could not be asked, or made no sense.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl PricingError {
    /// A request with one violation.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Self {
        PricingError::Invalid(vec![Violation::new(field, problem)])
    }
}

impl From<Rejection> for PricingError {
    fn from(rejection: Rejection) -> Self {
        PricingError::Rejected(Box::new(rejection))
    }
}

/// Prices an order before it is decided: asked once per placing and quote, and for every edit with
/// the whole order as it will be.
///
/// It is believed like any service, not more. An answer counts if it has shares for every line; if
/// nothing in it is negative; if a line's coupon is at most its subtotal, and its contained tax at
/// most what is left of that; and if no amount is above
/// [`Money::MAX_MINOR`](crate::money::Money::MAX_MINOR), for a line above that for each unit. Any
/// other is refused with [`Error::Service`](crate::error::Error::Service), and so is one that does
/// not come within [`Policy::call_deadline`](crate::policy::Policy::call_deadline): then the future
/// is dropped.
///
/// # Examples
///
/// ```
/// use order_core::ids::Name;
/// use order_core::order::PaymentTerms;
/// use order_core::pricing::{Priced, PricingError, PricingRequest};
/// use order_core::{Currency, PriceBook, Pricing};
///
/// /// A price book with a surcharge for sending goods abroad, in minor units.
/// struct Abroad {
///     book: PriceBook,
///     home: String,
///     surcharge: i64,
/// }
///
/// #[order_core::async_trait]
/// impl Pricing for Abroad {
///     async fn price(&self, request: &PricingRequest) -> Result<Priced, PricingError> {
///         let mut priced = self.book.price(request).await?;
///         if request.country() != self.home {
///             priced.shipping += self.surcharge;
///         }
///         Ok(priced)
///     }
///     async fn terms(&self, method: &Name) -> Result<Option<PaymentTerms>, PricingError> {
///         self.book.terms(method).await
///     }
///     fn currency(&self) -> Currency {
///         self.book.currency()
///     }
/// }
/// ```
#[async_trait]
pub trait Pricing: Send + Sync {
    /// Prices it. [`PricingError::Invalid`] for a method nobody offers, [`PricingError::Rejected`]
    /// for a coupon that does not apply:
    /// [`CouponMinimum`](crate::error::RejectionReason::CouponMinimum) says that the goods are
    /// worth too little for it.
    async fn price(&self, request: &PricingRequest) -> Result<Priced, PricingError>;
    /// Returns when money paid by `method` is due; `None` if nobody offers the method.
    async fn terms(&self, method: &Name) -> Result<Option<PaymentTerms>, PricingError>;
    /// The currency that prices are in.
    fn currency(&self) -> Currency;
}
