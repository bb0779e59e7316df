//! The threads that own the connections, so that no SQL runs on the callers' reactor.
//!
//! Writes are committed in groups: all jobs that are waiting when a transaction starts share it, each in a savepoint of
//! its own, and are answered after the commit. A group never waits to fill.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::{Failure, ShopError};

/// Bounds how long the first job of a group waits for the last.
const GROUP_MAX: usize = 256;

/// A connection and the thread that owns it. Dropping it finishes the jobs that were handed in and closes the connection.
pub(super) struct SqlThread {
    jobs: Option<Sender<Box<dyn Job>>>,
    handle: Option<JoinHandle<()>>,
    path: Arc<str>,
}

/// How a thread's transactions begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access {
    /// Takes the write lock at once, so that a transaction never fails half way because of another writer.
    Write,
    /// Reads one snapshot.
    Read,
}

impl SqlThread {
    pub(super) fn start(connection: Connection, access: Access, path: Arc<str>) -> std::io::Result<Self> {
        let (jobs, waiting) = channel();
        let name = match access {
            Access::Write => "shop-writer",
            Access::Read => "shop-reader",
        };
        let worker = Worker { connection, access, path: path.clone() };
        let handle = std::thread::Builder::new().name(name.into()).spawn(move || worker.run(waiting))?;
        Ok(SqlThread { jobs: Some(jobs), handle: Some(handle), path })
    }

    /// Runs `work` in a transaction and answers what it returned once that is durable. An error undoes this work alone.
    ///
    /// `work` can run twice: when its group failed as a whole, it is tried again by itself. It is carried out whether or
    /// not anybody waits for the answer.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, ShopError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Task { work, outcome: None, reply });
        let stopped = || {
            let source = rusqlite::Error::ToSqlConversionFailure("the shop's thread has stopped".into());
            ShopError::unavailable(&self.path, Arc::new(source), true)
        };
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(stopped)?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for SqlThread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(handle) = self.handle.take() {
            // A thread that panicked has nothing left to finish.
            let _ = handle.join();
        }
    }
}

/// Work whose result type is hidden, so that one queue holds all kinds.
trait Job: Send {
    /// Does the work; whether its changes are to be kept.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Answers the caller after the group was committed or given up.
    fn finish(self: Box<Self>, path: &Arc<str>, group: Result<(), GroupFailure>);
}

struct Task<T, F> {
    work: F,
    outcome: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T, ShopError>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnMut(&Connection) -> Result<T, Failure> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let outcome = (self.work)(connection);
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn finish(self: Box<Self>, path: &Arc<str>, group: Result<(), GroupFailure>) {
        let answer = match (group, self.outcome) {
            (Err(failure), _) => Err(ShopError::unavailable(path, failure.source, failure.maybe_done)),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), Some(Err(Failure::Shop(error)))) => Err(error),
            (Ok(()), Some(Err(Failure::Sql(source)))) => Err(ShopError::unavailable(path, Arc::new(source), false)),
            (Ok(()), None) => Err(ShopError::unavailable(path, Arc::new(rusqlite::Error::InvalidQuery), false)),
        };
        // A caller that hung up wants no answer.
        let _ = self.reply.send(answer);
    }
}

/// Why a whole group failed.
#[derive(Debug, Clone)]
struct GroupFailure {
    source: Arc<rusqlite::Error>,
    maybe_done: bool,
}

struct Worker {
    connection: Connection,
    access: Access,
    path: Arc<str>,
}

impl Worker {
    fn run(self, waiting: Receiver<Box<dyn Job>>) {
        while let Ok(first) = waiting.recv() {
            let mut group = vec![first];
            while group.len() < GROUP_MAX
                && let Ok(next) = waiting.try_recv()
            {
                group.push(next);
            }
            match self.attempt(&mut group) {
                // One job's trouble (a row too large for the disk's last pages) is not the others'.
                Err(failure) if group.len() > 1 && !failure.maybe_done => {
                    for job in group {
                        let mut alone = [job];
                        let outcome = self.attempt(&mut alone);
                        let [job] = alone;
                        job.finish(&self.path, outcome);
                    }
                }
                outcome => group.into_iter().for_each(|job| job.finish(&self.path, outcome.clone())),
            }
        }
    }

    fn attempt(&self, group: &mut [Box<dyn Job>]) -> Result<(), GroupFailure> {
        let db = &self.connection;
        let failed = |source: rusqlite::Error, maybe_done| {
            if !db.is_autocommit() {
                // If even this fails the connection is beyond help, and the next transaction will say so.
                let _ = db.execute_batch("ROLLBACK");
            }
            GroupFailure { source: Arc::new(source), maybe_done }
        };
        let undone = |source| failed(source, false);
        match self.access {
            Access::Read => {
                db.prepare_cached("BEGIN").and_then(|mut s| s.execute([])).map_err(undone)?;
                for job in group {
                    job.run(db);
                }
            }
            Access::Write => {
                db.prepare_cached("BEGIN IMMEDIATE").and_then(|mut s| s.execute([])).map_err(undone)?;
                for job in group {
                    db.prepare_cached("SAVEPOINT job").and_then(|mut s| s.execute([])).map_err(undone)?;
                    if !job.run(db) {
                        // Where SQLite has rolled back everything by itself there is no savepoint left: the group failed.
                        db.execute_batch("ROLLBACK TO job").map_err(undone)?;
                    }
                    db.prepare_cached("RELEASE job").and_then(|mut s| s.execute([])).map_err(undone)?;
                }
            }
        }
        db.prepare_cached("COMMIT").and_then(|mut s| s.execute([])).map(drop).map_err(|source| {
            let maybe_done = source.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure);
            failed(source, maybe_done)
        })
    }
}
