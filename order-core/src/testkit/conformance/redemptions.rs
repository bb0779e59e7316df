//! Clause 8: limited things.

use super::StoreFactory;
use super::support::*;
use crate::store::{CommitError, OrderStore};
use crate::testkit::orders::*;

/// Reports whether a new order gets a use of `name`, which it then keeps.
async fn taken<S: OrderStore>(store: &S, n: u64, name: &str, limit: u32) -> bool {
    match store.commit(place(plain(n)).taking(name, limit)).await {
        Ok(_) => true,
        Err(CommitError::RedemptionExhausted { name: exhausted }) if exhausted == name => false,
        other => panic!("expected a use or none, got {other:?}"),
    }
}

pub(super) async fn c08_a_redemption_is_refused_once_all_uses_are_taken<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    for n in 1..=6 {
        assert_eq!(taken(&store, n, "coupon/3", 3).await, n <= 3, "{n}");
    }
    assert!(!taken(&store, 7, "coupon/0", 0).await);
}

pub(super) async fn c08_a_redemption_given_back_is_free_again<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).taking("coupon", 1)).await;
    assert!(!taken(&store, 2, "coupon", 1).await);
    let order = applied(&store, amend(&order, |_| {}).giving_back("coupon")).await;
    assert!(taken(&store, 3, "coupon", 1).await);
    refused!(
        store
            .commit(amend(&order, |_| {}).taking("coupon", 1))
            .await,
        CommitError::RedemptionExhausted { .. }
    );
}

pub(super) async fn c08_an_order_holds_a_redemption_once_however_often_it_takes_it<
    F: StoreFactory,
>(
    f: &F,
) {
    let store = fresh(f).await;
    let order = applied(
        &store,
        place(plain(1)).taking("coupon", 2).taking("coupon", 2),
    )
    .await;
    let order = applied(&store, amend(&order, |_| {}).taking("coupon", 2)).await;
    assert!(taken(&store, 2, "coupon", 2).await);
    assert!(!taken(&store, 3, "coupon", 2).await);
    // What it has, it may take again, though all uses are taken.
    let order = applied(&store, amend(&order, |_| {}).taking("coupon", 2)).await;
    applied(&store, amend(&order, |_| {}).giving_back("coupon")).await;
    assert!(taken(&store, 4, "coupon", 2).await);
    assert!(!taken(&store, 5, "coupon", 2).await);
}

pub(super) async fn c08_giving_back_what_is_not_held_frees_nothing<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let holder = applied(&store, place(plain(1)).taking("coupon", 1)).await;
    let other = applied(&store, place(plain(2)).giving_back("coupon")).await;
    applied(
        &store,
        amend(&other, |_| {})
            .giving_back("coupon")
            .giving_back("unheard of"),
    )
    .await;
    assert!(!taken(&store, 3, "coupon", 1).await);
    let holder = applied(&store, amend(&holder, |_| {}).giving_back("coupon")).await;
    applied(&store, amend(&holder, |_| {}).giving_back("coupon")).await;
    assert!(taken(&store, 4, "coupon", 1).await);
    assert!(!taken(&store, 5, "coupon", 1).await);
}

pub(super) async fn c08_redemptions_are_counted_by_name_and_held_against_the_takers_limit<
    F: StoreFactory,
>(
    f: &F,
) {
    let store = fresh(f).await;
    for (n, name) in (1..).zip([
        "coupon",
        "Coupon",
        "coupon/user",
        "'; DROP TABLE redemptions;--",
        "🎟️",
    ]) {
        assert!(taken(&store, n, name, 1).await, "{name}");
        assert!(!taken(&store, n + 10, name, 1).await, "{name}");
    }
    assert!(taken(&store, 21, "coupon", 2).await);
    assert!(!taken(&store, 22, "coupon", 1).await);
    assert!(taken(&store, 23, "coupon", u32::MAX).await);
    // Changing one's mind within a changeset: the last change counts, and uses freed by an earlier
    // one are free.
    let order = applied(
        &store,
        place(plain(31)).taking("rest", 1).giving_back("rest"),
    )
    .await;
    assert!(taken(&store, 32, "rest", 1).await);
    refused!(
        store
            .commit(amend(&order, |_| {}).giving_back("rest").taking("rest", 1))
            .await,
        CommitError::RedemptionExhausted { .. }
    );
}

pub(super) async fn c08_redemptions_of_one_changeset_are_taken_all_or_none<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).taking("a", 1).taking("b", 1)).await;
    let other = applied(&store, place(plain(2)).taking("c", 1)).await;
    let mixed = amend(&other, |_| {})
        .taking("d", 1)
        .giving_back("c")
        .taking("b", 1);
    refused!(store.commit(mixed).await, CommitError::RedemptionExhausted { name } if name == "b");
    assert!(!taken(&store, 3, "c", 1).await);
    assert!(taken(&store, 4, "d", 1).await);
    applied(
        &store,
        amend(&order, |_| {})
            .giving_back("a")
            .giving_back("b")
            .taking("e", 1),
    )
    .await;
    assert!(taken(&store, 5, "a", 1).await);
    assert!(taken(&store, 6, "b", 1).await);
    assert!(!taken(&store, 7, "e", 1).await);
}
