//! Keeps the write-ahead log small.
//!
//! SQLite starts the log over by itself, but only in a moment in which no read uses it, and where
//! reads overlap without a pause there is none: the log would grow as long as they do. So the
//! writer makes such moments. Beyond a size, long reads that have not begun wait until those under
//! way are done, while writing and short reads go on; then short ones wait too, for as long as it
//! takes to cut the log back. If it has grown to twice that size meanwhile, writing waits, and long
//! reads that are still not done are ended. Reads of other processes are only waited for, and not
//! for long.
//!
//! The same is done after a redaction, whatever the size: the log still has what was erased.

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tracing::{debug, warn};

use super::open::StoreFile;
use super::readers::{Closed, Readers};
use crate::{checkpoint, linked, settings};

/// The time that long reads are waited for before they are ended, where writing waits too.
const LONG_READS_WAITED_FOR: Duration = Duration::from_secs(1);
/// The same, for reads that were told to end, and for short ones: they take a fraction of it.
const REST_WAITED_FOR: Duration = Duration::from_millis(250);
/// The time that reads of other processes are waited for.
const OTHERS_WAITED_FOR: Duration = Duration::from_millis(100);
/// The time that the log is left alone after it could not be cut back.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks at reads of our own, when there is nothing else to do.
const LOOK_AT_OURS: Duration = Duration::from_millis(1);
/// The same, where a copy or another process keeps what is to be gone.
const LOOK_AT_OTHERS: Duration = Duration::from_millis(100);
/// Between two looks, when there is.
const STEP: Duration = Duration::from_micros(200);

/// Cuts the log of one store back when it gets too long.
pub(super) struct LogKeeper {
    log: PathBuf,
    file: StoreFile,
    readers: Arc<Readers>,
    closing: Option<Closing>,
    not_before: Option<Instant>,
    /// Something in it is to be gone, however short it is.
    to_be_wiped: bool,
}

/// The wait for long reads under way.
struct Closing {
    since: Instant,
    closed: Pin<Box<dyn Future<Output = Option<Closed>> + Send>>,
}

impl LogKeeper {
    pub(super) fn new(file: StoreFile, readers: Arc<Readers>) -> Self {
        LogKeeper {
            log: file.log(),
            file,
            readers,
            closing: None,
            not_before: None,
            to_be_wiped: false,
        }
    }

    /// Says that something was erased from the file that the log still has: it is cut back as soon
    /// as reads let it.
    pub(super) fn wipe(&mut self) {
        self.to_be_wiped = true;
    }

    /// Returns in how long [`LogKeeper::keep`] must be called again, though nothing was committed.
    pub(super) fn next_look(&self) -> Option<Duration> {
        match (&self.closing, self.to_be_wiped) {
            (Some(_), _) => Some(LOOK_AT_OURS),
            (None, true) => Some(LOOK_AT_OTHERS),
            (None, false) => None,
        }
    }

    /// Looks after the log; called after commits, on the thread that writes.
    pub(super) fn keep(&mut self, db: &Connection) {
        let limit = self.file.log_limit();
        let size = std::fs::metadata(&self.log).map_or(0, |file| file.len());
        let mut closing = match self.closing.take() {
            Some(closing) => closing,
            None if size <= limit && !self.to_be_wiped => {
                if linked::has_reset_fault() && size > settings::checkpoint_at(limit) {
                    // As SQLite would by itself: what cannot be copied now is tried again later.
                    if let Err(error) = self.copy(db) {
                        debug!(%error, size, "the write-ahead log could not be copied into the file");
                    }
                }
                return;
            }
            None if self.not_before.is_some_and(|t| Instant::now() < t)
                || self.readers.is_copying() =>
            {
                return;
            }
            None => Closing {
                since: Instant::now(),
                closed: Box::pin(Arc::clone(&self.readers).close_long()),
            },
        };
        let closed = match poll_once(closing.closed.as_mut()) {
            Poll::Ready(closed) => closed,
            Poll::Pending if size <= limit.saturating_mul(2) => {
                self.closing = Some(closing);
                return;
            }
            Poll::Pending => wait_until(
                closing.since + LONG_READS_WAITED_FOR,
                closing.closed.as_mut(),
            )
            .unwrap_or_else(|| {
                warn!(
                    size,
                    "long reads are ended, as the write-ahead log got too long meanwhile"
                );
                let _halted = self.readers.halt_long();
                wait_until(Instant::now() + REST_WAITED_FOR, closing.closed.as_mut()).flatten()
            }),
        };
        // Nearly all is copied while short reads go on.
        if let Err(error) = self.copy(db) {
            debug!(%error, size, "the write-ahead log could not be copied into the file");
        }
        let short = wait_until(
            Instant::now() + REST_WAITED_FOR,
            pin!(Arc::clone(&self.readers).close_short()),
        );
        let cut = self.cut(db);
        if cut {
            debug!(size, took = ?closing.since.elapsed(), "the write-ahead log was cut back");
        } else {
            warn!(
                size,
                again_in = ?PAUSE,
                erased = self.to_be_wiped,
                "the write-ahead log could not be cut back: another process reads or writes"
            );
        }
        self.to_be_wiped &= !cut;
        self.not_before = (!cut).then(|| Instant::now() + PAUSE);
        drop((short, closed));
    }

    /// Copies the log into the file as far as reads let it.
    fn copy(&self, db: &Connection) -> rusqlite::Result<bool> {
        if linked::has_reset_fault() {
            return checkpoint::alone(db, self.file.path(), OTHERS_WAITED_FOR);
        }
        db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(true))
    }

    /// Copies the rest, and cuts the log back. Returns whether that could be done.
    fn cut(&self, db: &Connection) -> bool {
        if linked::has_reset_fault() {
            return checkpoint::start_over(db, self.file.path(), &self.log, OTHERS_WAITED_FOR);
        }
        let _ = db.busy_timeout(OTHERS_WAITED_FOR);
        let busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            row.get::<_, i64>(0)
        });
        let _ = db.busy_timeout(self.file.busy_timeout());
        busy == Ok(0)
    }
}

fn poll_once<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn wait_until<T>(
    deadline: Instant,
    mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> Option<T> {
    loop {
        match poll_once(future.as_mut()) {
            Poll::Ready(value) => return Some(value),
            Poll::Pending if Instant::now() >= deadline => return None,
            Poll::Pending => std::thread::sleep(STEP),
        }
    }
}

#[cfg(test)]
mod tests {
    use order_core::store::{StoreError, StoreErrorKind};

    use super::*;
    use crate::store::errors::store_error;
    use crate::store::open::Folder;
    use crate::store::readers::Bounds;

    const BOUNDS: Bounds = Bounds {
        short: 2,
        long: 2,
        long_queue: 9,
        limit: Duration::from_secs(3600),
    };

    struct Bench {
        db: Connection,
        keeper: LogKeeper,
        readers: Arc<Readers>,
        _folder: Folder,
    }

    fn bench(name: &str) -> Bench {
        let folder = Folder::new(name);
        let (file, db) = folder.store();
        db.execute_batch("CREATE TABLE filler (x); PRAGMA wal_autocheckpoint = 0")
            .unwrap();
        let readers = Arc::new(Readers::new(file.clone(), BOUNDS));
        let keeper = LogKeeper::new(file, Arc::clone(&readers));
        Bench {
            db,
            keeper,
            readers,
            _folder: folder,
        }
    }

    impl Bench {
        fn log(&self) -> u64 {
            std::fs::metadata(&self.keeper.log).unwrap().len()
        }

        fn is_cut(&self) -> bool {
            self.log() <= checkpoint::CUT
        }

        /// Writes until the log is this long, and leaves it so.
        fn write_until(&self, bytes: u64) {
            while self.log() < bytes {
                self.db
                    .execute("INSERT INTO filler VALUES (zeroblob(100000))", [])
                    .unwrap();
            }
        }

        /// A long read that takes a snapshot, and goes on until it is told to end, or for ever
        /// without steps for SQLite.
        async fn read(
            &self,
            read: Endless,
        ) -> (
            std::sync::mpsc::Sender<()>,
            tokio::task::JoinHandle<Result<(), StoreError>>,
        ) {
            let (open, gate) = std::sync::mpsc::channel::<()>();
            let (begun, begins) = tokio::sync::oneshot::channel();
            let readers = Arc::clone(&self.readers);
            let reading = tokio::spawn(async move {
                let read = move |db: &Connection| {
                    let snapshot = db.unchecked_transaction().map_err(store_error)?;
                    snapshot
                        .query_row("SELECT count(*) FROM filler", [], |_| Ok(()))
                        .map_err(store_error)?;
                    begun.send(()).unwrap();
                    match read {
                        Endless::InSqlite => snapshot
                            .query_row(
                                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n",
                                [],
                                |_| Ok(()),
                            )
                            .map_err(store_error),
                        // Ends when the sender is dropped.
                        Endless::UntilTold => {
                            let _ = gate.recv();
                            Ok(())
                        }
                    }
                };
                readers.run_long(read).await
            });
            begins.await.unwrap();
            (open, reading)
        }
    }

    enum Endless {
        InSqlite,
        UntilTold,
    }

    const MIB: u64 = 1 << 20;

    #[tokio::test]
    async fn beyond_the_limit_the_next_long_reads_wait_and_the_log_is_cut_back_when_the_last_has_ended()
     {
        let mut bench = bench("log-soft");
        let (open, first) = bench.read(Endless::UntilTold).await;
        bench.write_until(MIB + 200_000);
        bench.keeper.keep(&bench.db);
        assert!(bench.keeper.closing.is_some());
        let readers = Arc::clone(&bench.readers);
        let mut next = Box::pin(readers.run_long(|_| Ok(7)));
        assert!(
            poll_once(next.as_mut()).is_pending(),
            "there is a place, which it may not have"
        );
        assert_eq!(bench.readers.run(|_| Ok(8)).await.unwrap(), 8);
        bench.keeper.keep(&bench.db);
        assert!(bench.keeper.closing.is_some() && bench.log() > MIB);
        drop(open);
        first.await.unwrap().unwrap();
        bench.keeper.keep(&bench.db);
        assert!(bench.keeper.closing.is_none());
        assert!(bench.is_cut());
        assert_eq!(next.await.unwrap(), 7);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn at_twice_the_limit_a_long_read_is_ended() {
        let mut bench = bench("log-hard");
        let (_open, reading) = bench.read(Endless::InSqlite).await;
        bench.write_until(2 * MIB + 200_000);
        bench.keeper.keep(&bench.db);
        assert!(bench.is_cut());
        let error = reading.await.unwrap().unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert_eq!(
            error.message,
            "the read was ended, as the write-ahead log got too long meanwhile: try again"
        );
        assert_eq!(bench.readers.run_long(|_| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn reads_of_others_are_not_waited_for_for_long() {
        let mut bench = bench("log-others");
        let other = bench.keeper.file.open_reader().unwrap();
        let snapshot = other.unchecked_transaction().unwrap();
        snapshot
            .query_row("SELECT count(*) FROM filler", [], |_| Ok(()))
            .unwrap();
        bench.write_until(3 * MIB);
        bench.keeper.keep(&bench.db);
        assert!(bench.keeper.closing.is_none() && bench.log() >= 3 * MIB);
        let started = Instant::now();
        bench.keeper.keep(&bench.db);
        assert!(
            started.elapsed() < OTHERS_WAITED_FOR,
            "it is left alone for a while"
        );
        assert_eq!(bench.readers.run_long(|_| Ok(7)).await.unwrap(), 7);
        drop(snapshot);
        bench.keeper.not_before = None;
        bench.keeper.keep(&bench.db);
        assert!(bench.is_cut());
    }

    #[tokio::test]
    async fn a_copy_under_way_keeps_its_log() {
        let mut bench = bench("log-copy");
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let readers = Arc::clone(&bench.readers);
        let copying = tokio::spawn(async move {
            let copy = move |_: &Connection| {
                begun.send(()).unwrap();
                let _ = gate.recv();
                Ok(())
            };
            readers.run_copy(copy).await
        });
        begins.await.unwrap();
        bench.write_until(MIB + 200_000);
        bench.keeper.keep(&bench.db);
        assert!(bench.keeper.closing.is_none() && bench.log() > MIB);
        drop(open);
        copying.await.unwrap().unwrap();
        bench.keeper.keep(&bench.db);
        assert!(bench.is_cut());
    }
}
