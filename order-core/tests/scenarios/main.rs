//! What happens to an order, told from outside: place something, let services misbehave, look at the order and at the
//! services' own books. Time is virtual.

mod placing;
mod undoing;
mod unknowns;
mod watching;
mod world;
