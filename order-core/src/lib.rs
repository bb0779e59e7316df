//! The order engine.
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod allocation;
pub mod archive;
pub mod audit;
pub mod error;
mod hash;
pub mod ids;
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
