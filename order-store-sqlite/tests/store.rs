//! What is particular to this store; what every store must do is the conformance suite's.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use order_core::order::Order;
use order_core::store::{Changeset, CommitError, FeedCursor, FeedPage, FeedQuery, OrderStore, StoreErrorKind};
use order_core::testkit::orders;
use order_core::text::Private;
use order_store_sqlite::{SqliteOptions, SqliteStore};

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

async fn feed(store: &SqliteStore, after: Option<FeedCursor>) -> FeedPage {
    store.feed(&FeedQuery { after, limit: 1000 }).await.unwrap()
}

fn amend_in(before: &Arc<Order>, k: u64, seconds: i64) -> Changeset {
    orders::amend_in(before, k, |order| order.updated_at = at(seconds))
}

#[tokio::test]
async fn the_feed_goes_on_after_the_file_was_closed() {
    let file = TempFile::new();
    let store = open(&file.0);
    let order = place(&store, plain(1)).await;
    let before = feed(&store, None).await;
    drop(store);
    let store = open(&file.0);
    assert_eq!(feed(&store, None).await, before);
    store.commit(amend_in(&order, 2, 1)).await.unwrap();
    let later = feed(&store, Some(before.next)).await;
    assert!(later.rows.iter().map(|row| row.row.seq).eq(2..=3));
    let copy = TempFile::new();
    assert_eq!(feed(&open(&copy.0), None).await.rows, []);
    assert!(open(&copy.0).feed(&FeedQuery { after: Some(before.next), limit: 1 }).await.is_err(), "another file, another feed");
}

#[tokio::test]
async fn a_file_from_before_the_feed_is_fed_by_time_and_then_goes_on() {
    let file = TempFile::new();
    let store = open(&file.0);
    let orders: Vec<Arc<Order>> = [plain(1), plain(2), plain(3)].map(|order| orders::place_in(order, 2)).map(|c| c.after).into();
    for order in &orders {
        store.commit(orders::place_in(Order::clone(order), 2)).await.unwrap();
    }
    // The first changes last; the clock of the second went back between two of its changes; the third never changes again.
    let grown = amend_in(&orders[1], 3, 40);
    let second = Arc::clone(&grown.after);
    for changeset in [amend_in(&orders[0], 1, 60), grown, amend_in(&second, 1, 20)] {
        store.commit(changeset).await.unwrap();
    }
    let committed = feed(&store, None).await.rows;
    drop(store);
    let db = rusqlite::Connection::open(&file.0).unwrap();
    let undo =
        "DROP TABLE order_feed; DROP TABLE order_store; DELETE FROM order_migrations WHERE version > 1; PRAGMA user_version = 1";
    db.execute_batch(undo).unwrap();
    drop(db);

    let store = open(&file.0);
    let FeedPage { rows, next } = feed(&store, None).await;
    let expected = [(1, 1, 2), (2, 1, 2), (3, 1, 2), (2, 3, 5), (2, 6, 6), (1, 3, 3)];
    let expected = expected.into_iter().flat_map(|(n, first, last)| (first..=last).map(move |seq| (plain(n).id, seq)));
    assert!(rows.iter().map(|row| (row.row.order, row.row.seq)).eq(expected), "{rows:#?}");
    assert!(committed.iter().all(|old| rows.iter().any(|new| new.row == old.row)));
    assert_eq!(rows.last().unwrap().cursor, next);
    place(&store, plain(4)).await;
    let later = feed(&store, Some(next)).await.rows;
    assert_eq!(later.len(), 1);
    assert_eq!(later[0].row.order, plain(4).id);
}

#[tokio::test]
async fn a_row_of_the_feed_that_cannot_be_read_is_said_to_be_its_orders() {
    let file = TempFile::new();
    let store = open(&file.0);
    let placed = place(&store, plain(1)).await;
    let damage = "UPDATE order_status_history SET payload = '{}'";
    rusqlite::Connection::open(&file.0).unwrap().execute_batch(damage).unwrap();
    let error = store.feed(&FeedQuery { after: None, limit: 1 }).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Corrupt);
    assert!(error.message.contains(&placed.id.to_string()), "{error}");
}
