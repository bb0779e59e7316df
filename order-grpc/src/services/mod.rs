//! Clients of the services that orders are made with, over gRPC: for [`order_core::services::Clients`] that are remote.
//!
//! [`ServiceChannel`] is the way to one of them, and [`Failure`] says of a call without a good answer whether it happened. Every
//! client is those two and a translation.

mod channel;
mod context;
mod outcome;
mod progress;

pub use channel::{ANSWER_MAX, Endpoint, EndpointError, ServiceChannel, Tls, Wire};
pub(crate) use context::{Serving, carrying};
pub use outcome::{Failure, NOT_DONE, SERVICES_DOMAIN};
