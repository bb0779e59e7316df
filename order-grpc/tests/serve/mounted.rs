//! The service in a router that is not ours.

use std::time::{Duration, Instant};

use order_core::manager::Principal;
use order_grpc::proto::order_service_client::OrderServiceClient;
use order_grpc::proto::order_service_server::OrderServiceServer;
use order_grpc::{CallLayer, OrderApi};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::transport::Endpoint;
use tower_layer::Layer as _;

use crate::world::*;

/// A client of a router that has the service of `world`, with the layer around it.
async fn mounted(world: &World) -> Client {
    let orders = OrderServiceServer::with_interceptor(
        OrderApi::new(world.manager.clone()),
        |mut request: tonic::Request<()>| {
            request
                .extensions_mut()
                .insert(Principal::operator("gateway"));
            Ok(request)
        },
    );
    let listener = order_grpc::bind("127.0.0.1:0", false).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router =
        tonic::transport::Server::builder().add_service(CallLayer::default().layer(orders));
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    OrderServiceClient::new(endpoint.connect().await.unwrap())
}

#[tokio::test]
async fn a_call_has_an_id_a_deadline_and_its_trailer_there_too() {
    let world = World::new().await;
    let mut client = mounted(&world).await;
    let named = with(request(&[1], 2, "CARD"), &[("x-request-id", "r-1")]);
    let answer = client.create_order(named).await.unwrap();
    assert_eq!(said(answer.metadata(), "x-request-id"), Some("r-1"));
    let order = answer.into_inner();

    // Within the caller's time, which is far less than the engine would take.
    let started = Instant::now();
    let mut hurried = with(request(&[2], 1, "PENDING"), &[]);
    hurried.set_timeout(Duration::from_millis(700));
    let pending = client.create_order(hurried).await.unwrap().into_inner();
    assert_eq!(pending.status, "PENDING");
    assert!(started.elapsed() < Duration::from_secs(5));

    let update = order_grpc::proto::UpdateOrderItemRequest {
        order_id: order.id.clone(),
        item_id: order.items[0].id.clone(),
        quantity: 3,
    };
    let paying = [
        ("payment-method", "ACTION"),
        ("payment-token", "tok_2"),
        ("return-url", "https://shop.example/back"),
    ];
    let answer = client.update_order_item(with(update, &paying)).await;
    let answer = answer.unwrap();
    assert_eq!(said(answer.metadata(), "order-edit-id"), Some("1"));

    let wrong = with(by_id(&order.id), &[("x-request-id", "r-2")]);
    let wrong = {
        let mut wrong = wrong;
        wrong
            .metadata_mut()
            .insert("grpc-timeout", "soon".parse().unwrap());
        wrong
    };
    let refused = Refused::of(client.get_order(wrong).await);
    refused.is(Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(refused.fields(), ["grpc-timeout"]);
    assert_eq!(refused.details.request_info().unwrap().request_id, "r-2");
}
