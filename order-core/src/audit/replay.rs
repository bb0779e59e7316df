//! Replaying a journal row by row, and comparing what comes out with what is stored.

use std::collections::BTreeSet;

use super::{Breach, Found, Invariant, confirmed_rightly, refunded_rightly, shipped_covered};
use crate::ids::{IdempotencyKey, Reference};
use crate::order::{
    Edit, Event, JournalRow, Lifecycle, OperationKind, OperationState, Order, PaymentOperation,
    Status,
};
use crate::rules::{begin, begin_imported, evolve};
use crate::time::Timestamp;

/// A journal being replayed: every row is checked against the one before, and changes the order it
/// describes.
#[derive(Debug, Default)]
pub struct Replay {
    order: Option<Order>,
    last: Option<(Status, Timestamp)>,
    /// Reports that fitted nothing, and were neither matched nor dismissed since.
    unmatched: Vec<(Reference, OperationState)>,
    /// The keys of commands so far.
    keys: BTreeSet<IdempotencyKey>,
}

impl Replay {
    /// Takes in the next row, and adds what is wrong with it.
    pub fn apply(&mut self, row: &JournalRow, breaches: &mut Vec<Breach>) {
        let mut found = Found { breaches };
        let seq = self.order.as_ref().map_or(1, |o| o.version + 1);
        found.expect(Invariant::Journal, row.seq == seq, || {
            format!("journal row {} where {seq} should be", row.seq)
        });
        let (from, since) = self
            .last
            .map_or((None, row.at), |(status, at)| (Some(status), at));
        found.expect(Invariant::Journal, row.from == from, || {
            format!(
                "row {seq} says from {:?}, the row before to {from:?}",
                row.from
            )
        });
        found.expect(Invariant::Times, row.at >= since, || {
            format!("row {seq} is of {}, the row before of {since}", row.at)
        });
        let edge = edge_of(&row.event, from.map(lifecycle_of));
        let after = lifecycle_of(row.to);
        found.expect(Invariant::Transitions, edge == Some(after), || {
            let from = from.map_or_else(|| "nothing".to_owned(), |s| s.to_string());
            format!(
                "row {seq}: {} led from {from} to {}",
                row.event.name(),
                row.to
            )
        });
        match (&mut self.order, &row.event) {
            (None, Event::Placed(placed)) => self.order = Some(begin(placed, row.at)),
            (None, Event::Imported(imported)) => {
                self.order = Some(begin_imported(imported, row.at))
            }
            (Some(order), event) => evolve(order, event, &row.actor, row.at),
            (None, event) => found.expect(Invariant::Journal, false, || {
                format!("the journal begins with {}", event.name())
            }),
        }
        self.last = Some((row.to, row.at));
        if let Some(order) = &self.order {
            found.expect(Invariant::Journal, order.statuses.status == row.to, || {
                format!(
                    "row {seq} says to {}, replaying it gives {}",
                    row.to, order.statuses.status
                )
            });
            match &row.event {
                Event::Confirmed => confirmed_rightly(order, &mut found),
                Event::ShipmentShipped { .. } => shipped_covered(order, &mut found),
                Event::PaymentPlanned {
                    kind: OperationKind::Refund,
                    ..
                } => refunded_rightly(order, &mut found),
                Event::PaymentUnmatched(u) => self.unmatched.push((u.reference.clone(), u.status)),
                Event::UnmatchedDismissed { reference } => {
                    self.unmatched.retain(|(r, _)| r != reference)
                }
                Event::UnmatchedMatched { reference, status } => {
                    self.unmatched
                        .retain(|(r, s)| r != reference || s != status);
                }
                _ => {}
            }
        }
        if let Some(key) = &row.command_key {
            found.expect(
                Invariant::CommandKeys,
                self.keys.insert(key.key.clone()),
                || format!("row {seq} has the key {} of an earlier command", key.key),
            );
        }
    }

    /// The order as replayed so far.
    pub fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// Compares what was replayed with the stored order, personal data and what the customer was
    /// told aside.
    pub fn compare(&self, stored: &Order, breaches: &mut Vec<Breach>) {
        let mut found = Found { breaches };
        let Some(replayed) = &self.order else {
            return found.expect(Invariant::Journal, false, || "the journal is empty".into());
        };
        let differs = difference(replayed, stored);
        found.expect(Invariant::Journal, differs.is_none(), || {
            format!(
                "replaying the journal gives another {}: {}",
                differs.unwrap_or_default(),
                contrast(replayed, stored, differs)
            )
        });
        found.expect(Invariant::Numbers, replayed.number == stored.number, || {
            format!("the number was {}", replayed.number)
        });
        let listed = stored.unmatched.iter().map(|u| (&u.reference, u.status));
        found.expect(
            Invariant::ReportsKept,
            listed.eq(self.unmatched.iter().map(|(r, s)| (r, *s))),
            || {
                format!(
                    "{} reports are listed as unmatched, the journal leaves {}",
                    stored.unmatched.len(),
                    self.unmatched.len()
                )
            },
        );
    }
}

fn contrast(replayed: &Order, stored: &Order, field: Option<&str>) -> String {
    match field {
        Some("reservations") => format!(
            "{:?}, stored {:?}",
            replayed.reservations, stored.reservations
        ),
        Some("payments") => format!("{:?}, stored {:?}", replayed.payments, stored.payments),
        Some("version") => format!("{}, stored {}", replayed.version, stored.version),
        Some("attention") => format!("{:?}, stored {:?}", replayed.attention, stored.attention),
        _ => format!(
            "status {}, stored {}",
            replayed.statuses.status, stored.statuses.status
        ),
    }
}

/// A confirmed order shows its fulfilment as its status.
const fn lifecycle_of(status: Status) -> Lifecycle {
    match status {
        Status::Pending => Lifecycle::Pending,
        Status::Confirmed
        | Status::Processing
        | Status::PartiallyShipped
        | Status::Shipped
        | Status::PartiallyDelivered
        | Status::Delivered => Lifecycle::Confirmed,
        Status::Completed => Lifecycle::Completed,
        Status::Cancelling => Lifecycle::Cancelling,
        Status::Cancelled => Lifecycle::Cancelled,
        Status::PaymentFailed => Lifecycle::PaymentFailed,
        Status::Rejected => Lifecycle::Rejected,
        Status::Expired => Lifecycle::Expired,
    }
}

/// Returns the status to which an event leads from `from`, by the transition table; `None` if it
/// cannot happen there.
fn edge_of(event: &Event, from: Option<Lifecycle>) -> Option<Lifecycle> {
    use Lifecycle as L;
    match (from, event) {
        (None, Event::Placed(_)) => Some(L::Pending),
        (None, Event::Imported(imported)) => imports_as(imported.lifecycle),
        (None, _) | (Some(_), Event::Placed(_) | Event::Imported(_)) => None,
        (Some(from), event) => match (from, event) {
            (L::Pending, Event::Confirmed) => Some(L::Confirmed),
            (L::Pending, Event::Rejected { .. }) => Some(L::Rejected),
            (L::Pending, Event::PaymentFailed { .. }) => Some(L::PaymentFailed),
            (L::Pending, Event::Expired) => Some(L::Expired),
            (L::PaymentFailed, Event::PaymentRetried { .. }) => Some(L::Pending),
            (L::Pending | L::Confirmed | L::PaymentFailed, Event::CancelRequested { .. }) => {
                Some(L::Cancelling)
            }
            (L::Cancelling, Event::Cancelled) => Some(L::Cancelled),
            (L::Confirmed, Event::Completed) => Some(L::Completed),
            (
                _,
                Event::Confirmed
                | Event::Rejected { .. }
                | Event::PaymentFailed { .. }
                | Event::Expired
                | Event::PaymentRetried { .. }
                | Event::CancelRequested { .. }
                | Event::Cancelled
                | Event::Completed,
            ) => None,
            (
                L::Pending | L::Confirmed,
                Event::HoldPlaced { .. } | Event::EditStarted { .. } | Event::EditApplied { .. },
            ) => Some(from),
            (
                _,
                Event::HoldPlaced { .. } | Event::EditStarted { .. } | Event::EditApplied { .. },
            ) => None,
            (
                L::Confirmed,
                Event::LinesCancelled { .. }
                | Event::ShipmentPlanned { .. }
                | Event::ShipmentShipped { .. },
            ) => Some(from),
            (
                _,
                Event::LinesCancelled { .. }
                | Event::ShipmentPlanned { .. }
                | Event::ShipmentShipped { .. },
            ) => None,
            (L::Confirmed | L::Completed, Event::ReturnRequested { .. }) => Some(from),
            (_, Event::ReturnRequested { .. }) => None,
            (from, _) => Some(from),
        },
    }
}

/// An order is imported at rest only.
const fn imports_as(lifecycle: Lifecycle) -> Option<Lifecycle> {
    match lifecycle {
        Lifecycle::Pending | Lifecycle::Cancelling => None,
        Lifecycle::Confirmed
        | Lifecycle::Completed
        | Lifecycle::Cancelled
        | Lifecycle::PaymentFailed
        | Lifecycle::Rejected
        | Lifecycle::Expired => Some(lifecycle),
    }
}

/// The first field in which two orders differ. Every field is named, so that a new one does not go
/// unnoticed.
fn difference(a: &Order, b: &Order) -> Option<&'static str> {
    macro_rules! compare {
        ($($field:ident),*; $($other:ident: $same:expr),*; $($ignored:ident),*) => {{
            let Order { $($field: _,)* $($other: _,)* $($ignored: _,)* } = a;
            $(if a.$field != b.$field { return Some(stringify!($field)); })*
            $(if !$same { return Some(stringify!($other)); })*
            None
        }};
    }
    compare!(
        version, id, number, user, lifecycle, statuses, currency, lines, amounts, shipping_method, payment_method, terms,
        external_ref, coupon, redemptions, round, reservations, unmatched, holds, attention, placing_deadline, retry_until, created_at,
        updated_at, confirmed_at, completed_at, cancelled_at, shipments, returns, credits, disputes, stuck_retried_at, redacted_at;
        edits: a.edits.len() == b.edits.len() && a.edits.iter().zip(&b.edits).all(|(a, b)| same_edit(a, b)),
        payments: a.payments.len() == b.payments.len() && a.payments.iter().zip(&b.payments).all(|(a, b)| same_payment(a, b));
        notices, notified, addresses, notes, metadata
    )
}

fn same_payment(a: &PaymentOperation, b: &PaymentOperation) -> bool {
    let PaymentOperation {
        n,
        parent,
        kind,
        origin,
        method,
        amount,
        settled,
        state,
        verification,
        reference,
        code,
        capture_before,
        deadline,
        created_at,
        updated_at,
        token: _,
        return_url: _,
        action: _,
    } = a;
    (*n, *parent, *kind, *origin) == (b.n, b.parent, b.kind, b.origin)
        && (*amount, *settled, *state, *verification)
            == (b.amount, b.settled, b.state, b.verification)
        && *method == b.method
        && (reference, code) == (&b.reference, &b.code)
        && (*capture_before, *deadline, *created_at, *updated_at)
            == (b.capture_before, b.deadline, b.created_at, b.updated_at)
}

fn same_edit(a: &Edit, b: &Edit) -> bool {
    let Edit {
        n,
        plan,
        state,
        cause,
        due,
        payment,
        reservation,
        reservation_end,
        deadline,
        created_at,
        updated_at,
        address: _,
    } = a;
    (*n, plan, *state, *cause) == (b.n, &b.plan, b.state, b.cause)
        && (*due, *payment, *deadline) == (b.due, b.payment, b.deadline)
        && (*reservation, *reservation_end) == (b.reservation, b.reservation_end)
        && (*created_at, *updated_at) == (b.created_at, b.updated_at)
}
