//! A payment provider in memory.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::ids::{OrderId, Reference};
use crate::machine::PaymentReport;
use crate::money::{Minor, Money};
use crate::order::{CustomerAction, OperationKind, OperationState};
use crate::services::{
    AttemptRequest, CallError, FollowUpRequest, PaymentAnswer, PaymentCapabilities, PaymentLookup, PaymentService,
};
use crate::testkit::executor::lock;
use crate::text::Private;

/// What becomes of an authorization or a charge.
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
    /// What was asked.
    pub kind: OperationKind,
    /// The key of the operation it acts on.
    pub parent: Option<Uuid>,
    /// How much.
    pub amount: Money,
    /// What became of it.
    pub status: OperationState,
    /// The provider's name for it.
    pub reference: String,
    /// How often it took effect. More than once is a double charge or a double refund.
    pub effects: u32,
}

/// Decides what becomes of an attempt.
pub type Decide = Box<dyn FnMut(&AttemptRequest) -> Outcome + Send>;

/// A payment provider with a ledger of every operation it ever saw.
///
/// Without the capability `repeat`, a request repeated under its key takes effect again; without `look_up`, nothing is found.
pub struct MemoryPayments {
    capabilities: PaymentCapabilities,
    /// How long a pending payment or a customer's action is waited for.
    wait: Duration,
    state: Mutex<State>,
}

struct State {
    decide: Decide,
    ledger: Vec<LedgerPayment>,
    by_key: HashMap<Uuid, usize>,
}

impl MemoryPayments {
    /// A provider that lets `decide` decide and gives customers the time `wait`.
    pub fn new(capabilities: PaymentCapabilities, wait: Duration, decide: Decide) -> Self {
        let state = State { decide, ledger: Vec::new(), by_key: HashMap::new() };
        MemoryPayments { capabilities, wait, state: Mutex::new(state) }
    }

    /// A provider that honours keys and approves everything.
    pub fn approving() -> Self {
        MemoryPayments::new(PaymentCapabilities::IDEAL, Duration::from_secs(1800), Box::new(|_| Outcome::Approve))
    }

    /// The ledger: every operation ever seen, oldest first, seen by `look`.
    pub fn with_ledger<R>(&self, look: impl FnOnce(&[LedgerPayment]) -> R) -> R {
        look(&lock(&self.state).ledger)
    }

    /// Ends a pending or action-required operation, and says what the provider reports of it. None if it is not open.
    pub fn settle(&self, key: Uuid, success: bool) -> Option<PaymentReport> {
        let mut state = lock(&self.state);
        let i = *state.by_key.get(&key)?;
        let entry = &mut state.ledger[i];
        if !matches!(entry.status, OperationState::Pending | OperationState::ActionRequired) {
            return None;
        }
        entry.status = if success { success_of(entry.kind) } else { OperationState::Declined };
        Some(report_of(entry))
    }

    /// Captures an attempt that was declined after all, and says what the provider reports of it. None unless it was declined.
    pub fn capture_late(&self, key: Uuid) -> Option<PaymentReport> {
        let mut state = lock(&self.state);
        let i = *state.by_key.get(&key)?;
        let entry = &mut state.ledger[i];
        if entry.status != OperationState::Declined {
            return None;
        }
        entry.status = OperationState::Captured;
        Some(report_of(entry))
    }

    /// [`PaymentService::authorize`] or [`PaymentService::charge`], at once.
    pub fn attempt_now(&self, request: &AttemptRequest, kind: OperationKind) -> Result<PaymentAnswer, CallError> {
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
        let i = state.enter(request.key, request.order, kind, None, request.amount, status);
        Ok(self.answer(&state.ledger[i]))
    }

    /// [`PaymentService::capture`], [`PaymentService::void`] or [`PaymentService::refund`], at once.
    pub fn follow_up_now(&self, request: &FollowUpRequest, kind: OperationKind) -> Result<PaymentAnswer, CallError> {
        let mut state = lock(&self.state);
        if let Some(answer) = self.repeated(&mut state, request.key, request.amount)? {
            return Ok(answer);
        }
        let parent = state.by_key.get(&request.parent_key).copied().ok_or_else(|| CallError::refused("NO_SUCH_PAYMENT"))?;
        let status = state.ledger[parent].status;
        let (captured, refunded) = state.moved(request.parent_key);
        match kind {
            OperationKind::Void => match status {
                OperationState::Authorized if captured > 0 => return Err(CallError::refused("ALREADY_CAPTURED")),
                OperationState::Captured => return Err(CallError::refused("ALREADY_CAPTURED")),
                _ => state.ledger[parent].status = OperationState::Voided,
            },
            OperationKind::Capture => {
                if status != OperationState::Authorized || captured + request.amount.minor > state.ledger[parent].amount.minor {
                    return Err(CallError::refused("NOT_AUTHORIZED"));
                }
            }
            _ => {
                if refunded + request.amount.minor > captured {
                    return Err(CallError::refused("EXCEEDS_CAPTURED"));
                }
            }
        }
        let i = state.enter(request.key, request.order, kind, Some(request.parent_key), request.amount, success_of(kind));
        Ok(self.answer(&state.ledger[i]))
    }

    /// [`PaymentService::look_up`], at once.
    pub fn look_up_now(&self, request: &PaymentLookup) -> Option<PaymentAnswer> {
        let state = lock(&self.state);
        let i = state.by_key.get(&request.key).filter(|_| self.capabilities.look_up)?;
        Some(self.answer(&state.ledger[*i]))
    }

    /// What a provider would report of the operation now.
    pub fn report(&self, key: Uuid) -> Option<PaymentReport> {
        let state = lock(&self.state);
        state.by_key.get(&key).map(|&i| report_of(&state.ledger[i]))
    }

    fn repeated(&self, state: &mut State, key: Uuid, amount: Money) -> Result<Option<PaymentAnswer>, CallError> {
        let Some(&i) = state.by_key.get(&key) else { return Ok(None) };
        let entry = &mut state.ledger[i];
        if self.capabilities.repeat {
            // Providers answer so to a key that comes back with another request.
            return if entry.amount == amount { Ok(Some(self.answer(entry))) } else { Err(CallError::refused("KEY_REUSED")) };
        }
        entry.effects += 1;
        Ok(Some(self.answer(entry)))
    }

    fn answer(&self, entry: &LedgerPayment) -> PaymentAnswer {
        let waiting = matches!(entry.status, OperationState::Pending | OperationState::ActionRequired);
        let action = CustomerAction { url: format!("https://pay.example/{}", entry.reference), data: None };
        PaymentAnswer {
            status: entry.status,
            reference: entry.reference.clone(),
            amount: entry.amount,
            code: (entry.status == OperationState::Declined).then(|| "DECLINED".into()),
            wait: waiting.then_some(self.wait),
            action: Private((entry.status == OperationState::ActionRequired).then_some(action)),
            capture_within: (entry.status == OperationState::Authorized).then_some(Duration::from_secs(7 * 24 * 3600)),
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
        self.ledger.push(LedgerPayment { key, order, kind, parent, amount, status, reference, effects: 1 });
        self.by_key.insert(key, i);
        i
    }

    /// What of attempt `key` was captured, and what of that went back.
    fn moved(&self, key: Uuid) -> (Minor, Minor) {
        let mut moved = (0, 0);
        for entry in &self.ledger {
            match (entry.kind, entry.status) {
                (OperationKind::Authorize | OperationKind::Charge, OperationState::Captured) if entry.key == key => {
                    moved.0 += entry.amount.minor;
                }
                (OperationKind::Capture, OperationState::Captured) if entry.parent == Some(key) => moved.0 += entry.amount.minor,
                (OperationKind::Refund, OperationState::Refunded) if entry.parent == Some(key) => moved.1 += entry.amount.minor,
                _ => {}
            }
        }
        moved
    }
}

fn success_of(kind: OperationKind) -> OperationState {
    match kind {
        OperationKind::Authorize => OperationState::Authorized,
        OperationKind::Charge | OperationKind::Capture => OperationState::Captured,
        OperationKind::Void => OperationState::Voided,
        OperationKind::Refund => OperationState::Refunded,
    }
}

fn report_of(entry: &LedgerPayment) -> PaymentReport {
    let reference: Reference = entry.reference.parse().expect("references made here are valid");
    PaymentReport { key: Some(entry.key), reference, status: entry.status, amount: entry.amount }
}

#[async_trait]
impl PaymentService for MemoryPayments {
    fn capabilities(&self) -> PaymentCapabilities {
        self.capabilities
    }
    async fn authorize(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.attempt_now(request, OperationKind::Authorize)
    }
    async fn charge(&self, request: &AttemptRequest) -> Result<PaymentAnswer, CallError> {
        self.attempt_now(request, OperationKind::Charge)
    }
    async fn capture(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.follow_up_now(request, OperationKind::Capture)
    }
    async fn void(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.follow_up_now(request, OperationKind::Void)
    }
    async fn refund(&self, request: &FollowUpRequest) -> Result<PaymentAnswer, CallError> {
        self.follow_up_now(request, OperationKind::Refund)
    }
    async fn look_up(&self, request: &PaymentLookup) -> Result<Option<PaymentAnswer>, CallError> {
        Ok(self.look_up_now(request))
    }
}
