//! The particulars of this store; what every store must do is the conformance suite's.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::*;
use order_core::order::{Order, Shipment};
use order_core::store::{
    Changeset, CommitError, FeedCursor, FeedPage, FeedQuery, OrderStore, StoreErrorKind,
};
use order_core::testkit::orders::{self, With as _};
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
async fn what_nobody_has_taken_any_more_leaves_no_row() {
    let file = TempFile::new();
    let store = open(&file.0);
    let counted = || {
        let db = rusqlite::Connection::open(&file.0).unwrap();
        db.query_row(
            "SELECT count(*), coalesce(sum(in_use), 0) FROM order_redemption_counts",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        )
    };
    let taking = orders::place(plain(1)).taking("coupon/ONE", 5);
    let order = Arc::clone(&taking.after);
    store.commit(taking).await.unwrap();
    store
        .commit(orders::place(plain(2)).taking("coupon/ONE", 5))
        .await
        .unwrap();
    assert_eq!(counted().unwrap(), (1, 2));
    let giving = orders::amend(&order, |order| order.round += 1).giving_back("coupon/ONE");
    let order = Arc::clone(&giving.after);
    store.commit(giving).await.unwrap();
    assert_eq!(counted().unwrap(), (1, 1));
    let second = load(&store, plain(2).id).await.0;
    store
        .commit(orders::amend(&second, |order| order.round += 1).giving_back("coupon/ONE"))
        .await
        .unwrap();
    assert_eq!(counted().unwrap(), (0, 0));
    store
        .commit(orders::amend(&order, |order| order.round += 1).taking("coupon/ONE", 1))
        .await
        .unwrap();
    assert_eq!(counted().unwrap(), (1, 1));
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
            Err(CommitError::Store(error)) => {
                assert_eq!((n % 20, error.kind), (0, StoreErrorKind::Corrupt))
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(
            store
                .load(plain(n).id.into(), None)
                .await
                .unwrap()
                .is_some(),
            n % 20 != 0
        );
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
    rusqlite::Connection::open(&foreign.0)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    let text = TempFile::new();
    std::fs::write(
        &text.0,
        "not a database, but long enough that it might be taken for one".repeat(99),
    )
    .unwrap();
    let newer = TempFile::new();
    drop(open(&newer.0));
    let upgrade =
        "PRAGMA user_version = 999; UPDATE order_store SET min_reader = 999, min_writer = 999";
    rusqlite::Connection::open(&newer.0)
        .unwrap()
        .execute_batch(upgrade)
        .unwrap();
    for (file, kind, says) in [
        (&foreign, StoreErrorKind::Misconfigured, "another program's"),
        (&text, StoreErrorKind::Corrupt, "not a SQLite database"),
        (&newer, StoreErrorKind::Misconfigured, "upgrade the program"),
    ] {
        let before = std::fs::read(&file.0).unwrap();
        let error = SqliteStore::open(&file.0, SqliteOptions::new(clock())).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(says), "{error}");
        assert_eq!(std::fs::read(&file.0).unwrap(), before);
    }
}

#[tokio::test]
async fn a_file_locked_by_another_process_is_unavailable_and_then_usable() {
    let file = TempFile::new();
    let options = SqliteOptions {
        busy_timeout: Duration::from_millis(1),
        ..SqliteOptions::new(clock())
    };
    let store = SqliteStore::open(&file.0, options).unwrap();
    let other = rusqlite::Connection::open(&file.0).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let placing = changeset(None, plain(1));
    let Err(CommitError::Store(error)) = store.commit(placing.clone()).await else {
        panic!("not refused")
    };
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
    let later = feed(&store, Some(before.next.clone())).await;
    assert!(later.rows.iter().map(|row| row.seq).eq(2..=3));
    let copy = TempFile::new();
    assert_eq!(feed(&open(&copy.0), None).await.rows, []);
    assert!(
        open(&copy.0)
            .feed(&FeedQuery {
                after: Some(before.next),
                limit: 1
            })
            .await
            .is_err(),
        "another file, another feed"
    );
}

#[tokio::test]
async fn a_row_of_the_feed_that_cannot_be_read_is_said_to_be_its_orders() {
    let file = TempFile::new();
    let store = open(&file.0);
    let placed = place(&store, plain(1)).await;
    let damage = "UPDATE order_status_history SET event = '{}'";
    rusqlite::Connection::open(&file.0)
        .unwrap()
        .execute_batch(damage)
        .unwrap();
    let rows = store
        .feed(&FeedQuery {
            after: None,
            limit: 1,
        })
        .await
        .unwrap()
        .rows;
    let unreadable = rows[0].row.as_ref().unwrap_err();
    assert_eq!(unreadable.order, placed.id);
    assert!(
        unreadable
            .reason
            .contains("column event of order_status_history"),
        "{}",
        unreadable.reason
    );
    assert!(
        unreadable.reason.contains("journal payload is damaged"),
        "{}",
        unreadable.reason
    );
}

#[tokio::test]
async fn what_was_erased_is_nowhere_in_the_file() {
    let file = TempFile::new();
    let store = open(&file.0);
    let secret = |what: &str| format!("Ada's secret {what}");
    let mut order = full(1);
    order.notes = Private(Some(secret(&"notes ".repeat(5_000))));
    order.metadata = Private(Some([(text("key"), secret("metadata"))].into()));
    order.payments[3].token = Private(Some(secret("token")));
    order.addresses.0.as_mut().unwrap().billing.city = secret("city");
    order.edits[1].address = Private(Some(orders::address(&secret("place"))));
    let mut placing = orders::place_in(order, 40);
    for row in &mut placing.journal {
        row.notes = Some(secret(&"row ".repeat(row.seq as usize * 50)));
    }
    let placed = Arc::clone(&placing.after);
    store.commit(placing).await.unwrap();
    let log = file.0.with_extension("db-wal");
    let secrets_in = |path: &Path| {
        std::fs::read(path)
            .unwrap()
            .windows(12)
            .filter(|bytes| bytes == b"Ada's secret")
            .count()
    };
    // Other orders around it, and changes of its own, move rows from page to page.
    let mut order = placed;
    for n in 2..60 {
        place(&store, full(n)).await;
        let noting = orders::amend(&order, |order| {
            order.notes = Private(Some(secret(&"more ".repeat(n as usize * 100))))
        });
        order = Arc::clone(&noting.after);
        store.commit(noting).await.unwrap();
    }
    drop(store);
    assert!(secrets_in(&file.0) >= 40);
    let store = open(&file.0);
    let redacting = orders::amend(&order, |order| {
        *order = Order {
            redacted_at: Some(at(9)),
            notices: order.notices.clone(),
            ..order.without_personal()
        };
    });
    store.commit(redacting).await.unwrap();
    // It is gone from the file and from its log, as soon as the writer has had the time.
    let patience = std::time::Instant::now() + Duration::from_secs(20);
    while secrets_in(&log) + secrets_in(&file.0) > 0 {
        assert!(
            std::time::Instant::now() < patience,
            "what was erased is still there"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    place(&store, plain(1000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_whole_and_of_one_moment_while_others_write() {
    let file = TempFile::new();
    let store = Arc::new(open(&file.0));
    // Each changeset adds a shipment and a row: a copy of half of one would not fit together.
    let mut order = place(&store, plain(1)).await;
    for n in 2..300 {
        place(&store, full(n)).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let writing = {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tokio::spawn(async move {
            let mut written = 0u32;
            while !done.load(Ordering::SeqCst) {
                written += 1;
                let sample = full(1).shipments.remove(0);
                let next = orders::amend(&order, |order| {
                    order.shipments.push(Shipment {
                        n: written,
                        ..sample
                    })
                });
                order = Arc::clone(&next.after);
                store.commit(next).await.unwrap();
            }
            order
        })
    };
    let mut versions = Vec::new();
    for _ in 0..5 {
        let copy = TempFile::new();
        store.backup(&copy.0).await.unwrap();
        assert!(!copy.0.with_extension("db.partial").exists());
        let copy = open(&copy.0);
        let found = load(&copy, plain(1).id).await.0;
        assert_eq!(found.shipments.len() as u64 + 1, found.version);
        let rows = feed(&copy, None).await.rows;
        assert_eq!(
            rows.iter().filter(|row| row.order == found.id).count() as u64,
            found.version
        );
        assert_eq!(rows.len() as u64, 298 + found.version);
        assert_eq!(
            load(&copy, plain(7).id).await.0,
            load(&store, plain(7).id).await.0
        );
        place(&copy, plain(1000)).await;
        versions.push(found.version);
    }
    done.store(true, Ordering::SeqCst);
    let last = writing.await.unwrap();
    assert!(
        versions.is_sorted() && versions[0] < last.version,
        "{versions:?} of {}",
        last.version
    );
    assert_eq!(
        load(&store, last.id).await.0,
        last,
        "the original goes on undisturbed"
    );
    assert!(
        store
            .load(plain(1000).id.into(), None)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_backup_replaces_no_file_and_leaves_none_when_it_fails() {
    let file = TempFile::new();
    for store in [open(&file.0), open(":memory:")] {
        let placed = place(&store, full(1)).await;
        let taken = TempFile::new();
        std::fs::write(&taken.0, "somebody's").unwrap();
        let nowhere = TempFile::new().0.join("no/such/folder.db");
        for (path, says) in [
            (&taken.0, "there is a file already: name a new one"),
            (&nowhere, "no file can be made there"),
        ] {
            let error = store.backup(path).await.unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::InvalidQuery);
            assert!(
                error.message.contains(says) && error.message.contains(path.to_str().unwrap()),
                "{error}"
            );
        }
        assert_eq!(std::fs::read(&taken.0).unwrap(), b"somebody's");
        let copy = TempFile::new();
        std::fs::write(
            copy.0.with_extension("db.partial"),
            "left by one that was interrupted",
        )
        .unwrap();
        store.backup(&copy.0).await.unwrap();
        assert_eq!(load(&open(&copy.0), placed.id).await.0, placed);
        assert_eq!(
            store.backup(&copy.0).await.unwrap_err().kind,
            StoreErrorKind::InvalidQuery
        );
    }
}
