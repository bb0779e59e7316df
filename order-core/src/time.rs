//! Points in time, to the microsecond, so that every database holds them exactly.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A text that is not an RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time: expected RFC 3339 such as 2026-03-01T10:00:00Z")]
pub struct ParseTimeError(String);

impl Timestamp {
    /// The earliest time, which stands for "at any time".
    pub const MIN: Timestamp = Timestamp(i64::MIN);

    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The time `by` later; the far end of the range where that overflows.
    pub fn after(self, by: Duration) -> Self {
        Timestamp(
            self.0
                .saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// The time `by` earlier; the far end of the range where that overflows.
    pub fn before(self, by: Duration) -> Self {
        Timestamp(
            self.0
                .saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// Returns the time from `earlier` to this; zero if this is not later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// RFC 3339 in UTC, with as many fractional digits as it has, at most six.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .ok()
            .and_then(|t| t.format(&Rfc3339).ok());
        match text {
            Some(text) => f.pad(&text),
            None => write!(f, "{}us", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimeError;
    fn from_str(s: &str) -> Result<Self, ParseTimeError> {
        OffsetDateTime::parse(s, &Rfc3339)
            .ok()
            .and_then(|t| i64::try_from(t.unix_timestamp_nanos().div_euclid(1000)).ok())
            .map(Timestamp)
            .ok_or_else(|| ParseTimeError(s.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_reads_rfc_3339() {
        for text in [
            "2026-03-01T10:00:00Z",
            "2026-03-01T10:00:00.25Z",
            "1969-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        assert_eq!(
            "2026-03-01T10:00:00+02:00"
                .parse::<Timestamp>()
                .unwrap()
                .to_string(),
            "2026-03-01T08:00:00Z"
        );
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
