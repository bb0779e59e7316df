//! The work that is due for an order: a set, so that one slow or stuck thing never hides another.

use super::Env;
use super::call::{Next, Verb};
use super::lifecycle::complete::completes_at;
use super::payment::capture::warns_at;
use super::payment::state::{deadline, edit_deadline};
use super::planner::Planner;
use super::stock::state::{SkuStock, Stock, backorder_retry, is_short, sku_stock};
use crate::order::{Lifecycle, Op, Order};
use crate::store::Tries;

/// Returns what must happen next.
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

impl Planner<'_, '_> {
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
    fn timers(&mut self, stock: &[Stock<'_>]) {
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
        for Stock { sku, state, .. } in stock {
            if matches!(state, SkuStock::Refused { .. })
                && let Some(last) = order.reservations.iter().rev().find(|r| r.sku == **sku)
                && let Some(at) = backorder_retry(order, self.env, last)
            {
                self.wake(at);
            }
        }
    }
}
