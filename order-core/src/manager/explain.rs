//! `next`, printed for a person.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::order::{
    Blocks, DisputeState, FulfilmentStatus, Lifecycle, Op, OperationState, Order, PaymentTerms,
    ReturnState, ShipmentState,
};
use crate::rules::{
    Env, Next, Verb, attempts_cover, completes_at, edit_deadline, keeps_from_completing,
};
use crate::store::WorkItem;
use crate::time::Timestamp;

/// An explanation of why an order is where it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The order.
    pub order: Arc<Order>,
    /// Its work item, if something is left to do.
    pub work: Option<WorkItem>,
    /// The calls and events that must come next.
    pub next: Next,
    /// The commands that are possible now.
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
        env: &Env<'_>,
    ) -> Self {
        let sentences = sentences(&order, work.as_ref(), &next, env);
        Explanation {
            order,
            work,
            next,
            possible,
            sentences,
        }
    }
}

fn sentences(order: &Order, work: Option<&WorkItem>, next: &Next, env: &Env<'_>) -> Vec<String> {
    let mut out = Said::default();
    out.push(format!(
        "order {} is {}, payment {}",
        order.number, order.statuses.status, order.statuses.payment
    ));
    for hold in &order.holds {
        let until = hold.until.map_or_else(
            || "until it is released".to_owned(),
            |t| format!("until {}", out.moment(t)),
        );
        out.push(format!(
            "hold {} blocks {} {until}",
            hold.kind,
            what_waits(hold.blocks)
        ));
    }
    for attention in order.attention.iter().filter(|a| !a.acknowledged) {
        let about = attention
            .about
            .map_or_else(String::new, |op| format!(" about {}", describe(order, op)));
        let how_much = attention.amount.map_or_else(String::new, |minor| {
            format!(" of {}", order.in_currency(minor))
        });
        let (reason, since) = (attention.reason, attention.since);
        out.push(format!(
            "a person must look{about}: {reason}{how_much} since {since}: {}; {}",
            reason.meaning(),
            reason.remedy()
        ));
    }
    for stuck in &next.stuck {
        out.push(format!(
            "{} is stuck: {}",
            describe(order, stuck.op),
            stuck.why
        ));
    }
    for p in order.payments.iter().filter(|p| p.is_attempt()) {
        match (p.state, p.deadline) {
            (OperationState::ActionRequired, Some(until)) => {
                let until = out.moment(until);
                out.push(format!(
                    "payment {} waits for the customer until {until}",
                    p.n
                ));
            }
            (OperationState::Pending, Some(until)) => {
                let until = out.moment(until);
                out.push(format!(
                    "payment {} waits for the provider, who is asked again at {until}",
                    p.n
                ));
            }
            _ => {}
        }
        if let Some(until) = p.capture_before.filter(|_| order.authorized_rest(p.n) > 0) {
            let until = out.moment(until);
            out.push(format!(
                "{} of payment {} can be captured until {until}",
                order.in_currency(order.authorized_rest(p.n)),
                p.n
            ));
        }
    }
    let before = out.sentences.len();
    goods(order, &mut out);
    money(order, env, &mut out);
    let others_turn = out.sentences.len() > before;
    completion(order, env, &mut out);
    for call in &next.calls {
        out.push(format!(
            "due now: {} {}",
            verb(call.verb),
            describe(order, call.op)
        ));
    }
    if !next.events.is_empty() {
        let names: Vec<&str> = next.events.iter().map(crate::order::Event::name).collect();
        out.push(format!("due now: record {}", names.join(", ")));
    }
    if let Some(work) = work {
        for (op, tried) in work.tries.0.iter().filter(|(_, t)| t.count > 0) {
            let next_at = out.moment(tried.next_at);
            out.push(format!(
                "{} failed {} times, last: {}; next try at {next_at}",
                describe(order, *op),
                tried.count,
                tried.error,
            ));
        }
        if let Some(until) = work
            .leased_until
            .filter(|t| work.fence.is_some() && *t > env.now)
        {
            out.push(format!("a worker is at it until {until} at the latest"));
        }
    }
    match next.wake {
        // Most often it is the moment at which something named above happens.
        Some(at) if out.moments.contains(&at) => {}
        Some(at) => out.push(format!("the engine looks at it again at {at}")),
        None if next.is_done() && others_turn => {
            out.push("until then the engine has nothing to do".into())
        }
        None if next.is_done() => out.push("nothing is left to do".into()),
        None => {}
    }
    out.sentences
}

/// The sentences so far, and the moments that they name.
#[derive(Default)]
struct Said {
    sentences: Vec<String>,
    moments: BTreeSet<Timestamp>,
}

impl Said {
    fn push(&mut self, sentence: String) {
        self.sentences.push(sentence);
    }

    /// Returns a moment at which something is to happen, for the sentence that names it.
    fn moment(&mut self, at: Timestamp) -> Timestamp {
        self.moments.insert(at);
        at
    }
}

/// Says what the goods wait for: to be shipped, to arrive, to come back.
fn goods(order: &Order, out: &mut Said) {
    let named = |lines: &mut dyn Iterator<Item = (u32, u32)>| {
        let one = |(line, units): (u32, u32)| match order.line(line) {
            Some(l) => format!("{units} × {}", l.sku),
            None => format!("{units} × line {line}"),
        };
        lines
            .filter(|(_, units)| *units > 0)
            .map(one)
            .collect::<Vec<_>>()
            .join(", ")
    };
    if order.lifecycle == Lifecycle::Confirmed {
        let open = named(
            &mut order
                .lines
                .iter()
                .filter(|l| l.requires_shipping)
                .map(|l| (l.n, l.open())),
        );
        if !open.is_empty() {
            out.push(format!("waits to be shipped: {open}"));
        }
    }
    for s in &order.shipments {
        let what = named(&mut s.lines.iter().map(|l| (l.line, l.units)));
        match s.state {
            ShipmentState::Planned => out.push(format!(
                "shipment {} is planned and has not left: {what}",
                s.n
            )),
            ShipmentState::Shipped => out.push(format!(
                "shipment {} is on its way since {}: {what}",
                s.n, s.updated_at
            )),
            ShipmentState::Delivered
            | ShipmentState::Failed
            | ShipmentState::Lost
            | ShipmentState::Returned
            | ShipmentState::Cancelled => {}
        }
    }
    for r in &order.returns {
        match r.state {
            ReturnState::Requested => {
                out.push(format!("return {} waits to be approved or rejected", r.n))
            }
            ReturnState::Approved => {
                let outstanding =
                    named(&mut r.lines.iter().map(|l| (l.line, r.outstanding(l.line))));
                let what = if outstanding.is_empty() {
                    "to be closed".into()
                } else {
                    format!("for goods: {outstanding}")
                };
                out.push(format!("return {} waits {what}", r.n));
            }
            ReturnState::Rejected | ReturnState::Closed => {}
        }
    }
}

/// Says what the money waits for, beyond operations under way.
fn money(order: &Order, env: &Env<'_>, out: &mut Said) {
    let short = order.short(env.now);
    if short > 0 && !attempts_cover(order, short) {
        let how = "until it is paid or written off, nothing is confirmed, and nothing leaves";
        let owed = order.owed();
        let (owes, short) = (order.in_currency(owed), order.in_currency(short));
        out.push(if short.minor > owed {
            format!("{short} are short, with {owes} owed, as more went back than came in: {how}")
        } else {
            format!("{short} of {owes} owed are short: {how}")
        });
    }
    for p in order.payments.iter().filter(|p| p.verification.is_due()) {
        out.push(format!(
            "what is recorded of payment {} is compared with the provider's records",
            p.n
        ));
    }
    for d in order
        .disputes
        .iter()
        .filter(|d| d.state == DisputeState::Open)
    {
        let amount = order.in_currency(d.amount);
        out.push(format!(
            "dispute {} of {amount} is open: nothing is refunded until it is decided",
            d.reference
        ));
    }
    if let Some(edit) = order.open_edit() {
        let due = order.in_currency(edit.due);
        let until = out.moment(edit_deadline(order, edit));
        out.push(format!(
            "edit {} applies once the difference is secured ({due} to pay), until {until}",
            edit.n,
        ));
    }
    let m = order.money();
    let missing = m.owed - (m.captured - m.refunded);
    let later = matches!(order.terms, PaymentTerms::Invoice | PaymentTerms::Delivery);
    if later
        && missing > 0
        && matches!(order.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed)
    {
        out.push(format!(
            "{} are owed, and due by {}",
            order.in_currency(missing),
            order.terms
        ));
    }
}

/// Says when the order completes by itself, or what keeps it from that once all of it has arrived.
fn completion(order: &Order, env: &Env<'_>, out: &mut Said) {
    if let Some(at) = completes_at(order, env) {
        let at = out.moment(at);
        return out.push(format!("completes by itself at {at}"));
    }
    let arrived = matches!(
        order.statuses.fulfilment,
        FulfilmentStatus::Delivered | FulfilmentStatus::NotRequired
    );
    let why =
        keeps_from_completing(order).filter(|_| arrived && order.lifecycle == Lifecycle::Confirmed);
    if let Some(why) = why {
        out.push(format!("cannot be completed: {why}"));
    }
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
        Verb::LookUpReservation | Verb::LookUpPayment => "find out about",
        Verb::Pay(_) => "carry out",
        Verb::Notify => "notify the customer of",
    }
}

fn describe(order: &Order, op: Op) -> String {
    match op {
        Op::Reservation(n) => match order.reservation(n) {
            Some(r) => format!("reservation {n} ({} × {}, {})", r.sku, r.quantity, r.state),
            None => format!("reservation {n}"),
        },
        Op::Payment(n) => match order.payment(n) {
            Some(p) => format!(
                "payment {n} ({} {}, {})",
                p.kind,
                order.in_currency(p.amount),
                p.state
            ),
            None => format!("payment {n}"),
        },
        Op::Notice(seq) => format!("journal row {seq}"),
    }
}

#[cfg(all(test, feature = "testkit"))]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::services::{InventoryCapabilities, PaymentCapabilities};
    use crate::store::{Tries, Try};
    use crate::testkit::orders::{at, plain};

    /// The sentences on an order whose last call is made again at `again`, after a failure in these
    /// words, and which is looked at again a minute after the order's time.
    fn said(again: Timestamp, error: &str) -> Vec<String> {
        let policy = Policy::default();
        let env = Env {
            now: at(0),
            clock: at(0),
            policy: &policy,
            inventory: InventoryCapabilities::IDEAL,
            payment: PaymentCapabilities::IDEAL,
            notify: false,
        };
        let tried = Try {
            count: 1,
            next_at: again,
            error: error.to_owned(),
            clear: true,
            quiet_at: at(0),
            stuck: None,
        };
        let work = WorkItem {
            due: Some(at(60)),
            fence: None,
            leased_until: None,
            revision: 1,
            taken_over: false,
            runs: 0,
            tries: Tries([(Op::Payment(1), tried)].into()),
        };
        let next = Next {
            wake: Some(at(60)),
            ..Next::default()
        };
        sentences(&plain(1), Some(&work), &next, &env)
    }

    #[test]
    fn the_next_look_is_told_unless_it_is_a_moment_told_already() {
        let look = format!("the engine looks at it again at {}", at(60));
        assert!(!said(at(60), "down").contains(&look));
        assert!(said(at(90), "down").contains(&look));
        let words = format!("down until {}", at(60));
        assert!(
            said(at(90), &words).contains(&look),
            "that is the service's word"
        );
    }
}
