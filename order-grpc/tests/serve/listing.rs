//! Lists of orders.

use order_grpc::proto::ListOrdersRequest;
use tonic::Code;

use crate::world::*;

async fn five_orders(client: &mut Client) -> Vec<String> {
    let mut ids = Vec::new();
    for i in 1..=5 {
        ids.push(
            place(client, &[i], if i == 5 { "PENDING" } else { "CARD" })
                .await
                .id,
        );
    }
    ids
}

#[tokio::test]
async fn pages_are_counted_from_one_and_have_a_usual_and_a_largest_size() {
    let world = World::new().await;
    let mut client = world.client().await;
    let placed = five_orders(&mut client).await;
    let ask = |page, limit| ListOrdersRequest {
        page,
        limit,
        ..ListOrdersRequest::default()
    };
    let cases = [
        (0, 0, (1, 20), &placed[..]),
        (1, 2, (1, 2), &placed[..2]),
        (0, 2, (1, 2), &placed[..2]),
        (3, 2, (3, 2), &placed[4..]),
        (9, 2, (9, 2), &[]),
        (1, 1000, (1, 100), &placed[..]),
        (100, 100, (100, 100), &[]),
    ];
    for (page, limit, said, expected) in cases {
        let listed = client
            .list_orders(ask(page, limit))
            .await
            .unwrap()
            .into_inner();
        let ids: Vec<_> = listed.orders.iter().map(|o| o.id.clone()).collect();
        assert_eq!(ids, expected, "page {page} of {limit}");
        assert_eq!(
            (listed.page, listed.limit, listed.total),
            (said.0, said.1, 5)
        );
    }
}

#[tokio::test]
async fn lists_are_narrowed_and_sorted() {
    let world = World::new().await;
    let mut client = world.client().await;
    let placed = five_orders(&mut client).await;
    let narrowed = ListOrdersRequest {
        user_id: USER.to_uppercase(),
        status: Some("PENDING".into()),
        ..Default::default()
    };
    let listed = client.list_orders(narrowed).await.unwrap().into_inner();
    assert_eq!(
        (listed.total, listed.orders[0].id.as_str()),
        (1, placed[4].as_str())
    );
    let of_nobody = ListOrdersRequest {
        user_id: NOBODY.into(),
        ..Default::default()
    };
    assert_eq!(
        client
            .list_orders(of_nobody)
            .await
            .unwrap()
            .into_inner()
            .total,
        0
    );
    let latest = ListOrdersRequest {
        sort_by: "created_at".into(),
        sort_desc: true,
        limit: 1,
        ..Default::default()
    };
    assert_eq!(
        client
            .list_orders(latest)
            .await
            .unwrap()
            .into_inner()
            .orders[0]
            .id,
        placed[4]
    );
    for sort_by in ["updated_at", "total_amount", "order_number"] {
        let sorted = ListOrdersRequest {
            sort_by: sort_by.into(),
            ..Default::default()
        };
        assert_eq!(
            client
                .list_orders(sorted)
                .await
                .unwrap()
                .into_inner()
                .orders
                .len(),
            5,
            "{sort_by}"
        );
    }
}

#[tokio::test]
async fn everything_wrong_with_a_list_is_told_at_once() {
    let world = World::new().await;
    let mut client = world.client().await;
    let bad = ListOrdersRequest {
        user_id: "me".into(),
        status: Some("Confirmed".into()),
        page: -1,
        limit: -1,
        sort_by: "price".into(),
        sort_desc: false,
    };
    let refused = Refused::of(client.list_orders(bad).await);
    assert_eq!(
        refused
            .is(Code::InvalidArgument, "INVALID_REQUEST")
            .fields(),
        ["user_id", "status", "sort_by", "page", "limit"]
    );
    for (page, limit) in [(101, 100), (501, 0), (i32::MAX, 1), (i32::MAX, i32::MAX)] {
        let refused = Refused::of(
            client
                .list_orders(ListOrdersRequest {
                    page,
                    limit,
                    ..Default::default()
                })
                .await,
        );
        assert_eq!(
            refused
                .is(Code::InvalidArgument, "INVALID_REQUEST")
                .fields(),
            ["page"]
        );
    }
}
