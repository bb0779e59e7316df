//! Checks of the lines and units that a command names, for every topic that names some.

use std::collections::BTreeSet;

use super::Command;
use super::refusal::{no_such, not_now};
use crate::error::{Rejection, RejectionReason};
use crate::order::{LineUnits, Order};

/// Refuses more units of a line than are open, and none.
pub(super) fn check_open(order: &Order, command: &Command, l: LineUnits) -> Result<(), Rejection> {
    let LineUnits { line, units } = l;
    let Some(of) = order.line(line) else {
        return Err(no_such(order, command, "line", line));
    };
    if units == 0 || units > of.open() {
        let why = format!(
            "{units} units of line {line} ({}) were named, {} are open",
            of.sku,
            of.open()
        );
        return Err(not_now(order, command, RejectionReason::NotOpen, why));
    }
    Ok(())
}

/// Refuses a line that is named twice.
pub(super) fn check_distinct(
    order: &Order,
    command: &Command,
    lines: impl Iterator<Item = u32>,
) -> Result<(), Rejection> {
    let mut seen = BTreeSet::new();
    for line in lines {
        if !seen.insert(line) {
            return Err(not_now(
                order,
                command,
                RejectionReason::NotOpen,
                format_args!("line {line} is named twice"),
            ));
        }
    }
    Ok(())
}
