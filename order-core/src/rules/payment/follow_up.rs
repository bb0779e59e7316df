//! Voids, refunds and captures under way: asked, looked up, or dropped.

use super::refund::WayBack;
use crate::money::Minor;
use crate::order::{Blocks, Event, Op, OperationKind, OperationState, PaymentOperation};
use crate::rules::call::Verb;
use crate::rules::payment::capture::to_capture;
use crate::rules::payment::state::is_wanted;
use crate::rules::planner::Planner;

impl Planner<'_, '_> {
    /// Voids, refunds and captures that are under way.
    pub(in crate::rules) fn follow_ups(&mut self, stock_refused: bool) {
        let order = self.order;
        // Of refunds that were never sent, those that would not be planned now.
        let ways = if self.unsent_refunds().next().is_some() {
            self.ways_back()
        } else {
            Vec::new()
        };
        let due = |p: &PaymentOperation| {
            ways.iter().any(|way| match way {
                WayBack::Refund { p: q, amount } => p.parent == Some(q.n) && p.amount == *amount,
                WayBack::ByHand { .. } | WayBack::Refused { .. } | WayBack::Later { .. } => false,
            })
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
                    q.state.came_to_nothing()
                        || matches!(q.state, OperationState::Voided | OperationState::Captured)
                        || (self.is_unsent(p) && !self.is_to_be_voided(q, stock_refused))
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
                        || !order.lifecycle.is_live()
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

    /// The most that capture `c` of authorization `of` may bring in of what is due now, those
    /// planned before it brought in first.
    fn still_to_capture(&self, c: &PaymentOperation, of: &PaymentOperation) -> Minor {
        let earlier = self.order.payments.iter().filter(|p| p.n < c.n);
        let capturing = earlier.map(PaymentOperation::capturing).sum();
        to_capture(self.order, self.env, of, capturing)
    }

    /// Returns true if attempt `p` would be given up now, were nothing planned.
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
}
