//! Between this process's clock and the store's, which judges when work is due and is the same for
//! all nodes.
//!
//! A node plans by its own clock. When work is due, and from when on a service is at rest, is kept
//! in the store and read by other nodes, whose clocks may be minutes apart from it: so those times
//! are kept as the store's clock has them. By how much that is ahead shows when leases are asked
//! for, which every worker does again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::OrderManager;
use crate::ids::UserId;
use crate::services::Clients;
use crate::store::{
    LeasePage, LeaseRequest, Loaded, Lookup, OrderStore, StoreError, Tries, WorkChange, WorkItem,
    WorkSummary,
};
use crate::time::Timestamp;

/// Bounds of how far the store's clock is ahead of this process's: at least and at most so many
/// microseconds.
#[derive(Debug, Default)]
pub(super) struct StoreTime {
    ahead: Mutex<Option<(i64, i64)>>,
    /// True if leases have been asked for.
    asked: AtomicBool,
}

impl StoreTime {
    /// Takes in that the store's clock was at `there` at some moment between `before` and `after`
    /// of this process's.
    fn note(&self, before: Timestamp, there: Timestamp, after: Timestamp) {
        let ahead_of = |ours: Timestamp| there.as_micros().saturating_sub(ours.as_micros());
        let seen = (ahead_of(after), ahead_of(before));
        let mut known = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let both = known
            .map(|(least, most)| (least.max(seen.0), most.min(seen.1)))
            .filter(|(least, most)| least <= most);
        // What contradicts what was known says that one of the clocks was set.
        *known = Some(both.unwrap_or(seen));
    }

    /// By how much at the least and at the most; not at all where nothing shows that the clocks
    /// differ.
    fn ahead(&self) -> (i64, i64) {
        let known = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .filter(|(least, most)| *least > 0 || *most < 0)
            .unwrap_or_default()
    }

    /// A time of this process's clock as the store's has it; later rather than earlier where that
    /// is not known exactly.
    pub(super) fn of_store(&self, ours: Timestamp) -> Timestamp {
        moved(ours, self.ahead().1)
    }

    /// A time of the store's clock as this process's has it; later rather than earlier where that
    /// is not known exactly.
    fn of_ours(&self, theirs: Timestamp) -> Timestamp {
        moved(theirs, self.ahead().0.saturating_neg())
    }

    /// A time of this process's clock as it comes back from the store.
    pub(super) fn there_and_back(&self, ours: Timestamp) -> Timestamp {
        self.of_ours(self.of_store(ours))
    }
}

fn moved(time: Timestamp, by: i64) -> Timestamp {
    // The earliest time stands for "at any time".
    if time == Timestamp::MIN {
        time
    } else {
        Timestamp::from_micros(time.as_micros().saturating_add(by))
    }
}

fn each(tries: &mut Tries, change: impl Fn(Timestamp) -> Timestamp) {
    for tried in tries.0.values_mut() {
        (tried.next_at, tried.quiet_at) = (change(tried.next_at), change(tried.quiet_at));
    }
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Takes leases, and learns the store's time by it. The manager's only way to
    /// [`OrderStore::lease`].
    pub(super) async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        self.inner.store_time.asked.store(true, Ordering::Relaxed);
        let (before, asked) = (self.now(), self.inner.runtime.monotonic());
        let mut page = self.inner.store.lease(request).await?;
        if let Some(there) = page.now {
            let took = self.inner.runtime.monotonic().saturating_sub(asked);
            self.inner
                .store_time
                .note(before, there, before.after(took));
        }
        page.leased
            .iter_mut()
            .for_each(|leased| self.to_our_time(&mut leased.work));
        Ok(page)
    }

    /// Asks for the store's time, if nobody has asked for leases yet. Where it cannot be had, the
    /// clocks are taken to agree.
    pub(super) async fn learn_store_time(&self) {
        if !self.inner.store_time.asked.load(Ordering::Relaxed) {
            let fence = self.inner.ids.fence(self.now());
            let _ = self
                .lease(&LeaseRequest {
                    fence,
                    ttl: self.inner.policy.lease,
                    limit: 0,
                    order: None,
                })
                .await;
        }
    }

    /// Returns how much work there is, with times of this process's clock.
    pub(super) async fn summary(&self) -> Result<WorkSummary, StoreError> {
        self.learn_store_time().await;
        let summary = self.inner.store.work_summary().await?;
        let ours = |time: Option<Timestamp>| time.map(|time| self.inner.store_time.of_ours(time));
        Ok(WorkSummary {
            next_due: ours(summary.next_due),
            leased_until: ours(summary.leased_until),
            ..summary
        })
    }

    /// Loads an order with its work item, whose times are then of this process's clock. The
    /// manager's only way to [`OrderStore::load`].
    pub(super) async fn load_any(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        let mut loaded = self.inner.store.load(order, owner).await?;
        if let Some(Loaded {
            work: Some(work), ..
        }) = &mut loaded
        {
            self.to_our_time(work);
        }
        Ok(loaded)
    }

    fn to_our_time(&self, work: &mut WorkItem) {
        let ours = |time| self.inner.store_time.of_ours(time);
        work.due = work.due.map(ours);
        work.leased_until = work.leased_until.map(ours);
        each(&mut work.tries, ours);
    }

    /// The change of a work item in the store's time.
    pub(super) fn to_store_time(&self, work: WorkChange) -> WorkChange {
        let theirs = |time| self.inner.store_time.of_store(time);
        match work {
            WorkChange::Lease { fence, ttl, due } => WorkChange::Lease {
                fence,
                ttl,
                due: theirs(due),
            },
            WorkChange::Wake { due } => WorkChange::Wake { due: theirs(due) },
            WorkChange::Extend {
                fence,
                revision,
                ttl,
                mut tries,
            } => {
                each(&mut tries, theirs);
                WorkChange::Extend {
                    fence,
                    revision,
                    ttl,
                    tries,
                }
            }
            WorkChange::Release {
                fence,
                revision,
                due,
                mut tries,
            } => {
                each(&mut tries, theirs);
                WorkChange::Release {
                    fence,
                    revision,
                    due: due.map(theirs),
                    tries,
                }
            }
            work @ (WorkChange::Keep | WorkChange::Begin { .. } | WorkChange::Done { .. }) => work,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_772_359_200_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn clocks_that_may_agree_are_taken_to_agree() {
        let time = StoreTime::default();
        assert_eq!((time.of_store(at(5)), time.of_ours(at(5))), (at(5), at(5)));
        time.note(at(0), at(1), at(2));
        assert_eq!((time.of_store(at(5)), time.of_ours(at(5))), (at(5), at(5)));
    }

    #[test]
    fn times_between_clocks_that_differ_are_never_too_early_and_get_exact() {
        let time = StoreTime::default();
        time.note(at(0), at(600), at(2));
        assert_eq!(time.of_store(at(10)), at(610), "it may be 600 s ahead");
        assert_eq!(time.of_ours(at(610)), at(12), "or 598 s only");
        time.note(at(20), at(619), at(20));
        assert_eq!(
            (time.of_store(at(30)), time.of_ours(at(629))),
            (at(629), at(30))
        );
        // Set right, or wrong the other way.
        time.note(at(40), at(40), at(41));
        assert_eq!(
            (time.of_store(at(50)), time.of_ours(at(50))),
            (at(50), at(50))
        );
        time.note(at(60), at(0), at(60));
        assert_eq!(
            (time.of_store(at(70)), time.of_ours(at(10))),
            (at(10), at(70))
        );
    }

    #[test]
    fn what_may_be_at_any_time_stays_so() {
        let (time, any) = (StoreTime::default(), Timestamp::MIN);
        time.note(at(0), at(600), at(0));
        assert_eq!((time.of_store(any), time.of_ours(any)), (any, any));
    }
}
