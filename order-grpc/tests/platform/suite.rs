//! The contracts of the services, through the clients, against the fakes. What the platform cannot
//! promise is named as left out.

use std::sync::Mutex;
use std::time::Duration;

use order_core::ids::{ProductId, Sku, UserId};
use order_core::money::Currency;
use order_core::services::ServiceName;
use order_core::testkit::service_conformance::{
    InventoryFactory, ProductFactory, Sandbox, UserFactory,
};
use order_grpc::proto::product::{Product, ProductVariant};
use order_grpc::services::{CacheSettings, PlatformInventory, PlatformProducts, PlatformUsers};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::channel;
use crate::fakes::directory::{Products, Users};
use crate::fakes::inventory::Inventory;
use crate::fakes::peer::{EFFECT, Fault, Peer, Wire, lock};

/// The service behind the adapter that was made last, and the runtime that both live in.
struct Bench<T> {
    runtime: Runtime,
    service: Mutex<Option<(T, Peer)>>,
    stocked: Mutex<u32>,
    /// The path of the requests that are answered wrongly.
    path: &'static str,
}

impl<T: Clone> Bench<T> {
    fn new(path: &'static str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Bench {
            runtime,
            service: Mutex::default(),
            stocked: Mutex::default(),
            path,
        }
    }

    fn service(&self) -> T {
        lock(&self.service).as_ref().unwrap().0.clone()
    }

    async fn stop(&self) {
        let (service, mut peer) = lock(&self.service).take().unwrap();
        peer.stop().await;
        *lock(&self.service) = Some((service, peer));
    }
}

trait Wired {
    fn wire(&self) -> &Wire;
    fn pass(&self, _: Duration) -> bool {
        false
    }
}

impl Wired for Inventory {
    fn wire(&self) -> &Wire {
        &self.wire
    }
    fn pass(&self, time: Duration) -> bool {
        Inventory::pass(self, time);
        true
    }
}

impl Wired for Products {
    fn wire(&self) -> &Wire {
        &self.wire
    }
}

impl Wired for Users {
    fn wire(&self) -> &Wire {
        &self.wire
    }
}

impl<T: Wired + Clone + Send> Sandbox for Bench<T> {
    fn run<F: Future>(&self, test: F) -> F::Output {
        self.runtime.block_on(test)
    }
    async fn lose_next_answer(&self) -> bool {
        self.service().wire().fault(EFFECT, Fault::LoseAnswer);
        true
    }
    async fn refuse_next_connection(&self) -> bool {
        self.stop().await;
        true
    }
    async fn answer_next(&self, status: u16, body: &str) -> bool {
        self.service().wire().answer_next(self.path, status, body);
        true
    }
    async fn pass(&self, time: Duration) -> bool {
        Wired::pass(&self.service(), time)
    }
}

impl InventoryFactory for Bench<Inventory> {
    type Service = PlatformInventory;

    async fn fresh(&self) -> PlatformInventory {
        let inventory = Inventory::default();
        let peer = inventory.serve().await;
        let client = PlatformInventory::new(channel(ServiceName::Inventory, &peer));
        *lock(&self.service) = Some((inventory, peer));
        client
    }

    async fn stock(&self, _: &PlatformInventory, units: u32) -> Sku {
        let n = {
            let mut stocked = lock(&self.stocked);
            *stocked += 1;
            *stocked
        };
        let sku = format!("SKU-{n}");
        self.service().stock(&sku, units as i32);
        sku.parse().unwrap()
    }
}

const PRODUCT: &str = "3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d11";
const USER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";

impl ProductFactory for Bench<Products> {
    type Service = PlatformProducts;

    async fn fresh(&self) -> PlatformProducts {
        let products = Products::default();
        let variant = |n: u128, price: f64| ProductVariant {
            id: Uuid::from_u128(n).to_string(),
            product_id: PRODUCT.into(),
            sku: format!("MUG-{n}"),
            title: format!("No. {n}"),
            price,
            discount_price: Some(price / 2.0),
        };
        let variants = vec![variant(1, 12.5), variant(2, 30.0)];
        products.put(Product {
            id: PRODUCT.into(),
            title: "Mug".into(),
            is_published: true,
            variants,
            ..Product::default()
        });
        let peer = products.serve().await;
        let client = PlatformProducts::new(
            channel(ServiceName::Product, &peer),
            Currency::USD,
            CacheSettings::default(),
        );
        *lock(&self.service) = Some((products, peer));
        client
    }

    fn product(&self) -> ProductId {
        PRODUCT.parse().unwrap()
    }
}

impl UserFactory for Bench<Users> {
    type Service = PlatformUsers;

    async fn fresh(&self) -> PlatformUsers {
        let users = Users::default();
        users.put(USER.parse().unwrap(), "active");
        let peer = users.serve().await;
        let client =
            PlatformUsers::new(channel(ServiceName::User, &peer), CacheSettings::default());
        *lock(&self.service) = Some((users, peer));
        client
    }

    fn user(&self) -> UserId {
        USER.parse().unwrap()
    }
}

mod inventory {
    use super::*;
    order_core::inventory_conformance_tests!(
        Bench::<Inventory>::new("ReserveInventory"),
        without [repeat, look_up, partial, release_committed]
    );
}

mod product {
    use super::*;
    order_core::product_conformance_tests!(Bench::<Products>::new("GetProduct"));
}

mod user {
    use super::*;
    order_core::user_conformance_tests!(Bench::<Users>::new("GetUser"));
}
