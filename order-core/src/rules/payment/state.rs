//! The meaning of an order's payment records for its life.

use crate::money::Minor;
use crate::order::{
    DisputeState, Edit, Lifecycle, OperationKind, OperationOrigin, OperationState, Order,
    PaymentOperation, PaymentTerms,
};
use crate::policy::BeforeLapse;
use crate::rules::Env;
use crate::time::Timestamp;

/// Returns true if some attempt may still bring money in: asked, not known, pending, or waiting for
/// the customer. With `or_planned`, also one that was never asked.
pub(in crate::rules) fn attempt_outstanding(order: &Order, or_planned: bool) -> bool {
    order
        .payments
        .iter()
        .filter(|p| p.is_attempt())
        .any(|p| match p.state {
            OperationState::Planned => or_planned,
            OperationState::Armed
            | OperationState::Unknown
            | OperationState::Pending
            | OperationState::ActionRequired => true,
            _ => false,
        })
}

/// Returns true if attempts under way would bring in as much as an order is short, if they succeed.
pub(crate) fn attempts_cover(order: &Order, short: Minor) -> bool {
    let coming = order
        .payments
        .iter()
        .filter(|p| p.is_attempt() && p.state.is_open() && !is_for_edit(order, p));
    coming.map(|p| p.amount).sum::<Minor>() >= short
}

/// Returns true if money is authorized or captured and has not gone back.
pub(in crate::rules) fn money_moved(order: &Order) -> bool {
    let money = order.money();
    money.authorized > 0 || money.captured > money.refunded
}

/// Returns until when a pending order is given time: its placing deadline, or longer if an attempt
/// has a later one of its own.
pub(in crate::rules) fn deadline(order: &Order) -> Timestamp {
    order
        .payments
        .iter()
        .filter(|p| p.is_attempt() && p.state.is_open())
        .filter_map(|p| p.deadline)
        .fold(order.placing_deadline, Timestamp::max)
}

/// Returns true if attempt `p` is for the edit that is under way.
pub(in crate::rules) fn is_for_edit(order: &Order, p: &PaymentOperation) -> bool {
    order
        .open_edit()
        .and_then(|e| e.payment)
        .is_some_and(|first| p.is_attempt() && p.n >= first)
}

/// Returns until when attempt `p` may be begun: its order's deadline, its edit's, or as long as
/// placing may take.
pub(in crate::rules) fn begin_by(order: &Order, env: &Env<'_>, p: &PaymentOperation) -> Timestamp {
    match order.open_edit() {
        Some(edit) if is_for_edit(order, p) => edit.deadline,
        _ if order.lifecycle == Lifecycle::Pending && p.created_at < order.placing_deadline => {
            order.placing_deadline
        }
        _ => p.created_at.after(env.policy.placing_deadline),
    }
}

/// Returns until when an edit is given time: its own deadline, or longer if a payment for it has a
/// later one.
pub(crate) fn edit_deadline(order: &Order, edit: &Edit) -> Timestamp {
    let waiting = order
        .payments
        .iter()
        .filter(|p| is_for_edit(order, p) && p.state.is_open());
    waiting
        .filter_map(|p| p.deadline)
        .fold(edit.deadline, Timestamp::max)
}

/// Returns true if authorization `p` is about to lapse, so that a person is told.
pub(in crate::rules) fn lapses_soon(p: &PaymentOperation, env: &Env<'_>) -> bool {
    p.capture_before
        .is_some_and(|t| t.before(env.policy.capture_warning) <= env.now)
}

/// Returns true if authorization `p` is about to lapse where the shop wants another in its place:
/// it is kept until that is there.
pub(in crate::rules) fn is_to_be_renewed(p: &PaymentOperation, env: &Env<'_>) -> bool {
    env.policy.before_lapse == BeforeLapse::Reauthorize && lapses_soon(p, env)
}

/// Returns how many follow-ups of a kind the service refused of operation `n`, since somebody last
/// asked for them anew; and the last that came to nothing for any reason.
pub(in crate::rules) fn refused(
    order: &Order,
    n: u32,
    kind: OperationKind,
) -> (u32, Option<&PaymentOperation>) {
    // A refusal in the very moment of asking anew counts, or asking would never end.
    let counts = |p: &PaymentOperation| order.stuck_retried_at.is_none_or(|t| p.updated_at >= t);
    let ours = |c: &&PaymentOperation| c.kind == kind && c.origin == OperationOrigin::Engine;
    let in_vain = || {
        order
            .children(n)
            .filter(ours)
            .filter(|c| c.state.came_to_nothing() && counts(c))
    };
    let refused = in_vain().filter(|c| c.state != OperationState::NeverHappened);
    (refused.count() as u32, in_vain().last())
}

/// Returns true if nothing is sent back for now: a bank may take the same money, or it is not known
/// whether an attempt that a refund would rest on brought money in.
pub(in crate::rules) fn refunds_wait(order: &Order) -> bool {
    let disputed = order.disputes.iter().any(|d| d.state == DisputeState::Open);
    disputed || (order.lifecycle == Lifecycle::Pending && attempt_outstanding(order, false))
}

/// Returns true if the order still wants the money that attempt `p` may bring in: without it too
/// little is paid and secured.
pub(in crate::rules) fn is_wanted(
    order: &Order,
    env: &Env<'_>,
    p: &PaymentOperation,
    stock_refused: bool,
) -> bool {
    wanted_of(order, env, p, stock_refused) > 0
}

/// The most that attempt `p` may bring in of what is owed now: what is neither paid nor secured
/// without it. It may be less than what the attempt was planned for.
pub(in crate::rules) fn wanted_of(
    order: &Order,
    env: &Env<'_>,
    p: &PaymentOperation,
    stock_refused: bool,
) -> Minor {
    if !order.lifecycle.is_live() || stock_refused {
        return 0;
    }
    // Of several authorizations the earliest is kept: else each would be surplus because of the
    // others, and all be voided. One that is about to lapse gives way to any that is not.
    let comes_before =
        |q: &PaymentOperation| match (is_to_be_renewed(p, env), is_to_be_renewed(q, env)) {
            (true, false) => q.n != p.n,
            (false, true) => false,
            _ => q.n < p.n,
        };
    let owed = order.least_kept_with_edit();
    // What is kept for now and goes back does not count; nor is it there to make up for what went
    // back since it was asked for.
    let kept = order.kept() - order.surplus(env.now) - order.captured_of(p);
    let there = order
        .payments
        .iter()
        .filter(|q| order.can_be_captured(q, env.now) && comes_before(q));
    let secured = there.fold(kept, |secured, q| {
        secured + (owed - secured - order.missed_since(q.n)).clamp(0, order.authorized_rest(q.n))
    });
    (owed - secured - order.missed_since(p.n)).max(0)
}

/// Tells whether what is due at confirmation is covered. Nothing due counts as covered, unless more
/// went back than came in.
pub fn covered(order: &Order, env: &Env<'_>) -> bool {
    is_covered(order, order.least_kept(), env)
}

/// Tells whether an order of which at least `wanted` had to be kept would be covered.
pub(in crate::rules) fn is_covered(order: &Order, wanted: Minor, env: &Env<'_>) -> bool {
    match order.terms {
        PaymentTerms::Confirm | PaymentTerms::Shipment => {
            order.secured_for(wanted, env.now) >= wanted
        }
        PaymentTerms::Invoice | PaymentTerms::Delivery => true,
    }
}
