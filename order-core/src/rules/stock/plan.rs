//! Reservations: what to ask of the inventory, what to commit, what to give back.

use std::collections::BTreeMap;

use super::state::{SkuStock, Stock, committed_for_good, is_being_replaced, is_wanted, kept_units};
use crate::ids::Sku;
use crate::order::{
    AttentionReason, ClosingKind, Event, Numbered, Op, Reservation, ReservationState,
};
use crate::rules::call::{Stuck, Verb};
use crate::rules::pause_after;
use crate::rules::planner::Planner;
use crate::time::Timestamp;

impl<'o> Planner<'_, 'o> {
    /// Reservations that are wanted and not even planned.
    pub(in crate::rules) fn missing_stock(&mut self, stock: &[Stock<'_>], refused: bool) {
        if !self.order.lifecycle.is_live() || refused {
            return;
        }
        for Stock { sku, state, .. } in stock {
            if let SkuStock::Missing { units } = state {
                self.plan_reservation(sku, *units, None);
            }
        }
    }

    fn plan_reservation(&mut self, sku: &Sku, quantity: u32, replaces: Option<u32>) {
        let planned = self
            .out
            .events
            .iter()
            .filter(|e| matches!(e, Event::ReservationPlanned { .. }))
            .count();
        let n = self.order.reservations.next_number() + planned as u32;
        self.out.events.push(Event::ReservationPlanned {
            n,
            sku: sku.clone(),
            quantity,
            replaces,
        });
    }

    pub(in crate::rules) fn reservations(&mut self, refused: bool) {
        // A service that cannot repeat a reserve is asked for one reservation at a time, so that a
        // crash leaves at most one unknown.
        let one_by_one = !self.env.inventory.repeat_reserve;
        let asked = |r: &&Reservation| {
            matches!(r.state, ReservationState::Armed | ReservationState::Unknown)
        };
        let under_way = self
            .order
            .reservations
            .iter()
            .filter(asked)
            .any(|r| !self.is_clear(Op::Reservation(r.n)));
        let mut may_ask = !(refused || one_by_one && under_way);
        let order = self.order;
        let mut to_commit = self.to_commit();
        for r in &order.reservations {
            let op = Op::Reservation(r.n);
            match r.state {
                ReservationState::Planned | ReservationState::Armed | ReservationState::Unknown => {
                    let wanted = is_wanted(order, self.env, r) && !refused;
                    if self.asked_for(r, wanted, may_ask) {
                        may_ask = !one_by_one;
                    }
                }
                ReservationState::Held
                | ReservationState::Committed
                | ReservationState::Expired
                | ReservationState::Lost => {
                    if let Some(closing) = r.closing {
                        let verb = match closing.kind {
                            ClosingKind::Release => Verb::Release,
                            ClosingKind::Commit => Verb::Commit,
                        };
                        self.call(op, verb, false);
                        continue;
                    }
                    if r.state == ReservationState::Held {
                        self.held(r, refused, &mut to_commit);
                    }
                    if r.committed > 0 {
                        self.committed(r);
                    }
                }
                ReservationState::Dropped
                | ReservationState::Refused
                | ReservationState::Suspect
                | ReservationState::Released => {}
            }
        }
    }

    /// A reservation that is not there yet. Says whether it is asked for now.
    fn asked_for(&mut self, r: &Reservation, wanted: bool, may_ask: bool) -> bool {
        let op = Op::Reservation(r.n);
        let unasked = r.state == ReservationState::Planned || self.is_clear(op);
        if unasked {
            if !wanted {
                self.out.events.push(Event::StockDropped { n: r.n });
            }
            return wanted
                && may_ask
                && self.call(op, Verb::Reserve, r.state == ReservationState::Planned);
        }
        if wanted && self.env.inventory.repeat_reserve && !self.key_forgotten(r.updated_at, true) {
            self.call(op, Verb::Reserve, false);
        } else {
            // Without look-up by key, all a look-up can find out is that nothing can have happened.
            let quiet = self.tries.get(op).map(|t| t.quiet_at);
            let earliest = if self.env.inventory.look_up {
                None
            } else {
                quiet
            };
            self.call_from(
                op,
                Verb::LookUpReservation,
                false,
                earliest.unwrap_or(Timestamp::MIN),
            );
        }
        false
    }

    /// Returns how many units of each SKU are yet to be committed.
    fn to_commit(&self) -> BTreeMap<&'o Sku, u32> {
        let mut units = self
            .order
            .stock_to_commit(self.env.policy.commit_at_confirm);
        for (sku, left) in &mut units {
            *left = left.saturating_sub(committed_for_good(self.order, sku, self.order.round));
        }
        units
    }

    fn held(&mut self, r: &Reservation, refused: bool, to_commit: &mut BTreeMap<&'o Sku, u32>) {
        let partial = self.env.inventory.partial;
        let held = r.held();
        let keep = if refused {
            0
        } else {
            kept_units(self.order, self.env, r)
        };
        // A reservation whose time is over is released like any other: our clock may be wrong about
        // it, and some inventories keep the units until they are told.
        let over = r.expires_at.is_some_and(|t| t <= self.env.now);
        // What is about to be replaced by a smaller reservation is not taken out of the stock
        // meanwhile: it might be too much.
        let keeps = keep > 0 && !over && (partial || !is_being_replaced(self.order, r));
        let due = to_commit.get_mut(&r.sku).filter(|left| **left > 0 && keeps);
        if let Some(left) = due {
            // All of it, if it cannot be taken in parts: the rest is on hand, and nobody else may
            // have it.
            let units = if partial { held.min(*left) } else { held };
            *left -= units.min(*left);
            self.close(r, ClosingKind::Commit, units, held, false);
        } else if over || keep == 0 {
            self.close(r, ClosingKind::Release, held, held, false);
        } else if keep < held && partial {
            self.close(r, ClosingKind::Release, held - keep, held, false);
        } else {
            if keep < held {
                self.make_smaller(r, keep);
            }
            if let Some(expires) = r.expires_at {
                let replace_at = expires.before(self.env.policy.reservation_margin);
                self.wake(if replace_at > self.env.now {
                    replace_at
                } else {
                    expires
                });
            }
        }
    }

    /// A reservation that cannot shrink: the smaller one first, then the larger is surplus; if that
    /// is refused the larger one stays.
    fn make_smaller(&mut self, r: &Reservation, keep: u32) {
        let smaller = || {
            self.order
                .reservations
                .iter()
                .filter(|q| q.replaces == Some(r.n))
        };
        if smaller().any(|q| q.state.is_open()) {
            return;
        }
        if smaller().any(|q| {
            q.quantity == keep
                && matches!(
                    q.state,
                    ReservationState::Refused | ReservationState::Suspect
                )
        }) {
            self.tell(AttentionReason::ReservationTooLarge, Op::Reservation(r.n));
            return;
        }
        self.plan_reservation(&r.sku, keep, Some(r.n));
    }

    /// Units that have left the stock: released when they are no longer the order's, if the
    /// inventory can do that.
    fn committed(&mut self, r: &Reservation) {
        let order = self.order;
        let wanted = match r.round == order.round {
            true => order.wanted_stock().get(&r.sku).copied().unwrap_or(0),
            false => 0,
        };
        let of_sku = || {
            order
                .reservations
                .iter()
                .filter(|o| o.sku == r.sku && o.round == r.round)
        };
        let later: u32 = of_sku().filter(|o| o.n > r.n).map(|o| o.committed).sum();
        let surplus = committed_for_good(order, &r.sku, r.round)
            .saturating_sub(wanted)
            .saturating_sub(later);
        let units = surplus.min(r.committed);
        if units == 0 {
            return;
        }
        if self.env.inventory.release_committed && !r.is_elsewhere() {
            let units = if self.env.inventory.partial {
                units
            } else {
                r.committed
            };
            self.close(r, ClosingKind::Release, units, r.committed, true);
        } else {
            // The units are gone as far as the inventory can tell: a person may know better.
            self.tell(AttentionReason::ReleaseRefused, Op::Reservation(r.n));
        }
    }

    /// Plans a closing of `units` of the `of` units there are, unless it was refused too often or
    /// just now.
    fn close(&mut self, r: &Reservation, kind: ClosingKind, units: u32, of: u32, committed: bool) {
        let op = Op::Reservation(r.n);
        if self
            .out
            .events
            .iter()
            .any(|e| matches!(e, Event::StockClosing { n, .. } if *n == r.n))
        {
            return;
        }
        if r.refusals >= self.env.policy.refusals_before_stuck {
            let what = kind.as_str().to_lowercase();
            self.out.stuck.push(Stuck {
                op,
                why: format!("the inventory refused to {what} it {} times", r.refusals),
            });
            return;
        }
        if r.refusals > 0 {
            let again = r.updated_at.after(pause_after(self.env.policy, r.refusals));
            if again > self.env.now {
                self.wake(again);
                return;
            }
        }
        let units = (units < of).then_some(units);
        self.out.events.push(Event::StockClosing {
            n: r.n,
            kind,
            units,
            committed,
        });
    }
}
