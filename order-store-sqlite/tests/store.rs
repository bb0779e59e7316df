//! What is particular to this store; what every store must do is the conformance suite's.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use order_core::order::{Actor, Claim, Notice, NoticeKind, Op, Order, Status};
use order_core::store::{
    Changeset, ClaimChange, ClaimRequest, CommitError, JournalQuery, ListQuery, OrderRef, OrderStore, SortKey, StoreErrorKind,
    Tries, Try, WorkChange,
};
use order_core::text::Private;
use order_store_sqlite::{SqliteOptions, SqliteStore};

const TTL: Duration = Duration::from_secs(10);

fn taking(mut changeset: Changeset, name: &str, limit: u32) -> Changeset {
    changeset.claims.push(ClaimChange { claim: Claim { name: name.into(), limit }, take: true });
    changeset
}

#[tokio::test]
async fn every_field_comes_back_from_file_and_memory() {
    let file = TempFile::new();
    for path in [file.0.as_path(), ":memory:".as_ref()] {
        let store = open(path);
        for order in [plain(1), full(2)] {
            let placed = place(&store, order).await;
            assert_eq!(*load(&store, placed.id).await.0, *placed);
            let by_number = store.load(OrderRef::Number(placed.number), Some(placed.user)).await.unwrap().unwrap();
            assert_eq!(by_number.order, placed);
            assert!(store.load(placed.id.into(), Some(user(99))).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn every_change_of_a_record_is_stored_and_others_are_left_alone() {
    let store = open(":memory:");
    let start = place(&store, plain(1)).await;
    let grown = changeset(Some(&start), full(1));
    let big = Arc::clone(&grown.after);
    store.commit(grown).await.unwrap();
    assert_eq!(load(&store, big.id).await.0, big);
    let mut fewer = Order::clone(&big);
    fewer.lines.truncate(1);
    fewer.reservations.truncate(1);
    fewer.payments[0].token = Private(None);
    fewer.payments.truncate(2);
    fewer.addresses = Private(None);
    fewer.attention.clear();
    let shrunk = changeset(Some(&big), fewer);
    let small = Arc::clone(&shrunk.after);
    store.commit(shrunk).await.unwrap();
    assert_eq!(load(&store, small.id).await.0, small);
}

#[tokio::test]
async fn the_journal_comes_in_sequence() {
    let store = open(":memory:");
    let mut order = place(&store, plain(1)).await;
    for n in 0..3 {
        let mut next = changeset(Some(&order), Order::clone(&order));
        next.journal[0].actor = Actor::Operator(format!("eve {n}"));
        next.journal[0].command_key = Some(text(&format!("key-{n}")));
        let row = next.journal[0].clone();
        order = Arc::clone(&next.after);
        store.commit(next).await.unwrap();
        let rows = store.journal(&JournalQuery { order: order.id, after: row.seq - 1, limit: 10 }).await.unwrap();
        assert_eq!(rows, [row]);
    }
    let rows = store.journal(&JournalQuery { order: order.id, after: 1, limit: 2 }).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn a_changeset_applies_once_and_a_stale_one_conflicts() {
    let store = open(":memory:");
    let placing = Changeset { key: Some(key(&plain(1), "k")), ..changeset(None, plain(1)) };
    assert!(!store.commit(placing.clone()).await.unwrap().replayed);
    let order = Arc::clone(&placing.after);
    let next = changeset(Some(&order), Order::clone(&order));
    assert!(!store.commit(next.clone()).await.unwrap().replayed);
    for again in [placing, next] {
        assert!(store.commit(again).await.unwrap().replayed);
    }
    assert!(matches!(store.commit(changeset(Some(&order), Order::clone(&order))).await, Err(CommitError::Conflict)));
    assert!(matches!(store.commit(changeset(None, plain(1))).await, Err(CommitError::Conflict)));
    let same_number = Order { number: order.number, ..plain(2) };
    assert!(matches!(store.commit(changeset(None, same_number)).await, Err(CommitError::NumberTaken)));
}

#[tokio::test]
async fn keys_and_command_keys_are_taken_once() {
    let store = open(":memory:");
    let record = key(&plain(1), "k");
    store.commit(Changeset { key: Some(record.clone()), ..changeset(None, plain(1)) }).await.unwrap();
    let second = Order { user: record.user, ..plain(2) };
    let refused = store.commit(Changeset { key: Some(key(&second, "k")), ..changeset(None, second) }).await;
    assert!(matches!(refused, Err(CommitError::KeyTaken(taken)) if *taken == record));
    assert_eq!(store.find_key(record.user, record.method, &record.key).await.unwrap(), Some(record));
    let order = load(&store, plain(1).id).await.0;
    let mut first = changeset(Some(&order), Order::clone(&order));
    first.journal[0].command_key = Some(text("c"));
    let order = Arc::clone(&first.after);
    store.commit(first).await.unwrap();
    let mut second = changeset(Some(&order), Order::clone(&order));
    second.journal[0].command_key = Some(text("c"));
    assert!(matches!(store.commit(second).await, Err(CommitError::CommandKeyTaken)));
}

#[tokio::test]
async fn the_last_use_goes_to_one_of_many() {
    let file = TempFile::new();
    let store = Arc::new(open(&file.0));
    let tasks = (1..=50).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(taking(changeset(None, plain(n)), "coupon", 3)).await })
    });
    let mut taken = 0;
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Ok(_) => taken += 1,
            Err(CommitError::ClaimExhausted { name }) => assert_eq!(name, "coupon"),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(taken, 3);
    let holder = store.list(&ListQuery::default()).await.unwrap().orders.remove(0);
    let mut back = taking(changeset(Some(&holder), Order::clone(&holder)), "coupon", 3);
    back.claims[0].take = false;
    store.commit(back).await.unwrap();
    store.commit(taking(changeset(None, plain(60)), "coupon", 3)).await.unwrap();
}

#[tokio::test]
async fn one_impossible_changeset_does_not_spoil_its_group() {
    let file = TempFile::new();
    let store = Arc::new(open(&file.0));
    let tasks = (1..=60u64).map(|n| {
        let store = Arc::clone(&store);
        let mut order = plain(n);
        if n % 20 == 0 {
            order.amounts.total += 1;
        }
        tokio::spawn(async move { (n, store.commit(changeset(None, order)).await) })
    });
    for task in tasks.collect::<Vec<_>>() {
        let (n, result) = task.await.unwrap();
        match result {
            Ok(_) => assert_ne!(n % 20, 0),
            Err(CommitError::Store(error)) => assert_eq!((n % 20, error.kind), (0, StoreErrorKind::Corrupt)),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(store.load(plain(n).id.into(), None).await.unwrap().is_some(), n % 20 != 0);
    }
}

#[tokio::test]
async fn work_is_leased_fenced_extended_released_and_woken() {
    let clock = clock();
    let store = SqliteStore::open(":memory:", SqliteOptions::new(Arc::clone(&clock) as _)).unwrap();
    let lease = WorkChange::Lease { fence: fence(1), ttl: TTL, due: at(10) };
    let placing = Changeset { work: lease, ..changeset(None, plain(1)) };
    let order = Arc::clone(&placing.after);
    assert_eq!(store.commit(placing).await.unwrap().revision, 1);
    let request = |n| ClaimRequest { fence: fence(n), ttl: TTL, limit: 5, order: None };
    assert!(store.claim(&request(2)).await.unwrap().is_empty());
    clock.advance(TTL);
    let claimed = store.claim(&request(2)).await.unwrap();
    assert_eq!(claimed[0].order, order);
    assert_eq!((claimed[0].work.revision, claimed[0].work.runs, claimed[0].work.fence), (2, 1, Some(fence(2))));

    let tried =
        Try { count: 3, next_at: at(50), quiet_at: at(40), error: "no\u{0}".into(), clear: true, stuck: Some("why".into()) };
    let tries = Tries([(Op::Payment(1), tried)].into());
    let extend = |n, revision| WorkChange::Extend { fence: fence(n), revision, ttl: TTL, tries: tries.clone() };
    assert!(matches!(store.commit(work(&order, extend(1, 2))).await, Err(CommitError::Fenced)));
    assert!(matches!(store.commit(work(&order, extend(2, 1))).await, Err(CommitError::Conflict)));
    assert_eq!(store.commit(work(&order, extend(2, 2))).await.unwrap().revision, 3);
    assert_eq!(store.commit(work(&order, WorkChange::Wake { due: at(99) })).await.unwrap().revision, 4);
    let item = load(&store, order.id).await.1.unwrap();
    assert_eq!((item.due, item.leased_until, &item.tries), (Some(at(10)), Some(at(20)), &tries));

    let release = WorkChange::Release { fence: fence(2), revision: 4, due: None, tries: Tries::default() };
    store.commit(work(&order, release)).await.unwrap();
    let summary = store.work_summary().await.unwrap();
    assert_eq!((summary.total, summary.stuck, summary.next_due, summary.leased_until), (1, 1, None, None));
    assert!(store.claim(&ClaimRequest { order: Some(order.id), ..request(3) }).await.unwrap().is_empty());
    assert_eq!(store.list(&ListQuery { stuck: true, ..ListQuery::default() }).await.unwrap().orders, [Arc::clone(&order)]);
    store.commit(work(&order, WorkChange::Wake { due: at(99) })).await.unwrap();
    let claimed = store.claim(&ClaimRequest { order: Some(order.id), ..request(3) }).await.unwrap();
    assert_eq!((claimed[0].work.revision, claimed[0].work.runs), (7, 1));
    let done = WorkChange::Done { fence: fence(3), revision: 7 };
    assert_eq!(store.commit(work(&order, done)).await.unwrap().revision, 0);
    assert_eq!(load(&store, order.id).await.1, None);
}

#[tokio::test]
async fn what_the_customer_was_told_does_not_come_back() {
    let store = open(":memory:");
    let notice = |seq| Notice { seq, kind: NoticeKind::Confirmed };
    let order = place(&store, Order { notices: vec![notice(1), notice(2)], ..plain(1) }).await;
    let told = Arc::new(Order { notified: 1, ..Order::clone(&order) });
    store.commit(Changeset { before: Some(Arc::clone(&order)), ..work(&told, WorkChange::Keep) }).await.unwrap();
    let stored = load(&store, order.id).await.0;
    assert_eq!((stored.notified, &stored.notices[..]), (1, &[notice(2)][..]));
    let stale = Order { notices: vec![notice(1), notice(2), notice(3)], ..Order::clone(&order) };
    store.commit(changeset(Some(&order), stale)).await.unwrap();
    let stored = load(&store, order.id).await.0;
    assert_eq!((stored.version, stored.notified, &stored.notices[..]), (2, 1, &[notice(2), notice(3)][..]));
}

#[tokio::test]
async fn pages_show_every_order_once_by_every_key() {
    let store = open(":memory:");
    for n in 0..97u64 {
        let mut order = plain(n);
        order.user = user(n % 3);
        order.statuses.status = Status::ALL[n as usize % Status::ALL.len()];
        order.created_at = at((n % 5) as i64);
        order.updated_at = at((n * 7 % 11) as i64);
        order.amounts.subtotal = (n * 31 % 17) as i64;
        order.amounts.total = order.amounts.subtotal;
        place(&store, order).await;
    }
    for &sort in SortKey::ALL {
        for (of_user, status, descending) in [
            (None, None, false),
            (None, None, true),
            (Some(user(1)), None, true),
            (None, Some(Status::Shipped), false),
            (Some(user(1)), Some(Status::Shipped), true),
        ] {
            let base = ListQuery { user: of_user, status, sort, descending, limit: 7, count_up_to: 50, ..ListQuery::default() };
            let all = store.list(&ListQuery { limit: 1000, ..base.clone() }).await.unwrap();
            assert_eq!(all.next, None);
            assert_eq!(all.total as usize, all.orders.len().min(50));
            let mut shown = Vec::new();
            let mut query = base.clone();
            loop {
                let page = store.list(&query).await.unwrap();
                shown.extend(page.orders);
                let Some(next) = page.next else { break };
                query.after = Some(next.to_string().parse().unwrap());
            }
            assert_eq!(shown, all.orders, "{sort} {of_user:?} {status:?} {descending}");
            let keys: Vec<_> = shown.iter().map(|o| (sort_key(o, sort), o.id)).collect();
            assert!(keys.is_sorted_by(|a, b| if descending { a > b } else { a < b }), "{sort}");
            let skipped = store.list(&ListQuery { skip: 5, ..base }).await.unwrap();
            assert_eq!(skipped.orders[..], shown[5.min(shown.len())..12.min(shown.len())]);
        }
    }
    let page = store.list(&ListQuery { limit: 2, ..ListQuery::default() }).await.unwrap();
    let wrong = ListQuery { after: page.next, descending: true, ..ListQuery::default() };
    assert_eq!(store.list(&wrong).await.unwrap_err().kind, StoreErrorKind::InvalidQuery);
}

fn sort_key(order: &Order, sort: SortKey) -> (i64, String) {
    match sort {
        SortKey::CreatedAt => (order.created_at.as_micros(), String::new()),
        SortKey::UpdatedAt => (order.updated_at.as_micros(), String::new()),
        SortKey::TotalAmount => (order.amounts.total, String::new()),
        SortKey::OrderNumber => (0, order.number.to_string()),
    }
}

#[tokio::test]
async fn a_file_is_found_again_as_it_was_left() {
    let file = TempFile::new();
    let placed = place(&open(&file.0), full(1)).await;
    assert_eq!(load(&open(&file.0), placed.id).await.0, placed);
}

#[test]
fn files_of_others_and_of_newer_programs_are_refused_untouched() {
    let foreign = TempFile::new();
    rusqlite::Connection::open(&foreign.0).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let text = TempFile::new();
    std::fs::write(&text.0, "not a database, but long enough that it might be taken for one".repeat(99)).unwrap();
    let newer = TempFile::new();
    drop(open(&newer.0));
    rusqlite::Connection::open(&newer.0).unwrap().pragma_update(None, "user_version", 999).unwrap();
    for (file, kind, says) in [
        (&foreign, StoreErrorKind::Misconfigured, "another program's"),
        (&text, StoreErrorKind::Corrupt, "not a SQLite database"),
        (&newer, StoreErrorKind::Misconfigured, "upgrade the program"),
    ] {
        let before = std::fs::read(&file.0).unwrap();
        let error = SqliteStore::open(&file.0, SqliteOptions::new(clock())).err().unwrap();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(says), "{error}");
        assert_eq!(std::fs::read(&file.0).unwrap(), before);
    }
}

#[tokio::test]
async fn a_file_locked_by_another_process_is_unavailable_and_then_usable() {
    let file = TempFile::new();
    let options = SqliteOptions { busy_timeout: Duration::from_millis(1), ..SqliteOptions::new(clock()) };
    let store = SqliteStore::open(&file.0, options).unwrap();
    let other = rusqlite::Connection::open(&file.0).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let placing = changeset(None, plain(1));
    let Err(CommitError::Store(error)) = store.commit(placing.clone()).await else { panic!("not refused") };
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    other.execute_batch("ROLLBACK").unwrap();
    assert!(!store.commit(placing).await.unwrap().replayed);
}
