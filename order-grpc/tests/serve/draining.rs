//! Servers that are told to stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use order_core::store::OrderStore;
use order_core::testkit::services::{Fault, Method};
use order_grpc::{Drained, Log, LogFormat, ServerOptions};
use tokio::net::TcpStream;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::world::*;

#[tokio::test]
async fn a_server_that_stops_finishes_what_is_under_way_and_takes_on_nothing_new() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    let mut watch = HealthClient::new(world.channel().await);
    let mut watch = watch
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );

    world
        .payment
        .push(Method::Charge, Fault::Late(Duration::from_millis(600)));
    let mut caller = client.clone();
    let under_way = tokio::spawn(async move {
        caller
            .create_order(request(&[1], 2, "CARD"))
            .await
            .unwrap()
            .into_inner()
    });
    // A caller who gives up early: its order is worked on all the same.
    world
        .payment
        .push(Method::Charge, Fault::Late(Duration::from_millis(600)));
    let mut hasty = with(request(&[2], 2, "CARD"), &[]);
    hasty.set_timeout(Duration::from_millis(300));
    let hasty = client.create_order(hasty).await.unwrap().into_inner();
    assert_eq!(hasty.status, "PENDING");

    world.tell_to_stop();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    assert_eq!(under_way.await.unwrap().status, "CONFIRMED");
    let (store, address) = (Arc::clone(&world.store), world.address);
    assert_eq!(world.stopped().await, Drained::Clean);
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
    let loaded = store
        .load(
            hasty.id.parse::<order_core::ids::OrderId>().unwrap().into(),
            None,
        )
        .await
        .unwrap()
        .unwrap();
    assert_eq!(loaded.order.statuses.status.as_str(), "CONFIRMED");
    assert_eq!(
        store.work_summary().await.unwrap().leased_until,
        None,
        "every lease went back"
    );
}

#[tokio::test]
async fn the_grace_period_is_kept() {
    let grace = Duration::from_millis(300);
    let mut world = World::with(ServerOptions {
        grace,
        ..ServerOptions::default()
    })
    .await;
    let mut client = world.client().await;
    world
        .payment
        .push(Method::Charge, Fault::Late(Duration::from_secs(4)));
    let under_way =
        tokio::spawn(async move { client.create_order(request(&[1], 2, "CARD")).await });
    while world
        .payment
        .inner()
        .with_ledger(|ledger| ledger.is_empty())
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    world.tell_to_stop();
    let started = Instant::now();
    assert_eq!(world.stopped().await, Drained::CutShort);
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(under_way.await.unwrap().is_err(), "its connection is gone");
}

#[tokio::test]
async fn the_log_says_what_was_called_and_never_what_was_in_it() {
    let sink = Sink::default();
    let log = Log::to(LogFormat::Json, Box::new(sink.clone()));
    let mut world = World::with(ServerOptions {
        log,
        ..ServerOptions::default()
    })
    .await;
    let mut client = world.client().await;
    let metadata = [
        ("payment-token", "tok_secret"),
        ("x-request-id", "r-1"),
        ("idempotency-key", "key-secret"),
    ];
    let mut private = request(&[1], 2, "CARD");
    private.notes = Some("leave it with the neighbour".into());
    let address = private.shipping_address.as_mut().unwrap();
    (address.email, address.phone) = (Some("someone@example.org".into()), Some("555-0100".into()));
    let order = client
        .create_order(with(private, &metadata))
        .await
        .unwrap()
        .into_inner();
    client.get_order(by_id(NOBODY)).await.unwrap_err();
    world.catalogue.set(Method::Get, Some(Fault::NotDone));
    client
        .create_order(with(request(&[1], 2, "CARD"), &[("x-request-id", "r-3")]))
        .await
        .unwrap_err();
    world.tell_to_stop();
    world.stopped().await;

    let text = sink.text();
    for secret in [
        "secret",
        "neighbour",
        "example.org",
        "555-0100",
        "Main Street",
        "Sample",
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let calls: Vec<_> = lines
        .iter()
        .filter(|line| line["event"] == "call")
        .collect();
    assert_eq!(calls.len(), 3, "{text}");
    assert_eq!(
        (calls[0]["method"].as_str(), calls[0]["code"].as_str()),
        (Some("CreateOrder"), Some("OK"))
    );
    assert_eq!(
        (
            calls[0]["spans"][0]["request_id"].as_str(),
            calls[0]["order_id"].as_str()
        ),
        (Some("r-1"), Some(order.id.as_str()))
    );
    assert_eq!(
        (calls[1]["method"].as_str(), calls[1]["code"].as_str()),
        (Some("GetOrder"), Some("NOT_FOUND"))
    );
    assert_eq!(
        (
            calls[2]["spans"][0]["request_id"].as_str(),
            calls[2]["level"].as_str()
        ),
        (Some("r-3"), Some("WARN"))
    );
    assert!(
        calls[2]["error"].as_str().unwrap().contains("not done"),
        "the causes are for the log"
    );
    assert!(lines.iter().any(|line| line["event"] == "stopped"));
}
