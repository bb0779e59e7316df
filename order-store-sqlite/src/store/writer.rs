//! The one thread that writes. Whatever has queued up while it was committing becomes the next
//! transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use order_core::ids::OrderId;
use order_core::runtime::Clock;
use order_core::store::records::{GroupVerdict, Step, error_again, judge, judge_rest};
use order_core::store::{CommitError, Committed, LeaseRequest, StoreError, StoreErrorKind};
use rusqlite::Connection;
use tokio::sync::oneshot;
use tracing::{Level, debug, enabled, error, info, warn};
use uuid::Uuid;

use super::apply::{Prepared, apply};
use super::errors::{commit_error, store_error};
use super::hook::OnCommit;
use super::log::LogKeeper;
use super::open::{Access, StoreFile};
use super::{schema, whole, work};
use crate::turn::Turns;

/// The most changesets in one transaction: bounds how long the first of them waits for the last.
const GROUP_MAX: usize = 256;

const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// Something for the thread to do.
pub(super) enum Job {
    Write(Write),
    /// A read of a store in memory, which has no other connection.
    Read(Box<dyn FnOnce(&Connection) + Send>),
}

/// Something to write, and who waits for it. The waiting side keeps the changeset too, and frees
/// it.
pub(super) enum Write {
    Commit(
        Arc<Prepared>,
        oneshot::Sender<Result<Committed, CommitError>>,
    ),
    Lease(LeaseRequest, oneshot::Sender<Result<Taken, StoreError>>),
}

/// The orders whose items were leased, and the time until there is more.
pub(super) type Taken = (Vec<OrderId>, Option<Duration>);

impl Write {
    /// Returns whether something is erased that the write-ahead log still has.
    fn erases(&self) -> bool {
        matches!(self, Write::Commit(prepared, _) if prepared.changes.redacts())
    }
}

/// The result of one write.
enum Done {
    Commit(Result<Committed, CommitError>),
    Lease(Taken),
}

/// The reason why a group was not committed. Nothing of it happened, unless the kind is
/// [`StoreErrorKind::Unknown`].
struct Failure {
    step: Step,
    error: StoreError,
}

/// Counts of what a [`super::SqliteStore`] has written since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriterStats {
    /// Durable transactions: each is one wait for the disk, however many changesets share it.
    pub transactions: u64,
    /// Changesets and leases that were answered.
    pub writes: u64,
    /// Rows inserted, updated or deleted.
    pub rows: u64,
}

#[derive(Default)]
struct Counters {
    transactions: AtomicU64,
    writes: AtomicU64,
    rows: AtomicU64,
}

/// The thread's owner: dropping it waits until everything queued is written.
pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

impl Writer {
    pub(super) fn start(
        db: Connection,
        file: StoreFile,
        store: Uuid,
        clock: Arc<dyn Clock>,
        log: Option<LogKeeper>,
        queued: usize,
        on_commit: Option<OnCommit>,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(queued.max(1));
        let counters = Arc::new(Counters::default());
        let state = Thread {
            log,
            db: Some(db),
            file,
            store,
            clock,
            on_commit,
            turns: Turns::default(),
            queue,
            counters: Arc::clone(&counters),
        };
        let thread = std::thread::Builder::new()
            .name("order-store-writer".into())
            .spawn(move || state.run())?;
        Ok(Writer {
            jobs: Some(jobs),
            thread: Some(thread),
            counters,
        })
    }

    pub(super) fn stats(&self) -> WriterStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters {
            transactions,
            writes,
            rows,
        } = &*self.counters;
        WriterStats {
            transactions: read(transactions),
            writes: read(writes),
            rows: read(rows),
        }
    }

    /// Queues a job, or refuses it: then nothing of it happens. If the thread is gone the job is
    /// dropped, which whoever waits for it notices.
    pub(super) fn send(&self, job: Job) -> Result<(), StoreError> {
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Err(TrySendError::Full(_))) => {
                debug!("a write was refused: too many wait already");
                Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "too much waits to be written already: try again later",
                ))
            }
            Some(Ok(()) | Err(TrySendError::Disconnected(_))) | None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the thread that writes had panicked before the store was closed");
        }
    }
}

struct Thread {
    /// First, so that connections that read are closed before the one that writes, which then takes
    /// the log along. None in memory.
    log: Option<LogKeeper>,
    /// None after a failed commit, until it could be opened again.
    db: Option<Connection>,
    file: StoreFile,
    /// The id of what is in the file.
    store: Uuid,
    clock: Arc<dyn Clock>,
    on_commit: Option<OnCommit>,
    turns: Turns,
    queue: Receiver<Job>,
    counters: Arc<Counters>,
}

impl Thread {
    fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while let Some(job) = self.next_job() {
            let mut read = None;
            let mut next = Some(job);
            while let Some(job) = next.take() {
                match job {
                    Job::Write(write) => group.push(write),
                    Job::Read(job) => read = Some(job),
                }
                if read.is_none() && group.len() < GROUP_MAX {
                    next = self.queue.try_recv().ok();
                }
            }
            self.write(&mut group);
            self.keep_log();
            if let (Some(read), Some(db)) = (read, &self.db) {
                // Whoever waits for it notices that its answer was dropped.
                if catch_unwind(AssertUnwindSafe(|| read(db))).is_err() {
                    error!("a read panicked");
                }
            }
        }
    }

    /// None when nobody can hand in any more.
    fn next_job(&mut self) -> Option<Job> {
        loop {
            let Some(look) = self.log.as_ref().and_then(LogKeeper::next_look) else {
                return self.queue.recv().ok();
            };
            // The log waits to be cut back, and reads for that, whether or not anything else is
            // committed.
            match self.queue.recv_timeout(look) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Timeout) => self.keep_log(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn keep_log(&mut self) {
        if let (Some(log), Some(db)) = (&mut self.log, &self.db) {
            log.keep(db);
        }
    }

    /// Commits the group as one, or if that fails one by one, and answers everybody.
    fn write(&mut self, group: &mut Vec<Write>) {
        let failure = match self.attempt(group) {
            Ok(done) => {
                return group
                    .drain(..)
                    .zip(done)
                    .for_each(|(write, done)| answer(write, done));
            }
            Err(failure) => failure,
        };
        failed(&failure, group.len());
        self.distrust(&failure.error);
        if judge(group.len(), failure.step, failure.error.kind) == GroupVerdict::RefuseAll {
            return group
                .drain(..)
                .for_each(|write| refuse(write, &failure.error));
        }
        let mut unusable = None;
        for write in group.drain(..) {
            let mut alone = vec![write];
            match &unusable {
                Some(error) => alone.drain(..).for_each(|write| refuse(write, error)),
                None => unusable = self.write_alone(&mut alone),
            }
        }
    }

    /// Answers whoever waits; returns why the others of its group need not be tried, if so.
    fn write_alone(&mut self, alone: &mut Vec<Write>) -> Option<StoreError> {
        match self.attempt(alone) {
            Ok(done) => {
                alone
                    .drain(..)
                    .zip(done)
                    .for_each(|(write, done)| answer(write, done));
                None
            }
            Err(failure) => {
                failed(&failure, 1);
                let Failure { step, error } = failure;
                self.distrust(&error);
                alone.drain(..).for_each(|write| refuse(write, &error));
                judge_rest(step, error.kind).map(|kind| StoreError { kind, ..error })
            }
        }
    }

    /// Gives the connection up where its view of the log may be ahead of the disk's.
    fn distrust(&mut self, error: &StoreError) {
        if error.kind == StoreErrorKind::Unknown && self.db.take().is_some() {
            warn!("the database is closed, and opened again for what is written next");
        }
    }

    /// One transaction with all of `writes`.
    fn attempt(&mut self, writes: &[Write]) -> Result<Vec<Done>, Failure> {
        let failed = |step| move |error| Failure { step, error };
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let clock = Arc::clone(&self.clock);
        let counters = Arc::clone(&self.counters);
        let busy_timeout = self.file.busy_timeout();
        let started = enabled!(Level::DEBUG).then(Instant::now);
        self.connect().map_err(failed(Step::Begin))?;
        let Thread {
            db: Some(db),
            turns,
            log,
            on_commit,
            ..
        } = self
        else {
            return Err(failed(Step::Begin)(StoreError::new(
                StoreErrorKind::Unavailable,
                "the database is not open",
            )));
        };
        let db = &*db;
        let rows_before = db.total_changes();
        turns
            .begin(db, busy_timeout)
            .map_err(store_error)
            .map_err(failed(Step::Begin))?;
        if let Err(error) = schema::must_still_fit(db, schema::Use::Write) {
            rollback(db);
            return Err(Failure {
                step: Step::Begin,
                error,
            });
        }
        let mut done = Vec::with_capacity(writes.len());
        for write in writes {
            let one = catch_unwind(AssertUnwindSafe(|| match write {
                Write::Commit(prepared, _) => match on_commit {
                    Some(hook) => hook.apply(db, prepared, clock.now()).map(Done::Commit),
                    None => apply(db, prepared, clock.now()).map(Done::Commit),
                },
                Write::Lease(request, _) => work::take(db, request, clock.now()).map(Done::Lease),
            }));
            let error = match one {
                Ok(Ok(one)) => {
                    done.push(one);
                    continue;
                }
                Ok(Err(error)) => store_error(error),
                Err(_) => {
                    error!("writing panicked");
                    StoreError::new(
                        StoreErrorKind::Unavailable,
                        "writing panicked: nothing of it was stored",
                    )
                }
            };
            rollback(db);
            return Err(Failure {
                step: Step::Apply,
                error,
            });
        }
        if let Err(error) = run(db, COMMIT) {
            rollback(db);
            return Err(Failure {
                step: Step::Commit,
                error: commit_error(error),
            });
        }
        turns.end();
        if let Some(log) = log.as_mut().filter(|_| writes.iter().any(Write::erases)) {
            log.wipe();
        }
        counters.transactions.fetch_add(1, Ordering::Relaxed);
        counters
            .writes
            .fetch_add(done.len() as u64, Ordering::Relaxed);
        let rows = db.total_changes() - rows_before;
        counters.rows.fetch_add(rows, Ordering::Relaxed);
        if let Some(started) = started {
            debug!(size = done.len(), rows, took = ?started.elapsed(), "group committed");
            writes.iter().zip(&done).for_each(tell);
        }
        Ok(done)
    }

    /// Sees to a connection to the file that was opened in the beginning: after a failure it is
    /// opened again, and must have the same store.
    fn connect(&mut self) -> Result<(), StoreError> {
        self.file.must_be_the_same()?;
        if self.db.is_some() {
            return Ok(());
        }
        let db = self.file.open_writer(Access::Existing, self.clock.now())?;
        if whole::store_id(&db).map_err(store_error)? != self.store {
            let message = "another store stands in the file by now: start anew";
            return Err(StoreError::new(StoreErrorKind::Misconfigured, message));
        }
        self.db = Some(db);
        info!("the database was opened again");
        Ok(())
    }
}

fn run(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

/// SQLite has rolled back by itself after some errors.
fn rollback(db: &Connection) {
    if !db.is_autocommit()
        && let Err(error) = run(db, ROLLBACK)
    {
        error!(%error, "rolling back failed");
    }
}

/// Says that nothing of a group was committed, or perhaps something. The causes of an error may
/// quote what is stored, and are left out.
fn failed(failure: &Failure, size: usize) {
    let Failure { step, error } = failure;
    let StoreError { kind, message, .. } = error;
    match kind {
        StoreErrorKind::Corrupt | StoreErrorKind::Unknown => {
            error!(size, ?step, ?kind, message, "group not committed");
        }
        _ => warn!(size, ?step, ?kind, message, "group not committed"),
    }
}

/// Says which leases were taken, and which turned out to be lost.
fn tell((write, done): (&Write, &Done)) {
    match (write, done) {
        (Write::Lease(..), Done::Lease((taken, next_in))) if !taken.is_empty() => {
            debug!(orders = taken.len(), ?next_in, "leases taken");
        }
        (Write::Commit(prepared, _), Done::Commit(Err(CommitError::Fenced))) => {
            debug!(order = %prepared.changeset.after.id, "lease lost");
        }
        _ => {}
    }
}

fn answer(write: Write, done: Done) {
    match (write, done) {
        (Write::Commit(prepared, waiting), Done::Commit(result)) => {
            // First, so that the waiting side is the one to free it.
            drop(prepared);
            let _ = waiting.send(result);
        }
        (Write::Lease(_, waiting), Done::Lease(taken)) => drop(waiting.send(Ok(taken))),
        (Write::Commit(..), Done::Lease(_)) | (Write::Lease(..), Done::Commit(_)) => {}
    }
}

fn refuse(write: Write, error: &StoreError) {
    match write {
        Write::Commit(_, waiting) => {
            drop(waiting.send(Err(CommitError::Store(error_again(error)))))
        }
        Write::Lease(_, waiting) => drop(waiting.send(Err(error_again(error)))),
    }
}
