//! Identifiers: one newtype for each thing that has an identity, parsed strictly at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text::{self, TextError};
use crate::time::Timestamp;

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {article} {what}: {remedy}", article = article(.what))]
pub struct ParseIdError {
    /// The kind that was expected, such as `order id`.
    pub what: &'static str,
    /// The text that was given, cut to 64 characters.
    pub value: String,
    /// The form of a valid one.
    pub remedy: &'static str,
}

impl ParseIdError {
    pub(crate) fn new(what: &'static str, value: &str, remedy: &'static str) -> Self {
        ParseIdError {
            what,
            value: value.chars().take(64).collect(),
            remedy,
        }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o']) {
        "an"
    } else {
        "a"
    }
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
    /// An order. A UUIDv7 whose time is that of its placing, to the microsecond, and whose last 12
    /// bits are the bucket of its user: see [`OrderId::new`]. So ids sort by time of placing, and
    /// say where the order is kept.
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
    /// A lease on an order's work. Every leasing draws a new one: whoever holds another is stale.
    Fence, "lease";
}

impl OrderId {
    /// The id of an order that `bucket`'s user placed at `at`: a UUIDv7 (RFC 9562, 5.7), by its
    /// bits from the first to the last
    ///
    /// | bits | hold |
    /// |---|---|
    /// | 48 | milliseconds since 1970-01-01 00:00 UTC |
    /// | 4 | the version, 7 |
    /// | 12 | the microseconds within the millisecond, as 4096ths of it (6.2, method 3), rounded up |
    /// | 2 | the variant, binary 10 |
    /// | 50 | the lowest bits of `random` |
    /// | 12 | the bucket |
    ///
    /// Times before 1970 count as 1970, and those after the year 10889 as that.
    pub const fn new(at: Timestamp, random: u128, bucket: Bucket) -> Self {
        let tail = (random & ((1 << 50) - 1)) << Bucket::BITS | bucket.0 as u128;
        OrderId(uuid_v7(at, tail))
    }

    /// The smallest id that an order placed at that time may have: those of orders placed then or
    /// later are at least it, those of orders placed before are less.
    pub const fn first_at(at: Timestamp) -> Self {
        OrderId(uuid_v7(at, 0))
    }

    /// The bucket it carries.
    pub const fn bucket(&self) -> Bucket {
        Bucket(self.0.as_u128() as u16 & Bucket::MAX.0)
    }
}

/// A UUIDv7 of a time to the microsecond, and 62 bits.
pub(crate) const fn uuid_v7(at: Timestamp, tail: u128) -> Uuid {
    let micros = if at.as_micros() < 0 {
        0
    } else {
        at.as_micros() as u128
    };
    let longest = (1 << 48) - 1;
    let millis = if micros / 1000 > longest {
        longest
    } else {
        micros / 1000
    };
    let fraction = (micros % 1000 * 4096).div_ceil(1000);
    Uuid::from_u128(millis << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail & ((1 << 62) - 1))
}

/// The place where an order is kept, out of 4,096 places: 12 bits of a hash of its user's id. All
/// of a user's orders share a bucket, and ids and numbers of orders carry it, so that a store of
/// many machines finds an order without asking all of them.
///
/// The hash is the 64-bit FNV-1a of the sixteen bytes of the user's id, folded to 12 bits by xor:
/// its lowest 12 bits, xor the next 12, and so on up to its highest 4. It never changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u16);

impl Bucket {
    /// The number of its bits.
    pub const BITS: u32 = 12;
    /// The last of them, 4,095.
    pub const MAX: Bucket = Bucket((1 << Bucket::BITS) - 1);

    /// The bucket with that number; none above [`Self::MAX`].
    pub const fn new(number: u16) -> Option<Self> {
        if number <= Bucket::MAX.0 {
            Some(Bucket(number))
        } else {
            None
        }
    }

    /// The bucket of a user's orders.
    pub const fn of(user: &UserId) -> Self {
        let bytes = user.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            at += 1;
        }
        let mut folded = 0;
        while hash != 0 {
            folded ^= hash & Bucket::MAX.0 as u64;
            hash >>= Bucket::BITS;
        }
        Bucket(folded as u16)
    }

    /// Its number, 0 to 4,095.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({})", self.0)
    }
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
    /// The name of an order elsewhere: by the channel it was sold in, or the system it comes
    /// from.
    ExternalRef, "external reference", 255, check_visible_ascii, "expected 1 to 255 visible ASCII characters";
    /// The name that another service gives a thing of its own: a reservation, a payment.
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
        for bad in [
            "",
            "3f2c8f0e6b1d4c589a0e3b6a2f0c1d11",
            "{3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11}",
            "x",
        ] {
            assert!(bad.parse::<OrderId>().is_err(), "{bad:?}");
        }
    }

    /// Ids are kept for ever: what they are built of never changes.
    #[test]
    fn an_order_id_is_built_as_it_says() {
        let user: UserId = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11".parse().unwrap();
        assert_eq!(Bucket::of(&user).number(), 0x6de);
        let at = |micros: i64| Timestamp::from_micros(1_772_359_200_123_000 + micros);
        for (micros, random, id) in [
            (0, 0, "019ca8d7-2d7b-7000-8000-0000000006de"),
            (1, 0, "019ca8d7-2d7b-7005-8000-0000000006de"),
            (
                999,
                0x0003_ffff_ffff_ffff,
                "019ca8d7-2d7b-7ffc-bfff-fffffffff6de",
            ),
            (
                500,
                u128::MAX << 50 | 1,
                "019ca8d7-2d7b-7800-8000-0000000016de",
            ),
        ] {
            let built = OrderId::new(at(micros), random, Bucket::of(&user));
            assert_eq!(
                (built.to_string().as_str(), built.bucket()),
                (id, Bucket::of(&user)),
                "{micros}"
            );
        }
        let early = OrderId::new(Timestamp::from_micros(-1), 0, Bucket::MAX);
        assert_eq!(early.to_string(), "00000000-0000-7000-8000-000000000fff");
    }

    #[test]
    fn order_ids_sort_by_the_microsecond_of_placing() {
        let id = |micros, random| OrderId::new(Timestamp::from_micros(micros), random, Bucket::MAX);
        let first = |micros| OrderId::first_at(Timestamp::from_micros(micros));
        for micros in 1_772_359_200_000_000..1_772_359_200_002_100 {
            assert!(id(micros, u128::MAX) < id(micros + 1, 0), "{micros}");
            assert!(
                first(micros) <= id(micros, 0) && id(micros, u128::MAX) < first(micros + 1),
                "{micros}"
            );
        }
    }

    #[test]
    fn users_spread_over_all_buckets() {
        let mut users = [0u32; 4096];
        for n in 0..40_960u128 {
            // Numbered one by one, as ids that were once small numbers are.
            users[usize::from(Bucket::of(&UserId::from_uuid(Uuid::from_u128(n))).number())] += 1;
        }
        assert!(
            users.iter().all(|n| (1..=40).contains(n)),
            "{:?} to {:?}",
            users.iter().min(),
            users.iter().max()
        );
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
