//! Measures the speed of placing and reading orders, against the bare driver doing the same in the
//! same run.
//!
//! `cargo bench -p order-store-sqlite --bench place` prints the whole comparison, with `-- place`,
//! `-- footprint`, `-- read` or `-- shop` that part of it; with `-- million` it places a million
//! orders and prints the process's memory on the way; with `-- --keep` it leaves its databases
//! behind. With `-- --traced` everything from info on that the engine and the store say is written
//! to a file meanwhile, as a server's log would be.

mod footprint;
mod reads;
mod shop;
mod through_shop;
mod twin;
mod watched;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use order_core::ids::OrderId;
use order_core::manager::{PlaceOptions, Principal};
use order_core::order::Status;
use order_core::runtime::SystemClock;
use order_core::store::OrderStore;
use order_store_sqlite::{SqliteOptions, SqliteStore};
use shop::{Manager, manager, request};
use twin::{Template, Twin};
use watched::Watched;

const ROUNDS: usize = 5;
/// Callers, and how many orders a round places with them.
const CALLERS: [(usize, usize); 4] = [(1, 600), (8, 3_000), (32, 6_000), (128, 8_000)];
const ORDERS_TO_READ: usize = 100_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("tokio starts");
    let folder = std::env::temp_dir().join(format!("order-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the databases");
    if std::env::args().any(|a| a == "--traced") {
        write_log(&folder);
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|w| w == part);
    runtime.block_on(async {
        if wants("place") {
            for tells in [false, true] {
                place(&folder, tells).await;
            }
        }
        if wants("footprint") {
            for tells in [false, true] {
                footprint::print(&folder, tells).await;
            }
        }
        if wants("read") {
            read(&folder).await;
        }
        if wants("shop") {
            shop_stays_flat(&folder).await;
        }
        if wanted.iter().any(|w| w == "million") {
            million(&folder).await;
        }
    });
    if std::env::args().any(|a| a == "--keep") {
        println!("the databases are in {}", folder.display());
    } else {
        let _ = std::fs::remove_dir_all(&folder);
    }
}

/// Writes what is said from info on to a file, from now on.
fn write_log(folder: &Path) {
    let path = folder.join("log");
    let file = File::create(&path).expect("a file for the log");
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .with_writer(Mutex::new(BufWriter::new(file)))
        .init();
    println!("what is said is written to {}", path.display());
}

fn open(path: &Path) -> Arc<SqliteStore> {
    Arc::new(
        SqliteStore::open(path, SqliteOptions::new(Arc::new(SystemClock)))
            .expect("the store opens"),
    )
}

/// The rows that the engine's commits leave in the tables, learnt from one order.
async fn learn(folder: &Path, tells: bool) -> Template {
    let path = folder.join(format!("learn-{tells}.db"));
    let store = open(&path);
    let watched = Arc::new(Watched {
        store: Arc::clone(&store),
        path,
        snapshots: Mutex::default(),
        leases: AtomicU64::default(),
    });
    let manager = manager(Arc::clone(&watched), tells);
    place_one(&manager).await;
    at_rest(&manager).await;
    // A snapshot is taken after its commit, which at_rest may have seen already.
    let since = Instant::now();
    let commits = loop {
        let seen = watched.snapshots.lock().expect("nobody panicked").len() as u64;
        let commits = store.stats().transactions - watched.leases.load(Ordering::Relaxed);
        if seen >= commits {
            break commits;
        }
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "of {commits} commits {seen} were seen: who else writes?"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let template = Template::of(&watched.snapshots.lock().expect("nobody panicked"));
    let stats = store.stats();
    assert_eq!(
        commits,
        template.transactions() as u64,
        "every commit was seen"
    );
    assert_eq!(stats.rows, template.rows(), "and every row of it");
    template
}

async fn place_one<S: OrderStore>(manager: &Manager<S>) -> OrderId {
    let principal = Principal::operator("bench");
    let placed = manager
        .place(&principal, request(), PlaceOptions::default())
        .await
        .expect("it is placed");
    assert_eq!(placed.order.statuses.status, Status::Confirmed);
    placed.order.id
}

/// Waits until nothing is left to do for any order.
async fn at_rest<S: OrderStore>(manager: &Manager<S>) {
    while manager.work_summary().await.expect("it counts").total > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// One round: `orders` orders by `callers` callers, each starting its next when it was answered.
/// Seconds, and each latency.
async fn round<F: Future<Output = ()> + Send>(
    callers: usize,
    orders: usize,
    place: impl Fn() -> F + Clone + Send + 'static,
) -> (f64, Vec<f64>) {
    let started = Instant::now();
    let each = orders / callers;
    let tasks = (0..callers).map(|_| {
        let place = place.clone();
        async move {
            let mut latencies = Vec::with_capacity(each);
            for _ in 0..each {
                let started = Instant::now();
                place().await;
                latencies.push(started.elapsed().as_secs_f64() * 1e3);
            }
            latencies
        }
    });
    let latencies = join_all(tasks).await.into_iter().flatten().collect();
    (started.elapsed().as_secs_f64(), latencies)
}

async fn place(folder: &Path, tells: bool) {
    let template = learn(folder, tells).await;
    let rows = template.rows();
    let paths: [PathBuf; 2] =
        ["engine", "twin"].map(|side| folder.join(format!("{side}-{tells}.db")));
    let store = open(&paths[0]);
    drop(open(&paths[1]));
    let manager = manager(Arc::clone(&store), tells);
    let twin = Arc::new(Twin::start(&paths[1], template));
    println!(
        "placing 3 lines, 2 addresses, 1 payment; notifications {}; {} durable commits and {rows} rows an order",
        if tells { "on" } else { "off" },
        twin.transactions(),
    );
    println!(
        "{:>8} {:>10} {:>10} {:>7} {:>15} {:>17} {:>17}",
        "callers",
        "twin/s",
        "engine/s",
        "ratio",
        "commits/order",
        "twin p50/p99 ms",
        "engine p50/p99 ms"
    );
    let mut twin_orders = 0;
    for (callers, orders) in CALLERS {
        let (mut bare, mut engine) = (Vec::new(), Vec::new());
        let (mut bare_ms, mut engine_ms) = (Vec::new(), Vec::new());
        let before = store.stats();
        for _ in 0..ROUNDS {
            let one = Arc::clone(&twin);
            let (seconds, ms) = round(callers, orders, move || {
                let one = Arc::clone(&one);
                async move { one.place().await }
            })
            .await;
            bare.push(ms.len() as f64 / seconds);
            twin_orders += ms.len() as u64;
            bare_ms.extend(ms);

            let one = manager.clone();
            let started = Instant::now();
            let (_, ms) = round(callers, orders, move || {
                let one = one.clone();
                async move {
                    place_one(&one).await;
                }
            })
            .await;
            at_rest(&manager).await;
            engine.push(ms.len() as f64 / started.elapsed().as_secs_f64());
            engine_ms.extend(ms);
        }
        let after = store.stats();
        let placed = engine_ms.len() as u64;
        assert_eq!(
            after.rows - before.rows,
            placed * rows,
            "the engine writes the rows it is said to"
        );
        let commits = (after.writes - before.writes) as f64 / placed as f64;
        let (bare, engine) = (median(&mut bare), median(&mut engine));
        println!(
            "{callers:>8} {bare:>10.0} {engine:>10.0} {:>7.2} {commits:>15.2} {:>17} {:>17}",
            engine / bare,
            percentiles(&mut bare_ms),
            percentiles(&mut engine_ms),
        );
    }
    let twin = Arc::into_inner(twin).expect("nobody else uses it");
    assert_eq!(
        twin.stop(),
        twin_orders * rows,
        "the twin writes the same rows"
    );
    println!();
}

async fn fill(manager: &Manager<Arc<SqliteStore>>, orders: usize) -> Vec<OrderId> {
    const CALLERS: usize = 64;
    let tasks = (0..CALLERS).map(|_| async move {
        let mut ids = Vec::with_capacity(orders / CALLERS);
        for _ in 0..orders / CALLERS {
            ids.push(place_one(manager).await);
        }
        ids
    });
    join_all(tasks).await.into_iter().flatten().collect()
}

async fn read(folder: &Path) {
    let path = folder.join("read.db");
    let store = open(&path);
    let manager = manager(Arc::clone(&store), false);
    let ids = fill(&manager, ORDERS_TO_READ).await;
    let (bare, engine) = reads::get(&path, &manager, &ids).await;
    println!(
        "one whole order among {}: bare {bare:.0}/s, engine {engine:.0}/s, ratio {:.2}",
        ids.len(),
        engine / bare
    );
    for (what, by_user) in [("user", true), ("status", false)] {
        let [first, middle, last] = reads::pages(&store, by_user).await;
        println!(
            "page of 20 by {what}: first {first:.0} us, middle {middle:.0} us, last {last:.0} us"
        );
    }
    println!("resident memory: {} MiB", resident_mib());
}

async fn shop_stays_flat(folder: &Path) {
    let rates = through_shop::place(folder).await;
    let each: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
    println!(
        "orders a second through the shop, three SKUs, each thousand of {},000: {}",
        rates.len(),
        each.join(" ")
    );
}

async fn million(folder: &Path) {
    let store = open(&folder.join("million.db"));
    let manager = manager(Arc::clone(&store), false);
    println!(
        "placing 1,000,000 orders, resident memory at the start {} MiB",
        resident_mib()
    );
    for hundred_thousands in 1..=10 {
        let started = Instant::now();
        let placed = fill(&manager, 100_000).await.len();
        let rate = placed as f64 / started.elapsed().as_secs_f64();
        println!(
            "{:>9} orders: {rate:.0}/s, resident {} MiB",
            hundred_thousands * placed,
            resident_mib()
        );
    }
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn percentiles(ms: &mut [f64]) -> String {
    ms.sort_by(f64::total_cmp);
    format!("{:.2} / {:.2}", ms[ms.len() / 2], ms[ms.len() * 99 / 100])
}

/// Resident memory of this process, where the system says so.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .unwrap_or("0");
    line.split_whitespace()
        .next()
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
