//! The clients keep the contracts of their services.

use order_core::ids::{ProductId, Sku, UserId};
use order_core::money::{Currency, Money};
use order_core::order::OperationState;
use order_core::services::{
    InventoryCapabilities, PaymentCapabilities, ProductService as _, ServiceName,
};
use order_core::testkit::service_conformance::*;
use order_core::testkit::services::Outcome;
use order_grpc::services::{
    CacheSettings, NotificationClient, PaymentClient, PlatformProducts, PlatformUsers, StockClient,
};
use uuid::Uuid;

use crate::street::{CUSTOMER, MUG, Street};

impl PaymentFactory for Street {
    type Service = PaymentClient;
    async fn fresh(&self) -> PaymentClient {
        PaymentClient::new(
            self.open(ServiceName::Payment).await,
            PaymentCapabilities::IDEAL,
        )
    }
    fn means(&self, wanted: Outcome) -> Option<Means> {
        Some(Means {
            method: format!("{wanted:?}").to_uppercase().parse().unwrap(),
            token: None.into(),
        })
    }
    async fn books(&self, key: Uuid) -> Option<Vec<Money>> {
        let payments = self.shop().await.payments().await.ok()?;
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
    type Service = StockClient;
    async fn fresh(&self) -> StockClient {
        StockClient::new(
            self.open(ServiceName::Inventory).await,
            InventoryCapabilities::IDEAL,
        )
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

impl ProductFactory for Street {
    type Service = PlatformProducts;
    async fn fresh(&self) -> PlatformProducts {
        PlatformProducts::new(
            self.open(ServiceName::Product).await,
            Currency::USD,
            CacheSettings::default(),
        )
    }
    fn product(&self) -> ProductId {
        MUG.parse().unwrap()
    }
}

impl UserFactory for Street {
    type Service = PlatformUsers;
    async fn fresh(&self) -> PlatformUsers {
        PlatformUsers::new(self.open(ServiceName::User).await, CacheSettings::default())
    }
    fn user(&self) -> UserId {
        CUSTOMER.parse().unwrap()
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

mod products {
    use super::*;
    order_core::product_conformance_tests!(Street::default(), without[answer_next]);

    #[tokio::test]
    async fn a_product_comes_through_as_the_shop_has_it() {
        let street = Street::default();
        let products = ProductFactory::fresh(&street).await;
        let id = ProductFactory::product(&street);
        let there = order_core::services::ProductService::get(&street.shop().await, id)
            .await
            .unwrap();
        let product = there.clone().unwrap();
        assert!(
            product.discount_price.is_some() && product.variants.len() == 1,
            "{product:?}"
        );
        assert_eq!(products.get(id).await.unwrap(), there);
    }
}

mod customers {
    use super::*;
    order_core::user_conformance_tests!(Street::default(), without[answer_next]);
}
