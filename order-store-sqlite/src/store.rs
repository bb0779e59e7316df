//! [`SqliteStore`]: the storage contract on one SQLite file.
//!
//! One thread writes, in groups; reads have connections of their own and never wait for it. What
//! stands in the file is described in the files of `migrations`.

mod apply;
mod backup;
mod bind;
mod errors;
mod hook;
mod list;
mod log;
mod open;
mod read;
mod readers;
mod schema;
mod sql;
mod statements;
mod whole;
mod work;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use order_core::ids::{OrderId, UserId};
use order_core::order::JournalRow;
use order_core::runtime::Clock;
use order_core::store::records::with_causes;
use order_core::store::{
    Changeset, CommitError, Committed, FeedPage, FeedQuery, JournalQuery, LeasePage, LeaseRequest,
    Leased, ListQuery, Loaded, Lookup, OrderPage, OrderStore, Peek, StoreError, StoreErrorKind,
    Unreadable, WorkSummary,
};
use rusqlite::Connection;
use tokio::sync::oneshot;
use uuid::Uuid;

use apply::Prepared;
use errors::{error_of, store_error};
use log::LogKeeper;
use open::StoreFile;
use readers::{Bounds, Readers};
use writer::{Job, Write, Writer};

pub use hook::OnCommit;
pub use open::Access;
#[cfg(test)]
pub(crate) use open::Folder;
pub use writer::WriterStats;

/// The options with which a [`SqliteStore`] is opened.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use order_core::runtime::SystemClock;
/// use order_store_sqlite::SqliteOptions;
///
/// let options = SqliteOptions {
///     readers: 8,
///     read_limit: Duration::from_secs(5),
///     ..SqliteOptions::new(Arc::new(SystemClock))
/// };
/// # assert_eq!(options.readers, 8);
/// ```
#[derive(Clone)]
pub struct SqliteOptions {
    /// The changes that opening may make to the file: that it is made, brought up to date, or only
    /// read. [`Access::Create`].
    pub access: Access,
    /// Judges due and lease times.
    pub clock: Arc<dyn Clock>,
    /// The number of reads of one order that run at a time, at least 1; each has a connection,
    /// opened when first needed. 4.
    pub readers: usize,
    /// True if these run on threads of their own rather than on the thread that asks. That costs
    /// more than the read itself as long as the system keeps the file in memory; set it where the
    /// file is larger, so that no thread of the async runtime waits for a disk. False.
    pub reads_apart: bool,
    /// The number of lists, sums and pages of the feed or of a dump that are read at a time, at
    /// least 1: beside those of `readers`, which never wait for them. Half the processors, 4 at the
    /// most, so that the other half is there for short reads.
    pub long_readers: usize,
    /// The number of these that wait for their turn; one more is refused with
    /// [`StoreErrorKind::Unavailable`]. 64.
    pub long_queue: usize,
    /// The longest that a read may take before it is ended with [`StoreErrorKind::Unavailable`]; a
    /// backup may take its time. 30 s.
    pub read_limit: Duration,
    /// The number of changesets and leases that wait to be written; one more is refused with
    /// [`StoreErrorKind::Unavailable`] before anything of it is done. 4,096.
    pub write_queue: usize,
    /// The bytes that the write-ahead log (`<path>-wal`) is let grow to while reads overlap without
    /// a pause; then those that have not begun wait until it is cut back. At twice as much, writing
    /// waits too, and long reads that take longer than a second are ended with
    /// [`StoreErrorKind::Unavailable`]. What can make it longer still: a transaction, a backup
    /// while it runs, and reads of other processes. 32 MiB.
    pub log_limit: u64,
    /// The time that another process's write is waited for. 5 s.
    pub busy_timeout: Duration,
    /// The hook that writes beside orders, in the same transactions. None.
    pub on_commit: Option<OnCommit>,
}

impl SqliteOptions {
    /// The defaults, with `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        SqliteOptions {
            access: Access::Create,
            clock,
            readers: 4,
            reads_apart: false,
            long_readers: std::thread::available_parallelism()
                .map_or(1, |n| (n.get() / 2).clamp(1, 4)),
            long_queue: 64,
            read_limit: Duration::from_secs(30),
            write_queue: 4_096,
            log_limit: 32 << 20,
            busy_timeout: Duration::from_secs(5),
            on_commit: None,
        }
    }
}

/// An [`OrderStore`] on one SQLite file.
///
/// A commit is durable when it is answered, also after power loss. Concurrent commits share a
/// durable transaction; each still applies or fails by itself. Several processes may use one file:
/// one writes at a time.
///
/// Dropping the store waits until what was queued is written.
///
/// ```
/// use std::sync::Arc;
///
/// use order_core::runtime::SystemClock;
/// use order_store_sqlite::{Access, SqliteOptions, SqliteStore};
///
/// let options = || SqliteOptions::new(Arc::new(SystemClock));
/// let file = std::env::temp_dir().join(format!("example-{}.db", std::process::id()));
/// let store = SqliteStore::open(&file, options())?;
/// assert_eq!(store.stats().writes, 0);
///
/// // Another program that only looks, and can do no harm.
/// let access = Access::ReadOnly;
/// let looking = SqliteStore::open(&file, SqliteOptions { access, ..options() })?;
/// # drop((store, looking));
/// # std::fs::remove_file(&file).unwrap();
/// # Ok::<(), order_core::store::StoreError>(())
/// ```
pub struct SqliteStore {
    /// The id by which cursors of its feed name it.
    id: Uuid,
    clock: Arc<dyn Clock>,
    /// None in memory, where the writer's connection is the only one.
    readers: Option<Arc<Readers>>,
    /// None of a store that is only read.
    writer: Option<Writer>,
    reads_apart: bool,
}

impl SqliteStore {
    /// Opens the file, and makes it or brings it up to date as far as [`SqliteOptions::access`]
    /// allows; `:memory:` lives only as long as the store. Blocks while doing so. What is made is
    /// for its owner alone: orders hold personal data.
    ///
    /// Fails with [`StoreErrorKind::Misconfigured`] if the file is another program's, was migrated
    /// by a newer version, is not there or not up to date where it must be, or cannot be written
    /// durably; with [`StoreErrorKind::Corrupt`] if it is no database. While it is open, the same
    /// is said of every write, and sooner or later of every read, if a newer program migrates the
    /// file or somebody replaces it.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, StoreError> {
        let SqliteOptions {
            access,
            clock,
            readers,
            reads_apart,
            long_readers,
            long_queue,
            read_limit,
            write_queue,
            log_limit,
            busy_timeout,
            on_commit,
        } = options;
        let bounds = Bounds {
            short: readers,
            long: long_readers,
            long_queue,
            limit: read_limit,
        };
        let mut file = StoreFile::new(path.as_ref().to_owned(), busy_timeout, log_limit);
        if access == Access::ReadOnly && !file.is_memory() {
            let id = whole::store_id(&file.open_for_reading()?).map_err(store_error)?;
            return Ok(SqliteStore {
                id,
                clock,
                readers: Some(Arc::new(Readers::new(file, bounds))),
                writer: None,
                reads_apart,
            });
        }
        let db = file.open_writer(access, clock.now())?;
        let id = whole::store_id(&db).map_err(store_error)?;
        let readers = (!file.is_memory()).then(|| Arc::new(Readers::new(file.clone(), bounds)));
        let log = readers
            .as_ref()
            .map(|readers| LogKeeper::new(file.clone(), Arc::clone(readers)));
        let writer = Writer::start(
            db,
            file,
            id,
            Arc::clone(&clock),
            log,
            write_queue,
            on_commit,
        )
        .map_err(|e| {
            StoreError::caused(
                StoreErrorKind::Unavailable,
                "cannot start the thread that writes",
                e,
            )
        })?;
        Ok(SqliteStore {
            id,
            clock,
            readers,
            writer: Some(writer),
            reads_apart,
        })
    }

    /// Returns counts of what was written since the store was opened.
    pub fn stats(&self) -> WriterStats {
        self.writer.as_ref().map(Writer::stats).unwrap_or_default()
    }

    /// Copies the whole store into a new file, as it is at one moment between two commits; reading
    /// and writing go on meanwhile. The copy is on disk when this returns, and is opened like any
    /// other store. It is one in every respect: where the original ends, its feed ends, and cursors
    /// of both fit either as far as they agree.
    ///
    /// What is committed while it runs stays in the write-ahead log until it is done, so that the
    /// log grows by as much. The copy is written to `<path>.partial` and gets its name when it is
    /// whole: whatever stands under that name is a backup, also if the program dies meanwhile. Then
    /// `<path>.partial` remains, and is overwritten by the next backup to the same name.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidQuery`] if there is a file at `path` already, or none can be made
    /// there: it is left alone. [`StoreErrorKind::Full`] if the disk has no room for the copy.
    pub async fn backup(&self, path: impl AsRef<Path>) -> Result<(), StoreError> {
        let path = path.as_ref().to_owned();
        match &self.readers {
            Some(readers) => readers.run_copy(move |db| backup::copy(db, &path)).await,
            None => self.read_on_writer(move |db| backup::copy(db, &path)).await,
        }
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        let read_only = || {
            StoreError::new(
                StoreErrorKind::Misconfigured,
                "the store was opened for reading only",
            )
        };
        self.writer.as_ref().ok_or_else(read_only)
    }

    /// A read that touches one order.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.readers {
            Some(readers) if self.reads_apart => readers.run_apart(read).await,
            Some(readers) => readers.run(read).await,
            None => self.read_on_writer(read).await,
        }
    }

    /// A read that may take long.
    async fn read_long<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.readers {
            Some(readers) => readers.run_long(read).await,
            None => self.read_on_writer(read).await,
        }
    }

    async fn read_on_writer<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, waiting) = oneshot::channel();
        self.writer()?
            .send(Job::Read(Box::new(move |db| drop(answer.send(read(db))))))?;
        waiting.await.map_err(|_| readers::closed())?
    }
}

impl SqliteStore {
    /// Runs `job` on the connection that writes, between two transactions. For tests, which damage
    /// what is stored.
    #[doc(hidden)]
    pub async fn on_writer<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_on_writer(move |db| Ok(job(db))).await
    }
}

/// The answer of a writer that died while at it.
fn lost() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unknown,
        "the thread that writes has ended: whether it wrote is not known",
    )
}

#[async_trait]
impl OrderStore for SqliteStore {
    async fn commit(&self, changeset: Changeset) -> Result<Committed, CommitError> {
        // Kept here until the answer is in, so that freeing it is no work of the writer's.
        let prepared = Arc::new(Prepared::new(changeset)?);
        let (answer, waiting) = oneshot::channel();
        let job = Job::Write(Write::Commit(Arc::clone(&prepared), answer));
        self.writer()
            .and_then(|writer| writer.send(job))
            .map_err(CommitError::Store)?;
        waiting
            .await
            .unwrap_or_else(|_| Err(CommitError::Store(lost())))
    }

    async fn load(
        &self,
        order: Lookup,
        owner: Option<UserId>,
    ) -> Result<Option<Loaded>, StoreError> {
        self.read(move |db| read::load(db, &order, owner).map_err(error_of(&order)))
            .await
    }

    async fn peek(&self, order: OrderId) -> Result<Option<Peek>, StoreError> {
        self.read(move |db| read::peek(db, order).map_err(store_error))
            .await
    }

    async fn list(&self, query: &ListQuery) -> Result<OrderPage, StoreError> {
        let query = query.clone();
        self.read_long(move |db| list::list(db, &query)).await
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalRow>, StoreError> {
        let query = query.clone();
        self.read(move |db| read::journal(db, &query).map_err(error_of(query.order)))
            .await
    }

    /// Leases are taken by the writer, orders are read afterwards: an item that is no longer ours
    /// by then is left out.
    async fn lease(&self, request: &LeaseRequest) -> Result<LeasePage, StoreError> {
        let (answer, waiting) = oneshot::channel();
        self.writer()?
            .send(Job::Write(Write::Lease(request.clone(), answer)))?;
        let now = Some(self.clock.now());
        let (ids, next_in) = waiting.await.unwrap_or_else(|_| Err(lost()))?;
        let fence = request.fence;
        let mut page = LeasePage {
            leased: Vec::with_capacity(ids.len()),
            unreadable: Vec::new(),
            next_in,
            now,
        };
        for id in ids {
            match self.load(id.into(), None).await {
                Ok(loaded) => {
                    let ours = loaded.and_then(|Loaded { order, work, .. }| {
                        Some((order, work.filter(|w| w.fence == Some(fence))?))
                    });
                    page.leased
                        .extend(ours.map(|(order, work)| Leased { order, work }));
                }
                Err(e) if e.kind == StoreErrorKind::Corrupt => {
                    page.unreadable.push(Unreadable {
                        order: id,
                        reason: with_causes(&e),
                    });
                }
                Err(e) => return Err(e),
            }
        }
        Ok(page)
    }

    async fn work_summary(&self) -> Result<WorkSummary, StoreError> {
        let now = self.clock.now();
        self.read_long(move |db| work::summary(db, now).map_err(store_error))
            .await
    }

    async fn feed(&self, query: &FeedQuery) -> Result<FeedPage, StoreError> {
        let (store, query) = (self.id, query.clone());
        self.read_long(move |db| whole::feed(db, store, &query))
            .await
    }
}
