//! Measures the time in which one order is found while others ask for the slowest lists there are,
//! against how long it takes alone.
//!
//! `cargo bench -p order-store-sqlite --bench reads` prints it; with `-- ORDERS` of that many
//! orders of one customer.

#[path = "../place/shop.rs"]
mod shop;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use order_core::ids::OrderId;
use order_core::manager::{PlaceOptions, Principal};
use order_core::order::Status;
use order_core::runtime::SystemClock;
use order_core::store::{ListQuery, OrderStore, SortKey};
use order_store_sqlite::{SqliteOptions, SqliteStore};
use shop::{Manager, USER, manager, request};

const ORDERS: usize = 50_000;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// Callers of lists, beside the one who looks for an order.
const LISTING: [usize; 3] = [1, 3, 8];

type Store = Arc<SqliteStore>;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("tokio starts");
    let folder = std::env::temp_dir().join(format!("order-bench-reads-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the database");
    let orders = std::env::args()
        .skip(1)
        .find_map(|a| a.parse().ok())
        .unwrap_or(ORDERS);
    runtime.block_on(async {
        let store = Arc::new(
            SqliteStore::open(folder.join("reads.db"), SqliteOptions::new(Arc::new(SystemClock))).expect("the store opens"),
        );
        let manager = manager(Arc::clone(&store), false);
        let ids = Arc::new(fill(&manager, orders).await);
        let (slowest, took) = slowest_list(&store).await;
        println!(
            "{} orders of one customer; the slowest list, by {} of user {:?} and statuses {:?}: {:.1} ms a page of 20",
            ids.len(),
            slowest.sort,
            slowest.user.is_some(),
            slowest.statuses,
            took.as_secs_f64() * 1e3
        );
        println!(
            "{:>16} {:>12} {:>12} {:>8} {:>8} {:>12}",
            "callers of lists", "get p50 ms", "get p99 ms", "p99 x", "gets/s", "lists/s"
        );
        let alone = beside(&manager, &ids, &slowest, 0).await;
        alone.print(0, alone.p99);
        for callers in LISTING {
            beside(&manager, &ids, &slowest, callers).await.print(callers, alone.p99);
        }
    });
    let _ = std::fs::remove_dir_all(&folder);
}

async fn fill(manager: &Manager<Store>, orders: usize) -> Vec<OrderId> {
    const CALLERS: usize = 64;
    let tasks = (0..CALLERS).map(|_| async move {
        let mut ids = Vec::with_capacity(orders / CALLERS);
        for _ in 0..orders / CALLERS {
            let principal = Principal::operator("bench");
            let placed = manager
                .place(&principal, request(), PlaceOptions::default())
                .await
                .expect("it is placed");
            ids.push(placed.order.id);
        }
        ids
    });
    join_all(tasks).await.into_iter().flatten().collect()
}

/// The list that takes longest of all that are offered, and how long.
async fn slowest_list(store: &Store) -> (ListQuery, Duration) {
    let user = USER.parse().expect("a user");
    let mut slowest = (ListQuery::default(), Duration::ZERO);
    for sort in [
        SortKey::CreatedAt,
        SortKey::UpdatedAt,
        SortKey::TotalAmount,
        SortKey::OrderNumber,
    ] {
        for user in [None, Some(user)] {
            for statuses in [vec![], vec![Status::Confirmed]] {
                let query = ListQuery {
                    user,
                    statuses,
                    sort,
                    limit: 20,
                    count_up_to: 10_000,
                    ..ListQuery::default()
                };
                let started = Instant::now();
                // What a store refuses is no list that it offers.
                if store.list(&query).await.is_ok() && started.elapsed() > slowest.1 {
                    slowest = (query, started.elapsed());
                }
            }
        }
    }
    slowest
}

struct Measured {
    p50: f64,
    p99: f64,
    gets: f64,
    lists: f64,
}

impl Measured {
    fn print(&self, callers: usize, alone: f64) {
        let Measured {
            p50,
            p99,
            gets,
            lists,
        } = self;
        println!(
            "{callers:>16} {p50:>12.3} {p99:>12.3} {:>8.1} {gets:>8.0} {lists:>12.1}",
            p99 / alone
        );
    }
}

/// One caller that gets orders as fast as it can, beside `callers` that list without a pause; the
/// median of the rounds.
async fn beside(
    manager: &Manager<Store>,
    ids: &Arc<Vec<OrderId>>,
    list: &ListQuery,
    callers: usize,
) -> Measured {
    let done = Arc::new(AtomicBool::new(false));
    let lists = Arc::new(AtomicU64::new(0));
    let listing: Vec<_> = (0..callers)
        .map(|_| {
            let (manager, list, done, lists) = (
                manager.clone(),
                list.clone(),
                Arc::clone(&done),
                Arc::clone(&lists),
            );
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    manager.store().list(&list).await.expect("it lists");
                    lists.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let started = Instant::now();
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let (manager, ids) = (manager.clone(), Arc::clone(ids));
        let getting = tokio::spawn(async move {
            let principal = Principal::operator("bench");
            let mut ms = Vec::new();
            let started = Instant::now();
            while started.elapsed() < ROUND {
                let id = ids[(ms.len() * 7919 + round * 104_729) % ids.len()];
                let asked = Instant::now();
                manager
                    .get(&principal, id.into())
                    .await
                    .expect("it is there");
                ms.push(asked.elapsed().as_secs_f64() * 1e3);
            }
            ms.sort_by(f64::total_cmp);
            (
                ms[ms.len() / 2],
                ms[ms.len() * 99 / 100],
                ms.len() as f64 / ROUND.as_secs_f64(),
            )
        });
        rounds.push(getting.await.expect("nobody panicked"));
    }
    done.store(true, Ordering::Relaxed);
    let lists = lists.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    join_all(listing).await;
    let median = |of: fn(&(f64, f64, f64)) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Measured {
        p50: median(|r| r.0),
        p99: median(|r| r.1),
        gets: median(|r| r.2),
        lists,
    }
}
