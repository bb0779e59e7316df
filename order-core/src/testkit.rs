//! For whoever tests the engine, or a store or service of their own: the conformance suites for
//! stores and for service clients, two stores compared, sample orders, a clock set by hand, an
//! executor with virtual time, services with faults, and the simulator.
#![allow(
    clippy::unwrap_used,
    reason = "what a test expects and does not find is to end it"
)]

mod clock;
pub mod conformance;
pub mod differential;
pub mod orders;
#[cfg(feature = "tokio-runtime")]
mod paused_tokio;
pub mod service_conformance;
pub mod services;

pub use clock::ManualClock;
#[cfg(feature = "tokio-runtime")]
pub use paused_tokio::PausedTokio;
