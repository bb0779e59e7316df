//! A clock that moves only when a script says so, and the small scheduler that goes with it.
//!
//! Everything the engine does in a script runs as tasks of one [`World`], on one thread, in an order that depends on
//! nothing but the script. Time stands still while anything can still happen. When a step waits for something that
//! only time can bring (a late answer, a pause before the next try), the clock jumps straight to it.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use order_core::runtime::{BoxFuture, Clock, Ids, Runtime};
use order_core::time::Timestamp;

/// The clock, and the tasks that run by it. Clones share both.
#[derive(Clone)]
pub struct World {
    inner: Arc<Inner>,
}

struct Inner {
    start: Timestamp,
    state: Mutex<State>,
    /// Told whenever something becomes ready, also from the threads of a store.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Since the start.
    now: Duration,
    ready: VecDeque<Arc<Task>>,
    main_ready: bool,
    /// Sleepers by the time they wake, then by the order in which they went to sleep.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    sleeper_next: u64,
    /// Calls that other threads are at: while there are any, time stands still.
    outside: usize,
    /// Raised by a restart: tasks of an earlier life are dropped, not run.
    life: u64,
}

struct Task {
    inner: Arc<Inner>,
    /// Ends with this life; never, if none.
    life: Option<u64>,
    queued: AtomicBool,
    future: Mutex<Option<BoxFuture<()>>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            let inner = self.inner.clone();
            inner.state().ready.push_back(self);
            inner.changed.notify_all();
        }
    }
}

/// Wakes the step itself.
struct MainWaker(Arc<Inner>);

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.0.state().main_ready = true;
        self.0.changed.notify_all();
    }
}

/// A step waits for something that can never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the step waits for something that can never happen")]
pub struct Deadlock;

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic of a task under this lock cannot leave the state half changed: no task runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one ready task; whether there was one.
    fn run_one(&self) -> bool {
        let Some(task) = self.state().ready.pop_front() else { return false };
        task.queued.store(false, Ordering::SeqCst);
        let Some(mut future) = task.future.lock().unwrap_or_else(PoisonError::into_inner).take() else { return true };
        if task.life.is_some_and(|life| life != self.state().life) {
            return true;
        }
        let waker = Waker::from(task.clone());
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *task.future.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
        }
        true
    }

    /// Runs whatever can run at this moment of time, waiting for other threads.
    fn run_ready(&self, stop_for_main: bool) {
        loop {
            while !(stop_for_main && self.state().main_ready) && self.run_one() {}
            let mut state = self.state();
            loop {
                if !state.ready.is_empty() || (stop_for_main && state.main_ready) {
                    break;
                }
                if state.outside == 0 {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if stop_for_main && state.main_ready {
                return;
            }
        }
    }

    /// Moves the clock to the next sleeper, if one wakes by `until`, and wakes all that wake then.
    fn wake_next(&self, until: Option<Duration>) -> bool {
        let mut woken = Vec::new();
        {
            let mut state = self.state();
            let Some((&(at, _), _)) = state.sleepers.first_key_value() else { return false };
            if until.is_some_and(|until| at > until) {
                return false;
            }
            state.now = state.now.max(at);
            while let Some(entry) = state.sleepers.first_entry().filter(|e| e.key().0 == at) {
                woken.push(entry.remove());
            }
        }
        woken.into_iter().for_each(Waker::wake);
        true
    }
}

impl World {
    /// A world whose clock stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        World { inner: Arc::new(Inner { start, state: Mutex::default(), changed: Condvar::new() }) }
    }

    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.inner.state().now
    }

    /// Runs `step` to its end, letting time pass only when nothing else can happen.
    pub fn run<T>(&self, step: impl Future<Output = T>) -> Result<T, Deadlock> {
        let mut step = pin!(step);
        let waker = Waker::from(Arc::new(MainWaker(self.inner.clone())));
        let mut context = Context::from_waker(&waker);
        self.inner.state().main_ready = true;
        loop {
            if std::mem::take(&mut self.inner.state().main_ready)
                && let Poll::Ready(value) = step.as_mut().poll(&mut context)
            {
                return Ok(value);
            }
            self.inner.run_ready(true);
            if !self.inner.state().main_ready && !self.inner.wake_next(None) {
                return Err(Deadlock);
            }
        }
    }

    /// Lets everything that can happen without time passing happen.
    pub fn settle(&self) {
        self.inner.run_ready(false);
    }

    /// Moves the clock on by `by`; what sleeps until then wakes at its time, in order.
    pub fn advance(&self, by: Duration) {
        let until = self.elapsed() + by;
        self.settle();
        while self.inner.wake_next(Some(until)) {
            self.settle();
        }
        self.inner.state().now = until;
    }

    /// Ends every task of the engine where it stands, as when the process dies.
    pub fn end_tasks(&self) {
        let wakers: Vec<Waker> = {
            let mut state = self.inner.state();
            state.life += 1;
            state.sleepers.values().cloned().collect()
        };
        // Whoever wakes up in an earlier life is dropped; others go back to sleep.
        wakers.into_iter().for_each(Waker::wake);
        self.settle();
    }

    /// Runs `task` beside the engine: something a service does by itself, which no restart ends.
    pub fn spawn_outside(&self, task: BoxFuture<()>) {
        self.start(task, None);
    }

    fn start(&self, task: BoxFuture<()>, life: Option<u64>) {
        let (inner, future) = (self.inner.clone(), Mutex::new(Some(task)));
        Arc::new(Task { inner, life, queued: AtomicBool::new(false), future }).wake();
    }

    /// Marks `call` as done by another thread, so that time stands still until it is answered.
    pub async fn outside<T>(&self, call: impl Future<Output = T>) -> T {
        struct Inside<'a>(&'a Inner);
        impl Drop for Inside<'_> {
            fn drop(&mut self) {
                self.0.state().outside -= 1;
                self.0.changed.notify_all();
            }
        }
        self.inner.state().outside += 1;
        let _inside = Inside(&self.inner);
        call.await
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        self.inner.start.after(self.elapsed())
    }
}

impl Runtime for World {
    fn monotonic(&self) -> Duration {
        self.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let mut state = self.inner.state();
        let key = (state.now + duration, state.sleeper_next);
        state.sleeper_next += 1;
        Box::pin(Sleep { inner: self.inner.clone(), key })
    }

    fn spawn(&self, task: BoxFuture<()>) {
        let life = self.inner.state().life;
        self.start(task, Some(life));
    }
}

struct Sleep {
    inner: Arc<Inner>,
    key: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.inner.state();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        // Dropped only after the lock: it may be the last to know a task that sleeps.
        let _earlier = state.sleepers.insert(self.key, context.waker().clone());
        drop(state);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let waker = self.inner.state().sleepers.remove(&self.key);
        drop(waker);
    }
}

/// Ids and order numbers that are the same in every run of a script: SplitMix64 (Steele, Lea and Flood, 2014).
pub struct SeededIds(Mutex<u64>);

impl SeededIds {
    /// Ids that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        SeededIds(Mutex::new(seed))
    }
}

impl Ids for SeededIds {
    fn random(&self) -> u128 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut draw = || {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            u128::from(z ^ (z >> 31))
        };
        draw() << 64 | draw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn time_passes_only_when_nothing_else_can_happen() {
        let world = World::new(Timestamp::default());
        let log = Arc::new(Mutex::new(Vec::new()));
        for (name, wait) in [("b", 2), ("a", 1), ("c", 9)] {
            let (inner, log) = (world.clone(), log.clone());
            world.spawn(Box::pin(async move {
                inner.sleep(second(wait)).await;
                log.lock().unwrap().push((name, inner.elapsed().as_secs()));
            }));
        }
        let step = world.sleep(second(3));
        assert_eq!(world.run(step), Ok(()));
        assert_eq!(*log.lock().unwrap(), [("a", 1), ("b", 2)]);
        assert_eq!(world.elapsed(), second(3));
        world.advance(second(5));
        assert_eq!(log.lock().unwrap().len(), 2);
        world.advance(second(5));
        assert_eq!(log.lock().unwrap().last(), Some(&("c", 9)));
        assert_eq!(world.elapsed(), second(13));
    }

    #[test]
    fn time_stands_still_while_another_thread_answers() {
        let world = World::new(Timestamp::default());
        let (send, receive) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || send.send(7));
        let sleeper = world.sleep(second(1));
        let inner = world.clone();
        world.spawn(Box::pin(sleeper));
        let answer = world.run(async move { inner.outside(receive).await });
        assert_eq!(answer.unwrap(), Ok(7));
        assert_eq!(world.elapsed(), second(0));
    }

    #[test]
    fn a_step_that_can_never_end_is_noticed() {
        let world = World::new(Timestamp::default());
        assert_eq!(world.run(std::future::pending::<()>()), Err(Deadlock));
    }

    #[test]
    fn tasks_of_an_earlier_life_never_run() {
        let world = World::new(Timestamp::default());
        let ran = Arc::new(AtomicBool::new(false));
        let (inner, flag) = (world.clone(), ran.clone());
        world.spawn(Box::pin(async move {
            inner.sleep(second(1)).await;
            flag.store(true, Ordering::SeqCst);
        }));
        world.settle();
        world.end_tasks();
        world.advance(second(2));
        assert!(!ran.load(Ordering::SeqCst));
    }
}
