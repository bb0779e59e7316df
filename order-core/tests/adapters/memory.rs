//! The services of the testkit keep the contracts that adapters are held to.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use order_core::ids::{ProductId, Sku, UserId};
use order_core::money::{Currency, Money};
use order_core::order::OperationState;
use order_core::runtime::virtual_time::VirtualRuntime;
use order_core::services::*;
use order_core::testkit::service_conformance::*;
use order_core::testkit::services::*;
use uuid::Uuid;

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The service that was made last, in virtual time, with its faults.
pub struct Memory<T> {
    pub runtime: VirtualRuntime,
    made: Mutex<Option<Arc<Scripted<T>>>>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Memory {
            runtime: VirtualRuntime::new(),
            made: Mutex::new(None),
        }
    }
}

impl<T> Memory<T> {
    pub fn make(&self, service: T) -> Arc<Scripted<T>> {
        let service = Arc::new(Scripted::new(service, Arc::new(self.runtime.clone())));
        *self.made.lock().unwrap() = Some(service.clone());
        service
    }

    pub fn last(&self) -> Arc<Scripted<T>> {
        self.made
            .lock()
            .unwrap()
            .clone()
            .expect("a service was made")
    }
}

impl<T: Send + Sync> Sandbox for Memory<T> {
    async fn lose_next_answer(&self) -> bool {
        self.last().push_next(Fault::UnknownAfter);
        true
    }
    async fn refuse_next_connection(&self) -> bool {
        self.last().push_next(Fault::NotDone);
        true
    }
    async fn pass(&self, time: Duration) -> bool {
        self.runtime.advance(time);
        true
    }
}

/// A way to pay whose name says how it comes out.
pub fn means(wanted: Outcome) -> Option<Means> {
    Some(Means {
        method: format!("{wanted:?}").to_uppercase().parse().unwrap(),
        token: None.into(),
    })
}

/// A provider that does what the method says, and lets authorizations lapse after a week.
pub fn provider(capabilities: PaymentCapabilities, runtime: &VirtualRuntime) -> MemoryPayments {
    let decide = |request: &AttemptRequest| match request.method.as_str() {
        "DECLINE" => Outcome::Decline,
        "PENDING" => Outcome::Pending,
        "ACTIONREQUIRED" => Outcome::ActionRequired,
        _ => Outcome::Approve,
    };
    let payments = MemoryPayments::new(capabilities, Duration::from_secs(1800), Box::new(decide));
    payments.with_expiry(7 * DAY, Arc::new(runtime.clone()))
}

/// The entries of a provider's ledger under a key, an entry for each time that it took effect.
pub fn booked(payments: &MemoryPayments, key: Uuid) -> Vec<Money> {
    let moved = |status| {
        matches!(
            status,
            OperationState::Authorized | OperationState::Captured | OperationState::Refunded
        )
    };
    payments.with_ledger(|ledger| {
        let entries = ledger.iter().filter(|e| e.key == key && moved(e.status));
        entries
            .flat_map(|e| std::iter::repeat_n(e.amount, e.effects as usize))
            .collect()
    })
}

impl PaymentFactory for Memory<MemoryPayments> {
    type Service = Arc<Scripted<MemoryPayments>>;
    async fn fresh(&self) -> Self::Service {
        self.make(provider(PaymentCapabilities::IDEAL, &self.runtime))
    }
    fn means(&self, wanted: Outcome) -> Option<Means> {
        means(wanted)
    }
    async fn books(&self, key: Uuid) -> Option<Vec<Money>> {
        Some(booked(self.last().inner(), key))
    }
}

mod payments {
    use super::*;
    order_core::payment_conformance_tests!(
        Memory::<MemoryPayments>::default(),
        without[answer_next]
    );
}

/// The same without keys: all that can be done is to look.
#[derive(Default)]
struct LooksUpOnly(Memory<MemoryPayments>);

impl Sandbox for LooksUpOnly {
    async fn lose_next_answer(&self) -> bool {
        self.0.lose_next_answer().await
    }
}

impl PaymentFactory for LooksUpOnly {
    type Service = Arc<Scripted<MemoryPayments>>;
    async fn fresh(&self) -> Self::Service {
        self.0
            .make(provider(PaymentCapabilities::LOOK_UP_ONLY, &self.0.runtime))
    }
    fn means(&self, wanted: Outcome) -> Option<Means> {
        (wanted == Outcome::Approve)
            .then(|| means(wanted))
            .flatten()
    }
    fn currencies(&self) -> Vec<Currency> {
        vec![Currency::USD]
    }
}

mod payments_without_keys {
    use super::*;
    order_core::payment_conformance_tests!(
        LooksUpOnly::default(),
        without [repeat, decline, pending, action_required, refuse_next_connection, answer_next, pass, books],
    );
}

/// An inventory of that kind, whose holds live for so long.
pub struct Shelf {
    pub memory: Memory<MemoryInventory>,
    capabilities: InventoryCapabilities,
    lifetime: Option<Duration>,
    skus: AtomicU32,
}

impl Shelf {
    pub fn new(capabilities: InventoryCapabilities, lifetime: Option<Duration>) -> Self {
        Shelf {
            memory: Memory::default(),
            capabilities,
            lifetime,
            skus: AtomicU32::new(0),
        }
    }

    pub fn make(&self) -> Arc<Scripted<MemoryInventory>> {
        let clock = Arc::new(self.memory.runtime.clone());
        self.memory.make(MemoryInventory::new(
            self.capabilities,
            self.lifetime,
            clock,
        ))
    }

    pub fn put(&self, units: u32) -> Sku {
        let sku: Sku = format!("SKU-{}", self.skus.fetch_add(1, Ordering::Relaxed))
            .parse()
            .unwrap();
        self.memory.last().inner().restock(&sku, units);
        sku
    }
}

impl Sandbox for Shelf {
    async fn lose_next_answer(&self) -> bool {
        self.memory.lose_next_answer().await
    }
    async fn refuse_next_connection(&self) -> bool {
        self.memory.refuse_next_connection().await
    }
    async fn pass(&self, time: Duration) -> bool {
        self.memory.pass(time).await
    }
}

impl InventoryFactory for Shelf {
    type Service = Arc<Scripted<MemoryInventory>>;
    async fn fresh(&self) -> Self::Service {
        self.make()
    }
    async fn stock(&self, _: &Self::Service, units: u32) -> Sku {
        self.put(units)
    }
}

mod inventory {
    use super::*;
    order_core::inventory_conformance_tests!(Shelf::new(InventoryCapabilities::IDEAL, None), without [answer_next, lapse]);
}

mod inventory_that_lapses {
    use super::*;
    order_core::inventory_conformance_tests!(
        Shelf::new(InventoryCapabilities::IDEAL, Some(Duration::from_secs(600))),
        without[answer_next],
    );
}

mod inventory_of_the_platform {
    use super::*;
    order_core::inventory_conformance_tests!(
        Shelf::new(InventoryCapabilities::PLATFORM, None),
        without [repeat, look_up, partial, release_committed, answer_next, lapse],
    );
}

const KNOWN: Uuid = Uuid::from_u128(7);

impl ProductFactory for Memory<Arc<MemoryCatalogue>> {
    type Service = Arc<Scripted<Arc<MemoryCatalogue>>>;
    async fn fresh(&self) -> Self::Service {
        let catalogue = MemoryCatalogue::default();
        catalogue.put_product(Product {
            id: ProductId::from_uuid(KNOWN),
            sku: "MUG".parse().unwrap(),
            name: "Mug".into(),
            price: Money::new(1250, Currency::USD),
            discount_price: Some(Money::new(1100, Currency::USD)),
            published: true,
            requires_shipping: true,
            variants: Vec::new(),
        });
        self.make(Arc::new(catalogue))
    }
    fn product(&self) -> ProductId {
        ProductId::from_uuid(KNOWN)
    }
}

mod products {
    use super::*;
    order_core::product_conformance_tests!(
        Memory::<Arc<MemoryCatalogue>>::default(),
        without[answer_next]
    );
}

impl UserFactory for Memory<Arc<MemoryCatalogue>> {
    type Service = Arc<Scripted<Arc<MemoryCatalogue>>>;
    async fn fresh(&self) -> Self::Service {
        let catalogue = MemoryCatalogue::default();
        let id = UserId::from_uuid(KNOWN);
        catalogue.put_user(User {
            id,
            email: "c@example.com".into(),
            account_status: "active".into(),
        });
        self.make(Arc::new(catalogue))
    }
    fn user(&self) -> UserId {
        UserId::from_uuid(KNOWN)
    }
}

mod users {
    use super::*;
    order_core::user_conformance_tests!(
        Memory::<Arc<MemoryCatalogue>>::default(),
        without[answer_next]
    );
}

/// Tells each event once, as the log is kept by event.
struct Pigeons(MemoryNotifications);

#[async_trait]
impl NotificationService for Pigeons {
    fn enabled(&self) -> bool {
        true
    }
    async fn notify(&self, notification: &Notification) -> Result<(), CallError> {
        self.0.notify(notification).await
    }
}

impl NotificationFactory for Memory<Pigeons> {
    type Service = Arc<Scripted<Pigeons>>;
    async fn fresh(&self) -> Self::Service {
        self.make(Pigeons(MemoryNotifications::default()))
    }
    async fn told(&self, event: Uuid) -> Option<u32> {
        Some(
            self.last()
                .inner()
                .0
                .with_log(|log| u32::from(log.contains_key(&event))),
        )
    }
}

mod notifications {
    use super::*;
    order_core::notification_conformance_tests!(Memory::<Pigeons>::default(), without[answer_next]);
}
