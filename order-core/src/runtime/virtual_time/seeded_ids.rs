//! Ids that are the same in every run.

use std::sync::Mutex;

use super::lock;
use crate::runtime::Ids;

/// Ids and order numbers from a seed: the same seed gives the same ones, in the same order.
pub struct SeededIds(Mutex<fastrand::Rng>);

impl SeededIds {
    /// Returns the ids of `seed`.
    pub fn new(seed: u64) -> Self {
        SeededIds(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Ids for SeededIds {
    fn random(&self) -> u128 {
        lock(&self.0).u128(..)
    }
}
