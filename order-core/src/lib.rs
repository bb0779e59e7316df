#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod allocation;
pub mod archive;
pub mod audit;
pub mod error;
mod hash;
pub mod ids;
#[cfg(feature = "json")]
pub mod json;
pub mod manager;
pub mod money;
pub mod number;
pub mod order;
pub mod policy;
pub mod pricing;
pub mod request;
pub mod rules;
pub mod runtime;
pub mod services;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod text;
pub mod time;

pub use async_trait::async_trait;
pub use rust_decimal;
pub use uuid;

pub use crate::error::{Error, ErrorKind, Rejection, RejectionReason};
pub use crate::manager::{
    CommandOptions, OrderManager, PlaceOptions, Placement, Principal, Quote, Watch, WorkerOptions,
};
pub use crate::money::{Currency, Money};
pub use crate::order::{Order, Status};
pub use crate::policy::Policy;
pub use crate::pricing::{PriceBook, Pricing};
pub use crate::request::{EditRequest, PlaceRequest};
pub use crate::rules::Command;
pub use crate::services::{
    CallError, Clients, DynClients, InventoryService, NotificationService, PaymentService,
    ProductService, UserService,
};
pub use crate::store::{OrderRef, OrderStore};
