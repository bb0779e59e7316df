//! Authorizations and charges: begun, waited for, or given up.

use super::planned::PlannedPayment;
use crate::money::Minor;
use crate::order::{Blocks, Event, Op, OperationKind, OperationState, PaymentOperation};
use crate::rules::call::Verb;
use crate::rules::pause_after;
use crate::rules::payment::state::{begin_by, refused, wanted_of};
use crate::rules::planner::Planner;
use crate::rules::stock::state::{SkuStock, Stock, is_secured};

impl Planner<'_, '_> {
    /// Authorizations and charges.
    pub(in crate::rules) fn attempts(&mut self, stock: &[Stock<'_>], refused: bool) {
        let order = self.order;
        let all_held = is_secured(order, self.env, stock);
        let may_collect = order.lifecycle.is_live();
        let allowed = may_collect && !order.is_blocked(Blocks::Capture);
        for p in order.payments.iter().filter(|p| p.is_attempt()) {
            let op = Op::Payment(p.n);
            let most = wanted_of(order, self.env, p, refused);
            let wanted = most > 0;
            match p.state {
                OperationState::Planned | OperationState::Armed | OperationState::Unknown => {
                    if self.is_unsent(p) {
                        self.unsent_attempt(p, most, stock, all_held && allowed, allowed);
                    } else if wanted
                        && may_collect
                        && self.env.payment.repeat
                        && !self.key_forgotten(p.created_at, false)
                    {
                        let look_up = self.env.payment.look_up;
                        let doubted = p.verification.is_due() || p.amount > most;
                        if all_held && allowed && !(doubted && look_up) {
                            self.call(op, Verb::Pay(p.kind), false);
                        } else if look_up {
                            // What may not be asked for again now, is said to have happened, or
                            // would bring in more than is owed, can be found out all the same.
                            self.look_up_payment(p);
                        }
                    } else {
                        self.look_up_payment(p);
                    }
                }
                OperationState::ActionRequired | OperationState::Pending => {
                    self.waiting_attempt(p, wanted)
                }
                OperationState::Authorized
                    if order.authorized_rest(p.n) > 0 && (!wanted || self.has_lapsed(p)) =>
                {
                    self.plan_void(p);
                }
                OperationState::Authorized
                | OperationState::Captured
                | OperationState::Declined
                | OperationState::Voided
                | OperationState::Refunded
                | OperationState::Failed
                | OperationState::NeverHappened
                | OperationState::Dropped => {}
            }
        }
    }

    /// Begins an attempt that was provably never sent, waits with it, or drops it. One that asks
    /// for more than `most`, which is what is owed of it by now, is planned anew for just that
    /// before it is begun.
    fn unsent_attempt(
        &mut self,
        p: &PaymentOperation,
        most: Minor,
        stock: &[Stock<'_>],
        may_start: bool,
        allowed: bool,
    ) {
        let op = Op::Payment(p.n);
        let begin_by = begin_by(self.order, self.env, p);
        if most == 0 || !self.order.lifecycle.is_live() || begin_by <= self.env.now {
            self.out.events.push(Event::PaymentDropped { n: p.n });
            return;
        }
        let ahead = !may_start
            && allowed
            && p.state == OperationState::Planned
            && self.honours_keys()
            && self.about_to_hold_all(stock);
        if p.amount > most && (may_start || ahead) {
            self.out.events.push(Event::PaymentDropped { n: p.n });
            let planned = PlannedPayment::new(self.order, p.kind, &p.method, most)
                .numbered(self.number_of_next())
                .paid_with(&p.token, &p.return_url);
            self.out.events.push(planned.event());
        } else if may_start {
            self.call(op, Verb::Pay(p.kind), p.state == OperationState::Planned);
        } else {
            if ahead {
                self.out.ahead.push(op);
            }
            self.wake(begin_by);
        }
    }

    fn honours_keys(&self) -> bool {
        self.env.payment.repeat || self.env.payment.look_up
    }

    /// Returns true if the calls planned so far hold the last of the stock, if they succeed.
    fn about_to_hold_all(&self, stock: &[Stock<'_>]) -> bool {
        stock.iter().all(|s| match s.state {
            SkuStock::Held => true,
            SkuStock::Open => self
                .order
                .reservations
                .iter()
                .filter(|r| r.sku == *s.sku && r.state.is_open())
                .all(|r| {
                    let op = Op::Reservation(r.n);
                    self.out
                        .calls
                        .iter()
                        .any(|c| c.op == op && c.verb == Verb::Reserve)
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
            if p.verification.is_due() && self.env.payment.look_up {
                self.look_up_payment(p);
            }
            return self.wake(until);
        }
        // Its time is over: ask once; if neither the customer nor the provider has acted, give it
        // up.
        let asked = self
            .tries
            .get(Op::Payment(p.n))
            .is_some_and(|t| t.count > 0);
        if asked || !self.env.payment.look_up {
            self.plan_void(p)
        } else {
            self.look_up_payment(p)
        }
    }

    /// Gives up an attempt: plans a void, unless one is open; after a refused one, asks what the
    /// attempt has become.
    fn plan_void(&mut self, p: &PaymentOperation) {
        let order = self.order;
        let voids = || {
            order
                .children(p.n)
                .filter(|c| c.kind == OperationKind::Void)
        };
        if voids().any(|c| c.state.is_open()) {
            return;
        }
        // What is being captured is no longer given up: once that is settled, the rest can be.
        if order
            .children(p.n)
            .any(|c| c.kind == OperationKind::Capture && c.state.is_open())
        {
            return;
        }
        let (refused, last) = refused(order, p.n, OperationKind::Void);
        if let Some(last) = last {
            let again = last
                .updated_at
                .after(pause_after(self.env.policy, refused.max(1)));
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
}
