//! Every status code that the server promises, seen over the wire.

use std::collections::BTreeMap;
use std::time::Duration;

use order_core::store::StoreErrorKind;
use order_grpc::proto::{CancelOrderRequest, CreateOrderRequest};
use tonic::{Code, Status};

use crate::raw;
use crate::store::Trouble;
use crate::world::*;

/// The codes of the table in `proto/README.md`, by the name that they have there; those of a server
/// that knows its callers are seen in `callers.rs` and `tokens.rs`.
fn promised() -> BTreeMap<&'static str, Code> {
    let codes = [
        ("INVALID_ARGUMENT", Code::InvalidArgument),
        ("NOT_FOUND", Code::NotFound),
        ("FAILED_PRECONDITION", Code::FailedPrecondition),
        ("ALREADY_EXISTS", Code::AlreadyExists),
        ("ABORTED", Code::Aborted),
        ("RESOURCE_EXHAUSTED", Code::ResourceExhausted),
        ("DEADLINE_EXCEEDED", Code::DeadlineExceeded),
        ("UNAVAILABLE", Code::Unavailable),
        ("DATA_LOSS", Code::DataLoss),
        ("INTERNAL", Code::Internal),
        ("UNIMPLEMENTED", Code::Unimplemented),
    ];
    BTreeMap::from(codes)
}

#[test]
fn the_codes_that_are_tested_are_those_that_are_documented() {
    let text = include_str!("../../proto/README.md");
    let table = text
        .split("| code | reasons |")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let first = table
        .lines()
        .skip(2)
        .flat_map(|row| row.split('|').nth(1).unwrap_or_default().split(", "));
    let documented: std::collections::BTreeSet<&str> = first
        .map(str::trim)
        .filter(|code| !["UNAUTHENTICATED", "PERMISSION_DENIED"].contains(code))
        .collect();
    assert_eq!(documented, promised().into_keys().collect());
}

#[tokio::test]
async fn every_code_that_is_promised_is_given() {
    let world = World::new().await;
    let mut client = world.client().await;
    let mut seen: Vec<Code> = Vec::new();
    let mut saw = |status: Status| seen.push(status.code());
    let key = [("idempotency-key", "k")];
    let order = client
        .create_order(with(request(&[1], 2, "CARD"), &key))
        .await
        .unwrap()
        .into_inner();

    saw(client
        .create_order(CreateOrderRequest::default())
        .await
        .unwrap_err());
    saw(client.get_order(by_id(NOBODY)).await.unwrap_err());
    saw(client
        .create_order(request(&[LAST_ONE], 2, "CARD"))
        .await
        .unwrap_err());
    saw(client
        .create_order(with(request(&[1], 3, "CARD"), &key))
        .await
        .unwrap_err());
    let cancel = CancelOrderRequest {
        order_id: order.id.clone(),
        reason: String::new(),
    };
    saw(client
        .cancel_order(with(cancel, &[("expected-version", "1")]))
        .await
        .unwrap_err());
    let long = CreateOrderRequest {
        notes: Some("x".repeat(order_grpc::MESSAGE_MAX)),
        ..request(&[1], 1, "CARD")
    };
    saw(client.create_order(long).await.unwrap_err());
    world.store.reads(Trouble::Slow(Duration::from_secs(5)));
    let headers = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", "100m"),
    ];
    let late = raw::call(
        world.address,
        "/order.OrderService/GetOrder",
        &headers,
        raw::framed(&by_id(&order.id)),
    )
    .await;
    saw(Status::new(
        late.grpc.unwrap(),
        "the server's own, since the client has no deadline",
    ));
    for trouble in [
        Trouble::Fails(StoreErrorKind::Unavailable),
        Trouble::Fails(StoreErrorKind::Corrupt),
        Trouble::Panics,
    ] {
        world.store.reads(trouble);
        saw(client.get_order(by_id(&order.id)).await.unwrap_err());
    }
    world.store.reads(Trouble::None);
    let unknown = raw::call(
        world.address,
        "/order.OrderService/Sell",
        &headers[..2],
        raw::framed(&by_id(&order.id)),
    )
    .await;
    saw(Status::new(unknown.grpc.unwrap(), ""));

    seen.sort_by_key(|code| *code as i32);
    let mut expected: Vec<Code> = promised().into_values().collect();
    expected.sort_by_key(|code| *code as i32);
    assert_eq!(seen, expected);
    assert_eq!(
        client
            .get_order(by_id(&order.id))
            .await
            .unwrap()
            .into_inner(),
        order,
        "it serves on"
    );
}
