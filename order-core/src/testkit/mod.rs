//! For whoever tests the engine or a store of their own: the conformance suite, sample orders, a clock set by hand.

mod block_on;
mod clock;
pub mod conformance;
pub mod orders;

pub use block_on::block_on;
pub use clock::ManualClock;
