//! The parts of the plan for the payment service that all operations share.

use super::planned::PlannedPayment;
use crate::money::Minor;
use crate::order::{
    AttentionReason, Event, Numbered, Op, OperationKind, OperationState, PaymentOperation,
};
use crate::rules::call::{Stuck, Verb};
use crate::rules::planner::Planner;

impl Planner<'_, '_> {
    /// Settled operations that a report contradicts: what the provider's records say of them
    /// counts.
    pub(in crate::rules) fn verifications(&mut self) {
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
                let why = "the provider's records do not bear out what was reported of it: find \
                    out, and resolve it"
                    .into();
                self.out.stuck.push(Stuck { op, why });
                self.tell(AttentionReason::Undecidable, op);
            }
        }
    }

    pub(super) fn has_lapsed(&self, p: &PaymentOperation) -> bool {
        p.capture_before.is_some_and(|t| t <= self.env.now)
    }

    /// Finds out what became of an operation whose outcome is not known.
    pub(super) fn look_up_payment(&mut self, p: &PaymentOperation) {
        let op = Op::Payment(p.n);
        if self.env.payment.look_up {
            self.call(op, Verb::LookUpPayment, false);
        } else {
            let why = "its outcome is not known, and the payment service can neither repeat it \
                nor look it up"
                .into();
            self.out.stuck.push(Stuck { op, why });
            self.tell(AttentionReason::Undecidable, op);
        }
    }

    /// The number of the next payment operation that is planned.
    pub(super) fn number_of_next(&self) -> u32 {
        let is_plan = |e: &&Event| matches!(e, Event::PaymentPlanned { .. });
        let planned = self.out.events.iter().filter(is_plan).count();
        self.order.payments.next_number() + planned as u32
    }

    pub(super) fn plan_payment(
        &mut self,
        kind: OperationKind,
        parent: &PaymentOperation,
        amount: Minor,
    ) {
        let planned = PlannedPayment::new(self.order, kind, &parent.method, amount)
            .numbered(self.number_of_next())
            .following(parent);
        self.out.events.push(planned.event());
    }

    /// Returns true if an operation under way was provably never sent.
    pub(super) fn is_unsent(&self, p: &PaymentOperation) -> bool {
        match p.state {
            OperationState::Planned => true,
            OperationState::Armed | OperationState::Unknown => self.is_clear(Op::Payment(p.n)),
            // Whatever became of the call: the provider knows of it.
            _ => false,
        }
    }
}
