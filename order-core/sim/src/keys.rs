//! Keys of commands, which clients use again now and then: for the same command, which must say
//! that it is a repeat, and for another, which must be refused and never be answered with success.

use uuid::Uuid;

use super::lock;
use super::world::World;
use order_core::audit::Invariant;
use order_core::error::Error;
use order_core::ids::{IdempotencyKey, OrderId};

/// A command that is asked for under a key, and whether it had been asked for before.
pub(super) struct KeyWatch {
    order: OrderId,
    key: IdempotencyKey,
    hash: Uuid,
    before: Option<(u64, Uuid)>,
}

impl KeyWatch {
    /// Looks before the client asks; nothing to watch without a key.
    pub(super) fn new(
        world: &World,
        order: OrderId,
        key: Option<&IdempotencyKey>,
        hash: impl FnOnce() -> Uuid,
    ) -> Option<Self> {
        let key = key?.clone();
        let before = row_of(world, order, &key);
        Some(KeyWatch {
            order,
            key,
            hash: hash(),
            before,
        })
    }

    /// As [`Self::judge`]. An edit that came to nothing is refused as often as it is asked for,
    /// with what it came to.
    pub(super) fn judge_edit(self, world: &World, answer: Result<Option<u64>, &Error>) {
        if !matches!(answer, Err(Error::Rejected(_))) {
            self.judge(world, answer);
        }
    }

    /// Judges the answer: the journal row it says it repeats, or the error.
    pub(super) fn judge(self, world: &World, answer: Result<Option<u64>, &Error>) {
        let KeyWatch {
            order,
            key,
            hash,
            before,
        } = self;
        let now = row_of(world, order, &key);
        let wrong = match (before, answer) {
            (Some((seq, used)), Ok(repeats)) if used != hash || repeats != Some(seq) => {
                format!("answered as a repeat of {repeats:?}, but row {seq} has it")
            }
            (None, Ok(Some(seq))) if now != Some((seq, hash)) => {
                format!("answered as a repeat of row {seq}, which it is not")
            }
            (_, Err(Error::KeyReused { used, .. })) => match (used, now) {
                (Some(used), Some((seq, found))) if used.seq == seq && found != hash => {
                    return fact(world, "key used again");
                }
                _ => format!("refused as used by {used:?}, and {now:?} has it"),
            },
            (Some((seq, used)), Err(e)) if !e.is_retryable() && used == hash => {
                format!("done before by row {seq}, and refused now: {e}")
            }
            (Some(_), Ok(_)) => return fact(world, "command repeated"),
            _ => return,
        };
        world.breach(
            Invariant::OrderKeys,
            format!("order {order}: key {key} was {wrong}"),
        );
    }
}

fn fact(world: &World, name: &'static str) {
    lock(&world.coverage).fact(name);
}

/// The journal row that has the key, and its hash.
fn row_of(world: &World, order: OrderId, key: &IdempotencyKey) -> Option<(u64, Uuid)> {
    let rows = |journal: &[order_core::order::JournalRow]| {
        let of_key = |row: &order_core::order::JournalRow| {
            let used = row.command_key.as_ref().filter(|used| used.key == *key)?;
            Some((row.seq, used.hash))
        };
        journal.iter().find_map(of_key)
    };
    world
        .store
        .inspect(order, |_, journal, _| rows(journal))
        .flatten()
}
