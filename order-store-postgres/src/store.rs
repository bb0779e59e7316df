//! [`PostgresStore`]: the storage contract on a schema of a PostgreSQL database.

use std::sync::Arc;

use async_trait::async_trait;
use order_core::ids::{OrderId, UserId};
use order_core::order::JournalRow;
use order_core::runtime::Clock;
use order_core::store::{
    Changeset, CommitError, Committed, FeedPage, FeedQuery, JournalQuery, LeasePage, LeaseRequest, ListQuery, Loaded, Lookup,
    OrderPage, OrderStore, Peek, StoreError, StoreErrorKind, WorkSummary,
};
use order_core::time::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use uuid::Uuid;

use crate::commit::{Meant, Prepared};
use crate::errors::{During, store_error};
use crate::options::{PostgresOptions, Target};
use crate::places::{Places, connect, read};
use crate::schema::{SCHEMA, at, identify};
use crate::writer::{WriterStats, Writers, Writing};
use crate::{feed, list, load, work};

/// An [`OrderStore`] on a schema of a PostgreSQL database, which any number of nodes may use at a time.
///
/// A commit is durable when it is answered. Concurrent commits share a round trip and a durable transaction; each still applies or
/// fails by itself. Due and lease times are judged by the database's clock.
///
/// It belongs to the tokio runtime on which it was opened. When it is dropped, what was queued is still written as long as that
/// runtime runs.
pub struct PostgresStore {
    /// What cursors of its feed name it by.
    id: Uuid,
    clock: Option<Arc<dyn Clock>>,
    writers: Writers,
    short: Places,
    long: Places,
    work: Places,
}

/// Settings of sessions that find everything by keys, and plan each statement once.
const BY_KEYS: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];
/// Settings of sessions that read lists: from an index in its order, planned for what is asked.
const IN_ORDER: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_custom_plan"),
];

impl PostgresStore {
    /// Connects to the store in the schema that the URL names:
    /// `postgres://user:password@host:port/database?schema=orders`; without a name, to that in `orders`. It must have been made by
    /// [`migrate`](crate::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Misconfigured`] if the URL cannot be read, the schema is not there or not up to date, was migrated for newer
    /// programs, or stands on a server that does not wait for its disk; while the store is open, the same is said of writes if a newer
    /// program migrates the schema, or somebody replaces it. [`StoreErrorKind::Unavailable`] if the database cannot be reached.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let target = Target::parse(url)?;
        let mut db =
            connect(&target.session(&options, &[]), options.connect_timeout).await.map_err(|error| at(&target, error))?;
        if !options.allow_volatile {
            must_be_durable(&mut db).await.map_err(|error| at(&target, error))?;
        }
        let id = identify(&mut db).await.map_err(|error| at(&target, error))?;
        let PostgresOptions { writers, write_queue, readers, long_readers, workers, wait_queue, connect_timeout, .. } = options;
        let places = |settings: &[(&str, &str)], places| {
            Places::new(target.session(&options, settings), places, wait_queue, connect_timeout)
        };
        let writing = Writing {
            connect: target.session(&options, &[]),
            connect_timeout,
            store: id,
            schema: SCHEMA,
            clock: options.clock.clone(),
            on_commit: options.on_commit.clone(),
            // Longer than a lock is waited for, which would not be told from it otherwise.
            hook_timeout: options.lock_timeout * 2,
        };
        Ok(PostgresStore {
            id,
            writers: Writers::start(writers, write_queue, &writing),
            short: places(&BY_KEYS, readers),
            long: places(&IN_ORDER, long_readers),
            work: places(&BY_KEYS, workers),
            clock: options.clock,
        })
    }

    /// What was written since the store was opened.
    pub fn stats(&self) -> WriterStats {
        self.writers.stats()
    }

    /// The statement that loads an order, whose parameters are its bucket and its id: to be timed and explained.
    #[doc(hidden)]
    pub fn load_statement() -> &'static str {
        &crate::statements::STATEMENTS.load_by_id
    }

    /// The database's plan of a page of a list, line by line, or what it did for it where it is to be run: to be looked at.
    #[doc(hidden)]
    pub async fn explain_list(&self, query: &ListQuery, run: bool) -> Result<Vec<String>, StoreError> {
        read!(self.long, |db| list::explain(db, query, run))
    }

    fn now(&self) -> Option<Timestamp> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}

/// A server that answers before its disk has what was committed loses answered orders in a crash.
async fn must_be_durable(db: &mut PgConnection) -> Result<(), StoreError> {
    let select = "SELECT current_setting('fsync'), current_setting('synchronous_commit')";
    let row = sqlx::query(select).fetch_one(db).await.map_err(|error| store_error(error, During::Read))?;
    let setting = |at: usize| row.try_get::<String, _>(at).map_err(|error| store_error(error, During::Read));
    for (name, value) in [("fsync", setting(0)?), ("synchronous_commit", setting(1)?)] {
        if value == "off" {
            let message = format!("{name} is off: what the server has answered may be lost in a crash. Turn it on, or allow it");
            return Err(StoreError::new(StoreErrorKind::Misconfigured, message));
        }
    }
    Ok(())
}

#[async_trait]
impl OrderStore for PostgresStore {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        // Kept here until the answer is in, so that freeing it is no work of the writer's.
        let prepared = Arc::new(Prepared::new(changeset)?);
        self.writers.commit(Arc::clone(&prepared)).await
    }

    async fn load(&self, order: Lookup, owner: Option<UserId>) -> Result<Option<Loaded>, StoreError> {
        read!(self.short, |db| load::load(db, &order, owner))
    }

    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        read!(self.long, |db| list::list(db, query))
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        read!(self.short, |db| load::journal(db, query))
    }

    /// Leases are taken first and orders are read afterwards, so that they are as their last holder left them.
    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        let meant = Meant { store: self.id, schema: SCHEMA, now: self.now() };
        let taken = read!(self.work, |db| work::take(db, meant, request))?;
        read!(self.work, |db| work::leased(db, request, &taken))
    }

    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        read!(self.long, |db| feed::feed(db, self.id, query))
    }

    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        read!(self.work, |db| load::peek(db, order))
    }

    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        read!(self.long, |db| work::summary(db, self.now()))
    }
}
