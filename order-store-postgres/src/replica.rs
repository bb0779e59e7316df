//! A replica of the database, which serves lists and the feed, and nothing that anything is decided
//! by.
//!
//! It may lag, and what it says is held against the primary, by a keyed look-up for each page:
//! nothing that was erased is given out again, and no row that the primary has not.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use order_core::ids::OrderId;
use order_core::store::{StoreError, StoreErrorKind};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use tokio::time::timeout;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::errors::{During, code, store_error};
use crate::options::Target;
use crate::places::{Connected, Places, ReadError};
use crate::schema::at;
use crate::wire::{Array, SMALLINT, UUID};

/// The time that one which could not be reached is left alone, so that not everybody waits for it.
const LEFT_ALONE: Duration = Duration::from_secs(2);
/// The longest that a connection to it is waited for, where the primary can do the same.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Counts of what a replica did since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplicaStats {
    /// Pages that were read from it.
    pub served: u64,
    /// Pages that the primary was asked for instead: it could not be reached, broke off, or had
    /// what the primary has not, or no longer has.
    pub fell_back: u64,
    /// True if it could not be used when it was tried last.
    pub is_down: bool,
}

pub(crate) struct Replica {
    target: Target,
    store: Uuid,
    pub(crate) places: Places,
    /// The time at which it could not be used, if that was the last try.
    down: Mutex<Option<Instant>>,
    served: AtomicU64,
    fell_back: AtomicU64,
}

impl Replica {
    /// Connects to it. One that cannot be reached now is tried again later; one with another store
    /// is refused.
    pub(crate) async fn open(
        target: Target,
        store: Uuid,
        places: Places,
    ) -> Result<Self, StoreError> {
        let counter = || AtomicU64::new(0);
        let replica = Replica {
            target,
            store,
            places,
            down: Mutex::default(),
            served: counter(),
            fell_back: counter(),
        };
        if let Some(connected) = replica.connection().await? {
            // Kept for the first page.
            drop(replica.places.done(connected, Ok(())));
        }
        Ok(replica)
    }

    pub(crate) fn stats(&self) -> ReplicaStats {
        let is_down = self
            .down
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some();
        let [served, fell_back] =
            [&self.served, &self.fell_back].map(|counter| counter.load(Ordering::Relaxed));
        ReplicaStats {
            served,
            fell_back,
            is_down,
        }
    }

    pub(crate) fn is_left_alone(&self) -> bool {
        self.down
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|since| since.elapsed() < LEFT_ALONE)
    }

    fn mark(&self, down: bool) {
        let mut since = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        match (since.is_some(), down) {
            (false, true) => warn!("the replica cannot be used: the primary is asked instead"),
            (true, false) => info!("the replica can be used again"),
            (false, false) | (true, true) => {}
        }
        *since = down.then(Instant::now);
    }

    pub(crate) fn count(&self, served: bool) {
        let counter = if served {
            &self.served
        } else {
            debug!("the primary is asked for what the replica cannot give");
            &self.fell_back
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection to the store that is meant; none if there is none to be had now.
    pub(crate) async fn connection(&self) -> Result<Option<Connected>, StoreError> {
        let of_it = |error| {
            let error = at(&self.target, error);
            StoreError {
                message: format!("replica: {}", error.message),
                ..error
            }
        };
        let connected = match timeout(CONNECT_MAX, self.places.connection()).await {
            Ok(Ok(mut connected)) if connected.is_new() => self
                .has_the_store(&mut connected.connection)
                .await
                .map(|has| has.then_some(connected)),
            Ok(connected) => connected.map(Some),
            Err(_) => Ok(None),
        };
        match connected {
            Err(error) if error.kind != StoreErrorKind::Unavailable => Err(of_it(error)),
            connected => {
                let connected = connected.ok().flatten();
                self.mark(connected.is_none());
                Ok(connected)
            }
        }
    }

    /// Returns whether it has the store already. Another one is none that is behind.
    async fn has_the_store(&self, db: &mut PgConnection) -> Result<bool, StoreError> {
        let other = |message| Err(StoreError::new(StoreErrorKind::Misconfigured, message));
        match sqlx::query("SELECT id::text FROM order_store WHERE one = 1")
            .fetch_optional(&mut *db)
            .await
        {
            Ok(Some(row)) => {
                let id: String = row
                    .try_get(0)
                    .map_err(|error| store_error(error, During::Read))?;
                match Uuid::try_parse(&id) == Ok(self.store) {
                    true => Ok(true),
                    false => other(
                        "it has another store than the primary: it must be a copy that follows it",
                    ),
                }
            }
            Err(error) if code(&error).is_none_or(|code| code != "42P01" && code != "3F000") => {
                Err(store_error(error, During::Connect))
            }
            // A standby may not have come so far.
            Ok(None) | Err(_) => {
                let follows = sqlx::query("SELECT pg_is_in_recovery()")
                    .fetch_one(db)
                    .await
                    .and_then(|row| row.try_get(0));
                match follows.map_err(|error| store_error(error, During::Read))? {
                    true => Ok(false),
                    false => {
                        other("it has no store: it must be a copy of the primary's that follows it")
                    }
                }
            }
        }
    }

    /// Returns the outcome of a read; none if the primary is to be asked instead. What takes too
    /// long would do so there as well.
    pub(crate) fn judge<T>(&self, done: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match done {
            Ok(page) => Ok(Some(page)),
            Err(error) if error.kind == StoreErrorKind::Unavailable => {
                let cause = error
                    .source
                    .as_ref()
                    .and_then(|source| source.downcast_ref::<sqlx::Error>());
                if cause.and_then(code).is_some_and(|code| code == "57014") {
                    Err(error)
                } else {
                    Ok(None)
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// Reads from the replica, a future that borrows the connection, as [`crate::places::read`] does
/// from the primary; `None` if the primary is to be asked instead. Whoever finds all places of the
/// replica taken waits for them, and does not take the primary's.
macro_rules! ask {
    ($replica:expr, |$db:ident| $read:expr) => {{
        let replica: &$crate::replica::Replica = $replica;
        let _permit = if replica.is_left_alone() {
            None
        } else {
            Some(replica.places.permit().await?)
        };
        loop {
            let Some(mut connected) = (if replica.is_left_alone() {
                None
            } else {
                replica.connection().await?
            }) else {
                break Ok(None);
            };
            let $db = &mut connected.connection;
            let done: Result<_, ReadError> = $read.await;
            if let Some(done) = replica.places.done(connected, done) {
                break replica.judge(done);
            }
        }
    }};
}
pub(crate) use ask;

/// Returns whether one of the orders has been redacted. Run on the primary, for what a replica
/// still shows in full.
pub(crate) async fn are_erased(
    db: &mut PgConnection,
    orders: &[OrderId],
) -> Result<bool, ReadError> {
    let (mut ids, mut buckets) = (Array::new(UUID), Array::new(SMALLINT));
    for order in orders {
        ids.id(Some(order.as_bytes()));
        buckets.small(order.bucket().number());
    }
    let select = "SELECT 1 FROM unnest($1, $2) AS l (id, bucket) JOIN order_state s ON s.bucket = l.bucket AND s.order_id = l.id \
         WHERE s.redacted_at IS NOT NULL LIMIT 1";
    Ok(sqlx::query(select)
        .bind(ids)
        .bind(buckets)
        .fetch_optional(db)
        .await?
        .is_some())
}
