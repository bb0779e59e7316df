//! How fast orders are placed, against pgbench writing the same rows one order at a time, in the same session.
//!
//! `cargo bench -p order-store-postgres --bench place` prints it, with `-- place`, `-- footprint` or `-- read` that part of it.

#[path = "../../tests/common/mod.rs"]
mod common;
mod footprint;
mod pgbench;
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

const ROUNDS: usize = 2;
/// Callers, and how many orders a round places with them.
const CALLERS: [(usize, usize); 4] = [(1, 300), (8, 2_000), (32, 4_800), (128, 6_400)];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|w| w == part);
    block_on(async {
        if wants("footprint") {
            footprint::print().await;
        }
        if wants("place") {
            place().await;
        }
        if wants("read") {
            read().await;
        }
    });
}

pub(crate) async fn open(schema: &Schema) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(&schema.url, PostgresOptions::default()).await.expect("the store opens"))
}

/// An order of another customer each time.
fn another() -> PlaceRequest {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let user = uuid::Uuid::from_u64_pair(
        NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        0x8000_0000_0000_0001,
    );
    PlaceRequest { user_id: user.to_string(), ..request() }
}

pub(crate) async fn place_one<S: OrderStore>(manager: &Manager<S>) -> OrderId {
    let placed = manager.place(&Principal::operator("bench"), another(), PlaceOptions::default()).await.expect("it is placed");
    assert_eq!(placed.order.statuses.status, Status::Confirmed);
    placed.order.id
}

/// Waits until nothing is left to do for any order.
pub(crate) async fn at_rest<S: OrderStore>(manager: &Manager<S>) {
    while manager.work_summary().await.expect("it counts").total > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Each of `callers` places its share of `orders`, the next when the last was answered. The latencies in milliseconds.
async fn round<S: OrderStore>(manager: &Manager<S>, callers: usize, orders: usize) -> Vec<f64> {
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
    join_all(tasks).await.into_iter().flat_map(|latencies| latencies.expect("nobody panics")).collect()
}

async fn place() {
    let (ours, theirs) = (Schema::new().await, Schema::new().await);
    let store = open(&ours).await;
    let manager = manager(Arc::clone(&store), false);
    let scripts = pgbench::Scripts::learn(&theirs).await;
    println!(
        "placing 3 lines, 2 addresses, 1 payment: {} durable transactions and {} rows an order",
        scripts.transactions, scripts.rows
    );
    println!(
        "{:>8} {:>11} {:>13} {:>10} {:>7} {:>12} {:>17} {:>17}",
        "callers", "pgbench/s", "no head /s", "engine/s", "ratio", "group size", "pgbench p50/99 ms", "engine p50/99 ms"
    );
    for (callers, orders) in CALLERS {
        let (mut bare, mut headless, mut engine) = (Vec::new(), Vec::new(), Vec::new());
        let (mut bare_ms, mut engine_ms) = (Vec::new(), Vec::new());
        let before = store.stats();
        for _ in 0..ROUNDS {
            let (rate, ms) = scripts.run(&theirs, callers, orders, true).await;
            bare.push(rate);
            bare_ms.extend(ms);
            headless.push(scripts.run(&theirs, callers, orders, false).await.0);
            let started = Instant::now();
            engine_ms.extend(round(&manager, callers, orders).await);
            at_rest(&manager).await;
            engine.push((orders / callers * callers) as f64 / started.elapsed().as_secs_f64());
        }
        let after = store.stats();
        let group = (after.changesets - before.changesets) as f64 / (after.groups - before.groups) as f64;
        let (bare, headless, engine) = (median(&mut bare), median(&mut headless), median(&mut engine));
        println!(
            "{callers:>8} {bare:>11.0} {headless:>13.0} {engine:>10.0} {:>7.2} {group:>12.1} {:>17} {:>17}",
            engine / bare.max(headless),
            percentiles(&mut bare_ms),
            percentiles(&mut engine_ms),
        );
    }
    println!("{:?}", store.stats());
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

fn percentiles(ms: &mut [f64]) -> String {
    ms.sort_by(f64::total_cmp);
    if ms.is_empty() { "-".to_owned() } else { format!("{:.1} / {:.1}", ms[ms.len() / 2], ms[ms.len() * 99 / 100]) }
}
