//! The manager: the one door to the engine. It reads, asks the rules, commits, and works orders by
//! calling services.

mod attend;
mod breaker;
mod bulk;
mod calls;
mod commands;
mod draft;
mod drive;
mod edit;
mod edit_plan;
mod explain;
mod goodbye;
mod health;
mod place;
mod price;
mod principal;
mod queries;
mod repair;
mod sessions;
mod store_time;
mod telemetry;
mod watch;
mod worker;

use std::sync::Arc;
use std::time::Duration;

pub use bulk::{Copied, ImportState};
pub use commands::{Answered, CommandOptions, RetryPayment};
pub use drive::WorkDone;
pub use edit::{EditAnswer, EditPreview};
pub use explain::Explanation;
pub use health::Health;
pub use place::{PlaceOptions, Placement, Quote};
pub use principal::{Action, Principal, authorize};
pub use repair::{Resynced, Retried};
pub use sessions::LeaseWait;
pub use watch::{FeedFilter, Watch};
pub use worker::{Trouble, TroubleHook, WorkerOptions};

use crate::money::Currency;
use crate::order::Order;
use crate::policy::Policy;
use crate::pricing::Pricing;
use crate::rules::Env;
use crate::runtime::{Ids, Runtime};
use crate::services::{Clients, DynClients, InventoryService, NotificationService, PaymentService};
use crate::store::{
    Changeset, CommitError, Committed, OrderStore, StoreError, StoreErrorKind, WorkChange,
};
use crate::time::Timestamp;

/// The engine over a store and the clients of the five services. Cheap to clone; clones share
/// everything.
///
/// `OrderManager` alone, in a field or a signature, is one whose store and clients are chosen at
/// run time; a manager of particular types is an `OrderManager<Arc<MyStore>, MyClients>`.
pub struct OrderManager<S = Arc<dyn OrderStore>, C = DynClients> {
    inner: Arc<Inner<S, C>>,
}

struct Inner<S, C> {
    store: S,
    clients: C,
    pricing: Arc<dyn Pricing>,
    runtime: Arc<dyn Runtime>,
    ids: Arc<dyn Ids>,
    policy: Policy,
    breakers: breaker::Breakers,
    sessions: Arc<sessions::Sessions>,
    store_time: store_time::StoreTime,
    pulse: health::Pulse,
}

impl<S, C> Clone for OrderManager<S, C> {
    fn clone(&self) -> Self {
        OrderManager {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<S, C> std::fmt::Debug for OrderManager<S, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OrderManager")
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}

/// A setting with which no manager can be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The setting's name.
    pub field: &'static str,
    /// The fault, and what would be right.
    pub problem: String,
}

/// Puts a manager together. Setters never fail; [`ManagerBuilder::build`] checks.
pub struct ManagerBuilder<S = Arc<dyn OrderStore>, C = DynClients> {
    store: S,
    clients: C,
    pricing: Option<Arc<dyn Pricing>>,
    runtime: Option<Arc<dyn Runtime>>,
    ids: Option<Arc<dyn Ids>>,
    policy: Policy,
    on_wait: Option<sessions::OnWait>,
}

impl<S, C> ManagerBuilder<S, C> {
    /// Sets the pricing: what orders cost beyond their products. Required.
    #[must_use]
    pub fn pricing(mut self, pricing: Arc<dyn Pricing>) -> Self {
        self.pricing = Some(pricing);
        self
    }

    /// Sets the runtime that the engine runs on. Tokio unless set.
    #[must_use]
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Sets the source of ids. The operating system's random source unless set.
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn Ids>) -> Self {
        self.ids = Some(ids);
        self
    }

    /// The shop's settings. [`Policy::default`] unless set.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets a hook that is called when somebody has waited a second for a lease that another worker
    /// has, once for each lease: a program can say then why it does not answer. Nothing unless set.
    #[must_use]
    pub fn on_wait(mut self, on_wait: impl Fn(&LeaseWait) + Send + Sync + 'static) -> Self {
        self.on_wait = Some(Arc::new(on_wait));
        self
    }

    /// The manager.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the setting that is missing or contradicts another.
    pub fn build(self) -> Result<OrderManager<S, C>, ConfigError> {
        let wrong = |field, problem: &str| ConfigError {
            field,
            problem: problem.into(),
        };
        let pricing = self
            .pricing
            .ok_or_else(|| wrong("pricing", "is required: a PriceBook, or your own Pricing"))?;
        let runtime = self.runtime.or_else(default_runtime);
        let runtime = runtime.ok_or_else(|| {
            wrong(
                "runtime",
                "is required when order-core is built without tokio-runtime",
            )
        })?;
        let ids = self.ids.or_else(default_ids);
        let ids = ids.ok_or_else(|| {
            wrong(
                "ids",
                "is required when order-core is built without tokio-runtime",
            )
        })?;
        let p = &self.policy;
        if p.call_deadline.is_zero() || p.lease < p.call_deadline + LEASE_RESERVE {
            return Err(wrong(
                "policy.lease",
                "must be at least policy.call_deadline and one second, which must not be 0",
            ));
        }
        if p.backoff_first.is_zero() || p.backoff_longest < p.backoff_first {
            return Err(wrong(
                "policy.backoff_longest",
                "must be at least policy.backoff_first, which must not be 0",
            ));
        }
        if p.watch_poll.is_zero() {
            return Err(wrong("policy.watch_poll", "must not be 0"));
        }
        if !(1..=BREAKER_FAILURES_MAX).contains(&p.breaker_failures) {
            return Err(wrong("policy.breaker_failures", "must be 1 to 10,000"));
        }
        // Who tries a service out is waited for before anybody else does.
        let breakers = breaker::Breakers::new(
            p.breaker_failures,
            p.breaker_pause,
            p.breaker_pause.max(p.call_deadline),
        );
        let Self {
            store,
            clients,
            policy,
            on_wait,
            ..
        } = self;
        let sessions = sessions::Sessions::telling(on_wait);
        let store_time = store_time::StoreTime::default();
        let inner = Inner {
            store,
            clients,
            pricing,
            runtime,
            ids,
            policy,
            breakers,
            sessions,
            store_time,
            pulse: health::Pulse::default(),
        };
        Ok(OrderManager {
            inner: Arc::new(inner),
        })
    }
}

/// The breaker remembers twice as many calls.
const BREAKER_FAILURES_MAX: u32 = 10_000;

/// No call is started with less of the lease left than its deadline and this.
const LEASE_RESERVE: Duration = Duration::from_secs(1);

#[cfg(feature = "tokio-runtime")]
fn default_runtime() -> Option<Arc<dyn Runtime>> {
    Some(Arc::new(crate::runtime::TokioRuntime::default()))
}
#[cfg(feature = "tokio-runtime")]
fn default_ids() -> Option<Arc<dyn Ids>> {
    Some(Arc::new(crate::runtime::RandomIds))
}
#[cfg(not(feature = "tokio-runtime"))]
fn default_runtime() -> Option<Arc<dyn Runtime>> {
    None
}
#[cfg(not(feature = "tokio-runtime"))]
fn default_ids() -> Option<Arc<dyn Ids>> {
    None
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Starts putting a manager together.
    pub fn builder(store: S, clients: C) -> ManagerBuilder<S, C> {
        ManagerBuilder {
            store,
            clients,
            pricing: None,
            runtime: None,
            ids: None,
            policy: Policy::default(),
            on_wait: None,
        }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.inner.store
    }

    /// The clients of the services.
    pub fn clients(&self) -> &C {
        &self.inner.clients
    }

    /// The settings.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// The currency that orders are placed in.
    pub fn currency(&self) -> Currency {
        self.inner.pricing.currency()
    }

    /// Returns what the rules need to know of the world, now.
    pub fn env(&self) -> Env<'_> {
        let now = self.now();
        Env {
            now,
            clock: now,
            policy: &self.inner.policy,
            inventory: self.inner.clients.inventory().capabilities(),
            payment: self.inner.clients.payment().capabilities(),
            notify: self.inner.clients.notification().enabled(),
        }
    }

    /// The same for commands on an order, whose time never goes back.
    fn env_of(&self, order: &Order) -> Env<'_> {
        let env = self.env();
        Env {
            now: env.now.max(order.updated_at),
            ..env
        }
    }

    fn now(&self) -> Timestamp {
        self.inner.runtime.now()
    }

    /// Applies a changeset; a lost answer, or a store that is busy, is met by sending the very same
    /// changeset again. A store that takes its time to say that it is busy is not asked for ever.
    async fn commit(
        &self,
        mut changeset: Changeset,
    ) -> Result<(Arc<Order>, Committed), CommitError> {
        if !matches!(changeset.work, WorkChange::Keep) {
            self.learn_store_time().await;
        }
        changeset.work = self.to_store_time(changeset.work);
        let after = Arc::clone(&changeset.after);
        let give_up_at = self.inner.runtime.monotonic() + self.inner.policy.call_deadline;
        let mut pause = COMMIT_PAUSE;
        let mut tries = 1;
        loop {
            match self.inner.store.commit(changeset.clone()).await {
                Ok(committed) => {
                    telemetry::committed(&changeset, committed.replayed);
                    return Ok((after, committed));
                }
                Err(CommitError::Store(e))
                    if tries < COMMIT_TRIES && self.is_worth_another_try(&e, give_up_at) =>
                {
                    telemetry::commit_repeated(&after, tries, &e);
                    self.inner.runtime.sleep(pause).await;
                    pause *= 2;
                    tries += 1;
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn is_worth_another_try(&self, e: &StoreError, give_up_at: Duration) -> bool {
        match e.kind {
            StoreErrorKind::Unknown => true,
            StoreErrorKind::Unavailable => self.inner.runtime.monotonic() < give_up_at,
            StoreErrorKind::Full
            | StoreErrorKind::Corrupt
            | StoreErrorKind::Misconfigured
            | StoreErrorKind::InvalidQuery
            | StoreErrorKind::Vetoed => false,
        }
    }
}

/// The number of times that a changeset is sent before its fate is left to recovery.
const COMMIT_TRIES: u32 = 5;
const COMMIT_PAUSE: Duration = Duration::from_millis(20);
