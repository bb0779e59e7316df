//! Whole orders through five remote services.

use std::sync::Arc;
use std::time::Duration;

use order_core::ids::OrderId;
use order_core::manager::{OrderManager, PlaceOptions, Principal};
use order_core::money::Currency;
use order_core::order::{OperationState, Order, Status};
use order_core::policy::Policy;
use order_core::request::{AddressInput, ItemInput, PlaceRequest};
use order_core::runtime::{Runtime, SystemClock};
use order_core::services::{DynClients, InventoryCapabilities, PaymentCapabilities, ServiceName};
use order_core::store::MemoryStore;
use order_grpc::TrackedRuntime;
use order_grpc::services::{
    CacheSettings, NotificationClient, PaymentClient, PlatformProducts, PlatformUsers, StockClient,
};

use crate::recorded::{Record, Recorded};
use crate::street::{CUSTOMER, MUG, Peer, catalogue};

type Manager = OrderManager<MemoryStore, DynClients>;

/// An engine, and the peer that is all of its services.
struct World {
    peer: Peer,
    record: Record,
    manager: Manager,
    operator: Principal,
}

impl World {
    async fn new() -> Self {
        World::with(PaymentCapabilities::IDEAL).await
    }

    /// One whose payment service is used for what `payments` say.
    async fn with(payments: PaymentCapabilities) -> Self {
        let peer = Peer::open(Arc::default()).await;
        let record = Record::default();
        let (stock, payment) = (
            peer.channel(ServiceName::Inventory),
            peer.channel(ServiceName::Payment),
        );
        let products = PlatformProducts::new(
            peer.channel(ServiceName::Product),
            Currency::USD,
            CacheSettings::default(),
        );
        let users = PlatformUsers::new(peer.channel(ServiceName::User), CacheSettings::default());
        let notification = NotificationClient::new(peer.channel(ServiceName::Notification));
        let clients = DynClients {
            inventory: Arc::new(Recorded(
                StockClient::new(stock, InventoryCapabilities::IDEAL),
                record.clone(),
            )),
            product: Arc::new(Recorded(products, record.clone())),
            user: Arc::new(Recorded(users, record.clone())),
            payment: Arc::new(Recorded(
                PaymentClient::new(payment, payments),
                record.clone(),
            )),
            notification: Arc::new(Recorded(notification, record.clone())),
        };
        let runtime: Arc<dyn Runtime> = Arc::new(TrackedRuntime::default());
        let manager = OrderManager::builder(MemoryStore::new(Arc::new(SystemClock)), clients)
            .pricing(Arc::new(catalogue().price_book().clone()))
            .runtime(runtime)
            .policy(Policy {
                call_deadline: SECOND,
                settle_margin: SECOND / 10,
                ..Policy::default()
            })
            .build()
            .unwrap();
        World {
            peer,
            record,
            manager,
            operator: Principal::operator("test"),
        }
    }

    /// Places an order for two mugs, and waits so long for what becomes of it.
    async fn place(&self, wait: Duration) -> Arc<Order> {
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
        let variant_id = Some("6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b21".into());
        let request = PlaceRequest {
            user_id: CUSTOMER.into(),
            items: vec![ItemInput {
                product_id: MUG.into(),
                variant_id,
                quantity: 2,
            }],
            shipping_address: Some(address),
            payment_method: "CHARGE".into(),
            shipping_method: "STANDARD".into(),
            ..PlaceRequest::default()
        };
        let options = PlaceOptions {
            wait: Some(wait),
            ..PlaceOptions::default()
        };
        self.manager
            .place(&self.operator, request, options)
            .await
            .unwrap()
            .order
    }

    /// Works the order until it is confirmed and everything that there is to tell is told.
    async fn settle(&self, id: OrderId) -> Arc<Order> {
        let settled = async {
            loop {
                let done = self.manager.work(id).await.unwrap();
                let order = self.manager.get(&self.operator, id.into()).await.unwrap();
                if order.statuses.status == Status::Confirmed
                    && !self.peer.shop.notifications().await.unwrap().is_empty()
                {
                    return order;
                }
                tokio::time::sleep(
                    done.next_in
                        .unwrap_or_default()
                        .clamp(Duration::from_millis(5), Duration::from_millis(200)),
                )
                .await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), settled)
            .await
            .expect("it comes to rest")
    }

    async fn reserved(&self) -> u64 {
        self.peer
            .shop
            .stock(Some(&"MUG-RED".parse().unwrap()))
            .await
            .unwrap()[0]
            .reserved
    }

    /// Lists the amounts that were taken for the order.
    async fn taken(&self, id: OrderId) -> Vec<i64> {
        let payments = self.peer.shop.payments().await.unwrap();
        let taken = payments
            .into_iter()
            .filter(|p| p.order == id && p.status == OperationState::Captured);
        taken.map(|p| p.amount.minor).collect()
    }
}

const LONG: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn an_order_takes_one_wait_before_it_is_accepted_and_five_calls_in_all() {
    let world = World::new().await;
    let placed = world.place(LONG).await;
    assert_eq!(placed.statuses.status, Status::Confirmed);
    let order = world.settle(placed.id).await;
    // A red mug is 13, two and the shipping are 30.90.
    assert_eq!(order.amounts.total, 3090);
    assert_eq!(world.taken(order.id).await, [3090]);
    assert_eq!(world.reserved().await, 2);

    let mut calls = world.record.names();
    calls.sort_unstable();
    assert_eq!(calls, ["charge", "notify", "product", "reserve", "user"]);
    // What was accepted is reserved next: user and product were read side by side before.
    let waits = world.record.waits_before(&["reserve", "charge"]);
    println!("sequential waits before acceptance: {waits}; calls: {calls:?}");
    assert!(waits <= 2, "{waits}");
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_found_and_not_made_again() {
    let world = World::with(PaymentCapabilities::LOOK_UP_ONLY).await;
    world
        .peer
        .faults
        .set(vec!["payment.charge=lost".parse().unwrap()]);
    let placed = world.place(SHORT).await;
    let order = world.settle(placed.id).await;
    assert_eq!(world.taken(order.id).await, [3090]);
    let calls = world.record.names();
    let charges = calls.iter().filter(|call| **call == "charge").count();
    assert!(
        charges == 1 && calls.contains(&"look up payment"),
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_repeated_under_its_key_with_one_effect() {
    let world = World::new().await;
    world
        .peer
        .faults
        .set(vec!["payment.charge=lost".parse().unwrap()]);
    let placed = world.place(SHORT).await;
    let lost = async {
        while world.taken(placed.id).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, lost)
        .await
        .expect("it is charged");
    world.peer.faults.set(Vec::new());
    let order = world.settle(placed.id).await;
    assert_eq!(world.taken(order.id).await, [3090]);
    let calls = world.record.names();
    assert!(
        calls.iter().filter(|call| **call == "charge").count() >= 2,
        "{calls:?}"
    );
}

#[tokio::test]
async fn an_order_that_is_accepted_while_services_are_away_is_made_when_they_are_back() {
    let mut world = World::new().await;
    let first = world.place(LONG).await;
    world.settle(first.id).await;
    world
        .peer
        .faults
        .set(vec!["inventory=down".parse().unwrap()]);
    let second = world.place(SHORT).await;
    assert_eq!(second.statuses.status, Status::Pending);
    // And then there is nobody at all, until there is somebody again at the same place.
    world.peer.close().await;
    world.manager.work(second.id).await.unwrap();
    world.peer.faults.set(Vec::new());
    world.peer.reopen();
    let order = world.settle(second.id).await;
    assert_eq!(world.taken(order.id).await, [3090]);
    assert_eq!(world.reserved().await, 4, "two for each order");
}
