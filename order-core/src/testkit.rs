//! Tools for tests of a store, a service client or a pricing of your own, and of the engine itself.
//!
//! | you want | type |
//! |---|---|
//! | to see that a store keeps its contract | [`conformance`] |
//! | the same of a client of the payment service, the inventory, … | [`service_conformance`] |
//! | an engine around one client of your own | [`World`] |
//! | services in memory, with ledgers, that fail on request | [`services`] |
//! | hours in milliseconds | [`VirtualRuntime`](crate::runtime::virtual_time::VirtualRuntime) |
//! | the same for clients that need tokio's reactor | `PausedTokio` |
//! | a clock set by hand | [`ManualClock`] |
//! | orders and changesets to store | [`orders`] |
//! | two stores compared | [`differential`] |

mod clock;
pub mod conformance;
pub mod differential;
pub mod orders;
#[cfg(feature = "tokio-runtime")]
mod paused_tokio;
pub mod service_conformance;
pub mod services;
mod world;

pub use clock::ManualClock;
#[cfg(feature = "tokio-runtime")]
pub use paused_tokio::PausedTokio;
pub use world::{World, WorldBuilder};
