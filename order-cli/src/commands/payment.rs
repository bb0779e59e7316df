//! `order retry-payment`, `record-payment` and `dispute`: money, and what a provider says of it.

use std::path::PathBuf;

use clap::Args;
use order_core::ids::Reference;
use order_core::manager::RetryPayment as Retry;
use order_core::order::{DisputeState, OperationState, Order};
use order_core::rules::{DisputeReport, PaymentReport};
use order_core::store::OrderRef;
use uuid::Uuid;

use super::operator::{Asked, Change, money};
use super::options::{ById, How, Once};
use crate::exit::Outcome;
use crate::input::read;
use crate::input::words::{Words, words};

/// Options of `retry-payment`.
#[derive(Debug, Args)]
pub struct RetryPayment {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The payment method from now on
    #[arg(long)]
    pub method: String,
    /// The part of what an order is short that is paid, in its currency; all of it if not said
    #[arg(long, value_name = "AMOUNT")]
    pub amount: Option<String>,
    /// A file with the client's opaque payment token
    #[arg(long, value_name = "FILE")]
    pub payment_token_file: Option<PathBuf>,
    /// The page that a payment provider sends the customer back to
    #[arg(long, value_name = "URL")]
    pub return_url: Option<String>,
    /// The key and the version.
    #[command(flatten)]
    pub once: Once,
}

impl Change for RetryPayment {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        How {
            reason: String::new(),
            once: self.once.clone(),
        }
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        let amount = self
            .amount
            .as_deref()
            .map(|amount| money(order, "--amount", amount))
            .transpose()?;
        Ok(Asked::RetryPayment(Retry {
            amount,
            method: self.method.clone(),
            token: read::token(self.payment_token_file.as_deref())?,
            return_url: self.return_url.clone(),
        }))
    }
}

/// Options of `record-payment`.
#[derive(Debug, Args)]
pub struct RecordPayment {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The key we gave the provider with the operation, if it says so
    #[arg(long, value_name = "UUID", value_parser = payment_key)]
    pub key: Option<Uuid>,
    /// The provider's name for the operation
    #[arg(long)]
    pub reference: Reference,
    /// The provider's name for the payment that a capture or refund acts on, if it was made outside
    /// the engine
    #[arg(long, value_name = "REFERENCE")]
    pub parent: Option<Reference>,
    /// The outcome
    #[arg(long, value_parser = reported_state())]
    pub status: OperationState,
    /// The amount, in the order's currency, such as 12.50
    #[arg(long, allow_negative_numbers = true)]
    pub amount: String,
}

impl Change for RecordPayment {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        How::default()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        Ok(Asked::Payment(PaymentReport {
            key: self.key,
            reference: self.reference.clone(),
            parent: self.parent.clone(),
            status: self.status,
            amount: money(order, "--amount", &self.amount)?,
        }))
    }
}

/// Options of `dispute`.
#[derive(Debug, Args)]
pub struct Dispute {
    /// The order.
    #[command(flatten)]
    pub order: ById,
    /// The provider's name for the dispute
    #[arg(long)]
    pub reference: Reference,
    /// The state of it
    #[arg(long, value_parser = words(DisputeState::ALL, DisputeState::as_str))]
    pub state: DisputeState,
    /// The disputed amount, in the order's currency, such as 12.50
    #[arg(long, allow_negative_numbers = true)]
    pub amount: String,
    /// The provider's name for the payment it is about, if it says so
    #[arg(long, value_name = "REFERENCE")]
    pub payment: Option<Reference>,
}

impl Change for Dispute {
    fn order(&self) -> OrderRef {
        self.order.order
    }
    fn how(&self) -> How {
        How::default()
    }
    fn ask(&self, order: &Order) -> Outcome<Asked> {
        Ok(Asked::Dispute(DisputeReport {
            reference: self.reference.clone(),
            payment: self.payment.clone(),
            state: self.state,
            amount: money(order, "--amount", &self.amount)?,
        }))
    }
}

/// Reads a payment's key.
pub fn payment_key(text: &str) -> Result<Uuid, String> {
    text.parse()
        .map_err(|_| "expected a UUID, as `order shop payments` shows it".to_owned())
}

/// The states of an operation that a provider can report.
const REPORTED: [OperationState; 8] = [
    OperationState::Authorized,
    OperationState::Captured,
    OperationState::Declined,
    OperationState::Voided,
    OperationState::Refunded,
    OperationState::Failed,
    OperationState::Pending,
    OperationState::ActionRequired,
];

/// Makes the reader of what a provider can report of an operation.
pub const fn reported_state() -> Words<OperationState> {
    words(&REPORTED, OperationState::as_str)
}
