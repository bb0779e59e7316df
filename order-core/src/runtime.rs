//! Time, tasks and randomness: the one module that may ask the world for them.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::ids::{Bucket, ChangesetId, Fence, LineId, OrderId, UserId, uuid_v7};
use crate::number::OrderNumber;
use crate::time::Timestamp;

/// A task or a sleep.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// The time of day.
pub trait Clock: Send + Sync {
    /// Returns the time of day.
    fn now(&self) -> Timestamp;
}

/// The clock, timers and tasks that the engine runs on: tokio's in production, virtual ones in
/// tests.
pub trait Runtime: Clock {
    /// Time since some fixed point; never goes backwards, whatever happens to the clock. Leases are
    /// counted with it.
    fn monotonic(&self) -> Duration;
    /// Ends after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;
    /// Runs `task` to its end, whether or not anybody waits for it.
    fn spawn(&self, task: BoxFuture<()>);
}

/// A source of ids and order numbers.
pub trait Ids: Send + Sync {
    /// 128 random bits.
    fn random(&self) -> u128;

    /// The id of a new order of `user`, placed `now`.
    fn order_id(&self, now: Timestamp, user: &UserId) -> OrderId {
        OrderId::new(now, self.random(), Bucket::of(user))
    }
    /// A new line id.
    fn line_id(&self, now: Timestamp) -> LineId {
        LineId::from_uuid(uuid_v7(now, self.random()))
    }
    /// A new changeset id.
    fn changeset_id(&self, now: Timestamp) -> ChangesetId {
        ChangesetId::from_uuid(uuid_v7(now, self.random()))
    }
    /// A new lease.
    fn fence(&self, now: Timestamp) -> Fence {
        Fence::from_uuid(uuid_v7(now, self.random()))
    }
    /// A new order number for `user`.
    fn order_number(&self, user: &UserId) -> OrderNumber {
        OrderNumber::new(self.random() as u64, Bucket::of(user))
    }
}

#[cfg(feature = "virtual-time")]
pub mod virtual_time;

#[cfg(feature = "tokio-runtime")]
pub use production::{RandomIds, SystemClock, TokioRuntime};

#[cfg(feature = "tokio-runtime")]
#[allow(
    clippy::disallowed_methods,
    reason = "this is the module that owns the wall clock, sleeping and random ids"
)]
mod production {
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

    use super::{BoxFuture, Clock, Ids, Runtime};
    use crate::time::Timestamp;

    /// The machine's clock.
    #[derive(Debug, Clone, Copy, Default)]
    pub struct SystemClock;

    impl Clock for SystemClock {
        fn now(&self) -> Timestamp {
            let since = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
        }
    }

    /// The machine's clock and tokio's timers and tasks. Must be used within a tokio runtime.
    #[derive(Debug, Clone)]
    pub struct TokioRuntime {
        started: Instant,
    }

    impl Default for TokioRuntime {
        fn default() -> Self {
            TokioRuntime {
                started: Instant::now(),
            }
        }
    }

    impl Clock for TokioRuntime {
        fn now(&self) -> Timestamp {
            SystemClock.now()
        }
    }

    impl Runtime for TokioRuntime {
        fn monotonic(&self) -> Duration {
            self.started.elapsed()
        }
        fn sleep(&self, duration: Duration) -> BoxFuture<()> {
            Box::pin(tokio::time::sleep(duration))
        }
        fn spawn(&self, task: BoxFuture<()>) {
            drop(tokio::spawn(task));
        }
    }

    /// Ids from the operating system's random source.
    #[derive(Debug, Clone, Copy, Default)]
    pub struct RandomIds;

    impl Ids for RandomIds {
        fn random(&self) -> u128 {
            let mut bytes = [0u8; 16];
            // Fails only on a machine without a random source, on which nothing here could be
            // trusted.
            getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
            u128::from_ne_bytes(bytes)
        }
    }
}
