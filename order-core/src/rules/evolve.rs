//! The order as it is after an event. The only code that changes an [`Order`], live and on replay.

use super::{attention, credits, edits, lifecycle, order_hold, payment, returns, shipping, stock};
use crate::order::{Actor, Event, Notice, Op, Order, Topic, derive};
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
    match event.topic() {
        Topic::Lifecycle => lifecycle::apply(order, event, at),
        Topic::Calls => arm(order, event, at),
        Topic::Stock => stock::apply::apply(order, event, at),
        Topic::Payment => payment::apply::apply(order, event, at),
        Topic::Dispute => payment::dispute::apply(order, event, at),
        Topic::Shipping => shipping::apply(order, event, at),
        Topic::Return => returns::apply(order, event, at),
        Topic::Credit => credits::apply(order, event, at),
        Topic::Edit => edits::apply(order, event, at),
        Topic::Hold => order_hold::apply(order, event, actor),
        Topic::Attention => attention::apply(order, event, at),
        Topic::Journal => {}
    }
}

/// Marks operations as handed to the workers.
fn arm(order: &mut Order, event: &Event, at: Timestamp) {
    let Event::Armed { ops } = event else { return };
    for op in ops {
        match op {
            Op::Reservation(n) => stock::apply::arm(order, *n, at),
            Op::Payment(n) => payment::apply::arm(order, *n, at),
            Op::Notice(_) => {}
        }
    }
}
