//! The payment provider's own doings: it decides what was pending, and reports what it likes, as often as it likes.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::world::{World, short};
use crate::ids::OrderId;
use crate::machine::PaymentReport;
use crate::manager::Principal;
use crate::order::OperationState;
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
            report.key = None;
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
