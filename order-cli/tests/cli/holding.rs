//! Clients of the built binary that hold on to it: others get in, and its memory is bounded, in the
//! first storm as in the next.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use order_grpc::proto::order_service_client::OrderServiceClient;
use order_grpc::proto::{CreateOrderRequest, ListOrdersRequest, ListOrdersResponse};
use tokio::task::JoinSet;
use tonic::transport::Endpoint;
use tonic::{Code, Response, Status};

use crate::bench::Bench;
use crate::served::{Served, by_id, mugs};

/// The memory that unread answers may take at the most. All of them would be 2 GiB.
const MORE_KIB: u64 = 128 * 1024;
/// The memory that the same crowd may take beyond that when it comes again: what the allocator
/// keeps of the first time is used anew.
const MORE_AGAIN_KIB: u64 = 32 * 1024;

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
async fn unread_lists_take_a_bounded_part_of_memory_and_no_more_again() {
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
    // A second storm finds what the first has left, and needs no more.
    let mut peaks = Vec::new();
    for _ in 0..2 {
        let mut asked = ask_and_take_nothing(&served).await;
        let (mut peak, mut refused, since) = (0, 0, Instant::now());
        while since.elapsed() < Duration::from_secs(6) {
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
        assert!(
            peak < before + MORE_KIB,
            "it grew from {before} to {peak} KiB"
        );
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
        peaks.push(peak);
    }
    assert!(
        peaks[1] < peaks[0] + MORE_AGAIN_KIB,
        "each storm takes more: {peaks:?} KiB"
    );
}

/// Nine connections ask for a hundred long lists each, and take nothing of them.
async fn ask_and_take_nothing(
    served: &Served,
) -> JoinSet<Result<Response<ListOrdersResponse>, Status>> {
    let mut asked = JoinSet::new();
    for _ in 0..9 {
        let unread = takes_nothing(served).await;
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
    asked
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
