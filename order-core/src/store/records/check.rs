//! Clause 3 of the contract: whether a changeset applies, by what stands in the store, and what
//! becomes of redemptions.

use std::convert::Infallible;

use crate::ids::{Fence, IdempotencyKey};
use crate::order::{CommandKey, JournalRow};
use crate::store::{
    Changeset, CommitError, KeyRecord, KeyUse, RedemptionChange, StoreError, StoreErrorKind,
};

/// The facts in a store that a changeset depends on. They are asked for one by one, and only as far
/// as it matters, so that a store may look it up then, or have read all of it before.
pub trait Facts {
    /// The reason why a fact cannot be had.
    type Error;
    /// Returns whether the journal row after the expected version was written by this very
    /// changeset. Asked only where something else refuses it.
    fn replayed(&mut self) -> Result<bool, Self::Error>;
    /// Returns the record of the changeset's idempotency key, if it is taken.
    fn key(&mut self, key: &KeyRecord) -> Result<Option<KeyRecord>, Self::Error>;
    /// Returns the row of the order's journal that has the command key, if there is one.
    fn command_key(&mut self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Self::Error>;
    /// The fence, if anybody's, and the revision of the order's work item; none if it has no item.
    fn lease(&mut self) -> Result<Option<(Option<Fence>, u64)>, Self::Error>;
    /// Returns whether the order holds a use of the limited thing, and the number of uses taken in
    /// all.
    fn redemption(&mut self, name: &str) -> Result<(bool, u32), Self::Error>;
    /// The version of the order; none if there is no such order.
    fn version(&mut self) -> Result<Option<u64>, Self::Error>;
    /// Returns whether another order has the changeset's number. Asked only for new orders.
    fn number_is_taken(&mut self) -> Result<bool, Self::Error>;
}

/// [`Facts`] that were all read before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefetched {
    /// See [`Facts::replayed`].
    pub replayed: bool,
    /// See [`Facts::key`].
    pub key: Option<KeyRecord>,
    /// The command keys of the changeset that the order's journal has already.
    pub command_keys: Vec<(IdempotencyKey, KeyUse)>,
    /// See [`Facts::lease`].
    pub lease: Option<(Option<Fence>, u64)>,
    /// By name: whether the order holds a use, and how many are taken. Those that nobody uses may
    /// be left out.
    pub redemptions: Vec<(String, bool, u32)>,
    /// See [`Facts::version`].
    pub version: Option<u64>,
    /// See [`Facts::number_is_taken`].
    pub number_is_taken: bool,
}

impl Facts for &Prefetched {
    type Error = Infallible;

    fn replayed(&mut self) -> Result<bool, Infallible> {
        Ok(self.replayed)
    }

    fn key(&mut self, _: &KeyRecord) -> Result<Option<KeyRecord>, Infallible> {
        Ok(self.key.clone())
    }

    fn command_key(&mut self, key: &IdempotencyKey) -> Result<Option<KeyUse>, Infallible> {
        Ok(self
            .command_keys
            .iter()
            .find(|(taken, _)| taken == key)
            .map(|(_, used)| *used))
    }

    fn lease(&mut self) -> Result<Option<(Option<Fence>, u64)>, Infallible> {
        Ok(self.lease)
    }

    fn redemption(&mut self, name: &str) -> Result<(bool, u32), Infallible> {
        let known = self.redemptions.iter().find(|(known, ..)| known == name);
        Ok(known.map_or((false, 0), |(_, held, in_use)| (*held, *in_use)))
    }

    fn version(&mut self) -> Result<Option<u64>, Infallible> {
        Ok(self.version)
    }

    fn number_is_taken(&mut self) -> Result<bool, Infallible> {
        Ok(self.number_is_taken)
    }
}

/// A limited thing as a changeset leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally<'a> {
    /// Its name.
    pub name: &'a str,
    /// True if the order held a use of it before.
    pub held_before: bool,
    /// True if it holds one now.
    pub held: bool,
    /// The number of uses that are taken now.
    pub in_use: u32,
}

/// A changeset that is not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It was applied before: nothing is to be written.
    Replayed,
    /// It is to be written, with what becomes of the limited things whose use it changes.
    Write(Vec<Tally<'a>>),
}

/// Clause 3, from top to bottom: whether the changeset applies to what the facts say.
///
/// # Errors
///
/// The outer ones are those of the facts; the inner one is the contract's answer.
pub fn check<'a, F: Facts>(
    changeset: &'a Changeset,
    facts: &mut F,
) -> Result<Result<Verdict<'a>, CommitError>, F::Error> {
    match refuse_or_tally(changeset, facts)? {
        Ok(tallies) => Ok(Ok(Verdict::Write(tallies))),
        // Clause 2 comes first, but matters only where something else would refuse.
        Err(refusal) => Ok(if facts.replayed()? {
            Ok(Verdict::Replayed)
        } else {
            Err(refusal)
        }),
    }
}

fn refuse_or_tally<'a, F: Facts>(
    changeset: &'a Changeset,
    facts: &mut F,
) -> Result<Result<Vec<Tally<'a>>, CommitError>, F::Error> {
    let Changeset {
        id: _,
        before: _,
        after: _,
        journal,
        key,
        redemptions,
        work,
    } = changeset;
    // Clause 5: without journal rows there is nothing but the work item and the notified number.
    let writes_order = !journal.is_empty();
    if let Some(key) = key.as_ref().filter(|_| writes_order)
        && let Some(taken) = facts.key(key)?
    {
        return Ok(Err(CommitError::KeyTaken(Box::new(taken))));
    }
    if let Some(used) = command_key_use(journal, |key| facts.command_key(key))? {
        return Ok(Err(CommitError::CommandKeyTaken(used)));
    }
    let mut revision_holds = true;
    if let Some((fence, revision)) = work.fence() {
        match facts.lease()? {
            Some((Some(held), stored)) if held == fence => revision_holds = stored == revision,
            _ => return Ok(Err(CommitError::Fenced)),
        }
    }
    let tallies = match tally(if writes_order { redemptions } else { &[] }, |name| {
        facts.redemption(name)
    })? {
        Ok(tallies) => tallies,
        Err(exhausted) => return Ok(Err(exhausted)),
    };
    if !revision_holds {
        return Ok(Err(CommitError::Conflict));
    }
    let expected = changeset.expected();
    if !writes_order && work.fence().is_some() {
        // A lease that is held proves that the order exists.
        return Ok(Ok(tallies));
    }
    let unchanged = match facts.version()? {
        Some(version) => !writes_order || version == expected,
        None => writes_order && expected == 0,
    };
    if !unchanged {
        return Ok(Err(CommitError::Conflict));
    }
    if writes_order && expected == 0 && facts.number_is_taken()? {
        return Ok(Err(CommitError::NumberTaken));
    }
    if writes_order && expected > 0 && key.is_some() {
        let message = "an idempotency key comes with the changeset that makes its order";
        return Ok(Err(CommitError::Store(StoreError::new(
            StoreErrorKind::Corrupt,
            message,
        ))));
    }
    Ok(Ok(tallies))
}

/// Finds the row in which the first command key of the new rows that is taken was used: in a row
/// that is stored, or in an earlier new one.
fn command_key_use<E>(
    journal: &[JournalRow],
    mut stored: impl FnMut(&IdempotencyKey) -> Result<Option<KeyUse>, E>,
) -> Result<Option<KeyUse>, E> {
    let mut earlier: Vec<(&CommandKey, u64)> = Vec::new();
    for (command, seq) in journal
        .iter()
        .filter_map(|row| Some((row.command_key.as_ref()?, row.seq)))
    {
        let again = || {
            earlier
                .iter()
                .find(|(earlier, _)| earlier.key == command.key)
        };
        if let Some(used) = stored(&command.key)?.or_else(|| {
            again().map(|(first, seq)| KeyUse {
                seq: *seq,
                hash: first.hash,
            })
        }) {
            return Ok(Some(used));
        }
        earlier.push((command, seq));
    }
    Ok(None)
}

/// Clause 8: what becomes of the limited things, in the order of the changes; refused if one of
/// them is exhausted.
fn tally<'a, E>(
    changes: &'a [RedemptionChange],
    mut stored: impl FnMut(&str) -> Result<(bool, u32), E>,
) -> Result<Result<Vec<Tally<'a>>, CommitError>, E> {
    let mut tallies: Vec<Tally<'a>> = Vec::new();
    for RedemptionChange { redemption, take } in changes {
        let at = match tallies
            .iter()
            .position(|tally| tally.name == redemption.name)
        {
            Some(at) => at,
            None => {
                let (held, in_use) = stored(&redemption.name)?;
                tallies.push(Tally {
                    name: &redemption.name,
                    held_before: held,
                    held,
                    in_use,
                });
                tallies.len() - 1
            }
        };
        let tally = &mut tallies[at];
        match (take, tally.held) {
            (true, false) if tally.in_use >= redemption.limit => {
                return Ok(Err(CommitError::RedemptionExhausted {
                    name: redemption.name.clone(),
                }));
            }
            (true, false) => tally.in_use += 1,
            (false, true) => tally.in_use = tally.in_use.saturating_sub(1),
            (true, true) | (false, false) => {}
        }
        tally.held = *take;
    }
    Ok(Ok(tallies))
}
