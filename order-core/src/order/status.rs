//! Statuses, and the one function that derives them from an order's own records.
//!
//! Only the lifecycle transitions. Everything else is derived by [`derive()`] after every event and
//! stored beside the records it came from, so that nobody can set it to something the records do
//! not say.

use super::payment::{OperationKind, OperationState};
use super::text_enum::text_enum;
use super::{DisputeState, Order, PaymentTerms, ShipmentTotals};

text_enum! {
    /// The part of its life that an order is in: the only status that transitions, by the table in
    /// `docs/transitions.md`.
    Lifecycle, "lifecycle" {
        /// Accepted; stock, payment or a person's decision is outstanding.
        Pending = "PENDING",
        /// Stock is held and what is due at confirmation is covered.
        Confirmed = "CONFIRMED",
        /// Fulfilled, paid and closed.
        Completed = "COMPLETED",
        /// Cancelled by someone; money and stock are on their way back.
        Cancelling = "CANCELLING",
        /// Cancelled, and nothing is left to give back.
        Cancelled = "CANCELLED",
        /// Payment was declined; it can be retried for a while.
        PaymentFailed = "PAYMENT_FAILED",
        /// Stock was refused.
        Rejected = "REJECTED",
        /// Nobody paid in time.
        Expired = "EXPIRED",
    }
}

/// A part of an order's life, by what the engine does with stock and money.
///
/// | phase | lifecycles | stock and money |
/// |---|---|---|
/// | open | `PENDING`, `CONFIRMED`, `COMPLETED` | wanted: reserved, collected and kept |
/// | unwinding | `CANCELLING` | given back; money is expected to move until nothing is left |
/// | closed | `CANCELLED`, `PAYMENT_FAILED`, `REJECTED`, `EXPIRED` | given back; a person is told of money that moves |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The order wants its stock and its money.
    Open,
    /// The order gives its stock and its money back.
    Unwinding,
    /// The order has come to nothing, or nothing is left of it to give back.
    Closed,
}

impl Lifecycle {
    /// Returns true if the order wants stock and money, false if it wants to be rid of them: a
    /// cancelled order owes nothing from the first moment on, and so refunds all that was paid.
    pub const fn is_live(self) -> bool {
        matches!(self.phase(), Phase::Open)
    }

    /// Returns the phase it belongs to.
    pub const fn phase(self) -> Phase {
        match self {
            Lifecycle::Pending | Lifecycle::Confirmed | Lifecycle::Completed => Phase::Open,
            Lifecycle::Cancelling => Phase::Unwinding,
            Lifecycle::Cancelled
            | Lifecycle::PaymentFailed
            | Lifecycle::Rejected
            | Lifecycle::Expired => Phase::Closed,
        }
    }

    /// Returns true if no command can bring the order on from here.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Lifecycle::Cancelled | Lifecycle::Rejected | Lifecycle::Expired
        )
    }
}

text_enum! {
    /// The plan's `status`: the lifecycle, except that a confirmed order shows its fulfilment.
    Status, "status" {
        /// See [`Lifecycle::Pending`].
        Pending = "PENDING",
        /// Confirmed; no shipment yet, or none needed.
        Confirmed = "CONFIRMED",
        /// Confirmed, and a shipment is planned.
        Processing = "PROCESSING",
        /// Some units have shipped.
        PartiallyShipped = "PARTIALLY_SHIPPED",
        /// All units have shipped.
        Shipped = "SHIPPED",
        /// Some units have arrived.
        PartiallyDelivered = "PARTIALLY_DELIVERED",
        /// All units have arrived.
        Delivered = "DELIVERED",
        /// See [`Lifecycle::Completed`].
        Completed = "COMPLETED",
        /// See [`Lifecycle::Cancelling`].
        Cancelling = "CANCELLING",
        /// See [`Lifecycle::Cancelled`].
        Cancelled = "CANCELLED",
        /// See [`Lifecycle::PaymentFailed`].
        PaymentFailed = "PAYMENT_FAILED",
        /// See [`Lifecycle::Rejected`].
        Rejected = "REJECTED",
        /// See [`Lifecycle::Expired`].
        Expired = "EXPIRED",
    }
}

text_enum! {
    /// The status of an order's payments, all attempts together.
    PaymentStatus, "payment status" {
        /// Nothing was tried, or nothing is due yet (invoice, cash on delivery).
        None = "NONE",
        /// An attempt is planned, under way or pending at the provider.
        Pending = "PENDING",
        /// The customer must do something, such as confirm with the bank.
        ActionRequired = "ACTION_REQUIRED",
        /// Some of what is owed is authorized.
        PartiallyAuthorized = "PARTIALLY_AUTHORIZED",
        /// All that is owed is authorized.
        Authorized = "AUTHORIZED",
        /// Some of what is owed is captured.
        PartiallyPaid = "PARTIALLY_PAID",
        /// All that is owed is captured, or nothing is owed.
        Paid = "PAID",
        /// More is captured than is owed: a refund is under way.
        Overpaid = "OVERPAID",
        /// Some went back, and what is kept is what is owed.
        PartiallyRefunded = "PARTIALLY_REFUNDED",
        /// All went back.
        Refunded = "REFUNDED",
        /// The last attempt was voided.
        Voided = "VOIDED",
        /// The last attempt was declined.
        Failed = "FAILED",
        /// Somebody disputes a payment.
        Disputed = "DISPUTED",
        /// A call's outcome is not known yet.
        Unknown = "UNKNOWN",
    }
}

text_enum! {
    /// The progress of the goods.
    FulfilmentStatus, "fulfilment status" {
        /// Nothing needs shipping.
        NotRequired = "NOT_REQUIRED",
        /// Nothing is planned or shipped.
        Unfulfilled = "UNFULFILLED",
        /// A shipment is planned.
        InProgress = "IN_PROGRESS",
        /// Some units have shipped.
        PartiallyShipped = "PARTIALLY_SHIPPED",
        /// All units have shipped.
        Shipped = "SHIPPED",
        /// Some units have arrived.
        PartiallyDelivered = "PARTIALLY_DELIVERED",
        /// All units have arrived.
        Delivered = "DELIVERED",
    }
}

text_enum! {
    /// The progress of returns.
    ReturnStatus, "return status" {
        /// No return.
        None = "NONE",
        /// A return is asked for or approved.
        Requested = "REQUESTED",
        /// Some units came back.
        PartiallyReturned = "PARTIALLY_RETURNED",
        /// All units that were not cancelled came back.
        Returned = "RETURNED",
    }
}

/// The derived statuses, as stored beside the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses {
    /// The plan's status.
    pub status: Status,
    /// All attempts together.
    pub payment: PaymentStatus,
    /// The progress of the goods.
    pub fulfilment: FulfilmentStatus,
    /// The progress of returns.
    pub returned: ReturnStatus,
}

impl Default for Statuses {
    fn default() -> Self {
        Statuses {
            status: Status::Pending,
            payment: PaymentStatus::None,
            fulfilment: FulfilmentStatus::Unfulfilled,
            returned: ReturnStatus::None,
        }
    }
}

/// Derives every status from the order's own records.
pub fn derive(order: &Order) -> Statuses {
    let fulfilment = fulfilment(&order.shipment_totals());
    Statuses {
        status: status(order.lifecycle, fulfilment),
        payment: payment(order),
        fulfilment,
        returned: returned(order),
    }
}

fn status(lifecycle: Lifecycle, fulfilment: FulfilmentStatus) -> Status {
    match lifecycle {
        Lifecycle::Pending => Status::Pending,
        Lifecycle::Confirmed => match fulfilment {
            FulfilmentStatus::Unfulfilled | FulfilmentStatus::NotRequired => Status::Confirmed,
            FulfilmentStatus::InProgress => Status::Processing,
            FulfilmentStatus::PartiallyShipped => Status::PartiallyShipped,
            FulfilmentStatus::Shipped => Status::Shipped,
            FulfilmentStatus::PartiallyDelivered => Status::PartiallyDelivered,
            FulfilmentStatus::Delivered => Status::Delivered,
        },
        Lifecycle::Completed => Status::Completed,
        Lifecycle::Cancelling => Status::Cancelling,
        Lifecycle::Cancelled => Status::Cancelled,
        Lifecycle::PaymentFailed => Status::PaymentFailed,
        Lifecycle::Rejected => Status::Rejected,
        Lifecycle::Expired => Status::Expired,
    }
}

/// The payment status; the first that matches wins.
fn payment(order: &Order) -> PaymentStatus {
    let money = order.money();
    let live = |state| order.payments.iter().any(|p| p.state == state);
    if live(OperationState::Unknown) {
        return PaymentStatus::Unknown;
    }
    if order.disputes.iter().any(|d| d.state == DisputeState::Open) {
        return PaymentStatus::Disputed;
    }
    let net = money.captured - money.refunded;
    // Only what can still be captured counts.
    let authorized: crate::money::Minor = order
        .payments
        .iter()
        .filter(|p| order.is_kept(p, order.updated_at))
        .map(|p| order.authorized_rest(p.n))
        .sum();
    let attempts = || {
        order
            .payments
            .iter()
            .filter(|p| p.is_attempt() && p.state != OperationState::Dropped)
    };
    let attempt_in = |states: &[OperationState]| attempts().any(|p| states.contains(&p.state));
    if attempt_in(&[OperationState::ActionRequired]) && authorized + net < money.owed {
        return PaymentStatus::ActionRequired;
    }
    if money.captured > 0 {
        return if money.refunded > 0 && net <= 0 {
            PaymentStatus::Refunded
        } else if net > money.owed {
            PaymentStatus::Overpaid
        } else if net < money.owed {
            PaymentStatus::PartiallyPaid
        } else if money.refunded > 0 {
            PaymentStatus::PartiallyRefunded
        } else {
            PaymentStatus::Paid
        };
    }
    if authorized >= money.owed && money.owed > 0 {
        return PaymentStatus::Authorized;
    }
    if authorized > 0 {
        return PaymentStatus::PartiallyAuthorized;
    }
    if attempt_in(&[
        OperationState::Planned,
        OperationState::Armed,
        OperationState::Pending,
    ]) {
        return PaymentStatus::Pending;
    }
    // What came of trying to charge says nothing of an order that is not charged.
    let charged = matches!(order.terms, PaymentTerms::Confirm | PaymentTerms::Shipment);
    match attempts()
        .next_back()
        .filter(|_| charged)
        .map(|p| (p.kind, p.state))
    {
        Some((OperationKind::Authorize | OperationKind::Charge, OperationState::Voided)) => {
            PaymentStatus::Voided
        }
        Some((_, state)) if state.came_to_nothing() => PaymentStatus::Failed,
        _ if order.lifecycle.is_live() && money.owed == 0 => PaymentStatus::Paid,
        _ => PaymentStatus::None,
    }
}

fn fulfilment(t: &ShipmentTotals) -> FulfilmentStatus {
    if t.wanted == 0 {
        FulfilmentStatus::NotRequired
    } else if t.delivered == t.wanted {
        FulfilmentStatus::Delivered
    } else if t.delivered > 0 {
        FulfilmentStatus::PartiallyDelivered
    } else if t.shipped == t.wanted {
        FulfilmentStatus::Shipped
    } else if t.shipped > 0 {
        FulfilmentStatus::PartiallyShipped
    } else if t.planned > 0 {
        FulfilmentStatus::InProgress
    } else {
        FulfilmentStatus::Unfulfilled
    }
}

fn returned(order: &Order) -> ReturnStatus {
    let wanted: u32 = order
        .lines
        .iter()
        .map(|l| l.quantity.saturating_sub(l.counters.cancelled))
        .sum();
    let returned: u32 = order.lines.iter().map(|l| l.counters.returned).sum();
    if returned == 0 {
        let asked = order.returns.iter().any(|r| r.state.is_open());
        if asked {
            ReturnStatus::Requested
        } else {
            ReturnStatus::None
        }
    } else if returned < wanted {
        ReturnStatus::PartiallyReturned
    } else {
        ReturnStatus::Returned
    }
}
