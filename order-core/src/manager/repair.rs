//! Repairs in bulk: trying again what is stuck, and looking at every order anew.

use std::sync::Arc;

use super::commands::Asked;
use super::draft::Draft;
use super::drive::settle_and_plan;
use super::{Action, CommandOptions, OrderManager, Principal, authorize};
use crate::error::Error;
use crate::ids::OrderId;
use crate::number::OrderNumber;
use crate::order::{AttentionReason, Order};
use crate::rules::{Command, Next, next};
use crate::services::Clients;
use crate::store::{CommitError, ListQuery, Loaded, OrderStore, Tries, WorkChange};
use crate::time::Timestamp;

/// The outcome of trying one order again.
#[derive(Debug)]
pub struct Retried {
    /// The order, as it was found.
    pub before: Arc<Order>,
    /// The operations that were stuck, in words.
    pub stuck: Vec<String>,
    /// The order as it is once it is due again, or why it could not be tried again.
    pub after: Result<Arc<Order>, Error>,
}

/// The outcome of looking at every order anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resynced {
    /// The number of orders that were looked at.
    pub looked_at: u64,
    /// The orders that had something to do and were not, or too late, to be worked; each with the
    /// time it is due now.
    pub woken: Vec<(OrderId, OrderNumber, Timestamp)>,
}

/// The number of orders that are read at a time.
const PAGE: u32 = 500;
/// The number of times that an order that changes meanwhile is looked at: who changes an order
/// wakes it.
const LOOKS_MAX: u32 = 8;

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Tries again whatever repeating could not cure, on every order that has such a thing: refused
    /// refunds, voids, captures and releases, calls that failed too often, orders on which workers
    /// died. Each is one command in the order's journal, and makes the order due at once; whoever
    /// works next works it, and nobody is waited for.
    ///
    /// One order that cannot be tried again does not keep the others from it. `found` is called for
    /// each, as soon as it is known.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::Store`] when the orders cannot be listed.
    pub async fn retry_stuck(
        &self,
        principal: &Principal,
        mut found: impl FnMut(Retried) + Send,
    ) -> Result<(), Error> {
        authorize(principal, Action::Repair, None)?;
        // A page goes on after the last order of the one before, so it is all the same what trying
        // again takes off the list.
        let mut query = ListQuery {
            stuck: true,
            limit: PAGE,
            decides: true,
            ..ListQuery::default()
        };
        loop {
            let page = self.list(principal, query.clone()).await?;
            for order in page.orders {
                let Loaded {
                    order: before,
                    work,
                    key: _,
                } = self.load(principal, order.id.into()).await?;
                let tries = work
                    .as_ref()
                    .map_or_else(Tries::default, |w| w.tries.clone());
                let parked = work.as_ref().is_some_and(|w| w.due.is_none());
                let stuck = what_is_stuck(&before, &next(&before, &tries, &self.env()), parked);
                if !stuck.is_empty() {
                    let after = self.retry_stuck_order(principal, order.id).await;
                    found(Retried {
                        before,
                        stuck,
                        after,
                    });
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Makes stuck work due again; the order as it is then.
    async fn retry_stuck_order(
        &self,
        principal: &Principal,
        id: OrderId,
    ) -> Result<Arc<Order>, Error> {
        let asked = Asked {
            only_wakes: true,
            ..Asked::new(&Command::RetryStuck, None)
        };
        Ok(self
            .command(principal, id.into(), CommandOptions::default(), asked)
            .await?
            .order)
    }

    /// Looks at every order anew, and wakes those that have something to do of which the workers do
    /// not know, or know too late: after a change of policy, of what services can do, or of the
    /// clock. Journals nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::Store`].
    pub async fn resync(&self, principal: &Principal) -> Result<Resynced, Error> {
        authorize(principal, Action::Repair, None)?;
        let mut done = Resynced::default();
        let mut query = ListQuery {
            limit: PAGE,
            decides: true,
            ..ListQuery::default()
        };
        loop {
            let page = self.list(principal, query.clone()).await?;
            for order in page.orders {
                done.looked_at += 1;
                if let Some(due) = self.wake_if_late(principal, order.id).await? {
                    done.woken.push((order.id, order.number, due));
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(done),
            }
        }
    }

    /// Wakes an order whose work item is missing or due too late; when it is due then.
    async fn wake_if_late(
        &self,
        principal: &Principal,
        id: OrderId,
    ) -> Result<Option<Timestamp>, Error> {
        for _ in 0..LOOKS_MAX {
            let Loaded {
                order,
                work,
                key: _,
            } = self.load(principal, id.into()).await?;
            let env = self.env();
            let draft = || {
                Draft::of(
                    Arc::clone(&order),
                    self.inner.ids.changeset_id(env.now),
                    env.now,
                )
            };
            let tries = work
                .as_ref()
                .map_or_else(Tries::default, |w| w.tries.clone());
            let mut tried = draft();
            let plan = settle_and_plan(&mut tried, &tries, &env);
            let at_once = !tried.is_unchanged()
                || !plan.calls.is_empty()
                || (plan.is_done() && work.is_some());
            let due = if at_once { Some(env.now) } else { plan.wake };
            let Some(due) = due else { return Ok(None) };
            let known = match &work {
                // Whoever is at it finds out.
                Some(w) if w.fence.is_some() && w.leased_until.is_some_and(|t| t > env.now) => true,
                Some(w) => w
                    .due
                    .is_some_and(|t| t <= self.inner.store_time.there_and_back(due)),
                None => false,
            };
            if known {
                return Ok(None);
            }
            match self
                .commit(draft().into_changeset(None, WorkChange::Wake { due }))
                .await
            {
                Ok(_) => return Ok(Some(due)),
                Err(CommitError::Conflict) => {}
                Err(CommitError::Store(e)) => return Err(e.into()),
                Err(e) => return Err(super::commands::unexpected(&e)),
            }
        }
        Ok(None)
    }
}

/// Returns what of an order trying again may cure, in words.
fn what_is_stuck(order: &Order, plan: &Next, parked: bool) -> Vec<String> {
    use AttentionReason as Why;
    let mut stuck: Vec<String> = plan
        .stuck
        .iter()
        .map(|s| format!("{}: {}", s.op, s.why))
        .collect();
    let curable = |why: Why| {
        matches!(
            why,
            Why::RetriesExhausted
                | Why::ReleaseRefused
                | Why::RefundFailed
                | Why::VoidFailed
                | Why::CaptureFailed
                | Why::Parked
        )
    };
    // What was raised before the last time is either cured by now, or raised, or stuck, anew.
    let is_news = |since: Timestamp| order.stuck_retried_at.is_none_or(|t| since > t);
    for a in order
        .attention
        .iter()
        .filter(|a| !a.acknowledged && curable(a.reason) && is_news(a.since))
    {
        if a.about
            .is_none_or(|op| plan.stuck.iter().all(|s| s.op != op))
        {
            stuck.push(
                a.about
                    .map_or_else(|| a.reason.to_string(), |op| format!("{op}: {}", a.reason)),
            );
        }
    }
    if stuck.is_empty() && parked {
        stuck.push("its work was put aside".into());
    }
    stuck
}
