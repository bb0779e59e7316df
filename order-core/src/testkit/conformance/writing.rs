//! Clauses 1, 2, 4 and 5: what a changeset writes.

use std::sync::Arc;

use super::StoreFactory;
use super::support::*;
use crate::order::{Notice, NoticeKind, Order};
use crate::store::{Changeset, CommitError, Committed, Lookup, OrderStore, WorkChange};
use crate::testkit::orders::*;

pub(super) async fn c01_an_applied_changeset_is_visible_in_all_its_parts<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let changeset = place_in(full(1), 2)
        .keyed("key")
        .commanded("cmd")
        .taking("coupon", 1)
        .working(lease(fence(1), 10, at(5)));
    let record = changeset.key.clone().unwrap();
    let (order, revision) = commit(&store, changeset).await;
    assert_eq!(load(&store, order.id).await.order, order);
    assert_eq!(
        store
            .load(Lookup::Number(order.number), None)
            .await
            .unwrap()
            .unwrap()
            .order,
        order
    );
    assert_eq!(
        key_record_of(&store, order.user, &record.key).await,
        Some(record)
    );
    assert_eq!(journal(&store, order.id).await.len(), 2);
    let item = item(&store, order.id).await;
    assert_eq!(
        (item.fence, item.due, item.revision),
        (Some(fence(1)), Some(at(5)), revision)
    );
    refused!(
        store.commit(amend(&order, |_| {}).commanded("cmd")).await,
        CommitError::CommandKeyTaken(_)
    );
    refused!(
        store.commit(place(plain(2)).taking("coupon", 1)).await,
        CommitError::RedemptionExhausted { .. }
    );
}

const REPLAYED: Committed = Committed {
    replayed: true,
    revision: 0,
};

pub(super) async fn c02_sending_a_changeset_again_answers_replayed_and_writes_nothing<
    F: StoreFactory,
>(
    f: &F,
) {
    let store = fresh(f).await;
    let placing = place_in(full(1), 3)
        .keyed("key")
        .commanded("cmd")
        .taking("coupon", 1)
        .working(wake(at(5)));
    let order = applied(&store, placing.clone()).await;
    let changing = amend_in(&order, 2, |order| order.round = 7).working(wake(at(3)));
    let before = seen(&store).await;
    assert_eq!(store.commit(placing.clone()).await.unwrap(), REPLAYED);
    assert_eq!(seen(&store).await, before);
    applied(&store, changing.clone()).await;
    let after = seen(&store).await;
    assert_eq!(store.commit(changing).await.unwrap(), REPLAYED);
    assert_eq!(store.commit(placing).await.unwrap(), REPLAYED);
    assert_eq!(seen(&store).await, after);
}

pub(super) async fn c02_a_changeset_is_recognised_however_far_the_version_has_moved<
    F: StoreFactory,
>(
    f: &F,
) {
    let store = fresh(f).await;
    let mut sent = vec![
        place(plain(1))
            .keyed("key")
            .working(lease(fence(1), 10, at(5))),
    ];
    let (mut order, mut revision) = commit(&store, sent[0].clone()).await;
    for k in 1..=20 {
        let changeset = amend_in(&order, k % 3 + 1, |order| order.round += 1).working(extend(
            fence(1),
            revision,
            10,
        ));
        sent.push(changeset.clone());
        (order, revision) = commit(&store, changeset).await;
    }
    commit(&store, work(&order, done(fence(1), revision))).await;
    let before = seen(&store).await;
    for changeset in sent {
        assert_eq!(store.commit(changeset).await.unwrap(), REPLAYED);
    }
    assert_eq!(seen(&store).await, before);
}

pub(super) async fn c02_a_changeset_is_recognised_by_its_order_too<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let first = place(plain(1));
    let mut second = place(plain(2));
    second.id = first.id;
    second.journal[0].changeset = first.id;
    applied(&store, first).await;
    applied(&store, second).await;
}

pub(super) async fn c02_another_changeset_at_the_same_version_is_no_replay<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1))).await;
    let (ours, theirs) = (amend(&order, |_| {}), amend(&order, |_| {}));
    applied(&store, theirs).await;
    refused!(store.commit(ours.clone()).await, CommitError::Conflict);
    refused!(store.commit(ours).await, CommitError::Conflict);
    refused!(store.commit(place(plain(1))).await, CommitError::Conflict);
}

pub(super) async fn c04_the_version_rises_by_the_number_of_rows<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let mut order = applied(&store, place_in(plain(1), 3)).await;
    for (k, version) in [(1, 4), (5, 9), (40, 49), (2, 51)] {
        order = applied(&store, amend_in(&order, k, |_| {})).await;
        assert_eq!(load(&store, order.id).await.order.version, version);
        assert!(
            journal(&store, order.id)
                .await
                .iter()
                .map(|row| row.seq)
                .eq(1..=version)
        );
    }
}

pub(super) async fn c04_another_version_than_expected_is_a_conflict<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let first = applied(&store, place(plain(1))).await;
    let second = applied(&store, amend_in(&first, 2, |_| {})).await;
    let ahead = Arc::new(Order {
        version: 4,
        ..Order::clone(&second)
    });
    let between = Arc::new(Order {
        version: 2,
        ..Order::clone(&second)
    });
    let before = seen(&store).await;
    for stale in [&first, &between, &ahead] {
        refused!(
            store.commit(amend(stale, |_| {})).await,
            CommitError::Conflict
        );
    }
    refused!(store.commit(place(plain(1))).await, CommitError::Conflict);
    let missing = Arc::new(Order {
        version: 1,
        ..plain(2)
    });
    refused!(
        store.commit(amend(&missing, |_| {})).await,
        CommitError::Conflict
    );
    assert_eq!(seen(&store).await, before);
}

/// Tells the customer of everything up to `seq`.
fn told(order: &Arc<Order>, seq: u64, work: WorkChange) -> Changeset {
    let tell = |order: &mut Order| {
        order.notified = seq;
        order.notices.retain(|notice| notice.seq > seq);
    };
    amend_in(order, 0, tell).working(work)
}

pub(super) async fn c05_without_rows_only_work_and_the_notified_number_are_written<
    F: StoreFactory,
>(
    f: &F,
) {
    let store = fresh(f).await;
    let (order, revision) = commit(
        &store,
        place_in(full(1), 2).working(lease(fence(1), 10, at(5))),
    )
    .await;
    let (order, _) = commit(&store, told(&order, 1, extend(fence(1), revision, 20))).await;
    assert_eq!(
        order.notices,
        [Notice {
            seq: 2,
            kind: NoticeKind::Confirmed
        }]
    );
    let loaded = load(&store, order.id).await;
    assert_eq!(loaded.order, order);
    assert_eq!(loaded.work.unwrap().leased_until, Some(at(20)));
    assert_eq!(journal(&store, order.id).await.len(), 2);
}

pub(super) async fn c05_without_rows_the_version_does_not_matter<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (first, _) = commit(&store, place(plain(1)).working(lease(fence(1), 10, at(5)))).await;
    let (second, revision) = commit(&store, amend_in(&first, 3, |order| order.round = 2)).await;
    let (_, revision) = commit(&store, told(&first, 1, extend(fence(1), revision, 10))).await;
    let expected = Order {
        notified: 1,
        ..Order::clone(&second)
    };
    assert_eq!(*load(&store, first.id).await.order, expected);
    commit(&store, work(&first, done(fence(1), revision))).await;
    assert_eq!(*load(&store, first.id).await.order, expected);
}

pub(super) async fn c05_without_rows_the_revision_matters<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (order, revision) = commit(
        &store,
        place_in(full(1), 2).working(lease(fence(1), 10, at(5))),
    )
    .await;
    commit(&store, work(&order, wake(at(1)))).await;
    let before = seen(&store).await;
    // A back-off must not overwrite what the waking made due, nor may the item go.
    refused!(
        store
            .commit(told(&order, 2, release(fence(1), revision, Some(at(900)))))
            .await,
        CommitError::Conflict
    );
    refused!(
        store
            .commit(told(&order, 2, done(fence(1), revision)))
            .await,
        CommitError::Conflict
    );
    assert_eq!(seen(&store).await, before);
    commit(&store, told(&order, 2, done(fence(1), revision + 1))).await;
    // A resend finds what it wrote and changes nothing.
    refused!(
        store
            .commit(told(&order, 2, done(fence(1), revision + 1)))
            .await,
        CommitError::Fenced
    );
}

pub(super) async fn c05_the_notified_number_never_comes_back_from_an_older_read<F: StoreFactory>(
    f: &F,
) {
    let store = fresh(f).await;
    let (old, revision) = commit(
        &store,
        place_in(full(1), 2).working(lease(fence(1), 10, at(5))),
    )
    .await;
    let (told, _) = commit(&store, told(&old, 1, extend(fence(1), revision, 10))).await;
    commit(&store, work(&old, wake(at(1)))).await;
    assert_eq!(load(&store, old.id).await.order, told);
    // The version has not moved since, so a callback that read the order before may still apply.
    commit(
        &store,
        amend(&old, |order| order.round = 9).working(wake(at(1))),
    )
    .await;
    let loaded = load(&store, old.id).await.order;
    assert_eq!((loaded.version, loaded.round, loaded.notified), (3, 9, 1));
    assert_eq!(loaded.notices, told.notices);
}
