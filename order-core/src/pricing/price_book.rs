//! The default pricing: tables of methods, rates and coupons.

use async_trait::async_trait;
use rust_decimal::Decimal;

use super::{LineShares, Priced, Pricing, PricingError, PricingRequest};
use crate::allocation::largest_remainder;
use crate::error::{Rejection, RejectionReason, Violation};
use crate::ids::Name;
use crate::money::{Currency, Minor, Money, rate_of, round_half_up};
use crate::order::{PaymentTerms, Redemption, same_place};
use crate::time::Timestamp;

/// Shipping methods, tax rates, coupons and payment methods, all in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceBook {
    currency: Currency,
    shipping: Vec<ShippingRule>,
    tax: Vec<TaxRule>,
    coupons: Vec<CouponRule>,
    payment_methods: Vec<PaymentMethodRule>,
}

/// The price of a shipping method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippingRule {
    /// The method.
    pub method: Name,
    /// Its price.
    pub price: Minor,
    /// From which goods value on (subtotal less coupon) it is free.
    pub free_from: Option<Minor>,
}

/// A tax rate for a country, or for one state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxRule {
    /// The country, compared ignoring case.
    pub country: String,
    /// The state, compared ignoring case; none for the whole country.
    pub state: Option<String>,
    /// The rate: 0.0725 is 7.25 %. 0..=1.
    pub rate: Decimal,
    /// True if prices contain the tax already.
    pub inclusive: bool,
    /// True if shipping is taxed too.
    pub taxes_shipping: bool,
}

/// The amount or share that a coupon takes off the subtotal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discount {
    /// So many percent, 0..=100, rounded half up.
    Percent(Decimal),
    /// So much, at most the subtotal.
    Amount(Minor),
}

/// A coupon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CouponRule {
    /// Its code, compared as written.
    pub code: Name,
    /// The discount that it gives.
    pub discount: Discount,
    /// The smallest subtotal it applies to.
    pub minimum: Option<Minor>,
    /// From when on it is valid.
    pub from: Option<Timestamp>,
    /// The end of its validity, not included.
    pub until: Option<Timestamp>,
    /// The number of times that it can be used in all.
    pub uses: Option<u32>,
    /// The number of times that one customer can use it.
    pub uses_per_customer: Option<u32>,
}

/// A payment method and when money paid by it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentMethodRule {
    /// The method.
    pub method: Name,
    /// The moment at which the money is due.
    pub due: PaymentTerms,
}

/// The error of tables that make no price book.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{table} {key}: {problem}")]
#[non_exhaustive]
pub struct PriceBookError {
    /// `shipping`, `tax`, `coupon` or `payment_method`.
    pub table: &'static str,
    /// The row's key.
    pub key: String,
    /// The fault in words.
    pub problem: String,
}

impl PriceBook {
    /// A price book of these rows. Refuses two rows for one key, rates outside 0..=1 and amounts
    /// below 0.
    pub fn new(
        currency: Currency,
        shipping: Vec<ShippingRule>,
        tax: Vec<TaxRule>,
        coupons: Vec<CouponRule>,
        payment_methods: Vec<PaymentMethodRule>,
    ) -> Result<Self, PriceBookError> {
        let wrong = |table, key: &dyn std::fmt::Display, problem: &str| {
            Err(PriceBookError {
                table,
                key: key.to_string(),
                problem: problem.into(),
            })
        };
        let priced = |minor: Minor| (0..=Money::MAX_MINOR).contains(&minor);
        for (i, rule) in shipping.iter().enumerate() {
            if shipping[..i].iter().any(|r| r.method == rule.method) {
                return wrong("shipping", &rule.method, "appears twice");
            }
            if !priced(rule.price) || !rule.free_from.is_none_or(priced) {
                return wrong("shipping", &rule.method, "amounts must not be negative");
            }
        }
        for (i, rule) in tax.iter().enumerate() {
            let place = format!("{} {}", rule.country, rule.state.as_deref().unwrap_or(""))
                .trim_end()
                .to_owned();
            let same = |r: &TaxRule| {
                same_place(&r.country, &rule.country)
                    && match (&r.state, &rule.state) {
                        (None, None) => true,
                        (Some(a), Some(b)) => same_place(a, b),
                        _ => false,
                    }
            };
            if tax[..i].iter().any(same) {
                return wrong("tax", &place, "appears twice");
            }
            if rule.rate < Decimal::ZERO || rule.rate > Decimal::ONE {
                return wrong(
                    "tax",
                    &place,
                    "rate must be between 0 and 1: 0.0725 is 7.25 %",
                );
            }
        }
        for (i, rule) in coupons.iter().enumerate() {
            if coupons[..i].iter().any(|r| r.code == rule.code) {
                return wrong("coupon", &rule.code, "appears twice");
            }
            let sound = match rule.discount {
                Discount::Percent(percent) => {
                    percent > Decimal::ZERO && percent <= Decimal::ONE_HUNDRED
                }
                Discount::Amount(amount) => amount > 0 && priced(amount),
            };
            if !sound {
                return wrong(
                    "coupon",
                    &rule.code,
                    "percent must be above 0 and at most 100, amount above 0",
                );
            }
            if !rule.minimum.is_none_or(priced) {
                return wrong("coupon", &rule.code, "minimum must not be negative");
            }
            if let (Some(from), Some(until)) = (rule.from, rule.until)
                && from >= until
            {
                return wrong("coupon", &rule.code, "from must be before until");
            }
        }
        for (i, rule) in payment_methods.iter().enumerate() {
            if payment_methods[..i].iter().any(|r| r.method == rule.method) {
                return wrong("payment_method", &rule.method, "appears twice");
            }
        }
        Ok(PriceBook {
            currency,
            shipping,
            tax,
            coupons,
            payment_methods,
        })
    }

    /// The shipping methods on offer, with their prices.
    pub fn shipping_methods(&self) -> &[ShippingRule] {
        &self.shipping
    }

    /// The payment methods on offer, and when money paid by each is due.
    pub fn payment_methods(&self) -> &[PaymentMethodRule] {
        &self.payment_methods
    }

    /// The row for the country and state, else for the country.
    fn tax_for(&self, country: &str, state: &str) -> Option<&TaxRule> {
        let in_country = || self.tax.iter().filter(|r| same_place(&r.country, country));
        in_country()
            .find(|r| r.state.as_deref().is_some_and(|s| same_place(s, state)))
            .or_else(|| in_country().find(|r| r.state.is_none()))
    }

    fn coupon_discount(
        &self,
        code: &Name,
        subtotal: Minor,
        request: &PricingRequest,
    ) -> Result<(Minor, Vec<Redemption>), PricingError> {
        let invalid = || {
            Rejection::new(
                RejectionReason::CouponInvalid,
                format!("coupon {code} is unknown or not valid now"),
            )
        };
        let rule = self
            .coupons
            .iter()
            .find(|r| r.code == *code)
            .ok_or_else(invalid)?;
        if rule.from.is_some_and(|t| request.now < t)
            || rule.until.is_some_and(|t| request.now >= t)
        {
            return Err(invalid().into());
        }
        if let Some(minimum) = rule.minimum.filter(|m| subtotal < *m) {
            let needs = Money::new(minimum, self.currency);
            let has = Money::new(subtotal, self.currency);
            let message = format!("coupon {code} needs a subtotal of at least {needs}, not {has}");
            return Err(Rejection::new(RejectionReason::CouponMinimum, message).into());
        }
        let discount = match rule.discount {
            Discount::Percent(percent) => rate_of(subtotal, percent / Decimal::ONE_HUNDRED)
                .ok_or_else(too_large)?
                .min(subtotal),
            Discount::Amount(amount) => amount.min(subtotal),
        };
        let in_all = rule.uses.map(|limit| Redemption {
            name: format!("coupon/{code}"),
            limit,
        });
        let per_customer = rule.uses_per_customer.map(|limit| Redemption {
            name: format!("coupon/{code}/{}", request.user),
            limit,
        });
        Ok((discount, in_all.into_iter().chain(per_customer).collect()))
    }
}

fn too_large() -> PricingError {
    PricingError::invalid("items", "the order's amounts are too large")
}

/// The tax on `base` and whether it is added: (added, included).
fn tax_on(base: Minor, rule: Option<&TaxRule>) -> Result<(Minor, Minor), PricingError> {
    match rule {
        None => Ok((0, 0)),
        Some(r) if r.inclusive => {
            // What is contained: base × rate / (1 + rate).
            let contained = |net_rate: Decimal| {
                Decimal::from(base)
                    .checked_mul(r.rate)?
                    .checked_div(net_rate)
            };
            let tax = contained(Decimal::ONE + r.rate)
                .and_then(round_half_up)
                .ok_or_else(too_large)?;
            Ok((0, tax))
        }
        Some(r) => rate_of(base, r.rate)
            .map(|tax| (tax, 0))
            .ok_or_else(too_large),
    }
}

#[async_trait]
impl Pricing for PriceBook {
    async fn price(&self, request: &PricingRequest) -> Result<Priced, PricingError> {
        let subtotal: Minor = request.lines.iter().map(|l| l.subtotal).sum();
        let needs_shipping = request.lines.iter().any(|l| l.requires_shipping);
        let mut violations = Vec::new();
        let shipping_rule = match &request.shipping_method {
            Some(method) => match self.shipping.iter().find(|r| r.method == *method) {
                Some(rule) => Some(rule),
                None => {
                    let offered = names(self.shipping.iter().map(|r| &r.method));
                    violations.push(Violation::new(
                        "shipping_method",
                        format!("{:?} is not offered: expected {offered}", method.as_str()),
                    ));
                    None
                }
            },
            None => {
                if needs_shipping {
                    let offered = names(self.shipping.iter().map(|r| &r.method));
                    violations.push(Violation::new(
                        "shipping_method",
                        format!("is required: expected {offered}"),
                    ));
                }
                None
            }
        };
        let terms = self
            .payment_methods
            .iter()
            .find(|r| r.method == request.payment_method)
            .map(|r| r.due);
        if terms.is_none() {
            let offered = names(self.payment_methods.iter().map(|r| &r.method));
            violations.push(Violation::new(
                "payment_method",
                format!(
                    "{:?} is not offered: expected {offered}",
                    request.payment_method.as_str()
                ),
            ));
        }
        let (Some(terms), true) = (terms, violations.is_empty()) else {
            return Err(PricingError::Invalid(violations));
        };
        let (discount, redemptions) = match &request.coupon {
            Some(code) => self.coupon_discount(code, subtotal, request)?,
            None => (0, Vec::new()),
        };

        let weights: Vec<Minor> = request.lines.iter().map(|l| l.subtotal).collect();
        let tax_rule = self.tax_for(request.country(), request.state());
        let lines = largest_remainder(discount, &weights)
            .into_iter()
            .zip(&request.lines)
            .map(|(coupon, line)| {
                let (tax, tax_included) = tax_on(line.subtotal - coupon, tax_rule)?;
                Ok(LineShares {
                    coupon,
                    tax,
                    tax_included,
                })
            })
            .collect::<Result<_, PricingError>>()?;
        let shipping = match shipping_rule.filter(|_| needs_shipping) {
            Some(rule) if rule.free_from.is_none_or(|from| subtotal - discount < from) => {
                rule.price
            }
            _ => 0,
        };
        let (shipping_tax, shipping_tax_included) =
            tax_on(shipping, tax_rule.filter(|r| r.taxes_shipping))?;
        Ok(Priced {
            lines,
            shipping,
            shipping_tax,
            shipping_tax_included,
            terms,
            redemptions,
        })
    }

    async fn terms(&self, method: &Name) -> Result<Option<PaymentTerms>, PricingError> {
        Ok(self
            .payment_methods
            .iter()
            .find(|r| r.method == *method)
            .map(|r| r.due))
    }

    fn currency(&self) -> Currency {
        self.currency
    }
}

fn names<'a>(names: impl Iterator<Item = &'a Name>) -> String {
    let names: Vec<&str> = names.map(Name::as_str).collect();
    if names.is_empty() {
        "one of the price book's, which has none".into()
    } else {
        format!("one of {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests;
