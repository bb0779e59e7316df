//! Order holds: what keeps an order from being confirmed, captured or shipped until it is lifted.

use super::refusal::{illegal, refusal};
use super::{Command, Env};
use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::order::{Actor, Blocks, Event, HoldEnd, Lifecycle, Order, OrderHold, PaymentTerms};

/// Returns a hold that is not placed yet, and the release of each that is.
pub(super) fn samples(order: &Order) -> Vec<Command> {
    let placed = |kind: &Name| order.holds.iter().any(|h| h.kind == *kind);
    let unused = (0..=order.holds.len()).filter_map(|n| format!("sample-{n}").parse().ok());
    let place = unused
        .into_iter()
        .find(|kind| !placed(kind))
        .map(|kind| Command::PlaceHold {
            kind,
            blocks: None,
            until: None,
        });
    let release = order.holds.iter().map(|h| Command::ReleaseHold {
        kind: h.kind.clone(),
    });
    place.into_iter().chain(release).collect()
}

/// Places a hold on a step that is yet to come.
pub(super) fn place(
    order: &Order,
    command: &Command,
    kind: &Name,
    blocks: Option<Blocks>,
    until: Option<HoldEnd>,
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    if !matches!(order.lifecycle, Lifecycle::Pending | Lifecycle::Confirmed) {
        return Err(illegal(order, command));
    }
    let asked = blocks;
    let until = until.map(|end| end.for_one_placed(env.now));
    if until.is_some_and(|t| t <= env.now) {
        let message = format!(
            "cannot place hold {kind} on order {}: its end is in the past",
            order.number
        );
        return Err(refusal(order, RejectionReason::TooLate, message));
    }
    match order.holds.iter().find(|h| h.kind == *kind) {
        Some(hold) if blocks.is_none_or(|b| b == hold.blocks) && hold.until == until => {
            Ok(Vec::new())
        }
        Some(hold) => {
            let message = format!(
                "order {} has a hold {kind} already, which blocks {}",
                order.number, hold.blocks
            );
            Err(refusal(order, RejectionReason::HoldExists, message))
        }
        None => {
            let to_come = steps_to_come(order);
            let blocks = match blocks {
                None => to_come.first().copied(),
                Some(blocks) => Some(blocks).filter(|b| to_come.contains(b)),
            };
            let Some(blocks) = blocks else {
                return Err(nothing_to_hold(order, kind, asked, &to_come));
            };
            Ok(vec![Event::HoldPlaced {
                kind: kind.clone(),
                blocks,
                until,
            }])
        }
    }
}

/// Returns what a hold can still keep from happening, in the order in which it is chosen.
fn steps_to_come(order: &Order) -> Vec<Blocks> {
    let charged = matches!(order.terms, PaymentTerms::Confirm | PaymentTerms::Shipment);
    let steps = [
        (Blocks::Confirm, order.lifecycle == Lifecycle::Pending),
        (
            Blocks::Ship,
            order
                .lines
                .iter()
                .any(|l| l.requires_shipping && l.open() + l.counters.planned > 0),
        ),
        (Blocks::Capture, charged && order.kept() < order.owed()),
    ];
    steps
        .into_iter()
        .filter(|(_, to_come)| *to_come)
        .map(|(step, _)| step)
        .collect()
}

/// The step that a hold is to block has passed, or there is none left.
fn nothing_to_hold(
    order: &Order,
    kind: &Name,
    blocks: Option<Blocks>,
    to_come: &[Blocks],
) -> Rejection {
    let why = match blocks {
        Some(Blocks::Confirm) => "it is confirmed already",
        Some(Blocks::Capture) => "nothing is left to be captured",
        Some(Blocks::Ship) => "nothing is left to be shipped",
        None => "it is confirmed, and nothing is left to be captured or shipped",
    };
    let left: Vec<&str> = to_come.iter().map(|b| b.as_str()).collect();
    let left = if left.is_empty() {
        "nothing can be held any more".into()
    } else {
        format!("{} can still be held", left.join(" and "))
    };
    let message = format!(
        "cannot place hold {kind} on order {}: {why}: {left}",
        order.number
    );
    refusal(order, RejectionReason::TooLate, message)
}

/// Releases a hold.
pub(super) fn release(order: &Order, kind: &Name) -> Result<Vec<Event>, Rejection> {
    if order.holds.iter().any(|h| h.kind == *kind) {
        return Ok(vec![Event::HoldReleased {
            kind: kind.clone(),
            lapsed: false,
        }]);
    }
    let placed: Vec<&str> = order.holds.iter().map(|h| h.kind.as_str()).collect();
    let placed = if placed.is_empty() {
        "none is placed".to_owned()
    } else {
        format!("placed: {}", placed.join(", "))
    };
    Err(refusal(
        order,
        RejectionReason::NoSuchHold,
        format!("order {} has no hold {kind}: {placed}", order.number),
    ))
}

/// Releases a hold whose time is over.
pub(super) fn settle(order: &Order, env: &Env<'_>) -> Option<Event> {
    if order.lifecycle.is_terminal() {
        return None;
    }
    let over = order
        .holds
        .iter()
        .find(|h| h.until.is_some_and(|t| t <= env.now))?;
    Some(Event::HoldReleased {
        kind: over.kind.clone(),
        lapsed: true,
    })
}

/// Applies an event of a hold, caused by `actor`, to the order.
pub(super) fn apply(order: &mut Order, event: &Event, actor: &Actor) {
    match event {
        Event::HoldPlaced {
            kind,
            blocks,
            until,
        } => {
            order.holds.push(OrderHold {
                kind: kind.clone(),
                blocks: *blocks,
                placed_by: actor.clone(),
                until: *until,
            });
        }
        Event::HoldReleased { kind, lapsed: _ } => order.holds.retain(|h| h.kind != *kind),
        _ => {}
    }
}
