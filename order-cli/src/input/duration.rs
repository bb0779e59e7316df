//! Durations as people write them: `500ms`, `10m`, `1h30m`, `7d`.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
/// A hundred years: more than any clock here needs, and far from every overflow.
const MAX_MS: u64 = 100 * 365 * 86_400_000;

/// Reads a duration.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is not a duration: expected something like 500ms, 10m, 1h30m or 7d");
    let mut total: u64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len()
            - tail
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, scale) = UNITS
            .into_iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        total = number
            .checked_mul(scale)
            .and_then(|ms| total.checked_add(ms))
            .filter(|ms| *ms <= MAX_MS)
            .ok_or_else(wrong)?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration as [`parse`] reads it, to the millisecond.
pub fn show(duration: Duration) -> String {
    let mut ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (name, scale) in UNITS
        .into_iter()
        .rev()
        .filter(|(name, _)| *name != "ms")
        .chain([UNITS[0]])
    {
        if ms >= scale {
            text.push_str(&format!("{}{name}", ms / scale));
            ms %= scale;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [
            ("500ms", 500),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("1m2s30ms", 62_030),
        ] {
            assert_eq!(parse(text).unwrap().as_millis(), ms);
            assert_eq!(show(Duration::from_millis(ms as u64)), text);
        }
        for bad in [
            "",
            "10",
            "m",
            "10 m",
            "-1m",
            "1.5h",
            "99999999999999d",
            "1y",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
