//! Changes to what was ordered and where it goes.

use super::payment::pay::not_charged;
use super::payment::state::{attempt_outstanding, edit_deadline, is_covered, is_for_edit};
use super::refusal::{illegal, not_now};
use super::stock::state::{Stock, sku_stock};
use super::{Command, Env};
use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::order::{
    Address, AddressType, DiscardCause, Edit, EditPlan, EditState, Event, Lifecycle, Line,
    LineUnits, Lot, Numbered, Order, PaymentOperation, PaymentTerms, RaisedLine, ShipmentState,
};
use crate::text::Private;
use crate::time::Timestamp;

type Paying<'a> = (
    &'a Name,
    PaymentTerms,
    &'a Private<String>,
    &'a Private<String>,
    &'a Private<Address>,
);

/// Returns edits that need no payment, the end of one that is under way, and a correction of each
/// address.
pub(super) fn samples(order: &Order) -> Vec<Command> {
    let mut samples: Vec<Command> = sample_plans(order)
        .into_iter()
        .map(|plan| Command::Edit {
            plan: Box::new(plan),
            method: order.payment_method.clone(),
            terms: order.terms,
            token: Private(None),
            return_url: Private(None),
            address: Private(None),
        })
        .collect();
    samples.push(Command::DiscardEdit);
    let addresses = order.addresses.0.iter();
    samples.extend(addresses.flat_map(|a| {
        let corrected = |address: &Address| {
            let mut address = address.clone();
            address.last_name.push('.');
            Private(Some(address))
        };
        [
            (AddressType::Shipping, corrected(&a.shipping)),
            (AddressType::Billing, corrected(&a.billing)),
        ]
        .map(|(which, address)| Command::ChangeAddress { which, address })
    }));
    samples
}

/// Returns changes that make nothing dearer: a free unit more, a unit less of each line, and as
/// little as can be left.
fn sample_plans(order: &Order) -> Vec<EditPlan> {
    let kept = order.lines.iter().find(|l| l.kept() > 0);
    let raised = kept.map(|l| EditPlan {
        raised: vec![RaisedLine {
            line: l.n,
            lot: Lot {
                units: 1,
                subtotal: 0,
                coupon: 0,
                tax: 0,
                tax_included: 0,
                credit: 0,
            },
        }],
        ..EditPlan::default()
    });
    let less = |lowered| EditPlan {
        lowered,
        ..EditPlan::default()
    };
    let open = || order.lines.iter().filter(|l| l.open() > 0);
    let of = |line: u32, units: u32| LineUnits { line, units };
    let kept: u32 = order.lines.iter().map(Line::kept).sum();
    let mut least: Vec<LineUnits> = open().map(|l| of(l.n, l.open())).collect();
    if least.iter().map(|l| l.units).sum::<u32>() == kept
        && let Some(last) = least.last_mut()
    {
        last.units -= 1;
    }
    least.retain(|l| l.units > 0);
    let by_one = open().map(|l| less(vec![of(l.n, 1)]));
    raised
        .into_iter()
        .chain(by_one)
        .chain([less(least)])
        .collect()
}

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
        return Err(not_now(
            order,
            command,
            RejectionReason::PaymentUnderWay,
            "a payment is under way",
        ));
    }
    // A change may leave so much less to pay that the order is covered; it may not add to what is
    // short.
    let wanted = order.least_kept_after(plan);
    let short = order.short(env.now);
    if short > 0 && !is_covered(order, wanted, env) {
        let why = format!(
            "{} of what is owed so far are neither paid nor authorized",
            order.in_currency(short)
        );
        return Err(not_now(order, command, RejectionReason::NotCovered, why));
    }
    if plan.is_empty() && address.0.is_none() {
        return Ok(Vec::new());
    }
    if address.0.is_some() && has_shipped(order) {
        return Err(not_now(
            order,
            command,
            RejectionReason::NotOpen,
            "something has shipped to its address already",
        ));
    }
    for LineUnits { line: n, units } in &plan.lowered {
        if let Some(line) = order.line(*n).filter(|l| *units > l.open()) {
            let (quantity, bound) = (
                line.kept().saturating_sub(*units),
                line.kept().saturating_sub(line.open()),
            );
            let why = format!(
                "{quantity} is too few for line {n} ({}), {bound} units are shipped, in a \
                    shipment or given out",
                line.sku
            );
            return Err(not_now(order, command, RejectionReason::NotOpen, why));
        }
    }
    if !plan.fits(order) {
        let why = "only open units can be changed, and at least one unit must be left: cancel the \
            order to be rid of all";
        return Err(not_now(order, command, RejectionReason::NotOpen, why));
    }
    let due = match order.terms {
        PaymentTerms::Confirm | PaymentTerms::Shipment if !is_covered(order, wanted, env) => {
            wanted - order.secured_for(wanted, env.now)
        }
        _ => 0,
    };
    if due > 0 && matches!(terms, PaymentTerms::Invoice | PaymentTerms::Delivery) {
        return Err(not_charged(order, command, method));
    }
    Ok(vec![Event::EditStarted {
        n: order.edits.next_number(),
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
        Some(edit) => Ok(vec![Event::EditDiscarded {
            n: edit.n,
            cause: DiscardCause::Requested,
        }]),
        None => Err(not_now(
            order,
            command,
            RejectionReason::NoSuchRecord,
            "no edit is under way",
        )),
    }
}

/// Returns true if something is, or has arrived, at the address: then it cannot become one of
/// another tax place.
fn has_shipped(order: &Order) -> bool {
    order
        .lines
        .iter()
        .any(|l| l.requires_shipping && l.counters.shipped > 0)
}

/// Returns why the address the goods go to cannot be corrected any more, if so. What has arrived
/// has; what is yet to be sent may go elsewhere, as long as nothing is on its way.
fn keeps_address(order: &Order) -> Option<&'static str> {
    let to_send = order
        .lines
        .iter()
        .any(|l| l.requires_shipping && l.open() + l.counters.planned > 0);
    if order
        .shipments
        .iter()
        .any(|s| s.state == ShipmentState::Shipped)
    {
        Some("a shipment is on its way to its address")
    } else if has_shipped(order) && !to_send {
        Some("all of it has shipped to its address already")
    } else {
        None
    }
}

pub(super) fn change_address(
    order: &Order,
    command: &Command,
    which: AddressType,
    address: &Private<Address>,
) -> Result<Vec<Event>, Rejection> {
    let over = order.lifecycle.is_terminal()
        || order.lifecycle == Lifecycle::Completed
        || order.redacted_at.is_some();
    if over {
        return Err(illegal(order, command));
    }
    if let Some(why) = keeps_address(order).filter(|_| which == AddressType::Shipping) {
        return Err(not_now(order, command, RejectionReason::NotOpen, why));
    }
    let before = order.addresses.0.as_ref().map(|a| match which {
        AddressType::Shipping => &a.shipping,
        AddressType::Billing => &a.billing,
    });
    let (Some(before), Some(after)) = (before, &address.0) else {
        return Ok(Vec::new());
    };
    if before == after {
        return Ok(Vec::new());
    }
    if which == AddressType::Shipping && !before.is_in_same_place(after) {
        let why = "tax and shipping depend on country and state: edit the order instead";
        return Err(not_now(order, command, RejectionReason::OtherTaxPlace, why));
    }
    Ok(vec![Event::AddressChanged {
        which,
        address: address.clone(),
    }])
}

/// An edit applies as soon as the difference in stock and money is secured, and comes to nothing if
/// it cannot be.
pub(super) fn settle(order: &Order, env: &Env<'_>) -> Option<Event> {
    let edit = order.open_edit()?;
    let n = edit.n;
    let discard = |cause| Some(Event::EditDiscarded { n, cause });
    if !matches!(order.lifecycle, Lifecycle::Pending | Lifecycle::Confirmed) {
        return discard(DiscardCause::OrderOver);
    }
    if !edit.plan.fits(order) {
        return discard(DiscardCause::OutOfDate);
    }
    let stock = sku_stock(order, env);
    if stock.iter().any(Stock::is_refused) {
        return discard(DiscardCause::StockRefused);
    }
    // No edit leaves an order short.
    let paid = is_covered(order, order.least_kept_after(&edit.plan), env);
    let held = stock.iter().all(Stock::is_held);
    if paid && held {
        return Some(Event::EditApplied { n });
    }
    let mut attempts = order.payments.iter().filter(|p| is_for_edit(order, p));
    if !paid && !attempts.any(|p| p.state.is_open()) {
        return discard(DiscardCause::PaymentFailed);
    }
    if edit_deadline(order, edit) <= env.now {
        discard(DiscardCause::Expired)
    } else {
        None
    }
}

/// Applies an event of an edit, or the correction of an address, to the order.
pub(super) fn apply(order: &mut Order, event: &Event, at: Timestamp) {
    match event {
        Event::EditStarted {
            n,
            plan,
            due,
            method,
            deadline,
            token,
            return_url,
            address,
        } => {
            let payment = (*due > 0).then(|| order.payments.next_number());
            let reservation = next_reservation(order);
            order.edits.push(Edit {
                n: *n,
                plan: (**plan).clone(),
                state: EditState::Open,
                cause: None,
                due: *due,
                payment: None,
                reservation,
                reservation_end: None,
                deadline: *deadline,
                created_at: at,
                updated_at: at,
                address: address.clone(),
            });
            if let (Some(first), Some(kind)) = (payment, order.terms.attempt_kind()) {
                let mut op = PaymentOperation::planned(first, kind, None, method.clone(), *due, at);
                op.token = token.clone();
                op.return_url = return_url.clone();
                order.payments.push(op);
                if let Some(edit) = order.edits.last_mut() {
                    edit.payment = Some(first);
                }
            }
        }
        Event::EditApplied { n } => {
            if let Some(mut edit) = order.edits.pop_if(|e| e.n == *n) {
                edit.plan.apply(order, at);
                edit.state = EditState::Applied;
                edit.reservation_end = Some(next_reservation(order));
                edit.updated_at = at;
                if let (Some(address), Some(addresses)) =
                    (edit.address.0.take(), &mut order.addresses.0)
                {
                    addresses.shipping = address;
                }
                order.edits.push(edit);
            }
        }
        Event::EditDiscarded { n, cause } => {
            let reservation_end = Some(next_reservation(order));
            if let Some(edit) = order.edits.last_mut().filter(|e| e.n == *n) {
                edit.state = EditState::Discarded;
                edit.reservation_end = reservation_end;
                edit.cause = Some(*cause);
                edit.updated_at = at;
                edit.address = Private(None);
            }
        }
        Event::AddressChanged { which, address } => {
            if let (Some(address), Some(addresses)) = (&address.0, &mut order.addresses.0) {
                match which {
                    AddressType::Shipping => addresses.shipping = address.clone(),
                    AddressType::Billing => addresses.billing = address.clone(),
                }
            }
        }
        _ => {}
    }
}

/// The number of the reservation that is planned next.
fn next_reservation(order: &Order) -> u32 {
    order.reservations.next_number()
}
