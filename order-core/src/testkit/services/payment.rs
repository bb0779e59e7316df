//! A payment provider in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::ids::{OrderId, Reference};
use crate::money::{Minor, Money};
use crate::order::{CustomerAction, OperationKind, OperationState};
use crate::rules::PaymentReport;
use crate::runtime::Clock;
use crate::runtime::virtual_time::lock;
use crate::services::{
    AttemptRequest, CallError, FollowUpRequest, PaymentAnswer, PaymentCapabilities, PaymentLookup,
    PaymentService,
};
use crate::text::Private;
use crate::time::Timestamp;

/// The fate of an authorization or a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeds.
    Approve,
    /// The bank says no.
    Decline,
    /// The provider says later: see [`MemoryPayments::settle`].
    Pending,
    /// The customer must act first: see [`MemoryPayments::settle`].
    ActionRequired,
}

/// An operation as the provider knows it.
#[derive(Debug, Clone)]
pub struct LedgerPayment {
    /// The key it was asked for under.
    pub key: Uuid,
    /// The order.
    pub order: OrderId,
    /// The kind of operation that was asked for.
    pub kind: OperationKind,
    /// The key of the operation it acts on.
    pub parent: Option<Uuid>,
    /// The amount that was asked for.
    pub asked: Money,
    /// The amount that it is about: the one that was asked for, unless the provider moved another
    /// amount.
    pub amount: Money,
    /// Its state.
    pub status: OperationState,
    /// The reason for which it was declined, if it was.
    pub code: Option<&'static str>,
    /// The time from which an authorization can no longer be captured, if the provider keeps to
    /// such a time.
    pub capture_before: Option<Timestamp>,
    /// The provider's name for it.
    pub reference: String,
    /// The number of times that it took effect. More than once is a double charge or a double
    /// refund.
    pub effects: u32,
    /// Set if somebody else than the engine made it: then nobody knows its key.
    pub outside: bool,
}

/// Decides what becomes of an attempt.
pub(super) type Decide = Box<dyn FnMut(&AttemptRequest) -> Outcome + Send>;

/// Returns the amount that the provider moves when so much was asked for.
pub type Measure = Box<dyn FnMut(OperationKind, Minor) -> Minor + Send>;

/// A payment provider with a ledger of every operation it ever saw.
///
/// Without the capability `repeat`, a request repeated under its key takes effect again; without
/// `look_up`, nothing is found.
pub struct MemoryPayments {
    capabilities: PaymentCapabilities,
    /// The time for which a pending payment or a customer's action is waited for.
    wait: Duration,
    /// The clock, and the time for which authorizations are captured.
    expiry: Option<(Arc<dyn Clock>, Duration)>,
    state: Mutex<State>,
}

struct State {
    decide: Decide,
    measure: Option<Measure>,
    ledger: Vec<LedgerPayment>,
    by_key: HashMap<Uuid, usize>,
}

impl MemoryPayments {
    /// A provider that lets `decide` decide and gives customers the time `wait`.
    pub fn new(capabilities: PaymentCapabilities, wait: Duration, decide: Decide) -> Self {
        let state = State {
            decide,
            measure: None,
            ledger: Vec::new(),
            by_key: HashMap::new(),
        };
        MemoryPayments {
            capabilities,
            wait,
            expiry: None,
            state: Mutex::new(state),
        }
    }

    /// The same, but authorizations can be captured only for `within` from their approval by
    /// `clock`: after it a capture is declined with the code `AUTHORIZATION_EXPIRED`. Without this
    /// the provider says seven days, and does not keep to it.
    pub fn with_expiry(self, within: Duration, clock: Arc<dyn Clock>) -> Self {
        MemoryPayments {
            expiry: Some((clock, within)),
            ..self
        }
    }

    /// The same, but what succeeds is of as much as `measure` says, though never more than there is
    /// to send back.
    pub fn with_amounts(self, measure: Measure) -> Self {
        lock(&self.state).measure = Some(measure);
        self
    }

    /// A provider that honours keys and approves everything.
    pub fn approving() -> Self {
        MemoryPayments::new(
            PaymentCapabilities::IDEAL,
            Duration::from_secs(1800),
            Box::new(|_| Outcome::Approve),
        )
    }

    /// The ledger: every operation ever seen, oldest first, seen by `look`.
    pub fn with_ledger<R>(&self, look: impl FnOnce(&[LedgerPayment]) -> R) -> R {
        look(&lock(&self.state).ledger)
    }

    /// Ends a pending or action-required operation, and says what the provider reports of it. None
    /// if it is not open.
    pub fn settle(&self, key: Uuid, success: bool) -> Option<PaymentReport> {
        let mut state = lock(&self.state);
        let i = *state.by_key.get(&key)?;
        let LedgerPayment {
            status,
            kind,
            asked,
            ..
        } = state.ledger[i];
        if !matches!(
            status,
            OperationState::Pending | OperationState::ActionRequired
        ) {
            return None;
        }
        let amount = if success {
            state.measured(kind, asked)
        } else {
            asked
        };
        let entry = &mut state.ledger[i];
        entry.status = if success {
            success_of(entry.kind)
        } else {
            OperationState::Declined
        };
        entry.amount = amount;
        entry.code = (!success).then_some(DECLINED);
        entry.capture_before = self.capture_before(entry.status);
        Some(report_of(entry))
    }

    /// Captures an attempt that was declined after all, or a charge that was given up, and says
    /// what the provider reports of it. None unless it was.
    pub fn capture_late(&self, key: Uuid) -> Option<PaymentReport> {
        let mut state = lock(&self.state);
        let i = *state.by_key.get(&key)?;
        let entry = &mut state.ledger[i];
        let given_up =
            entry.status == OperationState::Voided && entry.kind == OperationKind::Charge;
        if entry.status != OperationState::Declined && !given_up {
            return None;
        }
        (entry.status, entry.code) = (OperationState::Captured, None);
        Some(report_of(entry))
    }

    /// Moves money without the engine asking: a charge, or a capture or refund of operation
    /// `parent`, by the name `reference` or a new one. Says what the provider reports of it. None
    /// if there is not so much to move.
    pub fn move_outside(
        &self,
        order: OrderId,
        kind: OperationKind,
        parent: Option<Uuid>,
        amount: Money,
        reference: Option<&str>,
    ) -> Option<PaymentReport> {
        let mut state = lock(&self.state);
        let about = match parent {
            None if kind == OperationKind::Charge => None,
            None => return None,
            Some(key) => Some(&state.ledger[*state.by_key.get(&key)?]),
        };
        let needed = if kind == OperationKind::Capture {
            OperationState::Authorized
        } else {
            OperationState::Captured
        };
        if about.is_some_and(|p| {
            p.status != needed || amount.minor > p.amount.minor - state.moved(p.key, kind)
        }) {
            return None;
        }
        let of: Option<Reference> = about.and_then(|p| p.reference.parse().ok());
        // A key of its own, which no operation of an order derives: they are UUIDs of version 5.
        let key = Uuid::from_u128(0x0075_0000 + state.ledger.len() as u128);
        let i = state.enter(key, order, kind, parent, amount, success_of(kind));
        let entry = &mut state.ledger[i];
        entry.outside = true;
        if let Some(reference) = reference {
            entry.reference = reference.into();
        }
        Some(PaymentReport {
            key: None,
            parent: of,
            ..report_of(entry)
        })
    }

    /// Gives back what a bank took by the name `reference`; or takes it again, now `amount`.
    pub fn turn(&self, reference: &str, takes: Option<Money>) {
        let mut state = lock(&self.state);
        if let Some(entry) = state
            .ledger
            .iter_mut()
            .find(|e| e.outside && e.reference == reference)
        {
            match takes {
                Some(amount) => (entry.status, entry.amount) = (OperationState::Refunded, amount),
                None => entry.status = OperationState::Failed,
            }
        }
    }

    /// Returns the amount of operation `key` that could still be moved by operations of that kind.
    pub fn rest(&self, key: Uuid, kind: OperationKind) -> Minor {
        let state = lock(&self.state);
        state.by_key.get(&key).map_or(0, |&i| {
            (state.ledger[i].amount.minor - state.moved(key, kind)).max(0)
        })
    }

    /// [`PaymentService::authorize`] or [`PaymentService::charge`], at once.
    pub fn attempt_now(
        &self,
        request: &AttemptRequest,
        kind: OperationKind,
    ) -> Result<PaymentAnswer, CallError> {
        let mut state = lock(&self.state);
        if let Some(answer) = self.repeated(&mut state, request.key, request.amount)? {
            return Ok(answer);
        }
        let status = match (state.decide)(request) {
            Outcome::Approve => success_of(kind),
            Outcome::Decline => OperationState::Declined,
            Outcome::Pending => OperationState::Pending,
            Outcome::ActionRequired => OperationState::ActionRequired,
        };
        let i = state.enter(
            request.key,
            request.order,
            kind,
            None,
            request.amount,
            status,
        );
        if status == success_of(kind) {
            state.ledger[i].amount = state.measured(kind, request.amount);
        }
        let entry = &mut state.ledger[i];
        entry.code = (status == OperationState::Declined).then_some(DECLINED);
        entry.capture_before = self.capture_before(status);
        Ok(self.answer(entry))
    }

    /// [`PaymentService::capture`], [`PaymentService::void`] or [`PaymentService::refund`], at
    /// once.
    pub fn follow_up_now(
        &self,
        request: &FollowUpRequest,
        kind: OperationKind,
    ) -> Result<PaymentAnswer, CallError> {
        let mut state = lock(&self.state);
        if let Some(answer) = self.repeated(&mut state, request.key, request.amount)? {
            return Ok(answer);
        }
        // What somebody else made, the engine knows by its name alone.
        let by_name = || {
            let name = request.parent_reference.as_ref()?;
            state
                .ledger
                .iter()
                .position(|e| e.outside && e.reference == name.as_str())
        };
        let i = state
            .by_key
            .get(&request.parent_key)
            .copied()
            .or_else(by_name);
        let i = i.ok_or_else(|| CallError::refused("NO_SUCH_PAYMENT"))?;
        let parent = &state.ledger[i];
        let (authorized, settled) = (
            parent.status == OperationState::Authorized,
            parent.status == OperationState::Captured,
        );
        let amount = parent.amount.minor;
        let refused = match kind {
            OperationKind::Void if parent.parent.is_some() => Some("NOT_VOIDABLE"),
            OperationKind::Void
                if settled || state.moved(parent.key, OperationKind::Capture) >= amount =>
            {
                Some("ALREADY_CAPTURED")
            }
            OperationKind::Void => None,
            OperationKind::Capture if !authorized => Some("NOT_AUTHORIZED"),
            OperationKind::Capture => {
                let rest = amount - state.moved(parent.key, OperationKind::Capture);
                (request.amount.minor > rest).then_some("EXCEEDS_AUTHORIZED")
            }
            _ if !settled => Some("NOT_CAPTURED"),
            _ => {
                let rest = amount - state.moved(parent.key, OperationKind::Refund);
                (request.amount.minor > rest).then_some("EXCEEDS_CAPTURED")
            }
        };
        if let Some(code) = refused {
            return Err(CallError::refused(code));
        }
        let expired = kind == OperationKind::Capture && self.is_over(parent.capture_before);
        if kind == OperationKind::Void {
            let parent = &mut state.ledger[i];
            (parent.status, parent.code) = (OperationState::Voided, None);
        }
        let status = if expired {
            OperationState::Declined
        } else {
            success_of(kind)
        };
        let parent = state.ledger[i].key;
        let rest = state.ledger[i].amount.minor - state.moved(parent, OperationKind::Refund);
        let i = state.enter(
            request.key,
            request.order,
            kind,
            Some(parent),
            request.amount,
            status,
        );
        if matches!(status, OperationState::Captured | OperationState::Refunded) {
            let measured = state.measured(kind, request.amount);
            let most = if kind == OperationKind::Refund {
                rest
            } else {
                Minor::MAX
            };
            state.ledger[i].amount = Money::new(measured.minor.min(most), measured.currency);
        }
        let entry = &mut state.ledger[i];
        entry.code = expired.then_some("AUTHORIZATION_EXPIRED");
        Ok(self.answer(entry))
    }

    /// [`PaymentService::look_up`], at once.
    pub fn look_up_now(&self, request: &PaymentLookup) -> Option<PaymentAnswer> {
        let state = lock(&self.state);
        // What somebody else made, the engine knows by its name alone.
        let by_name = || {
            let name = request.reference.as_ref()?;
            state
                .ledger
                .iter()
                .position(|e| e.outside && e.reference == name.as_str())
        };
        let i = state
            .by_key
            .get(&request.key)
            .copied()
            .or_else(by_name)
            .filter(|_| self.capabilities.look_up)?;
        Some(self.answer(&state.ledger[i]))
    }

    /// Returns the report that a provider would make of the operation now.
    pub fn report(&self, key: Uuid) -> Option<PaymentReport> {
        let state = lock(&self.state);
        state.by_key.get(&key).map(|&i| report_of(&state.ledger[i]))
    }

    fn repeated(
        &self,
        state: &mut State,
        key: Uuid,
        amount: Money,
    ) -> Result<Option<PaymentAnswer>, CallError> {
        let Some(&i) = state.by_key.get(&key) else {
            return Ok(None);
        };
        let entry = &mut state.ledger[i];
        if self.capabilities.repeat {
            // Providers answer so to a key that comes back with another request.
            return if entry.asked == amount {
                Ok(Some(self.answer(entry)))
            } else {
                Err(CallError::refused("KEY_REUSED"))
            };
        }
        entry.effects += 1;
        Ok(Some(self.answer(entry)))
    }

    /// Returns the time up to which what is approved now, and became `status`, can be captured.
    fn capture_before(&self, status: OperationState) -> Option<Timestamp> {
        let (clock, within) = self
            .expiry
            .as_ref()
            .filter(|_| status == OperationState::Authorized)?;
        Some(clock.now().after(*within))
    }

    fn is_over(&self, capture_before: Option<Timestamp>) -> bool {
        self.expiry
            .as_ref()
            .zip(capture_before)
            .is_some_and(|((clock, _), until)| until <= clock.now())
    }

    fn answer(&self, entry: &LedgerPayment) -> PaymentAnswer {
        let capture_within = match (&self.expiry, entry.capture_before) {
            (Some((clock, _)), Some(until)) => until.since(clock.now()),
            _ => Duration::from_secs(7 * 24 * 3600),
        };
        let waiting = matches!(
            entry.status,
            OperationState::Pending | OperationState::ActionRequired
        );
        let action = CustomerAction {
            url: format!("https://pay.example/{}", entry.reference),
            data: None,
        };
        PaymentAnswer {
            status: entry.status,
            reference: entry.reference.clone(),
            amount: entry.amount,
            code: entry.code.map(Into::into),
            wait: waiting.then_some(self.wait),
            action: Private((entry.status == OperationState::ActionRequired).then_some(action)),
            capture_within: (entry.status == OperationState::Authorized).then_some(capture_within),
        }
    }
}

impl State {
    fn enter(
        &mut self,
        key: Uuid,
        order: OrderId,
        kind: OperationKind,
        parent: Option<Uuid>,
        amount: Money,
        status: OperationState,
    ) -> usize {
        let i = self.ledger.len();
        let reference = format!("pay-{i}");
        self.ledger.push(LedgerPayment {
            key,
            order,
            kind,
            parent,
            asked: amount,
            amount,
            status,
            code: None,
            capture_before: None,
            reference,
            effects: 1,
            outside: false,
        });
        self.by_key.insert(key, i);
        i
    }

    /// Returns the amount that is moved when `asked` is asked for.
    fn measured(&mut self, kind: OperationKind, asked: Money) -> Money {
        let minor = self
            .measure
            .as_mut()
            .map_or(asked.minor, |measure| measure(kind, asked.minor));
        Money::new(minor.max(1), asked.currency)
    }

    /// Returns the amount of operation `key` that was captured, or went back: what succeeded of
    /// what acts on it.
    fn moved(&self, key: Uuid, kind: OperationKind) -> Minor {
        let done = |e: &&LedgerPayment| {
            e.parent == Some(key) && e.kind == kind && e.status == success_of(kind)
        };
        self.ledger
            .iter()
            .filter(done)
            .map(|e| e.amount.minor)
            .sum()
    }
}

const DECLINED: &str = "DECLINED";

fn success_of(kind: OperationKind) -> OperationState {
    match kind {
        OperationKind::Authorize => OperationState::Authorized,
        OperationKind::Charge | OperationKind::Capture => OperationState::Captured,
        OperationKind::Void => OperationState::Voided,
        OperationKind::Refund => OperationState::Refunded,
    }
}

fn report_of(entry: &LedgerPayment) -> PaymentReport {
    let reference: Reference = entry
        .reference
        .parse()
        .expect("references made here are valid");
    PaymentReport {
        key: Some(entry.key),
        reference,
        parent: None,
        status: entry.status,
        amount: entry.amount,
    }
}

#[async_trait]
impl PaymentService for MemoryPayments {
    fn capabilities(&self) -> PaymentCapabilities {
        self.capabilities
    }
    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        request.deadline.check()?;
        self.attempt_now(request, OperationKind::Authorize)
    }
    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        request.deadline.check()?;
        self.attempt_now(request, OperationKind::Charge)
    }
    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        request.deadline.check()?;
        self.follow_up_now(request, OperationKind::Capture)
    }
    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        request.deadline.check()?;
        self.follow_up_now(request, OperationKind::Void)
    }
    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        request.deadline.check()?;
        self.follow_up_now(request, OperationKind::Refund)
    }
    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        Ok(self.look_up_now(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;
    use crate::money::Currency;
    use crate::number::OrderNumber;
    use crate::runtime::virtual_time::VirtualRuntime;

    fn usd(minor: Minor) -> Money {
        Money::new(minor, Currency::USD)
    }

    fn attempt(key: u128) -> AttemptRequest {
        let (order, user) = (
            OrderId::from_uuid(Uuid::nil()),
            UserId::from_uuid(Uuid::nil()),
        );
        let (number, method) = (
            OrderNumber::new(1, crate::ids::Bucket::MAX),
            "CARD".parse().unwrap(),
        );
        AttemptRequest::new(Uuid::from_u128(key), order, number, user, usd(1000), method)
    }

    fn about(key: u128, parent: u128, minor: Minor) -> FollowUpRequest {
        let (key, parent_key, order) = (
            Uuid::from_u128(key),
            Uuid::from_u128(parent),
            OrderId::from_uuid(Uuid::nil()),
        );
        FollowUpRequest::new(
            key,
            order,
            OrderNumber::new(1, crate::ids::Bucket::MAX),
            parent_key,
            usd(minor),
        )
    }

    #[track_caller]
    fn refused(answer: Result<PaymentAnswer, CallError>, code: &str) {
        assert!(
            matches!(&answer, Err(CallError::Refused { code: c, .. }) if c == code),
            "{answer:?}, expected {code}"
        );
    }

    #[test]
    fn an_authorization_is_captured_in_parts_and_each_part_refunded() {
        let payments = MemoryPayments::approving();
        payments
            .attempt_now(&attempt(1), OperationKind::Authorize)
            .unwrap();
        let first = payments
            .follow_up_now(&about(2, 1, 600), OperationKind::Capture)
            .unwrap();
        assert_eq!(
            payments
                .follow_up_now(&about(2, 1, 600), OperationKind::Capture)
                .unwrap(),
            first
        );
        refused(
            payments.follow_up_now(&about(3, 1, 401), OperationKind::Capture),
            "EXCEEDS_AUTHORIZED",
        );
        let second = payments
            .follow_up_now(&about(4, 1, 400), OperationKind::Capture)
            .unwrap();
        assert_ne!(first.reference, second.reference);
        refused(
            payments.follow_up_now(&about(5, 1, 1000), OperationKind::Void),
            "ALREADY_CAPTURED",
        );
        refused(
            payments.follow_up_now(&about(6, 2, 601), OperationKind::Refund),
            "EXCEEDS_CAPTURED",
        );
        payments
            .follow_up_now(&about(7, 2, 250), OperationKind::Refund)
            .unwrap();
        payments
            .follow_up_now(&about(8, 2, 350), OperationKind::Refund)
            .unwrap();
        refused(
            payments.follow_up_now(&about(9, 2, 1), OperationKind::Refund),
            "EXCEEDS_CAPTURED",
        );
        refused(
            payments.follow_up_now(&about(10, 1, 1), OperationKind::Refund),
            "NOT_CAPTURED",
        );
        refused(
            payments.follow_up_now(&about(11, 7, 1), OperationKind::Void),
            "NOT_VOIDABLE",
        );
        let find = |key| {
            let request = PaymentLookup {
                key: Uuid::from_u128(key),
                order: OrderId::from_uuid(Uuid::nil()),
                reference: None,
            };
            payments.look_up_now(&request).map(|a| (a.status, a.amount))
        };
        assert_eq!(find(1), Some((OperationState::Authorized, usd(1000))));
        assert_eq!(find(4), Some((OperationState::Captured, usd(400))));
        assert_eq!(find(8), Some((OperationState::Refunded, usd(350))));
        assert_eq!(find(9), None);
    }

    #[test]
    fn a_void_gives_up_what_is_left_of_a_partly_captured_authorization() {
        let payments = MemoryPayments::approving();
        payments
            .attempt_now(&attempt(1), OperationKind::Authorize)
            .unwrap();
        payments
            .follow_up_now(&about(2, 1, 600), OperationKind::Capture)
            .unwrap();
        let void = payments
            .follow_up_now(&about(3, 1, 1000), OperationKind::Void)
            .unwrap();
        assert_eq!(void.status, OperationState::Voided);
        refused(
            payments.follow_up_now(&about(4, 1, 1), OperationKind::Capture),
            "NOT_AUTHORIZED",
        );
        let refund = payments
            .follow_up_now(&about(5, 2, 600), OperationKind::Refund)
            .unwrap();
        assert_eq!(refund.status, OperationState::Refunded);
    }

    #[test]
    fn a_capture_after_its_time_is_declined() {
        let (runtime, day) = (VirtualRuntime::new(), Duration::from_secs(24 * 3600));
        let payments = MemoryPayments::approving().with_expiry(day, Arc::new(runtime.clone()));
        let answer = payments
            .attempt_now(&attempt(1), OperationKind::Authorize)
            .unwrap();
        assert_eq!(answer.capture_within, Some(day));
        runtime.advance(day - Duration::from_secs(1));
        let again = payments
            .attempt_now(&attempt(1), OperationKind::Authorize)
            .unwrap();
        assert_eq!(again.capture_within, Some(Duration::from_secs(1)));
        payments
            .follow_up_now(&about(2, 1, 600), OperationKind::Capture)
            .unwrap();
        runtime.advance(Duration::from_secs(1));
        let late = payments
            .follow_up_now(&about(3, 1, 400), OperationKind::Capture)
            .unwrap();
        assert_eq!(
            (late.status, late.code.as_deref()),
            (OperationState::Declined, Some("AUTHORIZATION_EXPIRED"))
        );
        assert_eq!(
            payments
                .follow_up_now(&about(3, 1, 400), OperationKind::Capture)
                .unwrap(),
            late
        );
        payments
            .follow_up_now(&about(4, 1, 1000), OperationKind::Void)
            .unwrap();
    }
}
