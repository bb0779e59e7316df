//! A shop at the other end of a socket, and what goes wrong on the way to it.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_core::runtime::BoxFuture;
use order_core::services::ServiceName;
use order_core::testkit::ManualClock;
use order_core::testkit::service_conformance::Sandbox;
use order_grpc::Limits;
use order_grpc::offer::{self, Fault, Faults, OfferOptions};
use order_grpc::services::{Endpoint, ServiceChannel};
use order_store_sqlite::shop::{Catalogue, Shop};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub(crate) const MUG: &str = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11";
pub(crate) const CUSTOMER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";

/// The number of SKUs there are to put on the shelf.
const SHELVES: u32 = 20;

pub(crate) fn catalogue() -> Catalogue {
    let mut text = format!(
        r#"
        currency = "USD"
        product = [
            {{ id = "{MUG}", sku = "MUG", name = "Mug", price = "12.50", discount_price = "11", stock = 100, variant = [
                {{ id = "6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b21", sku = "MUG-RED", name = "Red", price = "13", stock = 100 }},
            ] }},
        "#
    );
    for n in 0..SHELVES {
        let id = Uuid::from_u128(u128::from(n) + 1);
        text.push_str(&format!("{{ id = \"{id}\", sku = \"SKU-{n}\", name = \"Thing {n}\", price = \"1\", stock = 0 }},\n"));
    }
    text.push_str(&format!(
        r#"]
        customer = [{{ id = "{CUSTOMER}", email = "c@example.com", first_name = "Sample", last_name = "Customer" }}]
        shipping = [{{ method = "STANDARD", price = "4.90" }}]
        payment_method = [
            {{ method = "CHARGE", outcome = "approve" }},
            {{ method = "APPROVE", outcome = "approve", due = "shipment", capture_within_days = 7 }},
            {{ method = "DECLINE", outcome = "decline" }},
            {{ method = "PENDING", outcome = "pending" }},
            {{ method = "ACTIONREQUIRED", outcome = "action_required" }},
        ]"#
    ));
    Catalogue::parse(&text, "street.toml").unwrap()
}

/// A shop that is offered, and the means to open and close it.
pub(crate) struct Peer {
    pub(crate) shop: Shop,
    limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) address: SocketAddr,
    serving: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Peer {
    pub(crate) async fn open(clock: Arc<ManualClock>) -> Self {
        let usual = OfferOptions::default();
        Peer::open_within(clock, usual.limits, usual.faults).await
    }

    /// The same within `limits`, and with faults from the start.
    pub(crate) async fn open_within(
        clock: Arc<ManualClock>,
        limits: Limits,
        faults: Faults,
    ) -> Self {
        let shop = Shop::in_memory(clock).unwrap();
        shop.load(&catalogue()).await.unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut peer = Peer {
            shop,
            limits,
            faults,
            address: any,
            serving: None,
        };
        peer.reopen();
        peer
    }

    /// Listens again where it was; from the moment this returns, connections come about.
    pub(crate) fn reopen(&mut self) {
        let listener = TcpListener::bind(self.address).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.address = listener.local_addr().unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (stop, stopped) = oneshot::channel();
        let shop = Arc::new(self.shop.clone());
        let options = OfferOptions {
            limits: self.limits.clone(),
            faults: self.faults.clone(),
            ..OfferOptions::default()
        };
        let task = tokio::spawn(async move {
            offer::serve(shop, listener, options, async { drop(stopped.await) }).await;
        });
        self.serving = Some((stop, task));
    }

    /// Closes every connection and listens no more.
    pub(crate) async fn close(&mut self) {
        let Some((stop, task)) = self.serving.take() else {
            return;
        };
        let _ = stop.send(());
        task.await.unwrap();
    }

    pub(crate) fn channel(&self, service: ServiceName) -> ServiceChannel {
        ServiceChannel::new(service, &Endpoint::new(format!("http://{}", self.address))).unwrap()
    }
}

/// The state of the peer's door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    /// For the next call.
    Closed,
    /// That call is under way.
    Refusing,
}

/// The peer that was opened last.
pub(crate) struct Street {
    clock: Arc<ManualClock>,
    peer: tokio::sync::Mutex<Option<Peer>>,
    door: Mutex<Door>,
    skus: AtomicU32,
}

impl Default for Street {
    fn default() -> Self {
        let (clock, skus) = (Arc::default(), AtomicU32::new(0));
        Street {
            clock,
            peer: tokio::sync::Mutex::default(),
            door: Mutex::new(Door::Open),
            skus,
        }
    }
}

impl Street {
    /// Opens another peer, and returns the way to it.
    pub(crate) async fn open(&self, service: ServiceName) -> ServiceChannel {
        let peer = Peer::open(self.clock.clone()).await;
        let channel = peer.channel(service);
        *self.peer.lock().await = Some(peer);
        *self.door.lock().unwrap() = Door::Open;
        channel
    }

    pub(crate) async fn shop(&self) -> Shop {
        self.peer
            .lock()
            .await
            .as_ref()
            .expect("a peer was opened")
            .shop
            .clone()
    }

    /// A SKU that nobody else has.
    pub(crate) fn shelf(&self) -> String {
        let n = self.skus.fetch_add(1, Ordering::Relaxed);
        assert!(n < SHELVES, "there are no more shelves");
        format!("SKU-{n}")
    }
}

impl Sandbox for Street {
    fn run<T: Future>(&self, test: T) -> T::Output {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(test)
    }

    /// The clients have deadlines of their own; this is called before each call.
    fn deadline(&self) -> BoxFuture<()> {
        let mut door = self.door.lock().unwrap();
        *door = match *door {
            Door::Open => Door::Open,
            Door::Closed => Door::Refusing,
            Door::Refusing => {
                self.peer.try_lock().unwrap().as_mut().unwrap().reopen();
                Door::Open
            }
        };
        Box::pin(std::future::pending())
    }

    async fn lose_next_answer(&self) -> bool {
        self.peer
            .lock()
            .await
            .as_ref()
            .unwrap()
            .faults
            .hit_next(Fault::Lost);
        true
    }

    async fn refuse_next_connection(&self) -> bool {
        self.peer.lock().await.as_mut().unwrap().close().await;
        *self.door.lock().unwrap() = Door::Closed;
        true
    }

    async fn pass(&self, time: Duration) -> bool {
        self.clock.advance(time);
        true
    }
}
