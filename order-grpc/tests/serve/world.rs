//! A server over a shop in memory, and a client of it.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_core::manager::OrderManager;
use order_core::money::{Currency, Money};
use order_core::order::PaymentTerms;
use order_core::policy::Policy;
use order_core::pricing::{CouponRule, Discount, PaymentMethodRule, PriceBook, ShippingRule};
use order_core::runtime::{Clock, Runtime, SystemClock};
use order_core::services::{DynClients, InventoryCapabilities, PaymentCapabilities, Product, User};
use order_core::store::MemoryStore;
use order_core::testkit::services::*;
use order_grpc::proto::order_service_client::OrderServiceClient;
use order_grpc::proto::{self, CreateOrderRequest, Order};
use order_grpc::{Drained, ServerOptions, TrackedRuntime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::store::Flaky;

pub const USER: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33";
pub const SUSPENDED: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a34";
pub const NOBODY: &str = "9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a35";
/// The number of units of each product.
pub const STOCK: u32 = 10;
/// The product that is not for sale, and the one of which there is one unit.
pub const UNPUBLISHED: u8 = 8;
pub const LAST_ONE: u8 = 9;

pub type Client = OrderServiceClient<Channel>;

pub struct World {
    pub store: Arc<Flaky>,
    pub inventory: Arc<Scripted<MemoryInventory>>,
    pub payment: Arc<Scripted<MemoryPayments>>,
    pub catalogue: Arc<Scripted<MemoryCatalogue>>,
    pub address: SocketAddr,
    pub manager: OrderManager<Arc<Flaky>, DynClients>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<Drained>,
}

/// Decides what the provider says, by the method that a customer pays with.
fn outcome(method: &str) -> Outcome {
    match method {
        "DECLINED" => Outcome::Decline,
        "PENDING" => Outcome::Pending,
        "ACTION" => Outcome::ActionRequired,
        _ => Outcome::Approve,
    }
}

impl World {
    pub async fn new() -> Self {
        World::with(ServerOptions::default()).await
    }

    pub async fn with(options: ServerOptions) -> Self {
        let runtime = TrackedRuntime::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let shared: Arc<dyn Runtime> = Arc::new(runtime.clone());
        let store = Arc::new(Flaky::new(MemoryStore::new(clock.clone())));
        let stock = MemoryInventory::new(InventoryCapabilities::IDEAL, None, clock);
        let catalogue = MemoryCatalogue::default();
        for i in 1..=9 {
            stock.restock(&sku(i), if i == LAST_ONE { 1 } else { STOCK });
            catalogue.put_product(product(i));
        }
        for (id, account_status) in [(USER, "active"), (SUSPENDED, "suspended")] {
            let user = User {
                id: id.parse().unwrap(),
                email: "c@example.com".into(),
                account_status: account_status.into(),
            };
            catalogue.put_user(user);
        }
        let inventory = Arc::new(Scripted::new(stock, shared.clone()));
        let decide = Box::new(|request: &order_core::services::AttemptRequest| {
            outcome(request.method.as_str())
        });
        let desk = MemoryPayments::new(
            PaymentCapabilities::IDEAL,
            Duration::from_secs(1800),
            decide,
        );
        let payment = Arc::new(Scripted::new(desk, shared.clone()));
        let catalogue = Arc::new(Scripted::new(catalogue, shared.clone()));
        let clients = DynClients {
            inventory: inventory.clone(),
            product: catalogue.clone(),
            user: catalogue.clone(),
            payment: payment.clone(),
            notification: Arc::new(MemoryNotifications::default()),
        };
        let manager = OrderManager::builder(store.clone(), clients)
            .pricing(Arc::new(price_book()))
            .runtime(shared)
            .policy(Policy {
                breaker_failures: 1000,
                ..Policy::default()
            })
            .build()
            .unwrap();
        let listener = order_grpc::bind("127.0.0.1:0", false).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let options = ServerOptions {
            tasks: Some(runtime),
            ..options
        };
        let server = tokio::spawn(order_grpc::serve(
            manager.clone(),
            listener,
            options,
            async move { drop(stopped.await) },
        ));
        World {
            store,
            inventory,
            payment,
            catalogue,
            address,
            manager,
            stop: Some(stop),
            server,
        }
    }

    pub async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    /// A client that calls from another address of this machine.
    pub async fn client_from(&self, from: [u8; 4]) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        OrderServiceClient::new(
            endpoint
                .local_address(Some(from.into()))
                .connect()
                .await
                .unwrap(),
        )
    }

    pub async fn client(&self) -> Client {
        OrderServiceClient::new(self.channel().await)
    }

    /// Tells the server to stop.
    pub fn tell_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has.
    pub async fn stopped(self) -> Drained {
        self.server.await.unwrap()
    }
}

/// A sink for a log that is looked at.
#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn sku(i: u8) -> order_core::ids::Sku {
    format!("SKU-{i}").parse().unwrap()
}

pub fn product_id(i: u8) -> String {
    format!("3f2c8f0e-6b1d-4c58-9a0e-3b6a2f0c1d{i:02}")
}

fn product(i: u8) -> Product {
    Product {
        id: product_id(i).parse().unwrap(),
        sku: sku(i),
        name: format!("Product {i}"),
        price: Money::new(1000, Currency::USD),
        discount_price: None,
        published: i != UNPUBLISHED,
        requires_shipping: true,
        variants: Vec::new(),
    }
}

fn price_book() -> PriceBook {
    let shipping = vec![ShippingRule {
        method: "STANDARD".parse().unwrap(),
        price: 490,
        free_from: None,
    }];
    let coupon = CouponRule {
        code: "ONCE".parse().unwrap(),
        discount: Discount::Amount(100),
        minimum: Some(2000),
        from: None,
        until: None,
        uses: Some(1),
        uses_per_customer: None,
    };
    let methods = ["CARD", "DECLINED", "PENDING", "ACTION"];
    let methods = methods
        .map(|m| PaymentMethodRule {
            method: m.parse().unwrap(),
            due: PaymentTerms::Confirm,
        })
        .to_vec();
    PriceBook::new(Currency::USD, shipping, Vec::new(), vec![coupon], methods).unwrap()
}

/// An order for `quantity` units of each product, paid by `method`.
pub fn request(products: &[u8], quantity: i32, method: &str) -> CreateOrderRequest {
    let item = |i: &u8| proto::OrderItemInput {
        product_id: product_id(*i),
        variant_id: None,
        quantity,
    };
    CreateOrderRequest {
        user_id: USER.into(),
        items: products.iter().map(item).collect(),
        shipping_address: Some(address()),
        billing_address: None,
        payment_method: method.into(),
        shipping_method: "STANDARD".into(),
        notes: None,
        coupon_code: None,
    }
}

pub fn address() -> proto::OrderAddressInput {
    proto::OrderAddressInput {
        first_name: "Sample".into(),
        last_name: "Customer".into(),
        address_line1: "1 Main Street".into(),
        city: "Springfield".into(),
        state: "CA".into(),
        postal_code: "90210".into(),
        country: "US".into(),
        ..proto::OrderAddressInput::default()
    }
}

/// `message` with metadata.
pub fn with<T>(message: T, metadata: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(message);
    for (name, value) in metadata {
        request
            .metadata_mut()
            .append(*name, MetadataValue::try_from(*value).unwrap());
    }
    request
}

pub async fn place(client: &mut Client, products: &[u8], method: &str) -> Order {
    client
        .create_order(request(products, 2, method))
        .await
        .unwrap()
        .into_inner()
}

pub fn by_id(id: &str) -> proto::GetOrderRequest {
    proto::GetOrderRequest {
        identifier: Some(proto::get_order_request::Identifier::Id(id.into())),
    }
}

pub fn by_number(number: &str) -> proto::GetOrderRequest {
    proto::GetOrderRequest {
        identifier: Some(proto::get_order_request::Identifier::OrderNumber(
            number.into(),
        )),
    }
}

pub fn said<'a>(metadata: &'a MetadataMap, name: &str) -> Option<&'a str> {
    metadata.get(name).map(|value| value.to_str().unwrap())
}

/// An error, in a form that compares.
#[derive(Debug)]
pub struct Refused {
    pub code: Code,
    pub reason: String,
    pub status: Status,
    pub details: ErrorDetails,
}

impl Refused {
    pub fn of<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> Self {
        let status = answer.expect_err("it is refused");
        let details = status.get_error_details();
        let reason = details
            .error_info()
            .map(|info| info.reason.clone())
            .unwrap_or_default();
        assert_eq!(
            details.error_info().map(|info| info.domain.as_str()),
            Some(order_grpc::DOMAIN),
            "{status:?}"
        );
        Refused {
            code: status.code(),
            reason,
            status,
            details,
        }
    }

    #[track_caller]
    pub fn is(&self, code: Code, reason: &str) -> &Self {
        assert_eq!(
            (self.code, self.reason.as_str()),
            (code, reason),
            "{:?}",
            self.status
        );
        self
    }

    /// A value of its `ErrorInfo`.
    pub fn info(&self, key: &str) -> Option<&str> {
        self.details
            .error_info()
            .and_then(|info| info.metadata.get(key))
            .map(String::as_str)
    }

    /// Returns what is said of a SKU that is short.
    pub fn short(&self, sku: &str) -> &str {
        let failed = &self.details.precondition_failure().unwrap().violations;
        let subject = format!("sku/{sku}");
        let found = failed.iter().find(|violation| violation.subject == subject);
        let violation = found.unwrap_or_else(|| panic!("{sku} is not short: {failed:?}"));
        assert_eq!(violation.r#type, "STOCK");
        &violation.description
    }

    /// The fields that are wrong.
    pub fn fields(&self) -> Vec<&str> {
        let bad = self.details.bad_request();
        bad.map(|bad| {
            bad.field_violations
                .iter()
                .map(|v| v.field.as_str())
                .collect()
        })
        .unwrap_or_default()
    }

    pub fn may_be_retried(&self) -> bool {
        self.details.retry_info().is_some()
    }
}
