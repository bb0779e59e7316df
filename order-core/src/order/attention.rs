//! Attention: why a person must look at an order, and in words what each reason means and what ends
//! it.

use serde::{Deserialize, Serialize};

use super::Op;
use super::text_enum::text_enum;
use crate::money::Minor;
use crate::time::Timestamp;

text_enum! {
    /// The reason why a person must look at an order.
    AttentionReason, "attention" {
        /// A call failed more often than the budget allows; it is still tried.
        RetriesExhausted = "RETRIES_EXHAUSTED",
        /// A reservation that cannot be proven may exist.
        SuspectReservation = "SUSPECT_RESERVATION",
        /// A reservation was lost and could not be replaced.
        StockLost = "STOCK_LOST",
        /// A reservation could not be given back.
        ReleaseRefused = "RELEASE_REFUSED",
        /// Money moved on an order that was dead.
        MoneyOnDeadOrder = "MONEY_ON_DEAD_ORDER",
        /// A provider reported another amount than was asked, or more than once was paid.
        AmountMismatch = "AMOUNT_MISMATCH",
        /// A provider reported what contradicts the records, or fits none of them.
        UnexpectedReport = "UNEXPECTED_REPORT",
        /// A refund was refused.
        RefundFailed = "REFUND_FAILED",
        /// A void was refused.
        VoidFailed = "VOID_FAILED",
        /// An outcome cannot be found out.
        Undecidable = "UNDECIDABLE",
        /// A service's answer made no sense.
        Malformed = "MALFORMED",
        /// Working on the order panicked again and again.
        Parked = "PARKED",
        /// A capture was refused.
        CaptureFailed = "CAPTURE_FAILED",
        /// An authorization is about to lapse.
        CaptureSoon = "CAPTURE_SOON",
        /// An authorization has lapsed, or was given up by the provider, and is still needed.
        AuthorizationLost = "AUTHORIZATION_LOST",
        /// Less is paid, or can still be captured, than is owed: nothing leaves until the rest is
        /// paid or written off, or the order is cancelled.
        PaymentShort = "PAYMENT_SHORT",
        /// Money that came in outside the engine must be sent back by hand.
        RefundByHand = "REFUND_BY_HAND",
        /// Money was sent back outside the engine that was not to go back.
        OutsideRefund = "OUTSIDE_REFUND",
        /// A bank took money back.
        Chargeback = "CHARGEBACK",
        /// A bank questions a payment.
        Dispute = "DISPUTE",
        /// A reservation is larger than what is wanted of it, and cannot be made smaller.
        ReservationTooLarge = "RESERVATION_TOO_LARGE",
        /// A service contradicts what its client claims it can do, such as a look-up that no longer
        /// finds what was answered.
        CapabilityBroken = "CAPABILITY_BROKEN",
        /// A shipment turned out otherwise than its units could follow: they were cancelled or sent
        /// again meanwhile, are in a return, or the order is completed.
        UnexpectedDelivery = "UNEXPECTED_DELIVERY",
    }
}

/// A reason for a person to look, and the operation it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// The reason.
    pub reason: AttentionReason,
    /// The operation it is about, if it is about one.
    pub about: Option<Op>,
    /// The amount it is about, in minor units, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Minor>,
    /// The time since it is open.
    pub since: Timestamp,
    /// True once a person has seen it: then it is no longer listed, until something new is to be
    /// seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub acknowledged: bool,
}

impl AttentionReason {
    /// Returns what a person is told, without a full stop.
    pub const fn meaning(self) -> &'static str {
        match self {
            AttentionReason::RetriesExhausted => "a call keeps failing; it is still tried",
            AttentionReason::SuspectReservation => "a reservation may exist that cannot be proven",
            AttentionReason::StockLost => "stock was lost and cannot be replaced",
            AttentionReason::ReleaseRefused => "stock could not be given back or committed",
            AttentionReason::MoneyOnDeadOrder => "money moved on an order that was over",
            AttentionReason::AmountMismatch => "a provider reported another amount than was asked",
            AttentionReason::UnexpectedReport => {
                "a provider reported what contradicts the records, or fits none of them"
            }
            AttentionReason::RefundFailed => "a refund was refused",
            AttentionReason::VoidFailed => "an authorization could not be given up",
            AttentionReason::Undecidable => "an outcome cannot be found out",
            AttentionReason::Malformed => "a service's answer made no sense",
            AttentionReason::Parked => "workers died on it again and again",
            AttentionReason::CaptureFailed => "a capture was refused",
            AttentionReason::CaptureSoon => "an authorization is about to lapse",
            AttentionReason::AuthorizationLost => "an authorization that is needed is gone",
            AttentionReason::PaymentShort => {
                "less is paid, or can still be captured, than is owed: nothing leaves"
            }
            AttentionReason::RefundByHand => {
                "money that was paid outside the engine must be sent back by hand"
            }
            AttentionReason::OutsideRefund => "money was sent back outside the engine",
            AttentionReason::Chargeback => "a bank took money back",
            AttentionReason::Dispute => "a bank questions a payment",
            AttentionReason::CapabilityBroken => "a service contradicts what its client claims",
            AttentionReason::UnexpectedDelivery => {
                "a shipment turned out otherwise, and its units were cancelled, sent again or \
                    returned meanwhile, or the order is completed"
            }
            AttentionReason::ReservationTooLarge => {
                "a reservation is too large and cannot be made smaller"
            }
        }
    }

    /// Returns what ends it: which command, or that it ends by itself.
    pub const fn remedy(self) -> &'static str {
        match self {
            AttentionReason::RetriesExhausted => {
                "ends when the call succeeds; `work --retry-stuck` tries at once, `resolve` tells \
                    what is so"
            }
            AttentionReason::SuspectReservation => {
                "look into the inventory, then `resolve --reservation`"
            }
            AttentionReason::StockLost => "restock, or `cancel`; then `attention --ack`",
            AttentionReason::ReleaseRefused => {
                "correct the inventory and `work --retry-stuck`, or `resolve --closing`"
            }
            AttentionReason::MoneyOnDeadOrder => {
                "it goes back by itself; `attention --ack` once seen"
            }
            AttentionReason::AmountMismatch => {
                "the provider is asked by itself; `resolve --payment` where it cannot be, then \
                    `attention --ack`"
            }
            AttentionReason::UnexpectedReport => {
                "the provider is asked by itself; `resolve --payment`, `--moved` or `--unmatched` \
                    says what is so, `attention --ack` that it is seen"
            }
            AttentionReason::RefundFailed => {
                "`work --retry-stuck`, or refund at the provider and `record-payment --status \
                    refunded`"
            }
            AttentionReason::VoidFailed => {
                "`work --retry-stuck`, or void at the provider and `resolve --payment`"
            }
            AttentionReason::Undecidable => "find out at the service, then `resolve`",
            AttentionReason::Malformed => "mend the service's adapter; `resolve` says what is so",
            AttentionReason::Parked => "mend the cause, then `work --retry-stuck`",
            AttentionReason::CaptureFailed => {
                "`work --retry-stuck` asks again; `retry-payment` asks for the money in another \
                    way; `write-off` gives it up"
            }
            AttentionReason::CaptureSoon => {
                "ship or `cancel` in time; ends when it is captured or given up"
            }
            AttentionReason::AuthorizationLost => "`retry-payment` for a new one, or `cancel`",
            AttentionReason::PaymentShort => {
                "`retry-payment` for the rest, `write-off`, or `cancel`"
            }
            AttentionReason::RefundByHand => {
                "send it back, then `record-payment --status refunded`"
            }
            AttentionReason::OutsideRefund => {
                "ends with the shortfall: `retry-payment`, `write-off` or `cancel`; or `attention \
                    --ack`"
            }
            AttentionReason::Chargeback => {
                "answer the bank, or `attention --ack`; what is short is told beside it"
            }
            AttentionReason::Dispute => "ends when `dispute` says how the bank decided",
            AttentionReason::CapabilityBroken => {
                "mend the service's client: test it against its contract; then `attention --ack`"
            }
            AttentionReason::UnexpectedDelivery => {
                "`credit` what is missing, or settle by hand what is too much; then `attention \
                    --ack`"
            }
            AttentionReason::ReservationTooLarge => {
                "ends when stock is committed or released; `attention --ack` once seen"
            }
        }
    }
}
