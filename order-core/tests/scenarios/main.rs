//! Lives of orders, told from outside: place something, let services misbehave, look at
//! the order and at the services' own books. Time is virtual.

mod allowed;
mod apart;
mod editing;
mod held;
mod keys;
mod leases;
mod misbehaving;
mod paying;
mod placing;
mod repairing;
mod requests;
mod telemetry;
mod undoing;
mod unknowns;
mod waiting;
mod watching;
mod world;
