//! The transitions that hold by themselves: appended after every command, fact or timer.

use super::lifecycle::cancel::is_undone;
use super::lifecycle::complete::completes_at;
use super::lifecycle::pending;
use super::payment::capture::capture;
use super::payment::pay::write_off_by_policy;
use super::payment::reports::matched;
use super::stock::lost;
use super::{Env, attention, edits, order_hold, shipping};
use crate::order::{Event, Lifecycle, Order};

/// The transitions that hold now. Apply them and ask again until there are none.
pub fn settle(order: &Order, env: &Env<'_>) -> Vec<Event> {
    let known = order
        .unmatched
        .iter()
        .find_map(|kept| matched(order, kept, env));
    known.unwrap_or_else(|| transition(order, env).into_iter().collect())
}

fn transition(order: &Order, env: &Env<'_>) -> Option<Event> {
    let own = || match order.lifecycle {
        Lifecycle::Pending => {
            pending::settle(order, env).or_else(|| write_off_by_policy(order, env))
        }
        Lifecycle::Confirmed => lost::settle(order, env)
            .or_else(|| capture(order, env))
            .or_else(|| write_off_by_policy(order, env))
            .or_else(|| {
                completes_at(order, env)
                    .filter(|t| *t <= env.now)
                    .map(|_| Event::Completed)
            }),
        Lifecycle::Cancelling => is_undone(order).then_some(Event::Cancelled),
        // Nothing is cancelled any more, but a person is told.
        Lifecycle::Completed => lost::settle(order, env)
            .filter(|event| matches!(event, Event::AttentionRaised { .. }))
            .or_else(|| capture(order, env))
            .or_else(|| write_off_by_policy(order, env)),
        Lifecycle::Cancelled
        | Lifecycle::PaymentFailed
        | Lifecycle::Rejected
        | Lifecycle::Expired => None,
    };
    let goods = || shipping::settle(order).or_else(|| lost::stock_gone(order));
    order_hold::settle(order, env)
        .or_else(goods)
        .or_else(|| edits::settle(order, env))
        .or_else(own)
        .or_else(|| attention::follow(order, env))
}
