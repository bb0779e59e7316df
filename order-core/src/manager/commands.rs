//! Commands on orders that exist, and what providers report.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::draft::{Draft, Source};
use super::goodbye::CONFLICTS_MAX;
use super::{Action, OrderManager, Principal, authorize};
use crate::error::{Error, Rejection, RejectionReason, UsedFor, Violation};
use crate::ids::{IdempotencyKey, OrderId};
use crate::money::Money;
use crate::order::{CommandKey, JournalRow, Order};
use crate::request::check_paying;
use crate::rules::{Command, CommandText, DisputeReport, Fact, PaymentReport, Wait, decide};
use crate::services::Clients;
use crate::store::{
    CommitError, JournalQuery, Loaded, OrderRef, OrderStore, StoreError, StoreErrorKind, WorkChange,
};
use crate::text::{Private, check_line, check_note};

/// Options of a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandOptions {
    /// Makes the command safe to repeat: the same one with the same key on the same order changes
    /// nothing, and says that it is a repeat; another command or other content under the key is
    /// refused ([`Error::KeyReused`]). What changes nothing, such as cancelling a cancelled order,
    /// is not recorded, and leaves its key free.
    pub key: Option<IdempotencyKey>,
    /// The version the caller saw: refused if the order has changed since.
    pub expected_version: Option<u64>,
    /// The longest time that the caller waits; [`crate::policy::Policy::answer_within`] unless set.
    pub wait: Option<Duration>,
    /// A person's words for the order's journal, at most 2,000 characters: why an order is
    /// cancelled, or the note that [`Command::Note`] writes, which needs one.
    pub notes: Private<String>,
}

impl CommandOptions {
    /// Returns the options with an idempotency key.
    #[must_use]
    pub fn with_key(self, key: IdempotencyKey) -> Self {
        CommandOptions {
            key: Some(key),
            ..self
        }
    }

    /// Returns the options for an order that must be at `version`.
    #[must_use]
    pub fn with_expected_version(self, version: u64) -> Self {
        CommandOptions {
            expected_version: Some(version),
            ..self
        }
    }

    /// Returns the options of a caller who can wait for that long.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        CommandOptions {
            wait: Some(wait),
            ..self
        }
    }

    /// Returns the options with words for the journal; empty ones count as none.
    #[must_use]
    pub fn with_notes(self, notes: impl Into<String>) -> Self {
        CommandOptions {
            notes: Some(notes.into()).into(),
            ..self
        }
    }
}

/// The outcome of a command.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The order as it is when the caller is answered.
    pub order: Arc<Order>,
    /// The journal row that the same command wrote before under the same key: nothing was done now.
    /// `None` if it was no repeat.
    pub repeats: Option<u64>,
}

/// A command and what makes it the same when it is asked for again.
pub(super) struct Asked<'a> {
    pub command: &'a Command,
    pub notes: Option<String>,
    pub hash: Uuid,
    /// True if whoever works next is left to work what it makes due.
    pub only_wakes: bool,
}

/// A request to pay a declined order again, or what another one is short.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RetryPayment {
    /// The amount to pay, in the order's currency; all that is short if `None`.
    pub amount: Option<Money>,
    /// The payment method.
    pub method: String,
    /// The client's payment token.
    pub token: Option<String>,
    /// The address that the provider sends the customer back to.
    pub return_url: Option<String>,
}

impl std::fmt::Debug for RetryPayment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RetryPayment")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl<S: OrderStore, C: Clients> OrderManager<S, C> {
    /// Pays a declined order again, or what another one is short, by this or another method, and
    /// waits as placing does.
    ///
    /// # Errors
    ///
    /// As [`Self::execute`]; [`Error::Service`]; [`Error::Rejected`] when nothing is left to be
    /// paid, the time for it is over, a payment is under way, the customer's account may not order,
    /// or the coupon it used has been used up meanwhile.
    pub async fn retry_payment(
        &self,
        principal: &Principal,
        order: OrderRef,
        retry: RetryPayment,
        options: CommandOptions,
    ) -> Result<Answered, Error> {
        let RetryPayment {
            amount,
            method,
            token,
            return_url,
        } = retry;
        let (method, token, return_url) = check_paying(&method, token, return_url)?;
        let currency = self.inner.pricing.currency();
        if let Some(wrong) = amount.filter(|a| a.currency != currency || a.minor <= 0) {
            return Err(Error::invalid(
                "amount",
                format!("is {wrong}: expected more than nothing, in {currency}"),
            ));
        }
        let user = self.load(principal, order).await?.order.user;
        authorize(principal, Action::RetryPayment, Some(user))?;
        let terms = self.terms(&method).await?;
        let amount = amount.map(|a| a.minor);
        let command = Command::RetryPayment {
            amount,
            method,
            terms,
            token,
            return_url,
        };
        let notes = signed(&command, &options)?;
        self.command(principal, order, options, Asked::new(&command, notes))
            .await
    }

    /// Carries out a command, and waits for what follows from it as far as that needs nobody else:
    /// a cancelled order's money to be back, what has shipped to be paid. A command that is done
    /// already, such as cancelling a cancelled order, is a success and changes nothing.
    ///
    /// This is the one way to command an order. [`Self::edit`] and [`Self::retry_payment`] are
    /// commands too; they ask for prices or terms first, and so make theirs themselves.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with every violation; [`Error::NotFound`]; [`Error::Forbidden`];
    /// [`Error::KeyReused`]; [`Error::Conflict`]; [`Error::Rejected`] when it may not be done, or
    /// not now, with what could be.
    ///
    /// # Examples
    ///
    /// ```
    /// # use order_core::error::Error;
    /// # use order_core::manager::{CommandOptions, OrderManager, Principal};
    /// # use order_core::rules::Command;
    /// # use order_core::store::OrderRef;
    /// # async fn example(orders: &OrderManager, number: OrderRef) -> Result<(), Error> {
    /// let clerk = Principal::operator("dana");
    /// let options = CommandOptions::default().with_notes("ordered twice");
    /// let cancelled = orders.execute(&clerk, number, Command::Cancel, options).await?;
    /// println!("{} is {}", cancelled.order.number, cancelled.order.statuses.status);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn execute(
        &self,
        principal: &Principal,
        order: OrderRef,
        command: Command,
        options: CommandOptions,
    ) -> Result<Answered, Error> {
        let violations = check_texts(&command);
        if !violations.is_empty() {
            return Err(Error::Invalid(violations));
        }
        let notes = signed(&command, &options)?;
        self.command(principal, order, options, Asked::new(&command, notes))
            .await
    }

    /// Returns what a command would make of an order, without doing it: the order as it would be
    /// before any service is called, and the events that lead there.
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
        authorize(principal, command.spec().action, Some(loaded.order.user))?;
        let env = self.env_of(&loaded.order);
        let source = Source {
            actor: principal.actor(),
            cause: command.name(),
        };
        let events = decide(&loaded.order, command, &env)?;
        let mut draft = Draft::of(loaded.order, self.inner.ids.changeset_id(env.now), env.now);
        for event in events {
            draft.push(event, &source);
        }
        draft.settle(&env);
        Ok(draft.into_parts())
    }

    /// Records what a payment provider reports, as its callback does, and works the order if that
    /// moved it. Never refused, whatever the order has become: what fits no operation is kept and
    /// shown to a person.
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
        let problem = match report.status {
            status if !status.is_a_providers() => Some(Violation::new(
                "status",
                format!(
                    "{status} is not a provider's: expected AUTHORIZED, CAPTURED, PENDING, \
                        ACTION_REQUIRED, DECLINED, VOIDED, REFUNDED or FAILED"
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

    /// Records what a payment provider reports of a dispute. Never refused; a lost one is a refund
    /// that the bank made.
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

    async fn record(
        &self,
        principal: &Principal,
        order: OrderRef,
        fact: &Fact,
    ) -> Result<Arc<Order>, Error> {
        authorize(principal, Action::RecordPayment, None)?;
        let until = self.answer_by(None);
        let source = Source {
            actor: principal.actor(),
            cause: "callback",
        };
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
            match self
                .commit(draft.into_changeset(None, WorkChange::Wake { due: env.now }))
                .await
            {
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
        asked: Asked<'_>,
    ) -> Result<Answered, Error> {
        let Asked {
            command,
            notes,
            hash,
            only_wakes,
        } = asked;
        let spec = command.spec();
        let wait = spec.wait;
        let until = self.answer_by(options.wait);
        let source = Source {
            actor: principal.actor(),
            cause: command.name(),
        };
        let command_key = options.key.map(|key| CommandKey { key, hash });
        for _ in 0..CONFLICTS_MAX {
            let loaded = self.load(principal, order).await?;
            authorize(principal, spec.action, Some(loaded.order.user))?;
            let id = loaded.order.id;
            // First of all: a repeat expects the version of before, and need not be possible again.
            if let Some(command_key) = &command_key
                && let Some(row) = self.repeated_row(id, command_key).await?
            {
                return Ok(Answered {
                    order: self.attend(id, until, wait).await?,
                    repeats: Some(row.seq),
                });
            }
            if let Some(expected) = options.expected_version
                && expected != loaded.order.version
            {
                return Err(Error::Conflict {
                    order: id,
                    expected,
                    actual: loaded.order.version,
                });
            }
            let env = self.env_of(&loaded.order);
            let events = decide(&loaded.order, command, &env)?;
            let done = |order| {
                Ok(Answered {
                    order,
                    repeats: None,
                })
            };
            if events.is_empty() {
                return self.attend(id, until, wait).await.and_then(done);
            }
            if buys(&loaded.order, command) {
                self.check_may_order(loaded.order.user).await?;
            }
            let mut draft = Draft::of(loaded.order, self.inner.ids.changeset_id(env.now), env.now);
            for event in events {
                draft.push(event, &source);
            }
            draft.sign(notes.clone(), command_key.clone());
            let decided = draft.len();
            draft.settle(&env);
            // What settles besides may make something due.
            let idle = !spec.wakes && draft.len() == decided;
            let work = if idle {
                WorkChange::Keep
            } else {
                WorkChange::Wake { due: self.now() }
            };
            match self.commit(draft.into_changeset(None, work)).await {
                Ok((committed, _)) if idle || only_wakes => return done(committed),
                Ok(_) => return self.settled(id, until, wait).await.and_then(done),
                // Somebody was faster: the row is there now.
                Err(CommitError::CommandKeyTaken(_) | CommitError::Conflict) => {}
                Err(CommitError::RedemptionExhausted { name }) => {
                    let message = format!(
                        "cannot {} order {order}: all uses of {name} are taken",
                        spec.phrase
                    );
                    return Err(Rejection::new(RejectionReason::CouponExhausted, message).into());
                }
                Err(CommitError::Store(e)) => return Err(e.into()),
                Err(e) => return Err(unexpected(&e)),
            }
        }
        Err(too_busy(order))
    }

    /// Works the order in a task of its own, as placing does, and waits as for any caller.
    async fn settled(&self, id: OrderId, until: Duration, wait: Wait) -> Result<Arc<Order>, Error> {
        let left = until.saturating_sub(self.inner.runtime.monotonic());
        match self.work_detached(id, left, wait).await {
            Some(order) => Ok(order),
            None => self.attend(id, until, wait).await,
        }
    }

    /// The journal row that the same command wrote before under the same key; refused if it was
    /// another one.
    pub(super) async fn repeated_row(
        &self,
        order: OrderId,
        asked: &CommandKey,
    ) -> Result<Option<JournalRow>, Error> {
        let CommandKey { key, hash } = asked;
        let rows = self
            .inner
            .store
            .journal(&JournalQuery::of_key(order, key.clone()))
            .await?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(None);
        };
        if row
            .command_key
            .as_ref()
            .is_some_and(|used| used.hash == *hash)
        {
            return Ok(Some(row));
        }
        let used = UsedFor {
            command: row.cause,
            seq: row.seq,
            at: row.at,
        };
        Err(Error::KeyReused {
            key: key.clone(),
            used: Some(used),
        })
    }

    /// The order, if it is the principal's to see.
    pub(super) async fn load(
        &self,
        principal: &Principal,
        order: OrderRef,
    ) -> Result<Loaded, Error> {
        let loaded = self.load_any(order.into(), principal.scope()).await?;
        loaded.ok_or_else(|| Error::order_not_found(order))
    }
}

impl<'a> Asked<'a> {
    pub(super) fn new(command: &'a Command, notes: Option<String>) -> Self {
        Asked {
            command,
            hash: command.hash(notes.as_deref()),
            notes,
            only_wakes: false,
        }
    }
}

/// Returns whether a command has the customer buy more, or pay again: only an account that may
/// order may do that, whoever commands it.
pub(super) fn buys(order: &Order, command: &Command) -> bool {
    match command {
        Command::Edit { plan, .. } => {
            !plan.added.is_empty()
                || !plan.raised.is_empty()
                || order.least_kept_after(plan) > order.least_kept()
        }
        other => other.spec().may_buy,
    }
}

/// The words that go with a command, which a note needs and everything else may have.
pub(super) fn signed(command: &Command, options: &CommandOptions) -> Result<Option<String>, Error> {
    let field = match command {
        Command::Cancel => "reason",
        _ => "notes",
    };
    let text = options.notes.get().filter(|text| !text.trim().is_empty());
    let Some(text) = text else {
        return match command {
            Command::Note => Err(Error::invalid(
                field,
                "is empty: expected 1 to 2,000 characters",
            )),
            _ => Ok(None),
        };
    };
    check_note(text, NOTE_MAX).map_err(|e| Error::invalid(field, e.to_string()))?;
    Ok(Some(text.clone()))
}

/// Returns what is wrong with the texts of a command.
fn check_texts(command: &Command) -> Vec<Violation> {
    let mut violations = Vec::new();
    for CommandText { field, text, max } in command.spec().texts.into_iter().flatten() {
        let Some(text) = text else { continue };
        if text.trim().is_empty() {
            violations.push(Violation::new(
                field,
                format!("is empty: expected 1 to {max} characters"),
            ));
        } else if let Err(e) = check_line(text, max) {
            violations.push(Violation::new(field, e.to_string()));
        }
    }
    violations
}

const NOTE_MAX: usize = 2000;

pub(super) fn too_busy(order: OrderRef) -> Error {
    StoreError::new(
        StoreErrorKind::Unavailable,
        format!("order {order} changes too often to be changed now"),
    )
    .into()
}

pub(super) fn unexpected(e: &CommitError) -> Error {
    StoreError::new(
        StoreErrorKind::Corrupt,
        format!("the store refused a change it should not refuse: {e}"),
    )
    .into()
}
