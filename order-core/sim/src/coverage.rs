//! Counts of the things that simulated seeds came upon.

use std::collections::BTreeMap;
use std::fmt;

use super::faults::{ServiceFault, StoreFault};
use order_core::order::{Event, Lifecycle, Order, PaymentStatus, Status};
use order_core::rules::Command;

const LIFECYCLES: usize = Lifecycle::ALL.len();
const PAYMENTS: usize = PaymentStatus::ALL.len();

/// Counts of things seen, by name.
type Tally = BTreeMap<&'static str, u64>;

/// Counts of each state reached, each fault met, and everything else seen.
#[derive(Debug, Clone)]
pub struct Coverage {
    states: [[u64; PAYMENTS]; LIFECYCLES],
    store: [u64; StoreFault::NAMES.len()],
    service: [u64; ServiceFault::NAMES.len()],
    commands: Tally,
    refused: Tally,
    facts: Tally,
    events: Tally,
    statuses: Tally,
}

impl Default for Coverage {
    fn default() -> Self {
        Coverage {
            states: [[0; PAYMENTS]; LIFECYCLES],
            store: [0; StoreFault::NAMES.len()],
            service: [0; ServiceFault::NAMES.len()],
            commands: Tally::new(),
            refused: Tally::new(),
            facts: Tally::new(),
            events: Tally::new(),
            statuses: Tally::new(),
        }
    }
}

/// The fates that must have been met by those who followed the feed of a store that was set back.
const FOLLOWED: &[&str] = &[
    "cursor of a place in the copy",
    "cursor of a lost place",
    "cursor of a place that was given out again",
];

impl Coverage {
    pub(super) fn state(&mut self, order: &Order) {
        self.states[order.lifecycle as usize][order.statuses.payment as usize] += 1;
        *self
            .statuses
            .entry(order.statuses.status.as_str())
            .or_default() += 1;
    }

    pub(super) fn event(&mut self, name: &'static str) {
        *self.events.entry(name).or_default() += 1;
    }

    /// A command was answered, by doing it or by refusing it.
    pub(super) fn command(&mut self, name: &'static str, done: bool) {
        *if done {
            &mut self.commands
        } else {
            &mut self.refused
        }
        .entry(name)
        .or_default() += 1;
    }

    /// A fact was told, by a service that was asked or by one that was not.
    pub(super) fn fact(&mut self, name: &'static str) {
        *self.facts.entry(name).or_default() += 1;
    }

    pub(super) fn store(&mut self, fault: StoreFault) {
        self.store[fault as usize] += 1;
    }

    pub(super) fn service(&mut self, fault: ServiceFault) {
        self.service[fault as usize] += 1;
    }

    /// Adds what another seed came upon.
    pub fn add(&mut self, other: &Coverage) {
        for (mine, theirs) in self
            .states
            .iter_mut()
            .flatten()
            .zip(other.states.iter().flatten())
        {
            *mine += theirs;
        }
        for (mine, theirs) in self
            .store
            .iter_mut()
            .zip(&other.store)
            .chain(self.service.iter_mut().zip(&other.service))
        {
            *mine += theirs;
        }
        let Coverage {
            states: _,
            store: _,
            service: _,
            commands,
            refused,
            facts,
            events,
            statuses,
        } = other;
        for (mine, theirs) in [
            (&mut self.commands, commands),
            (&mut self.refused, refused),
            (&mut self.facts, facts),
            (&mut self.events, events),
            (&mut self.statuses, statuses),
        ] {
            for (name, n) in theirs {
                *mine.entry(name).or_default() += n;
            }
        }
    }

    /// Returns how many pairs of lifecycle and payment status were reached.
    pub fn states_reached(&self) -> usize {
        self.states.iter().flatten().filter(|n| **n > 0).count()
    }

    /// Returns how many kinds of faults were met, of how many there are.
    pub fn faults_met(&self) -> (usize, usize) {
        let met = self.store[1..]
            .iter()
            .chain(&self.service[1..])
            .filter(|n| **n > 0)
            .count();
        (met, self.store.len() + self.service.len() - 2)
    }

    /// Lists what was never seen: commands that were never done, events and statuses that never
    /// came about, faults that were never met.
    pub fn missing(&self) -> Vec<String> {
        let never = |what: &str,
                     names: &mut dyn Iterator<Item = &'static str>,
                     seen: &Tally|
         -> Vec<String> {
            names
                .filter(|name| !seen.contains_key(name))
                .map(|name| format!("{what} {name}"))
                .collect()
        };
        let mut missing = never(
            "command",
            &mut Command::TAGS.iter().copied(),
            &self.commands,
        );
        // Nothing is imported here.
        let mut events = Event::NAMES
            .iter()
            .copied()
            .filter(|name| *name != "IMPORTED");
        missing.extend(never("event", &mut events, &self.events));
        missing.extend(never("fact", &mut FOLLOWED.iter().copied(), &self.facts));
        missing.extend(never(
            "status",
            &mut Status::ALL.iter().map(|s| s.as_str()),
            &self.statuses,
        ));
        let faults = |names: &[&str], met: &[u64]| -> Vec<String> {
            let never = names.iter().zip(met).skip(1).filter(|(_, n)| **n == 0);
            never.map(|(name, _)| format!("fault {name}")).collect()
        };
        missing.extend(faults(StoreFault::NAMES, &self.store));
        missing.extend(faults(ServiceFault::NAMES, &self.service));
        missing
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (met, all) = self.faults_met();
        writeln!(
            f,
            "states reached: {} pairs of lifecycle and payment status",
            self.states_reached()
        )?;
        for (lifecycle, row) in Lifecycle::ALL.iter().zip(&self.states) {
            let reached: Vec<String> = PaymentStatus::ALL
                .iter()
                .zip(row)
                .filter(|(_, n)| **n > 0)
                .map(|(status, n)| format!("{status} {n}"))
                .collect();
            let reached = if reached.is_empty() {
                "never".to_owned()
            } else {
                reached.join(", ")
            };
            writeln!(f, "  {lifecycle:<15} {reached}")?;
        }
        let list = |names: &[&str], counts: &[u64]| -> String {
            names
                .iter()
                .zip(counts)
                .skip(1)
                .map(|(name, n)| format!("{name} {n}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        writeln!(f, "fault kinds met: {met} of {all}")?;
        writeln!(f, "  store:    {}", list(StoreFault::NAMES, &self.store))?;
        writeln!(
            f,
            "  services: {}",
            list(ServiceFault::NAMES, &self.service)
        )?;
        let tallies = [
            ("statuses", &self.statuses),
            ("commands done", &self.commands),
            ("commands refused", &self.refused),
            ("facts told", &self.facts),
            ("events", &self.events),
        ];
        for (what, tally) in tallies {
            let seen: Vec<String> = tally
                .iter()
                .map(|(name, n)| format!("{name} {n}"))
                .collect();
            writeln!(f, "{what}: {} kinds\n  {}", tally.len(), seen.join(", "))?;
        }
        let missing = self.missing();
        write!(
            f,
            "never seen: {}",
            if missing.is_empty() {
                "nothing".to_owned()
            } else {
                missing.join(", ")
            }
        )
    }
}
