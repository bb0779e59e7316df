//! Clauses 14 and 15: who gets which work, and what becomes of it.

use super::StoreFactory;
use super::support::*;
use crate::ids::OrderId;
use crate::store::{LeaseRequest, Leased, OrderStore, WorkSummary};
use crate::testkit::orders::*;
use crate::time::Timestamp;

fn ids(leased: &[Leased]) -> Vec<OrderId> {
    leased.iter().map(|leased| leased.order.id).collect()
}

pub(super) async fn c14_due_items_are_given_soonest_first<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    for (n, due) in [(1, 5), (2, 3), (3, 9), (4, 1), (5, 8), (6, 100), (7, -3)] {
        applied(&store, place(plain(n)).working(wake(at(due)))).await;
    }
    applied(&store, place(plain(8))).await;
    f.set_time(at(10));
    assert!(take(&store, fence(1), 0).await.is_empty());
    assert_eq!(
        ids(&take(&store, fence(1), 3).await),
        [7, 4, 2].map(order_id)
    );
    assert_eq!(
        ids(&take(&store, fence(2), 100).await),
        [1, 5, 3].map(order_id)
    );
    assert!(take(&store, fence(3), 100).await.is_empty());
}

/// One microsecond before.
fn just_before(time: Timestamp) -> Timestamp {
    Timestamp::from_micros(time.as_micros() - 1)
}

pub(super) async fn c14_an_item_is_due_by_the_stores_clock<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    applied(&store, place(plain(1)).working(wake(at(30)))).await;
    for early in [at(-100), at(0), just_before(at(30))] {
        f.set_time(early);
        assert!(take(&store, fence(1), 1).await.is_empty());
    }
    f.set_time(at(30));
    let leased = take(&store, fence(1), 1).await.remove(0).work;
    assert_eq!(
        (leased.due, leased.fence, leased.leased_until),
        (Some(at(30)), Some(fence(1)), Some(at(40)))
    );
}

pub(super) async fn c14_a_lease_runs_out_by_the_stores_clock<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).working(wake(at(0)))).await;
    assert_eq!(
        take(&store, fence(1), 1).await[0].work.leased_until,
        Some(at(10))
    );
    for (holder, now) in [(2, 10), (3, 20)] {
        f.set_time(just_before(at(now)));
        assert!(take(&store, fence(holder), 1).await.is_empty());
        assert!(lease_of(&store, fence(holder), order.id).await.is_none());
        f.set_time(at(now));
        assert_eq!(
            take(&store, fence(holder), 1).await[0].work.leased_until,
            Some(at(now + 10))
        );
    }
}

pub(super) async fn c14_a_taker_is_told_what_the_stores_clock_says<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    applied(&store, place(plain(1)).working(wake(at(0)))).await;
    for (now, limit) in [(at(5), 0), (at(6), 1), (at(7), 1)] {
        f.set_time(now);
        let request = LeaseRequest {
            fence: fence(1),
            ttl: seconds(10),
            limit,
            order: None,
        };
        assert_eq!(store.lease(&request).await.unwrap().now, Some(now));
    }
}

pub(super) async fn c14_an_extended_lease_runs_from_then_on<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).working(wake(at(0)))).await;
    let revision = take(&store, fence(1), 1).await[0].work.revision;
    f.set_time(at(7));
    commit(&store, work(&order, extend(fence(1), revision, 5))).await;
    assert_eq!(item(&store, order.id).await.leased_until, Some(at(12)));
    f.set_time(just_before(at(12)));
    assert!(take(&store, fence(2), 1).await.is_empty());
    f.set_time(at(12));
    assert_eq!(take(&store, fence(2), 1).await.len(), 1);
}

pub(super) async fn c14_one_orders_item_is_given_before_it_is_due<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).working(wake(at(1000)))).await;
    applied(&store, place(plain(2)).working(wake(at(0)))).await;
    let idle = applied(&store, place(plain(3))).await;
    let leased = lease_of(&store, fence(1), order.id).await.unwrap();
    assert_eq!(
        (leased.order, leased.work.due, leased.work.fence),
        (order.clone(), Some(at(1000)), Some(fence(1)))
    );
    assert!(lease_of(&store, fence(2), order.id).await.is_none());
    assert!(lease_of(&store, fence(2), idle.id).await.is_none());
    assert!(lease_of(&store, fence(2), order_id(99)).await.is_none());
    let none = LeaseRequest {
        fence: fence(2),
        ttl: seconds(10),
        limit: 0,
        order: Some(order_id(2)),
    };
    assert!(store.lease(&none).await.unwrap().leased.is_empty());
}

pub(super) async fn c14_runs_are_counted_by_who_begins_and_forgotten_by_who_gives_back<
    F: StoreFactory,
>(
    f: &F,
) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).working(wake(at(0)))).await;
    let mut revision = take(&store, fence(99), 1).await[0].work.revision;
    for run in 1..=3 {
        f.set_time(at(i64::from(run) * 100));
        let leased = take(&store, fence(run.into()), 1).await.remove(0).work;
        assert_eq!(
            (leased.taken_over, leased.runs),
            (true, run - 1),
            "leasing alone counts nothing"
        );
        (_, revision) = commit(
            &store,
            work(&order, begin(fence(run.into()), leased.revision, 7)),
        )
        .await;
        let begun = item(&store, order.id).await;
        assert_eq!(
            (begun.runs, begun.tries, begun.leased_until),
            (run, leased.tries, Some(at(i64::from(run) * 100 + 7)))
        );
        (_, revision) = commit(
            &store,
            work(&order, extend(fence(run.into()), revision, 10)),
        )
        .await;
        assert_eq!(item(&store, order.id).await.runs, run, "going on is no end");
    }
    commit(
        &store,
        work(&order, release(fence(3), revision, Some(at(0)))),
    )
    .await;
    assert_eq!(item(&store, order.id).await.runs, 0);
    let leased = take(&store, fence(4), 1).await.remove(0).work;
    assert_eq!((leased.taken_over, leased.runs), (false, 0));
}

pub(super) async fn c14_a_taker_is_told_whether_the_lease_was_taken_over<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).working(wake(at(0)))).await;
    assert!(
        !take(&store, fence(1), 1).await[0].work.taken_over,
        "nobody had it"
    );
    // However often an answer is not heard of, it says the same, and counts for nothing.
    for n in 2..9 {
        f.set_time(at(n * 100));
        let leased = take(&store, fence(n as u64), 1).await.remove(0).work;
        assert_eq!((leased.taken_over, leased.runs), (true, 0));
        assert_eq!(leased, item(&store, order.id).await);
    }
    let revision = item(&store, order.id).await.revision;
    commit(
        &store,
        work(&order, release(fence(8), revision, Some(at(0)))),
    )
    .await;
    assert!(
        !lease_of(&store, fence(9), order.id)
            .await
            .unwrap()
            .work
            .taken_over,
        "it was given back"
    );
    f.set_time(at(1000));
    assert!(
        lease_of(&store, fence(10), order.id)
            .await
            .unwrap()
            .work
            .taken_over
    );
}

pub(super) async fn c14_the_placers_lease_keeps_others_away<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).working(lease(fence(1), 10, at(15)))).await;
    let leased = item(&store, order.id).await;
    assert_eq!(
        (leased.due, leased.fence, leased.leased_until),
        (Some(at(15)), Some(fence(1)), Some(at(10)))
    );
    assert_eq!(leased.runs, 0, "nothing was leased");
    assert!(lease_of(&store, fence(2), order.id).await.is_none());
    f.set_time(at(12));
    assert!(take(&store, fence(2), 1).await.is_empty());
    f.set_time(at(15));
    assert!(
        take(&store, fence(2), 1).await[0].work.taken_over,
        "the placer never gave it back"
    );
}

pub(super) async fn c14_leased_orders_come_whole<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place_in(full(1), 2).working(wake(at(0)))).await;
    let other = applied(&store, place_in(full(2), 2).working(wake(at(-1)))).await;
    let leased = take(&store, fence(1), 10).await;
    for (leased, order) in leased.into_iter().zip([other, order]) {
        assert_eq!(leased.order, order);
        assert_eq!(leased.work, item(&store, order.id).await);
    }
}

pub(super) async fn c14_many_takers_get_each_item_once<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    for n in 1..=60 {
        applied(&store, place(plain(n)).working(wake(at(-(n as i64))))).await;
    }
    let leased = at_once((1..=8).collect(), |worker| {
        let mut mine = Vec::new();
        // A store that gives an item twice would give it for ever.
        for round in 0..60 {
            let leased = f.run(take(&store, fence(worker * 1000 + round), 3));
            if leased.is_empty() {
                break;
            }
            mine.extend(ids(&leased));
        }
        mine
    });
    let mut leased = leased.concat();
    leased.sort();
    assert_eq!(leased, (1..=60).map(order_id).collect::<Vec<_>>());
}

pub(super) async fn c14_a_taker_is_told_in_how_long_there_is_more<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let next_in = |limit| {
        let request = LeaseRequest {
            fence: fence(9),
            ttl: seconds(10),
            limit,
            order: None,
        };
        let store = &store;
        async move { store.lease(&request).await.unwrap().next_in }
    };
    assert_eq!(next_in(0).await, None);
    let (stuck, revision) =
        commit(&store, place(plain(1)).working(lease(fence(1), 10, at(0)))).await;
    assert_eq!(
        next_in(5).await,
        Some(seconds(10)),
        "when the lease runs out"
    );
    commit(&store, work(&stuck, release(fence(1), revision, None))).await;
    assert_eq!(next_in(5).await, None, "what is stuck does not fall due");
    applied(&store, place(plain(2)).working(wake(at(30)))).await;
    assert_eq!(next_in(0).await, Some(seconds(30)));
    for n in [3, 4] {
        applied(&store, place(plain(n)).working(wake(at(-1)))).await;
    }
    assert_eq!(next_in(0).await, Some(seconds(0)));
    assert_eq!(next_in(1).await, Some(seconds(0)), "one more is there");
    assert_eq!(next_in(1).await, Some(seconds(10)), "both are leased");
    f.set_time(at(4));
    assert_eq!(next_in(1).await, Some(seconds(6)));
    applied(&store, place(plain(5)).working(lease(fence(5), 2, at(100)))).await;
    f.set_time(at(25));
    let (leased, next) = (take(&store, fence(10), 10).await, next_in(0).await);
    assert_eq!(
        (ids(&leased), next),
        (vec![order_id(3), order_id(4)], Some(seconds(5)))
    );
    // Of all, also for who asks for one alone.
    let alone = LeaseRequest {
        fence: fence(9),
        ttl: seconds(100),
        limit: 1,
        order: Some(order_id(2)),
    };
    let one = store.lease(&alone).await.unwrap();
    assert_eq!((one.leased.len(), one.next_in), (1, Some(seconds(10))));
}

pub(super) async fn c14_the_summary_counts_what_there_is<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    assert_eq!(store.work_summary().await.unwrap(), WorkSummary::default());
    applied(&store, place(plain(1)).working(lease(fence(1), 10, at(5)))).await;
    applied(&store, place(plain(2)).working(wake(at(50)))).await;
    applied(&store, place(plain(3)).working(wake(at(40)))).await;
    let (stuck, revision) =
        commit(&store, place(plain(4)).working(lease(fence(2), 30, at(1)))).await;
    applied(&store, place(plain(5))).await;
    let summary = |stuck, next_due: i64, leased_until: Option<i64>| WorkSummary {
        total: 4,
        stuck,
        next_due: Some(at(next_due)),
        leased_until: leased_until.map(at),
    };
    assert_eq!(
        store.work_summary().await.unwrap(),
        summary(0, 40, Some(30))
    );
    commit(&store, work(&stuck, release(fence(2), revision, None))).await;
    assert_eq!(
        store.work_summary().await.unwrap(),
        summary(1, 40, Some(10))
    );
    f.set_time(at(10));
    assert_eq!(store.work_summary().await.unwrap(), summary(1, 5, None));
    lease_of(&store, fence(3), order_id(3)).await.unwrap();
    assert_eq!(store.work_summary().await.unwrap(), summary(1, 5, Some(20)));
}

pub(super) async fn c15_done_removes_the_item<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (order, revision) =
        commit(&store, place(plain(1)).working(lease(fence(1), 10, at(0)))).await;
    let order = applied(
        &store,
        amend(&order, |_| {}).working(done(fence(1), revision)),
    )
    .await;
    assert!(load(&store, order.id).await.work.is_none());
    assert_eq!(store.work_summary().await.unwrap(), WorkSummary::default());
    f.set_time(at(100));
    assert!(take(&store, fence(2), 1).await.is_empty());
    assert!(lease_of(&store, fence(2), order.id).await.is_none());
    // Something turns up later: a new item, with nothing of the old one.
    commit(&store, work(&order, wake(at(90)))).await;
    assert_eq!(item(&store, order.id).await.runs, 0);
    assert_eq!(ids(&take(&store, fence(3), 1).await), [order.id]);
}

pub(super) async fn c15_a_stuck_item_is_never_given_until_woken<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (order, revision) =
        commit(&store, place(plain(1)).working(lease(fence(1), 10, at(0)))).await;
    commit(&store, work(&order, release(fence(1), revision, None))).await;
    let stuck = item(&store, order.id).await;
    assert_eq!(
        (stuck.due, stuck.fence, stuck.leased_until),
        (None, None, None)
    );
    f.set_time(at(1_000_000_000));
    assert!(take(&store, fence(2), 10).await.is_empty());
    assert!(lease_of(&store, fence(2), order.id).await.is_none());
    commit(&store, work(&order, wake(at(0)))).await;
    assert_eq!(ids(&take(&store, fence(2), 10).await), [order.id]);
}
