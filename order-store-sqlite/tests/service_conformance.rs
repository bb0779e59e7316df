//! The shop keeps the contracts of all five services.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_core::ids::{ProductId, Sku, UserId};
use order_core::money::Money;
use order_core::order::OperationState;
use order_core::runtime::virtual_time::VirtualRuntime;
use order_core::testkit::ManualClock;
use order_core::testkit::service_conformance::*;
use order_core::testkit::services::{Fault, Outcome, Scripted};
use order_store_sqlite::shop::{Catalogue, Shop};
use uuid::Uuid;

/// The shop that was opened last, and what is between it and the engine.
#[derive(Default)]
struct Street {
    clock: Arc<ManualClock>,
    shop: Mutex<Option<Arc<Scripted<Shop>>>>,
    skus: AtomicU32,
}

const MUG: &str = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11";
const CUSTOMER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";

/// The number of SKUs that there are to put on the shelf.
const SHELVES: u32 = 20;

fn catalogue() -> Catalogue {
    let mut text = format!(
        r#"
        currency = "USD"
        product = [
            {{ id = "{MUG}", sku = "MUG", name = "Mug", price = "12.50", discount_price = "11", stock = 0, variant = [
                {{ id = "6a0e1a52-2b0b-4d0c-8d43-0a1f7f1f2b21", sku = "MUG-RED", name = "Red", price = "13", stock = 0 }},
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
        payment_method = [
            {{ method = "APPROVE", outcome = "approve", due = "shipment", capture_within_days = 7 }},
            {{ method = "DECLINE", outcome = "decline" }},
            {{ method = "PENDING", outcome = "pending" }},
            {{ method = "ACTIONREQUIRED", outcome = "action_required" }},
        ]"#
    ));
    Catalogue::parse(&text, "street.toml").unwrap()
}

impl Street {
    async fn open(&self) -> Arc<Scripted<Shop>> {
        let shop = Shop::in_memory(self.clock.clone()).unwrap();
        shop.load(&catalogue()).await.unwrap();
        let shop = Arc::new(Scripted::new(shop, Arc::new(VirtualRuntime::new())));
        *self.shop.lock().unwrap() = Some(shop.clone());
        shop
    }

    fn last(&self) -> Arc<Scripted<Shop>> {
        self.shop
            .lock()
            .unwrap()
            .clone()
            .expect("a shop was opened")
    }
}

impl Sandbox for Street {
    async fn lose_next_answer(&self) -> bool {
        self.last().push_next(Fault::UnknownAfter);
        true
    }
    async fn refuse_next_connection(&self) -> bool {
        self.last().push_next(Fault::NotDone);
        true
    }
    async fn pass(&self, time: Duration) -> bool {
        self.clock.advance(time);
        true
    }
}

impl PaymentFactory for Street {
    type Service = Arc<Scripted<Shop>>;
    async fn fresh(&self) -> Self::Service {
        self.open().await
    }
    fn means(&self, wanted: Outcome) -> Option<Means> {
        Some(Means {
            method: format!("{wanted:?}").to_uppercase().parse().unwrap(),
            token: None.into(),
        })
    }
    async fn books(&self, key: Uuid) -> Option<Vec<Money>> {
        let payments = self.last().inner().payments().await.ok()?;
        let moved = |s| {
            matches!(
                s,
                OperationState::Authorized | OperationState::Captured | OperationState::Refunded
            )
        };
        Some(
            payments
                .into_iter()
                .filter(|p| p.key == key && moved(p.status))
                .map(|p| p.amount)
                .collect(),
        )
    }
}

impl InventoryFactory for Street {
    type Service = Arc<Scripted<Shop>>;
    async fn fresh(&self) -> Self::Service {
        self.open().await
    }
    async fn stock(&self, shop: &Self::Service, units: u32) -> Sku {
        let n = self.skus.fetch_add(1, Ordering::Relaxed);
        assert!(n < SHELVES, "there are no more shelves");
        let sku: Sku = format!("SKU-{n}").parse().unwrap();
        shop.inner().restock(&sku, units).await.unwrap();
        sku
    }
}

impl ProductFactory for Street {
    type Service = Arc<Scripted<Shop>>;
    async fn fresh(&self) -> Self::Service {
        self.open().await
    }
    fn product(&self) -> ProductId {
        MUG.parse().unwrap()
    }
}

impl UserFactory for Street {
    type Service = Arc<Scripted<Shop>>;
    async fn fresh(&self) -> Self::Service {
        self.open().await
    }
    fn user(&self) -> UserId {
        CUSTOMER.parse().unwrap()
    }
}

impl NotificationFactory for Street {
    type Service = Arc<Scripted<Shop>>;
    async fn fresh(&self) -> Self::Service {
        self.open().await
    }
    async fn told(&self, event: Uuid) -> Option<u32> {
        let log = self.last().inner().notifications().await.ok()?;
        Some(log.iter().filter(|notice| notice.event_id == event).count() as u32)
    }
}

mod payment_desk {
    use super::*;
    order_core::payment_conformance_tests!(Street::default(), without[answer_next]);
}

mod stock {
    use super::*;
    order_core::inventory_conformance_tests!(Street::default(), without [answer_next, lapse]);
}

mod products {
    use super::*;
    order_core::product_conformance_tests!(Street::default(), without[answer_next]);
}

mod customers {
    use super::*;
    order_core::user_conformance_tests!(Street::default(), without[answer_next]);
}

mod notices {
    use super::*;
    order_core::notification_conformance_tests!(Street::default(), without[answer_next]);
}
