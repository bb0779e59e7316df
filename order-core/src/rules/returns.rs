//! Returns: asked for, approved or rejected, received in parts, closed.

use super::check::check_distinct;
use super::refusal::{illegal, no_such, not_now};
use super::{Command, Env};
use crate::error::{Rejection, RejectionReason};
use crate::order::{
    Edit, EditState, Event, Lifecycle, Line, LineUnits, Numbered, Order, ReceivedUnits, Return,
    ReturnLine, ReturnState, ShipmentState,
};
use crate::time::Timestamp;

/// Returns the return of one unit of each line that arrived, and each next step of the returns
/// there are.
pub(super) fn samples(order: &Order) -> Vec<Command> {
    let arrived = order.lines.iter().filter(|l| returnable(order, l) > 0);
    let mut samples: Vec<Command> = arrived
        .map(|l| Command::RequestReturn {
            lines: vec![LineUnits {
                line: l.n,
                units: 1,
            }],
        })
        .collect();
    let numbers = || order.returns.iter().map(|r| r.n);
    samples.extend(numbers().map(|number| Command::ApproveReturn { number }));
    samples.extend(numbers().map(|number| Command::RejectReturn { number }));
    samples.extend(numbers().map(|number| Command::ReceiveReturn {
        number,
        lines: Vec::new(),
    }));
    samples.extend(numbers().map(|number| Command::CloseReturn { number }));
    samples
}

/// Returns how many units of a line could still be sent back.
fn returnable(order: &Order, line: &Line) -> u32 {
    let spoken_for: u32 = order.returns.iter().map(|r| r.spoken_for(line.n)).sum();
    line.counters
        .delivered
        .saturating_sub(line.counters.returned + spoken_for)
}

/// Asks to send delivered units back, within the time for that.
pub(super) fn request(
    order: &Order,
    command: &Command,
    lines: &[LineUnits],
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    if !matches!(order.lifecycle, Lifecycle::Confirmed | Lifecycle::Completed) {
        return Err(illegal(order, command));
    }
    check_distinct(order, command, lines.iter().map(|l| l.line))?;
    for LineUnits { line, units } in lines {
        let of = order
            .line(*line)
            .ok_or_else(|| no_such(order, command, "line", *line))?;
        let there = returnable(order, of);
        if *units == 0 || *units > there {
            let why = format!(
                "{units} units of line {line} ({}) were named, {there} can be sent back",
                of.sku
            );
            return Err(not_now(order, command, RejectionReason::NotReturnable, why));
        }
        if let Some(until) = returnable_until(order, of, env).filter(|t| *t <= env.now) {
            let why = format!("line {line} ({}) could be sent back until {until}", of.sku);
            return Err(not_now(order, command, RejectionReason::TooLate, why));
        }
    }
    if lines.is_empty() {
        return Err(not_now(
            order,
            command,
            RejectionReason::NotReturnable,
            "no units were named",
        ));
    }
    Ok(vec![Event::ReturnRequested {
        n: order.returns.next_number(),
        lines: lines.to_vec(),
    }])
}

/// Returns until when units of a line may be sent back: counted from its last delivery, or from
/// when it was given out.
fn returnable_until(order: &Order, line: &Line, env: &Env<'_>) -> Option<Timestamp> {
    let arrived = order
        .shipments
        .iter()
        .filter(|s| s.state == ShipmentState::Delivered);
    let with_line = arrived.filter(|s| s.lines.iter().any(|l| l.line == line.n));
    let since = if line.requires_shipping {
        with_line.filter_map(|s| s.delivered_at).max()
    } else {
        given_out_at(order, line)
    };
    since.map(|t| t.after(env.policy.return_window))
}

/// Returns when the last units of a line that needs no shipping were given out: as the order was
/// confirmed, or by an edit since.
fn given_out_at(order: &Order, line: &Line) -> Option<Timestamp> {
    let raised =
        |e: &&Edit| e.state == EditState::Applied && e.plan.raised.iter().any(|r| r.line == line.n);
    let edited = order.edits.iter().filter(raised).map(|e| e.updated_at);
    order
        .confirmed_at
        .into_iter()
        .chain([line.created_at])
        .chain(edited)
        .max()
}

/// Approves a return.
pub(super) fn approve(order: &Order, command: &Command, n: u32) -> Result<Vec<Event>, Rejection> {
    let r = find(order, command, n)?;
    match r.state {
        ReturnState::Requested => Ok(vec![Event::ReturnApproved { n }]),
        ReturnState::Approved => Ok(Vec::new()),
        ReturnState::Rejected | ReturnState::Closed => Err(is(order, command, r)),
    }
}

/// Rejects a return.
pub(super) fn reject(order: &Order, command: &Command, n: u32) -> Result<Vec<Event>, Rejection> {
    let r = find(order, command, n)?;
    match r.state {
        ReturnState::Requested => Ok(vec![Event::ReturnRejected { n }]),
        ReturnState::Rejected => Ok(Vec::new()),
        ReturnState::Approved | ReturnState::Closed => Err(is(order, command, r)),
    }
}

/// Takes in units that came back under a return.
pub(super) fn receive(
    order: &Order,
    command: &Command,
    n: u32,
    lines: &[ReceivedUnits],
) -> Result<Vec<Event>, Rejection> {
    let r = find(order, command, n)?;
    if r.state != ReturnState::Approved {
        return Err(is(order, command, r));
    }
    let all = || {
        r.lines.iter().map(|l| ReceivedUnits {
            line: l.line,
            restock: r.outstanding(l.line),
            scrap: 0,
        })
    };
    let lines: Vec<ReceivedUnits> = match lines {
        [] => all().filter(|l| l.restock > 0).collect(),
        some => some.to_vec(),
    };
    if lines.is_empty() {
        return Err(not_now(
            order,
            command,
            RejectionReason::NotReturnable,
            "nothing is outstanding",
        ));
    }
    check_distinct(order, command, lines.iter().map(|l| l.line))?;
    for ReceivedUnits {
        line,
        restock,
        scrap,
    } in &lines
    {
        let (units, there) = (restock.saturating_add(*scrap), r.outstanding(*line));
        if units == 0 || units > there {
            let why = format!(
                "{units} units of line {line} were named, {there} are outstanding in return {n}"
            );
            return Err(not_now(order, command, RejectionReason::NotReturnable, why));
        }
    }
    Ok(vec![Event::ReturnReceived { n, lines }])
}

/// Closes a return: what came back is no longer owed.
///
/// Tax on a partial return goes back with the shares of its units: the refund is what
/// [`Order::owed`] falls by, a part of [`Lot::total`](crate::order::Lot::total) with tax in it.
pub(super) fn close(order: &Order, command: &Command, n: u32) -> Result<Vec<Event>, Rejection> {
    let r = find(order, command, n)?;
    match r.state {
        ReturnState::Approved => Ok(vec![Event::ReturnClosed { n }]),
        ReturnState::Closed => Ok(Vec::new()),
        ReturnState::Requested | ReturnState::Rejected => Err(is(order, command, r)),
    }
}

fn find<'o>(order: &'o Order, command: &Command, n: u32) -> Result<&'o Return, Rejection> {
    order
        .return_numbered(n)
        .ok_or_else(|| no_such(order, command, "return", n))
}

fn is(order: &Order, command: &Command, r: &Return) -> Rejection {
    let why = format!("return {} is {} since {}", r.n, r.state, r.updated_at);
    not_now(order, command, RejectionReason::IllegalTransition, why)
}

/// Applies an event of a return to the order.
pub(super) fn apply(order: &mut Order, event: &Event, at: Timestamp) {
    match event {
        Event::ReturnRequested { n, lines } => {
            let asked = |l: &LineUnits| ReturnLine {
                line: l.line,
                units: l.units,
                restocked: 0,
                scrapped: 0,
            };
            order.returns.push(Return {
                n: *n,
                lines: lines.iter().map(asked).collect(),
                state: ReturnState::Requested,
                created_at: at,
                updated_at: at,
            });
        }
        Event::ReturnApproved { n } => {
            with_return(order, *n, at, |r| r.state = ReturnState::Approved)
        }
        Event::ReturnRejected { n } => {
            with_return(order, *n, at, |r| r.state = ReturnState::Rejected)
        }
        Event::ReturnReceived { n, lines } if order.return_numbered(*n).is_some() => {
            for ReceivedUnits {
                line,
                restock,
                scrap,
            } in lines
            {
                with_return(order, *n, at, |r| {
                    for l in r.lines.iter_mut().filter(|l| l.line == *line) {
                        l.restocked += restock;
                        l.scrapped += scrap;
                    }
                });
                order.with_line(*line, at, |l| l.counters.restocked += restock);
            }
        }
        Event::ReturnClosed { n } => {
            let received = order
                .return_numbered(*n)
                .map_or_else(Vec::new, |r| r.lines.clone());
            with_return(order, *n, at, |r| r.state = ReturnState::Closed);
            for l in received {
                order.with_line(l.line, at, |line| line.counters.returned += l.received());
            }
        }
        _ => {}
    }
}

fn with_return(order: &mut Order, n: u32, at: Timestamp, change: impl FnOnce(&mut Return)) {
    if let Some(r) = order.returns.numbered_mut(n) {
        r.updated_at = at;
        change(r);
    }
}
