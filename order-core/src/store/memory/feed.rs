//! The feed of a [`MemoryStore`](super::MemoryStore): one partition, in the order of the commits.

use uuid::Uuid;

use super::State;
use crate::ids::OrderId;
use crate::store::{FeedCursor, FeedPage, FeedPlace, FeedQuery, FeedRow, StoreError, Unreadable};

/// A changeset that wrote journal rows. Its number in the feed is its place in the list, counted
/// from 1.
#[derive(Clone)]
pub(super) struct Entry {
    order: OrderId,
    /// Its first row.
    first: u64,
    rows: u32,
}

impl State {
    /// Puts a changeset's rows, which number `first` and up, at the end of the feed.
    pub(super) fn publish(&mut self, order: OrderId, first: u64, rows: usize) {
        self.feed.push(Entry {
            order,
            first,
            rows: u32::try_from(rows).unwrap_or(u32::MAX),
        });
    }

    pub(super) fn feed(&self, store: Uuid, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        let start = query.start(store, 1)?;
        let place = start.places()[0];
        let is_start = |row: FeedRow| row.cursor == start;
        if place.position > 0
            && !self
                .feed_row(store, place.position, place.row)
                .is_some_and(is_start)
        {
            return Err(start.never_given_out());
        }
        let from = place.position.max(1);
        let entries = self
            .feed
            .get(usize::try_from(from - 1).unwrap_or(usize::MAX)..)
            .unwrap_or_default();
        let rows: Vec<FeedRow> = (from..)
            .zip(entries)
            .flat_map(|(position, entry)| (1..=entry.rows).map(move |row| (position, row)))
            .filter(|at| *at > (place.position, place.row))
            .take(query.limit as usize)
            .filter_map(|(position, row)| self.feed_row(store, position, row))
            .collect();
        Ok(FeedPage {
            next: rows.last().map_or(start, |row| row.cursor.clone()),
            rows,
        })
    }

    fn feed_row(&self, store: Uuid, position: u64, row: u32) -> Option<FeedRow> {
        let Entry { order, first, rows } = self
            .feed
            .get(usize::try_from(position.checked_sub(1)?).ok()?)?;
        if !(1..=*rows).contains(&row) {
            return None;
        }
        let super::Row {
            order,
            journal,
            damage,
            ..
        } = self.orders.get(order)?;
        // Rows are numbered from 1, and so are those of a changeset.
        let stored = journal.get(usize::try_from(first + u64::from(row) - 2).ok()?)?;
        let place = FeedPlace::of(position, row, stored.changeset);
        let unreadable = damage.as_ref().filter(|(_, last)| stored.seq == *last);
        Some(FeedRow {
            cursor: FeedCursor::new(store, vec![place]),
            order: order.id,
            seq: stored.seq,
            number: order.number,
            currency: order.currency,
            row: match unreadable {
                Some((reason, _)) => Err(Unreadable {
                    order: order.id,
                    reason: reason.clone(),
                }),
                None => Ok(stored.clone()),
            },
        })
    }
}
