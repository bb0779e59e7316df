//! The clients keep the contracts of their services.

use order_core::ids::Sku;
use order_core::money::Money;
use order_core::order::OperationState;
use order_core::services::{InventoryCapabilities, PaymentCapabilities, ServiceName};
use order_core::testkit::service_conformance::*;
use order_core::testkit::services::Outcome;
use order_grpc::services::{NotificationClient, PaymentClient, StockClient};
use uuid::Uuid;

use crate::street::Street;

impl PaymentFactory for Street {
    type Service = PaymentClient;
    async fn fresh(&self) -> PaymentClient {
        PaymentClient::new(self.open(ServiceName::Payment).await, PaymentCapabilities::IDEAL)
    }
    fn means(&self, wanted: Outcome) -> Option<Means> {
        Some(Means { method: format!("{wanted:?}").to_uppercase().parse().unwrap(), token: None.into() })
    }
    async fn books(&self, key: Uuid) -> Option<Vec<Money>> {
        let payments = self.shop().await.payments().await.ok()?;
        let moved = |s| matches!(s, OperationState::Authorized | OperationState::Captured | OperationState::Refunded);
        Some(payments.into_iter().filter(|p| p.key == key && moved(p.status)).map(|p| p.amount).collect())
    }
}

impl InventoryFactory for Street {
    type Service = StockClient;
    async fn fresh(&self) -> StockClient {
        StockClient::new(self.open(ServiceName::Inventory).await, InventoryCapabilities::IDEAL)
    }
    async fn stock(&self, _: &StockClient, units: u32) -> Sku {
        let sku: Sku = self.shelf().parse().unwrap();
        self.shop().await.restock(&sku, units).await.unwrap();
        sku
    }
}

impl NotificationFactory for Street {
    type Service = NotificationClient;
    async fn fresh(&self) -> NotificationClient {
        NotificationClient::new(self.open(ServiceName::Notification).await)
    }
    async fn told(&self, event: Uuid) -> Option<u32> {
        let log = self.shop().await.notifications().await.ok()?;
        Some(log.iter().filter(|notice| notice.event_id == event).count() as u32)
    }
}

mod payments {
    use super::*;
    order_core::payment_conformance_tests!(Street::default(), without[answer_next]);
}

mod stock {
    use super::*;
    order_core::inventory_conformance_tests!(Street::default(), without[answer_next, lapse]);
}

mod notices {
    use super::*;
    order_core::notification_conformance_tests!(Street::default(), without[answer_next]);
}
