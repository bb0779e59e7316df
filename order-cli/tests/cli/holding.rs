//! Clients of the built binary that hold on to it: others get in, its memory is bounded, and what a
//! storm took comes back.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use order_grpc::proto::order_service_client::OrderServiceClient;
use order_grpc::proto::{CreateOrderRequest, ListOrdersRequest};
use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::bench::Bench;
use crate::served::{Served, by_id, mugs};

/// The memory it may take at the most, whatever is asked of it here.
const PEAK_KIB: u64 = 400 * 1024;
/// The memory that may be left of that soon after: what it had before, and this.
const LEFT_KIB: u64 = 48 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hundred_idle_connections_keep_nobody_out() {
    let bench = Bench::with_shop();
    let served = Served::start(&bench, &["--listen", "127.0.0.1:0"], &[]);
    let idle: Vec<_> = (0..600)
        .map(|_| TcpStream::connect(&served.address).expect("it accepts"))
        .collect();
    for _ in 0..3 {
        let placed = async { served.client().await.create_order(mugs(1)).await };
        let placed = tokio::time::timeout(Duration::from_secs(10), placed)
            .await
            .expect("it is served at once");
        placed.expect("it is served");
    }
    let (code, said) = served.end("-TERM");
    drop(idle);
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<_> = said
        .lines()
        .filter(|line| line.contains("idle connections were closed to make room"))
        .collect();
    assert!((1..=4).contains(&lines.len()), "{said}");
}

/// A client that gives no answer any room.
async fn takes_nothing(served: &Served) -> OrderServiceClient<tonic::transport::Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    OrderServiceClient::new(
        endpoint
            .initial_stream_window_size(0)
            .connect()
            .await
            .unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_lists_take_a_bounded_part_of_memory_which_comes_back() {
    let bench = Bench::with_shop();
    bench.run(&["shop", "restock", "MUG-01", "1000000"]).must(0);
    let served = Served::start(&bench, &["--listen", "127.0.0.1:0", "--log", "off"], &[]);
    let mut client = served.client().await;
    let line = mugs(1).items.remove(0);
    let long = CreateOrderRequest {
        items: vec![line; 100],
        ..mugs(1)
    };
    let mut last = None;
    for _ in 0..100 {
        last = Some(
            client
                .create_order(long.clone())
                .await
                .unwrap()
                .into_inner(),
        );
    }
    let last = last.unwrap();
    let before = served.resident_kib();

    let mut asked = JoinSet::new();
    for _ in 0..9 {
        let unread = takes_nothing(&served).await;
        for _ in 0..100 {
            let mut unread = unread.clone();
            asked.spawn(async move {
                unread
                    .list_orders(ListOrdersRequest {
                        limit: 100,
                        ..Default::default()
                    })
                    .await
            });
        }
    }
    let (mut peak, mut refused, since) = (0, 0, Instant::now());
    while since.elapsed() < Duration::from_secs(8) {
        peak = peak.max(served.resident_kib());
        while let Some(answer) = asked.try_join_next() {
            assert_eq!(answer.unwrap().unwrap_err().code(), Code::ResourceExhausted);
            refused += 1;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!(
        "resident {before} KiB before, {peak} KiB at the most, {refused} refused, {} not taken",
        asked.len()
    );
    assert!(peak < PEAK_KIB, "it grew from {before} to {peak} KiB");
    assert!(refused > 700 && !asked.is_empty(), "{refused} were refused");
    assert_eq!(
        client
            .get_order(by_id(&last.id))
            .await
            .unwrap()
            .into_inner(),
        last
    );

    asked.shutdown().await;
    let since = Instant::now();
    let after = loop {
        let after = served.resident_kib();
        if after < before + LEFT_KIB || since.elapsed() > Duration::from_secs(20) {
            break after;
        }
        // Whoever has something to do has something to give back.
        client.get_order(by_id(&last.id)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    println!("resident {after} KiB {:?} after", since.elapsed());
    assert!(after < before + LEFT_KIB, "of {peak} KiB {after} are kept");
}

#[tokio::test]
async fn an_operator_says_how_many_connections_there_may_be() {
    let bench = Bench::with_shop();
    let served = Served::start(
        &bench,
        &[
            "--listen",
            "127.0.0.1:0",
            "--setting",
            "server.connections=4",
        ],
        &[],
    );
    let idle: Vec<_> = (0..4)
        .map(|_| TcpStream::connect(&served.address).expect("it accepts"))
        .collect();
    served
        .client()
        .await
        .create_order(mugs(1))
        .await
        .expect("it is served");
    let (_, said) = served.end("-TERM");
    drop(idle);
    // Three of four are a peer's share: for two of five the idlest went.
    assert!(
        said.contains(" 2 idle connections were closed to make room"),
        "{said}"
    );
}
