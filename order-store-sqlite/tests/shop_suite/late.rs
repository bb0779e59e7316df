//! Calls that come to their turn after their deadline, as those of a process do that stood still,
//! and what look-ups prove then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use order_core::money::{Currency, Money};
use order_core::runtime::{BoxFuture, Clock, Runtime};
use order_core::services::{
    AttemptRequest, CallDeadline, CallError, ClosingRequest, FollowUpRequest, InventoryService,
    PaymentLookup, PaymentService, ReservationLookup, ReserveRequest,
};
use order_core::time::Timestamp;
use order_store_sqlite::shop::Shop;
use rusqlite::Connection;

use crate::inventory::{about, mugs, reserve};
use crate::{TempFile, TestClock, catalogue, customer, key, number, order};

/// Monotonic time that stands still until it is told to move.
#[derive(Default)]
struct Stopwatch(AtomicU64);

impl Stopwatch {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros() as u64, Ordering::SeqCst);
    }

    fn deadline(self: &Arc<Self>, seconds: u64) -> CallDeadline {
        CallDeadline::at(
            Arc::clone(self) as Arc<dyn Runtime>,
            Duration::from_secs(seconds),
        )
    }
}

impl Clock for Stopwatch {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }
}

impl Runtime for Stopwatch {
    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst))
    }
    fn sleep(&self, _: Duration) -> BoxFuture<()> {
        unreachable!("a deadline is looked at, not waited for")
    }
    fn spawn(&self, _: BoxFuture<()>) {
        unreachable!("a deadline is looked at")
    }
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

async fn shop_in(file: &TempFile) -> Shop {
    let shop = Shop::open(&file.0, TestClock::new()).unwrap();
    shop.load(&catalogue()).await.unwrap();
    shop
}

/// Another process, which writes and is not done yet.
fn another_writes(file: &TempFile) -> Connection {
    let other = Connection::open(&file.0).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

async fn polled_once<T>(call: &mut (impl Future<Output = T> + Unpin)) -> bool {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *call).poll(cx).is_pending())
    })
    .await
}

#[tokio::test]
async fn calls_whose_deadline_passes_while_they_wait_for_their_turn_are_not_done() {
    let file = TempFile::new();
    let (shop, watch) = (shop_in(&file).await, Arc::new(Stopwatch::default()));
    let held = reserve(1, 2);
    shop.reserve(&held).await.unwrap();
    let paid = AttemptRequest::new(
        key(2),
        order(1),
        number(1),
        customer(),
        usd(900),
        "CREDIT_CARD".parse().unwrap(),
    );
    shop.charge(&paid).await.unwrap();
    let (mugs_before, desk_before) = (mugs(&shop).await, shop.payments().await.unwrap());

    let other = another_writes(&file);
    let (soon, later) = (watch.deadline(1), watch.deadline(100));
    let asked = ReserveRequest {
        deadline: soon.clone(),
        ..reserve(3, 4)
    };
    let closed = ClosingRequest {
        deadline: soon.clone(),
        ..about(4, &held)
    };
    let charge = AttemptRequest {
        key: key(5),
        deadline: soon.clone(),
        ..paid.clone()
    };
    let back = FollowUpRequest::new(key(6), order(1), number(1), paid.key, usd(900));
    let back = FollowUpRequest {
        deadline: soon,
        ..back
    };
    let in_time = ReserveRequest {
        deadline: later,
        ..reserve(7, 1)
    };
    let mut reserved = shop.reserve(&asked);
    let (mut committed, mut released) = (shop.commit(&closed), shop.release(&closed));
    let (mut charged, mut refunded) = (shop.charge(&charge), shop.refund(&back));
    let mut reserved_in_time = shop.reserve(&in_time);
    assert!(
        polled_once(&mut reserved).await
            && polled_once(&mut committed).await
            && polled_once(&mut released).await
    );
    assert!(
        polled_once(&mut charged).await
            && polled_once(&mut refunded).await
            && polled_once(&mut reserved_in_time).await
    );
    // They wait, and the process is stopped for longer than they may.
    watch.advance(Duration::from_secs(11));
    other.execute_batch("COMMIT").unwrap();

    let not_done = |answer: Option<CallError>| {
        assert!(
            matches!(answer, Some(CallError::NotDone { .. })),
            "{answer:?}"
        )
    };
    not_done(reserved.await.err());
    not_done(committed.await.err());
    not_done(released.await.err());
    not_done(charged.await.err());
    not_done(refunded.await.err());
    assert_eq!(
        reserved_in_time.await.unwrap().quantity,
        1,
        "beside them, what is in time is done"
    );
    let [on_hand, reserved, available, committed] = mugs_before;
    assert_eq!(
        mugs(&shop).await,
        [on_hand, reserved + 1, available - 1, committed]
    );
    assert_eq!(shop.payments().await.unwrap(), desk_before);
    assert_eq!(
        InventoryService::look_up(&shop, &asked).await.unwrap(),
        ReservationLookup::Absent
    );
}

#[tokio::test]
async fn a_look_up_waits_for_what_others_have_begun_to_write() {
    let file = TempFile::new();
    let shop = shop_in(&file).await;
    let other = another_writes(&file);
    let request = reserve(1, 2);
    let held =
        "INSERT INTO holds (order_id, key, sku, quantity, held, committed, created_at, updated_at)
                VALUES (?1, ?2, 'MUG-01', 2, 2, 0, 0, 0)";
    other
        .execute(held, (request.order.as_bytes(), request.key.as_bytes()))
        .unwrap();
    let charged =
        "INSERT INTO payments (key, order_id, kind, method, amount, currency, status, captured, refunded, created_at, updated_at)
                   VALUES (?1, ?2, 'CHARGE', 'CREDIT_CARD', 900, 'USD', 'CAPTURED', 0, 0, 0, 0)";
    other
        .execute(charged, (key(2).as_bytes(), request.order.as_bytes()))
        .unwrap();

    let question = PaymentLookup {
        key: key(2),
        order: request.order,
        reference: None,
    };
    let (mut of_stock, mut of_money) = (
        InventoryService::look_up(&shop, &request),
        PaymentService::look_up(&shop, &question),
    );
    assert!(polled_once(&mut of_stock).await && polled_once(&mut of_money).await);
    // Long enough for a look-up that does not wait.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        polled_once(&mut of_stock).await && polled_once(&mut of_money).await,
        "they wait for who is writing"
    );
    other.execute_batch("COMMIT").unwrap();
    assert!(
        matches!(of_stock.await.unwrap(), ReservationLookup::Held(_)),
        "nothing it said before would have proved anything"
    );
    assert_eq!(
        of_money.await.unwrap().expect("the same of money").amount,
        usd(900)
    );
}
