//! After the chaos: everything heals, must come to rest, and must then agree with every ledger.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::faults::StoreFault;
use super::follower::check_feed;
use super::provider::settle_everything;
use super::world::{Manager, World};
use crate::audit::{check_at_rest, check_order};
use crate::ids::{ChangesetId, OrderId};
use crate::machine::{Purpose, event_id, key, next, settle};
use crate::manager::{CommandOptions, Principal};
use crate::order::{AttentionReason, HoldState, Lifecycle, OperationState, Order, Reservation, decode_event, encode_event};
use crate::policy::LostStock;
use crate::runtime::{Clock, Ids};
use crate::store::{Changeset, OrderStore, WorkChange};
use crate::testkit::executor::lock;
use crate::testkit::services::{LedgerHoldState, LedgerPayment};

/// How often orders are worked after healing before that counts as never coming to rest.
const ROUNDS_MAX: u32 = 400;

/// How often operators take up again what is stuck. What is stuck then, although nothing is wrong any more, stays stuck.
const WAKINGS_MAX: u32 = 4;

/// Heals the world, lets it come to rest, and checks what is left.
pub(super) async fn heal_and_rest(world: Arc<World>) {
    world.heal();
    // Whoever stands still or is being restarted comes back.
    world.runtime.timer(Duration::from_secs(150)).await;
    let Some((_, manager)) = world.any_manager() else {
        return world.breach("I12", "no process came back".into());
    };
    lift_holds(&world, &manager).await;
    if world.config.policy.lost_stock == LostStock::Backorder {
        for sku in &world.fixture.skus {
            world.inventory.restock(sku, 1000);
        }
    }
    settle_everything(&world).await;
    let mut wakings = 0;
    for _ in 0..ROUNDS_MAX {
        if world.is_breached() {
            return;
        }
        if let Err(e) = manager.work_due(64).await {
            return world.breach("I12", format!("working failed though nothing is wrong: {e}"));
        }
        // What was put aside during the chaos is looked at by a person, and taken up again.
        if wakings < WAKINGS_MAX && wake_stuck(&world).await {
            wakings += 1;
            continue;
        }
        match world.next_due() {
            None if world.outstanding.load(Ordering::Relaxed) == 0 => return check(&world),
            None => world.runtime.timer(Duration::from_secs(60)).await,
            // Confirmed orders renew their holds for ever.
            Some(_) if world.config.hold_lifetime.is_some() && only_renewals(&world) => return check(&world),
            Some(wait) => world.runtime.timer(wait.max(Duration::from_millis(1))).await,
        }
    }
    let mut left = String::new();
    for order in world.store.orders() {
        if world.store.inspect(order.id, |_, _, work| work.is_some()) == Some(true) {
            let explained = manager.explain(&Principal::operator("simulated"), order.id.into()).await;
            let sentences = explained.map(|e| e.sentences.join("\n    ")).unwrap_or_default();
            left.push_str(&format!("\n  {}:\n    {sentences}", order.id));
        }
    }
    world.breach(
        "I12",
        format!("{} tasks are still under way; orders do not come to rest:{left}", world.outstanding.load(Ordering::Relaxed)),
    );
}

async fn lift_holds(world: &Arc<World>, manager: &Manager) {
    let operator = Principal::operator("simulated");
    for order in world.store.orders() {
        for hold in &order.holds {
            // It may have lapsed meanwhile.
            let _ = manager.release_hold(&operator, order.id.into(), CommandOptions::default(), hold.kind.clone()).await;
        }
    }
}

/// As an operator does who has seen to what was stuck. Whether anything was.
async fn wake_stuck(world: &World) -> bool {
    let mut any = false;
    for order in world.store.orders() {
        let stuck = world.store.inspect(order.id, |_, _, work| work.is_some_and(|w| w.due.is_none()));
        if stuck == Some(true) {
            any = true;
            let now = world.runtime.now();
            let id: ChangesetId = world.ids.changeset_id(now);
            let work = WorkChange::Wake { due: now };
            let before = Some(Arc::clone(&order));
            let changeset = Changeset { id, before, after: order, journal: Vec::new(), key: None, claims: Vec::new(), work };
            if let Err(e) = world.store.commit(changeset).await {
                world.breach("I12", format!("a stuck order cannot be woken: {e}"));
            }
        }
    }
    any
}

fn only_renewals(world: &World) -> bool {
    if world.outstanding.load(Ordering::Relaxed) > 0 {
        return false;
    }
    let env = world.env(world.runtime.now());
    world.store.orders().iter().all(|order| {
        let tries = world.store.inspect(order.id, |_, _, work| work.map(|w| w.tries.clone())).flatten();
        tries.is_none_or(|tries| {
            let left = next(order, &tries, &env);
            let over = |t: Option<crate::time::Timestamp>| t.is_some_and(|t| t <= env.now);
            let changing =
                |r: &Reservation| r.state.is_open() || r.closing.is_some() || (r.state == HoldState::Held && over(r.expires_at));
            let under_way = order.reservations.iter().any(changing)
                || order.payments.iter().any(|p| p.state.is_open())
                || order.notices.iter().any(|n| n.seq > order.notified);
            let due =
                !left.events.is_empty() || !left.calls.is_empty() || !left.stuck.is_empty() || settle(order, &env).is_some();
            order.lifecycle == Lifecycle::Confirmed && !under_way && !due
        })
    })
}

/// Everything that must hold once nothing is left to do.
fn check(world: &World) {
    world.trace(|| "everything is at REST".into());
    let orders = world.store.orders();
    for order in &orders {
        check_one(world, order);
    }
    check_claims(world, &orders);
    check_payments(world, &orders);
    check_holds(world, &orders);
    check_facts(world, &orders);
    check_feed(world, &orders);
    let oracle = lock(&world.oracle);
    for (id, version) in &oracle.answered {
        let stored = orders.iter().find(|o| o.id == *id).map(|o| o.version);
        if stored.is_none_or(|v| v < *version) {
            world.breach("I24", format!("order {id} was answered at version {version}, stored is {stored:?}"));
        }
    }
    for id in &oracle.cancelled {
        let lifecycle = orders.iter().find(|o| o.id == *id).map(|o| o.lifecycle);
        if lifecycle != Some(Lifecycle::Cancelled) {
            world.breach("I25", format!("order {id}, whose cancellation was answered, is {lifecycle:?}"));
        }
    }
}

fn check_one(world: &World, order: &Order) {
    world.note(order.version);
    let id = order.id;
    let found = world.store.inspect(id, |order, journal, work| {
        let mut found = check_order(order, journal);
        found.extend(check_at_rest(order));
        for row in journal {
            let again = decode_event(&encode_event(&row.event));
            if again.as_ref().ok() != Some(&row.event) {
                let detail = format!("order {id}: row {} is read as {again:?}, written as {:?}", row.seq, row.event);
                found.push(crate::audit::Breach { invariant: "I10", detail });
            }
            let notice = row.event.notice().filter(|_| world.config.notify);
            let told = |log: &std::collections::BTreeMap<_, _>| log.contains_key(&event_id(id, row.seq));
            if notice.is_some() && !world.notifications.with_log(told) {
                let detail = format!("order {id}: the customer was never told of row {}", row.seq);
                found.push(crate::audit::Breach { invariant: "I12", detail });
            }
        }
        if work.is_some_and(|w| w.due.is_none()) {
            let detail = format!("order {id} is stuck though nothing is wrong: {work:?}");
            found.push(crate::audit::Breach { invariant: "I12", detail });
        }
        found
    });
    world.breaches(found.unwrap_or_default());
    let over = matches!(
        order.lifecycle,
        Lifecycle::Confirmed | Lifecycle::Cancelled | Lifecycle::Rejected | Lifecycle::Expired | Lifecycle::PaymentFailed
    );
    // Paid, kept on backorder, and too many holds of it may exist without proof: that is for a person to see to.
    let suspected = order.has_attention(AttentionReason::SuspectHold) && world.config.policy.lost_stock == LostStock::Backorder;
    if !over && !suspected {
        world.breach("I12", format!("order {id} rests while it is {}", order.lifecycle));
    }
}

/// What a process was told and lived to write down is written down, whoever has the lease. Looked at where the store always
/// answers in the end, and where nobody could have found the hold in another way.
fn check_facts(world: &World, orders: &[Arc<Order>]) {
    if world.config.reads.outcomes().any(|f| f == StoreFault::Unavailable) || world.config.inventory.repeat_reserve {
        return;
    }
    for (process, id, reference) in &lock(&world.oracle).told {
        let known = |o: &Arc<Order>| o.reservations.iter().any(|r| r.reference.as_ref().is_some_and(|n| n.as_str() == reference));
        if world.executor.is_alive(*process) && !orders.iter().any(|o| o.id == *id && known(o)) {
            world.breach("I22", format!("order {id} does not know {reference}, of which a process that lives was told"));
        }
    }
}

/// Claims in use are those of orders that live, and never more than there are.
fn check_claims(world: &World, orders: &[Arc<Order>]) {
    let mut held: HashMap<&str, (u32, u32)> = HashMap::new();
    for claim in orders.iter().filter(|o| o.lifecycle.is_live()).flat_map(|o| &o.claims) {
        let entry = held.entry(&claim.name).or_insert((0, claim.limit));
        entry.0 += 1;
    }
    let in_use = world.store.claims_in_use();
    for (name, (count, limit)) in &held {
        let counted = in_use.get(*name).copied().unwrap_or(0);
        if counted != *count || count > limit {
            world.breach("I15", format!("{name}: {count} live orders hold it, {counted} are counted, the limit is {limit}"));
        }
    }
    for (name, counted) in &in_use {
        if !held.contains_key(name.as_str()) {
            world.breach("I15", format!("{name}: {counted} are counted, and no live order holds it"));
        }
    }
}

/// The provider's ledger and the orders' records say the same.
fn check_payments(world: &World, orders: &[Arc<Order>]) {
    let mut seen: HashMap<uuid::Uuid, LedgerPayment> =
        world.payments.with_ledger(|l| l.iter().map(|p| (p.key, p.clone())).collect());
    if seen.len() != world.payments.with_ledger(<[_]>::len) {
        world.breach("I6", "the provider has two operations under one key".into());
    }
    for order in orders {
        for p in &order.payments {
            let entry = seen.remove(&key(order.id, Purpose::Payment, p.n));
            let mismatch = |what: &str| {
                let ledger = entry.as_ref().map(|e| (e.status, e.amount, e.effects));
                world.breach("I6", format!("order {} payment {} {} {}: {what}: {ledger:?}", order.id, p.n, p.kind, p.state));
            };
            let Some(e) = &entry else {
                if matches!(p.state, OperationState::Authorized | OperationState::Captured | OperationState::Refunded) {
                    mismatch("the provider has never heard of it");
                }
                continue;
            };
            if e.effects != 1 {
                mismatch("it took effect more than once");
            }
            if (e.order, e.kind, e.amount) != (order.id, p.kind, order.in_currency(p.amount)) {
                mismatch("the provider knows another request");
            }
            let agree = match e.status {
                OperationState::Declined => matches!(p.state, OperationState::Declined | OperationState::Failed),
                status => p.state == status,
            };
            if !agree {
                mismatch("the provider says otherwise");
            }
        }
    }
    for stray in seen.values() {
        world.breach(
            "I6",
            format!("the provider knows a {} of {} for order {}, which does not", stray.kind, stray.amount, stray.order),
        );
    }
}

/// The inventory's ledger holds and committed what the orders know, or suspect.
fn check_holds(world: &World, orders: &[Arc<Order>]) {
    let by_id: HashMap<OrderId, &Arc<Order>> = orders.iter().map(|o| (o.id, o)).collect();
    // Suspects not yet matched with a hold that nobody knows.
    let mut suspects: Vec<(OrderId, &str, u32)> = orders
        .iter()
        .flat_map(|o| o.reservations.iter().map(move |r| (o, r)))
        .filter(|(_, r)| r.state == HoldState::Suspect)
        .map(|(o, r)| (o.id, r.sku.as_str(), r.quantity))
        .collect();
    world.inventory.with_ledger(|holds| {
        for hold in holds {
            let known = by_id
                .get(&hold.order)
                .and_then(|o| o.reservations.iter().find(|r| r.reference.as_ref().is_some_and(|n| n.as_str() == hold.reference)));
            let fine = match (hold.state, known) {
                (LedgerHoldState::Held, Some(r)) => match r.state {
                    HoldState::Held => true,
                    // We count a hold's life from the first call that may have made it, so it is over sooner for us. It
                    // lapses by itself.
                    HoldState::Expired => hold.expires_at.is_some(),
                    _ => false,
                },
                (LedgerHoldState::Committed, Some(r)) => r.state == HoldState::Committed,
                (LedgerHoldState::Committed, None) => false,
                (LedgerHoldState::Released | LedgerHoldState::Expired, Some(r)) => {
                    !matches!(r.state, HoldState::Held | HoldState::Committed)
                }
                (LedgerHoldState::Released | LedgerHoldState::Expired, None) => true,
                (LedgerHoldState::Held, None) => {
                    let wanted = (hold.order, hold.sku.as_str(), hold.quantity);
                    suspects.iter().position(|s| *s == wanted).map(|i| suspects.swap_remove(i)).is_some()
                }
            };
            if !fine {
                let known = known.map(|r| (r.n, r.state));
                world.breach(
                    "I17",
                    format!(
                        "order {}: the inventory has {} of {} as {:?} under {}, the order {known:?}",
                        hold.order, hold.quantity, hold.sku, hold.state, hold.reference
                    ),
                );
            }
        }
    });
    for order in orders {
        for r in order.reservations.iter().filter(|r| matches!(r.state, HoldState::Held | HoldState::Committed)) {
            let name = r.reference.as_ref().map(|n| n.as_str());
            let exists = world.inventory.with_ledger(|holds| holds.iter().any(|h| Some(h.reference.as_str()) == name));
            if !exists {
                world.breach(
                    "I17",
                    format!("order {} counts on reservation {} {}, which the inventory has not", order.id, r.n, r.state),
                );
            }
        }
    }
    for sku in &world.fixture.skus {
        let level = world.inventory.level(sku);
        if level.committed > level.stocked || level.reserved > level.on_hand {
            world.breach("I18", format!("{sku}: {level:?}"));
        }
    }
}
