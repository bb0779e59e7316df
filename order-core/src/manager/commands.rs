//! Commands on orders that exist, and what providers report.

use std::sync::Arc;
use std::time::Duration;

use super::attend::Wait;
use super::draft::{Draft, Source};
use super::drive::CONFLICTS_MAX;
use super::{Action, OrderManager, Principal, authorize};
use crate::error::{Error, Rejection, RejectionReason, Violation};
use crate::ids::{IdempotencyKey, Name, OrderId};
use crate::machine::{Command, DisputeReport, Fact, PaymentReport, decide};
use crate::order::{Blocks, JournalRow, OperationState, Order};
use crate::request::check_paying;
use crate::services::Clients;
use crate::store::{CommitError, JournalQuery, Loaded, OrderRef, OrderStore, StoreError, StoreErrorKind, WorkChange};
use crate::text::{check_line, check_note};
use crate::time::Timestamp;

/// How a command is to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandOptions {
    /// Makes the command safe to repeat: a second one with the same key on the same order changes nothing.
    pub key: Option<IdempotencyKey>,
    /// The version the caller saw: refused if the order has changed since.
    pub expected_version: Option<u64>,
    /// How long the caller can wait; [`crate::policy::Policy::answer_within`] if it does not say.
    pub wait: Option<Duration>,
}

/// How a declined order is to be paid now.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RetryPayment {
    /// The payment method.
    pub method: String,
    /// The client's payment token.
    pub token: Option<String>,
    /// Where the provider sends the customer back to.
    pub return_url: Option<String>,
}

impl std::fmt::Debug for RetryPayment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RetryPayment").field("method", &self.method).finish_non_exhaustive()
    }
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Cancels an order and waits, as placing does, until its stock and money are back. Twice is a success.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Conflict`], [`Error::Rejected`] once something has shipped or the order is dead.
    pub async fn cancel(
        &self,
        principal: &Principal,
        order: OrderRef,
        options: CommandOptions,
        reason: String,
    ) -> Result<Arc<Order>, Error> {
        let reason = note("reason", reason, true)?;
        self.command(principal, order, options, &Command::Cancel, reason).await
    }

    /// Pays a declined order again, by this or another method, and waits as placing does.
    ///
    /// # Errors
    ///
    /// As [`Self::cancel`]; [`Error::Invalid`] with every violation; [`Error::Service`]; [`Error::Rejected`] unless the
    /// order's payment failed and the time for it is not over, when the customer's account may not order, or when the coupon
    /// it used has been used up meanwhile.
    pub async fn retry_payment(
        &self,
        principal: &Principal,
        order: OrderRef,
        options: CommandOptions,
        retry: RetryPayment,
    ) -> Result<Arc<Order>, Error> {
        let RetryPayment { method, token, return_url } = retry;
        let (method, token, return_url) = check_paying(&method, token, return_url)?;
        let user = self.load(principal, order).await?.order.user;
        authorize(principal, Action::RetryPayment, Some(user))?;
        self.check_may_order(user).await?;
        let terms = self.terms(&method).await?;
        let command = Command::RetryPayment { method, terms, token, return_url };
        self.command(principal, order, options, &command, None).await
    }

    /// Keeps an order from going on until the hold is released or lapses.
    ///
    /// # Errors
    ///
    /// As [`Self::cancel`]; [`Error::Rejected`] when the order is over, or another hold of that kind is placed.
    pub async fn place_hold(
        &self,
        principal: &Principal,
        order: OrderRef,
        options: CommandOptions,
        kind: Name,
        blocks: Blocks,
        until: Option<Timestamp>,
    ) -> Result<Arc<Order>, Error> {
        let command = Command::PlaceHold { kind, blocks, until };
        self.command(principal, order, options, &command, None).await
    }

    /// Lifts a hold; what it kept waiting goes on.
    ///
    /// # Errors
    ///
    /// As [`Self::cancel`]; [`Error::Rejected`] when no hold of that kind is placed.
    pub async fn release_hold(
        &self,
        principal: &Principal,
        order: OrderRef,
        options: CommandOptions,
        kind: Name,
    ) -> Result<Arc<Order>, Error> {
        self.command(principal, order, options, &Command::ReleaseHold { kind }, None).await
    }

    /// Writes a note into the order's history.
    ///
    /// # Errors
    ///
    /// As [`Self::cancel`]; [`Error::Invalid`] for a text that is empty, too long, or holds what it must not.
    pub async fn note(
        &self,
        principal: &Principal,
        order: OrderRef,
        options: CommandOptions,
        text: String,
    ) -> Result<Arc<Order>, Error> {
        let text = note("notes", text, false)?;
        self.command(principal, order, options, &Command::Note, text).await
    }

    /// Carries out any command, with what a person wrote about it, and waits until nothing is left for the engine to do at
    /// once. [`Self::edit`](Self::edit) prices an edit first.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with every violation; [`Error::NotFound`]; [`Error::Forbidden`]; [`Error::Conflict`];
    /// [`Error::Rejected`] when it may not be done, or not now, with what could be.
    pub async fn execute(
        &self,
        principal: &Principal,
        order: OrderRef,
        options: CommandOptions,
        command: Command,
        notes: String,
    ) -> Result<Arc<Order>, Error> {
        let violations = check_texts(&command);
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        let notes = note("notes", notes, true)?;
        self.command(principal, order, options, &command, notes).await
    }

    /// What a command would make of an order, without doing it: the order as it would be before any service is called, and
    /// the events that lead there.
    ///
    /// # Errors
    ///
    /// As [`Self::execute`].
    pub async fn preview(
        &self,
        principal: &Principal,
        order: OrderRef,
        command: &Command,
    ) -> Result<(Order, Vec<JournalRow>), Error> {
        let loaded = self.load(principal, order).await?;
        authorize(principal, Action::from(command), Some(loaded.order.user))?;
        let env = self.env();
        let source = Source { actor: principal.actor(), cause: command.name() };
        let events = decide(&loaded.order, command, &env)?;
        let mut draft = Draft::of(loaded.order, self.inner.ids.changeset_id(env.now), env.now);
        for event in events {
            draft.push(event, &source);
        }
        draft.settle(&env);
        Ok(draft.into_parts())
    }

    /// Records what a payment provider reports, as its callback does, and works the order if that moved it. Never refused,
    /// whatever the order has become: what fits no operation is kept and shown to a person.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Invalid`] for a status that no provider reports.
    pub async fn record_payment(
        &self,
        principal: &Principal,
        order: OrderRef,
        report: PaymentReport,
    ) -> Result<Arc<Order>, Error> {
        use OperationState as State;
        let problem = match report.status {
            State::Planned | State::Armed | State::Unknown | State::Dropped => Some(Violation::new(
                "status",
                format!(
                    "{} is not a provider's: expected AUTHORIZED, CAPTURED, PENDING, ACTION_REQUIRED, DECLINED, VOIDED, REFUNDED or FAILED",
                    report.status
                ),
            )),
            _ if report.amount.minor < 0 => Some(Violation::new("amount", "must not be negative")),
            _ => None,
        };
        if let Some(violation) = problem {
            return Err(Error::Invalid(vec![violation]));
        }
        self.record(principal, order, &Fact::Report(report)).await
    }

    /// Records what a payment provider reports of a dispute. Never refused; a lost one is a refund that the bank made.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Invalid`] for a negative amount.
    pub async fn record_dispute(
        &self,
        principal: &Principal,
        order: OrderRef,
        report: DisputeReport,
    ) -> Result<Arc<Order>, Error> {
        if report.amount.minor < 0 {
            return Err(Error::invalid("amount", "must not be negative"));
        }
        self.record(principal, order, &Fact::Dispute(report)).await
    }

    async fn record(&self, principal: &Principal, order: OrderRef, fact: &Fact) -> Result<Arc<Order>, Error> {
        authorize(principal, Action::RecordPayment, None)?;
        let until = self.answer_by(None);
        let source = Source { actor: principal.actor(), cause: "callback" };
        for _ in 0..CONFLICTS_MAX {
            let loaded = self.load(principal, order).await?;
            let env = self.env();
            let mut draft = Draft::of(loaded.order, self.inner.ids.changeset_id(env.now), env.now);
            draft.record(fact, &source, &env);
            if draft.is_unchanged() {
                return Ok(Arc::new(draft.order));
            }
            draft.settle(&env);
            let id = draft.order.id;
            match self.commit(draft.into_changeset(None, WorkChange::Wake { due: env.now })).await {
                Ok(_) => return self.settled(id, until, Wait::Decided).await,
                Err(CommitError::Conflict) => {}
                Err(CommitError::Store(e)) => return Err(e.into()),
                Err(e) => return Err(unexpected(&e)),
            }
        }
        Err(too_busy(order))
    }

    /// Decides a command on the order as it is now, commits it, and works what it makes due.
    pub(super) async fn command(
        &self,
        principal: &Principal,
        order: OrderRef,
        options: CommandOptions,
        command: &Command,
        notes: Option<String>,
    ) -> Result<Arc<Order>, Error> {
        let wait = match command {
            Command::Cancel | Command::RetryPayment { .. } | Command::PlaceHold { .. } | Command::ReleaseHold { .. } => {
                Wait::Decided
            }
            _ => Wait::Quiet,
        };
        let until = self.answer_by(options.wait);
        let source = Source { actor: principal.actor(), cause: command.name() };
        for _ in 0..CONFLICTS_MAX {
            let loaded = self.load(principal, order).await?;
            authorize(principal, Action::from(command), Some(loaded.order.user))?;
            let id = loaded.order.id;
            if let Some(expected) = options.expected_version
                && expected != loaded.order.version
            {
                // A repeat of what was done before expects the version of before.
                if let Some(key) = &options.key
                    && self.row_of_key(id, key).await?.is_some()
                {
                    return self.attend(id, until, wait).await;
                }
                return Err(Error::Conflict { order: id, expected, actual: loaded.order.version });
            }
            let env = self.env();
            let events = match decide(&loaded.order, command, &env) {
                Ok(events) => events,
                // What was done before under this key may not be possible again, and need not be.
                Err(rejection) => match &options.key {
                    Some(key) if self.row_of_key(id, key).await?.is_some() => return self.attend(id, until, wait).await,
                    _ => return Err(rejection.into()),
                },
            };
            if events.is_empty() {
                return self.attend(id, until, wait).await;
            }
            let mut draft = Draft::of(loaded.order, self.inner.ids.changeset_id(env.now), env.now);
            for event in events {
                draft.push(event, &source);
            }
            draft.sign(notes.clone(), options.key.clone());
            draft.settle(&env);
            let idle = command.changes_nothing_due();
            let work = if idle { WorkChange::Keep } else { WorkChange::Wake { due: env.now } };
            match self.commit(draft.into_changeset(None, work)).await {
                Ok((committed, _)) if idle => return Ok(committed),
                Ok(_) => return self.settled(id, until, wait).await,
                Err(CommitError::CommandKeyTaken) => return self.attend(id, until, wait).await,
                Err(CommitError::Conflict) => {}
                Err(CommitError::ClaimExhausted { name }) => {
                    let message = format!("cannot {} order {order}: all uses of {name} are taken", command.phrase());
                    return Err(Rejection::new(RejectionReason::CouponExhausted, message).into());
                }
                Err(CommitError::Store(e)) => return Err(e.into()),
                Err(e) => return Err(unexpected(&e)),
            }
        }
        Err(too_busy(order))
    }

    /// Works the order in a task of its own, as placing does, and waits as for any caller.
    async fn settled(&self, id: crate::ids::OrderId, until: Duration, wait: Wait) -> Result<Arc<Order>, Error> {
        let left = until.saturating_sub(self.inner.runtime.monotonic());
        match self.work_detached(id, left, wait).await {
            Some(order) => Ok(order),
            None => self.attend(id, until, wait).await,
        }
    }

    /// The journal row of an order that carries a command's key, if the command was applied before.
    pub(super) async fn row_of_key(&self, order: OrderId, key: &IdempotencyKey) -> Result<Option<JournalRow>, Error> {
        let mut after = 0;
        loop {
            let rows = self.inner.store.journal(&JournalQuery { order, after, limit: JOURNAL_PAGE }).await?;
            let more = rows.len() == JOURNAL_PAGE as usize;
            after = rows.last().map_or(after, |r| r.seq);
            if let Some(row) = rows.into_iter().find(|r| r.command_key.as_ref() == Some(key)) {
                return Ok(Some(row));
            }
            if !more {
                return Ok(None);
            }
        }
    }

    /// The order, if it is the principal's to see.
    pub(super) async fn load(&self, principal: &Principal, order: OrderRef) -> Result<Loaded, Error> {
        let loaded = self.inner.store.load(order, principal.scope()).await?;
        loaded.ok_or_else(|| Error::order_not_found(order))
    }
}

/// A text that a person wrote; `None` for an empty one where that is allowed.
fn note(field: &'static str, text: String, may_be_empty: bool) -> Result<Option<String>, Error> {
    if text.trim().is_empty() {
        if may_be_empty {
            return Ok(None);
        }
        return Err(Error::invalid(field, "is empty: expected 1 to 2,000 characters"));
    }
    check_note(&text, NOTE_MAX).map_err(|e| Error::invalid(field, e.to_string()))?;
    Ok(Some(text))
}

/// What is wrong with the texts of a command.
fn check_texts(command: &Command) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut check = |field: &str, text: Option<&String>, max: usize| {
        if let Some(text) = text {
            if text.trim().is_empty() {
                violations.push(Violation::new(field, format!("is empty: expected 1 to {max} characters")));
            } else if let Err(e) = check_line(text, max) {
                violations.push(Violation::new(field, e.to_string()));
            }
        }
    };
    match command {
        Command::Ship { carrier, tracking, .. } => {
            check("carrier", carrier.as_ref(), NAME_MAX);
            check("tracking", tracking.as_ref(), NAME_MAX);
        }
        Command::SetMetadata { value, .. } => check("value", value.0.as_ref(), NOTE_MAX),
        _ => {}
    }
    violations
}

const JOURNAL_PAGE: u32 = 500;
const NAME_MAX: usize = 100;
const NOTE_MAX: usize = 2000;

pub(super) fn too_busy(order: OrderRef) -> Error {
    StoreError::new(StoreErrorKind::Unavailable, format!("order {order} changes too often to be changed now")).into()
}

pub(super) fn unexpected(e: &CommitError) -> Error {
    StoreError::new(StoreErrorKind::Corrupt, format!("the store refused a change it should not refuse: {e}")).into()
}
