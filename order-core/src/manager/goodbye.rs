//! The end of a worker that cannot go on: what it has learnt is recorded, and its lease given back.

use std::sync::Arc;
use std::time::Duration;

use super::draft::{Draft, Source};
use super::drive::Session;
use super::{OrderManager, Trouble, telemetry};
use crate::ids::OrderId;
use crate::rules::Fact;
use crate::services::Clients;
use crate::store::{CommitError, Loaded, OrderStore, StoreError, StoreErrorKind, WorkChange};

/// After how long what failed is tried again for the first time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The number of times that facts are decided again after a conflict before they are left to
/// recovery.
pub(super) const CONFLICTS_MAX: u32 = 32;

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Gives the lease back when the store fails a worker: it is not the order that is to blame.
    /// What was learnt is recorded first, if that can be done; what was armed besides is found out
    /// by whoever comes next. Tried for as long as the lease would last anyway.
    pub(super) async fn say_goodbye(
        &self,
        mut session: Session,
        facts: Vec<Fact>,
        failed: StoreError,
    ) {
        let kind = failed.kind;
        telemetry::order_failed(session.order.id, "working the order", &failed);
        session.trouble.tell(Trouble::Order {
            order: session.order.id,
            error: failed,
        });
        self.record_learnt(session.order.id, facts).await;
        let policy = &self.inner.policy;
        let pause = match kind {
            StoreErrorKind::Unavailable | StoreErrorKind::Unknown => policy.backoff_first,
            // Will fail the next one too: no sooner than if the lease had run out.
            StoreErrorKind::Full
            | StoreErrorKind::Corrupt
            | StoreErrorKind::Misconfigured
            | StoreErrorKind::InvalidQuery
            | StoreErrorKind::Vetoed => policy.lease,
        };
        let mut wait = FIRST_PAUSE;
        while self
            .inner
            .runtime
            .monotonic()
            .saturating_sub(session.leased_at)
            < policy.lease
        {
            let now = self.now();
            let draft = Draft::of(
                Arc::clone(&session.order),
                self.inner.ids.changeset_id(now),
                now,
            );
            let (fence, revision, due) = (session.fence, session.revision, Some(now.after(pause)));
            let tries = session.tries_to_hand_over(&session.order);
            match self
                .commit(draft.into_changeset(
                    None,
                    WorkChange::Release {
                        fence,
                        revision,
                        due,
                        tries,
                    },
                ))
                .await
            {
                Ok(_) | Err(CommitError::Fenced) => return,
                // What failed may have been applied, or somebody woke the order.
                Err(CommitError::Conflict) => {
                    match self.load_any(session.order.id.into(), None).await {
                        Ok(Some(Loaded {
                            order,
                            work: Some(work),
                            key: _,
                        })) if work.fence == Some(session.fence) => {
                            (session.order, session.revision) = (order, work.revision);
                            continue;
                        }
                        Ok(_) => return,
                        Err(e) => telemetry::order_failed(session.order.id, "giving it back", &e),
                    }
                }
                Err(CommitError::Store(e)) => {
                    telemetry::order_failed(session.order.id, "giving it back", &e);
                }
                Err(
                    CommitError::KeyTaken(_)
                    | CommitError::CommandKeyTaken(_)
                    | CommitError::RedemptionExhausted { .. }
                    | CommitError::NumberTaken,
                ) => {}
            }
            self.inner.runtime.sleep(wait).await;
            wait *= 2;
        }
        self.inner.sessions.leave(session.order.id);
    }

    /// Records what a worker has learnt whose lease is gone. Whoever has it now may have asked for
    /// more since.
    pub(super) async fn record_learnt(&self, order: OrderId, facts: Vec<Fact>) {
        let facts: Vec<Fact> = facts.into_iter().filter_map(Fact::overtaken).collect();
        self.record_facts(order, &facts, &Source::worker()).await;
    }

    /// Records facts without a lease, as a callback does: they are so, whoever is at work on the
    /// order.
    pub(super) async fn record_facts(&self, order: OrderId, facts: &[Fact], source: &Source) {
        if facts.is_empty() {
            return;
        }
        // What the store fails at is tried for as long as a lease lasts: nobody else knows of it.
        let patience = self.inner.runtime.monotonic() + self.inner.policy.lease;
        let (mut wait, mut conflicts) = (FIRST_PAUSE, 0);
        while conflicts < CONFLICTS_MAX {
            match self.record_once(order, facts, source).await {
                Err(CommitError::Conflict) => conflicts += 1,
                Err(CommitError::Store(_)) if self.inner.runtime.monotonic() < patience => {
                    self.inner.runtime.sleep(wait).await;
                    wait *= 2;
                }
                Err(CommitError::Store(e)) => {
                    return telemetry::order_failed(order, "recording what was learnt", &e);
                }
                _ => return,
            }
        }
    }

    async fn record_once(
        &self,
        order: OrderId,
        facts: &[Fact],
        source: &Source,
    ) -> Result<(), CommitError> {
        let Some(loaded) = self.load_any(order.into(), None).await? else {
            return Ok(());
        };
        let env = self.env();
        let mut draft = Draft::of(loaded.order, self.inner.ids.changeset_id(env.now), env.now);
        for fact in facts {
            draft.record(fact, source, &env);
        }
        if draft.is_unchanged() {
            return Ok(());
        }
        draft.settle(&env);
        self.commit(draft.into_changeset(None, WorkChange::Wake { due: env.now }))
            .await
            .map(drop)
    }
}
