//! Plans an edit: the order is priced as it will be, and only what differs by it is
//! taken over.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::OrderManager;
use crate::error::{Error, Rejection, RejectionReason, Violation};
use crate::ids::{Name, ProductId, Sku};
use crate::manager::place::line;
use crate::money::Minor;
use crate::order::{
    Address, Addresses, EditPlan, Line, LineUnits, Lot, Order, PaymentTerms, PlacedLine,
    RaisedLine, RetaxedLine, ShippingPrice,
};
use crate::pricing::{LineShares, Priced, PricingLine, PricingRequest};
use crate::request::{LineRef, MAX_QUANTITY, ValidEdit, check_line_count};
use crate::rules::Command;
use crate::services::{Clients, Product, ProductService, ServiceName};
use crate::store::OrderStore;
use crate::text::Private;
use crate::time::Timestamp;

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// The command that a request means for the order as it is.
    pub(super) async fn edit_command(
        &self,
        order: &Order,
        valid: &ValidEdit,
    ) -> Result<Command, Error> {
        let changes = changes_of(order, &valid.set)?;
        let added = self.new_lines(order, valid, &changes).await?;
        check_line_count(order.visible_lines().count() + added.len())?;
        check_units(order, &changes, &added)?;
        let (plan, terms) = self.plan(order, changes, added, valid).await?;
        Ok(Command::Edit {
            plan: Box::new(plan),
            method: method_of(order, valid),
            terms,
            token: valid.token.clone(),
            return_url: valid.return_url.clone(),
            address: Private(valid.shipping_address.clone()),
        })
    }

    /// The new lines at today's prices; also checks that what is raised may still be ordered.
    async fn new_lines(
        &self,
        order: &Order,
        valid: &ValidEdit,
        changes: &Changes,
    ) -> Result<Vec<PlacedLine>, Error> {
        let raised = changes.raised.iter().filter_map(|(n, _)| order.line(*n));
        let mut wanted: Vec<ProductId> = valid
            .add
            .iter()
            .map(|i| i.product)
            .chain(raised.clone().map(|l| l.product))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let products = self.inner.clients.product();
        let answers = join_all(
            wanted
                .iter()
                .map(|id| self.within(ServiceName::Product, "get", products.get(*id))),
        )
        .await;
        let mut known: Vec<Product> = Vec::with_capacity(wanted.len());
        for (id, product) in wanted.iter().zip(answers) {
            let product = product.map_err(|source| Error::Service {
                service: ServiceName::Product,
                source,
            })?;
            known.push(product.ok_or_else(|| Error::NotFound {
                what: "product",
                id: id.to_string(),
            })?);
        }
        let find = |id: ProductId| known.iter().find(|p| p.id == id);
        if let Some(gone) = raised
            .filter_map(|l| find(l.product))
            .find(|p| !p.published)
        {
            let message = format!("product {} is not for sale", gone.sku);
            return Err(Rejection::new(RejectionReason::ProductUnpublished, message).into());
        }
        let now = self.now();
        let mut lines = Vec::with_capacity(valid.add.len());
        for (i, item) in valid.add.iter().enumerate() {
            if let Some(product) = find(item.product) {
                lines.push(line(
                    &format!("add[{i}]"),
                    item,
                    product,
                    order.currency,
                    self.inner.ids.line_id(now),
                )?);
            }
        }
        Ok(lines)
    }

    /// The plan, and when money paid by its payment method is due.
    ///
    /// Units that the order keeps keep their price and, unless they go elsewhere, their tax; a
    /// coupon counts for what was ordered when it was used, as long as what is left is worth enough
    /// for it. Shipping costs what it costs for the whole order, but never less than before once
    /// something has left.
    async fn plan(
        &self,
        order: &Order,
        changes: Changes,
        mut added: Vec<PlacedLine>,
        valid: &ValidEdit,
    ) -> Result<(EditPlan, PaymentTerms), Error> {
        let Changes { raised, lowered } = changes;
        let mut plan = EditPlan {
            lowered,
            ..EditPlan::default()
        };
        let mut left = order.clone();
        plan.apply(&mut left, order.updated_at);
        let mut raised = lots_of(order, &raised)?;
        let kept: Vec<Kept<'_>> = left
            .lines
            .iter()
            .filter(|l| l.kept() > 0)
            .map(Kept::of)
            .collect();
        if kept.is_empty() && added.is_empty() {
            // Nothing would be left to price, which is for the rules to refuse.
            return Ok((plan, order.terms));
        }

        let more = raised
            .iter()
            .filter_map(|r| order.line(r.line).map(|l| further(l, &r.lot)));
        let more: Vec<PricingLine> = more.chain(added.iter().map(new_line)).collect();
        let ships = kept.iter().any(|k| k.line.requires_shipping)
            || more.iter().any(|l| l.requires_shipping);
        let place = valid
            .shipping_address
            .as_ref()
            .filter(|to| is_elsewhere(order, to));
        let to = valid.shipping_address.as_ref().or(order
            .addresses
            .0
            .as_ref()
            .map(|Addresses { shipping, .. }| shipping));
        let whole =
            |worth: fn(&Kept<'_>) -> Minor, coupon: Option<&Name>, now: Timestamp| PricingRequest {
                user: order.user,
                currency: order.currency,
                lines: kept
                    .iter()
                    .map(|k| k.priced_at(worth(k)))
                    .chain(more.iter().cloned())
                    .collect(),
                to: Private(to.cloned()),
                // Where nothing is sent, the order's own method need not be on offer any more.
                shipping_method: valid
                    .shipping_method
                    .clone()
                    .or_else(|| order.shipping_method.clone().filter(|_| ships)),
                payment_method: method_of(order, valid),
                coupon: coupon.cloned(),
                now,
            };

        let judged = order
            .coupon
            .as_ref()
            .filter(|_| !plan.lowered.is_empty() && kept.iter().any(|k| k.coupon > 0));
        if let Some(coupon) = judged {
            plan.coupon_ends = self
                .has_too_little(&whole(|k| k.subtotal, Some(coupon), order.created_at))
                .await?;
        }
        let worth: fn(&Kept<'_>) -> Minor = if plan.coupon_ends {
            |k| k.subtotal
        } else {
            |k| k.subtotal - k.coupon
        };
        let priced = self.price(&whole(worth, None, self.now())).await?;

        let (of_kept, of_more) = priced.lines.split_at(kept.len());
        let taxed_anew = |k: &Kept<'_>| place.is_some() || (plan.coupon_ends && k.coupon > 0);
        let retaxed = kept
            .iter()
            .zip(of_kept)
            .filter(|(k, _)| taxed_anew(k))
            .map(|(k, s)| k.retaxed(s));
        plan.retaxed = retaxed.collect();
        let lots = raised
            .iter_mut()
            .map(|r| &mut r.lot)
            .chain(added.iter_mut().map(|l| &mut l.lot));
        for (
            lot,
            LineShares {
                coupon,
                tax,
                tax_included,
            },
        ) in lots.zip(of_more)
        {
            (lot.coupon, lot.tax, lot.tax_included) = (*coupon, *tax, *tax_included);
        }
        plan.shipping = shipping_after(order, &priced, place.is_some());
        plan.shipping_method = valid
            .shipping_method
            .clone()
            .filter(|m| order.shipping_method.as_ref() != Some(m));
        plan.added = added;
        plan.raised = raised;
        check_sums(order, &plan)?;
        Ok((plan, priced.terms))
    }

    /// Returns whether what the order will be is worth too little for its coupon. One that is not
    /// offered any more was when it was used, and is kept.
    async fn has_too_little(&self, request: &PricingRequest) -> Result<bool, Error> {
        match self.price(request).await {
            Ok(_) => Ok(false),
            Err(Error::Rejected(rejection)) => match rejection.reason {
                RejectionReason::CouponMinimum => Ok(true),
                RejectionReason::CouponInvalid | RejectionReason::CouponExhausted => Ok(false),
                _ => Err(rejection.into()),
            },
            Err(e) => Err(e),
        }
    }
}

/// The changes to the lines that are there: further units, and open units that go.
#[derive(Default)]
struct Changes {
    raised: Vec<(u32, u32)>,
    lowered: Vec<LineUnits>,
}

/// The units that a line keeps once the edit's fewer units have gone, and what they cost.
struct Kept<'a> {
    line: &'a Line,
    subtotal: Minor,
    coupon: Minor,
}

impl<'a> Kept<'a> {
    fn of(line: &'a Line) -> Self {
        let lots = line.kept_lots();
        Kept {
            line,
            subtotal: lots.iter().map(|l| l.subtotal).sum(),
            coupon: lots.iter().map(|l| l.coupon).sum(),
        }
    }

    fn priced_at(&self, subtotal: Minor) -> PricingLine {
        pricing_line(self.line, self.line.kept(), subtotal)
    }

    fn retaxed(&self, shares: &LineShares) -> RetaxedLine {
        let LineShares {
            coupon: _,
            tax,
            tax_included,
        } = *shares;
        RetaxedLine {
            line: self.line.n,
            units: self.line.kept(),
            tax,
            tax_included,
        }
    }
}

fn pricing_line(line: &Line, quantity: u32, subtotal: Minor) -> PricingLine {
    let Line {
        product,
        variant,
        ref sku,
        requires_shipping,
        ..
    } = *line;
    PricingLine {
        product,
        variant,
        sku: sku.clone(),
        quantity,
        subtotal,
        requires_shipping,
    }
}

fn further(line: &Line, lot: &Lot) -> PricingLine {
    pricing_line(line, lot.units, lot.subtotal)
}

fn new_line(line: &PlacedLine) -> PricingLine {
    let PlacedLine {
        product,
        variant,
        ref sku,
        ref lot,
        requires_shipping,
        ..
    } = *line;
    PricingLine {
        product,
        variant,
        sku: sku.clone(),
        quantity: lot.units,
        subtotal: lot.subtotal,
        requires_shipping,
    }
}

fn method_of(order: &Order, valid: &ValidEdit) -> Name {
    valid
        .payment_method
        .clone()
        .unwrap_or_else(|| order.payment_method.clone())
}

/// Returns the changes to the lines that are there, not priced yet. A quantity is what the customer
/// is to have: units that are cancelled or came back do not count.
fn changes_of(order: &Order, set: &[(LineRef, u32)]) -> Result<Changes, Error> {
    let mut changes = Changes::default();
    for &(line, quantity) in set {
        let n = order.line_number(line).ok_or_else(|| Error::NotFound {
            what: "item",
            id: line.to_string(),
        })?;
        let Some(line) = order.line(n) else { continue };
        let kept = line.kept();
        if kept == 0 && quantity > 0 {
            let message = format!(
                "line {n} ({}) has no unit left to keep its price: add the product anew",
                line.sku
            );
            return Err(Rejection::new(RejectionReason::NotOpen, message).into());
        }
        if quantity > kept {
            changes.raised.push((n, quantity - kept));
        } else if quantity < kept {
            changes.lowered.push(LineUnits {
                line: n,
                units: kept - quantity,
            });
        }
    }
    Ok(changes)
}

/// Lots of further units, at the price that the line's units have.
fn lots_of(order: &Order, raised: &[(u32, u32)]) -> Result<Vec<RaisedLine>, Error> {
    let lot = |&(n, units): &(u32, u32)| {
        let line = order.line(n)?;
        let exact =
            i128::from(line.subtotal) * i128::from(units) / i128::from(line.quantity.max(1));
        let Ok(subtotal) = Minor::try_from(exact) else {
            return Some(Err(too_large()));
        };
        Some(Ok(RaisedLine {
            line: n,
            lot: Lot {
                units,
                subtotal,
                coupon: 0,
                tax: 0,
                tax_included: 0,
                credit: 0,
            },
        }))
    };
    raised.iter().filter_map(lot).collect()
}

/// Refuses more units of a product than an order may have, those counted that were cancelled or
/// came back.
fn check_units(order: &Order, changes: &Changes, added: &[PlacedLine]) -> Result<(), Error> {
    let mut units: BTreeMap<&Sku, u64> = BTreeMap::new();
    let gone = |n: u32| {
        changes
            .lowered
            .iter()
            .filter(|l| l.line == n)
            .map(|l| l.units)
            .sum::<u32>()
    };
    for line in &order.lines {
        *units.entry(&line.sku).or_default() +=
            u64::from(line.quantity.saturating_sub(gone(line.n)));
    }
    let raised = changes
        .raised
        .iter()
        .filter_map(|(n, more)| order.line(*n).map(|l| ("set".to_owned(), &l.sku, *more)));
    let added = added
        .iter()
        .enumerate()
        .map(|(i, l)| (format!("add[{i}].quantity"), &l.sku, l.lot.units));
    let mut violations = Vec::new();
    for (field, sku, more) in raised.chain(added) {
        let sum = units.entry(sku).or_default();
        *sum += u64::from(more);
        if *sum > u64::from(MAX_QUANTITY) {
            let problem = format!(
                "makes {sum} units of {sku} with what was ordered before: at most 10,000 are allowed"
            );
            violations.push(Violation::new(field, problem));
        }
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(violations))
    }
}

/// Returns the price of shipping after the edit; `None` if it stays. For the same price at the
/// same place it keeps its tax; and what has been used is not given back, though more may be asked
/// for.
fn shipping_after(order: &Order, priced: &Priced, elsewhere: bool) -> Option<ShippingPrice> {
    let before = ShippingPrice::of(order);
    let after = ShippingPrice {
        shipping: priced.shipping,
        tax: priced.shipping_tax,
        tax_included: priced.shipping_tax_included,
    };
    let same = if elsewhere {
        after == before
    } else {
        after.shipping == before.shipping
    };
    let used = order.has_left() && after.total() < before.total();
    (!same && !used).then_some(after)
}

/// Refuses an edit after which the order's sums would leave 64 bits.
fn check_sums(order: &Order, plan: &EditPlan) -> Result<(), Error> {
    let parts = |lot: &Lot| [lot.subtotal, lot.tax, lot.tax_included];
    let lots = order.lines.iter().flat_map(|l| &l.lots);
    let lots = lots
        .chain(plan.raised.iter().map(|r| &r.lot))
        .chain(plan.added.iter().map(|l| &l.lot));
    let retaxed = plan.retaxed.iter().flat_map(|r| [r.tax, r.tax_included]);
    let shipping = plan
        .shipping
        .iter()
        .flat_map(|s| [s.shipping, s.tax, s.tax_included]);
    let sum: i128 = lots
        .flat_map(parts)
        .chain(retaxed)
        .chain(shipping)
        .map(i128::from)
        .sum();
    if Minor::try_from(sum).is_ok() {
        Ok(())
    } else {
        Err(too_large())
    }
}

fn too_large() -> Error {
    Error::invalid("set", "the order's amounts would be too large")
}

/// Returns whether an address is in another country or state than the order's, so that tax and
/// shipping may differ.
fn is_elsewhere(order: &Order, to: &Address) -> bool {
    order
        .addresses
        .0
        .as_ref()
        .is_none_or(|a| !a.shipping.is_in_same_place(to))
}
