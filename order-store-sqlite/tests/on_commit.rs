//! The hook of an embedder: what it writes beside orders is durable exactly if the changeset is, and
//! it may refuse the changeset.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use common::TempFile;
use futures_util::future::join_all;
use order_core::order::Order;
use order_core::runtime::SystemClock;
use order_core::store::{
    Changeset, CommitError, Committed, OrderStore, StoreError, StoreErrorKind,
};
use order_core::testkit::orders::*;
use order_store_sqlite::{OnCommit, SqliteOptions, SqliteStore};
use rusqlite::Connection;

/// A store that notes each changeset in a table of its own, and refuses orders of more than 100
/// attempts.
fn noting(file: &TempFile, called: &Arc<AtomicU32>) -> SqliteStore {
    let calls = Arc::clone(called);
    let hook = OnCommit::new(move |db: &Connection, changeset: &Changeset| {
        calls.fetch_add(1, Ordering::Relaxed);
        let noted = db.execute(
            "INSERT INTO noted (order_id, version) VALUES (?1, ?2)",
            (
                changeset.after.id.to_string(),
                changeset.after.version.cast_signed(),
            ),
        );
        noted.map_err(|e| e.to_string())?;
        match changeset.after.round {
            0..100 => Ok(()),
            666 => panic!("as the test asked"),
            many => Err(format!("{many} attempts are too many")),
        }
    });
    let options = SqliteOptions {
        on_commit: Some(hook),
        ..SqliteOptions::new(Arc::new(SystemClock))
    };
    let store = SqliteStore::open(&file.0, options).unwrap();
    let own = "CREATE TABLE IF NOT EXISTS noted (order_id TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (order_id, version)) STRICT";
    Connection::open(&file.0)
        .unwrap()
        .execute_batch(own)
        .unwrap();
    store
}

fn noted(file: &TempFile) -> Vec<(String, i64)> {
    let db = Connection::open(&file.0).unwrap();
    let mut statement = db
        .prepare("SELECT order_id, version FROM noted ORDER BY order_id, version")
        .unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn vetoed(answer: Result<Committed, CommitError>) -> String {
    match answer {
        Err(CommitError::Store(StoreError {
            kind: StoreErrorKind::Vetoed,
            message,
            ..
        })) => message,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn own_rows_are_written_with_the_changeset_and_with_no_other() {
    let (file, called) = (TempFile::new(), Arc::default());
    let store = noting(&file, &called);
    let placing = place(plain(1)).keyed("key");
    let order = Arc::clone(&placing.after);
    store.commit(placing.clone()).await.unwrap();
    store
        .commit(amend_in(&order, 2, |order| order.round += 1))
        .await
        .unwrap();
    let id = order.id.to_string();
    assert_eq!(noted(&file), [(id.clone(), 1), (id.clone(), 3)]);
    // Neither a replay nor what the store itself refuses is noted.
    assert!(store.commit(placing).await.unwrap().replayed);
    assert!(matches!(
        store.commit(amend(&order, |_| {})).await,
        Err(CommitError::Conflict)
    ));
    assert_eq!((noted(&file).len(), called.load(Ordering::Relaxed)), (2, 2));
    drop(store);
    drop(noting(&file, &called));
    assert_eq!(noted(&file).len(), 2, "it is durable");
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind_and_the_others_of_its_group_untouched() {
    let (file, called) = (TempFile::new(), Arc::default());
    let store = noting(&file, &called);
    let of = |n: u64| Order {
        round: if n.is_multiple_of(5) { 200 } else { 1 },
        user: user_id(1),
        ..plain(n)
    };
    let sent: Vec<Changeset> = (1..=40)
        .map(|n| place(of(n)).keyed(&format!("key-{n}")).taking("coupon", 33))
        .collect();
    let answers = join_all(sent.iter().map(|changeset| store.commit(changeset.clone()))).await;
    for (n, answer) in (1..=40u64).zip(answers) {
        match n % 5 {
            0 => assert_eq!(vetoed(answer), "200 attempts are too many"),
            _ => assert!(answer.is_ok(), "{n}: {answer:?}"),
        }
    }
    let refused = order_id(5);
    assert_eq!(noted(&file).len(), 32);
    assert!(store.load(refused.into(), None).await.unwrap().is_none());
    assert!(
        store
            .journal(&order_core::store::JournalQuery::of(refused, 0, 10))
            .await
            .unwrap()
            .is_empty()
    );
    let fed = store
        .feed(&order_core::store::FeedQuery {
            after: None,
            limit: 1000,
        })
        .await
        .unwrap()
        .rows;
    assert_eq!(
        fed.len(),
        32,
        "positions of what was refused are given to others"
    );
    // All uses of the coupon are taken by those that were not refused; the key of one that was is
    // free.
    assert!(matches!(
        store
            .commit(
                place(Order {
                    user: user_id(1),
                    ..plain(41)
                })
                .taking("coupon", 32)
            )
            .await,
        Err(CommitError::RedemptionExhausted { .. })
    ));
    store
        .commit(
            place(Order {
                user: user_id(1),
                ..plain(42)
            })
            .keyed("key-5"),
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_hook_that_panics_refuses_what_it_was_called_for_and_nothing_else() {
    let (file, called) = (TempFile::new(), Arc::default());
    let store = noting(&file, &called);
    assert_eq!(
        vetoed(
            store
                .commit(place(Order {
                    round: 666,
                    ..plain(1)
                }))
                .await
        ),
        "the hook panicked"
    );
    store.commit(place(plain(2))).await.unwrap();
    assert_eq!(noted(&file).len(), 1);
}
