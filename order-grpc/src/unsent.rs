//! The answers of a connection that its client has not taken, by how old they are.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of ages that are told apart.
const AGES: usize = 8;

/// Counts answers by the time at which they were made, which goes on by ticks.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    tick: AtomicUsize,
    /// The number of answers of each tick.
    made: [AtomicUsize; AGES],
}

impl Unsent {
    /// One more; what is given back is to be handed to [`Self::remove`].
    pub(crate) fn add(&self) -> usize {
        let slot = self.tick.load(Ordering::Acquire) % AGES;
        self.made[slot].fetch_add(1, Ordering::AcqRel);
        slot
    }

    pub(crate) fn remove(&self, slot: usize) {
        self.made[slot].fetch_sub(1, Ordering::AcqRel);
    }

    /// Goes on by a tick. Whether there is an answer that was made more than six ticks ago.
    pub(crate) fn tick(&self) -> bool {
        let now = self.tick.fetch_add(1, Ordering::AcqRel) + 1;
        self.made[now % AGES].load(Ordering::Acquire) > 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.made.iter().all(|n| n.load(Ordering::Acquire) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_stays_is_noticed_and_those_that_come_and_go_are_not() {
        let unsent = Unsent::default();
        for _ in 0..20 {
            let passing = unsent.add();
            assert!(!unsent.tick());
            unsent.remove(passing);
        }
        let stays = unsent.add();
        let noticed = (1..).find(|_| {
            let passing = unsent.add();
            let noticed = unsent.tick();
            unsent.remove(passing);
            noticed
        });
        assert_eq!(noticed, Some(AGES));
        assert!(!unsent.is_empty());
        unsent.remove(stays);
        assert!(unsent.is_empty() && !unsent.tick());
    }
}
