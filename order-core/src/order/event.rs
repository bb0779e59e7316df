//! The facts of an order's life. What they do to the order stands in [`crate::rules::evolve`].

use serde::{Deserialize, Serialize};

use super::{
    Address, AddressType, Addresses, Amounts, AttentionReason, Blocks, ClosingKind, CreditKind,
    CustomerAction, DiscardCause, EditPlan, Imported, LineUnits, Lot, NoticeKind, Op,
    OperationKind, OperationOrigin, OperationState, OrderHold, PaymentTerms, ReceivedUnits,
    Redemption, UnmatchedPayment,
};
use crate::ids::{
    ExternalRef, LineId, Name, OrderId, ProductId, Reference, Sku, UserId, VariantId,
};
use crate::money::{Currency, Minor};
use crate::number::OrderNumber;
use crate::text::Private;
use crate::time::Timestamp;

/// Something that happened to an order, and never un-happens.
///
/// Stored in the journal under [`super::JOURNAL_FORMAT`]; a released variant or field keeps its
/// meaning for ever. [`Private`] fields live in their own rows and are absent from what the journal
/// keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "fields are named as on the records they set, and documented there"
)]
pub enum Event {
    /// The order exists.
    Placed(Box<Placed>),
    /// The order comes from elsewhere, with its past.
    Imported(Box<Imported>),
    /// Operations were handed to the workers: from now on each may have been called.
    Armed { ops: Vec<Op> },

    /// A hold is wanted.
    ReservationPlanned {
        n: u32,
        sku: Sku,
        quantity: u32,
        /// The larger hold it takes the place of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<u32>,
    },
    /// The inventory holds the units.
    StockHeld {
        n: u32,
        reference: Option<Reference>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// The inventory said no.
    StockRefused {
        n: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        available: Option<u32>,
        code: String,
    },
    /// It is not known whether the inventory holds the units.
    StockUnknown { n: u32 },
    /// A look-up proved that no hold exists.
    StockAbsent { n: u32 },
    /// It cannot be found out whether a hold exists.
    StockSuspect { n: u32 },
    /// The hold was never asked for, and is no longer wanted.
    StockDropped { n: u32 },
    /// Units of a reservation are being given back or committed; all that are held if it does not
    /// say how many.
    StockClosing {
        n: u32,
        kind: ClosingKind,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<u32>,
        /// Whether units are given back that had been committed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        committed: bool,
    },
    /// It is not known whether giving back or committing happened.
    StockClosingUnknown { n: u32 },
    /// Giving back or committing was refused: the hold stays.
    StockClosingRefused {
        n: u32,
        kind: ClosingKind,
        code: String,
    },
    /// The units were given back; all that were held, or else committed, if it does not say how
    /// many.
    StockReleased {
        n: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<u32>,
        /// Whether they had been committed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        committed: bool,
    },
    /// The units left the stock; all that were held if it does not say how many.
    StockCommitted {
        n: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<u32>,
    },
    /// The hold's lifetime is over.
    StockExpired { n: u32 },
    /// The inventory no longer knows the hold.
    StockLost { n: u32 },

    /// A payment operation is wanted.
    PaymentPlanned {
        n: u32,
        kind: OperationKind,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<u32>,
        method: Name,
        amount: Minor,
        #[serde(skip)]
        token: Private<String>,
        #[serde(skip)]
        return_url: Private<String>,
    },
    /// The provider said what became of an operation.
    PaymentSettled {
        n: u32,
        /// `AUTHORIZED`, `CAPTURED`, `DECLINED`, `VOIDED`, `REFUNDED` or `FAILED`.
        state: OperationState,
        /// What was authorized, captured or refunded.
        #[serde(default, skip_serializing_if = "is_zero")]
        amount: Minor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capture_before: Option<Timestamp>,
        /// Whether the provider's records, or an operator who looked into them, say so against what
        /// was recorded.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        verified: bool,
    },
    /// The provider will say later, or the customer must act first.
    PaymentWaiting {
        n: u32,
        /// `PENDING` or `ACTION_REQUIRED`.
        state: OperationState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
        deadline: Timestamp,
        #[serde(skip)]
        action: Private<CustomerAction>,
    },
    /// It is not known whether an operation happened.
    PaymentUnknown { n: u32 },
    /// The operation was never asked for, and is no longer wanted.
    PaymentDropped { n: u32 },
    /// What is recorded of an operation is to be compared with the provider's records.
    PaymentQuestioned { n: u32 },
    /// The provider's records say the same as ours.
    PaymentVerified { n: u32 },
    /// A provider reported something that changes no operation: late, contradictory or of another
    /// amount. The provider is asked.
    PaymentReported {
        n: u32,
        status: OperationState,
        amount: Minor,
        currency: Currency,
        reference: Option<Reference>,
    },
    /// A provider reported something that fits no operation.
    PaymentUnmatched(UnmatchedPayment),

    /// Money moved outside the engine, or a bank took it back: an operation that nobody here asked
    /// for.
    PaymentFound {
        n: u32,
        /// `CHARGE` for money that came in, `REFUND` for money that went back.
        kind: OperationKind,
        origin: OperationOrigin,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<u32>,
        method: Name,
        amount: Minor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
    },
    /// Somebody found out that a report that fits no operation needs nothing to be done.
    UnmatchedDismissed { reference: Reference },
    /// What a report named has become known: it was taken in.
    UnmatchedMatched {
        reference: Reference,
        status: OperationState,
    },
    /// A bank questions a payment.
    DisputeOpened {
        reference: Reference,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment: Option<u32>,
        amount: Minor,
    },
    /// It has decided.
    DisputeClosed { reference: Reference, won: bool },

    /// Stock is held and what is due is covered.
    Confirmed,
    /// Stock was refused.
    Rejected { shortages: Vec<Shortage> },
    /// Payment was declined, and no other attempt is open.
    PaymentFailed { retry_until: Timestamp },
    /// The customer pays a failed order again, perhaps in another way.
    PaymentRetried {
        method: Name,
        terms: PaymentTerms,
        placing_deadline: Timestamp,
        #[serde(skip)]
        token: Private<String>,
        #[serde(skip)]
        return_url: Private<String>,
    },
    /// Nobody paid in time.
    Expired,
    /// Someone wants the order gone.
    CancelRequested { cause: CancelCause },
    /// Nothing is left to give back.
    Cancelled,
    /// Fulfilled, paid and closed.
    Completed,

    /// Units are no longer wanted; the rest of the order stays.
    LinesCancelled {
        lines: Vec<LineUnits>,
        cause: CancelCause,
    },
    /// Units are to leave together.
    ShipmentPlanned { n: u32, lines: Vec<LineUnits> },
    /// They left.
    ShipmentShipped {
        n: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        carrier: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tracking: Option<String>,
    },
    /// They arrived.
    ShipmentDelivered { n: u32 },
    /// They could not be delivered.
    ShipmentFailed { n: u32 },
    /// They were lost on the way.
    ShipmentLost { n: u32 },
    /// They came back undelivered.
    ShipmentReturned { n: u32 },
    /// They never left.
    ShipmentCancelled { n: u32 },

    /// Something is taken off what is owed: of the whole order, or of lines.
    Credited {
        kind: CreditKind,
        /// In all, in minor units.
        amount: Minor,
        /// What of it is for which line, if it is for lines.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<LineCredit>,
    },

    /// The customer wants to send units back.
    ReturnRequested { n: u32, lines: Vec<LineUnits> },
    /// They may.
    ReturnApproved { n: u32 },
    /// They may not.
    ReturnRejected { n: u32 },
    /// Some came back.
    ReturnReceived { n: u32, lines: Vec<ReceivedUnits> },
    /// No more will come; what came is no longer owed.
    ReturnClosed { n: u32 },

    /// What was ordered is to change, once the difference is secured.
    EditStarted {
        n: u32,
        plan: Box<EditPlan>,
        /// How much more is to be paid, in minor units.
        due: Minor,
        /// How.
        method: Name,
        deadline: Timestamp,
        #[serde(skip)]
        token: Private<String>,
        #[serde(skip)]
        return_url: Private<String>,
        /// Where the goods go then, if that changes.
        #[serde(skip)]
        address: Private<Address>,
    },
    /// It has changed.
    EditApplied { n: u32 },
    /// It stays as it was.
    EditDiscarded { n: u32, cause: DiscardCause },
    /// An address was corrected.
    AddressChanged {
        which: AddressType,
        #[serde(skip)]
        address: Private<Address>,
    },
    /// Something that programs keep with the order was set or removed.
    MetadataChanged {
        key: Name,
        removed: bool,
        #[serde(skip)]
        value: Private<String>,
    },

    /// Something keeps the order from going on.
    HoldPlaced {
        kind: Name,
        blocks: Blocks,
        until: Option<Timestamp>,
    },
    /// It no longer does.
    HoldReleased {
        kind: Name,
        /// Whether its time was over, rather than someone lifting it.
        lapsed: bool,
    },
    /// A person must look.
    AttentionRaised {
        reason: AttentionReason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Op>,
        /// How much it is about; a smaller amount than before is not news.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<Minor>,
    },
    /// It settled by itself, or somebody has looked.
    AttentionCleared {
        reason: AttentionReason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Op>,
    },
    /// A person has seen it.
    AttentionAcknowledged {
        reason: AttentionReason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Op>,
    },
    /// Somebody wrote something down; the text is in the row's notes.
    Noted,
    /// An operator found out what a service could not tell; what follows from it is in the rows
    /// after, the evidence in the row's notes.
    Resolved {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Op>,
    },
    /// What repeating could not cure is to be tried again.
    StuckRetried,
    /// Personal data was erased.
    Redacted,
}

fn is_zero(minor: &Minor) -> bool {
    *minor == 0
}

/// Everything about an order when it was placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "fields are named as on the order, and documented there"
)]
pub struct Placed {
    pub id: OrderId,
    pub number: OrderNumber,
    pub user: UserId,
    pub currency: Currency,
    pub lines: Vec<PlacedLine>,
    pub amounts: Amounts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_method: Option<Name>,
    pub payment_method: Name,
    pub terms: PaymentTerms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<Name>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redemptions: Vec<Redemption>,
    pub placing_deadline: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<OrderHold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_ref: Option<ExternalRef>,
    #[serde(skip)]
    pub addresses: Private<Addresses>,
    #[serde(skip)]
    pub notes: Private<String>,
    #[serde(skip)]
    pub token: Private<String>,
    #[serde(skip)]
    pub return_url: Private<String>,
    #[serde(skip)]
    pub metadata: Private<std::collections::BTreeMap<Name, String>>,
}

/// A line when it was placed: one lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    missing_docs,
    reason = "fields are named as on the line, and documented there"
)]
pub struct PlacedLine {
    pub id: LineId,
    pub product: ProductId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<VariantId>,
    pub sku: Sku,
    pub name: String,
    pub unit_price: Minor,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discount: Minor,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub requires_shipping: bool,
    pub lot: Lot,
}

fn yes() -> bool {
    true
}

fn is_yes(flag: &bool) -> bool {
    *flag
}

/// What was missing of a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// What.
    pub sku: Sku,
    /// How many were wanted.
    pub requested: u32,
    /// How many there were, if the inventory said so.
    pub available: Option<u32>,
}

/// Why an order is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelCause {
    /// Someone asked; the reason they gave is in the row's notes.
    Requested,
    /// Stock was lost after payment and could not be replaced.
    StockLost,
    /// Too little was paid, and the time for it is over.
    PaymentShort,
}

/// What of a credit is for which line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCredit {
    /// The line's number.
    pub line: u32,
    /// In minor units.
    pub amount: Minor,
}

impl Event {
    /// The event's name in the journal, such as `STOCK_HELD`.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Placed(_) => "PLACED",
            Event::Imported(_) => "IMPORTED",
            Event::Armed { .. } => "ARMED",
            Event::ReservationPlanned { .. } => "RESERVATION_PLANNED",
            Event::StockHeld { .. } => "STOCK_HELD",
            Event::StockRefused { .. } => "STOCK_REFUSED",
            Event::StockUnknown { .. } => "STOCK_UNKNOWN",
            Event::StockAbsent { .. } => "STOCK_ABSENT",
            Event::StockSuspect { .. } => "STOCK_SUSPECT",
            Event::StockDropped { .. } => "STOCK_DROPPED",
            Event::StockClosing {
                kind: ClosingKind::Release,
                ..
            } => "STOCK_RELEASING",
            Event::StockClosing {
                kind: ClosingKind::Commit,
                ..
            } => "STOCK_COMMITTING",
            Event::StockClosingUnknown { .. } => "STOCK_CLOSING_UNKNOWN",
            Event::StockClosingRefused { .. } => "STOCK_CLOSING_REFUSED",
            Event::StockReleased { .. } => "STOCK_RELEASED",
            Event::StockCommitted { .. } => "STOCK_COMMITTED",
            Event::StockExpired { .. } => "STOCK_EXPIRED",
            Event::StockLost { .. } => "STOCK_LOST",
            Event::PaymentPlanned { kind, .. } => match kind {
                OperationKind::Authorize => "AUTHORIZATION_PLANNED",
                OperationKind::Charge => "CHARGE_PLANNED",
                OperationKind::Capture => "CAPTURE_PLANNED",
                OperationKind::Void => "VOID_PLANNED",
                OperationKind::Refund => "REFUND_PLANNED",
            },
            Event::PaymentSettled { state, .. } => match state {
                OperationState::Authorized => "PAYMENT_AUTHORIZED",
                OperationState::Captured => "PAYMENT_CAPTURED",
                OperationState::Declined => "PAYMENT_DECLINED",
                OperationState::Voided => "PAYMENT_VOIDED",
                OperationState::Refunded => "PAYMENT_REFUNDED",
                _ => "PAYMENT_OPERATION_FAILED",
            },
            Event::PaymentWaiting {
                state: OperationState::ActionRequired,
                ..
            } => "PAYMENT_ACTION_REQUIRED",
            Event::PaymentWaiting { .. } => "PAYMENT_PENDING",
            Event::PaymentUnknown { .. } => "PAYMENT_UNKNOWN",
            Event::PaymentDropped { .. } => "PAYMENT_DROPPED",
            Event::PaymentQuestioned { .. } => "PAYMENT_QUESTIONED",
            Event::PaymentVerified { .. } => "PAYMENT_VERIFIED",
            Event::PaymentReported { .. } => "PAYMENT_REPORTED",
            Event::PaymentUnmatched(_) => "PAYMENT_UNMATCHED",
            Event::Confirmed => "CONFIRMED",
            Event::Rejected { .. } => "REJECTED",
            Event::PaymentFailed { .. } => "PAYMENT_FAILED",
            Event::PaymentRetried { .. } => "PAYMENT_RETRIED",
            Event::Expired => "EXPIRED",
            Event::CancelRequested { .. } => "CANCEL_REQUESTED",
            Event::Cancelled => "CANCELLED",
            Event::HoldPlaced { .. } => "HOLD_PLACED",
            Event::HoldReleased { .. } => "HOLD_RELEASED",
            Event::AttentionRaised { .. } => "ATTENTION_RAISED",
            Event::AttentionCleared { .. } => "ATTENTION_CLEARED",
            Event::AttentionAcknowledged { .. } => "ATTENTION_ACKNOWLEDGED",
            Event::Noted => "NOTED",
            Event::PaymentFound { kind, origin, .. } => match (kind, origin) {
                (_, OperationOrigin::Chargeback) => "CHARGED_BACK",
                (OperationKind::Refund, _) => "REFUNDED_OUTSIDE",
                _ => "PAID_OUTSIDE",
            },
            Event::UnmatchedDismissed { .. } => "UNMATCHED_DISMISSED",
            Event::UnmatchedMatched { .. } => "UNMATCHED_MATCHED",
            Event::DisputeOpened { .. } => "DISPUTE_OPENED",
            Event::DisputeClosed { won: true, .. } => "DISPUTE_WON",
            Event::DisputeClosed { won: false, .. } => "DISPUTE_LOST",
            Event::Completed => "COMPLETED",
            Event::LinesCancelled { .. } => "LINES_CANCELLED",
            Event::ShipmentPlanned { .. } => "SHIPMENT_PLANNED",
            Event::ShipmentShipped { .. } => "SHIPMENT_SHIPPED",
            Event::ShipmentDelivered { .. } => "SHIPMENT_DELIVERED",
            Event::ShipmentFailed { .. } => "SHIPMENT_FAILED",
            Event::ShipmentLost { .. } => "SHIPMENT_LOST",
            Event::ShipmentReturned { .. } => "SHIPMENT_RETURNED_TO_SENDER",
            Event::ShipmentCancelled { .. } => "SHIPMENT_CANCELLED",
            Event::Credited { .. } => "CREDITED",
            Event::ReturnRequested { .. } => "RETURN_REQUESTED",
            Event::ReturnApproved { .. } => "RETURN_APPROVED",
            Event::ReturnRejected { .. } => "RETURN_REJECTED",
            Event::ReturnReceived { .. } => "RETURN_RECEIVED",
            Event::ReturnClosed { .. } => "RETURN_CLOSED",
            Event::EditStarted { .. } => "EDIT_STARTED",
            Event::EditApplied { .. } => "EDIT_APPLIED",
            Event::EditDiscarded { .. } => "EDIT_DISCARDED",
            Event::AddressChanged { .. } => "ADDRESS_CHANGED",
            Event::MetadataChanged { .. } => "METADATA_CHANGED",
            Event::Resolved { .. } => "RESOLVED",
            Event::StuckRetried => "STUCK_RETRIED",
            Event::Redacted => "REDACTED",
        }
    }

    /// What the customer is told because of it, if anything.
    pub fn notice(&self) -> Option<NoticeKind> {
        match self {
            Event::Confirmed => Some(NoticeKind::Confirmed),
            Event::Rejected { .. } => Some(NoticeKind::Rejected),
            Event::PaymentFailed { .. } => Some(NoticeKind::PaymentFailed),
            Event::Expired => Some(NoticeKind::Expired),
            Event::Cancelled => Some(NoticeKind::Cancelled),
            Event::Completed => Some(NoticeKind::Completed),
            Event::LinesCancelled { .. } => Some(NoticeKind::PartlyCancelled),
            Event::EditApplied { .. } => Some(NoticeKind::Edited),
            Event::EditDiscarded { cause, .. } => match cause {
                DiscardCause::OrderOver | DiscardCause::Requested => None,
                DiscardCause::StockRefused
                | DiscardCause::PaymentFailed
                | DiscardCause::Expired
                | DiscardCause::OutOfDate => Some(NoticeKind::EditFailed),
            },
            Event::ShipmentShipped { .. } => Some(NoticeKind::Shipped),
            Event::ShipmentDelivered { .. } => Some(NoticeKind::Delivered),
            Event::ShipmentFailed { .. }
            | Event::ShipmentLost { .. }
            | Event::ShipmentReturned { .. } => Some(NoticeKind::ShipmentFailed),
            Event::PaymentSettled {
                state: OperationState::Refunded,
                ..
            } => Some(NoticeKind::Refunded),
            Event::ReturnApproved { .. } => Some(NoticeKind::ReturnApproved),
            Event::ReturnRejected { .. } => Some(NoticeKind::ReturnRejected),
            Event::ReturnClosed { .. } => Some(NoticeKind::ReturnClosed),
            _ => None,
        }
    }
}
