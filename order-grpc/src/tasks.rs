//! The engine's tasks that are still at work, so that a server that stops can wait for them.

use std::sync::Arc;
use std::time::Duration;

use order_core::runtime::{BoxFuture, Clock, Runtime, TokioRuntime};
use order_core::time::Timestamp;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::services::carrying;
use crate::shares::Place;

/// Tokio's timers and tasks, counting the tasks. A task works for the request that the one works
/// for which began it, and keeps that one's place among what is worked on. Orders are worked in
/// tasks that outlive their callers; a server whose manager runs on this waits for them when it
/// drains, so that they give their leases back. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct TrackedRuntime {
    tokio: TokioRuntime,
    tasks: TaskTracker,
}

tokio::task_local! {
    /// The place among the calls that are worked on, of the call that this task works for.
    pub(crate) static PLACE: Arc<Place>;
}

impl TrackedRuntime {
    /// The number of tasks at work.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }

    /// Ends when no task is at work.
    pub async fn idle(&self) {
        // A tracker that is closed takes tasks as before: it only lets itself be waited for.
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Clock for TrackedRuntime {
    fn now(&self) -> Timestamp {
        self.tokio.now()
    }
}

impl Runtime for TrackedRuntime {
    fn monotonic(&self) -> Duration {
        self.tokio.monotonic()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.tokio.sleep(duration)
    }
    fn spawn(&self, task: BoxFuture<()>) {
        let task = self.tasks.track_future(carrying(task).in_current_span());
        // The place of the call that asked for it is not free before what it asked for is done,
        // whoever has hung up.
        let place = PLACE.try_with(Arc::clone).ok();
        self.tokio.spawn(match place {
            Some(place) => Box::pin(PLACE.scope(place, task)),
            None => Box::pin(task),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_idle_when_its_last_task_has_ended_even_by_a_panic() {
        let runtime = TrackedRuntime::default();
        runtime.idle().await;
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        runtime.spawn(Box::pin(async move {
            let _ = gone.await;
            panic!("a task may panic");
        }));
        assert_eq!(runtime.running(), 1);
        assert!(
            tokio::time::timeout(Duration::from_millis(5), runtime.idle())
                .await
                .is_err()
        );
        drop(go);
        runtime.idle().await;
        assert_eq!(runtime.running(), 0);
    }
}
