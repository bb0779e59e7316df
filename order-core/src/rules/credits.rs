//! Credits: what is taken off what is owed, for the order as a whole or for lines.

use super::Command;
use super::check::check_distinct;
use super::refusal::{illegal, no_such, not_now};
use crate::error::{Rejection, RejectionReason};
use crate::money::Minor;
use crate::order::{Credit, CreditKind, Event, Lifecycle, LineCredit, Numbered, Order};
use crate::time::Timestamp;

pub(super) fn credit(
    order: &Order,
    command: &Command,
    amount: Minor,
) -> Result<Vec<Event>, Rejection> {
    creditable(order, command)?;
    let owed = order.owed();
    if amount <= 0 || amount > owed {
        return Err(too_large(order, command, amount, owed, "is still owed"));
    }
    Ok(vec![Event::Credited {
        kind: CreditKind::Goodwill,
        amount,
        lines: Vec::new(),
    }])
}

pub(super) fn credit_lines(
    order: &Order,
    command: &Command,
    lines: &[LineCredit],
) -> Result<Vec<Event>, Rejection> {
    creditable(order, command)?;
    check_distinct(order, command, lines.iter().map(|l| l.line))?;
    for LineCredit { line, amount } in lines {
        let of = order
            .line(*line)
            .ok_or_else(|| no_such(order, command, "line", *line))?;
        if *amount <= 0 || *amount > of.owed() {
            return Err(too_large(
                order,
                command,
                *amount,
                of.owed(),
                &format!("is still owed for line {line}"),
            ));
        }
    }
    let amount: Minor = lines.iter().map(|l| l.amount).sum();
    if amount <= 0 || amount > order.owed() {
        return Err(too_large(
            order,
            command,
            amount,
            order.owed(),
            "is still owed",
        ));
    }
    Ok(vec![Event::Credited {
        kind: CreditKind::Line,
        amount,
        lines: lines.to_vec(),
    }])
}

fn creditable(order: &Order, command: &Command) -> Result<(), Rejection> {
    match order.lifecycle {
        Lifecycle::Confirmed | Lifecycle::Completed => Ok(()),
        _ => Err(illegal(order, command)),
    }
}

fn too_large(order: &Order, command: &Command, amount: Minor, owed: Minor, of: &str) -> Rejection {
    let (amount, owed) = (order.in_currency(amount), order.in_currency(owed));
    not_now(
        order,
        command,
        RejectionReason::CreditTooLarge,
        format!("{amount} is not between 0 and the {owed} that {of}"),
    )
}

/// Applies a credit to the order.
pub(super) fn apply(order: &mut Order, event: &Event, at: Timestamp) {
    if let Event::Credited {
        kind,
        amount,
        lines,
    } = event
    {
        if *kind != CreditKind::Line {
            push(order, *kind, None, *amount, at);
        }
        for LineCredit { line, amount } in lines {
            order.with_line(*line, at, |l| l.credit(*amount));
            push(order, *kind, Some(*line), *amount, at);
        }
    }
}

fn push(order: &mut Order, kind: CreditKind, line: Option<u32>, amount: Minor, at: Timestamp) {
    let n = order.credits.next_number();
    order.credits.push(Credit {
        n,
        kind,
        line,
        amount,
        at,
    });
}
