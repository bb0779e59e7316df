//! `next`, printed for a person.

use std::sync::Arc;

use crate::machine::{Next, Verb};
use crate::order::{Blocks, Op, OperationState, Order};
use crate::store::WorkItem;
use crate::time::Timestamp;

/// Why an order is where it is.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The order.
    pub order: Arc<Order>,
    /// Its work item, if something is left to do.
    pub work: Option<WorkItem>,
    /// What must happen next.
    pub next: Next,
    /// What could be done to it now.
    pub possible: Vec<&'static str>,
    /// The same in sentences, most important first.
    pub sentences: Vec<String>,
}

impl Explanation {
    pub(super) fn new(
        order: Arc<Order>,
        work: Option<WorkItem>,
        next: Next,
        possible: Vec<&'static str>,
        now: Timestamp,
    ) -> Self {
        let sentences = sentences(&order, work.as_ref(), &next, &possible, now);
        Explanation { order, work, next, possible, sentences }
    }
}

fn sentences(order: &Order, work: Option<&WorkItem>, next: &Next, possible: &[&str], now: Timestamp) -> Vec<String> {
    let mut out = vec![format!("order {} is {}, payment {}", order.number, order.statuses.status, order.statuses.payment)];
    for hold in &order.holds {
        let until = hold.until.map_or_else(|| "until it is released".to_owned(), |t| format!("until {t}"));
        out.push(format!("hold {} blocks {} {until}", hold.kind, what_waits(hold.blocks)));
    }
    for attention in &order.attention {
        let about = attention.about.map_or_else(String::new, |op| format!(" about {}", describe(order, op)));
        out.push(format!("a person must look{about}: {} since {}", attention.reason, attention.since));
    }
    for stuck in &next.stuck {
        out.push(format!("{} is stuck: {}", describe(order, stuck.op), stuck.why));
    }
    for p in order.payments.iter().filter(|p| p.is_attempt()) {
        match (p.state, p.deadline) {
            (OperationState::ActionRequired, Some(until)) => {
                out.push(format!("payment {} waits for the customer until {until}", p.n));
            }
            (OperationState::Pending, Some(until)) => {
                out.push(format!("payment {} waits for the provider; it is asked at {until}", p.n));
            }
            _ => {}
        }
    }
    for call in &next.calls {
        out.push(format!("due now: {} {}", verb(call.verb), describe(order, call.op)));
    }
    if !next.events.is_empty() {
        let names: Vec<&str> = next.events.iter().map(crate::order::Event::name).collect();
        out.push(format!("due now: record {}", names.join(", ")));
    }
    if let Some(work) = work {
        for (op, tried) in work.tries.0.iter().filter(|(_, t)| t.count > 0) {
            out.push(format!(
                "{} failed {} times, last: {}; next try at {}",
                describe(order, *op),
                tried.count,
                tried.error,
                tried.next_at
            ));
        }
        if let Some(until) = work.leased_until.filter(|t| work.fence.is_some() && *t > now) {
            out.push(format!("a worker is at it until {until} at the latest"));
        }
    }
    match next.wake {
        Some(at) => out.push(format!("looked at again at {at}")),
        None if next.is_done() => out.push("nothing is left to do".into()),
        None => {}
    }
    out.push(format!("possible now: {}", possible.join(", ")));
    out
}

const fn what_waits(blocks: Blocks) -> &'static str {
    match blocks {
        Blocks::Confirm => "confirmation",
        Blocks::Capture => "taking money",
        Blocks::Ship => "shipping",
    }
}

const fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Reserve => "reserve",
        Verb::Release => "release",
        Verb::Commit => "commit",
        Verb::LookUpHold | Verb::LookUpPayment => "find out about",
        Verb::Pay(_) => "carry out",
        Verb::Notify => "tell the customer of",
    }
}

fn describe(order: &Order, op: Op) -> String {
    match op {
        Op::Reservation(n) => match order.reservation(n) {
            Some(r) => format!("reservation {n} ({} × {}, {})", r.sku, r.quantity, r.state),
            None => format!("reservation {n}"),
        },
        Op::Payment(n) => match order.payment(n) {
            Some(p) => format!("payment {n} ({} {}, {})", p.kind, order.in_currency(p.amount), p.state),
            None => format!("payment {n}"),
        },
        Op::Notice(seq) => format!("journal row {seq}"),
    }
}
