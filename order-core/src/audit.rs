//! The auditor: tells whether an order and its journal keep what the engine promises.
//!
//! It recomputes sums, statuses and edges from the records in its own words rather than asking the code it checks; only
//! replaying the journal is, by definition, done with [`begin`] and [`evolve`].

mod feed;
mod independent;
mod replay;

use std::collections::BTreeMap;
use std::fmt;

pub use feed::FeedAudit;
pub use replay::Replay;

use crate::order::{Blocks, ClosingKind, HoldState, JournalRow, Lifecycle, Order, PaymentTerms};
use independent::Sums;

#[cfg(doc)]
use crate::machine::{begin, evolve};

/// Something that must always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invariant {
    /// Its name, such as `I4`.
    pub id: &'static str,
    /// What must hold.
    pub text: &'static str,
}

macro_rules! invariants {
    ($($id:literal $text:literal)*) => {
        /// Everything the engine promises, in order.
        pub const INVARIANTS: &[Invariant] = &[$(Invariant { id: $id, text: $text },)*];
    };
}

invariants! {
    "I1" "line total = quantity × unit price − discount"
    "I2" "subtotal = Σ line totals"
    "I3" "total = subtotal + tax + shipping − order discount, all at least 0"
    "I4" "0 ≤ refunded ≤ captured, and captured ≤ authorized per attempt, unless a person has been asked to look"
    "I5" "at rest captured − refunded = owed, or, by payment terms, not yet captured"
    "I6" "every charge the provider knows is exactly one attempt of one order"
    "I7" "amounts survive their way over the wire"
    "I8" "stored shares add up to the order's discount and to the tax on its lines"
    "I9" "only the transitions of the table occur"
    "I10" "the journal is 1..n without gaps, its length is the version, and replaying it gives the stored order"
    "I11" "stored statuses are what the records say"
    "I12" "an order has a work item exactly while something is left to do"
    "I13" "an order's times never go backwards"
    "I14" "order numbers are unique, and they and confirmed prices never change"
    "I15" "a dead order holds no stock but listed suspects"
    "I16" "a confirmed order has all its stock held or committed, or a person has been asked to look"
    "I17" "the inventory holds nothing for an order that the order does not know or suspect"
    "I18" "no more units are committed than were ever stocked"
    "I19" "one idempotency key of a user names at most one order"
    "I20" "one derived key is one request"
    "I21" "an intent was durable before its effect"
    "I22" "whoever lost the lease starts no call and touches no work item"
    "I23" "the change feed shows every journal row once, per order in sequence"
    "I24" "an answered order can be read afterwards"
    "I25" "an order whose cancellation was answered never ships and ends with captured = refunded"
    "I26" "nobody reads another user's order"
    "I27" "no payment or contact data is logged"
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which: an id of [`INVARIANTS`].
    pub invariant: &'static str,
    /// What was found and what was expected.
    pub detail: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// Which invariants [`check_order`] tests.
pub const CHECKED_ALWAYS: &[&str] = &["I1", "I2", "I3", "I4", "I8", "I9", "I10", "I11", "I13", "I14"];
/// Which invariants [`check_at_rest`] tests.
pub const CHECKED_AT_REST: &[&str] = &["I5", "I15", "I16", "I25"];

/// What is wrong with an order and its whole journal, whatever is under way.
pub fn check_order(order: &Order, journal: &[JournalRow]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut replay = Replay::default();
    for row in journal {
        replay.apply(row, &mut breaches);
    }
    replay.compare(order, &mut breaches);
    check_records(order, &mut breaches);
    breaches
}

/// What is wrong with an order's records as they are, without its journal.
pub fn check_records(order: &Order, breaches: &mut Vec<Breach>) {
    let mut found = Findings { breaches };
    prices(order, &mut found);
    money(order, &mut found);
    let says = independent::statuses(order);
    found.expect("I11", order.statuses == says, || format!("stored {:?}, but the records say {says:?}", order.statuses));
    let later = |t: crate::time::Timestamp| t > order.updated_at;
    let record_times = (order.reservations.iter().map(|r| (r.created_at, r.updated_at)))
        .chain(order.payments.iter().map(|p| (p.created_at, p.updated_at)));
    found.expect("I13", order.created_at <= order.updated_at, || "the order changed before it was placed".into());
    for (created, updated) in record_times {
        found.expect("I13", created <= updated && !later(updated) && created >= order.created_at, || {
            format!("a record was made at {created} and changed at {updated}, the order at {}", order.updated_at)
        });
    }
}

struct Findings<'a> {
    breaches: &'a mut Vec<Breach>,
}

impl Findings<'_> {
    fn expect(&mut self, invariant: &'static str, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.breaches.push(Breach { invariant, detail: detail() });
        }
    }
}

fn prices(order: &Order, found: &mut Findings<'_>) {
    let mut subtotal = 0;
    let (mut coupon, mut tax, mut contained) = (0, 0, 0);
    for line in &order.lines {
        let n = line.n;
        let total = i64::from(line.quantity) * line.unit_price - line.discount;
        found.expect("I1", line.subtotal == total, || format!("line {n}: {} is not {total}", line.subtotal));
        subtotal += line.subtotal;
        let (mut units, mut of_lots) = (0, 0);
        for lot in &line.lots {
            units += lot.units;
            of_lots += lot.subtotal;
            coupon += lot.coupon;
            tax += lot.tax;
            contained += lot.tax_included;
        }
        found.expect("I8", units == line.quantity && of_lots == line.subtotal, || {
            format!("line {n}: its lots are {units} units for {of_lots}, not {} for {}", line.quantity, line.subtotal)
        });
        let c = line.counters;
        let sound = c.cancelled + c.planned + c.shipped <= line.quantity && c.delivered <= c.shipped && c.returned <= c.delivered;
        found.expect("I8", sound, || format!("line {n}: {c:?} of {} units", line.quantity));
    }
    let a = order.amounts;
    found.expect("I2", a.subtotal == subtotal, || format!("{} is not {subtotal}", a.subtotal));
    let total = subtotal + a.tax + a.shipping - a.discount;
    found.expect("I3", a.total == total, || format!("{} is not {total}", a.total));
    let parts = [a.subtotal, a.discount, a.tax, a.tax_included, a.shipping, a.shipping_tax, a.total];
    found.expect("I3", parts.iter().all(|p| *p >= 0), || format!("{a:?} has a part below 0"));
    found.expect("I8", coupon == a.discount, || format!("shares of the discount are {coupon}, not {}", a.discount));
    found.expect("I8", tax + a.shipping_tax == a.tax && contained <= a.tax_included, || {
        format!("shares of the tax are {tax} and {} for shipping, not {}", a.shipping_tax, a.tax)
    });
}

fn money(order: &Order, found: &mut Findings<'_>) {
    let watched = !order.attention.is_empty();
    let sums = Sums::of(order);
    found.expect("I4", watched || (0..=sums.captured).contains(&sums.refunded), || {
        format!("{} refunded of {} captured, and nobody was asked to look", sums.refunded, sums.captured)
    });
    for p in &order.payments {
        let n = p.n;
        let Some(parent) = p.parent else {
            found.expect("I4", p.is_attempt(), || format!("payment {n} is a {} of nothing", p.kind));
            continue;
        };
        let fits = parent >= 1 && parent < n && order.payments[parent as usize - 1].is_attempt();
        found.expect("I4", fits, || format!("payment {n} acts on payment {parent}, which is no earlier attempt"));
    }
    for (n, amount, taken) in sums.taken_from_authorizations {
        found.expect("I4", watched || taken <= amount, || format!("{taken} captured of payment {n}, which authorized {amount}"));
    }
    for (i, (p, n)) in order.payments.iter().zip(1u32..).enumerate() {
        found.expect("I10", p.n == n, || format!("payment at place {i} is numbered {}", p.n));
    }
    for (r, n) in order.reservations.iter().zip(1u32..) {
        found.expect("I10", r.n == n, || format!("reservation at place {n} is numbered {}", r.n));
    }
}

/// What is wrong with an order for which nothing is left to do: one without a work item.
pub fn check_at_rest(order: &Order) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut found = Findings { breaches: &mut breaches };
    let sums = Sums::of(order);
    let net = sums.captured - sums.refunded;
    let dead =
        matches!(order.lifecycle, Lifecycle::Rejected | Lifecycle::Expired | Lifecycle::Cancelled | Lifecycle::PaymentFailed);
    if dead {
        let invariant = if order.lifecycle == Lifecycle::Cancelled { "I25" } else { "I5" };
        found.expect(invariant, net == 0 && sums.authorized == 0, || {
            format!("{} with {net} captured and not refunded, {} authorized", order.lifecycle, sums.authorized)
        });
        for p in &order.payments {
            let settled = !independent::is_open(p.state);
            found.expect("I5", settled, || format!("{} with payment {} {}", order.lifecycle, p.n, p.state));
        }
        for r in &order.reservations {
            let gone = match r.state {
                HoldState::Refused
                | HoldState::Dropped
                | HoldState::Released
                | HoldState::Expired
                | HoldState::Lost
                | HoldState::Suspect => true,
                // What has left the stock is no hold; not every inventory can take it back.
                HoldState::Committed => r.closing.is_none(),
                HoldState::Planned | HoldState::Armed | HoldState::Unknown | HoldState::Held => false,
            };
            found.expect("I15", gone, || format!("{} with reservation {} {}", order.lifecycle, r.n, r.state));
        }
    }
    if matches!(order.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed) {
        let owed = independent::owed(order);
        let kept = match order.terms {
            PaymentTerms::Confirm => net == owed,
            PaymentTerms::Shipment => net + sums.authorized >= owed && net <= owed,
            // Nothing is taken, but an attempt from before the terms changed may have come through after all.
            PaymentTerms::Invoice | PaymentTerms::Delivery => (0..=owed).contains(&net),
        };
        found.expect("I5", kept || !order.attention.is_empty(), || {
            format!("{} owes {owed}, with {net} captured and kept, {} authorized", order.lifecycle, sums.authorized)
        });
        stock_kept(order, &mut found);
    }
    breaches
}

fn stock_kept(order: &Order, found: &mut Findings<'_>) {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for line in &order.lines {
        *balance.entry(line.sku.as_str()).or_default() -= i64::from(line.quantity - line.counters.cancelled);
    }
    for r in order.reservations.iter().filter(|r| matches!(r.state, HoldState::Held | HoldState::Committed)) {
        *balance.entry(r.sku.as_str()).or_default() += i64::from(r.quantity);
    }
    for (sku, surplus) in balance {
        found.expect("I16", surplus == 0 || !order.attention.is_empty(), || {
            format!("{} with {surplus:+} units of {sku} held or committed", order.lifecycle)
        });
    }
}

/// Whether an order that says it is confirmed was right to say so at that moment: paid as its terms ask, in stock, not blocked.
fn confirmed_rightly(order: &Order, found: &mut Findings<'_>) {
    let sums = Sums::of(order);
    let owed = independent::owed(order);
    let paid = match order.terms {
        PaymentTerms::Confirm => sums.captured - sums.refunded >= owed,
        PaymentTerms::Shipment => sums.captured - sums.refunded + sums.authorized >= owed,
        PaymentTerms::Invoice | PaymentTerms::Delivery => true,
    };
    found.expect("I9", paid, || format!("confirmed with {} captured of {owed}", sums.captured));
    let blocked = order.holds.iter().any(|h| h.blocks == Blocks::Confirm);
    found.expect("I9", !blocked, || "confirmed while a hold blocks confirmation".into());
    for line in &order.lines {
        let wanted: u32 = order.lines.iter().filter(|l| l.sku == line.sku).map(|l| l.quantity - l.counters.cancelled).sum();
        let held: u32 = order
            .reservations
            .iter()
            .filter(|r| r.sku == line.sku && r.attempt == order.attempt)
            .filter(|r| matches!(r.state, HoldState::Held | HoldState::Committed))
            .filter(|r| r.closing.is_none_or(|c| c.kind == ClosingKind::Commit))
            .map(|r| r.quantity)
            .sum();
        found.expect("I16", held >= wanted, || format!("confirmed with {held} of {wanted} units of {} held", line.sku));
    }
}

#[cfg(test)]
mod tests;
