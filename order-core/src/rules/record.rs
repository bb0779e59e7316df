//! Facts: what a service answered, or a provider reported. Never refused, whatever the order has
//! become meanwhile. One arm a fact; the rules stand in the files of their topics.

use super::fact::ClosingCall;
use super::payment::{dispute, outcome, reports};
use super::{Env, Fact, attention, stock};
use crate::order::{Event, Order};

/// Returns the events that a fact makes of the order as it is now; none if it was known already.
pub fn record(order: &Order, fact: &Fact, env: &Env<'_>) -> Vec<Event> {
    match fact {
        Fact::Reservation { n, outcome } => stock::outcome::reservation(order, *n, outcome),
        Fact::Closing {
            n,
            serial,
            kind,
            units,
            committed,
            outcome,
        } => {
            let call = ClosingCall {
                n: *n,
                serial: *serial,
                kind: *kind,
                units: *units,
                committed: *committed,
            };
            stock::outcome::closing(order, &call, outcome, env)
        }
        Fact::Payment { n, outcome } => match order.payment(*n) {
            Some(p) => outcome::operation(order, p, outcome, env),
            None => Vec::new(),
        },
        Fact::Report(report) => reports::report(order, report, env),
        Fact::Dispute(report) => dispute::dispute(order, report),
        Fact::NeedsAttention { reason, about } => attention::raise(order, *reason, *about)
            .into_iter()
            .collect(),
        Fact::NoLongerNeedsAttention { reason, about } => attention::clear(order, *reason, *about)
            .into_iter()
            .collect(),
    }
}
