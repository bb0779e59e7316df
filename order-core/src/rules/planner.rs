//! The plan of what is due for an order, in the making.

use super::call::{Call, Next, Stuck, Verb};
use super::{Env, attention};
use crate::money::Minor;
use crate::order::{AttentionReason, Op, Order};
use crate::store::Tries;
use crate::time::Timestamp;

/// A plan in the making: the topics add to it what is due of theirs.
pub(super) struct Planner<'a, 'o> {
    pub(super) order: &'o Order,
    pub(super) tries: &'a Tries,
    pub(super) env: &'a Env<'a>,
    pub(super) out: Next,
}

impl Planner<'_, '_> {
    pub(super) fn wake(&mut self, at: Timestamp) {
        self.out.wake = Some(self.out.wake.map_or(at, |w| w.min(at)));
    }

    /// Starts a call, unless its time has not come or it is known to be of no use.
    pub(super) fn call(&mut self, op: Op, verb: Verb, arm: bool) -> bool {
        self.call_from(op, verb, arm, Timestamp::MIN)
    }

    pub(super) fn call_from(&mut self, op: Op, verb: Verb, arm: bool, earliest: Timestamp) -> bool {
        let tried = self.tries.get(op);
        if let Some(why) = tried.and_then(|t| t.stuck.clone()) {
            self.out.stuck.push(Stuck { op, why });
            return false;
        }
        let at = tried.map_or(earliest, |t| t.next_at.max(earliest));
        if at > self.env.clock {
            self.wake(at);
            return false;
        }
        self.out.calls.push(Call { op, verb, arm });
        true
    }

    /// Returns true if no call made for `op` so far can have taken effect.
    pub(super) fn is_clear(&self, op: Op) -> bool {
        self.tries.get(op).is_some_and(|t| t.clear)
    }

    /// Returns true if a service no longer remembers a key first used at `since`.
    pub(super) fn key_forgotten(&self, since: Timestamp, inventory: bool) -> bool {
        let lifetime = if inventory {
            self.env.inventory.key_lifetime
        } else {
            self.env.payment.key_lifetime
        };
        lifetime.is_some_and(|l| since.after(l) <= self.env.now)
    }

    /// Nothing is stuck, or lost, in silence: raises attention unless it is open already.
    pub(super) fn tell(&mut self, reason: AttentionReason, op: Op) {
        self.tell_of(reason, op, None);
    }

    /// The same for so much money: another amount is told anew.
    pub(super) fn tell_of(&mut self, reason: AttentionReason, op: Op, amount: Option<Minor>) {
        let raised = attention::raise_of(self.order, reason, Some(op), amount);
        self.out.events.extend(raised);
    }
}
