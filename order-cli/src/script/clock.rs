//! A clock that moves only when a script says so, or when nothing else can happen.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use order_core::runtime::virtual_time::{EPOCH, VirtualRuntime, block_on};
use order_core::runtime::{BoxFuture, Clock, Runtime};
use order_core::time::Timestamp;

/// The clock of a script, and the tasks that run by it, in an order that depends on nothing but the
/// script. Clones share both.
#[derive(Clone)]
pub struct World {
    runtime: VirtualRuntime,
    start: Timestamp,
    /// Raised by a restart: tasks of an earlier life are dropped, not run.
    life: Arc<AtomicU64>,
}

impl World {
    /// A world whose clock stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        World {
            runtime: VirtualRuntime::new(),
            start,
            life: Arc::default(),
        }
    }

    /// Returns the time since the start.
    pub fn elapsed(&self) -> Duration {
        self.runtime.now().since(EPOCH)
    }

    /// Runs `step` to its end. When it waits for something that only time can bring, the clock
    /// jumps straight to it.
    pub fn run<T>(&self, step: impl Future<Output = T>) -> T {
        self.runtime.block_on(step)
    }

    /// Lets everything that can happen without time passing happen.
    pub fn settle(&self) {
        self.runtime.run_until_idle();
    }

    /// Moves the clock on by `by`; what sleeps until then wakes at its time, in order.
    pub fn advance(&self, by: Duration) {
        self.runtime.advance(by);
    }

    /// Ends every task of the engine where it stands, as when the process dies.
    pub fn end_tasks(&self) {
        self.life.fetch_add(1, Ordering::SeqCst);
    }

    /// Runs `task` beside the engine: something a service does by itself, which no restart ends.
    pub fn spawn_outside(&self, task: BoxFuture<()>) {
        self.runtime.spawn(task);
    }

    /// Waits for `call`, which other threads answer, and lets nothing else happen meanwhile:
    /// neither time passes, nor does it matter which of two threads is faster.
    pub async fn outside<T>(&self, call: impl Future<Output = T>) -> T {
        block_on(call)
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.start.after(self.elapsed())
    }
}

impl Runtime for World {
    fn monotonic(&self) -> Duration {
        self.runtime.monotonic()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.runtime.sleep(duration)
    }
    fn spawn(&self, task: BoxFuture<()>) {
        let born = self.life.load(Ordering::SeqCst);
        self.runtime.spawn(Box::pin(Mortal {
            life: self.life.clone(),
            born,
            task: Some(task),
        }));
    }
}

/// A task that ends with its life.
struct Mortal {
    life: Arc<AtomicU64>,
    born: u64,
    task: Option<BoxFuture<()>>,
}

impl Future for Mortal {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.life.load(Ordering::SeqCst) != self.born {
            self.task = None;
        }
        match &mut self.task {
            Some(task) => task.as_mut().poll(context),
            None => Poll::Ready(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_starts_where_it_is_told_and_stands_still_while_another_thread_answers() {
        let start: Timestamp = "2026-03-01T10:00:00Z".parse().unwrap();
        let world = World::new(start);
        let (send, receive) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || send.send(7));
        world.spawn(world.sleep(SECOND));
        assert_eq!(world.run(world.outside(receive)), Ok(7));
        assert_eq!(world.now(), start);
        world.run(world.sleep(SECOND));
        assert_eq!(world.now(), start.after(SECOND));
    }

    #[test]
    fn tasks_of_an_earlier_life_never_run_but_those_of_services_do() {
        let world = World::new(EPOCH);
        let spawn = |outside: bool| {
            let ran = Arc::new(AtomicBool::new(false));
            let (sleep, flag) = (world.sleep(SECOND), ran.clone());
            let task = Box::pin(async move {
                sleep.await;
                flag.store(true, Ordering::SeqCst);
            });
            if outside {
                world.spawn_outside(task)
            } else {
                world.spawn(task)
            }
            ran
        };
        let (engine, service) = (spawn(false), spawn(true));
        world.settle();
        world.end_tasks();
        world.advance(2 * SECOND);
        assert!(!engine.load(Ordering::SeqCst));
        assert!(service.load(Ordering::SeqCst));
    }
}
