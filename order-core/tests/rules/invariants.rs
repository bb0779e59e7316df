//! Invariants, checked after every event, for every plan, and at rest.

use std::collections::BTreeSet;
use std::time::Duration;

use order_core::audit::Invariant;
use order_core::money::Minor;
use order_core::order::{
    Actor, AttentionReason, Blocks, Event, Lifecycle, Op, OperationKind, OperationState, Order,
    PaymentStatus, PaymentTerms, ReservationState, Verification, derive,
};
use order_core::policy::BeforeLapse;
use order_core::rules::{Env, Next, Stock, Verb, covered, evolve, sku_stock};
use order_core::time::Timestamp;

/// Of every order, after every event.
pub fn always(order: &Order) {
    assert_eq!(
        order.statuses,
        derive(order),
        "the stored statuses are the derived ones"
    );
    let mut breaches = Vec::new();
    order_core::audit::check_records(order, &mut breaches);
    // Money that contradicts itself is shown to a person by the end of the commit.
    breaches.retain(|b| b.invariant != Invariant::MoneyWithinBounds);
    assert!(breaches.is_empty(), "{breaches:?}\n{order:#?}");
    money(order);
    for (r, n) in order.reservations.iter().zip(1..) {
        assert_eq!(r.n, n);
        assert!(
            r.closing.is_none() || r.held() > 0 || r.committed > 0,
            "{r:?}"
        );
        let parts = r.committed + r.released;
        assert!(
            parts <= r.quantity && (r.state != ReservationState::Held || parts < r.quantity),
            "{r:?}"
        );
    }
    for (p, n) in order.payments.iter().zip(1..) {
        assert_eq!(p.n, n);
        assert!(p.parent.is_none_or(|q| q < n));
        let private =
            p.token.get().is_some() || p.return_url.get().is_some() || p.action.get().is_some();
        assert!(
            !private || p.state.is_open(),
            "what only an open attempt needs is erased: {p:?}"
        );
    }
    let distinct: BTreeSet<_> = order
        .attention
        .iter()
        .map(|a| (a.reason, a.about))
        .collect();
    assert_eq!(
        distinct.len(),
        order.attention.len(),
        "attention is raised once for each reason"
    );
}

fn money(order: &Order) {
    let m = order.money();
    assert!(
        0 <= m.owed && m.owed <= order.owed_with_edit() && (0..=m.owed).contains(&order.due()),
        "{m:?}, due {}",
        order.due()
    );
    assert!(
        m.captured >= 0 && m.refunded >= 0 && m.authorized >= 0 && m.refunding >= 0,
        "{m:?}"
    );
    let net = m.captured - m.refunded;
    match order.statuses.payment {
        PaymentStatus::Paid => assert!(net == m.owed || (m.captured == 0 && m.owed == 0)),
        PaymentStatus::Overpaid => assert!(net > m.owed),
        PaymentStatus::Refunded => assert!(m.refunded > 0 && net <= 0),
        PaymentStatus::PartiallyPaid => assert!(m.captured > 0 && net < m.owed),
        PaymentStatus::Authorized => {
            assert!(m.captured == 0 && m.authorized >= m.owed && m.owed > 0)
        }
        // What is being given up, or has lapsed, is authorized no more.
        PaymentStatus::None | PaymentStatus::Failed | PaymentStatus::Voided => {
            let to_be_given_up = order
                .payments
                .iter()
                .any(|p| p.kind == OperationKind::Void && p.state == OperationState::Planned);
            assert!(
                m.captured == 0
                    && (to_be_given_up || order.secured(order.updated_at) <= order.kept())
            );
        }
        _ => {}
    }
}

/// Of every commit.
pub fn committed(order: &Order, env: &Env<'_>) {
    let m = order.money();
    short_in_sight(order, env.now);
    // More can only have gone back than came in when a provider said so, and then a person is told.
    assert!(
        m.refunded <= m.captured || !order.attention.is_empty(),
        "{m:?}\n{order:#?}"
    );
    let mut breaches = Vec::new();
    order_core::audit::check_records(order, &mut breaches);
    assert!(breaches.is_empty(), "{breaches:?}\n{order:#?}");
}

/// An order that is short says so, and by how much, unless an attempt is under way that would bring
/// the rest.
fn short_in_sight(order: &Order, now: Timestamp) {
    let short = order.short(now);
    let told = order
        .attention_about(AttentionReason::PaymentShort, None)
        .and_then(|a| a.amount);
    let money = order.money();
    let moved = money.captured > 0 || money.authorized > 0 || money.owed == 0;
    let lives = matches!(order.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed);
    let for_edit = |n: u32| {
        order
            .open_edit()
            .and_then(|e| e.payment)
            .is_some_and(|first| n >= first)
    };
    let attempts = order
        .payments
        .iter()
        .filter(|p| p.is_attempt() && p.state.is_open() && !for_edit(p.n));
    let coming: Minor = attempts.map(|p| p.amount).sum();
    let expected = (lives || (order.lifecycle == Lifecycle::Pending && moved)) && coming < short;
    assert_eq!(
        told,
        expected.then_some(short),
        "short by {short}, {coming} may come\n{order:#?}"
    );
}

/// Of every event: money that came in stays in sight, whatever is said of it later, until the
/// provider's records say otherwise.
pub fn no_money_vanishes(before: &Order, after: &Order) {
    for (was, is) in before.payments.iter().zip(&after.payments) {
        let looked_up = is.verification == Verification::Done;
        let there = was.captured() <= is.captured() && was.refunded() <= is.refunded();
        assert!(there || looked_up, "{was:?}\n{is:?}\n{after:#?}");
    }
}

/// Before an event is applied: what the transitions and the engine's own plans promise.
pub fn before_event(order: &Order, event: &Event, env: &Env<'_>) {
    let money = order.money();
    let attempts_open = order.payments.iter().any(|p| {
        p.is_attempt() && p.state.is_open() && !matches!(p.state, OperationState::Planned)
    });
    let moved = money.authorized > 0 || money.captured > money.refunded;
    let leaves_or_ends = matches!(
        event,
        Event::Confirmed
            | Event::Completed
            | Event::ShipmentPlanned { .. }
            | Event::ShipmentShipped { .. }
    );
    assert!(
        !leaves_or_ends || order.short(env.now) == 0,
        "a short order gets {}",
        event.name()
    );
    match event {
        Event::Confirmed => {
            assert_eq!(order.lifecycle, Lifecycle::Pending);
            assert!(covered(order, env) && !order.is_blocked(Blocks::Confirm));
            assert!(sku_stock(order, env).iter().all(Stock::is_held));
        }
        Event::Rejected { shortages } => {
            assert!(!shortages.is_empty() && !moved && !attempts_open);
        }
        Event::PaymentFailed { retry_until } => {
            assert!(*retry_until > env.now && !moved && !attempts_open)
        }
        Event::Expired => assert!(order.placing_deadline <= env.now && !moved && !attempts_open),
        Event::Cancelled => {
            assert!(!attempts_open && money.captured <= money.refunded && money.authorized == 0);
            assert!(
                order.reservations.iter().all(|r| !r.state.may_hold()),
                "nothing is held any more"
            );
        }
        Event::PaymentPlanned {
            kind: OperationKind::Authorize | OperationKind::Charge,
            ..
        } => {
            assert!(
                order.lifecycle.is_live(),
                "an attempt is replaced only where it is wanted"
            );
            assert!(
                order.secured(env.now) < order.owed_with_edit() || renewed(order, env),
                "nothing is asked for that is there: {order:#?}"
            );
        }
        Event::PaymentPlanned {
            kind: kind @ (OperationKind::Void | OperationKind::Refund),
            parent,
            amount,
            ..
        } => {
            let parent = parent
                .and_then(|n| order.payment(n))
                .expect("a void or refund acts on a payment");
            let open = |kind| {
                order
                    .children(parent.n)
                    .any(|c| c.kind == kind && c.state.is_open())
            };
            assert!(
                !open(OperationKind::Void),
                "nothing is given back twice: a void of it is under way"
            );
            if *kind == OperationKind::Refund {
                let gone: Minor = order
                    .children(parent.n)
                    .map(|c| c.refunded() + c.refunding())
                    .sum();
                assert!(0 < *amount && *amount <= order.captured_of(parent) - gone);
                let due = if order.terms == PaymentTerms::Shipment {
                    order.due()
                } else {
                    order.owed_with_edit()
                };
                assert!(order.kept() - *amount >= due, "as much is kept as is due");
            } else {
                let looked_up = parent.verification != Verification::None;
                assert!(
                    (looked_up || !open(OperationKind::Refund)) && order.captured_of(parent) == 0
                );
            }
        }
        Event::PaymentPlanned {
            kind: OperationKind::Capture,
            parent,
            amount,
            ..
        } => {
            let parent = parent.expect("a capture takes from an authorization");
            let under_way: Minor = order.children(parent).map(|c| c.capturing()).sum();
            assert!(*amount > 0 && *amount + under_way <= order.authorized_rest(parent));
            let kept = order.kept() + money.capturing;
            assert!(
                kept + *amount <= money.owed,
                "nothing is captured that is not owed"
            );
            let lapsed = order
                .payment(parent)
                .and_then(|p| p.capture_before)
                .is_some_and(|t| t <= env.now);
            assert!(!lapsed, "nothing is captured of what has lapsed");
            assert!(!order.is_blocked(Blocks::Capture));
        }
        Event::Completed => {
            let kept = money.captured - money.refunded;
            assert!((order.least_kept()..=money.owed).contains(&kept), "{kept}");
            assert!(order.holds.is_empty() && order.open_edit().is_none());
        }
        Event::EditApplied { n } => {
            let mut after = order.clone();
            evolve(
                &mut after,
                &Event::EditApplied { n: *n },
                &Actor::System,
                order.updated_at,
            );
            assert_eq!(after.short(env.now), 0, "no edit leaves an order short");
            assert!(
                sku_stock(order, env).iter().all(Stock::is_held),
                "what it adds is held"
            );
        }
        _ => {}
    }
}

/// Of every plan.
pub fn of_plan(order: &Order, plan: &Next, env: &Env<'_>) {
    for (i, event) in plan.events.iter().enumerate() {
        // One that was never sent is planned anew for less.
        let for_less = |before: &Event| match (before, event) {
            (
                Event::PaymentDropped { n },
                Event::PaymentPlanned {
                    kind,
                    method,
                    amount,
                    ..
                },
            ) => order.payment(*n).is_some_and(|p| {
                (p.kind, &p.method) == (*kind, method) && (1..p.amount).contains(amount)
            }),
            _ => false,
        };
        let anew = i > 0 && for_less(&plan.events[i - 1]);
        let of_its_own = matches!(
            event,
            Event::ReservationPlanned { .. }
                | Event::StockClosing { .. }
                | Event::StockDropped { .. }
                | Event::PaymentDropped { .. }
                | Event::AttentionRaised { .. }
                | Event::PaymentPlanned {
                    kind: OperationKind::Void | OperationKind::Refund,
                    ..
                }
        );
        assert!(
            of_its_own || anew,
            "the engine takes no money that no command asked for: {event:?}"
        );
    }
    assert!(
        plan.events.is_empty() || (plan.calls.is_empty() && plan.ahead.is_empty()),
        "what is recorded first comes first"
    );
    // A time that has come already would be looked at again and again.
    assert!(
        plan.wake.is_none_or(|t| t > env.now),
        "wake {:?} at {}\n{order:#?}",
        plan.wake,
        env.now
    );
    let ops: BTreeSet<Op> = plan
        .calls
        .iter()
        .map(|c| c.op)
        .chain(plan.ahead.iter().copied())
        .collect();
    assert_eq!(
        ops.len(),
        plan.calls.len() + plan.ahead.len(),
        "one call for one operation at a time: {plan:?}"
    );
    for call in &plan.calls {
        let planned = match call.op {
            Op::Reservation(n) => {
                order.reservation(n).expect("it exists").state == ReservationState::Planned
            }
            Op::Payment(n) => order.payment(n).expect("it exists").state == OperationState::Planned,
            Op::Notice(_) => false,
        };
        assert_eq!(
            call.arm, planned,
            "whatever the record says was never called is armed before"
        );
        if call.verb.takes_money() {
            assert!(
                order.lifecycle.is_live() && !order.is_blocked(Blocks::Capture),
                "{call:?}\n{order:#?}"
            );
            let held = sku_stock(order, env).iter().all(Stock::is_held);
            let capture = call.verb == Verb::Pay(OperationKind::Capture);
            assert!(held || capture, "money moves only when all stock is held");
        }
    }
}

/// Of an order for which nothing is due: it waits at the most for a time or a person.
pub fn at_rest(order: &Order, plan: &Next, env: &Env<'_>) {
    assert!(plan.events.is_empty() && plan.calls.is_empty());
    let told = !order.attention.is_empty();
    if plan.stuck.is_empty() {
        let breaches = order_core::audit::check_at_rest(order);
        assert!(breaches.is_empty(), "{breaches:?}\n{order:#?}");
    }
    if !plan.stuck.is_empty() {
        assert!(
            told,
            "nothing is stuck in silence: {:?}\n{order:#?}",
            plan.stuck
        );
        return;
    }
    let money = order.money();
    if order.lifecycle.is_live() {
        return;
    }
    assert_eq!(order.owed(), 0);
    assert!(
        money.captured == money.refunded || told,
        "{money:?}\n{order:#?}"
    );
    assert_eq!(money.authorized, 0, "{order:#?}");
    assert!(
        order.payments.iter().all(|p| !p.state.is_open()),
        "{order:#?}"
    );
    for r in &order.reservations {
        let kept = r.state == ReservationState::Committed && !env.inventory.release_committed;
        let gone = !r.state.may_hold()
            && r.state != ReservationState::Planned
            && r.state != ReservationState::Committed;
        // What got lost on its way is out of the stock for good.
        let lost: u32 = order
            .lines
            .iter()
            .filter(|l| l.sku == r.sku)
            .map(|l| l.counters.lost)
            .sum();
        let kept = kept || (r.state == ReservationState::Committed && r.committed <= lost);
        assert!(
            gone || kept,
            "a dead order holds nothing: {r:?}\n{order:#?}"
        );
    }
}

/// Returns true if the order waits for nothing but a time that is far off, such as the renewal of a
/// hold: pauses after failures are far shorter.
pub fn waits_only_for_time(order: &Order, plan: &Next, now: Timestamp) -> bool {
    let far = now.after(Duration::from_secs(24 * 60 * 60));
    matches!(order.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed)
        && plan.wake.is_some_and(|t| t > far)
}

/// Returns true if an authorization is about to lapse where another is asked for in its place.
fn renewed(order: &Order, env: &Env<'_>) -> bool {
    let soon = |t: Timestamp| t.before(env.policy.capture_warning) <= env.now;
    env.policy.before_lapse == BeforeLapse::Reauthorize
        && order
            .payments
            .iter()
            .any(|p| p.capture_before.is_some_and(soon))
}
