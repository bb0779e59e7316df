//! Health, reflection, and what is no call of ours.

use std::time::Duration;

use order_core::store::StoreErrorKind;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::store::Trouble;
use crate::world::*;

pub async fn health(world: &World, service: &str) -> Result<ServingStatus, Code> {
    let mut client = HealthClient::new(world.channel().await);
    let answer = client
        .check(HealthCheckRequest {
            service: service.into(),
        })
        .await;
    answer
        .map(|a| a.into_inner().status())
        .map_err(|status| status.code())
}

#[tokio::test]
async fn health_follows_the_store() {
    let world = World::new().await;
    for service in ["", "order.OrderService"] {
        assert_eq!(health(&world, service).await, Ok(ServingStatus::Serving));
    }
    assert_eq!(health(&world, "other").await, Err(Code::NotFound));
    let mut watch = HealthClient::new(world.channel().await);
    let mut watch = watch
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );

    // A failed call tells at once; what the store says when it is asked tells a second later.
    let mut client = world.client().await;
    world.store.writes(Trouble::Fails(StoreErrorKind::Full));
    client
        .create_order(request(&[1], 1, "CARD"))
        .await
        .unwrap_err();
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
    world.store.writes(Trouble::None);
    assert_eq!(
        watch.message().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    world
        .store
        .reads(Trouble::Fails(StoreErrorKind::Unavailable));
    let told = tokio::time::timeout(Duration::from_secs(20), watch.message()).await;
    assert_eq!(
        told.unwrap().unwrap().unwrap().status(),
        ServingStatus::NotServing
    );
}

#[tokio::test]
async fn reflection_tells_the_contract() {
    let world = World::new().await;
    let mut client = ServerReflectionClient::new(world.channel().await);
    let ask = |message_request| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let questions = vec![
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(
            "order.OrderService".into(),
        )),
        ask(MessageRequest::FileByFilename(
            "google/protobuf/wrappers.proto".into(),
        )),
    ];
    let mut answers = client
        .server_reflection_info(futures_util::stream::iter(questions))
        .await
        .unwrap()
        .into_inner();
    let mut next = async || {
        answers
            .message()
            .await
            .unwrap()
            .unwrap()
            .message_response
            .unwrap()
    };
    let MessageResponse::ListServicesResponse(services) = next().await else {
        panic!("a list of services")
    };
    let names: Vec<_> = services.service.iter().map(|s| s.name.as_str()).collect();
    for name in [
        "order.OrderService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    for wanted in ["CreateOrderRequest", "StringValue"] {
        let MessageResponse::FileDescriptorResponse(files) = next().await else {
            panic!("a file")
        };
        let found = files
            .file_descriptor_proto
            .iter()
            .any(|file| file.windows(wanted.len()).any(|w| w == wanted.as_bytes()));
        assert!(found, "{wanted}");
    }
}

#[tokio::test]
async fn older_tools_are_told_the_contract_by_the_alpha_of_reflection() {
    use tonic_reflection::pb::v1alpha as alpha;
    let world = World::new().await;
    let ask = alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
        "order.OrderService".into(),
    );
    let question = alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(ask),
    };
    let channel = world.channel().await;
    let answer = alpha::server_reflection_client::ServerReflectionClient::new(channel)
        .server_reflection_info(futures_util::stream::iter([question]))
        .await
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap()
        .unwrap();
    assert!(
        format!("{:?}", answer.message_response.unwrap()).starts_with("FileDescriptorResponse"),
    );
}

#[tokio::test]
async fn an_unknown_service_or_method_is_not_implemented() {
    let world = World::new().await;
    for path in ["/order.OrderService/Sell", "/shop.Shop/Open", "/x"] {
        let mut grpc = tonic::client::Grpc::new(world.channel().await);
        grpc.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<
            order_grpc::proto::GetOrderRequest,
            order_grpc::proto::Order,
        >::default();
        let answer = grpc
            .unary(
                tonic::Request::new(by_id(USER)),
                path.parse().unwrap(),
                codec,
            )
            .await;
        Refused::of(answer).is(Code::Unimplemented, "UNIMPLEMENTED");
    }
}

#[tokio::test]
async fn beyond_loopback_it_listens_only_where_somebody_insists() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = order_grpc::bind(address, false).await.unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("callers are not authenticated"),
            "{refused}"
        );
    }
    assert!(order_grpc::bind("0.0.0.0:0", true).await.is_ok());
    assert!(order_grpc::bind("localhost:0", false).await.is_ok());
    let refused = order_grpc::bind("nowhere", false).await.unwrap_err();
    assert!(
        refused.to_string().contains("is not an address"),
        "{refused}"
    );
    let taken = order_grpc::bind("127.0.0.1:0", false).await.unwrap();
    let refused = order_grpc::bind(&taken.local_addr().unwrap().to_string(), false)
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("cannot listen on 127.0.0.1:"),
        "{refused}"
    );
}
