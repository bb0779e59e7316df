//! PostgreSQL storage for `order-core`: [`PostgresStore`] keeps the contract of
//! [`OrderStore`](order_core::store::OrderStore) for any number of nodes on one database.
//!
//! [`migrate`] makes the schema and brings it up to date; a store is then opened by the same URL.
//! What stands in it is described in the files of `migrations`. [`migrate_as`] lays one out over
//! the nodes of Citus.

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
