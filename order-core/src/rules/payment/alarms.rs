//! The attention that an operation's outcome raises or clears: what a person must look at because
//! of it, or need not any more.

use super::outcome::Heard;
use crate::order::{
    AttentionReason, Event, Lifecycle, Op, OperationKind, OperationOrigin, OperationState,
};
use crate::rules::attention::{clear, raise, raise_for};
use crate::rules::payment::state::is_wanted;

impl Heard<'_> {
    /// Returns the events of the attention that the outcome raises or clears.
    pub(super) fn attention(&self) -> Vec<Event> {
        let op = Some(Op::Payment(self.p.n));
        let raise = |reason, holds: bool| holds.then(|| raise(self.order, reason, op)).flatten();
        let unexpected = |holds| raise(AttentionReason::UnexpectedReport, holds);
        let p = self.p;
        let other_amount = self.moves_money() && self.answer.amount.minor != p.amount;
        let on_dead_order = self.moves_money() && p.is_attempt() && self.order.is_dead();
        let mut events: Vec<Event> = [
            raise(AttentionReason::AmountMismatch, other_amount),
            raise(AttentionReason::MoneyOnDeadOrder, on_dead_order),
            unexpected(self.is_missed()),
            // Money that was there is not: what rested on it is for a person to see to.
            unexpected(p.captured() > 0 && self.state != OperationState::Captured),
            unexpected(self.voids_what_is_captured()),
            unexpected(self.captures_too_much()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if p.kind == OperationKind::Refund && self.moves_money() {
            events.extend(unexpected(self.refunds_too_much()));
            events.extend(clear(self.order, AttentionReason::RefundFailed, op));
        }
        events.extend(self.refused());
        events
    }

    /// Returns true if the provider gave up an authorization that the order counts on: that cannot
    /// be undone, and a person must ask for the money again.
    fn is_missed(&self) -> bool {
        let (order, p) = (self.order, self.p);
        let voiding = || {
            order
                .children(p.n)
                .any(|c| c.kind == OperationKind::Void && c.state.is_open())
        };
        p.state == OperationState::Authorized
            && self.state == OperationState::Voided
            && !voiding()
            && order.lifecycle != Lifecycle::Pending
            && is_wanted(order, self.env, p, false)
    }

    /// Returns true if a void succeeded of what was captured before.
    fn voids_what_is_captured(&self) -> bool {
        let parent = self.p.parent.and_then(|n| self.order.payment(n));
        self.state == OperationState::Voided
            && parent.is_some_and(|q| q.state == OperationState::Captured)
    }

    /// Returns true if a capture took more than was authorized: one that was given up for failed,
    /// and asked for again, may have happened.
    fn captures_too_much(&self) -> bool {
        let rest = self.p.parent.map(|n| self.order.authorized_rest(n));
        self.p.kind == OperationKind::Capture
            && self.moves_money()
            && rest.is_some_and(|rest| self.answer.amount.minor > rest)
    }

    /// Returns true if a refund sent back more than came in, or than was to go back. What went back
    /// elsewhere is told of by itself, and may be heard of sooner or later than this.
    fn refunds_too_much(&self) -> bool {
        let money = self.order.money();
        let by_engine = self.order.refunded_by(OperationOrigin::Engine);
        let left = money.captured - by_engine - self.answer.amount.minor;
        let counted_on = self.p.state.came_to_nothing() && left < money.owed;
        left < 0 || counted_on
    }

    /// Returns the attention for a refund, void or capture that the provider refused.
    fn refused(&self) -> Option<Event> {
        if !matches!(
            self.state,
            OperationState::Declined | OperationState::Failed
        ) {
            return None;
        }
        let reason = match self.p.kind {
            OperationKind::Refund => AttentionReason::RefundFailed,
            OperationKind::Void => AttentionReason::VoidFailed,
            OperationKind::Capture => AttentionReason::CaptureFailed,
            OperationKind::Authorize | OperationKind::Charge => return None,
        };
        let op = Some(Op::Payment(self.p.n));
        raise_for(self.order, reason, op, Some(self.p.amount))
    }
}
