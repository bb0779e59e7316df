//! A whole shop in memory, so that a test of a client needs no more than the client.

use std::sync::Arc;

use super::services::{
    MemoryCatalogue, MemoryInventory, MemoryNotifications, MemoryPayments, Scripted,
};
use crate::ids::{ProductId, Sku, UserId};
use crate::manager::{OrderManager, Principal};
use crate::money::{Currency, Money};
use crate::order::PaymentTerms;
use crate::policy::Policy;
use crate::pricing::{PaymentMethodRule, PriceBook, Pricing, ShippingRule};
use crate::request::{AddressInput, ItemInput, PlaceRequest};
use crate::runtime::virtual_time::SeededIds;
use crate::runtime::{Clock, Runtime};
use crate::services::{
    DynClients, InventoryCapabilities, InventoryService, NotificationService, PaymentService,
    Product, ProductService, User, UserService,
};
use crate::store::MemoryStore;

/// A shop in memory that sells one product to one customer: a manager, its store, and five
/// services, any of which can be replaced by a client under test.
///
/// The product costs 10.00 USD, 100 units of it are in stock, sending it costs 4.90 USD. `CARD` is
/// paid before an order is confirmed, `LATER` when goods leave, `INVOICE` afterwards.
///
/// ```
/// use std::sync::Arc;
///
/// use order_core::manager::PlaceOptions;
/// use order_core::order::Lifecycle;
/// use order_core::runtime::virtual_time::VirtualRuntime;
/// use order_core::testkit::World;
/// use order_core::testkit::services::{Fault, MemoryPayments, Method};
///
/// let runtime = VirtualRuntime::new();
/// let mine = Arc::new(MemoryPayments::approving()); // Your own client.
/// let world = World::on(&runtime).payment(mine.clone()).build();
/// // The inventory does what it is asked once, and its answer is lost.
/// world.inventory.push(Method::Reserve, Fault::UnknownAfter);
///
/// let (customer, request) = (world.customer(), world.request(2, "CARD"));
/// let placing = world.manager.place(&customer, request, PlaceOptions::default());
/// let order = runtime.block_on(placing)?.order;
/// assert_eq!(order.lifecycle, Lifecycle::Confirmed);
/// assert_eq!(mine.with_ledger(<[_]>::len), 1);
/// # Ok::<(), order_core::error::Error>(())
/// ```
///
/// A client that needs tokio's reactor is tested on
/// `PausedTokio` instead.
pub struct World {
    /// The manager.
    pub manager: OrderManager<Arc<MemoryStore>, DynClients>,
    /// The store of the manager.
    pub store: Arc<MemoryStore>,
    /// The products and users.
    pub catalogue: Arc<MemoryCatalogue>,
    /// The inventory, which fails on request; not asked if it was replaced.
    pub inventory: Arc<Scripted<MemoryInventory>>,
    /// The payment provider, which approves everything but fails on request; not asked if it was
    /// replaced.
    pub payment: Arc<Scripted<MemoryPayments>>,
    /// The notification service, which fails on request; not asked if it was replaced.
    pub notification: Arc<Scripted<MemoryNotifications>>,
}

impl World {
    /// The id of the one product.
    pub const PRODUCT: ProductId = ProductId::from_bytes([0x0D; 16]);
    /// The id of the one customer.
    pub const CUSTOMER: UserId = UserId::from_bytes([0x0C; 16]);

    /// Starts building a shop that runs on `runtime`.
    pub fn on<R: Runtime + Clone + 'static>(runtime: &R) -> WorldBuilder {
        let runtime = Arc::new(runtime.clone());
        let clock: Arc<dyn Clock> = runtime.clone();
        let runtime: Arc<dyn Runtime> = runtime;
        let stock = MemoryInventory::new(InventoryCapabilities::IDEAL, None, Arc::clone(&clock));
        stock.restock(&World::sku(), 100);
        let catalogue = Arc::new(MemoryCatalogue::default());
        catalogue.put_product(Product {
            id: World::PRODUCT,
            sku: World::sku(),
            name: "Sample".into(),
            price: Money::new(1000, Currency::USD),
            discount_price: None,
            published: true,
            requires_shipping: true,
            variants: Vec::new(),
        });
        catalogue.put_user(User {
            id: World::CUSTOMER,
            email: "sample@example.com".into(),
            account_status: "active".into(),
        });
        let inventory = Arc::new(Scripted::new(stock, Arc::clone(&runtime)));
        let payment = MemoryPayments::approving();
        let payment = Arc::new(Scripted::new(payment, Arc::clone(&runtime)));
        let notification = MemoryNotifications::default();
        let notification = Arc::new(Scripted::new(notification, Arc::clone(&runtime)));
        WorldBuilder {
            clients: DynClients {
                inventory: inventory.clone(),
                product: catalogue.clone(),
                user: catalogue.clone(),
                payment: payment.clone(),
                notification: notification.clone(),
            },
            store: Arc::new(MemoryStore::new(clock)),
            pricing: Arc::new(price_book()),
            policy: Policy::default(),
            runtime,
            catalogue,
            inventory,
            payment,
            notification,
        }
    }

    /// Returns the SKU that the inventory counts the product by.
    pub fn sku() -> Sku {
        "SAMPLE".parse().expect("a SKU of letters")
    }

    /// Returns the customer, as who gives a command.
    pub fn customer(&self) -> Principal {
        Principal::Customer(World::CUSTOMER)
    }

    /// Returns a request for so many units, paid by `CARD`, `LATER` or `INVOICE`.
    pub fn request(&self, quantity: u32, payment_method: &str) -> PlaceRequest {
        let address = AddressInput {
            first_name: "Sample".into(),
            last_name: "Customer".into(),
            address_line1: "1 Main Street".into(),
            city: "Springfield".into(),
            state: "CA".into(),
            postal_code: "90210".into(),
            country: "US".into(),
            ..AddressInput::default()
        };
        PlaceRequest {
            user_id: World::CUSTOMER.to_string(),
            items: vec![ItemInput {
                product_id: World::PRODUCT.to_string(),
                variant_id: None,
                quantity: quantity.into(),
            }],
            shipping_address: Some(address),
            payment_method: payment_method.into(),
            shipping_method: "STANDARD".into(),
            ..PlaceRequest::default()
        }
    }
}

/// Builds a [`World`] whose services are in memory unless they are replaced.
pub struct WorldBuilder {
    clients: DynClients,
    store: Arc<MemoryStore>,
    pricing: Arc<dyn Pricing>,
    policy: Policy,
    runtime: Arc<dyn Runtime>,
    catalogue: Arc<MemoryCatalogue>,
    inventory: Arc<Scripted<MemoryInventory>>,
    payment: Arc<Scripted<MemoryPayments>>,
    notification: Arc<Scripted<MemoryNotifications>>,
}

impl WorldBuilder {
    /// Replaces the inventory. It must have [`World::sku`] in stock.
    #[must_use]
    pub fn inventory(mut self, client: Arc<dyn InventoryService>) -> Self {
        self.clients.inventory = client;
        self
    }

    /// Replaces the product service. It must know [`World::PRODUCT`].
    #[must_use]
    pub fn product(mut self, client: Arc<dyn ProductService>) -> Self {
        self.clients.product = client;
        self
    }

    /// Replaces the user service. It must know [`World::CUSTOMER`].
    #[must_use]
    pub fn user(mut self, client: Arc<dyn UserService>) -> Self {
        self.clients.user = client;
        self
    }

    /// Replaces the payment provider.
    #[must_use]
    pub fn payment(mut self, client: Arc<dyn PaymentService>) -> Self {
        self.clients.payment = client;
        self
    }

    /// Replaces the notification service.
    #[must_use]
    pub fn notification(mut self, client: Arc<dyn NotificationService>) -> Self {
        self.clients.notification = client;
        self
    }

    /// Replaces the price book.
    #[must_use]
    pub fn pricing(mut self, pricing: Arc<dyn Pricing>) -> Self {
        self.pricing = pricing;
        self
    }

    /// Replaces the default settings.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Opens the shop.
    ///
    /// # Panics
    ///
    /// If the policy contradicts itself.
    pub fn build(self) -> World {
        let manager = OrderManager::builder(Arc::clone(&self.store), self.clients)
            .pricing(self.pricing)
            .runtime(self.runtime)
            .ids(Arc::new(SeededIds::new(1)))
            .policy(self.policy)
            .build()
            .unwrap_or_else(|e| panic!("{e}"));
        World {
            manager,
            store: self.store,
            catalogue: self.catalogue,
            inventory: self.inventory,
            payment: self.payment,
            notification: self.notification,
        }
    }
}

fn price_book() -> PriceBook {
    let name = |name: &str| name.parse().expect("a name of letters");
    let shipping = vec![ShippingRule {
        method: name("STANDARD"),
        price: 490,
        free_from: None,
    }];
    let methods = [
        ("CARD", PaymentTerms::Confirm),
        ("LATER", PaymentTerms::Shipment),
        ("INVOICE", PaymentTerms::Invoice),
    ];
    let methods = methods.map(|(method, due)| PaymentMethodRule {
        method: name(method),
        due,
    });
    let (tax, coupons) = (Vec::new(), Vec::new());
    PriceBook::new(Currency::USD, shipping, tax, coupons, methods.to_vec())
        .expect("a price book without contradictions")
}
