//! Scripted fixtures.
pub mod clock;
pub mod duration;
pub mod expect;
pub mod faults;
pub mod model;
pub mod parse;
mod settings;
mod steps;
