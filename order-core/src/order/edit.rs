//! Edits: changes to what was ordered, prepared beside the order and applied whole or not at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text_enum::text_enum;
use super::{Address, Amounts, Line, LineUnits, Lot, Numbered, Order, PlacedLine};
use crate::ids::{Name, Sku};
use crate::money::Minor;
use crate::text::Private;
use crate::time::Timestamp;

text_enum! {
    /// The state of an edit.
    EditState, "edit state" {
        /// The difference in stock and money is being secured.
        Open = "OPEN",
        /// The order has become what the edit says.
        Applied = "APPLIED",
        /// The order stays as it was; what was secured for the edit goes back.
        Discarded = "DISCARDED",
    }
}

text_enum! {
    /// The reason why an edit came to nothing.
    DiscardCause, "discard cause" {
        /// The inventory has too little of something.
        StockRefused = "STOCK_REFUSED",
        /// The difference was not paid.
        PaymentFailed = "PAYMENT_FAILED",
        /// It took too long.
        Expired = "EXPIRED",
        /// The units it was to change have shipped, or are gone, meanwhile.
        OutOfDate = "OUT_OF_DATE",
        /// The order is over.
        OrderOver = "ORDER_OVER",
        /// Somebody called it off.
        Requested = "REQUESTED",
    }
}

/// More units of a line: a lot of their own, so that the units ordered before keep their price and
/// shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaisedLine {
    /// The line's number.
    pub line: u32,
    /// The further units, at the line's unit price.
    pub lot: Lot,
}

/// A line whose tax changes: the goods go to another country or state, or a coupon no longer counts
/// for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetaxedLine {
    /// The line's number.
    pub line: u32,
    /// The units that the line keeps: the shares are for these.
    pub units: u32,
    /// Tax added for the units that are kept.
    pub tax: Minor,
    /// Tax contained in the price of the units that are kept.
    pub tax_included: Minor,
}

/// The price of shipping after the edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingPrice {
    /// Without the tax added to it.
    pub shipping: Minor,
    /// Tax added to it.
    pub tax: Minor,
    /// Tax contained in it.
    pub tax_included: Minor,
}

/// The changes of an edit, priced. Amounts are minor units of the order's currency.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EditPlan {
    /// New lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<PlacedLine>,
    /// More units of lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raised: Vec<RaisedLine>,
    /// Fewer units of lines: open ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lowered: Vec<LineUnits>,
    /// True if the coupon no longer counts: its rest comes off the units that are kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub coupon_ends: bool,
    /// Tax that changes with the place the goods go to, or with the coupon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retaxed: Vec<RetaxedLine>,
    /// The price of shipping, if it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping: Option<ShippingPrice>,
    /// The new shipping method, if it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_method: Option<Name>,
}

impl ShippingPrice {
    /// Returns what shipping costs as the order is.
    pub(crate) fn of(order: &Order) -> ShippingPrice {
        let Amounts {
            shipping,
            shipping_tax: tax,
            tax_included,
            ..
        } = order.amounts;
        let of_lines: Minor = order.lines.iter().map(Line::tax_included).sum();
        ShippingPrice {
            shipping,
            tax,
            tax_included: tax_included - of_lines,
        }
    }

    /// Returns what the customer pays for it.
    pub(crate) const fn total(&self) -> Minor {
        self.shipping + self.tax
    }
}

/// A change to what was ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// 1, 2, … within the order.
    pub n: u32,
    /// The changes.
    pub plan: EditPlan,
    /// Its state.
    pub state: EditState,
    /// The reason why it came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<DiscardCause>,
    /// The amount to be paid before it applies, in minor units: what is owed rises by so much.
    #[serde(default)]
    pub due: Minor,
    /// The first payment operation that may be for it; `None` if nothing is to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<u32>,
    /// The first reservation that may be for it.
    #[serde(default)]
    pub reservation: u32,
    /// Once it is over, the first reservation that cannot be for it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_end: Option<u32>,
    /// The end of the time it may take.
    pub deadline: Timestamp,
    /// The time at which it was asked for.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub updated_at: Timestamp,
    /// The new shipping address, if it changes: not in the journal, and erased once the edit is
    /// over.
    #[serde(skip)]
    pub address: Private<Address>,
}

impl EditPlan {
    /// Returns true if it changes nothing.
    pub fn is_empty(&self) -> bool {
        let EditPlan {
            added,
            raised,
            lowered,
            coupon_ends,
            retaxed,
            shipping,
            shipping_method,
        } = self;
        let lines =
            added.is_empty() && raised.is_empty() && lowered.is_empty() && retaxed.is_empty();
        lines && !coupon_ends && shipping.is_none() && shipping_method.is_none()
    }

    /// The units of each SKU it needs besides those the order has: what it takes off one line
    /// serves another of that SKU.
    pub(crate) fn further_units<'a>(&'a self, lines: &'a [Line]) -> BTreeMap<&'a Sku, u32> {
        let sku = |n: u32| lines.numbered(n).map(|line| &line.sku);
        let raised = self
            .raised
            .iter()
            .filter_map(|r| Some((sku(r.line)?, r.lot.units)));
        let mut further = BTreeMap::new();
        for (sku, units) in self
            .added
            .iter()
            .map(|l| (&l.sku, l.lot.units))
            .chain(raised)
        {
            *further.entry(sku).or_insert(0) += units;
        }
        for (sku, units) in self
            .lowered
            .iter()
            .filter_map(|l| Some((sku(l.line)?, l.units)))
        {
            if let Some(more) = further.get_mut(sku) {
                *more = more.saturating_sub(units);
            }
        }
        further
    }

    /// Returns true if the order still has what the edit is to change, and has not used what it
    /// would give back.
    pub(crate) fn fits(&self, order: &Order) -> bool {
        let kept = |n: u32| order.line(n).map_or(0, Line::kept);
        let open = |n: u32| order.line(n).map_or(0, Line::open);
        let fewer = |n: u32| {
            self.lowered
                .iter()
                .filter(|l| l.line == n)
                .map(|l| l.units)
                .sum::<u32>()
        };
        let lowers = self.lowered.iter().all(|l| l.units <= open(l.line));
        let raises = self.raised.iter().all(|r| kept(r.line) > 0);
        let taxed = |r: &RetaxedLine| kept(r.line).saturating_sub(fewer(r.line)) == r.units;
        let retaxes = self.retaxed.iter().all(|r| taxed(r) && r.units > 0);
        // What has been sent was sent at the price of then.
        let cheaper = |s: ShippingPrice| s.total() < ShippingPrice::of(order).total();
        let ships = !(order.has_left() && self.shipping.is_some_and(cheaper));
        // Not the last unit: an order without any is to be cancelled.
        let kept: u32 = order.lines.iter().map(Line::kept).sum();
        let fewer: u32 = self.lowered.iter().map(|l| l.units).sum();
        let leaves_some = !self.added.is_empty() || !self.raised.is_empty() || kept > fewer;
        lowers && raises && retaxes && ships && leaves_some
    }

    /// Changes the order's lines and sums.
    pub(crate) fn apply(&self, order: &mut Order, at: Timestamp) {
        let EditPlan {
            added,
            raised,
            lowered,
            coupon_ends,
            retaxed,
            shipping,
            shipping_method,
        } = self;
        let shipping_included = ShippingPrice::of(order).tax_included;
        for LineUnits { line, units } in lowered {
            order.with_line(*line, at, |l| l.take_off(*units));
        }
        if *coupon_ends {
            order.lines.iter_mut().for_each(Line::drop_coupon);
        }
        for RetaxedLine {
            line,
            units: _,
            tax,
            tax_included,
        } in retaxed
        {
            order.with_line(*line, at, |l| l.retax(*tax, *tax_included));
        }
        for RaisedLine { line, lot } in raised {
            order.with_line(*line, at, |l| l.add_lot(*lot));
        }
        for placed in added {
            let n = order.lines.next_number();
            order.lines.push(Line::placed(placed, n, at));
        }
        if shipping_method.is_some() {
            order.shipping_method.clone_from(shipping_method);
        }
        let amounts = &mut order.amounts;
        amounts.subtotal = order.lines.iter().map(|l| l.subtotal).sum();
        amounts.discount = order
            .lines
            .iter()
            .flat_map(|l| &l.lots)
            .map(|lot| lot.coupon)
            .sum();
        amounts.tax_included =
            order.lines.iter().map(Line::tax_included).sum::<Minor>() + shipping_included;
        if let Some(ShippingPrice {
            shipping,
            tax,
            tax_included,
        }) = *shipping
        {
            amounts.shipping = shipping;
            amounts.shipping_tax = tax;
            amounts.tax_included += tax_included - shipping_included;
        }
        let lines_tax: Minor = order
            .lines
            .iter()
            .flat_map(|l| &l.lots)
            .map(|lot| lot.tax)
            .sum();
        amounts.tax = lines_tax + amounts.shipping_tax;
        amounts.total = amounts.subtotal + amounts.tax + amounts.shipping - amounts.discount;
    }
}
