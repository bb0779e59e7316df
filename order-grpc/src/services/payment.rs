//! The client of a payment service: `proto/payment.proto`.

use std::time::Duration;

use async_trait::async_trait;
use order_core::money::{Currency, Money};
use order_core::order::{CustomerAction, OperationState};
use order_core::runtime::{Clock as _, SystemClock};
use order_core::services::{
    AttemptRequest, CallDeadline, CallError, FollowUpRequest, PaymentAnswer, PaymentCapabilities,
    PaymentLookup, PaymentService,
};
use order_core::text::Private;

use super::channel::ServiceChannel;
use super::described::{Checked, Description, unless_unimplemented};
use super::fields::{from_wire, non_empty, or_empty, payment_address, time_from_wire, to_wire};
use super::outcome::plain;
use crate::proto::payment as wire;
use crate::proto::payment::payment_service_client::PaymentServiceClient as Client;

/// The payment service at the other end of a channel.
///
/// What the service can do is configured. Before the first request it is asked by `Describe`, once,
/// and not used if it promises less: the engine would repeat what is carried out again, and take
/// for proof what is none. One that does not know `Describe` is believed.
#[derive(Debug)]
pub struct PaymentClient {
    channel: ServiceChannel,
    capabilities: PaymentCapabilities,
    checked: Checked,
}

impl PaymentClient {
    /// The service that `channel` leads to, which can do what `capabilities` say.
    pub fn new(channel: ServiceChannel, capabilities: PaymentCapabilities) -> Self {
        PaymentClient {
            channel,
            capabilities,
            checked: Checked::default(),
        }
    }

    /// Asks the service what it is and what it can do; `None` if it does not say.
    ///
    /// # Errors
    ///
    /// [`CallError`] if it cannot be asked.
    pub async fn describe(&self) -> Result<Option<Description<PaymentCapabilities>>, CallError> {
        self.describe_by(&CallDeadline::NEVER).await
    }

    /// The names of what this client counts on and `promised` does not have: such a service is not
    /// used.
    pub fn missing(&self, promised: &PaymentCapabilities) -> Vec<&'static str> {
        missing(&self.capabilities, promised)
    }

    async fn describe_by(
        &self,
        deadline: &CallDeadline,
    ) -> Result<Option<Description<PaymentCapabilities>>, CallError> {
        let asked = self.channel.call(deadline, |wire| async {
            Client::new(wire).describe(wire::DescribeRequest {}).await
        });
        let Some(wire::DescribeResponse { name, capabilities }) =
            unless_unimplemented(asked.await)?
        else {
            return Ok(None);
        };
        let Some(wire::Capabilities {
            repeat,
            look_up,
            key_lifetime,
        }) = capabilities
        else {
            return Err(CallError::malformed("a description without capabilities"));
        };
        let capabilities = PaymentCapabilities::NONE
            .with_repeat(repeat)
            .with_look_up(look_up);
        Ok(Some(Description {
            name,
            capabilities: capabilities.with_key_lifetime(key_lifetime.map(from_wire)),
        }))
    }

    /// Finds out whether the service can be used; asked once.
    async fn ready(&self, deadline: &CallDeadline) -> Result<(), CallError> {
        self.checked
            .before_use(
                &self.channel,
                || self.describe_by(deadline),
                |promised| missing(&self.capabilities, promised),
            )
            .await
    }
}

/// Lists what is counted on and not promised.
fn missing(wanted: &PaymentCapabilities, promised: &PaymentCapabilities) -> Vec<&'static str> {
    let mut missing = Vec::new();
    if wanted.repeat && !promised.repeat {
        missing.push("repeat");
    }
    if wanted.look_up && !promised.look_up {
        missing.push("look_up");
    }
    if wanted.repeat && promised.repeat && is_shorter(promised.key_lifetime, wanted.key_lifetime) {
        missing.push("key_lifetime");
    }
    missing
}

/// Tells whether keys live shorter than wanted; `None` is for ever.
pub(super) fn is_shorter(promised: Option<Duration>, wanted: Option<Duration>) -> bool {
    promised.is_some_and(|promised| wanted.is_none_or(|wanted| promised < wanted))
}

fn attempt(request: &AttemptRequest) -> wire::AttemptRequest {
    let AttemptRequest {
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
        deadline: _,
    } = request;
    wire::AttemptRequest {
        idempotency_key: key.to_string(),
        order_id: order.to_string(),
        order_number: number.to_string(),
        user_id: user.to_string(),
        amount: amount.amount().to_string(),
        currency: amount.currency.to_string(),
        method: method.to_string(),
        token: or_empty(token.get()),
        return_url: or_empty(return_url.get()),
        shipping: payment_address(shipping),
        billing: payment_address(billing),
    }
}

fn follow_up(request: &FollowUpRequest) -> wire::FollowUpRequest {
    let FollowUpRequest {
        key,
        order,
        number,
        parent_key,
        parent_reference,
        amount,
        repeat,
        deadline: _,
    } = request;
    wire::FollowUpRequest {
        idempotency_key: key.to_string(),
        order_id: order.to_string(),
        order_number: number.to_string(),
        parent_key: parent_key.to_string(),
        parent_reference: or_empty(parent_reference.as_ref()),
        amount: amount.amount().to_string(),
        currency: amount.currency.to_string(),
        repeat: *repeat,
    }
}

/// The statuses of both sides.
const STATUSES: [(wire::PaymentStatus, OperationState); 8] = [
    (wire::PaymentStatus::Authorized, OperationState::Authorized),
    (wire::PaymentStatus::Captured, OperationState::Captured),
    (wire::PaymentStatus::Pending, OperationState::Pending),
    (
        wire::PaymentStatus::ActionRequired,
        OperationState::ActionRequired,
    ),
    (wire::PaymentStatus::Declined, OperationState::Declined),
    (wire::PaymentStatus::Voided, OperationState::Voided),
    (wire::PaymentStatus::Refunded, OperationState::Refunded),
    (wire::PaymentStatus::Failed, OperationState::Failed),
];

/// The longest code of a decline that is stored, in characters.
const CODE_CHARS_MAX: usize = 64;

/// An answer, once it makes sense.
fn answer(payment: wire::Payment) -> Result<PaymentAnswer, CallError> {
    let wire::Payment {
        status,
        reference,
        amount,
        currency,
        code,
        wait,
        action,
        capture_within,
        capture_before,
        answered_at,
    } = payment;
    let known = STATUSES.iter().find(|(theirs, _)| *theirs as i32 == status);
    let Some((_, status)) = known else {
        return Err(CallError::malformed(format!("payment status {status}")));
    };
    let moved = matches!(
        status,
        OperationState::Authorized | OperationState::Captured | OperationState::Refunded
    );
    let money = match currency
        .parse::<Currency>()
        .and_then(|currency| Money::parse(&amount, currency))
    {
        Ok(money) => money,
        Err(error) if moved => {
            return Err(CallError::malformed(plain(&format!(
                "a payment that is {status}: {error}"
            ))));
        }
        Err(_) => Money::new(0, Currency::USD),
    };
    let mut answer = PaymentAnswer::new(*status, reference, money);
    answer.code = non_empty(plain(&code).chars().take(CODE_CHARS_MAX).collect());
    answer.wait = wait.map(from_wire);
    let until = match capture_before {
        Some(before) => {
            let now = answered_at
                .map(time_from_wire)
                .transpose()?
                .unwrap_or_else(|| SystemClock.now());
            Some(time_from_wire(before)?.since(now))
        }
        None => None,
    };
    answer.capture_within = capture_within.map(from_wire).into_iter().chain(until).min();
    answer.action = Private(
        action.map(|wire::CustomerAction { url, data }| CustomerAction {
            url,
            data: non_empty(data),
        }),
    );
    let has_url = answer
        .action
        .get()
        .is_some_and(|action| !action.url.is_empty());
    if *status == OperationState::ActionRequired && !has_url {
        return Err(CallError::malformed(
            "a payment that is ACTION_REQUIRED without an action's URL",
        ));
    }
    Ok(answer)
}

/// An answer on the wire.
pub(crate) fn to_payment(answer: PaymentAnswer) -> Option<wire::Payment> {
    let PaymentAnswer {
        status,
        reference,
        amount,
        code,
        wait,
        action,
        capture_within,
        ..
    } = answer;
    let (status, _) = STATUSES.iter().find(|(_, ours)| *ours == status)?;
    Some(wire::Payment {
        status: *status as i32,
        reference,
        amount: amount.amount().to_string(),
        currency: amount.currency.to_string(),
        code: code.unwrap_or_default(),
        wait: wait.map(to_wire),
        action: action
            .0
            .map(|CustomerAction { url, data }| wire::CustomerAction {
                url,
                data: data.unwrap_or_default(),
            }),
        capture_within: capture_within.map(to_wire),
        capture_before: None,
        answered_at: None,
    })
}

#[async_trait]
impl PaymentService for PaymentClient {
    fn capabilities(&self) -> PaymentCapabilities {
        self.capabilities
    }

    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.ready(&request.deadline).await?;
        let message = attempt(request);
        answer(
            self.channel
                .call(&request.deadline, |wire| async {
                    Client::new(wire).authorize(message).await
                })
                .await?,
        )
    }

    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.ready(&request.deadline).await?;
        let message = attempt(request);
        answer(
            self.channel
                .call(&request.deadline, |wire| async {
                    Client::new(wire).process_payment(message).await
                })
                .await?,
        )
    }

    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.ready(&request.deadline).await?;
        let message = follow_up(request);
        answer(
            self.channel
                .call(&request.deadline, |wire| async {
                    Client::new(wire).capture(message).await
                })
                .await?,
        )
    }

    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.ready(&request.deadline).await?;
        let message = follow_up(request);
        answer(
            self.channel
                .call(&request.deadline, |wire| async {
                    Client::new(wire).void(message).await
                })
                .await?,
        )
    }

    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.ready(&request.deadline).await?;
        let message = follow_up(request);
        answer(
            self.channel
                .call(&request.deadline, |wire| async {
                    Client::new(wire).refund(message).await
                })
                .await?,
        )
    }

    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        if !self.capabilities.look_up {
            return Err(CallError::not_done(
                "the payment service is configured not to look payments up",
            ));
        }
        let never = CallDeadline::NEVER;
        self.ready(&never).await?;
        let PaymentLookup {
            key,
            order,
            reference,
        } = request;
        let message = wire::GetPaymentRequest {
            idempotency_key: key.to_string(),
            order_id: order.to_string(),
            reference: or_empty(reference.as_ref()),
        };
        let found = self
            .channel
            .call(&never, |wire| async {
                Client::new(wire).get_payment(message).await
            })
            .await?;
        let wire::GetPaymentResponse { result, payment } = found;
        match (wire::LookUpResult::try_from(result), payment) {
            (Ok(wire::LookUpResult::Found), Some(payment)) => answer(payment).map(Some),
            (Ok(wire::LookUpResult::Absent), None) => Ok(None),
            (_, payment) => {
                let with = if payment.is_some() { "with" } else { "without" };
                Err(CallError::malformed(format!(
                    "look-up result {result} {with} a payment"
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use order_core::money::Currency;

    use super::*;

    fn captured() -> wire::Payment {
        wire::Payment {
            status: wire::PaymentStatus::Captured as i32,
            reference: "pay-1".into(),
            amount: "12.50".into(),
            currency: "USD".into(),
            ..wire::Payment::default()
        }
    }

    fn authorized() -> wire::Payment {
        wire::Payment {
            status: wire::PaymentStatus::Authorized as i32,
            ..captured()
        }
    }

    #[test]
    fn every_answer_comes_through_as_it_was() {
        let (usd, kwd) = (
            Money::new(1250, Currency::USD),
            Money::new(1_250, "KWD".parse().unwrap()),
        );
        let hour = Duration::from_secs(3600);
        for said in [
            PaymentAnswer::authorized("pay-1", usd).capture_within(hour),
            PaymentAnswer::authorized("pay-1", kwd).capture_within(Duration::ZERO),
            PaymentAnswer::captured("pay-1", Money::new(500, "JPY".parse().unwrap())),
            PaymentAnswer::refunded("pay-1", kwd),
            PaymentAnswer::voided("pay-2"),
            PaymentAnswer::pending("pay-3").wait(hour),
            PaymentAnswer::action_required("pay-4", "https://pay.example/4")
                .action_data("qr")
                .wait(hour),
            PaymentAnswer::declined("CARD_DECLINED").reference("pay-5"),
            PaymentAnswer::new(OperationState::Failed, "", usd).code("UNKNOWN_METHOD"),
        ] {
            assert_eq!(answer(to_payment(said.clone()).unwrap()).unwrap(), said);
        }
        for ours in OperationState::ALL {
            let said = to_payment(PaymentAnswer::new(*ours, "r", usd)).is_some();
            assert_eq!(
                said,
                STATUSES.iter().any(|(_, known)| known == ours),
                "{ours}"
            );
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_malformed() {
        let action = wire::PaymentStatus::ActionRequired as i32;
        for (payment, expected) in [
            (wire::Payment::default(), "payment status 0"),
            (
                wire::Payment {
                    status: 99,
                    ..captured()
                },
                "payment status 99",
            ),
            (
                wire::Payment {
                    amount: "12.505".into(),
                    ..captured()
                },
                "more decimals than USD has",
            ),
            (
                wire::Payment {
                    amount: String::new(),
                    ..captured()
                },
                "is not an amount",
            ),
            (
                wire::Payment {
                    currency: "EURO".into(),
                    ..authorized()
                },
                "is not a currency",
            ),
            (
                wire::Payment {
                    status: action,
                    ..captured()
                },
                "without an action's URL",
            ),
            (
                wire::Payment {
                    capture_before: Some(prost_types::Timestamp {
                        seconds: i64::MAX,
                        nanos: 0,
                    }),
                    ..authorized()
                },
                "is not a time",
            ),
        ] {
            let error = answer(payment).unwrap_err();
            assert!(
                matches!(&error, CallError::Unknown { malformed: true, message } if message.contains(expected)),
                "{error}"
            );
        }
    }

    #[test]
    fn the_time_to_capture_is_counted_by_the_service_s_clock_and_the_earlier_end_counts() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let within = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let left = |payment| {
            answer(payment)
                .unwrap()
                .capture_within
                .map(|left| left.as_secs())
        };
        let before = wire::Payment {
            capture_before: at(1_000_600),
            answered_at: at(1_000_000),
            ..authorized()
        };
        assert_eq!(left(before.clone()), Some(600));
        assert_eq!(
            left(wire::Payment {
                capture_within: within(60),
                ..before.clone()
            }),
            Some(60)
        );
        assert_eq!(
            left(wire::Payment {
                capture_within: within(6_000),
                ..before.clone()
            }),
            Some(600)
        );
        // By our clock it is over since 1970.
        assert_eq!(
            left(wire::Payment {
                answered_at: None,
                ..before
            }),
            Some(0)
        );
        assert_eq!(
            left(wire::Payment {
                capture_within: within(-1),
                ..authorized()
            }),
            Some(0)
        );
        assert_eq!(left(authorized()), None);
    }

    #[test]
    fn less_than_is_configured_is_named() {
        let (ideal, day) = (
            PaymentCapabilities::IDEAL,
            PaymentCapabilities::KEYS_FOR_A_DAY,
        );
        assert_eq!(missing(&day, &ideal), [""; 0]);
        assert_eq!(missing(&ideal, &day), ["look_up", "key_lifetime"]);
        assert_eq!(
            missing(&day, &PaymentCapabilities::LOOK_UP_ONLY),
            ["repeat"]
        );
        let hour = day.with_key_lifetime(Some(Duration::from_secs(3600)));
        assert_eq!(missing(&day, &hour), ["key_lifetime"]);
        assert_eq!(missing(&hour, &day), [""; 0]);
        assert_eq!(
            missing(&PaymentCapabilities::LOOK_UP_ONLY, &hour.with_look_up(true)),
            [""; 0]
        );
    }

    #[test]
    fn a_request_s_secrets_are_not_shown() {
        let request = wire::AttemptRequest {
            token: "tok_secret".into(),
            billing: Some(wire::Address {
                city: "Springfield".into(),
                ..wire::Address::default()
            }),
            ..wire::AttemptRequest::default()
        };
        let shown = format!("{request:?} {:?}", request.billing);
        assert!(
            !shown.contains("secret") && !shown.contains("Springfield"),
            "{shown}"
        );
    }
}
