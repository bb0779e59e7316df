//! The engine's policy as a table of settings: of `order.toml`, and of a script.

use std::time::Duration;

use order_core::money::Money;
use order_core::policy::{BeforeLapse, LostStock, Policy};

use super::layers::Layers;
use crate::exit::Outcome;

/// Reads the policy: the usual one, but for what was given.
///
/// # Errors
///
/// Bad input, with who gave it.
pub fn policy(layers: &mut Layers) -> Outcome<Policy> {
    let mut policy = Policy::default();
    // Destructured, so that a new setting cannot be forgotten here.
    let Policy {
        call_deadline,
        settle_margin,
        lease,
        placing_deadline,
        action_deadline,
        retry_window,
        reservation_lifetime,
        reservation_margin,
        backoff_first,
        backoff_longest,
        tries_before_attention,
        refusals_before_stuck,
        runs_before_stuck,
        suspects_allowed,
        lost_stock,
        completion_window,
        return_window,
        capture_warning,
        before_lapse,
        commit_at_confirm,
        longest_wait,
        write_off_up_to,
        write_off_after_delivery,
        user_statuses,
        answer_within,
        answer_margin,
        breaker_failures,
        breaker_pause,
        watch_poll,
    } = &mut policy;
    let mut duration = |key, slot: &mut Duration| -> Outcome {
        *slot = layers.or(key, *slot)?;
        Ok(())
    };
    duration("policy.call_deadline", call_deadline)?;
    duration("policy.settle_margin", settle_margin)?;
    duration("policy.lease", lease)?;
    duration("policy.placing_deadline", placing_deadline)?;
    duration("policy.action_deadline", action_deadline)?;
    duration("policy.retry_window", retry_window)?;
    duration("policy.reservation_lifetime", reservation_lifetime)?;
    duration("policy.reservation_margin", reservation_margin)?;
    duration("policy.backoff_first", backoff_first)?;
    duration("policy.backoff_longest", backoff_longest)?;
    duration("policy.completion_window", completion_window)?;
    duration("policy.return_window", return_window)?;
    duration("policy.capture_warning", capture_warning)?;
    duration("policy.longest_wait", longest_wait)?;
    duration("policy.answer_within", answer_within)?;
    duration("policy.answer_margin", answer_margin)?;
    duration("policy.breaker_pause", breaker_pause)?;
    duration("policy.watch_poll", watch_poll)?;
    let mut count = |key, slot: &mut u32| -> Outcome {
        let n = layers.whole(key, 0..=i64::from(u32::MAX), i64::from(*slot))?;
        *slot = u32::try_from(n).unwrap_or(u32::MAX);
        Ok(())
    };
    count("policy.tries_before_attention", tries_before_attention)?;
    count("policy.refusals_before_stuck", refusals_before_stuck)?;
    count("policy.runs_before_stuck", runs_before_stuck)?;
    count("policy.suspects_allowed", suspects_allowed)?;
    count("policy.breaker_failures", breaker_failures)?;
    let choices = [
        ("cancel", LostStock::Cancel),
        ("backorder", LostStock::Backorder),
    ];
    *lost_stock = layers.choice("policy.lost_stock", &choices, *lost_stock)?;
    let choices = [
        ("capture", BeforeLapse::Capture),
        ("reauthorize", BeforeLapse::Reauthorize),
        ("nothing", BeforeLapse::Nothing),
    ];
    *before_lapse = layers.choice("policy.before_lapse", &choices, *before_lapse)?;
    *commit_at_confirm = layers.or("policy.commit_at_confirm", *commit_at_confirm)?;
    *write_off_up_to = layers.whole(
        "policy.write_off_up_to",
        0..=Money::MAX_MINOR,
        *write_off_up_to,
    )?;
    *write_off_after_delivery =
        layers.or("policy.write_off_after_delivery", *write_off_after_delivery)?;
    *user_statuses = layers.or("policy.user_statuses", std::mem::take(user_statuses))?;
    Ok(policy)
}
