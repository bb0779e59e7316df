//! The sums of an order's records: money owed, taken and sent back; stock wanted; units on their
//! way.

use std::collections::BTreeMap;

use super::{
    CreditKind, EditPlan, Lifecycle, Line, OperationKind, OperationOrigin, OperationState, Order,
    PaymentOperation, PaymentTerms,
};
use crate::ids::Sku;
use crate::money::Minor;
use crate::time::Timestamp;

/// The sums of an order's payment records, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderMoney {
    /// The amount that the customer owes in all, before what was paid.
    pub owed: Minor,
    /// Authorized and neither captured nor voided.
    pub authorized: Minor,
    /// Captured, with what was captured from authorizations.
    pub captured: Minor,
    /// On its way in from what is authorized: captures planned, asked or not yet known.
    pub capturing: Minor,
    /// Sent back.
    pub refunded: Minor,
    /// On its way back: planned, asked or not yet known.
    pub refunding: Minor,
}

/// Units of lines that need shipping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShipmentTotals {
    /// Ordered and not cancelled.
    pub wanted: u32,
    /// In planned shipments.
    pub planned: u32,
    /// Units that have left.
    pub shipped: u32,
    /// Units that have arrived.
    pub delivered: u32,
}

impl Order {
    /// Returns what of operation `p` was captured and counts. What a provider says of an
    /// authorization as a whole includes what was captured from it.
    pub fn captured_of(&self, p: &PaymentOperation) -> Minor {
        match p.kind {
            OperationKind::Authorize if p.captured() > 0 => {
                let by_captures: Minor = self.children(p.n).map(PaymentOperation::captured).sum();
                (p.captured() - by_captures).max(0)
            }
            _ => p.captured(),
        }
    }

    /// Returns what of authorization `n` is neither captured nor given up.
    pub fn authorized_rest(&self, n: u32) -> Minor {
        match self.payment(n) {
            Some(p)
                if p.kind == OperationKind::Authorize && p.state == OperationState::Authorized =>
            {
                let taken: Minor = self.children(n).map(PaymentOperation::captured).sum();
                (p.counted() - taken).max(0)
            }
            _ => 0,
        }
    }

    /// Returns what the customer owes in all: the stored shares of the units that are neither
    /// cancelled nor returned, tax included, and shipping while something ships or has, less
    /// credits, never below 0; nothing once the order is closed or unwinding.
    ///
    /// Whatever lowers it makes money go back. A cancelled order refunds all it kept because it
    /// owes nothing from then on; a closed return refunds the shares of its units.
    pub fn owed(&self) -> Minor {
        self.least_kept().max(0)
    }

    /// The least that must be kept of an order that is not short: what is owed. Below 0 where more
    /// was written off than that, because more had gone back than had come in.
    pub fn least_kept(&self) -> Minor {
        if !self.lifecycle.is_live() {
            return 0;
        }
        let lines: Minor = self.lines.iter().map(Line::owed).sum();
        let credited = self.credited_with(CreditKind::Goodwill);
        (lines + self.shipping_owed() - credited).max(0) - self.credited_with(CreditKind::WriteOff)
    }

    /// Returns what shipping costs, with the tax on it, as long as there is something to be sent or
    /// something was.
    fn shipping_owed(&self) -> Minor {
        let ships = self
            .lines
            .iter()
            .any(|l| l.requires_shipping && l.kept() > 0);
        if ships || self.has_sent() {
            self.amounts.shipping + self.amounts.shipping_tax
        } else {
            0
        }
    }

    /// Returns true if something was sent that counts whatever becomes of it: it was returned, or
    /// is in a shipment that was never taken for lost, and may have come back. One that was lost
    /// and turns up makes nobody owe again what they no longer did.
    fn has_sent(&self) -> bool {
        self.lines
            .iter()
            .any(|l| l.requires_shipping && l.counters.returned > 0)
            || self
                .shipments
                .iter()
                .any(|s| s.state.has_left() && s.lost_at.is_none())
    }

    /// The sum of all credits of a kind.
    fn credited_with(&self, kind: CreditKind) -> Minor {
        let of_kind = self.credits.iter().filter(|c| c.kind == kind);
        of_kind.map(|c| c.amount).sum()
    }

    /// Credits for the order as a whole.
    fn taken_off(&self) -> Minor {
        self.credited_with(CreditKind::Goodwill) + self.credited_with(CreditKind::WriteOff)
    }

    /// Returns what is owed, and what an edit under way would make owed on top.
    pub fn owed_with_edit(&self) -> Minor {
        self.least_kept_with_edit().max(0)
    }

    /// The least that must be kept, now and once an edit under way applies.
    pub(crate) fn least_kept_with_edit(&self) -> Minor {
        let least = self.least_kept();
        match self.open_edit() {
            Some(edit) if self.lifecycle.is_live() => least.max(self.least_kept_after(&edit.plan)),
            _ => least,
        }
    }

    /// The least that would have to be kept if `plan` were applied now.
    pub(crate) fn least_kept_after(&self, plan: &EditPlan) -> Minor {
        let mut edited = self.clone();
        plan.apply(&mut edited, self.updated_at);
        edited.least_kept()
    }

    /// Returns what of it is due by now, as the payment terms say: all from the start; or the
    /// shares of what has left, with shipping as soon as anything has, and of what needs no
    /// shipping from confirmation on. Nothing where nothing is charged.
    pub fn due(&self) -> Minor {
        match self.terms {
            PaymentTerms::Confirm => self.owed(),
            PaymentTerms::Shipment => self.due_when_shipped(|l| l.counters.shipped),
            PaymentTerms::Invoice | PaymentTerms::Delivery => 0,
        }
    }

    /// Returns the amount in minor units that is due once `shipped` units of each line have left.
    pub fn due_when_shipped(&self, shipped: impl Fn(&Line) -> u32) -> Minor {
        if !matches!(self.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed) {
            return 0;
        }
        let left = |l: &Line| match l.requires_shipping {
            true => shipped(l).saturating_sub(l.counters.returned),
            false => l.kept(),
        };
        let lines: Minor = self
            .lines
            .iter()
            .map(|l| l.total_of_first(left(l).min(l.kept())))
            .sum();
        // Nothing is left to be shipped: all that is owed is due.
        if self.lines.iter().all(|l| left(l) >= l.kept()) {
            return self.owed();
        }
        let begun = self.has_sent()
            || self
                .lines
                .iter()
                .any(|l| l.requires_shipping && shipped(l) > 0);
        let shipping = if begun { self.shipping_owed() } else { 0 };
        (lines + shipping - self.taken_off()).clamp(0, self.owed())
    }

    /// Returns what the payment records add up to.
    pub fn money(&self) -> OrderMoney {
        let mut money = OrderMoney {
            owed: self.owed(),
            ..OrderMoney::default()
        };
        for p in &self.payments {
            money.captured += self.captured_of(p);
            money.refunded += p.refunded();
            money.refunding += p.refunding();
            money.capturing += p.capturing();
            money.authorized += self.authorized_rest(p.n);
        }
        money
    }

    /// Returns what is paid: captured − refunded − refunding over all operations, whoever made
    /// them, in minor units. Less than nothing when more is said to have gone back than came in.
    pub fn kept(&self) -> Minor {
        self.payments
            .iter()
            .map(|p| self.captured_of(p) - p.refunded() - p.refunding())
            .sum()
    }

    /// Returns what the order can count on at `now`: kept, and what the engine can still capture by
    /// itself of what is owed, in minor units.
    pub fn secured(&self, now: Timestamp) -> Minor {
        self.secured_for(self.least_kept_with_edit(), now)
    }

    /// Returns what an order that was to pay `wanted` could count on at `now`.
    pub(crate) fn secured_for(&self, wanted: Minor, now: Timestamp) -> Minor {
        let mut secured = self.kept();
        if self.terms == PaymentTerms::Shipment {
            for p in self
                .payments
                .iter()
                .filter(|p| self.can_be_captured(p, now))
            {
                let missing = wanted - secured - self.missed_since(p.n);
                secured += missing.clamp(0, self.authorized_rest(p.n));
            }
        }
        secured
    }

    /// The amount that is neither paid nor can still be captured of what is owed at `now`, where it
    /// is to be by now: 0 by invoice and on delivery, and for an order that is dead. It is more
    /// than what is owed where more went back than came in, unless that was written off too.
    pub fn short(&self, now: Timestamp) -> Minor {
        match self.terms {
            PaymentTerms::Confirm | PaymentTerms::Shipment if self.lifecycle.is_live() => {
                let least = self.least_kept();
                (least - self.secured_for(least, now)).max(0)
            }
            _ => 0,
        }
    }

    /// Returns true if something of authorization `p` can still be captured at `now`: it has not
    /// lapsed, is not being given up, and no capture of it was refused since somebody last asked
    /// for that anew.
    pub(crate) fn can_be_captured(&self, p: &PaymentOperation, now: Timestamp) -> bool {
        self.authorized_rest(p.n) > 0
            && p.capture_before.is_none_or(|t| t > now)
            && self.children(p.n).all(|c| match c.kind {
                // One that is only planned is dropped as soon as the authorization is wanted.
                OperationKind::Void => !c.state.is_open() || c.state == OperationState::Planned,
                OperationKind::Capture => {
                    let counts = self.stuck_retried_at.is_none_or(|t| c.updated_at >= t);
                    c.state != OperationState::Failed || !counts
                }
                _ => true,
            })
    }

    /// The same, and that nobody plans to give it up.
    pub(crate) fn is_kept(&self, p: &PaymentOperation, now: Timestamp) -> bool {
        let given_up = self
            .children(p.n)
            .any(|c| c.kind == OperationKind::Void && c.state.is_open());
        self.can_be_captured(p, now) && !given_up
    }

    /// Returns what went back outside the engine since payment `n` was asked for, and was neither
    /// paid since nor written off: that payment is not made to make up for it.
    pub(crate) fn missed_since(&self, n: u32) -> Minor {
        let mut missed: Minor = 0;
        for p in self.payments.iter().filter(|p| p.n > n) {
            missed += p.went_back_outside();
            // What was asked for after it went back makes up for it first.
            if p.is_attempt() && p.origin == OperationOrigin::Engine {
                missed = (missed - self.brought_in(p)).max(0);
            }
        }
        // Not what was captured elsewhere of what was authorized here.
        let outside = self
            .payments
            .iter()
            .filter(|p| p.n > n && p.origin == OperationOrigin::Outside && p.is_attempt());
        let paid_outside: Minor = outside.map(|p| self.captured_of(p)).sum();
        let given_up = self
            .credits
            .iter()
            .filter(|c| c.kind == CreditKind::WriteOff)
            .map(|c| c.amount);
        (missed - paid_outside - given_up.sum::<Minor>()).max(0)
    }

    /// Returns what came in by attempt `p`, and what can still be captured of it.
    fn brought_in(&self, p: &PaymentOperation) -> Minor {
        let captures: Minor = self.children(p.n).map(PaymentOperation::captured).sum();
        self.captured_of(p) + captures + self.authorized_rest(p.n)
    }

    /// Returns what was sent back in that way.
    pub(crate) fn refunded_by(&self, origin: OperationOrigin) -> Minor {
        self.payments
            .iter()
            .filter(|p| p.origin == origin)
            .map(PaymentOperation::refunded)
            .sum()
    }

    /// Returns what the engine has to give back by itself at `now`: what is kept beyond what is
    /// owed; and where payment follows the shipments, what a closed return or a credit takes off
    /// what was due by then, at once, if what is yet to be shipped can be captured all the same.
    pub(crate) fn surplus(&self, now: Timestamp) -> Minor {
        self.surplus_without(now, 0)
    }

    /// The same if `planned` of what is on its way back were not sent.
    pub(crate) fn surplus_without(&self, now: Timestamp, planned: Minor) -> Minor {
        let kept = self.kept() + planned;
        let beyond = kept - self.owed_with_edit();
        if self.terms != PaymentTerms::Shipment || !self.lifecycle.is_live() {
            return beyond.max(0);
        }
        let by_engine = |p: &&PaymentOperation| p.origin == OperationOrigin::Engine;
        let given_back: Minor = self
            .payments
            .iter()
            .filter(by_engine)
            .map(|p| p.refunded() + p.refunding())
            .sum();
        let taken_off = self.returned_shares() + self.credited() - (given_back - planned);
        // How little may be kept so that the rest can still be captured of what is authorized.
        let owed = self.owed_with_edit();
        let usable = self
            .payments
            .iter()
            .rev()
            .filter(|p| self.can_be_captured(p, now));
        let least = usable.fold(owed, |least, p| {
            match least <= owed - self.missed_since(p.n) {
                true => least - self.authorized_rest(p.n),
                false => least,
            }
        });
        let coming = owed - least;
        beyond
            .max((kept - self.due()).min(taken_off).min(beyond + coming))
            .max(0)
    }

    /// Returns what the units that came back had cost.
    fn returned_shares(&self) -> Minor {
        let of = |l: &Line| l.total_of_first(l.kept() + l.counters.returned) - l.owed();
        self.lines.iter().map(of).sum()
    }

    /// Credits but for what was written off.
    fn credited(&self) -> Minor {
        self.credits
            .iter()
            .filter(|c| c.kind != CreditKind::WriteOff)
            .map(|c| c.amount)
            .sum()
    }

    /// Returns what of the surplus can be taken from which captured payment, newest first: the
    /// payment's number, and how much of it is neither back nor on its way back. What went back
    /// without a payment's name came from the newest.
    pub(crate) fn refundable(&self) -> Vec<(u32, Minor)> {
        self.refundable_without(&[])
    }

    /// The same if the refunds with those numbers were not sent.
    pub(crate) fn refundable_without(&self, unsent: &[u32]) -> Vec<(u32, Minor)> {
        let refunds = || {
            self.payments
                .iter()
                .filter(|p| p.kind == OperationKind::Refund && !unsent.contains(&p.n))
        };
        let gone = |p: &PaymentOperation| p.refunded() + p.refunding();
        let taken_from = |r: &PaymentOperation| {
            r.parent
                .and_then(|n| self.payment(n))
                .filter(|p| self.captured_of(p) > 0)
        };
        let mut nameless: Minor = refunds()
            .filter(|r| taken_from(r).is_none())
            .map(gone)
            .sum();
        let mut rests = Vec::new();
        let mut newest: Vec<_> = self
            .payments
            .iter()
            .filter(|p| self.captured_of(p) > 0)
            .collect();
        // In which order what came in elsewhere was heard of decides nothing.
        let asked_before = |p: &PaymentOperation| {
            let asked = |q: &&PaymentOperation| {
                q.is_attempt() && q.origin == OperationOrigin::Engine && q.n < p.n
            };
            self.payments.iter().filter(asked).count()
        };
        newest.sort_by_cached_key(|p| match p.origin {
            OperationOrigin::Engine => (asked_before(p), None, p.n),
            OperationOrigin::Outside | OperationOrigin::Chargeback => {
                (asked_before(p), p.reference.clone(), 0)
            }
        });
        for p in newest.into_iter().rev() {
            let back: Minor = refunds().filter(|r| r.parent == Some(p.n)).map(gone).sum();
            let rest = (self.captured_of(p) - back).max(0);
            let taken = rest.min(nameless);
            nameless -= taken;
            if rest > taken {
                rests.push((p.n, rest - taken));
            }
        }
        rests
    }

    /// Returns how many units of each SKU the order wants held or committed, SKUs in sorted order:
    /// those ordered, neither cancelled nor back in the stock; those lost, which others take the
    /// place of; and those that an edit under way would add. Of one that is completed, what has
    /// left; of one that is dead, what was lost.
    pub fn wanted_stock(&self) -> BTreeMap<&Sku, u32> {
        let mut wanted = BTreeMap::new();
        let mut add = |sku, units| {
            if units > 0 {
                *wanted.entry(sku).or_insert(0) += units;
            }
        };
        for line in &self.lines {
            let c = line.counters;
            let units = match self.lifecycle {
                Lifecycle::Pending | Lifecycle::Confirmed => {
                    line.quantity.saturating_sub(c.cancelled)
                }
                Lifecycle::Completed => c.shipped,
                Lifecycle::Cancelling
                | Lifecycle::Cancelled
                | Lifecycle::PaymentFailed
                | Lifecycle::Rejected
                | Lifecycle::Expired => 0,
            };
            add(&line.sku, (units + c.lost).saturating_sub(c.restocked));
        }
        if let Some(edit) = self.open_edit() {
            for (sku, units) in edit.plan.further_units(&self.lines) {
                add(sku, units);
            }
        }
        wanted
    }

    /// Returns how many units of each SKU have left for good, lost ones among them, or were given
    /// out: what is to be committed. With `at_confirm`, all that is wanted, from confirmation on.
    pub fn stock_to_commit(&self, at_confirm: bool) -> BTreeMap<&Sku, u32> {
        let mut units = BTreeMap::new();
        for line in &self.lines {
            let c = line.counters;
            let all = at_confirm && self.lifecycle == Lifecycle::Confirmed;
            let left = if all {
                line.quantity.saturating_sub(c.cancelled)
            } else {
                c.shipped
            };
            *units.entry(&line.sku).or_insert(0) += (left + c.lost).saturating_sub(c.restocked);
        }
        units
    }

    /// Returns true if anything was ever sent, so that shipping has been used.
    pub(crate) fn has_left(&self) -> bool {
        self.shipments.iter().any(|s| s.state.has_left())
    }

    /// Returns the units of a SKU that have left, or were given out, and are not back in the stock.
    pub fn gone_from_stock(&self, sku: &Sku) -> u32 {
        let of_sku = self.lines.iter().filter(|l| l.sku == *sku);
        of_sku
            .map(|l| (l.counters.shipped + l.counters.lost).saturating_sub(l.counters.restocked))
            .sum()
    }

    /// Units of the lines that need shipping.
    pub fn shipment_totals(&self) -> ShipmentTotals {
        let mut t = ShipmentTotals::default();
        for line in self.lines.iter().filter(|l| l.requires_shipping) {
            t.wanted += line.quantity.saturating_sub(line.counters.cancelled);
            t.planned += line.counters.planned;
            t.shipped += line.counters.shipped;
            t.delivered += line.counters.delivered;
        }
        t
    }
}
