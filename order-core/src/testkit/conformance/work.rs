//! Clauses 11 to 13: fences, waking, revisions.

use std::collections::BTreeMap;

use super::StoreFactory;
use super::support::*;
use crate::ids::Fence;
use crate::order::Op;
use crate::store::{CommitError, OrderStore, Tries, Try, WorkChange};
use crate::testkit::orders::*;

/// Each way of using a lease.
fn uses(fence: Fence, revision: u64) -> [WorkChange; 4] {
    [
        begin(fence, revision, 60),
        extend(fence, revision, 60),
        release(fence, revision, Some(at(60))),
        done(fence, revision),
    ]
}

pub(super) async fn c11_only_the_holder_of_the_lease_may_change_the_item<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (leased, revision) =
        commit(&store, place(plain(1)).working(lease(fence(1), 10, at(5)))).await;
    let (free, woken) = commit(&store, place(plain(2)).working(wake(at(5)))).await;
    let before = seen(&store).await;
    for (order, revision) in [(leased, revision), (free, woken)] {
        for change in uses(fence(2), revision) {
            refused!(
                store.commit(work(&order, change.clone())).await,
                CommitError::Fenced
            );
            refused!(
                store.commit(amend(&order, |_| {}).working(change)).await,
                CommitError::Fenced
            );
        }
    }
    assert_eq!(seen(&store).await, before);
}

pub(super) async fn c11_a_revision_other_than_the_one_seen_is_a_conflict<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (order, old) = commit(&store, place(plain(1)).working(lease(fence(1), 10, at(5)))).await;
    let (_, current) = commit(&store, work(&order, wake(at(1)))).await;
    let before = seen(&store).await;
    for wrong in [old, current + 1] {
        for change in uses(fence(1), wrong) {
            refused!(
                store.commit(work(&order, change.clone())).await,
                CommitError::Conflict
            );
            refused!(
                store.commit(amend(&order, |_| {}).working(change)).await,
                CommitError::Conflict
            );
        }
    }
    assert_eq!(seen(&store).await, before);
    applied(
        &store,
        amend(&order, |_| {}).working(done(fence(1), current)),
    )
    .await;
}

pub(super) async fn c11_a_lease_that_ran_out_counts_until_it_is_taken<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (order, revision) =
        commit(&store, place(plain(1)).working(lease(fence(1), 10, at(5)))).await;
    f.set_time(at(1000));
    let (order, revision) = commit(
        &store,
        amend(&order, |_| {}).working(extend(fence(1), revision, 10)),
    )
    .await;
    assert_eq!(item(&store, order.id).await.leased_until, Some(at(1010)));
    f.set_time(at(2000));
    let leased = take(&store, fence(2), 1).await;
    for revision in [revision, leased[0].work.revision] {
        for change in uses(fence(1), revision) {
            refused!(
                store.commit(work(&order, change)).await,
                CommitError::Fenced
            );
        }
    }
    commit(
        &store,
        work(&order, done(fence(2), leased[0].work.revision)),
    )
    .await;
}

pub(super) async fn c11_without_an_item_every_fence_is_stale<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let never = applied(&store, place(plain(1))).await;
    let (gone, revision) =
        commit(&store, place(plain(2)).working(lease(fence(1), 10, at(5)))).await;
    commit(&store, work(&gone, done(fence(1), revision))).await;
    for order in [never, gone] {
        for change in uses(fence(1), revision) {
            refused!(
                store.commit(work(&order, change.clone())).await,
                CommitError::Fenced
            );
            refused!(
                store.commit(amend(&order, |_| {}).working(change)).await,
                CommitError::Fenced
            );
        }
    }
    refused!(
        store
            .commit(place(plain(3)).working(done(fence(1), 0)))
            .await,
        CommitError::Fenced
    );
}

pub(super) async fn c12_waking_creates_the_item<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1))).await;
    assert!(load(&store, order.id).await.work.is_none());
    commit(&store, work(&order, wake(at(30)))).await;
    let woken = item(&store, order.id).await;
    assert_eq!(
        (woken.due, woken.fence, woken.leased_until, woken.runs),
        (Some(at(30)), None, None, 0)
    );
    assert_eq!(woken.tries, Tries::default());
}

pub(super) async fn c12_waking_pulls_the_due_time_forward_and_never_back<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).working(wake(at(30)))).await;
    for (wanted, due) in [(40, 30), (20, 20), (20, 20), (1000, 20), (-5, -5), (0, -5)] {
        commit(&store, work(&order, wake(at(wanted)))).await;
        assert_eq!(item(&store, order.id).await.due, Some(at(due)));
    }
}

fn tries() -> Tries {
    let failed = Try {
        count: 3,
        next_at: at(77),
        error: "timed out".into(),
        clear: true,
        quiet_at: at(80),
        stuck: None,
    };
    let stuck = Try {
        count: 1,
        next_at: at(78),
        error: "refused".into(),
        clear: false,
        quiet_at: at(81),
        stuck: Some("malformed".into()),
    };
    Tries(BTreeMap::from([
        (Op::Reservation(1), failed),
        (Op::Payment(2), stuck),
    ]))
}

pub(super) async fn c12_waking_keeps_the_lease_the_runs_and_the_tries<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).working(wake(at(0)))).await;
    let leased = take(&store, fence(1), 1).await.remove(0).work;
    let (_, revision) = commit(&store, work(&order, begin(fence(1), leased.revision, 5))).await;
    let change = WorkChange::Extend {
        fence: fence(1),
        revision,
        ttl: seconds(60),
        tries: tries(),
    };
    commit(&store, work(&order, change)).await;
    let before = item(&store, order.id).await;
    assert_eq!((before.runs, &before.tries), (1, &tries()));
    let order = applied(&store, amend(&order, |_| {}).working(wake(at(-1)))).await;
    let after = item(&store, order.id).await;
    assert_eq!(after.due, Some(at(-1)));
    assert_eq!(
        (after.fence, after.leased_until, after.runs, after.tries),
        (before.fence, before.leased_until, before.runs, before.tries)
    );
    assert!(take(&store, fence(2), 1).await.is_empty());
}

pub(super) async fn c12_waking_makes_a_stuck_item_due_again<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (order, revision) =
        commit(&store, place(plain(1)).working(lease(fence(1), 10, at(5)))).await;
    let stuck = WorkChange::Release {
        fence: fence(1),
        revision,
        due: None,
        tries: tries(),
    };
    commit(&store, work(&order, stuck)).await;
    commit(&store, work(&order, wake(at(500)))).await;
    let woken = item(&store, order.id).await;
    assert_eq!(
        (woken.due, woken.fence, woken.tries),
        (Some(at(500)), None, tries())
    );
}

pub(super) async fn c13_every_change_raises_the_revision_by_one<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (order, revision) =
        commit(&store, place(plain(1)).working(lease(fence(1), 10, at(0)))).await;
    assert_eq!(revision, 1);
    let (order, revision) = commit(&store, amend(&order, |_| {})).await;
    assert_eq!(revision, 1, "keeping is no change");
    let changes = [
        wake(at(-1)),
        // Changes nothing but the revision: what the holder of the lease read before is out of date
        // all the same.
        wake(at(100)),
        extend(fence(1), 3, 10),
        begin(fence(1), 4, 10),
        release(fence(1), 5, Some(at(0))),
        wake(at(0)),
    ];
    for (expected, change) in (2..).zip(changes) {
        let (_, revision) = commit(&store, work(&order, change)).await;
        assert_eq!(revision, expected);
        assert_eq!(item(&store, order.id).await.revision, expected);
    }
    let leased = take(&store, fence(2), 1).await;
    assert_eq!(leased[0].work.revision, 8);
    assert_eq!(item(&store, order.id).await.revision, 8);
    let (order, revision) = commit(
        &store,
        amend_in(&order, 3, |_| {}).working(done(fence(2), 8)),
    )
    .await;
    assert_eq!(revision, 0, "there is no item");
    assert_eq!(commit(&store, amend(&order, |_| {})).await.1, 0);
}
