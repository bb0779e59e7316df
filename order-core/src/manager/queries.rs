//! The reads: orders, lists, history, explanations.

use std::sync::Arc;

use super::{Action, Explanation, OrderManager, Principal, authorize};
use crate::error::Error;
use crate::order::{JournalRow, Order};
use crate::rules::{next, possible};
use crate::services::Clients;
use crate::store::{
    JournalQuery, ListQuery, Loaded, OrderPage, OrderRef, OrderStore, StoreErrorKind, Tries,
    WorkSummary,
};

/// The number of journal rows that are read at a time.
const HISTORY_PAGE: u32 = 500;

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// The order, by id or number.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when there is none, or it is somebody else's; [`Error::Store`].
    pub async fn get(&self, principal: &Principal, order: OrderRef) -> Result<Arc<Order>, Error> {
        self.read(principal, order).await.map(|l| l.order)
    }

    async fn read(&self, principal: &Principal, order: OrderRef) -> Result<Loaded, Error> {
        let loaded = self.load(principal, order).await?;
        authorize(principal, Action::Read, Some(loaded.order.user))?;
        Ok(loaded)
    }

    /// A page of orders; a customer sees their own only.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a limit outside 1..=1000 or a cursor of another list;
    /// [`Error::Forbidden`] for somebody else's orders.
    pub async fn list(
        &self,
        principal: &Principal,
        mut query: ListQuery,
    ) -> Result<OrderPage, Error> {
        authorize(principal, Action::Read, query.user)?;
        query.user = principal.scope().or(query.user);
        if !(1..=1000).contains(&query.limit) {
            return Err(Error::invalid(
                "limit",
                format!("{} is out of range: expected 1 to 1000", query.limit),
            ));
        }
        self.inner
            .store
            .list(&query)
            .await
            .map_err(|e| match e.kind {
                StoreErrorKind::InvalidQuery => Error::invalid("after", e.message),
                _ => e.into(),
            })
    }

    /// Everything that happened to an order, in sequence.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn history(
        &self,
        principal: &Principal,
        order: OrderRef,
    ) -> Result<Vec<JournalRow>, Error> {
        let id = self.read(principal, order).await?.order.id;
        let mut rows: Vec<JournalRow> = Vec::new();
        loop {
            let after = rows.last().map_or(0, |r| r.seq);
            let page = self
                .inner
                .store
                .journal(&JournalQuery::of(id, after, HISTORY_PAGE))
                .await?;
            let last = page.len() < HISTORY_PAGE as usize;
            rows.extend(page);
            if last {
                return Ok(rows);
            }
        }
    }

    /// Explains what an order waits for, what the engine will do next and when, and what could be
    /// done to it.
    ///
    /// # Errors
    ///
    /// As [`Self::get`].
    pub async fn explain(
        &self,
        principal: &Principal,
        order: OrderRef,
    ) -> Result<Explanation, Error> {
        let loaded = self.read(principal, order).await?;
        let env = self.env();
        let tries = loaded
            .work
            .as_ref()
            .map_or_else(Tries::default, |w| w.tries.clone());
        let plan = next(&loaded.order, &tries, &env);
        let possible = possible(&loaded.order, &env);
        Ok(Explanation::new(
            loaded.order,
            loaded.work,
            plan,
            possible,
            &env,
        ))
    }

    /// Returns how much work there is, and when it is due by this process's clock.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn work_summary(&self) -> Result<WorkSummary, Error> {
        Ok(self.summary().await?)
    }
}
