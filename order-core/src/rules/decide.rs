//! Commands: may this happen, and what are the facts if it does? One arm a command; the rules stand
//! in the files of their topics.

use super::lifecycle::{cancel, complete};
use super::payment::pay;
use super::resolve::resolve;
use super::{Command, Env, attention, credits, edits, lifecycle, order_hold, returns, shipping};
use crate::error::Rejection;
use crate::order::{Event, Order, ShipmentState};

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
    samples.extend(cancel::samples(order));
    samples.extend(pay::samples());
    samples.extend(shipping::samples(order));
    samples.push(Command::Complete);
    samples.push(Command::Credit { amount: 1 });
    samples.extend(returns::samples(order));
    samples.extend(edits::samples(order));
    samples.extend(order_hold::samples(order));
    samples.extend([Command::Redact, Command::Note]);
    samples
}

/// Decides a command, without the commands that are possible instead.
fn decide_alone(order: &Order, command: &Command, env: &Env<'_>) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::Cancel => cancel::cancel(order),
        Command::CancelLines { lines } => cancel::cancel_lines(order, command, lines),
        Command::CancelRest => cancel::cancel_rest(order, command),
        Command::RetryPayment {
            amount,
            method,
            terms,
            token,
            return_url,
        } => {
            let paying = pay::Paying {
                method,
                terms: *terms,
                amount: *amount,
                token,
                return_url,
            };
            pay::pay_again(order, command, &paying, env)
        }
        Command::PlaceHold {
            kind,
            blocks,
            until,
        } => order_hold::place(order, command, kind, *blocks, *until, env),
        Command::ReleaseHold { kind } => order_hold::release(order, kind),
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
        Command::SplitShipment { shipment, lines } => {
            shipping::split(order, command, *shipment, lines)
        }
        Command::CancelShipment { shipment } => shipping::cancel(order, command, *shipment),
        Command::Complete => complete::complete(order, command),
        Command::Credit { amount } => credits::credit(order, command, *amount),
        Command::CreditLines { lines } => credits::credit_lines(order, command, lines),
        Command::WriteOff { amount } => pay::write_off(order, command, *amount, env),
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
        Command::SetMetadata { key, value } => Ok(lifecycle::set_metadata(order, key, value)),
        Command::Acknowledge { reason, about } => attention::acknowledge(order, *reason, *about),
        Command::SetStatus { status } => lifecycle::set_status(order, command, *status, env),
        Command::RetryStuck => Ok(vec![Event::StuckRetried]),
        Command::Resolve { finding } => resolve(order, finding, env),
        Command::Redact => lifecycle::redact(order, command),
        Command::Note => Ok(vec![Event::Noted]),
    }
}
