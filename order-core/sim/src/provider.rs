//! The payment provider's own doings: it decides what was pending, and reports what it likes, as
//! often as it likes.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::bank::{dispute, move_outside};
use super::lock;
use super::reports::check_report;
use super::world::{World, short};
use order_core::audit::Invariant;
use order_core::ids::OrderId;
use order_core::manager::Principal;
use order_core::money::Currency;
use order_core::order::{OperationKind, OperationState};
use order_core::rules::PaymentReport;

/// Does what the provider does about an attempt that has just reached it.
pub(super) fn provider(world: &Arc<World>, order: OrderId, attempt: Uuid) {
    let Some(report) = world.payments.report(attempt) else {
        return;
    };
    let first = {
        let mut oracle = lock(&world.oracle);
        let first = !oracle.reports.iter().any(|(_, r)| r.key == Some(attempt));
        oracle.reports.push((order, report.clone()));
        first
    };
    if !first || world.is_calm() {
        return;
    }
    if world.chance(world.config.lies) {
        mislead(world, order, attempt);
    }
    let world = Arc::clone(world);
    match report.status {
        OperationState::Pending | OperationState::ActionRequired => {
            let after = world.pick(&[
                Duration::from_millis(2),
                Duration::from_secs(3),
                MINUTE * 14,
                MINUTE * 40,
            ]);
            // Some payments never come.
            if world.chance(850) {
                world.clone().outside_task(async move {
                    world.runtime.timer(after).await;
                    let success = world.chance(600);
                    settle(&world, order, attempt, success).await;
                });
            }
        }
        OperationState::Declined if world.chance(80) => late_money(&world, order, attempt),
        OperationState::Captured | OperationState::Authorized => {
            if world.chance(100) {
                world.clone().outside_task(async move {
                    world
                        .runtime
                        .timer(world.pick(&[Duration::ZERO, Duration::from_millis(2), MINUTE * 3]))
                        .await;
                    deliver(&world, order, report).await;
                });
            } else if world.chance(world.config.voices) {
                world
                    .clone()
                    .outside_task(async move { speak(&world, order, attempt).await });
            }
        }
        _ => {}
    }
}

/// A bank or a dashboard speaks of a payment, whoever knows of it by then.
async fn speak(world: &Arc<World>, order: OrderId, attempt: Uuid) {
    world
        .runtime
        .timer(world.pick(&[Duration::ZERO, Duration::from_secs(1), MINUTE]))
        .await;
    if world.chance(500) {
        move_outside(world, order, Some(attempt))
    } else {
        dispute(world, order, Some(attempt))
    }
}

/// Captures after all what was declined, or given up: the provider says so until it is heard.
fn late_money(world: &Arc<World>, order: OrderId, attempt: Uuid) {
    let world = Arc::clone(world);
    world.clone().outside_task(async move {
        world
            .runtime
            .timer(world.pick(&[Duration::from_secs(2), MINUTE * 20]))
            .await;
        if let Some(report) = world.payments.capture_late(attempt) {
            world.trace(|| format!("the provider captures {attempt} after all"));
            lock(&world.oracle).reports.push((order, report.clone()));
            while !deliver(&world, order, report.clone()).await {
                world.runtime.timer(Duration::from_secs(20)).await;
            }
        }
    });
}

/// A follow-up has reached the provider: what it may say of it again; and what was given up may
/// come in all the same.
pub(super) fn followed_up(
    world: &Arc<World>,
    order: OrderId,
    key: Uuid,
    parent: Uuid,
    kind: OperationKind,
) {
    let Some(report) = world.payments.report(key) else {
        return;
    };
    let first = {
        let mut oracle = lock(&world.oracle);
        let first = !oracle.reports.iter().any(|(_, r)| r.key == Some(key));
        if first {
            oracle.reports.push((order, report));
        }
        first
    };
    if !first || world.is_calm() {
        return;
    }
    if kind == OperationKind::Void && world.chance(30) {
        late_money(world, order, parent);
    } else if world.chance(world.config.lies) {
        mislead(world, order, key);
    }
}

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// Decides a pending attempt, and reports it never, once or twice.
async fn settle(world: &Arc<World>, order: OrderId, attempt: Uuid, success: bool) {
    let Some(report) = world.payments.settle(attempt, success) else {
        return;
    };
    world.trace(|| {
        format!(
            "the provider settles {} of {}: {}",
            report.reference,
            short(order),
            report.status
        )
    });
    lock(&world.oracle).reports.push((order, report.clone()));
    if success && !world.is_calm() && world.chance(world.config.voices) {
        return speak(world, order, attempt).await;
    }
    for _ in 0..world.pick(&[0, 1, 1, 2]) {
        deliver(world, order, report.clone()).await;
        world
            .runtime
            .timer(world.pick(&[Duration::ZERO, Duration::from_secs(7)]))
            .await;
    }
}

/// Decides most of what is still pending, and reports some of it. The rest never comes.
pub(super) async fn settle_everything(world: &Arc<World>) {
    let open: Vec<(OrderId, Uuid)> = world.payments.with_ledger(|ledger| {
        let open = |s| matches!(s, OperationState::Pending | OperationState::ActionRequired);
        ledger
            .iter()
            .filter(|p| open(p.status))
            .map(|p| (p.order, p.key))
            .collect()
    });
    for (order, attempt) in open {
        if world.chance(700) {
            let success = world.chance(500);
            settle(world, order, attempt, success).await;
        }
    }
}

/// Calls back some process. Whether it was heard.
pub(super) async fn deliver(world: &Arc<World>, order: OrderId, report: PaymentReport) -> bool {
    world.trace(|| {
        format!(
            "the provider reports {} {} of {} for {}",
            report.status,
            report.amount,
            report.reference,
            short(order)
        )
    });
    lock(&world.coverage).fact(match (report.key, report.status) {
        (None, OperationState::Refunded) => "refund made outside",
        (None, OperationState::Captured) => "payment made outside",
        (_, status) => status.as_str(),
    });
    let before = world.store.inspect(order, |o, _, _| Arc::clone(o));
    let principal = Principal::Service("payments".into());
    let told = report.clone();
    let heard = world
        .ask(|m| Box::pin(async move { m.record_payment(&principal, order.into(), told).await }))
        .await;
    match heard {
        Some(Ok(after)) => {
            {
                let mut oracle = lock(&world.oracle);
                oracle.answered(after.id, after.version);
                oracle.heard.insert(report.reference.to_string());
            }
            if let Some(before) = before {
                check_report(world, &before, &report);
            }
            true
        }
        Some(Err(e)) => {
            if !e.is_retryable() {
                world.breach(
                    Invariant::ChargesKnown,
                    format!("a provider's report on {order} was refused: {e}"),
                );
            }
            false
        }
        None => false,
    }
}

/// A callback about an operation that says what is not so, and later, until it is heard, one that
/// says what is.
fn mislead(world: &Arc<World>, order: OrderId, key: Uuid) {
    use OperationState as S;
    let Some(mut lie) = world.payments.report(key) else {
        return;
    };
    match lie.status {
        S::Pending | S::ActionRequired | S::Declined => {
            let kind = world
                .payments
                .with_ledger(|l| l.iter().find(|e| e.key == key).map(|e| e.kind));
            lie.status = if kind == Some(OperationKind::Authorize) {
                S::Authorized
            } else {
                S::Captured
            };
        }
        S::Authorized => lie.status = world.pick(&[S::Captured, S::Voided, S::Declined]),
        S::Captured => match world.choose(4) {
            0 => lie.status = S::Declined,
            1 => lie.amount.minor += 1,
            2 => lie.amount.minor = (lie.amount.minor / 2).max(1),
            _ => lie.amount.currency = euro(),
        },
        S::Refunded => match world.choose(2) {
            0 => lie.amount.minor += 1,
            _ => lie.amount.currency = euro(),
        },
        _ => return,
    }
    let name = {
        let mut oracle = lock(&world.oracle);
        oracle.lies += 1;
        let name = format!("{key}, lie {}", oracle.lies);
        oracle.misled.insert((order, name.clone()));
        name
    };
    let world = Arc::clone(world);
    world.clone().outside_task(async move {
        world
            .runtime
            .timer(world.pick(&[
                Duration::ZERO,
                Duration::from_millis(2),
                Duration::from_secs(5),
            ]))
            .await;
        let heard = deliver(&world, order, lie).await;
        world
            .runtime
            .timer(world.pick(&[Duration::from_secs(3), MINUTE * 5, MINUTE * 45]))
            .await;
        // Whoever took it for decided has stopped asking.
        let _ = world.payments.settle(key, false);
        // A callback that nobody acknowledged may be taken in after the one that puts it right.
        for _ in 0..if heard { 1 } else { 2 } {
            while let Some(truth) = world.payments.report(key) {
                if deliver(&world, order, truth).await {
                    break;
                }
                world.runtime.timer(Duration::from_secs(20)).await;
            }
            world
                .runtime
                .timer(if heard { Duration::ZERO } else { MINUTE * 5 })
                .await;
        }
        lock(&world.oracle).misled.remove(&(order, name));
    });
}

/// A currency in which nobody pays here.
pub(super) fn euro() -> Currency {
    "EUR".parse().expect("a currency")
}

/// Reports something said before, something that is not so, or something of nobody's.
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
    match world.choose(5) {
        0 => {
            // That money moved would be believed.
            report.key = None;
            report.status = OperationState::Declined;
            report.reference = "pay-of-nobody".parse().expect("a valid reference");
        }
        1 | 2 => {
            if let Some(key) = report.key.filter(|_| world.config.lies > 0) {
                mislead(world, order, key);
            }
            return;
        }
        _ => {}
    }
    deliver(world, order, report).await;
}
