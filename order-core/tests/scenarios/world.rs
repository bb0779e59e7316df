//! A shop in memory, on virtual time, whose services can be made to fail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use order_core::ids::{OrderId, UserId};
use order_core::manager::{
    CommandOptions, LeaseWait, OrderManager, PlaceOptions, Placement, Principal,
};
use order_core::money::Currency;
use order_core::order::{JournalRow, Order, PaymentTerms};
use order_core::policy::Policy;
use order_core::pricing::{
    CouponRule, Discount, PaymentMethodRule, PriceBook, Pricing, ShippingRule,
};
use order_core::request::{AddressInput, ItemInput, PlaceRequest};
use order_core::rules::Command;
use order_core::runtime::virtual_time::{SeededIds, VirtualRuntime};
use order_core::runtime::{Clock, Runtime};
use order_core::services::{DynClients, InventoryCapabilities, PaymentCapabilities, Product, User};
use order_core::store::*;
use order_core::testkit::services::*;

pub const USER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";

/// A store that counts durable commits, redemptions included.
pub struct Counting {
    pub inner: MemoryStore,
    pub commits: AtomicU64,
    pub leases: AtomicU64,
    pub trouble: Mutex<Trouble>,
}

/// The trouble of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trouble {
    #[default]
    None,
    /// Leasing fails.
    NoLeases,
    /// Leasing gives leases, and the answer is lost.
    LeasesUnheard,
    /// The commits of workers fail, but for saying that it begins.
    NoWorkersCommits,
    /// The same, because somebody else has its lease by then.
    LeasesLost,
}

impl Counting {
    fn is(&self, trouble: Trouble) -> bool {
        *self.trouble.lock().unwrap() == trouble
    }
}

fn down() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "down")
}

#[async_trait]
impl OrderStore for Counting {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let by_worker = matches!(
            changeset.work,
            WorkChange::Extend { .. } | WorkChange::Release { .. } | WorkChange::Done { .. }
        );
        if by_worker && self.is(Trouble::NoWorkersCommits) {
            return Err(down().into());
        }
        if by_worker && self.is(Trouble::LeasesLost) {
            return Err(CommitError::Fenced);
        }
        self.inner.commit(changeset).await
    }
    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        self.inner.load(order, owner).await
    }
    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        self.inner.peek(order).await
    }
    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        self.inner.list(query).await
    }
    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        self.inner.journal(query).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        // Without any to take it is a read.
        self.commits
            .fetch_add(u64::from(request.limit > 0), Ordering::Relaxed);
        self.leases.fetch_add(1, Ordering::Relaxed);
        if self.is(Trouble::NoLeases) {
            return Err(down());
        }
        let leased = self.inner.lease(request).await?;
        if self.is(Trouble::LeasesUnheard) {
            return Err(StoreError::new(
                StoreErrorKind::Unknown,
                "the answer was lost",
            ));
        }
        Ok(leased)
    }
    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        self.inner.work_summary().await
    }
    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        self.inner.feed(query).await
    }
    async fn dump(&self, query: &DumpQuery) -> Result<DumpPage, StoreError> {
        self.inner.dump(query).await
    }
}

pub type Manager = OrderManager<Arc<Counting>, DynClients>;

pub struct World {
    pub runtime: Arc<VirtualRuntime>,
    pub store: Arc<Counting>,
    pub inventory: Arc<Scripted<MemoryInventory>>,
    pub payment: Arc<Scripted<MemoryPayments>>,
    pub notification: Arc<Scripted<MemoryNotifications>>,
    pub catalogue: Arc<MemoryCatalogue>,
    pub manager: Manager,
}

/// The payment methods of a customer: the method decides what the provider says.
fn outcome(method: &str) -> Outcome {
    match method {
        "DECLINED" => Outcome::Decline,
        "PENDING" => Outcome::Pending,
        "ACTION" => Outcome::ActionRequired,
        _ => Outcome::Approve,
    }
}

impl World {
    pub fn new() -> Self {
        World::with(InventoryCapabilities::IDEAL, None, Policy::default())
    }

    pub fn with(
        capabilities: InventoryCapabilities,
        reservation_lifetime: Option<Duration>,
        policy: Policy,
    ) -> Self {
        let runtime = Arc::new(VirtualRuntime::new());
        let clock: Arc<dyn Clock> = runtime.clone();
        let store = Arc::new(Counting {
            inner: MemoryStore::new(clock.clone()),
            commits: AtomicU64::new(0),
            leases: AtomicU64::new(0),
            trouble: Mutex::default(),
        });
        let stock = MemoryInventory::new(capabilities, reservation_lifetime, clock);
        for i in 1..=3 {
            stock.restock(&sku(i), 10);
        }
        let inventory = Arc::new(Scripted::new(stock, runtime.clone() as Arc<dyn Runtime>));
        let desk = MemoryPayments::new(
            PaymentCapabilities::IDEAL,
            Duration::from_secs(1800),
            Box::new(|request| outcome(request.method.as_str())),
        );
        let payment = Arc::new(Scripted::new(desk, runtime.clone() as Arc<dyn Runtime>));
        let notification = Arc::new(Scripted::new(
            MemoryNotifications::default(),
            runtime.clone() as Arc<dyn Runtime>,
        ));
        let catalogue = Arc::new(MemoryCatalogue::default());
        for i in 1..=3u8 {
            catalogue.put_product(product(i));
        }
        catalogue.put_user(user("active"));
        let clients = DynClients {
            inventory: inventory.clone(),
            product: catalogue.clone(),
            user: catalogue.clone(),
            payment: payment.clone(),
            notification: notification.clone(),
        };
        let manager = OrderManager::builder(store.clone(), clients)
            .pricing(Arc::new(price_book()))
            .runtime(runtime.clone())
            .ids(Arc::new(SeededIds::new(1)))
            .policy(policy)
            .build()
            .unwrap();
        World {
            runtime,
            store,
            inventory,
            payment,
            notification,
            catalogue,
            manager,
        }
    }

    /// The same shop after its process was started again with other settings.
    pub fn with_policy(self, policy: Policy) -> Self {
        let manager = OrderManager::builder(self.store.clone(), self.manager.clients().clone())
            .pricing(Arc::new(price_book()))
            .runtime(self.runtime.clone())
            .ids(Arc::new(SeededIds::new(2)))
            .policy(policy)
            .build()
            .unwrap();
        World { manager, ..self }
    }

    /// From now on the customer's account has this status.
    pub fn suspend(&self, status: &str) {
        self.catalogue.put_user(user(status));
    }

    /// The same shop with other clients in the place of some of its own.
    pub fn with_clients(self, replace: impl FnOnce(DynClients) -> DynClients) -> Self {
        self.changed(|clients| *clients = replace(clients.clone()), None)
    }

    /// The same shop with other clients, or priced by somebody else.
    pub fn changed(
        self,
        clients: impl FnOnce(&mut DynClients),
        pricing: Option<Arc<dyn Pricing>>,
    ) -> Self {
        let mut changed = self.manager.clients().clone();
        clients(&mut changed);
        let manager = OrderManager::builder(self.store.clone(), changed)
            .pricing(pricing.unwrap_or_else(|| Arc::new(price_book())))
            .runtime(self.runtime.clone())
            .ids(Arc::new(SeededIds::new(3)))
            .policy(self.manager.policy().clone())
            .build()
            .unwrap();
        World { manager, ..self }
    }

    /// Another process on the same store and services, which notes the leases that it waits for.
    pub fn other_process(&self, waits: &Arc<Mutex<Vec<LeaseWait>>>) -> Manager {
        let waits = Arc::clone(waits);
        OrderManager::builder(self.store.clone(), self.manager.clients().clone())
            .pricing(Arc::new(price_book()))
            .runtime(self.runtime.clone())
            .ids(Arc::new(SeededIds::new(3)))
            .on_wait(move |wait| waits.lock().unwrap().push(wait.clone()))
            .build()
            .unwrap()
    }

    pub fn set_trouble(&self, trouble: Trouble) {
        *self.store.trouble.lock().unwrap() = trouble;
    }

    /// The work item of an order.
    pub fn item(&self, id: OrderId) -> Option<WorkItem> {
        self.store
            .inner
            .inspect(id, |_, _, item| item.cloned())
            .flatten()
    }

    /// Places `quantity` units of each of the given products.
    pub fn try_place(
        &self,
        request: PlaceRequest,
        options: PlaceOptions,
    ) -> Result<Placement, order_core::error::Error> {
        self.runtime
            .block_on(self.manager.place(&operator(), request, options))
    }

    pub fn place(&self, products: &[u8], method: &str) -> Arc<Order> {
        self.try_place(request(products, method), PlaceOptions::default())
            .unwrap()
            .order
    }

    /// Lets everything that is due happen, without letting time go on.
    pub fn work(&self) {
        self.runtime.run_until_idle();
        self.runtime
            .block_on(async { while self.manager.work_due(100).await.unwrap().orders > 0 {} });
    }

    /// Lets time go on, and everything that falls due happen.
    pub fn advance(&self, by: Duration) {
        self.runtime.advance(by);
        self.work();
    }

    pub fn order(&self, id: OrderId) -> Arc<Order> {
        self.runtime
            .block_on(self.manager.get(&operator(), id.into()))
            .unwrap()
    }

    pub fn events(&self, id: OrderId) -> Vec<&'static str> {
        self.store
            .inner
            .journal_of(id)
            .iter()
            .map(|r| r.event.name())
            .collect()
    }

    pub fn cancel(&self, id: OrderId) -> Arc<Order> {
        let operator = operator();
        let cancelled = self.manager.execute(
            &operator,
            id.into(),
            Command::Cancel,
            CommandOptions::default().with_notes("changed my mind"),
        );
        self.runtime.block_on(cancelled).unwrap().order
    }

    /// Net money taken, and units held or gone, by the services' own books.
    pub fn books(&self) -> (i64, u32) {
        use order_core::order::{OperationKind as Kind, OperationState as State};
        let money = self.payment.inner().with_ledger(|ledger| {
            let sum = |wanted: State, counts: fn(Kind) -> bool| -> i64 {
                ledger
                    .iter()
                    .filter(|p| p.status == wanted && counts(p.kind))
                    .map(|p| p.amount.minor)
                    .sum()
            };
            sum(State::Captured, |k| {
                matches!(k, Kind::Charge | Kind::Capture)
            }) - sum(State::Refunded, |k| k == Kind::Refund)
        });
        let held = (1..=3)
            .map(|i| self.inventory.inner().level(&sku(i)).reserved)
            .sum();
        (money, held)
    }
}

pub fn operator() -> Principal {
    Principal::operator("test")
}

pub fn sku(i: u8) -> order_core::ids::Sku {
    format!("SKU-{i}").parse().unwrap()
}

fn user(status: &str) -> User {
    User {
        id: USER.parse().unwrap(),
        email: "c@example.com".into(),
        account_status: status.into(),
    }
}

fn product(i: u8) -> Product {
    Product {
        id: product_id(i).parse().unwrap(),
        sku: sku(i),
        name: format!("Product {i}"),
        price: order_core::money::Money::new(1000, Currency::USD),
        discount_price: None,
        published: true,
        requires_shipping: true,
        variants: Vec::new(),
    }
}

pub fn product_id(i: u8) -> String {
    format!("3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d{i:02}")
}

pub fn price_book() -> PriceBook {
    let shipping = vec![ShippingRule {
        method: "STANDARD".parse().unwrap(),
        price: 490,
        free_from: Some(5000),
    }];
    let coupon = CouponRule {
        code: "ONCE".parse().unwrap(),
        discount: Discount::Amount(100),
        minimum: None,
        from: None,
        until: None,
        uses: Some(1),
        uses_per_customer: None,
    };
    let methods = [
        ("CARD", PaymentTerms::Confirm),
        ("DECLINED", PaymentTerms::Confirm),
        ("PENDING", PaymentTerms::Confirm),
        ("ACTION", PaymentTerms::Confirm),
        ("LATER", PaymentTerms::Shipment),
        ("INVOICE", PaymentTerms::Invoice),
    ];
    let methods = methods
        .map(|(m, due)| PaymentMethodRule {
            method: m.parse().unwrap(),
            due,
        })
        .to_vec();
    PriceBook::new(Currency::USD, shipping, Vec::new(), vec![coupon], methods).unwrap()
}

pub fn request(products: &[u8], method: &str) -> PlaceRequest {
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
        items: products
            .iter()
            .map(|i| ItemInput {
                product_id: product_id(*i),
                variant_id: None,
                quantity: 2,
            })
            .collect(),
        shipping_address: Some(address),
        payment_method: method.into(),
        shipping_method: "STANDARD".into(),
        ..PlaceRequest::default()
    }
}
