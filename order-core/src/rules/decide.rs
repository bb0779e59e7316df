//! Commands: may this happen, and what are the facts if it does?

mod edits;
mod money;
mod returns;
mod shipping;

use super::payments::attempt_outstanding;
use super::settle::keeps_from_completing;
use super::{Env, Finding, resolve};
use crate::error::{Rejection, RejectionReason};
use crate::ids::Name;
use crate::money::Minor;
use crate::order::{
    Address, AddressType, AttentionReason, Blocks, CancelCause, DisputeState, EditPlan, Event,
    HoldEnd, Lifecycle, Line, LineCredit, LineUnits, Op, Order, PaymentTerms, ReceivedUnits,
    ShipmentState, Status,
};
use crate::text::Private;
use crate::time::Timestamp;

/// Something a person or another program wants done to an order that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Be rid of the order: give back its stock and its money.
    Cancel,
    /// Be rid of some open units; of the whole order if nothing would be left.
    CancelLines {
        /// Which, each line at most once.
        lines: Vec<LineUnits>,
    },
    /// Be rid of whatever has not shipped and is in no planned shipment.
    CancelRest,
    /// Pay a declined order again; or what another one is short.
    RetryPayment {
        /// How much of what is short, in minor units; all of it if not said.
        amount: Option<Minor>,
        /// How.
        method: Name,
        /// When money paid that way is due.
        terms: PaymentTerms,
        /// The client's payment token.
        token: Private<String>,
        /// Where the provider sends the customer back to.
        return_url: Private<String>,
    },
    /// Keep the order from going on.
    PlaceHold {
        /// Its kind.
        kind: Name,
        /// What it blocks; `None` for what comes next: confirming while the order is not confirmed,
        /// then shipping, and where nothing is left to be shipped, capturing.
        blocks: Option<Blocks>,
        /// When it lapses by itself.
        until: Option<HoldEnd>,
    },
    /// Let the order go on.
    ReleaseHold {
        /// Its kind.
        kind: Name,
    },
    /// Get units ready to leave together.
    PlanShipment {
        /// Which, each line at most once; empty for all that is open.
        lines: Vec<LineUnits>,
    },
    /// Say that units have left.
    Ship {
        /// The shipment that was planned; `None` for a new one.
        shipment: Option<u32>,
        /// For a new one: what is in it, each line at most once; empty for all that is open.
        lines: Vec<LineUnits>,
        /// Who carries it.
        carrier: Option<String>,
        /// The carrier's number for it.
        tracking: Option<String>,
    },
    /// Say that a shipment has arrived; `None` for every one that is on its way.
    Deliver {
        /// The shipment.
        shipment: Option<u32>,
    },
    /// Say that a shipment could not be delivered: its units are open again.
    FailShipment {
        /// The shipment.
        shipment: u32,
    },
    /// Say that a shipment was lost on the way: its units are open again, and gone from the stock.
    LoseShipment {
        /// The shipment.
        shipment: u32,
    },
    /// Say that a shipment came back undelivered: its units are open again.
    ReturnToSender {
        /// The shipment.
        shipment: u32,
    },
    /// Give up a shipment that has not left.
    CancelShipment {
        /// The shipment.
        shipment: u32,
    },
    /// Close an order that is fulfilled and paid.
    Complete,
    /// Take something off what is owed for the order as a whole.
    Credit {
        /// How much, in minor units.
        amount: Minor,
    },
    /// Take something off what is owed for lines.
    CreditLines {
        /// How much for which, each line at most once.
        lines: Vec<LineCredit>,
    },
    /// Give up what the order is short.
    WriteOff {
        /// How much, in minor units; all of it if not said.
        amount: Option<Minor>,
    },
    /// Ask to send delivered units back.
    RequestReturn {
        /// Which, each line at most once.
        lines: Vec<LineUnits>,
    },
    /// Let them be sent back.
    ApproveReturn {
        /// The return.
        number: u32,
    },
    /// Turn a return down.
    RejectReturn {
        /// The return.
        number: u32,
    },
    /// Say that units came back, and what became of them.
    ReceiveReturn {
        /// The return.
        number: u32,
        /// Which, each line at most once; empty: all that is outstanding goes into the stock again.
        lines: Vec<ReceivedUnits>,
    },
    /// Say that no more will come back: what came is no longer owed.
    CloseReturn {
        /// The return.
        number: u32,
    },
    /// Change what was ordered, once the difference in stock and money is secured.
    Edit {
        /// What, priced on the order's version that it is decided on.
        plan: Box<EditPlan>,
        /// How a difference is paid.
        method: Name,
        /// When money paid that way is due.
        terms: PaymentTerms,
        /// The client's payment token.
        token: Private<String>,
        /// Where the provider sends the customer back to.
        return_url: Private<String>,
        /// Where the goods go then, if that changes.
        address: Private<Address>,
    },
    /// Call off the edit that is under way.
    DiscardEdit,
    /// Correct an address without moving it to another country or state.
    ChangeAddress {
        /// Which.
        which: AddressType,
        /// What it is now.
        address: Private<Address>,
    },
    /// Keep something with the order, under a name.
    SetMetadata {
        /// The name.
        key: Name,
        /// The text; `None` removes it.
        value: Private<String>,
    },
    /// Say that a person has seen why they must look.
    Acknowledge {
        /// The reason.
        reason: AttentionReason,
        /// What it is about; `None` for every one of that reason.
        about: Option<Op>,
    },
    /// Bring the order to a status, as the plan's `UpdateOrderStatus` wants it.
    SetStatus {
        /// The status.
        status: Status,
    },
    /// Try again what repeating could not cure.
    RetryStuck,
    /// Put down what an operator found out.
    Resolve {
        /// What is so.
        finding: Finding,
    },
    /// Erase the personal data of an order that is over.
    Redact,
    /// Write something down.
    Note,
}

impl Command {
    /// Its name, as in messages and journal causes.
    pub const fn name(&self) -> &'static str {
        self.words().0
    }

    /// What it does to an order, as in "cannot … order ORD-…".
    pub(crate) const fn phrase(&self) -> &'static str {
        self.words().1
    }

    const fn words(&self) -> (&'static str, &'static str) {
        match self {
            Command::Cancel => ("cancel", "cancel"),
            Command::CancelLines { .. } | Command::CancelRest => {
                ("cancel lines", "cancel lines of")
            }
            Command::RetryPayment { .. } => ("retry payment", "retry the payment of"),
            Command::PlaceHold { .. } => ("place hold", "place a hold on"),
            Command::ReleaseHold { .. } => ("release hold", "release a hold on"),
            Command::PlanShipment { .. } => ("plan shipment", "plan a shipment of"),
            Command::Ship { .. } => ("ship", "ship"),
            Command::Deliver { .. } => ("deliver", "deliver"),
            Command::FailShipment { .. } => ("fail shipment", "report a failed shipment of"),
            Command::LoseShipment { .. } => ("lose shipment", "report a lost shipment of"),
            Command::ReturnToSender { .. } => (
                "return to sender",
                "report a shipment as returned to sender of",
            ),
            Command::CancelShipment { .. } => ("cancel shipment", "cancel a shipment of"),
            Command::Complete => ("complete", "complete"),
            Command::Credit { .. } | Command::CreditLines { .. } => ("credit", "credit"),
            Command::WriteOff { .. } => ("write off", "write off what is short of"),
            Command::RequestReturn { .. } => ("request return", "request a return of"),
            Command::ApproveReturn { .. } => ("approve return", "approve a return of"),
            Command::RejectReturn { .. } => ("reject return", "reject a return of"),
            Command::ReceiveReturn { .. } => ("receive return", "receive a return of"),
            Command::CloseReturn { .. } => ("close return", "close a return of"),
            Command::Edit { .. } => ("edit", "edit"),
            Command::DiscardEdit => ("discard edit", "discard an edit of"),
            Command::ChangeAddress { .. } => ("change address", "change an address of"),
            Command::SetMetadata { .. } => ("set metadata", "set metadata of"),
            Command::Acknowledge { .. } => ("acknowledge", "acknowledge attention for"),
            Command::SetStatus { .. } => ("set status", "set the status of"),
            Command::RetryStuck => ("retry stuck", "retry what is stuck of"),
            Command::Resolve { .. } => ("resolve", "resolve"),
            Command::Redact => ("redact", "redact"),
            Command::Note => ("note", "write a note on"),
        }
    }

    /// Whether nobody has to act on what it changes, so that the order need not be worked because
    /// of it.
    pub const fn changes_nothing_due(&self) -> bool {
        matches!(
            self,
            Command::Note
                | Command::SetMetadata { .. }
                | Command::ChangeAddress { .. }
                | Command::Acknowledge { .. }
                | Command::Redact
        )
    }
}

/// Decides a command. No events: it holds already, and is a success without effect.
///
/// Checked in this order: the order's state, the command's time, the command's own arguments. From
/// there it succeeds.
pub fn decide(order: &Order, command: &Command, env: &Env<'_>) -> Result<Vec<Event>, Rejection> {
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

/// Whether cancelling would change something. Refusals ask this too, so it must not itself refuse.
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

/// The commands that could be tried on the order as it is, for refusals and explanations.
pub fn possible(order: &Order, now: Timestamp) -> Vec<&'static str> {
    use Lifecycle::{Completed, Confirmed, PaymentFailed, Pending};
    let is = |of: &[Lifecycle]| of.contains(&order.lifecycle);
    let open: u32 = order.lines.iter().map(|l| l.open()).sum();
    let to_ship = order
        .lines
        .iter()
        .any(|l| l.requires_shipping && l.open() > 0);
    let planned = order
        .shipments
        .iter()
        .any(|s| s.state == ShipmentState::Planned);
    // Whatever was taken for true of it before.
    let may_turn_out = |state| {
        order
            .shipments
            .iter()
            .any(|s| s.state.has_left() && s.state != state)
    };
    let returned = |state| order.returns.iter().any(|r| r.state == state);
    use crate::order::ReturnState;
    let unpaid = is(&[Pending, Confirmed, Completed])
        && money::unpaid(order, now) > 0
        && !attempt_outstanding(order, true);
    let names = [
        ("cancel", can_cancel(order)),
        ("cancel lines", is(&[Confirmed]) && open > 0),
        (
            "retry payment",
            unpaid || is(&[PaymentFailed]) && order.retry_until.is_none_or(|t| now < t),
        ),
        ("write off", unpaid),
        ("plan shipment", is(&[Confirmed]) && to_ship),
        ("ship", is(&[Confirmed]) && (to_ship || planned)),
        ("cancel shipment", planned),
        ("deliver", may_turn_out(ShipmentState::Delivered)),
        ("fail shipment", may_turn_out(ShipmentState::Failed)),
        ("lose shipment", may_turn_out(ShipmentState::Lost)),
        ("return to sender", may_turn_out(ShipmentState::Returned)),
        ("complete", keeps_from_completing(order).is_none()),
        ("credit", is(&[Confirmed, Completed]) && order.owed() > 0),
        (
            "request return",
            is(&[Confirmed, Completed])
                && order
                    .lines
                    .iter()
                    .any(|l| returns::returnable(order, l) > 0),
        ),
        ("approve return", returned(ReturnState::Requested)),
        ("reject return", returned(ReturnState::Requested)),
        ("receive return", returned(ReturnState::Approved)),
        ("close return", returned(ReturnState::Approved)),
        (
            "edit",
            is(&[Pending, Confirmed]) && order.open_edit().is_none(),
        ),
        ("discard edit", order.open_edit().is_some()),
        ("change address", edits::may_change_address(order)),
        (
            "place hold",
            is(&[Pending, Confirmed]) && !steps_to_come(order).is_empty(),
        ),
        ("release hold", !order.holds.is_empty()),
        (
            "redact",
            order.redacted_at.is_none() && (order.lifecycle.is_terminal() || is(&[Completed])),
        ),
        ("note", true),
    ];
    names
        .into_iter()
        .filter(|(_, can)| *can)
        .map(|(name, _)| name)
        .collect()
}

/// The order's status does not allow the command at all.
fn illegal(order: &Order, command: &Command) -> Rejection {
    let since = order.updated_at;
    let status = order.statuses.status;
    let what = match command {
        Command::SetStatus { status } => format!("set order {} to {status}", order.number),
        _ => format!("{} order {}", command.phrase(), order.number),
    };
    refusal(
        order,
        RejectionReason::IllegalTransition,
        format!("cannot {what}: its status is {status} since {since}"),
    )
}

/// The order's status allows the command, but something else does not.
fn not_now(
    order: &Order,
    command: &Command,
    reason: RejectionReason,
    why: impl std::fmt::Display,
) -> Rejection {
    refusal(
        order,
        reason,
        format!("cannot {} order {}: {why}", command.phrase(), order.number),
    )
}

pub(super) fn refusal(order: &Order, reason: RejectionReason, message: String) -> Rejection {
    Rejection {
        order: Some((order.id, order.number)),
        short: Some(order.short(order.updated_at))
            .filter(|short| *short > 0)
            .map(|short| Box::new(order.in_currency(short))),
        possible: possible(order, order.updated_at),
        ..Rejection::new(reason, message)
    }
}
