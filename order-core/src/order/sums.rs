//! What an order's records add up to: money owed, taken and sent back; stock wanted; units on their way.

use std::collections::BTreeMap;

use super::{CreditKind, EditPlan, Lifecycle, Line, OperationKind, OperationState, Order, PaymentOperation, PaymentTerms};
use crate::ids::Sku;
use crate::money::Minor;
use crate::planted::{Bug, planted};

/// What an order's payment records add up to, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderMoney {
    /// What the customer owes in all, before what was paid.
    pub owed: Minor,
    /// Authorized and neither captured nor voided.
    pub authorized: Minor,
    /// Captured.
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
    /// Left.
    pub shipped: u32,
    /// Arrived.
    pub delivered: u32,
}

impl Order {
    /// What of operation `p` was captured and counts. What a provider says of an authorization as a whole includes what was
    /// captured from it.
    pub fn captured_of(&self, p: &PaymentOperation) -> Minor {
        match p.kind {
            OperationKind::Authorize => {
                let by_captures: Minor = self.children(p.n).map(PaymentOperation::captured).sum();
                (p.captured() - by_captures).max(0)
            }
            _ => p.captured(),
        }
    }

    /// What of authorization `n` is neither captured nor given up.
    pub fn authorized_rest(&self, n: u32) -> Minor {
        match self.payment(n) {
            Some(p) if p.kind == OperationKind::Authorize && p.state == OperationState::Authorized => {
                let taken: Minor = self.children(n).map(PaymentOperation::captured).sum();
                (p.settled.clamp(0, p.amount) - taken).max(0)
            }
            _ => 0,
        }
    }

    /// What the customer owes in all: the stored shares of the units that are neither cancelled nor returned, and shipping
    /// while something ships or has, less credits, never below 0; nothing for an order that is dead.
    pub fn owed(&self) -> Minor {
        if !self.lifecycle.is_live() {
            return 0;
        }
        let lines: Minor = self.lines.iter().map(Line::owed).sum();
        (lines + self.shipping_owed() - self.goodwill()).max(0)
    }

    /// What shipping costs, with the tax on it, as long as there is something to be sent or something was.
    fn shipping_owed(&self) -> Minor {
        let ships = self.lines.iter().any(|l| l.requires_shipping && l.kept() > 0);
        if ships || self.has_sent() { self.amounts.shipping + self.amounts.shipping_tax } else { 0 }
    }

    /// Whether something was sent that counts whatever becomes of it: it was returned, or is in a shipment that was never
    /// taken for lost, and may have come back. One that was lost and turns up makes nobody owe again what they no longer did.
    fn has_sent(&self) -> bool {
        self.lines.iter().any(|l| l.requires_shipping && l.counters.returned > 0)
            || self.shipments.iter().any(|s| s.state.has_left() && s.lost_at.is_none())
    }

    /// Credits for the order as a whole.
    fn goodwill(&self) -> Minor {
        self.credits.iter().filter(|c| c.kind != CreditKind::Line).map(|c| c.amount).sum()
    }

    /// What is owed, and what an edit under way would make owed on top.
    pub fn claimed(&self) -> Minor {
        let owed = self.owed();
        match self.open_edit() {
            Some(edit) if self.lifecycle.is_live() => owed.max(self.owed_after(&edit.plan)),
            _ => owed,
        }
    }

    /// What would be owed if `plan` were applied now.
    pub(crate) fn owed_after(&self, plan: &EditPlan) -> Minor {
        let mut edited = self.clone();
        plan.apply(&mut edited, self.updated_at);
        edited.owed()
    }

    /// What of it is due by now, as the payment terms say: all from the start; or the shares of what has left, with shipping
    /// as soon as anything has, and of what needs no shipping from confirmation on. Nothing where nothing is charged.
    pub fn due(&self) -> Minor {
        match self.terms {
            PaymentTerms::Confirm => self.owed(),
            PaymentTerms::Shipment => self.due_when_shipped(|l| l.counters.shipped),
            PaymentTerms::Invoice | PaymentTerms::Delivery => 0,
        }
    }

    /// What is due once so many units of each line have left.
    pub(crate) fn due_when_shipped(&self, shipped: impl Fn(&Line) -> u32) -> Minor {
        if !matches!(self.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed) {
            return 0;
        }
        let left = |l: &Line| match l.requires_shipping {
            true => shipped(l).saturating_sub(l.counters.returned),
            false => l.kept(),
        };
        let lines: Minor = self.lines.iter().map(|l| l.total_of_first(left(l).min(l.kept()))).sum();
        // Nothing is left to be shipped: all that is owed is due.
        if self.lines.iter().all(|l| left(l) >= l.kept()) {
            return self.owed();
        }
        let begun = self.has_sent() || self.lines.iter().any(|l| l.requires_shipping && shipped(l) > 0);
        let shipping = if begun { self.shipping_owed() } else { 0 };
        (lines + shipping - self.goodwill()).clamp(0, self.owed())
    }

    /// What the payment records add up to.
    pub fn money(&self) -> OrderMoney {
        let mut money = OrderMoney { owed: self.owed(), ..OrderMoney::default() };
        for p in &self.payments {
            money.captured += self.captured_of(p);
            money.refunded += p.refunded();
            money.refunding += p.refunding();
            money.capturing += p.capturing();
            money.authorized += self.authorized_rest(p.n);
        }
        money
    }

    /// What is captured and not on its way back, in minor units: captured − refunded − refunding, unless more is said to have
    /// gone back than came in. Such a refund takes back what came in before it, and nothing of what comes in later: else the
    /// engine would charge the customer to make up for it.
    pub fn kept(&self) -> Minor {
        let mut kept: Vec<Minor> = self.payments.iter().map(|p| self.captured_of(p)).collect();
        for refund in self.payments.iter().filter(|p| p.kind == OperationKind::Refund) {
            let mut gone = refund.refunded() + refund.refunding();
            let earlier = (1..refund.n).rev();
            for n in refund.parent.into_iter().chain(earlier) {
                if let Some(of) = n.checked_sub(1).and_then(|i| kept.get_mut(i as usize)) {
                    let taken = gone.min(*of);
                    *of -= taken;
                    gone -= taken;
                }
            }
        }
        kept.into_iter().sum()
    }

    /// What is authorized, or captured, and not on its way back: what the order can count on, in minor units.
    pub fn secured(&self) -> Minor {
        let money = self.money();
        let voiding = |p: &PaymentOperation| self.children(p.n).any(|c| c.kind == OperationKind::Void && c.state.is_open());
        let leaving: Minor = self.payments.iter().filter(|p| voiding(p)).map(|p| self.authorized_rest(p.n)).sum();
        money.authorized - leaving + self.kept()
    }

    /// How many units of each SKU the order wants held or committed, SKUs in sorted order: those ordered, neither cancelled
    /// nor back in the stock; those lost, which others take the place of; and those that an edit under way would add. Of one
    /// that is completed, what has left; of one that is dead, what was lost.
    pub fn wanted_stock(&self) -> BTreeMap<&Sku, u32> {
        let mut wanted = BTreeMap::new();
        let mut add = |sku, units| {
            if units > 0 {
                *wanted.entry(sku).or_insert(0) += units;
            }
        };
        for line in &self.lines {
            let c = line.counters;
            let cancelled = if planted(Bug::CancelledKeepsStock) { 0 } else { c.cancelled };
            let units = match self.lifecycle {
                Lifecycle::Pending | Lifecycle::Confirmed => line.quantity.saturating_sub(cancelled),
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

    /// How many units of each SKU have left for good, lost ones among them, or were given out: what is to be committed. With
    /// `at_confirm`, all that is wanted, from confirmation on.
    pub fn stock_to_commit(&self, at_confirm: bool) -> BTreeMap<&Sku, u32> {
        let mut units = BTreeMap::new();
        for line in &self.lines {
            let c = line.counters;
            let all = at_confirm && self.lifecycle == Lifecycle::Confirmed;
            let left = if all { line.quantity.saturating_sub(c.cancelled) } else { c.shipped };
            *units.entry(&line.sku).or_insert(0) += (left + c.lost).saturating_sub(c.restocked);
        }
        units
    }

    /// How many units of a SKU have left, or were given out, and are not back in the stock.
    pub(crate) fn gone_from_stock(&self, sku: &Sku) -> u32 {
        let of_sku = self.lines.iter().filter(|l| l.sku == *sku);
        of_sku.map(|l| (l.counters.shipped + l.counters.lost).saturating_sub(l.counters.restocked)).sum()
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
