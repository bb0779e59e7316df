//! Changes to what was ordered and where it goes.

use super::{illegal, not_now};
use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::machine::payments::attempt_outstanding;
use crate::machine::{Command, Env, covered};
use crate::order::{Address, AddressType, DiscardCause, EditPlan, Event, Lifecycle, LineUnits, Order, PaymentTerms};
use crate::text::Private;

type Paying<'a> = (&'a Name, PaymentTerms, &'a Private<String>, &'a Private<String>, &'a Private<Address>);

pub(super) fn start(
    order: &Order,
    command: &Command,
    plan: &EditPlan,
    (method, terms, token, return_url, address): Paying<'_>,
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    if !matches!(order.lifecycle, Lifecycle::Pending | Lifecycle::Confirmed) {
        return Err(illegal(order, command));
    }
    if let Some(edit) = order.open_edit() {
        let why = format!("edit {} is under way until {}", edit.n, edit.deadline);
        return Err(not_now(order, command, RejectionReason::EditUnderWay, why));
    }
    if attempt_outstanding(order, true) {
        return Err(not_now(order, command, RejectionReason::PaymentUnderWay, "a payment is under way"));
    }
    if !covered(order) {
        return Err(not_now(order, command, RejectionReason::NotCovered, "what is owed so far is not paid or authorized"));
    }
    if plan.is_empty() && address.0.is_none() {
        return Ok(Vec::new());
    }
    if address.0.is_some() && has_shipped(order) {
        return Err(not_now(order, command, RejectionReason::NotOpen, "something has shipped to its address already"));
    }
    for LineUnits { line: n, units } in &plan.lowered {
        if let Some(line) = order.line(*n).filter(|l| *units > l.open()) {
            let (quantity, bound) = (line.kept().saturating_sub(*units), line.kept().saturating_sub(line.open()));
            let why = format!("{quantity} is too few for line {n} ({}), {bound} units are shipped or in a shipment", line.sku);
            return Err(not_now(order, command, RejectionReason::NotOpen, why));
        }
    }
    if !plan.fits(order) {
        let why = "only open units can be changed, and at least one unit must be left: cancel the order to be rid of all";
        return Err(not_now(order, command, RejectionReason::NotOpen, why));
    }
    let due = (order.owed_after(plan) - order.owed()).max(0);
    let is_charged = |terms| matches!(terms, PaymentTerms::Confirm | PaymentTerms::Shipment);
    if due > 0 && is_charged(order.terms) && !is_charged(terms) {
        return Err(not_now(order, command, RejectionReason::NothingToPay, format!("nothing is charged by {method}")));
    }
    Ok(vec![Event::EditStarted {
        n: order.edits.len() as u32 + 1,
        plan: Box::new(plan.clone()),
        due,
        method: method.clone(),
        deadline: env.now.after(env.policy.placing_deadline),
        token: token.clone(),
        return_url: return_url.clone(),
        address: address.clone(),
    }])
}

pub(super) fn discard(order: &Order, command: &Command) -> Result<Vec<Event>, Rejection> {
    match order.open_edit() {
        Some(edit) => Ok(vec![Event::EditDiscarded { n: edit.n, cause: DiscardCause::Requested }]),
        None => Err(not_now(order, command, RejectionReason::NoSuchRecord, "no edit is under way")),
    }
}

/// Whether an address may still be corrected: nothing has shipped, and the order is not over.
pub(super) fn may_change_address(order: &Order) -> bool {
    let over = order.lifecycle.is_terminal() || order.lifecycle == Lifecycle::Completed;
    !over && !has_shipped(order) && order.redacted_at.is_none()
}

fn has_shipped(order: &Order) -> bool {
    order.lines.iter().any(|l| l.counters.shipped > 0)
}

pub(super) fn change_address(
    order: &Order,
    command: &Command,
    which: AddressType,
    address: &Private<Address>,
) -> Result<Vec<Event>, Rejection> {
    let over = order.lifecycle.is_terminal() || order.lifecycle == Lifecycle::Completed || order.redacted_at.is_some();
    if over {
        return Err(illegal(order, command));
    }
    if which == AddressType::Shipping && has_shipped(order) {
        return Err(not_now(order, command, RejectionReason::NotOpen, "something has shipped to its address already"));
    }
    let before = order.addresses.0.as_ref().map(|a| match which {
        AddressType::Shipping => &a.shipping,
        AddressType::Billing => &a.billing,
    });
    let (Some(before), Some(after)) = (before, &address.0) else { return Ok(Vec::new()) };
    if before == after {
        return Ok(Vec::new());
    }
    if which == AddressType::Shipping && !before.is_in_same_place(after) {
        let why = "tax and shipping depend on country and state: edit the order instead";
        return Err(not_now(order, command, RejectionReason::OtherTaxPlace, why));
    }
    Ok(vec![Event::AddressChanged { which, address: address.clone() }])
}
