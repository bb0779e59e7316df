//! Every call of the contract, by everybody who may come.

use std::collections::BTreeMap;

use order_core::manager::Principal;
use order_core::order::Actor;
use order_core::services::User;
use order_core::store::{JournalQuery, OrderStore as _};
use order_grpc::proto::order_service_server::OrderService as _;
use order_grpc::proto::{
    AddOrderItemRequest, CancelOrderRequest, CreateOrderRequest, DESCRIPTORS, ListOrdersRequest,
    Order, OrderItemInput, RemoveOrderItemRequest, UpdateOrderItemRequest,
    UpdateOrderStatusRequest,
};
use order_grpc::{OrderApi, RateLimit, ServerOptions};
use prost::Message as _;
use tonic::Code::{self, NotFound, Ok as Fine, PermissionDenied as Denied, Unauthenticated};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use crate::beside::health;
use crate::identities::{OTHER, auth, callers, knowing};
use crate::raw;
use crate::world::*;

type Row = (&'static str, fn(&Order) -> Vec<u8>, [Code; 4]);

/// Every call, for an order of the owner: what the owner, another customer, a service and an
/// operator get.
const ROWS: [Row; 8] = [
    (
        "CreateOrder",
        |_| raw::framed(&request(&[1], 1, "CARD")),
        [Fine, Denied, Denied, Fine],
    ),
    (
        "GetOrder",
        |order| raw::framed(&by_id(&order.id)),
        [Fine, NotFound, Fine, Fine],
    ),
    (
        "UpdateOrderStatus",
        |order| raw::framed(&shipped(&order.id)),
        [Denied, NotFound, Denied, Fine],
    ),
    (
        "CancelOrder",
        |order| raw::framed(&cancelled(&order.id)),
        [Fine, NotFound, Denied, Fine],
    ),
    (
        "ListOrders",
        |order| raw::framed(&of_user(&order.user_id)),
        [Fine, Denied, Fine, Fine],
    ),
    (
        "AddOrderItem",
        |order| raw::framed(&added(&order.id)),
        [Fine, NotFound, Denied, Fine],
    ),
    (
        "UpdateOrderItem",
        |order| raw::framed(&changed(order)),
        [Fine, NotFound, Denied, Fine],
    ),
    (
        "RemoveOrderItem",
        |order| raw::framed(&removed(order)),
        [Fine, NotFound, Denied, Fine],
    ),
];

fn shipped(order: &str) -> UpdateOrderStatusRequest {
    UpdateOrderStatusRequest {
        order_id: order.into(),
        status: "SHIPPED".into(),
        notes: None,
    }
}

fn cancelled(order: &str) -> CancelOrderRequest {
    CancelOrderRequest {
        order_id: order.into(),
        reason: String::new(),
    }
}

fn of_user(user: &str) -> ListOrdersRequest {
    ListOrdersRequest {
        user_id: user.into(),
        ..ListOrdersRequest::default()
    }
}

fn added(order: &str) -> AddOrderItemRequest {
    let item = OrderItemInput {
        product_id: product_id(2),
        variant_id: None,
        quantity: 1,
    };
    AddOrderItemRequest {
        order_id: order.into(),
        item: Some(item),
    }
}

fn changed(order: &Order) -> UpdateOrderItemRequest {
    UpdateOrderItemRequest {
        order_id: order.id.clone(),
        item_id: order.items[0].id.clone(),
        quantity: 1,
    }
}

fn removed(order: &Order) -> RemoveOrderItemRequest {
    RemoveOrderItemRequest {
        order_id: order.id.clone(),
        item_id: order.items[0].id.clone(),
    }
}

/// The calls that the contract has.
pub fn contract() -> Vec<String> {
    let files = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let services = files
        .file
        .iter()
        .flat_map(|file| file.service.iter().map(move |service| (file, service)));
    let methods = services.flat_map(|(file, service)| {
        let of = format!("/{}.{}/", file.package(), service.name());
        service
            .method
            .iter()
            .map(move |method| format!("{of}{}", method.name()))
    });
    methods.collect()
}

pub async fn call(world: &World, method: &str, message: Vec<u8>, authorization: &[&str]) -> Code {
    let usual = [("content-type", "application/grpc"), ("te", "trailers")];
    let shown = authorization.iter().map(|text| ("authorization", *text));
    let headers: Vec<_> = usual.into_iter().chain(shown).collect();
    let answer = raw::call(world.address, method, &headers, message).await;
    answer
        .grpc
        .unwrap_or_else(|| panic!("HTTP {}", answer.http))
}

/// A world whose server knows its callers, with an account for each customer.
async fn world(options: ServerOptions) -> World {
    let world = World::with(options).await;
    let user = User {
        id: OTHER.parse().unwrap(),
        email: "o@example.com".into(),
        account_status: "active".into(),
    };
    world.catalogue.inner().put_user(user);
    world
}

async fn place_as(world: &World, who: &str, asked: CreateOrderRequest) -> Order {
    let mut client = world.client().await;
    client
        .create_order(with(asked, &[("authorization", who)]))
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test]
async fn every_call_of_the_contract_asks_who_calls() {
    let rows: Vec<String> = ROWS
        .iter()
        .map(|(name, ..)| format!("/order.OrderService/{name}"))
        .collect();
    let mut expected = contract();
    expected.sort();
    let mut has = rows.clone();
    has.sort();
    assert_eq!(
        has, expected,
        "each call of the contract needs a row, and no other has one"
    );

    let world = world(ServerOptions {
        rate_limit: None,
        ..knowing(auth())
    })
    .await;
    let callers = callers();
    let owner = &callers[0].1;
    for (path, (name, message, codes)) in rows.iter().zip(ROWS) {
        assert_eq!(
            call(&world, path, message(&sample(&world, owner).await), &[]).await,
            Unauthenticated,
            "{name}, nobody"
        );
        for ((who, token), expected) in callers.iter().zip(codes) {
            let order = sample(&world, owner).await;
            assert_eq!(
                call(&world, path, message(&order), &[token]).await,
                expected,
                "{name}, {who}"
            );
        }
        // Reading one order is denied to nobody: it is theirs, or not there.
        assert_eq!(codes.contains(&Denied), name != "GetOrder", "{name}");
    }
    assert_eq!(
        call(&world, "/order.OrderService/Sell", Vec::new(), &[]).await,
        Unauthenticated
    );
    assert_eq!(
        call(&world, "/order.OrderService/Sell", Vec::new(), &[owner]).await,
        Code::Unimplemented
    );
}

/// A new order of the owner, with two lines, from stock that does not run out.
async fn sample(world: &World, owner: &str) -> Order {
    for i in [1, 2] {
        world.inventory.inner().restock(&sku(i), STOCK);
    }
    place_as(world, owner, request(&[1, 2], 2, "CARD")).await
}

#[tokio::test]
async fn a_foreign_order_is_not_there_to_the_letter() {
    let world = world(knowing(auth())).await;
    let [(_, owner), (_, other), ..] = callers();
    let order = sample(&world, &owner).await;
    let mut client = world.client().await;
    let shown = [("authorization", other.as_str())];
    let mut answers = BTreeMap::new();
    for id in [order.id.as_str(), NOBODY] {
        let refusals = [
            Refused::of(client.get_order(with(by_id(id), &shown)).await),
            Refused::of(client.cancel_order(with(cancelled(id), &shown)).await),
            Refused::of(client.update_order_status(with(shipped(id), &shown)).await),
            Refused::of(client.add_order_item(with(added(id), &shown)).await),
        ];
        let told = refusals.map(|refused| {
            refused.is(Code::NotFound, "ORDER_NOT_FOUND");
            let said = refused.status.message().replace(id, "ID");
            (
                said,
                refused.info("order_id").map(|told| told.replace(id, "ID")),
            )
        });
        answers.insert(id, told);
    }
    assert_eq!(answers[order.id.as_str()], answers[NOBODY]);
    let number = Refused::of(
        client
            .get_order(with(by_number(&order.order_number), &shown))
            .await,
    );
    number.is(Code::NotFound, "ORDER_NOT_FOUND");

    let foreign = Refused::of(client.list_orders(with(of_user(USER), &shown)).await);
    foreign.is(Code::PermissionDenied, "FORBIDDEN");
    let own = client
        .list_orders(with(of_user(""), &shown))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (own.orders.len(), own.total),
        (0, 0),
        "a list is of one's own orders"
    );
    let all = client
        .list_orders(with(of_user(""), &[("authorization", owner.as_str())]))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(all.orders, [order]);
}

#[tokio::test]
async fn nobody_gets_at_an_order_by_another_s_idempotency_key() {
    let world = world(knowing(auth())).await;
    let [(_, owner), (_, other), ..] = callers();
    let mut client = world.client().await;
    let keyed = |who: &str, asked: CreateOrderRequest| {
        with(asked, &[("authorization", who), ("idempotency-key", "k-1")])
    };
    let first = client
        .create_order(keyed(&owner, request(&[1], 1, "CARD")))
        .await
        .unwrap()
        .into_inner();
    let refused = Refused::of(
        client
            .create_order(keyed(&other, request(&[1], 1, "CARD")))
            .await,
    );
    refused.is(Code::PermissionDenied, "FORBIDDEN");
    let own = CreateOrderRequest {
        user_id: OTHER.into(),
        ..request(&[1], 1, "CARD")
    };
    let second = client.create_order(keyed(&other, own)).await.unwrap();
    assert_eq!(said(second.metadata(), "order-replayed"), None);
    assert_ne!(second.into_inner().id, first.id);
    let again = client
        .create_order(keyed(&owner, request(&[1], 1, "CARD")))
        .await
        .unwrap();
    assert_eq!(said(again.metadata(), "order-replayed"), Some("true"));
    assert_eq!(again.into_inner().id, first.id);
}

#[tokio::test]
async fn the_journal_says_who_it_was() {
    let world = world(knowing(auth())).await;
    let [(_, owner), .., (_, operator)] = callers();
    let order = place_as(&world, &owner, request(&[1], 1, "CARD")).await;
    let mut client = world.client().await;
    client
        .update_order_status(with(shipped(&order.id), &[("authorization", &operator)]))
        .await
        .unwrap();
    let rows = world
        .store
        .journal(&JournalQuery::of(order.id.parse().unwrap(), 0, 100))
        .await
        .unwrap();
    assert_eq!(rows[0].actor, Actor::User(USER.parse().unwrap()));
    let ship = rows
        .iter()
        .find(|row| row.cause == "set status")
        .expect("it was set");
    assert_eq!(ship.actor, Actor::Operator("erin".into()));
}

#[tokio::test]
async fn a_service_that_is_mounted_elsewhere_wants_to_be_told_who_calls() {
    let world = World::new().await;
    let mut client = world.client().await;
    let order = place(&mut client, &[1], "CARD").await;
    let api = OrderApi::new(world.manager.clone());
    let asked = |caller: Option<Principal>| {
        let mut request = tonic::Request::new(by_id(&order.id));
        caller.map(|caller| request.extensions_mut().insert(caller));
        request
    };
    Refused::of(api.get_order(asked(None)).await).is(Unauthenticated, "UNAUTHENTICATED");
    assert!(
        api.get_order(asked(Some(Principal::operator("erin"))))
            .await
            .is_ok()
    );
    let other = Principal::Customer(OTHER.parse().unwrap());
    Refused::of(api.get_order(asked(Some(other))).await).is(NotFound, "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn health_is_for_everybody_and_reflection_for_operators() {
    let world = world(knowing(auth())).await;
    assert!(health(&world, "").await.is_ok());
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(world.channel().await);
    let shown: Vec<Vec<(&str, String)>> = std::iter::once(vec![])
        .chain(callers().map(|(_, token)| vec![("authorization", token)]))
        .collect();
    let mut codes = Vec::new();
    for metadata in &shown {
        let metadata: Vec<(&str, &str)> = metadata
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let questions = with(futures_util::stream::iter([ask.clone()]), &metadata);
        codes.push(
            client
                .server_reflection_info(questions)
                .await
                .map_or_else(|status| status.code(), |_| Fine),
        );
    }
    assert_eq!(codes, [Unauthenticated, Denied, Denied, Denied, Fine]);
}

#[tokio::test]
async fn a_customer_places_so_many_orders_and_no_more_before_any_service_is_asked() {
    let limit = RateLimit {
        per_minute: 1.try_into().unwrap(),
        burst: 2.try_into().unwrap(),
    };
    let world = world(ServerOptions {
        rate_limit: Some(limit),
        ..knowing(auth())
    })
    .await;
    let [(_, owner), (_, other), _, (_, operator)] = callers();
    for _ in 0..2 {
        place_as(&world, &owner, request(&[1], 1, "CARD")).await;
    }
    let mut client = world.client().await;
    // Whatever is asked now is noticed: there is no product, and the answer is another.
    let unknown = CreateOrderRequest {
        items: vec![OrderItemInput {
            product_id: NOBODY.into(),
            ..request(&[1], 1, "").items[0].clone()
        }],
        ..request(&[1], 1, "CARD")
    };
    let refused = Refused::of(
        client
            .create_order(with(unknown, &[("authorization", &owner)]))
            .await,
    );
    refused.is(Code::ResourceExhausted, "RATE_LIMITED");
    let wait = refused
        .details
        .retry_info()
        .and_then(|info| info.retry_delay)
        .expect("it says when");
    assert!((1..=60).contains(&wait.as_secs()), "{wait:?}");
    place_as(
        &world,
        &other,
        CreateOrderRequest {
            user_id: OTHER.into(),
            ..request(&[1], 1, "CARD")
        },
    )
    .await;
    for _ in 0..3 {
        place_as(&world, &operator, request(&[1], 1, "CARD")).await;
    }
    let shown = [("authorization", owner.as_str())];
    assert!(
        client.list_orders(with(of_user(""), &shown)).await.is_ok(),
        "other calls are not counted"
    );
}
