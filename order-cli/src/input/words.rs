//! Words of a fixed list, such as statuses: typed in any case, and with `-` for `_`.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command, Error};

/// Reads one of the words of a list.
#[derive(Debug, Clone, Copy)]
pub struct Words<T: 'static> {
    all: &'static [T],
    /// Those that help names, and that a mistake is compared with.
    offered: &'static [T],
    name: fn(T) -> &'static str,
}

/// Makes a reader of the words of `all`, as `name` spells them.
pub const fn words<T>(all: &'static [T], name: fn(T) -> &'static str) -> Words<T> {
    Words {
        all,
        offered: all,
        name,
    }
}

impl<T> Words<T> {
    /// The same, with only some of the words in help: the others are read, and make no sense.
    pub const fn offering(mut self, offered: &'static [T]) -> Self {
        self.offered = offered;
        self
    }
}

impl<T: Copy + Send + Sync> Words<T> {
    fn find(&self, text: &str) -> Option<T> {
        let text = text.replace('-', "_");
        let named = |value: &&T| (self.name)(**value).eq_ignore_ascii_case(&text);
        self.all.iter().find(named).copied()
    }

    fn names(&self) -> impl Iterator<Item = &'static str> + use<'_, T> {
        self.offered.iter().map(|value| (self.name)(*value))
    }
}

impl<T: Copy + Send + Sync> TypedValueParser for Words<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        let found = value.to_str().and_then(|text| self.find(text));
        found.map_or_else(
            || {
                // The parser's own error, which names all words and those that come near.
                let upper = value.to_string_lossy().to_uppercase();
                let known = PossibleValuesParser::new(self.names());
                let word = known.parse_ref(command, arg, OsStr::new(&upper))?;
                // It is none of them, or it would have been found.
                Err(Error::raw(
                    clap::error::ErrorKind::InvalidValue,
                    format!("{word} is not one of the words\n"),
                ))
            },
            Ok,
        )
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.names().map(PossibleValue::new)))
    }
}

#[cfg(test)]
mod tests {
    use order_core::order::PaymentStatus;

    use super::*;

    fn read(text: &str) -> Result<PaymentStatus, String> {
        words(PaymentStatus::ALL, PaymentStatus::as_str)
            .parse_ref(&Command::new("order"), None, OsStr::new(text))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn a_word_is_read_in_any_case_and_with_dashes() {
        for text in ["PARTIALLY_PAID", "partially_paid", "Partially-Paid"] {
            assert_eq!(read(text), Ok(PaymentStatus::PartiallyPaid), "{text}");
        }
    }

    #[test]
    fn a_word_that_is_none_is_answered_with_all_and_the_nearest() {
        let said = read("partialy-paid").unwrap_err();
        assert!(said.contains("OVERPAID, PARTIALLY_REFUNDED"), "{said}");
        let said = read("refunde").unwrap_err();
        assert!(said.contains("'REFUNDED'"), "{said}");
    }
}
