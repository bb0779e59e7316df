//! The payment service.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{CallDeadline, CallError};
use crate::ids::{Name, OrderId, Reference, UserId};
use crate::money::Money;
use crate::number::OrderNumber;
use crate::order::{Address, CustomerAction, OperationState};
use crate::text::Private;

/// The abilities of a payment service. The engine believes it: whoever claims less than the service
/// can is slower at the worst, whoever claims more charges customers twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentCapabilities {
    /// A request repeated under its key has no second effect (clause 3).
    pub repeat: bool,
    /// An operation can be looked up by its key (clause 5).
    pub look_up: bool,
    /// For how long a key is remembered; for ever if `None`. After that, look-ups only (clause 4).
    pub key_lifetime: Option<Duration>,
}

impl PaymentCapabilities {
    /// A service that honours keys for ever and finds operations by them.
    pub const IDEAL: PaymentCapabilities = PaymentCapabilities {
        repeat: true,
        look_up: true,
        key_lifetime: None,
    };
    /// Keys are honoured for 24 hours, and nothing can be looked up by them: what most card
    /// processors promise.
    pub const KEYS_FOR_A_DAY: PaymentCapabilities = PaymentCapabilities {
        repeat: true,
        look_up: false,
        key_lifetime: Some(Duration::from_secs(24 * 60 * 60)),
    };
    /// Nothing is honoured when repeated, and everything can be looked up by its key, such as by a
    /// merchant's own reference.
    pub const LOOK_UP_ONLY: PaymentCapabilities = PaymentCapabilities {
        repeat: false,
        look_up: true,
        key_lifetime: None,
    };
    /// Neither: every answer that is lost is a person's work.
    pub const NONE: PaymentCapabilities = PaymentCapabilities {
        repeat: false,
        look_up: false,
        key_lifetime: None,
    };

    /// The same, honouring repeated requests or not.
    pub const fn with_repeat(self, repeat: bool) -> Self {
        PaymentCapabilities { repeat, ..self }
    }

    /// The same, finding operations by their keys or not.
    pub const fn with_look_up(self, look_up: bool) -> Self {
        PaymentCapabilities { look_up, ..self }
    }

    /// The same, remembering keys for so long; for ever if `None`.
    pub const fn with_key_lifetime(self, key_lifetime: Option<Duration>) -> Self {
        PaymentCapabilities {
            key_lifetime,
            ..self
        }
    }
}

/// A request for money: an authorization or a charge.
#[derive(Clone, PartialEq, Eq)]
pub struct AttemptRequest {
    /// The same for every repeat of this request.
    pub key: Uuid,
    /// The order. A provider that gives it back in its reports saves its adapter from looking for
    /// it.
    pub order: OrderId,
    /// The order's number, such as for the statement.
    pub number: OrderNumber,
    /// The customer.
    pub user: UserId,
    /// The amount.
    pub amount: Money,
    /// The method by which the customer pays.
    pub method: Name,
    /// The client's opaque payment token.
    pub token: Private<String>,
    /// The address that the provider sends the customer back to.
    pub return_url: Private<String>,
    /// The address that the goods go to; absent once the order was redacted.
    pub shipping: Private<Address>,
    /// The address that is billed; absent once the order was redacted.
    pub billing: Private<Address>,
    /// From when on it must not take effect any more.
    pub deadline: CallDeadline,
}

impl AttemptRequest {
    /// A request without token, return URL, addresses and deadline.
    pub fn new(
        key: Uuid,
        order: OrderId,
        number: OrderNumber,
        user: UserId,
        amount: Money,
        method: Name,
    ) -> Self {
        let (token, return_url, shipping, billing) =
            (Private(None), Private(None), Private(None), Private(None));
        let deadline = CallDeadline::NEVER;
        AttemptRequest {
            key,
            order,
            number,
            user,
            amount,
            method,
            token,
            return_url,
            shipping,
            billing,
            deadline,
        }
    }
}

impl fmt::Debug for AttemptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptRequest")
            .field("key", &self.key)
            .field("order", &self.order)
            .field("number", &self.number)
            .field("amount", &self.amount)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// A request concerning an earlier operation: a capture, void or refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUpRequest {
    /// The same for every repeat of this request.
    pub key: Uuid,
    /// The order.
    pub order: OrderId,
    /// The order's number.
    pub number: OrderNumber,
    /// The key of the operation it acts on.
    pub parent_key: Uuid,
    /// The provider's reference of the operation it acts on; absent if that was never answered,
    /// such as when an attempt whose outcome is not known is voided.
    pub parent_reference: Option<Reference>,
    /// The amount; for a void, what was attempted.
    pub amount: Money,
    /// True if this very request may have reached the service before.
    pub repeat: bool,
    /// From when on it must not take effect any more.
    pub deadline: CallDeadline,
}

impl FollowUpRequest {
    /// A request that was never sent, about an operation whose reference is not known, without a
    /// deadline.
    pub fn new(
        key: Uuid,
        order: OrderId,
        number: OrderNumber,
        parent_key: Uuid,
        amount: Money,
    ) -> Self {
        let (repeat, deadline) = (false, CallDeadline::NEVER);
        FollowUpRequest {
            key,
            order,
            number,
            parent_key,
            parent_reference: None,
            amount,
            repeat,
            deadline,
        }
    }
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

/// A provider's answer about an operation. Made by the constructor named after its status, and
/// completed by the setters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentAnswer {
    /// `AUTHORIZED`, `CAPTURED`, `PENDING`, `ACTION_REQUIRED`, `DECLINED`, `VOIDED`, `REFUNDED` or
    /// `FAILED`.
    pub status: OperationState,
    /// The provider's name for the operation. Empty is malformed where money moved.
    pub reference: String,
    /// The amount that was authorized, captured or refunded; ignored with every other status.
    pub amount: Money,
    /// The code of why it was declined or failed; ignored with every other status.
    pub code: Option<String>,
    /// For how long from now the provider waits for the customer, or needs to decide; ignored
    /// unless it is `PENDING` or `ACTION_REQUIRED`.
    pub wait: Option<Duration>,
    /// The step that the customer must take; ignored unless it is `ACTION_REQUIRED`.
    pub action: Private<CustomerAction>,
    /// For how long from now an authorization can be captured; zero once it no longer can. Without
    /// limit if `None`. Ignored unless it is `AUTHORIZED`.
    pub capture_within: Option<Duration>,
}

impl PaymentAnswer {
    /// An answer with that status, for adapters that translate statuses by a table.
    pub fn new(status: OperationState, reference: impl Into<String>, amount: Money) -> Self {
        let (reference, action) = (reference.into(), Private(None));
        PaymentAnswer {
            status,
            reference,
            amount,
            code: None,
            wait: None,
            action,
            capture_within: None,
        }
    }

    /// One that moved no money.
    fn unmoved(status: OperationState, reference: impl Into<String>) -> Self {
        PaymentAnswer::new(
            status,
            reference,
            Money::new(0, crate::money::Currency::USD),
        )
    }

    /// An amount was set aside.
    pub fn authorized(reference: impl Into<String>, amount: Money) -> Self {
        PaymentAnswer::new(OperationState::Authorized, reference, amount)
    }

    /// An amount was taken.
    pub fn captured(reference: impl Into<String>, amount: Money) -> Self {
        PaymentAnswer::new(OperationState::Captured, reference, amount)
    }

    /// An amount went back.
    pub fn refunded(reference: impl Into<String>, amount: Money) -> Self {
        PaymentAnswer::new(OperationState::Refunded, reference, amount)
    }

    /// An attempt, or the rest of an authorization, was given up.
    pub fn voided(reference: impl Into<String>) -> Self {
        PaymentAnswer::unmoved(OperationState::Voided, reference)
    }

    /// The bank or the provider said no, for the reason `code`.
    pub fn declined(code: impl Into<String>) -> Self {
        PaymentAnswer {
            code: Some(code.into()),
            ..PaymentAnswer::unmoved(OperationState::Declined, "")
        }
    }

    /// The provider will say later.
    pub fn pending(reference: impl Into<String>) -> Self {
        PaymentAnswer::unmoved(OperationState::Pending, reference)
    }

    /// The customer must go to `url` first.
    pub fn action_required(reference: impl Into<String>, url: impl Into<String>) -> Self {
        let action = Private(Some(CustomerAction {
            url: url.into(),
            data: None,
        }));
        PaymentAnswer {
            action,
            ..PaymentAnswer::unmoved(OperationState::ActionRequired, reference)
        }
    }

    /// The same, with another status.
    pub fn status(self, status: OperationState) -> Self {
        PaymentAnswer { status, ..self }
    }

    /// The same, under the provider's name for it.
    pub fn reference(self, reference: impl Into<String>) -> Self {
        PaymentAnswer {
            reference: reference.into(),
            ..self
        }
    }

    /// The same, with an amount.
    pub fn amount(self, amount: Money) -> Self {
        PaymentAnswer { amount, ..self }
    }

    /// The same, with the provider's reason.
    pub fn code(self, code: impl Into<String>) -> Self {
        PaymentAnswer {
            code: Some(code.into()),
            ..self
        }
    }

    /// The same, to be waited for that long from now.
    pub fn wait(self, wait: Duration) -> Self {
        PaymentAnswer {
            wait: Some(wait),
            ..self
        }
    }

    /// The same, with more for the client's program, opaque to the engine; only beside an URL to go
    /// to.
    pub fn action_data(mut self, data: impl Into<String>) -> Self {
        if let Some(action) = &mut self.action.0 {
            action.data = Some(data.into());
        }
        self
    }

    /// The same, to be captured within that long from now.
    pub fn capture_within(self, capture_within: Duration) -> Self {
        PaymentAnswer {
            capture_within: Some(capture_within),
            ..self
        }
    }
}

/// The payment service: money in, and money back.
///
/// # Contract
///
/// Every clause has tests of its number in `order_core::testkit`, which any adapter can run against
/// a mock or a sandbox.
///
/// **Answers**
///
/// 1. *Did it happen?* Every `Err` answers that one question, by the table at [`CallError`]. A lost
///    answer, a time-out after sending, an answer that another request under this key is under way,
///    and every failure inside the service are [`CallError::Unknown`]. Where no connection came
///    about it is [`CallError::NotDone`], or `Unknown`, never a refusal.
/// 2. *A decline* is `Ok` with [`DECLINED`](OperationState::Declined), the provider's code and, if
///    it gave one, its reference: nothing moved. [`CallError::Refused`] ends an attempt as well,
///    but tells nobody the reference under which the provider's books have it; it is for requests
///    that the service will not take.
///
/// **Keys**
///
/// 3. *Repeating*, where [`repeat`](PaymentCapabilities::repeat) is claimed: a request that comes
///    again under its key, later or at the same time, has one effect, and the answer says what that
///    has become under the same reference. The key with other content is refused, without effect;
///    under another key it is another request. All five methods honour keys. Where it is not
///    claimed no request is ever sent again, unless the first one is proven not to have happened.
/// 4. *Key lifetime*: a key is honoured at least for
///    [`key_lifetime`](PaymentCapabilities::key_lifetime) from its first use, for ever if that is
///    `None`. Older ones are not used again. Claim less than the provider promises, never more.
/// 5. *Looking up*, where [`look_up`](PaymentCapabilities::look_up) is claimed: an operation of any
///    kind is found by its key, as it is now and under the reference it was answered with, **from
///    the moment it took effect**, whether or not that was answered. `Ok(None)` is taken as proof
///    that nothing happened once every earlier call is over for good
///    ([`call_deadline`](crate::policy::Policy::call_deadline) and
///    [`settle_margin`](crate::policy::Policy::settle_margin), 10 seconds by default): the money is
///    then asked for again under another key. So a search index that lags will not do, and a failed
///    look-up is an `Err`. Looking changes nothing. Where it is not claimed it is never called:
///    answer [`CallError::not_done`].
/// 6. *Being dropped*: at the call deadline the future is dropped, at whatever point it waits, and
///    counts as `Unknown`. Repeating the request under its key then has one effect all the same. An
///    adapter that needs two requests for one call passes a key on with each of them. *Being late*:
///    what was not sent by the request's `deadline` is not sent any more, and is
///    [`CallError::NotDone`]: the process may have stood still since it was called.
///
/// **What moved**
///
/// 7. *References* name an operation for ever, are at most 255 characters of one line, and are
///    never empty where money moved. No two attempts share one.
/// 8. *Amounts* are minor units of their currency (ISO 4217: 500 is JPY 500, USD 5.00, KWD 0.500),
///    exactly as asked, to the provider and back.
///
/// **Operations**
///
/// 9. *Attempts*: [`authorize`](PaymentService::authorize) answers `AUTHORIZED` and sets the amount
///    aside, [`charge`](PaymentService::charge) answers `CAPTURED` and takes it; never the one for
///    the other. Both may answer `PENDING`, `ACTION_REQUIRED` with an URL, `DECLINED` or `FAILED`
///    instead.
/// 10. *Captures* take any number of parts of an authorization, each under a key of its own, up to
///     its amount. More than is left, and whatever is not authorized, is refused and moves nothing.
///     Once the time to capture is over ([`PaymentAnswer::capture_within`]) it is `DECLINED`.
/// 11. *Voids* give up an authorization, or an attempt that is not settled: `VOIDED`. Of an
///     authorization that was captured in part they give up the rest, and what was captured stays.
///     Once all was captured they are refused.
/// 12. *Refunds* send back any number of parts of a charge or of one capture, up to its amount.
///     More is refused and moves nothing.
///
/// # Examples
///
/// ```
/// use order_core::services::{
///     AttemptRequest, FollowUpRequest, PaymentAnswer, PaymentCapabilities, PaymentLookup,
///     PaymentService,
/// };
/// use order_core::{CallError, Money, uuid::Uuid};
///
/// /// A provider's HTTP client, which answers a status and a reference or a code.
/// trait Http: Send + Sync {
///     fn post(&self, path: &str, key: Uuid, amount: Money) -> (u16, String);
/// }
///
/// /// A provider that remembers a request's key for a day, and finds nothing by it.
/// struct Provider<H>(H);
///
/// impl<H: Http> Provider<H> {
///     fn attempt(&self, path: &str, asked: &AttemptRequest) -> Result<String, CallError> {
///         asked.deadline.check()?;
///         Self::read(self.0.post(path, asked.key, asked.amount))
///     }
///     fn follow_up(&self, path: &str, asked: &FollowUpRequest) -> Result<String, CallError> {
///         asked.deadline.check()?;
///         Self::read(self.0.post(path, asked.key, asked.amount))
///     }
///     fn read((status, text): (u16, String)) -> Result<String, CallError> {
///         if status == 201 { Ok(text) } else { Err(CallError::of_http(status, text)) }
///     }
/// }
///
/// #[order_core::async_trait]
/// impl<H: Http> PaymentService for Provider<H> {
///     fn capabilities(&self) -> PaymentCapabilities {
///         PaymentCapabilities::KEYS_FOR_A_DAY
///     }
///     async fn authorize(&self, asked: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
///         let reference = self.attempt("authorizations", asked)?;
///         Ok(PaymentAnswer::authorized(reference, asked.amount))
///     }
///     async fn charge(&self, asked: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
///         Ok(PaymentAnswer::captured(self.attempt("charges", asked)?, asked.amount))
///     }
///     async fn capture(&self, asked: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
///         Ok(PaymentAnswer::captured(self.follow_up("captures", asked)?, asked.amount))
///     }
///     async fn void(&self, asked: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
///         Ok(PaymentAnswer::voided(self.follow_up("voids", asked)?))
///     }
///     async fn refund(&self, asked: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
///         Ok(PaymentAnswer::refunded(self.follow_up("refunds", asked)?, asked.amount))
///     }
///     async fn look_up(&self, _: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
///         // Never called, as the capabilities say.
///         Err(CallError::not_done("the provider finds nothing by our keys"))
///     }
/// }
/// ```
#[async_trait]
pub trait PaymentService: Send + Sync {
    /// Returns what the service can do. The same every time.
    fn capabilities(&self) -> PaymentCapabilities;
    /// Sets an amount aside.
    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError>;
    /// Authorizes and captures at once.
    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError>;
    /// Takes some of an authorization.
    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError>;
    /// Gives up an authorization, or an attempt that is not settled.
    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError>;
    /// Sends some of a charge or of one capture back.
    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError>;
    /// Tells what became of an operation; `None` if the service has none under that key.
    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    #[test]
    fn answers_say_what_they_are_made_for_and_nothing_else() {
        let (money, day) = (
            Money::new(500, Currency::USD),
            Duration::from_secs(24 * 60 * 60),
        );
        let authorized = PaymentAnswer::authorized("pay-1", money).capture_within(day);
        assert_eq!(
            (authorized.status, authorized.reference.as_str()),
            (OperationState::Authorized, "pay-1")
        );
        assert_eq!(
            (
                authorized.amount,
                authorized.capture_within,
                authorized.wait
            ),
            (money, Some(day), None)
        );
        assert_eq!(PaymentAnswer::captured("pay-1", money).amount, money);
        assert_eq!(
            PaymentAnswer::refunded("pay-1", money).status,
            OperationState::Refunded
        );
        let declined = PaymentAnswer::declined("NO_FUNDS").reference("pay-2");
        assert_eq!(
            (declined.code.as_deref(), declined.reference.as_str()),
            (Some("NO_FUNDS"), "pay-2")
        );
        assert_eq!(
            (declined.status, declined.amount.minor),
            (OperationState::Declined, 0)
        );
        assert_eq!(PaymentAnswer::pending("pay-3").wait(day).wait, Some(day));
        assert_eq!(
            PaymentAnswer::voided("pay-4").status,
            OperationState::Voided
        );
        let action =
            PaymentAnswer::action_required("pay-5", "https://pay.example/5").action_data("qr");
        let wanted = CustomerAction {
            url: "https://pay.example/5".into(),
            data: Some("qr".into()),
        };
        assert_eq!(
            (action.status, action.action),
            (OperationState::ActionRequired, Private(Some(wanted)))
        );
        assert_eq!(
            PaymentAnswer::pending("pay-3").action_data("qr").action,
            Private(None)
        );
    }

    #[test]
    fn presets_are_what_they_are_called() {
        let day = PaymentCapabilities::KEYS_FOR_A_DAY;
        assert_eq!(
            (day.repeat, day.look_up, day.key_lifetime),
            (true, false, Some(Duration::from_secs(86_400)))
        );
        assert_eq!(
            PaymentCapabilities::IDEAL.with_repeat(false),
            PaymentCapabilities::LOOK_UP_ONLY
        );
        assert_eq!(
            PaymentCapabilities::LOOK_UP_ONLY.with_look_up(false),
            PaymentCapabilities::NONE
        );
        assert_eq!(
            day.with_key_lifetime(None).with_look_up(true),
            PaymentCapabilities::IDEAL
        );
    }
}
