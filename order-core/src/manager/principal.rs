//! Who may do what.

use crate::error::Error;
use crate::ids::UserId;
use crate::order::Actor;
use crate::rules::Command;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// A customer: their own orders only.
    Customer(UserId),
    /// A person who runs the shop.
    Operator(String),
    /// Another service, such as a payment provider.
    Service(String),
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Price or place an order.
    Place,
    /// See an order, its history, or a list.
    Read,
    /// Cancel an order.
    Cancel,
    /// Pay a declined order again.
    RetryPayment,
    /// Write a note.
    Note,
    /// Place or lift a hold.
    Hold,
    /// Report what a payment provider said.
    RecordPayment,
    /// Change what was ordered or where it goes.
    Edit,
    /// Ask to send goods back.
    RequestReturn,
    /// Plan, ship and deliver; complete; set a status.
    Fulfil,
    /// Take something off what is owed.
    Credit,
    /// Approve, reject, receive and close returns.
    HandleReturn,
    /// Keep something with an order for programs.
    SetMetadata,
    /// Acknowledge attention, retry what is stuck, put down findings.
    Repair,
    /// Erase personal data.
    Redact,
    /// See everything that happens to all orders.
    Watch,
    /// Export all orders, restore them, or import others.
    Move,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 17] = [
        Action::Place,
        Action::Read,
        Action::Cancel,
        Action::RetryPayment,
        Action::Note,
        Action::Hold,
        Action::RecordPayment,
        Action::Edit,
        Action::RequestReturn,
        Action::Fulfil,
        Action::Credit,
        Action::HandleReturn,
        Action::SetMetadata,
        Action::Repair,
        Action::Redact,
        Action::Watch,
        Action::Move,
    ];

    const fn name(self) -> &'static str {
        match self {
            Action::Place => "place an order",
            Action::Read => "read orders",
            Action::Cancel => "cancel an order",
            Action::RetryPayment => "retry a payment",
            Action::Note => "write a note",
            Action::Hold => "place or lift a hold",
            Action::RecordPayment => "report a payment",
            Action::Edit => "edit an order",
            Action::RequestReturn => "request a return",
            Action::Fulfil => "fulfil an order",
            Action::Credit => "give a credit",
            Action::HandleReturn => "handle a return",
            Action::SetMetadata => "set metadata",
            Action::Repair => "repair an order",
            Action::Redact => "erase personal data",
            Action::Watch => "watch all orders",
            Action::Move => "export or import orders",
        }
    }

    const fn customer_may(self) -> bool {
        match self {
            Action::Place
            | Action::Read
            | Action::Cancel
            | Action::RetryPayment
            | Action::Note
            | Action::Edit
            | Action::RequestReturn => true,
            Action::Hold
            | Action::RecordPayment
            | Action::Fulfil
            | Action::Credit
            | Action::HandleReturn
            | Action::SetMetadata
            | Action::Repair
            | Action::Redact
            | Action::Watch
            | Action::Move => false,
        }
    }
}

impl From<&Command> for Action {
    fn from(command: &Command) -> Action {
        match command {
            Command::Cancel | Command::CancelLines { .. } | Command::CancelRest => Action::Cancel,
            Command::RetryPayment { .. } => Action::RetryPayment,
            Command::PlaceHold { .. } | Command::ReleaseHold { .. } => Action::Hold,
            Command::PlanShipment { .. }
            | Command::Ship { .. }
            | Command::Deliver { .. }
            | Command::FailShipment { .. }
            | Command::LoseShipment { .. }
            | Command::ReturnToSender { .. }
            | Command::CancelShipment { .. }
            | Command::Complete
            | Command::SetStatus { .. } => Action::Fulfil,
            Command::Credit { .. } | Command::CreditLines { .. } | Command::WriteOff { .. } => {
                Action::Credit
            }
            Command::RequestReturn { .. } => Action::RequestReturn,
            Command::ApproveReturn { .. }
            | Command::RejectReturn { .. }
            | Command::ReceiveReturn { .. }
            | Command::CloseReturn { .. } => Action::HandleReturn,
            Command::Edit { .. } | Command::DiscardEdit | Command::ChangeAddress { .. } => {
                Action::Edit
            }
            Command::SetMetadata { .. } => Action::SetMetadata,
            Command::Acknowledge { .. } | Command::RetryStuck | Command::Resolve { .. } => {
                Action::Repair
            }
            Command::Redact => Action::Redact,
            Command::Note => Action::Note,
        }
    }
}

impl Principal {
    /// An operator of that name.
    pub fn operator(name: impl Into<String>) -> Self {
        Principal::Operator(name.into())
    }

    /// How the journal names them.
    pub fn actor(&self) -> Actor {
        match self {
            Principal::Customer(id) => Actor::User(*id),
            Principal::Operator(name) => Actor::Operator(name.clone()),
            Principal::Service(name) => Actor::Service(name.clone()),
        }
    }

    /// The owner that store queries are restricted to: a foreign order is not found, like a missing
    /// one.
    pub const fn scope(&self) -> Option<UserId> {
        match self {
            Principal::Customer(id) => Some(*id),
            Principal::Operator(_) | Principal::Service(_) => None,
        }
    }
}

/// Whether `principal` may do `action` to something of `owner`'s; `None` for what has no owner yet.
///
/// # Errors
///
/// [`Error::Forbidden`] when their role does not include it, or when they act for somebody else.
pub fn authorize(
    principal: &Principal,
    action: Action,
    owner: Option<UserId>,
) -> Result<(), Error> {
    let allowed = match principal {
        Principal::Operator(_) => true,
        Principal::Service(_) => matches!(action, Action::RecordPayment | Action::Read),
        Principal::Customer(id) => action.customer_may() && owner.is_none_or(|o| o == *id),
    };
    if allowed {
        Ok(())
    } else {
        Err(Error::Forbidden {
            action: action.name(),
        })
    }
}
