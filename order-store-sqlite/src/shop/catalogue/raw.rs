//! The catalogue's TOML as it is written: shapes and types, nothing about their meaning.

use std::fmt;

use order_core::order::PaymentTerms;
use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::value::Datetime;

use super::{CatalogueError, Outcome};

/// A catalogue whose fields have the right types, each with its place in the text.
///
/// It can be a field of another TOML document, read by `toml::from_str`: places are kept through
/// tables and arrays, but not through `#[serde(flatten)]` or untagged enums.
/// [`RawCatalogue::check`] makes a [`super::Catalogue`] of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCatalogue {
    pub(super) currency: Spanned<String>,
    #[serde(default)]
    pub(super) product: Vec<RawProduct>,
    #[serde(default)]
    pub(super) customer: Vec<RawCustomer>,
    #[serde(default)]
    pub(super) shipping: Vec<RawShipping>,
    #[serde(default)]
    pub(super) tax: Vec<RawTax>,
    #[serde(default)]
    pub(super) coupon: Vec<RawCoupon>,
    #[serde(default)]
    pub(super) payment_method: Vec<RawPaymentMethod>,
}

impl RawCatalogue {
    /// Reads a document that is a catalogue and nothing else; `name` is what errors call it.
    pub fn parse(text: &str, name: &str) -> Result<Self, CatalogueError> {
        toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let offset = span.start;
            let reason = match error.message().trim() {
                // The parser names the place and not the key.
                "duplicate key" => format!("{} is given twice", text.get(span).unwrap_or_default()),
                said => said.replace('\n', "; "),
            };
            CatalogueError::at(name, text, offset, reason)
        })
    }
}

/// The prices of a catalogue without its goods: shipping, tax, coupons and payment methods, for a
/// shop whose products are elsewhere.
///
/// Like [`RawCatalogue`] it can be a field of another document. [`RawPriceBook::check`] makes a
/// [`PriceBook`](order_core::pricing::PriceBook) of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPriceBook {
    pub(super) currency: Spanned<String>,
    #[serde(default)]
    pub(super) shipping: Vec<RawShipping>,
    #[serde(default)]
    pub(super) tax: Vec<RawTax>,
    #[serde(default)]
    pub(super) coupon: Vec<RawCoupon>,
    #[serde(default)]
    pub(super) payment_method: Vec<RawPaymentTerms>,
}

/// A catalogue as a field of another TOML document: its table, or in quotes the name of a file that
/// holds it.
#[derive(Debug, Clone)]
pub enum CatalogueSource {
    /// The file, as written.
    File(String),
    /// The catalogue itself, whose places are those of the document.
    Inline(Box<RawCatalogue>),
}

// By hand, because serde's untagged enums forget places.
impl<'de> Deserialize<'de> for CatalogueSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = CatalogueSource;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a catalogue's table or the name of its file in quotes")
            }
            fn visit_str<E: serde::de::Error>(self, file: &str) -> Result<CatalogueSource, E> {
                Ok(CatalogueSource::File(file.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CatalogueSource, A::Error> {
                let raw = RawCatalogue::deserialize(MapAccessDeserializer::new(map))?;
                Ok(CatalogueSource::Inline(Box::new(raw)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProduct {
    pub(super) id: Spanned<String>,
    pub(super) sku: Spanned<String>,
    pub(super) name: Spanned<String>,
    pub(super) price: Spanned<Number>,
    pub(super) discount_price: Option<Spanned<Number>>,
    pub(super) stock: Spanned<Whole>,
    #[serde(default = "yes")]
    pub(super) published: bool,
    #[serde(default = "yes")]
    pub(super) requires_shipping: bool,
    #[serde(default)]
    pub(super) variant: Vec<RawVariant>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVariant {
    pub(super) id: Spanned<String>,
    pub(super) sku: Spanned<String>,
    pub(super) name: Spanned<String>,
    pub(super) price: Spanned<Number>,
    pub(super) stock: Spanned<Whole>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCustomer {
    pub(super) id: Spanned<String>,
    pub(super) email: Spanned<String>,
    pub(super) first_name: Spanned<String>,
    pub(super) last_name: Spanned<String>,
    pub(super) status: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawShipping {
    pub(super) method: Spanned<String>,
    pub(super) price: Spanned<Number>,
    pub(super) free_from: Option<Spanned<Number>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTax {
    pub(super) country: Spanned<String>,
    pub(super) state: Option<Spanned<String>>,
    pub(super) rate: Spanned<Number>,
    #[serde(default)]
    pub(super) inclusive: bool,
    #[serde(default)]
    pub(super) taxes_shipping: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCoupon {
    pub(super) code: Spanned<String>,
    pub(super) percent: Option<Spanned<Number>>,
    pub(super) amount: Option<Spanned<Number>>,
    pub(super) minimum: Option<Spanned<Number>>,
    pub(super) from: Option<Spanned<Time>>,
    pub(super) until: Option<Spanned<Time>>,
    pub(super) uses: Option<Spanned<Whole>>,
    pub(super) uses_per_customer: Option<Spanned<Whole>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPaymentMethod {
    pub(super) method: Spanned<String>,
    pub(super) outcome: Outcome,
    #[serde(default = "at_confirmation")]
    pub(super) due: PaymentTerms,
    pub(super) capture_within_days: Option<Spanned<Whole>>,
}

/// A payment method without the embedded desk. What that would do with it may stand there, as in a
/// catalogue, and means nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPaymentTerms {
    pub(super) method: Spanned<String>,
    #[serde(default = "at_confirmation")]
    pub(super) due: PaymentTerms,
    #[serde(default, rename = "outcome")]
    _outcome: Option<Outcome>,
    #[serde(default, rename = "capture_within_days")]
    _capture_within_days: Option<Whole>,
}

fn yes() -> bool {
    true
}

fn at_confirmation() -> PaymentTerms {
    PaymentTerms::Confirm
}

/// A decimal in quotes. A bare number is refused with the remedy: TOML's are binary floats, which
/// cannot hold 0.10.
#[derive(Debug, Clone)]
pub(super) struct Number(pub(super) String);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Quoted;
        impl Visitor<'_> for Quoted {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number in quotes such as \"12.50\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                Ok(Number(text.into()))
            }
        }
        deserializer.deserialize_any(Quoted)
    }
}

/// A whole number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole(pub(super) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bare;
        impl Visitor<'_> for Bare {
            type Value = Whole;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number such as 40, without quotes")
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Whole, E> {
                Ok(Whole(n))
            }
        }
        deserializer.deserialize_any(Bare)
    }
}

/// A time as text, whether it was written in quotes or as a TOML date-time.
#[derive(Debug, Clone)]
pub(super) struct Time(pub(super) String);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time such as \"2026-03-01T10:00:00Z\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
                Ok(Time(text.into()))
            }
            // A date-time reaches a visitor as a table of the toml crate's own making.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Time, A::Error> {
                let time = Datetime::deserialize(MapAccessDeserializer::new(map));
                time.map(|t| Time(t.to_string())).map_err(|_| {
                    A::Error::custom("expected an RFC 3339 time such as \"2026-03-01T10:00:00Z\"")
                })
            }
        }
        deserializer.deserialize_any(Either)
    }
}
