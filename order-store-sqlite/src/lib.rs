//! SQLite for `order-core`: `SqliteStore` keeps orders in one file, `Shop` is an embedded catalogue, stock and payment desk.
#![warn(missing_docs)]

pub mod shop;
mod store;

pub use store::{SqliteOptions, SqliteStore};
