//! From what a catalogue says to what it means: every rule that a type cannot hold, each with its
//! place.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::ops::Range;
use std::str::FromStr;

use order_core::ids::{Name, ProductId, Sku, UserId, VariantId};
use order_core::money::{Currency, Minor, Money};
use order_core::pricing::{
    CouponRule, Discount, PaymentMethodRule, PriceBook, ShippingRule, TaxRule,
};
use order_core::services::{Product, ProductVariant};
use order_core::text::check_line;
use order_core::time::Timestamp;
use rust_decimal::Decimal;
use toml::Spanned;

use super::raw::*;
use super::{Catalogue, CatalogueError, Customer, DeskMethod, StockedProduct, position};
use crate::shop::STOCK_MAX;

/// As long as an order's columns for names and addresses are.
const TEXT_MAX: usize = 255;

/// No bank keeps money aside for longer.
const CAPTURE_DAYS_MAX: u32 = 365;

impl RawCatalogue {
    /// Checks the values. `text` is the whole document the catalogue was read from, which places
    /// are looked up in, and `source_name` what errors call it.
    pub fn check(self, source_name: &str, text: &str) -> Result<Catalogue, CatalogueError> {
        let file = File {
            name: source_name,
            text,
        };
        let currency = file.parse("currency", &self.currency)?;
        let checker = Checker { file, currency };
        let RawCatalogue {
            currency: _,
            product,
            customer,
            shipping,
            tax,
            coupon,
            payment_method,
        } = self;
        let products = checker.products(product)?;
        let customers = checker.customers(customer)?;
        let shipping = checker.shipping(shipping)?;
        let tax = checker.tax(tax)?;
        let coupons = checker.coupons(coupon)?;
        let payment_methods = checker.payment_methods(payment_method)?;
        let rules = payment_methods.iter().map(|m| m.rule.clone()).collect();
        let price_book = PriceBook::new(
            currency,
            shipping.clone(),
            tax.clone(),
            coupons.clone(),
            rules,
        )
        .map_err(|e| CatalogueError::at(source_name, text, 0, e.to_string()))?;
        Ok(Catalogue {
            currency,
            products,
            customers,
            shipping,
            tax,
            coupons,
            payment_methods,
            price_book,
        })
    }
}

impl RawPriceBook {
    /// Checks the values, as [`RawCatalogue::check`] does.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] names the place, the field, and what would be right.
    pub fn check(self, source_name: &str, text: &str) -> Result<PriceBook, CatalogueError> {
        let file = File {
            name: source_name,
            text,
        };
        let currency = file.parse("currency", &self.currency)?;
        let checker = Checker { file, currency };
        let RawPriceBook {
            currency: place,
            shipping,
            tax,
            coupon,
            payment_method,
        } = self;
        let (shipping, tax, coupons) = (
            checker.shipping(shipping)?,
            checker.tax(tax)?,
            checker.coupons(coupon)?,
        );
        let mut methods = Unique::of("payment_method.method");
        let terms = |row: RawPaymentTerms| {
            let method = checker.method(&mut methods, &row.method)?;
            Ok(PaymentMethodRule {
                method,
                due: row.due,
            })
        };
        let methods = payment_method
            .into_iter()
            .map(terms)
            .collect::<Result<_, CatalogueError>>()?;
        PriceBook::new(currency, shipping, tax, coupons, methods)
            .map_err(|e| CatalogueError::at(source_name, text, place.span().start, e.to_string()))
    }
}

/// The document, for places.
#[derive(Clone, Copy)]
struct File<'a> {
    name: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn wrong(&self, span: Range<usize>, reason: String) -> CatalogueError {
        CatalogueError::at(self.name, self.text, span.start, reason)
    }

    fn parse<T: FromStr<Err: Display>>(
        &self,
        field: &str,
        value: &Spanned<String>,
    ) -> Result<T, CatalogueError> {
        value
            .get_ref()
            .parse()
            .map_err(|e| self.wrong(value.span(), format!("{field}: {e}")))
    }

    fn text(
        &self,
        field: &str,
        value: Spanned<String>,
        empty_allowed: bool,
    ) -> Result<String, CatalogueError> {
        if value.get_ref().is_empty() && !empty_allowed {
            return Err(self.wrong(
                value.span(),
                format!("{field}: is empty: expected 1 to {TEXT_MAX} characters"),
            ));
        }
        check_line(value.get_ref(), TEXT_MAX)
            .map_err(|e| self.wrong(value.span(), format!("{field}: {e}")))?;
        Ok(value.into_inner())
    }

    /// A whole number in `range`.
    fn count(
        &self,
        field: &str,
        value: &Spanned<Whole>,
        range: Range<u32>,
    ) -> Result<u32, CatalogueError> {
        u32::try_from(value.get_ref().0)
            .ok()
            .filter(|n| range.contains(n))
            .ok_or_else(|| {
                let (n, least, most) = (value.get_ref().0, range.start, range.end - 1);
                self.wrong(
                    value.span(),
                    format!("{field}: {n} is out of range: expected {least} to {most}"),
                )
            })
    }

    fn decimal(&self, field: &str, value: &Spanned<Number>) -> Result<Decimal, CatalogueError> {
        Decimal::from_str_exact(&value.get_ref().0).map_err(|_| {
            let text = &value.get_ref().0;
            self.wrong(
                value.span(),
                format!("{field}: {text:?} is not a number: expected a decimal such as \"0.0725\""),
            )
        })
    }
}

/// The values seen so far of a field that must not repeat, and their places.
struct Unique<K> {
    field: &'static str,
    seen: HashMap<K, usize>,
}

impl<K: Hash + Eq> Unique<K> {
    fn of(field: &'static str) -> Self {
        Unique {
            field,
            seen: HashMap::new(),
        }
    }

    fn add(
        &mut self,
        file: &File<'_>,
        key: K,
        shown: impl Display,
        span: Range<usize>,
    ) -> Result<(), CatalogueError> {
        match self.seen.insert(key, span.start) {
            None => Ok(()),
            Some(first) => {
                let (line, _) = position(file.text, first);
                let field = self.field;
                Err(file.wrong(span, format!("{field}: {shown} appears twice, first in line {line}: expected each only once")))
            }
        }
    }
}

struct Checker<'a> {
    file: File<'a>,
    currency: Currency,
}

impl Checker<'_> {
    /// An amount of at least `least` minor units.
    fn amount(
        &self,
        field: &str,
        value: &Spanned<Number>,
        least: Minor,
    ) -> Result<Minor, CatalogueError> {
        let text = &value.get_ref().0;
        let money = Money::parse(text, self.currency)
            .map_err(|e| self.file.wrong(value.span(), format!("{field}: {e}")))?;
        if money.minor < least {
            let bound = if least > 0 {
                "more than 0"
            } else {
                "0 or more"
            };
            return Err(self.file.wrong(
                value.span(),
                format!("{field}: {text:?} is too low: expected {bound}"),
            ));
        }
        Ok(money.minor)
    }

    fn optional_amount(
        &self,
        field: &str,
        value: Option<&Spanned<Number>>,
        least: Minor,
    ) -> Result<Option<Minor>, CatalogueError> {
        value.map(|v| self.amount(field, v, least)).transpose()
    }

    fn products(&self, rows: Vec<RawProduct>) -> Result<Vec<StockedProduct>, CatalogueError> {
        let file = &self.file;
        let mut ids = Unique::of("product.id");
        let mut variant_ids = Unique::of("product.variant.id");
        let mut skus = Unique::of("sku");
        let money = |minor| Money::new(minor, self.currency);
        let mut products = Vec::with_capacity(rows.len());
        for row in rows {
            let id: ProductId = file.parse("product.id", &row.id)?;
            ids.add(file, id, id, row.id.span())?;
            let sku: Sku = file.parse("product.sku", &row.sku)?;
            skus.add(file, sku.clone(), &sku, row.sku.span())?;
            let price = self.amount("product.price", &row.price, 1)?;
            let discount_price =
                self.optional_amount("product.discount_price", row.discount_price.as_ref(), 0)?;
            if let (Some(discounted), Some(written)) = (discount_price, &row.discount_price)
                && discounted >= price
            {
                let (is, list) = (money(discounted), money(price));
                let reason = format!(
                    "product.discount_price: {is} is not below the price: expected less than {list}"
                );
                return Err(file.wrong(written.span(), reason));
            }
            let mut stock = vec![(
                sku.clone(),
                file.count("product.stock", &row.stock, 0..STOCK_MAX + 1)?,
            )];
            let mut variants = Vec::with_capacity(row.variant.len());
            for row in row.variant {
                let id: VariantId = file.parse("product.variant.id", &row.id)?;
                variant_ids.add(file, id, id, row.id.span())?;
                let sku: Sku = file.parse("product.variant.sku", &row.sku)?;
                skus.add(file, sku.clone(), &sku, row.sku.span())?;
                let price = money(self.amount("product.variant.price", &row.price, 1)?);
                stock.push((
                    sku.clone(),
                    file.count("product.variant.stock", &row.stock, 0..STOCK_MAX + 1)?,
                ));
                let name = file.text("product.variant.name", row.name, false)?;
                variants.push(ProductVariant {
                    id,
                    sku,
                    name,
                    price,
                    discount_price: None,
                });
            }
            let product = Product {
                id,
                sku,
                name: file.text("product.name", row.name, false)?,
                price: money(price),
                discount_price: discount_price.map(money),
                published: row.published,
                requires_shipping: row.requires_shipping,
                variants,
            };
            products.push(StockedProduct { product, stock });
        }
        Ok(products)
    }

    fn customers(&self, rows: Vec<RawCustomer>) -> Result<Vec<Customer>, CatalogueError> {
        let file = &self.file;
        let mut ids = Unique::of("customer.id");
        let customer = |row: RawCustomer| {
            let id: UserId = file.parse("customer.id", &row.id)?;
            ids.add(file, id, id, row.id.span())?;
            let email_span = row.email.span();
            let email = file.text("customer.email", row.email, false)?;
            if !email
                .split_once('@')
                .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
            {
                let reason = format!(
                    "customer.email: {email:?} is not an e-mail address: expected one such as a@example.com"
                );
                return Err(file.wrong(email_span, reason));
            }
            Ok(Customer {
                id,
                email,
                first_name: file.text("customer.first_name", row.first_name, true)?,
                last_name: file.text("customer.last_name", row.last_name, true)?,
                status: row.status.map_or_else(
                    || Ok("active".into()),
                    |s| file.text("customer.status", s, false),
                )?,
            })
        };
        rows.into_iter().map(customer).collect()
    }

    fn shipping(&self, rows: Vec<RawShipping>) -> Result<Vec<ShippingRule>, CatalogueError> {
        let mut methods = Unique::of("shipping.method");
        let rule = |row: RawShipping| {
            let method: Name = self.file.parse("shipping.method", &row.method)?;
            methods.add(&self.file, method.clone(), &method, row.method.span())?;
            let price = self.amount("shipping.price", &row.price, 0)?;
            let free_from =
                self.optional_amount("shipping.free_from", row.free_from.as_ref(), 0)?;
            Ok(ShippingRule {
                method,
                price,
                free_from,
            })
        };
        rows.into_iter().map(rule).collect()
    }

    fn tax(&self, rows: Vec<RawTax>) -> Result<Vec<TaxRule>, CatalogueError> {
        let file = &self.file;
        let mut places = Unique::of("tax.country and state");
        let folded = |s: &str| s.trim().to_lowercase();
        let rule = |row: RawTax| {
            let country_span = row.country.span();
            let country = file.text("tax.country", row.country, false)?;
            let state = row
                .state
                .map(|s| file.text("tax.state", s, false))
                .transpose()?;
            let key = (folded(&country), state.as_deref().map(folded));
            let shown = state
                .as_ref()
                .map_or_else(|| country.clone(), |s| format!("{country} {s}"));
            places.add(file, key, shown, country_span)?;
            let rate = file.decimal("tax.rate", &row.rate)?;
            if !(Decimal::ZERO..=Decimal::ONE).contains(&rate) {
                let reason = format!(
                    "tax.rate: {rate} is out of range: expected 0 to 1, \"0.0725\" for 7.25 %"
                );
                return Err(file.wrong(row.rate.span(), reason));
            }
            Ok(TaxRule {
                country,
                state,
                rate,
                inclusive: row.inclusive,
                taxes_shipping: row.taxes_shipping,
            })
        };
        rows.into_iter().map(rule).collect()
    }

    fn coupons(&self, rows: Vec<RawCoupon>) -> Result<Vec<CouponRule>, CatalogueError> {
        let file = &self.file;
        let mut codes = Unique::of("coupon.code");
        let limit = |field, value: &Option<Spanned<Whole>>| match value {
            Some(v) => file.count(field, v, 1..u32::MAX).map(Some),
            None => Ok(None),
        };
        let time = |field, value: &Option<Spanned<Time>>| match value {
            Some(v) => match v.get_ref().0.parse::<Timestamp>() {
                Ok(time) => Ok(Some(time)),
                Err(e) => Err(file.wrong(v.span(), format!("{field}: {e}"))),
            },
            None => Ok(None),
        };
        let rule = |row: RawCoupon| {
            let code: Name = file.parse("coupon.code", &row.code)?;
            codes.add(file, code.clone(), &code, row.code.span())?;
            let discount = match (&row.percent, &row.amount) {
                (Some(percent), None) => Discount::Percent(self.percent(percent)?),
                (None, Some(amount)) => {
                    Discount::Amount(self.amount("coupon.amount", amount, 1)?)
                }
                (None, None) => {
                    let reason = format!(
                        "coupon {code}: has neither percent nor amount: expected one of them"
                    );
                    return Err(file.wrong(row.code.span(), reason));
                }
                (Some(_), Some(amount)) => {
                    let reason =
                        format!("coupon {code}: has both percent and amount: expected one of them");
                    return Err(file.wrong(amount.span(), reason));
                }
            };
            let (from, until) = (
                time("coupon.from", &row.from)?,
                time("coupon.until", &row.until)?,
            );
            if let (Some(start), Some(end), Some(written)) = (from, until, &row.until)
                && start >= end
            {
                let reason = format!(
                    "coupon.until: {end} is not after {start}: expected a time after coupon.from"
                );
                return Err(file.wrong(written.span(), reason));
            }
            Ok(CouponRule {
                discount,
                minimum: self.optional_amount("coupon.minimum", row.minimum.as_ref(), 0)?,
                from,
                until,
                uses: limit("coupon.uses", &row.uses)?,
                uses_per_customer: limit("coupon.uses_per_customer", &row.uses_per_customer)?,
                code,
            })
        };
        rows.into_iter().map(rule).collect()
    }

    fn percent(&self, value: &Spanned<Number>) -> Result<Decimal, CatalogueError> {
        let percent = self.file.decimal("coupon.percent", value)?;
        if percent <= Decimal::ZERO || percent > Decimal::ONE_HUNDRED {
            let reason = format!(
                "coupon.percent: {percent} is out of range: expected more than 0 and at most 100"
            );
            return Err(self.file.wrong(value.span(), reason));
        }
        Ok(percent)
    }

    fn method(
        &self,
        methods: &mut Unique<Name>,
        written: &Spanned<String>,
    ) -> Result<Name, CatalogueError> {
        let method: Name = self.file.parse("payment_method.method", written)?;
        methods.add(&self.file, method.clone(), &method, written.span())?;
        Ok(method)
    }

    fn payment_methods(
        &self,
        rows: Vec<RawPaymentMethod>,
    ) -> Result<Vec<DeskMethod>, CatalogueError> {
        let mut methods = Unique::of("payment_method.method");
        let rule = |row: RawPaymentMethod| {
            let method = self.method(&mut methods, &row.method)?;
            let days = |days| {
                self.file.count(
                    "payment_method.capture_within_days",
                    days,
                    1..CAPTURE_DAYS_MAX + 1,
                )
            };
            let capture_within_days = row.capture_within_days.as_ref().map(days).transpose()?;
            Ok(DeskMethod {
                rule: PaymentMethodRule {
                    method,
                    due: row.due,
                },
                outcome: row.outcome,
                capture_within_days,
            })
        };
        rows.into_iter().map(rule).collect()
    }
}
