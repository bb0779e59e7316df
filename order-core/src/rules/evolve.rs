//! What an order looks like after an event. The only code that changes an [`Order`], live and on
//! replay.

use super::fulfil;
use crate::order::{Actor, Op};
use crate::order::{
    AddressType, Attention, Closing, Dispute, DisputeState, Edit, EditState, Event, Lifecycle,
    Line, Notice, OperationKind, OperationOrigin, OperationState, Order, OrderHold,
    PaymentOperation, PaymentTerms, Placed, Reservation, ReservationState, ShipmentState, Statuses,
    Verification, derive,
};
use crate::text::Private;
use crate::time::Timestamp;

/// The order that [`Event::Placed`] makes, with its stock and first payment planned.
pub fn begin(placed: &Placed, at: Timestamp) -> Order {
    let Placed {
        id,
        number,
        user,
        currency,
        lines,
        amounts,
        shipping_method,
        payment_method,
        terms,
        coupon,
        redemptions,
        placing_deadline,
        holds,
        external_ref,
        addresses,
        notes,
        token,
        return_url,
        metadata,
    } = placed;
    let lines = lines
        .iter()
        .zip(1..)
        .map(|(l, n)| Line::placed(l, n, at))
        .collect();
    let mut order = Order {
        id: *id,
        number: *number,
        user: *user,
        version: 1,
        lifecycle: Lifecycle::Pending,
        statuses: Statuses::default(),
        currency: *currency,
        lines,
        amounts: *amounts,
        shipping_method: shipping_method.clone(),
        payment_method: payment_method.clone(),
        terms: *terms,
        external_ref: external_ref.clone(),
        coupon: coupon.clone(),
        redemptions: redemptions.clone(),
        round: 1,
        reservations: Vec::new(),
        payments: Vec::new(),
        unmatched: Vec::new(),
        shipments: Vec::new(),
        returns: Vec::new(),
        credits: Vec::new(),
        disputes: Vec::new(),
        edits: Vec::new(),
        holds: holds.clone(),
        attention: Vec::new(),
        notices: Vec::new(),
        notified: 0,
        placing_deadline: *placing_deadline,
        retry_until: None,
        created_at: at,
        updated_at: at,
        confirmed_at: None,
        completed_at: None,
        cancelled_at: None,
        addresses: addresses.clone(),
        notes: notes.clone(),
        metadata: metadata.clone(),
        stuck_retried_at: None,
        redacted_at: None,
    };
    plan_attempt(&mut order, token, return_url, at);
    order.statuses = derive(&order);
    order
}

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

/// Plans a hold for each SKU, and the payment that its terms ask for.
fn plan_attempt(
    order: &mut Order,
    token: &Private<String>,
    return_url: &Private<String>,
    at: Timestamp,
) {
    let wanted: Vec<_> = order
        .wanted_stock()
        .into_iter()
        .map(|(sku, units)| (sku.clone(), units))
        .collect();
    for (sku, quantity) in wanted {
        let n = order.reservations.len() as u32 + 1;
        order
            .reservations
            .push(Reservation::planned(n, sku, quantity, order.round, at));
    }
    let Some(kind) = attempt_kind(order.terms) else {
        return;
    };
    let due = order.least_kept() - order.secured(at);
    if due > 0 {
        let mut op = operation(
            order.payments.len() as u32 + 1,
            kind,
            None,
            order.payment_method.clone(),
            due,
            at,
        );
        op.token = token.clone();
        op.return_url = return_url.clone();
        order.payments.push(op);
    }
}

pub(super) fn operation(
    n: u32,
    kind: OperationKind,
    parent: Option<u32>,
    method: crate::ids::Name,
    amount: crate::money::Minor,
    at: Timestamp,
) -> PaymentOperation {
    PaymentOperation {
        n,
        parent,
        kind,
        origin: OperationOrigin::Engine,
        method,
        amount,
        settled: 0,
        state: OperationState::Planned,
        verification: Verification::None,
        reference: None,
        code: None,
        capture_before: None,
        deadline: None,
        token: Private(None),
        return_url: Private(None),
        action: Private(None),
        created_at: at,
        updated_at: at,
    }
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
            let mut op = operation(*n, *kind, *parent, method.clone(), *amount, at);
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
                erase_private(p);
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
            erase_private(p);
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
            let mut op = operation(*n, *kind, *parent, method.clone(), *amount, at);
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

        Event::Confirmed => {
            order.lifecycle = Lifecycle::Confirmed;
            order.confirmed_at = Some(at);
        }
        Event::Rejected { .. } => order.lifecycle = Lifecycle::Rejected,
        Event::PaymentFailed { retry_until } => {
            order.lifecycle = Lifecycle::PaymentFailed;
            order.retry_until = Some(*retry_until);
        }
        Event::PaymentRetried {
            method,
            terms,
            placing_deadline,
            token,
            return_url,
        } => {
            order.lifecycle = Lifecycle::Pending;
            order.round += 1;
            order.payment_method = method.clone();
            order.terms = *terms;
            order.placing_deadline = *placing_deadline;
            order.retry_until = None;
            plan_attempt(order, token, return_url, at);
        }
        Event::Expired => order.lifecycle = Lifecycle::Expired,
        Event::CancelRequested { .. } => {
            order.lifecycle = Lifecycle::Cancelling;
            let planned: Vec<u32> = order
                .shipments
                .iter()
                .filter(|s| s.state == ShipmentState::Planned)
                .map(|s| s.n)
                .collect();
            for n in planned {
                fulfil::end(order, n, ShipmentState::Cancelled, at);
            }
        }
        Event::Cancelled => {
            order.lifecycle = Lifecycle::Cancelled;
            order.cancelled_at = Some(at);
        }
        Event::Completed => {
            order.lifecycle = Lifecycle::Completed;
            order.completed_at = Some(at);
        }

        Event::LinesCancelled { .. }
        | Event::ShipmentPlanned { .. }
        | Event::ShipmentShipped { .. }
        | Event::ShipmentDelivered { .. }
        | Event::ShipmentFailed { .. }
        | Event::ShipmentLost { .. }
        | Event::ShipmentReturned { .. }
        | Event::ShipmentCancelled { .. }
        | Event::ReturnRequested { .. }
        | Event::ReturnApproved { .. }
        | Event::ReturnRejected { .. }
        | Event::ReturnReceived { .. }
        | Event::ReturnClosed { .. }
        | Event::Credited { .. } => fulfil::apply(order, event, at),

        Event::EditStarted {
            n,
            plan,
            due,
            method,
            deadline,
            token,
            return_url,
            address,
        } => {
            let payment = (*due > 0).then(|| order.payments.len() as u32 + 1);
            let reservation = next_reservation(order);
            order.edits.push(Edit {
                n: *n,
                plan: (**plan).clone(),
                state: EditState::Open,
                cause: None,
                due: *due,
                payment: None,
                reservation,
                reservation_end: None,
                deadline: *deadline,
                created_at: at,
                updated_at: at,
                address: address.clone(),
            });
            if let (Some(first), Some(kind)) = (payment, attempt_kind(order.terms)) {
                let mut op = operation(first, kind, None, method.clone(), *due, at);
                op.token = token.clone();
                op.return_url = return_url.clone();
                order.payments.push(op);
                if let Some(edit) = order.edits.last_mut() {
                    edit.payment = Some(first);
                }
            }
        }
        Event::EditApplied { n } => {
            if let Some(mut edit) = order.edits.pop_if(|e| e.n == *n) {
                edit.plan.apply(order, at);
                edit.state = EditState::Applied;
                edit.reservation_end = Some(next_reservation(order));
                edit.updated_at = at;
                if let (Some(address), Some(addresses)) =
                    (edit.address.0.take(), &mut order.addresses.0)
                {
                    addresses.shipping = address;
                }
                order.edits.push(edit);
            }
        }
        Event::EditDiscarded { n, cause } => {
            let reservation_end = Some(next_reservation(order));
            if let Some(edit) = order.edits.last_mut().filter(|e| e.n == *n) {
                edit.state = EditState::Discarded;
                edit.reservation_end = reservation_end;
                edit.cause = Some(*cause);
                edit.updated_at = at;
                edit.address = Private(None);
            }
        }
        Event::AddressChanged { which, address } => {
            if let (Some(address), Some(addresses)) = (&address.0, &mut order.addresses.0) {
                match which {
                    AddressType::Shipping => addresses.shipping = address.clone(),
                    AddressType::Billing => addresses.billing = address.clone(),
                }
            }
        }
        Event::MetadataChanged {
            key,
            removed,
            value,
        } => {
            let mut metadata = order.metadata.0.take().unwrap_or_default();
            match (&value.0, removed) {
                (Some(value), false) => drop(metadata.insert(key.clone(), value.clone())),
                _ => drop(metadata.remove(key)),
            }
            order.metadata = Private((!metadata.is_empty()).then_some(metadata));
        }

        Event::HoldPlaced {
            kind,
            blocks,
            until,
        } => {
            order.holds.push(OrderHold {
                kind: kind.clone(),
                blocks: *blocks,
                placed_by: actor.clone(),
                until: *until,
            });
        }
        Event::HoldReleased { kind, lapsed: _ } => order.holds.retain(|h| h.kind != *kind),
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
        Event::Redacted => {
            order.redacted_at = Some(at);
            order.addresses = Private(None);
            order.notes = Private(None);
            order.metadata = Private(None);
            order.payments.iter_mut().for_each(erase_private);
        }
    }
}

/// What an attempt is under these terms, where one is charged at all.
pub(super) const fn attempt_kind(terms: PaymentTerms) -> Option<OperationKind> {
    match terms {
        PaymentTerms::Confirm => Some(OperationKind::Charge),
        PaymentTerms::Shipment => Some(OperationKind::Authorize),
        PaymentTerms::Invoice | PaymentTerms::Delivery => None,
    }
}

/// The number of the reservation that is planned next.
fn next_reservation(order: &Order) -> u32 {
    order.reservations.len() as u32 + 1
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
        erase_private(p);
    });
}

fn erase_private(p: &mut PaymentOperation) {
    p.token = Private(None);
    p.return_url = Private(None);
    p.action = Private(None);
}
