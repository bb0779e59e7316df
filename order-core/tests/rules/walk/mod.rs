//! Every state that a small order can reach: all commands and facts of every pair of axes, in every
//! sequence, late and twice.
//!
//! An order of two lines and three units is walked breadth first, by what two axes can do to it and
//! by work that goes well, from its placing on. States are told apart by their records, without
//! journal, version, times and tries. Every state keeps the invariants, and work that goes well
//! brings every state to rest, in a bounded number of steps: none leads back to one before it.
//! `axes` says what may happen, and what bounds it; `key` says which states are taken for one, and
//! why.

mod axes;
mod explore;
mod key;

use order_core::order::PaymentTerms;
use order_core::services::InventoryCapabilities;

use crate::shop::{Shop, small, small_sent};
use axes::AXES;
pub use axes::Axis;
use explore::Found;
pub use explore::{State, Walk};

/// The settings that are walked.
pub const SETTINGS: [(&str, PaymentTerms, InventoryCapabilities); 4] = [
    (
        "paid at once",
        PaymentTerms::Confirm,
        InventoryCapabilities::IDEAL,
    ),
    (
        "captured as it ships",
        PaymentTerms::Shipment,
        InventoryCapabilities::IDEAL,
    ),
    (
        "holds that cannot be divided",
        PaymentTerms::Confirm,
        InventoryCapabilities::PLATFORM,
    ),
    (
        "paid by invoice",
        PaymentTerms::Invoice,
        InventoryCapabilities::IDEAL,
    ),
];

/// Walks every pair of axes, each with itself too, each up to so many states. Tells `each` of every
/// pair.
pub fn every_pair(
    (_, terms, inventory): (&str, PaymentTerms, InventoryCapabilities),
    states_max: usize,
    mut each: impl FnMut(String, &Found),
) {
    let shop = Shop {
        inventory,
        notify: false,
        ..Shop::ideal()
    };
    // What was given out cannot be cancelled: one of the orders has nothing of that kind.
    let all_sent = terms == PaymentTerms::Confirm && inventory == InventoryCapabilities::IDEAL;
    let placed = if all_sent {
        small_sent(terms)
    } else {
        small(terms)
    };
    for (i, first) in AXES.into_iter().enumerate() {
        for second in AXES.into_iter().skip(i) {
            let found = Walk {
                shop: shop.clone(),
                axes: [first, second],
                states_max,
            }
            .explore(&placed);
            each(format!("{first:?} × {second:?}"), &found);
        }
    }
}

/// States of each pair that the test walks: a walk to the end is for `examples/walk.rs`, optimised.
#[cfg(test)]
const FIRST: usize = 170;

#[test]
fn the_first_states_of_every_pair_of_axes_keep_the_invariants_and_come_to_rest() {
    for setting in SETTINGS {
        let (mut pairs, mut resting) = (0, 0);
        every_pair(setting, FIRST, |pair, found| {
            pairs += 1;
            resting += found.resting;
            assert!(
                found.states == FIRST || (found.states < FIRST && !found.cut),
                "{pair} has {} states",
                found.states
            );
            assert!(
                found.steps + 1 >= found.states && found.longest > 0,
                "{pair} goes nowhere"
            );
        });
        assert_eq!(pairs, AXES.len() * (AXES.len() + 1) / 2);
        assert!(
            resting > 200,
            "{}: only {resting} states at rest",
            setting.0
        );
    }
}
