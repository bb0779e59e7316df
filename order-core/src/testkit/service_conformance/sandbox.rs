//! The surroundings of an adapter under test.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::Verdict;
use super::verdict::missing;
use crate::runtime::BoxFuture;
use crate::runtime::virtual_time::{VirtualRuntime, block_on};
use crate::services::{CallDeadline, CallError};

/// A mock or a sandbox behind an adapter, and what can be brought about there.
///
/// All of it is about the adapter that its factory made last. What answers false cannot be
/// provoked: the tests that need it are then left out by its name, as in
/// `order_core::payment_conformance_tests!(factory, without [pass, lose_next_answer])`.
pub trait Sandbox: Sync {
    /// Runs a test to its end. For adapters that need a certain runtime.
    fn run<T: Future>(&self, test: T) -> T::Output {
        block_on(test)
    }

    /// Returns the number that keys and orders are derived from. A sandbox that remembers earlier
    /// runs gives another for each run.
    fn seed(&self) -> u64 {
        0
    }

    /// Ends when a call has had its time; it is dropped then, and counts as [`CallError::Unknown`],
    /// as in production. Never, if the adapter has deadlines of its own.
    fn deadline(&self) -> BoxFuture<()> {
        Box::pin(pending())
    }

    /// The service carries out the next request, and its answer never arrives.
    fn lose_next_answer(&self) -> impl Future<Output = bool> {
        async { false }
    }

    /// The next request finds nobody to connect to, and never arrives.
    fn refuse_next_connection(&self) -> impl Future<Output = bool> {
        async { false }
    }

    /// The next request is answered by this HTTP status and body, and has no effect.
    fn answer_next(&self, status: u16, body: &str) -> impl Future<Output = bool> {
        let _ = (status, body);
        async { false }
    }

    /// So much time passes at the service.
    fn pass(&self, time: Duration) -> impl Future<Output = bool> {
        let _ = time;
        async { false }
    }
}

/// Brings something about, or says that it cannot be tested.
pub(super) async fn provoked(need: &'static str, happens: impl Future<Output = bool>) -> Verdict {
    if happens.await { Ok(()) } else { missing(need) }
}

/// Waits for a call as long as the sandbox has it.
pub(super) async fn timed<T>(
    sandbox: &impl Sandbox,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    match select(pin!(call), sandbox.deadline()).await {
        Either::Left((answer, _)) => answer,
        Either::Right(((), _)) => Err(CallError::unknown("dropped at the deadline")),
    }
}

/// A deadline that is over.
pub(super) fn over() -> CallDeadline {
    CallDeadline::at(Arc::new(VirtualRuntime::new()), Duration::ZERO)
}

/// Waits for a future until it has waited for something that many times, and drops it then. `None`
/// if it was dropped.
pub(super) async fn drop_after<T>(times: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}
