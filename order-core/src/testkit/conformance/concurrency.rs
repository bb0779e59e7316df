//! Clause 10: many changesets at once.

use std::sync::Arc;

use super::StoreFactory;
use super::support::*;
use crate::order::Order;
use crate::store::{Changeset, CommitError, Committed, ListQuery, OrderStore};
use crate::testkit::orders::*;

fn applied_ones(answers: &[Result<Committed, CommitError>]) -> Vec<usize> {
    let applied = answers
        .iter()
        .enumerate()
        .filter(|(_, answer)| matches!(answer, Ok(committed) if !committed.replayed));
    applied.map(|(i, _)| i).collect()
}

async fn stored<S: OrderStore>(store: &S) -> Vec<Arc<Order>> {
    store
        .list(&ListQuery {
            limit: 1000,
            ..ListQuery::default()
        })
        .await
        .unwrap()
        .orders
}

pub(super) async fn c10_of_many_orders_with_one_key_one_is_made<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let placing = |n| {
        place(Order {
            user: user_id(1),
            ..plain(n)
        })
        .keyed("key")
        .taking(&format!("only/{n}"), 1)
    };
    let answers = commit_at_once(f, &store, (1..=32).map(placing).collect());
    let winners = applied_ones(&answers);
    let [winner] = winners[..] else {
        panic!("{} were applied", winners.len())
    };
    let winner = order_id(winner as u64 + 1);
    for answer in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(
            matches!(answer, CommitError::KeyTaken(record) if record.order == winner),
            "{answer:?}"
        );
    }
    assert_eq!(
        key_record_of(&store, user_id(1), &text("key"))
            .await
            .unwrap()
            .order,
        winner
    );
    let stored = stored(&store).await;
    assert!(stored.len() == 1 && stored[0].id == winner);
}

pub(super) async fn c10_of_many_changesets_at_one_version_one_is_applied<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let mut order = applied(&store, place(plain(1))).await;
    for _ in 0..5 {
        let changesets: Vec<Changeset> = (2..18)
            .map(|attempt| amend(&order, |order| order.round = attempt))
            .collect();
        let afters: Vec<Arc<Order>> = changesets
            .iter()
            .map(|changeset| Arc::clone(&changeset.after))
            .collect();
        let answers = commit_at_once(f, &store, changesets);
        let winners = applied_ones(&answers);
        let [winner] = winners[..] else {
            panic!("{} were applied", winners.len())
        };
        let refused = answers
            .iter()
            .filter(|answer| matches!(answer, Err(CommitError::Conflict)));
        assert_eq!(refused.count(), 15);
        order = load(&store, order.id).await.order;
        assert_eq!(order, afters[winner]);
    }
}

pub(super) async fn c10_of_many_takers_as_many_succeed_as_there_are_uses<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let answers = commit_at_once(
        f,
        &store,
        (1..=100)
            .map(|n| place(plain(n)).taking("coupon", 10))
            .collect(),
    );
    assert_eq!(applied_ones(&answers).len(), 10);
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(CommitError::RedemptionExhausted { .. })));
    assert_eq!(refused.count(), 90);
    assert_eq!(stored(&store).await.len(), 10);
}

pub(super) async fn c10_of_many_orders_with_one_number_one_is_made<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let answers = commit_at_once(
        f,
        &store,
        (1..=16)
            .map(|n| {
                place(Order {
                    number: number(1),
                    ..plain(n)
                })
            })
            .collect(),
    );
    assert_eq!(applied_ones(&answers).len(), 1);
    assert_eq!(
        answers
            .iter()
            .filter(|answer| matches!(answer, Err(CommitError::NumberTaken)))
            .count(),
        15
    );
    assert_eq!(stored(&store).await.len(), 1);
}

pub(super) async fn c10_a_refused_changeset_does_not_touch_those_beside_it<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let mut stale = Vec::new();
    for n in 1..=16 {
        let old = applied(&store, place(plain(n))).await;
        applied(&store, amend(&old, |_| {})).await;
        stale.push(
            amend(&old, |order| order.round = 99)
                .taking("coupon", 100)
                .working(wake(at(1))),
        );
    }
    let before = seen(&store).await;
    let fresh = |n: u64| {
        place_in(full(n), 2)
            .keyed("key")
            .taking("coupon", 16)
            .working(wake(at(n as i64)))
    };
    let mut changesets = Vec::new();
    for (n, stale) in (17..=32).zip(stale) {
        changesets.extend([fresh(n), stale]);
    }
    let sent: Vec<Arc<Order>> = changesets
        .iter()
        .step_by(2)
        .map(|changeset| Arc::clone(&changeset.after))
        .collect();
    let answers = commit_at_once(f, &store, changesets);
    for (fine, stale) in answers
        .iter()
        .step_by(2)
        .zip(answers.iter().skip(1).step_by(2))
    {
        assert!(
            matches!(
                fine,
                Ok(Committed {
                    replayed: false,
                    ..
                })
            ),
            "{fine:?}"
        );
        assert!(matches!(stale, Err(CommitError::Conflict)), "{stale:?}");
    }
    for order in sent {
        let loaded = load(&store, order.id).await;
        assert_eq!(loaded.order, order);
        assert!(loaded.work.is_some());
    }
    for order in stored(&store).await.iter().take(16) {
        assert_eq!(order.version, 2);
    }
    assert_ne!(seen(&store).await, before);
    refused!(
        store.commit(place(plain(40)).taking("coupon", 16)).await,
        CommitError::RedemptionExhausted { .. }
    );
    applied(&store, place(plain(40)).taking("coupon", 17)).await;
}

pub(super) async fn c10_one_changeset_sent_many_times_at_once_is_applied_once<F: StoreFactory>(
    f: &F,
) {
    let store = fresh(f).await;
    let changeset = place_in(full(1), 2)
        .keyed("key")
        .taking("coupon", 1)
        .working(wake(at(1)));
    let answers = commit_at_once(f, &store, vec![changeset; 16]);
    assert_eq!(applied_ones(&answers).len(), 1);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(item(&store, order_id(1)).await.revision, 1);
    assert_eq!(journal(&store, order_id(1)).await.len(), 2);
}
