//! Decisions of the client of the platform's inventory, case by case.

use std::sync::Arc;
use std::time::Duration;

use order_core::ids::{Bucket, OrderId, Sku, UserId};
use order_core::number::OrderNumber;
use order_core::runtime::{Clock as _, Runtime, SystemClock, TokioRuntime};
use order_core::services::{
    Availability, CallDeadline, CallError, ClosingRequest, InventoryCapabilities,
    InventoryService as _, ReservationLookup, ReserveAnswer, ReserveRequest, ServiceName,
};
use order_grpc::proto::inventory::InventoryReservation;
use order_grpc::services::{Endpoint, PlatformInventory, ServiceChannel};
use tonic::Code;
use uuid::Uuid;

use crate::channel;
use crate::fakes::inventory::{
    CANCEL, CHECK, CONFIRM, Counters, GET, HoldStatus, Inventory, RESERVE,
};
use crate::fakes::peer::{Fault, Peer, waiting};

struct World {
    inventory: Inventory,
    peer: Peer,
    client: PlatformInventory,
}

async fn world() -> World {
    let inventory = Inventory::default();
    let peer = inventory.serve().await;
    let client = PlatformInventory::new(channel(ServiceName::Inventory, &peer));
    World {
        inventory,
        peer,
        client,
    }
}

impl World {
    /// The same service, called by a process that knows nothing of the first one.
    fn restarted(&self) -> PlatformInventory {
        PlatformInventory::new(channel(ServiceName::Inventory, &self.peer))
    }

    async fn held(&self, n: u64, quantity: u32) -> (ReserveRequest, ReserveAnswer) {
        let request = request(n, "MUG", quantity);
        let answer = self.client.reserve(&request).await.unwrap();
        (request, answer)
    }

    fn status_of(&self, hold: &ReserveAnswer) -> HoldStatus {
        self.inventory
            .holds()
            .into_iter()
            .find(|h| h.id.to_string() == hold.reference)
            .unwrap()
            .status
    }
}

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn request(n: u64, of: &str, quantity: u32) -> ReserveRequest {
    let id = |kind| Uuid::from_u64_pair(kind, n);
    let (order, user) = (OrderId::from_uuid(id(1)), UserId::from_uuid(id(2)));
    let number = OrderNumber::new(n, Bucket::MAX);
    ReserveRequest::new(
        id(3),
        order,
        number,
        user,
        sku(of),
        quantity,
        Duration::from_secs(90),
    )
}

fn about((request, hold): &(ReserveRequest, ReserveAnswer)) -> ClosingRequest {
    ClosingRequest {
        reference: hold.reference.parse().ok(),
        ..ClosingRequest::new(Uuid::from_u128(9), request)
    }
}

fn again(request: &ClosingRequest) -> ClosingRequest {
    ClosingRequest {
        repeat: true,
        ..request.clone()
    }
}

fn soon() -> CallDeadline {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::default());
    let at = runtime.monotonic() + Duration::from_millis(50);
    CallDeadline::at(runtime, at)
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, CallError>) -> (String, Option<u32>) {
    match answer {
        Err(CallError::Refused {
            code, available, ..
        }) => (code, available),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn is_lost<T>(answer: &Result<T, CallError>) -> bool {
    matches!(
        answer,
        Err(CallError::Refused {
            reservation_lost: true,
            ..
        })
    )
}

fn is_unknown<T>(answer: &Result<T, CallError>, nonsense: bool) -> bool {
    matches!(answer, Err(CallError::Unknown { malformed, .. }) if *malformed == nonsense)
}

fn counters(total: i32, available: i32, reserved: i32) -> Counters {
    Counters {
        total,
        available,
        reserved,
    }
}

#[tokio::test]
async fn a_reserve_is_of_one_item_for_the_order_and_says_for_how_long() {
    let w = world().await;
    let item = w.inventory.stock("MUG", 5);
    assert_eq!(w.client.capabilities(), InventoryCapabilities::PLATFORM);
    let (request, hold) = w.held(1, 2).await;
    assert_eq!(
        w.inventory.wire.calls_of(RESERVE),
        [format!("2x{item} for ORDER {} for 2 min", request.order)]
    );
    assert_eq!(
        (hold.quantity, hold.lifetime),
        (2, Some(Duration::from_secs(120)))
    );
    w.held(2, 3).await;
    assert_eq!(
        w.inventory.wire.calls_of(GET),
        ["MUG"],
        "the item is remembered"
    );
    assert_eq!(w.inventory.counters("MUG"), counters(5, 0, 5));
}

#[tokio::test]
async fn an_item_that_was_made_anew_is_found_again_and_once_only() {
    let w = world().await;
    w.inventory.stock("MUG", 5);
    w.held(1, 1).await;
    let anew = w.inventory.renew("MUG");
    let hold = w.client.reserve(&request(2, "MUG", 1)).await.unwrap();
    assert_eq!(
        w.inventory
            .holds()
            .into_iter()
            .find(|h| h.id.to_string() == hold.reference)
            .unwrap()
            .item,
        anew
    );
    assert_eq!(w.inventory.wire.calls_of(GET).len(), 2);

    for _ in 0..2 {
        w.inventory.wire.fault(RESERVE, Fault::Fail(Code::NotFound));
    }
    assert_eq!(
        refusal(w.client.reserve(&request(3, "MUG", 1)).await).0,
        "NOT_FOUND"
    );
    assert_eq!(
        w.inventory.wire.calls_of(RESERVE).len(),
        5,
        "twice for the second and for the third"
    );
    // What was just looked up is not looked up again.
    w.inventory.wire.fault(RESERVE, Fault::Fail(Code::NotFound));
    assert_eq!(
        refusal(w.client.reserve(&request(4, "MUG", 1)).await).0,
        "NOT_FOUND"
    );
    assert_eq!(w.inventory.wire.calls_of(RESERVE).len(), 6);
}

#[tokio::test]
async fn without_an_item_nothing_is_reserved() {
    let w = world().await;
    assert_eq!(
        refusal(w.client.reserve(&request(1, "NO-SUCH", 1)).await),
        ("UNKNOWN_SKU".into(), Some(0))
    );
    w.inventory.stock("MUG", 5);
    for fault in [
        Fault::Fail(Code::Internal),
        Fault::Fail(Code::Unavailable),
        Fault::Break,
        Fault::LoseAnswer,
    ] {
        let name = format!("{fault:?}");
        w.inventory.wire.fault(GET, fault);
        let answer = w.client.reserve(&request(2, "MUG", 1)).await;
        assert!(
            matches!(answer, Err(CallError::NotDone { .. })),
            "{name}: {answer:?}"
        );
    }
    assert!(w.inventory.wire.calls_of(RESERVE).is_empty());
    for quantity in [0, u32::MAX] {
        assert_eq!(
            refusal(w.client.reserve(&request(3, "MUG", quantity)).await).0,
            "QUANTITY_INVALID"
        );
    }
    assert!(w.inventory.wire.calls_of(RESERVE).is_empty());
}

#[tokio::test]
async fn a_shortage_is_refused() {
    let w = world().await;
    w.inventory.stock("MUG", 2);
    assert_eq!(
        refusal(w.client.reserve(&request(1, "MUG", 3)).await),
        ("INSUFFICIENT_STOCK".into(), None)
    );
    assert_eq!(
        w.client.check(&[sku("MUG")]).await.unwrap(),
        [Availability {
            sku: sku("MUG"),
            available: 2
        }]
    );
    for (code, refused) in [
        (Code::InvalidArgument, true),
        (Code::FailedPrecondition, true),
        (Code::Internal, false),
    ] {
        w.inventory.wire.fault(RESERVE, Fault::Fail(code));
        let answer = w.client.reserve(&request(2, "MUG", 1)).await;
        assert_eq!(
            matches!(answer, Err(CallError::Refused { .. })),
            refused,
            "{code:?}: {answer:?}"
        );
        assert_eq!(is_unknown(&answer, false), !refused, "{code:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_lost_race_is_unknown_and_the_look_up_proves_it_lost_or_cannot() {
    for (winner, loser, expected) in [
        (1, 2, ReservationLookup::Absent),
        (2, 2, ReservationLookup::Undecidable),
    ] {
        let w = world().await;
        w.inventory.stock("MUG", 2);
        let (fault, is_reached, go_on) = waiting(Fault::Pause);
        w.inventory.wire.fault(RESERVE, fault);
        let (slow, client) = (request(1, "MUG", loser), w.client.clone());
        let lost = tokio::spawn(async move { client.reserve(&slow).await });
        is_reached.await.unwrap();
        let won = w.held(2, winner).await;
        go_on.send(()).unwrap();
        let lost = lost.await.unwrap();
        assert!(is_unknown(&lost, false), "{lost:?}");
        assert_eq!(
            w.client.look_up(&request(1, "MUG", loser)).await.unwrap(),
            expected
        );
        // Whoever won gives it back: now nothing is reserved at all.
        w.client.release(&about(&won)).await.unwrap();
        assert_eq!(
            w.client.look_up(&request(1, "MUG", loser)).await.unwrap(),
            ReservationLookup::Absent
        );
    }
}

#[tokio::test]
async fn a_reserve_that_was_not_answered_is_looked_up_by_the_counters() {
    let w = world().await;
    w.inventory.stock("MUG", 9);
    let asked = request(1, "MUG", 2);
    w.inventory.wire.fault(RESERVE, Fault::Break);
    let answer = w.client.reserve(&asked).await;
    assert!(is_unknown(&answer, false), "{answer:?}");
    assert_eq!(
        w.client.look_up(&asked).await.unwrap(),
        ReservationLookup::Absent,
        "nothing is reserved"
    );
    w.inventory.wire.fault(RESERVE, Fault::LoseAnswer);
    let answer = w.client.reserve(&asked).await;
    assert!(is_unknown(&answer, false), "{answer:?}");
    assert_eq!(
        w.client.look_up(&asked).await.unwrap(),
        ReservationLookup::Undecidable,
        "it may be somebody else's"
    );
    assert_eq!(
        w.inventory.wire.calls_of(RESERVE).len(),
        2,
        "nothing is asked for again by itself"
    );

    for (unsound, expected) in [
        (counters(9, 8, 1), ReservationLookup::Absent),
        (counters(9, 9, 1), ReservationLookup::Undecidable),
        (counters(9, 10, -1), ReservationLookup::Undecidable),
        (counters(-1, i32::MAX, 1), ReservationLookup::Undecidable),
    ] {
        w.inventory.set_counters("MUG", unsound);
        assert_eq!(
            w.client.look_up(&asked).await.unwrap(),
            expected,
            "{unsound:?}"
        );
    }
    assert_eq!(
        w.client.look_up(&request(2, "GONE", 1)).await.unwrap(),
        ReservationLookup::Undecidable
    );
    for fault in [Fault::Fail(Code::Internal), Fault::Break] {
        w.inventory.wire.fault(GET, fault);
        assert!(
            w.client.look_up(&asked).await.is_err(),
            "a failed look-up is no proof"
        );
    }
}

#[tokio::test]
async fn an_answer_about_something_else_is_malformed() {
    let other: [fn(&mut InventoryReservation); 6] = [
        |r| r.id = "7".into(),
        |r| r.reference_id = None,
        |r| r.reference_id = Some(Uuid::nil().to_string()),
        |r| r.inventory_item_id = Uuid::nil().to_string(),
        |r| r.quantity += 1,
        |r| r.quantity = -r.quantity,
    ];
    for (i, garble) in other.into_iter().enumerate() {
        let w = world().await;
        w.inventory.stock("MUG", 5);
        w.inventory.garble(Some(garble));
        let answer = w.client.reserve(&request(1, "MUG", 2)).await;
        assert!(is_unknown(&answer, true), "{i}: {answer:?}");
        assert_eq!(
            w.inventory.counters("MUG"),
            counters(5, 3, 2),
            "it may have been done, and was"
        );
    }
    let w = world().await;
    w.inventory.stock("MUG", 5);
    let held = w.held(1, 2).await;
    w.inventory.garble(Some(|r| r.id = Uuid::nil().to_string()));
    let answer = w.client.commit(&about(&held)).await;
    assert!(is_unknown(&answer, true), "{answer:?}");
    assert!(
        w.client.commit(&again(&about(&held))).await.is_ok(),
        "no cancel was sent: it was done"
    );
}

#[tokio::test]
async fn a_check_goes_by_the_sku_and_demands_every_row() {
    let w = world().await;
    assert_eq!(w.client.check(&[]).await.unwrap(), []);
    assert!(w.inventory.wire.calls().is_empty());
    w.inventory.stock("MUG", 5);
    w.inventory.stock("CUP", 3);
    w.inventory.set_status("CUP", "DISCONTINUED");
    w.inventory.set_counters("CUP", counters(0, -3, 3));
    // The fake answers in another order.
    let asked = ["MUG", "NO-SUCH", "CUP", "MUG"].map(sku);
    let told: Vec<u32> = w
        .client
        .check(&asked)
        .await
        .unwrap()
        .into_iter()
        .map(|a| a.available)
        .collect();
    assert_eq!(told, [5, 0, 0, 5]);
    assert_eq!(
        w.inventory.wire.calls_of(CHECK),
        ["CUP,MUG,NO-SUCH"],
        "each is asked for once"
    );
    w.inventory.drop_rows(1);
    assert!(is_unknown(&w.client.check(&asked).await, true));
}

#[tokio::test]
async fn a_confirm_that_was_not_answered_is_found_done_and_takes_the_units_once() {
    let w = world().await;
    w.inventory.stock("MUG", 5);
    let held = w.held(1, 2).await;
    let commit = about(&held);
    w.inventory.wire.fault(CONFIRM, Fault::LoseAnswer);
    assert!(is_unknown(&w.client.commit(&commit).await, false));
    // Also by a process that was started meanwhile.
    w.restarted().commit(&again(&commit)).await.unwrap();
    w.inventory.wire.fault(CONFIRM, Fault::Break);
    let second = w.held(2, 1).await;
    assert!(is_unknown(&w.client.commit(&about(&second)).await, false));
    assert_eq!(w.status_of(&second.1), HoldStatus::Pending);
    assert_eq!(w.inventory.counters("MUG"), counters(3, 2, 1));
    w.restarted().commit(&again(&about(&second))).await.unwrap();
    assert_eq!(w.inventory.counters("MUG"), counters(2, 2, 0));
}

#[tokio::test]
async fn what_is_not_pending_at_the_first_try_is_refused() {
    let w = world().await;
    w.inventory.stock("MUG", 5);
    let (one, two) = (w.held(1, 1).await, w.held(2, 1).await);
    w.client.commit(&about(&one)).await.unwrap();
    w.client.release(&about(&two)).await.unwrap();
    for client in [w.client.clone(), w.restarted()] {
        assert_eq!(
            refusal(client.commit(&about(&two)).await).0,
            "INVALID_STATE"
        );
        assert_eq!(
            refusal(client.release(&about(&one)).await).0,
            "INVALID_STATE"
        );
    }
    assert_eq!(
        refusal(w.client.release(&again(&about(&one))).await).0,
        "INVALID_STATE",
        "it is known to be confirmed"
    );
    assert_eq!(
        refusal(w.client.commit(&again(&about(&two))).await).0,
        "INVALID_STATE",
        "it is known to be cancelled"
    );
    assert_eq!(w.inventory.counters("MUG"), counters(4, 4, 0));
}

#[tokio::test]
async fn a_confirm_that_comes_too_late_cancels_and_is_refused() {
    let w = world().await;
    w.inventory.stock("MUG", 5);
    let held = w.held(1, 2).await;
    w.inventory.pass(Duration::from_secs(120));
    assert!(is_lost(&w.client.commit(&about(&held)).await));
    assert_eq!(w.status_of(&held.1), HoldStatus::Cancelled);
    assert_eq!(w.inventory.counters("MUG"), counters(5, 5, 0));
    assert!(
        is_lost(&w.client.commit(&again(&about(&held))).await),
        "nothing was confirmed before"
    );
    w.client.release(&about(&held)).await.unwrap();
}

#[tokio::test]
async fn what_expired_is_lost_only_once_it_is_cancelled() {
    for code in [Code::Internal, Code::ResourceExhausted] {
        let w = world().await;
        w.inventory.stock("MUG", 5);
        let held = w.held(1, 2).await;
        w.inventory.pass(Duration::from_secs(120));
        w.inventory.wire.fault(CANCEL, Fault::Fail(code));
        let answer = w.client.commit(&about(&held)).await;
        assert!(
            matches!(
                answer,
                Err(CallError::Unknown {
                    malformed: false,
                    ..
                } | CallError::NotDone { .. })
            ),
            "{answer:?}"
        );
        assert_eq!(
            w.inventory.counters("MUG"),
            counters(5, 3, 2),
            "its units are still held"
        );
        assert!(is_lost(&w.client.commit(&again(&about(&held))).await));
        assert_eq!(w.inventory.counters("MUG"), counters(5, 5, 0), "{code:?}");
    }
    for (fault, available) in [(Fault::LoseAnswer, 5), (Fault::Break, 3)] {
        let w = world().await;
        w.inventory.stock("MUG", 5);
        let held = w.held(1, 2).await;
        w.inventory.pass(Duration::from_secs(120));
        w.inventory.wire.fault(CANCEL, fault);
        assert!(is_unknown(&w.client.commit(&about(&held)).await, false));
        assert_eq!(w.inventory.counters("MUG").available, available);
        // The service may be at it still.
        let early = w
            .client
            .release(&ClosingRequest {
                deadline: soon(),
                ..about(&held)
            })
            .await;
        assert!(matches!(early, Err(CallError::NotDone { .. })), "{early:?}");
    }
}

#[tokio::test]
async fn what_another_process_may_have_cancelled_is_for_a_person() {
    let w = world().await;
    w.inventory.stock("MUG", 5);
    let held = w.held(1, 2).await;
    w.inventory.pass(Duration::from_secs(120));
    assert!(is_lost(&w.client.commit(&about(&held)).await));
    // The process dies before that is written down; the next one only knows that it was tried.
    let now = SystemClock.now();
    let over = ClosingRequest {
        expires_at: Some(now),
        ..again(&about(&held))
    };
    let answer = w.restarted().commit(&over).await;
    assert!(is_unknown(&answer, true), "{answer:?}");
    // Within its time nobody cancels for that: then it was confirmed.
    let one = w.held(2, 1).await;
    w.client.commit(&about(&one)).await.unwrap();
    let within = ClosingRequest {
        expires_at: Some(now.after(Duration::from_secs(3600))),
        ..again(&about(&one))
    };
    w.restarted().commit(&within).await.unwrap();
}

#[tokio::test]
async fn a_cancel_that_was_not_answered_is_found_done() {
    let w = world().await;
    w.inventory.stock("MUG", 5);
    let held = w.held(1, 2).await;
    w.inventory.wire.fault(CANCEL, Fault::LoseAnswer);
    assert!(is_unknown(&w.client.release(&about(&held)).await, false));
    w.restarted().release(&again(&about(&held))).await.unwrap();
    assert_eq!(w.inventory.counters("MUG"), counters(5, 5, 0));
}

#[tokio::test]
async fn a_cancel_after_a_recompute_never_succeeds_and_never_claims_to() {
    let w = world().await;
    let item = w.inventory.stock("MUG", 5);
    let warehouse = w.inventory.warehouse(item, 5);
    let held = w.held(1, 2).await;
    w.inventory.add_to_location(item, warehouse, 1);
    for _ in 0..3 {
        assert!(is_unknown(
            &w.client.release(&again(&about(&held))).await,
            false
        ));
    }
    assert_eq!(w.status_of(&held.1), HoldStatus::Pending);
}

#[tokio::test]
async fn a_cancel_waits_for_a_confirm_that_its_caller_gave_up() {
    let w = world().await;
    w.inventory.stock("MUG", 5);
    let held = w.held(1, 2).await;
    let (fault, is_reached, go_on) = waiting(Fault::Pause);
    w.inventory.wire.fault(CONFIRM, fault);
    let (client, commit) = (w.client.clone(), about(&held));
    let given_up = tokio::spawn(async move { client.commit(&commit).await });
    is_reached.await.unwrap();
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    for how in ["cancel", "confirm"] {
        let late = ClosingRequest {
            deadline: soon(),
            ..again(&about(&held))
        };
        let answer = if how == "cancel" {
            w.client.release(&late).await
        } else {
            w.client.commit(&late).await
        };
        assert!(
            matches!(answer, Err(CallError::NotDone { .. })),
            "{how}: {answer:?}"
        );
    }
    assert!(
        w.inventory.wire.calls_of(CANCEL).is_empty(),
        "nothing was sent beside it"
    );
    go_on.send(()).unwrap();
    // The confirm ends, and is known to be done.
    assert_eq!(
        refusal(w.client.release(&about(&held)).await).0,
        "INVALID_STATE"
    );
    assert_eq!(
        w.client
            .commit(&again(&about(&held)))
            .await
            .map_err(|e| e.to_string()),
        Ok(())
    );
    assert_eq!(w.inventory.counters("MUG"), counters(3, 3, 0));
    assert_eq!(w.status_of(&held.1), HoldStatus::Confirmed);
}

#[tokio::test]
async fn whoever_is_not_answered_in_time_leaves_the_hold_closed_for_others() {
    let w = world().await;
    w.inventory.stock("MUG", 5);
    let held = w.held(1, 2).await;
    let impatient = Endpoint {
        deadline: Duration::from_secs(1),
        ..Endpoint::new(w.peer.url())
    };
    let client =
        PlatformInventory::new(ServiceChannel::new(ServiceName::Inventory, &impatient).unwrap());
    let (fault, is_reached, go_on) = waiting(Fault::Pause);
    w.inventory.wire.fault(CONFIRM, fault);
    // The connection is there by then.
    client.check(&[sku("MUG")]).await.unwrap();
    let commit = about(&held);
    let (answer, reached) = tokio::join!(client.commit(&commit), is_reached);
    reached.unwrap();
    assert!(is_unknown(&answer, false), "{answer:?}");
    // The service goes on, whatever deadline it was told.
    let cancel = client
        .release(&ClosingRequest {
            deadline: soon(),
            ..about(&held)
        })
        .await;
    assert!(
        matches!(cancel, Err(CallError::NotDone { .. })),
        "{cancel:?}"
    );
    assert!(w.inventory.wire.calls_of(CANCEL).is_empty());
    go_on.send(()).unwrap();
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_not_asked_for() {
    let w = world().await;
    w.inventory.stock("MUG", 5);
    let held = w.held(1, 2).await;
    let sound = about(&held);
    for (wrong, code) in [
        (
            ClosingRequest {
                reference: None,
                ..sound.clone()
            },
            "REFERENCE_UNKNOWN",
        ),
        (
            ClosingRequest {
                reference: "hold-7".parse().ok(),
                ..sound.clone()
            },
            "REFERENCE_INVALID",
        ),
        (
            ClosingRequest {
                quantity: 1,
                ..sound.clone()
            },
            "WHOLE_RESERVATION_ONLY",
        ),
        (
            ClosingRequest {
                committed: true,
                ..sound.clone()
            },
            "COMMITTED_UNITS_STAY",
        ),
    ] {
        assert_eq!(refusal(w.client.release(&wrong).await).0, code);
    }
    assert!(w.inventory.wire.calls_of(CANCEL).is_empty());
    assert_eq!(w.inventory.counters("MUG"), counters(5, 3, 2));
}
