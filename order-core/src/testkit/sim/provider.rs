//! The payment provider's own doings: it decides what was pending, and reports what it likes, as often as it likes.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::world::{World, short};
use crate::ids::OrderId;
use crate::machine::{DisputeReport, PaymentReport};
use crate::manager::Principal;
use crate::money::Minor;
use crate::order::{DisputeState, OperationKind, OperationState};
use crate::testkit::executor::lock;

/// What the provider does about an attempt that has just reached it.
pub(super) fn provider(world: &Arc<World>, order: OrderId, attempt: Uuid) {
    let Some(report) = world.payments.report(attempt) else { return };
    let first = {
        let mut oracle = lock(&world.oracle);
        let first = !oracle.reports.iter().any(|(_, r)| r.key == Some(attempt));
        oracle.reports.push((order, report.clone()));
        first
    };
    if !first || world.is_calm() {
        return;
    }
    let world = Arc::clone(world);
    match report.status {
        OperationState::Pending | OperationState::ActionRequired => {
            let after = world.pick(&[Duration::from_millis(2), Duration::from_secs(3), MINUTE * 14, MINUTE * 40]);
            world.clone().outside_task(async move {
                world.runtime.timer(after).await;
                let success = world.chance(600);
                settle(&world, order, attempt, success).await;
            });
        }
        OperationState::Declined if world.chance(80) => world.clone().outside_task(async move {
            // What was declined is captured after all: the provider says so until it is heard.
            world.runtime.timer(world.pick(&[Duration::from_secs(2), MINUTE * 20])).await;
            if let Some(report) = world.payments.capture_late(attempt) {
                world.trace(|| format!("the provider captures {attempt} after all"));
                lock(&world.oracle).reports.push((order, report.clone()));
                while !deliver(&world, order, report.clone()).await {
                    world.runtime.timer(Duration::from_secs(20)).await;
                }
            }
        }),
        OperationState::Captured if world.chance(100) => world.clone().outside_task(async move {
            deliver(&world, order, report).await;
        }),
        _ => {}
    }
}

/// What has been said of an operation, to be said again.
pub(super) fn said(world: &World, order: OrderId, key: Uuid) {
    let Some(report) = world.payments.report(key) else { return };
    let mut oracle = lock(&world.oracle);
    if !oracle.reports.iter().any(|(_, r)| r.key == Some(key)) {
        oracle.reports.push((order, report));
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Decides a pending attempt, and reports it never, once or twice.
async fn settle(world: &Arc<World>, order: OrderId, attempt: Uuid, success: bool) {
    let Some(report) = world.payments.settle(attempt, success) else { return };
    world.trace(|| format!("the provider settles {} of {}: {}", report.reference, short(order), report.status));
    lock(&world.oracle).reports.push((order, report.clone()));
    for _ in 0..world.pick(&[0, 1, 1, 2]) {
        deliver(world, order, report.clone()).await;
        world.runtime.timer(world.pick(&[Duration::ZERO, Duration::from_secs(7)])).await;
    }
}

/// Decides everything that is still pending; reports some of it.
pub(super) async fn settle_everything(world: &Arc<World>) {
    let open: Vec<(OrderId, Uuid)> = world.payments.with_ledger(|ledger| {
        let open = |s| matches!(s, OperationState::Pending | OperationState::ActionRequired);
        ledger.iter().filter(|p| open(p.status)).map(|p| (p.order, p.key)).collect()
    });
    for (order, attempt) in open {
        let success = world.chance(500);
        settle(world, order, attempt, success).await;
    }
}

/// Calls back some process. Whether it was heard.
pub(super) async fn deliver(world: &Arc<World>, order: OrderId, report: PaymentReport) -> bool {
    world.trace(|| {
        format!("the provider reports {} {} of {} for {}", report.status, report.amount, report.reference, short(order))
    });
    lock(&world.coverage).fact(match (report.key, report.status) {
        (None, OperationState::Refunded) => "refund made outside",
        (None, OperationState::Captured) => "payment made outside",
        (_, status) => status.as_str(),
    });
    let principal = Principal::Service("payments".into());
    let heard = world.ask(|m| Box::pin(async move { m.record_payment(&principal, order.into(), report).await })).await;
    match heard {
        Some(Ok(after)) => {
            lock(&world.oracle).answered(after.id, after.version);
            true
        }
        Some(Err(e)) => {
            if !e.is_retryable() {
                world.breach("I6", format!("a provider's report on {order} was refused: {e}"));
            }
            false
        }
        None => false,
    }
}

/// Moves money of an order without the engine: sends some back, captures, or pays what is not charged.
pub(super) async fn move_outside(world: &Arc<World>, order: OrderId) {
    let Some((kind, parent, most)) = movable(world, order) else { return };
    let minor = world.pick(&[most, most / 2, 1]).max(1);
    let amount = crate::money::Money::new(minor, crate::money::Currency::USD);
    let Some(report) = world.payments.move_outside(order, kind, parent, amount, None) else { return };
    world.trace(|| format!("somebody makes a {kind} of {amount} for {} outside: {}", short(order), report.reference));
    tell_until_heard(world, order, report);
}

/// What can be moved of an order's money from outside: how, of which operation, and how much at the most.
fn movable(world: &World, order: OrderId) -> Option<(OperationKind, Option<Uuid>, Minor)> {
    let later = world.store.inspect(order, |o, _, _| {
        use crate::order::PaymentTerms::{Delivery, Invoice};
        (matches!(o.terms, Invoice | Delivery) && o.lifecycle.is_live()).then(|| o.owed() - o.money().captured)
    });
    let mut ways: Vec<(OperationKind, Option<Uuid>, Minor)> = Vec::new();
    ways.extend(later.flatten().filter(|owed| *owed > 0).map(|owed| (OperationKind::Charge, None, owed)));
    let taken: Vec<(Uuid, OperationState)> =
        world.payments.with_ledger(|l| l.iter().filter(|p| p.order == order).map(|p| (p.key, p.status)).collect());
    for (key, status) in taken {
        let kind = match status {
            OperationState::Captured => OperationKind::Refund,
            OperationState::Authorized => OperationKind::Capture,
            _ => continue,
        };
        let rest = world.payments.rest(key, kind);
        if rest > 0 {
            ways.push((kind, Some(key), rest));
        }
    }
    (!ways.is_empty()).then(|| ways[world.choose(ways.len())])
}

/// What has moved must be heard of in the end; perhaps twice.
fn tell_until_heard(world: &Arc<World>, order: OrderId, report: PaymentReport) {
    let world = Arc::clone(world);
    world.clone().outside_task(async move {
        world.runtime.timer(world.pick(&[Duration::ZERO, Duration::from_secs(3), MINUTE * 20])).await;
        for _ in 0..world.pick(&[1, 1, 2]) {
            while !deliver(&world, order, report.clone()).await {
                world.runtime.timer(Duration::from_secs(20)).await;
            }
        }
    });
}

/// A bank questions a payment of the order, and decides after a while.
pub(super) fn dispute(world: &Arc<World>, order: OrderId) {
    let taken: Vec<(Uuid, String)> = world.payments.with_ledger(|l| {
        let of = l.iter().filter(|p| p.order == order && p.status == OperationState::Captured);
        of.map(|p| (p.key, p.reference.clone())).collect()
    });
    let Some((key, payment)) = taken.get(world.choose(taken.len())).cloned() else { return };
    let most = world.payments.rest(key, OperationKind::Refund);
    if most == 0 {
        return;
    }
    let name = {
        let mut oracle = lock(&world.oracle);
        oracle.disputes += 1;
        format!("dsp-{}", oracle.disputes)
    };
    let minor = world.pick(&[most, most / 2]).max(1);
    let report = DisputeReport {
        reference: name.parse().expect("a valid reference"),
        payment: payment.parse().ok().filter(|_| world.chance(700)),
        state: DisputeState::Open,
        amount: crate::money::Money::new(minor, crate::money::Currency::USD),
    };
    let world = Arc::clone(world);
    world.clone().outside_task(async move {
        // Sometimes all that is heard is how it ended.
        if world.chance(800) {
            tell_dispute(&world, order, report.clone()).await;
        }
        world.runtime.timer(world.pick(&[Duration::from_secs(2), MINUTE * 20, MINUTE * 60])).await;
        let amount = report.amount.minor.min(world.payments.rest(key, OperationKind::Refund));
        let amount = crate::money::Money::new(amount, report.amount.currency);
        let lost = amount.minor > 0 && world.chance(500);
        let report = if lost {
            world.payments.move_outside(order, OperationKind::Refund, Some(key), amount, Some(&name));
            DisputeReport { state: DisputeState::Lost, amount, ..report }
        } else {
            DisputeReport { state: DisputeState::Won, ..report }
        };
        for _ in 0..world.pick(&[1, 1, 2]) {
            while !tell_dispute(&world, order, report.clone()).await {
                world.runtime.timer(Duration::from_secs(20)).await;
            }
        }
    });
}

async fn tell_dispute(world: &Arc<World>, order: OrderId, report: DisputeReport) -> bool {
    world.trace(|| format!("the bank says {} {} {} for {}", report.state, report.amount, report.reference, short(order)));
    lock(&world.coverage).fact(match report.state {
        DisputeState::Open => "dispute opened",
        DisputeState::Won => "dispute won",
        DisputeState::Lost => "dispute lost",
    });
    let principal = Principal::Service("payments".into());
    let heard = world.ask(|m| Box::pin(async move { m.record_dispute(&principal, order.into(), report).await })).await;
    match heard {
        Some(Ok(after)) => {
            lock(&world.oracle).answered(after.id, after.version);
            true
        }
        Some(Err(e)) => {
            if !e.is_retryable() {
                world.breach("I6", format!("a report of a dispute on {order} was refused: {e}"));
            }
            false
        }
        None => false,
    }
}

/// Sends back by hand what came in outside the engine and is not owed. Whether there was anything.
pub(super) fn refund_by_hand(world: &Arc<World>, order: &crate::order::Order) -> bool {
    let money = order.money();
    let mut excess = money.captured - money.refunded - money.refunding - order.claimed();
    let mut any = false;
    // Of what came in outside first; but what the order takes for one payment may have gone from another.
    let mut taken: Vec<(bool, Uuid, String)> = world.payments.with_ledger(|l| {
        let of = l.iter().filter(|p| p.order == order.id && p.status == OperationState::Captured);
        of.map(|p| (!p.outside, p.key, p.reference.clone())).collect()
    });
    taken.sort_by_key(|(own, ..)| *own);
    for (_, key, reference) in taken {
        let amount = excess.min(world.payments.rest(key, OperationKind::Refund));
        if amount <= 0 {
            continue;
        }
        if let Some(report) =
            world.payments.move_outside(order.id, OperationKind::Refund, Some(key), order.in_currency(amount), None)
        {
            world.trace(|| format!("somebody sends {amount} of {reference} back by hand for {}", short(order.id)));
            excess -= amount;
            any = true;
            tell_until_heard(world, order.id, report);
        }
    }
    any
}

/// Reports something said before, something of another amount, or something of nobody's.
pub(super) async fn confuse(world: &Arc<World>) {
    let said = {
        let oracle = lock(&world.oracle);
        let n = oracle.reports.len();
        if n == 0 {
            return;
        }
        oracle.reports[world.choose(n)].clone()
    };
    let (order, mut report) = said;
    match world.choose(4) {
        0 => {
            // That money moved would be believed.
            report.key = None;
            report.status = OperationState::Declined;
            report.reference = "pay-of-nobody".parse().expect("a valid reference");
        }
        1 => {
            // Another amount is a lie: it is told only of what the order knows for certain.
            let settled = world.store.inspect(order, |o, _, _| {
                let by_reference = |r: &crate::ids::Reference| *r == report.reference;
                o.payments.iter().any(|p| p.state == report.status && p.reference.as_ref().is_some_and(by_reference))
            });
            if settled != Some(true) || report.status != OperationState::Captured {
                return;
            }
            report.amount.minor += 1;
        }
        _ => {}
    }
    deliver(world, order, report).await;
}
