//! Clients of the services that orders are made with, over gRPC: for [`order_core::services::Clients`] that are remote.
//!
//! [`ServiceChannel`] is the way to one of them, and [`Failure`] says of a call without a good answer whether it happened. Every
//! client is those two and a translation.

mod channel;
mod context;
mod described;
pub(crate) mod fields;
mod notification;
mod outcome;
pub(crate) mod payment;
mod progress;
pub(crate) mod stock;

pub use channel::{ANSWER_MAX, Endpoint, EndpointError, ServiceChannel, Tls, Wire};
pub(crate) use context::{Serving, carrying};
pub use described::Description;
pub use notification::NotificationClient;
pub(crate) use outcome::{AVAILABLE, plain};
pub use outcome::{Failure, NOT_DONE, SERVICES_DOMAIN};
pub use payment::PaymentClient;
pub use stock::StockClient;
