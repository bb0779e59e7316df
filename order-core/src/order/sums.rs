//! What an order's records add up to: money owed, taken and sent back; stock wanted; units on their way.

use std::collections::BTreeMap;

use super::{Line, OperationKind, OperationState, Order, PaymentOperation};
use crate::allocation::share_of_units;
use crate::ids::Sku;
use crate::money::Minor;

/// What an order's payment records add up to, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OrderMoney {
    /// What the customer owes in all, before what was paid.
    pub owed: Minor,
    /// Authorized and neither captured nor voided.
    pub authorized: Minor,
    /// Captured.
    pub captured: Minor,
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

    /// What the customer owes in all: the stored shares of the units that are neither cancelled nor returned, and shipping;
    /// nothing for an order that is dead.
    pub fn owed(&self) -> Minor {
        if !self.lifecycle.is_live() {
            return 0;
        }
        let lines: Minor = self.lines.iter().map(Line::owed).sum();
        lines + self.amounts.shipping + self.amounts.shipping_tax
    }

    /// What the payment records add up to.
    pub fn money(&self) -> OrderMoney {
        let mut money = OrderMoney { owed: self.owed(), ..OrderMoney::default() };
        for p in &self.payments {
            money.captured += p.captured();
            money.refunded += p.refunded();
            money.refunding += p.refunding();
            money.authorized += self.authorized_rest(p.n);
        }
        money
    }

    /// What is authorized or captured and is not on its way back: what the order can count on, in minor units.
    pub fn secured(&self) -> Minor {
        let money = self.money();
        let voiding = |p: &PaymentOperation| self.children(p.n).any(|c| c.kind == OperationKind::Void && c.state.is_open());
        let leaving: Minor = self.payments.iter().filter(|p| voiding(p)).map(|p| self.authorized_rest(p.n)).sum();
        money.authorized - leaving + money.captured - money.refunded - money.refunding
    }

    /// How many units of each SKU the order wants held or committed, SKUs in sorted order.
    pub fn wanted_stock(&self) -> BTreeMap<&Sku, u32> {
        let mut wanted = BTreeMap::new();
        for line in &self.lines {
            let units = line.quantity - line.counters.cancelled;
            if units > 0 {
                *wanted.entry(&line.sku).or_insert(0) += units;
            }
        }
        wanted
    }

    /// Units of the lines that need shipping.
    pub fn shipment_totals(&self) -> ShipmentTotals {
        let mut t = ShipmentTotals::default();
        for line in self.lines.iter().filter(|l| l.requires_shipping) {
            t.wanted += line.quantity - line.counters.cancelled;
            t.planned += line.counters.planned;
            t.shipped += line.counters.shipped;
            t.delivered += line.counters.delivered;
        }
        t
    }
}

impl Line {
    /// Units that are ordered, not cancelled and in no live shipment.
    pub const fn open(&self) -> u32 {
        self.quantity - self.counters.cancelled - self.counters.planned - self.counters.shipped
    }

    /// The stored shares of the units that are neither cancelled nor returned. Units leave the last lot first.
    pub fn owed(&self) -> Minor {
        let mut gone = self.counters.cancelled + self.counters.returned;
        let mut owed = 0;
        for lot in self.lots.iter().rev() {
            let left = lot.units - gone.min(lot.units);
            gone -= gone.min(lot.units);
            owed += share_of_units(lot.subtotal, left, lot.units) - share_of_units(lot.coupon, left, lot.units)
                + share_of_units(lot.tax, left, lot.units);
        }
        owed
    }
}
