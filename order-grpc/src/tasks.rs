//! Which of the engine's tasks are still at work, so that a server that stops can wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use order_core::runtime::{BoxFuture, Clock, Runtime, TokioRuntime};
use order_core::time::Timestamp;
use tokio::sync::Notify;

use crate::services::carrying;
use crate::shares::Place;

/// Tokio's timers and tasks, counting the tasks. A task works for the request that the one works
/// for which began it, and keeps that one's place among what is worked on. Orders are worked in
/// tasks that outlive their callers; a server whose manager runs on this waits for them when it
/// drains, so that they give their leases back. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct TrackedRuntime {
    tokio: TokioRuntime,
    tasks: Arc<Tasks>,
}

#[derive(Debug, Default)]
struct Tasks {
    running: AtomicUsize,
    ended: Notify,
}

tokio::task_local! {
    /// The place among the calls that are worked on, of the call that this task works for.
    pub(crate) static PLACE: Arc<Place>;
}

/// Counts a task for as long as it exists, however it ends.
struct Counted(Arc<Tasks>);

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.ended.notify_waiters();
        }
    }
}

impl TrackedRuntime {
    /// How many tasks are at work.
    pub fn running(&self) -> usize {
        self.tasks.running.load(Ordering::Acquire)
    }

    /// Ends when no task is at work.
    pub async fn idle(&self) {
        loop {
            let ended = self.tasks.ended.notified();
            if self.running() == 0 {
                return;
            }
            ended.await;
        }
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
        self.tasks.running.fetch_add(1, Ordering::AcqRel);
        let counted = Counted(Arc::clone(&self.tasks));
        let task = carrying(task);
        // The place of the call that asked for it is not free before what it asked for is done,
        // whoever has hung up.
        let place = PLACE.try_with(Arc::clone).ok();
        self.tokio.spawn(Box::pin(async move {
            let _counted = counted;
            match place {
                Some(place) => PLACE.scope(place, task).await,
                None => task.await,
            }
        }));
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
