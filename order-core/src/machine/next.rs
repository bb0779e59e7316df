//! What must happen next for an order: a set, so that one slow or stuck thing never hides another.

use super::payments::{attempt_outstanding, deadline, is_wanted as money_wanted};
use super::record::never_happened;
use super::stock::{SkuStock, backorder_retry, is_short, is_wanted as hold_wanted, sku_stock};
use super::{Env, pause_after};
use crate::money::Minor;
use crate::order::{
    AttentionReason, Blocks, ClosingKind, Event, HoldState, Lifecycle, Op, OperationKind, OperationState, Order,
    PaymentOperation, Reservation,
};
use crate::planted::{Bug, planted};
use crate::store::Tries;
use crate::text::Private;
use crate::time::Timestamp;

/// Everything that is left to do for an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Next {
    /// What can be recorded without asking anybody: plans of holds, releases, voids and refunds, and drops of what was
    /// never sent. Record them, and ask again.
    pub events: Vec<Event>,
    /// The calls that may start now.
    pub calls: Vec<Call>,
    /// Operations to arm together with the calls: they follow at once if the calls succeed, and their services honour keys.
    pub ahead: Vec<Op>,
    /// The earliest time to look again; none if only somebody else can move the order.
    pub wake: Option<Timestamp>,
    /// What repeating cannot cure.
    pub stuck: Vec<Stuck>,
}

impl Next {
    /// Whether nothing is left: the order needs no work item.
    pub fn is_done(&self) -> bool {
        self.events.is_empty() && self.calls.is_empty() && self.wake.is_none() && self.stuck.is_empty()
    }
}

/// A call to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The operation it is for.
    pub op: Op,
    /// What to ask.
    pub verb: Verb,
    /// Whether the operation must be armed by a commit before: the record still says that it was never called.
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
    LookUpHold,
    /// Carry out the payment operation.
    Pay(OperationKind),
    /// Find out what became of a payment operation.
    LookUpPayment,
    /// Tell the customer.
    Notify,
}

impl Verb {
    /// Whether money may come in because of the call: then whether the order is still wanted is looked at once more.
    pub const fn takes_money(self) -> bool {
        matches!(self, Verb::Pay(OperationKind::Authorize | OperationKind::Charge | OperationKind::Capture))
    }

    /// Whether the call changes something at the service, and so needs an intent that was durable before.
    pub const fn has_effect(self) -> bool {
        !matches!(self, Verb::LookUpHold | Verb::LookUpPayment)
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
/// Plans releases, voids and refunds by itself, but never a charge or a capture that no command planned.
pub fn next(order: &Order, tries: &Tries, env: &Env<'_>) -> Next {
    let mut plan = Planner { order, tries, env, out: Next::default() };
    let stock = sku_stock(order, env);
    let refused = is_short(order, env, &stock);
    plan.missing_stock(&stock, refused);
    plan.reservations(refused);
    plan.attempts(&stock, refused);
    plan.follow_ups();
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
        if at > self.env.now {
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

    /// Holds that are wanted and not even planned.
    fn missing_stock(&mut self, stock: &[(&crate::ids::Sku, u32, SkuStock)], refused: bool) {
        let wants = matches!(self.order.lifecycle, Lifecycle::Pending | Lifecycle::Confirmed);
        if !wants || refused {
            return;
        }
        let mut n = self.order.reservations.len() as u32;
        for (sku, _, state) in stock {
            if let SkuStock::Missing { units } = state {
                n += 1;
                self.out.events.push(Event::ReservationPlanned { n, sku: (*sku).clone(), quantity: *units });
            }
        }
    }

    fn reservations(&mut self, refused: bool) {
        // A service that cannot repeat a reserve is asked for one hold at a time, so that a crash leaves at most one unknown.
        let one_by_one = !self.env.inventory.repeat_reserve;
        let asked = |r: &&Reservation| matches!(r.state, HoldState::Armed | HoldState::Unknown);
        let under_way = self.order.reservations.iter().filter(asked).any(|r| !self.is_clear(Op::Reservation(r.n)));
        let mut may_ask = !(refused || one_by_one && under_way);
        let order = self.order;
        for r in &order.reservations {
            let op = Op::Reservation(r.n);
            let wanted = hold_wanted(order, self.env, r) && !refused;
            match r.state {
                HoldState::Planned if wanted => {
                    if may_ask && self.call(op, Verb::Reserve, true) {
                        may_ask = !one_by_one;
                    }
                }
                HoldState::Planned => self.out.events.push(Event::StockDropped { n: r.n }),
                HoldState::Armed | HoldState::Unknown if self.is_clear(op) => {
                    if !wanted {
                        self.out.events.push(Event::StockDropped { n: r.n });
                    } else if may_ask && self.call(op, Verb::Reserve, false) {
                        may_ask = !one_by_one;
                    }
                }
                HoldState::Armed | HoldState::Unknown => {
                    if wanted && self.env.inventory.repeat_reserve && !self.key_forgotten(r.updated_at, true) {
                        self.call(op, Verb::Reserve, false);
                    } else {
                        // Without look-up by key, all a look-up can find out is that nothing can have happened.
                        let quiet = self.tries.get(op).map(|t| t.quiet_at);
                        let earliest = if self.env.inventory.look_up { None } else { quiet };
                        self.call_from(op, Verb::LookUpHold, false, earliest.unwrap_or(Timestamp::from_micros(i64::MIN)));
                    }
                }
                HoldState::Held | HoldState::Committed => self.held(r, wanted),
                HoldState::Dropped
                | HoldState::Refused
                | HoldState::Suspect
                | HoldState::Released
                | HoldState::Expired
                | HoldState::Lost => {}
            }
        }
    }

    fn held(&mut self, r: &Reservation, wanted: bool) {
        let op = Op::Reservation(r.n);
        if let Some(closing) = r.closing {
            let verb = match closing.kind {
                ClosingKind::Release => Verb::Release,
                ClosingKind::Commit => Verb::Commit,
            };
            self.call(op, verb, false);
            return;
        }
        // A hold whose time is over is given back like any other: our clock may be wrong about it, and some inventories keep
        // the units until they are told.
        let over = r.expires_at.is_some_and(|t| t <= self.env.now);
        let kind = match r.state {
            HoldState::Held if planted(Bug::DeclinedKeepsStock) && self.order.lifecycle == Lifecycle::PaymentFailed => return,
            HoldState::Held if !wanted || over => ClosingKind::Release,
            HoldState::Held if self.commits_at_confirmation(r) => ClosingKind::Commit,
            HoldState::Committed if !wanted && self.env.inventory.release_committed => ClosingKind::Release,
            // The units are gone as far as the inventory can tell: a person may know better.
            HoldState::Committed if !wanted => return self.tell(AttentionReason::ReleaseRefused, op),
            _ => {
                if let Some(expires) = r.expires_at.filter(|_| r.state == HoldState::Held) {
                    let replace_at = expires.before(self.env.policy.hold_reserve);
                    self.wake(if replace_at > self.env.now { replace_at } else { expires });
                }
                return;
            }
        };
        if r.refusals >= self.env.policy.refusals_before_stuck {
            let what = kind.as_str().to_lowercase();
            self.out.stuck.push(Stuck { op, why: format!("the inventory refused to {what} it {} times", r.refusals) });
            return;
        }
        if r.refusals > 0 {
            let again = r.updated_at.after(pause_after(self.env.policy, r.refusals));
            if again > self.env.now {
                self.wake(again);
                return;
            }
        }
        self.out.events.push(Event::StockClosing { n: r.n, kind });
    }

    /// Units that need no shipping are fulfilled by confirming the order.
    fn commits_at_confirmation(&self, r: &Reservation) -> bool {
        let confirmed = matches!(self.order.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed);
        confirmed && self.order.lines.iter().all(|l| l.sku != r.sku || !l.requires_shipping)
    }

    /// Whether a service no longer remembers a key first used at `since`.
    fn key_forgotten(&self, since: Timestamp, inventory: bool) -> bool {
        let lifetime = if inventory { self.env.inventory.key_lifetime } else { self.env.payment.key_lifetime };
        lifetime.is_some_and(|l| since.after(l) <= self.env.now)
    }

    /// Authorizations and charges.
    fn attempts(&mut self, stock: &[(&crate::ids::Sku, u32, SkuStock)], refused: bool) {
        let order = self.order;
        let all_held = stock.iter().all(|(_, _, s)| *s == SkuStock::Held) || planted(Bug::ChargeBeforeReserve);
        let pending = order.lifecycle == Lifecycle::Pending;
        let allowed = pending && !order.is_blocked(Blocks::Capture);
        for p in order.payments.iter().filter(|p| p.is_attempt()) {
            let op = Op::Payment(p.n);
            let wanted = money_wanted(order, p, refused);
            match p.state {
                OperationState::Planned | OperationState::Armed | OperationState::Unknown => {
                    if p.state == OperationState::Planned || self.is_clear(op) {
                        self.unsent_attempt(p, wanted, stock, all_held && allowed, allowed);
                    } else if wanted && pending && self.env.payment.repeat && !self.key_forgotten(p.created_at, false) {
                        if all_held && allowed {
                            self.call(op, Verb::Pay(p.kind), false);
                        }
                    } else {
                        self.look_up_payment(p);
                    }
                }
                OperationState::ActionRequired | OperationState::Pending => self.waiting_attempt(p, wanted),
                OperationState::Authorized if !wanted && order.authorized_rest(p.n) > 0 => self.plan_void(p),
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
        if !wanted || self.order.lifecycle != Lifecycle::Pending || self.order.placing_deadline <= self.env.now {
            self.out.events.push(Event::PaymentDropped { n: p.n });
        } else if may_start {
            self.call(op, Verb::Pay(p.kind), p.state == OperationState::Planned);
        } else if allowed && p.state == OperationState::Planned && self.honours_keys() && self.about_to_hold_all(stock) {
            self.out.ahead.push(op);
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

    /// Nothing is stuck, or lost, in silence: raises attention unless it is open already.
    fn tell(&mut self, reason: AttentionReason, op: Op) {
        let told = self.order.attention.iter().any(|a| a.reason == reason && a.about == Some(op));
        if !told {
            self.out.events.push(Event::AttentionRaised { reason, about: Some(op) });
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

    /// Gives up an attempt: plans a void, unless one is open; after a refused one, asks what the attempt has become.
    fn plan_void(&mut self, p: &PaymentOperation) {
        let order = self.order;
        let voids = || order.children(p.n).filter(|c| c.kind == OperationKind::Void);
        if voids().any(|c| c.state.is_open()) {
            return;
        }
        let refused = voids().filter(|c| c.state == OperationState::Failed && !never_happened(c)).count() as u32;
        if let Some(last) = voids().filter(|c| c.state == OperationState::Failed).last() {
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
    fn follow_ups(&mut self) {
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
                    order.children(q.n).map(PaymentOperation::refunded).sum::<Minor>() + p.amount > q.captured()
                }
                _ => false,
            });
            match p.state {
                OperationState::Planned if moot => self.out.events.push(Event::PaymentDropped { n: p.n }),
                OperationState::Planned => {
                    self.call(op, Verb::Pay(p.kind), true);
                }
                OperationState::Armed | OperationState::Unknown if self.is_clear(op) && moot => {
                    self.out.events.push(Event::PaymentDropped { n: p.n });
                }
                OperationState::Armed | OperationState::Unknown => {
                    let repeat = self.env.payment.repeat && !self.key_forgotten(p.created_at, false);
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
    fn refunds(&mut self) {
        let order = self.order;
        let money = order.money();
        let mut excess = money.captured - money.refunded - money.refunding - money.owed;
        if excess <= 0 || attempt_blocks_refund(order) {
            return;
        }
        for p in order.payments.iter().rev().filter(|p| p.captured() > 0) {
            let refunds = || order.children(p.n).filter(|c| c.kind == OperationKind::Refund);
            let gone: Minor = refunds().map(|c| c.refunded() + c.refunding()).sum();
            let amount = excess.min(p.captured() - gone);
            if amount <= 0 {
                continue;
            }
            // A void under way may yet give it back.
            if order.children(p.n).any(|c| c.kind == OperationKind::Void && c.state.is_open()) {
                excess -= amount;
                continue;
            }
            let refused = refunds().filter(|c| c.state == OperationState::Failed && !never_happened(c)).count() as u32;
            if let Some(last) = refunds().filter(|c| c.state == OperationState::Failed).last() {
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

    /// The first thing the customer has not been told.
    fn notices(&mut self) {
        if !self.env.notify {
            return;
        }
        if let Some(notice) = self.order.notices.iter().find(|n| n.seq > self.order.notified) {
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

/// While it is not known whether an attempt brought money in, a refund that rests on it waits.
fn attempt_blocks_refund(order: &Order) -> bool {
    order.lifecycle == Lifecycle::Pending && attempt_outstanding(order, false)
}
