//! Refunds: what is kept beyond what is owed goes back, whatever made it so. A cancelled order
//! refunds all it kept, because it owes nothing ([`Order::owed`](crate::order::Order::owed)); a
//! closed return or a credit lowers what is owed; tax goes back with the shares of the units
//! ([`Lot::total`](crate::order::Lot::total)).

use crate::money::Minor;
use crate::order::{AttentionReason, Op, OperationKind, OperationOrigin, Order, PaymentOperation};
use crate::policy::BeforeLapse;
use crate::rules::Env;
use crate::rules::call::Stuck;
use crate::rules::pause_after;
use crate::rules::payment::state::{lapses_soon, refunds_wait, refused};
use crate::rules::planner::Planner;
use crate::time::Timestamp;

/// Returns true if an authorization is about to lapse that the shop wants captured before.
fn captures_before_lapse(order: &Order, env: &Env<'_>) -> bool {
    env.policy.before_lapse == BeforeLapse::Capture
        && order
            .payments
            .iter()
            .any(|p| lapses_soon(p, env) && order.can_be_captured(p, env.now))
}

impl<'o> Planner<'_, 'o> {
    /// Sends back what is captured and not owed, newest capture first.
    pub(in crate::rules) fn refunds(&mut self) {
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
                        "{money} were paid outside the engine: send them back by hand and report \
                            the refund"
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

    /// Returns what is to go back now, as if nothing that was never sent were under way: so that it
    /// does not depend on what was known when that was planned.
    pub(super) fn ways_back(&self) -> Vec<WayBack<'o>> {
        let order: &'o Order = self.order;
        let unsent: Vec<u32> = self.unsent_refunds().map(|p| p.n).collect();
        let planned = self.unsent_refunds().map(|p| p.amount).sum();
        let mut excess = order.surplus_without(self.env.now, planned);
        // What is about to be captured because its authorization lapses is not given back on the
        // ground that it could be captured again.
        if captures_before_lapse(order, self.env) {
            let beyond = order.kept() + planned - order.owed_with_edit();
            excess = excess.min(beyond.max(0));
        }
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

    /// Refunds that were provably never sent.
    pub(super) fn unsent_refunds(&self) -> impl Iterator<Item = &'o PaymentOperation> {
        self.order
            .payments
            .iter()
            .filter(|p| p.refunding() > 0 && self.is_unsent(p))
    }
}

/// A way on which some of the surplus goes back.
#[derive(Clone, Copy)]
pub(super) enum WayBack<'a> {
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
