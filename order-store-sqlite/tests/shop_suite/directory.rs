use order_core::number::OrderNumber;
use order_core::order::NoticeKind;
use order_core::services::{
    Clients, Notification, NotificationService, ProductService, UserService,
};
use order_store_sqlite::shop::Shop;

use crate::{catalogue, key, order, refused, shop};

#[tokio::test]
async fn products_are_those_of_the_catalogue() {
    let shop = shop().await;
    for stocked in catalogue().products() {
        assert_eq!(
            ProductService::get(&shop, stocked.product.id)
                .await
                .unwrap()
                .as_ref(),
            Some(&stocked.product)
        );
    }
    let unknown = "00000000-0000-0000-0000-000000000000".parse().unwrap();
    assert_eq!(
        ProductService::get(shop.product(), unknown).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn customers_have_the_status_of_their_account() {
    let shop = shop().await;
    let catalogue = catalogue();
    let mut statuses = Vec::new();
    for customer in catalogue.customers() {
        let user = UserService::get(&shop, customer.id).await.unwrap().unwrap();
        assert_eq!((user.id, &user.email), (customer.id, &customer.email));
        statuses.push(user.account_status);
    }
    assert_eq!(statuses, ["active", "suspended"]);
    let unknown = "00000000-0000-0000-0000-000000000000".parse().unwrap();
    assert_eq!(UserService::get(shop.user(), unknown).await.unwrap(), None);
}

fn notice(shop_event: u64, kind: NoticeKind) -> Notification {
    let user = catalogue().customers()[0].id;
    let number = OrderNumber::new(shop_event, order_core::ids::Bucket::MAX);
    Notification {
        event_id: key(shop_event),
        order: order(1),
        number,
        user,
        seq: 3,
        kind,
    }
}

#[tokio::test]
async fn a_customer_is_told_once_per_event() {
    let shop: Shop = shop().await;
    let (first, second) = (
        notice(1, NoticeKind::Confirmed),
        notice(2, NoticeKind::Cancelled),
    );
    for told in [&first, &first, &second, &first] {
        shop.notify(told).await.unwrap();
    }
    let log = shop.notifications().await.unwrap();
    assert_eq!(
        log.iter().map(|n| (n.event_id, n.kind)).collect::<Vec<_>>(),
        [
            (first.event_id, NoticeKind::Confirmed),
            (second.event_id, NoticeKind::Cancelled)
        ]
    );
    assert_eq!(
        (log[0].order, log[0].number, log[0].user, log[0].seq),
        (first.order, first.number, first.user, 3)
    );
    assert_eq!(
        refused(shop.notify(&notice(1, NoticeKind::Expired)).await),
        "KEY_REUSED"
    );
}

#[tokio::test]
async fn notifications_can_be_switched_off() {
    let shop = shop().await;
    assert!(shop.enabled());
    shop.clone().set_notifications(false);
    assert!(!shop.enabled());
}
