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

use order_core::order::{PaymentTerms, Placed};
use order_core::services::InventoryCapabilities;

use crate::shop::{Shop, small, small_sent};
use axes::AXES;
pub use axes::Axis;
pub use explore::{Found, State, Walk};

/// A shop's terms of payment and what its inventory can do, by name.
pub type Setting = (&'static str, PaymentTerms, InventoryCapabilities);

/// The settings that are walked.
pub const SETTINGS: [Setting; 4] = [
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
        "reservations that cannot be divided",
        PaymentTerms::Confirm,
        InventoryCapabilities::PLATFORM,
    ),
    (
        "paid by invoice",
        PaymentTerms::Invoice,
        InventoryCapabilities::IDEAL,
    ),
];

/// The walks of every pair of axes, each with itself too, each up to so many states; and the order
/// that they begin with.
pub fn every_pair((_, terms, inventory): Setting, states_max: usize) -> (Box<Placed>, Vec<Walk>) {
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
    let pairs = (AXES.into_iter().enumerate())
        .flat_map(|(i, first)| AXES.into_iter().skip(i).map(move |second| [first, second]));
    let walks = pairs.map(|axes| Walk {
        shop: shop.clone(),
        axes,
        states_max,
    });
    (placed, walks.collect())
}

/// States of each pair that the test walks: a walk to the end is for the program `walk`, optimised.
#[cfg(test)]
const FIRST: usize = 170;

#[test]
fn the_first_states_of_every_pair_of_axes_keep_the_invariants_and_come_to_rest() {
    for setting in SETTINGS {
        let (mut pairs, mut resting) = (0, 0);
        let (placed, walks) = every_pair(setting, FIRST);
        for walk in walks {
            let axes = walk.axes;
            let Found {
                states,
                steps,
                resting: at_rest,
                longest,
                cut,
            } = walk.explore(&placed);
            pairs += 1;
            resting += at_rest;
            assert!(
                states == FIRST || (states < FIRST && !cut),
                "{axes:?} has {states} states"
            );
            assert!(steps + 1 >= states && longest > 0, "{axes:?} goes nowhere");
        }
        assert_eq!(pairs, AXES.len() * (AXES.len() + 1) / 2);
        assert!(
            resting > 200,
            "{}: only {resting} states at rest",
            setting.0
        );
    }
}
