//! Following what happens to all orders, from the store's feed.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Action, OrderManager, Principal, authorize};
use crate::error::Error;
use crate::ids::OrderId;
use crate::order::{JournalRow, Status};
use crate::services::{Clients, DynClients};
use crate::store::{FeedCursor, FeedPage, FeedQuery, FeedRow, OrderStore, StoreErrorKind};

/// The number of rows that a [`Watch`] reads at a time.
const WATCH_PAGE: u32 = 200;

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// A page of the feed: the journal rows of all orders behind `after`, or from the first on, at
    /// most `limit` of 1..=1000, and where to go on. What the feed guarantees stands in clauses 20
    /// and 21 of [`OrderStore`].
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for all but operators; [`Error::Invalid`] for a limit out of range or a
    /// cursor of another store; [`Error::Store`].
    pub async fn changes(
        &self,
        principal: &Principal,
        after: Option<FeedCursor>,
        limit: u32,
    ) -> Result<FeedPage, Error> {
        authorize(principal, Action::Watch, None)?;
        self.feed_page(after, limit).await
    }

    /// Follows the feed from behind `after`, or from its first row, for ever. Reads nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for all but operators.
    ///
    /// # Examples
    ///
    /// ```
    /// # use order_core::store::FeedCursor;
    /// # use order_core::{Error, OrderManager, Principal};
    /// # fn kept() -> Option<FeedCursor> { None }
    /// # fn keep(_: &FeedCursor) {}
    /// # async fn example(orders: &OrderManager) -> Result<(), Error> {
    /// let mut watch = orders.watch(&Principal::operator("loyalty"), kept())?;
    /// loop {
    ///     let row = watch.next().await?;
    ///     if let Ok(journal) = &row.row {
    ///         println!("{} {}", row.number, journal.event.name());
    ///     }
    ///     // Kept in one transaction with what follows from the row, each row counts once.
    ///     keep(&row.cursor);
    /// }
    /// # }
    /// ```
    pub fn watch(
        &self,
        principal: &Principal,
        after: Option<FeedCursor>,
    ) -> Result<Watch<S, C>, Error> {
        authorize(principal, Action::Watch, None)?;
        Ok(Watch {
            manager: self.clone(),
            cursor: after.clone(),
            filter: FeedFilter::default(),
            read: VecDeque::new(),
            read_to: after,
        })
    }

    async fn feed_page(&self, after: Option<FeedCursor>, limit: u32) -> Result<FeedPage, Error> {
        if !(1..=1000).contains(&limit) {
            return Err(Error::invalid(
                "limit",
                format!("{limit} is out of range: expected 1 to 1000"),
            ));
        }
        self.inner
            .store
            .feed(&FeedQuery { after, limit })
            .await
            .map_err(|e| match e.kind {
                StoreErrorKind::InvalidQuery => Error::invalid("after", e.message),
                _ => e.into(),
            })
    }
}

/// A choice of rows of the feed: those that match everything that is asked for. A row that
/// cannot be read has no status, and is left out for none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedFilter {
    /// Only rows of this order.
    pub order: Option<OrderId>,
    /// Only rows after which their order has one of these statuses; with any if there is none here.
    pub statuses: Vec<Status>,
}

impl FeedFilter {
    /// Returns whether the row is wanted.
    pub fn matches(&self, row: &FeedRow) -> bool {
        let has_status =
            |row: &JournalRow| self.statuses.is_empty() || self.statuses.contains(&row.to);
        self.order.is_none_or(|order| row.order == order)
            && row.row.as_ref().map_or(true, has_status)
    }
}

/// The feed from some row on, each row once. See [`OrderManager::watch`].
///
/// It sees what other processes commit too, at the latest
/// [`Policy::watch_poll`](crate::policy::Policy::watch_poll) after it is committed.
pub struct Watch<S = Arc<dyn OrderStore>, C = DynClients> {
    manager: OrderManager<S, C>,
    /// Behind the last row that was given.
    cursor: Option<FeedCursor>,
    filter: FeedFilter,
    /// Rows that were read and not given yet.
    read: VecDeque<FeedRow>,
    /// Behind the last row that was read.
    read_to: Option<FeedCursor>,
}

impl<S, C> std::fmt::Debug for Watch<S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

impl<S: OrderStore, C: Clients> Watch<S, C> {
    /// The next row; waits until there is one. Dropping the future loses no row.
    ///
    /// # Errors
    ///
    /// As [`OrderManager::changes`]. Asking again goes on where it was.
    pub async fn next(&mut self) -> Result<FeedRow, Error> {
        loop {
            if let Some(row) = self.next_now().await? {
                return Ok(row);
            }
            let inner = &self.manager.inner;
            inner.runtime.sleep(inner.policy.watch_poll).await;
        }
    }

    /// The next row, or none if there is none now. Dropping the future loses no row.
    ///
    /// # Errors
    ///
    /// As [`Self::next`].
    pub async fn next_now(&mut self) -> Result<Option<FeedRow>, Error> {
        loop {
            if self.read.is_empty() {
                let page = self
                    .manager
                    .feed_page(self.read_to.clone(), WATCH_PAGE)
                    .await?;
                self.read_to = Some(page.next);
                self.read.extend(page.rows);
            }
            let row = self.read.pop_front();
            self.cursor = row
                .as_ref()
                .map_or_else(|| self.read_to.clone(), |row| Some(row.cursor.clone()));
            if row.as_ref().is_none_or(|row| self.filter.matches(row)) {
                return Ok(row);
            }
        }
    }

    /// Gives only the rows that `filter` wants, from now on.
    #[must_use]
    pub fn only(self, filter: FeedFilter) -> Self {
        Watch { filter, ..self }
    }

    /// Returns the place where another watch goes on without missing a row or giving one again:
    /// behind the last row given. None if it started without a cursor and has read nothing yet.
    pub fn cursor(&self) -> Option<FeedCursor> {
        self.cursor.clone()
    }
}
