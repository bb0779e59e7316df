//! CancelOrder, and the commands that are checked but not offered yet.

use order_core::testkit::services::{Fault, Method};
use order_grpc::proto::{self, CancelOrderRequest};
use tonic::Code;

use crate::world::*;

fn cancel(id: &str) -> CancelOrderRequest {
    CancelOrderRequest { order_id: id.into(), reason: "changed my mind".into() }
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
        assert_eq!(answer.message, format!("order {} is cancelled", order.order_number));
    }
    let read = client.get_order(by_id(&order.id)).await.unwrap().into_inner();
    assert_eq!((read.status.as_str(), read.payment_status.as_str()), ("CANCELLED", "REFUNDED"));
    assert!(read.cancelled_at.is_some());
    let refunds = world
        .payment
        .inner()
        .with_ledger(|ledger| ledger.iter().filter(|p| p.kind == order_core::order::OperationKind::Refund).count());
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
    assert!(answer.message.contains("is CANCELLING"), "{}", answer.message);
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
    assert_eq!(refused.info("possible"), Some("note"));
}

#[tokio::test]
async fn a_stale_version_is_told_apart_from_a_refusal() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let refused = Refused::of(client.cancel_order(with(cancel(&order.id), &[("expected-version", "1")])).await);
    refused.is(Code::Aborted, "VERSION_CONFLICT");
    assert_eq!(refused.info("expected_version"), Some("1"));
    let version = refused.info("order_version").unwrap().to_owned();
    let metadata = [("expected-version", version.as_str()), ("idempotency-key", "cancel-1")];
    assert!(client.cancel_order(with(cancel(&order.id), &metadata)).await.unwrap().into_inner().success);
}

#[tokio::test]
async fn everything_wrong_with_a_cancellation_is_told_at_once() {
    let world = World::new().await;
    let mut client = world.client().await;
    let bad = CancelOrderRequest { order_id: "it".into(), reason: "my card is 4111 1111 1111 1111".into() };
    let metadata = [("expected-version", "-1"), ("idempotency-key", "")];
    let refused = Refused::of(client.cancel_order(with(bad, &metadata)).await);
    refused.is(Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(refused.fields(), ["order_id", "reason", "expected-version", "idempotency-key"]);
    assert!(!format!("{:?}", refused.status).contains("4111"));
    let refused = Refused::of(client.cancel_order(cancel(NOBODY)).await);
    refused.is(Code::NotFound, "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn a_status_must_be_one_and_setting_it_is_not_offered_yet() {
    let world = World::new().await;
    let mut client = world.client().await;
    let set = |order_id: &str, status: &str, notes: Option<&str>| proto::UpdateOrderStatusRequest {
        order_id: order_id.into(),
        status: status.into(),
        notes: notes.map(Into::into),
    };
    let refused = Refused::of(client.update_order_status(set("x", "shipped", Some("\u{7}"))).await);
    assert_eq!(refused.is(Code::InvalidArgument, "INVALID_REQUEST").fields(), ["order_id", "status", "notes"]);
    let order = place(&mut client, &[1], "CARD").await;
    let answer = client.update_order_status(set(&order.id, "SHIPPED", None)).await;
    Refused::of(answer).is(Code::Unimplemented, "UNIMPLEMENTED");
}

#[tokio::test]
async fn edits_of_items_are_checked_in_full_and_not_offered_yet() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let (id, line) = (order.id.clone(), order.items[0].id.clone());
    let add = |order_id: &str, item: Option<(&str, i32)>| proto::AddOrderItemRequest {
        order_id: order_id.into(),
        item: item.map(|(product, quantity)| proto::OrderItemInput {
            product_id: product.into(),
            variant_id: Some("red".into()).filter(|_| quantity < 1),
            quantity,
        }),
    };
    let change = |order_id: &str, item_id: &str, quantity| proto::UpdateOrderItemRequest {
        order_id: order_id.into(),
        item_id: item_id.into(),
        quantity,
    };
    let remove =
        |order_id: &str, item_id: &str| proto::RemoveOrderItemRequest { order_id: order_id.into(), item_id: item_id.into() };

    let refused = Refused::of(client.add_order_item(add("x", None)).await);
    assert_eq!(refused.is(Code::InvalidArgument, "INVALID_REQUEST").fields(), ["order_id", "item"]);
    let refused = Refused::of(client.add_order_item(add(&id, Some(("mug", 0)))).await);
    assert_eq!(refused.fields(), ["item.product_id", "item.variant_id", "item.quantity"]);
    for quantity in [0, -1, 10_001] {
        let refused = Refused::of(client.update_order_item(change(&id, "line", quantity)).await);
        assert_eq!(refused.is(Code::InvalidArgument, "INVALID_REQUEST").fields(), ["item_id", "quantity"]);
    }
    let refused = Refused::of(client.remove_order_item(with(remove("x", ""), &[("expected-version", "new")])).await);
    assert_eq!(refused.fields(), ["order_id", "item_id", "expected-version"]);

    let product = product_id(2);
    Refused::of(client.add_order_item(add(&id, Some((&product, 1)))).await).is(Code::Unimplemented, "UNIMPLEMENTED");
    Refused::of(client.update_order_item(change(&id, &line, 3)).await).is(Code::Unimplemented, "UNIMPLEMENTED");
    Refused::of(client.remove_order_item(remove(&id, &line)).await).is(Code::Unimplemented, "UNIMPLEMENTED");
}
