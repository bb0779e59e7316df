//! Money that moves without the engine: refunds and captures in the provider's dashboard, payments
//! of invoices, disputes.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::lock;
use super::provider::{MINUTE, deliver, euro};
use super::reports::check_dispute;
use super::world::{World, short};
use order_core::audit::Invariant;
use order_core::ids::OrderId;
use order_core::manager::Principal;
use order_core::money::{Currency, Minor, Money};
use order_core::order::{DisputeState, OperationKind, OperationState};
use order_core::rules::{DisputeReport, PaymentReport};
use order_core::testkit::services::LedgerPayment;

/// Moves money of an order without the engine: sends some back, captures, or pays what is not
/// charged. Of one payment, if it is named.
pub(super) fn move_outside(world: &Arc<World>, order: OrderId, payment: Option<Uuid>) {
    let Some((kind, parent, most)) = movable(world, order, payment) else {
        return;
    };
    let minor = world.pick(&[most, most / 2, 1]).max(1);
    let amount = Money::new(minor, Currency::USD);
    let Some(mut report) = world
        .payments
        .move_outside(order, kind, parent, amount, None)
    else {
        return;
    };
    world.trace(|| {
        format!(
            "somebody makes a {kind} of {amount} for {} outside: {}",
            short(order),
            report.reference
        )
    });
    if kind == OperationKind::Refund && world.chance(100) {
        report.parent = None;
    }
    tell_until_heard(world, order, report);
}

/// A way in which an order's money can be moved from outside: how, of which operation, and how much
/// at the most.
fn movable(
    world: &World,
    order: OrderId,
    payment: Option<Uuid>,
) -> Option<(OperationKind, Option<Uuid>, Minor)> {
    let later = world.store.inspect(order, |o, _, _| {
        use order_core::order::PaymentTerms::{Delivery, Invoice};
        (matches!(o.terms, Invoice | Delivery) && o.lifecycle.is_live())
            .then(|| o.owed() - o.money().captured)
    });
    let mut ways: Vec<(OperationKind, Option<Uuid>, Minor)> = Vec::new();
    let owed = later
        .flatten()
        .filter(|owed| *owed > 0 && payment.is_none());
    ways.extend(owed.map(|owed| (OperationKind::Charge, None, owed)));
    let taken: Vec<(Uuid, OperationState)> = world.payments.with_ledger(|l| {
        let of = |p: &&LedgerPayment| p.order == order && payment.is_none_or(|key| p.key == key);
        l.iter().filter(of).map(|p| (p.key, p.status)).collect()
    });
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

/// Reports what has moved until it is heard; perhaps twice.
fn tell_until_heard(world: &Arc<World>, order: OrderId, report: PaymentReport) {
    let world = Arc::clone(world);
    world.clone().outside_task(async move {
        world
            .runtime
            .timer(world.pick(&[Duration::ZERO, Duration::from_secs(3), MINUTE * 20]))
            .await;
        for _ in 0..world.pick(&[1, 1, 2]) {
            while !deliver(&world, order, report.clone()).await {
                world.runtime.timer(Duration::from_secs(20)).await;
            }
        }
    });
}

/// A bank questions a payment of the order, or the one that is named, and decides after a while;
/// and perhaps once more.
pub(super) fn dispute(world: &Arc<World>, order: OrderId, payment: Option<Uuid>) {
    let taken: Vec<(Uuid, String)> = world.payments.with_ledger(|l| {
        let of = |p: &&LedgerPayment| p.order == order && payment.is_none_or(|key| p.key == key);
        let taken = l
            .iter()
            .filter(of)
            .filter(|p| p.status == OperationState::Captured);
        taken.map(|p| (p.key, p.reference.clone())).collect()
    });
    let Some((key, reference)) = taken.get(world.choose(taken.len())).cloned() else {
        return;
    };
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
        payment: reference.parse().ok().filter(|_| world.chance(700)),
        state: DisputeState::Open,
        amount: Money::new(minor, Currency::USD),
    };
    let world = Arc::clone(world);
    world.clone().outside_task(async move {
        let mut unheard = false;
        // Sometimes all that is heard is how it ended.
        if world.chance(800) {
            unheard |= !tell_dispute(&world, order, report.clone()).await;
        }
        world
            .runtime
            .timer(world.pick(&[Duration::from_secs(2), MINUTE * 20, MINUTE * 60]))
            .await;
        let (mut lost, mut last) = (world.chance(500), report.clone());
        // The last word counts, and there may be several.
        for _ in 0..world.pick(&[1, 1, 1, 1, 2, 3]) {
            last = decide(&world, order, key, &report, lost, &mut unheard).await;
            lost = last.state != DisputeState::Lost;
            world
                .runtime
                .timer(world.pick(&[Duration::from_secs(2), MINUTE * 30]))
                .await;
        }
        // A word that nobody acknowledged may be taken in after the last one, which is said once
        // more.
        if unheard {
            world.runtime.timer(MINUTE * 5).await;
            tell_dispute_until_heard(&world, order, &last).await;
            lock(&world.oracle)
                .misled
                .remove(&(order, last.reference.to_string()));
        }
    });
}

/// The bank decides: it takes the money, or it does not and gives back what it had taken. It says
/// so until it is heard, perhaps twice, and perhaps wrongly first. What it says last; and whether
/// nobody acknowledged something it said.
async fn decide(
    world: &Arc<World>,
    order: OrderId,
    key: Uuid,
    report: &DisputeReport,
    lost: bool,
    unheard: &mut bool,
) -> DisputeReport {
    let name = report.reference.as_str();
    let taken_before = world
        .payments
        .with_ledger(|l| l.iter().any(|e| e.reference == name));
    let amount = report
        .amount
        .minor
        .min(world.payments.rest(key, OperationKind::Refund));
    let amount = Money::new(amount, report.amount.currency);
    let lost = lost && amount.minor > 0;
    // What was heard of it so far is no longer so.
    lock(&world.oracle).heard.remove(name);
    match (lost, taken_before) {
        (true, true) => world.payments.turn(name, Some(amount)),
        (true, false) => {
            world.payments.move_outside(
                order,
                OperationKind::Refund,
                Some(key),
                amount,
                Some(name),
            );
        }
        (false, true) => world.payments.turn(name, None),
        (false, false) => {}
    }
    let report = match lost {
        true => DisputeReport {
            state: DisputeState::Lost,
            amount,
            ..report.clone()
        },
        false => DisputeReport {
            state: DisputeState::Won,
            ..report.clone()
        },
    };
    if world.chance(world.config.lies) {
        let other = Money::new(report.amount.minor, euro());
        *unheard |= !tell_dispute(
            world,
            order,
            DisputeReport {
                amount: other,
                ..report.clone()
            },
        )
        .await;
    }
    for _ in 0..world.pick(&[1, 1, 2]) {
        *unheard |= !tell_dispute_until_heard(world, order, &report).await;
    }
    report
}

/// Reports whether it was heard the first time.
async fn tell_dispute_until_heard(
    world: &Arc<World>,
    order: OrderId,
    report: &DisputeReport,
) -> bool {
    let mut at_once = true;
    while !tell_dispute(world, order, report.clone()).await {
        at_once = false;
        world.runtime.timer(Duration::from_secs(20)).await;
    }
    at_once
}

async fn tell_dispute(world: &Arc<World>, order: OrderId, report: DisputeReport) -> bool {
    world.trace(|| {
        format!(
            "the bank says {} {} {} for {}",
            report.state,
            report.amount,
            report.reference,
            short(order)
        )
    });
    lock(&world.coverage).fact(match report.state {
        DisputeState::Open => "dispute opened",
        DisputeState::Won => "dispute won",
        DisputeState::Lost => "dispute lost",
    });
    let principal = Principal::Service("payments".into());
    let told = report.clone();
    // Whoever took it in without an answer may do so after the next word.
    let misleads = || {
        lock(&world.oracle)
            .misled
            .insert((order, report.reference.to_string()))
    };
    let heard = world
        .ask(|m| Box::pin(async move { m.record_dispute(&principal, order.into(), told).await }))
        .await;
    match heard {
        Some(Ok(after)) => {
            {
                let mut oracle = lock(&world.oracle);
                oracle.answered(after.id, after.version);
                if report.state == DisputeState::Lost && report.amount.currency == Currency::USD {
                    oracle.heard.insert(report.reference.to_string());
                }
            }
            check_dispute(world, order, &report);
            true
        }
        Some(Err(e)) => {
            if !e.is_retryable() {
                world.breach(
                    Invariant::ChargesKnown,
                    format!("a report of a dispute on {order} was refused: {e}"),
                );
            }
            misleads();
            false
        }
        None => {
            misleads();
            false
        }
    }
}

/// Sends back by hand what came in outside the engine and is not owed. Whether there was anything.
pub(super) fn refund_by_hand(world: &Arc<World>, order: &order_core::order::Order) -> bool {
    let money = order.money();
    let mut excess = money.captured - money.refunded - money.refunding - order.owed_with_edit();
    let mut any = false;
    // Of what came in outside first; but what the order takes for one payment may have gone from
    // another.
    let mut taken: Vec<(bool, Uuid, String)> = world.payments.with_ledger(|l| {
        let of = l
            .iter()
            .filter(|p| p.order == order.id && p.status == OperationState::Captured);
        of.map(|p| (!p.outside, p.key, p.reference.clone()))
            .collect()
    });
    taken.sort_by_key(|(own, ..)| *own);
    for (_, key, reference) in taken {
        let amount = excess.min(world.payments.rest(key, OperationKind::Refund));
        if amount <= 0 {
            continue;
        }
        if let Some(report) = world.payments.move_outside(
            order.id,
            OperationKind::Refund,
            Some(key),
            order.in_currency(amount),
            None,
        ) {
            world.trace(|| {
                format!(
                    "somebody sends {amount} of {reference} back by hand for {}",
                    short(order.id)
                )
            });
            excess -= amount;
            any = true;
            tell_until_heard(world, order.id, report);
        }
    }
    any
}
