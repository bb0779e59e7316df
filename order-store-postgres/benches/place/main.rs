//! Measures the speed of placing orders, against pgbench writing the same rows one order at a time
//! and the bare driver writing them in groups, in the same session.
//!
//! `cargo bench -p order-store-postgres --bench place` prints it; `-- place`, `-- processes`, `--
//! footprint` or `-- read` that part of it; `-- million`, or `-- million 50000`, how it stays up to
//! so many orders, which takes long.

mod bare;
#[path = "../../tests/common/mod.rs"]
mod common;
mod cpu;
mod footprint;
mod learnt;
mod million;
mod params;
mod pgbench;
mod placing;
mod processes;
#[path = "../../../order-store-sqlite/benches/place/shop.rs"]
mod shop;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{Schema, block_on};
use futures_util::future::join_all;
use order_core::ids::OrderId;
use order_core::manager::{PlaceOptions, Principal};
use order_core::order::Status;
use order_core::request::PlaceRequest;
use order_core::store::OrderStore;
use order_store_postgres::{PostgresOptions, PostgresStore};
use shop::{Manager, manager, request};

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    if let [processes::CHILD, url, callers, orders] =
        wanted.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let number = |text: &str| text.parse().expect("a number");
        return block_on(processes::child(url, number(callers), number(orders)));
    }
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|w| w == part);
    block_on(async {
        if wants("footprint") {
            footprint::print().await;
        }
        if wants("place") {
            placing::print().await;
        }
        if wants("processes") {
            processes::print().await;
        }
        if wants("read") {
            read().await;
        }
        // Only where it is asked for.
        if wanted.iter().any(|w| w == "million") {
            let orders = wanted.iter().find_map(|w| w.parse().ok());
            million::print(orders.unwrap_or(1_000_000)).await;
        }
    });
}

pub(crate) async fn open(schema: &Schema) -> Arc<PostgresStore> {
    open_url(&schema.url).await
}

pub(crate) async fn open_url(url: &str) -> Arc<PostgresStore> {
    Arc::new(
        PostgresStore::open(url, PostgresOptions::default())
            .await
            .expect("the store opens"),
    )
}

/// An order of another customer each time, in every process.
fn another() -> PlaceRequest {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let user = uuid::Uuid::from_u64_pair(
        NEXT.fetch_add(1, Ordering::Relaxed)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ u64::from(std::process::id()),
        0x8000_0000_0000_0001,
    );
    PlaceRequest {
        user_id: user.to_string(),
        ..request()
    }
}

pub(crate) async fn place_one<S: OrderStore>(manager: &Manager<S>) -> OrderId {
    let placed = manager
        .place(
            &Principal::operator("bench"),
            another(),
            PlaceOptions::default(),
        )
        .await
        .expect("it is placed");
    assert_eq!(placed.order.statuses.status, Status::Confirmed);
    placed.order.id
}

/// Waits until nothing is left to do for any order.
pub(crate) async fn at_rest<S: OrderStore>(manager: &Manager<S>) {
    while manager.work_summary().await.expect("it counts").total > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Each of `callers` places its share of `orders`, the next when the last was answered. The
/// latencies in milliseconds.
pub(crate) async fn round<S: OrderStore>(
    manager: &Manager<S>,
    callers: usize,
    orders: usize,
) -> Vec<f64> {
    let tasks = (0..callers).map(|_| {
        let manager = manager.clone();
        tokio::spawn(async move {
            let mut latencies = Vec::with_capacity(orders / callers);
            for _ in 0..orders / callers {
                let started = Instant::now();
                place_one(&manager).await;
                latencies.push(started.elapsed().as_secs_f64() * 1e3);
            }
            latencies
        })
    });
    join_all(tasks)
        .await
        .into_iter()
        .flat_map(|latencies| latencies.expect("nobody panics"))
        .collect()
}

async fn read() {
    let schema = Schema::new().await;
    let store = open(&schema).await;
    let manager = manager(Arc::clone(&store), false);
    let mut ids = Vec::new();
    for _ in 0..64 {
        ids.extend(join_all((0..64).map(|_| place_one(&manager))).await);
    }
    at_rest(&manager).await;
    let (bare, engine) = footprint::loads(&schema, &store, &ids).await;
    println!(
        "one whole order: the statement by the bare driver {bare:.0}/s, the store {engine:.0}/s, ratio {:.2}",
        engine / bare
    );
}

pub(crate) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The latency that so many percent are not above.
pub(crate) fn percentile(ms: &mut [f64], percent: usize) -> f64 {
    ms.sort_by(f64::total_cmp);
    ms.get(ms.len() * percent / 100)
        .copied()
        .unwrap_or(f64::NAN)
}
