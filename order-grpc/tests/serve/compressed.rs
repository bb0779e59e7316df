//! Messages and answers that are compressed.

use tonic::Code;
use tonic::codec::CompressionEncoding::Gzip;

use crate::raw::{self, framed};
use crate::world::*;

#[tokio::test]
async fn a_compressed_message_is_taken_and_one_that_grows_too_long_is_refused() {
    let world = World::new().await;
    let mut client = world.client().await.send_compressed(Gzip);
    let order = place(&mut client, &[1], "CARD").await;
    assert_eq!(order.status, "CONFIRMED");
    let mut bomb = request(&[1], 1, "CARD");
    bomb.notes = Some("x".repeat(4 * order_grpc::MESSAGE_MAX));
    let refused = Refused::of(client.create_order(bomb).await);
    refused.is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
}

#[tokio::test]
async fn a_long_answer_is_compressed_for_whoever_takes_it_so() {
    let world = World::new().await;
    let mut client = world.client().await.accept_compressed(Gzip);
    for _ in 0..10 {
        let declined = request(&[1, 2, 3], 1, "DECLINED");
        client.create_order(declined).await.unwrap_err();
    }
    let all = order_grpc::proto::ListOrdersRequest::default();
    let listed = client.list_orders(all.clone()).await.unwrap().into_inner();
    assert_eq!(listed.orders.len(), 10);

    let asked = async |method: &str, message: Vec<u8>, takes: &str| {
        let headers = [
            ("content-type", "application/grpc"),
            ("grpc-accept-encoding", takes),
        ];
        let path = format!("/order.OrderService/{method}");
        let answer = raw::call(world.address, &path, &headers, message).await;
        (answer.framed[0], answer.framed.len())
    };
    let (plain, long) = asked("ListOrders", framed(&all), "identity").await;
    let (flag, short) = asked("ListOrders", framed(&all), "identity, deflate, gzip").await;
    assert_eq!((plain, flag), (0, 1));
    assert!(short < long / 4, "{short} of {long}");
    let one = framed(&by_id(&listed.orders[0].id));
    let (flag, _) = asked("GetOrder", one, "gzip").await;
    assert_eq!(flag, 0, "a short one is not worth it");
}
