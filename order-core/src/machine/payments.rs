//! What the payment records of an order mean for its life.

use crate::money::Minor;
use crate::order::{OperationKind, OperationState, Order, PaymentOperation};
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

/// Whether the order still wants the money that attempt `p` may bring in.
pub(super) fn is_wanted(order: &Order, p: &PaymentOperation, stock_refused: bool) -> bool {
    if !order.lifecycle.is_live() || stock_refused {
        return false;
    }
    let rest = order.authorized_rest(p.n);
    // Of several authorizations the earliest is kept: else each would be surplus because of the others, and all be voided.
    let kept = |q: &PaymentOperation| order.children(q.n).all(|c| c.kind != OperationKind::Void || !c.state.is_open());
    let later = order.payments.iter().filter(|q| rest > 0 && q.n > p.n && kept(q)).map(|q| order.authorized_rest(q.n));
    order.secured() - rest - p.captured() - later.sum::<Minor>() < order.owed()
}
