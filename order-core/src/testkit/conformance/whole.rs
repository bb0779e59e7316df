//! Clauses 20 to 23: the feed, and taking orders from one store to another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use uuid::Uuid;

use super::StoreFactory;
use super::support::*;
use crate::ids::OrderId;
use crate::order::Order;
use crate::store::{
    Changeset, CommitError, Committed, DumpPage, DumpQuery, Dumped, FeedCursor, FeedPage,
    FeedPlace, FeedQuery, FeedRow, KeyUse, OrderStore, StoreError, StoreErrorKind,
};
use crate::testkit::orders::*;

async fn page<S: OrderStore>(
    store: &S,
    after: Option<FeedCursor>,
    limit: u32,
) -> Result<FeedPage, StoreError> {
    store.feed(&FeedQuery { after, limit }).await
}

/// All rows after `after`, so many at a time, and where the last page ended.
async fn feed<S: OrderStore>(
    store: &S,
    mut after: Option<FeedCursor>,
    limit: u32,
) -> (Vec<FeedRow>, FeedCursor) {
    let mut rows: Vec<FeedRow> = Vec::new();
    loop {
        let found = page(store, after.clone(), limit).await.unwrap();
        assert!(found.rows.len() <= limit as usize);
        if let Some(last) = found.rows.last() {
            assert_eq!(found.next, last.cursor);
        }
        let over = found.rows.len() < limit as usize;
        rows.extend(found.rows);
        if over {
            return (rows, found.next);
        }
        after = Some(found.next);
    }
}

/// Asserts that they are the journals of all these orders, whole, and each in sequence.
async fn are_all_journals<S: OrderStore>(
    store: &S,
    rows: &[FeedRow],
    orders: impl Iterator<Item = u64>,
) {
    let mut by_order = BTreeMap::<OrderId, Vec<_>>::new();
    for row in rows {
        let stored = row.row.clone().expect("it can be read");
        assert_eq!((row.order, row.seq), (stored.order, stored.seq));
        by_order.entry(row.order).or_default().push(stored);
    }
    for n in orders {
        assert_eq!(
            by_order.remove(&order_id(n)).unwrap_or_default(),
            journal(store, order_id(n)).await,
            "order {n}"
        );
        assert!(
            rows.iter()
                .filter(|row| row.order == order_id(n))
                .all(|row| row.number == number(n))
        );
    }
    assert!(by_order.is_empty(), "{by_order:?}");
}

/// Three orders, whose changesets of one to three rows take turns.
async fn interleaved<S: OrderStore>(store: &S) {
    let mut orders: Vec<Arc<Order>> = Vec::new();
    for n in [2, 3, 1] {
        orders.push(applied(store, place_in(plain(n), n)).await);
    }
    for k in [1, 3, 2, 1] {
        for order in &mut orders {
            *order = applied(store, amend_in(order, k, |order| order.round += 1)).await;
        }
    }
}

pub(super) async fn c20_every_row_is_fed_once_and_in_the_order_of_commits<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    interleaved(&store).await;
    let (rows, _) = feed(&store, None, 1000).await;
    assert_eq!(rows.len(), 6 + 3 * 7);
    are_all_journals(&store, &rows, 1..=3).await;
    // Who sees one commit after the other sees them in that order.
    let orders: Vec<OrderId> = rows.iter().map(|row| row.order).collect();
    let turns = [(2, 2), (3, 3), (1, 1)].into_iter().chain(
        [1, 3, 2, 1]
            .into_iter()
            .flat_map(|k| [2, 3, 1].map(|n| (n, k))),
    );
    assert!(
        orders
            .into_iter()
            .eq(turns.flat_map(|(n, k)| std::iter::repeat_n(order_id(n), k)))
    );
}

pub(super) async fn c20_the_feed_goes_on_after_every_row<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    interleaved(&store).await;
    let (all, end) = feed(&store, None, 1000).await;
    for limit in [1, 2, 3, 5, 26, 27, 28] {
        assert_eq!(
            feed(&store, None, limit).await,
            (all.clone(), end.clone()),
            "{limit} rows at a time"
        );
    }
    for (at, row) in all.iter().enumerate() {
        // As a client keeps it.
        let cursor: FeedCursor = row.cursor.to_string().parse().unwrap();
        assert_eq!(cursor, row.cursor);
        assert_eq!(
            feed(&store, Some(cursor), 4).await,
            (all[at + 1..].to_vec(), end.clone())
        );
    }
}

pub(super) async fn c20_an_end_of_the_feed_is_where_later_rows_begin<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let (nothing, start) = feed(&store, None, 10).await;
    assert_eq!(nothing, []);
    let order = applied(&store, place_in(plain(1), 2)).await;
    let (placed, end) = feed(&store, Some(start.clone()), 10).await;
    assert_eq!(placed.len(), 2);
    assert_eq!(
        feed(&store, Some(end.clone()), 10).await,
        (Vec::new(), end.clone())
    );
    applied(&store, amend_in(&order, 3, |_| {})).await;
    let (later, last) = feed(&store, Some(end), 10).await;
    assert!(later.iter().map(|row| row.seq).eq(3..=5));
    assert_eq!(
        feed(&store, Some(start), 10).await,
        ([placed, later].concat(), last)
    );
}

pub(super) async fn c20_only_what_was_applied_with_rows_is_fed<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    let placing = place(plain(1))
        .keyed("key")
        .working(lease(fence(1), 10, at(5)));
    let (order, revision) = commit(&store, placing.clone()).await;
    let before = feed(&store, None, 10).await;
    assert!(store.commit(placing).await.unwrap().replayed);
    let taken = Order {
        user: order.user,
        ..plain(2)
    };
    refused!(
        store.commit(place(taken).keyed("key")).await,
        CommitError::KeyTaken(_)
    );
    let stale = Arc::new(Order {
        version: 7,
        ..Order::clone(&order)
    });
    refused!(
        store.commit(amend(&stale, |_| {})).await,
        CommitError::Conflict
    );
    commit(&store, work(&order, done(fence(1), revision))).await;
    assert_eq!(feed(&store, None, 10).await, before);
    assert_eq!(before.0.len(), 1);
}

pub(super) async fn c20_who_follows_many_writers_misses_nothing<F: StoreFactory>(f: &F) {
    const ORDERS: u64 = 12;
    const CHANGES: u64 = 10;
    const FOLLOWERS: u64 = 3;
    let store = &fresh(f).await;
    let over = &AtomicBool::new(false);
    let write = |n: u64| async move {
        let mut order = applied(store, place_in(plain(n), n % 3 + 1)).await;
        for k in 0..CHANGES {
            order = applied(
                store,
                amend_in(&order, (n + k) % 3 + 1, |order| order.round += 1),
            )
            .await;
        }
    };
    let follow = |limit: u32| async move {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            // Asked before the page is read: what is read after the last commit is all there is.
            let last = over.load(Ordering::SeqCst);
            let found = page(store, after.clone(), limit).await.unwrap();
            after = Some(found.next);
            if found.rows.is_empty() && last {
                return seen;
            }
            seen.extend(found.rows);
        }
    };
    let followed: Vec<Vec<FeedRow>> = std::thread::scope(|scope| {
        let followers: Vec<_> = (1..=FOLLOWERS)
            .map(|n| scope.spawn(move || f.run(follow(n as u32 * 7))))
            .collect();
        at_once((1..=ORDERS).collect(), |n| f.run(write(n)));
        over.store(true, Ordering::SeqCst);
        followers
            .into_iter()
            .map(|follower| follower.join().unwrap())
            .collect()
    });
    let (all, _) = feed(store, None, 1000).await;
    are_all_journals(store, &all, 1..=ORDERS).await;
    let all = by_partition(&all);
    for seen in followed {
        assert_eq!(by_partition(&seen), all);
    }
}

/// The rows given out of each partition, from the beginning of the feed on: each row's place in it,
/// order and number. A row's cursor differs from that before it by its own place alone.
fn by_partition(rows: &[FeedRow]) -> BTreeMap<usize, Vec<(FeedPlace, OrderId, u64)>> {
    let mut partitions = BTreeMap::<usize, Vec<_>>::new();
    let mut before: Option<&FeedCursor> = None;
    for row in rows {
        let start = FeedCursor::start(row.cursor.store(), row.cursor.places().len());
        let was = before.unwrap_or(&start).places();
        let moved = row
            .cursor
            .places()
            .iter()
            .zip(was)
            .enumerate()
            .filter(|(_, (is, was))| is != was);
        let [(partition, (place, _))] = moved.collect::<Vec<_>>()[..] else {
            panic!("{} moves on in one partition", row.cursor)
        };
        partitions
            .entry(partition)
            .or_default()
            .push((*place, row.order, row.seq));
        before = Some(&row.cursor);
    }
    partitions
}

pub(super) async fn c20_a_page_without_room_or_beyond_all_bounds_is_refused<F: StoreFactory>(
    f: &F,
) {
    let store = fresh(f).await;
    for limit in [0, 1001, u32::MAX] {
        refused!(
            page(&store, None, limit).await,
            StoreError {
                kind: StoreErrorKind::InvalidQuery,
                ..
            }
        );
    }
}

pub(super) async fn c21_another_stores_cursor_is_refused<F: StoreFactory>(f: &F) {
    let (ours, theirs) = (fresh(f).await, fresh(f).await);
    for store in [&ours, &theirs] {
        applied(store, place(plain(1))).await;
    }
    let (_, end) = feed(&ours, None, 10).await;
    for cursor in [
        end.clone(),
        FeedCursor::start(end.store(), end.places().len()),
    ] {
        assert!(page(&ours, Some(cursor.clone()), 10).await.is_ok());
        let Err(error) = page(&theirs, Some(cursor.clone()), 10).await else {
            panic!("{cursor} was not refused")
        };
        assert_eq!(error.kind, StoreErrorKind::InvalidQuery);
        assert!(
            error.message.contains("another store") && error.message.contains(&cursor.to_string()),
            "{error}"
        );
    }
    let made_up = FeedCursor::new(Uuid::nil(), end.places().to_vec());
    refused!(
        page(&ours, Some(made_up), 10).await,
        StoreError {
            kind: StoreErrorKind::InvalidQuery,
            ..
        }
    );
}

pub(super) async fn c21_a_cursor_that_was_never_given_out_is_refused<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    applied(&store, place_in(plain(1), 2)).await;
    let (rows, end) = feed(&store, None, 10).await;
    // The partition that has rows; the others are at their beginning.
    let at = end
        .places()
        .iter()
        .position(|place| place.position > 0)
        .expect("there is a row");
    let last = end.places()[at];
    let (position, row, mark) = (last.position, last.row, last.mark);
    let places = [
        FeedPlace {
            position: u64::MAX,
            ..last
        },
        FeedPlace {
            position: i64::MAX as u64,
            ..last
        },
        FeedPlace {
            position: position + 1,
            ..last
        },
        FeedPlace {
            row: row + 1,
            ..last
        },
        FeedPlace { row: 0, ..last },
        FeedPlace {
            position: 0,
            row: 1,
            mark,
        },
        FeedPlace {
            mark: mark ^ 1,
            ..last
        },
        FeedPlace { mark: 0, ..last },
    ];
    let mut cursors: Vec<FeedCursor> = Vec::new();
    for place in places {
        let mut places = end.places().to_vec();
        places[at] = place;
        cursors.push(FeedCursor::new(end.store(), places));
    }
    cursors.push(FeedCursor::new(end.store(), Vec::new()));
    cursors.push(FeedCursor::new(
        end.store(),
        [end.places(), &[last]].concat(),
    ));
    for cursor in cursors {
        assert!(rows.iter().all(|row| row.cursor != cursor));
        refused!(
            page(&store, Some(cursor), 10).await,
            StoreError {
                kind: StoreErrorKind::InvalidQuery,
                ..
            }
        );
    }
}

/// A store that was set back and went on has given the same positions to other changesets.
pub(super) async fn c21_a_cursor_of_another_past_is_refused<F: StoreFactory>(f: &F) {
    let (one, other) = (fresh(f).await, fresh(f).await);
    let mut ends = Vec::new();
    for store in [&one, &other] {
        applied(store, place_in(plain(1), 2)).await;
        ends.push(feed(store, None, 10).await.1);
    }
    let [ours, theirs] = &ends[..] else {
        panic!("two stores")
    };
    let marks = |cursor: &FeedCursor| {
        cursor
            .places()
            .iter()
            .map(|place| place.mark)
            .collect::<Vec<_>>()
    };
    assert_ne!(
        marks(ours),
        marks(theirs),
        "a place says which changeset it is of"
    );
    let of_the_other_past = FeedCursor::new(ours.store(), theirs.places().to_vec());
    assert!(page(&one, Some(ours.clone()), 10).await.is_ok());
    refused!(
        page(&one, Some(of_the_other_past), 10).await,
        StoreError {
            kind: StoreErrorKind::InvalidQuery,
            ..
        }
    );
}

async fn dump<S: OrderStore>(store: &S, after: Option<OrderId>, limit: u32) -> Vec<Dumped> {
    let DumpPage {
        orders,
        unreadable,
        next,
    } = store.dump(&DumpQuery { after, limit }).await.unwrap();
    assert_eq!(unreadable, []);
    assert!(
        next.is_none() || next == orders.last().map(|dumped| dumped.order.id),
        "{next:?}"
    );
    orders
}

pub(super) async fn c22_orders_are_dumped_with_their_journal_and_keys<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    assert_eq!(dump(&store, None, 10).await, []);
    let whole = applied(
        &store,
        place_in(full(2), 3)
            .keyed("b")
            .commanded("command")
            .working(wake(at(1))),
    )
    .await;
    let whole = applied(&store, amend_in(&whole, 2, |order| order.round += 1)).await;
    let sibling = applied(
        &store,
        place(Order {
            user: whole.user,
            ..plain(1)
        })
        .keyed("B"),
    )
    .await;
    let without = applied(&store, place(plain(3))).await;
    let dumped = dump(&store, None, 10).await;
    let expected = [(&sibling, Some("B")), (&whole, Some("b")), (&without, None)];
    assert_eq!(dumped.len(), expected.len());
    for (
        Dumped {
            order,
            journal: rows,
            key,
        },
        (sent, named),
    ) in dumped.iter().zip(expected)
    {
        assert_eq!(order, sent);
        assert!(
            order.addresses == sent.addresses && order.notes == sent.notes,
            "personal data differs"
        );
        assert_eq!(*rows, journal(&store, sent.id).await);
        assert_eq!(*key, named.map(|key| key_record(sent, key)));
    }
}

pub(super) async fn c22_pages_of_a_dump_follow_each_other_by_id<F: StoreFactory>(f: &F) {
    let store = fresh(f).await;
    for n in [4, 1, 5, 3, 2] {
        applied(&store, place(plain(n)).keyed("key")).await;
    }
    for limit in 1..=6 {
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = dump(&store, after, limit).await;
            assert!(page.len() <= limit as usize && page.iter().all(|dumped| dumped.key.is_some()));
            let Some(last) = page.last() else { break };
            after = Some(last.order.id);
            seen.extend(page.iter().map(|dumped| dumped.order.id));
        }
        assert!(seen.into_iter().eq((1..=5).map(order_id)));
    }
    for limit in [0, 1001] {
        let refusal = store.dump(&DumpQuery { after: None, limit }).await;
        refused!(
            refusal,
            StoreError {
                kind: StoreErrorKind::InvalidQuery,
                ..
            }
        );
    }
}

/// As an order is taken into another store.
fn restoring(dumped: &Dumped) -> Changeset {
    let Dumped {
        order,
        journal,
        key,
    } = dumped.clone();
    let changeset = Changeset {
        id: journal[0].changeset,
        before: None,
        journal,
        key,
        ..place(plain(1))
    };
    let changeset = Changeset {
        after: order,
        ..changeset
    };
    changeset
        .after
        .redemptions
        .iter()
        .fold(changeset.clone(), |changeset, redemption| {
            changeset.taking(&redemption.name, redemption.limit)
        })
}

/// An order made by several changesets, and these.
async fn with_a_past<S: OrderStore>(store: &S) -> Vec<Changeset> {
    let mut sent = vec![place_in(full(1), 2).keyed("key").commanded("first")];
    for name in [
        "coupon/SPRING10",
        &format!("coupon/SPRING10/{}", user_id(1)),
    ] {
        let placing = sent.remove(0);
        sent.push(placing.taking(name, 500));
    }
    let mut order = applied(store, sent[0].clone()).await;
    for k in [1, 3, 2] {
        let changeset =
            amend_in(&order, k, |order| order.round += 1).commanded(&format!("command-{k}"));
        sent.push(changeset.clone());
        order = applied(store, changeset).await;
    }
    sent
}

pub(super) async fn c23_what_was_dumped_is_restored_as_it_is<F: StoreFactory>(f: &F) {
    let (from, to) = (fresh(f).await, fresh(f).await);
    with_a_past(&from).await;
    let dumped = dump(&from, None, 10).await;
    let [before] = &dumped[..] else {
        panic!("{dumped:?}")
    };
    assert_eq!(before.order.version, 8);
    let ids: std::collections::BTreeSet<_> =
        before.journal.iter().map(|row| row.changeset).collect();
    assert_eq!(ids.len(), 4, "its rows were written by four changesets");
    commit(&to, restoring(before).working(wake(at(7)))).await;

    assert_eq!(dump(&to, None, 10).await, dumped);
    assert_eq!(seen(&to).await.orders(), [Arc::clone(&before.order)]);
    assert_eq!(item(&to, before.order.id).await.due, Some(at(7)));
    let key = before.key.as_ref().unwrap();
    assert_eq!(
        key_record_of(&to, key.user, &key.key).await.as_ref(),
        Some(key)
    );
    let (rows, _) = feed(&to, None, 3).await;
    are_all_journals(&to, &rows, 1..=1).await;
    // What it holds is held: one more may be taken than there are left, and its commands stay
    // applied.
    refused!(
        to.commit(place(plain(2)).taking("coupon/SPRING10", 1))
            .await,
        CommitError::RedemptionExhausted { .. }
    );
    let repeated = amend(&before.order, |_| {}).commanded("command-3");
    let by = KeyUse {
        seq: 4,
        hash: command_key("command-3").hash,
    };
    refused!(to.commit(repeated).await, CommitError::CommandKeyTaken(used) if used == by);
    // Its life goes on.
    let order = applied(&to, amend_in(&before.order, 2, |order| order.round += 1)).await;
    assert_eq!(load(&to, order.id).await.order.version, 10);
}

pub(super) async fn c23_a_restored_order_recognises_the_changesets_it_was_made_by<
    F: StoreFactory,
>(
    f: &F,
) {
    const REPLAYED: Committed = Committed {
        replayed: true,
        revision: 0,
    };
    let (from, to) = (fresh(f).await, fresh(f).await);
    let sent = with_a_past(&from).await;
    let restore = restoring(&dump(&from, None, 10).await[0]);
    let order = applied(&to, restore.clone()).await;
    let stranger = amend(sent[2].before.as_ref().unwrap(), |_| {});
    for moved in [false, true] {
        if moved {
            applied(&to, amend(&order, |_| {})).await;
        }
        let before = seen(&to).await;
        for changeset in sent.iter().chain([&restore]) {
            assert_eq!(to.commit(changeset.clone()).await.unwrap(), REPLAYED);
        }
        refused!(to.commit(stranger.clone()).await, CommitError::Conflict);
        assert_eq!(seen(&to).await, before);
    }
    // Where the order has been all the time, restoring it changes nothing.
    assert_eq!(from.commit(restore).await.unwrap(), REPLAYED);
}
