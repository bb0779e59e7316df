//! Times for people: UTC to the second, in the one form that options take too. JSON has them to the
//! microsecond.

use order_core::time::Timestamp;

/// A time to the second, such as `2026-03-01T10:00:00Z`.
pub fn plain(at: Timestamp) -> String {
    plainly(&at.to_string())
}

/// The same of a time that may be missing; nothing then.
pub fn plain_if(at: Option<Timestamp>) -> String {
    at.map(plain).unwrap_or_default()
}

/// Returns a sentence with every time in it to the second.
pub fn plainly(sentence: &str) -> String {
    const TIME: &[u8] = b"00:00:00.";
    let bytes = sentence.as_bytes();
    let mut plain = String::with_capacity(sentence.len());
    let mut shown = 0;
    let mut at = TIME.len();
    while at <= bytes.len() {
        let before = &bytes[at - TIME.len()..at];
        let is_time = before
            .iter()
            .zip(TIME)
            .all(|(byte, like)| byte == like || (*like == b'0' && byte.is_ascii_digit()));
        let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit());
        let end = at + digits.count();
        if is_time && end > at && bytes.get(end) == Some(&b'Z') {
            plain.push_str(&sentence[shown..at - 1]);
            shown = end;
        }
        at = end.max(at + 1);
    }
    plain.push_str(&sentence[shown..]);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_to_the_second_wherever_they_stand() {
        for (text, plain) in [
            ("2026-11-26T15:20:14.931335Z", "2026-11-26T15:20:14Z"),
            ("2026-11-26T15:20:14Z", "2026-11-26T15:20:14Z"),
            (
                "due at 2026-11-26T15:20:14.9Z, or 2027-01-01T00:00:00.000001Z at the latest",
                "due at 2026-11-26T15:20:14Z, or 2027-01-01T00:00:00Z at the latest",
            ),
            (
                "costs 10.50 EUR, 12:00:00.5 long",
                "costs 10.50 EUR, 12:00:00.5 long",
            ),
            (
                "緑茶 at 2026-11-26T15:20:14.931335Z!",
                "緑茶 at 2026-11-26T15:20:14Z!",
            ),
            ("", ""),
        ] {
            assert_eq!(plainly(text), plain);
        }
    }
}
