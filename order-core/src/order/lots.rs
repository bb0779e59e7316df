//! The arithmetic of a line's lots: which units' shares stay, go, or change. Shares are minor
//! units.
//!
//! Units stand in the order of their lots. Units that are cancelled or returned are always the last
//! ones; what a line keeps is a run of units from the first on, and shares are cumulative over it,
//! so that any sequence of steps adds up.

use super::{Counters, Line, Lot, PlacedLine};
use crate::allocation::{largest_remainder, share_of_units};
use crate::money::Minor;
use crate::time::Timestamp;

impl Lot {
    /// Returns what the units cost with everything: subtotal − coupon + added tax − credits.
    pub const fn total(&self) -> Minor {
        self.subtotal - self.coupon + self.tax - self.credit
    }

    /// The lot of the first `k` units, and the lot of the others: nothing is lost, and the first
    /// carry exactly [`share_of_units`] of the total. Tax, coupon or credit, whichever can, takes
    /// the minor units that splitting each amount by itself would leave between; what a unit costs
    /// in the shop stays as it is.
    fn split(&self, k: u32) -> (Lot, Lot) {
        let first = |amount| share_of_units(amount, k, self.units);
        let mut head = Lot {
            units: k,
            subtotal: first(self.subtotal),
            coupon: first(self.coupon),
            tax: first(self.tax),
            tax_included: first(self.tax_included),
            credit: first(self.credit),
        };
        let mut left = first(self.total()) - head.total();
        for (part, whole, sign) in [
            (&mut head.tax, self.tax, 1),
            (&mut head.coupon, self.coupon, -1),
            (&mut head.credit, self.credit, -1),
        ] {
            let moved = (*part + sign * left).clamp(0, whole) - *part;
            *part += moved;
            left -= sign * moved;
        }
        head.subtotal += left;
        let tail = Lot {
            units: self.units - k,
            subtotal: self.subtotal - head.subtotal,
            coupon: self.coupon - head.coupon,
            tax: self.tax - head.tax,
            tax_included: self.tax_included - head.tax_included,
            credit: self.credit - head.credit,
        };
        (head, tail)
    }
}

impl Line {
    /// The line as it was ordered: one lot.
    pub(crate) fn placed(l: &PlacedLine, n: u32, at: Timestamp) -> Line {
        let PlacedLine {
            id,
            product,
            variant,
            sku,
            name,
            unit_price,
            discount,
            requires_shipping,
            lot,
        } = l;
        Line {
            n,
            id: *id,
            product: *product,
            variant: *variant,
            sku: sku.clone(),
            name: name.clone(),
            quantity: lot.units,
            unit_price: *unit_price,
            discount: *discount,
            subtotal: lot.subtotal,
            requires_shipping: *requires_shipping,
            counters: Counters::default(),
            lots: vec![*lot],
            created_at: at,
            updated_at: at,
        }
    }

    /// Units that are neither cancelled nor returned.
    pub const fn kept(&self) -> u32 {
        self.quantity
            .saturating_sub(self.counters.cancelled + self.counters.returned)
    }

    /// Units that are ordered, not cancelled and in no live shipment.
    pub const fn open(&self) -> u32 {
        self.quantity
            .saturating_sub(self.counters.cancelled + self.counters.planned + self.counters.shipped)
    }

    /// The stored shares of the units that are neither cancelled nor returned.
    pub fn owed(&self) -> Minor {
        self.total_of_first(self.kept())
    }

    /// The stored shares of the line's first `units` units.
    pub(crate) fn total_of_first(&self, mut units: u32) -> Minor {
        let mut total = 0;
        for lot in &self.lots {
            let k = units.min(lot.units);
            units -= k;
            total += share_of_units(lot.total(), k, lot.units);
        }
        total
    }

    /// The lots of the units it keeps.
    pub(crate) fn kept_lots(&self) -> Vec<Lot> {
        self.lots_at(self.kept()).0
    }

    /// Tax contained in the prices of all its units.
    pub(crate) fn tax_included(&self) -> Minor {
        self.lots.iter().map(|lot| lot.tax_included).sum()
    }

    /// The lots of the units it keeps and the lots of those it does not.
    fn lots_at(&self, mut units: u32) -> (Vec<Lot>, Vec<Lot>) {
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        for lot in &self.lots {
            let k = units.min(lot.units);
            units -= k;
            if k == lot.units {
                head.push(*lot);
            } else if k == 0 {
                tail.push(*lot);
            } else {
                let (first, rest) = lot.split(k);
                head.push(first);
                tail.push(rest);
            }
        }
        (head, tail)
    }

    /// Takes `amount` off what the kept units are owed: later shares of them are smaller.
    pub(crate) fn credit(&mut self, amount: Minor) {
        let (mut kept, gone) = self.lots_at(self.kept());
        let weights: Vec<Minor> = kept.iter().map(Lot::total).collect();
        for (lot, part) in kept.iter_mut().zip(largest_remainder(amount, &weights)) {
            lot.credit += part;
        }
        kept.extend(gone);
        self.lots = kept;
    }

    /// Takes the last `units` kept units off the line, as if they had never been ordered.
    pub(crate) fn take_off(&mut self, units: u32) {
        let (kept, gone) = self.lots_at(self.kept());
        let mut left: u32 = kept
            .iter()
            .map(|lot| lot.units)
            .sum::<u32>()
            .saturating_sub(units);
        let mut lots = Vec::new();
        for lot in kept {
            let k = left.min(lot.units);
            left -= k;
            if k > 0 {
                lots.push(if k == lot.units { lot } else { lot.split(k).0 });
            }
        }
        lots.extend(gone);
        self.lots = lots;
        self.recount();
    }

    /// Adds a lot of further units, before those that are gone.
    pub(crate) fn add_lot(&mut self, lot: Lot) {
        let (mut kept, gone) = self.lots_at(self.kept());
        kept.push(lot);
        kept.extend(gone);
        self.lots = kept;
        self.recount();
    }

    /// Takes the coupon off the kept units: they cost more by it.
    pub(crate) fn drop_coupon(&mut self) {
        let (mut kept, gone) = self.lots_at(self.kept());
        kept.iter_mut().for_each(|lot| lot.coupon = 0);
        kept.extend(gone);
        self.lots = kept;
    }

    /// Gives the kept units other shares of tax, in all.
    pub(crate) fn retax(&mut self, tax: Minor, tax_included: Minor) {
        let (mut kept, gone) = self.lots_at(self.kept());
        let weights: Vec<Minor> = kept.iter().map(|lot| lot.subtotal - lot.coupon).collect();
        let taxes = largest_remainder(tax, &weights);
        let included = largest_remainder(tax_included, &weights);
        for ((lot, tax), tax_included) in kept.iter_mut().zip(taxes).zip(included) {
            lot.tax = tax;
            lot.tax_included = tax_included;
            // What was taken off is at most what there is to pay now.
            lot.credit = lot.credit.min(lot.subtotal - lot.coupon + tax);
        }
        kept.extend(gone);
        self.lots = kept;
    }

    fn recount(&mut self) {
        self.quantity = self.lots.iter().map(|lot| lot.units).sum();
        self.subtotal = self.lots.iter().map(|lot| lot.subtotal).sum();
        self.discount = Minor::from(self.quantity) * self.unit_price - self.subtotal;
    }
}
