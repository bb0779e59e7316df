//! AddOrderItem, UpdateOrderItem and RemoveOrderItem.

use std::time::Duration;

use order_core::testkit::services::{Fault, Method};
use order_grpc::proto::{
    AddOrderItemRequest, Order, OrderItemInput, RemoveOrderItemRequest, UpdateOrderItemRequest,
    UpdateOrderStatusRequest,
};
use tonic::Code;

use crate::world::*;

fn add(order: &str, product: &str, quantity: i32) -> AddOrderItemRequest {
    let item = OrderItemInput {
        product_id: product.into(),
        variant_id: None,
        quantity,
    };
    AddOrderItemRequest {
        order_id: order.into(),
        item: Some(item),
    }
}

fn change(order: &str, item: &str, quantity: i32) -> UpdateOrderItemRequest {
    UpdateOrderItemRequest {
        order_id: order.into(),
        item_id: item.into(),
        quantity,
    }
}

fn remove(order: &str, item: &str) -> RemoveOrderItemRequest {
    RemoveOrderItemRequest {
        order_id: order.into(),
        item_id: item.into(),
    }
}

fn lines(order: &Order) -> Vec<(&str, i32)> {
    order
        .items
        .iter()
        .map(|l| (l.sku.as_str(), l.quantity))
        .collect()
}

#[tokio::test]
async fn items_are_added_changed_and_removed_and_the_difference_is_paid_or_sent_back() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    assert_eq!(order.total_amount, 24.9);
    let order = client
        .add_order_item(add(&order.id, &product_id(1), 1))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        lines(&order),
        [("SKU-1", 2), ("SKU-1", 1)],
        "the same product again is a line of its own"
    );
    assert_eq!(
        (order.total_amount, order.payment_status.as_str()),
        (34.9, "PAID")
    );

    let order = client
        .update_order_item(change(&order.id, &order.items[0].id, 5))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        lines(&order),
        [("SKU-1", 5), ("SKU-1", 1)],
        "the quantity is the new total"
    );
    assert_eq!(
        (order.total_amount, order.payment_status.as_str()),
        (64.9, "PAID")
    );
    assert_eq!(world.inventory.inner().level(&sku(1)).reserved, 6);

    let order = client
        .remove_order_item(remove(&order.id, &order.items[0].id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (lines(&order), order.total_amount),
        (vec![("SKU-1", 1)], 14.9)
    );
    assert_eq!(order.payment_status, "PARTIALLY_REFUNDED");
    assert_eq!(world.inventory.inner().level(&sku(1)).reserved, 1);
    let read = client
        .get_order(by_id(&order.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read, order);

    let last = Refused::of(
        client
            .remove_order_item(remove(&order.id, &order.items[0].id))
            .await,
    );
    last.is(Code::FailedPrecondition, "NOT_OPEN");
    assert!(
        last.status.message().contains("cancel the order"),
        "{:?}",
        last.status
    );
}

#[tokio::test]
async fn everything_wrong_with_an_item_call_is_told_at_once_in_the_contract_s_names() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let none = AddOrderItemRequest {
        order_id: "x".into(),
        item: None,
    };
    let refused = Refused::of(client.add_order_item(none).await);
    assert_eq!(
        refused
            .is(Code::InvalidArgument, "INVALID_REQUEST")
            .fields(),
        ["order_id", "item"]
    );
    let mut bad = add(&order.id, "mug", 0);
    bad.item.as_mut().unwrap().variant_id = Some("red".into());
    let metadata = [
        ("payment-token", "a b"),
        ("return-url", "ftp://x"),
        ("payment-method", "\t"),
        ("expected-version", "new"),
    ];
    let refused = Refused::of(client.add_order_item(with(bad, &metadata)).await);
    let expected = [
        "item.product_id",
        "item.variant_id",
        "item.quantity",
        "payment-method",
        "payment-token",
        "return-url",
        "expected-version",
    ];
    assert_eq!(
        refused
            .is(Code::InvalidArgument, "INVALID_REQUEST")
            .fields(),
        expected
    );
    for quantity in [0, -1, 10_001] {
        let refused = Refused::of(
            client
                .update_order_item(change(&order.id, "line", quantity))
                .await,
        );
        assert_eq!(
            refused
                .is(Code::InvalidArgument, "INVALID_REQUEST")
                .fields(),
            ["item_id", "quantity"]
        );
    }
    let refused = Refused::of(
        client
            .remove_order_item(with(remove("x", ""), &[("idempotency-key", "")]))
            .await,
    );
    assert_eq!(refused.fields(), ["order_id", "item_id", "idempotency-key"]);

    // What only a look at the order, the catalogue or the price book can find.
    let line = &order.items[0].id;
    client
        .add_order_item(add(&order.id, &product_id(1), 1))
        .await
        .unwrap();
    let refused = Refused::of(
        client
            .update_order_item(change(&order.id, line, 10_000))
            .await,
    );
    assert_eq!(
        refused
            .is(Code::InvalidArgument, "INVALID_REQUEST")
            .fields(),
        ["quantity"]
    );
    let barter = with(
        add(&order.id, &product_id(1), 1),
        &[("payment-method", "BARTER")],
    );
    let refused = Refused::of(client.add_order_item(barter).await);
    assert_eq!(
        refused
            .is(Code::InvalidArgument, "INVALID_REQUEST")
            .fields(),
        ["payment-method"]
    );
}

#[tokio::test]
async fn an_order_has_at_most_a_hundred_lines() {
    let world = World::new().await;
    let mut client = world.client().await;
    let mut many = request(&[1], 1, "CARD");
    many.items = vec![many.items[0].clone(); 100];
    world.inventory.inner().restock(&sku(1), 100);
    let order = client.create_order(many).await.unwrap().into_inner();
    assert_eq!(order.items.len(), 100);
    let refused = Refused::of(
        client
            .add_order_item(add(&order.id, &product_id(2), 1))
            .await,
    );
    assert_eq!(
        refused
            .is(Code::InvalidArgument, "INVALID_REQUEST")
            .fields(),
        ["item"]
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new().await;
    let mut client = world.client().await;
    let (mine, other) = (
        place(&mut client, &[1], "CARD").await,
        place(&mut client, &[1], "CARD").await,
    );
    let foreign = &other.items[0].id;
    for refused in [
        Refused::of(client.update_order_item(change(&mine.id, foreign, 3)).await),
        Refused::of(client.remove_order_item(remove(&mine.id, foreign)).await),
    ] {
        assert_eq!(
            refused.is(Code::NotFound, "ITEM_NOT_FOUND").info("item_id"),
            Some(foreign.as_str())
        );
    }
    Refused::of(client.remove_order_item(remove(NOBODY, foreign)).await)
        .is(Code::NotFound, "ORDER_NOT_FOUND");
    Refused::of(
        client
            .add_order_item(add(&mine.id, &product_id(77), 1))
            .await,
    )
    .is(Code::NotFound, "PRODUCT_NOT_FOUND");
    let mut variant = add(&mine.id, &product_id(1), 1);
    variant.item.as_mut().unwrap().variant_id = Some(product_id(78));
    Refused::of(client.add_order_item(variant).await).is(Code::NotFound, "VARIANT_NOT_FOUND");
}

#[tokio::test]
async fn an_edit_that_comes_to_nothing_is_refused_with_its_reason_and_leaves_the_order_as_it_was() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let line = &order.items[0].id;
    let short = Refused::of(client.update_order_item(change(&order.id, line, 30)).await);
    short.is(Code::FailedPrecondition, "OUT_OF_STOCK");
    assert_eq!(short.info("order_id"), Some(order.id.as_str()));
    let besides = "requested 28, available 8";
    assert_eq!(short.short("SKU-1"), besides, "what it needs besides");
    let declined = with(
        change(&order.id, line, 4),
        &[("payment-method", "DECLINED")],
    );
    let declined = Refused::of(client.update_order_item(declined).await);
    declined.is(Code::FailedPrecondition, "PAYMENT_DECLINED");
    assert!(
        declined.status.message().contains("the order is as it was"),
        "{:?}",
        declined.status
    );
    Refused::of(
        client
            .add_order_item(add(&order.id, &product_id(UNPUBLISHED), 1))
            .await,
    )
    .is(Code::FailedPrecondition, "PRODUCT_UNPUBLISHED");
    let read = client
        .get_order(by_id(&order.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (&read.items, read.total_amount, read.status.as_str()),
        (&order.items, order.total_amount, "CONFIRMED")
    );
    assert_eq!(
        world.inventory.inner().level(&sku(1)).reserved,
        2,
        "what was held for them went back"
    );
}

#[tokio::test]
async fn what_has_shipped_cannot_be_edited_any_more() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let shipped = UpdateOrderStatusRequest {
        order_id: order.id.clone(),
        status: "SHIPPED".into(),
        notes: None,
    };
    client.update_order_status(shipped).await.unwrap();
    for refused in [
        Refused::of(
            client
                .update_order_item(change(&order.id, &order.items[0].id, 1))
                .await,
        ),
        Refused::of(
            client
                .remove_order_item(remove(&order.id, &order.items[0].id))
                .await,
        ),
    ] {
        refused.is(Code::FailedPrecondition, "NOT_OPEN");
        assert_eq!(
            refused.info("order_number"),
            Some(order.order_number.as_str())
        );
        assert!(
            refused
                .info("possible")
                .is_some_and(|possible| possible.contains("deliver"))
        );
    }
    let dead = Refused::of(client.create_order(request(&[LAST_ONE], 2, "CARD")).await);
    let dead = dead.info("order_id").unwrap();
    Refused::of(client.add_order_item(add(dead, &product_id(1), 1)).await)
        .is(Code::FailedPrecondition, "ILLEGAL_TRANSITION");
}

#[tokio::test]
async fn an_edit_whose_difference_needs_the_customer_says_where_to_send_them() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let paying = [
        ("payment-method", "ACTION"),
        ("payment-token", "tok_2"),
        ("return-url", "https://shop.example/back"),
    ];
    let answer = client
        .update_order_item(with(change(&order.id, &order.items[0].id, 3), &paying))
        .await
        .unwrap();
    assert!(
        said(answer.metadata(), "payment-action-url")
            .unwrap()
            .starts_with("https://")
    );
    assert_eq!(said(answer.metadata(), "order-edit-id"), Some("1"));
    assert_eq!(
        lines(answer.get_ref()),
        [("SKU-1", 2)],
        "unchanged until it is paid"
    );
    let second = Refused::of(
        client
            .add_order_item(add(&order.id, &product_id(2), 1))
            .await,
    );
    second.is(Code::FailedPrecondition, "EDIT_UNDER_WAY");
}

#[tokio::test]
async fn an_edit_that_is_undecided_at_the_deadline_goes_on_and_its_key_tells_what_came_of_it() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    world
        .payment
        .push(Method::Charge, Fault::Late(Duration::from_millis(1500)));
    let key = [("idempotency-key", "edit-1")];
    let mut hurried = with(change(&order.id, &order.items[0].id, 3), &key);
    hurried.set_timeout(Duration::from_millis(800));
    let answer = client.update_order_item(hurried).await.unwrap();
    assert_eq!(said(answer.metadata(), "order-edit-id"), Some("1"));
    assert_eq!(answer.into_inner().items, order.items);
    let again = client
        .update_order_item(with(change(&order.id, &order.items[0].id, 3), &key))
        .await
        .unwrap();
    assert_eq!(
        said(again.metadata(), "order-edit-id"),
        None,
        "a repeat waits like the first"
    );
    let again = again.into_inner();
    assert_eq!(
        (lines(&again), again.total_amount),
        (vec![("SKU-1", 3)], 34.9)
    );
    let charges = world.payment.inner().with_ledger(|ledger| ledger.len());
    assert_eq!(charges, 2, "the order and its difference");
}

#[tokio::test]
async fn an_edit_on_a_stale_version_is_aborted_and_one_repeated_under_its_key_is_not() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = client.create_order(request(&[1], 2, "CARD")).await.unwrap();
    let version = said(order.metadata(), "order-version").unwrap().to_owned();
    let order = order.into_inner();
    let metadata = [
        ("expected-version", version.as_str()),
        ("idempotency-key", "add-1"),
    ];
    for _ in 0..2 {
        let added = client
            .add_order_item(with(add(&order.id, &product_id(2), 1), &metadata))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(lines(&added), [("SKU-1", 2), ("SKU-2", 1)]);
    }
    let stale = [("expected-version", version.as_str())];
    let refused = Refused::of(
        client
            .add_order_item(with(add(&order.id, &product_id(2), 1), &stale))
            .await,
    );
    refused.is(Code::Aborted, "VERSION_CONFLICT");
}
