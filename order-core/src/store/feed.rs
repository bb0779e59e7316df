//! The change feed, and how orders are read to be taken elsewhere: what is read of a whole store.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use super::{KeyRecord, StoreError, StoreErrorKind};
use crate::ids::{OrderId, ParseIdError};
use crate::number::OrderNumber;
use crate::order::{JournalRow, Order};

/// The most rows of a feed, or orders of a dump, that one page may have.
const PAGE_MAX: u32 = 1000;

/// Which rows of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedQuery {
    /// After this one; none for all.
    pub after: Option<FeedCursor>,
    /// How many at the most, 1..=1000.
    pub limit: u32,
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    /// The rows; fewer than were asked for only if there are no more now.
    pub rows: Vec<FeedRow>,
    /// Where to go on: after the last row, or where the page was to start if there is none.
    pub next: FeedCursor,
}

/// A journal row in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its place: going on after it gives the rows behind it.
    pub cursor: FeedCursor,
    /// The number of its order.
    pub number: OrderNumber,
    /// The row.
    pub row: JournalRow,
}

/// A place in the feed of one store. Opaque to clients.
///
/// A store numbers the changesets that have journal rows from 1 on, in an order that agrees with what its readers can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FeedCursor {
    /// Drawn when the store was made, so that another store knows the cursor for a foreign one.
    pub store: Uuid,
    /// The changeset's number; 0 before the first.
    pub position: u64,
    /// The row within the changeset, from 1 on; 0 before the first changeset only.
    pub row: u32,
}

impl FeedCursor {
    /// The place before every row of a store.
    pub const fn start(store: Uuid) -> Self {
        FeedCursor { store, position: 0, row: 0 }
    }

    /// The error of a store in whose feed there is no such place.
    pub fn never_given_out(&self) -> StoreError {
        invalid(format!(
            "cursor {self} was never given out by this store, which may have been set back to an earlier copy: \
             start from the beginning"
        ))
    }
}

impl fmt::Display for FeedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.store.simple(), self.position, self.row)
    }
}

/// Reads exactly what [`Display`](fmt::Display) wrote, and no other spelling of it.
impl FromStr for FeedCursor {
    type Err = ParseIdError;
    fn from_str(s: &str) -> Result<Self, ParseIdError> {
        let read = || {
            let mut parts = s.splitn(3, '.');
            let store = Uuid::try_parse(parts.next()?).ok()?;
            Some(FeedCursor { store, position: parts.next()?.parse().ok()?, row: parts.next()?.parse().ok()? })
        };
        let sound = |cursor: &FeedCursor| (cursor.position == 0) == (cursor.row == 0) && cursor.to_string() == s;
        read().filter(sound).ok_or_else(|| ParseIdError::new("cursor", s, "expected the `cursor` or `next` of a feed"))
    }
}

impl FeedQuery {
    /// Where the rows start in the feed of `store`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidQuery`] for a limit outside 1..=1000, for another store's cursor, and for one that no store gives
    /// out.
    pub fn start(&self, store: Uuid) -> Result<FeedCursor, StoreError> {
        check_limit(self.limit, "rows")?;
        let start = self.after.unwrap_or(FeedCursor::start(store));
        if start.store != store {
            return Err(invalid(format!(
                "cursor {start} is of another store: use a cursor of this one, or none to start from the beginning"
            )));
        }
        if (start.position == 0) != (start.row == 0) {
            return Err(start.never_given_out());
        }
        Ok(start)
    }
}

/// Which orders to dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpQuery {
    /// Those with a larger id; none for all.
    pub after: Option<OrderId>,
    /// How many at the most, 1..=1000.
    pub limit: u32,
}

impl DumpQuery {
    /// Whether it makes sense.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidQuery`] for a limit outside 1..=1000.
    pub fn check(&self) -> Result<(), StoreError> {
        check_limit(self.limit, "orders")
    }
}

/// An order with everything that another store needs to hold it as this one does, but for its work item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumped {
    /// The order.
    pub order: Arc<Order>,
    /// Its whole journal.
    pub journal: Vec<JournalRow>,
    /// The idempotency keys that name it, by method and key.
    pub keys: Vec<KeyRecord>,
}

fn check_limit(limit: u32, what: &str) -> Result<(), StoreError> {
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(());
    }
    Err(invalid(format!("a page of {limit} {what}: expected 1 to {PAGE_MAX}")))
}

fn invalid(message: String) -> StoreError {
    StoreError::new(StoreErrorKind::InvalidQuery, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_in_no_other_way() {
        let store = "3f2c8f0e6b1d4c589a0e3b6a2f0c1d11";
        for (position, row) in [(0, 0), (1, 1), (u64::MAX, u32::MAX)] {
            let text = format!("{store}.{position}.{row}");
            let cursor: FeedCursor = text.parse().unwrap();
            assert_eq!((cursor.position, cursor.row, cursor.to_string()), (position, row, text));
        }
        let hyphenated = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11";
        for bad in ["", store, ".1.1", "x.1.1"] {
            assert!(bad.parse::<FeedCursor>().is_err(), "{bad:?}");
        }
        for bad in ["1", "1.", "1.1.1", "+1.1", "01.1", "1.-1", " 1.1", "1.1 ", "0.1", "1.0", "18446744073709551616.1"] {
            assert!(format!("{store}.{bad}").parse::<FeedCursor>().is_err(), "{bad:?}");
        }
        for bad in [hyphenated, &store.to_uppercase()] {
            assert!(format!("{bad}.1.1").parse::<FeedCursor>().is_err(), "{bad:?}");
        }
    }
}
