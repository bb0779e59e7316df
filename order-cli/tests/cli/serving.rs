//! `order serve`, and the other commands beside it on the same store.

use std::time::{Duration, Instant};

use order_grpc::proto::order_service_client::OrderServiceClient;
use order_grpc::proto::{CancelOrderRequest, Order};
use serde_json::Value;
use tonic::Request;
use tonic::transport::Channel;

use crate::bench::Bench;
use crate::served::{Served, by_id, mugs};

async fn place(client: &mut OrderServiceClient<Channel>) -> Order {
    client.create_order(mugs(2)).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_server_and_the_commands_share_one_store() {
    let bench = Bench::with_shop();
    let served = Served::start(&bench, &["--listen", "127.0.0.1:0"], &[]);
    let mut client = served.client().await;
    let order = place(&mut client).await;
    assert_eq!(order.status, "CONFIRMED");
    let got = bench.json(&["get", &order.id], 0);
    assert_eq!(
        (&got["order_number"], &got["status"]),
        (&order.order_number.as_str().into(), &"CONFIRMED".into())
    );
    let address = got["addresses"][0]["id"].as_str().unwrap();
    assert_eq!(order.addresses[0].id, address, "both name things alike");

    bench.json(&["cancel", &order.id, "--reason", "by hand"], 0);
    let by_hand = bench.place("MUG-01=1", "CREDIT_CARD", &[], 0);
    let cancelled = CancelOrderRequest {
        order_id: by_hand["id"].as_str().unwrap().into(),
        reason: "over the wire".into(),
    };
    assert!(
        client
            .cancel_order(cancelled)
            .await
            .unwrap()
            .into_inner()
            .success
    );
    bench.run(&["work"]).must(0);
    bench.run(&["check"]).must(0);

    let (code, said) = served.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    let calls = said
        .lines()
        .filter(|line| line.contains("event=call method="))
        .count();
    assert_eq!(calls, 2, "{said}");
    assert!(
        said.lines()
            .last()
            .unwrap()
            .contains("everything under way has come to its end"),
        "{said}"
    );
}

#[tokio::test]
async fn what_the_engine_says_of_a_request_names_it() {
    let bench = Bench::with_shop();
    let args = ["--listen", "127.0.0.1:0", "--log", "json"];
    let served = Served::start(&bench, &args, &[]);
    let mut client = served.client().await;
    let mut request = Request::new(mugs(2));
    let id = "11f6a8-mine".parse().unwrap();
    request.metadata_mut().insert("x-request-id", id);
    let order = client.create_order(request).await.unwrap().into_inner();
    let (_, said) = served.end("-TERM");
    let lines: Vec<Value> = (said.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for message in ["order accepted", "order decided"] {
        let of = |line: &&Value| line["message"] == message;
        let line = lines.iter().find(of).unwrap_or_else(|| panic!("{said}"));
        assert_eq!(line["order"], order.order_number, "{line}");
        let spans = line["spans"].as_array().unwrap();
        let named = |span: &Value| span["request_id"] == "11f6a8-mine";
        assert!(spans.iter().any(named), "{line}");
    }
}

#[tokio::test]
async fn what_was_answered_survives_a_kill_and_the_next_server_goes_on() {
    let bench = Bench::with_shop();
    let served = Served::start(
        &bench,
        &["--log", "off"],
        &[("ORDER_LISTEN", "127.0.0.1:0")],
    );
    let mut client = served.client().await;
    let order = place(&mut client).await;
    let (code, said) = served.end("-KILL");
    assert_eq!(
        (code, said.lines().count()),
        (None, 1),
        "without a log it says only where it listens"
    );

    bench.write("order.toml", "listen = \"127.0.0.1:0\"\n");
    let served = Served::start(&bench, &["--log", "json"], &[]);
    assert!(
        served.said.starts_with(r#"{"event":"listening""#),
        "{}",
        served.said
    );
    let mut client = served.client().await;
    let read = client
        .get_order(by_id(&order.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read, order);
    let (code, said) = served.end("-INT");
    assert_eq!(code, Some(0));
    for line in said.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{line:?}: {e}"));
    }
    bench.run(&["check"]).must(0);
}

#[test]
fn it_is_ready_soon() {
    let bench = Bench::with_shop();
    let started = Instant::now();
    let served = Served::start(&bench, &["--listen", "127.0.0.1:0"], &[]);
    // A debug build on a busy machine; a release build takes a tenth.
    assert!(started.elapsed() < Duration::from_secs(5));
    drop(served);
}

#[test]
fn it_says_why_it_cannot_listen() {
    let bench = Bench::with_shop();
    let serve = |address: &str| bench.run(&["serve", "--listen", address]);
    serve("0.0.0.0:0")
        .must(2)
        .says("callers are not authenticated")
        .says("--insecure insists");
    serve("here").must(2).says("is not an address");
    let served = Served::start(&bench, &["--listen", "127.0.0.1:0"], &[]);
    serve(&served.address)
        .must(4)
        .says("cannot listen on 127.0.0.1:")
        .says("Address already in use");
    bench
        .run(&["serve", "--grace", "-1"])
        .must(2)
        .says("expected a whole number from 0 to 3600");
    let empty = Bench::empty();
    empty
        .run(&["serve", "--listen", "127.0.0.1:0"])
        .must(4)
        .says("shop load");
}
