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
            // Its own trouble says more than its group's, and undid it either way.
            (_, Some(Err(Failure::Sql(source)))) => Err(ShopError::unavailable(path, Arc::new(source), false)),
            (Err(failure), _) => Err(ShopError::unavailable(path, failure.source, failure.maybe_done)),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), Some(Err(Failure::Shop(error)))) => Err(error),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(setup: &str) -> SqlThread {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY, filler)").unwrap();
        connection.execute_batch(setup).unwrap();
        SqlThread::start(connection, Access::Write, "test".into()).unwrap()
    }

    fn insert(x: i64, bytes: i64) -> impl FnMut(&Connection) -> Result<usize, Failure> + Send + 'static {
        move |db| Ok(db.execute("INSERT INTO t VALUES (?1, zeroblob(?2))", (x, bytes))?)
    }

    async fn rows(thread: &SqlThread) -> Vec<i64> {
        let read = |db: &Connection| {
            Ok(db.prepare("SELECT x FROM t ORDER BY x")?.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?)
        };
        thread.run(read).await.unwrap()
    }

    /// Runs the jobs in one group: the first keeps the thread busy until all others are handed in.
    async fn together(thread: &SqlThread, jobs: Vec<(i64, i64)>) -> Vec<bool> {
        let (open, gate) = channel::<()>();
        let blocker = thread.run(move |_| {
            // Ends when the sender is dropped.
            let _ = gate.recv();
            Ok(())
        });
        let jobs = async {
            let runs = jobs.into_iter().map(|(x, bytes)| thread.run(insert(x, bytes)));
            let mut runs: Vec<_> = runs.map(Box::pin).collect();
            // Polled once, each has handed in its job.
            for run in &mut runs {
                let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(run.as_mut().poll(cx).is_pending())).await;
                assert!(pending);
            }
            drop(open);
            let mut done = Vec::new();
            for run in runs {
                done.push(run.await.is_ok());
            }
            done
        };
        tokio::join!(blocker, jobs).1
    }

    #[tokio::test]
    async fn a_job_that_fails_is_undone_alone() {
        let thread = thread("INSERT INTO t VALUES (2, NULL)");
        assert_eq!(together(&thread, vec![(1, 1), (2, 1), (3, 1)]).await, [true, false, true]);
        assert_eq!(rows(&thread).await, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_job_the_disk_has_no_room_for_does_not_fail_its_group() {
        let thread = thread("PRAGMA max_page_count = 20");
        assert_eq!(together(&thread, vec![(1, 1), (2, 1_000_000), (3, 1)]).await, [true, false, true]);
        assert_eq!(rows(&thread).await, [1, 3]);
        let full = thread.run(insert(4, 1_000_000)).await.unwrap_err();
        assert!(matches!(&full, ShopError::Unavailable { maybe_done: false, .. }), "{full:?}");
        assert_eq!(full.to_string(), "the shop test cannot be used: the disk is full; free some space and try again");
    }

    #[tokio::test]
    async fn a_change_that_nobody_waits_for_is_made() {
        let thread = thread("");
        {
            let mut run = Box::pin(thread.run(insert(1, 1)));
            let _ = std::future::poll_fn(|cx| std::task::Poll::Ready(run.as_mut().poll(cx))).await;
        }
        assert_eq!(rows(&thread).await, [1]);
    }

    #[tokio::test]
    async fn a_thread_that_died_says_that_the_outcome_is_unknown() {
        let thread = thread("");
        let died = thread.run::<(), _>(|_| panic!("planned by the test")).await.unwrap_err();
        assert!(matches!(died, ShopError::Unavailable { maybe_done: true, .. }));
        let after = thread.run(insert(1, 1)).await.unwrap_err();
        assert!(after.is_retryable());
    }
}
