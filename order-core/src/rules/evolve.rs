//! The order as it is after an event. The only code that changes an [`Order`], live and on replay.

use super::{attention, credits, edits, lifecycle, order_hold, payment, returns, shipping, stock};
use crate::order::{Actor, Event, Notice, Op, Order, derive};
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
        Event::Armed { ops } => ops.iter().for_each(|op| match op {
            Op::Reservation(n) => stock::apply::arm(order, *n, at),
            Op::Payment(n) => payment::apply::arm(order, *n, at),
            Op::Notice(_) => {}
        }),
        Event::ReservationPlanned { .. }
        | Event::StockHeld { .. }
        | Event::StockRefused { .. }
        | Event::StockUnknown { .. }
        | Event::StockAbsent { .. }
        | Event::StockDropped { .. }
        | Event::StockSuspect { .. }
        | Event::StockClosing { .. }
        | Event::StockClosingUnknown { .. }
        | Event::StockClosingRefused { .. }
        | Event::StockReleased { .. }
        | Event::StockCommitted { .. }
        | Event::StockExpired { .. }
        | Event::StockLost { .. } => stock::apply::apply(order, event, at),
        Event::PaymentPlanned { .. }
        | Event::PaymentSettled { .. }
        | Event::PaymentWaiting { .. }
        | Event::PaymentUnknown { .. }
        | Event::PaymentDropped { .. }
        | Event::PaymentQuestioned { .. }
        | Event::PaymentVerified { .. }
        | Event::PaymentReported { .. }
        | Event::PaymentUnmatched(_)
        | Event::PaymentFound { .. }
        | Event::UnmatchedDismissed { .. }
        | Event::UnmatchedMatched { .. } => payment::apply::apply(order, event, at),
        Event::DisputeOpened { .. } | Event::DisputeClosed { .. } => {
            payment::dispute::apply(order, event, at)
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
        Event::AttentionRaised { .. }
        | Event::AttentionCleared { .. }
        | Event::AttentionAcknowledged { .. } => attention::apply(order, event, at),
        Event::Noted | Event::Resolved { .. } => {}
        Event::StuckRetried => {
            order.stuck_retried_at = Some(at);
            for r in &mut order.reservations {
                r.refusals = 0;
            }
        }
    }
}
