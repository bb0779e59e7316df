//! Values of a script that are more than a text or a number, as serde reads them.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use order_core::order::{OperationKind, OperationState, ReservationState};
use order_core::request::{AddressInput, HoldInput};
use order_core::time::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::value::Datetime;

use crate::exit::Outcome;
use crate::input::items::{self, Item};
use crate::input::{duration, holds};
use crate::toml_doc::Source;

/// Reads a duration such as `10m`.
pub fn lasting<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    duration::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Reads a duration that need not be there.
pub fn maybe_lasting<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    lasting(deserializer).map(Some)
}

/// Reads one of the values that an option of the command line takes.
pub fn choice<'de, D: Deserializer<'de>, T: ValueEnum>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    T::from_str(&text, false).map_err(|_| {
        let values = T::value_variants().iter();
        let names: Vec<String> = values
            .filter_map(|v| Some(v.to_possible_value()?.get_name().to_owned()))
            .collect();
        D::Error::custom(format!("{text:?} is not one of {}", names.join(", ")))
    })
}

/// A value that is written as a text of a form of its own.
pub trait FromText: Sized {
    /// Reads the text; says otherwise what was expected.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Reads such a value. By hand, because serde tells the place of a list's member only if the member
/// is refused while it is visited.
#[derive(Debug)]
pub struct Written<T>(pub T);

impl<'de, T: FromText> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfText<T>(PhantomData<T>);
        impl<T: FromText> Visitor<'_> for OfText<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
                T::from_text(text).map_err(E::custom)
            }
        }
        deserializer
            .deserialize_any(OfText(PhantomData))
            .map(Written)
    }
}

impl FromText for Item {
    fn from_text(text: &str) -> Result<Self, String> {
        items::parse(text)
    }
}

impl FromText for HoldInput {
    fn from_text(text: &str) -> Result<Self, String> {
        holds::parse(text)
    }
}

/// Reads a list of such values.
pub fn list<'de, D: Deserializer<'de>, T: FromText>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::<Written<T>>::deserialize(deserializer)?;
    Ok(list.into_iter().map(|Written(value)| value).collect())
}

/// Reads a time: a TOML time with an offset, or a text in RFC 3339.
pub fn maybe_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    struct Either;
    impl<'de> Visitor<'de> for Either {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a time such as 2026-03-01T10:00:00Z")
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
        // The name under which serde is given a TOML time.
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<String, A::Error> {
            Datetime::deserialize(MapAccessDeserializer::new(map)).map(|time| time.to_string())
        }
    }
    let text = deserializer.deserialize_any(Either)?;
    Timestamp::from_str(&text)
        .map(Some)
        .map_err(D::Error::custom)
}

/// A whole number of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole<const LEAST: i64, const MOST: i64>(i64);

/// A number of things, at least 1.
pub type Count = Whole<1, { u32::MAX as i64 }>;

/// A number that no range bounds but 0.
pub type Natural = Whole<0, { i64::MAX }>;

impl Count {
    /// Returns the number.
    pub fn get(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl Natural {
    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0.unsigned_abs()
    }
}

impl<'de, const LEAST: i64, const MOST: i64> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InRange<const LEAST: i64, const MOST: i64>;
        impl<const LEAST: i64, const MOST: i64> InRange<LEAST, MOST> {
            fn outside<E: Error>(n: impl fmt::Display) -> E {
                E::custom(format!("{n} is out of range: {LEAST} to {MOST}"))
            }
        }
        impl<const LEAST: i64, const MOST: i64> Visitor<'_> for InRange<LEAST, MOST> {
            type Value = i64;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number such as 3")
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<i64, E> {
                match (LEAST..=MOST).contains(&n) {
                    true => Ok(n),
                    false => Err(Self::outside(n)),
                }
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<i64, E> {
                Err(Self::outside(n))
            }
            fn visit_i128<E: Error>(self, n: i128) -> Result<i64, E> {
                Err(Self::outside(n))
            }
            fn visit_u128<E: Error>(self, n: u128) -> Result<i64, E> {
                Err(Self::outside(n))
            }
        }
        deserializer
            .deserialize_any(InRange::<LEAST, MOST>)
            .map(Whole)
    }
}

/// Declares texts of a certain form.
macro_rules! text_of_a_form {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub String);

        impl FromText for $name {
            fn from_text(text: &str) -> Result<Self, String> {
                $check(text).map(|()| $name(text.to_owned()))
            }
        }
    };
}

text_of_a_form! {
    /// An amount. Its currency says whether it has the right decimals.
    Amount, amount
}

text_of_a_form! {
    /// A payment operation, such as `charge CAPTURED 32.43`.
    PaymentText, payment
}

text_of_a_form! {
    /// A reservation, such as `MUG-01 2 HELD`.
    ReservationText, reservation
}

fn amount(text: &str) -> Result<(), String> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(decimals) {
        Ok(())
    } else {
        Err(format!(
            "{text:?} is not an amount: expected a decimal number such as 12.50"
        ))
    }
}

fn payment(text: &str) -> Result<(), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let kind = |w: &str| {
        OperationKind::ALL
            .iter()
            .any(|k| k.as_str().to_lowercase() == w)
    };
    let state = |w: &str| OperationState::from_str(w).is_ok();
    match words[..] {
        [k, s] if kind(k) && state(s) => Ok(()),
        [k, s, sum] if kind(k) && state(s) => amount(sum),
        _ => Err(format!(
            "{text:?} is not a payment operation: expected KIND STATE [AMOUNT], such as \
             \"charge CAPTURED 32.43\""
        )),
    }
}

fn reservation(text: &str) -> Result<(), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        [_, n, s] if n.parse::<u32>().is_ok() && ReservationState::from_str(s).is_ok() => Ok(()),
        _ => Err(format!(
            "{text:?} is not a reservation: expected SKU QUANTITY STATE, such as \"MUG-01 2 HELD\""
        )),
    }
}

/// An address with the field names of the wire contract. It is judged when it is used.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct RawAddress {
    address_type: String,
    first_name: String,
    last_name: String,
    address_line1: String,
    address_line2: Option<String>,
    city: String,
    state: String,
    postal_code: String,
    country: String,
    phone: Option<String>,
    email: Option<String>,
}

/// Reads the script's addresses by name.
pub fn addresses<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, AddressInput>, D::Error> {
    Ok(BTreeMap::<String, RawAddress>::deserialize(deserializer)?
        .into_iter()
        .map(|(name, raw)| (name, raw.into()))
        .collect())
}

impl From<RawAddress> for AddressInput {
    fn from(raw: RawAddress) -> Self {
        let RawAddress {
            address_type,
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        } = raw;
        AddressInput {
            address_type,
            first_name,
            last_name,
            address_line1,
            address_line2,
            city,
            state,
            postal_code,
            country,
            phone,
            email,
        }
    }
}

/// An address in place, or the name of one of the script's.
#[derive(Clone)]
pub enum AddressOf {
    /// The name.
    Named(String),
    /// The address itself.
    Given(Box<AddressInput>),
}

// By hand, because serde's untagged enums forget places.
impl<'de> Deserialize<'de> for AddressOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = AddressOf;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address's table or the name of one in quotes")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<AddressOf, E> {
                Ok(AddressOf::Named(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AddressOf, A::Error> {
                let raw = RawAddress::deserialize(MapAccessDeserializer::new(map))?;
                Ok(AddressOf::Given(Box::new(raw.into())))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Finds the address that a field means.
///
/// # Errors
///
/// Bad input for a name that the script does not have.
pub fn found(
    source: Source<'_>,
    field: &str,
    address: Option<Spanned<AddressOf>>,
    addresses: &BTreeMap<String, AddressInput>,
) -> Outcome<Option<AddressInput>> {
    let Some(address) = address else {
        return Ok(None);
    };
    let span = address.span();
    match address.into_inner() {
        AddressOf::Given(address) => Ok(Some(*address)),
        AddressOf::Named(name) => match addresses.get(&name) {
            Some(address) => Ok(Some(address.clone())),
            None => Err(source.problem(
                &span,
                format!("{field}: the script has no [address.{name}]"),
            )),
        },
    }
}
