//! CancelOrder and UpdateOrderStatus.

use order_core::testkit::services::{Fault, Method};
use order_grpc::proto::{CancelOrderRequest, UpdateOrderStatusRequest};
use tonic::Code;

use crate::world::*;

fn cancel(id: &str) -> CancelOrderRequest {
    CancelOrderRequest {
        order_id: id.into(),
        reason: "changed my mind".into(),
    }
}

#[tokio::test]
async fn cancelling_twice_succeeds_and_refunds_once() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    for _ in 0..2 {
        let answer = client.cancel_order(cancel(&order.id)).await.unwrap();
        assert!(said(answer.metadata(), "order-version").is_some());
        let answer = answer.into_inner();
        assert!(answer.success);
        assert_eq!(
            answer.message,
            format!("order {} is cancelled", order.order_number)
        );
    }
    let read = client
        .get_order(by_id(&order.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (read.status.as_str(), read.payment_status.as_str()),
        ("CANCELLED", "REFUNDED")
    );
    assert!(read.cancelled_at.is_some());
    let refunds = world.payment.inner().with_ledger(|ledger| {
        ledger
            .iter()
            .filter(|p| p.kind == order_core::order::OperationKind::Refund)
            .count()
    });
    assert_eq!(refunds, 1);
}

#[tokio::test]
async fn a_cancelled_order_whose_money_is_not_back_yet_is_a_success_that_says_so() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    world.payment.set(Method::Refund, Some(Fault::NotDone));
    let mut asked = with(cancel(&order.id), &[]);
    asked.set_timeout(std::time::Duration::from_millis(600));
    let answer = client.cancel_order(asked).await.unwrap().into_inner();
    assert!(answer.success);
    assert!(
        answer.message.contains("is CANCELLING"),
        "{}",
        answer.message
    );
}

#[tokio::test]
async fn a_dead_order_is_not_cancelled_and_what_is_possible_is_told() {
    let world = World::new().await;
    let mut client = world.client().await;
    let refused = Refused::of(client.create_order(request(&[LAST_ONE], 2, "CARD")).await);
    let id = refused.info("order_id").unwrap();
    let refused = Refused::of(client.cancel_order(cancel(id)).await);
    refused.is(Code::FailedPrecondition, "ILLEGAL_TRANSITION");
    assert_eq!(refused.info("order_id"), Some(id));
    assert_eq!(refused.info("possible"), Some("redact, note"));
}

#[tokio::test]
async fn a_stale_version_is_told_apart_from_a_refusal() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let refused = Refused::of(
        client
            .cancel_order(with(cancel(&order.id), &[("expected-version", "1")]))
            .await,
    );
    refused.is(Code::Aborted, "VERSION_CONFLICT");
    assert_eq!(refused.info("expected_version"), Some("1"));
    let version = refused.info("order_version").unwrap().to_owned();
    let metadata = [
        ("expected-version", version.as_str()),
        ("idempotency-key", "cancel-1"),
    ];
    assert!(
        client
            .cancel_order(with(cancel(&order.id), &metadata))
            .await
            .unwrap()
            .into_inner()
            .success
    );
}

#[tokio::test]
async fn everything_wrong_with_a_cancellation_is_told_at_once() {
    let world = World::new().await;
    let mut client = world.client().await;
    let bad = CancelOrderRequest {
        order_id: "it".into(),
        reason: "my card is 4111 1111 1111 1111".into(),
    };
    let metadata = [("expected-version", "-1"), ("idempotency-key", "")];
    let refused = Refused::of(client.cancel_order(with(bad, &metadata)).await);
    refused.is(Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(
        refused.fields(),
        ["order_id", "reason", "expected-version", "idempotency-key"]
    );
    assert!(!format!("{:?}", refused.status).contains("4111"));
    let refused = Refused::of(client.cancel_order(cancel(NOBODY)).await);
    refused.is(Code::NotFound, "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn a_repeat_says_that_it_is_one_and_another_change_under_its_key_is_refused() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let keyed = [("idempotency-key", "checkout-42")];
    let confirmed = || with(set(&order.id, "PROCESSING", None), &keyed);
    let first = client.update_order_status(confirmed()).await.unwrap();
    assert_eq!(said(first.metadata(), "order-replayed"), None);
    let again = client.update_order_status(confirmed()).await.unwrap();
    assert_eq!(said(again.metadata(), "order-replayed"), Some("true"));
    assert_eq!(
        said(again.metadata(), "order-version"),
        said(first.metadata(), "order-version")
    );

    let refused = Refused::of(client.cancel_order(with(cancel(&order.id), &keyed)).await);
    refused.is(Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(refused.info("command"), Some("set status"));
    let row: u64 = refused.info("row").unwrap().parse().unwrap();
    assert!(
        refused
            .status
            .message()
            .contains(&format!("set status, journal row {row}, at ")),
        "{:?}",
        refused.status
    );
    for other in [
        set(&order.id, "PROCESSING", Some("a note")),
        set(&order.id, "CANCELLED", None),
    ] {
        Refused::of(client.update_order_status(with(other, &keyed)).await)
            .is(Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    }
    let add = order_grpc::proto::UpdateOrderItemRequest {
        order_id: order.id.clone(),
        item_id: order.items[0].id.clone(),
        quantity: 2,
    };
    Refused::of(client.update_order_item(with(add.clone(), &keyed)).await)
        .is(Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    let read = client
        .get_order(by_id(&order.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read.status, "PROCESSING");

    let cancelled = [("idempotency-key", "cancel-1")];
    let order = place(&mut client, &[1], "CARD").await;
    let first = client
        .cancel_order(with(cancel(&order.id), &cancelled))
        .await
        .unwrap();
    assert_eq!(said(first.metadata(), "order-replayed"), None);
    let again = client
        .cancel_order(with(cancel(&order.id), &cancelled))
        .await
        .unwrap();
    assert_eq!(said(again.metadata(), "order-replayed"), Some("true"));
    assert!(again.into_inner().success);
}

fn set(order_id: &str, status: &str, notes: Option<&str>) -> UpdateOrderStatusRequest {
    UpdateOrderStatusRequest {
        order_id: order_id.into(),
        status: status.into(),
        notes: notes.map(Into::into),
    }
}

#[tokio::test]
async fn an_order_goes_its_way_by_statuses() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let mut version = 0;
    for status in [
        "CONFIRMED",
        "PROCESSING",
        "SHIPPED",
        "DELIVERED",
        "COMPLETED",
    ] {
        for again in [false, true] {
            let answer = client
                .update_order_status(set(&order.id, status, Some("by hand")))
                .await
                .unwrap();
            let now: u64 = said(answer.metadata(), "order-version")
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(
                now == version,
                again || status == "CONFIRMED" && version > 0,
                "{status}: once is enough"
            );
            version = now;
            assert_eq!(answer.into_inner().status, status);
        }
    }
    let read = client
        .get_order(by_id(&order.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (read.status.as_str(), read.payment_status.as_str()),
        ("COMPLETED", "PAID")
    );
    assert!(read.completed_at.is_some());
    assert_eq!(
        world.inventory.inner().level(&sku(1)).reserved,
        0,
        "what has left is not held any more"
    );
}

#[tokio::test]
async fn setting_cancelled_waits_for_the_refund() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let order = client
        .update_order_status(set(&order.id, "CANCELLED", None))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (order.status.as_str(), order.payment_status.as_str()),
        ("CANCELLED", "REFUNDED")
    );
}

#[tokio::test]
async fn a_status_must_be_one_as_it_is_written() {
    let world = World::new().await;
    let mut client = world.client().await;
    let refused = Refused::of(
        client
            .update_order_status(set("x", "shipped", Some("\u{7}")))
            .await,
    );
    assert_eq!(
        refused
            .is(Code::InvalidArgument, "INVALID_REQUEST")
            .fields(),
        ["order_id", "status", "notes"]
    );
    let order = place(&mut client, &[1], "CARD").await;
    for unknown in ["", "shipped", "SOLD", "REFUNDED"] {
        let refused = Refused::of(
            client
                .update_order_status(set(&order.id, unknown, None))
                .await,
        );
        assert_eq!(
            refused
                .is(Code::InvalidArgument, "INVALID_REQUEST")
                .fields(),
            ["status"],
            "{unknown:?}"
        );
    }
    let refused = Refused::of(
        client
            .update_order_status(set(NOBODY, "SHIPPED", None))
            .await,
    );
    refused.is(Code::NotFound, "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn a_status_that_cannot_be_set_now_is_refused_with_the_state_and_what_is_possible() {
    let world = World::new().await;
    let mut client = world.client().await;
    let pending = place(&mut client, &[1], "PENDING").await;
    assert_eq!(pending.status, "PENDING");
    let confirmed = place(&mut client, &[2], "CARD").await;
    let cases = [
        (&pending, "SHIPPED"),
        (&pending, "CONFIRMED"),
        (&confirmed, "PENDING"),
        (&confirmed, "EXPIRED"),
    ];
    for (order, status) in cases {
        let refused = Refused::of(
            client
                .update_order_status(set(&order.id, status, None))
                .await,
        );
        refused.is(Code::FailedPrecondition, "ILLEGAL_TRANSITION");
        let state = format!(
            "cannot set order {} to {status}: its status is {} since",
            order.order_number, order.status
        );
        assert!(
            refused.status.message().starts_with(&state),
            "{:?}",
            refused.status
        );
        let possible: Vec<&str> = refused.info("possible").unwrap().split(", ").collect();
        assert!(possible.contains(&"cancel"), "{possible:?}");
        assert_eq!(
            possible.contains(&"ship"),
            order.status == "CONFIRMED",
            "{possible:?}"
        );
        assert_eq!(refused.info("order_id"), Some(order.id.as_str()));
    }
    let refused = Refused::of(
        client
            .update_order_status(set(&confirmed.id, "COMPLETED", None))
            .await,
    );
    refused.is(Code::FailedPrecondition, "NOT_READY");
}

#[tokio::test]
async fn a_change_repeated_under_its_key_changes_nothing_whatever_version_it_expects() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = client.create_order(request(&[1], 2, "CARD")).await.unwrap();
    let version = said(order.metadata(), "order-version").unwrap().to_owned();
    let id = order.into_inner().id;
    let metadata = [
        ("expected-version", version.as_str()),
        ("idempotency-key", "ship-1"),
    ];
    let first = client
        .update_order_status(with(set(&id, "SHIPPED", None), &metadata))
        .await
        .unwrap();
    let again = client
        .update_order_status(with(set(&id, "SHIPPED", None), &metadata))
        .await
        .unwrap();
    assert_eq!(
        said(first.metadata(), "order-version"),
        said(again.metadata(), "order-version")
    );
    client
        .update_order_status(set(&id, "DELIVERED", None))
        .await
        .unwrap();
    let late = client
        .update_order_status(with(set(&id, "SHIPPED", None), &metadata))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(late.status, "DELIVERED", "the order as it is now");
    let stale = [("expected-version", version.as_str())];
    let refused = Refused::of(
        client
            .update_order_status(with(set(&id, "COMPLETED", None), &stale))
            .await,
    );
    refused.is(Code::Aborted, "VERSION_CONFLICT");
}
