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

/// The commands of this list by what one wants to do, as the help of the program shows them.
pub const GROUPS: [(&str, &[&str]); 5] = [
    ("Take orders", &["retry-payment", "record-payment"]),
    (
        "Change orders",
        &[
            "edit", "cancel", "address", "metadata", "note", "hold", "release", "status", "redact",
        ],
    ),
    (
        "Ship and take back",
        &[
            "ship",
            "plan-shipment",
            "split-shipment",
            "cancel-shipment",
            "deliver",
            "fail-shipment",
            "complete",
            "return",
        ],
    ),
    ("Settle money", &["credit", "write-off", "dispute"]),
    ("See to what needs a person", &["attention", "resolve"]),
];

/// The command with its arguments for each name that the engine has for one.
const TYPED: [(&str, &str); 25] = [
    ("cancel", "cancel"),
    ("cancel lines", "cancel --item LINE:QTY"),
    ("retry payment", "retry-payment --method METHOD"),
    ("place hold", "hold --kind KIND"),
    ("release hold", "release --kind KIND"),
    ("plan shipment", "plan-shipment"),
    (
        "split shipment",
        "split-shipment --shipment N --item LINE:QTY",
    ),
    ("ship", "ship"),
    ("deliver", "deliver"),
    ("fail shipment", "fail-shipment --shipment N"),
    ("lose shipment", "fail-shipment --shipment N --lost"),
    ("return to sender", "fail-shipment --shipment N --returned"),
    ("cancel shipment", "cancel-shipment --shipment N"),
    ("complete", "complete"),
    ("credit", "credit --amount AMOUNT"),
    ("write off", "write-off"),
    ("request return", "return request --item LINE:QTY"),
    ("approve return", "return approve --return N"),
    ("reject return", "return reject --return N"),
    ("receive return", "return receive --return N"),
    ("close return", "return close --return N"),
    ("edit", "edit"),
    ("discard edit", "edit --discard"),
    ("change address", "address --type TYPE --file FILE"),
    ("redact", "redact"),
];

/// Returns the command that is typed for what the engine calls `name`.
pub fn typed(name: &'static str) -> &'static str {
    let found = TYPED.iter().find(|(known, _)| *known == name);
    found.map_or(name, |(_, typed)| typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_possible_can_be_typed() {
        let command = crate::help::command();
        for (_, typed) in TYPED {
            let mut command = &command;
            for word in typed.split(' ') {
                match word.strip_prefix("--") {
                    Some(option) => assert!(
                        command
                            .get_arguments()
                            .any(|a| a.get_long() == Some(option)),
                        "{typed}: {option}"
                    ),
                    // In upper case stands what the reader fills in.
                    None if word.chars().all(|c| c.is_ascii_uppercase() || c == ':') => {}
                    None => match command.find_subcommand(word) {
                        Some(found) => command = found,
                        None => panic!("{typed}: there is no command {word}"),
                    },
                }
            }
        }
    }
}
