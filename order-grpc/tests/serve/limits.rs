//! Calls that are turned away, cut short, or survived.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use order_core::store::StoreErrorKind;
use order_grpc::{Limits, Log, LogFormat, MESSAGE_MAX, ServerOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::Code;

use crate::raw;
use crate::store::Trouble;
use crate::world::*;

fn limited(limits: Limits) -> ServerOptions {
    ServerOptions {
        limits,
        ..ServerOptions::default()
    }
}

#[tokio::test]
async fn a_call_too_many_is_turned_away_at_once_and_welcome_later() {
    let world = World::with(limited(Limits {
        in_flight: 5,
        ..Limits::default()
    }))
    .await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    world.store.reads(Trouble::Slow(Duration::from_millis(500)));
    let before = world.store.reading.load(Ordering::SeqCst);
    let mut slow = JoinSet::new();
    // Of five a peer may have four.
    for _ in 0..4 {
        let (mut client, id) = (client.clone(), order.id.clone());
        slow.spawn(async move { client.get_order(by_id(&id)).await.unwrap() });
    }
    while world.store.reading.load(Ordering::SeqCst) < before + 4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let started = Instant::now();
    let refused = Refused::of(client.create_order(request(&[1], 1, "CARD")).await);
    refused.is(Code::ResourceExhausted, "OVERLOADED");
    assert!(refused.may_be_retried());
    assert!(started.elapsed() < Duration::from_millis(300));
    let metadata = refused.status.metadata();
    assert_eq!(said(metadata, "grpc-retry-pushback-ms"), Some("100"));
    let request = refused.details.request_info().unwrap();
    assert_eq!(said(metadata, "x-request-id"), Some(&*request.request_id));
    slow.join_all().await;
    world.store.reads(Trouble::None);
    assert_eq!(
        client
            .get_order(by_id(&order.id))
            .await
            .unwrap()
            .into_inner(),
        order
    );
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused() {
    let world = World::new().await;
    let mut client = world.client().await;
    let mut long = request(&[1], 1, "CARD");
    long.notes = Some("x".repeat(MESSAGE_MAX));
    Refused::of(client.create_order(long).await).is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    let mut fits = request(&[1], 1, "CARD");
    fits.notes = Some("x".repeat(MESSAGE_MAX - 1000));
    let refused = Refused::of(client.create_order(fits).await);
    assert_eq!(
        refused
            .is(Code::InvalidArgument, "INVALID_REQUEST")
            .fields(),
        ["notes"]
    );
}

#[tokio::test]
async fn a_call_that_outlives_its_deadline_ends_with_it() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    world.store.reads(Trouble::Slow(Duration::from_secs(5)));
    // Tonic's client would give up by itself at the same moment.
    let started = Instant::now();
    let headers = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", "100m"),
    ];
    let answer = raw::call(
        world.address,
        "/order.OrderService/GetOrder",
        &headers,
        raw::framed(&by_id(&order.id)),
    )
    .await;
    assert_eq!(
        (answer.http, answer.grpc),
        (200, Some(Code::DeadlineExceeded))
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn what_the_store_says_of_itself_stays_here() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let cases = [
        (
            StoreErrorKind::Unavailable,
            Code::Unavailable,
            "STORE_UNAVAILABLE",
        ),
        (
            StoreErrorKind::Unknown,
            Code::Unavailable,
            "OUTCOME_UNKNOWN",
        ),
        (StoreErrorKind::Full, Code::ResourceExhausted, "STORE_FULL"),
        (StoreErrorKind::Corrupt, Code::DataLoss, "STORE_CORRUPT"),
        (
            StoreErrorKind::Misconfigured,
            Code::Unavailable,
            "STORE_MISCONFIGURED",
        ),
    ];
    for (kind, code, reason) in cases {
        world.store.reads(Trouble::Fails(kind));
        let refused = Refused::of(client.get_order(by_id(&order.id)).await);
        refused.is(code, reason);
        assert!(
            !format!("{:?}", refused.status).contains("/var/lib"),
            "{:?}",
            refused.status
        );
        assert_eq!(
            refused.may_be_retried(),
            kind == StoreErrorKind::Unavailable
        );
    }
    world.store.reads(Trouble::None);
    world.store.writes(Trouble::Fails(StoreErrorKind::Full));
    Refused::of(client.create_order(request(&[1], 1, "CARD")).await)
        .is(Code::ResourceExhausted, "STORE_FULL");
    world.store.writes(Trouble::None);
    place(&mut client, &[1], "CARD").await;
}

#[tokio::test]
async fn a_panic_ends_one_call_and_no_other() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    world.store.reads(Trouble::Panics);
    Refused::of(client.get_order(by_id(&order.id)).await).is(Code::Internal, "INTERNAL");
    world.store.reads(Trouble::None);
    assert_eq!(
        client
            .get_order(by_id(&order.id))
            .await
            .unwrap()
            .into_inner(),
        order
    );
}

#[tokio::test]
async fn a_connection_that_makes_no_call_is_closed() {
    let world = World::with(limited(Limits {
        first_call: Duration::from_millis(10),
        connections: 2,
        ..Limits::default()
    }))
    .await;
    let mut idle = [
        TcpStream::connect(world.address).await.unwrap(),
        TcpStream::connect(world.address).await.unwrap(),
    ];
    let mut client = world.client().await;
    // Both places are taken until the server has looked twice.
    place(&mut client, &[1], "CARD").await;
    for stream in &mut idle {
        let mut rest = Vec::new();
        let read =
            tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the server closed it");
    }
}

#[tokio::test]
async fn bytes_that_are_no_http_2_end_their_connection_and_no_other() {
    let world = World::new().await;
    let mut client = world.client().await;
    for junk in [
        &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        &[0xff; 4096],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff",
    ] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(junk).await.unwrap();
        let mut rest = Vec::new();
        // Closed or reset, as the system likes.
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest))
            .await
            .expect("it is closed");
    }
    place(&mut client, &[1], "CARD").await;
}

#[tokio::test]
async fn what_is_not_grpc_is_answered_in_http() {
    let world = World::new().await;
    let path = "/order.OrderService/GetOrder";
    for (kind, http) in [
        ("text/html", 415),
        ("application/grpc-web", 415),
        ("application/json", 415),
        ("application/grpc", 200),
    ] {
        let answer = raw::call(
            world.address,
            path,
            &[("content-type", kind)],
            raw::framed(&by_id(USER)),
        )
        .await;
        assert_eq!(
            (answer.http, answer.grpc),
            (http, Some(Code::NotFound).filter(|_| http == 200)),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn what_a_caller_gets_wrong_on_the_wire_is_told_as_his_and_nothing_is_done() {
    let sink = Sink::default();
    let log = Log::to(LogFormat::Text, Box::new(sink.clone()));
    let mut world = World::with(ServerOptions {
        log,
        ..ServerOptions::default()
    })
    .await;
    let mut client = world.client().await;
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let path = "/order.OrderService/CreateOrder";
    let one = raw::framed(&request(&[1], 1, "CARD"));
    let declared =
        |length: u32, sent: usize| [&[0][..], &length.to_be_bytes(), &vec![0; sent]].concat();
    let invalid = |text: &str| {
        raw::framed(&by_id(text))
            .iter()
            .map(|b| if *b == b'?' { 0xff } else { *b })
            .collect()
    };
    let frames: [(&str, Vec<u8>, Code, &str); 10] = [
        ("nothing", vec![], Code::Unimplemented, "NOT_ONE_MESSAGE"),
        (
            "two messages",
            [&one[..], &one].concat(),
            Code::Unimplemented,
            "NOT_ONE_MESSAGE",
        ),
        (
            "half a prefix",
            vec![0, 0],
            Code::InvalidArgument,
            "MALFORMED_MESSAGE",
        ),
        (
            "less than promised",
            declared(9, 1),
            Code::InvalidArgument,
            "MALFORMED_MESSAGE",
        ),
        (
            "a length beyond all bounds",
            declared(u32::MAX, 10),
            Code::ResourceExhausted,
            "MESSAGE_TOO_LARGE",
        ),
        (
            "a length a little too long",
            declared(MESSAGE_MAX as u32 + 1, 10),
            Code::ResourceExhausted,
            "MESSAGE_TOO_LARGE",
        ),
        (
            "compressed by nothing",
            vec![1, 0, 0, 0, 1, 8],
            Code::Unimplemented,
            "UNIMPLEMENTED",
        ),
        (
            "no flag",
            vec![2, 0, 0, 0, 1, 8],
            Code::InvalidArgument,
            "MALFORMED_MESSAGE",
        ),
        (
            "no protobuf",
            vec![0, 0, 0, 0, 3, 0xff, 0xff, 0xff],
            Code::InvalidArgument,
            "MALFORMED_MESSAGE",
        ),
        (
            "no UTF-8",
            invalid("???"),
            Code::InvalidArgument,
            "MALFORMED_MESSAGE",
        ),
    ];
    for (what, frame, code, reason) in frames {
        let answer = raw::call(world.address, path, &headers, frame).await;
        assert_eq!(
            (answer.http, answer.grpc, answer.reason.as_str()),
            (200, Some(code), reason),
            "{what}"
        );
    }
    assert_eq!(
        world.inventory.inner().level(&sku(1)).reserved,
        0,
        "nothing was placed"
    );
    place(&mut client, &[1], "CARD").await;
    world.tell_to_stop();
    world.stopped().await;
    let said = sink.text();
    assert!(
        said.contains("code=INVALID_ARGUMENT") && !said.contains("ERROR"),
        "{said}"
    );
}

#[tokio::test]
async fn a_timeout_that_is_none_is_refused_and_one_that_is_over_begins_nothing() {
    let world = World::new().await;
    let body = || raw::framed(&request(&[1], 1, "CARD"));
    let path = "/order.OrderService/CreateOrder";
    for timeout in ["-1S", "1x", "", "1.5S", "123456789S", "5 S"] {
        let headers = [
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("grpc-timeout", timeout),
        ];
        let answer = raw::call(world.address, path, &headers, body()).await;
        assert_eq!(
            (answer.grpc, answer.reason.as_str()),
            (Some(Code::InvalidArgument), "INVALID_REQUEST"),
            "{timeout:?}"
        );
    }
    for timeout in ["0n", "0H", "1n"] {
        let headers = [
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("grpc-timeout", timeout),
        ];
        for _ in 0..20 {
            let answer = raw::call(world.address, path, &headers, body()).await;
            assert_eq!(
                (answer.grpc, answer.reason.as_str()),
                (Some(Code::DeadlineExceeded), "DEADLINE_EXCEEDED"),
                "{timeout:?}"
            );
        }
    }
    assert_eq!(
        world.inventory.inner().level(&sku(1)).reserved,
        0,
        "nothing was placed"
    );
}

#[tokio::test]
async fn a_message_that_does_not_come_takes_nobody_s_place() {
    let limits = Limits {
        in_flight: 1,
        message: Duration::from_millis(300),
        ..Limits::default()
    };
    let world = World::with(limited(limits)).await;
    let mut client = world.client().await;
    let mut slow = JoinSet::new();
    for _ in 0..20 {
        let address = world.address;
        slow.spawn(async move {
            let headers = [("content-type", "application/grpc"), ("te", "trailers")];
            raw::stall(
                address,
                "/order.OrderService/GetOrder",
                &headers,
                vec![0, 0, 0],
            )
            .await
        });
    }
    place(&mut client, &[1], "CARD").await;
    for answer in slow.join_all().await {
        assert_eq!(
            (answer.http, answer.grpc),
            (200, Some(Code::DeadlineExceeded))
        );
    }
}
