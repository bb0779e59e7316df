//! The connections that read: places for short reads, places of their own for long ones, and a
//! bound on the time of each.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use order_core::store::{StoreError, StoreErrorKind};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::debug;

use super::errors::store_error;
use super::open::StoreFile;
use super::schema;
use crate::linked::Registered;

/// The number of steps of SQLite's machine between two looks at whether a read is to end: about a
/// millisecond's.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// The time that short reads go on before it is looked again whether file and schema are still what
/// they were.
const LOOKS_APART: Duration = Duration::from_secs(1);

/// The bounds on the reads of a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Short reads at a time.
    pub short: usize,
    /// Long reads at a time.
    pub long: usize,
    /// Long reads that wait for a place.
    pub long_queue: usize,
    /// The longest that a read may take.
    pub limit: Duration,
}

/// Connections that only read, opened when first needed.
///
/// A read of one order runs on its caller's thread: it touches a few pages that are nearly always
/// in memory and waits for no lock, and handing it to another thread would cost as much as it
/// takes; who has a file larger than memory can have it done all the same. Lists and sums go to
/// tokio's blocking threads, and have places of their own, so that however many of them are asked
/// for, an order is found at once.
pub(super) struct Readers {
    file: StoreFile,
    bounds: Bounds,
    short: Places,
    long: Places,
    /// Long reads without a place yet.
    waiting: AtomicUsize,
    /// Copies of the file under way.
    copies: AtomicUsize,
}

/// While it lives, no read of a kind is under way and none begins.
pub(super) struct Closed(#[expect(dead_code, reason = "held")] OwnedSemaphorePermit);

/// While it lives, long reads are ended.
pub(super) struct Halted<'a>(&'a AtomicBool);

impl Drop for Halted<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A number of reads at a time, and the connections they use.
struct Places {
    number: u32,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Reader>>,
    /// Those who read are to end.
    halted: Arc<AtomicBool>,
}

impl Places {
    fn new(places: usize) -> Self {
        let number = u32::try_from(places).unwrap_or(u32::MAX).clamp(1, 1024);
        Places {
            number,
            free: Arc::new(Semaphore::new(number as usize)),
            idle: Mutex::default(),
            halted: Arc::default(),
        }
    }

    /// Takes all places: those who want one from now on come after.
    async fn close(&self) -> Option<Closed> {
        Arc::clone(&self.free)
            .acquire_many_owned(self.number)
            .await
            .ok()
            .map(Closed)
    }
}

/// A connection that is used again and again.
struct Reader {
    db: Connection,
    /// The time at which it was last looked whether file and schema are still what they were.
    looked: Option<Instant>,
}

/// The reason why a read was ended before it was done.
#[derive(Debug, Clone, Copy)]
enum Ended {
    TookTooLong,
    NobodyWaits,
    HeldUpTheLog,
}

/// A read under way.
struct Run {
    ends_at: Instant,
    /// The one who asked has gone.
    unwanted: AtomicBool,
    halted: Arc<AtomicBool>,
    ended: OnceLock<Ended>,
}

impl Run {
    fn new(limit: Duration, places: &Places) -> Arc<Self> {
        let halted = Arc::clone(&places.halted);
        Arc::new(Run {
            ends_at: Instant::now() + limit,
            unwanted: AtomicBool::new(false),
            halted,
            ended: OnceLock::new(),
        })
    }

    /// Returns whether to end it; SQLite asks now and then.
    fn is_over(&self) -> bool {
        let why = if self.unwanted.load(Ordering::Relaxed) {
            Ended::NobodyWaits
        } else if self.halted.load(Ordering::Relaxed) {
            Ended::HeldUpTheLog
        } else if Instant::now() >= self.ends_at {
            Ended::TookTooLong
        } else {
            return false;
        };
        let _ = self.ended.set(why);
        true
    }
}

/// Marks a read as unwanted when whoever asked for it goes.
struct Wanted(Arc<Run>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.unwanted.store(true, Ordering::Relaxed);
    }
}

/// One more, as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    /// With how many there were before.
    fn in_(count: &'a AtomicUsize) -> (usize, Self) {
        (count.fetch_add(1, Ordering::Relaxed), Counted(count))
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Readers {
    pub(super) fn new(file: StoreFile, bounds: Bounds) -> Self {
        let (short, long) = (Places::new(bounds.short), Places::new(bounds.long));
        Readers {
            file,
            bounds,
            short,
            long,
            waiting: AtomicUsize::new(0),
            copies: AtomicUsize::new(0),
        }
    }

    /// Ready when no long read is under way; none begins as long as what it gives lives.
    pub(super) async fn close_long(self: Arc<Self>) -> Option<Closed> {
        self.long.close().await
    }

    /// The same, of short reads.
    pub(super) async fn close_short(self: Arc<Self>) -> Option<Closed> {
        self.short.close().await
    }

    /// Ends the long reads under way, within a millisecond or so.
    pub(super) fn halt_long(&self) -> Halted<'_> {
        self.long.halted.store(true, Ordering::Relaxed);
        Halted(&self.long.halted)
    }

    /// Returns whether somebody copies the file, who cannot do without the log until the copy is
    /// whole.
    pub(super) fn is_copying(&self) -> bool {
        self.copies.load(Ordering::Relaxed) > 0
    }

    /// Runs `read` here and now.
    pub(super) async fn run<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _place = self.short.free.acquire().await.map_err(|_| closed())?;
        self.with_connection(
            &self.short,
            LOOKS_APART,
            &Run::new(self.bounds.limit, &self.short),
            read,
        )
    }

    /// The same on another thread, where pages are likely to be read from a disk.
    pub(super) async fn run_apart<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.short.free)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let run = Run::new(self.bounds.limit, &self.short);
        let _wanted = Wanted(Arc::clone(&run));
        let readers = Arc::clone(self);
        apart(move || {
            // The place is free when the read is over, which may be later than its caller's end.
            let _place = place;
            readers.with_connection(&readers.short, LOOKS_APART, &run, read)
        })
        .await
    }

    /// Runs `read` where it may take its time. It ends when nobody waits for it any more.
    pub(super) async fn run_long<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = self.long_place().await?;
        let run = Run::new(self.bounds.limit, &self.long);
        let _wanted = Wanted(Arc::clone(&run));
        let readers = Arc::clone(self);
        apart(move || {
            let _place = place;
            readers.with_connection(&readers.long, Duration::ZERO, &run, read)
        })
        .await
    }

    async fn long_place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(place) = Arc::clone(&self.long.free).try_acquire_owned() {
            return Ok(place);
        }
        let (before, _waiting) = Counted::in_(&self.waiting);
        if before >= self.bounds.long_queue {
            debug!(
                waiting = before,
                "a long read was refused: too many wait already"
            );
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                format!("{before} lists and the like wait to be read already: try again later"),
            ));
        }
        let since = Instant::now();
        let place = Arc::clone(&self.long.free)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        debug!(waited = ?since.elapsed(), "a long read waited for its turn");
        Ok(place)
    }

    /// Copies the file with a connection of its own.
    pub(super) async fn run_copy(
        self: &Arc<Self>,
        copy: impl FnOnce(&Connection) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let readers = Arc::clone(self);
        apart(move || {
            let _copying = Counted::in_(&readers.copies);
            readers.file.must_be_the_same()?;
            copy(&readers.file.open_copier().map_err(store_error)?)
        })
        .await
    }

    fn with_connection<T>(
        &self,
        places: &Places,
        looks_apart: Duration,
        run: &Arc<Run>,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = places
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => {
                self.file.must_be_the_same()?;
                debug!("a connection for reading is opened");
                Reader {
                    db: self.file.open_reader().map_err(store_error)?,
                    looked: None,
                }
            }
        };
        // Before anything is read: what looked after the read before would end this one.
        let looked_after = Arc::clone(run);
        reader
            .db
            .progress_handler(STEPS_BETWEEN_LOOKS, Some(move || looked_after.is_over()))
            .registered()
            .map_err(store_error)?;
        if reader
            .looked
            .is_none_or(|looked| looked.elapsed() >= looks_apart)
        {
            self.file.must_be_the_same()?;
            schema::must_still_fit(&reader.db, schema::Use::Read)?;
            reader.looked = Some(Instant::now());
        }
        let result = read(&reader.db);
        places
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(reader);
        result.map_err(|error| self.said_why(error, run.ended.get()))
    }

    fn said_why(&self, error: StoreError, ended: Option<&Ended>) -> StoreError {
        if let Some(why) = ended {
            debug!(?why, "a read was ended");
        }
        let message = match ended {
            None => return error,
            Some(Ended::TookTooLong) => format!(
                "the read took longer than {:?}: ask for less",
                self.bounds.limit
            ),
            Some(Ended::HeldUpTheLog) => {
                "the read was ended, as the write-ahead log got too long meanwhile: try again"
                    .to_owned()
            }
            Some(Ended::NobodyWaits) => "nobody waits for the read any more".to_owned(),
        };
        StoreError {
            kind: StoreErrorKind::Unavailable,
            message,
            ..error
        }
    }
}

/// Off the threads that must not be kept waiting, where there are others.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::runtime::Handle::try_current() {
        Err(_) => work(),
        Ok(tokio) => tokio.spawn_blocking(work).await.map_err(|_| closed())?,
    }
}

/// The error of a read whose answer was dropped.
pub(super) fn closed() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        "the store is closing, or the read panicked",
    )
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use tokio::sync::oneshot;

    use super::*;
    use crate::store::open::Folder;

    const FOR_EVER: &str =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";

    fn for_ever(db: &Connection) -> Result<i64, StoreError> {
        db.query_row(FOR_EVER, [], |row| row.get(0))
            .map_err(store_error)
    }

    /// Readers of a new store, whose folder goes with the test.
    fn readers(name: &str, bounds: Bounds) -> (Arc<Readers>, Folder) {
        let folder = Folder::new(name);
        (Arc::new(Readers::new(folder.store().0, bounds)), folder)
    }

    const BOUNDS: Bounds = Bounds {
        short: 2,
        long: 1,
        long_queue: 2,
        limit: Duration::from_secs(3600),
    };

    /// Takes the only long place until the sender is dropped; done once it has it.
    async fn occupied(
        readers: &Arc<Readers>,
    ) -> (
        std::sync::mpsc::Sender<()>,
        tokio::task::JoinHandle<Result<(), StoreError>>,
    ) {
        let (open, gate) = std::sync::mpsc::channel();
        let (begun, begins) = oneshot::channel();
        let readers = Arc::clone(readers);
        let reading = tokio::spawn(async move {
            let read = move |_: &Connection| {
                begun.send(()).unwrap();
                // Ends when the sender is dropped.
                let _ = gate.recv();
                Ok(())
            };
            readers.run_long(read).await
        });
        begins.await.unwrap();
        (open, reading)
    }

    #[tokio::test]
    async fn short_reads_do_not_wait_for_long_ones_and_the_queue_of_these_is_bounded() {
        let (readers, _folder) = readers("places", BOUNDS);
        let (open, reading) = occupied(&readers).await;
        let one = |db: &Connection| {
            db.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))
                .map_err(store_error)
        };
        for _ in 0..10 {
            assert_eq!(readers.run(one).await.unwrap(), 1);
        }
        let mut queued: Vec<_> = (0..2).map(|_| Box::pin(readers.run_long(one))).collect();
        for read in &mut queued {
            assert!(
                std::future::poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await
            );
        }
        let refused = readers.run_long(one).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Unavailable);
        assert_eq!(
            refused.message,
            "2 lists and the like wait to be read already: try again later"
        );
        // One that gives up leaves its turn to others.
        drop(queued.pop());
        queued.push(Box::pin(readers.run_long(one)));
        assert!(
            std::future::poll_fn(|cx| Poll::Ready(queued[1].as_mut().poll(cx).is_pending())).await
        );
        drop(open);
        reading.await.unwrap().unwrap();
        for read in queued {
            assert_eq!(read.await.unwrap(), 1);
        }
        assert_eq!(readers.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_read_that_does_not_end_is_ended() {
        let (readers, _folder) = readers(
            "limit",
            Bounds {
                limit: Duration::from_millis(900),
                ..BOUNDS
            },
        );
        let long = readers.run_long(for_ever).await;
        let (short, apart) = (
            readers.run(for_ever).await,
            readers.run_apart(for_ever).await,
        );
        for error in [long.unwrap_err(), short.unwrap_err(), apart.unwrap_err()] {
            assert_eq!(error.kind, StoreErrorKind::Unavailable);
            assert_eq!(
                error.message,
                "the read took longer than 900ms: ask for less"
            );
        }
        // Its connection is as good as new, however long it is used.
        let many = |db: &Connection| {
            let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000) SELECT max(x) FROM n";
            db.prepare_cached(sql)
                .and_then(|mut s| s.query_row([], |row| row.get::<_, i64>(0)))
                .map_err(store_error)
        };
        for _ in 0..50 {
            assert_eq!(readers.run_long(many).await.unwrap(), 5000);
            assert_eq!(readers.run(many).await.unwrap(), 5000);
            assert_eq!(readers.run_apart(many).await.unwrap(), 5000);
        }
    }

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_ends_and_gives_its_place_back_only_then() {
        let (readers, _folder) = readers("unwanted", BOUNDS);
        let (ended, ends) = oneshot::channel();
        let mut read = Box::pin(readers.run_long(move |db| {
            let result = for_ever(db);
            ended.send(()).unwrap();
            result
        }));
        assert!(std::future::poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await);
        drop(read);
        ends.await.unwrap();
        let (open, reading) = occupied(&readers).await;
        reading.abort();
        assert!(reading.await.unwrap_err().is_cancelled());
        assert_eq!(
            readers.long.free.available_permits(),
            0,
            "the thread still reads"
        );
        drop(open);
        assert_eq!(readers.run_long(|_| Ok(7)).await.unwrap(), 7);
    }
}
