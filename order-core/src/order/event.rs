//! The facts of an order's life. What they do to the order stands in [`crate::rules::evolve`].

use serde::{Deserialize, Serialize};

use super::{
    Address, AddressType, AttentionReason, Blocks, ClosingKind, CreditKind, CustomerAction,
    DiscardCause, EditPlan, Imported, LineUnits, NoticeKind, Op, OperationKind, OperationOrigin,
    OperationState, PaymentTerms, Placed, ReceivedUnits, UnmatchedPayment,
};
use crate::ids::{Name, Reference, Sku};
use crate::money::{Currency, Minor};
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

    /// A reservation is wanted.
    ReservationPlanned {
        n: u32,
        sku: Sku,
        quantity: u32,
        /// The larger reservation it takes the place of.
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
    /// A look-up proved that no reservation exists.
    StockAbsent { n: u32 },
    /// It cannot be found out whether a reservation exists.
    StockSuspect { n: u32 },
    /// The reservation was never asked for, and is no longer wanted.
    StockDropped { n: u32 },
    /// Units of a reservation are being released or committed; all that are held if it does not
    /// say how many.
    StockClosing {
        n: u32,
        kind: ClosingKind,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<u32>,
        /// True if units are released that had been committed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        committed: bool,
    },
    /// It is not known whether releasing or committing happened.
    StockClosingUnknown { n: u32 },
    /// Giving back or committing was refused: the reservation stays.
    StockClosingRefused {
        n: u32,
        kind: ClosingKind,
        code: String,
    },
    /// The units were released; all that were held, or else committed, if it does not say how
    /// many.
    StockReleased {
        n: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<u32>,
        /// True if they had been committed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        committed: bool,
    },
    /// The units left the stock; all that were held if it does not say how many.
    StockCommitted {
        n: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        units: Option<u32>,
    },
    /// The reservation's lifetime is over.
    StockExpired { n: u32 },
    /// The inventory no longer knows the reservation.
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
        /// The amount that was authorized, captured or refunded.
        #[serde(default, skip_serializing_if = "is_zero")]
        amount: Minor,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        capture_before: Option<Timestamp>,
        /// True if the provider's records, or an operator who looked into them, say so against what
        /// was recorded.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        verified: bool,
    },
    /// A look-up proved that an operation never happened.
    PaymentNeverHappened { n: u32 },
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
    /// The record of an operation is to be compared with the provider's records.
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
    /// The operation that a report named has become known, and the report was taken in.
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
    /// Some of its units went from planned shipment `from` into a new one.
    ShipmentSplit {
        n: u32,
        from: u32,
        lines: Vec<LineUnits>,
    },
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
        /// The parts of it that are for lines, if it is for lines.
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

    /// The content of the order is to change, once the difference is secured.
    EditStarted {
        n: u32,
        plan: Box<EditPlan>,
        /// The further amount to be paid, in minor units.
        due: Minor,
        /// The payment method for it.
        method: Name,
        deadline: Timestamp,
        #[serde(skip)]
        token: Private<String>,
        #[serde(skip)]
        return_url: Private<String>,
        /// The new shipping address, if it changes.
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
        /// True if its time was over, false if someone lifted it.
        lapsed: bool,
    },
    /// A person must look.
    AttentionRaised {
        reason: AttentionReason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Op>,
        /// The amount it is about; a smaller amount than before is not news.
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
    /// Stuck work is due again.
    StuckRetried,
    /// Personal data was erased.
    Redacted,
}

fn is_zero(minor: &Minor) -> bool {
    *minor == 0
}

/// A SKU of which too little was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// The SKU.
    pub sku: Sku,
    /// The units that were wanted.
    pub requested: u32,
    /// The units there were, if the inventory said so.
    pub available: Option<u32>,
}

/// The reason why an order is cancelled.
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

/// The part of a credit that is for one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCredit {
    /// The line's number.
    pub line: u32,
    /// In minor units.
    pub amount: Minor,
}

/// A part of the rules, by what its events change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// The order as a whole.
    Lifecycle,
    /// Calls that workers are about to make.
    Calls,
    /// The order's reservations.
    Stock,
    /// Payment operations, and reports that fit none.
    Payment,
    /// The disputes of payments.
    Dispute,
    /// The order's shipments.
    Shipping,
    /// The order's returns.
    Return,
    /// The credits given for it.
    Credit,
    /// Edits, and corrections of addresses.
    Edit,
    /// Order holds.
    Hold,
    /// The reasons for a person to look.
    Attention,
    /// Nothing but the journal.
    Journal,
}

/// The properties of an event that do not depend on the order.
struct EventSpec {
    name: &'static str,
    topic: Topic,
    notice: Option<NoticeKind>,
}

impl EventSpec {
    const fn new(name: &'static str, topic: Topic) -> Self {
        EventSpec {
            name,
            topic,
            notice: None,
        }
    }

    /// Has the customer told of it.
    const fn notice(self, kind: NoticeKind) -> Self {
        EventSpec {
            notice: Some(kind),
            ..self
        }
    }
}

impl Event {
    /// Every name that an event has in the journal.
    pub const NAMES: &[&str] = &[
        "PLACED",
        "IMPORTED",
        "ARMED",
        "RESERVATION_PLANNED",
        "STOCK_HELD",
        "STOCK_REFUSED",
        "STOCK_UNKNOWN",
        "STOCK_ABSENT",
        "STOCK_SUSPECT",
        "STOCK_DROPPED",
        "STOCK_RELEASING",
        "STOCK_COMMITTING",
        "STOCK_CLOSING_UNKNOWN",
        "STOCK_CLOSING_REFUSED",
        "STOCK_RELEASED",
        "STOCK_COMMITTED",
        "STOCK_EXPIRED",
        "STOCK_LOST",
        "AUTHORIZATION_PLANNED",
        "CHARGE_PLANNED",
        "CAPTURE_PLANNED",
        "VOID_PLANNED",
        "REFUND_PLANNED",
        "PAYMENT_AUTHORIZED",
        "PAYMENT_CAPTURED",
        "PAYMENT_DECLINED",
        "PAYMENT_VOIDED",
        "PAYMENT_REFUNDED",
        "PAYMENT_OPERATION_FAILED",
        "PAYMENT_NEVER_HAPPENED",
        "PAYMENT_ACTION_REQUIRED",
        "PAYMENT_PENDING",
        "PAYMENT_UNKNOWN",
        "PAYMENT_DROPPED",
        "PAYMENT_QUESTIONED",
        "PAYMENT_VERIFIED",
        "PAYMENT_REPORTED",
        "PAYMENT_UNMATCHED",
        "CHARGED_BACK",
        "REFUNDED_OUTSIDE",
        "PAID_OUTSIDE",
        "UNMATCHED_DISMISSED",
        "UNMATCHED_MATCHED",
        "DISPUTE_OPENED",
        "DISPUTE_WON",
        "DISPUTE_LOST",
        "CONFIRMED",
        "REJECTED",
        "PAYMENT_FAILED",
        "PAYMENT_RETRIED",
        "EXPIRED",
        "CANCEL_REQUESTED",
        "CANCELLED",
        "COMPLETED",
        "LINES_CANCELLED",
        "SHIPMENT_PLANNED",
        "SHIPMENT_SHIPPED",
        "SHIPMENT_DELIVERED",
        "SHIPMENT_FAILED",
        "SHIPMENT_LOST",
        "SHIPMENT_RETURNED_TO_SENDER",
        "SHIPMENT_CANCELLED",
        "CREDITED",
        "RETURN_REQUESTED",
        "RETURN_APPROVED",
        "RETURN_REJECTED",
        "RETURN_RECEIVED",
        "RETURN_CLOSED",
        "EDIT_STARTED",
        "EDIT_APPLIED",
        "EDIT_DISCARDED",
        "ADDRESS_CHANGED",
        "METADATA_CHANGED",
        "HOLD_PLACED",
        "HOLD_RELEASED",
        "ATTENTION_RAISED",
        "ATTENTION_CLEARED",
        "ATTENTION_ACKNOWLEDGED",
        "NOTED",
        "RESOLVED",
        "STUCK_RETRIED",
        "REDACTED",
        "SHIPMENT_SPLIT",
    ];

    /// Returns the event's name in the journal, such as `STOCK_HELD`.
    pub fn name(&self) -> &'static str {
        self.spec().name
    }

    /// Returns the part of the rules that applies it.
    pub(crate) fn topic(&self) -> Topic {
        self.spec().topic
    }

    /// Returns what the customer is told because of it, if anything.
    pub fn notice(&self) -> Option<NoticeKind> {
        self.spec().notice
    }

    fn spec(&self) -> EventSpec {
        use NoticeKind as N;
        use Topic as T;
        let spec = EventSpec::new;
        match self {
            Event::Placed(_) => spec("PLACED", T::Journal),
            Event::Imported(_) => spec("IMPORTED", T::Journal),
            Event::Armed { .. } => spec("ARMED", T::Calls),
            Event::ReservationPlanned { .. } => spec("RESERVATION_PLANNED", T::Stock),
            Event::StockHeld { .. } => spec("STOCK_HELD", T::Stock),
            Event::StockRefused { .. } => spec("STOCK_REFUSED", T::Stock),
            Event::StockUnknown { .. } => spec("STOCK_UNKNOWN", T::Stock),
            Event::StockAbsent { .. } => spec("STOCK_ABSENT", T::Stock),
            Event::StockSuspect { .. } => spec("STOCK_SUSPECT", T::Stock),
            Event::StockDropped { .. } => spec("STOCK_DROPPED", T::Stock),
            Event::StockClosing { kind, .. } => match kind {
                ClosingKind::Release => spec("STOCK_RELEASING", T::Stock),
                ClosingKind::Commit => spec("STOCK_COMMITTING", T::Stock),
            },
            Event::StockClosingUnknown { .. } => spec("STOCK_CLOSING_UNKNOWN", T::Stock),
            Event::StockClosingRefused { .. } => spec("STOCK_CLOSING_REFUSED", T::Stock),
            Event::StockReleased { .. } => spec("STOCK_RELEASED", T::Stock),
            Event::StockCommitted { .. } => spec("STOCK_COMMITTED", T::Stock),
            Event::StockExpired { .. } => spec("STOCK_EXPIRED", T::Stock),
            Event::StockLost { .. } => spec("STOCK_LOST", T::Stock),
            Event::PaymentPlanned { kind, .. } => match kind {
                OperationKind::Authorize => spec("AUTHORIZATION_PLANNED", T::Payment),
                OperationKind::Charge => spec("CHARGE_PLANNED", T::Payment),
                OperationKind::Capture => spec("CAPTURE_PLANNED", T::Payment),
                OperationKind::Void => spec("VOID_PLANNED", T::Payment),
                OperationKind::Refund => spec("REFUND_PLANNED", T::Payment),
            },
            Event::PaymentSettled { state, .. } => match state {
                OperationState::Authorized => spec("PAYMENT_AUTHORIZED", T::Payment),
                OperationState::Captured => spec("PAYMENT_CAPTURED", T::Payment),
                OperationState::Declined => spec("PAYMENT_DECLINED", T::Payment),
                OperationState::Voided => spec("PAYMENT_VOIDED", T::Payment),
                OperationState::Refunded => {
                    spec("PAYMENT_REFUNDED", T::Payment).notice(N::Refunded)
                }
                _ => spec("PAYMENT_OPERATION_FAILED", T::Payment),
            },
            Event::PaymentNeverHappened { .. } => spec("PAYMENT_NEVER_HAPPENED", T::Payment),
            Event::PaymentWaiting {
                state: OperationState::ActionRequired,
                ..
            } => spec("PAYMENT_ACTION_REQUIRED", T::Payment),
            Event::PaymentWaiting { .. } => spec("PAYMENT_PENDING", T::Payment),
            Event::PaymentUnknown { .. } => spec("PAYMENT_UNKNOWN", T::Payment),
            Event::PaymentDropped { .. } => spec("PAYMENT_DROPPED", T::Payment),
            Event::PaymentQuestioned { .. } => spec("PAYMENT_QUESTIONED", T::Payment),
            Event::PaymentVerified { .. } => spec("PAYMENT_VERIFIED", T::Payment),
            Event::PaymentReported { .. } => spec("PAYMENT_REPORTED", T::Payment),
            Event::PaymentUnmatched(_) => spec("PAYMENT_UNMATCHED", T::Payment),
            Event::PaymentFound { kind, origin, .. } => match (kind, origin) {
                (_, OperationOrigin::Chargeback) => spec("CHARGED_BACK", T::Payment),
                (OperationKind::Refund, _) => spec("REFUNDED_OUTSIDE", T::Payment),
                _ => spec("PAID_OUTSIDE", T::Payment),
            },
            Event::UnmatchedDismissed { .. } => spec("UNMATCHED_DISMISSED", T::Payment),
            Event::UnmatchedMatched { .. } => spec("UNMATCHED_MATCHED", T::Payment),
            Event::DisputeOpened { .. } => spec("DISPUTE_OPENED", T::Dispute),
            Event::DisputeClosed { won: true, .. } => spec("DISPUTE_WON", T::Dispute),
            Event::DisputeClosed { won: false, .. } => spec("DISPUTE_LOST", T::Dispute),
            Event::Confirmed => spec("CONFIRMED", T::Lifecycle).notice(N::Confirmed),
            Event::Rejected { .. } => spec("REJECTED", T::Lifecycle).notice(N::Rejected),
            Event::PaymentFailed { .. } => {
                spec("PAYMENT_FAILED", T::Lifecycle).notice(N::PaymentFailed)
            }
            Event::PaymentRetried { .. } => spec("PAYMENT_RETRIED", T::Lifecycle),
            Event::Expired => spec("EXPIRED", T::Lifecycle).notice(N::Expired),
            Event::CancelRequested { .. } => spec("CANCEL_REQUESTED", T::Lifecycle),
            Event::Cancelled => spec("CANCELLED", T::Lifecycle).notice(N::Cancelled),
            Event::Completed => spec("COMPLETED", T::Lifecycle).notice(N::Completed),
            Event::LinesCancelled { .. } => {
                spec("LINES_CANCELLED", T::Lifecycle).notice(N::PartlyCancelled)
            }
            Event::ShipmentPlanned { .. } => spec("SHIPMENT_PLANNED", T::Shipping),
            Event::ShipmentSplit { .. } => spec("SHIPMENT_SPLIT", T::Shipping),
            Event::ShipmentShipped { .. } => {
                spec("SHIPMENT_SHIPPED", T::Shipping).notice(N::Shipped)
            }
            Event::ShipmentDelivered { .. } => {
                spec("SHIPMENT_DELIVERED", T::Shipping).notice(N::Delivered)
            }
            Event::ShipmentFailed { .. } => {
                spec("SHIPMENT_FAILED", T::Shipping).notice(N::ShipmentFailed)
            }
            Event::ShipmentLost { .. } => {
                spec("SHIPMENT_LOST", T::Shipping).notice(N::ShipmentFailed)
            }
            Event::ShipmentReturned { .. } => {
                spec("SHIPMENT_RETURNED_TO_SENDER", T::Shipping).notice(N::ShipmentFailed)
            }
            Event::ShipmentCancelled { .. } => spec("SHIPMENT_CANCELLED", T::Shipping),
            Event::Credited { .. } => spec("CREDITED", T::Credit),
            Event::ReturnRequested { .. } => spec("RETURN_REQUESTED", T::Return),
            Event::ReturnApproved { .. } => {
                spec("RETURN_APPROVED", T::Return).notice(N::ReturnApproved)
            }
            Event::ReturnRejected { .. } => {
                spec("RETURN_REJECTED", T::Return).notice(N::ReturnRejected)
            }
            Event::ReturnReceived { .. } => spec("RETURN_RECEIVED", T::Return),
            Event::ReturnClosed { .. } => spec("RETURN_CLOSED", T::Return).notice(N::ReturnClosed),
            Event::EditStarted { .. } => spec("EDIT_STARTED", T::Edit),
            Event::EditApplied { .. } => spec("EDIT_APPLIED", T::Edit).notice(N::Edited),
            Event::EditDiscarded { cause, .. } => {
                let spec = spec("EDIT_DISCARDED", T::Edit);
                match cause {
                    DiscardCause::OrderOver | DiscardCause::Requested => spec,
                    DiscardCause::StockRefused
                    | DiscardCause::PaymentFailed
                    | DiscardCause::Expired
                    | DiscardCause::OutOfDate => spec.notice(N::EditFailed),
                }
            }
            Event::AddressChanged { .. } => spec("ADDRESS_CHANGED", T::Edit),
            Event::MetadataChanged { .. } => spec("METADATA_CHANGED", T::Lifecycle),
            Event::HoldPlaced { .. } => spec("HOLD_PLACED", T::Hold),
            Event::HoldReleased { .. } => spec("HOLD_RELEASED", T::Hold),
            Event::AttentionRaised { .. } => spec("ATTENTION_RAISED", T::Attention),
            Event::AttentionCleared { .. } => spec("ATTENTION_CLEARED", T::Attention),
            Event::AttentionAcknowledged { .. } => spec("ATTENTION_ACKNOWLEDGED", T::Attention),
            Event::Noted => spec("NOTED", T::Journal),
            Event::Resolved { .. } => spec("RESOLVED", T::Journal),
            Event::StuckRetried => spec("STUCK_RETRIED", T::Lifecycle),
            Event::Redacted => spec("REDACTED", T::Lifecycle),
        }
    }
}
