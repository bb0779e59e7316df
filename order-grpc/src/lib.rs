#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod answers;
mod auth;
mod beside;
mod call;
mod connections;
mod convert;
#[cfg(feature = "tls")]
mod dial;
#[cfg(feature = "tls")]
mod files;
pub mod health;
mod layer;
mod limits;
mod log;
mod metadata;
pub mod offer;
mod rate;
mod security;
mod server;
mod service;
pub mod services;
mod shares;
#[cfg(feature = "tls")]
mod sparse;
mod status;
mod tally;
mod tasks;
mod tls;
mod unsent;

pub use auth::{Auth, AuthOptions, ClientName, KeySource, Refresh, Roles};
pub use layer::{CallLayer, CallService};
pub use limits::{Limits, MESSAGE_MAX};
pub use log::{Log, LogFormat};
pub use rate::RateLimit;
pub use security::SecurityError;
pub use server::{Drained, ListenError, ServerOptions, bind, serve};
pub use service::OrderApi;
pub use status::{DOMAIN, status_of};
pub use tasks::TrackedRuntime;
pub use tls::{Tls, TlsOptions};
pub use tracing::Level;

/// Messages, client and server generated from `proto/order.proto`, for programs that call a server
/// and for tests; and, in modules of their own, those of the services that the engine's clients
/// call. Everything else in this crate speaks the types of `order_core`.
#[allow(
    missing_docs,
    clippy::all,
    reason = "generated; the proto documents it"
)]
pub mod proto {
    tonic::include_proto!("order");

    /// The proto and what it imports, as a `google.protobuf.FileDescriptorSet`.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/order.bin"));

    /// Generated from `proto/notification.proto`.
    pub mod notification {
        tonic::include_proto!("notification");
    }

    /// Generated from `proto/payment.proto`.
    pub mod payment {
        tonic::include_proto!("payment");
    }

    /// Generated from `proto/stock.proto`.
    pub mod stock {
        tonic::include_proto!("stock");
    }

    /// Generated from `proto/platform/inventory.proto`.
    pub mod inventory {
        tonic::include_proto!("inventory");
    }

    /// Generated from `proto/platform/product.proto`.
    pub mod product {
        tonic::include_proto!("product");
    }

    /// Generated from `proto/platform/user.proto`.
    pub mod user {
        tonic::include_proto!("user");
    }
}
