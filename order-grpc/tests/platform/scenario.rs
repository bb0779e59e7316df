//! Whole orders, over the platform's services and the embedded shop's payment desk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use order_core::ids::OrderId;
use order_core::manager::{CommandOptions, OrderManager, PlaceOptions, Placement, Principal};
use order_core::money::Currency;
use order_core::order::{
    AttentionReason, Order, PaymentStatus, PaymentTerms, ReservationState, Status,
};
use order_core::policy::Policy;
use order_core::pricing::{PaymentMethodRule, PriceBook, ShippingRule};
use order_core::request::{AddressInput, ItemInput, PlaceRequest};
use order_core::rules::Command;
use order_core::runtime::{BoxFuture, Clock, Runtime};
use order_core::services::{DynClients, ServiceName};
use order_core::store::{ListQuery, MemoryStore};
use order_core::time::Timestamp;
use order_grpc::TrackedRuntime;
use order_grpc::proto::product::Product;
use order_grpc::services::{CacheSettings, PlatformInventory, PlatformProducts, PlatformUsers};
use order_store_sqlite::shop::{Catalogue, Shop};

use crate::channel;
use crate::fakes::directory::{GET_PRODUCT, GET_USER, Products, Users};
use crate::fakes::inventory::{CANCEL, CHECK, CONFIRM, Counters, Inventory, RESERVE};
use crate::fakes::peer::{Fault, Peer, waiting};

const USER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";
const MUG: &str = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11";
const DESK: &str =
    "currency = \"USD\"\n[[payment_method]]\nmethod = \"CARD\"\noutcome = \"approve\"\n";

/// The machine's time, which can be set forward: both the clock and what leases are counted with.
#[derive(Clone, Default)]
struct Forward {
    tokio: TrackedRuntime,
    ahead_us: Arc<AtomicU64>,
}

impl Forward {
    fn ahead(&self) -> Duration {
        Duration::from_micros(self.ahead_us.load(Ordering::SeqCst))
    }
    fn set_forward(&self, by: Duration) {
        self.ahead_us
            .fetch_add(by.as_micros() as u64, Ordering::SeqCst);
    }
}

impl Clock for Forward {
    fn now(&self) -> Timestamp {
        self.tokio.now().after(self.ahead())
    }
}

impl Runtime for Forward {
    fn monotonic(&self) -> Duration {
        self.tokio.monotonic() + self.ahead()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.tokio.sleep(duration)
    }
    fn spawn(&self, task: BoxFuture<()>) {
        self.tokio.spawn(task);
    }
}

struct World {
    runtime: Forward,
    inventory: Inventory,
    products: Products,
    users: Users,
    manager: OrderManager<Arc<MemoryStore>, DynClients>,
    _peers: [Peer; 3],
}

async fn world(units: i32) -> World {
    let runtime = Forward::default();
    let (inventory, products, users) =
        (Inventory::default(), Products::default(), Users::default());
    inventory.stock("MUG", units);
    users.put(USER.parse().unwrap(), "active");
    let mug = Product {
        id: MUG.into(),
        title: "Mug".into(),
        price: 10.0,
        sku: "MUG".into(),
        is_published: true,
        ..Product::default()
    };
    products.put(mug);
    let peers = [
        inventory.serve().await,
        products.serve().await,
        users.serve().await,
    ];
    let clock: Arc<dyn Clock> = Arc::new(runtime.clone());
    let shop = Shop::in_memory(Arc::clone(&clock)).unwrap();
    shop.load(&Catalogue::parse(DESK, "desk.toml").unwrap())
        .await
        .unwrap();
    let cache = CacheSettings::default();
    let clients = DynClients {
        inventory: Arc::new(PlatformInventory::with_clock(
            channel(ServiceName::Inventory, &peers[0]),
            Arc::clone(&clock),
        )),
        product: Arc::new(PlatformProducts::new(
            channel(ServiceName::Product, &peers[1]),
            Currency::USD,
            cache,
        )),
        user: Arc::new(PlatformUsers::new(
            channel(ServiceName::User, &peers[2]),
            cache,
        )),
        ..DynClients::all(Arc::new(shop))
    };
    let shipping = vec![ShippingRule {
        method: "STANDARD".parse().unwrap(),
        price: 490,
        free_from: None,
    }];
    let methods = vec![PaymentMethodRule {
        method: "CARD".parse().unwrap(),
        due: PaymentTerms::Confirm,
    }];
    let manager = OrderManager::builder(Arc::new(MemoryStore::new(clock)), clients)
        .pricing(Arc::new(
            PriceBook::new(Currency::USD, shipping, Vec::new(), Vec::new(), methods).unwrap(),
        ))
        .runtime(Arc::new(runtime.clone()))
        // A call that a busy machine makes late must not count as lost here.
        .policy(Policy {
            call_deadline: Duration::from_secs(20),
            lease: Duration::from_secs(40),
            ..Policy::default()
        })
        .build()
        .unwrap();
    World {
        runtime,
        inventory,
        products,
        users,
        manager,
        _peers: peers,
    }
}

fn operator() -> Principal {
    Principal::operator("test")
}

fn request(quantity: i64) -> PlaceRequest {
    let address = AddressInput {
        first_name: "Sample".into(),
        last_name: "Customer".into(),
        address_line1: "1 Main Street".into(),
        city: "Springfield".into(),
        state: "CA".into(),
        postal_code: "90210".into(),
        country: "US".into(),
        ..AddressInput::default()
    };
    PlaceRequest {
        user_id: USER.into(),
        items: vec![ItemInput {
            product_id: MUG.into(),
            variant_id: None,
            quantity,
        }],
        shipping_address: Some(address),
        payment_method: "CARD".into(),
        shipping_method: "STANDARD".into(),
        ..PlaceRequest::default()
    }
}

impl World {
    async fn place(&self, quantity: i64, wait: Duration) -> Placement {
        let options = PlaceOptions {
            wait: Some(wait),
            ..PlaceOptions::default()
        };
        self.manager
            .place(&operator(), request(quantity), options)
            .await
            .unwrap()
    }

    /// Places an order that is not decided soon; the order as it is once everybody waits.
    async fn place_undecided(&self, quantity: i64) -> Arc<Order> {
        let placed = self.place(quantity, Duration::from_millis(500)).await.order;
        self.runtime.tokio.idle().await;
        self.manager
            .get(&operator(), placed.id.into())
            .await
            .unwrap()
    }

    /// Lets time go on until nothing is due for the order within it.
    async fn pass(&self, id: OrderId, time: Duration) -> Arc<Order> {
        self.runtime.tokio.idle().await;
        self.runtime.set_forward(time);
        let order = self.manager.work_to_rest(id).await.unwrap();
        self.runtime.tokio.idle().await;
        order
    }

    async fn ship(&self, id: OrderId) -> Arc<Order> {
        let ship = Command::Ship {
            shipment: None,
            lines: Vec::new(),
            carrier: None,
            tracking: None,
        };
        let answered = self
            .manager
            .execute(&operator(), id.into(), ship, CommandOptions::default())
            .await;
        answered.unwrap().order
    }

    async fn events(&self, id: OrderId) -> Vec<&'static str> {
        let rows = self.manager.history(&operator(), id.into()).await.unwrap();
        rows.iter().map(|row| row.event.name()).collect()
    }

    async fn stuck(&self) -> Vec<OrderId> {
        let query = ListQuery {
            stuck: true,
            limit: 100,
            ..ListQuery::default()
        };
        self.manager
            .list(&operator(), query)
            .await
            .unwrap()
            .orders
            .iter()
            .map(|o| o.id)
            .collect()
    }
}

fn counters(total: i32, available: i32, reserved: i32) -> Counters {
    Counters {
        total,
        available,
        reserved,
    }
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_order_is_placed_and_shipped() {
    let w = world(5).await;
    let order = w.place(2, LONG).await.order;
    assert_eq!(
        (order.statuses.status, order.statuses.payment),
        (Status::Confirmed, PaymentStatus::Paid)
    );
    assert_eq!(
        w.inventory.counters("MUG"),
        counters(5, 3, 2),
        "held until it is shipped"
    );
    let [hold] = &w.inventory.holds()[..] else {
        panic!("{:?}", w.inventory.holds())
    };
    assert_eq!(
        (hold.reference.to_string(), hold.kind.as_str()),
        (order.id.to_string(), "ORDER")
    );
    let life = Duration::from_micros((hold.expires - hold.created) as u64);
    assert_eq!(
        life,
        Policy::default().reservation_lifetime,
        "43,200 minutes"
    );
    let shipped = w.ship(order.id).await;
    assert_eq!(shipped.statuses.status, Status::Shipped);
    assert_eq!(
        w.pass(order.id, Duration::ZERO).await.reservations[0].state,
        ReservationState::Committed
    );
    assert_eq!(w.inventory.counters("MUG"), counters(3, 3, 0));
    assert_eq!(
        (
            w.products.wire.calls_of(GET_PRODUCT).len(),
            w.users.wire.calls_of(GET_USER).len()
        ),
        (1, 1),
        "read once"
    );
    assert!(w.stuck().await.is_empty());
}

#[tokio::test]
async fn a_reserve_whose_answer_is_lost_becomes_a_suspect_that_is_listed() {
    let w = world(9).await;
    w.inventory.wire.fault(RESERVE, Fault::LoseAnswer);
    let order = w.place_undecided(2).await;
    assert_eq!(
        (order.statuses.status, order.reservations[0].state),
        (Status::Pending, ReservationState::Unknown)
    );
    let order = w.pass(order.id, Duration::from_secs(60)).await;
    assert_eq!(
        order.statuses.status,
        Status::Confirmed,
        "one further reserve is allowed"
    );
    let states: Vec<ReservationState> = order.reservations.iter().map(|r| r.state).collect();
    assert_eq!(states, [ReservationState::Suspect, ReservationState::Held]);
    assert_eq!(
        w.inventory.counters("MUG"),
        counters(9, 5, 4),
        "two of them belong to nobody"
    );
    assert!(order.has_attention(AttentionReason::SuspectReservation));
    assert_eq!(w.stuck().await, [order.id]);
    let events = w.events(order.id).await;
    assert!(
        events.contains(&"STOCK_UNKNOWN") && events.contains(&"STOCK_SUSPECT"),
        "{events:?}"
    );
    let told = w
        .manager
        .explain(&operator(), order.id.into())
        .await
        .unwrap()
        .sentences
        .join("\n");
    assert!(
        told.contains(
            "a person must look about reservation 1 (MUG × 2, SUSPECT): SUSPECT_RESERVATION"
        ),
        "{told}"
    );
}

#[tokio::test]
async fn a_reserve_that_never_arrived_is_proven_absent_and_made() {
    let w = world(9).await;
    w.inventory.wire.fault(RESERVE, Fault::Break);
    let order = w.place_undecided(2).await;
    assert_eq!(order.reservations[0].state, ReservationState::Unknown);
    let order = w.pass(order.id, Duration::from_secs(60)).await;
    assert_eq!(order.statuses.status, Status::Confirmed);
    assert_eq!(w.inventory.counters("MUG"), counters(9, 7, 2));
    assert!(w.events(order.id).await.contains(&"STOCK_ABSENT"));
    assert!(w.stuck().await.is_empty());
}

#[tokio::test]
async fn a_lost_race_for_the_last_unit_ends_as_a_plain_shortage() {
    let w = world(2).await;
    let (fault, is_reached, go_on) = waiting(Fault::Pause);
    w.inventory.wire.fault(RESERVE, fault);
    let slow = w.place_undecided(2);
    // Another channel of the platform is faster.
    let other = async {
        is_reached.await.unwrap();
        w.inventory.set_counters("MUG", counters(1, 1, 0));
        go_on.send(()).unwrap();
    };
    let (order, ()) = tokio::join!(slow, other);
    assert_eq!(order.reservations[0].state, ReservationState::Unknown);
    let order = w.pass(order.id, Duration::from_secs(60)).await;
    assert_eq!(
        order.statuses.status,
        Status::Rejected,
        "{:?}",
        w.events(order.id).await
    );
    let short = order.reservations.last().unwrap();
    assert_eq!(
        (short.state, short.quantity, short.available),
        (ReservationState::Refused, 2, Some(1))
    );
    assert_eq!(
        w.inventory.wire.calls_of(CHECK),
        ["MUG"],
        "how many there are is asked for the message"
    );
    assert_eq!(w.inventory.counters("MUG"), counters(1, 1, 0));
    assert!(w.stuck().await.is_empty());
}

#[tokio::test]
async fn a_hold_that_expired_unnoticed_is_given_back_and_replaced() {
    let w = world(5).await;
    let order = w.place(2, LONG).await.order;
    w.runtime.tokio.idle().await;
    // Everybody stood still for longer than the hold lives.
    w.inventory.pass(Policy::default().reservation_lifetime);
    let order = w
        .pass(order.id, Policy::default().reservation_lifetime)
        .await;
    let states: Vec<ReservationState> = order.reservations.iter().map(|r| r.state).collect();
    assert_eq!(
        states,
        [ReservationState::Released, ReservationState::Held],
        "{:?}",
        w.events(order.id).await
    );
    assert_eq!(w.inventory.counters("MUG"), counters(5, 3, 2));
    assert_eq!(w.ship(order.id).await.statuses.status, Status::Shipped);
    w.pass(order.id, Duration::ZERO).await;
    assert_eq!(w.inventory.counters("MUG"), counters(3, 3, 0));
    assert!(w.stuck().await.is_empty());
}

#[tokio::test]
async fn a_commit_that_finds_the_hold_expired_loses_it_and_the_order_gets_another() {
    let w = world(5).await;
    let order = w.place(2, LONG).await.order;
    w.runtime.tokio.idle().await;
    // The service's clock is ahead of ours by far.
    w.inventory.pass(Policy::default().reservation_lifetime);
    assert_eq!(w.ship(order.id).await.statuses.status, Status::Shipped);
    let order = w.pass(order.id, Duration::from_secs(1)).await;
    let states: Vec<ReservationState> = order.reservations.iter().map(|r| r.state).collect();
    assert_eq!(
        states,
        [ReservationState::Lost, ReservationState::Committed],
        "{:?}",
        w.events(order.id).await
    );
    assert_eq!(
        (
            w.inventory.wire.calls_of(CONFIRM).len(),
            w.inventory.wire.calls_of(CANCEL).len()
        ),
        (2, 1)
    );
    assert_eq!(w.inventory.counters("MUG"), counters(3, 3, 0));
    assert!(w.stuck().await.is_empty());
}

#[tokio::test]
async fn a_release_that_never_succeeds_is_told_to_a_person_and_not_given_up() {
    let w = world(5).await;
    let order = w.place(2, LONG).await.order;
    let item = w.inventory.holds()[0].item;
    let warehouse = w.inventory.warehouse(item, 5);
    w.inventory.add_to_location(item, warehouse, 1);
    let operator = operator();
    let options = CommandOptions {
        wait: Some(Duration::from_millis(500)),
        ..CommandOptions::default()
    };
    let cancel = w.manager.execute(
        &operator,
        order.id.into(),
        Command::Cancel,
        options.with_notes("changed my mind"),
    );
    assert_eq!(
        cancel.await.unwrap().order.statuses.status,
        Status::Cancelling
    );
    let mut order = w.pass(order.id, Duration::from_secs(3600)).await;
    for _ in 0..12 {
        order = w.pass(order.id, Duration::from_secs(3600)).await;
    }
    assert!(
        order.has_attention(AttentionReason::RetriesExhausted),
        "{:?}",
        w.events(order.id).await
    );
    assert_eq!(
        order.reservations[0].state,
        ReservationState::Held,
        "nobody claims that it was given back"
    );
    assert_eq!(w.stuck().await, [order.id]);
    let cancels = w.inventory.wire.calls_of(CANCEL).len();
    w.pass(order.id, Duration::from_secs(3600)).await;
    assert_eq!(w.inventory.wire.calls_of(CANCEL).len(), cancels + 1);
}
