//! Validation of historic orders from elsewhere: one JSON object each, with all that happened to
//! it.
//!
//! `read.rs` takes it apart, strictly: a field that nobody knows is a mistake. `check.rs` holds
//! what it says against itself, by the rules that hold for every order of the engine.

mod check;
mod object;
mod read;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::error::Violation;
use crate::hash::Encoder;
use crate::ids::IdempotencyKey;
use crate::order::{Event, Imported, encode_event};
use crate::time::Timestamp;

/// The name space of what is derived from external references; any fixed UUID.
const IMPORTS: Uuid = Uuid::from_u128(0x5d0c_7a52_3c1f_4b86_9a2e_60e1_84b7_f3d9);

/// A historic order that could have happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidImport {
    /// Everything about it. Its id follows from when and by whom it was placed and from its
    /// external reference, its lines' ids from that alone, and its number, if it has none of its
    /// own, from the customer and the reference.
    pub imported: Box<Imported>,
    /// True if it came with an order number.
    pub own_number: bool,
}

impl ValidImport {
    /// The historic order that `json` describes; `now` is the latest time anything in it may have
    /// happened.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it. Sums and records are compared once every field by itself
    /// is sound.
    pub fn read(json: &str, now: Timestamp) -> Result<ValidImport, Vec<Violation>> {
        let valid = read::read(json)?;
        let problems = check::check(&valid, now);
        if problems.is_empty() {
            Ok(valid.import)
        } else {
            Err(problems)
        }
    }

    /// The name that it had where it comes from.
    pub fn external_ref(&self) -> &IdempotencyKey {
        &self.imported.external_ref
    }

    /// The same for the same content, by which another order under the same external reference is
    /// noticed.
    ///
    /// Stored for ever: what is hashed and how never changes without a new version number.
    pub fn request_hash(&self) -> Uuid {
        let mut hashed = Encoder(b"import/1".to_vec());
        let event = Event::Imported(self.imported.clone());
        hashed.bytes(encode_event(&event).as_bytes());
        let Imported {
            addresses,
            notes,
            metadata,
            ..
        } = &*self.imported;
        hashed.count(addresses.get().map_or(0, |_| 2));
        for address in addresses
            .get()
            .into_iter()
            .flat_map(|a| [&a.shipping, &a.billing])
        {
            hashed.address(address);
        }
        hashed.option(notes.get());
        let metadata = metadata.get();
        hashed.count(metadata.map_or(0, BTreeMap::len));
        for (name, value) in metadata.into_iter().flatten() {
            hashed.bytes(name.as_str().as_bytes());
            hashed.bytes(value.as_bytes());
        }
        Uuid::new_v5(&IMPORTS, &hashed.0)
    }
}

fn derived(external_ref: &IdempotencyKey, what: &str) -> Uuid {
    let mut name = Encoder(Vec::new());
    name.bytes(what.as_bytes());
    name.bytes(external_ref.as_str().as_bytes());
    Uuid::new_v5(&IMPORTS, &name.0)
}

/// The names that must not stand in one file twice: external references, order numbers, and the
/// providers' names of payments.
///
/// Keeps 40 bytes or so of each.
#[derive(Debug, Default)]
pub struct ImportedOnce(BTreeMap<Uuid, u64>);

impl ImportedOnce {
    /// Returns what `valid`, on `line`, has in common with an earlier line.
    pub fn add(&mut self, line: u64, valid: &ValidImport) -> Vec<Violation> {
        let Imported {
            external_ref,
            number,
            payments,
            ..
        } = &*valid.imported;
        let mut problems = Vec::new();
        let mut once = |field: String, kind: &str, value: &str| {
            let mut name = Encoder(kind.as_bytes().to_vec());
            name.bytes(value.as_bytes());
            let first = *self
                .0
                .entry(Uuid::new_v5(&IMPORTS, &name.0))
                .or_insert(line);
            if first != line {
                problems.push(Violation::new(
                    field,
                    format!("{value} stands on line {first} already: use each once"),
                ));
            }
        };
        once("external_ref".into(), "ref", external_ref.as_str());
        if valid.own_number {
            once("order_number".into(), "number", &number.to_string());
        }
        for p in payments {
            once("payments".into(), "payment", p.reference.as_str());
        }
        problems
    }
}

#[cfg(test)]
mod tests;
