//! Helpers of all cases.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use uuid::Uuid;

use super::PaymentFactory;
use crate::ids::{Bucket, OrderId, UserId};
use crate::money::{Currency, Minor, Money};
use crate::number::OrderNumber;
use crate::order::OperationState;
use crate::services::{
    AttemptRequest, CallError, FollowUpRequest, PaymentAnswer, PaymentLookup, PaymentService,
};
use crate::testkit::service_conformance::{Failure, broken, missing, said_error, timed};
use crate::testkit::services::Outcome;

/// The amount of the cases' charges and authorizations, in minor units.
pub(super) const AMOUNT: Minor = 1000;

/// Longer than any order is worked on, for keys that are claimed to live for ever.
const FOR_EVER: Duration = Duration::from_secs(400 * 24 * 60 * 60);

type Answer = Result<PaymentAnswer, CallError>;

/// A follow-up's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FollowUp {
    Capture,
    Void,
    Refund,
}

/// A service and whoever asks it.
pub(super) struct Bench<'f, F: PaymentFactory> {
    pub(super) factory: &'f F,
    pub(super) service: F::Service,
    asked: Cell<u64>,
}

impl<'f, F: PaymentFactory> Bench<'f, F> {
    pub(super) async fn new(factory: &'f F) -> Self {
        Bench {
            factory,
            service: factory.fresh().await,
            asked: Cell::new(0),
        }
    }

    pub(super) async fn that_repeats(factory: &'f F) -> Result<Self, Failure> {
        let bench = Bench::new(factory).await;
        if bench.service.capabilities().repeat {
            Ok(bench)
        } else {
            missing("repeat")
        }
    }

    pub(super) async fn that_looks_up(factory: &'f F) -> Result<Self, Failure> {
        let bench = Bench::new(factory).await;
        if bench.service.capabilities().look_up {
            Ok(bench)
        } else {
            missing("look_up")
        }
    }

    /// A key that was not used before. Those of one seed are always the same, one after the other.
    pub(super) fn key(&self) -> Uuid {
        self.asked.set(self.asked.get() + 1);
        let mut name = [0; 16];
        name[..8].copy_from_slice(&self.factory.seed().to_be_bytes());
        name[8..].copy_from_slice(&self.asked.get().to_be_bytes());
        Uuid::new_v5(&Uuid::from_u128(0x7061_796d_656e_7473), &name)
    }

    fn currency(&self) -> Currency {
        self.factory
            .currencies()
            .first()
            .copied()
            .unwrap_or(Currency::USD)
    }

    /// `minor` units of the first currency.
    pub(super) fn money(&self, minor: Minor) -> Money {
        Money::new(minor, self.currency())
    }

    /// A request for money that comes out as wanted, under a key and for an order of its own.
    pub(super) fn attempt(&self, wanted: Outcome) -> Result<AttemptRequest, Failure> {
        let Some(means) = self.factory.means(wanted) else {
            return missing(match wanted {
                Outcome::Approve => "a way to pay that is approved (it cannot be left out)",
                Outcome::Decline => "decline",
                Outcome::Pending => "pending",
                Outcome::ActionRequired => "action_required",
            });
        };
        let (key, order, user) = (
            self.key(),
            OrderId::from_uuid(self.key()),
            UserId::from_uuid(self.key()),
        );
        let number = OrderNumber::new(key.as_u64_pair().1, Bucket::MAX);
        let request =
            AttemptRequest::new(key, order, number, user, self.money(AMOUNT), means.method);
        Ok(AttemptRequest {
            token: means.token,
            ..request
        })
    }

    /// A request about what was answered to `parent`.
    pub(super) fn about(
        &self,
        parent: &AttemptRequest,
        answer: &PaymentAnswer,
        minor: Minor,
    ) -> FollowUpRequest {
        let amount = Money::new(minor, parent.amount.currency);
        let request =
            FollowUpRequest::new(self.key(), parent.order, parent.number, parent.key, amount);
        FollowUpRequest {
            parent_reference: answer.reference.parse().ok(),
            ..request
        }
    }

    /// A refund of what was answered to the capture `parent`.
    pub(super) fn about_capture(
        &self,
        parent: &FollowUpRequest,
        answer: &PaymentAnswer,
        minor: Minor,
    ) -> FollowUpRequest {
        let amount = Money::new(minor, parent.amount.currency);
        let request =
            FollowUpRequest::new(self.key(), parent.order, parent.number, parent.key, amount);
        FollowUpRequest {
            parent_reference: answer.reference.parse().ok(),
            ..request
        }
    }

    pub(super) async fn charge(&self, request: &AttemptRequest) -> Answer {
        timed(self.factory, self.service.charge(request)).await
    }

    pub(super) async fn authorize(&self, request: &AttemptRequest) -> Answer {
        timed(self.factory, self.service.authorize(request)).await
    }

    pub(super) async fn follow(&self, how: FollowUp, request: &FollowUpRequest) -> Answer {
        match how {
            FollowUp::Capture => timed(self.factory, self.service.capture(request)).await,
            FollowUp::Void => timed(self.factory, self.service.void(request)).await,
            FollowUp::Refund => timed(self.factory, self.service.refund(request)).await,
        }
    }

    pub(super) async fn look_up(
        &self,
        key: Uuid,
        order: OrderId,
    ) -> Result<Option<PaymentAnswer>, CallError> {
        timed(
            self.factory,
            self.service.look_up(&PaymentLookup {
                key,
                order,
                reference: None,
            }),
        )
        .await
    }

    /// A charge that must be captured for the case to go on.
    pub(super) async fn charged(&self) -> Result<(AttemptRequest, PaymentAnswer), Failure> {
        let request = self.attempt(Outcome::Approve)?;
        let answer = self.charge(&request).await;
        Ok((
            request,
            comes_to(OperationState::Captured, 9, "an approved charge", answer)?,
        ))
    }

    /// An authorization that must be authorized for the case to go on.
    pub(super) async fn authorized(&self) -> Result<(AttemptRequest, PaymentAnswer), Failure> {
        let request = self.attempt(Outcome::Approve)?;
        match self.authorize(&request).await {
            Err(CallError::Refused { .. }) => missing("authorize"),
            answer => Ok((
                request,
                comes_to(
                    OperationState::Authorized,
                    9,
                    "an approved authorization",
                    answer,
                )?,
            )),
        }
    }

    /// A follow-up that must succeed.
    pub(super) async fn done(
        &self,
        how: FollowUp,
        request: &FollowUpRequest,
    ) -> Result<PaymentAnswer, Failure> {
        let (status, clause) = match how {
            FollowUp::Capture => (OperationState::Captured, 10),
            FollowUp::Void => (OperationState::Voided, 11),
            FollowUp::Refund => (OperationState::Refunded, 12),
        };
        let what = format!("{how:?} of {}", request.amount).to_lowercase();
        comes_to(status, clause, &what, self.follow(how, request).await)
    }

    /// The provider's books of a key.
    pub(super) async fn books(&self, key: Uuid) -> Result<Vec<Money>, Failure> {
        match self.factory.books(key).await {
            Some(books) => Ok(books),
            None => missing("books"),
        }
    }

    /// For how long a key must be honoured, but for a second.
    pub(super) fn key_lifetime(&self) -> Duration {
        self.service
            .capabilities()
            .key_lifetime
            .map_or(FOR_EVER, |life| life.saturating_sub(Duration::from_secs(1)))
    }
}

/// The answer of a call that must come to `status`.
pub(super) fn comes_to(
    status: OperationState,
    clause: u8,
    what: &str,
    answer: Answer,
) -> Result<PaymentAnswer, Failure> {
    match answer {
        Ok(answer) if answer.status == status => Ok(answer),
        answer => broken(
            clause,
            format!("{what} is answered {status}"),
            seen(&answer),
        ),
    }
}

/// That a call was definitely refused.
pub(super) fn is_refused(clause: u8, what: &str, answer: Answer) -> Result<(), Failure> {
    match answer {
        Err(CallError::Refused { .. }) => Ok(()),
        answer => broken(clause, format!("{what} is Refused"), seen(&answer)),
    }
}

/// An answer in a few words.
pub(super) fn seen(answer: &Answer) -> String {
    match answer {
        Ok(answer) => in_words(answer),
        Err(error) => said_error(error),
    }
}

pub(super) fn in_words(answer: &PaymentAnswer) -> String {
    let PaymentAnswer {
        status,
        reference,
        amount,
        code,
        ..
    } = answer;
    let code = code
        .as_ref()
        .map(|code| format!(" ({code})"))
        .unwrap_or_default();
    format!("{status}{code} {amount} as {reference:?}")
}

/// Reports whether something could be tested, as far as a service that nothing was asked of shows.
pub(super) async fn offered<F: PaymentFactory>(factory: &F, need: &str) -> bool {
    let bench = Bench::new(factory).await;
    match need {
        "repeat" => bench.service.capabilities().repeat,
        "look_up" => bench.service.capabilities().look_up,
        "authorize" => bench.authorized().await.is_ok(),
        "capture_window" => bench
            .authorized()
            .await
            .is_ok_and(|(_, answer)| answer.capture_within.is_some()),
        "decline" => factory.means(Outcome::Decline).is_some(),
        "pending" => factory.means(Outcome::Pending).is_some(),
        "action_required" => factory.means(Outcome::ActionRequired).is_some(),
        "lose_next_answer" => factory.lose_next_answer().await,
        "refuse_next_connection" => factory.refuse_next_connection().await,
        "answer_next" => factory.answer_next(503, "").await,
        "pass" => factory.pass(Duration::ZERO).await,
        _ => match bench.charged().await {
            Ok((request, _)) => factory.books(request.key).await.is_some(),
            Err(_) => factory.books(bench.key()).await.is_some(),
        },
    }
}

/// That two answers name the same operation.
pub(super) fn same(
    clause: u8,
    what: &str,
    first: &PaymentAnswer,
    second: &PaymentAnswer,
) -> Result<(), Failure> {
    let alike = first.status == second.status
        && first.reference == second.reference
        && first.amount == second.amount;
    if alike {
        return Ok(());
    }
    broken(
        clause,
        what,
        format!("first {}, then {}", in_words(first), in_words(second)),
    )
}

/// Makes a call again and again while its outcome is not known, as the engine does.
pub(super) async fn until_known<T: Future<Output = Answer>>(mut call: impl FnMut() -> T) -> Answer {
    let mut answer = call().await;
    for _ in 0..20 {
        match answer {
            Err(CallError::Unknown { .. } | CallError::NotDone { .. }) => answer = call().await,
            known => return known,
        }
    }
    answer
}
