//! Clauses 6, 7 and 9: what is unique.

use super::StoreFactory;
use super::support::*;
use crate::order::{CommandKey, Lifecycle, Order};
use crate::store::{CommitError, KeyUse, Lookup, OrderStore};
use crate::testkit::orders::*;

pub(super) async fn c06_a_taken_idempotency_key_answers_with_its_record<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let mut placing = place(plain(1)).keyed("key");
    placing.key.as_mut().unwrap().request_hash = uuid::Uuid::from_u128(u128::MAX);
    let record = placing.key.clone().unwrap();
    let order = applied(&store, placing).await;
    let again = Order {
        user: order.user,
        ..plain(2)
    };
    refused!(store.commit(place(again).keyed("key")).await, CommitError::KeyTaken(taken) if *taken == record);
    assert_eq!(
        key_record_of(&store, order.user, &record.key).await,
        Some(record)
    );
}

pub(super) async fn c06_idempotency_keys_are_told_apart_by_user_and_to_the_letter<
    F: StoreFactory,
>(
    f: &F,
) {
    let store = fresh(f).await;
    let keys = [
        "key",
        "KEY",
        "Key",
        "key.",
        "k",
        "'",
        "\"--",
        "%",
        "_",
        &"k".repeat(255),
        &"k".repeat(254),
    ];
    let mut n = 0;
    for user in [1, 2] {
        for key in keys {
            n += 1;
            applied(
                &store,
                place(Order {
                    user: user_id(user),
                    ..plain(n)
                })
                .keyed(key),
            )
            .await;
            let found = key_record_of(&store, user_id(user), &text(key))
                .await
                .unwrap();
            assert_eq!(
                (found.order, found.key.as_str(), found.user),
                (order_id(n), key, user_id(user))
            );
        }
    }
    assert_eq!(key_record_of(&store, user_id(3), &text("key")).await, None);
    assert_eq!(key_record_of(&store, user_id(1), &text("kEy")).await, None);
}

pub(super) async fn c06_idempotency_keys_outlive_everything<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (order, revision) = commit(
        &store,
        place(plain(1))
            .keyed("key")
            .working(lease(fence(1), 10, at(5))),
    )
    .await;
    let dies = |order: &mut Order| {
        order.lifecycle = Lifecycle::Cancelled;
        order.cancelled_at = Some(at(1));
        order.statuses = crate::order::derive(order);
    };
    let order = applied(
        &store,
        amend(&order, dies).working(done(fence(1), revision)),
    )
    .await;
    f.set_time(at(100_000_000));
    let again = place(Order {
        user: order.user,
        ..plain(2)
    })
    .keyed("key");
    refused!(store.commit(again).await, CommitError::KeyTaken(record) if record.order == order.id);
}

pub(super) async fn c07_command_keys_are_unique_within_an_order<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let long = "c".repeat(255);
    let order = applied(&store, place(plain(1)).commanded("place")).await;
    let order = applied(&store, amend(&order, |_| {}).commanded(&long)).await;
    let order = applied(&store, amend(&order, |_| {})).await;
    for (taken, seq) in [("place", 1), (&*long, 2)] {
        let by = KeyUse {
            seq,
            hash: command_key(taken).hash,
        };
        refused!(store.commit(amend(&order, |_| {}).commanded(taken)).await, CommitError::CommandKeyTaken(used) if used == by);
        let mut later = amend_in(&order, 3, |_| {});
        later.journal[2].command_key = Some(CommandKey {
            hash: uuid::Uuid::nil(),
            ..command_key(taken)
        });
        refused!(store.commit(later).await, CommitError::CommandKeyTaken(used) if used == by);
    }
    let mut twice = amend_in(&order, 2, |_| {}).commanded("new");
    twice.journal[1].command_key = Some(CommandKey {
        hash: uuid::Uuid::nil(),
        ..command_key("new")
    });
    let by = KeyUse {
        seq: 4,
        hash: command_key("new").hash,
    };
    refused!(store.commit(twice).await, CommitError::CommandKeyTaken(used) if used == by);
    let order = applied(&store, amend(&order, |_| {}).commanded("new")).await;
    applied(&store, amend(&order, |_| {}).commanded("NEW")).await;
}

pub(super) async fn c07_the_first_key_that_is_taken_is_the_one_told_of<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1)).commanded("place")).await;
    let order = applied(&store, amend_in(&order, 2, |_| {}).commanded("two")).await;
    let mut many = amend_in(&order, 5, |_| {}).commanded("new");
    for (row, key) in many.journal[1..]
        .iter_mut()
        .zip(["two", "new", "place", "other"])
    {
        row.command_key = Some(command_key(key));
    }
    let by = KeyUse {
        seq: 2,
        hash: command_key("two").hash,
    };
    refused!(store.commit(many).await, CommitError::CommandKeyTaken(used) if used == by);
}

pub(super) async fn c07_command_keys_of_other_orders_are_free<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    applied(
        &store,
        place(plain(1)).commanded("command").keyed("command"),
    )
    .await;
    applied(&store, place(plain(2)).commanded("command")).await;
}

pub(super) async fn c09_order_numbers_are_unique<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let order = applied(&store, place(plain(1))).await;
    let same = || Order {
        number: order.number,
        ..plain(2)
    };
    refused!(
        store
            .commit(place(same()).keyed("key").taking("coupon", 1))
            .await,
        CommitError::NumberTaken
    );
    // Another number is drawn, and all the rest is as it was.
    applied(&store, place(plain(2)).keyed("key").taking("coupon", 1)).await;
    refused!(
        store
            .commit(place(Order {
                id: order_id(3),
                ..same()
            }))
            .await,
        CommitError::NumberTaken
    );
}

pub(super) async fn c09_order_numbers_never_change<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let placed = applied(&store, place(plain(1))).await;
    let mut order = placed.clone();
    for _ in 0..3 {
        order = applied(&store, amend(&order, |order| order.round += 1)).await;
        let found = store
            .load(Lookup::Number(placed.number), None)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.order, order);
    }
}
