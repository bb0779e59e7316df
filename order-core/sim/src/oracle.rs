//! The checks that the simulator makes while a seed runs: of every commit, and of every call.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use uuid::Uuid;

use super::lock;
use super::moments::{Past, check_row};
use super::operators::Keyed;
use super::world::{CLOCKS_APART_MOST, World, short};
use order_core::audit::{Breach, Invariant, Replay, check_at_rest, check_records};
use order_core::ids::{Fence, OrderId, UserId};
use order_core::number::OrderNumber;
use order_core::order::{
    Event, JournalRow, Op, OperationKind, OperationState, Order, PaymentOperation, UnmatchedPayment,
};
use order_core::rules::{Command, PaymentReport, Purpose, closing_key, key, next};
use order_core::runtime::Runtime;
use order_core::runtime::virtual_time::ProcessId;
use order_core::store::Tries;
use order_core::time::Timestamp;

/// The known past of a seed's world.
#[derive(Default)]
pub(super) struct Oracle {
    orders: BTreeMap<OrderId, Watched>,
    numbers: HashMap<OrderNumber, OrderId>,
    /// By host and order: the lease it took last, and until when (true monotonic time) it may think
    /// it has it.
    leases: HashMap<(usize, OrderId), (Fence, Duration)>,
    /// The first question under each derived key.
    requests: HashMap<Uuid, String>,
    /// Set if a fault took a lease from somebody who could not know.
    pub leases_may_be_taken_early: bool,
    /// Keys that a service refused for good: it keeps to it.
    pub refused: HashSet<Uuid>,
    /// Keys of calls that will take effect later.
    pub late: HashSet<Uuid>,
    /// The number of times that each reservation or payment was refused a closing, void or refund
    /// by a fault.
    pub refusals: HashMap<Uuid, u32>,
    /// The reports that providers could make, oldest first.
    pub reports: Vec<(OrderId, PaymentReport)>,
    /// The order each idempotency key was answered with.
    pub keys: HashMap<(UserId, String), OrderId>,
    /// Versions that clients were answered with.
    pub answered: BTreeMap<OrderId, u64>,
    /// Holds of which a process was told that they exist, by the process and the inventory's name
    /// for the hold.
    pub told: Vec<(ProcessId, OrderId, String)>,
    /// Commands that were asked for under a key, to be asked for again.
    pub asked: Vec<(OrderId, Command, Keyed)>,
    /// Holds that the inventory lost, by its names for them.
    pub lost: HashMap<String, OrderId>,
    /// The number of callbacks that said what is not so.
    pub lies: usize,
    /// The number of disputes there were.
    pub disputes: usize,
    /// Orders whose cancellation was answered.
    pub cancelled: HashSet<OrderId>,
    /// The operations made outside the engine, by the provider's names for it, and was said to have
    /// been heard of.
    pub heard: HashSet<String>,
    /// Operations and disputes of which somebody has said what is not so, or nobody has
    /// acknowledged a word that is over by now, and not yet what is; by their names.
    pub misled: HashSet<(OrderId, String)>,
}

#[derive(Default)]
struct Watched {
    replay: Replay,
    /// Operations that were ever armed, and reservations whose closing was ever written down.
    intents: Vec<Intent>,
    keys: HashMap<Uuid, Intent>,
}

impl Watched {
    /// Takes in the next row of its journal.
    fn take(&mut self, row: &JournalRow, breaches: &mut Vec<Breach>) {
        self.replay.apply(row, breaches);
        match &row.event {
            Event::Armed { ops } => self.intents.extend(ops.iter().map(|op| Intent::Op(*op))),
            Event::StockClosing { n, .. } => {
                let closing = self.replay.order().and_then(|o| o.reservation(*n)?.closing);
                self.intents
                    .extend(closing.map(|c| Intent::Closing(*n, c.serial)));
            }
            _ => {}
        }
    }
}

/// The thing that a derived key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Op(Op),
    /// The reservation, and which of its closings.
    Closing(u32, u32),
}

/// Reports whether a refund that was kept because it fitted nothing names a payment that is known
/// by now.
fn is_known(order: &Order, kept: &UnmatchedPayment) -> bool {
    let on_its_way = |p: &PaymentOperation| p.kind == OperationKind::Refund && p.state.is_open();
    kept.status == OperationState::Refunded
        && kept.currency == order.currency
        && kept.parent.as_ref().is_some_and(|name| {
            order
                .payments
                .iter()
                .any(|p| p.reference.as_ref() == Some(name))
        })
        && !order.payments.iter().any(on_its_way)
}

impl Oracle {
    /// A host got a lease.
    pub(super) fn leased(&mut self, host: usize, order: OrderId, fence: Fence, until: Duration) {
        self.leases.insert((host, order), (fence, until));
    }

    /// The store was set back: what it has now is all there ever was.
    pub(super) fn set_back(&mut self, world: &World) {
        let mut breaches = Vec::new();
        self.orders.clear();
        self.leases.clear();
        for order in world.store.orders() {
            let watched = self.orders.entry(order.id).or_default();
            world.store.inspect(order.id, |_, journal, _| {
                journal
                    .iter()
                    .for_each(|row| watched.take(row, &mut breaches))
            });
        }
        self.numbers = world
            .store
            .orders()
            .iter()
            .map(|order| (order.number, order.id))
            .collect();
        world.breaches(breaches);
    }

    /// A changeset was applied: everything it changed is checked.
    #[allow(clippy::too_many_arguments, reason = "what a commit is, part by part")]
    pub(super) fn committed(
        &mut self,
        world: &World,
        host: usize,
        id: OrderId,
        rows: std::ops::Range<usize>,
        lease: Option<(Fence, Duration)>,
        now: Timestamp,
        work: Option<&str>,
    ) {
        if let Some((fence, until)) = lease {
            self.leased(host, id, fence, until);
        }
        let mut breaches = Vec::new();
        let Oracle {
            orders,
            numbers,
            cancelled,
            lost,
            heard,
            misled,
            ..
        } = self;
        let misled = misled.iter().any(|(order, _)| *order == id);
        let past = Past {
            cancelled: cancelled.contains(&id),
            lost: lost.values().any(|o| *o == id),
            misled,
            heard,
        };
        let watched = orders.entry(id).or_default();
        world.store.inspect(id, |order, journal, item| {
            let rows = journal.get(rows).unwrap_or_default();
            if let Some(work) = work {
                world.trace(|| {
                    let events: Vec<&str> = rows.iter().map(|r| r.event.name()).collect();
                    format!(
                        "p{host} commits {} version {} {} {work}",
                        short(id),
                        order.version,
                        events.join(", ")
                    )
                });
            }
            let mut coverage = lock(&world.coverage);
            for row in rows {
                watched.take(row, &mut breaches);
                coverage.event(row.event.name());
                if let Some(order) = watched.replay.order() {
                    check_row(world, order, row, past, &mut breaches);
                }
            }
            if !rows.is_empty() {
                watched.replay.compare(order, &mut breaches);
                check_records(order, &mut breaches);
                coverage.state(order);
            }
            world.note(order.version << 8 | order.lifecycle as u64);
            if item.is_none() {
                // On the order's own time: whoever worked it may have been ahead of the true time,
                // by a clock that has been set right since.
                let on_time = now.max(order.updated_at);
                let ahead = world
                    .config
                    .wrong_clocks
                    .then(|| on_time.after(CLOCKS_APART_MOST));
                let plans = [Some(on_time), ahead].into_iter().flatten();
                let plans = plans.map(|at| next(order, &Tries::default(), &world.env(at)));
                let left: Vec<_> = plans.take_while(|left| !left.is_done()).collect();
                if left.len() == 1 + usize::from(ahead.is_some()) {
                    let detail = format!("order {id} has no work item, but is not done: {left:?}");
                    breaches.push(Breach {
                        invariant: Invariant::WorkItem,
                        detail,
                    });
                }
                breaches.extend(check_at_rest(order));
            }
            if let Some(kept) = order.unmatched.iter().find(|u| is_known(order, u)) {
                let detail =
                    format!("order {id} keeps {kept:?} as unmatched, and knows what it names");
                breaches.push(Breach {
                    invariant: Invariant::ReportsKept,
                    detail,
                });
            }
            let owner = *numbers.entry(order.number).or_insert(id);
            if owner != id {
                let detail = format!("number {} is of {owner} and of {id}", order.number);
                breaches.push(Breach {
                    invariant: Invariant::Numbers,
                    detail,
                });
            }
        });
        world.breaches(breaches);
    }

    /// A host starts a call that has an effect: it must hold the lease, the intent must be durable,
    /// and the key must have stood for the same request ever since.
    pub(super) fn called(
        &mut self,
        world: &World,
        host: usize,
        order: OrderId,
        purpose: Purpose,
        call: Uuid,
        request: String,
    ) {
        let now = world.runtime.monotonic();
        let Some(watched) = self.orders.get_mut(&order) else {
            return world.breach(
                Invariant::IntentFirst,
                format!("a call for order {order}, which was never committed"),
            );
        };
        let known = watched.keys.get(&call).copied();
        let stored = world.store.inspect(order, |o, _, work| {
            let named = |n: &u32| key(order, purpose, *n) == call;
            let intent = known.or_else(|| match purpose {
                Purpose::Payment => (1..=o.payments.len() as u32)
                    .find(named)
                    .map(Op::Payment)
                    .map(Intent::Op),
                Purpose::Reserve => (1..=o.reservations.len() as u32)
                    .find(named)
                    .map(Op::Reservation)
                    .map(Intent::Op),
                Purpose::Release | Purpose::Commit => o.reservations.iter().find_map(|r| {
                    let serial = (0..=r.closings)
                        .find(|serial| closing_key(order, purpose, r.n, *serial) == call)?;
                    Some(Intent::Closing(r.n, serial))
                }),
            });
            (intent, work.and_then(|w| w.fence))
        });
        let (intent, fence) = stored.unwrap_or_default();
        if let Some(intent) = intent {
            watched.keys.insert(call, intent);
        }
        match intent {
            None => world.breach(
                Invariant::DerivedKeys,
                format!("order {order}: {request} under a key that none of its operations derives"),
            ),
            Some(intent) if !watched.intents.contains(&intent) => {
                world.breach(
                    Invariant::IntentFirst,
                    format!(
                        "order {order}: {intent:?} called before its intent was durable: {request}"
                    ),
                );
            }
            Some(_) => {}
        }
        match self.requests.get(&call) {
            Some(first) if *first != request => {
                world.breach(
                    Invariant::DerivedKeys,
                    format!("order {order}: one key for {first} and for {request}"),
                );
            }
            Some(_) => {}
            None => drop(self.requests.insert(call, request)),
        }
        self.check_lease(world, host, order, fence, now);
    }

    fn check_lease(
        &self,
        world: &World,
        host: usize,
        order: OrderId,
        fence: Option<Fence>,
        now: Duration,
    ) {
        let Some((own, until)) = self.leases.get(&(host, order)) else {
            return world.breach(
                Invariant::Fence,
                format!("p{host} calls for order {order} without ever having had its lease"),
            );
        };
        if now >= *until {
            let ago = now.saturating_sub(*until);
            return world.breach(
                Invariant::Fence,
                format!("p{host} starts a call for order {order} {ago:?} after its lease ran out"),
            );
        }
        if fence != Some(*own) && !self.leases_may_be_taken_early {
            world.breach(
                Invariant::Fence,
                format!("p{host} starts a call for order {order}, whose lease somebody else has"),
            );
        }
    }

    /// A client was answered with an order: it must exist, and never be older than what was
    /// answered before.
    pub(super) fn answered(&mut self, order: OrderId, version: u64) {
        let seen = self.answered.entry(order).or_default();
        *seen = version.max(*seen);
    }
}
