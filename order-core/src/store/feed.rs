//! The change feed, and how orders are read to be taken elsewhere: what is read of a whole store.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use super::{KeyRecord, StoreError, StoreErrorKind, Unreadable};
use crate::ids::{ChangesetId, OrderId, ParseIdError};
use crate::money::Currency;
use crate::number::OrderNumber;
use crate::order::{JournalRow, Order};

/// The most rows of a feed, or orders of a dump, that one page may have.
const PAGE_MAX: u32 = 1000;

/// A choice of rows of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedQuery {
    /// After this one; none for all.
    pub after: Option<FeedCursor>,
    /// The most orders to return, 1..=1000.
    pub limit: u32,
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    /// The rows; fewer than were asked for only if there are no more now.
    pub rows: Vec<FeedRow>,
    /// The place to go on: after the last row, or where the page was to start if there is none.
    pub next: FeedCursor,
}

/// A journal row in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRow {
    /// Its place: going on after it gives the rows behind it.
    pub cursor: FeedCursor,
    /// Its order.
    pub order: OrderId,
    /// Its number within the journal of the order.
    pub seq: u64,
    /// The number of its order.
    pub number: OrderNumber,
    /// The currency of its order, in which amounts of the row are.
    pub currency: Currency,
    /// The row; or why it cannot be read. Whoever goes on after such a row passes over it for good.
    pub row: Result<JournalRow, Unreadable>,
}

/// A place in the feed of one store. Opaque to clients: made and understood by the store alone.
///
/// A feed has partitions, one or more, fixed when the store is made; a cursor has a place in each
/// of them. In each, the store numbers from 1 on the changesets that have journal rows, or these
/// rows one by one, in an order that agrees with what its readers can see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FeedCursor {
    store: Uuid,
    places: Vec<FeedPlace>,
}

/// A place in one partition of a feed: after a journal row, or before all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FeedPlace {
    /// The number of the row's changeset, or of the row itself; 0 before the first.
    pub position: u64,
    /// The row within the changeset, from 1 on, or 1 where rows are numbered one by one; 0 before
    /// the first only.
    pub row: u32,
    /// The last 64 bits of the id of the changeset that the row carries; 0 before the first. By
    /// these a store that was set back to an earlier copy tells the places of its former life from
    /// those it has given out since.
    pub mark: u64,
}

impl FeedPlace {
    /// The place of row `row` of the changeset numbered `position`.
    pub fn of(position: u64, row: u32, changeset: ChangesetId) -> Self {
        FeedPlace {
            position,
            row,
            mark: changeset.uuid().as_u64_pair().1,
        }
    }
}

impl FeedCursor {
    /// The cursor of the store that is named by `store`, with a place in each of its partitions.
    pub const fn new(store: Uuid, places: Vec<FeedPlace>) -> Self {
        FeedCursor { store, places }
    }

    /// The place before every row of a store.
    pub fn start(store: Uuid, partitions: usize) -> Self {
        FeedCursor {
            store,
            places: vec![FeedPlace::default(); partitions],
        }
    }

    /// The id drawn when its store was made, so that another store knows the cursor for a foreign
    /// one.
    pub const fn store(&self) -> Uuid {
        self.store
    }

    /// The place in each partition.
    pub fn places(&self) -> &[FeedPlace] {
        &self.places
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
        self.store.simple().fmt(f)?;
        self.places.iter().enumerate().try_for_each(
            |(
                at,
                FeedPlace {
                    position,
                    row,
                    mark,
                },
            )| {
                let between = if at == 0 { '.' } else { '~' };
                write!(f, "{between}{position}.{row}.{mark:x}")
            },
        )
    }
}

/// Reads exactly what [`Display`](fmt::Display) wrote, and no other spelling of it.
impl FromStr for FeedCursor {
    type Err = ParseIdError;
    fn from_str(s: &str) -> Result<Self, ParseIdError> {
        let place = |text: &str| {
            let mut parts = text.splitn(3, '.');
            let (position, row) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(FeedPlace {
                position,
                row,
                mark: u64::from_str_radix(parts.next()?, 16).ok()?,
            })
        };
        let read = || {
            let (store, places) = s.split_once('.')?;
            let store = Uuid::try_parse(store).ok()?;
            Some(FeedCursor {
                store,
                places: places.split('~').map(place).collect::<Option<_>>()?,
            })
        };
        let sound = |cursor: &FeedCursor| cursor.is_sound() && cursor.to_string() == s;
        read().filter(sound).ok_or_else(|| {
            ParseIdError::new("cursor", s, "expected the `cursor` or `next` of a feed")
        })
    }
}

impl FeedCursor {
    fn is_sound(&self) -> bool {
        let before_all = |place: &FeedPlace| *place == FeedPlace::default();
        self.places
            .iter()
            .all(|place| before_all(place) || (place.position > 0 && place.row > 0))
    }
}

impl FeedQuery {
    /// Returns where the rows start in the feed of `store`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidQuery`] for a limit outside 1..=1000, for another store's cursor,
    /// and for one that no store gives out.
    pub fn start(&self, store: Uuid, partitions: usize) -> Result<FeedCursor, StoreError> {
        check_limit(self.limit, "rows")?;
        let Some(start) = &self.after else {
            return Ok(FeedCursor::start(store, partitions));
        };
        if start.store != store {
            return Err(invalid(format!(
                "cursor {start} is of another store: use a cursor of this one, or none to start from the beginning"
            )));
        }
        if start.places.len() != partitions || !start.is_sound() {
            return Err(start.never_given_out());
        }
        Ok(start.clone())
    }
}

/// A choice of orders to dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpQuery {
    /// Those with a larger id; none for all.
    pub after: Option<OrderId>,
    /// The most orders to return, 1..=1000.
    pub limit: u32,
}

impl DumpQuery {
    /// Returns whether it makes sense.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidQuery`] for a limit outside 1..=1000.
    pub fn check(&self) -> Result<(), StoreError> {
        check_limit(self.limit, "orders")
    }
}

/// A page of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpPage {
    /// The orders, by id.
    pub orders: Vec<Dumped>,
    /// Those among them that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The last order of the page, readable or not, after which the next starts; `None` if this is
    /// the last page.
    pub next: Option<OrderId>,
}

/// An order with everything that another store needs to hold it as this one does, but for its work
/// item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumped {
    /// The order.
    pub order: Arc<Order>,
    /// Its whole journal.
    pub journal: Vec<JournalRow>,
    /// The idempotency key it was made under.
    pub key: Option<KeyRecord>,
}

fn check_limit(limit: u32, what: &str) -> Result<(), StoreError> {
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(());
    }
    Err(invalid(format!(
        "a page of {limit} {what}: expected 1 to {PAGE_MAX}"
    )))
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
        for places in [
            "0.0.0",
            "1.1.0",
            "18446744073709551615.4294967295.ffffffffffffffff",
            "7.2.c0ffee~0.0.0~9.1.1",
        ] {
            let text = format!("{store}.{places}");
            let cursor: FeedCursor = text.parse().unwrap();
            assert_eq!(
                (cursor.to_string(), cursor.places().len()),
                (text, places.split('~').count())
            );
        }
        let hyphenated = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11";
        for bad in ["", store, ".1.1.1", "x.1.1.1"] {
            assert!(bad.parse::<FeedCursor>().is_err(), "{bad:?}");
        }
        let places = [
            "1",
            "1.1",
            "1.",
            "1.1.",
            "1.1.1.1",
            "+1.1.1",
            "01.1.1",
            "1.-1.1",
            " 1.1.1",
            "1.1.1 ",
            "0.1.1",
            "1.0.1",
            "0.0.1",
            "1.1.01",
            "1.1.F",
            "1.1.10000000000000000",
            "18446744073709551616.1.1",
            "1.1.1~",
            "~1.1.1",
            "1.1.1~1.0.1",
        ];
        for bad in places {
            assert!(
                format!("{store}.{bad}").parse::<FeedCursor>().is_err(),
                "{bad:?}"
            );
        }
        for bad in [hyphenated, &store.to_uppercase()] {
            assert!(
                format!("{bad}.1.1.1").parse::<FeedCursor>().is_err(),
                "{bad:?}"
            );
        }
    }
}
