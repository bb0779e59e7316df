//! Order numbers: what a customer reads out on the telephone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{Bucket, ParseIdError};

/// A number such as `ORD-7KQ2-M4XT-9HRC`: 43 random bits, the 12 bits of the bucket of the order's
/// user, and a check character.
///
/// Drawn at random, so no central counter is needed and nobody can tell how many orders there are;
/// a collision is refused by the store and drawn again. Each of the first eleven characters stands
/// for five bits, the first for the lowest; the bucket is the highest twelve of the 55. The
/// alphabet is Crockford's base 32 (no I, L, O, U), and the last character is a Luhn mod 32 check
/// (ISO/IEC 7812-1, annex B, carried to 32 symbols): every single wrong character is noticed.
/// Reading accepts lower case, missing hyphens, `O` for `0` and `I` or `L` for `1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderNumber([u8; 12]);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const PREFIX: &str = "ORD";

/// The number of the 55 bits that are drawn.
const RANDOM_BITS: u32 = 55 - Bucket::BITS;

impl OrderNumber {
    /// The number made of a bucket and the lowest 43 bits of `random`.
    pub fn new(random: u64, bucket: Bucket) -> Self {
        OrderNumber::from_bits(
            random & ((1 << RANDOM_BITS) - 1) | u64::from(bucket.number()) << RANDOM_BITS,
        )
    }

    /// The number made of the lowest 55 bits.
    fn from_bits(bits: u64) -> Self {
        let mut symbols = [0u8; 12];
        for (i, symbol) in symbols.iter_mut().take(11).enumerate() {
            *symbol = (bits >> (5 * i) & 31) as u8;
        }
        symbols[11] = check_symbol(&symbols[..11]);
        OrderNumber(symbols)
    }

    /// The bucket it carries.
    pub fn bucket(&self) -> Bucket {
        let bits = self
            .0
            .iter()
            .take(11)
            .rev()
            .fold(0u64, |bits, symbol| bits << 5 | u64::from(*symbol));
        Bucket::new((bits >> RANDOM_BITS) as u16 & Bucket::MAX.number()).unwrap_or(Bucket::MAX)
    }

    /// Returns whether `text` is meant as an order number rather than as an id.
    pub fn looks_like(text: &str) -> bool {
        text.get(..3)
            .is_some_and(|p| p.eq_ignore_ascii_case(PREFIX))
    }
}

/// Luhn mod N: doubling every second symbol from the right, digit sums in base 32.
fn check_symbol(symbols: &[u8]) -> u8 {
    let sum: u32 = symbols
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &s)| {
            let s = u32::from(s);
            if i % 2 == 0 {
                s * 2 / 32 + s * 2 % 32
            } else {
                s
            }
        })
        .sum();
    ((32 - sum % 32) % 32) as u8
}

fn symbol_of(c: char) -> Option<u8> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    ALPHABET
        .iter()
        .position(|&a| char::from(a) == c)
        .map(|p| p as u8)
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(18);
        text.push_str(PREFIX);
        for (i, &s) in self.0.iter().enumerate() {
            if i % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(s)]));
        }
        f.pad(&text)
    }
}

impl fmt::Debug for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OrderNumber {
    type Err = ParseIdError;
    fn from_str(s: &str) -> Result<Self, ParseIdError> {
        let wrong = |remedy| ParseIdError::new("order number", s, remedy);
        const SHAPE: &str = "expected ORD- and 12 characters, such as ORD-7KQ2-M4XT-9HRC";
        if !OrderNumber::looks_like(s) {
            return Err(wrong(SHAPE));
        }
        let mut symbols = [0u8; 12];
        let mut n = 0;
        for c in s[3..].chars().filter(|c| !matches!(c, '-' | ' ')) {
            let symbol = symbol_of(c).ok_or_else(|| wrong(SHAPE))?;
            *symbols.get_mut(n).ok_or_else(|| wrong(SHAPE))? = symbol;
            n += 1;
        }
        if n != 12 {
            return Err(wrong(SHAPE));
        }
        if check_symbol(&symbols[..11]) != symbols[11] {
            return Err(wrong(
                "its check character does not fit: a character was mistyped",
            ));
        }
        Ok(OrderNumber(symbols))
    }
}

impl TryFrom<String> for OrderNumber {
    type Error = ParseIdError;
    fn try_from(s: String) -> Result<Self, ParseIdError> {
        s.parse()
    }
}

impl From<OrderNumber> for String {
    fn from(value: OrderNumber) -> String {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers are kept for ever: what they are built of never changes.
    #[test]
    fn a_number_is_built_as_it_says() {
        for (random, bucket, text) in [
            (0, 0, "ORD-0000-0000-0000"),
            (1, 0, "ORD-1000-0000-000Y"),
            (0, 1, "ORD-0000-0000-800G"),
            (0, 4095, "ORD-0000-0000-RZZH"),
            (u64::MAX, 0x6de, "ORD-ZZZZ-ZZZZ-QQD8"),
        ] {
            let bucket = Bucket::new(bucket).unwrap();
            let number = OrderNumber::new(random, bucket);
            assert_eq!(
                (number.to_string().as_str(), number.bucket()),
                (text, bucket)
            );
        }
    }

    proptest! {
        #[test]
        fn a_number_gives_back_its_bucket(random: u64, bucket in 0u16..=4095) {
            let bucket = Bucket::new(bucket).unwrap();
            let number: OrderNumber = OrderNumber::new(random, bucket).to_string().parse().unwrap();
            prop_assert_eq!(number.bucket(), bucket);
        }

        #[test]
        fn reading_gives_back_what_was_printed(random: u64) {
            let number = OrderNumber::from_bits(random);
            prop_assert_eq!(number.to_string().parse::<OrderNumber>().unwrap(), number);
            prop_assert_eq!(number.to_string().to_lowercase().replace('-', "").parse::<OrderNumber>().unwrap(), number);
        }

        #[test]
        fn one_wrong_character_is_always_noticed(random: u64, at in 0usize..12, other in 0usize..32) {
            let text = OrderNumber::from_bits(random).to_string();
            let position = text.char_indices().filter(|(_, c)| *c != '-').map(|(i, _)| i).nth(3 + at).unwrap();
            let wrong = char::from(ALPHABET[other]);
            prop_assume!(!text[position..].starts_with(wrong));
            let mut changed = text.clone();
            changed.replace_range(position..=position, &wrong.to_string());
            prop_assert!(changed.parse::<OrderNumber>().is_err());
        }
    }
}
