//! The payment service.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::CallError;
use crate::ids::{Name, OrderId, Reference};
use crate::money::Money;
use crate::order::{CustomerAction, OperationState};
use crate::text::Private;

/// What a payment service can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentCapabilities {
    /// A request repeated under its key has no second effect.
    pub repeat: bool,
    /// An operation can be looked up by its key.
    pub look_up: bool,
    /// For how long a key is remembered; for ever if `None`. After that, look-ups only.
    pub key_lifetime: Option<Duration>,
}

impl PaymentCapabilities {
    /// A service that honours keys.
    pub const IDEAL: PaymentCapabilities = PaymentCapabilities { repeat: true, look_up: true, key_lifetime: None };
}

/// A request for money: an authorization or a charge.
#[derive(Clone, PartialEq, Eq)]
pub struct AttemptRequest {
    /// The same for every repeat of this request.
    pub key: Uuid,
    /// The order.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
    /// How the customer pays.
    pub method: Name,
    /// The client's opaque payment token.
    pub token: Private<String>,
    /// Where the provider sends the customer back to.
    pub return_url: Private<String>,
}

impl fmt::Debug for AttemptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptRequest")
            .field("key", &self.key)
            .field("order", &self.order)
            .field("amount", &self.amount)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// A request concerning an attempt: a capture, void or refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUpRequest {
    /// The same for every repeat of this request.
    pub key: Uuid,
    /// The order.
    pub order: OrderId,
    /// The key of the operation it acts on.
    pub parent_key: Uuid,
    /// The provider's reference of the operation it acts on.
    pub parent_reference: Option<Reference>,
    /// How much; for a void, what was attempted.
    pub amount: Money,
    /// Whether this very request may have reached the service before.
    pub repeat: bool,
}

/// A question about an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentLookup {
    /// The operation's key.
    pub key: Uuid,
    /// The order.
    pub order: OrderId,
    /// The provider's reference, if known.
    pub reference: Option<Reference>,
}

/// What a provider says of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentAnswer {
    /// `AUTHORIZED`, `CAPTURED`, `PENDING`, `ACTION_REQUIRED`, `DECLINED`, `VOIDED`, `REFUNDED` or `FAILED`.
    pub status: OperationState,
    /// The provider's name for the operation. Empty is malformed where money moved.
    pub reference: String,
    /// How much was authorized, captured or refunded.
    pub amount: Money,
    /// Why it was declined or failed.
    pub code: Option<String>,
    /// For how long from now the provider waits for the customer, or needs to decide.
    pub wait: Option<Duration>,
    /// What the customer must do.
    pub action: Private<CustomerAction>,
    /// For how long from now an authorization can be captured; zero once it no longer can. Without limit if `None`.
    pub capture_within: Option<Duration>,
}

/// The payment service: money in, and money back.
#[async_trait]
pub trait PaymentService: Send + Sync {
    /// What the service can do.
    fn capabilities(&self) -> PaymentCapabilities;
    /// Sets an amount aside.
    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError>;
    /// Authorizes and captures at once.
    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError>;
    /// Takes some of an authorization: any number of times, each under a key of its own, up to its amount. More than what
    /// is left of it is a definite refusal; after the time to capture it is over, it is declined.
    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError>;
    /// Gives up an authorization, or an attempt that is not settled. Of an authorization that was captured in part, it gives
    /// up the rest: the answer is `VOIDED` all the same, and what was captured stays so. Refused once all was captured.
    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError>;
    /// Sends some of a charge or of one capture back, any number of times up to its amount. More is a definite refusal.
    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError>;
    /// What became of an operation; `None` if the service knows none under that key now.
    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError>;
}
