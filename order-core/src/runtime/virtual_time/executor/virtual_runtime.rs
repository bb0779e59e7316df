//! A runtime whose time passes only when nothing else can happen, for scripts and tests.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::{Core, Executor, ProcessRuntime, lock, unpark};
use crate::runtime::{BoxFuture, Clock, Runtime};
use crate::time::Timestamp;

/// A [`Runtime`] for one process whose time passes only when nothing else can happen: hours go by
/// in milliseconds.
///
/// For scripts and tests. Calls into real threads (a database driver's) are made under
/// [`VirtualRuntime::enter_external`]; while one is under way, virtual time stands still and the
/// thread waits for it.
#[derive(Clone)]
pub struct VirtualRuntime {
    executor: Executor,
    runtime: ProcessRuntime,
}

impl Default for VirtualRuntime {
    fn default() -> Self {
        VirtualRuntime::new()
    }
}

impl VirtualRuntime {
    /// A runtime at [`EPOCH`](crate::runtime::virtual_time::EPOCH).
    pub fn new() -> Self {
        let executor = Executor::new();
        let process = executor.start_process(0);
        let runtime = executor.runtime(process);
        VirtualRuntime { executor, runtime }
    }

    /// Runs `future` to its end, and other tasks as they can; moves time forward whenever nothing
    /// can run.
    ///
    /// # Panics
    /// If the future can never end: nothing can run, no timer is set and no external call is under
    /// way.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let main = Arc::new(MainWaker {
            core: Arc::clone(&self.executor.core),
            woken: AtomicBool::new(true),
        });
        let waker = Waker::from(Arc::clone(&main));
        let mut future = std::pin::pin!(future);
        loop {
            if main.woken.swap(false, Ordering::AcqRel)
                && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                return output;
            }
            if self.executor.step(|_| 0) || main.woken.load(Ordering::Acquire) {
                continue;
            }
            if self.wait_for_external(&main.woken) || self.executor.fire_next_timer(Duration::MAX) {
                continue;
            }
            panic!(
                "a task waits for something that can never happen: nothing can run and no timer is set"
            );
        }
    }

    /// Lets `duration` of virtual time pass, and everything happen that falls due in it.
    pub fn advance(&self, duration: Duration) {
        self.block_on(self.runtime.timer(duration));
        self.run_until_idle();
    }

    /// Runs every task that can run now, and fires every timer that is due now, without letting
    /// time pass.
    pub fn run_until_idle(&self) {
        let never = AtomicBool::new(false);
        let now = self.executor.elapsed();
        while self.executor.step(|_| 0)
            || self.wait_for_external(&never)
            || self.executor.fire_next_timer(now)
        {}
    }

    /// Says that a call into a real thread is under way, until the guard is dropped.
    pub fn enter_external(&self) -> ExternalCall {
        lock(&self.executor.core.queue).external += 1;
        ExternalCall {
            core: Arc::clone(&self.executor.core),
        }
    }

    /// Waits until something was woken or an external call ended. False at once if none is under
    /// way.
    fn wait_for_external(&self, woken: &AtomicBool) -> bool {
        {
            let mut queue = lock(&self.executor.core.queue);
            if !queue.ready.is_empty() || woken.load(Ordering::Acquire) {
                return true;
            }
            if queue.external == 0 {
                return false;
            }
            queue.parked = Some(std::thread::current());
        }
        // May return early; the caller looks again.
        std::thread::park();
        lock(&self.executor.core.queue).parked = None;
        true
    }
}

impl Clock for VirtualRuntime {
    fn now(&self) -> Timestamp {
        self.runtime.now()
    }
}

impl Runtime for VirtualRuntime {
    fn monotonic(&self) -> Duration {
        self.runtime.monotonic()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.runtime.sleep(duration)
    }
    fn spawn(&self, task: BoxFuture<()>) {
        self.runtime.spawn(task);
    }
}

struct MainWaker {
    core: Arc<Core>,
    woken: AtomicBool,
}

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let queue = lock(&self.core.queue);
        self.woken.store(true, Ordering::Release);
        unpark(queue);
    }
}

/// A call into a real thread that is under way, until this is dropped. See
/// [`VirtualRuntime::enter_external`].
pub struct ExternalCall {
    core: Arc<Core>,
}

impl Drop for ExternalCall {
    fn drop(&mut self) {
        let mut queue = lock(&self.core.queue);
        queue.external -= 1;
        unpark(queue);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_passes_only_when_nothing_can_run() {
        let runtime = VirtualRuntime::new();
        let started = runtime.now();
        let other = runtime.clone();
        let log = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&log);
        runtime.spawn(Box::pin(async move {
            for i in 0..3 {
                other.sleep(SECOND).await;
                lock(&theirs).push(i);
            }
        }));
        runtime.advance(2 * SECOND);
        assert_eq!(*lock(&log), [0, 1]);
        runtime.block_on(runtime.sleep(3600 * SECOND));
        assert_eq!(*lock(&log), [0, 1, 2]);
        assert_eq!(runtime.now().since(started), 3602 * SECOND);
    }

    #[test]
    fn virtual_time_waits_for_real_threads() {
        let runtime = VirtualRuntime::new();
        let started = runtime.now();
        let (send, receive) = tokio::sync::oneshot::channel();
        let timer = runtime.sleep(SECOND);
        let guard = runtime.enter_external();
        let thread = std::thread::spawn(move || {
            let _ = send.send(7);
            drop(guard);
        });
        let answer = runtime.block_on(async {
            futures_util::future::select(timer, receive).await;
            runtime.now()
        });
        thread.join().unwrap();
        assert_eq!(answer, started, "the real answer came first");
    }
}
