//! The list of commands that change one order. Scripts have a step for each of them, with the same
//! options as fields.

use clap::Subcommand;

use super::attention::{Attention, Resolve};
use super::credits::{Credit, WriteOff};
use super::details::{Address, Metadata, Note};
use super::edits::Edit;
use super::holds::{Hold, Release};
use super::lifecycle::{Cancel, Complete, Redact, SetStatus};
use super::operator::Change;
use super::payment::{Dispute, RecordPayment, RetryPayment};
use super::returns::ReturnCommand;
use super::shipping::{CancelShipment, Deliver, FailShipment, PlanShipment, Ship, SplitShipment};

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
    /// Split a planned shipment in two: the items named go into a new one
    SplitShipment(SplitShipment),
    /// Give up a shipment that has not left
    CancelShipment(CancelShipment),
    /// Say that a shipment has arrived; every one that is on its way if none is named
    Deliver(Deliver),
    /// Say that a shipment could not be delivered: its units are open again
    FailShipment(FailShipment),
    /// Close an order that is fulfilled and paid
    Complete(Complete),
    /// Bring an order to a status: another way to release holds, plan, ship, deliver, cancel or
    /// complete
    Status(SetStatus),
    /// Take something off what is owed, of the order or of lines; what is paid beyond it goes back
    Credit(Credit),
    /// Give up what an order is short: less is paid, or can still be captured, than is owed
    WriteOff(WriteOff),
    /// Send delivered units back, step by step
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
    Redact(Redact),
    /// Pay an order whose payment failed, perhaps in another way
    RetryPayment(RetryPayment),
    /// Record what a payment provider said, as its callback would
    RecordPayment(RecordPayment),
    /// Add a note to an order's history
    Note(Note),
}

impl ChangeCommand {
    /// Returns what is asked for, whichever command it is.
    pub fn as_change(&self) -> &dyn Change {
        match self {
            ChangeCommand::Cancel(change) => change,
            ChangeCommand::Edit(change) => change,
            ChangeCommand::Ship(change) => change,
            ChangeCommand::PlanShipment(change) => change,
            ChangeCommand::SplitShipment(change) => change,
            ChangeCommand::CancelShipment(change) => change,
            ChangeCommand::Deliver(change) => change,
            ChangeCommand::FailShipment(change) => change,
            ChangeCommand::Complete(change) => change,
            ChangeCommand::Status(change) => change,
            ChangeCommand::Credit(change) => change,
            ChangeCommand::WriteOff(change) => change,
            ChangeCommand::Return(command) => command.as_change(),
            ChangeCommand::Hold(change) => change,
            ChangeCommand::Release(change) => change,
            ChangeCommand::Metadata(change) => change,
            ChangeCommand::Address(change) => change,
            ChangeCommand::Attention(change) => change,
            ChangeCommand::Dispute(change) => change,
            ChangeCommand::Resolve(change) => change,
            ChangeCommand::Redact(change) => change,
            ChangeCommand::RetryPayment(change) => change,
            ChangeCommand::RecordPayment(change) => change,
            ChangeCommand::Note(change) => change,
        }
    }
}
