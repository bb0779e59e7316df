//! Clients of the services that orders are made with, over gRPC: for
//! [`order_core::services::Clients`] that are remote.
//!
//! [`ServiceChannel`] is the way to one of them, and [`Failure`] says of a call without a good
//! answer whether it happened. Every client is those two and a translation.

mod cache;
mod channel;
mod context;
mod described;
pub(crate) mod fields;
mod notification;
mod outcome;
pub(crate) mod payment;
mod platform;
mod probe;
mod product;
mod progress;
pub(crate) mod stock;
mod user;

pub use cache::{CacheSettings, CacheStats};
pub use channel::{ANSWER_MAX, Endpoint, EndpointError, ServiceChannel, Tls, Wire};
pub(crate) use context::{Serving, carrying};
pub use described::Description;
pub use notification::NotificationClient;
pub(crate) use outcome::{AVAILABLE, LOST, RESERVATION, plain};
pub use outcome::{Failure, NOT_DONE, SERVICES_DOMAIN};
pub use payment::PaymentClient;
pub use platform::PlatformInventory;
pub use probe::{Contract, probe};
pub use product::PlatformProducts;
pub use stock::StockClient;
pub use user::PlatformUsers;
