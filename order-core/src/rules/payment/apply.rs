//! The effects of payment events on the order's operations.

use crate::order::{
    Event, Numbered, OperationKind, OperationOrigin, OperationState, Order, PaymentOperation,
    Verification,
};
use crate::time::Timestamp;

/// Applies an event of a payment operation, or of a report that fits none, to the order.
pub(in crate::rules) fn apply(order: &mut Order, event: &Event, at: Timestamp) {
    match event {
        Event::PaymentPlanned {
            n,
            kind,
            parent,
            method,
            amount,
            token,
            return_url,
        } => {
            let mut op = PaymentOperation::planned(*n, *kind, *parent, method.clone(), *amount, at);
            op.token = token.clone();
            op.return_url = return_url.clone();
            order.payments.push(op);
        }
        Event::PaymentSettled {
            n,
            state,
            amount,
            reference,
            code,
            capture_before,
            verified,
        } => {
            with_payment(order, *n, at, |p| {
                p.state = *state;
                p.settled = *amount;
                p.verification = if *verified {
                    Verification::Done
                } else {
                    Verification::None
                };
                if reference.is_some() {
                    p.reference.clone_from(reference);
                }
                p.code.clone_from(code);
                p.capture_before = *capture_before;
                p.deadline = None;
                p.erase_private();
            });
            settle_parent(order, *n, at);
        }
        Event::PaymentNeverHappened { n } => with_payment(order, *n, at, |p| {
            p.state = OperationState::NeverHappened;
            p.settled = 0;
            p.verification = Verification::None;
            (p.code, p.capture_before, p.deadline) = (None, None, None);
            p.erase_private();
        }),
        Event::PaymentWaiting {
            n,
            state,
            reference,
            deadline,
            action,
        } => with_payment(order, *n, at, |p| {
            p.state = *state;
            if reference.is_some() {
                p.reference.clone_from(reference);
            }
            p.deadline = Some(*deadline);
            p.action = action.clone();
        }),
        Event::PaymentUnknown { n } => {
            with_payment(order, *n, at, |p| p.state = OperationState::Unknown)
        }
        Event::PaymentDropped { n } => with_payment(order, *n, at, |p| {
            p.state = OperationState::Dropped;
            // It was never sent: whatever was told is of another.
            p.verification = Verification::None;
            p.erase_private();
        }),
        // Not since when it is so: that stays when it was settled.
        Event::PaymentReported { n, .. } | Event::PaymentQuestioned { n } => {
            verification(order, *n, |p| match p.verification {
                // What a bank took back is in no provider's records under a key of ours.
                kept if p.origin == OperationOrigin::Chargeback => kept,
                Verification::None | Verification::Due => Verification::Due,
                Verification::Done | Verification::Again => Verification::Again,
            })
        }
        Event::PaymentVerified { n } => verification(order, *n, |p| match p.state.is_open() {
            true => Verification::None,
            false => Verification::Done,
        }),
        Event::PaymentUnmatched(report) => order.unmatched.push(report.clone()),
        Event::PaymentFound {
            n,
            kind,
            origin,
            parent,
            method,
            amount,
            reference,
        } => {
            let mut op = PaymentOperation::planned(*n, *kind, *parent, method.clone(), *amount, at);
            op.origin = *origin;
            op.reference.clone_from(reference);
            op.settled = *amount;
            op.state = match kind {
                OperationKind::Refund => OperationState::Refunded,
                _ => OperationState::Captured,
            };
            order.payments.push(op);
        }
        Event::UnmatchedDismissed { reference } => {
            order.unmatched.retain(|u| u.reference != *reference)
        }
        Event::UnmatchedMatched { reference, status } => {
            order
                .unmatched
                .retain(|u| u.reference != *reference || u.status != *status);
        }
        _ => {}
    }
}

/// Marks an operation as handed to the workers: from now on it may have been asked for.
pub(in crate::rules) fn arm(order: &mut Order, n: u32, at: Timestamp) {
    with_payment(order, n, at, |p| p.state = OperationState::Armed);
}

fn with_payment(
    order: &mut Order,
    n: u32,
    at: Timestamp,
    change: impl FnOnce(&mut PaymentOperation),
) {
    if let Some(p) = order.payments.numbered_mut(n) {
        p.updated_at = at;
        change(p);
    }
}

/// Changes how far an operation is verified; that says nothing of when it last changed.
fn verification(order: &mut Order, n: u32, to: impl FnOnce(&PaymentOperation) -> Verification) {
    if let Some(p) = order.payments.numbered_mut(n) {
        p.verification = to(p);
    }
}

/// Returns what was voided is voided: the attempt takes the state of the void that ended it. But
/// captured money stays in sight until a refund takes it back: a void of it is to be refused, and
/// one that is not proves nothing.
fn settle_parent(order: &mut Order, n: u32, at: Timestamp) {
    let Some(PaymentOperation {
        kind: OperationKind::Void,
        state: OperationState::Voided,
        parent: Some(parent),
        ..
    }) = order.payment(n)
    else {
        return;
    };
    if order
        .payment(*parent)
        .is_some_and(|p| p.state == OperationState::Captured)
    {
        return;
    }
    with_payment(order, *parent, at, |p| {
        p.state = OperationState::Voided;
        p.verification = Verification::None;
        p.deadline = None;
        p.erase_private();
    });
}
