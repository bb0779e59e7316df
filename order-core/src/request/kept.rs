//! Validation of what an order is placed with beside what is ordered: holds, metadata, what it is
//! called elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Check, HoldInput, MAX_HOLDS, MAX_METADATA, MAX_NOTES, ValidHold, echo, may_echo};
use crate::ids::{ExternalRef, Name};
use crate::order::{Blocks, HoldEnd};
use crate::text;

impl Check {
    /// The holds; not all of them if something is wrong.
    pub(super) fn holds(&mut self, holds: &[HoldInput]) -> Vec<ValidHold> {
        if holds.len() > MAX_HOLDS {
            self.wrong(
                "holds",
                format!("has {} holds: at most {MAX_HOLDS} are allowed", holds.len()),
            );
            return Vec::new();
        }
        let mut valid: Vec<ValidHold> = Vec::with_capacity(holds.len());
        for (
            i,
            HoldInput {
                kind,
                blocks,
                until,
            },
        ) in holds.iter().enumerate()
        {
            let at = |name: &str| format!("holds[{i}].{name}");
            let kind = match self.name(&at("kind"), kind) {
                Some(None) => self.refuse(
                    at("kind"),
                    "is missing: name the hold, such as fraud-review",
                ),
                kind => kind.flatten(),
            };
            let blocks = match blocks.as_str() {
                "" => Some(Blocks::Confirm),
                text => text
                    .parse()
                    .map_err(|_| self.wrong(at("blocks"), not_blocks(text)))
                    .ok(),
            };
            if *until == Some(HoldEnd::After(Duration::ZERO)) {
                self.wrong(at("until"), "is over at once: expected a longer time");
            }
            let (Some(kind), Some(blocks)) = (kind, blocks) else {
                continue;
            };
            if valid.iter().any(|earlier| earlier.kind == kind) {
                self.wrong(
                    at("kind"),
                    format!("{kind} is named twice: place at most one hold of each kind"),
                );
            }
            valid.push(ValidHold {
                kind,
                blocks,
                until: *until,
            });
        }
        valid
    }

    /// The entries; not all of them if something is wrong.
    pub(super) fn metadata(
        &mut self,
        metadata: &BTreeMap<String, String>,
    ) -> BTreeMap<Name, String> {
        if metadata.len() > MAX_METADATA {
            self.wrong(
                "metadata",
                format!(
                    "has {} entries: at most {MAX_METADATA} are allowed",
                    metadata.len()
                ),
            );
            return BTreeMap::new();
        }
        let mut valid = BTreeMap::new();
        for (name, value) in metadata {
            let Ok(name) = name.parse::<Name>() else {
                self.wrong(
                    "metadata",
                    "has a name that is none: expected 1 to 50 printable characters",
                );
                continue;
            };
            if value.trim().is_empty() {
                self.wrong(
                    format!("metadata.{name}"),
                    format!("is empty: expected 1 to {MAX_NOTES} characters"),
                );
            }
            self.text(format!("metadata.{name}"), Some(value.as_str()), |value| {
                text::check_line(value, MAX_NOTES)
            });
            valid.insert(name, value.clone());
        }
        valid
    }

    pub(super) fn external_ref(&mut self, reference: Option<&str>) -> Option<ExternalRef> {
        let reference = reference?;
        match reference.parse() {
            Ok(parsed) => Some(parsed),
            Err(_) => {
                let what = if may_echo(reference) {
                    format!("{} is", echo(reference))
                } else {
                    "is".into()
                };
                self.refuse(
                    "external_ref",
                    format!("{what} not a reference: expected 1 to 255 visible ASCII characters"),
                )
            }
        }
    }
}

fn not_blocks(text: &str) -> String {
    let what = if may_echo(text) {
        format!("{} is", echo(text))
    } else {
        "is".into()
    };
    format!("{what} not what a hold blocks: expected confirm, capture or ship")
}
