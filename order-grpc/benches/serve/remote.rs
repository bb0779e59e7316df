//! Placing through five services at the other end of sockets, against the same services called
//! directly. Both ends share the machine.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_core::manager::{OrderManager, PlaceOptions, Principal};
use order_core::money::Currency;
use order_core::order::{PaymentTerms, Status};
use order_core::pricing::{PaymentMethodRule, PriceBook, ShippingRule};
use order_core::services::{DynClients, InventoryCapabilities, PaymentCapabilities, ServiceName};
use order_core::store::OrderStore;
use order_grpc::offer::{self, OfferOptions};
use order_grpc::services::{
    CacheSettings, Endpoint, NotificationClient, PaymentClient, PlatformProducts, PlatformUsers,
    ServiceChannel, StockClient,
};
use order_grpc::{Log, LogFormat};

use crate::load::{self, median, median_ratio};
use crate::shop::{self, YesShop};
use crate::{IN_FLIGHT, ROUND, ROUNDS, open};

/// The number of orders that are placed one after the other to count the calls they make.
const COUNTED: usize = 200;

/// Any store with remote services.
type Remote<S> = OrderManager<S, DynClients>;

pub async fn print(folder: &Path) {
    let asked = counted(folder).await;
    let (direct, remote) = (
        shop::manager(open(folder, "direct.db"), true),
        manager(open(folder, "remote.db"), Log::default()).await,
    );
    let (mut directly, mut over_sockets) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let one = direct.clone();
        directly.push(load::direct(IN_FLIGHT, ROUND, move || placed(one.clone())).await);
        let one = remote.clone();
        over_sockets.push(load::direct(IN_FLIGHT, ROUND, move || placed(one.clone())).await);
    }
    let ratio = median_ratio(&over_sockets, &directly);
    println!(
        "placing with five services, in process and over sockets, store: SQLite, {IN_FLIGHT} in flight"
    );
    println!("{:>12} {:>12} {:>7}", "in-process/s", "remote/s", "ratio");
    println!(
        "{:>12.0} {:>12.0} {ratio:>7.2}",
        median(&mut directly),
        median(&mut over_sockets)
    );
    let round_trips: Vec<String> = asked
        .iter()
        .map(|(method, n)| format!("{method} {:.2}", *n as f64 / COUNTED as f64))
        .collect();
    println!(
        "round trips an order, one after the other: {}\n",
        round_trips.join(", ")
    );
}

async fn placed<S: OrderStore, C: order_core::services::Clients>(manager: OrderManager<S, C>) {
    let placed = manager
        .place(
            &Principal::operator("bench"),
            shop::request(),
            PlaceOptions::default(),
        )
        .await;
    assert_eq!(
        placed.expect("it is placed").order.statuses.status,
        Status::Confirmed
    );
}

/// Counts each kind of call that is made for so many orders.
async fn counted(folder: &Path) -> BTreeMap<String, usize> {
    let lines = Lines::default();
    let manager = manager(
        open(folder, "counted.db"),
        Log::to(LogFormat::Text, Box::new(lines.clone())),
    )
    .await;
    for _ in 0..COUNTED {
        placed(manager.clone()).await;
    }
    while manager.work_summary().await.expect("it counts").total > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The log is written by a task of its own.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let text =
        String::from_utf8(lines.0.lock().expect("nobody panics with it").clone()).expect("UTF-8");
    let mut asked = BTreeMap::new();
    for method in text
        .lines()
        .filter_map(|line| line.split("method=").nth(1)?.split(' ').next())
    {
        *asked
            .entry(method.rsplit('/').next().unwrap_or(method).to_owned())
            .or_default() += 1;
    }
    asked
}

/// The bytes that were written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .expect("nobody panics with it")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A manager whose five services are served on a socket of their own for as long as the program
/// runs.
async fn manager<S: OrderStore>(store: S, log: Log) -> Remote<S> {
    let listener = order_grpc::bind("127.0.0.1:0", false)
        .await
        .expect("it listens");
    let url = format!(
        "http://{}",
        listener.local_addr().expect("it has an address")
    );
    let options = OfferOptions {
        log,
        ..OfferOptions::default()
    };
    tokio::spawn(offer::serve(
        Arc::new(YesShop { tells: true }),
        listener,
        options,
        std::future::pending(),
    ));
    let channel =
        |service| ServiceChannel::new(service, &Endpoint::new(&*url)).expect("a sound address");
    let usual = CacheSettings::default();
    let clients = DynClients {
        inventory: Arc::new(StockClient::new(
            channel(ServiceName::Inventory),
            InventoryCapabilities::IDEAL,
        )),
        product: Arc::new(PlatformProducts::new(
            channel(ServiceName::Product),
            Currency::USD,
            usual,
        )),
        user: Arc::new(PlatformUsers::new(channel(ServiceName::User), usual)),
        payment: Arc::new(PaymentClient::new(
            channel(ServiceName::Payment),
            PaymentCapabilities::IDEAL,
        )),
        notification: Arc::new(NotificationClient::new(channel(ServiceName::Notification))),
    };
    let shipping = ShippingRule {
        method: "STANDARD".parse().expect("a name"),
        price: 490,
        free_from: None,
    };
    let card = PaymentMethodRule {
        method: "CREDIT_CARD".parse().expect("a name"),
        due: PaymentTerms::Confirm,
    };
    let book = PriceBook::new(
        Currency::USD,
        vec![shipping],
        Vec::new(),
        Vec::new(),
        vec![card],
    )
    .expect("a sound book");
    OrderManager::builder(store, clients)
        .pricing(Arc::new(book))
        .build()
        .expect("a sound manager")
}
