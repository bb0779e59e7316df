//! The threads that own the connections, so that no SQL runs on the callers' reactor.
//!
//! Writes are committed in groups: all jobs that are waiting when a transaction starts share it,
//! each in a savepoint of its own, and are answered after the commit. A group never waits to fill.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use order_core::runtime::Clock;
use rusqlite::Connection;
use tokio::sync::oneshot;
use tracing::{Level, debug, enabled, error, info, warn};

use super::error::{Failure, ShopError};
use super::schema::{self, ShopFile};
use crate::turn::Turns;

/// Bounds how long the first job of a group waits for the last.
const GROUP_MAX: usize = 256;

/// The most jobs that wait; more are refused.
const QUEUE_MAX: usize = 4_096;

/// A connection and the thread that owns it. Dropping it finishes the jobs that were handed in and
/// closes the connection.
pub(super) struct SqlThread {
    jobs: Option<SyncSender<Box<dyn Job>>>,
    handle: Option<JoinHandle<()>>,
    path: Arc<str>,
}

/// The ways in which a thread's transactions begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access {
    /// Takes the write lock at once, so that a transaction never fails half way because of another
    /// writer.
    Write,
    /// Reads one snapshot.
    Read,
}

impl SqlThread {
    /// `file` is what the connection is opened from again after the disk failed; none in memory.
    pub(super) fn start(
        db: Connection,
        file: Option<ShopFile>,
        access: Access,
        path: Arc<str>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = sync_channel(QUEUE_MAX);
        let name = match access {
            Access::Write => "shop-writer",
            Access::Read => "shop-reader",
        };
        let worker = Worker {
            db: Some(db),
            file,
            access,
            turns: Turns::default(),
            path: path.clone(),
            clock,
        };
        let handle = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || worker.run(waiting))?;
        Ok(SqlThread {
            jobs: Some(jobs),
            handle: Some(handle),
            path,
        })
    }

    /// Runs `work` in a transaction and answers what it returned once that is durable. An error
    /// undoes this work alone.
    ///
    /// `work` can run twice: when its group failed as a whole, it is tried again by itself. It is
    /// carried out whether or not anybody waits for the answer.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, ShopError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Task {
            work,
            outcome: None,
            reply,
        });
        let stopped = || {
            ShopError::failed(
                &self.path,
                "it failed to answer",
                "the shop's thread has stopped",
                true,
            )
        };
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => answer.await.unwrap_or_else(|_| Err(stopped())),
            Some(Err(TrySendError::Full(_))) => {
                debug!("a call of the shop was refused: too many wait already");
                Err(ShopError::failed(
                    &self.path,
                    "try again",
                    "too many calls wait for it already",
                    false,
                ))
            }
            Some(Err(TrySendError::Disconnected(_))) | None => Err(stopped()),
        }
    }
}

impl Drop for SqlThread {
    fn drop(&mut self) {
        self.jobs = None;
        // A thread that panicked has nothing left to finish.
        if let Some(handle) = self.handle.take()
            && handle.join().is_err()
        {
            error!("the shop's thread had panicked before the shop was closed");
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
            (_, Some(Err(Failure::Sql(source)))) => {
                Err(ShopError::unavailable(path, Arc::new(source), false))
            }
            (Err(failure), _) => Err(failure.error),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), Some(Err(Failure::Shop(error)))) => Err(error),
            (Ok(()), None) => Err(ShopError::failed(
                path,
                "it failed to answer",
                "the call panicked, and was undone",
                false,
            )),
        };
        // A caller that hung up wants no answer.
        let _ = self.reply.send(answer);
    }
}

/// The reason why a whole group failed.
#[derive(Debug, Clone)]
struct GroupFailure {
    error: ShopError,
    maybe_done: bool,
}

struct Worker {
    /// None after a failure of the disk, until it could be opened again.
    db: Option<Connection>,
    file: Option<ShopFile>,
    access: Access,
    turns: Turns,
    path: Arc<str>,
    clock: Arc<dyn Clock>,
}

impl Worker {
    fn run(mut self, waiting: Receiver<Box<dyn Job>>) {
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
                outcome => group
                    .into_iter()
                    .for_each(|job| job.finish(&self.path, outcome.clone())),
            }
        }
    }

    fn attempt(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), GroupFailure> {
        let undone = |error| GroupFailure {
            error,
            maybe_done: false,
        };
        let started = enabled!(Level::DEBUG).then(Instant::now);
        self.connect().map_err(undone)?;
        let Worker {
            db: Some(db),
            turns,
            access,
            path,
            ..
        } = self
        else {
            return Err(undone(ShopError::failed(
                &self.path,
                "it failed to answer",
                "the shop's file is not open",
                false,
            )));
        };
        let result = match access {
            Access::Read => read(db, path, group),
            Access::Write => write(db, turns, path, group),
        };
        if !db.is_autocommit() {
            // If even this fails the connection is beyond help, and the next transaction will say
            // so.
            if let Err(error) = db.execute_batch("ROLLBACK") {
                error!(%error, "the shop could not roll back");
            }
        }
        turns.end();
        if result.as_ref().is_err_and(|failure| failure.maybe_done) && self.file.is_some() {
            // The connection's view of the log may be ahead of the disk's.
            warn!("the shop's file is closed, and opened again for the next call");
            self.db = None;
        }
        match (&result, started) {
            (Err(failure), _) => {
                let GroupFailure { error, maybe_done } = failure;
                warn!(size = group.len(), access = ?self.access, maybe_done, %error, "the shop failed");
            }
            (Ok(()), Some(started)) => {
                debug!(size = group.len(), access = ?self.access, took = ?started.elapsed(), "the shop answered");
            }
            (Ok(()), None) => {}
        }
        if let (Access::Write, Some(file), Some(db)) = (self.access, &self.file, &self.db) {
            // What cannot be copied now is tried again after the next group.
            if let Err(error) = file.keep_log(db) {
                debug!(%error, "the shop's write-ahead log could not be copied into the file");
            }
        }
        result
    }

    /// Sees to a connection to the file that was opened in the beginning.
    fn connect(&mut self) -> Result<(), ShopError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.must_be_the_same()?;
        if self.db.is_none() {
            self.db = Some(match self.access {
                Access::Read => file.open_reader()?,
                Access::Write => file.open_writer(false, self.clock.now())?,
            });
            info!(access = ?self.access, "the shop's file was opened again");
        }
        Ok(())
    }
}

fn read(db: &Connection, path: &Arc<str>, group: &mut [Box<dyn Job>]) -> Result<(), GroupFailure> {
    let undone = |source| GroupFailure {
        error: ShopError::unavailable(path, Arc::new(source), false),
        maybe_done: false,
    };
    run(db, "BEGIN").map_err(undone)?;
    for job in group {
        try_job(job, db);
    }
    run(db, "COMMIT").map_err(undone)
}

fn write(
    db: &Connection,
    turns: &mut Turns,
    path: &Arc<str>,
    group: &mut [Box<dyn Job>],
) -> Result<(), GroupFailure> {
    let failed = |source, maybe_done| GroupFailure {
        error: ShopError::unavailable(path, Arc::new(source), maybe_done),
        maybe_done,
    };
    let undone = |source| failed(source, false);
    turns.begin(db, schema::BUSY_TIMEOUT).map_err(undone)?;
    schema::must_still_fit(db, path).map_err(|error| GroupFailure {
        error,
        maybe_done: false,
    })?;
    for job in group {
        run(db, "SAVEPOINT job").map_err(undone)?;
        if !try_job(job, db) {
            // Where SQLite has rolled back everything by itself there is no savepoint left: the
            // group failed.
            run(db, "ROLLBACK TO job").map_err(undone)?;
        }
        run(db, "RELEASE job").map_err(undone)?;
    }
    run(db, "COMMIT").map_err(|source| {
        let maybe_done = source.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure);
        failed(source, maybe_done)
    })
}

/// Runs a job, and returns whether its changes are to be kept. One that panics has no outcome, and
/// is undone like one that fails.
fn try_job(job: &mut Box<dyn Job>, db: &Connection) -> bool {
    catch_unwind(AssertUnwindSafe(|| job.run(db))).unwrap_or_else(|_| {
        error!("a call of the shop panicked");
        false
    })
}

fn run(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests {
    use order_core::runtime::SystemClock;

    use super::*;

    fn thread(setup: &str) -> SqlThread {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (x INTEGER PRIMARY KEY, filler)")
            .unwrap();
        connection
            .pragma_update(None, "user_version", schema::VERSION)
            .unwrap();
        connection.execute_batch(setup).unwrap();
        SqlThread::start(
            connection,
            None,
            Access::Write,
            "test".into(),
            Arc::new(SystemClock),
        )
        .unwrap()
    }

    fn insert(
        x: i64,
        bytes: i64,
    ) -> impl FnMut(&Connection) -> Result<usize, Failure> + Send + 'static {
        move |db| Ok(db.execute("INSERT INTO t VALUES (?1, zeroblob(?2))", (x, bytes))?)
    }

    async fn rows(thread: &SqlThread) -> Vec<i64> {
        let read = |db: &Connection| {
            Ok(db
                .prepare("SELECT x FROM t ORDER BY x")?
                .query_map([], |r| r.get(0))?
                .collect::<Result<_, _>>()?)
        };
        thread.run(read).await.unwrap()
    }

    /// Runs the jobs in one group: the first keeps the thread busy until all others are handed in.
    async fn together(thread: &SqlThread, jobs: Vec<(i64, i64)>) -> Vec<bool> {
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let blocker = thread.run(move |_| {
            // Ends when the sender is dropped.
            let _ = gate.recv();
            Ok(())
        });
        let jobs = async {
            let runs = jobs
                .into_iter()
                .map(|(x, bytes)| thread.run(insert(x, bytes)));
            let mut runs: Vec<_> = runs.map(Box::pin).collect();
            // Polled once, each has handed in its job.
            for run in &mut runs {
                let pending = std::future::poll_fn(|cx| {
                    std::task::Poll::Ready(run.as_mut().poll(cx).is_pending())
                })
                .await;
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
        assert_eq!(
            together(&thread, vec![(1, 1), (2, 1), (3, 1)]).await,
            [true, false, true]
        );
        assert_eq!(rows(&thread).await, [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_job_the_disk_has_no_room_for_does_not_fail_its_group() {
        let thread = thread("PRAGMA max_page_count = 20");
        assert_eq!(
            together(&thread, vec![(1, 1), (2, 1_000_000), (3, 1)]).await,
            [true, false, true]
        );
        assert_eq!(rows(&thread).await, [1, 3]);
        let full = thread.run(insert(4, 1_000_000)).await.unwrap_err();
        assert!(
            matches!(
                &full,
                ShopError::Unavailable {
                    maybe_done: false,
                    ..
                }
            ),
            "{full:?}"
        );
        assert_eq!(
            full.to_string(),
            "the shop test cannot be used: the disk is full; free some space and try again"
        );
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
    async fn a_job_that_panics_is_undone_alone_and_the_next_is_done() {
        let thread = thread("");
        let died = thread.run::<(), _>(|db| {
            db.execute("INSERT INTO t VALUES (7, NULL)", [])?;
            panic!("planned by the test")
        });
        let error = died.await.unwrap_err();
        assert!(
            matches!(
                error,
                ShopError::Unavailable {
                    maybe_done: false,
                    ..
                }
            ),
            "{error:?}"
        );
        thread.run(insert(1, 1)).await.unwrap();
        assert_eq!(rows(&thread).await, [1]);
    }

    #[tokio::test]
    async fn more_than_can_wait_is_refused_before_it_is_taken() {
        let thread = thread("");
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let mut blocker = Box::pin(thread.run(move |_| {
            // Ends when the sender is dropped.
            let _ = gate.recv();
            Ok(())
        }));
        let pending = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(blocker.as_mut().poll(cx).is_pending())
        })
        .await;
        assert!(pending);
        let runs = (0..)
            .map(|x| Box::pin(thread.run(insert(x, 1))))
            .take(QUEUE_MAX + GROUP_MAX + 1);
        let (mut taken, mut refused) = (Vec::new(), 0);
        for mut run in runs {
            match std::future::poll_fn(|cx| std::task::Poll::Ready(run.as_mut().poll(cx))).await {
                std::task::Poll::Ready(done) => {
                    let error = done.unwrap_err();
                    assert!(
                        matches!(
                            error,
                            ShopError::Unavailable {
                                maybe_done: false,
                                ..
                            }
                        ),
                        "{error:?}"
                    );
                    refused += 1;
                }
                std::task::Poll::Pending => taken.push(run),
            }
        }
        assert!(refused >= 1);
        drop(open);
        blocker.await.unwrap();
        let expected = taken.len();
        for run in taken {
            run.await.unwrap();
        }
        assert_eq!(
            (rows(&thread).await.len(), expected + refused),
            (expected, QUEUE_MAX + GROUP_MAX + 1)
        );
    }
}
