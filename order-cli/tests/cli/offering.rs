//! `order shop serve`: the shop as five services at the other end of a socket.

use order_core::ids::{Bucket, OrderId, UserId};
use order_core::money::{Currency, Money};
use order_core::number::OrderNumber;
use order_core::order::OperationState;
use order_core::services::{
    AttemptRequest, CallError, InventoryCapabilities, InventoryService as _, PaymentCapabilities,
    PaymentLookup, PaymentService as _, ReserveAnswer, ReserveRequest, ServiceName,
};
use order_grpc::services::{Endpoint, PaymentClient, ServiceChannel, StockClient};
use std::time::Duration;
use uuid::Uuid;

use crate::bench::{Bench, USER};
use crate::served::Served;

fn serve(bench: &Bench, args: &[&str]) -> Served {
    Served::by(
        bench,
        &["shop", "serve", "--listen", "127.0.0.1:0"],
        args,
        &[],
    )
}

fn channel(served: &Served, service: ServiceName) -> ServiceChannel {
    ServiceChannel::new(
        service,
        &Endpoint::new(format!("http://{}", served.address)),
    )
    .unwrap()
}

fn payments(served: &Served) -> PaymentClient {
    PaymentClient::new(
        channel(served, ServiceName::Payment),
        PaymentCapabilities::IDEAL,
    )
}

fn charge(n: u128) -> AttemptRequest {
    let (order, user): (OrderId, UserId) = (
        OrderId::from_uuid(Uuid::from_u128(n)),
        USER.parse().unwrap(),
    );
    let (number, amount) = (
        OrderNumber::new(1, Bucket::MAX),
        Money::new(1250, Currency::USD),
    );
    AttemptRequest::new(
        Uuid::from_u128(n + 1_000),
        order,
        number,
        user,
        amount,
        "CREDIT_CARD".parse().unwrap(),
    )
}

#[tokio::test]
async fn the_shop_is_five_services_and_the_commands_beside_it_see_what_they_do() {
    let bench = Bench::with_shop();
    let served = serve(&bench, &[]);
    let stock = StockClient::new(
        channel(&served, ServiceName::Inventory),
        InventoryCapabilities::IDEAL,
    );
    let described = stock.describe().await.unwrap().unwrap();
    assert_eq!(described.capabilities, InventoryCapabilities::IDEAL);
    assert_eq!(
        described.name,
        concat!("order shop serve ", env!("CARGO_PKG_VERSION"))
    );

    let before = bench.json(&["shop", "stock", "MUG-01"], 0)[0]["reserved"]
        .as_u64()
        .unwrap();
    let AttemptRequest {
        key,
        order,
        number,
        user,
        ..
    } = charge(1);
    let reserve = ReserveRequest::new(
        key,
        order,
        number,
        user,
        "MUG-01".parse().unwrap(),
        2,
        Duration::from_secs(60),
    );
    let ReserveAnswer { quantity, .. } = stock.reserve(&reserve).await.unwrap();
    assert_eq!(quantity, 2);
    let after = bench.json(&["shop", "stock", "MUG-01"], 0)[0]["reserved"]
        .as_u64()
        .unwrap();
    assert_eq!(after, before + 2);

    let paid = payments(&served).charge(&charge(2)).await.unwrap();
    assert_eq!(
        (paid.status, paid.amount),
        (OperationState::Captured, charge(2).amount)
    );
    assert_eq!(
        bench.json(&["shop", "payments"], 0)[0]["reference"],
        paid.reference
    );

    let (code, said) = served.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    let calls: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split("event=call method=").nth(1))
        .collect();
    let methods: Vec<&str> = calls
        .iter()
        .filter_map(|call| call.split(' ').next())
        .collect();
    // Each client asks once what the service can do; this one was asked before.
    assert_eq!(
        methods,
        [
            "/stock.StockService/Describe",
            "/stock.StockService/Describe",
            "/stock.StockService/Reserve",
            "/payment.PaymentService/Describe",
            "/payment.PaymentService/ProcessPayment",
        ],
        "{said}"
    );
}

#[tokio::test]
async fn calls_go_wrong_as_the_faults_say() {
    let bench = Bench::with_shop();
    let served = serve(
        &bench,
        &[
            "--fault",
            "payment.charge=lost",
            "--fault",
            "payment.refund=down",
            "--log",
            "json",
        ],
    );
    let payments = payments(&served);
    let lost = payments.charge(&charge(1)).await.unwrap_err();
    assert!(
        matches!(
            lost,
            CallError::Unknown {
                malformed: false,
                ..
            }
        ),
        "{lost}"
    );
    let AttemptRequest {
        key, order, amount, ..
    } = charge(1);
    let found = payments
        .look_up(&PaymentLookup {
            key,
            order,
            reference: None,
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.status, found.amount),
        (OperationState::Captured, amount)
    );
    assert_eq!(
        bench
            .json(&["shop", "payments"], 0)
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let (code, said) = served.end("-INT");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("as asked for: payment.charge=lost"), "{said}");
    assert!(said.contains("fault: lost"), "{said}");
    for line in said.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{line:?}: {e}"));
    }
}

#[test]
fn it_says_what_is_wrong_before_it_listens() {
    let bench = Bench::with_shop();
    let serve = |args: &[&str]| bench.run(&[&["shop", "serve"], args].concat());
    serve(&["--fault", "payment.pay=down"])
        .must(2)
        .says("\"pay\" is no call of payment: expected one of describe, charge");
    serve(&["--fault", "bank=down"])
        .must(2)
        .says("expected one of inventory, product, user, payment, notification");
    serve(&["--listen", "0.0.0.0:0"])
        .must(2)
        .says("callers are not authenticated");
    Bench::empty()
        .run(&["shop", "serve", "--listen", "127.0.0.1:0"])
        .must(4)
        .says("shop load");
}
