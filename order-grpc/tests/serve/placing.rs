//! CreateOrder and GetOrder.

use std::time::{Duration, Instant};

use order_core::testkit::services::{Fault, Method};
use order_grpc::proto::{self, CreateOrderRequest};
use tonic::Code;

use crate::world::*;

#[tokio::test]
async fn an_order_is_created_and_read_by_id_and_by_number() {
    let world = World::new().await;
    let mut client = world.client().await;
    let mut wanted = request(&[1, 2], 2, "CARD");
    wanted.notes = Some("'; DROP TABLE orders;--".into());
    wanted.user_id = USER.to_uppercase();
    let created = client
        .create_order(with(wanted, &[("x-request-id", "mine-1")]))
        .await
        .unwrap();
    assert_eq!(said(created.metadata(), "x-request-id"), Some("mine-1"));
    assert_eq!(said(created.metadata(), "order-replayed"), None);
    let version: u64 = said(created.metadata(), "order-version")
        .unwrap()
        .parse()
        .unwrap();
    assert!(version > 1);

    let order = created.into_inner();
    assert_eq!(
        (order.status.as_str(), order.payment_status.as_str()),
        ("CONFIRMED", "PAID")
    );
    assert_eq!(order.user_id, USER);
    assert_eq!(
        (order.subtotal, order.shipping_amount, order.total_amount),
        (40.0, 4.9, 44.9)
    );
    assert_eq!(order.currency, "USD");
    assert_eq!(order.notes, "'; DROP TABLE orders;--");
    let lines: Vec<_> = order
        .items
        .iter()
        .map(|l| (l.sku.as_str(), l.quantity, l.unit_price, l.subtotal))
        .collect();
    assert_eq!(lines, [("SKU-1", 2, 10.0, 20.0), ("SKU-2", 2, 10.0, 20.0)]);
    let kinds: Vec<_> = order
        .addresses
        .iter()
        .map(|a| (a.address_type.as_str(), a.city.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [("SHIPPING", "Springfield"), ("BILLING", "Springfield")]
    );
    assert!(order.completed_at.is_none() && order.cancelled_at.is_none());

    for identifier in [
        by_id(&order.id),
        by_id(&order.id.to_uppercase()),
        by_number(&order.order_number),
    ] {
        let read = client.get_order(identifier).await.unwrap();
        assert!(
            said(read.metadata(), "order-version")
                .unwrap()
                .parse::<u64>()
                .unwrap()
                >= version
        );
        assert_eq!(read.into_inner(), order);
    }
}

#[tokio::test]
async fn a_replay_answers_the_same_order_and_says_so() {
    let world = World::new().await;
    let mut client = world.client().await;
    let key = [("idempotency-key", "checkout-1")];
    let first = client
        .create_order(with(request(&[1], 2, "CARD"), &key))
        .await
        .unwrap();
    let again = client
        .create_order(with(request(&[1], 2, "CARD"), &key))
        .await
        .unwrap();
    assert_eq!(said(first.metadata(), "order-replayed"), None);
    assert_eq!(said(again.metadata(), "order-replayed"), Some("true"));
    assert_eq!(first.into_inner().id, again.into_inner().id);

    let other = client
        .create_order(with(request(&[1], 3, "CARD"), &key))
        .await;
    Refused::of(other).is(Code::AlreadyExists, "IDEMPOTENCY_KEY_REUSED");
    let without = client.create_order(request(&[1], 2, "CARD")).await.unwrap();
    assert_eq!(said(without.metadata(), "order-replayed"), None);
}

#[tokio::test]
async fn everything_wrong_with_a_request_is_told_at_once() {
    let world = World::new().await;
    let mut client = world.client().await;
    let empty = Refused::of(client.create_order(CreateOrderRequest::default()).await);
    empty.is(Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(
        empty.fields(),
        ["user_id", "items", "shipping_address", "payment_method"]
    );

    let mut bad = request(&[1, 2], 0, "CARD");
    bad.user_id = "me".into();
    bad.items[1] = proto::OrderItemInput {
        product_id: "mug".into(),
        variant_id: Some("red".into()),
        quantity: 10_001,
    };
    bad.notes = Some("a\u{0}b".into());
    bad.shipping_address = Some(proto::OrderAddressInput {
        address_type: "BILLING".into(),
        first_name: String::new(),
        phone: Some("call me".into()),
        email: Some("nowhere".into()),
        ..address()
    });
    let metadata = [
        ("idempotency-key", "with space"),
        ("payment-token", "a"),
        ("payment-token", "b"),
        ("return-url", "ftp://x"),
    ];
    let refused = Refused::of(client.create_order(with(bad.clone(), &metadata)).await);
    refused.is(Code::InvalidArgument, "INVALID_REQUEST");
    let expected = [
        "user_id",
        "items[0].quantity",
        "items[1].product_id",
        "items[1].variant_id",
        "items[1].quantity",
        "shipping_address.address_type",
        "shipping_address.first_name",
        "shipping_address.email",
        "shipping_address.phone",
        "notes",
        "return-url",
        "payment-token",
        "idempotency-key",
    ];
    assert_eq!(refused.fields(), expected);

    let token = Refused::of(
        client
            .create_order(with(request(&[1], 1, "CARD"), &[("payment-token", "a b")]))
            .await,
    );
    assert_eq!(
        token.is(Code::InvalidArgument, "INVALID_REQUEST").fields(),
        ["payment-token"]
    );
    let many = CreateOrderRequest {
        items: vec![bad.items[0].clone(); 101],
        ..request(&[1], 1, "CARD")
    };
    let many = Refused::of(client.create_order(many).await);
    assert!(
        many.is(Code::InvalidArgument, "INVALID_REQUEST")
            .fields()
            .starts_with(&["items", "items[0].quantity"])
    );
    let last = many
        .details
        .bad_request()
        .unwrap()
        .field_violations
        .last()
        .unwrap()
        .description
        .clone();
    assert!(
        last.ends_with("more are left out: mend these first"),
        "{last}"
    );
    for (payment, shipping) in [("BARTER", "STANDARD"), ("CARD", "PIGEON")] {
        let unknown = CreateOrderRequest {
            shipping_method: shipping.into(),
            ..request(&[1], 1, payment)
        };
        Refused::of(client.create_order(unknown).await)
            .is(Code::InvalidArgument, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let world = World::new().await;
    let mut client = world.client().await;
    let nobody = CreateOrderRequest {
        user_id: NOBODY.into(),
        ..request(&[1], 1, "CARD")
    };
    let refused = Refused::of(client.create_order(nobody).await);
    assert_eq!(
        refused.is(Code::NotFound, "USER_NOT_FOUND").info("user_id"),
        Some(NOBODY)
    );
    let refused = Refused::of(client.create_order(request(&[77], 1, "CARD")).await);
    assert_eq!(
        refused
            .is(Code::NotFound, "PRODUCT_NOT_FOUND")
            .info("product_id"),
        Some(product_id(77).as_str())
    );
    let mut variant = request(&[1], 1, "CARD");
    variant.items[0].variant_id = Some(product_id(78));
    let refused = Refused::of(client.create_order(variant).await);
    assert_eq!(
        refused
            .is(Code::NotFound, "VARIANT_NOT_FOUND")
            .info("variant_id"),
        Some(product_id(78).as_str())
    );

    let refused = Refused::of(client.get_order(by_id(NOBODY)).await);
    assert_eq!(
        refused
            .is(Code::NotFound, "ORDER_NOT_FOUND")
            .info("order_id"),
        Some(NOBODY)
    );
    let number = order_core::number::OrderNumber::new(7, order_core::ids::Bucket::MAX).to_string();
    let refused = Refused::of(client.get_order(by_number(&number)).await);
    assert_eq!(
        refused
            .is(Code::NotFound, "ORDER_NOT_FOUND")
            .info("order_number"),
        Some(number.as_str())
    );
}

#[tokio::test]
async fn an_order_must_be_named_and_its_name_be_one() {
    let world = World::new().await;
    let mut client = world.client().await;
    let cases = [
        (proto::GetOrderRequest { identifier: None }, "identifier"),
        (by_id(""), "id"),
        (by_id("ORD-7KQ2-M4XT-9HRC"), "id"),
        (by_number("ORD-1"), "order_number"),
        (by_number(""), "order_number"),
    ];
    for (identifier, field) in cases {
        let refused = Refused::of(client.get_order(identifier).await);
        assert_eq!(
            refused
                .is(Code::InvalidArgument, "INVALID_REQUEST")
                .fields(),
            [field]
        );
    }
}

#[tokio::test]
async fn a_rule_that_refuses_before_acceptance_names_no_order() {
    let world = World::new().await;
    let mut client = world.client().await;
    let base = request(&[1], 1, "CARD");
    let coupon = |code: &str, quantity| CreateOrderRequest {
        coupon_code: Some(code.into()),
        ..request(&[1], quantity, "CARD")
    };
    let suspended = CreateOrderRequest {
        user_id: SUSPENDED.into(),
        ..base
    };
    client.create_order(coupon("ONCE", 2)).await.unwrap();
    let cases = [
        (suspended, "USER_NOT_ACTIVE", "USER"),
        (
            request(&[UNPUBLISHED], 1, "CARD"),
            "PRODUCT_UNPUBLISHED",
            "PRODUCT",
        ),
        (coupon("NEVER", 2), "COUPON_INVALID", "COUPON"),
        (coupon("ONCE", 1), "COUPON_MINIMUM", "COUPON"),
        (coupon("ONCE", 2), "COUPON_EXHAUSTED", "COUPON"),
    ];
    for (request, reason, kind) in cases {
        let refused = Refused::of(client.create_order(request).await);
        refused.is(Code::FailedPrecondition, reason);
        assert_eq!(refused.info("order_id"), None, "{reason}");
        assert_eq!(
            refused.details.precondition_failure().unwrap().violations[0].r#type,
            kind
        );
    }
}

#[tokio::test]
async fn a_shortage_names_the_order_and_what_was_missing_and_so_does_its_replay() {
    let world = World::new().await;
    let mut client = world.client().await;
    for replay in [false, true] {
        let order = with(
            request(&[1, LAST_ONE], 3, "CARD"),
            &[("idempotency-key", "short")],
        );
        let refused = Refused::of(client.create_order(order).await);
        refused.is(Code::FailedPrecondition, "OUT_OF_STOCK");
        assert_eq!(refused.info("shortages"), Some("1"), "{replay}");
        assert_eq!(refused.short("SKU-9"), "requested 3, available 1");
        let read = client
            .get_order(by_id(refused.info("order_id").unwrap()))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(read.status, "REJECTED");
        assert_eq!(
            Some(read.order_number.as_str()),
            refused.info("order_number")
        );
    }
}

#[tokio::test]
async fn a_declined_payment_names_the_order_and_what_can_be_done() {
    let world = World::new().await;
    let mut client = world.client().await;
    let refused = Refused::of(client.create_order(request(&[1], 1, "DECLINED")).await);
    refused.is(Code::FailedPrecondition, "PAYMENT_DECLINED");
    assert_eq!(
        refused.info("possible"),
        Some("cancel, retry payment, change address, note")
    );
    let read = client
        .get_order(by_id(refused.info("order_id").unwrap()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (read.status.as_str(), read.payment_status.as_str()),
        ("PAYMENT_FAILED", "FAILED")
    );
}

#[tokio::test]
async fn an_order_that_waits_for_the_customer_says_where_to_send_them() {
    let world = World::new().await;
    let mut client = world.client().await;
    let asked = with(
        request(&[1], 1, "ACTION"),
        &[
            ("payment-token", "tok_1"),
            ("return-url", "https://shop.example/back"),
        ],
    );
    let created = client.create_order(asked).await.unwrap();
    let url = said(created.metadata(), "payment-action-url")
        .unwrap()
        .to_owned();
    assert!(url.starts_with("https://"), "{url}");
    let order = created.into_inner();
    assert_eq!(
        (order.status.as_str(), order.payment_status.as_str()),
        ("PENDING", "ACTION_REQUIRED")
    );
    let read = client.get_order(by_id(&order.id)).await.unwrap();
    assert_eq!(
        said(read.metadata(), "payment-action-url"),
        Some(url.as_str())
    );
    let pending = client
        .create_order(request(&[1], 1, "PENDING"))
        .await
        .unwrap();
    assert_eq!(said(pending.metadata(), "payment-action-url"), None);
    assert_eq!(pending.into_inner().status, "PENDING");
}

#[tokio::test]
async fn a_service_that_is_down_before_acceptance_makes_no_order_and_its_words_stay_here() {
    let world = World::new().await;
    let mut client = world.client().await;
    world.catalogue.set(Method::Get, Some(Fault::NotDone));
    let refused = Refused::of(client.create_order(request(&[1], 1, "CARD")).await);
    refused.is(Code::Unavailable, "SERVICE_UNAVAILABLE");
    assert!(refused.may_be_retried());
    assert!(
        !refused.status.message().contains("not done"),
        "{:?}",
        refused.status
    );
    world.catalogue.clear();
    let listed = client
        .list_orders(proto::ListOrdersRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.total, 0);
}

#[tokio::test]
async fn a_caller_with_little_time_gets_the_order_as_it_is_before_its_deadline() {
    let world = World::new().await;
    let mut client = world.client().await;
    world
        .payment
        .push(Method::Charge, Fault::Late(Duration::from_millis(1500)));
    let mut asked = with(request(&[1], 1, "CARD"), &[("idempotency-key", "hurry")]);
    asked.set_timeout(Duration::from_millis(800));
    let started = Instant::now();
    let order = client.create_order(asked).await.unwrap().into_inner();
    assert_eq!(order.status, "PENDING");
    assert!(started.elapsed() < Duration::from_millis(800));
    let order = client
        .create_order(with(
            request(&[1], 1, "CARD"),
            &[("idempotency-key", "hurry")],
        ))
        .await
        .unwrap();
    assert_eq!(
        order.into_inner().status,
        "CONFIRMED",
        "a replay waits like a first call"
    );
}
