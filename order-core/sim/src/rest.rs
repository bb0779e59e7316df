//! After the chaos: everything heals, must come to rest, and must then agree with every ledger.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::bank::refund_by_hand;
use super::config::Config;
use super::customers::pay;
use super::faults::StoreFault;
use super::follower::check_feed;
use super::ledgers::{check_holds, check_payments};
use super::lock;
use super::operators::{execute, resolve};
use super::provider::settle_everything;
use super::setback::set_back;
use super::world::{Manager, World};
use order_core::archive;
use order_core::audit::{Breach, Invariant, check_at_rest, check_order};
use order_core::manager::{CommandOptions, Principal};
use order_core::order::{
    AttentionReason, DisputeState, Event, JournalRow, Lifecycle, Order, PaymentTerms, Reservation,
    ReservationState,
};
use order_core::policy::{BeforeLapse, LostStock};
use order_core::rules::{Command, event_id, next, settle};
use order_core::runtime::Clock;
use order_core::store::{Dumped, WorkItem};
use order_core::time::Timestamp;

/// The number of times that orders are worked after healing before that counts as never coming to
/// rest.
const ROUNDS_MAX: u32 = 1000;

/// The same while an authorization may still be waited for, whose end no work brings nearer: other
/// orders renew holds of minutes meanwhile.
const ROUNDS_WITHIN_A_WINDOW: u32 = 20_000;

/// The same in a hunt for a bug, which may have an order grow with every round.
const ROUNDS_OF_A_HUNT: u32 = 100;

/// The number of times that operators take up again what is stuck. What is stuck then, although
/// nothing is wrong any more, stays stuck.
const WAKINGS_MAX: u32 = 8;

/// The number of times that they see to what is short meanwhile.
const SHORT_MAX: u32 = 4;

/// Heals the world, lets it come to rest, and checks what is left.
pub(super) async fn heal_and_rest(world: Arc<World>) {
    world.heal();
    // Whoever stands still or is being restarted comes back.
    world.runtime.timer(Duration::from_secs(150)).await;
    let Some((_, manager)) = world.any_manager() else {
        return world.breach(Invariant::WorkItem, "no process came back".into());
    };
    lift_holds(&world, &manager).await;
    if world.config.policy.lost_stock == LostStock::Backorder {
        for sku in &world.fixture.skus {
            world.inventory.restock(sku, 1000);
        }
    }
    settle_everything(&world).await;
    let mut wakings = 0;
    let mut rounds = 0;
    let healed = world.runtime.now();
    while rounds < rounds_max(&world, healed) {
        rounds += 1;
        if world.is_breached() {
            return;
        }
        if let Err(e) = manager.work_due(64).await {
            return world.breach(
                Invariant::WorkItem,
                format!("working failed though nothing is wrong: {e}"),
            );
        }
        // What was put aside during the chaos is looked at by a person, and taken up again. Not
        // before everything has been heard: what a provider did by itself may be why it refuses.
        let heard = world.outstanding.load(Ordering::Relaxed) == 0;
        if heard && wakings < WAKINGS_MAX && mend(&world, wakings).await {
            wakings += 1;
            continue;
        }
        match world.next_due() {
            None if world.outstanding.load(Ordering::Relaxed) == 0 => return check(&world).await,
            None => world.runtime.timer(Duration::from_secs(60)).await,
            // Confirmed orders renew their holds and authorizations for ever.
            Some(_) if renews(&world) && only_renewals(&world) => return check(&world).await,
            Some(wait) => {
                world
                    .runtime
                    .timer(wait.max(Duration::from_millis(1)))
                    .await
            }
        }
    }
    let mut left = String::new();
    for order in world.store.orders() {
        if world.store.inspect(order.id, |_, _, work| work.is_some()) == Some(true) {
            let explained = manager
                .explain(&Principal::operator("simulated"), order.id.into())
                .await;
            let sentences = explained
                .map(|e| e.sentences.join("\n    "))
                .unwrap_or_default();
            left.push_str(&format!("\n  {}:\n    {sentences}", order.id));
        }
    }
    world.breach(
        Invariant::WorkItem,
        format!(
            "{} tasks are still under way; orders do not come to rest:{left}",
            world.outstanding.load(Ordering::Relaxed)
        ),
    );
}

fn rounds_max(world: &World, healed: Timestamp) -> u32 {
    let waited = world.runtime.now().since(healed);
    if world.is_hunt {
        ROUNDS_OF_A_HUNT
    } else if world
        .config
        .capture_window
        .is_some_and(|window| waited <= window + window)
    {
        ROUNDS_WITHIN_A_WINDOW
    } else {
        ROUNDS_MAX
    }
}

async fn lift_holds(world: &Arc<World>, manager: &Manager) {
    let operator = Principal::operator("simulated");
    for order in world.store.orders() {
        for hold in &order.holds {
            // It may have lapsed meanwhile.
            let kind = hold.kind.clone();
            let lift = Command::ReleaseHold { kind };
            let _ = manager
                .execute(&operator, order.id.into(), lift, CommandOptions::default())
                .await;
        }
    }
}

/// As operators do who see to whatever is stuck, or waits for them. Whether there was anything to
/// do.
async fn mend(world: &Arc<World>, wakings: u32) -> bool {
    let mut any = false;
    for order in world.store.orders() {
        // What is stuck may be hidden behind what is due again and again, such as renewing a hold.
        let env = world.env(world.runtime.now());
        // What a worker that died has a lease on is taken up once that is over, whatever somebody
        // asks for.
        let is_stuck = |o: &Order, w: &WorkItem| {
            w.fence.is_none() && (w.due.is_none() || !next(o, &w.tries, &env).stuck.is_empty())
        };
        let stuck = world
            .store
            .inspect(order.id, |o, _, work| work.is_some_and(|w| is_stuck(o, w)))
            == Some(true);
        let refused = order
            .attention
            .iter()
            .any(|a| a.reason == AttentionReason::CaptureFailed && !a.acknowledged);
        // Asked again and refused again: the provider took what went back outside from another
        // payment than the order did.
        let in_vain = stuck && wakings > 1 && order.has_attention(AttentionReason::RefundFailed);
        if in_vain || order.has_attention(AttentionReason::RefundByHand) {
            any |= refund_by_hand(world, &order);
        }
        if let Some(command) = resolve(world, &order) {
            any = true;
            must(world, &order, &command).await;
        }
        any |= end_short(world, &order, wakings).await;
        if refused {
            let about = None;
            must(
                world,
                &order,
                &Command::Acknowledge {
                    reason: AttentionReason::CaptureFailed,
                    about,
                },
            )
            .await;
        }
        if stuck || refused {
            any = true;
            must(world, &order, &Command::RetryStuck).await;
        }
    }
    any
}

/// A short order is paid, all or in part, or what is missing is given up, or the order is; some are
/// left as they are, seen or not. Whether anything was done.
async fn end_short(world: &Arc<World>, order: &Order, wakings: u32) -> bool {
    let told = order.attention_about(AttentionReason::PaymentShort, None);
    let under_way = order
        .payments
        .iter()
        .any(|p| p.is_attempt() && p.state.is_open());
    let Some(attention) = told.filter(|_| !under_way && wakings < SHORT_MAX) else {
        return false;
    };
    let whole = wakings + 1 == SHORT_MAX;
    let amount = attention
        .amount
        .filter(|short| *short > 1 && !whole && world.chance(300))
        .map(|short| short / 2);
    match world.choose(6) {
        0..3 => {
            let method = if order.terms == PaymentTerms::Shipment {
                "LATER"
            } else {
                "CARD"
            };
            if let Some(Err(e)) = pay(world, order.id, method, amount, None).await
                && world.store.inspect(order.id, |o, _, _| o.version) == Some(order.version)
            {
                world.breach(
                    Invariant::WorkItem,
                    format!("order {} is short and cannot be paid: {e}", order.id),
                );
            }
        }
        3 => must(world, order, &Command::WriteOff { amount }).await,
        // What has left, or was given out, is not cancelled.
        4 => drop(execute(world, order, &Command::Cancel, None, None).await),
        _ if attention.acknowledged => return false,
        _ => {
            let (reason, about) = (AttentionReason::PaymentShort, None);
            must(world, order, &Command::Acknowledge { reason, about }).await;
        }
    }
    true
}

/// Now that nothing is wrong, repairs work; unless the order has changed since it was looked at.
async fn must(world: &Arc<World>, order: &Order, command: &Command) {
    if let Some(Err(e)) = execute(world, order, command, None, None).await
        && world.store.inspect(order.id, |o, _, _| o.version) == Some(order.version)
    {
        world.breach(
            Invariant::WorkItem,
            format!(
                "{command:?} of order {} failed though nothing is wrong: {e}",
                order.id
            ),
        );
    }
}

/// Reports whether money is to go back that is not on its way yet.
fn pauses(order: &Order) -> bool {
    let money = order.money();
    let disputed = order.disputes.iter().any(|d| d.state == DisputeState::Open);
    !disputed && money.captured - money.refunded > money.owed
}

fn renews(world: &World) -> bool {
    let Config {
        reservation_lifetime,
        policy,
        ..
    } = &world.config;
    reservation_lifetime.is_some() || policy.before_lapse == BeforeLapse::Reauthorize
}

fn only_renewals(world: &World) -> bool {
    if world.outstanding.load(Ordering::Relaxed) > 0 {
        return false;
    }
    let env = world.env(world.runtime.now());
    world.store.orders().iter().all(|order| {
        let tries = world
            .store
            .inspect(order.id, |_, _, work| work.map(|w| w.tries.clone()))
            .flatten();
        tries.is_none_or(|tries| {
            let left = next(order, &tries, &env);
            let over = |t: Option<Timestamp>| t.is_some_and(|t| t <= env.now);
            let changing = |r: &Reservation| {
                r.state.is_open()
                    || r.closing.is_some()
                    || (r.state == ReservationState::Held && over(r.expires_at))
            };
            let there = |r: &Reservation| {
                matches!(
                    r.state,
                    ReservationState::Held | ReservationState::Committed
                )
            };
            // What was refused is asked for again after a pause; not what is no longer wanted.
            let later = next(
                order,
                &tries,
                &world.env(env.now.after(env.policy.backoff_longest)),
            );
            let wanted = |r: &Reservation| {
                later
                    .events
                    .iter()
                    .any(|e| matches!(e, Event::StockClosing { n, .. } if *n == r.n))
            };
            let asked_again = |r: &Reservation| r.closing_refused && there(r) && wanted(r);
            let under_way = order.reservations.iter().any(changing)
                || order
                    .payments
                    .iter()
                    .any(|p| p.state.is_open() || (p.verification.is_due() && env.payment.look_up))
                || order.open_edit().is_some()
                || (left.stuck.is_empty()
                    && (pauses(order) || order.reservations.iter().any(asked_again)))
                || order.notices.iter().any(|n| n.seq > order.notified);
            let due = !left.events.is_empty()
                || !left.calls.is_empty()
                || !left.stuck.is_empty()
                || !settle(order, &env).is_empty();
            let waits = match order.lifecycle {
                // What was authorized after the end is not due any more, and lapses by itself.
                Lifecycle::Confirmed | Lifecycle::Completed => true,
                // It is paid, and kept for stock that a person has to find out about: it asks again
                // for ever.
                Lifecycle::Pending => [
                    AttentionReason::SuspectReservation,
                    AttentionReason::StockLost,
                ]
                .iter()
                .all(|reason| order.has_attention(*reason)),
                _ => false,
            };
            waits && !under_way && !due
        })
    })
}

/// Everything that must hold once nothing is left to do; and what must hold if all is lost then
/// that was done since a copy was made.
async fn check(world: &Arc<World>) {
    world.trace(|| "everything is at REST".into());
    check_rest(world);
    if !world.is_breached() {
        set_back(world).await;
    }
}

fn check_rest(world: &World) {
    let orders = world.store.orders();
    for order in &orders {
        check_one(world, order);
    }
    check_redemptions(world, &orders);
    check_payments(world, &orders);
    check_holds(world, &orders);
    check_facts(world, &orders);
    check_feed(world, &orders);
    let oracle = lock(&world.oracle);
    for (id, version) in &oracle.answered {
        let stored = orders.iter().find(|o| o.id == *id).map(|o| o.version);
        if stored.is_none_or(|v| v < *version) {
            world.breach(
                Invariant::Readable,
                format!("order {id} was answered at version {version}, stored is {stored:?}"),
            );
        }
    }
    for id in &oracle.cancelled {
        let lifecycle = orders.iter().find(|o| o.id == *id).map(|o| o.lifecycle);
        if lifecycle != Some(Lifecycle::Cancelled) {
            world.breach(
                Invariant::CancelledForGood,
                format!("order {id}, whose cancellation was answered, is {lifecycle:?}"),
            );
        }
    }
}

fn check_one(world: &World, order: &Order) {
    world.note(order.version);
    let id = order.id;
    let found = world.store.inspect(id, |order, journal, work| {
        let mut found = check_order(order, journal);
        found.extend(check_at_rest(order));
        found.extend(check_archive(order, journal));
        for row in journal {
            let notice = row.event.notice().filter(|_| world.config.notify);
            let told =
                |log: &std::collections::BTreeMap<_, _>| log.contains_key(&event_id(id, row.seq));
            if notice.is_some() && !world.notifications.with_log(told) {
                let detail = format!("order {id}: the customer was never told of row {}", row.seq);
                found.push(Breach {
                    invariant: Invariant::WorkItem,
                    detail,
                });
            }
        }
        let mut keys: Vec<_> = journal
            .iter()
            .filter_map(|r| r.command_key.as_ref().map(|k| &k.key))
            .collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() != all {
            let detail = format!("order {id}: two rows of its journal carry one key");
            found.push(Breach {
                invariant: Invariant::OrderKeys,
                detail,
            });
        }
        let erased = |o: &Order| {
            let payments = o
                .payments
                .iter()
                .all(|p| p.token.0.is_none() && p.return_url.0.is_none() && p.action.0.is_none());
            let edits = o.edits.iter().all(|e| e.address.0.is_none());
            payments && edits && o.addresses.0.is_none() && o.notes.0.is_none()
        };
        let redacted = journal.iter().position(|r| r.event == Event::Redacted);
        if let Some(i) = redacted
            && (!erased(order) || journal[..i].iter().any(|r| r.notes.is_some()))
        {
            let detail = format!("order {id} was redacted, and still has personal data");
            found.push(Breach {
                invariant: Invariant::NothingPersonalLogged,
                detail,
            });
        }
        if work.is_some_and(|w| w.due.is_none()) {
            let detail = format!("order {id} is stuck though nothing is wrong: {work:?}");
            found.push(Breach {
                invariant: Invariant::WorkItem,
                detail,
            });
        }
        found
    });
    world.breaches(found.unwrap_or_default());
    let over = matches!(
        order.lifecycle,
        Lifecycle::Confirmed
            | Lifecycle::Completed
            | Lifecycle::Cancelled
            | Lifecycle::Rejected
            | Lifecycle::Expired
            | Lifecycle::PaymentFailed
    );
    // Paid, kept on backorder, and too many holds of it may exist without proof: that is for a
    // person to see to.
    let suspected = order.has_attention(AttentionReason::SuspectReservation)
        && world.config.policy.lost_stock == LostStock::Backorder;
    if !over && !suspected {
        world.breach(
            Invariant::WorkItem,
            format!("order {id} rests while it is {}", order.lifecycle),
        );
    }
}

/// An order that is taken elsewhere comes out as it went in.
fn check_archive(order: &Arc<Order>, journal: &[JournalRow]) -> Option<Breach> {
    let breach = |detail| {
        Some(Breach {
            invariant: Invariant::Journal,
            detail: format!("order {}: {detail}", order.id),
        })
    };
    let line = archive::write(&Dumped {
        order: Arc::clone(order),
        journal: journal.to_vec(),
        key: None,
    });
    let again = match archive::read(&line) {
        Ok(again) => again,
        Err(e) => return breach(format!("its archive cannot be read: {e}: {line}")),
    };
    // A store may keep notices that were given.
    let mut kept = Order::clone(order);
    kept.notices.retain(|n| n.seq > kept.notified);
    if let Some((read, written)) = again
        .journal
        .iter()
        .zip(journal)
        .find(|(read, written)| read != written)
    {
        return breach(format!(
            "row {} is read as {read:?}, written as {written:?}",
            written.seq
        ));
    }
    if *again.order == kept {
        None
    } else {
        breach(format!("read as {:?}, written as {kept:?}", again.order))
    }
}

/// Demands that what a process was told and lived to write down is written down, whoever has the
/// lease. Looked at where the store always answers in the end, and where nobody could have found
/// the hold in another way.
fn check_facts(world: &World, orders: &[Arc<Order>]) {
    let cannot_read = |f| matches!(f, StoreFault::Unavailable | StoreFault::Unreadable);
    if world.config.reads.outcomes().any(cannot_read) || world.config.inventory.repeat_reserve {
        return;
    }
    for (process, id, reference) in &lock(&world.oracle).told {
        let known = |o: &Arc<Order>| {
            o.reservations.iter().any(|r| {
                r.reference
                    .as_ref()
                    .is_some_and(|n| n.as_str() == reference)
            })
        };
        if world.executor.is_alive(*process) && !orders.iter().any(|o| o.id == *id && known(o)) {
            world.breach(
                Invariant::Fence,
                format!(
                    "order {id} does not know {reference}, of which a process that lives was told"
                ),
            );
        }
    }
}

/// Redemptions in use are those of orders that live, and never more than there are.
fn check_redemptions(world: &World, orders: &[Arc<Order>]) {
    let mut held: HashMap<&str, (u32, u32)> = HashMap::new();
    for redemption in orders
        .iter()
        .filter(|o| o.lifecycle.is_live())
        .flat_map(|o| &o.redemptions)
    {
        let entry = held
            .entry(&redemption.name)
            .or_insert((0, redemption.limit));
        entry.0 += 1;
    }
    let in_use = world.store.redemptions_in_use();
    for (name, (count, limit)) in &held {
        let counted = in_use.get(*name).copied().unwrap_or(0);
        if counted != *count || count > limit {
            world.breach(Invariant::DeadHoldsNothing, format!("{name}: {count} live orders hold it, {counted} are counted, the limit is {limit}"));
        }
    }
    for (name, counted) in &in_use {
        if !held.contains_key(name.as_str()) {
            world.breach(
                Invariant::DeadHoldsNothing,
                format!("{name}: {counted} are counted, and no live order holds it"),
            );
        }
    }
}
