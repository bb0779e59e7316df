use std::time::Duration;

use order_core::services::{
    CallError, ClosingRequest, InventoryService, ReservationLookup, ReserveRequest,
};
use order_store_sqlite::shop::{ReservationState, Shop, ShopError};

use crate::{TempFile, TestClock, catalogue, customer, key, number, order, refused, shop, sku};

pub(crate) fn reserve(n: u64, quantity: u32) -> ReserveRequest {
    ReserveRequest::new(
        key(n),
        order(n),
        number(n),
        customer(),
        sku("MUG-01"),
        quantity,
        Duration::from_secs(60),
    )
}

/// A request under key `n` about all units of the hold of `of`, which are still held.
pub(crate) fn about(n: u64, of: &ReserveRequest) -> ClosingRequest {
    ClosingRequest::new(key(n), of)
}

/// The same, about units that were committed.
pub(crate) fn back(n: u64, of: &ReserveRequest) -> ClosingRequest {
    ClosingRequest {
        committed: true,
        ..about(n, of)
    }
}

/// on hand, reserved, available, committed
pub(crate) async fn mugs(shop: &Shop) -> [u64; 4] {
    let row = shop.stock(Some(&sku("MUG-01"))).await.unwrap().remove(0);
    assert_eq!(row.stocked, row.on_hand + row.committed);
    [row.on_hand, row.reserved, row.available, row.committed]
}

#[tokio::test]
async fn units_are_held_committed_and_given_back() {
    let shop = shop().await;
    let (first, second) = (reserve(1, 4), reserve(2, 3));
    let hold = shop.reserve(&first).await.unwrap();
    assert_eq!((hold.quantity, hold.lifetime), (4, None));
    shop.reserve(&second).await.unwrap();
    assert_eq!(mugs(&shop).await, [10, 7, 3, 0]);
    shop.commit(&about(10, &first)).await.unwrap();
    assert_eq!(mugs(&shop).await, [6, 3, 3, 4]);
    shop.release(&about(11, &second)).await.unwrap();
    assert_eq!(mugs(&shop).await, [6, 0, 6, 4]);
    shop.release(&back(12, &first)).await.unwrap();
    assert_eq!(mugs(&shop).await, [10, 0, 10, 0]);
    let states: Vec<_> = shop
        .holds()
        .await
        .unwrap()
        .into_iter()
        .map(|h| (h.order, h.quantity, h.state))
        .collect();
    assert_eq!(
        states,
        [
            (order(1), 4, ReservationState::Released),
            (order(2), 3, ReservationState::Released)
        ]
    );
}

#[tokio::test]
async fn a_repeated_request_changes_nothing_and_gets_the_same_answer() {
    let shop = shop().await;
    let request = reserve(1, 4);
    let hold = shop.reserve(&request).await.unwrap();
    assert_eq!(shop.reserve(&request).await.unwrap(), hold);
    assert_eq!(mugs(&shop).await, [10, 4, 6, 0]);
    for _ in 0..2 {
        shop.commit(&about(10, &request)).await.unwrap();
        assert_eq!(mugs(&shop).await, [6, 0, 6, 4]);
    }
    assert_eq!(
        refused(shop.commit(&about(13, &request)).await),
        "EXCEEDS_HELD",
        "another key is another request"
    );
    assert_eq!(mugs(&shop).await, [6, 0, 6, 4]);
    assert_eq!(
        shop.reserve(&request).await.unwrap(),
        hold,
        "the hold it made, whatever became of it"
    );
    for _ in 0..2 {
        shop.release(&back(11, &request)).await.unwrap();
        assert_eq!(mugs(&shop).await, [10, 0, 10, 0]);
    }
    shop.commit(&about(10, &request)).await.unwrap();
    assert_eq!(
        mugs(&shop).await,
        [10, 0, 10, 0],
        "a late duplicate of the commit"
    );
    assert_eq!(
        refused(shop.commit(&about(12, &request)).await),
        "EXCEEDS_HELD"
    );
    assert_eq!(
        refused(shop.commit(&about(12, &request)).await),
        "EXCEEDS_HELD"
    );
    assert_eq!(
        refused(shop.reserve(&request).await),
        "RESERVATION_RELEASED"
    );
    assert_eq!(mugs(&shop).await, [10, 0, 10, 0]);
}

#[tokio::test]
async fn keys_are_an_orders_own() {
    let shop = shop().await;
    let request = reserve(1, 4);
    shop.reserve(&request).await.unwrap();
    let other = ReserveRequest {
        order: order(9),
        ..request.clone()
    };
    assert_eq!(
        refused(shop.commit(&about(20, &other)).await),
        "UNKNOWN_RESERVATION"
    );
    shop.reserve(&other).await.unwrap();
    assert_eq!(mugs(&shop).await, [10, 8, 2, 0]);
}

#[tokio::test]
async fn a_key_with_other_content_is_refused() {
    let shop = shop().await;
    let request = reserve(1, 4);
    shop.reserve(&request).await.unwrap();
    for other in [
        ReserveRequest {
            quantity: 5,
            ..request.clone()
        },
        ReserveRequest {
            sku: sku("CUP-RED"),
            ..request.clone()
        },
    ] {
        assert_eq!(refused(shop.reserve(&other).await), "KEY_REUSED");
    }
    let of_cups = ReserveRequest {
        sku: sku("CUP-RED"),
        ..request.clone()
    };
    assert_eq!(
        refused(shop.commit(&about(20, &of_cups)).await),
        "UNKNOWN_RESERVATION"
    );
    shop.commit(&about(10, &request)).await.unwrap();
    for other in [about(10, &request), back(10, &request)] {
        assert_eq!(refused(shop.release(&other).await), "KEY_REUSED");
    }
    assert_eq!(
        refused(
            shop.commit(&ClosingRequest {
                quantity: 3,
                ..about(10, &request)
            })
            .await
        ),
        "KEY_REUSED"
    );
    assert_eq!(
        refused(shop.commit(&about(10, &reserve(2, 4))).await),
        "KEY_REUSED"
    );
    assert_eq!(mugs(&shop).await, [6, 0, 6, 4]);
}

#[tokio::test]
async fn a_refusal_stays_the_answer_of_its_key() {
    let shop = shop().await;
    let request = reserve(1, 11);
    for _ in 0..2 {
        let answer = shop.reserve(&request).await;
        assert!(
            matches!(&answer, Err(CallError::Refused { code, available: Some(10), .. }) if code == "INSUFFICIENT_STOCK"),
            "{answer:?}"
        );
        let row = shop.restock(&sku("MUG-01"), 5).await.unwrap();
        assert_eq!(row.reserved, 0);
    }
    assert_eq!(
        shop.look_up(&request).await.unwrap(),
        ReservationLookup::Absent
    );
    shop.release(&about(10, &request)).await.unwrap();
    assert_eq!(mugs(&shop).await, [20, 0, 20, 0]);
    shop.reserve(&ReserveRequest {
        key: key(2),
        ..request
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_nobody_stocks_has_nothing_available() {
    let shop = shop().await;
    let answer = shop
        .reserve(&ReserveRequest {
            sku: sku("NONE"),
            ..reserve(1, 1)
        })
        .await;
    assert!(
        matches!(&answer, Err(CallError::Refused { code, available: Some(0), .. }) if code == "UNKNOWN_SKU"),
        "{answer:?}"
    );
    assert_eq!(
        refused(shop.reserve(&reserve(2, 0)).await),
        "QUANTITY_INVALID"
    );
    let available = shop
        .check(&[sku("CUP-RED"), sku("NONE"), sku("MUG-01")])
        .await
        .unwrap();
    assert_eq!(
        available.iter().map(|a| a.available).collect::<Vec<_>>(),
        [3, 0, 10]
    );
    assert!(matches!(
        shop.stock(Some(&sku("NONE"))).await,
        Err(ShopError::UnknownSku(_))
    ));
    assert!(matches!(
        shop.restock(&sku("NONE"), 1).await,
        Err(ShopError::UnknownSku(_))
    ));
    assert!(matches!(
        shop.restock(&sku("MUG-01"), 0).await,
        Err(ShopError::Invalid { .. })
    ));
    assert!(matches!(
        shop.restock(&sku("MUG-01"), u32::MAX).await,
        Err(ShopError::Invalid { .. })
    ));
    assert_eq!(mugs(&shop).await, [10, 0, 10, 0]);
}

#[tokio::test]
async fn look_up_tells_what_became_of_a_reserve() {
    let shop = shop().await;
    let request = reserve(1, 2);
    assert_eq!(
        shop.look_up(&request).await.unwrap(),
        ReservationLookup::Absent
    );
    let hold = shop.reserve(&request).await.unwrap();
    assert_eq!(
        shop.look_up(&request).await.unwrap(),
        ReservationLookup::Held(hold)
    );
    shop.commit(&about(10, &request)).await.unwrap();
    assert_eq!(
        shop.look_up(&request).await.unwrap(),
        ReservationLookup::Committed
    );
    shop.release(&back(11, &request)).await.unwrap();
    assert_eq!(
        shop.look_up(&request).await.unwrap(),
        ReservationLookup::Released
    );
}

#[tokio::test]
async fn a_hold_that_is_given_up_before_it_comes_never_comes() {
    let shop = shop().await;
    let request = reserve(1, 2);
    assert_eq!(
        refused(shop.commit(&about(8, &request)).await),
        "UNKNOWN_RESERVATION"
    );
    assert_eq!(
        refused(shop.release(&back(9, &request)).await),
        "UNKNOWN_RESERVATION"
    );
    shop.release(&about(10, &request)).await.unwrap();
    assert_eq!(
        refused(shop.reserve(&request).await),
        "RESERVATION_RELEASED"
    );
    assert_eq!(mugs(&shop).await, [10, 0, 10, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_customers_share_ten_units() {
    let file = TempFile::new();
    let clock = TestClock::new();
    // Two shops on one file, as two processes would be.
    let shops = [
        Shop::open(&file.0, clock.clone()).unwrap(),
        Shop::open(&file.0, clock).unwrap(),
    ];
    shops[0].load(&catalogue()).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let shop = shops[n as usize % 2].clone();
            tokio::spawn(async move { shop.reserve(&reserve(n, 1)).await })
        })
        .collect();
    let mut held = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => held += 1,
            Err(CallError::Refused {
                code, available, ..
            }) => {
                assert_eq!((code.as_str(), available), ("INSUFFICIENT_STOCK", Some(0)));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(held, 10);
    assert_eq!(mugs(&shops[1]).await, [10, 10, 0, 0]);
}

#[tokio::test]
async fn stock_survives_reopening() {
    let file = TempFile::new();
    let request = reserve(1, 4);
    {
        let shop = Shop::open(&file.0, TestClock::new()).unwrap();
        shop.load(&catalogue()).await.unwrap();
        shop.reserve(&request).await.unwrap();
        shop.reserve(&reserve(2, 1)).await.unwrap();
        shop.commit(&about(10, &request)).await.unwrap();
        shop.restock(&sku("MUG-01"), 7).await.unwrap();
    }
    let shop = Shop::open(&file.0, TestClock::new()).unwrap();
    assert_eq!(mugs(&shop).await, [13, 1, 12, 4]);
    shop.commit(&about(10, &request)).await.unwrap();
    assert_eq!(mugs(&shop).await, [13, 1, 12, 4]);
    assert_eq!(
        shop.holds_of(order(1)).await.unwrap()[0].state,
        ReservationState::Committed
    );
}
