//! An order's life at a glance: what happened when, and what that made of the money.

use order_core::manager::Explanation;
use order_core::order::{ClosingKind, CreditKind, Event, JournalRow, Op, Order};
use order_core::rules::{begin, begin_imported, evolve};
use serde::Serialize;

use super::life::named;
use super::table::Table;
use super::time::plainly;
use crate::input::duration;
use order_core::json::amount;

/// One thing that happened.
#[derive(Debug, Serialize)]
pub struct Moment {
    seq: u64,
    at: String,
    /// The time since the order was placed.
    elapsed: String,
    event: &'static str,
    what: String,
    actor: String,
    notes: Option<String>,
    status: &'static str,
    owed_amount: Option<String>,
    captured_amount: Option<String>,
    refunded_amount: Option<String>,
}

/// An operation that is being tried, with its last error.
#[derive(Debug, Serialize)]
pub struct Attempt {
    operation: String,
    what: String,
    failures: u32,
    next_at: Option<String>,
    error: String,
}

/// An order's life.
#[derive(Debug, Serialize)]
pub struct Timeline {
    order_id: String,
    order_number: String,
    currency: String,
    placed_at: String,
    /// The events, oldest first.
    pub moments: Vec<Moment>,
    under_way: Vec<Attempt>,
}

impl Timeline {
    /// The timeline of an order with this journal.
    pub fn of(explanation: &Explanation, rows: &[JournalRow]) -> Self {
        let order = &explanation.order;
        let mut replayed: Option<Order> = None;
        let moments = rows
            .iter()
            .map(|row| moment(order, &mut replayed, row))
            .collect();
        let tries = explanation
            .work
            .iter()
            .flat_map(|w| &w.tries.0)
            .filter(|(_, t)| t.count > 0);
        let stuck = explanation.next.stuck.iter().map(|s| Attempt {
            operation: s.op.to_string(),
            what: operation(order, s.op),
            failures: 0,
            next_at: None,
            error: s.why.clone(),
        });
        let under_way = tries.map(|(op, t)| Attempt {
            operation: op.to_string(),
            what: operation(order, *op),
            failures: t.count,
            next_at: Some(t.next_at.to_string()),
            error: t.error.clone(),
        });
        Timeline {
            order_id: order.id.to_string(),
            order_number: order.number.to_string(),
            currency: order.currency.to_string(),
            placed_at: order.created_at.to_string(),
            moments,
            under_way: under_way.chain(stuck).collect(),
        }
    }

    /// The timeline for people: one line per event, its time since the order was placed, and the
    /// money as it stands then.
    pub fn text(&self) -> String {
        let mut table = Table::new(&[
            "AT",
            "AFTER",
            "WHAT",
            ">OWED",
            ">CAPTURED",
            ">REFUNDED",
            "BY",
            "NOTES",
        ])
        .spare(&["AT"]);
        let mut before: Option<&Moment> = None;
        for m in &self.moments {
            // What did not change is not repeated.
            let news = |now: &Option<String>, then: Option<&Option<String>>| match then {
                Some(then) if then == now => String::new(),
                _ => now.clone().unwrap_or_default(),
            };
            let elapsed = if before.is_some_and(|b| b.elapsed == m.elapsed) {
                String::new()
            } else {
                format!("+{}", m.elapsed)
            };
            let status = before
                .filter(|b| b.status != m.status)
                .map(|_| format!(" -> {}", m.status))
                .unwrap_or_default();
            let at = plainly(&m.at);
            let same = before.is_some_and(|b| plainly(&b.at) == at);
            table.row([
                if same { String::new() } else { at },
                elapsed,
                format!("{}{status}", m.what),
                news(&m.owed_amount, before.map(|b| &b.owed_amount)),
                news(&m.captured_amount, before.map(|b| &b.captured_amount)),
                news(&m.refunded_amount, before.map(|b| &b.refunded_amount)),
                if m.actor == "system" {
                    String::new()
                } else {
                    m.actor.clone()
                },
                m.notes.clone().unwrap_or_default(),
            ]);
            before = Some(m);
        }
        let mut text = format!(
            "{}  placed {}, amounts in {}\n\n",
            self.order_number,
            plainly(&self.placed_at),
            self.currency
        );
        text.push_str(&table.render());
        for a in &self.under_way {
            let next = a.next_at.as_ref().map_or_else(
                || "stuck".into(),
                |t| format!("failed {} times, next at {}", a.failures, plainly(t)),
            );
            let error = order_core::text::printable(&a.error);
            text.push_str(&format!(
                "under way: {} ({}): {next}: {error}\n",
                a.operation, a.what
            ));
        }
        text
    }
}

fn moment(order: &Order, replayed: &mut Option<Order>, row: &JournalRow) -> Moment {
    match (&mut *replayed, &row.event) {
        (Some(so_far), event) => evolve(so_far, event, &row.actor, row.at),
        (None, Event::Placed(placed)) => *replayed = Some(begin(placed, row.at)),
        (None, Event::Imported(imported)) => *replayed = Some(begin_imported(imported, row.at)),
        (None, _) => {}
    }
    let money = replayed.as_ref().map(Order::money);
    let shown = |minor: Option<i64>| minor.map(|m| amount(m, order.currency));
    Moment {
        seq: row.seq,
        at: row.at.to_string(),
        elapsed: duration::show(row.at.since(order.created_at)),
        event: row.event.name(),
        what: describe(order, &row.event),
        actor: row.actor.to_string(),
        notes: row.notes.clone(),
        status: row.to.as_str(),
        owed_amount: shown(money.map(|m| m.owed)),
        captured_amount: shown(money.map(|m| m.captured)),
        refunded_amount: shown(money.map(|m| m.refunded)),
    }
}

/// `r1 2 MUG-01`, `p1 charge 37.51`.
fn operation(order: &Order, op: Op) -> String {
    match op {
        Op::Reservation(n) => match order.reservation(n) {
            Some(r) => format!("r{n} {} {}", r.quantity, r.sku),
            None => format!("r{n}"),
        },
        Op::Payment(n) => match order.payment(n) {
            Some(p) => format!(
                "p{n} {} {}",
                p.kind.as_str().to_lowercase(),
                amount(p.amount, order.currency)
            ),
            None => format!("p{n}"),
        },
        Op::Notice(seq) => format!("the customer told of {seq}"),
    }
}

/// Returns what happened in a few words.
fn describe(order: &Order, event: &Event) -> String {
    let reservation = |n: u32| operation(order, Op::Reservation(n));
    let payment = |n: u32| operation(order, Op::Payment(n));
    let money = |minor| amount(minor, order.currency);
    let lines = |lines: &[order_core::order::LineUnits]| {
        named(order, lines.iter().map(|l| (l.line, l.units)))
    };
    let part = |n: u32, units: &Option<u32>| match units
        .filter(|u| order.reservation(n).is_none_or(|r| r.quantity != *u))
    {
        Some(units) => format!("{units} of {}", reservation(n)),
        None => reservation(n),
    };
    let about = |op: &Option<Op>| {
        op.map(|op| format!(" about {}", operation(order, op)))
            .unwrap_or_default()
    };
    match event {
        Event::Placed(placed) => format!(
            "placed: {}, {}",
            lines_of(placed),
            money(placed.amounts.total)
        ),
        Event::Imported(imported) => format!(
            "imported as {}: {}",
            imported.external_ref,
            money(imported.amounts.total)
        ),
        Event::Armed { ops } => {
            let ops: Vec<String> = ops.iter().map(|op| operation(order, *op)).collect();
            format!("asks for: {}", ops.join(", "))
        }
        Event::ReservationPlanned { n, .. } => format!("stock wanted: {}", reservation(*n)),
        Event::StockHeld { n, .. } => format!("stock held: {}", reservation(*n)),
        Event::StockRefused { n, available, code } => {
            let available = available
                .map(|a| format!(", {a} available"))
                .unwrap_or_default();
            format!("stock refused ({code}): {}{available}", reservation(*n))
        }
        Event::StockUnknown { n } => format!("stock unknown: {}", reservation(*n)),
        Event::StockAbsent { n } => format!("no such reservation: {}", reservation(*n)),
        Event::StockSuspect { n } => format!("reservation cannot be proven: {}", reservation(*n)),
        Event::StockDropped { n } => format!("stock never asked for: {}", reservation(*n)),
        Event::StockClosing {
            n,
            kind: ClosingKind::Release,
            units,
            ..
        } => format!("giving back: {}", part(*n, units)),
        Event::StockClosing {
            n,
            kind: ClosingKind::Commit,
            units,
            ..
        } => format!("committing: {}", part(*n, units)),
        Event::StockClosingUnknown { n } => format!("unknown whether done: {}", reservation(*n)),
        Event::StockClosingRefused { n, code, .. } => {
            format!("refused ({code}): {}", reservation(*n))
        }
        Event::StockReleased { n, units, .. } => format!("stock given back: {}", part(*n, units)),
        Event::StockCommitted { n, units } => format!("stock committed: {}", part(*n, units)),
        Event::StockExpired { n } => format!("reservation expired: {}", reservation(*n)),
        Event::StockLost { n } => format!("reservation lost: {}", reservation(*n)),
        Event::PaymentPlanned { n, .. } => format!("planned: {}", payment(*n)),
        Event::PaymentSettled { n, state, code, .. } => {
            let code = code.as_ref().map(|c| format!(" ({c})")).unwrap_or_default();
            format!("{}{code}: {}", state.as_str().to_lowercase(), payment(*n))
        }
        Event::PaymentNeverHappened { n } => format!("never happened: {}", payment(*n)),
        Event::PaymentWaiting { n, state, .. } => {
            format!(
                "{}: {}",
                state.as_str().to_lowercase().replace('_', " "),
                payment(*n)
            )
        }
        Event::PaymentUnknown { n } => format!("unknown: {}", payment(*n)),
        Event::PaymentDropped { n } => format!("never asked for: {}", payment(*n)),
        Event::PaymentReported {
            n,
            status,
            amount: minor,
            currency,
            ..
        } => {
            format!(
                "reported {status} {} {currency}, and not believed: {}",
                amount(*minor, *currency),
                payment(*n)
            )
        }
        Event::PaymentUnmatched(u) => {
            format!(
                "reported {} {} {}, which fits nothing: {}",
                u.status,
                amount(u.amount, u.currency),
                u.currency,
                u.reference
            )
        }
        Event::PaymentFound { n, origin, .. } => {
            format!("{}: {}", origin.as_str().to_lowercase(), payment(*n))
        }
        Event::PaymentQuestioned { n } => format!("p{n} is compared with the provider's records"),
        Event::PaymentVerified { n } => format!("p{n} is as the provider's records say"),
        Event::UnmatchedMatched { reference, .. } => {
            format!("what report {reference} names is known now")
        }
        Event::UnmatchedDismissed { reference } => format!("needs nothing: report {reference}"),
        Event::DisputeOpened {
            reference, amount, ..
        } => format!("dispute {reference} of {} opened", money(*amount)),
        Event::DisputeClosed { reference, won } => {
            format!("dispute {reference} {}", if *won { "won" } else { "lost" })
        }
        Event::Confirmed => "confirmed".into(),
        Event::Rejected { .. } => "rejected: out of stock".into(),
        Event::PaymentFailed { .. } => "payment failed".into(),
        Event::PaymentRetried { method, .. } => format!("paid again by {method}"),
        Event::Expired => "expired".into(),
        Event::CancelRequested { .. } => "cancelling".into(),
        Event::Cancelled => "cancelled".into(),
        Event::Completed => "completed".into(),
        Event::LinesCancelled { lines: units, .. } => format!("cancelled: {}", lines(units)),
        Event::ShipmentPlanned { n, lines: units } => {
            format!("shipment {n} planned: {}", lines(units))
        }
        Event::ShipmentSplit {
            n,
            from,
            lines: units,
        } => format!("shipment {n} split off shipment {from}: {}", lines(units)),
        Event::ShipmentShipped {
            n,
            carrier,
            tracking,
        } => {
            let by: Vec<&str> = carrier.iter().chain(tracking).map(String::as_str).collect();
            let by = if by.is_empty() {
                String::new()
            } else {
                format!(": {}", by.join(" "))
            };
            format!("shipment {n} shipped{by}")
        }
        Event::ShipmentDelivered { n } => format!("shipment {n} delivered"),
        Event::ShipmentFailed { n } => format!("shipment {n} failed"),
        Event::ShipmentLost { n } => format!("shipment {n} lost on the way"),
        Event::ShipmentReturned { n } => format!("shipment {n} returned to sender"),
        Event::ShipmentCancelled { n } => format!("shipment {n} cancelled"),
        Event::Credited {
            kind,
            amount,
            lines,
        } => {
            let lines = lines
                .iter()
                .map(|l| format!("{} on line {}", money(l.amount), l.line))
                .collect::<Vec<_>>()
                .join(", ");
            match kind {
                CreditKind::Goodwill => format!("credit of {}", money(*amount)),
                CreditKind::Line => format!("credit of {lines}"),
                CreditKind::WriteOff if *amount < 0 => {
                    format!("{} written off came after all", money(-*amount))
                }
                CreditKind::WriteOff => format!("{} written off", money(*amount)),
            }
        }
        Event::ReturnRequested { n, lines: units } => {
            format!("return {n} requested: {}", lines(units))
        }
        Event::ReturnApproved { n } => format!("return {n} approved"),
        Event::ReturnRejected { n } => format!("return {n} rejected"),
        Event::ReturnReceived { n, lines } => {
            let came = named(order, lines.iter().map(|l| (l.line, l.restock + l.scrap)));
            let scrap: u32 = lines.iter().map(|l| l.scrap).sum();
            let scrap = if scrap > 0 {
                format!(" ({scrap} scrap)")
            } else {
                String::new()
            };
            format!("return {n} received: {came}{scrap}")
        }
        Event::ReturnClosed { n } => format!("return {n} closed"),
        Event::EditStarted { n, due, .. } => format!("edit {n} started, {} to pay", money(*due)),
        Event::EditApplied { n } => format!("edit {n} applied"),
        Event::EditDiscarded { n, cause } => format!("edit {n} discarded ({cause})"),
        Event::AddressChanged { which, .. } => {
            format!("{} address changed", which.as_str().to_lowercase())
        }
        Event::MetadataChanged {
            key, removed: true, ..
        } => format!("metadata {key} removed"),
        Event::MetadataChanged { key, .. } => format!("metadata {key} set"),
        Event::HoldPlaced { kind, blocks, .. } => format!("hold {kind} blocks {blocks}"),
        Event::HoldReleased { kind, lapsed } => format!(
            "hold {kind} {}",
            if *lapsed { "lapsed" } else { "released" }
        ),
        Event::AttentionRaised {
            reason,
            about: op,
            amount,
        } => {
            let how_much =
                amount.map_or_else(String::new, |amount| format!(" of {}", money(amount)));
            format!("a person must look: {reason}{how_much}{}", about(op))
        }
        Event::AttentionCleared { reason, about: op } => {
            format!("no longer: {reason}{}", about(op))
        }
        Event::AttentionAcknowledged { reason, about: op } => {
            format!("seen: {reason}{}", about(op))
        }
        Event::Noted => "note".into(),
        Event::Resolved { about: op } => format!("an operator found out{}", about(op)),
        Event::StuckRetried => "tried again".into(),
        Event::Redacted => "personal data erased".into(),
    }
}

fn lines_of(placed: &order_core::order::Placed) -> String {
    placed
        .lines
        .iter()
        .map(|l| format!("{} {}", l.lot.units, l.sku))
        .collect::<Vec<_>>()
        .join(", ")
}
