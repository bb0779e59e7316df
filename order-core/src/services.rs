//! The five services an order is made with, as traits that adapters implement.
//!
//! An adapter says what its service can do (capabilities), and of every failed call whether it
//! happened ([`CallError`]). [`crate::rules::next`] plans with both. Adapters keep deadlines of
//! their own or rely on the manager's: a call that is not answered within
//! [`crate::policy::Policy::call_deadline`] counts as [`CallError::Unknown`], and its future is
//! dropped; so does one that panics.
//!
//! [`PaymentService`] and [`InventoryService`] have contracts in numbered clauses. The feature
//! `testkit` has a suite for each, with tests of those numbers, that any adapter can run against a
//! mock or a sandbox: an adapter that promises what its service does not keep charges customers
//! twice, and nothing else can notice in time.

mod deadline;
mod error;
mod forward;
mod inventory;
mod payment;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

pub use deadline::CallDeadline;
pub use error::CallError;
pub use inventory::{
    Availability, ClosingRequest, InventoryCapabilities, InventoryService, ReservationLookup,
    ReserveAnswer, ReserveRequest,
};
pub use payment::{
    AttemptRequest, FollowUpRequest, PaymentAnswer, PaymentCapabilities, PaymentLookup,
    PaymentService,
};

use crate::ids::{OrderId, ProductId, Sku, UserId, VariantId};
use crate::money::Money;
use crate::number::OrderNumber;
use crate::order::NoticeKind;

/// The name of a service: one of the five, or [`Pricing`](crate::pricing::Pricing), which is asked
/// in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named after the services")]
pub enum ServiceName {
    Inventory,
    Product,
    User,
    Payment,
    Notification,
    Pricing,
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            ServiceName::Inventory => "inventory",
            ServiceName::Product => "product",
            ServiceName::User => "user",
            ServiceName::Payment => "payment",
            ServiceName::Notification => "notification",
            ServiceName::Pricing => "pricing",
        })
    }
}

/// A product as the product service describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// The name under which the inventory counts it, when no variant is chosen.
    pub sku: Sku,
    /// Its name.
    pub name: String,
    /// List price of one unit.
    pub price: Money,
    /// Price of one unit while it is reduced; below `price`.
    pub discount_price: Option<Money>,
    /// True if it may be ordered.
    pub published: bool,
    /// True if it must be sent.
    pub requires_shipping: bool,
    /// Its variants. With more than one, one must be chosen.
    pub variants: Vec<ProductVariant>,
}

/// A variant of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductVariant {
    /// Its id.
    pub id: VariantId,
    /// The name under which the inventory counts it.
    pub sku: Sku,
    /// Its name, shown after the product's.
    pub name: String,
    /// List price of one unit.
    pub price: Money,
    /// Price of one unit while it is reduced; below `price`.
    pub discount_price: Option<Money>,
}

/// The product service: what can be ordered, and at which price.
///
/// # Contract
///
/// 1. *A product* comes with the id that was asked for, a price above zero and, while it is
///    reduced, a discount price that is not negative and below the price; its variants likewise.
///    Amounts are minor units of their currency.
/// 2. *Nothing found* is `Ok(None)`, and only that: a service that is down, or that refuses the
///    caller, is an `Err`. Reading has no effect, so [`CallError::NotDone`] and
///    [`CallError::Unknown`] mean the same here.
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
///
/// use order_core::ids::ProductId;
/// use order_core::services::{CallError, Product, ProductService};
///
/// /// Products that are read once, when the program starts.
/// struct Assortment(BTreeMap<ProductId, Product>);
///
/// #[order_core::async_trait]
/// impl ProductService for Assortment {
///     async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError> {
///         Ok(self.0.get(&id).cloned())
///     }
/// }
/// ```
#[async_trait]
pub trait ProductService: Send + Sync {
    /// The product with `id`; `None` if there is none.
    async fn get(&self, id: ProductId) -> Result<Option<Product>, CallError>;
}

/// A customer as the user service describes them.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// The e-mail address at which they are told about their orders. Personal.
    pub email: String,
    /// The account's status; which ones may order is a matter of
    /// [`crate::policy::Policy::user_statuses`].
    pub account_status: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("account_status", &self.account_status)
            .finish_non_exhaustive()
    }
}

/// The user service: who may order.
///
/// # Contract
///
/// 1. *A user* comes with the id that was asked for and the account's status as the service has it,
///    unabridged: which ones may order is the policy's business.
/// 2. *Nothing found* is `Ok(None)`, and only that: a service that is down, or that refuses the
///    caller, is an `Err`.
///
/// # Examples
///
/// ```
/// use order_core::ids::UserId;
/// use order_core::services::{CallError, User, UserService};
///
/// /// For a shop that lets everybody order who has logged in.
/// struct Everybody;
///
/// #[order_core::async_trait]
/// impl UserService for Everybody {
///     async fn get(&self, id: UserId) -> Result<Option<User>, CallError> {
///         Ok(Some(User { id, email: String::new(), account_status: "active".into() }))
///     }
/// }
/// ```
#[async_trait]
pub trait UserService: Send + Sync {
    /// The user with `id`; `None` if there is none.
    async fn get(&self, id: UserId) -> Result<Option<User>, CallError>;
}

/// Something a customer is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The same for every repeat: derived from the order and the journal row.
    pub event_id: Uuid,
    /// The order.
    pub order: OrderId,
    /// Its number.
    pub number: OrderNumber,
    /// The customer who is told.
    pub user: UserId,
    /// The journal row it tells of.
    pub seq: u64,
    /// The kind of news.
    pub kind: NoticeKind,
}

/// The notification service: tells customers, at least once per event, deduplicated by event id.
///
/// # Contract
///
/// 1. *Told once*: the same event is asked for again after a lost answer, and is `Ok` again. A
///    service that can, tells the customer only the first time, by the event id.
/// 2. *`Ok` is a promise*: the notice will be told without being asked for again. Whatever else
///    happens is an `Err`, after which it is asked for again until it is `Ok`; later notices of the
///    same order wait.
///
/// # Examples
///
/// ```
/// use order_core::services::{CallError, Notification, NotificationService};
///
/// /// Tells nobody, but the program's own log.
/// struct Log;
///
/// #[order_core::async_trait]
/// impl NotificationService for Log {
///     fn enabled(&self) -> bool {
///         true
///     }
///     async fn notify(&self, notice: &Notification) -> Result<(), CallError> {
///         println!("{}: {:?}", notice.number, notice.kind);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait NotificationService: Send + Sync {
    /// Returns whether there is anyone to tell; if not, notices are marked as told without a call.
    fn enabled(&self) -> bool;
    /// Tells it.
    async fn notify(&self, notification: &Notification) -> Result<(), CallError>;
}

/// The clients of the five services, bundled so that a manager has one type parameter for all of
/// them.
pub trait Clients: Send + Sync + 'static {
    /// The inventory's client.
    type Inventory: InventoryService + ?Sized;
    /// The product service's client.
    type Product: ProductService + ?Sized;
    /// The user service's client.
    type User: UserService + ?Sized;
    /// The payment service's client.
    type Payment: PaymentService + ?Sized;
    /// The notification service's client.
    type Notification: NotificationService + ?Sized;

    /// The inventory.
    fn inventory(&self) -> &Self::Inventory;
    /// The product service.
    fn product(&self) -> &Self::Product;
    /// The user service.
    fn user(&self) -> &Self::User;
    /// The payment service.
    fn payment(&self) -> &Self::Payment;
    /// The notification service.
    fn notification(&self) -> &Self::Notification;
}

/// Implements [`Clients`](crate::services::Clients) for a type that implements all five service
/// traits itself.
#[macro_export]
macro_rules! clients_in_one {
    ($type:ty) => {
        impl $crate::services::Clients for $type {
            type Inventory = Self;
            type Product = Self;
            type User = Self;
            type Payment = Self;
            type Notification = Self;

            fn inventory(&self) -> &Self {
                self
            }
            fn product(&self) -> &Self {
                self
            }
            fn user(&self) -> &Self {
                self
            }
            fn payment(&self) -> &Self {
                self
            }
            fn notification(&self) -> &Self {
                self
            }
        }
    };
}

/// Clients chosen at run time, each for itself: the ones that [`OrderManager`] has unless it names
/// others.
///
/// [`OrderManager`]: crate::manager::OrderManager
#[derive(Clone)]
#[allow(missing_docs, reason = "named after the services")]
pub struct DynClients {
    pub inventory: Arc<dyn InventoryService>,
    pub product: Arc<dyn ProductService>,
    pub user: Arc<dyn UserService>,
    pub payment: Arc<dyn PaymentService>,
    pub notification: Arc<dyn NotificationService>,
}

impl DynClients {
    /// Returns clients of which one client stands for all five services, such as the embedded shop.
    /// Its services can then be replaced one by one:
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use order_core::services::*;
    /// # fn example<T, P>(shop: Arc<T>, acme: P) -> DynClients
    /// # where
    /// #     T: InventoryService + ProductService + UserService + PaymentService + NotificationService + 'static,
    /// #     P: PaymentService + 'static,
    /// # {
    /// DynClients::all(shop).with_payment(acme)
    /// # }
    /// ```
    ///
    /// An `Arc` goes in as well as a client itself, and `DynClients { payment, ..all }` does the
    /// same.
    pub fn all<T>(one: Arc<T>) -> Self
    where
        T: InventoryService
            + ProductService
            + UserService
            + PaymentService
            + NotificationService
            + 'static,
    {
        DynClients {
            inventory: one.clone(),
            product: one.clone(),
            user: one.clone(),
            payment: one.clone(),
            notification: one,
        }
    }

    /// Returns the clients with another inventory.
    #[must_use]
    pub fn with_inventory(self, client: impl InventoryService + 'static) -> Self {
        let inventory = Arc::new(client);
        DynClients { inventory, ..self }
    }

    /// Returns the clients with another product service.
    #[must_use]
    pub fn with_product(self, client: impl ProductService + 'static) -> Self {
        let product = Arc::new(client);
        DynClients { product, ..self }
    }

    /// Returns the clients with another user service.
    #[must_use]
    pub fn with_user(self, client: impl UserService + 'static) -> Self {
        let user = Arc::new(client);
        DynClients { user, ..self }
    }

    /// Returns the clients with another payment service.
    #[must_use]
    pub fn with_payment(self, client: impl PaymentService + 'static) -> Self {
        let payment = Arc::new(client);
        DynClients { payment, ..self }
    }

    /// Returns the clients with another notification service.
    #[must_use]
    pub fn with_notification(self, client: impl NotificationService + 'static) -> Self {
        let notification = Arc::new(client);
        DynClients {
            notification,
            ..self
        }
    }
}

impl Clients for DynClients {
    type Inventory = dyn InventoryService;
    type Product = dyn ProductService;
    type User = dyn UserService;
    type Payment = dyn PaymentService;
    type Notification = dyn NotificationService;

    fn inventory(&self) -> &Self::Inventory {
        &*self.inventory
    }
    fn product(&self) -> &Self::Product {
        &*self.product
    }
    fn user(&self) -> &Self::User {
        &*self.user
    }
    fn payment(&self) -> &Self::Payment {
        &*self.payment
    }
    fn notification(&self) -> &Self::Notification {
        &*self.notification
    }
}
