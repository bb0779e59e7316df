//! Commands: may this happen, and what are the facts if it does? One arm a command; the rules stand
//! in the files of their topics.

mod edits;
mod money;
mod returns;
mod shipping;

use super::refusal::{illegal, not_now, refusal};
use super::settle::keeps_from_completing;
use super::{Command, Env, resolve};
use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::order::{
    AttentionReason, Blocks, CancelCause, DisputeState, Event, HoldEnd, Lifecycle, Line, Op, Order,
    PaymentTerms, ShipmentState, Status,
};
use crate::text::Private;

/// Decides a command. Returns no events if what it wants holds already: a success without effect.
///
/// # Errors
///
/// A [`Rejection`] with the commands that are [`possible`] instead. Checked in this order: the
/// order's state, the command's time, the command's own arguments.
pub fn decide(order: &Order, command: &Command, env: &Env<'_>) -> Result<Vec<Event>, Rejection> {
    decide_alone(order, command, env).map_err(|rejection| Rejection {
        possible: possible(order, env),
        ..rejection
    })
}

/// Returns the names of the commands that would change something on the order as it is, with one
/// argument or another: for refusals and explanations.
///
/// It asks the rules themselves, with samples. Not listed is what an operator may always do: set
/// metadata or the status, acknowledge, retry stuck work, resolve.
pub fn possible(order: &Order, env: &Env<'_>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for sample in samples(order) {
        let name = sample.name();
        let changes = |events: Vec<Event>| !events.is_empty();
        if !names.contains(&name) && decide_alone(order, &sample, env).is_ok_and(changes) {
            names.push(name);
        }
    }
    names
}

/// Returns commands that may be possible on the order, with arguments taken from its records: of
/// each command at least one that succeeds, if any does.
pub fn samples(order: &Order) -> Vec<Command> {
    let mut samples = vec![Command::Cancel];
    samples.extend(money::cancel_samples(order));
    samples.extend(money::pay_samples());
    samples.extend(shipping::samples(order));
    samples.push(Command::Complete);
    samples.push(Command::Credit { amount: 1 });
    samples.extend(returns::samples(order));
    samples.extend(edits::samples(order));
    samples.extend(hold_samples(order));
    samples.extend([Command::Redact, Command::Note]);
    samples
}

/// Decides a command, without the commands that are possible instead.
fn decide_alone(order: &Order, command: &Command, env: &Env<'_>) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Cancel => cancel(order),
        Command::CancelLines { lines } => money::cancel_lines(order, command, lines),
        Command::CancelRest => money::cancel_rest(order, command),
        Command::RetryPayment {
            amount,
            method,
            terms,
            token,
            return_url,
        } => {
            let paying = money::Paying {
                method,
                terms: *terms,
                amount: *amount,
                token,
                return_url,
            };
            money::pay_again(order, command, &paying, env)
        }
        Command::PlaceHold {
            kind,
            blocks,
            until,
        } => place_hold(order, command, (kind, *blocks, *until), env),
        Command::ReleaseHold { kind } => release_hold(order, kind),
        Command::PlanShipment { lines } => {
            shipping::plan(order, command, lines, env).map(|(_, events)| events)
        }
        Command::Ship {
            shipment,
            lines,
            carrier,
            tracking,
        } => shipping::ship(order, command, *shipment, lines, (carrier, tracking), env),
        Command::Deliver { shipment: Some(n) } => shipping::found(
            order,
            command,
            *n,
            (ShipmentState::Delivered, Event::ShipmentDelivered { n: *n }),
            env,
        ),
        Command::Deliver { shipment: None } => shipping::deliver_all(order, command, env),
        Command::FailShipment { shipment: n } => shipping::found(
            order,
            command,
            *n,
            (ShipmentState::Failed, Event::ShipmentFailed { n: *n }),
            env,
        ),
        Command::LoseShipment { shipment: n } => shipping::found(
            order,
            command,
            *n,
            (ShipmentState::Lost, Event::ShipmentLost { n: *n }),
            env,
        ),
        Command::ReturnToSender { shipment: n } => shipping::found(
            order,
            command,
            *n,
            (ShipmentState::Returned, Event::ShipmentReturned { n: *n }),
            env,
        ),
        Command::CancelShipment { shipment } => shipping::cancel(order, command, *shipment),
        Command::Complete => complete(order, command),
        Command::Credit { amount } => money::credit(order, command, *amount),
        Command::CreditLines { lines } => money::credit_lines(order, command, lines),
        Command::WriteOff { amount } => money::write_off(order, command, *amount, env),
        Command::RequestReturn { lines } => returns::request(order, command, lines, env),
        Command::ApproveReturn { number } => returns::approve(order, command, *number),
        Command::RejectReturn { number } => returns::reject(order, command, *number),
        Command::ReceiveReturn { number, lines } => {
            returns::receive(order, command, *number, lines)
        }
        Command::CloseReturn { number } => returns::close(order, command, *number),
        Command::Edit {
            plan,
            method,
            terms,
            token,
            return_url,
            address,
        } => edits::start(
            order,
            command,
            plan,
            (method, *terms, token, return_url, address),
            env,
        ),
        Command::DiscardEdit => edits::discard(order, command),
        Command::ChangeAddress { which, address } => {
            edits::change_address(order, command, *which, address)
        }
        Command::SetMetadata { key, value } => Ok(set_metadata(order, key, value)),
        Command::Acknowledge { reason, about } => acknowledge(order, *reason, *about),
        Command::SetStatus { status } => set_status(order, command, *status, env),
        Command::RetryStuck => Ok(vec![Event::StuckRetried]),
        Command::Resolve { finding } => resolve(order, finding, env),
        Command::Redact => redact(order, command),
        Command::Note => Ok(vec![Event::Noted]),
    }
}

fn place_hold(
    order: &Order,
    command: &Command,
    (kind, blocks, until): (&Name, Option<Blocks>, Option<HoldEnd>),
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

/// Returns a hold that is not placed yet, and the release of each that is.
fn hold_samples(order: &Order) -> Vec<Command> {
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

/// What a hold can still keep from happening, in the order in which it is chosen.
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

fn release_hold(order: &Order, kind: &Name) -> Result<Vec<Event>, Rejection> {
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

fn cancel(order: &Order) -> Result<Vec<Event>, Rejection> {
    if can_cancel(order) {
        return Ok(vec![Event::CancelRequested {
            cause: CancelCause::Requested,
        }]);
    }
    match order.lifecycle {
        Lifecycle::Cancelling | Lifecycle::Cancelled => Ok(Vec::new()),
        Lifecycle::Confirmed if let Some(line) = given_out(order) => {
            let why = format!(
                "line {} ({}) needs no shipping and was given out: it can be returned or credited, and what is yet to be sent \
                 can be cancelled without it",
                line.n, line.sku
            );
            Err(not_now(
                order,
                &Command::Cancel,
                RejectionReason::IllegalTransition,
                why,
            ))
        }
        _ => Err(illegal(order, &Command::Cancel)),
    }
}

/// A line that was given out, if nothing else has left.
fn given_out(order: &Order) -> Option<&Line> {
    let gone = |l: &&Line| l.counters.shipped > 0;
    let first = order.lines.iter().find(gone)?;
    order
        .lines
        .iter()
        .filter(gone)
        .all(|l| !l.requires_shipping)
        .then_some(first)
}

/// Whether cancelling would change something.
fn can_cancel(order: &Order) -> bool {
    match order.lifecycle {
        Lifecycle::Pending | Lifecycle::PaymentFailed => true,
        Lifecycle::Confirmed => order.lines.iter().all(|l| l.counters.shipped == 0),
        Lifecycle::Completed
        | Lifecycle::Cancelling
        | Lifecycle::Cancelled
        | Lifecycle::Rejected
        | Lifecycle::Expired => false,
    }
}

fn complete(order: &Order, command: &Command) -> Result<Vec<Event>, Rejection> {
    match keeps_from_completing(order) {
        None => Ok(vec![Event::Completed]),
        Some(_) if order.lifecycle == Lifecycle::Completed => Ok(Vec::new()),
        Some(_) if order.lifecycle != Lifecycle::Confirmed => Err(illegal(order, command)),
        Some(why) => Err(not_now(order, command, RejectionReason::NotReady, why)),
    }
}

fn set_metadata(order: &Order, key: &Name, value: &Private<String>) -> Vec<Event> {
    let before = order.metadata.0.as_ref().and_then(|m| m.get(key));
    if before == value.0.as_ref() {
        return Vec::new();
    }
    vec![Event::MetadataChanged {
        key: key.clone(),
        removed: value.0.is_none(),
        value: value.clone(),
    }]
}

fn acknowledge(
    order: &Order,
    reason: AttentionReason,
    about: Option<Op>,
) -> Result<Vec<Event>, Rejection> {
    let meant = || {
        order
            .attention
            .iter()
            .filter(|a| a.reason == reason && (about.is_none() || a.about == about))
    };
    if meant().next().is_none() {
        let open: Vec<&str> = order
            .attention
            .iter()
            .filter(|a| !a.acknowledged)
            .map(|a| a.reason.as_str())
            .collect();
        let open = if open.is_empty() {
            "nothing is open".to_owned()
        } else {
            format!("open: {}", open.join(", "))
        };
        let message = format!("order {} has no attention {reason}: {open}", order.number);
        return Err(refusal(order, RejectionReason::NoSuchRecord, message));
    }
    let unseen = meant().filter(|a| !a.acknowledged);
    Ok(unseen
        .map(|a| Event::AttentionAcknowledged {
            reason,
            about: a.about,
        })
        .collect())
}

/// The plan's `UpdateOrderStatus`: a shorter way to say another command.
fn set_status(
    order: &Order,
    command: &Command,
    status: Status,
    env: &Env<'_>,
) -> Result<Vec<Event>, Rejection> {
    if status == order.statuses.status {
        return Ok(Vec::new());
    }
    let none = Vec::new();
    match status {
        Status::Confirmed => {
            let blocking = order.holds.iter().filter(|h| h.blocks == Blocks::Confirm);
            let released: Vec<Event> = blocking
                .map(|h| Event::HoldReleased {
                    kind: h.kind.clone(),
                    lapsed: false,
                })
                .collect();
            if order.lifecycle != Lifecycle::Pending || released.is_empty() {
                Err(illegal(order, command))
            } else {
                Ok(released)
            }
        }
        Status::Processing => shipping::plan(order, command, &none, env).map(|(_, events)| events),
        Status::Shipped => shipping::ship_all(order, command, env),
        Status::Delivered => shipping::deliver_all(order, command, env),
        Status::Cancelled => cancel(order),
        Status::Completed => complete(order, command),
        Status::Pending
        | Status::PartiallyShipped
        | Status::PartiallyDelivered
        | Status::Cancelling
        | Status::PaymentFailed
        | Status::Rejected
        | Status::Expired => Err(illegal(order, command)),
    }
}

fn redact(order: &Order, command: &Command) -> Result<Vec<Event>, Rejection> {
    if order.redacted_at.is_some() {
        return Ok(Vec::new());
    }
    let over = order.lifecycle.is_terminal() || order.lifecycle == Lifecycle::Completed;
    if !over {
        return Err(illegal(order, command));
    }
    let under_way = order.payments.iter().any(|p| p.state.is_open())
        || order.returns.iter().any(|r| r.state.is_open());
    if under_way {
        return Err(not_now(
            order,
            command,
            RejectionReason::NotReady,
            "a payment or return is under way",
        ));
    }
    // The addresses are the shop's evidence.
    if order.disputes.iter().any(|d| d.state == DisputeState::Open) {
        return Err(not_now(
            order,
            command,
            RejectionReason::NotReady,
            "a dispute is open",
        ));
    }
    Ok(vec![Event::Redacted])
}
