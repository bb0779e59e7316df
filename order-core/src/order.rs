//! The order and its records. Data and what can be read off it; what may happen to it stands in
//! [`crate::rules`].

mod address;
mod attention;
mod credit;
mod edit;
mod event;
mod hold;
mod imported;
mod journal;
mod lots;
mod numbered;
pub(crate) mod payment;
mod placed;
mod reservation;
mod returns;
mod shipment;
mod status;
mod sums;
mod text_enum;
mod units;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use address::same_place;
pub use address::{Address, AddressType, Addresses};
pub use attention::{Attention, AttentionReason};
pub use credit::{Credit, CreditKind, Dispute, DisputeState};
pub use edit::{DiscardCause, Edit, EditPlan, EditState, RaisedLine, RetaxedLine, ShippingPrice};
pub(crate) use event::Topic;
pub use event::{CancelCause, Event, LineCredit, Shortage};
pub use hold::{Blocks, HoldEnd, OrderHold};
pub use imported::{Imported, ImportedLine, ImportedPayment, ImportedReturn, ImportedShipment};
pub(crate) use journal::decode_event_of;
pub use journal::{
    Actor, CommandKey, DecodeError, JOURNAL_FORMAT, JournalRow, decode_event, encode_event,
};
pub(crate) use numbered::Numbered;
pub use payment::{
    CustomerAction, OperationKind, OperationOrigin, OperationState, PaymentOperation, PaymentTerms,
    Verification,
};
pub use placed::{Placed, PlacedLine};
pub use reservation::{Closing, ClosingKind, Reservation, ReservationState};
pub use returns::{ReceivedUnits, Return, ReturnLine, ReturnState};
pub use shipment::{LineUnits, Shipment, ShipmentState};
pub use status::{
    FulfilmentStatus, Lifecycle, PaymentStatus, Phase, ReturnStatus, Status, Statuses, derive,
};
pub use sums::{OrderMoney, ShipmentTotals};
pub(crate) use text_enum::text_enum;

use crate::ids::{
    ExternalRef, LineId, Name, OrderId, ProductId, Reference, Sku, UserId, VariantId,
};
use crate::money::{Currency, Minor, Money};
use crate::number::OrderNumber;
use crate::text::Private;
use crate::time::Timestamp;

/// An order with all its records: the aggregate that one [`crate::store::Changeset`] changes.
///
/// Amounts are minor units of [`Order::currency`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Its number, for people.
    pub number: OrderNumber,
    /// The customer.
    pub user: UserId,
    /// The number of its journal rows.
    pub version: u64,
    /// The part of its life that it is in.
    pub lifecycle: Lifecycle,
    /// The statuses that follow from its records, derived after every event.
    pub statuses: Statuses,
    /// The one currency of all its amounts.
    pub currency: Currency,
    /// The lines, in the order in which they were asked for.
    pub lines: Vec<Line>,
    /// The sums.
    pub amounts: Amounts,
    /// The shipping method; `None` if nothing needs shipping.
    pub shipping_method: Option<Name>,
    /// The payment method: that of the latest round.
    pub payment_method: Name,
    /// The moment at which its money is due.
    pub terms: PaymentTerms,
    /// Its name elsewhere.
    pub external_ref: Option<ExternalRef>,
    /// The coupon it used.
    pub coupon: Option<Name>,
    /// The limited things it took: given back when it dies.
    pub redemptions: Vec<Redemption>,
    /// The round of placing under way: 1, and one more for each retried payment.
    pub round: u32,
    /// The reservations: units that the inventory has, or may have, set aside for it.
    pub reservations: Vec<Reservation>,
    /// Every payment operation it ever asked for.
    pub payments: Vec<PaymentOperation>,
    /// The provider's reports that fit no operation.
    pub unmatched: Vec<UnmatchedPayment>,
    /// The shipments: units that left together, or are to.
    pub shipments: Vec<Shipment>,
    /// The returns: units that came back, or are to.
    pub returns: Vec<Return>,
    /// The credits: amounts taken off what is owed.
    pub credits: Vec<Credit>,
    /// Payments that a bank questions, or did.
    pub disputes: Vec<Dispute>,
    /// Changes to what was ordered: at most the last is open.
    pub edits: Vec<Edit>,
    /// The order holds, which keep it from going on until they are lifted.
    pub holds: Vec<OrderHold>,
    /// The reasons for a person to look.
    pub attention: Vec<Attention>,
    /// The notices that the customer is yet to get: journal rows above [`Order::notified`].
    pub notices: Vec<Notice>,
    /// The journal row up to which the customer has been told. Outside version and journal.
    pub notified: u64,
    /// The end of the time that an unpaid placing may take.
    pub placing_deadline: Timestamp,
    /// The end of the time in which a failed payment may be retried, once it has failed.
    pub retry_until: Option<Timestamp>,
    /// The time at which it was placed.
    pub created_at: Timestamp,
    /// The time of its last journal row.
    pub updated_at: Timestamp,
    /// The time at which it was confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// The time at which it was completed.
    pub completed_at: Option<Timestamp>,
    /// The time at which it was cancelled for good.
    pub cancelled_at: Option<Timestamp>,
    /// The addresses: not in the journal.
    pub addresses: Private<Addresses>,
    /// The text that the customer wrote: not in the journal.
    pub notes: Private<String>,
    /// The metadata that programs store with the order: not in the journal. `None` if there is
    /// none.
    pub metadata: Private<BTreeMap<Name, String>>,
    /// The time at which stuck work was last made due again: refusals before it no longer
    /// count.
    pub stuck_retried_at: Option<Timestamp>,
    /// The time at which its personal data was erased.
    pub redacted_at: Option<Timestamp>,
}

/// A line: one product, or variant, at one snapshotted price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// 1, 2, … within the order.
    pub n: u32,
    /// Its id, by which clients name it.
    pub id: LineId,
    /// The product.
    pub product: ProductId,
    /// The variant, if one was chosen.
    pub variant: Option<VariantId>,
    /// The SKU, by which the inventory counts.
    pub sku: Sku,
    /// The name when it was ordered.
    pub name: String,
    /// The number of units ordered.
    pub quantity: u32,
    /// The list price of one unit.
    pub unit_price: Minor,
    /// The amount that the product's discount takes off all units.
    pub discount: Minor,
    /// `quantity × unit_price − discount`.
    pub subtotal: Minor,
    /// True if it must be sent.
    pub requires_shipping: bool,
    /// The places of its units.
    pub counters: Counters,
    /// Groups of equal units with the shares stored for them.
    pub lots: Vec<Lot>,
    /// The time at which it was added.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub updated_at: Timestamp,
}

/// The places of a line's units. Each but `lost` is at most the quantity ordered.
///
/// What needs no shipping is given out as soon as the order is confirmed: it counts as shipped and
/// delivered from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Cancelled before they shipped.
    pub cancelled: u32,
    /// In a shipment that is planned and has not left.
    pub planned: u32,
    /// Left, including those that have arrived.
    pub shipped: u32,
    /// Units that have arrived.
    pub delivered: u32,
    /// Came back, and their return is closed.
    pub returned: u32,
    /// Came back and went into the stock again.
    #[serde(default)]
    pub restocked: u32,
    /// Gone from the stock beyond `shipped`: lost on the way, or arrived when their place was taken
    /// already. They are open as far as they were ordered, and sending them again takes further
    /// stock.
    #[serde(default)]
    pub lost: u32,
}

/// `units` equal units and what of the order's price belongs to them, fixed when they were ordered.
///
/// A part of a lot carries [`crate::allocation::share_of_units`] of its total, so that any sequence
/// of parts adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// The number of units.
    pub units: u32,
    /// Their share of the line's subtotal.
    pub subtotal: Minor,
    /// Their share of the coupon.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub coupon: Minor,
    /// Tax added for them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tax: Minor,
    /// Tax contained in their price: shown, and adds nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tax_included: Minor,
    /// Taken off what they cost, by credits for the line.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub credit: Minor,
}

fn is_zero(minor: &Minor) -> bool {
    *minor == 0
}

/// The sums of an order, as in the plan: `total = subtotal + tax + shipping − discount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Σ line subtotals.
    pub subtotal: Minor,
    /// The coupon's discount.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discount: Minor,
    /// Tax that is added: of the lines and of shipping.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tax: Minor,
    /// Tax contained in inclusive prices: of the lines and of shipping.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tax_included: Minor,
    /// Shipping, without the tax added to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shipping: Minor,
    /// The part of `tax` that is for shipping.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shipping_tax: Minor,
    /// The amount that the customer pays.
    pub total: Minor,
}

/// One use of something limited, counted by the store in the placing commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redemption {
    /// The thing that is redeemed, such as `coupon/SUMMER10` or `coupon/SUMMER10/<user>`.
    pub name: String,
    /// The number of uses there are in all.
    pub limit: u32,
}

/// A journal row the customer is to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The journal row.
    pub seq: u64,
    /// The notice.
    pub kind: NoticeKind,
}

text_enum! {
    /// A notice to a customer.
    NoticeKind, "notice" {
        /// The order is confirmed.
        Confirmed = "ORDER_CONFIRMED",
        /// Stock was refused.
        Rejected = "ORDER_REJECTED",
        /// Payment was declined.
        PaymentFailed = "PAYMENT_FAILED",
        /// Nobody paid in time.
        Expired = "ORDER_EXPIRED",
        /// The order is cancelled, and nothing is left to give back.
        Cancelled = "ORDER_CANCELLED",
        /// Part of the order is cancelled.
        PartlyCancelled = "ORDER_PARTLY_CANCELLED",
        /// The content of the order has changed.
        Edited = "ORDER_EDITED",
        /// The content of the order could not be changed.
        EditFailed = "ORDER_EDIT_FAILED",
        /// A shipment has left.
        Shipped = "SHIPMENT_SHIPPED",
        /// A shipment has arrived.
        Delivered = "SHIPMENT_DELIVERED",
        /// A shipment could not be delivered, was lost, or came back.
        ShipmentFailed = "SHIPMENT_FAILED",
        /// Money went back.
        Refunded = "PAYMENT_REFUNDED",
        /// Goods may be sent back.
        ReturnApproved = "RETURN_APPROVED",
        /// Goods may not be sent back.
        ReturnRejected = "RETURN_REJECTED",
        /// A return is over.
        ReturnClosed = "RETURN_CLOSED",
        /// The order is fulfilled, paid and closed.
        Completed = "ORDER_COMPLETED",
    }
}

/// A provider's report that fits no operation of the order: kept until what it names becomes
/// known, or a person decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnmatchedPayment {
    /// The provider's reference.
    pub reference: Reference,
    /// The payment it acts on, by the provider's reference, if the report says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Reference>,
    /// The status it reported.
    pub status: OperationState,
    /// The amount it named.
    pub amount: Minor,
    /// The currency it named.
    pub currency: Currency,
}

/// An operation of an order, by which calls, tries and attention are named: `r1`, `p2`, `n7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Op {
    /// Reservation number n.
    Reservation(u32),
    /// Payment operation number n.
    Payment(u32),
    /// The notice for journal row n.
    Notice(u64),
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Op::Reservation(n) => write!(f, "r{n}"),
            Op::Payment(n) => write!(f, "p{n}"),
            Op::Notice(n) => write!(f, "n{n}"),
        }
    }
}

impl TryFrom<String> for Op {
    type Error = crate::ids::ParseIdError;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        let wrong = || crate::ids::ParseIdError::new("operation", &s, "expected r1, p1 or n1");
        let (kind, n) = s.split_at_checked(1).ok_or_else(wrong)?;
        let n: u64 = n.parse().map_err(|_| wrong())?;
        let small = u32::try_from(n).map_err(|_| wrong());
        match kind {
            "r" => small.map(Op::Reservation),
            "p" => small.map(Op::Payment),
            "n" => Ok(Op::Notice(n)),
            _ => Err(wrong()),
        }
    }
}

impl From<Op> for String {
    fn from(op: Op) -> String {
        op.to_string()
    }
}

impl Order {
    /// Returns a pending order without lines or records, placed `at`, at version 1.
    pub fn new(
        id: OrderId,
        number: OrderNumber,
        user: UserId,
        currency: Currency,
        payment_method: Name,
        terms: PaymentTerms,
        at: Timestamp,
    ) -> Order {
        Order {
            id,
            number,
            user,
            version: 1,
            lifecycle: Lifecycle::Pending,
            statuses: Statuses::default(),
            currency,
            lines: Vec::new(),
            amounts: Amounts::default(),
            shipping_method: None,
            payment_method,
            terms,
            external_ref: None,
            coupon: None,
            redemptions: Vec::new(),
            round: 1,
            reservations: Vec::new(),
            payments: Vec::new(),
            unmatched: Vec::new(),
            shipments: Vec::new(),
            returns: Vec::new(),
            credits: Vec::new(),
            disputes: Vec::new(),
            edits: Vec::new(),
            holds: Vec::new(),
            attention: Vec::new(),
            notices: Vec::new(),
            notified: 0,
            placing_deadline: at,
            retry_until: None,
            created_at: at,
            updated_at: at,
            confirmed_at: None,
            completed_at: None,
            cancelled_at: None,
            addresses: Private(None),
            notes: Private(None),
            metadata: Private(None),
            stuck_retried_at: None,
            redacted_at: None,
        }
    }

    /// Returns true for an order that was placed elsewhere: it never had time to be placed in. What
    /// it lacks may be a mistake of the import, so nothing of it is cancelled but by a person.
    pub fn is_imported(&self) -> bool {
        self.placing_deadline <= self.created_at
    }

    /// `minor` units of the order's currency as money.
    pub const fn in_currency(&self, minor: Minor) -> Money {
        Money::new(minor, self.currency)
    }

    /// The reservation numbered `n`.
    pub fn reservation(&self, n: u32) -> Option<&Reservation> {
        self.reservations.numbered(n)
    }

    /// The payment operation numbered `n`.
    pub fn payment(&self, n: u32) -> Option<&PaymentOperation> {
        self.payments.numbered(n)
    }

    /// Operations that act on payment `n`: captures, voids, refunds.
    pub fn children(&self, n: u32) -> impl Iterator<Item = &PaymentOperation> {
        self.payments.iter().filter(move |p| p.parent == Some(n))
    }

    /// The line numbered `n`.
    pub fn line(&self, n: u32) -> Option<&Line> {
        self.lines.numbered(n)
    }

    /// The shipment numbered `n`.
    pub fn shipment(&self, n: u32) -> Option<&Shipment> {
        self.shipments.numbered(n)
    }

    /// The return numbered `n`.
    pub fn return_numbered(&self, n: u32) -> Option<&Return> {
        self.returns.numbered(n)
    }

    /// Returns the lines of which anything is left to see: an edit may have taken all of a line
    /// away.
    pub fn visible_lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|l| l.quantity > 0)
    }

    /// The edit that is under way.
    pub fn open_edit(&self) -> Option<&Edit> {
        self.edits.last().filter(|e| e.state == EditState::Open)
    }

    pub(crate) fn with_line(&mut self, n: u32, at: Timestamp, change: impl FnOnce(&mut Line)) {
        if let Some(line) = self.lines.numbered_mut(n) {
            line.updated_at = at;
            change(line);
        }
    }

    /// Returns true if nobody expects money to move on it any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.lifecycle.phase() == Phase::Closed
    }

    /// Returns true if a hold blocks `step`.
    pub fn is_blocked(&self, step: Blocks) -> bool {
        self.holds.iter().any(|h| h.blocks == step)
    }

    /// Returns true if a person must look, or has looked, because of `reason`.
    pub fn has_attention(&self, reason: AttentionReason) -> bool {
        self.attention.iter().any(|a| a.reason == reason)
    }

    /// The attention raised for `reason` about `about`, seen or not.
    pub fn attention_about(
        &self,
        reason: AttentionReason,
        about: Option<Op>,
    ) -> Option<&Attention> {
        self.attention
            .iter()
            .find(|a| a.reason == reason && a.about == about)
    }

    /// The order as replaying its journal gives it: without addresses, notes, tokens, URLs, and
    /// what the customer was told.
    pub fn without_personal(&self) -> Order {
        let mut order = self.clone();
        order.addresses = Private(None);
        order.notes = Private(None);
        order.metadata = Private(None);
        order.notified = 0;
        order.notices.clear();
        for p in &mut order.payments {
            p.token = Private(None);
            p.return_url = Private(None);
            p.action = Private(None);
        }
        for edit in &mut order.edits {
            edit.address = Private(None);
        }
        order
    }
}
