//! Helpers of all cases.

use std::sync::Arc;
use std::sync::Barrier;
use std::time::Duration;

use super::StoreFactory;
use crate::ids::{Fence, IdempotencyKey, OrderId, UserId};
use crate::order::{JournalRow, Order};
use crate::store::{
    Changeset, CommitError, Committed, JournalQuery, KeyMethod, KeyRecord, LeasePage, LeaseRequest,
    Leased, ListQuery, Loaded, Lookup, OrderStore, Tries, WorkChange, WorkItem, WorkSummary,
};
use crate::testkit::orders::at;
use crate::time::Timestamp;

/// Asserts that an answer is an error that looks like the pattern.
macro_rules! refused {
    ($answer:expr, $pattern:pat $(if $guard:expr)?) => {
        match $answer {
            Err($pattern) $(if $guard)? => {}
            other => panic!("expected {}, got {other:?}", stringify!($pattern $(if $guard)?)),
        }
    };
}
pub(super) use refused;

/// A fresh store, at the time at which samples are placed.
pub(super) async fn fresh<F: StoreFactory>(factory: &F) -> F::Store {
    factory.set_time(at(0));
    factory.fresh().await
}

/// Commits what must apply. Returns the order as it was sent, and the work item's revision.
pub(super) async fn commit<S: OrderStore>(store: &S, changeset: Changeset) -> (Arc<Order>, u64) {
    let after = Arc::clone(&changeset.after);
    match store.commit(changeset).await {
        Ok(Committed {
            replayed: false,
            revision,
        }) => (after, revision),
        other => panic!("expected it to be applied, got {other:?}"),
    }
}

/// Commits what must apply, for its order.
pub(super) async fn applied<S: OrderStore>(store: &S, changeset: Changeset) -> Arc<Order> {
    commit(store, changeset).await.0
}

/// The order with `id`, which must be there.
pub(super) async fn load<S: OrderStore>(store: &S, id: OrderId) -> Loaded {
    store
        .load(id.into(), None)
        .await
        .unwrap()
        .unwrap_or_else(|| panic!("{id:?} is not there"))
}

/// The work item of the order with `id`, which must be there.
pub(super) async fn item<S: OrderStore>(store: &S, id: OrderId) -> WorkItem {
    load(store, id)
        .await
        .work
        .unwrap_or_else(|| panic!("{id:?} has no work item"))
}

/// The whole journal of an order.
pub(super) async fn journal<S: OrderStore>(store: &S, order: OrderId) -> Vec<JournalRow> {
    store
        .journal(&JournalQuery::of(order, 0, 1000))
        .await
        .unwrap()
}

/// Commits a changeset and asserts that order and journal read back as they were sent.
pub(super) async fn round_trips<S: OrderStore>(store: &S, changeset: Changeset) -> Arc<Order> {
    let rows = changeset.journal.clone();
    let first = changeset.expected();
    let order = applied(store, changeset).await;
    let loaded = load(store, order.id).await.order;
    assert_eq!(loaded, order);
    // Debug output, and so the message of a failed assertion, hides personal data: compare where it
    // shows.
    assert!(
        loaded.addresses == order.addresses && loaded.notes == order.notes,
        "personal data differs"
    );
    assert!(loaded.metadata == order.metadata, "metadata differs");
    assert!(
        loaded
            .edits
            .iter()
            .map(|e| &e.address)
            .eq(order.edits.iter().map(|e| &e.address)),
        "an edit's address differs"
    );
    let stored = store
        .journal(&JournalQuery::of(order.id, first, 1000))
        .await
        .unwrap();
    for (stored, sent) in stored.iter().zip(&rows).skip(usize::from(first == 0)) {
        assert_eq!(stored, sent);
    }
    assert_eq!(stored.len(), rows.len());
    order
}

/// All that can be seen of a store's orders.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    orders: Vec<Arc<Order>>,
    items: Vec<Option<WorkItem>>,
    journals: Vec<Vec<JournalRow>>,
    work: WorkSummary,
}

impl Seen {
    pub(super) fn orders(&self) -> &[Arc<Order>] {
        &self.orders
    }
}

pub(super) async fn seen<S: OrderStore>(store: &S) -> Seen {
    let page = store
        .list(&ListQuery {
            limit: 1000,
            ..ListQuery::default()
        })
        .await
        .unwrap();
    assert_eq!(page.next, None);
    let mut seen = Seen {
        orders: page.orders,
        items: Vec::new(),
        journals: Vec::new(),
        work: store.work_summary().await.unwrap(),
    };
    for order in &seen.orders {
        seen.items.push(load(store, order.id).await.work);
        seen.journals.push(journal(store, order.id).await);
    }
    seen
}

/// Commits all of them at once, each on a thread of its own.
pub(super) fn commit_at_once<F: StoreFactory>(
    factory: &F,
    store: &F::Store,
    changesets: Vec<Changeset>,
) -> Vec<Result<Committed, CommitError>> {
    at_once(changesets, |changeset| factory.run(store.commit(changeset)))
}

/// Does all jobs at once, each on a thread of its own, and returns what they return in their order.
pub(super) fn at_once<J: Send, R: Send>(jobs: Vec<J>, work: impl Fn(J) -> R + Sync) -> Vec<R> {
    let start = Barrier::new(jobs.len());
    let (start, work) = (&start, &work);
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for job in jobs {
            threads.push(scope.spawn(move || {
                start.wait();
                work(job)
            }));
        }
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

pub(super) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn lease(fence: Fence, ttl: u64, due: Timestamp) -> WorkChange {
    WorkChange::Lease {
        fence,
        ttl: seconds(ttl),
        due,
    }
}

pub(super) fn wake(due: Timestamp) -> WorkChange {
    WorkChange::Wake { due }
}

pub(super) fn begin(fence: Fence, revision: u64, ttl: u64) -> WorkChange {
    WorkChange::Begin {
        fence,
        revision,
        ttl: seconds(ttl),
    }
}

pub(super) fn extend(fence: Fence, revision: u64, ttl: u64) -> WorkChange {
    WorkChange::Extend {
        fence,
        revision,
        ttl: seconds(ttl),
        tries: Tries::default(),
    }
}

pub(super) fn release(fence: Fence, revision: u64, due: Option<Timestamp>) -> WorkChange {
    WorkChange::Release {
        fence,
        revision,
        due,
        tries: Tries::default(),
    }
}

pub(super) fn done(fence: Fence, revision: u64) -> WorkChange {
    WorkChange::Done { fence, revision }
}

/// Leases up to `limit` due items for ten seconds.
pub(super) async fn take<S: OrderStore>(store: &S, fence: Fence, limit: u32) -> Vec<Leased> {
    lease_page(
        store,
        LeaseRequest {
            fence,
            ttl: seconds(10),
            limit,
            order: None,
        },
    )
    .await
}

/// Leases one order's item for ten seconds.
pub(super) async fn lease_of<S: OrderStore>(
    store: &S,
    fence: Fence,
    order: OrderId,
) -> Option<Leased> {
    let leased = lease_page(
        store,
        LeaseRequest {
            fence,
            ttl: seconds(10),
            limit: 1,
            order: Some(order),
        },
    )
    .await;
    assert!(leased.len() <= 1);
    leased.into_iter().next()
}

async fn lease_page<S: OrderStore>(store: &S, request: LeaseRequest) -> Vec<Leased> {
    let LeasePage {
        leased,
        unreadable,
        next_in: _,
        now: _,
    } = store.lease(&request).await.unwrap();
    assert_eq!(unreadable, []);
    leased
}

/// The record of a key to place with.
pub(super) async fn key_record_of<S: OrderStore>(
    store: &S,
    user: UserId,
    key: &IdempotencyKey,
) -> Option<KeyRecord> {
    let lookup = Lookup::Key {
        user,
        method: KeyMethod::Place,
        key: key.clone(),
    };
    store
        .load(lookup, None)
        .await
        .unwrap()
        .and_then(|loaded| loaded.key)
}
