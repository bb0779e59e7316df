//! Clients that hold on to the server: whatever one of them does, others are served, and what it
//! holds has an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream;
use order_core::testkit::services::{Fault, Method};
use order_grpc::{Limits, Log, LogFormat, ServerOptions};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::raw::{Frames, GOAWAY, HEADERS, RST_STREAM, Unread, framed};
use crate::world::*;

const HOSTILE: [u8; 4] = [127, 0, 0, 1];
const GOOD: [u8; 4] = [127, 0, 0, 2];
const GET: &str = "/order.OrderService/GetOrder";
const LIST: &str = "/order.OrderService/ListOrders";
/// The longest that anything here takes, however slow the machine is.
const AT_LAST: Duration = Duration::from_secs(60);

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(AT_LAST, what).await.expect("it ends")
}

async fn limited(limits: Limits) -> (World, Sink) {
    let sink = Sink::default();
    let log = Log::to(LogFormat::Text, Box::new(sink.clone()));
    (
        World::with(ServerOptions {
            limits,
            log,
            ..ServerOptions::default()
        })
        .await,
        sink,
    )
}

/// Waits until the log says so.
async fn logged(sink: &Sink, what: &str) {
    in_time(async {
        while !sink.text().contains(what) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// A hundred orders that make a long list: each with eight lines, a long note, and no stock, since
/// the payment was declined.
async fn a_long_list(world: &World) -> usize {
    let mut client = world.client().await;
    for _ in 0..100 {
        let declined = CreateOrder {
            notes: Some("n".repeat(900)),
            ..request(&[1, 2, 3, 4, 5, 6, 7], 1, "DECLINED")
        };
        client.create_order(declined).await.unwrap_err();
    }
    let all = client.list_orders(a_hundred()).await.unwrap().into_inner();
    assert_eq!(all.orders.len(), 100);
    all.encoded_len()
}

type CreateOrder = order_grpc::proto::CreateOrderRequest;

fn a_hundred() -> order_grpc::proto::ListOrdersRequest {
    order_grpc::proto::ListOrdersRequest {
        limit: 100,
        ..Default::default()
    }
}

#[tokio::test]
async fn answers_that_are_not_taken_keep_nobody_out_and_are_reset() {
    let (world, sink) = limited(Limits {
        answer: Duration::from_secs(2),
        ..Limits::default()
    })
    .await;
    let order = place(&mut world.client().await, &[1], "CARD").await;
    let body = framed(&by_id(&order.id));
    let mut hostile = Vec::new();
    for _ in 0..9 {
        let mut one = Frames::connect(world.address, HOSTILE, 0).await;
        for _ in 0..120 {
            one.ask("POST", GET, None, Some(&body)).await;
        }
        hostile.push(one);
    }
    let asked = Instant::now();
    // Also whoever calls from the same address.
    for from in [GOOD, HOSTILE] {
        let mut good = world.client_from(from).await;
        for _ in 0..20 {
            assert_eq!(
                good.get_order(by_id(&order.id)).await.unwrap().into_inner(),
                order
            );
        }
    }
    // That something else goes on on the connection changes nothing.
    for one in &mut hostile {
        one.ask("GET", "/x", None, Some(&[])).await;
    }
    for one in &mut hostile {
        assert_eq!(in_time(one.count(RST_STREAM, 120)).await, 120);
    }
    assert!(asked.elapsed() >= Duration::from_secs(1));
    logged(
        &sink,
        "answers were reset: their clients did not take them in time",
    )
    .await;
    // The connection lives on.
    let id = hostile[0].ask("POST", GET, None, Some(&body)).await;
    in_time(async { while hostile[0].next().await.expect("it is answered").1 != id {} }).await;
}

#[tokio::test]
async fn of_answers_that_are_not_taken_there_are_only_so_many_bytes() {
    let limits = Limits {
        answer_bytes: 16 * 1024 * 1024,
        lists: 32,
        ..Limits::default()
    };
    let share = limits.answer_bytes / 8;
    let (world, _) = limited(limits).await;
    let long = a_long_list(&world).await;
    assert!(long > 100_000 && share / long < 20, "{long}");
    let hostile = Unread::connect(world.address).await;
    let body = framed(&a_hundred());
    let asked = futures_util::future::join_all((0..24).map(|_| hostile.ask(LIST, body.clone())));
    let mut good = world.client_from(GOOD).await;
    let (answers, read) = tokio::join!(in_time(asked), good.list_orders(a_hundred()));
    assert_eq!(read.unwrap().into_inner().encoded_len(), long);
    let (made, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|(status, _)| status.is_none());
    assert!(
        (1..=share / long).contains(&made.len()),
        "{} of {long} bytes are made",
        made.len()
    );
    for (status, _) in refused {
        assert_eq!(status.as_ref().unwrap().code(), Code::ResourceExhausted);
    }
    // What is given up makes room again.
    drop(answers);
    let (status, _) = in_time(hostile.ask(LIST, body)).await;
    assert!(status.is_none(), "{status:?}");
}

#[tokio::test]
async fn a_connection_that_is_not_read_is_closed() {
    let (world, sink) = limited(Limits {
        answer: Duration::from_millis(500),
        ..Limits::default()
    })
    .await;
    a_long_list(&world).await;
    let mut hostile = Frames::connect(world.address, HOSTILE, 0x7000_0000).await;
    // More than the system keeps for it.
    for _ in 0..100 {
        hostile
            .ask("POST", LIST, None, Some(&framed(&a_hundred())))
            .await;
    }
    logged(&sink, "connections were closed: their clients read nothing").await;
    in_time(async { while hostile.next().await.is_some() {} }).await;
}

#[tokio::test]
async fn idle_connections_make_room_for_others_and_the_log_says_so() {
    let (world, sink) = limited(Limits {
        connections: 40,
        ..Limits::default()
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..60 {
        idle.push(Frames::connect(world.address, HOSTILE, 65_535).await);
    }
    for from in [HOSTILE, GOOD] {
        let mut fresh = in_time(world.client_from(from)).await;
        in_time(place(&mut fresh, &[1], "CARD")).await;
    }
    assert_eq!(
        in_time(idle[0].count(GOAWAY, 1)).await,
        1,
        "it is told to go"
    );
    logged(
        &sink,
        "idle connections were closed to make room for others",
    )
    .await;
    let lines = sink
        .text()
        .lines()
        .filter(|line| line.contains("make room"))
        .count();
    assert!(lines <= 2, "{}", sink.text());
}

#[tokio::test]
async fn messages_that_do_not_come_keep_nobody_else_out() {
    // They have so much time that none ends here.
    let limits = Limits {
        message: 10 * AT_LAST,
        ..Limits::default()
    };
    let share = limits.messages - limits.messages / 4;
    let (world, _) = limited(limits).await;
    let order = place(&mut world.client().await, &[1], "CARD").await;
    let (connections, each) = (9, 127);
    let refused = Arc::new(AtomicUsize::new(0));
    let mut reading = JoinSet::new();
    for _ in 0..connections {
        let mut one = Frames::connect(world.address, HOSTILE, 65_535).await;
        for _ in 0..each {
            one.ask("POST", GET, None, None).await;
        }
        let refused = Arc::clone(&refused);
        reading.spawn(async move {
            while one.count(HEADERS, 1).await == 1 {
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // By then all have been seen, and the share is held in full.
    in_time(async {
        while refused.load(Ordering::Relaxed) < connections * each - share {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut good = world.client_from(GOOD).await;
    for _ in 0..50 {
        assert_eq!(
            good.get_order(by_id(&order.id)).await.unwrap().into_inner(),
            order
        );
    }
    assert_eq!(
        refused.load(Ordering::Relaxed),
        connections * each - share,
        "no more and no fewer than its share are on their way"
    );
}

#[tokio::test]
async fn a_place_lasts_as_long_as_the_work_whoever_has_hung_up() {
    let (world, _) = limited(Limits {
        in_flight: 4,
        ..Limits::default()
    })
    .await;
    let mut client = world.client_from(HOSTILE).await;
    let order = place(&mut client, &[1], "CARD").await;
    let charged = || world.payment.inner().with_ledger(|ledger| ledger.len());
    let before = charged();
    let late = Duration::from_secs(3);
    let mut hostile = Frames::connect(world.address, HOSTILE, 65_535).await;
    let began = Instant::now();
    // Of four places a peer may have three. One hangs up, one has no time, and one waits as it
    // should.
    for (n, timeout) in [None, Some("150m"), None].into_iter().enumerate() {
        world.payment.push(Method::Charge, Fault::Late(late));
        let body = framed(&request(&[2 + n as u8], 1, "CARD"));
        let id = hostile
            .ask(
                "POST",
                "/order.OrderService/CreateOrder",
                timeout,
                Some(&body),
            )
            .await;
        in_time(async {
            while charged() < before + 1 + n {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        if n == 0 {
            hostile.reset(id).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let refused = Refused::of(client.get_order(by_id(&order.id)).await);
    assert!(began.elapsed() < late, "too slow a machine to tell");
    refused.is(Code::ResourceExhausted, "OVERLOADED");
    world
        .client_from(GOOD)
        .await
        .get_order(by_id(&order.id))
        .await
        .expect("a place is left to others");
    in_time(async {
        while client.get_order(by_id(&order.id)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(
        began.elapsed() >= late,
        "the places are free when the work is done"
    );
}

#[tokio::test]
async fn watches_are_counted_and_end() {
    let limits = Limits {
        watches: 8 * 64,
        watch: Duration::from_millis(500),
        ..Limits::default()
    };
    let (world, sink) = limited(limits).await;
    let hostile = Unread::connect(world.address).await;
    let body = framed(&HealthCheckRequest::default());
    let path = "/grpc.health.v1.Health/Watch";
    let mut watching = Vec::new();
    for _ in 0..8 {
        let (status, answer) = in_time(hostile.ask(path, body.clone())).await;
        assert!(status.is_none());
        watching.push(answer);
    }
    let (status, _) = in_time(hostile.ask(path, body.clone())).await;
    assert_eq!(
        status.map(|status| status.code()),
        Some(Code::ResourceExhausted)
    );
    assert_eq!(
        crate::beside::health(&world, "").await,
        Ok(tonic_health::pb::health_check_response::ServingStatus::Serving)
    );
    logged(&sink, "1 calls of health or reflection were refused").await;
    // One that takes nothing sees no end, and is reset.
    for answer in watching {
        assert!(
            in_time(http_body_util::BodyExt::collect(answer))
                .await
                .is_err()
        );
    }
    let mut client = tonic_health::pb::health_client::HealthClient::new(world.channel().await);
    let mut read = client
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    read.message().await.unwrap().unwrap();
    assert_eq!(
        in_time(read.message()).await.unwrap_err().code(),
        Code::Unavailable
    );
}

#[tokio::test]
async fn reflection_that_asks_nothing_ends() {
    let (world, sink) = limited(Limits {
        reflection: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let mut client = ServerReflectionClient::new(world.channel().await);
    let mut answers = client
        .server_reflection_info(stream::pending())
        .await
        .unwrap()
        .into_inner();
    assert!(in_time(answers.message()).await.unwrap().is_none());
    logged(&sink, "streams of reflection were ended").await;
}

#[tokio::test]
async fn whoever_is_refused_for_too_many_connections_is_told_at_once() {
    let (world, sink) = limited(Limits {
        connections: 2,
        message: Duration::from_secs(30),
        ..Limits::default()
    })
    .await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut one = Frames::connect(world.address, HOSTILE, 65_535).await;
        one.ask("POST", GET, None, None).await;
        // Its settings, and that ours are known.
        assert_eq!(in_time(one.count(4, 2)).await, 2);
        busy.push(one);
    }
    let mut refused = TcpStream::connect(world.address).await.unwrap();
    let read = in_time(tokio::io::AsyncReadExt::read(&mut refused, &mut [0; 1])).await;
    assert!(matches!(read, Ok(0) | Err(_)));
    logged(&sink, "1 connections were refused").await;
}
