//! The transitions that hold by themselves: appended after every command, fact or timer.

use super::Env;
use super::payments::{attempt_outstanding, capturable, deadline, is_for_edit, money_moved, refused};
use super::stock::{SkuStock, committed_for_good, missing_units, sku_stock};
use crate::ids::Sku;
use crate::money::Minor;
use crate::order::{
    Attention, AttentionReason, Blocks, CancelCause, DiscardCause, DisputeState, Event, FulfilmentStatus, HoldState, Lifecycle,
    Line, LineUnits, Op, OperationKind, OperationState, Order, PaymentOperation, PaymentTerms, Reservation, Shipment,
    ShipmentState, Shortage,
};
use crate::planted::{Bug, planted};
use crate::policy::{BeforeLapse, LostStock};
use crate::text::Private;
use crate::time::Timestamp;

/// The next transition that holds now, if any. Apply it and ask again until there is none.
pub fn settle(order: &Order, env: &Env<'_>) -> Option<Event> {
    let goods = || placed_again(order).or_else(|| stock_gone(order));
    lapse(order, env).or_else(goods).or_else(|| settle_edit(order, env)).or_else(|| match order.lifecycle {
        Lifecycle::Pending => settle_pending(order, env),
        Lifecycle::Confirmed => settle_lost_stock(order, env)
            .or_else(|| capture(order, env))
            .or_else(|| completes_at(order, env).filter(|t| *t <= env.now).map(|_| Event::Completed)),
        Lifecycle::Cancelling => is_undone(order).then_some(Event::Cancelled),
        // Nothing is cancelled any more, but a person is told.
        Lifecycle::Completed => settle_lost_stock(order, env).filter(|event| matches!(event, Event::AttentionRaised { .. })),
        Lifecycle::Cancelled | Lifecycle::PaymentFailed | Lifecycle::Rejected | Lifecycle::Expired => None,
    })
}

/// An edit applies as soon as the difference in stock and money is secured, and comes to nothing if it cannot be.
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
    if stock.iter().any(|(_, _, s)| matches!(s, SkuStock::Refused { .. } | SkuStock::Suspect)) {
        return discard(DiscardCause::StockRefused);
    }
    // Only what the edit adds must be paid for now; what is due for the rest follows its own terms.
    let paid = edit.due == 0 || planted(Bug::EditsUnpaid) || {
        let secured = match order.terms {
            PaymentTerms::Confirm => order.kept(),
            PaymentTerms::Shipment => order.secured(),
            PaymentTerms::Invoice | PaymentTerms::Delivery => Minor::MAX,
        };
        secured >= order.owed_after(&edit.plan)
    };
    let held = stock.iter().all(|(_, _, s)| *s == SkuStock::Held);
    if paid && held {
        return Some(Event::EditApplied { n });
    }
    let mut attempts = order.payments.iter().filter(|p| is_for_edit(order, p));
    if !paid && edit.payment.is_some() && !attempts.any(|p| p.state.is_open()) {
        return discard(DiscardCause::PaymentFailed);
    }
    if edit.deadline <= env.now { discard(DiscardCause::Expired) } else { None }
}

/// What is due and authorized is captured: what has shipped, what needed no shipping, and, where the shop wants that, what
/// would lapse otherwise. A capture that was refused is not asked for again until a person says so.
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
    let money = order.money();
    let capturing = if planted(Bug::CapturesTwice) { 0 } else { money.capturing };
    let taken = order.kept() + capturing;
    let about_to_lapse = |p: &PaymentOperation| lapses_soon(p, env) && env.policy.before_lapse == BeforeLapse::Capture;
    for p in order.payments.iter().filter(|p| p.kind == OperationKind::Authorize && p.state == OperationState::Authorized) {
        let due = if about_to_lapse(p) { order.owed() } else { order.due() };
        let amount = (due - taken).min(capturable(order, p.n));
        if amount > 0 && refused(order, p.n, OperationKind::Capture).0 == 0 {
            return Some(planned(order, OperationKind::Capture, Some(p.n), p, amount));
        }
    }
    None
}

/// A person is told when an authorization that is needed is about to lapse, and when what is owed is no longer secured; where
/// the shop wants that, a new authorization is asked for in place of one that lapsed.
fn keep_secured(order: &Order, env: &Env<'_>) -> Option<Event> {
    let told = |reason, about| order.attention.iter().any(|a| a.reason == reason && a.about == about);
    let soon = order.payments.iter().filter(|p| order.authorized_rest(p.n) > 0 && lapses_soon(p, env));
    for about in soon.map(|p| Some(Op::Payment(p.n))) {
        if !told(AttentionReason::CaptureSoon, about) {
            return Some(Event::AttentionRaised { reason: AttentionReason::CaptureSoon, about });
        }
    }
    let over = |a: &&Attention| {
        a.reason == AttentionReason::CaptureSoon
            && !order.payments.iter().any(|p| a.about == Some(Op::Payment(p.n)) && order.authorized_rest(p.n) > 0)
    };
    if let Some(a) = order.attention.iter().find(over) {
        return Some(Event::AttentionCleared { reason: a.reason, about: a.about });
    }
    let missing = order.owed() - order.secured();
    if missing <= 0 && told(AttentionReason::AuthorizationLost, None) {
        return Some(Event::AttentionCleared { reason: AttentionReason::AuthorizationLost, about: None });
    }
    if missing <= 0 || order.lifecycle != Lifecycle::Confirmed || attempt_outstanding(order, true) {
        return None;
    }
    let last = order.payments.iter().rev().find(|p| p.is_attempt() && p.state != OperationState::Dropped)?;
    let lapsed = last.state == OperationState::Voided && lapses_soon(last, env);
    if lapsed && env.policy.before_lapse == BeforeLapse::Reauthorize {
        return Some(planned(order, OperationKind::Authorize, None, last, missing));
    }
    let reason = AttentionReason::AuthorizationLost;
    (!told(reason, None)).then_some(Event::AttentionRaised { reason, about: None })
}

/// An operation that goes on with what `like` began, paid the same way.
fn planned(order: &Order, kind: OperationKind, parent: Option<u32>, like: &PaymentOperation, amount: Minor) -> Event {
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

/// Whether an authorization is to be given up because it has lapsed, or is about to and a new one is wanted.
pub(super) fn is_lapsing(p: &PaymentOperation, env: &Env<'_>) -> bool {
    let lapsed = p.capture_before.is_some_and(|t| t <= env.now);
    lapsed || (env.policy.before_lapse == BeforeLapse::Reauthorize && lapses_soon(p, env))
}

/// Whether an authorization is about to lapse, so that a person is told.
fn lapses_soon(p: &PaymentOperation, env: &Env<'_>) -> bool {
    p.capture_before.is_some_and(|t| t.before(env.policy.capture_warning) <= env.now)
}

/// When the next authorization is about to lapse, or lapses.
pub(super) fn warns_at(order: &Order, env: &Env<'_>) -> Option<Timestamp> {
    let needed = order.payments.iter().filter(|p| order.authorized_rest(p.n) > 0);
    let times = needed.filter_map(|p| p.capture_before).flat_map(|t| [t.before(env.policy.capture_warning), t]);
    times.filter(|t| *t > env.now).min()
}

/// When the order completes by itself if nothing else happens; `None` while something keeps it from that.
pub(crate) fn completes_at(order: &Order, env: &Env<'_>) -> Option<Timestamp> {
    keeps_from_completing(order).is_none().then(|| fulfilled_at(order).after(env.policy.completion_window))
}

/// When the last of it arrived; for an order of which nothing needs shipping, when it was confirmed.
fn fulfilled_at(order: &Order) -> Timestamp {
    let delivered = order.shipments.iter().filter_map(|s| s.delivered_at).max();
    delivered.or(order.confirmed_at).unwrap_or(order.updated_at)
}

/// What keeps a confirmed order from being completed, in words; `None` if nothing does.
pub(crate) fn keeps_from_completing(order: &Order) -> Option<&'static str> {
    let money = order.money();
    let fulfilled = matches!(order.statuses.fulfilment, FulfilmentStatus::Delivered | FulfilmentStatus::NotRequired);
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
    } else if money.captured - money.refunded != money.owed {
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
    let over = order.holds.iter().find(|h| h.until.is_some_and(|t| t <= env.now))?;
    Some(Event::HoldReleased { kind: over.kind.clone(), lapsed: true })
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
    let covered = covered(order);
    if covered && !order.is_blocked(Blocks::Confirm) && stock.iter().all(|(_, _, s)| *s == SkuStock::Held) {
        return Some(Event::Confirmed);
    }
    if !covered && !attempt_outstanding(order, true) {
        let last = order.payments.iter().rev().find(|p| p.is_attempt() && p.state != OperationState::Dropped);
        if last.is_some_and(|p| matches!(p.state, OperationState::Declined | OperationState::Failed)) && !money_moved(order) {
            return Some(Event::PaymentFailed { retry_until: env.now.after(env.policy.retry_window) });
        }
    }
    let waits_for_a_person = covered && order.is_blocked(Blocks::Confirm);
    let time_over = deadline(order) <= env.now;
    (time_over && !waits_for_a_person && !attempt_outstanding(order, false) && !money_moved(order)).then_some(Event::Expired)
}

/// What a refused SKU means: `Some(None)` when the order must wait for a payment's outcome first.
#[allow(clippy::option_option, reason = "no refusal, a refusal that waits, and a refusal that ends are three things")]
fn stock_refused(order: &Order, env: &Env<'_>, stock: &[(&crate::ids::Sku, u32, SkuStock)]) -> Option<Option<Event>> {
    let shortages: Vec<Shortage> = stock
        .iter()
        .filter_map(|(sku, requested, s)| match s {
            SkuStock::Refused { available } => {
                Some(Shortage { sku: (*sku).clone(), requested: *requested, available: *available })
            }
            SkuStock::Suspect => Some(Shortage { sku: (*sku).clone(), requested: *requested, available: None }),
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
    if order.lines.iter().all(|l| l.counters.shipped + l.counters.lost == 0) {
        return lost(order, env);
    }
    // Some of it has left or was given out: only what is missing is cancelled. What was to leave with it is open again, if
    // that is needed for it.
    let lines: Vec<LineUnits> = missing.iter().flat_map(|(sku, units)| last_open(order, sku, *units)).collect();
    let short = |sku: &Sku| {
        let open: u32 = order.lines.iter().filter(|l| l.sku == *sku).map(Line::open).sum();
        missing.iter().any(|(s, units)| *s == sku && *units > open)
    };
    let of_short = |s: &Shipment| s.lines.iter().any(|l| order.line(l.line).is_some_and(|l| short(&l.sku)));
    let planned = order.shipments.iter().find(|s| s.state == ShipmentState::Planned && of_short(s));
    let kept: u32 = order.lines.iter().map(|l| l.quantity.saturating_sub(l.counters.cancelled)).sum();
    let all = lines.iter().map(|l| l.units).sum::<u32>() == kept;
    match (lost(order, env)?, planned) {
        (Event::CancelRequested { .. }, Some(s)) => Some(Event::ShipmentCancelled { n: s.n }),
        (Event::CancelRequested { .. }, None) if lines.is_empty() => None,
        (Event::CancelRequested { cause }, None) if !all => Some(Event::LinesCancelled { lines, cause }),
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
            lines.push(LineUnits { line: line.n, units: k });
        }
    }
    lines
}

/// Nobody needs to look any more at shipments that turned out otherwise: every unit has its place.
fn placed_again(order: &Order) -> Option<Event> {
    let told = order.attention.iter().find(|a| a.reason == AttentionReason::UnexpectedDelivery)?;
    (order.misplaced_units() == 0).then_some(Event::AttentionCleared { reason: told.reason, about: told.about })
}

/// A person is told of what a dead order lost on the way and no hold accounts for: the shelf has less than the inventory says.
fn stock_gone(order: &Order) -> Option<Event> {
    if order.lifecycle.is_live() || order.has_attention(AttentionReason::StockLost) {
        return None;
    }
    let held = |sku: &Sku| -> u32 { order.reservations.iter().filter(|r| r.sku == *sku).map(Reservation::held).sum() };
    let accounted = |sku: &Sku| committed_for_good(order, sku, order.attempt) + held(sku);
    let gone = order.lines.iter().any(|l| l.counters.lost > 0 && order.gone_from_stock(&l.sku) > accounted(&l.sku));
    gone.then_some(Event::AttentionRaised { reason: AttentionReason::StockLost, about: None })
}

fn lost(order: &Order, env: &Env<'_>) -> Option<Event> {
    if !order.has_attention(AttentionReason::StockLost) {
        return Some(Event::AttentionRaised { reason: AttentionReason::StockLost, about: None });
    }
    match env.policy.lost_stock {
        LostStock::Cancel => Some(Event::CancelRequested { cause: CancelCause::StockLost }),
        LostStock::Backorder => None,
    }
}

/// Whether what is due at confirmation is covered. Nothing due counts as covered.
pub fn covered(order: &Order) -> bool {
    match order.terms {
        PaymentTerms::Confirm => order.kept() >= order.owed(),
        PaymentTerms::Shipment => order.secured() >= order.owed(),
        PaymentTerms::Invoice | PaymentTerms::Delivery => true,
    }
}

/// Whether a cancelled order has given everything back: no money kept or under way, and no stock that may be held.
fn is_undone(order: &Order) -> bool {
    let money = order.money();
    money.captured == money.refunded
        && money.authorized == 0
        && order.payments.iter().all(|p| !p.state.is_open())
        && order.reservations.iter().all(|r| !r.state.may_hold() && r.state != HoldState::Planned && r.closing.is_none())
}
