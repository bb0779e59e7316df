//! Compares the server's speed with the least that tonic can do and with the engine called
//! directly, in the same run.
//!
//! `cargo bench -p order-grpc` prints the whole comparison; with `-- read`, `-- place`,
//! `-- remote`, `-- secured` or `-- overload` that part of it. Client and server share the machine
//! and the runtime.

mod echo;
#[path = "../../tests/serve/identities.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod identities;
mod load;
mod remote;
mod secured;
#[path = "../../../order-store-sqlite/benches/place/shop.rs"]
mod shop;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use load::{Lane, closed_loop, median, median_ratio};
use order_core::manager::{PlaceOptions, Principal};
use order_core::request::{AddressInput, ItemInput, PlaceRequest};
use order_core::runtime::SystemClock;
use order_core::store::{MemoryStore, OrderStore};
use order_grpc::proto::{
    CreateOrderRequest, GetOrderRequest, OrderAddressInput, OrderItemInput,
    get_order_request::Identifier,
};
use order_grpc::{Limits, Log, LogFormat, ServerOptions};
use order_store_sqlite::{SqliteOptions, SqliteStore};
use prost::Message as _;
use prost::bytes::Bytes;
use tonic::Code;

/// The customer of the tests' tokens.
mod world {
    /// A customer.
    pub const USER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";
}

const ORDERS: usize = 10_000;
const IN_FLIGHT: usize = 32;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_secs(1);
/// The calls that a server may work on at a time in the overload part; ten times as many callers
/// come.
const LIMIT: usize = 32;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("tokio starts");
    let folder = std::env::temp_dir().join(format!("order-serve-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the databases");
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|w| w == part);
    runtime.block_on(async {
        if wants("read") {
            read(&folder).await;
        }
        if wants("place") {
            place("SQLite", open(&folder, "place.db")).await;
            place("memory", Arc::new(MemoryStore::new(Arc::new(SystemClock)))).await;
        }
        if wants("remote") {
            remote::print(&folder).await;
        }
        if wants("secured") {
            secured::print(&folder).await;
        }
        if wants("overload") {
            overload(open(&folder, "overload.db")).await;
        }
    });
    runtime.shutdown_background();
    let _ = std::fs::remove_dir_all(&folder);
}

fn open(folder: &Path, name: &str) -> Arc<SqliteStore> {
    Arc::new(
        SqliteStore::open(folder.join(name), SqliteOptions::new(Arc::new(SystemClock)))
            .expect("the store opens"),
    )
}

/// Serves `manager` for as long as the program runs, with a log that goes to a file; its address.
async fn serve<S: OrderStore>(manager: shop::Manager<S>, limits: Limits) -> String {
    let usual = ServerOptions::default();
    serve_with(manager, ServerOptions { limits, ..usual }).await
}

async fn serve_with<S: OrderStore>(manager: shop::Manager<S>, options: ServerOptions) -> String {
    let listener = order_grpc::bind("127.0.0.1:0", false)
        .await
        .expect("it listens");
    let address = listener
        .local_addr()
        .expect("it has an address")
        .to_string();
    let file = std::env::temp_dir()
        .join(format!("order-serve-bench-{}", std::process::id()))
        .join("log");
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(file)
        .expect("a file for the log");
    // The first becomes the program's, as in `order serve`.
    let log = Log::to(LogFormat::Text, Box::new(file)).install();
    tokio::spawn(order_grpc::serve(
        manager,
        listener,
        ServerOptions { log, ..options },
        std::future::pending(),
    ));
    address
}

/// GetOrder of 10,000 orders, against an echo of the same message size.
async fn read(folder: &Path) {
    let store = open(folder, "read.db");
    let manager = shop::manager(Arc::clone(&store), false);
    let mut ids = Vec::with_capacity(ORDERS);
    let mut placing = tokio::task::JoinSet::new();
    for _ in 0..ORDERS {
        if placing.len() == 128 {
            ids.extend(
                placing
                    .join_next()
                    .await
                    .map(|id| id.expect("it is placed")),
            );
        }
        let manager = manager.clone();
        placing.spawn(async move {
            let placed = manager
                .place(
                    &Principal::operator("bench"),
                    shop::request(),
                    PlaceOptions::default(),
                )
                .await;
            placed.expect("it is placed").order.id.to_string()
        });
    }
    ids.extend(placing.join_all().await);
    let requests: Arc<Vec<Bytes>> = Arc::new(
        ids.into_iter()
            .map(|id| {
                Bytes::from(
                    GetOrderRequest {
                        identifier: Some(Identifier::Id(id)),
                    }
                    .encode_to_vec(),
                )
            })
            .collect(),
    );
    let mut server = Lane::connect(
        &serve(manager, Limits::default()).await,
        "/order.OrderService/GetOrder",
    )
    .await;
    let sample = server.call(requests[0].clone()).await.expect("it is found");
    let mut echo = Lane::connect(&echo::serve().await, "/bench.Echo/Echo").await;
    assert_eq!(echo.call(sample.clone()).await.expect("it echoes"), sample);

    let (mut echoes, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let message = sample.clone();
        echoes.push(
            closed_loop(&echo, IN_FLIGHT, ROUND, move |_| message.clone())
                .await
                .all_done(),
        );
        let requests = Arc::clone(&requests);
        reads.push(
            closed_loop(&server, IN_FLIGHT, ROUND, move |n| {
                requests[n * 7919 % ORDERS].clone()
            })
            .await
            .all_done(),
        );
    }
    let ratio = median_ratio(&reads, &echoes);
    let (bare, read) = (median(&mut echoes), median(&mut reads));
    println!(
        "GetOrder, {ORDERS} orders in SQLite, {} bytes, {IN_FLIGHT} in flight, log on",
        sample.len()
    );
    println!("{:>12} {:>12} {:>7}", "echo/s", "GetOrder/s", "ratio");
    println!("{bare:>12.0} {read:>12.0} {ratio:>7.2}\n");
}

/// CreateOrder, against the same manager called directly, and against what the wire leaves of that:
/// on shared cores a served call can at best take as long as the direct one and a bare echo
/// together.
async fn place<S: OrderStore + Clone>(name: &str, store: S) {
    let manager = shop::manager(store, false);
    let lane = Lane::connect(
        &serve(manager.clone(), Limits::default()).await,
        "/order.OrderService/CreateOrder",
    )
    .await;
    let echo = Lane::connect(&echo::serve().await, "/bench.Echo/Echo").await;
    let message = create_order();
    let (mut direct, mut best, mut served) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let one = manager.clone();
        direct.push(
            load::direct(IN_FLIGHT, ROUND, move || {
                let one = one.clone();
                async move {
                    let placed = one
                        .place(
                            &Principal::operator("bench"),
                            shop::request(),
                            PlaceOptions::default(),
                        )
                        .await;
                    placed.expect("it is placed").outcome().expect("and paid");
                }
            })
            .await,
        );
        let echoed = message.clone();
        let echoes = closed_loop(&echo, IN_FLIGHT, ROUND, move |_| echoed.clone())
            .await
            .all_done();
        best.push(
            direct
                .last()
                .map_or(0.0, |direct| 1.0 / (1.0 / direct + 1.0 / echoes)),
        );
        let message = message.clone();
        served.push(
            closed_loop(&lane, IN_FLIGHT, ROUND, move |_| message.clone())
                .await
                .all_done(),
        );
    }
    let (ratio, of_best) = (median_ratio(&served, &direct), median_ratio(&served, &best));
    let (direct, best, served) = (median(&mut direct), median(&mut best), median(&mut served));
    println!("CreateOrder, services in memory, store: {name}, {IN_FLIGHT} in flight, log on");
    println!(
        "{:>12} {:>15} {:>12} {:>7} {:>15}",
        "in-process/s", "with an echo/s", "served/s", "ratio", "of with an echo"
    );
    println!("{direct:>12.0} {best:>15.0} {served:>12.0} {ratio:>7.2} {of_best:>15.2}\n");
}

/// Ten times as many callers as there are places, none of whom waits when it is turned away.
async fn overload<S: OrderStore + Clone>(store: S) {
    let limits = Limits {
        in_flight: LIMIT,
        ..Limits::default()
    };
    let manager = shop::manager(store, false);
    let lane = Lane::connect(
        &serve(manager, limits).await,
        "/order.OrderService/CreateOrder",
    )
    .await;
    let message = create_order();
    let round = async |callers| {
        let message = message.clone();
        closed_loop(&lane, callers, ROUND, move |_| message.clone()).await
    };
    println!("CreateOrder, at most {LIMIT} in flight, closed loop without waiting");
    println!(
        "{:>10} {:>12} {:>12} {:>12} {:>12}",
        "callers", "done/s", "shed/s", "p50 ms", "p99 ms"
    );
    let (mut before, mut during, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (callers, rates) in [
            (LIMIT, &mut before),
            (10 * LIMIT, &mut during),
            (LIMIT, &mut after),
        ] {
            let load = round(callers).await;
            assert!(
                load.failed
                    .keys()
                    .all(|code| *code == Code::ResourceExhausted),
                "{:?}",
                load.failed
            );
            let (p50, p99) = load.percentiles();
            println!(
                "{callers:>10} {:>12.0} {:>12.0} {p50:>12.1} {p99:>12.1}",
                load.rate(),
                load.shed_rate()
            );
            if callers > LIMIT {
                assert!(load.shed_rate() > 0.0, "it sheds");
            }
            rates.push(load.rate());
        }
    }
    let (under, again) = (
        median_ratio(&during, &before),
        median_ratio(&after, &before),
    );
    println!("goodput under overload {under:.2} of the peak; afterwards {again:.2}\n");
}

/// The request that the engine is asked directly, as a message.
fn create_order() -> Bytes {
    let PlaceRequest {
        user_id,
        items,
        shipping_address,
        billing_address,
        payment_method,
        shipping_method,
        ..
    } = shop::request();
    let item = |ItemInput {
                    product_id,
                    variant_id,
                    quantity,
                }| OrderItemInput {
        product_id,
        variant_id,
        quantity: i32::try_from(quantity).expect("a small quantity"),
    };
    let address = |a: AddressInput| OrderAddressInput {
        address_type: a.address_type,
        first_name: a.first_name,
        last_name: a.last_name,
        address_line1: a.address_line1,
        address_line2: a.address_line2,
        city: a.city,
        state: a.state,
        postal_code: a.postal_code,
        country: a.country,
        phone: a.phone,
        email: a.email,
    };
    let request = CreateOrderRequest {
        user_id,
        items: items.into_iter().map(item).collect(),
        shipping_address: shipping_address.map(address),
        billing_address: billing_address.map(address),
        payment_method,
        shipping_method,
        ..CreateOrderRequest::default()
    };
    request.encode_to_vec().into()
}
