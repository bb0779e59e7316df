//! The limits of the services that a shop is offered as.

use std::sync::Arc;
use std::time::Duration;

use order_core::services::{CallError, ServiceName, UserService as _};
use order_core::testkit::ManualClock;
use order_grpc::Limits;
use order_grpc::offer::Faults;
use order_grpc::services::{CacheSettings, PlatformUsers};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::street::{CUSTOMER, Peer};

/// A client that remembers nothing.
fn users(peer: &Peer) -> PlatformUsers {
    PlatformUsers::new(peer.channel(ServiceName::User), CacheSettings::OFF)
}

async fn asked(users: &PlatformUsers) -> Result<(), CallError> {
    let found = users.get(CUSTOMER.parse().unwrap()).await;
    found.map(|user| assert!(user.is_some()))
}

async fn opened(limits: Limits, faults: Faults) -> Peer {
    Peer::open_within(Arc::<ManualClock>::default(), limits, faults).await
}

#[tokio::test]
async fn idle_connections_make_room_for_whoever_calls() {
    let limits = Limits {
        connections: 4,
        ..Limits::default()
    };
    let peer = opened(limits, Faults::default()).await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(peer.address).await.unwrap());
    }
    asked(&users(&peer)).await.unwrap();
    let mut gone = 0;
    for stream in &mut idle {
        let mut byte = [0; 64];
        let closed = async { while !matches!(stream.read(&mut byte).await, Ok(0) | Err(_)) {} };
        if tokio::time::timeout(Duration::from_secs(5), closed)
            .await
            .is_ok()
        {
            gone += 1;
        }
        if gone > 8 - 4 {
            break;
        }
    }
    assert!(gone > 8 - 4, "{gone} of eight had to go");
}

#[tokio::test]
async fn a_call_that_finds_no_room_was_not_done_and_its_client_knows() {
    let limits = Limits {
        open: 8,
        ..Limits::default()
    };
    // Of eight a connection may have one.
    let slow = Faults::new(vec!["user=slow:300ms".parse().unwrap()]);
    let peer = opened(limits, slow).await;
    let users = Arc::new(users(&peer));
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let users = Arc::clone(&users);
        calls.spawn(async move { asked(&users).await });
    }
    let ended = calls.join_all().await;
    let refused: Vec<_> = ended
        .iter()
        .filter_map(|call| call.as_ref().err())
        .collect();
    assert!(!refused.is_empty() && refused.len() < 64, "{refused:?}");
    for error in refused {
        assert!(
            matches!(error, CallError::NotDone { message } if message.contains("too many calls")),
            "{error}"
        );
    }
    asked(&users).await.unwrap();
}
