//! The rules for text from outside, and text made fit to be shown. Types bound a text once at the
//! edge; nothing inside looks again.

use std::error::Error as StdError;
use std::fmt;

/// The reason why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// More characters than allowed.
    #[error("is longer than {max} characters")]
    TooLong {
        /// The most allowed.
        max: usize,
    },
    /// A control or bidirectional-override character.
    #[error("contains the forbidden character U+{:04X}", *.0 as u32)]
    Forbidden(char),
    /// 13 to 19 digits that pass the Luhn check, as a payment card's do.
    #[error("looks like it contains a payment card number")]
    CardNumber,
}

/// Accepts one line of at most `max` characters without control or bidirectional-override
/// characters.
pub fn check_line(s: &str, max: usize) -> Result<(), TextError> {
    check(s, max, |_| false)
}

/// Accepts what a customer may write: like [`check_line`], and no payment card number (ISO/IEC
/// 7812).
pub fn check_customer_line(s: &str, max: usize) -> Result<(), TextError> {
    check_line(s, max)?;
    check_no_card_number(s)
}

/// Accepts a note: as [`check_customer_line`], with tabs and newlines.
pub fn check_note(s: &str, max: usize) -> Result<(), TextError> {
    check(s, max, |c| matches!(c, '\n' | '\t' | '\r'))?;
    check_no_card_number(s)
}

fn check(s: &str, max: usize, allowed: impl Fn(char) -> bool) -> Result<(), TextError> {
    if s.len() > max && s.chars().count() > max {
        return Err(TextError::TooLong { max });
    }
    match s.chars().find(|&c| disturbs(c) && !allowed(c)) {
        Some(c) => Err(TextError::Forbidden(c)),
        None => Ok(()),
    }
}

/// The explicit formatting characters of Unicode's bidirectional algorithm (UAX #9, 2.1–2.5).
fn is_bidi_override(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}')
}

/// Refuses a run of 13 to 19 digits, spaces and hyphens between them ignored, that passes the Luhn
/// check.
fn check_no_card_number(s: &str) -> Result<(), TextError> {
    let mut run: Vec<u8> = Vec::new();
    for c in s.chars().chain(std::iter::once('.')) {
        match c {
            '0'..='9' => run.push(c as u8 - b'0'),
            ' ' | '-' => {}
            _ => {
                if (13..=19).contains(&run.len()) && luhn(&run) {
                    return Err(TextError::CardNumber);
                }
                run.clear();
            }
        }
    }
    Ok(())
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &d)| {
            let d = u32::from(d);
            if i % 2 == 0 {
                d
            } else {
                d * 2 / 10 + d * 2 % 10
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Returns an error and its causes on one line, joined by `: `; a cause that its effect already
/// quotes is left out.
///
/// ```
/// # use order_core::store::{StoreError, StoreErrorKind};
/// let cause = std::io::Error::other("permission denied");
/// let error = StoreError::caused(StoreErrorKind::Unavailable, "cannot open orders.db", cause);
/// assert_eq!(order_core::text::chain(&error), "cannot open orders.db: permission denied");
/// ```
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.ends_with(&said) && !said.ends_with(&last) {
            text.push_str(": ");
            text.push_str(&said);
            last = said;
        }
        source = cause.source();
    }
    text
}

/// Returns the text with a space for each character that could disturb a terminal or a log: control
/// characters, and those that override the direction of what follows.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if disturbs(c) { ' ' } else { c })
        .collect()
}

/// Returns the text as [`printable`] does, with one space for several such characters in a row, and
/// none at its end.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match disturbs(c) {
            true if line.ends_with(' ') => {}
            true => line.push(' '),
            false => line.push(c),
        }
    }
    line
}

fn disturbs(c: char) -> bool {
    c.is_control() || is_bidi_override(c)
}

/// Personal or payment data: kept out of logs, of `Debug` and of the journal by its type.
///
/// Serialising one gives nothing, so an event that carries it is stored without it.
#[derive(Clone, PartialEq, Eq)]
pub struct Private<T>(pub Option<T>);

impl<T> Default for Private<T> {
    fn default() -> Self {
        Private(None)
    }
}

impl<T> Private<T> {
    /// The value, by reference, for the few places that may use it.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T> From<Option<T>> for Private<T> {
    fn from(value: Option<T>) -> Self {
        Private(value)
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "[redacted]"
        } else {
            "none"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_refused_and_other_digits_are_not() {
        for card in [
            "4111111111111111",
            "call me: 4111 1111 1111 1111!",
            "5500-0000-0000-0004",
        ] {
            assert_eq!(check_note(card, 2000), Err(TextError::CardNumber), "{card}");
        }
        for fine in [
            "4111111111111112",
            "ring 555 0100",
            "12345678901234567890",
            "'; DROP TABLE orders;--",
        ] {
            assert_eq!(check_note(fine, 2000), Ok(()), "{fine}");
        }
    }

    #[test]
    fn control_and_bidi_characters_are_refused() {
        assert_eq!(check_line("a\u{0}", 10), Err(TextError::Forbidden('\0')));
        assert_eq!(
            check_line("a\u{202E}b", 10),
            Err(TextError::Forbidden('\u{202E}'))
        );
        assert_eq!(check_line("a\nb", 10), Err(TextError::Forbidden('\n')));
        assert_eq!(check_note("a\n\tb", 10), Ok(()));
        assert_eq!(check_line("äöüß", 4), Ok(()));
    }

    #[test]
    fn nothing_that_is_shown_disturbs_a_terminal() {
        let nasty = "a\u{1b}[2J\r\nb\u{202E}c\n";
        assert_eq!(printable(nasty), "a [2J  b c ");
        assert_eq!(one_line(nasty), "a [2J b c");
        assert_eq!(one_line("Łódź, \u{5E97}"), "Łódź, \u{5E97}");
    }

    #[test]
    fn a_cause_that_its_effect_quotes_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read: {0}")]
        struct Quotes(#[source] fmt::Error);
        let said = chain(&Quotes(fmt::Error));
        assert_eq!(said, format!("cannot read: {}", fmt::Error));
    }

    #[test]
    fn private_values_never_show() {
        assert_eq!(format!("{:?}", Private(Some("tok_secret"))), "[redacted]");
    }
}
