//! Random walks on which much happens outside the engine, and disputes turn: whatever the sequence,
//! an order that is short says so exactly, is not confirmed, shipped, completed or edited, and no
//! refund that is planned leaves less than is due.
//!
//! That is checked of every event and every commit, by [`crate::invariants`].

use proptest::prelude::*;

use super::*;
use crate::shop::{placed_orders, shops};
use crate::steps::{FactSeed, Step, walks};
use crate::walks::cases;

/// Something that happens outside, about one of few payments, under one of few names, so that the
/// same is said twice, and otherwise.
fn outside() -> impl Strategy<Value = FactSeed> {
    let (of, part) = (|| prop::option::of(0..6u32), || 0..1_300i64);
    prop_oneof![
        3 => (of(), part(), 0..6u8).prop_map(|(of, per_mille, reference)| FactSeed::Outside {
            status: S::Refunded,
            per_mille,
            of,
            reference,
        }),
        1 => (of(), part(), 6..9u8).prop_map(|(of, per_mille, reference)| FactSeed::Outside {
            status: S::Captured,
            per_mille,
            of,
            reference,
        }),
        3 => (of(), prop::sample::select(DisputeState::ALL), part(), 0..2u8)
            .prop_map(|(of, state, per_mille, reference)| FactSeed::Dispute { state, per_mille, of, reference }),
    ]
}

/// A way out of being short.
fn ways_out() -> impl Strategy<Value = Command> {
    let part = || prop::option::of(1..2_000i64);
    prop_oneof![
        part().prop_map(write_off),
        (part(), prop::sample::select(PaymentTerms::ALL))
            .prop_map(|(amount, terms)| pay(amount, terms)),
        Just(Command::RetryStuck),
    ]
}

#[derive(Debug, Clone)]
enum Rough {
    Outside(FactSeed),
    Out(Box<Command>),
    Other(Vec<Step>),
}

fn rough() -> impl Strategy<Value = Vec<Rough>> {
    let step = prop_oneof![
        3 => outside().prop_map(Rough::Outside),
        2 => ways_out().prop_map(|command| Rough::Out(Box::new(command))),
        3 => walks(3).prop_map(Rough::Other),
    ];
    prop::collection::vec(step, 1..16)
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn an_order_that_is_short_says_so_and_goes_no_further(
        shop in shops(), placed in placed_orders(), cents in prop_oneof![2 => Just(0), 1 => 1..500i64], after in any::<bool>(), steps in rough(),
    ) {
        let policy = Policy { write_off_up_to: cents, write_off_after_delivery: after, ..shop.policy.clone() };
        let mut j = Journey::place(Shop { policy, ..shop }, &placed);
        j.work_with(&mut |_, _| Reply::Yes);
        for step in &steps {
            match step {
                Rough::Outside(seed) => j.step(&Step::Fact(seed.clone())),
                Rough::Out(command) => drop(j.command(command)),
                Rough::Other(steps) => j.walk(steps),
            }
            j.plan();
            if j.short() > 0 {
                let mut tried = j.clone();
                prop_assert!(tried.ship().is_err(), "a short order ships: {:#?}", j.order);
                prop_assert!(tried.command(&Command::Complete).is_err() || j.order.lifecycle == Lifecycle::Completed);
                let plan = Command::PlanShipment { lines: Vec::new() };
                prop_assert!(tried.command(&plan).is_err());
            }
        }
    }
}
