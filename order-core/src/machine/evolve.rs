//! What an order looks like after an event. The only code that changes an [`Order`], live and on replay.

use crate::order::{Actor, Op};
use crate::order::{
    Attention, Closing, Counters, Event, HoldState, Lifecycle, Line, Notice, OperationKind, OperationState, Order, OrderHold,
    PaymentOperation, PaymentTerms, Placed, Reservation, Statuses, derive,
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
        claims,
        placing_deadline,
        addresses,
        notes,
        token,
        return_url,
    } = placed;
    let lines = lines
        .iter()
        .zip(1..)
        .map(|(l, n)| Line {
            n,
            id: l.id,
            product: l.product,
            variant: l.variant,
            sku: l.sku.clone(),
            name: l.name.clone(),
            quantity: l.lot.units,
            unit_price: l.unit_price,
            discount: l.discount,
            subtotal: l.lot.subtotal,
            requires_shipping: l.requires_shipping,
            counters: Counters::default(),
            lots: vec![l.lot],
            created_at: at,
            updated_at: at,
        })
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
        coupon: coupon.clone(),
        claims: claims.clone(),
        attempt: 1,
        reservations: Vec::new(),
        payments: Vec::new(),
        unmatched: Vec::new(),
        holds: Vec::new(),
        attention: Vec::new(),
        notices: Vec::new(),
        notified: 0,
        placing_deadline: *placing_deadline,
        retry_until: None,
        created_at: at,
        updated_at: at,
        completed_at: None,
        cancelled_at: None,
        addresses: addresses.clone(),
        notes: notes.clone(),
    };
    plan_attempt(&mut order, token, return_url, at);
    order.statuses = derive(&order);
    order
}

/// Applies `event`, which happened `at`, and derives the statuses anew.
///
/// Total: an event about a record that does not exist changes nothing but version and time. `actor` is who did it.
pub fn evolve(order: &mut Order, event: &Event, actor: &Actor, at: Timestamp) {
    order.version += 1;
    order.updated_at = at;
    apply(order, event, actor, at);
    if let Some(kind) = event.notice() {
        order.notices.push(Notice { seq: order.version, kind });
    }
    order.statuses = derive(order);
}

/// Plans a hold for each SKU, and the payment that its terms ask for.
fn plan_attempt(order: &mut Order, token: &Private<String>, return_url: &Private<String>, at: Timestamp) {
    let wanted: Vec<_> = order.wanted_stock().into_iter().map(|(sku, units)| (sku.clone(), units)).collect();
    for (sku, quantity) in wanted {
        let n = order.reservations.len() as u32 + 1;
        order.reservations.push(reservation(n, sku, quantity, order.attempt, at));
    }
    let kind = match order.terms {
        PaymentTerms::Confirm => OperationKind::Charge,
        PaymentTerms::Shipment => OperationKind::Authorize,
        PaymentTerms::Invoice | PaymentTerms::Delivery => return,
    };
    let due = order.owed() - order.secured();
    if due > 0 {
        let mut op = operation(order.payments.len() as u32 + 1, kind, None, order.payment_method.clone(), due, at);
        op.token = token.clone();
        op.return_url = return_url.clone();
        order.payments.push(op);
    }
}

fn reservation(n: u32, sku: crate::ids::Sku, quantity: u32, attempt: u32, at: Timestamp) -> Reservation {
    Reservation {
        n,
        sku,
        quantity,
        attempt,
        state: HoldState::Planned,
        closing: None,
        reference: None,
        expires_at: None,
        refusals: 0,
        available: None,
        created_at: at,
        updated_at: at,
    }
}

fn operation(
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
        method,
        amount,
        settled: 0,
        state: OperationState::Planned,
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
        Event::Placed(_) => {}
        Event::Armed { ops } => {
            for op in ops {
                arm(order, *op, at);
            }
        }

        Event::ReservationPlanned { n, sku, quantity } => {
            order.reservations.push(reservation(*n, sku.clone(), *quantity, order.attempt, at));
        }
        Event::StockHeld { n, reference, expires_at } => with_hold(order, *n, at, |r| {
            r.state = HoldState::Held;
            r.reference.clone_from(reference);
            r.expires_at = *expires_at;
        }),
        Event::StockRefused { n, available, code: _ } => with_hold(order, *n, at, |r| {
            r.state = HoldState::Refused;
            r.available = *available;
        }),
        Event::StockUnknown { n } => with_hold(order, *n, at, |r| r.state = HoldState::Unknown),
        Event::StockAbsent { n } | Event::StockDropped { n } => with_hold(order, *n, at, |r| r.state = HoldState::Dropped),
        Event::StockSuspect { n } => with_hold(order, *n, at, |r| r.state = HoldState::Suspect),
        Event::StockClosing { n, kind } => {
            with_hold(order, *n, at, |r| r.closing = Some(Closing { kind: *kind, unknown: false }));
        }
        Event::StockClosingUnknown { n } => with_hold(order, *n, at, |r| {
            if let Some(closing) = &mut r.closing {
                closing.unknown = true;
            }
        }),
        Event::StockClosingRefused { n, .. } => with_hold(order, *n, at, |r| {
            r.closing = None;
            r.refusals += 1;
        }),
        Event::StockReleased { n } => end_hold(order, *n, HoldState::Released, at),
        Event::StockCommitted { n } => end_hold(order, *n, HoldState::Committed, at),
        Event::StockExpired { n } => end_hold(order, *n, HoldState::Expired, at),
        Event::StockLost { n } => end_hold(order, *n, HoldState::Lost, at),

        Event::PaymentPlanned { n, kind, parent, method, amount, token, return_url } => {
            let mut op = operation(*n, *kind, *parent, method.clone(), *amount, at);
            op.token = token.clone();
            op.return_url = return_url.clone();
            order.payments.push(op);
        }
        Event::PaymentSettled { n, state, amount, reference, code, capture_before } => {
            with_payment(order, *n, at, |p| {
                p.state = *state;
                p.settled = *amount;
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
        Event::PaymentWaiting { n, state, reference, deadline, action } => with_payment(order, *n, at, |p| {
            p.state = *state;
            if reference.is_some() {
                p.reference.clone_from(reference);
            }
            p.deadline = Some(*deadline);
            p.action = action.clone();
        }),
        Event::PaymentUnknown { n } => with_payment(order, *n, at, |p| p.state = OperationState::Unknown),
        Event::PaymentDropped { n } => with_payment(order, *n, at, |p| {
            p.state = OperationState::Dropped;
            erase_private(p);
        }),
        Event::PaymentReported { .. } => {}
        Event::PaymentUnmatched(report) => order.unmatched.push(report.clone()),

        Event::Confirmed => order.lifecycle = Lifecycle::Confirmed,
        Event::Rejected { .. } => order.lifecycle = Lifecycle::Rejected,
        Event::PaymentFailed { retry_until } => {
            order.lifecycle = Lifecycle::PaymentFailed;
            order.retry_until = Some(*retry_until);
        }
        Event::PaymentRetried { method, terms, placing_deadline, token, return_url } => {
            order.lifecycle = Lifecycle::Pending;
            order.attempt += 1;
            order.payment_method = method.clone();
            order.terms = *terms;
            order.placing_deadline = *placing_deadline;
            order.retry_until = None;
            plan_attempt(order, token, return_url, at);
        }
        Event::Expired => order.lifecycle = Lifecycle::Expired,
        Event::CancelRequested { .. } => order.lifecycle = Lifecycle::Cancelling,
        Event::Cancelled => {
            order.lifecycle = Lifecycle::Cancelled;
            order.cancelled_at = Some(at);
        }

        Event::HoldPlaced { kind, blocks, until } => {
            order.holds.push(OrderHold { kind: kind.clone(), blocks: *blocks, placed_by: actor.clone(), until: *until });
        }
        Event::HoldReleased { kind, lapsed: _ } => order.holds.retain(|h| h.kind != *kind),
        Event::AttentionRaised { reason, about } => {
            order.attention.push(Attention { reason: *reason, about: *about, since: at });
        }
        Event::AttentionCleared { reason, about } => {
            order.attention.retain(|a| a.reason != *reason || a.about != *about);
        }
        Event::Noted => {}
    }
}

fn arm(order: &mut Order, op: Op, at: Timestamp) {
    match op {
        Op::Reservation(n) => with_hold(order, n, at, |r| r.state = HoldState::Armed),
        Op::Payment(n) => with_payment(order, n, at, |p| p.state = OperationState::Armed),
        Op::Notice(_) => {}
    }
}

fn with_hold(order: &mut Order, n: u32, at: Timestamp, change: impl FnOnce(&mut Reservation)) {
    if let Some(r) = n.checked_sub(1).and_then(|i| order.reservations.get_mut(i as usize)) {
        r.updated_at = at;
        change(r);
    }
}

fn end_hold(order: &mut Order, n: u32, state: HoldState, at: Timestamp) {
    with_hold(order, n, at, |r| {
        r.state = state;
        r.closing = None;
    });
}

fn with_payment(order: &mut Order, n: u32, at: Timestamp, change: impl FnOnce(&mut PaymentOperation)) {
    if let Some(p) = n.checked_sub(1).and_then(|i| order.payments.get_mut(i as usize)) {
        p.updated_at = at;
        change(p);
    }
}

/// What was voided is voided: the attempt takes the state of the void that ended it. But captured money stays in sight
/// until a refund takes it back: a void of it is to be refused, and one that is not proves nothing.
fn settle_parent(order: &mut Order, n: u32, at: Timestamp) {
    let Some(PaymentOperation { kind: OperationKind::Void, state: OperationState::Voided, parent: Some(parent), .. }) =
        order.payment(n)
    else {
        return;
    };
    if order.payment(*parent).is_some_and(|p| p.state == OperationState::Captured) {
        return;
    }
    with_payment(order, *parent, at, |p| {
        p.state = OperationState::Voided;
        p.deadline = None;
        erase_private(p);
    });
}

fn erase_private(p: &mut PaymentOperation) {
    p.token = Private(None);
    p.return_url = Private(None);
    p.action = Private(None);
}
