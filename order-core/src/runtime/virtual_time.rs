//! Time that passes only when nothing else can happen, for scripts, simulations and tests: hours go
//! by in milliseconds, and the same program takes the same course every time.
//!
//! [`VirtualRuntime`] runs an engine and its clients on one thread; [`Executor`] runs several
//! *processes*, which crash, pause and have wrong clocks. Neither asks the operating system for the
//! time. Clients that need tokio's reactor do not run here.
//!
//! ```
//! use std::time::Duration;
//!
//! use order_core::runtime::virtual_time::{EPOCH, VirtualRuntime};
//! use order_core::runtime::{Clock, Runtime};
//!
//! let runtime = VirtualRuntime::new();
//! let week = Duration::from_secs(7 * 24 * 60 * 60);
//! runtime.block_on(runtime.sleep(week)); // Does not take a week.
//! assert_eq!(runtime.now(), EPOCH.after(week));
//! ```

mod block_on;
mod executor;
mod seeded_ids;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use block_on::block_on;
pub use executor::{
    Executor, ExternalCall, Idle, ProcessId, ProcessRuntime, Sleep, VirtualRuntime,
};
pub use seeded_ids::SeededIds;

use crate::time::Timestamp;

/// The virtual time at which every executor starts: 2026-03-01T00:00:00Z.
pub const EPOCH: Timestamp = Timestamp::from_micros(1_772_323_200_000_000);

/// Locks, also after another task panicked: a simulation that broke is still to be looked at.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
