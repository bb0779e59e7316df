//! The transitions that hold by themselves: appended after every command, fact or timer.

use super::payments::{
    attempt_outstanding, capturable, deadline, edit_deadline, is_for_edit, is_to_be_renewed,
    lapses_soon, money_moved, to_capture,
};
use super::stock::{SkuStock, committed_for_good, is_secured, missing_units, sku_stock};
use super::told::matched;
use super::{Env, attention};
use crate::ids::Sku;
use crate::money::Minor;
use crate::order::{
    AttentionReason, Blocks, CancelCause, CreditKind, DiscardCause, DisputeState, Event,
    FulfilmentStatus, Lifecycle, Line, LineUnits, Op, OperationKind, OperationState, Order,
    PaymentOperation, PaymentTerms, Reservation, ReservationState, Shipment, ShipmentState,
    Shortage,
};
use crate::policy::LostStock;
use crate::text::Private;
use crate::time::Timestamp;

/// The transitions that hold now. Apply them and ask again until there are none.
pub fn settle(order: &Order, env: &Env<'_>) -> Vec<Event> {
    let known = order
        .unmatched
        .iter()
        .find_map(|kept| matched(order, kept, env));
    known.unwrap_or_else(|| transition(order, env).into_iter().collect())
}

fn transition(order: &Order, env: &Env<'_>) -> Option<Event> {
    let own = || match order.lifecycle {
        Lifecycle::Pending => settle_pending(order, env).or_else(|| write_off(order, env)),
        Lifecycle::Confirmed => settle_lost_stock(order, env)
            .or_else(|| capture(order, env))
            .or_else(|| write_off(order, env))
            .or_else(|| {
                completes_at(order, env)
                    .filter(|t| *t <= env.now)
                    .map(|_| Event::Completed)
            }),
        Lifecycle::Cancelling => is_undone(order).then_some(Event::Cancelled),
        // Nothing is cancelled any more, but a person is told.
        Lifecycle::Completed => settle_lost_stock(order, env)
            .filter(|event| matches!(event, Event::AttentionRaised { .. }))
            .or_else(|| capture(order, env))
            .or_else(|| write_off(order, env)),
        Lifecycle::Cancelled
        | Lifecycle::PaymentFailed
        | Lifecycle::Rejected
        | Lifecycle::Expired => None,
    };
    let goods = || placed_again(order).or_else(|| stock_gone(order));
    lapse(order, env)
        .or_else(goods)
        .or_else(|| settle_edit(order, env))
        .or_else(own)
        .or_else(|| attention::follow(order, env))
}

/// What is short is given up where the shop wants that: a few cents, and what went back after
/// everything had arrived. Not while more may be coming in, or a bank is to decide.
fn write_off(order: &Order, env: &Env<'_>) -> Option<Event> {
    let short = attention::short_to_tell(order, env);
    let undecided = order
        .payments
        .iter()
        .any(|p| p.state.is_open() || p.verification.is_due())
        || order.disputes.iter().any(|d| d.state == DisputeState::Open);
    if short == 0 || undecided {
        return None;
    }
    let arrived = order.lifecycle != Lifecycle::Pending
        && matches!(
            order.statuses.fulfilment,
            FulfilmentStatus::Delivered | FulfilmentStatus::NotRequired
        );
    let amount = if short <= env.policy.write_off_up_to {
        short
    } else if arrived && env.policy.write_off_after_delivery {
        let since = fulfilled_at(order);
        let later = order.payments.iter().filter(|p| p.created_at >= since);
        let given_up = order
            .credits
            .iter()
            .filter(|c| c.kind == CreditKind::WriteOff && c.at >= since);
        let later = later
            .map(PaymentOperation::went_back_outside)
            .sum::<Minor>();
        // Once.
        (later - given_up.map(|c| c.amount).sum::<Minor>()).min(short)
    } else {
        0
    };
    (amount > 0).then(|| Event::Credited {
        kind: CreditKind::WriteOff,
        amount,
        lines: Vec::new(),
    })
}

/// An edit applies as soon as the difference in stock and money is secured, and comes to nothing if
/// it cannot be.
fn settle_edit(order: &Order, env: &Env<'_>) -> Option<Event> {
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
    if stock
        .iter()
        .any(|(_, _, s)| matches!(s, SkuStock::Refused { .. } | SkuStock::Suspect))
    {
        return discard(DiscardCause::StockRefused);
    }
    // No edit leaves an order short.
    let paid = is_covered(order, order.least_kept_after(&edit.plan), env);
    let held = stock.iter().all(|(_, _, s)| *s == SkuStock::Held);
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

/// What is due and authorized is captured: what has shipped, what needed no shipping, and, where
/// the shop wants that, what would lapse otherwise. A capture that was refused is not asked for
/// again until a person says so.
fn capture(order: &Order, env: &Env<'_>) -> Option<Event> {
    if order.terms != PaymentTerms::Shipment {
        return None;
    }
    if let Some(event) = keep_secured(order, env) {
        return Some(event);
    }
    if order.is_blocked(Blocks::Capture) {
        return None;
    }
    let capturing = order.money().capturing;
    for p in order
        .payments
        .iter()
        .filter(|p| order.can_be_captured(p, env.now))
    {
        let amount = to_capture(order, env, p, capturing).min(capturable(order, p, env.now));
        if amount > 0 {
            return Some(planned(order, OperationKind::Capture, Some(p.n), p, amount));
        }
    }
    None
}

/// A person is told when an authorization that is needed is about to lapse, and when one that was
/// needed is gone; where the shop wants that, a new one is asked for, before the old one is given
/// up if there is time.
fn keep_secured(order: &Order, env: &Env<'_>) -> Option<Event> {
    let told = |reason, about| order.attention_about(reason, about).is_some();
    let soon = order
        .payments
        .iter()
        .filter(|p| order.authorized_rest(p.n) > 0 && lapses_soon(p, env));
    for about in soon.map(|p| Some(Op::Payment(p.n))) {
        if !told(AttentionReason::CaptureSoon, about) {
            return Some(Event::AttentionRaised {
                reason: AttentionReason::CaptureSoon,
                about,
                amount: None,
            });
        }
    }
    if order.lifecycle != Lifecycle::Confirmed || attempt_outstanding(order, true) {
        return None;
    }
    if let Some(event) = renew(order, env) {
        return Some(event);
    }
    let reason = AttentionReason::AuthorizationLost;
    let lost = attention::authorization_is_lost(order, env) && !told(reason, None);
    lost.then_some(Event::AttentionRaised {
        reason,
        about: None,
        amount: None,
    })
}

/// A new authorization in place of the last one that is about to lapse, or has lapsed, for no more
/// than was left of it. It is asked for once.
fn renew(order: &Order, env: &Env<'_>) -> Option<Event> {
    let last = order
        .payments
        .iter()
        .rev()
        .find(|p| p.is_attempt() && p.state != OperationState::Dropped)?;
    let there = matches!(
        last.state,
        OperationState::Authorized | OperationState::Voided
    );
    if last.kind != OperationKind::Authorize || !there || !is_to_be_renewed(last, env) {
        return None;
    }
    let lasting = order
        .payments
        .iter()
        .filter(|p| order.can_be_captured(p, env.now) && !is_to_be_renewed(p, env));
    let lasting: Minor = lasting.map(|p| order.authorized_rest(p.n)).sum();
    // What went back outside is not silently asked for once more.
    let missing =
        (order.owed() - order.kept() - lasting - order.missed_since(last.n)).min(order.owed());
    let taken: Minor = order.children(last.n).map(PaymentOperation::captured).sum();
    let amount = missing.min(last.settled.clamp(0, last.amount) - taken);
    // What could not be begun would be planned and dropped for ever.
    let may_begin =
        || !order.is_blocked(Blocks::Capture) && is_secured(order, env, &sku_stock(order, env));
    (amount > 0 && may_begin())
        .then(|| planned(order, OperationKind::Authorize, None, last, amount))
}

/// An operation that goes on with what `like` began, paid the same way.
fn planned(
    order: &Order,
    kind: OperationKind,
    parent: Option<u32>,
    like: &PaymentOperation,
    amount: Minor,
) -> Event {
    Event::PaymentPlanned {
        n: order.payments.len() as u32 + 1,
        kind,
        parent,
        method: like.method.clone(),
        amount,
        token: Private(None),
        return_url: Private(None),
    }
}

/// When the next authorization is about to lapse, or lapses.
pub(super) fn warns_at(order: &Order, env: &Env<'_>) -> Option<Timestamp> {
    let needed = order
        .payments
        .iter()
        .filter(|p| order.authorized_rest(p.n) > 0);
    let times = needed
        .filter_map(|p| p.capture_before)
        .flat_map(|t| [t.before(env.policy.capture_warning), t]);
    times.filter(|t| *t > env.now).min()
}

/// When the order completes by itself if nothing else happens; `None` while something keeps it from
/// that.
pub(crate) fn completes_at(order: &Order, env: &Env<'_>) -> Option<Timestamp> {
    keeps_from_completing(order)
        .is_none()
        .then(|| fulfilled_at(order).after(env.policy.completion_window))
}

/// When the last of it arrived; for an order of which nothing needs shipping, when it was
/// confirmed.
fn fulfilled_at(order: &Order) -> Timestamp {
    let delivered = order.shipments.iter().filter_map(|s| s.delivered_at).max();
    delivered.or(order.confirmed_at).unwrap_or(order.updated_at)
}

/// What keeps a confirmed order from being completed, in words; `None` if nothing does.
pub(crate) fn keeps_from_completing(order: &Order) -> Option<&'static str> {
    let money = order.money();
    let fulfilled = matches!(
        order.statuses.fulfilment,
        FulfilmentStatus::Delivered | FulfilmentStatus::NotRequired
    );
    if order.lifecycle != Lifecycle::Confirmed {
        Some("it is not confirmed")
    } else if !fulfilled {
        Some("not everything is delivered")
    } else if !order.holds.is_empty() {
        Some("a hold is placed")
    } else if order.open_edit().is_some() {
        Some("an edit is under way")
    } else if order.returns.iter().any(|r| r.state.is_open()) {
        Some("a return is open")
    } else if order.disputes.iter().any(|d| d.state == DisputeState::Open) {
        Some("a dispute is open")
    } else if order.payments.iter().any(|p| p.state.is_open()) {
        Some("a payment is under way")
    } else if !(order.least_kept()..=money.owed).contains(&(money.captured - money.refunded)) {
        Some("what is paid is not what is owed")
    } else {
        None
    }
}

/// Holds whose time is over.
fn lapse(order: &Order, env: &Env<'_>) -> Option<Event> {
    if order.lifecycle.is_terminal() {
        return None;
    }
    let over = order
        .holds
        .iter()
        .find(|h| h.until.is_some_and(|t| t <= env.now))?;
    Some(Event::HoldReleased {
        kind: over.kind.clone(),
        lapsed: true,
    })
}

fn settle_pending(order: &Order, env: &Env<'_>) -> Option<Event> {
    // What is to be confirmed is about to change.
    if order.open_edit().is_some() {
        return None;
    }
    let stock = sku_stock(order, env);
    if let Some(event) = stock_refused(order, env, &stock) {
        return event;
    }
    let covered = covered(order, env);
    if covered
        && !order.is_blocked(Blocks::Confirm)
        && stock.iter().all(|(_, _, s)| *s == SkuStock::Held)
    {
        return Some(Event::Confirmed);
    }
    if !covered && !attempt_outstanding(order, true) {
        let last = order
            .payments
            .iter()
            .rev()
            .find(|p| p.is_attempt() && p.state != OperationState::Dropped);
        if last
            .is_some_and(|p| matches!(p.state, OperationState::Declined | OperationState::Failed))
            && !money_moved(order)
        {
            return Some(Event::PaymentFailed {
                retry_until: env.now.after(env.policy.retry_window),
            });
        }
    }
    let held_back = order.is_blocked(Blocks::Confirm);
    if deadline(order) > env.now || (covered && held_back) || attempt_outstanding(order, false) {
        return None;
    }
    match money_moved(order) {
        false => Some(Event::Expired),
        // Too little has come in, and nothing more will.
        true if !covered && !held_back => Some(Event::CancelRequested {
            cause: CancelCause::PaymentShort,
        }),
        true => None,
    }
}

/// What a refused SKU means: `Some(None)` when the order must wait for a payment's outcome first.
#[allow(
    clippy::option_option,
    reason = "no refusal, a refusal that waits, and a refusal that ends are three things"
)]
fn stock_refused(
    order: &Order,
    env: &Env<'_>,
    stock: &[(&crate::ids::Sku, u32, SkuStock)],
) -> Option<Option<Event>> {
    let shortages: Vec<Shortage> = stock
        .iter()
        .filter_map(|(sku, requested, s)| match s {
            SkuStock::Refused { available } => Some(Shortage {
                sku: (*sku).clone(),
                requested: *requested,
                available: *available,
            }),
            SkuStock::Suspect => Some(Shortage {
                sku: (*sku).clone(),
                requested: *requested,
                available: None,
            }),
            _ => None,
        })
        .collect();
    if shortages.is_empty() {
        return None;
    }
    if money_moved(order) {
        return Some(lost(order, env));
    }
    Some((!attempt_outstanding(order, false)).then_some(Event::Rejected { shortages }))
}

/// Stock that was already paid for is gone.
fn settle_lost_stock(order: &Order, env: &Env<'_>) -> Option<Event> {
    let stock = sku_stock(order, env);
    let gone = |s: &SkuStock| matches!(s, SkuStock::Refused { .. } | SkuStock::Suspect);
    let missing: Vec<(&Sku, u32)> = (stock.iter().filter(|(_, _, s)| gone(s)))
        .map(|(sku, wanted, _)| (*sku, missing_units(order, env, sku, *wanted)))
        .collect();
    if missing.is_empty() {
        return None;
    }
    if order
        .lines
        .iter()
        .all(|l| l.counters.shipped + l.counters.lost == 0)
    {
        return lost(order, env);
    }
    // Some of it has left or was given out: only what is missing is cancelled. What was to leave
    // with it is open again, if that is needed for it.
    let lines: Vec<LineUnits> = missing
        .iter()
        .flat_map(|(sku, units)| last_open(order, sku, *units))
        .collect();
    let short = |sku: &Sku| {
        let open: u32 = order
            .lines
            .iter()
            .filter(|l| l.sku == *sku)
            .map(Line::open)
            .sum();
        missing.iter().any(|(s, units)| *s == sku && *units > open)
    };
    let of_short = |s: &Shipment| {
        s.lines
            .iter()
            .any(|l| order.line(l.line).is_some_and(|l| short(&l.sku)))
    };
    let planned = order
        .shipments
        .iter()
        .find(|s| s.state == ShipmentState::Planned && of_short(s));
    let kept: u32 = order
        .lines
        .iter()
        .map(|l| l.quantity.saturating_sub(l.counters.cancelled))
        .sum();
    let all = lines.iter().map(|l| l.units).sum::<u32>() == kept;
    match (lost(order, env)?, planned) {
        (Event::CancelRequested { .. }, Some(s)) => Some(Event::ShipmentCancelled { n: s.n }),
        (Event::CancelRequested { .. }, None) if lines.is_empty() => None,
        (Event::CancelRequested { cause }, None) if !all => {
            Some(Event::LinesCancelled { lines, cause })
        }
        (event, _) => Some(event),
    }
}

/// At most `units` open units of a SKU, from its last line on.
fn last_open(order: &Order, sku: &Sku, mut units: u32) -> Vec<LineUnits> {
    let mut lines = Vec::new();
    for line in order.lines.iter().rev().filter(|l| l.sku == *sku) {
        let k = line.open().min(units);
        units -= k;
        if k > 0 {
            lines.push(LineUnits {
                line: line.n,
                units: k,
            });
        }
    }
    lines
}

/// Nobody needs to look any more at shipments that turned out otherwise: every unit has its place.
fn placed_again(order: &Order) -> Option<Event> {
    let told = order
        .attention
        .iter()
        .find(|a| a.reason == AttentionReason::UnexpectedDelivery)?;
    (order.misplaced_units() == 0).then_some(Event::AttentionCleared {
        reason: told.reason,
        about: told.about,
    })
}

/// A person is told of what a dead order lost on the way and no hold accounts for: the shelf has
/// less than the inventory says.
fn stock_gone(order: &Order) -> Option<Event> {
    if order.lifecycle.is_live() || order.has_attention(AttentionReason::StockLost) {
        return None;
    }
    let held = |sku: &Sku| -> u32 {
        order
            .reservations
            .iter()
            .filter(|r| r.sku == *sku)
            .map(Reservation::held)
            .sum()
    };
    let accounted = |sku: &Sku| committed_for_good(order, sku, order.round) + held(sku);
    let gone = order
        .lines
        .iter()
        .any(|l| l.counters.lost > 0 && order.gone_from_stock(&l.sku) > accounted(&l.sku));
    gone.then_some(Event::AttentionRaised {
        reason: AttentionReason::StockLost,
        about: None,
        amount: None,
    })
}

fn lost(order: &Order, env: &Env<'_>) -> Option<Event> {
    if !order.has_attention(AttentionReason::StockLost) {
        return Some(Event::AttentionRaised {
            reason: AttentionReason::StockLost,
            about: None,
            amount: None,
        });
    }
    match env.policy.lost_stock {
        LostStock::Cancel => Some(Event::CancelRequested {
            cause: CancelCause::StockLost,
        }),
        LostStock::Backorder => None,
    }
}

/// Tells whether what is due at confirmation is covered. Nothing due counts as covered, unless more
/// went back than came in.
pub fn covered(order: &Order, env: &Env<'_>) -> bool {
    is_covered(order, order.least_kept(), env)
}

/// Tells whether an order of which at least `wanted` had to be kept would be covered.
pub(super) fn is_covered(order: &Order, wanted: Minor, env: &Env<'_>) -> bool {
    match order.terms {
        PaymentTerms::Confirm | PaymentTerms::Shipment => {
            order.secured_for(wanted, env.now) >= wanted
        }
        PaymentTerms::Invoice | PaymentTerms::Delivery => true,
    }
}

/// Whether a cancelled order has given everything back: no money kept or under way, and no stock
/// that may be held.
fn is_undone(order: &Order) -> bool {
    let money = order.money();
    money.refunded >= money.captured
        && money.authorized == 0
        && order.payments.iter().all(|p| !p.state.is_open())
        && order.reservations.iter().all(|r| {
            !r.state.may_hold() && r.state != ReservationState::Planned && r.closing.is_none()
        })
}
