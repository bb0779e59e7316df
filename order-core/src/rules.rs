//! The rules: pure, synchronous functions of an order, a command or fact, and the time.
//!
//! - [`decide()`]: may this command happen, and what are the facts if it does?
//! - [`record()`]: what does this fact, which is never refused, change?
//! - [`evolve()`]: what does the order look like after this event?
//! - [`settle()`]: which transitions hold now, whichever fact came last?
//! - [`next()`]: what must happen next, and when must somebody look again?
//! - [`failure()`]: what is a caller told of an order that came to nothing?
//! - [`transitions()`]: the lifecycle's rules as a table.

mod action;
mod attention;
mod call;
mod check;
mod command;
mod credits;
mod decide;
mod edits;
mod evolve;
mod fact;
mod failure;
mod finding;
mod import;
mod keys;
mod lifecycle;
mod next;
mod order_hold;
mod payment;
mod planner;
mod record;
mod refusal;
mod resolve;
mod returns;
mod settle;
mod shipping;
mod stock;
mod table;

pub use action::Action;
pub use call::{Call, Next, Stuck, Verb};
pub use command::{Command, CommandSpec, CommandText, Wait};
pub use decide::{decide, possible, samples};
pub use evolve::evolve;
pub use fact::{
    ClosingOutcome, DisputeReport, Evidence, Fact, PaymentOutcome, PaymentReport, ProviderAnswer,
    ReservationOutcome,
};
pub use failure::failure;
pub use finding::Finding;
pub use import::begin_imported;
pub use keys::{Purpose, closing_key, event_id, key};
pub use lifecycle::begin::begin;
pub(crate) use lifecycle::complete::{completes_at, keeps_from_completing};
pub use next::next;
pub use payment::state::covered;
pub(crate) use payment::state::{attempts_cover, edit_deadline};
pub use record::record;
pub use settle::settle;
pub use stock::{SkuStock, Stock, sku_stock};
pub use table::{Transition, transitions};

use std::time::Duration;

use crate::policy::Policy;
use crate::services::{InventoryCapabilities, PaymentCapabilities};
use crate::time::Timestamp;

/// The surroundings that the rules depend on: time, settings, capabilities.
#[derive(Debug, Clone, Copy)]
pub struct Env<'a> {
    /// Now. Of a draft not before its order last changed, whatever this process's clock says.
    pub now: Timestamp,
    /// The time by this process's clock: pauses between tries go by it.
    pub clock: Timestamp,
    /// The shop's settings.
    pub policy: &'a Policy,
    /// The capabilities of the inventory.
    pub inventory: InventoryCapabilities,
    /// The capabilities of the payment service.
    pub payment: PaymentCapabilities,
    /// True if customers are notified.
    pub notify: bool,
}

/// The pause before try number `tries` + 1 of a call that failed `tries` times: full jitter (a
/// uniform draw below a bound that doubles), as in "Exponential Backoff And Jitter" (AWS
/// Architecture Blog, 2015). After the budget, the longest pause.
pub fn backoff(policy: &Policy, tries: u32, random: u64) -> Duration {
    if tries >= policy.tries_before_attention {
        return policy.backoff_longest;
    }
    let bound = pause_after(policy, tries);
    let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(((u128::from(random) * u128::from(micros)) >> 64) as u64)
}

/// The longest pause after `tries` failures.
fn pause_after(policy: &Policy, tries: u32) -> Duration {
    policy
        .backoff_first
        .saturating_mul(2u32.saturating_pow(tries.saturating_sub(1)))
        .min(policy.backoff_longest)
}
