//! Reasons for attention, in words: each says what it is, and what ends it.

use super::AttentionReason;

impl AttentionReason {
    /// Returns what a person is told, without a full stop.
    pub const fn meaning(self) -> &'static str {
        match self {
            AttentionReason::RetriesExhausted => "a call keeps failing; it is still tried",
            AttentionReason::SuspectHold => "a hold may exist that cannot be proven",
            AttentionReason::StockLost => "stock was lost and cannot be replaced",
            AttentionReason::ReleaseRefused => "stock could not be given back or committed",
            AttentionReason::MoneyOnDeadOrder => "money moved on an order that was over",
            AttentionReason::AmountMismatch => "a provider reported another amount than was asked",
            AttentionReason::UnexpectedReport => "a provider reported what contradicts the records, or fits none of them",
            AttentionReason::RefundFailed => "a refund was refused",
            AttentionReason::VoidFailed => "an authorization could not be given up",
            AttentionReason::Undecidable => "an outcome cannot be found out",
            AttentionReason::Malformed => "a service's answer made no sense",
            AttentionReason::Poison => "workers died on it again and again",
            AttentionReason::CaptureFailed => "a capture was refused",
            AttentionReason::CaptureSoon => "an authorization is about to lapse",
            AttentionReason::AuthorizationLost => "an authorization that is needed is gone",
            AttentionReason::PaymentShort => "less is paid, or can still be captured, than is owed: nothing leaves",
            AttentionReason::RefundByHand => "money that was paid outside the engine must be sent back by hand",
            AttentionReason::OutsideRefund => "money was sent back outside the engine",
            AttentionReason::Chargeback => "a bank took money back",
            AttentionReason::Dispute => "a bank questions a payment",
            AttentionReason::CapabilityBroken => "a service contradicts what its client redemptions",
            AttentionReason::UnexpectedDelivery => {
                "a shipment turned out otherwise, and its units were cancelled, sent again or returned meanwhile, or the order is completed"
            }
            AttentionReason::HoldTooLarge => "a hold is too large and cannot be made smaller",
        }
    }

    /// Returns what ends it: which command, or that it ends by itself.
    pub const fn remedy(self) -> &'static str {
        match self {
            AttentionReason::RetriesExhausted => {
                "ends when the call succeeds; `work --retry-stuck` tries at once, `resolve` tells what is so"
            }
            AttentionReason::SuspectHold => "look into the inventory, then `resolve --reservation`",
            AttentionReason::StockLost => "restock, or `cancel`; then `attention --ack`",
            AttentionReason::ReleaseRefused => "correct the inventory and `work --retry-stuck`, or `resolve --closing`",
            AttentionReason::MoneyOnDeadOrder => "it goes back by itself; `attention --ack` once seen",
            AttentionReason::AmountMismatch => {
                "the provider is asked by itself; `resolve --payment` where it cannot be, then `attention --ack`"
            }
            AttentionReason::UnexpectedReport => {
                "the provider is asked by itself; `resolve --payment`, `--moved` or `--unmatched` says what is so, `attention --ack` that it is seen"
            }
            AttentionReason::RefundFailed => {
                "`work --retry-stuck`, or refund at the provider and `record-payment --status refunded`"
            }
            AttentionReason::VoidFailed => "`work --retry-stuck`, or void at the provider and `resolve --payment`",
            AttentionReason::Undecidable => "find out at the service, then `resolve`",
            AttentionReason::Malformed => "mend the service's adapter; `resolve` says what is so",
            AttentionReason::Poison => "mend the cause, then `work --retry-stuck`",
            AttentionReason::CaptureFailed => {
                "`work --retry-stuck` asks again; `retry-payment` asks for the money in another way; `write-off` gives it up"
            }
            AttentionReason::CaptureSoon => "ship or `cancel` in time; ends when it is captured or given up",
            AttentionReason::AuthorizationLost => "`retry-payment` for a new one, or `cancel`",
            AttentionReason::PaymentShort => "`retry-payment` for the rest, `write-off`, or `cancel`",
            AttentionReason::RefundByHand => "send it back, then `record-payment --status refunded`",
            AttentionReason::OutsideRefund => {
                "ends with the shortfall: `retry-payment`, `write-off` or `cancel`; or `attention --ack`"
            }
            AttentionReason::Chargeback => "answer the bank, or `attention --ack`; what is short is told beside it",
            AttentionReason::Dispute => "ends when `dispute` says how the bank decided",
            AttentionReason::CapabilityBroken => {
                "mend the service's client: test it against its contract; then `attention --ack`"
            }
            AttentionReason::UnexpectedDelivery => {
                "`credit` what is missing, or settle by hand what is too much; then `attention --ack`"
            }
            AttentionReason::HoldTooLarge => "ends when stock is committed or released; `attention --ack` once seen",
        }
    }
}
