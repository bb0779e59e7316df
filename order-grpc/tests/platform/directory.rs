//! The product and user services: the fakes by row and quirk, and what the clients make of them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use order_core::ids::{ProductId, UserId};
use order_core::money::{Currency, Money};
use order_core::services::{CallError, ProductService as _, ServiceName, UserService as _};
use order_grpc::proto::product::get_product_request::Identifier;
use order_grpc::proto::product::product_service_client::ProductServiceClient;
use order_grpc::proto::product::{GetProductRequest, Product, ProductVariant};
use order_grpc::proto::user::user_service_client::UserServiceClient;
use order_grpc::proto::user::{GetUserRequest, User, UserResponse};
use order_grpc::services::{CacheSettings, CacheStats, PlatformProducts, PlatformUsers};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use crate::channel;
use crate::fakes::directory::{GET_PRODUCT, GET_USER, Products, Users};
use crate::fakes::peer::{Fault, Peer, waiting};

const MUG: Uuid = Uuid::from_u128(0x3f2c_8f0e_6b1d_4c58_9a0e_3b6a_2f0c_1d11);
const CUSTOMER: Uuid = Uuid::from_u128(0x9b1c_7d34_0f4b_4a9d_8b7e_5d2c_3e4f_5a33);

fn product() -> Product {
    Product {
        id: MUG.to_string(),
        title: "Enamel mug".into(),
        price: 12.5,
        discount_price: Some(11.0),
        sku: "MUG".into(),
        is_published: true,
        ..Product::default()
    }
}

fn variant(n: u128, price: f64) -> ProductVariant {
    let (id, product_id) = (Uuid::from_u128(n).to_string(), MUG.to_string());
    ProductVariant {
        id,
        product_id,
        sku: format!("MUG-{n}"),
        title: format!("No. {n}"),
        price,
        discount_price: None,
    }
}

async fn shelf(cache: CacheSettings) -> (Products, Peer, PlatformProducts) {
    let products = Products::default();
    products.put(product());
    let peer = products.serve().await;
    let client = PlatformProducts::new(channel(ServiceName::Product, &peer), Currency::USD, cache);
    (products, peer, client)
}

async fn people(cache: CacheSettings) -> (Users, Peer, PlatformUsers) {
    let users = Users::default();
    users.put(CUSTOMER, "active");
    let peer = users.serve().await;
    let client = PlatformUsers::new(channel(ServiceName::User, &peer), cache);
    (users, peer, client)
}

async fn raw(peer: &Peer) -> Channel {
    Endpoint::from_shared(peer.url())
        .unwrap()
        .connect()
        .await
        .unwrap()
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

#[tokio::test]
async fn the_product_service_says_not_found_to_everything() {
    let (products, peer, _) = shelf(CacheSettings::OFF).await;
    let mut client = ProductServiceClient::new(raw(&peer).await);
    let mut get = async |identifier| {
        client
            .get_product(GetProductRequest { identifier })
            .await
            .map(|p| p.into_inner())
    };
    let id = |text: &str| Some(Identifier::Id(text.into()));
    assert_eq!(get(None).await.unwrap_err().code(), Code::InvalidArgument);
    for nothing in [
        id(""),
        id("7"),
        id(&Uuid::nil().to_string()),
        Some(Identifier::Slug("mug".into())),
    ] {
        let name = format!("{nothing:?}");
        assert_eq!(
            get(nothing).await.unwrap_err().code(),
            Code::NotFound,
            "{name}"
        );
    }
    products.set_down(true);
    assert_eq!(
        get(id(&MUG.to_string())).await.unwrap_err().code(),
        Code::NotFound,
        "its database is down"
    );
    products.set_down(false);
    assert!(get(id(&MUG.to_string())).await.is_ok());
    products.make_unreadable(MUG);
    products.put(product());
    assert_eq!(
        get(id(&MUG.to_string())).await.unwrap_err().code(),
        Code::NotFound,
        "it has no description"
    );
    let (products, _peer, client) = shelf(CacheSettings::OFF).await;
    assert!(
        client
            .get(ProductId::from_uuid(MUG))
            .await
            .unwrap()
            .is_some()
    );
    products.delete(MUG);
    assert!(
        client
            .get(ProductId::from_uuid(MUG))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn the_product_service_caches_by_the_text_and_prices_by_the_oldest_variant() {
    let (products, peer, client) = shelf(CacheSettings::OFF).await;
    let mut raw = ProductServiceClient::new(raw(&peer).await);
    let mut get = async |text: String| {
        let identifier = Some(Identifier::Id(text));
        raw.get_product(GetProductRequest { identifier })
            .await
            .map(|p| p.into_inner())
    };
    let variants = vec![variant(1, 9.0), variant(2, 30.0)];
    products.put(Product {
        variants,
        default_variant_id: Some("2".into()),
        ..product()
    });
    let first = get(MUG.to_string().to_uppercase()).await.unwrap();
    assert_eq!(
        (first.price, first.discount_price, first.sku.as_str()),
        (9.0, None, "MUG-1")
    );
    assert_eq!(first.default_variant_id, None);
    products.put(Product {
        price: 20.0,
        ..product()
    });
    assert_eq!(
        get(MUG.to_string().to_uppercase()).await.unwrap().price,
        9.0,
        "never forgotten"
    );
    assert_eq!(get(MUG.to_string()).await.unwrap().price, 20.0);
    // Ids are sent as they print.
    assert_eq!(
        client
            .get(ProductId::from_uuid(MUG))
            .await
            .unwrap()
            .unwrap()
            .price,
        usd(2000)
    );
    assert_eq!(
        products.wire.calls_of(GET_PRODUCT).last(),
        Some(&MUG.to_string())
    );
}

#[tokio::test]
async fn a_product_is_read_as_it_is() {
    let (products, _peer, client) = shelf(CacheSettings::OFF).await;
    let get = async || {
        client
            .get(ProductId::from_uuid(MUG))
            .await
            .unwrap()
            .unwrap()
    };
    let found = get().await;
    assert_eq!(
        (
            found.id.to_string(),
            found.sku.to_string(),
            found.name.as_str()
        ),
        (MUG.to_string(), "MUG".into(), "Enamel mug")
    );
    assert_eq!(
        (found.price, found.discount_price),
        (usd(1250), Some(usd(1100)))
    );
    assert!(found.published && found.requires_shipping && found.variants.is_empty());

    let variants = vec![
        variant(1, 9.0),
        ProductVariant {
            discount_price: Some(29.99),
            ..variant(2, 30.0)
        },
    ];
    let own = Product {
        currency: "USD".into(),
        requires_shipping: Some(false),
        ..product()
    };
    products.put(Product {
        variants,
        is_published: false,
        title: " \u{1b}[2J ".into(),
        ..own
    });
    let found = get().await;
    assert!(!found.published && !found.requires_shipping);
    assert_eq!(found.name, "[2J", "no title steers a terminal");
    let told: Vec<_> = found
        .variants
        .iter()
        .map(|v| (v.sku.as_str(), v.name.as_str(), v.price, v.discount_price))
        .collect();
    assert_eq!(
        told,
        [
            ("MUG-1", "No. 1", usd(900), None),
            ("MUG-2", "No. 2", usd(3000), Some(usd(2999)))
        ]
    );

    products.put(Product {
        title: String::new(),
        discount_price: Some(12.5),
        ..product()
    });
    let found = get().await;
    assert_eq!(
        (found.name.as_str(), found.discount_price),
        ("MUG", None),
        "what does not reduce is no reduction"
    );
}

#[tokio::test]
async fn a_product_that_cannot_be_used_is_an_error_that_says_why() {
    let with = |change: fn(&mut Product)| {
        let mut changed = product();
        change(&mut changed);
        changed
    };
    let stranger = || ProductVariant {
        product_id: Uuid::nil().to_string(),
        ..variant(1, 9.0)
    };
    for (answer, why) in [
        (with(|p| p.id = Uuid::nil().to_string()), "answered product"),
        (with(|p| p.id = String::new()), "answered product"),
        (
            with(|p| p.price = 0.0),
            "its price is 0: expected more than 0",
        ),
        (with(|p| p.price = -1.0), "its price is -1"),
        (with(|p| p.price = f64::NAN), "its price is NaN"),
        (with(|p| p.price = 12.345), "at most 2 decimals in USD"),
        (with(|p| p.price = 1e8), "expected 0 to 99999999.99"),
        (
            with(|p| p.discount_price = Some(f64::INFINITY)),
            "its discount price is inf",
        ),
        (
            with(|p| p.discount_price = Some(1.005)),
            "its discount price is 1.005",
        ),
        (with(|p| p.sku = String::new()), "its SKU cannot be used"),
        (
            with(|p| p.currency = "EUR".into()),
            "its prices are in \"EUR\", and USD is configured",
        ),
        (
            with(|p| p.variants = vec![variant(1, 0.0)]),
            "variant 00000000-0000-0000-0000-000000000001: its price is 0",
        ),
        (
            Product {
                variants: vec![ProductVariant {
                    id: "7".into(),
                    ..variant(1, 9.0)
                }],
                ..product()
            },
            "its id is not a UUID",
        ),
        (
            Product {
                variants: vec![stranger()],
                ..product()
            },
            "it is of product",
        ),
    ] {
        let (products, _peer, client) = shelf(CacheSettings::OFF).await;
        products.mix_up(answer);
        match client.get(ProductId::from_uuid(MUG)).await {
            Err(CallError::Unknown {
                message,
                malformed: true,
            }) => {
                assert!(
                    message.contains(why) && message.starts_with(&format!("product {MUG}: ")),
                    "{message}"
                );
            }
            other => panic!("{why}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_not_found_is_asked_for_once_more_a_little_later() {
    let (products, _peer, client) = shelf(CacheSettings::default()).await;
    let (users, _peer, people) = people(CacheSettings::default()).await;
    products
        .wire
        .fault(GET_PRODUCT, Fault::Fail(Code::NotFound));
    users.wire.fault(GET_USER, Fault::Fail(Code::NotFound));
    let begun = Instant::now();
    assert!(
        client
            .get(ProductId::from_uuid(MUG))
            .await
            .unwrap()
            .is_some()
    );
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert!(
        people
            .get(UserId::from_uuid(CUSTOMER))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        (products.wire.calls().len(), users.wire.calls().len()),
        (2, 2)
    );

    for n in 1..=2 {
        assert!(
            client
                .get(ProductId::from_uuid(Uuid::nil()))
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            people
                .get(UserId::from_uuid(Uuid::nil()))
                .await
                .unwrap()
                .is_none()
        );
        let calls = (products.wire.calls().len(), users.wire.calls().len());
        assert_eq!(
            calls,
            (2 + 2 * n, 2 + 2 * n),
            "nothing found is not remembered"
        );
    }
    for code in [
        Code::InvalidArgument,
        Code::Internal,
        Code::Unavailable,
        Code::Unauthenticated,
    ] {
        products.wire.fault(GET_PRODUCT, Fault::Fail(code));
        users.wire.fault(GET_USER, Fault::Fail(code));
        assert!(
            client.get(ProductId::from_uuid(Uuid::nil())).await.is_err(),
            "{code:?}"
        );
        assert!(
            people.get(UserId::from_uuid(Uuid::nil())).await.is_err(),
            "{code:?}"
        );
    }
    assert_eq!(
        products.wire.calls().len(),
        6 + 4,
        "an error is not asked for again"
    );
}

#[tokio::test]
async fn a_crowd_makes_one_call_and_the_first_who_gives_up_does_not_end_it() {
    let (products, _peer, client) = shelf(CacheSettings {
        time_to_live: Duration::from_secs(60),
        ..Default::default()
    })
    .await;
    let (fault, is_reached, go_on) = waiting(Fault::Late);
    products.wire.fault(GET_PRODUCT, fault);
    let id = ProductId::from_uuid(MUG);
    {
        let mut first = std::pin::pin!(client.get(id));
        tokio::select! {
            answer = &mut first => panic!("{answer:?}"),
            reached = is_reached => reached.unwrap(),
        }
    }
    let crowd = join_all((0..20).map(|_| client.get(id)));
    let go = async { go_on.send(()).unwrap() };
    let (answers, ()) = tokio::join!(crowd, go);
    assert!(
        answers
            .into_iter()
            .all(|p| p.unwrap().unwrap().price == usd(1250))
    );
    assert_eq!(products.wire.calls().len(), 1);
    assert_eq!(
        client.cache_stats(),
        CacheStats {
            hits: 20,
            misses: 1
        }
    );
    products.put(Product {
        price: 20.0,
        ..product()
    });
    assert_eq!(
        client.get(id).await.unwrap().unwrap().price,
        usd(1250),
        "until it is too old"
    );
}

#[tokio::test]
async fn the_user_service_knows_only_uuids_and_forgets_late() {
    let (users, peer, client) = people(CacheSettings::OFF).await;
    let mut raw_client = UserServiceClient::new(raw(&peer).await);
    let mut get = async |user_id: &str| {
        let answer = raw_client
            .get_user(GetUserRequest {
                user_id: user_id.into(),
            })
            .await;
        answer.map(|a| a.into_inner().user.unwrap().account_status)
    };
    assert_eq!(get("7").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(
        get(&Uuid::nil().to_string()).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(get(&CUSTOMER.to_string()).await.unwrap(), "active");
    users.put(CUSTOMER, "suspended");
    assert_eq!(
        get(&CUSTOMER.to_string()).await.unwrap(),
        "active",
        "a suspension is seen late"
    );
    users.forget_cached();
    assert_eq!(get(&CUSTOMER.to_string()).await.unwrap(), "suspended");
    users.update(CUSTOMER, "Jane");
    users.forget_cached();
    // A status is told as it is, nothing included.
    let user = client
        .get(UserId::from_uuid(CUSTOMER))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (user.account_status.as_str(), user.email.as_str()),
        ("", ""),
        "an update blanks it"
    );
    users.number_rows();
    users.forget_cached();
    assert_eq!(
        get(&CUSTOMER.to_string()).await.unwrap_err().code(),
        Code::NotFound
    );

    let mut grpc = tonic::client::Grpc::new(raw(&peer).await);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<GetUserRequest, UserResponse>::default();
    let addresses = "/user.UserService/GetAddresses".parse().unwrap();
    let answer = grpc
        .unary(
            tonic::Request::new(GetUserRequest::default()),
            addresses,
            codec,
        )
        .await;
    assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_user_that_was_not_asked_for_is_an_error() {
    for user in [
        None,
        Some(User::default()),
        Some(User {
            user_id: Uuid::nil().to_string(),
            ..User::default()
        }),
    ] {
        let (users, _peer, client) = people(CacheSettings::default()).await;
        users.mix_up(UserResponse { user });
        let answer = client.get(UserId::from_uuid(CUSTOMER)).await;
        assert!(
            matches!(
                answer,
                Err(CallError::Unknown {
                    malformed: true,
                    ..
                })
            ),
            "{answer:?}"
        );
        assert_eq!(client.cache_stats(), CacheStats { hits: 0, misses: 1 });
    }
    let (users, _peer, client) = people(CacheSettings::default()).await;
    for _ in 0..3 {
        assert_eq!(
            client
                .get(UserId::from_uuid(CUSTOMER))
                .await
                .unwrap()
                .unwrap()
                .account_status,
            "active"
        );
    }
    assert_eq!(
        (users.wire.calls_of(GET_USER), client.cache_stats()),
        (
            vec![CUSTOMER.to_string()],
            CacheStats { hits: 2, misses: 1 }
        )
    );
}
