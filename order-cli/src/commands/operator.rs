//! Commands on one order as the engine gets them. Each topic's file reads its own options; this one
//! carries out what they ask for, for the command line and for scripts alike.

use std::sync::Arc;
use std::time::Duration;

use order_core::error::Error;
use order_core::ids::{IdempotencyKey, OrderId};
use order_core::manager::{Answered, CommandOptions, EditPreview, Principal, RetryPayment};
use order_core::money::Money;
use order_core::order::{EditState, JournalRow, Order};
use order_core::request::EditRequest;
use order_core::rules::{Command, DisputeReport, PaymentReport};
use order_core::store::OrderRef;
use order_store_sqlite::shop::Shop;

use super::options::How;
use super::placing::{resolve_item, show_result};
use crate::engine::{Engine, Manager};
use crate::exit::{Failure, Outcome};
use crate::input::items::Item;
use crate::output::order_text::text;
use crate::output::preview::{EditView, PreviewView, edit_text, preview_text};
use crate::output::{Out, confirm, note};
use crate::settings::Settings;
use order_core::json::OrderView;

/// A command that changes one order, as it was typed or stands in a script.
pub trait Change {
    /// The order it names. Scripts name theirs elsewhere.
    fn order(&self) -> OrderRef;

    /// The reason, and what makes it safe to repeat.
    fn how(&self) -> How;

    /// Returns a question that whoever sits at a terminal must answer with yes, since it cannot be
    /// undone; none if it can, or if they have said so.
    fn to_confirm(&self, _: &Order) -> Option<String> {
        None
    }

    /// Reads what is asked of the engine, with lines by number and amounts in the order's currency.
    ///
    /// # Errors
    ///
    /// Bad input, or a line that the order does not have.
    fn ask(&self, order: &Order) -> Outcome<Asked>;
}

/// Something asked of the engine for one order.
pub enum Asked {
    /// A command of the engine.
    Command(Command),
    /// The same, only tried.
    Preview(Command),
    /// A change of what was ordered.
    Edit {
        /// The change.
        request: EditRequest,
        /// Further items, which may be named by SKU.
        add: Vec<Item>,
        /// Nothing is to be done: only its cost is shown.
        dry_run: bool,
    },
    /// Another payment.
    RetryPayment(RetryPayment),
    /// A provider's report of a payment.
    Payment(PaymentReport),
    /// A provider's report of a dispute.
    Dispute(DisputeReport),
}

impl Asked {
    /// Returns true if it may lead to calls; what does not needs no services. The engine knows
    /// which of its commands those are.
    pub fn calls_services(&self) -> bool {
        let wakes = |command: &Command| command.spec().wakes;
        match self {
            Asked::Command(command) | Asked::Preview(command) => wakes(command),
            Asked::Edit { .. } | Asked::RetryPayment(_) | Asked::Payment(_) | Asked::Dispute(_) => {
                true
            }
        }
    }

    /// Returns the same with items named by product and variant; `shop` has the products, if they
    /// are in the embedded one.
    ///
    /// # Errors
    ///
    /// Not found, or bad input for a SKU where products are elsewhere.
    pub async fn resolve(mut self, shop: Option<&Shop>) -> Outcome<Self> {
        if let Asked::Edit { request, add, .. } = &mut self {
            for item in add.drain(..) {
                request.add.push(resolve_item(&item, shop).await?);
            }
        }
        Ok(self)
    }
}

/// The result of a command.
pub enum Changed {
    /// The order, changed; and what to say if it was a repeat, and nothing was done.
    Order(Arc<Order>, Option<String>),
    /// The order and its events as they would be.
    Preview(Box<Order>, Vec<JournalRow>),
    /// The cost and the changes of an edit.
    EditPreview(Box<EditPreview>),
}

impl Changed {
    fn of(answered: Answered, key: Option<&IdempotencyKey>) -> Self {
        let repeated = said_of_repeat(key, &answered);
        Changed::Order(answered.order, repeated)
    }
}

/// Does what the command says, and works the order until nothing is due now.
pub async fn change(settings: &Settings, out: &Out, command: &dyn Change) -> Outcome {
    let engine = Engine::open_existing_without_services(settings).await?;
    let order = engine
        .manager
        .get(&engine.principal, command.order())
        .await?;
    let asked = command.ask(&order)?;
    if let Some(question) = command.to_confirm(&order) {
        confirm(&question)?;
    }
    let calls = asked.calls_services();
    let engine = match calls {
        true => engine.with_services(settings).await?,
        false => engine,
    };
    let asked = asked.resolve(engine.products.as_deref()).await?;
    let is_edit = matches!(asked, Asked::Edit { .. });
    let is_payment = matches!(asked, Asked::RetryPayment(_));
    let operator = Operator {
        manager: &engine.manager,
        principal: &engine.principal,
        wait: None,
    };
    let done = operator.perform(order.id, asked, command.how()).await;
    let changed = engine
        .finished(done)
        .await
        .map_err(|error| failed(error, &engine))?;
    let (order, repeated) = match changed {
        Changed::Order(order, repeated) => (order, repeated),
        Changed::Preview(order, rows) => {
            return out.one(&PreviewView::of(&order, &rows), || {
                preview_text(&order, &rows)
            });
        }
        Changed::EditPreview(preview) => {
            return out.one(&EditView::of(&preview), || edit_text(&preview));
        }
    };
    let order = match calls {
        true => engine.drive(order.id).await?,
        false => order,
    };
    repeated.iter().for_each(note);
    if is_payment {
        return show_result(out, &order, repeated.is_some());
    }
    if let Some(edit) = order.open_edit().filter(|_| is_edit) {
        let number = order.number;
        note(format_args!(
            "edit {} is not decided yet: `order explain {number}` says what it waits for",
            edit.n
        ));
    }
    out.one(&OrderView::of(&order).replayed(repeated.is_some()), || {
        text(&order)
    })
}

/// Names the payment methods that are offered where another one was asked for.
fn failed(error: Error, engine: &Engine) -> Failure {
    let is_method = matches!(&error, Error::Invalid(violations)
        if violations.iter().any(|v| v.field == "payment_method"));
    let failure = Failure::from(error);
    match is_method {
        true => failure.hint(format!("offered: {}", engine.payment_methods.join(", "))),
        false => failure,
    }
}

/// Returns what is said of a command that was carried out before under its key.
pub fn said_of_repeat(key: Option<&IdempotencyKey>, answered: &Answered) -> Option<String> {
    let (key, row) = (key?, answered.repeats?);
    Some(format!(
        "repeated: key {key} was used for this at journal row {row}"
    ))
}

/// Reads an amount in the order's currency.
///
/// # Errors
///
/// Bad input, with the option's name.
pub fn money(order: &Order, option: &str, text: &str) -> Outcome<Money> {
    Money::parse(text, order.currency).map_err(|e| Failure::from(e).context(option))
}

/// A person who gives commands, at an engine.
pub struct Operator<'a> {
    /// The engine.
    pub manager: &'a Manager,
    /// The name they stand under in the journal.
    pub principal: &'a Principal,
    /// The time they wait; as long as the engine's policy says if they do not say.
    pub wait: Option<Duration>,
}

impl Operator<'_> {
    /// Carries out what is asked. Items must have been [resolved](Asked::resolve).
    ///
    /// # Errors
    ///
    /// Those of the engine.
    pub async fn perform(&self, order: OrderId, asked: Asked, how: How) -> Result<Changed, Error> {
        let (manager, principal, order) = (self.manager, self.principal, order.into());
        let How { reason, once } = how;
        let key = once.key.clone();
        let options = CommandOptions {
            key: once.key,
            expected_version: once.expect_version,
            wait: self.wait,
            ..CommandOptions::default()
        };
        let answered = match asked {
            Asked::Command(command) => {
                manager
                    .execute(principal, order, command, options.with_notes(reason))
                    .await?
            }
            Asked::Preview(command) => {
                let (order, rows) = manager.preview(principal, order, &command).await?;
                return Ok(Changed::Preview(Box::new(order), rows));
            }
            Asked::Edit {
                request,
                dry_run: true,
                ..
            } => {
                let preview = manager.preview_edit(principal, order, &request).await?;
                return Ok(Changed::EditPreview(Box::new(preview)));
            }
            Asked::Edit { request, .. } => {
                let answer = manager.edit(principal, order, request, options).await?;
                debug_assert!(
                    answer.state != EditState::Discarded,
                    "a discarded edit is an error"
                );
                Answered {
                    order: answer.order,
                    repeats: answer.repeats,
                }
            }
            Asked::RetryPayment(retry) => {
                manager
                    .retry_payment(principal, order, retry, options)
                    .await?
            }
            Asked::Payment(report) => {
                let order = manager.record_payment(principal, order, report).await?;
                return Ok(Changed::Order(order, None));
            }
            Asked::Dispute(report) => {
                let order = manager.record_dispute(principal, order, report).await?;
                return Ok(Changed::Order(order, None));
            }
        };
        Ok(Changed::of(answered, key.as_ref()))
    }
}
