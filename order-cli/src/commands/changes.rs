//! Commands that change one order. Scripts have a step for each of them, with the same options as
//! fields.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use order_core::ids::{IdempotencyKey, Name, Reference};
use order_core::order::{
    AddressType, AttentionReason, Blocks, DisputeState, Op, OperationState, Status,
};
use order_core::store::OrderRef;
use order_core::time::Timestamp;

use super::{ById, reported_state};
use crate::input::duration;
use crate::input::lines::{LineAmount, LineUnits, ReceivedLine};

/// Commands that change one order.
#[derive(Debug, Subcommand)]
pub enum ChangeCommand {
    /// Cancel an order, or some of it: stock and money go back
    Cancel(Cancel),
    /// Change what was ordered; it applies once the difference in stock and money is secured, or
    /// not at all
    Edit(Edit),
    /// Say that units have left: a planned shipment, or a new one of the items named, or of all
    /// that is open
    Ship(Ship),
    /// Get units ready to leave together: the items named, or all that is open
    PlanShipment(PlanShipment),
    /// Give up a shipment that has not left
    CancelShipment(Shipment),
    /// Say that a shipment has arrived; every one that is on its way if none is named
    Deliver(Deliver),
    /// Say that a shipment could not be delivered: its units are open again
    FailShipment(FailShipment),
    /// Close an order that is fulfilled and paid
    Complete(Plain),
    /// Bring an order to a status: another way to release holds, plan, ship, deliver, cancel or
    /// complete
    Status(SetStatus),
    /// Take something off what is owed, of the order or of lines; what is paid beyond it goes back
    Credit(Credit),
    /// Give up what an order is short: less is paid, or can still be captured, than is owed
    WriteOff(WriteOff),
    /// Delivered units that come back
    #[command(subcommand, arg_required_else_help = true)]
    Return(ReturnCommand),
    /// Keep an order from being confirmed, its money from being taken, or its goods from leaving
    Hold(Hold),
    /// Lift a hold
    #[command(alias = "release-hold")]
    Release(Release),
    /// Keep something with an order, by name
    Metadata(Metadata),
    /// Correct an address, within its country and state
    Address(Address),
    /// Say that a person has seen why they must look at an order
    Attention(Attention),
    /// Record what a payment provider said of a dispute
    Dispute(Dispute),
    /// Put down what an operator found out where no service could tell
    Resolve(Resolve),
    /// Erase the personal data of an order that is over
    Redact(Plain),
}

/// What may happen to a return.
#[derive(Debug, Subcommand)]
pub enum ReturnCommand {
    /// Ask to send delivered units back
    Request(RequestReturn),
    /// Let them be sent back
    Approve(OneReturn),
    /// Turn a return down
    Reject(OneReturn),
    /// Say what came back, and what became of it; all that is outstanding, restocked, if nothing is
    /// named
    Receive(ReceiveReturn),
    /// Say that no more will come back: what came is no longer owed
    Close(OneReturn),
}

/// Options of every one of these commands.
#[derive(Debug, Args)]
pub struct How {
    /// Why, for the journal
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub reason: String,
    /// Makes it safe to repeat: under the same key it is done once per order, and another command
    /// is refused
    #[arg(long, value_name = "KEY")]
    pub key: Option<IdempotencyKey>,
    /// Refuse if the order has changed since this version
    #[arg(long, value_name = "N", alias = "expected-version")]
    pub expect_version: Option<u64>,
}

/// Units of lines.
#[derive(Debug, Args)]
pub struct Items {
    /// Which, and how many: LINE is a line's number, its item id, or its SKU; may be repeated
    #[arg(long = "item", value_name = "LINE:QTY")]
    pub items: Vec<LineUnits>,
}

/// Options of `complete` and `redact`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Plain {
    #[command(flatten)]
    pub order: ById,
    #[command(flatten)]
    pub how: How,
}

/// Options of `cancel`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Cancel {
    #[command(flatten)]
    pub order: ById,
    #[command(flatten)]
    pub items: Items,
    /// Only what has not shipped and is in no planned shipment
    #[arg(long, conflicts_with = "items")]
    pub rest: bool,
    #[command(flatten)]
    pub how: How,
}

/// Options of `edit`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Edit {
    #[command(flatten)]
    pub order: ById,
    /// A new line, at today's price: `SKU[=QTY]` or `PRODUCT[/VARIANT][=QTY]`; may be repeated
    #[arg(long, value_name = "ITEM")]
    pub add: Vec<String>,
    /// The units of a line that the customer is to have, cancelled and returned ones not counted;
    /// may be repeated
    #[arg(long, value_name = "LINE:QTY")]
    pub set: Vec<LineUnits>,
    /// A line that is to go; may be repeated
    #[arg(long, value_name = "LINE")]
    pub remove: Vec<String>,
    /// Where it goes now: an address in JSON, or a file with one
    #[arg(long, value_name = "FILE|JSON")]
    pub ship_to: Option<String>,
    /// The shipping method from now on; as it was if not given
    #[arg(long, value_name = "METHOD")]
    pub shipping_method: Option<String>,
    /// How a difference is paid; as the order was if not given
    #[arg(long, value_name = "METHOD")]
    pub payment_method: Option<String>,
    /// A file with the client's opaque payment token
    #[arg(long, value_name = "FILE")]
    pub payment_token_file: Option<PathBuf>,
    /// Where a payment provider sends the customer back to
    #[arg(long, value_name = "URL")]
    pub return_url: Option<String>,
    /// Call off the edit that is under way
    #[arg(long, conflicts_with_all = ["add", "set", "remove", "ship_to", "shipping_method", "payment_method", "dry_run"])]
    pub discard: bool,
    /// Show what it would cost and change, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub how: How,
}

/// Options of `ship`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Ship {
    #[command(flatten)]
    pub order: ById,
    /// The shipment that was planned
    #[arg(long, value_name = "N", conflicts_with = "items")]
    pub shipment: Option<u32>,
    #[command(flatten)]
    pub items: Items,
    /// Who carries it
    #[arg(long, value_name = "NAME")]
    pub carrier: Option<String>,
    /// The carrier's number for it
    #[arg(long, value_name = "NUMBER")]
    pub tracking: Option<String>,
    #[command(flatten)]
    pub how: How,
}

/// Options of `plan-shipment`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct PlanShipment {
    #[command(flatten)]
    pub order: ById,
    #[command(flatten)]
    pub items: Items,
    #[command(flatten)]
    pub how: How,
}

/// Options of `cancel-shipment`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Shipment {
    #[command(flatten)]
    pub order: ById,
    /// Which: 1, 2, … within the order
    #[arg(long, value_name = "N")]
    pub shipment: u32,
    #[command(flatten)]
    pub how: How,
}

/// Options of `deliver`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Deliver {
    #[command(flatten)]
    pub order: ById,
    /// Which: 1, 2, … within the order
    #[arg(long, value_name = "N")]
    pub shipment: Option<u32>,
    #[command(flatten)]
    pub how: How,
}

/// Options of `fail-shipment`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct FailShipment {
    #[command(flatten)]
    pub order: ById,
    /// Which: 1, 2, … within the order
    #[arg(long, value_name = "N")]
    pub shipment: u32,
    /// It came back to us
    #[arg(long)]
    pub returned: bool,
    /// It was lost on the way: its units are gone from the stock
    #[arg(long, conflicts_with = "returned")]
    pub lost: bool,
    #[command(flatten)]
    pub how: How,
}

/// Options of `status`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct SetStatus {
    #[command(flatten)]
    pub order: ById,
    /// The status, in upper case: CONFIRMED, PROCESSING, SHIPPED, DELIVERED, COMPLETED or CANCELLED
    #[arg(long, value_name = "STATUS")]
    pub set: Status,
    #[command(flatten)]
    pub how: How,
}

/// Options of `credit`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Credit {
    #[command(flatten)]
    pub order: ById,
    /// For the order as a whole: how much, in its currency, such as 5.00
    #[arg(
        long,
        value_name = "AMOUNT",
        required_unless_present = "items",
        conflicts_with = "items"
    )]
    pub amount: Option<String>,
    /// For a line: LINE is a line's number, its item id, or its SKU; may be repeated
    #[arg(long = "item", value_name = "LINE:AMOUNT")]
    pub items: Vec<LineAmount>,
    #[command(flatten)]
    pub how: How,
}

/// Options of `write-off`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct WriteOff {
    #[command(flatten)]
    pub order: ById,
    /// The amount, in the order's currency, such as 0.05; all that is short if not said
    #[arg(long, value_name = "AMOUNT")]
    pub amount: Option<String>,
    #[command(flatten)]
    pub how: How,
}

/// Options of `return request`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct RequestReturn {
    #[command(flatten)]
    pub order: ById,
    /// Which, and how many: LINE is a line's number, its item id, or its SKU; may be repeated
    #[arg(long = "item", value_name = "LINE:QTY", required = true)]
    pub items: Vec<LineUnits>,
    #[command(flatten)]
    pub how: How,
}

/// Options of `return approve`, `return reject` and `return close`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct OneReturn {
    #[command(flatten)]
    pub order: ById,
    /// Which: 1, 2, … within the order
    #[arg(long = "return", value_name = "N")]
    pub number: u32,
    #[command(flatten)]
    pub how: How,
}

/// Options of `return receive`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct ReceiveReturn {
    #[command(flatten)]
    pub order: ById,
    /// Which: 1, 2, … within the order
    #[arg(long = "return", value_name = "N")]
    pub number: u32,
    /// What came back: LINE is a line's number, its item id, or its SKU; into the stock again
    /// unless `scrap` is said; may be repeated
    #[arg(long = "item", value_name = "LINE:QTY[:restock|scrap]")]
    pub items: Vec<ReceivedLine>,
    #[command(flatten)]
    pub how: How,
}

/// Options of `hold`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Hold {
    #[command(flatten)]
    pub order: ById,
    /// Its kind, such as fraud-review; at most one of each at a time
    #[arg(long)]
    pub kind: Name,
    /// The step it blocks: confirm, capture or ship; what comes next if not given
    #[arg(long, value_name = "STEP")]
    pub blocks: Option<Blocks>,
    /// When it lapses by itself, such as 2026-03-01T10:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "lasts")]
    pub until: Option<Timestamp>,
    /// After how long it lapses by itself, such as 90m or 2d
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub lasts: Option<Duration>,
    #[command(flatten)]
    pub how: How,
}

/// Options of `release`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Release {
    #[command(flatten)]
    pub order: ById,
    /// The hold's kind
    #[arg(long)]
    pub kind: Name,
    #[command(flatten)]
    pub how: How,
}

/// Options of `metadata`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct Metadata {
    #[command(flatten)]
    pub order: ById,
    /// Keep VALUE under KEY
    #[arg(long, value_name = "KEY=VALUE", group = "what")]
    pub set: Option<String>,
    /// Keep nothing under KEY any more
    #[arg(long, value_name = "KEY", group = "what")]
    pub remove: Option<Name>,
    #[command(flatten)]
    pub how: How,
}

/// Options of `address`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Address {
    #[command(flatten)]
    pub order: ById,
    /// Which: shipping or billing
    #[arg(long = "type", value_name = "TYPE", value_parser = address_type)]
    pub which: AddressType,
    /// What it is now: an address in JSON, or a file with one
    #[arg(long, value_name = "FILE|JSON")]
    pub file: String,
    #[command(flatten)]
    pub how: How,
}

/// Options of `attention`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Attention {
    #[command(flatten)]
    pub order: ById,
    /// The reason that was seen, such as OUTSIDE_REFUND
    #[arg(long, value_name = "REASON")]
    pub ack: AttentionReason,
    /// Only about this operation, such as p2 or r1
    #[arg(long, value_name = "OPERATION", value_parser = operation)]
    pub about: Option<Op>,
    #[command(flatten)]
    pub how: How,
}

/// Options of `dispute`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
pub struct Dispute {
    #[command(flatten)]
    pub order: ById,
    /// The provider's name for the dispute
    #[arg(long)]
    pub reference: Reference,
    /// How it stands: OPEN, WON or LOST
    #[arg(long)]
    pub state: DisputeState,
    /// How much is disputed, in the order's currency, such as 12.50
    #[arg(long, allow_negative_numbers = true)]
    pub amount: String,
    /// The provider's name for the payment it is about, if it says so
    #[arg(long, value_name = "REFERENCE")]
    pub payment: Option<Reference>,
}

/// What became of asking for a hold of stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FoundReservation {
    /// The inventory holds the units
    Held,
    /// It never did
    Absent,
    /// It held them, and has them back
    Released,
    /// They have left the stock
    Committed,
    /// It knew the hold, and no longer does
    Lost,
}

/// Which way money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Moved {
    /// The customer paid
    In,
    /// The customer got it back
    Out,
}

/// Options of `resolve`.
#[derive(Debug, Args)]
#[allow(
    missing_docs,
    reason = "flattened groups, documented where they are declared"
)]
#[command(group = clap::ArgGroup::new("finding").required(true))]
pub struct Resolve {
    #[command(flatten)]
    pub order: ById,
    /// What became of asking for a hold: the reservation's number
    #[arg(long, value_name = "N", group = "finding", requires = "state")]
    pub reservation: Option<u32>,
    /// What is so
    #[arg(long, value_enum, requires = "reservation")]
    pub state: Option<FoundReservation>,
    /// What became of giving a hold back or committing it: the reservation's number
    #[arg(long, value_name = "N", group = "finding")]
    pub closing: Option<u32>,
    /// It was done
    #[arg(long, requires = "closing", conflicts_with = "not_done")]
    pub done: bool,
    /// It was not done
    #[arg(long, requires = "closing")]
    pub not_done: bool,
    /// What became of a payment operation: its number
    #[arg(long, value_name = "N", group = "finding", requires = "status")]
    pub payment: Option<u32>,
    /// What is so: authorized, captured, declined, voided, refunded, failed
    #[arg(long, requires = "payment", value_parser = reported_state)]
    pub status: Option<OperationState>,
    /// Money came in, or went back, and no provider reported it
    #[arg(long, value_name = "WAY", value_enum, group = "finding", requires_all = ["amount", "reference"])]
    pub moved: Option<Moved>,
    /// A report that fits no operation needs nothing to be done: its reference
    #[arg(long, value_name = "REFERENCE", group = "finding")]
    pub unmatched: Option<Reference>,
    /// How much, in the order's currency; what was asked for if not given
    #[arg(long)]
    pub amount: Option<String>,
    /// The provider's name for it
    #[arg(long)]
    pub reference: Option<Reference>,
    /// How it was found out, for the journal
    #[arg(long, value_name = "TEXT")]
    pub evidence: String,
    /// Show the events and the order after them, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Makes it safe to repeat: under the same key it is done once per order, and another command
    /// is refused
    #[arg(long, value_name = "KEY")]
    pub key: Option<IdempotencyKey>,
    /// Refuse if the order has changed since this version
    #[arg(long, value_name = "N", alias = "expected-version")]
    pub expect_version: Option<u64>,
}

impl ChangeCommand {
    /// The order it is about.
    pub fn order(&self) -> OrderRef {
        let by_id = match self {
            ChangeCommand::Cancel(a) => &a.order,
            ChangeCommand::Edit(a) => &a.order,
            ChangeCommand::Ship(a) => &a.order,
            ChangeCommand::PlanShipment(a) => &a.order,
            ChangeCommand::CancelShipment(a) => &a.order,
            ChangeCommand::Deliver(a) => &a.order,
            ChangeCommand::FailShipment(a) => &a.order,
            ChangeCommand::Complete(a) | ChangeCommand::Redact(a) => &a.order,
            ChangeCommand::Status(a) => &a.order,
            ChangeCommand::Credit(a) => &a.order,
            ChangeCommand::WriteOff(a) => &a.order,
            ChangeCommand::Return(ReturnCommand::Request(a)) => &a.order,
            ChangeCommand::Return(ReturnCommand::Receive(a)) => &a.order,
            ChangeCommand::Return(
                ReturnCommand::Approve(a) | ReturnCommand::Reject(a) | ReturnCommand::Close(a),
            ) => &a.order,
            ChangeCommand::Hold(a) => &a.order,
            ChangeCommand::Release(a) => &a.order,
            ChangeCommand::Metadata(a) => &a.order,
            ChangeCommand::Address(a) => &a.order,
            ChangeCommand::Attention(a) => &a.order,
            ChangeCommand::Dispute(a) => &a.order,
            ChangeCommand::Resolve(a) => &a.order,
        };
        by_id.order
    }
}

fn address_type(text: &str) -> Result<AddressType, String> {
    match text {
        "shipping" => Ok(AddressType::Shipping),
        "billing" => Ok(AddressType::Billing),
        _ => Err("expected shipping or billing".into()),
    }
}

fn operation(text: &str) -> Result<Op, String> {
    Op::try_from(text.to_owned())
        .map_err(|_| "expected an operation as `order get` shows it, such as p2 or r1".into())
}
