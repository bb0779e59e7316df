//! What the payment records of an order mean for its life.

use super::Env;
use super::record::never_happened;
use crate::money::Minor;
use crate::order::{Lifecycle, OperationKind, OperationState, Order, PaymentOperation};
use crate::time::Timestamp;

/// Whether some attempt may still bring money in: asked, not known, pending, or waiting for the customer. With
/// `or_planned`, also one that was never asked.
pub(super) fn attempt_outstanding(order: &Order, or_planned: bool) -> bool {
    order.payments.iter().filter(|p| p.is_attempt()).any(|p| match p.state {
        OperationState::Planned => or_planned,
        OperationState::Armed | OperationState::Unknown | OperationState::Pending | OperationState::ActionRequired => true,
        _ => false,
    })
}

/// Whether money is authorized or captured and has not gone back.
pub(super) fn money_moved(order: &Order) -> bool {
    let money = order.money();
    money.authorized > 0 || money.captured > money.refunded
}

/// Until when a pending order is given time: its placing deadline, or longer if an attempt has a later one of its own.
pub(super) fn deadline(order: &Order) -> Timestamp {
    order
        .payments
        .iter()
        .filter(|p| p.is_attempt() && p.state.is_open())
        .filter_map(|p| p.deadline)
        .fold(order.placing_deadline, Timestamp::max)
}

/// Whether money may still be collected for the order at all.
pub(super) const fn may_collect(order: &Order) -> bool {
    matches!(order.lifecycle, Lifecycle::Pending | Lifecycle::Confirmed | Lifecycle::Completed)
}

/// Whether attempt `p` is for the edit that is under way.
pub(super) fn is_for_edit(order: &Order, p: &PaymentOperation) -> bool {
    order.open_edit().and_then(|e| e.payment).is_some_and(|first| p.is_attempt() && p.n >= first)
}

/// Until when attempt `p` may be begun: its order's deadline, its edit's, or as long as placing may take.
pub(super) fn begin_by(order: &Order, env: &Env<'_>, p: &PaymentOperation) -> Timestamp {
    match order.open_edit() {
        Some(edit) if is_for_edit(order, p) => edit.deadline,
        _ if order.lifecycle == Lifecycle::Pending => order.placing_deadline,
        _ => p.created_at.after(env.policy.placing_deadline),
    }
}

/// How many follow-ups of a kind the service refused of operation `n`, since somebody last asked for them anew; and the last
/// that came to nothing for any reason.
pub(super) fn refused(order: &Order, n: u32, kind: OperationKind) -> (u32, Option<&PaymentOperation>) {
    // A refusal in the very moment of asking anew counts, or asking would never end.
    let counts = |p: &PaymentOperation| order.redriven_at.is_none_or(|t| p.updated_at >= t);
    let failed = || order.children(n).filter(move |c| c.kind == kind && c.state == OperationState::Failed && counts(c));
    (failed().filter(|c| !never_happened(c)).count() as u32, failed().last())
}

/// What of authorization `n` can still be captured: what is neither captured nor asked for, nor given up.
pub(super) fn capturable(order: &Order, n: u32) -> Minor {
    let giving_up = order.children(n).any(|c| c.kind == OperationKind::Void && c.state.is_open());
    if giving_up {
        return 0;
    }
    order.authorized_rest(n) - order.children(n).map(PaymentOperation::capturing).sum::<Minor>()
}

/// Whether the order still wants the money that attempt `p` may bring in.
pub(super) fn is_wanted(order: &Order, p: &PaymentOperation, stock_refused: bool) -> bool {
    if !order.lifecycle.is_live() || stock_refused {
        return false;
    }
    let rest = order.authorized_rest(p.n);
    // Of several authorizations the earliest is kept: else each would be surplus because of the others, and all be voided.
    let kept = |q: &PaymentOperation| order.children(q.n).all(|c| c.kind != OperationKind::Void || !c.state.is_open());
    let later = order.payments.iter().filter(|q| rest > 0 && q.n > p.n && kept(q)).map(|q| order.authorized_rest(q.n));
    order.secured() - rest - order.captured_of(p) - later.sum::<Minor>() < order.claimed()
}
