//! Remembers reservations, and lets one caller close one of them at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// The number of reservations that are remembered, and the time for which they are after they were
/// last used. What is forgotten is as if this process had just been started.
const KNOWN_MAX: u64 = 100_000;
const KNOWN_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The outcome of the confirms of a reservation that this process sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Confirmed {
    /// None was sent, or none was done.
    #[default]
    Never,
    /// One was sent, and it is not known whether it was done.
    Perhaps,
    Done,
}

/// The outcome of the cancels of a reservation that this process sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Cancelled {
    /// None was sent, or none was done.
    #[default]
    Never,
    /// One was sent, and it is not known whether it was done.
    Perhaps,
    /// One was done, for a release.
    Done,
    /// One was sent, and perhaps done, for a commit that found the reservation expired. It cannot
    /// be confirmed any more, whatever came of that.
    Expired,
}

/// The knowledge that this process has of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Known {
    /// For how many units it was made, if it was made here.
    pub(super) quantity: Option<u32>,
    pub(super) confirmed: Confirmed,
    pub(super) cancelled: Cancelled,
}

/// The reservations that this process has to do with.
pub(super) struct Holds {
    known: Cache<Uuid, Known>,
    gates: Arc<Gates>,
}

type Gates = Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>;

impl Default for Holds {
    fn default() -> Self {
        let known = Cache::builder()
            .max_capacity(KNOWN_MAX)
            .time_to_idle(KNOWN_FOR)
            .build();
        Holds {
            known,
            gates: Arc::default(),
        }
    }
}

impl Holds {
    /// Notes a reservation that was made.
    pub(super) async fn made(&self, id: Uuid, quantity: u32) {
        self.known
            .insert(
                id,
                Known {
                    quantity: Some(quantity),
                    ..Known::default()
                },
            )
            .await;
    }

    pub(super) async fn known(&self, id: Uuid) -> Known {
        self.known.get(&id).await.unwrap_or_default()
    }

    /// Notes what is known of a reservation now. Only by who has its gate.
    pub(super) async fn note(&self, id: Uuid, known: Known) {
        self.known.insert(id, known).await;
    }

    /// Waits until nobody else confirms or cancels the reservation.
    pub(super) async fn enter(&self, id: Uuid) -> Inside {
        let gate = Arc::clone(lock(&self.gates).entry(id).or_default());
        let waits = Waits {
            id,
            gates: Arc::clone(&self.gates),
        };
        let guard = gate.lock_owned().await;
        Inside {
            guard: Some(guard),
            waits,
        }
    }

    #[cfg(test)]
    pub(super) fn gates(&self) -> usize {
        lock(&self.gates).len()
    }
}

fn lock(gates: &Gates) -> MutexGuard<'_, HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>> {
    gates.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to close a reservation, until it is dropped.
pub(super) struct Inside {
    guard: Option<OwnedMutexGuard<()>>,
    #[expect(dead_code, reason = "dropped after the guard")]
    waits: Waits,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.guard = None;
    }
}

/// Takes a gate away when nobody is left at it.
struct Waits {
    id: Uuid,
    gates: Arc<Gates>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        let mut gates = lock(&self.gates);
        if gates
            .get(&self.id)
            .is_some_and(|gate| Arc::strong_count(gate) == 1)
        {
            gates.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_is_inside_and_gates_go_with_the_last() {
        let holds = Holds::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let second = Duration::from_secs(1);
        let inside = holds.enter(one).await;
        let beside = holds.enter(other).await;
        assert!(
            tokio::time::timeout(second, holds.enter(one))
                .await
                .is_err(),
            "it waits"
        );
        drop(beside);
        assert_eq!(holds.gates(), 1);
        drop(inside);
        assert_eq!(holds.gates(), 0);
        drop(holds.enter(one).await);
        assert_eq!(holds.gates(), 0);
    }
}
