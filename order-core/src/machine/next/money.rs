//! Money: attempts to begin, follow up or give up, captures, and refunds.

use super::{Planner, Stuck, Verb};
use crate::machine::pause_after;
use crate::machine::payments::{attempt_outstanding, begin_by, is_wanted, may_collect, refused};
use crate::machine::settle::is_lapsing;
use crate::machine::stock::SkuStock;
use crate::money::Minor;
use crate::order::{
    AttentionReason, Blocks, DisputeState, Event, Lifecycle, Op, OperationKind, OperationOrigin, OperationState, Order,
    PaymentOperation,
};
use crate::planted::{Bug, planted};
use crate::text::Private;

impl Planner<'_, '_> {
    /// Authorizations and charges.
    pub(super) fn attempts(&mut self, stock: &[(&crate::ids::Sku, u32, SkuStock)], refused: bool) {
        let order = self.order;
        let all_held = stock.iter().all(|(_, _, s)| *s == SkuStock::Held) || planted(Bug::ChargeBeforeReserve);
        let may_collect = may_collect(order);
        let allowed = may_collect && !order.is_blocked(Blocks::Capture);
        for p in order.payments.iter().filter(|p| p.is_attempt()) {
            let op = Op::Payment(p.n);
            let wanted = is_wanted(order, p, refused);
            match p.state {
                OperationState::Planned | OperationState::Armed | OperationState::Unknown => {
                    if p.state == OperationState::Planned || self.is_clear(op) {
                        self.unsent_attempt(p, wanted, stock, all_held && allowed, allowed);
                    } else if wanted && may_collect && self.env.payment.repeat && !self.key_forgotten(p.created_at, false) {
                        if all_held && allowed {
                            self.call(op, Verb::Pay(p.kind), false);
                        }
                    } else {
                        self.look_up_payment(p);
                    }
                }
                OperationState::ActionRequired | OperationState::Pending => self.waiting_attempt(p, wanted),
                OperationState::Authorized if order.authorized_rest(p.n) > 0 && (!wanted || is_lapsing(p, self.env)) => {
                    self.plan_void(p);
                }
                OperationState::Authorized
                | OperationState::Captured
                | OperationState::Declined
                | OperationState::Voided
                | OperationState::Refunded
                | OperationState::Failed
                | OperationState::Dropped => {}
            }
        }
    }

    /// An attempt that was provably never called.
    fn unsent_attempt(
        &mut self,
        p: &PaymentOperation,
        wanted: bool,
        stock: &[(&crate::ids::Sku, u32, SkuStock)],
        may_start: bool,
        allowed: bool,
    ) {
        let op = Op::Payment(p.n);
        if !wanted || !may_collect(self.order) || begin_by(self.order, self.env, p) <= self.env.now {
            self.out.events.push(Event::PaymentDropped { n: p.n });
        } else if may_start {
            self.call(op, Verb::Pay(p.kind), p.state == OperationState::Planned);
        } else {
            if allowed && p.state == OperationState::Planned && self.honours_keys() && self.about_to_hold_all(stock) {
                self.out.ahead.push(op);
            }
            self.wake(begin_by(self.order, self.env, p));
        }
    }

    fn honours_keys(&self) -> bool {
        self.env.payment.repeat || self.env.payment.look_up
    }

    /// Whether the calls planned so far hold the last of the stock, if they succeed.
    fn about_to_hold_all(&self, stock: &[(&crate::ids::Sku, u32, SkuStock)]) -> bool {
        stock.iter().all(|(sku, _, s)| match s {
            SkuStock::Held => true,
            SkuStock::Open => self.order.reservations.iter().filter(|r| r.sku == **sku && r.state.is_open()).all(|r| {
                let op = Op::Reservation(r.n);
                self.out.calls.iter().any(|c| c.op == op && c.verb == Verb::Reserve)
            }),
            _ => false,
        })
    }

    /// An attempt that the provider or the customer is to decide.
    fn waiting_attempt(&mut self, p: &PaymentOperation, wanted: bool) {
        if !wanted {
            return self.plan_void(p);
        }
        let until = p.deadline.unwrap_or(self.env.now);
        if until > self.env.now {
            return self.wake(until);
        }
        // Its time is over: ask once; if the customer still has not acted, give it up.
        let op = Op::Payment(p.n);
        let asked = self.tries.get(op).is_some_and(|t| t.count > 0);
        if p.state == OperationState::ActionRequired && asked { self.plan_void(p) } else { self.look_up_payment(p) }
    }

    /// Finds out what became of an operation whose outcome is not known.
    fn look_up_payment(&mut self, p: &PaymentOperation) {
        let op = Op::Payment(p.n);
        if self.env.payment.look_up {
            self.call(op, Verb::LookUpPayment, false);
        } else {
            let why = "its outcome is not known, and the payment service can neither repeat it nor look it up".into();
            self.out.stuck.push(Stuck { op, why });
            self.tell(AttentionReason::Undecidable, op);
        }
    }

    /// Gives up an attempt: plans a void, unless one is open; after a refused one, asks what the attempt has become.
    fn plan_void(&mut self, p: &PaymentOperation) {
        let order = self.order;
        let voids = || order.children(p.n).filter(|c| c.kind == OperationKind::Void);
        if voids().any(|c| c.state.is_open()) {
            return;
        }
        // What is being captured is no longer given up: once that is settled, the rest can be.
        if order.children(p.n).any(|c| c.kind == OperationKind::Capture && c.state.is_open()) {
            return;
        }
        let (refused, last) = refused(order, p.n, OperationKind::Void);
        if let Some(last) = last {
            let again = last.updated_at.after(pause_after(self.env.policy, refused.max(1)));
            // A refused void mostly means that the provider was faster: ask first.
            self.look_up_payment(p);
            if refused >= self.env.policy.refusals_before_stuck {
                return;
            }
            if again > self.env.now {
                self.wake(again);
                return;
            }
        }
        self.plan_payment(OperationKind::Void, p, p.amount);
    }

    fn plan_payment(&mut self, kind: OperationKind, parent: &PaymentOperation, amount: Minor) {
        let planned = self.out.events.iter().filter(|e| matches!(e, Event::PaymentPlanned { .. })).count();
        self.out.events.push(Event::PaymentPlanned {
            n: (self.order.payments.len() + planned) as u32 + 1,
            kind,
            parent: Some(parent.n),
            method: parent.method.clone(),
            amount,
            token: Private(None),
            return_url: Private(None),
        });
    }

    /// Voids, refunds and captures that are under way.
    pub(super) fn follow_ups(&mut self) {
        let order = self.order;
        for p in order.payments.iter().filter(|p| !p.is_attempt()) {
            let op = Op::Payment(p.n);
            let parent = p.parent.and_then(|n| order.payment(n));
            let moot = parent.is_some_and(|q| match p.kind {
                OperationKind::Void => matches!(
                    q.state,
                    OperationState::Voided | OperationState::Declined | OperationState::Failed | OperationState::Captured
                ),
                // An earlier refund that had been given up for failed went through after all.
                OperationKind::Refund => {
                    order.children(q.n).map(PaymentOperation::refunded).sum::<Minor>() + p.amount > order.captured_of(q)
                }
                // Nothing more is to come in, or nothing is left to take it from.
                OperationKind::Capture => {
                    // Counted as by what plans captures, or one would be planned and dropped for ever.
                    let paid = order.kept() >= order.owed();
                    paid || !may_collect(order) || order.authorized_rest(q.n) < p.amount
                }
                _ => false,
            });
            let held_back = p.kind == OperationKind::Capture && order.is_blocked(Blocks::Capture);
            match p.state {
                OperationState::Planned if moot => self.out.events.push(Event::PaymentDropped { n: p.n }),
                OperationState::Planned if held_back => {}
                OperationState::Planned => {
                    self.call(op, Verb::Pay(p.kind), true);
                }
                OperationState::Armed | OperationState::Unknown if self.is_clear(op) && moot => {
                    self.out.events.push(Event::PaymentDropped { n: p.n });
                }
                // Armed, and provably never sent: it waits like one that is only planned.
                OperationState::Armed | OperationState::Unknown if self.is_clear(op) && held_back => {}
                // It may be asked for again only when it may be asked for at all; what became of it can be found out.
                OperationState::Armed | OperationState::Unknown if held_back && !moot && !self.env.payment.look_up => {}
                OperationState::Armed | OperationState::Unknown => {
                    // What is no longer wanted is not made to happen by asking again.
                    let wanted = (!moot && !held_back) || p.kind == OperationKind::Void;
                    let repeat = wanted && self.env.payment.repeat && !self.key_forgotten(p.created_at, false);
                    if repeat || self.is_clear(op) {
                        self.call(op, Verb::Pay(p.kind), false);
                    } else {
                        self.look_up_payment(p);
                    }
                }
                OperationState::Pending | OperationState::ActionRequired => {
                    let until = p.deadline.unwrap_or(self.env.now);
                    if until > self.env.now { self.wake(until) } else { self.look_up_payment(p) }
                }
                _ => {}
            }
        }
    }

    /// Sends back what is captured and not owed, newest capture first.
    pub(super) fn refunds(&mut self) {
        let order = self.order;
        let money = order.money();
        let mut excess = money.captured - money.refunded - money.refunding - order.claimed();
        let disputed = order.disputes.iter().any(|d| d.state == DisputeState::Open) && !planted(Bug::RefundsDisputed);
        if excess <= 0 || disputed || attempt_blocks_refund(order) {
            return;
        }
        for p in order.payments.iter().rev().filter(|p| order.captured_of(p) > 0) {
            let refunds = || order.children(p.n).filter(|c| c.kind == OperationKind::Refund);
            let gone: Minor = refunds().map(|c| c.refunded() + c.refunding()).sum();
            let amount = excess.min(order.captured_of(p) - gone);
            if amount <= 0 {
                continue;
            }
            if p.origin == OperationOrigin::Outside && p.is_attempt() {
                let op = Op::Payment(p.n);
                let why = "it was paid outside the engine: send it back by hand and report the refund".into();
                self.out.stuck.push(Stuck { op, why });
                self.tell(AttentionReason::RefundByHand, op);
                excess -= amount;
                continue;
            }
            // A void under way may yet give it back.
            if order.children(p.n).any(|c| c.kind == OperationKind::Void && c.state.is_open()) {
                excess -= amount;
                continue;
            }
            let (refused, last) = refused(order, p.n, OperationKind::Refund);
            if let Some(last) = last {
                if refused >= self.env.policy.refusals_before_stuck {
                    let why = format!("the payment service refused to refund payment {} {refused} times", p.n);
                    self.out.stuck.push(Stuck { op: Op::Payment(last.n), why });
                    continue;
                }
                let again = last.updated_at.after(pause_after(self.env.policy, refused.max(1)));
                if again > self.env.now {
                    self.wake(again);
                    continue;
                }
            }
            self.plan_payment(OperationKind::Refund, p, amount);
            excess -= amount;
            if excess == 0 {
                break;
            }
        }
    }
}

/// While it is not known whether an attempt brought money in, a refund that rests on it waits.
fn attempt_blocks_refund(order: &Order) -> bool {
    order.lifecycle == Lifecycle::Pending && attempt_outstanding(order, false)
}
