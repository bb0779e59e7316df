//! SQLite for `order-core`: [`SqliteStore`] keeps orders in one file, [`Shop`](shop::Shop) is an
//! embedded catalogue, stock and payment desk.
#![warn(missing_docs)]

mod checkpoint;
mod file;
mod linked;
mod settings;
#[cfg(feature = "shop")]
pub mod shop;
mod store;
mod turn;

pub use store::{Access, OnCommit, SqliteOptions, SqliteStore, WriterStats};

/// The README's example, compiled and run.
#[cfg(all(doctest, feature = "shop"))]
#[doc = include_str!("../../README.md")]
struct Readme;
