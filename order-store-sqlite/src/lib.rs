#![cfg_attr(feature = "shop", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "shop"),
    doc = "Keeps the orders of `order-core` in one SQLite file."
)]
//!
//! ## Where to find what
//!
//! | you want to | take |
//! |---|---|
//! | keep orders in a file | [`SqliteStore::open`] |
//! | say what opening may do, how much is read at a time, and how long anything may take | [`SqliteOptions`] |
//! | look at the orders of a program that runs, and change nothing | [`Access::ReadOnly`] |
//! | write rows of your own in the same transactions, or refuse changes | [`OnCommit`] |
//! | copy a file that is in use | [`SqliteStore::backup`] |
//! | see how many commits share a sync | [`SqliteStore::stats`] |
//! | try the engine without services of your own | `shop::Shop` (feature `shop`) |
//!
//! What the store does is said by `tracing`, at `debug`: groups of commits, leases, the write-ahead
//! log, waits. What goes wrong beside somebody's request is said at `warn` or `error`. Nothing in
//! it is about persons.
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod checkpoint;
mod file;
mod linked;
mod migrations;
mod settings;
#[cfg(feature = "shop")]
pub mod shop;
mod store;
mod turn;

pub use store::{Access, OnCommit, SqliteOptions, SqliteStore, WriterStats};

/// The example of the workspace's README, compiled and run.
#[cfg(all(doctest, feature = "shop"))]
#[doc = include_str!("../doc/workspace.md")]
struct Readme;

/// The recipes of the workspace's chapter on embedding, compiled and run.
#[cfg(all(doctest, feature = "shop"))]
#[doc = include_str!("../doc/embedding.md")]
struct Embedding;
