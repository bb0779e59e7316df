//! Services that always say yes, at once and without memory: what is left is the engine and its
//! store.

use std::sync::Arc;

use async_trait::async_trait;
use order_core::ids::{ProductId, Sku, UserId};
use order_core::manager::OrderManager;
use order_core::money::{Currency, Money};
use order_core::order::{OperationState, PaymentTerms};
use order_core::pricing::{PaymentMethodRule, PriceBook, ShippingRule};
use order_core::request::{AddressInput, ItemInput, PlaceRequest};
use order_core::services::*;
use order_core::store::OrderStore;

pub const USER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";
const PRODUCTS: [&str; 3] = [
    "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d01",
    "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d02",
    "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d03",
];

pub type Manager<S> = OrderManager<S, YesShop>;

/// All five services.
#[derive(Clone)]
pub struct YesShop {
    pub tells: bool,
}

order_core::clients_in_one!(YesShop);

#[async_trait]
impl InventoryService for YesShop {
    fn capabilities(&self) -> InventoryCapabilities {
        InventoryCapabilities::IDEAL
    }
    async fn check(&self, skus: &[Sku]) -> Result<Vec<Availability>, CallError> {
        Ok(skus
            .iter()
            .map(|sku| Availability {
                sku: sku.clone(),
                available: u32::MAX,
            })
            .collect())
    }
    async fn reserve(&self, r: &ReserveRequest) -> Result<ReserveAnswer, CallError> {
        Ok(ReserveAnswer::new(
            format!("hold-{}", r.key.simple()),
            r.quantity,
        ))
    }
    async fn commit(&self, _: &ClosingRequest) -> Result<(), CallError> {
        Ok(())
    }
    async fn release(&self, _: &ClosingRequest) -> Result<(), CallError> {
        Ok(())
    }
    async fn look_up(&self, _: &ReserveRequest) -> Result<ReservationLookup, CallError> {
        Ok(ReservationLookup::Absent)
    }
}

fn paid(
    key: uuid::Uuid,
    amount: Money,
    status: OperationState,
) -> Result<PaymentAnswer, CallError> {
    Ok(PaymentAnswer::new(
        status,
        format!("pay-{}", key.simple()),
        amount,
    ))
}

#[async_trait]
impl PaymentService for YesShop {
    fn capabilities(&self) -> PaymentCapabilities {
        PaymentCapabilities::IDEAL
    }
    async fn authorize(&self, r: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        paid(r.key, r.amount, OperationState::Authorized)
    }
    async fn charge(&self, r: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        paid(r.key, r.amount, OperationState::Captured)
    }
    async fn capture(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        paid(r.key, r.amount, OperationState::Captured)
    }
    async fn void(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        paid(r.key, r.amount, OperationState::Voided)
    }
    async fn refund(&self, r: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        paid(r.key, r.amount, OperationState::Refunded)
    }
    async fn look_up(&self, _: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        Ok(None)
    }
}

#[async_trait]
impl ProductService for YesShop {
    async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
        let at = PRODUCTS.iter().position(|p| *p == id.to_string());
        Ok(at.map(|i| Product {
            id,
            sku: format!("SKU-{i}").parse().expect("a sound SKU"),
            name: format!("Product number {i}"),
            price: Money::new(1250, Currency::USD),
            discount_price: None,
            published: true,
            requires_shipping: true,
            variants: Vec::new(),
        }))
    }
}

#[async_trait]
impl UserService for YesShop {
    async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
        Ok(Some(User {
            id,
            email: "customer@example.com".into(),
            account_status: "active".into(),
        }))
    }
}

#[async_trait]
impl NotificationService for YesShop {
    fn enabled(&self) -> bool {
        self.tells
    }
    async fn notify(&self, _: &Notification) -> Result<(), CallError> {
        Ok(())
    }
}

pub fn manager<S: OrderStore>(store: S, tells: bool) -> Manager<S> {
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
    OrderManager::builder(store, YesShop { tells })
        .pricing(Arc::new(book))
        .build()
        .expect("a sound manager")
}

/// Three lines, two addresses, one payment.
pub fn request() -> PlaceRequest {
    let address = |first_name: &str| AddressInput {
        first_name: first_name.into(),
        last_name: "Customer".into(),
        address_line1: "1 Main Street".into(),
        city: "Springfield".into(),
        state: "CA".into(),
        postal_code: "90210".into(),
        country: "US".into(),
        phone: Some("555-0100".into()),
        email: Some("customer@example.com".into()),
        ..AddressInput::default()
    };
    let item = |id: &&str| ItemInput {
        product_id: (*id).into(),
        variant_id: None,
        quantity: 2,
    };
    PlaceRequest {
        user_id: USER.into(),
        items: PRODUCTS.iter().map(item).collect(),
        shipping_address: Some(address("Sample")),
        billing_address: Some(address("Other")),
        payment_method: "CREDIT_CARD".into(),
        shipping_method: "STANDARD".into(),
        ..PlaceRequest::default()
    }
}
