//! Scripted fixtures.
pub mod clock;
pub mod duration;
