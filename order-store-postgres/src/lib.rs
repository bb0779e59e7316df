#![doc = include_str!("../README.md")]
//!
//! ## Where to find what
//!
//! | you want to | take |
//! |---|---|
//! | make a schema, or bring it up to date | [`migrate`]; [`migrate_as`] for Citus or more partitions of the feed |
//! | know whether that is needed | [`pending_migrations`] |
//! | keep orders there | [`PostgresStore::open`] |
//! | say how many connections there are, and how long anything may take | [`PostgresOptions`] |
//! | write rows of your own in the same transactions, or refuse changes | [`OnCommit`] |
//! | see how many commits share a transaction, and how often others collide with them | [`PostgresStore::stats`] |
//! | read lists and the feed from a standby | [`PostgresOptions::replica`], [`PostgresStore::replica_stats`] |
//!
//! What the store does is said by `tracing`, at `debug`: groups of commits, leases, connections,
//! waits. What goes wrong beside somebody's request is said at `info`, `warn` or `error`. Nothing
//! in it is about persons.

mod commit;
mod errors;
mod feed;
mod hook;
mod list;
mod load;
mod options;
mod places;
mod replica;
mod schema;
mod statements;
mod store;
mod tls;
mod wire;
mod work;
mod writer;

pub use hook::{HookError, HookFuture, OnCommit};
pub use options::PostgresOptions;
pub use replica::ReplicaStats;
pub use schema::{Layout, migrate, migrate_as, pending_migrations};
pub use store::PostgresStore;
pub use writer::WriterStats;
