//! The store while much is asked of it at once.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use order_core::store::{ListQuery, OrderStore, SortKey};
use order_core::testkit::orders;
use order_store_sqlite::{SqliteOptions, SqliteStore};

use common::{TempFile, clock, full, place, plain};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_bounded_while_lists_overlap_without_a_pause() {
    const LIMIT: u64 = 1 << 20;
    const COMMITS: u32 = 500;
    let file = TempFile::new();
    let options = SqliteOptions {
        long_readers: 2,
        log_limit: LIMIT,
        ..SqliteOptions::new(clock())
    };
    let store = Arc::new(SqliteStore::open(&file.0, options).unwrap());
    for n in 2..400 {
        place(&store, plain(n)).await;
    }
    let (done, lists) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let listing: Vec<_> = (0..6)
        .map(|_| {
            let (store, done, lists) = (Arc::clone(&store), Arc::clone(&done), Arc::clone(&lists));
            tokio::spawn(async move {
                let query = ListQuery {
                    sort: SortKey::TotalAmount,
                    limit: 400,
                    count_up_to: 10_000,
                    ..ListQuery::default()
                };
                while !done.load(Ordering::Relaxed) {
                    assert!(store.list(&query).await.unwrap().orders.len() >= 390);
                    lists.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let log = file.0.with_extension("db-wal");
    let mut longest = 0;
    let mut order = place(&store, full(1)).await;
    for n in 0..COMMITS {
        let next = orders::amend(&order, |order| order.reservations[0].refusals = n);
        order = Arc::clone(&next.after);
        store.commit(next).await.unwrap();
        longest = longest.max(std::fs::metadata(&log).unwrap().len());
    }
    done.store(true, Ordering::Relaxed);
    for caller in listing {
        caller.await.unwrap();
    }
    assert!(lists.load(Ordering::Relaxed) > 10, "they were at it");
    assert!(longest > LIMIT / 2, "the log was used: {longest}");
    assert!(longest <= 4 * LIMIT, "the log grew to {longest} bytes");
}
