//! The order as it is after an event. The only code that changes an [`Order`], live and on replay.

use super::{credits, edits, lifecycle, order_hold, returns, shipping};
use crate::order::{
    Actor, Attention, Closing, Dispute, DisputeState, Event, Notice, Op, OperationKind,
    OperationOrigin, OperationState, Order, PaymentOperation, Reservation, ReservationState,
    Verification, derive,
};
use crate::time::Timestamp;

/// Applies `event`, which happened `at`, and derives the statuses anew.
///
/// Total: an event about a record that does not exist changes nothing but version and time. `actor`
/// is who did it.
pub fn evolve(order: &mut Order, event: &Event, actor: &Actor, at: Timestamp) {
    order.version += 1;
    order.updated_at = at;
    apply(order, event, actor, at);
    order.place_units(at);
    if let Some(kind) = event.notice() {
        order.notices.push(Notice {
            seq: order.version,
            kind,
        });
    }
    order.statuses = derive(order);
}

fn apply(order: &mut Order, event: &Event, actor: &Actor, at: Timestamp) {
    match event {
        Event::Placed(_) | Event::Imported(_) => {}
        Event::Armed { ops } => {
            for op in ops {
                arm(order, *op, at);
            }
        }

        Event::ReservationPlanned {
            n,
            sku,
            quantity,
            replaces,
        } => {
            let planned = Reservation::planned(*n, sku.clone(), *quantity, order.round, at);
            order.reservations.push(Reservation {
                replaces: *replaces,
                ..planned
            });
        }
        Event::StockHeld {
            n,
            reference,
            expires_at,
        } => with_hold(order, *n, at, |r| {
            r.state = ReservationState::Held;
            r.reference.clone_from(reference);
            r.expires_at = *expires_at;
        }),
        Event::StockRefused {
            n,
            available,
            code: _,
        } => with_hold(order, *n, at, |r| {
            r.state = ReservationState::Refused;
            r.available = *available;
        }),
        Event::StockUnknown { n } => {
            with_hold(order, *n, at, |r| r.state = ReservationState::Unknown)
        }
        Event::StockAbsent { n } | Event::StockDropped { n } => {
            with_hold(order, *n, at, |r| r.state = ReservationState::Dropped)
        }
        Event::StockSuspect { n } => {
            with_hold(order, *n, at, |r| r.state = ReservationState::Suspect)
        }
        Event::StockClosing {
            n,
            kind,
            units,
            committed,
        } => with_hold(order, *n, at, |r| {
            let units = units.unwrap_or(if *committed || r.state == ReservationState::Committed {
                r.committed
            } else {
                r.held()
            });
            let committed = *committed || r.state == ReservationState::Committed;
            r.closing = Some(Closing {
                serial: r.closings,
                kind: *kind,
                units,
                committed,
                unknown: false,
            });
            r.closings += 1;
            r.closing_refused = false;
        }),
        Event::StockClosingUnknown { n } => with_hold(order, *n, at, |r| {
            if let Some(closing) = &mut r.closing {
                closing.unknown = true;
            }
        }),
        Event::StockClosingRefused { n, .. } => with_hold(order, *n, at, |r| {
            r.closing = None;
            r.closing_refused = true;
            r.refusals += 1;
        }),
        Event::StockReleased {
            n,
            units,
            committed,
        } => with_hold(order, *n, at, |r| {
            let committed = *committed || r.state == ReservationState::Committed;
            let there = if committed {
                r.committed
            } else {
                r.quantity.saturating_sub(r.committed + r.released)
            };
            let units = units.unwrap_or(there).min(there);
            r.released += units;
            if committed {
                r.committed -= units;
            }
            after_closing(r, ReservationState::Released);
        }),
        Event::StockCommitted { n, units } => with_hold(order, *n, at, |r| {
            let there = r.quantity.saturating_sub(r.committed + r.released);
            r.committed += units.unwrap_or(there).min(there);
            after_closing(r, ReservationState::Committed);
        }),
        Event::StockExpired { n } => end_reservation(order, *n, ReservationState::Expired, at),
        Event::StockLost { n } => end_reservation(order, *n, ReservationState::Lost, at),

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
        Event::DisputeOpened {
            reference,
            payment,
            amount,
        } => {
            let known = order
                .disputes
                .iter_mut()
                .find(|d| d.reference == *reference);
            let (payment, amount) = (*payment, *amount);
            match known {
                Some(d) => (d.payment, d.amount) = (payment.or(d.payment), amount),
                None => order.disputes.push(Dispute {
                    reference: reference.clone(),
                    payment,
                    amount,
                    state: DisputeState::Open,
                    opened_at: at,
                    closed_at: None,
                }),
            }
        }
        Event::DisputeClosed { reference, won } => {
            for d in order
                .disputes
                .iter_mut()
                .filter(|d| d.reference == *reference)
            {
                d.state = if *won {
                    DisputeState::Won
                } else {
                    DisputeState::Lost
                };
                d.closed_at = Some(at);
            }
        }

        Event::Confirmed
        | Event::Rejected { .. }
        | Event::PaymentFailed { .. }
        | Event::PaymentRetried { .. }
        | Event::Expired
        | Event::CancelRequested { .. }
        | Event::Cancelled
        | Event::Completed
        | Event::LinesCancelled { .. }
        | Event::MetadataChanged { .. }
        | Event::Redacted => lifecycle::apply(order, event, at),
        Event::ShipmentPlanned { .. }
        | Event::ShipmentShipped { .. }
        | Event::ShipmentDelivered { .. }
        | Event::ShipmentFailed { .. }
        | Event::ShipmentLost { .. }
        | Event::ShipmentReturned { .. }
        | Event::ShipmentCancelled { .. } => shipping::apply(order, event, at),
        Event::ReturnRequested { .. }
        | Event::ReturnApproved { .. }
        | Event::ReturnRejected { .. }
        | Event::ReturnReceived { .. }
        | Event::ReturnClosed { .. } => returns::apply(order, event, at),
        Event::Credited { .. } => credits::apply(order, event, at),
        Event::EditStarted { .. }
        | Event::EditApplied { .. }
        | Event::EditDiscarded { .. }
        | Event::AddressChanged { .. } => edits::apply(order, event, at),
        Event::HoldPlaced { .. } | Event::HoldReleased { .. } => {
            order_hold::apply(order, event, actor)
        }
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
        Event::Noted | Event::Resolved { .. } => {}
        Event::StuckRetried => {
            order.stuck_retried_at = Some(at);
            for r in &mut order.reservations {
                r.refusals = 0;
            }
        }
    }
}

fn arm(order: &mut Order, op: Op, at: Timestamp) {
    match op {
        Op::Reservation(n) => with_hold(order, n, at, |r| r.state = ReservationState::Armed),
        Op::Payment(n) => with_payment(order, n, at, |p| p.state = OperationState::Armed),
        Op::Notice(_) => {}
    }
}

fn with_hold(order: &mut Order, n: u32, at: Timestamp, change: impl FnOnce(&mut Reservation)) {
    if let Some(r) = n
        .checked_sub(1)
        .and_then(|i| order.reservations.get_mut(i as usize))
    {
        r.updated_at = at;
        change(r);
    }
}

/// What a hold is once a closing is done: held while units are left, then what its units have
/// become.
fn after_closing(r: &mut Reservation, done: ReservationState) {
    r.closing = None;
    r.closing_refused = false;
    r.refusals = 0;
    let rest = r.quantity.saturating_sub(r.committed + r.released);
    let ended = matches!(r.state, ReservationState::Expired | ReservationState::Lost);
    if rest == 0 {
        r.state = if r.committed > 0 {
            ReservationState::Committed
        } else {
            ReservationState::Released
        };
    } else if !ended {
        r.state = if r.state.is_open() || r.state == ReservationState::Suspect {
            done
        } else {
            ReservationState::Held
        };
    }
}

fn end_reservation(order: &mut Order, n: u32, state: ReservationState, at: Timestamp) {
    with_hold(order, n, at, |r| {
        r.state = state;
        r.closing = None;
    });
}

fn with_payment(
    order: &mut Order,
    n: u32,
    at: Timestamp,
    change: impl FnOnce(&mut PaymentOperation),
) {
    if let Some(p) = n
        .checked_sub(1)
        .and_then(|i| order.payments.get_mut(i as usize))
    {
        p.updated_at = at;
        change(p);
    }
}

/// Changes how far an operation is verified; that says nothing of when it last changed.
fn verification(order: &mut Order, n: u32, to: impl FnOnce(&PaymentOperation) -> Verification) {
    if let Some(p) = n
        .checked_sub(1)
        .and_then(|i| order.payments.get_mut(i as usize))
    {
        p.verification = to(p);
    }
}

/// What was voided is voided: the attempt takes the state of the void that ended it. But captured
/// money stays in sight until a refund takes it back: a void of it is to be refused, and one that
/// is not proves nothing.
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
