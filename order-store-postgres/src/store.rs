//! [`PostgresStore`]: the storage contract on a schema of a PostgreSQL database.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use order_core::ids::{OrderId, UserId};
use order_core::order::JournalRow;
use order_core::runtime::Clock;
use order_core::store::{
    Changeset, CommitError, Committed, FeedPage, FeedQuery, FeedRow, JournalQuery, LeasePage,
    LeaseRequest, ListQuery, Loaded, Lookup, OrderPage, OrderStore, Peek, StoreError,
    StoreErrorKind, WorkSummary,
};
use order_core::time::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::commit::{Meant, Prepared};
use crate::errors::{During, store_error};
use crate::options::{PostgresOptions, Target};
use crate::places::{Places, ReadError, connect, read};
use crate::replica::{Replica, ReplicaStats, are_erased, ask};
use crate::schema::{Identity, SCHEMA, at, identify};
use crate::writer::{WriterStats, Writers, Writing};
use crate::{feed, list, load, work};

/// An [`OrderStore`] on a schema of a PostgreSQL database, which any number of nodes may use at a
/// time.
///
/// A commit is durable when it is answered. Concurrent commits share a round trip and a durable
/// transaction; each still applies or fails by itself. Due and lease times are judged by the
/// database's clock.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use order_store_postgres::{PostgresOptions, PostgresStore, migrate};
///
/// let url = "postgres://orders:secret@localhost/shop?schema=orders";
/// migrate(url, &PostgresOptions::default()).await?;
/// let store = PostgresStore::open(url, PostgresOptions::default()).await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
///
/// It belongs to the tokio runtime on which it was opened. When it is dropped, what was queued is
/// still written as long as that runtime runs.
pub struct PostgresStore {
    identity: Identity,
    clock: Option<Arc<dyn Clock>>,
    writers: Writers,
    short: Places,
    long: Places,
    work: Places,
    replica: Option<Replica>,
}

/// Settings of sessions that find everything by keys, and plan each statement once.
const BY_KEYS: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];
/// Those where nodes have buckets apart: each statement is planned for the bucket it is of.
const BY_KEYS_OF_ONE: [(&str, &str); 5] = IN_ORDER;
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
    /// `postgres://user:password@host:port/database?schema=orders&connections=14`; without a name,
    /// to that in `orders`, and without a number of connections with as many as `options` say. It
    /// must have been made by [`migrate`](crate::migrate).
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Misconfigured`] if the URL cannot be read, the schema is not there or not
    /// up to date, was migrated for newer programs, or stands on a server that does not wait for
    /// its disk; while the store is open, the same is said of writes if a newer program migrates
    /// the schema, or somebody replaces it. [`StoreErrorKind::Unavailable`] if the database cannot
    /// be reached.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let target = Target::parse(url)?;
        let mut db = connect(&target.session(&options, &[]), options.connect_timeout)
            .await
            .map_err(|error| at(&target, error))?;
        if !options.allow_volatile {
            must_be_durable(&mut db)
                .await
                .map_err(|error| at(&target, error))?;
        }
        let identity = identify(&mut db)
            .await
            .map_err(|error| at(&target, error))?;
        let options = target.share_out(options, identity.buckets.are_apart());
        let PostgresOptions {
            writers,
            write_queue,
            readers,
            long_readers,
            workers,
            wait_queue,
            connect_timeout,
            ..
        } = options;
        let by_keys = if identity.buckets.are_apart() {
            &BY_KEYS_OF_ONE
        } else {
            &BY_KEYS
        };
        let places = |settings: &[(&str, &str)], places| {
            Places::new(
                target.session(&options, settings),
                places,
                wait_queue,
                connect_timeout,
            )
        };
        let writing = Writing {
            connect: target.session(&options, &[]),
            connect_timeout,
            store: identity.id,
            schema: SCHEMA,
            clock: options.clock.clone(),
            buckets: identity.buckets.clone(),
            on_commit: options.on_commit.clone(),
            // Longer than a lock is waited for, which would not be told from it otherwise.
            hook_timeout: (options.lock_timeout * 2).min(options.statement_timeout),
        };
        let replica = match options.replica.as_deref() {
            None => None,
            Some(url) => {
                let replica = target.replica(url)?;
                let session = replica.session(&options, &IN_ORDER);
                let places = Places::new(session, long_readers, wait_queue, connect_timeout);
                Some(Replica::open(replica, identity.id, places).await?)
            }
        };
        Ok(PostgresStore {
            identity,
            replica,
            writers: Writers::start(writers, write_queue, &writing),
            short: places(by_keys, readers),
            long: places(&IN_ORDER, long_readers),
            work: places(by_keys, workers),
            clock: options.clock,
        })
    }

    /// Returns counts of what was written since the store was opened.
    pub fn stats(&self) -> WriterStats {
        self.writers.stats()
    }

    /// Returns counts of what its replica did, if it has one: whoever runs it should look whether
    /// it falls back for long.
    pub fn replica_stats(&self) -> Option<ReplicaStats> {
        self.replica.as_ref().map(Replica::stats)
    }

    pub(crate) async fn list_on_primary(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        read!(self.long, |db| list::list(db, query))
    }

    pub(crate) async fn feed_on_primary(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        read!(self.long, |db| feed::feed(db, &self.identity, query))
    }

    /// A page of a list of the replica, unless the primary has to be asked.
    async fn list_on(
        &self,
        replica: &Replica,
        query: &ListQuery,
    ) -> Result<Option<OrderPage>, StoreError> {
        let page = ask!(replica, |db| list::list(db, query))?;
        let Some(page) = page else { return Ok(None) };
        let in_full = page
            .orders
            .iter()
            .filter(|order| order.redacted_at.is_none())
            .map(|order| order.id);
        let erased = self.are_erased(in_full.collect()).await?;
        Ok(Some(page).filter(|_| !erased))
    }

    /// A page of the replica's feed, unless the primary has to be asked.
    async fn feed_on(
        &self,
        replica: &Replica,
        query: &FeedQuery,
    ) -> Result<Option<FeedPage>, StoreError> {
        let page = match ask!(replica, |db| feed::feed(db, &self.identity, query)) {
            Ok(None) => return Ok(None),
            Ok(Some(page)) => page,
            // The replica is behind the cursor, unless nobody gave it out, which the primary knows.
            Err(error) if error.kind == StoreErrorKind::InvalidQuery => {
                let Some(next) = query.after.clone() else {
                    return Err(error);
                };
                self.stands(query).await?;
                return Ok(Some(FeedPage {
                    rows: Vec::new(),
                    next,
                }));
            }
            Err(error) => return Err(error),
        };
        // What the primary does not have is not of its history, as when it was set back, or another
        // became the primary.
        match self
            .stands(&FeedQuery {
                after: Some(page.next.clone()),
                limit: query.limit,
            })
            .await
        {
            Ok(()) => {}
            Err(error) if error.kind == StoreErrorKind::InvalidQuery => return Ok(None),
            Err(error) => return Err(error),
        }
        let has_notes = |fed: &&FeedRow| fed.row.as_ref().is_ok_and(|row| row.notes.is_some());
        let with_notes: BTreeSet<OrderId> = page
            .rows
            .iter()
            .filter(has_notes)
            .map(|fed| fed.order)
            .collect();
        // A note that was made when all was erased, or since, costs a page from the primary, which
        // has it too.
        let erased = self.are_erased(with_notes.into_iter().collect()).await?;
        Ok(Some(page).filter(|_| !erased))
    }

    /// Nothing, if the primary has given out the place that a page begins after.
    async fn stands(&self, query: &FeedQuery) -> Result<(), StoreError> {
        read!(self.short, |db| feed::start(db, &self.identity, query)).map(drop)
    }

    async fn are_erased(&self, orders: Vec<OrderId>) -> Result<bool, StoreError> {
        if orders.is_empty() {
            return Ok(false);
        }
        read!(self.short, |db| are_erased(db, &orders))
    }

    /// The statement that loads an order, whose parameters are its bucket and its id: to be timed
    /// and explained.
    #[doc(hidden)]
    pub fn load_statement() -> &'static str {
        &crate::statements::STATEMENTS.load_by_id
    }

    /// The database's plan of a page of a list, line by line, or what it did for it where it is to
    /// be run: to be looked at.
    #[doc(hidden)]
    pub async fn explain_list(
        &self,
        query: &ListQuery,
        run: bool,
    ) -> Result<Vec<String>, StoreError> {
        read!(self.long, |db| list::explain(db, query, run))
    }

    fn now(&self) -> Option<Timestamp> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}

/// A server that answers before its disk has what was committed loses answered orders in a crash.
async fn must_be_durable(db: &mut PgConnection) -> Result<(), StoreError> {
    let select = "SELECT current_setting('fsync'), current_setting('synchronous_commit')";
    let row = sqlx::query(select)
        .fetch_one(db)
        .await
        .map_err(|error| store_error(error, During::Read))?;
    let setting = |at: usize| {
        row.try_get::<String, _>(at)
            .map_err(|error| store_error(error, During::Read))
    };
    for (name, value) in [("fsync", setting(0)?), ("synchronous_commit", setting(1)?)] {
        if value == "off" {
            let message = format!(
                "{name} is off: what the server has answered may be lost in a crash. Turn it on, or allow it"
            );
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

    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        read!(self.short, |db| load::load(db, &order, owner))
    }

    /// From the replica, if there is one, and nothing is decided by it.
    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        if let Some(replica) = self.replica.as_ref().filter(|_| !query.decides) {
            let page = self.list_on(replica, query).await?;
            replica.count(page.is_some());
            if let Some(page) = page {
                return Ok(page);
            }
        }
        self.list_on_primary(query).await
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        read!(self.short, |db| load::journal(db, query))
    }

    /// Leases are taken first and orders are read afterwards, so that they are as their last holder
    /// left them.
    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        let meant = Meant {
            store: self.identity.id,
            schema: SCHEMA,
            buckets: &self.identity.buckets,
            now: self.now(),
        };
        let taken = read!(self.work, |db| work::take(db, meant, request))?;
        read!(self.work, |db| work::leased(db, request, &taken))
    }

    /// From the replica, if there is one.
    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        if let Some(replica) = &self.replica {
            let page = self.feed_on(replica, query).await?;
            replica.count(page.is_some());
            if let Some(page) = page {
                return Ok(page);
            }
        }
        self.feed_on_primary(query).await
    }

    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        read!(self.work, |db| load::peek(db, order))
    }

    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        read!(self.long, |db| work::summary(db, self.now()))
    }
}
