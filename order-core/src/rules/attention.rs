//! Attention: raised, acknowledged and cleared; and the reasons that follow from an order's records
//! as they are, raised and cleared as those change, whichever fact came last. The reasons and their
//! texts stand with [`AttentionReason`].

use super::Env;
use super::payment::state::{attempts_cover, refunds_wait, refused};
use super::refusal::refusal;
use crate::error::{Rejection, RejectionReason};
use crate::money::Minor;
use crate::order::{
    Attention, AttentionReason, Event, Lifecycle, Op, OperationKind, OperationOrigin,
    OperationState, Order, PaymentOperation, PaymentTerms,
};
use crate::time::Timestamp;

/// Returns the event that raises attention, unless it is open and nobody has seen it yet: whoever
/// has seen it has not seen what is new.
pub(super) fn raise(order: &Order, reason: AttentionReason, about: Option<Op>) -> Option<Event> {
    raise_for(order, reason, about, None)
}

/// Returns the same for an amount of money.
pub(super) fn raise_for(
    order: &Order,
    reason: AttentionReason,
    about: Option<Op>,
    amount: Option<Minor>,
) -> Option<Event> {
    let unseen = order
        .attention_about(reason, about)
        .is_some_and(|a| !a.acknowledged && a.amount == amount);
    (!unseen).then_some(Event::AttentionRaised {
        reason,
        about,
        amount,
    })
}

/// Returns the event that raises attention, unless it is open, seen or not.
pub(super) fn raise_once(
    order: &Order,
    reason: AttentionReason,
    about: Option<Op>,
) -> Option<Event> {
    let told = order.attention_about(reason, about).is_some();
    (!told).then_some(Event::AttentionRaised {
        reason,
        about,
        amount: None,
    })
}

/// Returns the event that raises attention for an amount, unless it is open for that amount, seen
/// or not.
pub(super) fn raise_of(
    order: &Order,
    reason: AttentionReason,
    about: Option<Op>,
    amount: Option<Minor>,
) -> Option<Event> {
    let told = order
        .attention_about(reason, about)
        .is_some_and(|a| a.amount == amount);
    (!told).then_some(Event::AttentionRaised {
        reason,
        about,
        amount,
    })
}

/// Returns the event that clears attention, if it is open.
pub(super) fn clear(order: &Order, reason: AttentionReason, about: Option<Op>) -> Option<Event> {
    order
        .attention_about(reason, about)
        .map(|_| Event::AttentionCleared { reason, about })
}

/// Returns the events that clear the attention which an operation's outcome ends: what was only
/// about not knowing it.
pub(super) fn outcome_known(order: &Order, op: Op) -> impl Iterator<Item = Event> + use<'_> {
    [
        AttentionReason::RetriesExhausted,
        AttentionReason::Malformed,
        AttentionReason::Undecidable,
    ]
    .into_iter()
    .filter_map(move |reason| clear(order, reason, Some(op)))
}

/// Acknowledges attention: that of a reason about one operation, or all of that reason.
pub(super) fn acknowledge(
    order: &Order,
    reason: AttentionReason,
    about: Option<Op>,
) -> Result<Vec<Event>, Rejection> {
    let meant = || {
        order
            .attention
            .iter()
            .filter(|a| a.reason == reason && (about.is_none() || a.about == about))
    };
    if meant().next().is_none() {
        let open: Vec<&str> = order
            .attention
            .iter()
            .filter(|a| !a.acknowledged)
            .map(|a| a.reason.as_str())
            .collect();
        let open = if open.is_empty() {
            "nothing is open".to_owned()
        } else {
            format!("open: {}", open.join(", "))
        };
        let message = format!("order {} has no attention {reason}: {open}", order.number);
        return Err(refusal(order, RejectionReason::NoSuchRecord, message));
    }
    let unseen = meant().filter(|a| !a.acknowledged);
    Ok(unseen
        .map(|a| Event::AttentionAcknowledged {
            reason,
            about: a.about,
        })
        .collect())
}

/// The next reason that is to be raised, is about another amount, or is over.
pub(super) fn follow(order: &Order, env: &Env<'_>) -> Option<Event> {
    let amounts = [
        (
            AttentionReason::OutsideRefund,
            refunded_elsewhere(order, env),
        ),
        (AttentionReason::AmountMismatch, taken_beyond(order)),
        (
            AttentionReason::Chargeback,
            order.refunded_by(OperationOrigin::Chargeback),
        ),
        (AttentionReason::PaymentShort, short_to_tell(order, env)),
    ];
    amounts
        .into_iter()
        .find_map(|(reason, amount)| follow_amount(order, reason, amount))
        .or_else(|| {
            order
                .attention
                .iter()
                .find(|a| is_over(order, a, env))
                .map(cleared)
        })
}

/// The attention for money that was refunded elsewhere, if it is to be raised.
pub(super) fn refunded_elsewhere_anew(order: &Order, env: &Env<'_>) -> Option<Event> {
    let amount = refunded_elsewhere(order, env);
    follow_amount(order, AttentionReason::OutsideRefund, amount).filter(|_| amount > 0)
}

fn follow_amount(order: &Order, reason: AttentionReason, amount: Minor) -> Option<Event> {
    let about = None;
    match order.attention_about(reason, about) {
        Some(_) if amount <= 0 => Some(Event::AttentionCleared { reason, about }),
        Some(a) if a.amount == Some(amount) => None,
        None if amount <= 0 => None,
        Some(_) | None => Some(Event::AttentionRaised {
            reason,
            about,
            amount: Some(amount),
        }),
    }
}

const fn cleared(a: &Attention) -> Event {
    Event::AttentionCleared {
        reason: a.reason,
        about: a.about,
    }
}

/// Returns how much an order is short, where a person must know: it is confirmed, or waits with too
/// little paid, and no attempt is under way that would bring the rest.
pub(super) fn short_to_tell(order: &Order, env: &Env<'_>) -> Minor {
    let told = match order.lifecycle {
        Lifecycle::Pending => {
            let money = order.money();
            money.captured > 0 || money.authorized > 0 || money.owed == 0
        }
        Lifecycle::Confirmed | Lifecycle::Completed => true,
        Lifecycle::Cancelling
        | Lifecycle::Cancelled
        | Lifecycle::PaymentFailed
        | Lifecycle::Rejected
        | Lifecycle::Expired => false,
    };
    let short = order.short(env.now);
    if !told || attempts_cover(order, short) {
        0
    } else {
        short
    }
}

/// Returns how much was refunded elsewhere, where that was not to go back.
fn refunded_elsewhere(order: &Order, env: &Env<'_>) -> Minor {
    let kept = order.kept();
    let missed = match order.terms {
        _ if !order.lifecycle.is_live() => kept < 0,
        PaymentTerms::Confirm | PaymentTerms::Shipment => kept < 0 || order.short(env.now) > 0,
        PaymentTerms::Invoice | PaymentTerms::Delivery => kept < order.owed(),
    };
    if missed {
        order.refunded_by(OperationOrigin::Outside)
    } else {
        0
    }
}

/// Returns true if an order is short because an authorization is gone, and not only because of what
/// went back elsewhere.
pub(super) fn authorization_is_lost(order: &Order, env: &Env<'_>) -> bool {
    let went_back: Minor = order
        .payments
        .iter()
        .map(PaymentOperation::went_back_outside)
        .sum();
    let gone = |p: &PaymentOperation| {
        let lapsed =
            p.state == OperationState::Authorized && p.capture_before.is_some_and(|t| t <= env.now);
        p.kind == OperationKind::Authorize && (p.state == OperationState::Voided || lapsed)
    };
    order.short(env.now) > went_back && order.payments.iter().any(gone)
}

/// Returns how much more was captured than was authorized.
fn taken_beyond(order: &Order) -> Minor {
    let of = |p: &PaymentOperation| {
        let taken: Minor = order.children(p.n).map(PaymentOperation::captured).sum();
        match p.state {
            OperationState::Authorized | OperationState::Captured => (taken - p.settled).max(0),
            // Of one that was given up before it was known, nothing can be said.
            OperationState::Voided if p.settled > 0 => (taken - p.settled).max(0),
            state if state.came_to_nothing() => taken,
            _ => 0,
        }
    };
    order
        .payments
        .iter()
        .filter(|p| p.kind == OperationKind::Authorize)
        .map(of)
        .sum()
}

/// Returns true if what a person was to see to has come to its end.
fn is_over(order: &Order, a: &Attention, env: &Env<'_>) -> bool {
    let about = |n: u32| a.about == Some(Op::Payment(n));
    match a.reason {
        // Nothing more is to be captured: it was in another way, or is no longer due.
        AttentionReason::CaptureFailed => {
            let parent = order
                .payments
                .iter()
                .find(|p| about(p.n))
                .and_then(|p| p.parent);
            parent.is_none_or(|n| {
                let due = order.due() - order.kept() - order.missed_since(n);
                let failed = |c: &crate::order::PaymentOperation| {
                    c.kind == OperationKind::Capture && about(c.n)
                };
                due <= 0
                    || order
                        .children(n)
                        .filter(|c| failed(c))
                        .all(|c| c.captured() > 0)
            })
        }
        AttentionReason::AuthorizationLost => !authorization_is_lost(order, env),
        AttentionReason::CaptureSoon => !order
            .payments
            .iter()
            .any(|p| about(p.n) && order.authorized_rest(p.n) > 0),
        // All that was to go back has gone back.
        AttentionReason::RefundByHand => {
            refunds_wait(order)
                || !order
                    .payments
                    .iter()
                    .any(|p| about(p.n) && goes_back_by(order, p, env) > 0)
        }
        _ => false,
    }
}

/// Returns what of the surplus is to go back by payment `of`: what newer ones leave of it, but for
/// those of which the service refuses refunds.
fn goes_back_by(order: &Order, of: &PaymentOperation, env: &Env<'_>) -> Minor {
    let voiding = |n| {
        order
            .children(n)
            .any(|c| c.kind == OperationKind::Void && c.state.is_open())
    };
    let is_refused = |n| {
        refused(order, n, OperationKind::Refund).0 >= env.policy.refusals_before_stuck
            && !voiding(n)
    };
    let mut excess = order.surplus(env.now);
    for (n, rest) in order.refundable() {
        let share = excess.min(rest);
        if n == of.n {
            return share;
        }
        excess -= if is_refused(n) { 0 } else { share };
    }
    0
}

/// Applies an event of attention to the order.
pub(super) fn apply(order: &mut Order, event: &Event, at: Timestamp) {
    match event {
        Event::AttentionRaised {
            reason,
            about,
            amount,
        } => {
            let raised = Attention {
                reason: *reason,
                about: *about,
                amount: *amount,
                since: at,
                acknowledged: false,
            };
            match order
                .attention
                .iter_mut()
                .find(|a| a.reason == *reason && a.about == *about)
            {
                // Less than what was there to be seen is no news.
                Some(a) if amount.is_some() && *amount < a.amount => a.amount = *amount,
                Some(a) => *a = raised,
                None => order.attention.push(raised),
            }
        }
        Event::AttentionCleared { reason, about } => {
            order
                .attention
                .retain(|a| a.reason != *reason || a.about != *about);
        }
        Event::AttentionAcknowledged { reason, about } => {
            for a in order
                .attention
                .iter_mut()
                .filter(|a| a.reason == *reason && a.about == *about)
            {
                a.acknowledged = true;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::orders::{payment, plain};

    #[test]
    fn what_was_taken_beyond_an_authorization_is_the_difference() {
        let authorized = |state, settled| PaymentOperation {
            state,
            settled,
            parent: None,
            ..payment(1, OperationKind::Authorize, OperationState::Authorized)
        };
        let captured = |n, settled| PaymentOperation {
            settled,
            parent: Some(1),
            ..payment(n, OperationKind::Capture, OperationState::Captured)
        };
        use OperationState as S;
        for (state, settled, beyond) in [
            (S::Authorized, 1_000, 400),
            (S::Authorized, 1_400, 0),
            (S::Authorized, 2_000, 0),
            (S::Captured, 1_000, 400),
            (S::Voided, 1_000, 400),
            (S::Voided, 0, 0),
            (S::Declined, 0, 1_400),
            (S::Failed, 0, 1_400),
            (S::NeverHappened, 0, 1_400),
            (S::Pending, 0, 0),
        ] {
            let payments = vec![
                authorized(state, settled),
                captured(2, 900),
                captured(3, 500),
            ];
            let order = Order {
                payments,
                ..plain(1)
            };
            assert_eq!(taken_beyond(&order), beyond, "{state} {settled}");
        }
    }
}
