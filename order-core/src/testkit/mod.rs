//! What proves that the engine is right, and what its users test their own parts with: the conformance suite for stores,
//! services with faults and ledgers, a deterministic executor, the simulator.

mod block_on;
mod clock;
pub mod conformance;
pub mod executor;
pub mod orders;
pub mod services;

pub use block_on::block_on;
pub use clock::ManualClock;
