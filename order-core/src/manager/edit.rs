//! Edits: pricing a change to what was ordered, showing it, and asking for it.

use std::sync::Arc;

use futures_util::future::join_all;

use super::attend::Wait;
use super::commands::Asked;
use super::drive::CONFLICTS_MAX;
use super::place::line;
use super::{Answered, CommandOptions, OrderManager, Principal, authorize};
use crate::error::{Error, Rejection, RejectionReason, Violation};
use crate::ids::ProductId;
use crate::machine::{Command, decide, possible};
use crate::money::Minor;
use crate::order::{
    Address, AddressType, Addresses, CommandKey, DiscardCause, Edit, EditPlan, EditState, Event, HoldState, Line, LineUnits, Lot,
    Order, PlacedLine, RaisedLine, Reservation, RetaxedLine, ShippingPrice, Shortage,
};
use crate::pricing::{LineShares, Priced, PricingLine, PricingRequest};
use crate::request::{AddressInput, EditRequest, LineRef, MAX_QUANTITY, ValidEdit, check_line_count};
use crate::services::{Clients, Product, ProductService, ServiceName};
use crate::store::{OrderRef, OrderStore};
use crate::text::Private;

use super::Action;

/// What an edit would make of an order.
#[derive(Debug, Clone)]
pub struct EditPreview {
    /// The order as it is.
    pub before: Arc<Order>,
    /// The order as it would be.
    pub after: Box<Order>,
    /// What must be paid first, in minor units; 0 if nothing.
    pub due: Minor,
    /// What would be sent back, in minor units, of what is paid by now; 0 if nothing.
    pub back: Minor,
}

/// What came of asking for an edit.
#[derive(Debug, Clone)]
pub struct EditAnswer {
    /// The order as it is now.
    pub order: Arc<Order>,
    /// The edit's number; `None` if it changes nothing.
    pub edit: Option<u32>,
    /// How it stands: [`EditState::Open`] if it is not decided within the caller's time, or waits for the customer.
    pub state: EditState,
    /// The journal row of the same request that was made before under the same key: nothing was done now.
    pub repeats: Option<u64>,
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Prices an edit without asking for it.
    ///
    /// # Errors
    ///
    /// Those of [`Self::edit`] that come before anything is stored.
    pub async fn preview_edit(
        &self,
        principal: &Principal,
        order: OrderRef,
        request: &EditRequest,
    ) -> Result<EditPreview, Error> {
        let valid = request.validate()?;
        let before = self.load(principal, order).await?.order;
        authorize(principal, Action::Edit, Some(before.user))?;
        let command = self.edit_command(&before, &valid).await?;
        let events = decide(&before, &command, &self.env())?;
        let Some(Event::EditStarted { plan, due, .. }) = events.into_iter().next() else { return Err(nothing_changes(&before)) };
        let mut after = Box::new((*before).clone());
        plan.apply(&mut after, before.updated_at);
        let money = before.money();
        let paid = money.captured - money.refunded - money.refunding;
        let back = (paid - after.owed()).max(0) - (paid - before.owed()).max(0);
        Ok(EditPreview { due, back, before, after })
    }

    /// Changes what was ordered: prices it, secures the difference in stock and money, and applies it whole, or not at all.
    /// Waits until that is decided, only the customer or a provider can move it, or the caller's time is over.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with every violation; [`Error::NotFound`]; [`Error::KeyReused`]; [`Error::Conflict`];
    /// [`Error::Service`]; [`Error::Rejected`] when the order, a product or a line may not be changed now, and when the edit came to nothing
    /// ([`RejectionReason::OutOfStock`], [`RejectionReason::PaymentDeclined`], [`RejectionReason::EditDiscarded`]): the order is
    /// as it was then.
    pub async fn edit(
        &self,
        principal: &Principal,
        order: OrderRef,
        options: CommandOptions,
        request: EditRequest,
    ) -> Result<EditAnswer, Error> {
        let valid = request.validate()?;
        let hash = valid.request_hash();
        let (started, until) = (self.inner.runtime.monotonic(), self.answer_by(options.wait));
        for _ in 0..CONFLICTS_MAX {
            let loaded = self.load(principal, order).await?.order;
            authorize(principal, Action::Edit, Some(loaded.user))?;
            if let Some(key) = &options.key
                && let Some(row) = self.repeated_row(loaded.id, &CommandKey { key: key.clone(), hash }).await?
            {
                let n = if let Event::EditStarted { n, .. } = row.event { Some(n) } else { None };
                let order = self.attend(loaded.id, until, Wait::Quiet).await?;
                return answer(Answered { order, repeats: Some(row.seq) }, n);
            }
            let command = self.edit_command(&loaded, &valid).await?;
            let next = loaded.edits.len() as u32 + 1;
            // Priced on this version, and to be decided on no other.
            let spent = self.inner.runtime.monotonic().saturating_sub(started);
            let pinned = CommandOptions {
                key: options.key.clone(),
                expected_version: options.expected_version.or(Some(loaded.version)),
                wait: options.wait.map(|wait| wait.saturating_sub(spent)),
            };
            match self.command(principal, order, pinned, Asked { hash, ..Asked::new(&command, None) }).await {
                // Asked for twice at once: which edit it is stands in the journal.
                Ok(Answered { repeats: Some(_), .. }) => {}
                Ok(answered) => return answer(answered, Some(next)),
                Err(Error::Conflict { .. }) if options.expected_version.is_none() => {}
                Err(e) => return Err(e),
            }
        }
        Err(super::commands::too_busy(order))
    }

    /// Corrects an address; another country or state is an edit, since tax and shipping depend on it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with every violation; [`Error::NotFound`]; [`Error::Conflict`]; [`Error::Rejected`] once something
    /// has shipped, or for another country or state.
    pub async fn change_address(
        &self,
        principal: &Principal,
        order: OrderRef,
        options: CommandOptions,
        which: AddressType,
        address: &AddressInput,
    ) -> Result<Answered, Error> {
        let address = Private(Some(address.validate(which)?));
        self.command(principal, order, options, Asked::new(&Command::ChangeAddress { which, address }, None)).await
    }

    /// The command that a request means for the order as it is.
    async fn edit_command(&self, order: &Order, valid: &ValidEdit) -> Result<Command, Error> {
        let ValidEdit { add, set, shipping_address, payment_method, token, return_url } = valid;
        let changes = changes_of(order, set)?;
        let added = self.new_lines(order, valid, &changes).await?;
        let method = payment_method.clone().unwrap_or_else(|| order.payment_method.clone());
        let place = shipping_address.as_ref().filter(|to| is_elsewhere(order, to));
        check_line_count(order.lines.iter().filter(|l| l.quantity > 0).count() + add.len())?;
        let plan = self.priced(order, changes, added, place, &method).await?;
        Ok(Command::Edit {
            plan: Box::new(plan),
            method,
            token: token.clone(),
            return_url: return_url.clone(),
            address: Private(shipping_address.clone()),
        })
    }

    /// The new lines at today's prices; also checks that what is raised may still be ordered.
    async fn new_lines(&self, order: &Order, valid: &ValidEdit, changes: &Changes) -> Result<Vec<PlacedLine>, Error> {
        let raised = changes.raised.iter().filter_map(|(n, _)| order.line(*n));
        let mut wanted: Vec<ProductId> = valid.add.iter().map(|i| i.product).chain(raised.clone().map(|l| l.product)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let products = self.inner.clients.product();
        let answers = join_all(wanted.iter().map(|id| self.within(ServiceName::Product, products.get(*id)))).await;
        let mut known: Vec<Product> = Vec::with_capacity(wanted.len());
        for (id, product) in wanted.iter().zip(answers) {
            let product = product.map_err(|source| Error::Service { service: ServiceName::Product, source })?;
            known.push(product.ok_or_else(|| Error::NotFound { what: "product", id: id.to_string() })?);
        }
        let find = |id: ProductId| known.iter().find(|p| p.id == id);
        if let Some(gone) = raised.filter_map(|l| find(l.product)).find(|p| !p.published) {
            let message = format!("product {} is not for sale", gone.sku);
            return Err(Rejection::new(RejectionReason::ProductUnpublished, message).into());
        }
        let now = self.now();
        let mut lines = Vec::with_capacity(valid.add.len());
        for (i, item) in valid.add.iter().enumerate() {
            if let Some(product) = find(item.product) {
                lines.push(line(&format!("add[{i}]"), item, product, order.currency, self.inner.ids.line_id(now))?);
            }
        }
        Ok(lines)
    }

    /// The plan with tax, and with the price of shipping where the goods go elsewhere or had not to be shipped before.
    async fn priced(
        &self,
        order: &Order,
        changes: Changes,
        mut added: Vec<PlacedLine>,
        place: Option<&Address>,
        method: &crate::ids::Name,
    ) -> Result<EditPlan, Error> {
        let Changes { raised, lowered } = changes;
        let mut plan = EditPlan { lowered, ..EditPlan::default() };
        let mut left = order.clone();
        plan.apply(&mut left, order.updated_at);
        let mut raised = lots_of(order, &raised)?;
        let kept: Vec<&Line> = left.lines.iter().filter(|l| l.kept() > 0).collect();

        let new = added.iter().map(|l| pricing_line(&l.sku, &l.lot, l.requires_shipping));
        let more = raised.iter().filter_map(|r| order.line(r.line).map(|l| pricing_line(&l.sku, &r.lot, l.requires_shipping)));
        let mut lines: Vec<PricingLine> = new.chain(more).collect();
        let ships = |lines: &[PricingLine]| lines.iter().any(|l| l.requires_shipping);
        let first_to_ship = ships(&lines) && !order.lines.iter().any(|l| l.requires_shipping && l.kept() > 0);
        let old = place.map_or(0, |_| kept.len());
        if place.is_some() {
            lines.splice(
                0..0,
                kept.iter().map(|l| PricingLine {
                    sku: l.sku.clone(),
                    quantity: l.kept(),
                    subtotal: l.net_of_kept(),
                    requires_shipping: l.requires_shipping,
                }),
            );
        }
        if lines.is_empty() {
            return Ok(plan);
        }
        let priced = self.price_lines(order, lines, place, method).await?;
        let shares = |i: usize| priced.lines.get(i).copied().unwrap_or_default();
        if place.is_some() {
            let retaxed =
                |(i, l): (usize, &&Line)| RetaxedLine { line: l.n, tax: shares(i).tax, tax_included: shares(i).tax_included };
            plan.retaxed = kept.iter().enumerate().map(retaxed).collect();
        }
        for (i, lot) in added.iter_mut().map(|l| &mut l.lot).chain(raised.iter_mut().map(|r| &mut r.lot)).enumerate() {
            let LineShares { coupon: _, tax, tax_included } = shares(old + i);
            (lot.tax, lot.tax_included) = (tax, tax_included);
        }
        if place.is_some() || first_to_ship {
            let Priced { shipping, shipping_tax: tax, shipping_tax_included: tax_included, .. } = priced;
            plan.shipping = Some(ShippingPrice { shipping, tax, tax_included });
        }
        plan.added = added;
        plan.raised = raised;
        Ok(plan)
    }

    /// Prices lines as they would be for this order. A coupon counts for what was ordered when it was used, not for more.
    async fn price_lines(
        &self,
        order: &Order,
        lines: Vec<PricingLine>,
        place: Option<&Address>,
        method: &crate::ids::Name,
    ) -> Result<Priced, Error> {
        let to = place.or_else(|| order.addresses.0.as_ref().map(|Addresses { shipping, .. }| shipping));
        let request = PricingRequest {
            user: order.user,
            currency: order.currency,
            lines,
            country: to.map_or_else(String::new, |a| a.country.clone()),
            state: to.map_or_else(String::new, |a| a.state.clone()),
            shipping_method: order.shipping_method.clone(),
            payment_method: method.clone(),
            coupon: None,
            now: self.now(),
        };
        self.inner.pricing.price(&request).await
    }
}

/// What happens to the lines that are there: further units, and open units that go.
#[derive(Default)]
struct Changes {
    raised: Vec<(u32, u32)>,
    lowered: Vec<LineUnits>,
}

/// What happens to the lines that are there, not priced yet.
fn changes_of(order: &Order, set: &[(LineRef, u32)]) -> Result<Changes, Error> {
    let mut changes = Changes::default();
    for &(line, quantity) in set {
        let n = order.line_number(line).ok_or_else(|| Error::NotFound { what: "item", id: line.to_string() })?;
        let Some(line) = order.line(n) else { continue };
        if quantity > line.quantity {
            changes.raised.push((n, quantity - line.quantity));
        } else if quantity < line.quantity {
            changes.lowered.push(LineUnits { line: n, units: line.quantity - quantity });
        }
    }
    Ok(changes)
}

/// Lots of further units, at the price that the line's units have.
fn lots_of(order: &Order, raised: &[(u32, u32)]) -> Result<Vec<RaisedLine>, Error> {
    let of_sku = |sku: &crate::ids::Sku| order.lines.iter().filter(|l| l.sku == *sku).map(|l| l.quantity).sum::<u32>();
    let mut lots = Vec::with_capacity(raised.len());
    for &(n, units) in raised {
        let Some(line) = order.line(n) else { continue };
        if of_sku(&line.sku).saturating_add(units) > MAX_QUANTITY {
            let problem = format!("{units} more units of {} make more than 10,000", line.sku);
            return Err(Error::Invalid(vec![Violation::new("set", problem)]));
        }
        let subtotal = line.subtotal * Minor::from(units) / Minor::from(line.quantity.max(1));
        let lot = Lot { units, subtotal, coupon: 0, tax: 0, tax_included: 0, credit: 0 };
        lots.push(RaisedLine { line: n, lot });
    }
    Ok(lots)
}

fn pricing_line(sku: &crate::ids::Sku, lot: &Lot, requires_shipping: bool) -> PricingLine {
    PricingLine { sku: sku.clone(), quantity: lot.units, subtotal: lot.subtotal, requires_shipping }
}

/// Whether an address is in another country or state than the order's, so that tax and shipping may differ.
fn is_elsewhere(order: &Order, to: &Address) -> bool {
    order.addresses.0.as_ref().is_none_or(|a| !a.shipping.is_in_same_place(to))
}

fn nothing_changes(order: &Order) -> Error {
    Rejection::new(RejectionReason::NotOpen, format!("nothing of order {} would change", order.number)).into()
}

/// The answer for edit `n` of the order as it is now; a refusal if it came to nothing.
fn answer(answered: Answered, n: Option<u32>) -> Result<EditAnswer, Error> {
    let Answered { order, repeats } = answered;
    let edit = n.and_then(|n| order.edits.iter().find(|e| e.n == n));
    let Some(edit) = edit else {
        return Ok(EditAnswer { order, edit: None, state: EditState::Applied, repeats });
    };
    let (n, state) = (edit.n, edit.state);
    if state != EditState::Discarded {
        return Ok(EditAnswer { order, edit: Some(n), state, repeats });
    }
    let (reason, why) = match edit.cause {
        Some(DiscardCause::StockRefused) => (RejectionReason::OutOfStock, "the inventory has too little"),
        Some(DiscardCause::PaymentFailed) => (RejectionReason::PaymentDeclined, "the difference was not paid"),
        Some(DiscardCause::Expired) => (RejectionReason::EditDiscarded, "it took too long"),
        Some(DiscardCause::OutOfDate) => (RejectionReason::EditDiscarded, "what it was to change has gone meanwhile"),
        Some(DiscardCause::OrderOver) => (RejectionReason::EditDiscarded, "the order is over"),
        Some(DiscardCause::Requested) | None => (RejectionReason::EditDiscarded, "it was called off"),
    };
    let message = format!("edit {n} of order {} was discarded, the order is as it was: {why}", order.number);
    let rejection = Rejection {
        order: Some((order.id, order.number)),
        shortages: if reason == RejectionReason::OutOfStock { missing(&order, edit) } else { Vec::new() },
        possible: possible(&order, order.updated_at),
        ..Rejection::new(reason, message)
    };
    Err(rejection.into())
}

/// What the inventory refused while the edit was under way.
fn missing(order: &Order, edit: &Edit) -> Vec<Shortage> {
    let end = edit.reservation_end.unwrap_or(u32::MAX);
    let its = |r: &&Reservation| r.state == HoldState::Refused && (edit.reservation..end).contains(&r.n);
    let refused = order.reservations.iter().filter(its);
    refused.map(|r| Shortage { sku: r.sku.clone(), requested: r.quantity, available: r.available }).collect()
}
