//! Reading the whole store: the feed, and dumps.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use uuid::Uuid;

use super::State;
use crate::ids::OrderId;
use crate::store::{DumpQuery, Dumped, FeedCursor, FeedPage, FeedQuery, FeedRow, KeyRecord, StoreError};

/// A changeset that wrote journal rows. Its number in the feed is its place in the list, counted from 1.
pub(super) struct Entry {
    order: OrderId,
    /// Its first row.
    first: u64,
    rows: u32,
}

impl State {
    /// Puts a changeset's rows, which number `first` and up, at the end of the feed.
    pub(super) fn publish(&mut self, order: OrderId, first: u64, rows: usize) {
        self.feed.push(Entry { order, first, rows: u32::try_from(rows).unwrap_or(u32::MAX) });
    }

    pub(super) fn feed(&self, store: Uuid, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        let start = query.start(store)?;
        let from = start.position.max(1);
        let entries = self.feed.get(usize::try_from(from - 1).unwrap_or(usize::MAX)..).unwrap_or_default();
        if start.position > 0 && entries.first().is_none_or(|entry| start.row > entry.rows) {
            return Err(start.never_given_out());
        }
        let rows: Vec<FeedRow> = (from..)
            .zip(entries)
            .flat_map(|(position, entry)| (1..=entry.rows).map(move |row| FeedCursor { store, position, row }))
            .filter(|cursor| (cursor.position, cursor.row) > (start.position, start.row))
            .take(query.limit as usize)
            .filter_map(|cursor| self.feed_row(cursor))
            .collect();
        Ok(FeedPage { next: rows.last().map_or(start, |row| row.cursor), rows })
    }

    fn feed_row(&self, cursor: FeedCursor) -> Option<FeedRow> {
        let Entry { order, first, rows: _ } = self.feed.get(usize::try_from(cursor.position - 1).ok()?)?;
        let order = self.orders.get(order)?;
        // Rows are numbered from 1, and so are those of a changeset.
        let at = usize::try_from(first + u64::from(cursor.row) - 2).ok()?;
        Some(FeedRow { cursor, number: order.order.number, row: order.journal.get(at)?.clone() })
    }

    pub(super) fn dump(&self, query: &DumpQuery) -> Result<Vec<Dumped>, StoreError> {
        query.check()?;
        let after = query.after.map_or(Unbounded, Excluded);
        let mut page: BTreeMap<OrderId, Dumped> = (self.orders.range((after, Unbounded)).take(query.limit as usize))
            .map(|(id, row)| (*id, Dumped { order: row.order.clone(), journal: row.journal.clone(), keys: Vec::new() }))
            .collect();
        for record in self.keys.values() {
            if let Some(dumped) = page.get_mut(&record.order) {
                dumped.keys.push(record.clone());
            }
        }
        let mut page: Vec<Dumped> = page.into_values().collect();
        let place = |key: &KeyRecord| (key.method.as_str(), key.key.clone());
        page.iter_mut().for_each(|dumped| dumped.keys.sort_by_key(place));
        Ok(page)
    }
}
