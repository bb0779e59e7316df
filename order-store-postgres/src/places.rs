//! Connections for reads: so many at a time, and so many who wait for one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use order_core::store::{StoreError, StoreErrorKind};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Error};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tracing::{debug, info};

use crate::errors::{During, is_broken, store_error};

/// After so long a connection is made anew, so that none stays with a server that others have left.
const AGE_MAX: Duration = Duration::from_secs(30 * 60);

/// Connects, within the time.
pub(crate) async fn connect(
    options: &PgConnectOptions,
    within: Duration,
) -> Result<PgConnection, StoreError> {
    let started = Instant::now();
    let connected = timeout(within, options.connect()).await;
    let took = started.elapsed();
    if matches!(connected, Ok(Ok(_))) {
        debug!(?took, "connected to the database");
    } else {
        debug!(?took, "the database could not be connected to");
    }
    match connected {
        Ok(connected) => connected.map_err(|error| store_error(error, During::Connect)),
        Err(_) => Err(StoreError::new(
            StoreErrorKind::Unavailable,
            "the database did not take a connection in time",
        )),
    }
}

/// Places at the database for one kind of reads.
pub(crate) struct Places {
    options: PgConnectOptions,
    wait: Duration,
    idle: Mutex<Vec<Connected>>,
    permits: Semaphore,
    waiting: AtomicUsize,
    queue: usize,
}

/// A connection, and when it was made. Whoever drops it instead of giving it back by
/// [`Places::done`] closes it.
pub(crate) struct Connected {
    pub(crate) connection: PgConnection,
    since: Instant,
    was_idle: bool,
}

impl Connected {
    /// Returns whether it was made just now.
    pub(crate) fn is_new(&self) -> bool {
        !self.was_idle
    }
}

/// Somebody who waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A read that failed: the database, or what it gave.
pub(crate) enum ReadError {
    Database(Error),
    Store(StoreError),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        ReadError::Database(error)
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        ReadError::Store(error)
    }
}

impl Places {
    pub(crate) fn new(
        options: PgConnectOptions,
        places: usize,
        queue: usize,
        wait: Duration,
    ) -> Self {
        Places {
            options,
            wait,
            idle: Mutex::default(),
            permits: Semaphore::new(places.max(1)),
            waiting: AtomicUsize::new(0),
            queue,
        }
    }

    /// A connection: one that is idle, or a new one.
    pub(crate) async fn connection(&self) -> Result<Connected, StoreError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle.filter(|idle| idle.since.elapsed() < AGE_MAX) {
            Some(connected) => Ok(Connected {
                was_idle: true,
                ..connected
            }),
            None => {
                let connection = connect(&self.options, self.wait).await?;
                Ok(Connected {
                    connection,
                    since: Instant::now(),
                    was_idle: false,
                })
            }
        }
    }

    /// Returns the outcome of a read; `None` if it is to be tried again, with another connection.
    pub(crate) fn done<T>(
        &self,
        connected: Connected,
        done: Result<T, ReadError>,
    ) -> Option<Result<T, StoreError>> {
        match done {
            // It was gone before, as after a restart of the server.
            Err(ReadError::Database(error)) if connected.was_idle && is_broken(&error) => {
                info!("a connection that was idle is gone: another is taken");
                None
            }
            Err(ReadError::Database(error)) if is_broken(&error) => {
                Some(Err(store_error(error, During::Read)))
            }
            done => {
                self.idle
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(connected);
                Some(done.map_err(|error| match error {
                    ReadError::Database(error) => store_error(error, During::Read),
                    ReadError::Store(error) => error,
                }))
            }
        }
    }

    /// A place, waited for no longer than it may take to connect.
    pub(crate) async fn permit(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        let refused = |message| StoreError::new(StoreErrorKind::Unavailable, message);
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let since = Instant::now();
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.queue {
            debug!(
                waiting = before,
                "a read was refused: too many wait already"
            );
            return Err(refused(
                "too many wait for the database already: try again later",
            ));
        }
        let permit = timeout(self.wait, self.permits.acquire()).await;
        debug!(waited = ?since.elapsed(), "a place at the database was waited for");
        match permit {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(refused("no connection to the database was free in time")),
        }
    }
}

/// Runs a read, a future that borrows the connection, at one of the places.
macro_rules! read {
    ($places:expr, |$db:ident| $read:expr) => {{
        let places = &$places;
        let _permit = places.permit().await?;
        loop {
            let mut connected = places.connection().await?;
            let $db = &mut connected.connection;
            let done = $read.await;
            if let Some(done) = places.done(connected, done) {
                break done;
            }
        }
    }};
}
pub(crate) use read;
