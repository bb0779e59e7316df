//! Tokio's own time, for service clients that need tokio.

use std::time::Duration;

use tokio::time::Instant;

use super::ManualClock;
use crate::runtime::{BoxFuture, Clock, Runtime};
use crate::time::Timestamp;

/// A [`Runtime`] of tokio's timers and tasks whose clock goes with them, from March 2026 on.
///
/// Under `#[tokio::test(start_paused = true)]` (tokio's feature `test-util`) hours pass in
/// milliseconds, also for clients that do not run on
/// [`VirtualRuntime`](crate::runtime::virtual_time::VirtualRuntime) because they need tokio's
/// reactor. With [`TokioRuntime`](crate::runtime::TokioRuntime) they would not: it counts real
/// time. Waiting for a socket is idleness to a paused clock, which then jumps to the next timer,
/// such as the deadline of that very call: let mocks answer within the process.
///
/// ```
/// use std::time::Duration;
///
/// use order_core::manager::PlaceOptions;
/// use order_core::order::Lifecycle;
/// use order_core::runtime::Runtime;
/// use order_core::testkit::services::{Fault, Method};
/// use order_core::testkit::{PausedTokio, World};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(
/// # // In your crate: #[tokio::test(start_paused = true)]
/// async {
///     let runtime = PausedTokio::start();
///     let world = World::on(&runtime).build();
///     // Answered after an hour, which the engine does not wait for: it asks again.
///     world.payment.push(Method::Charge, Fault::Late(Duration::from_secs(3600)));
///     let request = world.request(1, "CARD");
///     let placed = world.manager.place(&world.customer(), request, PlaceOptions::default()).await?;
///     assert_eq!(placed.order.lifecycle, Lifecycle::Confirmed);
///     assert!(runtime.monotonic() > Duration::from_secs(1)); // And no real second has passed.
/// #   Ok::<(), order_core::error::Error>(())
/// }
/// # )?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PausedTokio(Instant);

impl PausedTokio {
    /// Starts the clock. Must be called within a tokio runtime.
    pub fn start() -> Self {
        PausedTokio(Instant::now())
    }
}

impl Clock for PausedTokio {
    fn now(&self) -> Timestamp {
        ManualClock::default().now().after(self.monotonic())
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "tokio's time is this runtime's, and virtual when it is paused"
)]
impl Runtime for PausedTokio {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }
    fn spawn(&self, task: BoxFuture<()>) {
        drop(tokio::spawn(task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_day_passes_when_nothing_else_is_to_be_done() {
        let (runtime, day) = (PausedTokio::start(), Duration::from_secs(24 * 60 * 60));
        let (told, hears) = tokio::sync::oneshot::channel();
        let (began, task) = (runtime.now(), runtime.clone());
        runtime.spawn(Box::pin(async move {
            task.sleep(day).await;
            let _ = told.send(task.now());
        }));
        assert_eq!(hears.await.unwrap(), began.after(day));
        assert_eq!(runtime.monotonic(), day);
    }
}
