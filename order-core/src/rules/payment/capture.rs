//! Captures of what is authorized, and new authorizations in place of those that lapse.

use super::planned::PlannedPayment;
use crate::money::Minor;
use crate::order::{
    AttentionReason, Blocks, Event, Lifecycle, Op, OperationKind, OperationState, Order,
    PaymentOperation, PaymentTerms,
};
use crate::policy::BeforeLapse;
use crate::rules::payment::state::{attempt_outstanding, is_to_be_renewed, lapses_soon};
use crate::rules::stock::state::{is_secured, sku_stock};
use crate::rules::{Env, attention};
use crate::time::Timestamp;

/// Returns what is due and authorized is captured: what has shipped, what needed no shipping, and,
/// where the shop wants that, what would lapse otherwise. A capture that was refused is not asked
/// for again until a person says so.
pub(in crate::rules) fn capture(order: &Order, env: &Env<'_>) -> Option<Event> {
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
            return Some(
                PlannedPayment::new(order, OperationKind::Capture, &p.method, amount)
                    .following(p)
                    .event(),
            );
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
        .then(|| PlannedPayment::new(order, OperationKind::Authorize, &last.method, amount).event())
}

/// Returns when the next authorization is about to lapse, or lapses.
pub(in crate::rules) fn warns_at(order: &Order, env: &Env<'_>) -> Option<Timestamp> {
    let needed = order
        .payments
        .iter()
        .filter(|p| order.authorized_rest(p.n) > 0);
    let times = needed
        .filter_map(|p| p.capture_before)
        .flat_map(|t| [t.before(env.policy.capture_warning), t]);
    times.filter(|t| *t > env.now).min()
}

/// The amount to capture of authorization `p` as things are, if `capturing` is on its way in
/// already: what is due, or, where the shop wants that of one that is about to lapse, what is owed.
/// What went back outside is not silently taken once more.
pub(in crate::rules) fn to_capture(
    order: &Order,
    env: &Env<'_>,
    p: &PaymentOperation,
    capturing: Minor,
) -> Minor {
    let about_to_lapse = lapses_soon(p, env) && env.policy.before_lapse == BeforeLapse::Capture;
    let due = if about_to_lapse {
        order.owed()
    } else {
        order.due()
    };
    // Where nothing is owed any more, what went back beyond all that came in is due at once.
    let due = match due {
        0 if order.owed() > 0 => return 0,
        0 => order.least_kept(),
        due => due,
    };
    due - order.kept() - capturing - order.missed_since(p.n)
}

/// Returns what of authorization `p` can still be asked for at `now`: what is neither captured nor
/// asked for, nor given up, nor lapsed.
fn capturable(order: &Order, p: &PaymentOperation, now: Timestamp) -> Minor {
    if !order.can_be_captured(p, now) {
        return 0;
    }
    order.authorized_rest(p.n)
        - order
            .children(p.n)
            .map(PaymentOperation::capturing)
            .sum::<Minor>()
}
