//! The commands that an order is said to be open to, held against what the rules answer.

use std::collections::BTreeSet;

use order_core::rules::{Command, decide, possible, samples as of_order};

use super::inputs::commands;
use super::samples::{Sample, samples};

/// Names that are never listed: an operator may always give these commands, or they only say
/// another one in other words.
pub const UNLISTED: [&str; 5] = [
    "set metadata",
    "acknowledge",
    "set status",
    "retry stuck",
    "resolve",
];

#[test]
fn what_changes_something_is_called_possible_and_nothing_else_is() {
    for Sample { name, journey } in samples() {
        let order = &journey.order;
        let env = journey.shop.env(journey.now);
        let told = possible(order, &env);
        for command in commands(order, journey.now) {
            let changes = decide(order, &command, &env).is_ok_and(|events| !events.is_empty());
            let listed = told.contains(&command.name()) || UNLISTED.contains(&command.name());
            assert!(
                !changes || listed,
                "{}: {} on {name}",
                order.lifecycle,
                command.name()
            );
        }
        for told in &told {
            let does = of_order(order).iter().any(|c| {
                c.name() == *told && decide(order, c, &env).is_ok_and(|events| !events.is_empty())
            });
            assert!(does, "{}: {told} does nothing on {name}", order.lifecycle);
        }
    }
}

#[test]
fn every_command_is_possible_on_some_order() {
    let mut all = BTreeSet::new();
    let mut told: BTreeSet<&str> = UNLISTED.into();
    for Sample { journey, .. } in samples() {
        let order = &journey.order;
        all.extend(commands(order, journey.now).iter().map(|c| c.name()));
        told.extend(possible(order, &journey.shop.env(journey.now)));
    }
    assert_eq!(all, told);
}

#[test]
fn every_tag_is_listed_once() {
    let mut tags = BTreeSet::new();
    for Sample { journey, .. } in samples() {
        let tried = of_order(&journey.order).into_iter();
        let given = commands(&journey.order, journey.now);
        tags.extend(tried.chain(given).map(|c| c.spec().tag));
    }
    assert_eq!(tags, Command::TAGS.iter().copied().collect());
    assert_eq!(tags.len(), Command::TAGS.len());
}

#[test]
fn a_refusal_names_what_is_possible_instead() {
    for Sample { name, journey } in samples() {
        let order = &journey.order;
        let env = journey.shop.env(journey.now);
        let told = possible(order, &env);
        for command in commands(order, journey.now) {
            if let Err(refused) = decide(order, &command, &env) {
                assert_eq!(refused.possible, told, "{} on {name}", command.name());
            }
        }
    }
}
