//! order-core with bugs that can be switched on, one at a time: see [`planted`]. What they are
//! stands in `bugs.rs`; `build.rs` copies the source of order-core and writes them into the copy.
#![allow(
    warnings,
    clippy::all,
    rustdoc::all,
    reason = "the copy is what order-core is, which is held to all of it"
)]

include!(concat!(env!("OUT_DIR"), "/order-core/lib.rs"));

#[path = "../bugs.rs"]
mod bugs;
pub mod planted;
