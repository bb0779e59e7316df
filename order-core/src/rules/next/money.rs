//! Money: attempts to begin, follow up or give up, captures, and refunds.

use super::{Planner, Stuck, Verb};
use crate::money::Minor;
use crate::order::{
    AttentionReason, Blocks, Event, Op, OperationKind, OperationOrigin, OperationState, Order,
    PaymentOperation,
};
use crate::rules::pause_after;
use crate::rules::payments::{
    begin_by, is_wanted, may_collect, refunds_wait, refused, to_capture, wanted_of,
};
use crate::rules::stock::{SkuStock, is_secured};
use crate::text::Private;
use crate::time::Timestamp;

impl<'o> Planner<'_, 'o> {
    /// Authorizations and charges.
    pub(super) fn attempts(&mut self, stock: &[(&crate::ids::Sku, u32, SkuStock)], refused: bool) {
        let order = self.order;
        let all_held = is_secured(order, self.env, stock);
        let may_collect = may_collect(order);
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
                | OperationState::Dropped => {}
            }
        }
    }

    fn has_lapsed(&self, p: &PaymentOperation) -> bool {
        p.capture_before.is_some_and(|t| t <= self.env.now)
    }

    /// Settled operations that a report contradicts: what the provider's records say of them
    /// counts.
    pub(super) fn verifications(&mut self) {
        for p in self
            .order
            .payments
            .iter()
            .filter(|p| p.verification.is_due() && !p.state.is_open())
        {
            let op = Op::Payment(p.n);
            if self.out.calls.iter().any(|c| c.op == op) {
                continue;
            }
            // However late it is said, they are asked once.
            let asked = self.tries.get(op).is_some_and(|t| t.count > 0);
            if !asked || p.updated_at.after(self.env.policy.longest_wait) > self.env.now {
                self.look_up_payment(p);
            } else {
                let why = "the provider's records do not bear out what was reported of it: find out, and resolve it".into();
                self.out.stuck.push(Stuck { op, why });
                self.tell(AttentionReason::Undecidable, op);
            }
        }
    }

    /// Begins an attempt that was provably never sent, waits with it, or drops it. One that asks for
    /// more than `most`, which is what is owed of it by now, is planned anew for just that before
    /// it is begun.
    fn unsent_attempt(
        &mut self,
        p: &PaymentOperation,
        most: Minor,
        stock: &[(&crate::ids::Sku, u32, SkuStock)],
        may_start: bool,
        allowed: bool,
    ) {
        let op = Op::Payment(p.n);
        let begin_by = begin_by(self.order, self.env, p);
        if most == 0 || !may_collect(self.order) || begin_by <= self.env.now {
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
            self.out.events.push(Event::PaymentPlanned {
                n: self.number_of_next(),
                kind: p.kind,
                parent: p.parent,
                method: p.method.clone(),
                amount: most,
                token: p.token.clone(),
                return_url: p.return_url.clone(),
            });
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

    /// Whether the calls planned so far hold the last of the stock, if they succeed.
    fn about_to_hold_all(&self, stock: &[(&crate::ids::Sku, u32, SkuStock)]) -> bool {
        stock.iter().all(|(sku, _, s)| match s {
            SkuStock::Held => true,
            SkuStock::Open => self
                .order
                .reservations
                .iter()
                .filter(|r| r.sku == **sku && r.state.is_open())
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

    /// The number of the next payment operation that is planned.
    fn number_of_next(&self) -> u32 {
        let is_plan = |e: &&Event| matches!(e, Event::PaymentPlanned { .. });
        let planned = self.out.events.iter().filter(is_plan).count();
        (self.order.payments.len() + planned) as u32 + 1
    }

    fn plan_payment(&mut self, kind: OperationKind, parent: &PaymentOperation, amount: Minor) {
        self.out.events.push(Event::PaymentPlanned {
            n: self.number_of_next(),
            kind,
            parent: Some(parent.n),
            method: parent.method.clone(),
            amount,
            token: Private(None),
            return_url: Private(None),
        });
    }

    /// Voids, refunds and captures that are under way.
    pub(super) fn follow_ups(&mut self, stock_refused: bool) {
        let order = self.order;
        // Of refunds that were never sent, those that would not be planned now.
        let ways = if self.unsent_refunds().next().is_some() {
            self.ways_back()
        } else {
            Vec::new()
        };
        let due = |p: &PaymentOperation| {
            ways.iter().any(|way| matches!(way, WayBack::Refund { p: q, amount } if p.parent == Some(q.n) && p.amount == *amount))
        };
        let superseded: Vec<u32> = self
            .unsent_refunds()
            .filter(|p| !due(p))
            .map(|p| p.n)
            .collect();
        for p in order.payments.iter().filter(|p| !p.is_attempt()) {
            let op = Op::Payment(p.n);
            let parent = p.parent.and_then(|n| order.payment(n));
            let moot = parent.is_some_and(|q| match p.kind {
                OperationKind::Void => {
                    matches!(
                        q.state,
                        OperationState::Voided
                            | OperationState::Declined
                            | OperationState::Failed
                            | OperationState::Captured
                    ) || (self.is_unsent(p) && !self.is_to_be_voided(q, stock_refused))
                }
                // An earlier refund that had been given up for failed went through after all; or so
                // much has gone back elsewhere.
                OperationKind::Refund => {
                    order
                        .children(q.n)
                        .map(PaymentOperation::refunded)
                        .sum::<Minor>()
                        + p.amount
                        > order.captured_of(q)
                        || superseded.contains(&p.n)
                }
                // Nothing more is to come in, or nothing is left to take it from; of one that was
                // never sent, less is due by now than it asks for.
                OperationKind::Capture => {
                    // Counted as by what plans captures, or one would be planned and dropped for
                    // ever.
                    let paid = order.kept() + order.missed_since(q.n) >= order.owed();
                    paid || (self.is_unsent(p) && p.amount > self.still_to_capture(p, q))
                        || !may_collect(order)
                        || order.authorized_rest(q.n) < p.amount
                        || self.has_lapsed(q)
                }
                _ => false,
            });
            let held_back = p.kind == OperationKind::Capture && order.is_blocked(Blocks::Capture);
            match p.state {
                OperationState::Planned if moot => {
                    self.out.events.push(Event::PaymentDropped { n: p.n })
                }
                OperationState::Planned if held_back => {}
                OperationState::Planned => {
                    self.call(op, Verb::Pay(p.kind), true);
                }
                OperationState::Armed | OperationState::Unknown if self.is_clear(op) && moot => {
                    self.out.events.push(Event::PaymentDropped { n: p.n });
                }
                // Armed, and provably never sent: it waits like one that is only planned.
                OperationState::Armed | OperationState::Unknown
                    if self.is_clear(op) && held_back => {}
                // It may be asked for again only when it may be asked for at all; what became of it
                // can be found out.
                OperationState::Armed | OperationState::Unknown
                    if held_back && !moot && !self.env.payment.look_up => {}
                OperationState::Armed | OperationState::Unknown => {
                    // What is no longer wanted is not made to happen by asking again.
                    let wanted = (!moot && !held_back) || p.kind == OperationKind::Void;
                    let repeat = wanted
                        && self.env.payment.repeat
                        && !self.key_forgotten(p.created_at, false);
                    if repeat || self.is_clear(op) {
                        self.call(op, Verb::Pay(p.kind), false);
                    } else {
                        self.look_up_payment(p);
                    }
                }
                OperationState::Pending | OperationState::ActionRequired => {
                    let until = p.deadline.unwrap_or(self.env.now);
                    if until > self.env.now {
                        self.wake(until)
                    } else {
                        self.look_up_payment(p)
                    }
                }
                _ => {}
            }
        }
    }

    /// The most that capture `c` of authorization `of` may bring in of what is due now, those planned
    /// before it brought in first.
    fn still_to_capture(&self, c: &PaymentOperation, of: &PaymentOperation) -> Minor {
        let earlier = self.order.payments.iter().filter(|p| p.n < c.n);
        let capturing = earlier.map(PaymentOperation::capturing).sum();
        to_capture(self.order, self.env, of, capturing)
    }

    /// Whether an operation under way was provably never sent.
    fn is_unsent(&self, p: &PaymentOperation) -> bool {
        p.state == OperationState::Planned || (p.state.is_open() && self.is_clear(Op::Payment(p.n)))
    }

    /// Whether attempt `p` would be given up now, were nothing planned.
    fn is_to_be_voided(&self, p: &PaymentOperation, stock_refused: bool) -> bool {
        let over = match p.state {
            OperationState::Authorized => self.has_lapsed(p),
            OperationState::Pending | OperationState::ActionRequired => {
                p.deadline.is_none_or(|t| t <= self.env.now)
            }
            _ => true,
        };
        let capturing = self.order.children(p.n).any(|c| c.capturing() > 0);
        (over || !is_wanted(self.order, self.env, p, stock_refused)) && !capturing
    }

    /// Refunds that were provably never sent.
    fn unsent_refunds(&self) -> impl Iterator<Item = &'o PaymentOperation> {
        self.order
            .payments
            .iter()
            .filter(|p| p.refunding() > 0 && self.is_unsent(p))
    }

    /// What is to go back now, as if nothing that was never sent were under way: so that it does
    /// not depend on what was known when that was planned.
    fn ways_back(&self) -> Vec<WayBack<'o>> {
        let order: &'o Order = self.order;
        let unsent: Vec<u32> = self.unsent_refunds().map(|p| p.n).collect();
        let planned = self.unsent_refunds().map(|p| p.amount).sum();
        let mut excess = order.surplus_without(self.env.now, planned);
        let (mut ways, mut later) = (Vec::new(), 0);
        if excess <= 0 || refunds_wait(order) {
            return ways;
        }
        for (n, rest) in order.refundable_without(&unsent) {
            let Some(p) = order.payment(n) else { continue };
            let amount = excess.min(rest);
            if amount <= 0 {
                break;
            }
            if p.origin == OperationOrigin::Outside && p.is_attempt() {
                // Nobody is asked to send back what the engine is about to.
                let amount = (excess - later).min(rest);
                if amount > 0 {
                    ways.push(WayBack::ByHand { p, amount });
                    excess -= amount;
                }
                continue;
            }
            // A void under way may yet give it back.
            if order
                .children(p.n)
                .any(|c| c.kind == OperationKind::Void && c.state.is_open())
            {
                excess -= amount;
                continue;
            }
            let (refused, last) = refused(order, p.n, OperationKind::Refund);
            if let Some(last) = last {
                if refused >= self.env.policy.refusals_before_stuck {
                    ways.push(WayBack::Refused {
                        p,
                        last,
                        times: refused,
                    });
                    continue;
                }
                let again = last
                    .updated_at
                    .after(pause_after(self.env.policy, refused.max(1)));
                if again > self.env.now {
                    ways.push(WayBack::Later { at: again });
                    later += amount;
                    continue;
                }
            }
            ways.push(WayBack::Refund { p, amount });
            excess -= amount;
        }
        ways
    }

    /// Sends back what is captured and not owed, newest capture first.
    pub(super) fn refunds(&mut self) {
        let mut unsent: Vec<(Option<u32>, Minor)> = self
            .unsent_refunds()
            .map(|p| (p.parent, p.amount))
            .collect();
        for way in self.ways_back() {
            match way {
                WayBack::Refund { p, amount } => {
                    match unsent.iter().position(|u| *u == (Some(p.n), amount)) {
                        Some(i) => drop(unsent.swap_remove(i)),
                        None => self.plan_payment(OperationKind::Refund, p, amount),
                    }
                }
                WayBack::ByHand { p, amount } => {
                    let op = Op::Payment(p.n);
                    let money = self.order.in_currency(amount);
                    let why = format!(
                        "{money} were paid outside the engine: send them back by hand and report the refund"
                    );
                    self.out.stuck.push(Stuck { op, why });
                    self.tell_of(AttentionReason::RefundByHand, op, Some(amount));
                }
                WayBack::Refused { p, last, times } => {
                    let why = format!(
                        "the payment service refused to refund payment {} {times} times",
                        p.n
                    );
                    self.out.stuck.push(Stuck {
                        op: Op::Payment(last.n),
                        why,
                    });
                }
                WayBack::Later { at } => self.wake(at),
            }
        }
    }
}

/// A way on which some of the surplus goes back.
#[derive(Clone, Copy)]
enum WayBack<'a> {
    /// The engine refunds it.
    Refund {
        p: &'a PaymentOperation,
        amount: Minor,
    },
    /// A person sends it back.
    ByHand {
        p: &'a PaymentOperation,
        amount: Minor,
    },
    /// None: the service refused it too often.
    Refused {
        p: &'a PaymentOperation,
        last: &'a PaymentOperation,
        times: u32,
    },
    /// The engine asks again.
    Later { at: Timestamp },
}
