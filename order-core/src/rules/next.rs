//! What must happen next for an order: a set, so that one slow or stuck thing never hides another.

mod money;
mod stock;

use super::Env;
use super::payments::{deadline, edit_deadline};
use super::settle::{completes_at, warns_at};
use super::stock::{SkuStock, backorder_retry, is_short, sku_stock};
use crate::money::Minor;
use crate::order::{AttentionReason, Event, Lifecycle, Op, OperationKind, Order};
use crate::store::Tries;
use crate::time::Timestamp;

/// Everything that is left to do for an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Next {
    /// What can be recorded without asking anybody: plans of holds, releases, voids and refunds,
    /// and drops of what was never sent. Record them, and ask again.
    pub events: Vec<Event>,
    /// The calls that may start now.
    pub calls: Vec<Call>,
    /// Operations to arm together with the calls: they follow at once if the calls succeed, and
    /// their services honour keys.
    pub ahead: Vec<Op>,
    /// The earliest time to look again; none if only somebody else can move the order.
    pub wake: Option<Timestamp>,
    /// What repeating cannot cure.
    pub stuck: Vec<Stuck>,
}

impl Next {
    /// Whether nothing is left: the order needs no work item.
    pub fn is_done(&self) -> bool {
        self.events.is_empty()
            && self.calls.is_empty()
            && self.wake.is_none()
            && self.stuck.is_empty()
    }
}

/// A call to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The operation it is for.
    pub op: Op,
    /// What to ask.
    pub verb: Verb,
    /// Whether the operation must be armed by a commit before: the record still says that it was
    /// never called.
    pub arm: bool,
}

/// What to ask of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Hold units.
    Reserve,
    /// Give a hold back.
    Release,
    /// Take held units out of the stock.
    Commit,
    /// Find out what became of a reserve.
    LookUpReservation,
    /// Carry out the payment operation.
    Pay(OperationKind),
    /// Find out what became of a payment operation.
    LookUpPayment,
    /// Tell the customer.
    Notify,
}

impl Verb {
    /// Whether money may come in because of the call: then whether the order is still wanted is
    /// looked at once more.
    pub const fn takes_money(self) -> bool {
        matches!(
            self,
            Verb::Pay(OperationKind::Authorize | OperationKind::Charge | OperationKind::Capture)
        )
    }

    /// Whether the call changes something at the service, and so needs an intent that was durable
    /// before.
    pub const fn has_effect(self) -> bool {
        !matches!(self, Verb::LookUpReservation | Verb::LookUpPayment)
    }
}

/// Something that repeating cannot cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// What it is about.
    pub op: Op,
    /// Why.
    pub why: String,
}

/// What must happen next.
///
/// Plans releases, voids and refunds by itself, but never a charge or a capture that no command
/// planned.
pub fn next(order: &Order, tries: &Tries, env: &Env<'_>) -> Next {
    let mut plan = Planner {
        order,
        tries,
        env,
        out: Next::default(),
    };
    let stock = sku_stock(order, env);
    let refused = is_short(order, env, &stock);
    plan.missing_stock(&stock, refused);
    plan.reservations(refused);
    plan.attempts(&stock, refused);
    plan.verifications();
    plan.follow_ups(refused);
    plan.refunds();
    plan.notices();
    plan.timers(&stock);
    if !plan.out.events.is_empty() {
        // What is recorded first may change everything else.
        plan.out.calls.clear();
        plan.out.ahead.clear();
    }
    plan.out
}

struct Planner<'a, 'o> {
    order: &'o Order,
    tries: &'a Tries,
    env: &'a Env<'a>,
    out: Next,
}

impl Planner<'_, '_> {
    fn wake(&mut self, at: Timestamp) {
        self.out.wake = Some(self.out.wake.map_or(at, |w| w.min(at)));
    }

    /// Starts a call, unless its time has not come or it is known to be of no use.
    fn call(&mut self, op: Op, verb: Verb, arm: bool) -> bool {
        self.call_from(op, verb, arm, Timestamp::from_micros(i64::MIN))
    }

    fn call_from(&mut self, op: Op, verb: Verb, arm: bool, earliest: Timestamp) -> bool {
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

    /// Whether no call made for `op` so far can have taken effect.
    fn is_clear(&self, op: Op) -> bool {
        self.tries.get(op).is_some_and(|t| t.clear)
    }

    /// Whether a service no longer remembers a key first used at `since`.
    fn key_forgotten(&self, since: Timestamp, inventory: bool) -> bool {
        let lifetime = if inventory {
            self.env.inventory.key_lifetime
        } else {
            self.env.payment.key_lifetime
        };
        lifetime.is_some_and(|l| since.after(l) <= self.env.now)
    }

    /// Nothing is stuck, or lost, in silence: raises attention unless it is open already.
    fn tell(&mut self, reason: AttentionReason, op: Op) {
        self.tell_of(reason, op, None);
    }

    /// The same for so much money: another amount is told anew.
    fn tell_of(&mut self, reason: AttentionReason, op: Op, amount: Option<Minor>) {
        let told = self
            .order
            .attention_about(reason, Some(op))
            .is_some_and(|a| a.amount == amount);
        if !told {
            self.out.events.push(Event::AttentionRaised {
                reason,
                about: Some(op),
                amount,
            });
        }
    }

    /// The first thing the customer has not been told.
    fn notices(&mut self) {
        if !self.env.notify {
            return;
        }
        if let Some(notice) = self
            .order
            .notices
            .iter()
            .find(|n| n.seq > self.order.notified)
        {
            self.call(Op::Notice(notice.seq), Verb::Notify, false);
        }
    }

    /// Times at which something changes by itself.
    fn timers(&mut self, stock: &[(&crate::ids::Sku, u32, SkuStock)]) {
        let order = self.order;
        if !order.lifecycle.is_terminal() {
            for until in order.holds.iter().filter_map(|h| h.until) {
                self.wake(until);
            }
        }
        if order.lifecycle == Lifecycle::Pending {
            let at = deadline(order);
            if at > self.env.now {
                self.wake(at);
            }
        }
        if let Some(edit) = order.open_edit() {
            self.wake(edit_deadline(order, edit));
        }
        let later = [completes_at(order, self.env), warns_at(order, self.env)];
        for at in later.into_iter().flatten().filter(|t| *t > self.env.now) {
            self.wake(at);
        }
        for (sku, _, state) in stock {
            if matches!(state, SkuStock::Refused { .. })
                && let Some(last) = order.reservations.iter().rev().find(|r| r.sku == **sku)
                && let Some(at) = backorder_retry(order, self.env, last)
            {
                self.wake(at);
            }
        }
    }
}
