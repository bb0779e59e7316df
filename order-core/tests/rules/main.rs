//! The rules held against what must always be so: random walks over reachable orders, and golden
//! tables of every answer.

mod commuting;
mod endless;
mod exactness;
mod facts;
mod given_out;
mod golden;
mod holding;
mod inputs;
mod invariants;
mod journal;
mod journey;
mod liveness;
mod lives;
mod parcels;
mod possible;
mod samples;
mod shop;
mod shortfalls;
mod steps;
mod table;
mod walk;
mod walks;
