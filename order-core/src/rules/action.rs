//! Actions, by which roles are told what they may do.

/// A kind of request, by which it is decided who may make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Prices or places an order.
    Place,
    /// Reads an order, its history, or a list.
    Read,
    /// Cancels an order or part of it.
    Cancel,
    /// Pays a declined order again, or the rest of what is owed.
    RetryPayment,
    /// Adds a note to an order.
    Note,
    /// Places or lifts an order hold.
    Hold,
    /// Reports what a payment provider said.
    RecordPayment,
    /// Changes what was ordered or where it goes.
    Edit,
    /// Asks to send goods back.
    RequestReturn,
    /// Plans, ships, delivers and completes; sets a status.
    Fulfil,
    /// Takes something off what is owed.
    Credit,
    /// Approves, rejects, receives and closes returns.
    HandleReturn,
    /// Stores metadata with an order, for other programs.
    SetMetadata,
    /// Acknowledges attention, retries stuck work, records findings.
    Repair,
    /// Erases personal data.
    Redact,
    /// Follows the journal rows of all orders.
    Watch,
    /// Exports all orders, restores them, or imports others.
    Move,
}

impl Action {
    /// Every action, in order of declaration.
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

    /// Returns the words for it, as in "not allowed to …".
    pub(crate) const fn name(self) -> &'static str {
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

    /// Returns true for what customers may do with their own orders.
    pub(crate) const fn customer_may(self) -> bool {
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
