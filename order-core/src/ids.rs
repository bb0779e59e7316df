//! Identifiers: one newtype for each thing that has an identity, parsed strictly at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text::{self, TextError};

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {article} {what}: {remedy}", article = article(.what))]
pub struct ParseIdError {
    /// What was expected, such as `order id`.
    pub what: &'static str,
    /// The text that was given, cut to 64 characters.
    pub value: String,
    /// What a valid one looks like.
    pub remedy: &'static str,
}

impl ParseIdError {
    pub(crate) fn new(what: &'static str, value: &str, remedy: &'static str) -> Self {
        ParseIdError { what, value: value.chars().take(64).collect(), remedy }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            pub const fn from_uuid(uuid: Uuid) -> Self { $name(uuid) }
            /// The UUID.
            pub const fn uuid(&self) -> Uuid { self.0 }
            /// The sixteen bytes, as stores keep them.
            pub const fn as_bytes(&self) -> &[u8; 16] { self.0.as_bytes() }
            /// Reads what [`Self::as_bytes`] gave.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self { $name(Uuid::from_bytes(bytes)) }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.hyphenated().fmt(f) }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.hyphenated())
            }
        }

        /// Accepts the hyphenated form in either case; prints and compares in lower case.
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(s: &str) -> Result<Self, ParseIdError> {
                parse_uuid(s).map($name).ok_or_else(|| ParseIdError::new(
                    $what, s, "expected a UUID such as 3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11"))
            }
        }
    )*};
}

fn parse_uuid(s: &str) -> Option<Uuid> {
    (s.len() == 36).then(|| Uuid::try_parse(s).ok()).flatten()
}

uuid_ids! {
    /// An order. A UUIDv7, so that ids sort by time of placing.
    OrderId, "order id";
    /// The customer an order belongs to.
    UserId, "user id";
    /// A product of the product service.
    ProductId, "product id";
    /// A variant of a product.
    VariantId, "variant id";
    /// A line of an order; what the plan's API calls an item id.
    LineId, "item id";
    /// One [`crate::store::Changeset`], so that sending it again is recognised.
    ChangesetId, "changeset id";
    /// A lease on an order's work. Every claim draws a new one: whoever holds another is stale.
    Fence, "lease";
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $check:path, $remedy:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The longest allowed, in characters.
            pub const MAX: usize = $max;
            /// The text.
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&*self.0, f) }
        }
        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(s: &str) -> Result<Self, ParseIdError> {
                if s.is_empty() || $check(s, $max).is_err() {
                    return Err(ParseIdError::new($what, s, $remedy));
                }
                Ok($name(s.into()))
            }
        }
        impl TryFrom<String> for $name {
            type Error = ParseIdError;
            fn try_from(s: String) -> Result<Self, ParseIdError> { s.parse() }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String { value.0.into() }
        }
    )*};
}

texts! {
    /// A stock keeping unit: what the inventory counts.
    Sku, "SKU", 100, text::check_line, "expected 1 to 100 printable characters";
    /// A payment, shipping or hold method's name, as configured in the price book.
    Name, "name", 50, text::check_line, "expected 1 to 50 printable characters";
    /// A key by which a caller makes a request safe to repeat.
    IdempotencyKey, "idempotency key", 255, check_visible_ascii, "expected 1 to 255 visible ASCII characters";
    /// What an order is called elsewhere: by the channel it was sold in, or the system it comes from.
    ExternalRef, "external reference", 255, check_visible_ascii, "expected 1 to 255 visible ASCII characters";
    /// What another service calls a thing of its own: a hold, a payment.
    Reference, "reference", 255, text::check_line, "expected 1 to 255 printable characters";
}

/// An imported order is called what its key is.
impl From<&IdempotencyKey> for ExternalRef {
    fn from(key: &IdempotencyKey) -> Self {
        ExternalRef(key.0.clone())
    }
}

fn check_visible_ascii(s: &str, max: usize) -> Result<(), TextError> {
    if s.len() > max {
        return Err(TextError::TooLong { max });
    }
    match s.chars().find(|c| !c.is_ascii_graphic()) {
        Some(c) => Err(TextError::Forbidden(c)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_case_is_normalised_and_other_spellings_are_refused() {
        let id: OrderId = "3F2C8F0E-6B1D-4C58-9A0E-3B6A2F0C1D11".parse().unwrap();
        assert_eq!(id.to_string(), "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11");
        for bad in ["", "3f2c8f0e6b1d4c589a0e3b6a2f0c1d11", "{3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11}", "x"] {
            assert!(bad.parse::<OrderId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn texts_are_bounded_and_clean() {
        assert!("MUG-01".parse::<Sku>().is_ok());
        assert!("".parse::<Sku>().is_err());
        assert!("a\u{0}b".parse::<Sku>().is_err());
        assert!("x".repeat(101).parse::<Sku>().is_err());
        assert!("key with space".parse::<IdempotencyKey>().is_err());
    }
}
