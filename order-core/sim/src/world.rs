//! The world of one seed: a store, services, processes that run the engine, and the dice that
//! decide what goes wrong.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;

use super::clients::SimClients;
use super::config::{Config, Share};
use super::coverage::Coverage;
use super::dice::{Dice, Table};
use super::faults::Latency;
use super::fixture::Fixture;
use super::follower::Follower;
use super::lock;
use super::oracle::Oracle;
use super::setback::Backups;
use super::store::SimStore;
use order_core::audit::{Breach, Invariant};
use order_core::ids::OrderId;
use order_core::manager::OrderManager;
use order_core::rules::Env;
use order_core::runtime::virtual_time::{Executor, ProcessId, ProcessRuntime, SeededIds};
use order_core::runtime::{Clock, Ids, Runtime};
use order_core::store::{LeaseRequest, MemoryStore, OrderStore};
use order_core::testkit::services::{MemoryInventory, MemoryNotifications, MemoryPayments};
use order_core::time::Timestamp;

/// The engine as a process of the world runs it.
pub(super) type Manager = OrderManager<SimStore, SimClients>;

/// A place where the engine runs: one incarnation after another.
pub(super) struct Host {
    pub process: ProcessId,
    pub manager: Manager,
}

pub(super) struct World {
    pub executor: Executor,
    /// The process of clients, providers and late effects: never crashes, and its clock is right.
    pub outside: ProcessId,
    pub runtime: ProcessRuntime,
    pub dice: Mutex<Dice>,
    pub config: Config,
    /// Set while the engine is known to have a bug.
    pub is_hunt: bool,
    pub fixture: &'static Fixture,
    pub store: MemoryStore,
    store_clock: Arc<StoreClock>,
    pub inventory: MemoryInventory,
    pub payments: MemoryPayments,
    pub notifications: MemoryNotifications,
    pub ids: Arc<SeededIds>,
    pub oracle: Mutex<Oracle>,
    pub follower: Mutex<Follower>,
    pub coverage: Mutex<Coverage>,
    pub backups: Mutex<Backups>,
    hosts: Mutex<Vec<Host>>,
    /// Tasks outside of all processes that are still under way.
    pub outstanding: AtomicUsize,
    calls: Mutex<Calls>,
    /// Woken when work may have become due.
    pub work: tokio::sync::Notify,
    /// No more faults.
    calm: AtomicBool,
    breaches: Mutex<Vec<Breach>>,
    breached: AtomicBool,
    trace: Option<Mutex<String>>,
}

/// The store's own clock: right, unless a fault moved it.
struct StoreClock {
    runtime: ProcessRuntime,
    skew: AtomicI64,
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(
            self.runtime.true_now().as_micros() + self.skew.load(Ordering::Relaxed),
        )
    }
}

impl World {
    pub(super) fn new(seed: u64, traced: bool, is_hunt: bool) -> Arc<Self> {
        static FIXTURE: OnceLock<Fixture> = OnceLock::new();
        let fixture = FIXTURE.get_or_init(Fixture::new);
        let mut dice = Dice::new(seed);
        let config = Config::draw(&mut dice);
        let executor = Executor::new();
        let outside = executor.start_process(0);
        let runtime = executor.runtime(outside);
        let store_clock = Arc::new(StoreClock {
            runtime: runtime.clone(),
            skew: AtomicI64::new(0),
        });
        let world = Arc::new_cyclic(|me: &std::sync::Weak<World>| {
            let me = me.clone();
            let teller = me.clone();
            let decide = Box::new(move |_: &_| {
                me.upgrade()
                    .map_or(order_core::testkit::services::Outcome::Approve, |w| {
                        w.outcome()
                    })
            });
            let measure =
                Box::new(move |_, asked| teller.upgrade().map_or(asked, |w| w.share().of(asked)));
            let inventory = MemoryInventory::new(
                config.inventory,
                config.reservation_lifetime,
                Arc::new(runtime.clone()),
            );
            // Without keys it is the platform's, whose holds keep their units when their time is
            // over.
            let inventory = if config.inventory.repeat_reserve {
                inventory
            } else {
                inventory.keeping_lapsed()
            };
            for sku in &fixture.skus {
                inventory.restock(sku, config.stock);
            }
            let payments =
                MemoryPayments::new(config.payment, Duration::from_secs(15 * 60), decide)
                    .with_amounts(measure);
            let payments = match config.capture_window {
                Some(window) => payments.with_expiry(window, Arc::new(runtime.clone())),
                None => payments,
            };
            World {
                is_hunt,
                store: MemoryStore::new(Arc::clone(&store_clock) as Arc<dyn Clock>),
                store_clock,
                inventory,
                payments,
                notifications: MemoryNotifications::default(),
                ids: Arc::new(SeededIds::new(seed)),
                oracle: Mutex::default(),
                follower: Mutex::default(),
                coverage: Mutex::default(),
                backups: Mutex::default(),
                hosts: Mutex::default(),
                outstanding: AtomicUsize::new(0),
                calls: Mutex::default(),
                work: tokio::sync::Notify::new(),
                calm: AtomicBool::new(false),
                breaches: Mutex::default(),
                breached: AtomicBool::new(false),
                trace: traced.then(Mutex::default),
                dice: Mutex::new(dice),
                config,
                fixture,
                outside,
                runtime,
                executor,
            }
        });
        world.trace(|| world.config.to_string());
        let hosts = (0..world.config.processes)
            .map(|i| world.start(i))
            .collect();
        *lock(&world.hosts) = hosts;
        world
    }

    /// Ends everything, so that nothing refers to the world any more.
    pub(super) fn end(&self) {
        for host in lock(&self.hosts).drain(..) {
            self.executor.crash(host.process);
        }
        self.executor.crash(self.outside);
        self.executor.step(|_| 0);
    }

    // Time, dice and what was seen.

    pub(super) fn choose(&self, n: usize) -> usize {
        lock(&self.dice).choose(n)
    }

    pub(super) fn chance(&self, per_mille: u32) -> bool {
        lock(&self.dice).chance(per_mille)
    }

    pub(super) fn pick<T: Copy>(&self, from: &[T]) -> T {
        lock(&self.dice).pick(from)
    }

    pub(super) fn weighted<T: Copy>(&self, table: &Table<T>) -> T {
        lock(&self.dice).weighted(table)
    }

    pub(super) fn note(&self, what: u64) {
        lock(&self.dice).note(what);
    }

    pub(super) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub(super) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    /// Writes a line of the trace, if anybody reads it.
    pub(super) fn trace(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let line = line();
            let at = self.runtime.monotonic();
            let mut trace = lock(trace);
            let _ = writeln!(trace, "{:>10.3}s  {line}", at.as_secs_f64());
        }
    }

    pub(super) fn take_trace(&self) -> String {
        self.trace
            .as_ref()
            .map_or_else(String::new, |t| std::mem::take(&mut *lock(t)))
    }

    /// Takes down that an invariant does not hold: the seed has failed.
    pub(super) fn breach(&self, invariant: Invariant, detail: String) {
        self.breaches(vec![Breach { invariant, detail }]);
    }

    pub(super) fn breaches(&self, found: Vec<Breach>) {
        if found.is_empty() {
            return;
        }
        for breach in &found {
            self.trace(|| format!("BREACH {breach}"));
        }
        self.breached.store(true, Ordering::Relaxed);
        lock(&self.breaches).extend(found);
    }

    pub(super) fn is_breached(&self) -> bool {
        self.breached.load(Ordering::Relaxed)
    }

    pub(super) fn take_breaches(&self) -> Vec<Breach> {
        std::mem::take(&mut *lock(&self.breaches))
    }

    /// Returns what the rules need to know, at `now`.
    pub(super) fn env(&self, now: Timestamp) -> Env<'_> {
        Env {
            now,
            clock: now,
            policy: &self.config.policy,
            inventory: self.config.inventory,
            payment: self.config.payment,
            notify: self.config.notify,
        }
    }

    fn outcome(&self) -> order_core::testkit::services::Outcome {
        if self.is_calm() {
            order_core::testkit::services::Outcome::Approve
        } else {
            self.weighted(&self.config.outcomes)
        }
    }

    fn share(&self) -> Share {
        if self.is_calm() {
            Share::All
        } else {
            self.weighted(&self.config.amounts)
        }
    }

    // Processes.

    fn start(self: &Arc<Self>, index: usize) -> Host {
        let skew = if self.config.wrong_clocks && !self.is_calm() {
            self.pick(&[0, 0, 700_000, -2_000_000, HOUR_US, -HOUR_US])
        } else {
            0
        };
        let process = self.executor.start_process(skew);
        self.trace(|| format!("process {index} starts, its clock wrong by {skew} us"));
        let runtime = self.executor.runtime(process);
        let manager = OrderManager::builder(
            SimStore {
                world: Arc::clone(self),
                index,
                runtime: runtime.clone(),
            },
            SimClients::new(Arc::clone(self), index, runtime.clone()),
        )
        .pricing(self.fixture.pricing())
        .runtime(Arc::new(runtime.clone()))
        .ids(Arc::clone(&self.ids) as Arc<dyn Ids>)
        .policy(self.config.policy.clone())
        .build()
        .expect("the simulator's policies are valid");
        let worker = manager.clone();
        let world = Arc::clone(self);
        self.executor.spawn(
            process,
            Box::pin(async move { world.work_loop(worker, runtime).await }),
        );
        Host { process, manager }
    }

    /// Leases and works whatever is due, and sleeps until something may be.
    async fn work_loop(self: Arc<Self>, manager: Manager, runtime: ProcessRuntime) {
        while !self.is_calm() {
            let woken = self.work.notified();
            match self.next_due() {
                Some(wait) if wait.is_zero() => {
                    if manager.work_due(8).await.is_err() {
                        runtime.timer(Duration::from_millis(250)).await;
                    } else if self.next_due() == Some(Duration::ZERO) {
                        // Somebody else was faster, or it became due again at once.
                        runtime.timer(Duration::from_millis(1)).await;
                    }
                }
                Some(wait) => {
                    futures_util::future::select(Box::pin(runtime.timer(wait)), Box::pin(woken))
                        .await;
                }
                None => woken.await,
            }
        }
    }

    /// Returns the time until work is due by the store's clock; none if there is none.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let summary = self.store.work_summary().now_or_never()?.ok()?;
        let due = summary
            .next_due
            .into_iter()
            .chain(summary.leased_until)
            .min()?;
        Some(due.since(self.store_clock.now()))
    }

    /// The process dies, and another takes its place after a while.
    pub(super) fn crash(self: &Arc<Self>, index: usize) {
        let Some(process) = lock(&self.hosts).get(index).map(|h| h.process) else {
            return;
        };
        if !self.executor.is_alive(process) {
            return;
        }
        self.trace(|| format!("process {index} CRASHES"));
        self.executor.crash(process);
        let down = self.pick(&[
            Duration::ZERO,
            Duration::from_millis(20),
            Duration::from_secs(3),
            Duration::from_secs(40),
        ]);
        let world = Arc::clone(self);
        let timer = self.runtime.timer(down);
        self.executor.spawn(
            self.outside,
            Box::pin(async move {
                timer.await;
                world.replace(index, process);
                world.work.notify_waiters();
            }),
        );
    }

    /// Starts another process in the place of `dead`, unless one has been.
    fn replace(self: &Arc<Self>, index: usize, dead: ProcessId) {
        if lock(&self.hosts)
            .get(index)
            .is_none_or(|host| host.process != dead)
        {
            return;
        }
        let host = self.start(index);
        if let Some(place) = lock(&self.hosts).get_mut(index) {
            *place = host;
        }
    }

    /// Ends all processes, and starts as many anew once `meanwhile` is done.
    pub(super) fn restart_all(self: &Arc<Self>, meanwhile: impl FnOnce()) {
        let running: Vec<ProcessId> = lock(&self.hosts).iter().map(|host| host.process).collect();
        running
            .iter()
            .for_each(|process| self.executor.crash(*process));
        meanwhile();
        running
            .iter()
            .enumerate()
            .for_each(|(index, process)| self.replace(index, *process));
    }

    /// The process stands still for a while, perhaps for longer than it has leases.
    pub(super) async fn pause(&self, runtime: &ProcessRuntime) {
        let still = self.pick(&[
            Duration::from_millis(30),
            Duration::from_secs(4),
            Duration::from_secs(11),
            Duration::from_secs(70),
        ]);
        self.trace(|| format!("a process stands still for {still:?}"));
        self.executor.pause(runtime.process(), still);
        yield_now().await;
    }

    /// The clock of a process, or of the store, jumps.
    pub(super) fn jump(&self, runtime: &ProcessRuntime) {
        let skew = self.pick(&[0, HOUR_US, -HOUR_US, 5_000_000]);
        if self.chance(250) {
            self.trace(|| format!("the store's clock is wrong by {skew} us"));
            self.store_clock.skew.store(skew, Ordering::Relaxed);
            lock(&self.oracle).leases_may_be_taken_early = true;
        } else {
            self.trace(|| format!("a process's clock is wrong by {skew} us"));
            self.executor.set_skew(runtime.process(), skew);
        }
    }

    /// An order, that one or any, cannot be read for a while.
    pub(super) fn damage(self: &Arc<Self>, order: Option<OrderId>) {
        let orders = self.store.orders();
        let any = || (!orders.is_empty()).then(|| orders[self.choose(orders.len())].id);
        let Some(order) = order.or_else(any) else {
            return;
        };
        let lasts = self.pick(&[
            Duration::from_millis(50),
            Duration::from_secs(4),
            Duration::from_secs(25),
            Duration::from_secs(200),
        ]);
        self.trace(|| format!("{} cannot be READ for {lasts:?}", short(order)));
        self.store.damage(order, Some("simulated: damaged"));
        let (world, timer) = (Arc::clone(self), self.runtime.timer(lasts));
        self.executor.spawn(
            self.outside,
            Box::pin(async move {
                timer.await;
                world.store.damage(order, None);
                world.work.notify_waiters();
            }),
        );
    }

    /// Somebody who never comes back takes the lease on the order's work, though it has not run
    /// out.
    pub(super) fn steal(&self, order: OrderId) {
        let ttl = self.config.policy.lease;
        let ahead = ttl.as_micros() as i64 + 1;
        self.store_clock.skew.fetch_add(ahead, Ordering::Relaxed);
        let fence = self.ids.fence(self.runtime.now());
        let request = LeaseRequest {
            fence,
            ttl,
            limit: 1,
            order: Some(order),
        };
        let stolen = self.store.lease(&request).now_or_never().is_some_and(|r| {
            r.is_ok_and(|page| !(page.leased.is_empty() && page.unreadable.is_empty()))
        });
        self.store_clock.skew.fetch_sub(ahead, Ordering::Relaxed);
        if stolen {
            self.trace(|| format!("the lease on {} is STOLEN", short(order)));
            lock(&self.oracle).leases_may_be_taken_early = true;
        }
    }

    /// A host whose process lives, if any.
    pub(super) fn alive(&self) -> Option<(ProcessId, Manager)> {
        let hosts = lock(&self.hosts);
        let alive: Vec<&Host> = hosts
            .iter()
            .filter(|h| self.executor.is_alive(h.process))
            .collect();
        let i = self.choose(alive.len());
        alive.get(i).map(|h| (h.process, h.manager.clone()))
    }

    /// A manager to look at the world with once it is calm.
    pub(super) fn any_manager(&self) -> Option<(ProcessId, Manager)> {
        let hosts = lock(&self.hosts);
        hosts
            .iter()
            .find(|h| self.executor.is_alive(h.process))
            .map(|h| (h.process, h.manager.clone()))
    }

    /// No more faults, and all clocks are right.
    pub(super) fn heal(&self) {
        self.trace(|| "everything HEALS".into());
        self.calm.store(true, Ordering::Relaxed);
        self.store_clock.skew.store(0, Ordering::Relaxed);
        for host in &*lock(&self.hosts) {
            self.executor.set_skew(host.process, 0);
        }
        self.store
            .orders()
            .iter()
            .for_each(|order| self.store.damage(order.id, None));
        self.work.notify_waiters();
    }

    // Calls.

    /// Counts a call; ends the seed when there are more within an hour than any needs in which
    /// orders do no more than renew their reservations.
    pub(super) async fn count_call(&self) {
        let hour = self.executor.elapsed().as_secs() / 3600;
        let count = {
            let mut calls = lock(&self.calls);
            if calls.hour != hour {
                *calls = Calls { hour, count: 0 };
            }
            calls.count += 1;
            calls.count
        };
        if count > CALLS_MAX {
            self.breach(
                Invariant::WorkItem,
                format!("no rest after {CALLS_MAX} calls in an hour"),
            );
            std::future::pending::<()>().await;
        }
    }

    /// Lets a call take its time.
    pub(super) async fn take_time(&self, runtime: &ProcessRuntime) {
        if self.is_calm() {
            return;
        }
        match self.weighted(&self.config.latency) {
            Latency::None => {}
            Latency::Yield => yield_now().await,
            Latency::Short => {
                runtime
                    .timer(self.pick(&[Duration::from_micros(300), Duration::from_millis(7)]))
                    .await
            }
            Latency::Long => {
                runtime
                    .timer(self.pick(&[Duration::from_millis(90), Duration::from_millis(800)]))
                    .await
            }
        }
    }
}

/// The calls of an hour of the simulated time.
#[derive(Default)]
struct Calls {
    hour: u64,
    count: usize,
}

/// A score of orders of three lines that renew reservations of two minutes makes half as many.
const CALLS_MAX: usize = 20_000;
const HOUR_US: i64 = 3_600_000_000;

/// The most by which a clock goes wrong.
pub(super) const CLOCKS_APART_MOST: Duration = Duration::from_micros(HOUR_US.unsigned_abs());

/// Enough of an order's id to tell it from the seed's others in a trace.
pub(super) fn short(order: OrderId) -> String {
    order.to_string().split_off(32)
}

/// Lets others run first.
pub(super) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
