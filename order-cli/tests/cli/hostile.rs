//! Ten thousand random and hostile inputs, against a server that goes on serving others meanwhile.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use order_grpc::proto::CancelOrderRequest;
use prost::Message as _;

use crate::bench::Bench;
use crate::disorder::Dice;
use crate::served::{Served, by_id, mugs};

const INPUTS: u64 = 10_000;
/// Before memory is measured first: what every server keeps once it has been busy.
const WARM_UP: u64 = 2_000;
const ATTACKERS: u64 = 4;
/// The number of connections that an attacker leaves open: idle ones, and bodies that do not come.
const LEFT_OPEN: usize = 50;
/// By how much the server may have grown, in KiB: what allocators keep for later.
const GROWTH_MAX_KIB: u64 = 8 * 1024;
const SEED: u64 = 0x0b5e_55ed_5eed;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header that is not indexed (RFC 7541, 6.2.2), with lengths of up to 32 KiB.
fn header(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |n: usize| match n {
        0..127 => vec![n as u8],
        n if n - 127 < 128 => vec![127, (n - 127) as u8],
        n => vec![
            127,
            ((n - 127) & 127) as u8 | 128,
            (((n - 127) >> 7) & 127) as u8 | 128,
            ((n - 127) >> 14) as u8,
        ],
    };
    [
        &[0],
        &length(name.len())[..],
        name,
        &length(value.len()),
        value,
    ]
    .concat()
}

fn call_headers(method: &str, more: &[(&[u8], &[u8])]) -> Vec<u8> {
    let path = format!("/order.OrderService/{method}");
    let usual: [(&[u8], &[u8]); 6] = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.as_bytes()),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
    ];
    usual
        .iter()
        .chain(more)
        .flat_map(|(name, value)| header(name, value))
        .collect()
}

/// Everything of a call with `body`, from the preface on.
fn call(method: &str, more: &[(&[u8], &[u8])], body: &[u8]) -> Vec<u8> {
    let head = frame(HEADERS, END_HEADERS, 1, &call_headers(method, more));
    let mut all = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &head].concat();
    let parts = body.chunks(16_384).count();
    for (n, part) in body.chunks(16_384).enumerate() {
        all.extend(frame(
            DATA,
            if n + 1 == parts { END_STREAM } else { 0 },
            1,
            part,
        ));
    }
    if parts == 0 {
        all.extend(frame(DATA, END_STREAM, 1, &[]));
    }
    all
}

fn prefixed(length: u32, message: &[u8]) -> Vec<u8> {
    [&[0][..], &length.to_be_bytes(), message].concat()
}

const METHODS: [&str; 9] = [
    "CreateOrder",
    "GetOrder",
    "UpdateOrderStatus",
    "CancelOrder",
    "ListOrders",
    "AddOrderItem",
    "UpdateOrderItem",
    "RemoveOrderItem",
    "Sell",
];

/// The deed of an attacker with a connection once it has written.
enum Then {
    /// Waits for whatever the server says to it.
    Listen,
    /// Hangs up at once.
    HangUp,
    /// Leaves it open and says nothing more.
    Leave,
}

/// One input, and what follows it.
fn input(dice: &mut Dice, order: &str) -> (Vec<u8>, Then) {
    let method = METHODS[dice.below(METHODS.len())];
    let start = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let valid = match dice.below(3) {
        0 => mugs(1).encode_to_vec(),
        1 => by_id(order).encode_to_vec(),
        _ => CancelOrderRequest {
            order_id: order.into(),
            reason: "x".into(),
        }
        .encode_to_vec(),
    };
    match dice.below(16) {
        0 => (dice.bytes(4096), Then::Listen),
        1 => (
            b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
            Then::Listen,
        ),
        2 => ([start, dice.bytes(4096)].concat(), Then::Listen),
        3 => {
            let message = dice.bytes(2048);
            (
                call(method, &[], &prefixed(message.len() as u32, &message)),
                Then::Listen,
            )
        }
        4 => {
            let mut message = valid;
            for _ in 0..=dice.below(8) {
                let at = dice.below(message.len());
                message[at] = dice.next() as u8;
            }
            (
                call(method, &[], &prefixed(message.len() as u32, &message)),
                Then::Listen,
            )
        }
        5 => {
            let message = &valid[..dice.below(valid.len())];
            (
                call(method, &[], &prefixed(message.len() as u32, message)),
                Then::Listen,
            )
        }
        // Promises another length than comes.
        6 => (
            call(method, &[], &prefixed(dice.next() as u32, &valid)),
            Then::Listen,
        ),
        7 => (
            call(method, &[], &prefixed(300_000, &vec![b'x'; 300_000])),
            Then::Listen,
        ),
        8 => {
            let junk = dice.bytes(64);
            let bad: [(&[u8], &[u8]); 8] = [
                (b"idempotency-key", &junk),
                (b"expected-version", b"-1"),
                (b"grpc-timeout", b"99999999999S"),
                (b"x-request-id", b"\"\r\n INFO call"),
                (b"trace-bin", b"!!!"),
                (b"UPPER", b"case"),
                (b"", b""),
                (b":path", b"/again"),
            ];
            let from = dice.below(bad.len());
            let upto = from + dice.below(bad.len() - from) + 1;
            (
                call(
                    method,
                    &bad[from..upto],
                    &prefixed(valid.len() as u32, &valid),
                ),
                Then::Listen,
            )
        }
        9 => {
            let long = vec![b'x'; 12_000];
            (
                call(
                    method,
                    &[(b"x-long", &long), (b"x-longer", &long)],
                    &prefixed(valid.len() as u32, &valid),
                ),
                Then::Listen,
            )
        }
        // Header blocks that never end, and some that make no sense.
        10 => {
            let mut all = [start, frame(HEADERS, 0, 1, &call_headers(method, &[]))].concat();
            for _ in 0..dice.below(64) {
                all.extend(frame(
                    CONTINUATION,
                    0,
                    1,
                    &header(b"x-more", &dice.bytes(120)),
                ));
            }
            (all, Then::HangUp)
        }
        11 => (
            [start, frame(HEADERS, END_HEADERS, 1, &dice.bytes(512))].concat(),
            Then::Listen,
        ),
        // Calls begun and reset (CVE-2023-44487).
        12 => {
            let mut all = start;
            for n in 0..dice.below(50) as u32 {
                all.extend(frame(
                    HEADERS,
                    END_HEADERS,
                    2 * n + 1,
                    &call_headers(method, &[]),
                ));
                all.extend(frame(RST_STREAM, 0, 2 * n + 1, &8u32.to_be_bytes()));
            }
            (all, Then::HangUp)
        }
        13 => {
            let mut all = start;
            for _ in 0..dice.below(200) {
                all.extend(match dice.below(3) {
                    0 => frame(PING, 0, 0, &[7; 8]),
                    1 => frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]),
                    _ => frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffffu32.to_be_bytes()),
                });
            }
            (all, Then::HangUp)
        }
        14 => {
            let all = call(method, &[], &prefixed(valid.len() as u32, &valid));
            let upto = dice.below(all.len());
            (
                all[..upto].to_vec(),
                if dice.below(2) == 0 {
                    Then::HangUp
                } else {
                    Then::Leave
                },
            )
        }
        _ => (
            if dice.below(2) == 0 {
                Vec::new()
            } else {
                start
            },
            Then::Leave,
        ),
    }
}

/// Throws every `ATTACKERS`th input at the server. How many of them it said something to.
fn attack(address: &str, attacker: u64, order: &str, thrown: &AtomicU32) -> u64 {
    let mut left = std::collections::VecDeque::new();
    let mut answered = 0;
    for n in (attacker..INPUTS).step_by(ATTACKERS as usize) {
        let mut dice = Dice::seeded(SEED ^ (n << 20));
        let (bytes, then) = input(&mut dice, order);
        let mut stream = TcpStream::connect(address)
            .unwrap_or_else(|e| panic!("input {n}: it does not accept: {e}"));
        stream
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        // It may have hung up on us already.
        let _ = stream.write_all(&bytes);
        match then {
            Then::Listen => {
                // Ours is no client that could read it: an answer, an error, or the end of the
                // connection.
                let mut said = [0; 4096];
                answered += u64::from(stream.read(&mut said).is_ok());
            }
            Then::HangUp => {}
            Then::Leave => left.push_back(stream),
        }
        if left.len() > LEFT_OPEN {
            left.pop_front();
        }
        thrown.fetch_add(1, Ordering::Relaxed);
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_inputs_leave_it_serving_in_flat_memory() {
    let bench = Bench::with_shop();
    bench.run(&["shop", "restock", "MUG-01", "100000"]).must(0);
    let served = Served::start(&bench, &["--listen", "127.0.0.1:0", "--log", "off"], &[]);
    let mut client = served.client().await;
    let order = client.create_order(mugs(1)).await.unwrap().into_inner();

    let (thrown, over) = (
        Arc::new(AtomicU32::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let attackers: Vec<_> = (0..ATTACKERS)
        .map(|attacker| {
            let (address, order, thrown) = (
                served.address.clone(),
                order.id.clone(),
                Arc::clone(&thrown),
            );
            std::thread::spawn(move || attack(&address, attacker, &order, &thrown))
        })
        .collect();
    let honest = tokio::spawn({
        let (mut client, over) = (client.clone(), Arc::clone(&over));
        async move {
            let mut served = 0;
            while !over.load(Ordering::Relaxed) {
                let order = client
                    .create_order(mugs(1))
                    .await
                    .expect("an honest caller is served meanwhile")
                    .into_inner();
                client
                    .get_order(by_id(&order.id))
                    .await
                    .expect("an honest caller is served meanwhile");
                served += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            served
        }
    });
    while u64::from(thrown.load(Ordering::Relaxed)) < WARM_UP {
        assert!(!attackers.iter().all(|a| a.is_finished()));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = served.resident_kib();
    let answered: u64 = tokio::task::spawn_blocking(|| {
        attackers
            .into_iter()
            .map(|a| a.join().expect("an attacker"))
            .sum()
    })
    .await
    .unwrap();
    let after = served.resident_kib();
    over.store(true, Ordering::Relaxed);
    let honest = honest.await.unwrap();
    assert!(honest > 5, "only {honest} orders were placed meanwhile");
    assert_eq!(u64::from(thrown.load(Ordering::Relaxed)), INPUTS);
    assert!(answered > INPUTS / 3, "only {answered} were answered");
    println!("resident {before} KiB before, {after} KiB after");
    assert!(
        after < before + GROWTH_MAX_KIB,
        "it grew from {before} to {after} KiB"
    );

    let mut anew = served.client().await;
    let read = anew.get_order(by_id(&order.id)).await.unwrap().into_inner();
    assert_eq!(read.order_number, order.order_number);
    let (code, said) = served.end("-TERM");
    assert_eq!(
        (code, said.lines().count()),
        (Some(0), 1),
        "nothing panicked: {said}"
    );
    bench.run(&["work"]).must(0);
    bench.run(&["check"]).must(0);
}
