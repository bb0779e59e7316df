//! The store as one process reaches it: every call may fail, be slow, lose its answer, or end the
//! process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::dice::Table;
use super::faults::StoreFault;
use super::lock;
use super::world::{World, short};
use order_core::ids::{OrderId, UserId};
use order_core::order::JournalRow;
use order_core::runtime::Runtime;
use order_core::runtime::virtual_time::ProcessRuntime;
use order_core::store::{
    Changeset, CommitError, Committed, DumpPage, DumpQuery, FeedPage, FeedQuery, JournalQuery,
    LeasePage, LeaseRequest, ListQuery, Loaded, Lookup, OrderPage, OrderStore, Peek, StoreError,
    StoreErrorKind, Tries, WorkChange, WorkSummary,
};
use order_core::time::Timestamp;

pub(super) struct SimStore {
    pub world: Arc<World>,
    /// The host that reaches the store through it.
    pub index: usize,
    pub runtime: ProcessRuntime,
}

impl SimStore {
    fn draw(&self, faults: &Table<StoreFault>) -> StoreFault {
        let world = &self.world;
        if world.is_calm() {
            return StoreFault::None;
        }
        let fault = world.weighted(faults);
        if fault != StoreFault::None {
            lock(&world.coverage).store(fault);
            world.trace(|| format!("p{} store fault {fault:?}", self.index));
        }
        fault
    }

    /// Does what the fault does before the call reaches the store.
    async fn before(&self, fault: StoreFault, order: Option<OrderId>) -> Result<(), StoreError> {
        let world = &self.world;
        world.count_call().await;
        match fault {
            StoreFault::Unavailable => {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "simulated: busy",
                ));
            }
            StoreFault::Slow => {
                let long = world.pick(&[
                    Duration::from_millis(400),
                    Duration::from_secs(3),
                    Duration::from_secs(8),
                ]);
                self.runtime.timer(long).await;
            }
            StoreFault::UnknownNotDone => {
                world.take_time(&self.runtime).await;
                return Err(StoreError::new(
                    StoreErrorKind::Unknown,
                    "simulated: connection lost",
                ));
            }
            StoreFault::CrashBefore => self.die().await,
            StoreFault::PauseBefore => world.pause(&self.runtime).await,
            StoreFault::StealBefore => {
                if let Some(order) = order {
                    world.steal(order);
                }
            }
            StoreFault::ClockJump => world.jump(&self.runtime),
            StoreFault::Unreadable => world.damage(order),
            // That is no fault of a call: `setback` sets back.
            StoreFault::None
            | StoreFault::SetBack
            | StoreFault::AnswerLost
            | StoreFault::CrashAfter
            | StoreFault::PauseAfter
            | StoreFault::StealAfter => {}
        }
        world.take_time(&self.runtime).await;
        Ok(())
    }

    /// Does what the fault does before the answer reaches the process.
    async fn after(&self, fault: StoreFault, order: Option<OrderId>) {
        match fault {
            StoreFault::CrashAfter => self.die().await,
            StoreFault::PauseAfter => self.world.pause(&self.runtime).await,
            StoreFault::StealAfter => {
                if let Some(order) = order {
                    self.world.steal(order);
                }
            }
            _ => {}
        }
    }

    async fn die(&self) {
        self.world.crash(self.index);
        std::future::pending::<()>().await;
    }

    /// A read, hit by a fault or not.
    async fn read<R>(
        &self,
        call: impl Future<Output = Result<R, StoreError>>,
    ) -> Result<R, StoreError> {
        let fault = self.draw(&self.world.config.reads);
        self.before(fault, None).await?;
        let answer = call.await;
        self.after(fault, None).await;
        answer
    }
}

/// A change of a work item, for traces.
fn describe(work: &WorkChange, now: Timestamp) -> String {
    let tried = |tries: &Tries| {
        let list: Vec<String> = (tries.0.iter())
            .map(|(op, t)| {
                format!(
                    "{op} failed {} times{}",
                    t.count,
                    if t.clear { ", clear" } else { "" }
                )
            })
            .collect();
        list.join("; ")
    };
    match work {
        WorkChange::Keep => "and keeps the work item".into(),
        WorkChange::Lease { .. } => "and takes a lease".into(),
        WorkChange::Wake { .. } => "and wakes the order".into(),
        WorkChange::Begin { .. } => "and begins on what it took over".into(),
        WorkChange::Extend { tries, .. } => format!("and extends its lease [{}]", tried(tries)),
        WorkChange::Release {
            due: None, tries, ..
        } => format!("and leaves it stuck [{}]", tried(tries)),
        WorkChange::Release {
            due: Some(due),
            tries,
            ..
        } => {
            format!(
                "and releases it until in {:.3} s [{}]",
                due.since(now).as_secs_f64(),
                tried(tries)
            )
        }
        WorkChange::Done { .. } => "and is done".into(),
    }
}

#[async_trait]
impl OrderStore for SimStore {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        let world = &self.world;
        let order = changeset.after.id;
        let since = self.runtime.monotonic();
        let fault = self.draw(&world.config.commits);
        self.before(fault, Some(order)).await?;
        let expected = changeset.expected();
        let rows = expected as usize..expected as usize + changeset.journal.len();
        let lease = match &changeset.work {
            WorkChange::Lease { fence, ttl, .. }
            | WorkChange::Begin { fence, ttl, .. }
            | WorkChange::Extend { fence, ttl, .. } => Some((*fence, since + *ttl)),
            _ => None,
        };
        let wakes = matches!(
            changeset.work,
            WorkChange::Wake { .. } | WorkChange::Release { .. } | WorkChange::Lease { .. }
        );
        let work = world
            .is_traced()
            .then(|| describe(&changeset.work, world.runtime.true_now()));
        let result = world.store.commit(changeset).await;
        world.note(result.is_ok().into());
        match &result {
            Ok(committed) if !committed.replayed => {
                let now = order_core::runtime::Clock::now(&self.runtime);
                lock(&world.oracle).committed(
                    world,
                    self.index,
                    order,
                    rows,
                    lease,
                    now,
                    work.as_deref(),
                );
                world.back_up();
                if wakes {
                    world.work.notify_waiters();
                }
            }
            Ok(_) => world
                .trace(|| format!("p{} commit {} was applied before", self.index, short(order))),
            Err(e) => world.trace(|| {
                format!(
                    "p{} commit {} on version {expected}: {e}",
                    self.index,
                    short(order)
                )
            }),
        }
        self.after(fault, Some(order)).await;
        if fault == StoreFault::AnswerLost && result.is_ok() {
            return Err(
                StoreError::new(StoreErrorKind::Unknown, "simulated: the answer was lost").into(),
            );
        }
        result
    }

    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        self.read(self.world.store.load(order, owner)).await
    }

    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        self.read(self.world.store.peek(order)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        self.read(self.world.store.list(query)).await
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        self.read(self.world.store.journal(query)).await
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        let since = self.runtime.monotonic();
        let fault = self.draw(&self.world.config.leases);
        self.before(fault, None).await?;
        let page = self.world.store.lease(request).await?;
        if fault == StoreFault::AnswerLost {
            // Nobody knows of the leases: they have to run out.
            self.world.trace(|| {
                format!(
                    "p{} is not told of {} leases",
                    self.index,
                    page.leased.len()
                )
            });
            return Err(StoreError::new(
                StoreErrorKind::Unknown,
                "simulated: the answer was lost",
            ));
        }
        for c in &page.leased {
            self.world
                .trace(|| format!("p{} leases {}", self.index, short(c.order.id)));
            lock(&self.world.oracle).leased(
                self.index,
                c.order.id,
                request.fence,
                since + request.ttl,
            );
        }
        self.world.note(page.leased.len() as u64);
        self.after(fault, None).await;
        Ok(page)
    }

    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        self.read(self.world.store.work_summary()).await
    }

    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        self.read(self.world.store.feed(query)).await
    }

    async fn dump(&self, query: &DumpQuery) -> Result<DumpPage, StoreError> {
        self.read(self.world.store.dump(query)).await
    }
}
