//! A service is asked what it can do before anything depends on it.

use std::sync::Arc;
use std::time::Duration;

use order_core::ids::{Bucket, OrderId, UserId};
use order_core::money::{Currency, Money};
use order_core::number::OrderNumber;
use order_core::services::*;
use order_core::testkit::ManualClock;
use order_core::testkit::services::{MemoryInventory, MemoryPayments, Outcome};
use order_grpc::offer::{self, OfferOptions};
use order_grpc::services::{Endpoint, PaymentClient, ServiceChannel, StockClient};
use order_store_sqlite::shop::Shop;
use tokio::net::TcpListener;
use uuid::Uuid;

/// Services that promise just so much.
async fn offered(
    payments: PaymentCapabilities,
    stock: InventoryCapabilities,
) -> (Arc<MemoryPayments>, Arc<MemoryInventory>, String) {
    let clock = Arc::new(ManualClock::default());
    let desk = Arc::new(MemoryPayments::new(
        payments,
        Duration::from_secs(60),
        Box::new(|_| Outcome::Approve),
    ));
    let stock = Arc::new(MemoryInventory::new(stock, None, clock.clone()));
    let shop = Arc::new(Shop::in_memory(clock).unwrap());
    let clients = DynClients {
        payment: desk.clone(),
        inventory: stock.clone(),
        ..DynClients::all(shop)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options = OfferOptions {
        name: "little pay 0.1".into(),
        ..OfferOptions::default()
    };
    tokio::spawn(offer::serve(
        Arc::new(clients),
        listener,
        options,
        std::future::pending(),
    ));
    (desk, stock, url)
}

fn channel(service: ServiceName, url: &str) -> ServiceChannel {
    ServiceChannel::new(service, &Endpoint::new(url)).unwrap()
}

fn charge() -> AttemptRequest {
    let (key, order, user) = (
        Uuid::from_u128(1),
        OrderId::from_uuid(Uuid::from_u128(2)),
        UserId::from_uuid(Uuid::from_u128(3)),
    );
    let (number, amount) = (
        OrderNumber::new(1, Bucket::MAX),
        Money::new(500, Currency::USD),
    );
    AttemptRequest::new(key, order, number, user, amount, "CARD".parse().unwrap())
}

fn reserve() -> ReserveRequest {
    let AttemptRequest {
        key,
        order,
        number,
        user,
        ..
    } = charge();
    ReserveRequest::new(
        key,
        order,
        number,
        user,
        "MUG".parse().unwrap(),
        1,
        Duration::from_secs(60),
    )
}

fn refused_for(error: CallError, expected: &str) {
    let CallError::NotDone { message } = &error else {
        panic!("{error}")
    };
    assert!(
        message.contains("does not promise what it is configured for")
            && message.contains(expected),
        "{message}"
    );
    assert!(message.contains("little pay 0.1"), "{message}");
}

#[tokio::test]
async fn a_service_that_promises_less_than_is_configured_is_not_used() {
    let (desk, stock, url) = offered(
        PaymentCapabilities::KEYS_FOR_A_DAY,
        InventoryCapabilities::LOOK_UP_ONLY,
    )
    .await;
    stock.restock(&"MUG".parse().unwrap(), 1);
    let payments = PaymentClient::new(
        channel(ServiceName::Payment, &url),
        PaymentCapabilities::IDEAL,
    );
    refused_for(
        payments.charge(&charge()).await.unwrap_err(),
        "look_up, key_lifetime",
    );
    let lookup = PaymentLookup {
        key: charge().key,
        order: charge().order,
        reference: None,
    };
    refused_for(
        payments.look_up(&lookup).await.unwrap_err(),
        "look_up, key_lifetime",
    );
    assert_eq!(desk.with_ledger(<[_]>::len), 0);
    let inventory = StockClient::new(
        channel(ServiceName::Inventory, &url),
        InventoryCapabilities::IDEAL,
    );
    refused_for(
        inventory.reserve(&reserve()).await.unwrap_err(),
        "repeat_reserve, release_committed, partial",
    );
    refused_for(
        inventory.look_up(&reserve()).await.unwrap_err(),
        "repeat_reserve, release_committed, partial",
    );
    assert_eq!(
        inventory.check(&["MUG".parse().unwrap()]).await.unwrap()[0].available,
        1
    );

    // Configured for what they promise, both are used.
    let payments = PaymentClient::new(
        channel(ServiceName::Payment, &url),
        PaymentCapabilities::KEYS_FOR_A_DAY,
    );
    assert_eq!(
        payments.describe().await.unwrap().unwrap().capabilities,
        PaymentCapabilities::KEYS_FOR_A_DAY
    );
    payments.charge(&charge()).await.unwrap();
    assert_eq!(desk.with_ledger(<[_]>::len), 1);
    assert!(
        matches!(
            payments.look_up(&lookup).await,
            Err(CallError::NotDone { .. })
        ),
        "it is configured not to"
    );
    let inventory = StockClient::new(
        channel(ServiceName::Inventory, &url),
        InventoryCapabilities::LOOK_UP_ONLY,
    );
    inventory.reserve(&reserve()).await.unwrap();
    assert!(matches!(
        inventory.look_up(&reserve()).await,
        Ok(ReservationLookup::Held(_))
    ));
    let inventory = StockClient::new(
        channel(ServiceName::Inventory, &url),
        InventoryCapabilities::PLATFORM,
    );
    assert_eq!(
        inventory.look_up(&reserve()).await.unwrap(),
        ReservationLookup::Undecidable
    );
}
