//! Random walks: whatever happens to an order, in whatever sequence, what must hold holds.

use order_core::error::RejectionReason;
use order_core::policy::Policy;
use order_core::rules::{backoff, decide, next, possible, settle, transitions};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::journey::Journey;
use super::possible::UNLISTED;
use super::shop::{placed_orders, shops};
use super::steps::walks;

/// So many cases; ten times as many with `PROPTEST_CASES=2560`, ten times its default. A failing
/// case prints how to build it; the ones worth keeping become tests with a name.
pub fn cases(cases: u32) -> Config {
    let cases = cases * (Config::default().cases / 256).max(1);
    Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn every_walk_keeps_the_invariants_and_takes_only_edges_of_the_table(
        shop in shops(), placed in placed_orders(), steps in walks(25),
    ) {
        let mut journey = Journey::place(shop, &placed);
        journey.walk(&steps);
        let table = transitions();
        for (from, event, to) in &journey.edges {
            let listed = table.iter().any(|t| t.from == Some(*from) && t.to == *to && t.events.contains(event));
            prop_assert!(listed || (from == to && !is_transition(event)), "{from} --{event}-> {to} is not in the table");
        }
    }

    #[test]
    fn replaying_the_stored_journal_gives_the_order_without_personal_data(
        shop in shops(), placed in placed_orders(), steps in walks(25),
    ) {
        let mut journey = Journey::place(shop, &placed);
        journey.walk(&steps);
        prop_assert_eq!(journey.order.version, journey.rows.len() as u64);
        prop_assert!(journey.rows.is_sorted_by_key(|(_, _, at)| *at), "times of an order never go backwards");
        prop_assert_eq!(journey.replayed().without_personal(), journey.order.without_personal());
        prop_assert!(journey.rows.iter().all(|(payload, ..)| !payload.contains("tok_")), "no token is in the journal");
    }

    #[test]
    fn settling_and_planning_a_second_time_changes_nothing(shop in shops(), placed in placed_orders(), steps in walks(25)) {
        let mut journey = Journey::place(shop, &placed);
        journey.walk(&steps);
        journey.settle();
        prop_assert_eq!(settle(&journey.order, &journey.shop.env(journey.now)), Vec::new());
        let plan = journey.plan();
        let env = journey.shop.env(journey.now);
        prop_assert_eq!(settle(&journey.order, &env), Vec::new());
        prop_assert_eq!(next(&journey.order, &journey.tries, &env), plan);
    }

    #[test]
    fn what_is_called_possible_is_not_an_illegal_transition(shop in shops(), placed in placed_orders(), steps in walks(15)) {
        let mut journey = Journey::place(shop, &placed);
        journey.walk(&steps);
        let env = journey.shop.env(journey.now);
        let names = possible(&journey.order, &env);
        for command in super::inputs::commands(&journey.order, journey.now) {
            match decide(&journey.order, &command, &env) {
                // What a shipment or return does not allow is another matter than what the order
                // does not.
                Err(r) if r.reason == RejectionReason::IllegalTransition && r.message.contains("its status is") => {
                    prop_assert!(!names.contains(&command.name()), "{} is refused on {}", command.name(), journey.order.lifecycle);
                    prop_assert!(!r.possible.contains(&command.name()));
                }
                Ok(events) if !events.is_empty() && !UNLISTED.contains(&command.name()) => prop_assert!(names.contains(&command.name()), "{}", command.name()),
                _ => {}
            }
        }
    }

    #[test]
    fn a_pause_stays_within_a_bound_that_only_grows(tries in 0u32..100, budget in 0u32..100, random: u64) {
        let policy = Policy { tries_before_attention: budget, ..Policy::default() };
        let bound = |tries| backoff(&policy, tries, u64::MAX);
        prop_assert!(backoff(&policy, tries, random) <= bound(tries));
        prop_assert!(bound(tries) <= bound(tries + 1));
        prop_assert!(bound(tries) <= policy.backoff_longest);
        if tries >= policy.tries_before_attention {
            prop_assert_eq!(backoff(&policy, tries, random), policy.backoff_longest);
        }
    }
}

/// Returns true if an event is one of the table's, rather than a record beside the lifecycle.
fn is_transition(event: &str) -> bool {
    transitions()
        .iter()
        .any(|t| t.events.contains(&event) && t.from != Some(t.to))
}

#[test]
fn random_walks_reach_every_lifecycle_that_rules_lead_to() {
    // One fixed seed: this is about the generator, that it does not walk past what it is to test.
    let mut runner =
        TestRunner::new_with_rng(cases(1), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let strategy = (shops(), placed_orders(), walks(25));
    let mut edges = std::collections::BTreeSet::new();
    for _ in 0..600 {
        let (shop, placed, steps) = strategy
            .new_tree(&mut runner)
            .expect("no case is rejected")
            .current();
        let mut journey = Journey::place(shop, &placed);
        journey.walk(&steps);
        edges.extend(
            journey
                .edges
                .iter()
                .filter(|(from, _, to)| from != to)
                .map(|(from, _, to)| (*from, *to)),
        );
    }
    let listed: std::collections::BTreeSet<_> = transitions()
        .iter()
        .filter_map(|t| Some((t.from?, t.to)))
        .filter(|(from, to)| from != to)
        .collect();
    assert_eq!(
        edges, listed,
        "walks take every edge of the table and no other"
    );
}
