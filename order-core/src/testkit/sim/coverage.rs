//! What the simulated seeds came upon.

use std::collections::BTreeMap;
use std::fmt;

use super::faults::{ServiceFault, StoreFault};
use crate::order::{Lifecycle, Order, PaymentStatus};

const LIFECYCLES: usize = Lifecycle::ALL.len();
const PAYMENTS: usize = PaymentStatus::ALL.len();

/// How often each state was reached and each fault met.
#[derive(Debug, Clone)]
pub struct Coverage {
    states: [[u64; PAYMENTS]; LIFECYCLES],
    store: [u64; StoreFault::NAMES.len()],
    service: [u64; ServiceFault::NAMES.len()],
    events: BTreeMap<&'static str, u64>,
}

impl Default for Coverage {
    fn default() -> Self {
        Coverage {
            states: [[0; PAYMENTS]; LIFECYCLES],
            store: [0; StoreFault::NAMES.len()],
            service: [0; ServiceFault::NAMES.len()],
            events: BTreeMap::new(),
        }
    }
}

impl Coverage {
    pub(super) fn state(&mut self, order: &Order) {
        self.states[order.lifecycle as usize][order.statuses.payment as usize] += 1;
    }

    pub(super) fn event(&mut self, name: &'static str) {
        *self.events.entry(name).or_default() += 1;
    }

    pub(super) fn store(&mut self, fault: StoreFault) {
        self.store[fault as usize] += 1;
    }

    pub(super) fn service(&mut self, fault: ServiceFault) {
        self.service[fault as usize] += 1;
    }

    /// Adds what another seed came upon.
    pub fn add(&mut self, other: &Coverage) {
        for (mine, theirs) in self.states.iter_mut().flatten().zip(other.states.iter().flatten()) {
            *mine += theirs;
        }
        for (mine, theirs) in self.store.iter_mut().zip(&other.store).chain(self.service.iter_mut().zip(&other.service)) {
            *mine += theirs;
        }
        for (name, n) in &other.events {
            *self.events.entry(name).or_default() += n;
        }
    }

    /// How many pairs of lifecycle and payment status were reached.
    pub fn states_reached(&self) -> usize {
        self.states.iter().flatten().filter(|n| **n > 0).count()
    }

    /// How many kinds of faults were met, of how many there are.
    pub fn faults_met(&self) -> (usize, usize) {
        let met = self.store[1..].iter().chain(&self.service[1..]).filter(|n| **n > 0).count();
        (met, self.store.len() + self.service.len() - 2)
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (met, all) = self.faults_met();
        writeln!(f, "states reached: {} pairs of lifecycle and payment status", self.states_reached())?;
        for (lifecycle, row) in Lifecycle::ALL.iter().zip(&self.states) {
            let reached: Vec<String> =
                PaymentStatus::ALL.iter().zip(row).filter(|(_, n)| **n > 0).map(|(status, n)| format!("{status} {n}")).collect();
            let reached = if reached.is_empty() { "never".to_owned() } else { reached.join(", ") };
            writeln!(f, "  {lifecycle:<15} {reached}")?;
        }
        let list = |names: &[&str], counts: &[u64]| -> String {
            names.iter().zip(counts).skip(1).map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "fault kinds met: {met} of {all}")?;
        writeln!(f, "  store:    {}", list(StoreFault::NAMES, &self.store))?;
        writeln!(f, "  services: {}", list(ServiceFault::NAMES, &self.service))?;
        let events: Vec<String> = self.events.iter().map(|(name, n)| format!("{name} {n}")).collect();
        write!(f, "kinds of events: {}\n  {}", self.events.len(), events.join(", "))
    }
}
