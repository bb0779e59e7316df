//! A single-threaded, deterministic executor with a virtual clock.
//!
//! Tasks belong to *processes*, which can crash (all their tasks are dropped), pause (none is
//! polled) and have wrong clocks. Time stands still while any task can run; then it jumps to the
//! next timer, ties in order of their making. Nothing here asks the operating system for the time,
//! so the same tasks and the same picks give the same run.

mod virtual_runtime;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

pub use virtual_runtime::{ExternalCall, VirtualRuntime};

use super::{EPOCH, lock};
use crate::runtime::{BoxFuture, Clock, Runtime};
use crate::time::Timestamp;

/// Names a process: one incarnation of a program. A restarted one is another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(usize);

/// Runs tasks one at a time. Cloning gives another handle to the same executor.
#[derive(Clone)]
pub struct Executor {
    core: Arc<Core>,
}

struct Core {
    /// True time since [`EPOCH`], in microseconds.
    now: AtomicU64,
    queue: Mutex<Queue>,
    state: Mutex<State>,
    /// Set while tasks of a crashed process are still to be dropped.
    doomed: AtomicBool,
}

/// The part that wakers touch, also those that other threads call.
#[derive(Default)]
struct Queue {
    ready: VecDeque<usize>,
    /// Calls under way outside of virtual time: while there are any, time stands still.
    external: usize,
    /// The thread that waits for one of them, if it does.
    parked: Option<std::thread::Thread>,
}

#[derive(Default)]
struct State {
    tasks: Vec<Slot>,
    free: Vec<usize>,
    processes: Vec<Process>,
    timers: BTreeMap<(u64, u64), Timer>,
    timer_seq: u64,
}

#[derive(Default)]
struct Slot {
    /// Taken out while it is polled; absent in a free slot.
    future: Option<BoxFuture<()>>,
    process: usize,
    waker: Option<(Arc<TaskWaker>, Waker)>,
}

struct Process {
    clock: Arc<ProcessClock>,
    alive: bool,
    /// Tasks woken while it was paused.
    paused: Option<Vec<usize>>,
}

/// A process's clock: true time and how wrong it is.
struct ProcessClock {
    skew: AtomicI64,
}

enum Timer {
    Wake(Waker),
    Resume(usize),
}

struct TaskWaker {
    core: Arc<Core>,
    task: usize,
    queued: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.core.enqueue(self.task);
        }
    }
}

impl Core {
    fn enqueue(&self, task: usize) {
        let mut queue = lock(&self.queue);
        queue.ready.push_back(task);
        unpark(queue);
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }
}

/// Wakes the thread that waits for a call outside of virtual time, if one does.
fn unpark(mut queue: MutexGuard<'_, Queue>) {
    if let Some(thread) = queue.parked.take() {
        drop(queue);
        thread.unpark();
    }
}

/// The next thing that an executor can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Nothing can run before this time since the start.
    Until(Duration),
    /// Nothing will ever run again by itself.
    Forever,
}

impl Default for Executor {
    fn default() -> Self {
        Executor::new()
    }
}

impl Executor {
    /// An executor without processes, at [`EPOCH`].
    pub fn new() -> Self {
        let core = Core {
            now: AtomicU64::new(0),
            queue: Mutex::default(),
            state: Mutex::default(),
            doomed: AtomicBool::new(false),
        };
        Executor {
            core: Arc::new(core),
        }
    }

    /// Starts a process whose clock is wrong by `skew_us` microseconds.
    pub fn start_process(&self, skew_us: i64) -> ProcessId {
        let mut state = lock(&self.core.state);
        let clock = Arc::new(ProcessClock {
            skew: AtomicI64::new(skew_us),
        });
        state.processes.push(Process {
            clock,
            alive: true,
            paused: None,
        });
        ProcessId(state.processes.len() - 1)
    }

    /// Returns the time and the tasks as `process` sees them.
    pub fn runtime(&self, process: ProcessId) -> ProcessRuntime {
        let clock = Arc::clone(&lock(&self.core.state).processes[process.0].clock);
        ProcessRuntime {
            core: Arc::clone(&self.core),
            process,
            clock,
        }
    }

    /// Starts a task. In a crashed process it is dropped instead.
    pub fn spawn(&self, process: ProcessId, task: BoxFuture<()>) {
        self.core.spawn(process, task);
    }

    /// Reports whether the process has not crashed.
    pub fn is_alive(&self, process: ProcessId) -> bool {
        lock(&self.core.state).processes[process.0].alive
    }

    /// Ends a process: its tasks are dropped once the one that runs now, if any, gives way. Nothing
    /// of it runs again.
    pub fn crash(&self, process: ProcessId) {
        lock(&self.core.state).processes[process.0].alive = false;
        self.core.doomed.store(true, Ordering::Relaxed);
    }

    /// Stops polling a process's tasks for a while, as a suspended machine does.
    pub fn pause(&self, process: ProcessId, duration: Duration) {
        let until = self.core.now() + micros(duration);
        let mut state = lock(&self.core.state);
        if state.processes[process.0].paused.is_none() {
            state.processes[process.0].paused = Some(Vec::new());
            state.add_timer(until, Timer::Resume(process.0));
        }
    }

    /// Sets how wrong a process's clock is, in microseconds.
    pub fn set_skew(&self, process: ProcessId, skew_us: i64) {
        lock(&self.core.state).processes[process.0]
            .clock
            .skew
            .store(skew_us, Ordering::Relaxed);
    }

    /// True time since the start.
    pub fn elapsed(&self) -> Duration {
        Duration::from_micros(self.core.now())
    }

    /// Polls one task that can run, chosen by `pick` out of so many (asked only if there are two or
    /// more). False if none can.
    pub fn step(&self, pick: impl FnOnce(usize) -> usize) -> bool {
        self.bury();
        let task = {
            let mut queue = lock(&self.core.queue);
            match queue.ready.len() {
                0 => return false,
                1 => queue.ready.pop_front(),
                n => queue.ready.swap_remove_front(pick(n)),
            }
        };
        if let Some(task) = task {
            self.poll(task);
        }
        true
    }

    /// Returns the time at which the next timer is due.
    pub fn idle(&self) -> Idle {
        let next = lock(&self.core.state).timers.keys().next().copied();
        next.map_or(Idle::Forever, |(at, _)| {
            Idle::Until(Duration::from_micros(at))
        })
    }

    /// Moves time to the next timer and fires it, unless that is after `limit`. False if it did
    /// not.
    pub fn fire_next_timer(&self, limit: Duration) -> bool {
        let mut state = lock(&self.core.state);
        let Some((&(at, _), _)) = state
            .timers
            .first_key_value()
            .filter(|((at, _), _)| *at <= micros(limit))
        else {
            return false;
        };
        self.core.now.fetch_max(at, Ordering::Relaxed);
        match state.timers.pop_first() {
            Some((_, Timer::Wake(waker))) => {
                drop(state);
                waker.wake();
            }
            Some((_, Timer::Resume(process))) => {
                let woken = state.processes[process].paused.take().unwrap_or_default();
                drop(state);
                lock(&self.core.queue).ready.extend(woken);
            }
            None => {}
        }
        true
    }

    fn poll(&self, task: usize) {
        let mut state = lock(&self.core.state);
        let State {
            tasks, processes, ..
        } = &mut *state;
        let Some(slot) = tasks.get_mut(task) else {
            return;
        };
        let Some((own, _)) = &slot.waker else { return };
        if let Some(held_back) = &mut processes[slot.process].paused {
            held_back.push(task);
            return;
        }
        own.queued.store(false, Ordering::Relaxed);
        let (Some(mut future), Some((own, waker))) = (slot.future.take(), slot.waker.take()) else {
            return;
        };
        drop(state);
        let done = future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready();
        let mut state = lock(&self.core.state);
        if done {
            state.free.push(task);
            drop(state);
            drop(future);
        } else {
            let slot = &mut state.tasks[task];
            slot.future = Some(future);
            slot.waker = Some((own, waker));
        }
    }

    /// Drops the tasks of crashed processes. Never while a task is polled.
    fn bury(&self) {
        if !self.core.doomed.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut state = lock(&self.core.state);
        let State {
            tasks,
            processes,
            free,
            ..
        } = &mut *state;
        let mut dead = Vec::new();
        for (i, slot) in tasks.iter_mut().enumerate() {
            if slot.future.is_some() && !processes[slot.process].alive {
                dead.push((slot.future.take(), slot.waker.take()));
                free.push(i);
            }
        }
        drop(state);
        // Dropping a task may wake others and remove timers.
        drop(dead);
    }
}

impl State {
    fn add_timer(&mut self, at: u64, timer: Timer) -> (u64, u64) {
        self.timer_seq += 1;
        self.timers.insert((at, self.timer_seq), timer);
        (at, self.timer_seq)
    }
}

impl Core {
    fn spawn(self: &Arc<Self>, process: ProcessId, future: BoxFuture<()>) {
        let mut state = lock(&self.state);
        if !state.processes[process.0].alive {
            drop(state);
            return drop(future);
        }
        let task = state.free.pop().unwrap_or(state.tasks.len());
        let own = Arc::new(TaskWaker {
            core: Arc::clone(self),
            task,
            queued: AtomicBool::new(true),
        });
        let waker = Waker::from(Arc::clone(&own));
        let slot = Slot {
            future: Some(future),
            process: process.0,
            waker: Some((own, waker)),
        };
        if task == state.tasks.len() {
            state.tasks.push(slot);
        } else {
            state.tasks[task] = slot;
        }
        drop(state);
        self.enqueue(task);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The world as one process sees it: its clock, its timers, its tasks.
#[derive(Clone)]
pub struct ProcessRuntime {
    core: Arc<Core>,
    process: ProcessId,
    clock: Arc<ProcessClock>,
}

impl ProcessRuntime {
    /// Returns the process whose it is.
    pub fn process(&self) -> ProcessId {
        self.process
    }

    /// True time, however wrong this process's clock is.
    pub fn true_now(&self) -> Timestamp {
        EPOCH.after(Duration::from_micros(self.core.now()))
    }

    /// Ends after `duration`; unlike [`Runtime::sleep`] without a box around it.
    pub fn timer(&self, duration: Duration) -> Sleep {
        let at = self.core.now().saturating_add(micros(duration));
        Sleep {
            core: Arc::clone(&self.core),
            at,
            registered: None,
        }
    }
}

impl Clock for ProcessRuntime {
    fn now(&self) -> Timestamp {
        let skew = self.clock.skew.load(Ordering::Relaxed);
        Timestamp::from_micros(EPOCH.as_micros() + self.core.now() as i64 + skew)
    }
}

impl Runtime for ProcessRuntime {
    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.core.now())
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(self.timer(duration))
    }
    fn spawn(&self, task: BoxFuture<()>) {
        self.core.spawn(self.process, task);
    }
}

/// Ends at a point of virtual time.
pub struct Sleep {
    core: Arc<Core>,
    at: u64,
    registered: Option<(u64, u64)>,
}

impl Future for Sleep {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.core.now() >= self.at {
            return Poll::Ready(());
        }
        let core = Arc::clone(&self.core);
        let mut state = lock(&core.state);
        match self.registered.and_then(|key| state.timers.get_mut(&key)) {
            Some(Timer::Wake(waker)) => waker.clone_from(cx.waker()),
            _ => self.registered = Some(state.add_timer(self.at, Timer::Wake(cx.waker().clone()))),
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.registered {
            let timer = lock(&self.core.state).timers.remove(&key);
            drop(timer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_crash_drops_the_tasks_of_its_process_alone() {
        let executor = Executor::new();
        let (a, b) = (executor.start_process(0), executor.start_process(5));
        let count = Arc::new(Mutex::new((0, 0)));
        for process in [a, b] {
            let runtime = executor.runtime(process);
            let count = Arc::clone(&count);
            executor.spawn(
                process,
                Box::pin(async move {
                    loop {
                        runtime.timer(SECOND).await;
                        let mut count = lock(&count);
                        if process == a {
                            count.0 += 1
                        } else {
                            count.1 += 1
                        }
                    }
                }),
            );
        }
        let run = |seconds: u32| {
            let end = executor.elapsed() + seconds * SECOND;
            while executor.step(|_| 0) || executor.fire_next_timer(end) {}
        };
        run(2);
        executor.crash(a);
        run(1);
        executor.pause(b, 2 * SECOND);
        run(2);
        assert_eq!(
            *lock(&count),
            (2, 4),
            "paused while its timer of the fourth second fired, resumed at the fifth"
        );
        executor.spawn(a, Box::pin(async { panic!("runs in a crashed process") }));
        run(1);
        assert_eq!(
            executor.runtime(b).now().as_micros(),
            executor.runtime(a).now().as_micros() + 5
        );
    }
}
