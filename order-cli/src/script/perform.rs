//! Doing what a step says.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use order_core::audit::check_store;
use order_core::error::{Error, RejectionReason};
use order_core::ids::OrderId;
use order_core::manager::{Answered, CommandOptions, PlaceOptions, RetryPayment};
use order_core::money::{Currency, Money};
use order_core::order::{Amounts, OperationState, Order};
use order_core::request::PlaceRequest;
use order_core::rules::{Command, PaymentReport, Purpose, key};
use order_core::runtime::Clock;
use order_core::text::chain;

use super::expect::kind_name;
use super::model::{self, Act, Answer, Cart, Fault, How, Place, Restock, Settle, Step, Work};
use super::stage::{Stage, read_catalogue};
use super::values::{Count, Natural};
use crate::commands::attention::stuck_orders;
use crate::commands::bulk::export::ExportForm;
use crate::commands::bulk::import::{Import, import_into};
use crate::commands::check::{first_breach, summary};
use crate::commands::operator::{Change, Changed, Operator, said_of_repeat};
use crate::commands::placing::resolve_item;
use crate::commands::shop::desk::report_of;
use crate::commands::show::sentences;
use crate::commands::states::diagram;
use crate::commands::work::{NOTHING_STUCK, said_of_resync, said_of_retry};
use crate::exit::{Code, Failure, Outcome};
use crate::input::duration;
use crate::output::counted;
use crate::output::order_text::{status_line, text};
use crate::output::preview::{edit_text, preview_text};
use crate::output::rows::history_table;
use crate::output::stuck::stuck_table;
use crate::output::timeline::Timeline;
use crate::toml_doc::Source;

/// The result of a step.
#[derive(Default)]
pub struct Seen {
    /// The order it was about, as it is afterwards.
    pub order: Option<Arc<Order>>,
    /// The sums of a quote.
    pub quote: Option<(Amounts, Currency)>,
    /// The refusal, if it was refused.
    pub error: Option<StepError>,
    /// A key named an order that existed, or a command that had been carried out.
    pub replayed: Option<bool>,
    /// The lines to print.
    pub said: Vec<String>,
}

/// The refusal of a step.
#[derive(Debug, Clone)]
pub struct StepError {
    /// The kind, such as `NOT_FOUND`.
    pub kind: &'static str,
    /// The stable reason of a rejection.
    pub reason: Option<RejectionReason>,
    /// The message.
    pub message: String,
    /// The step did what it was asked and the order came to nothing: no surprise if nobody
    /// expects otherwise.
    pub dead_order: bool,
}

impl From<Error> for StepError {
    fn from(error: Error) -> Self {
        let reason = if let Error::Rejected(rejection) = &error {
            Some(rejection.reason)
        } else {
            None
        };
        StepError {
            kind: kind_name(error.kind()),
            reason,
            message: chain(&error),
            dead_order: false,
        }
    }
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        let kind = failure
            .kind()
            .map_or_else(|| kind_of(failure.code), kind_name);
        StepError {
            kind,
            reason: failure.reason(),
            message: failure.message().to_owned(),
            dead_order: false,
        }
    }
}

/// The kind of a failure that is not the engine's.
const fn kind_of(code: Code) -> &'static str {
    match code {
        Code::Refused => "REJECTED",
        Code::BadInput => "INVALID",
        Code::NotFound => "NOT_FOUND",
        Code::Unavailable => "STORE",
    }
}

type Done<T = ()> = Result<T, StepError>;

/// Does a step and says what came of it. Only what ends the whole script is a failure.
pub fn perform(stage: &mut Stage, source: Source<'_>, step: &Step<'_>) -> Outcome<Seen> {
    let mut seen = Seen::default();
    let about = stage.find(step.order.as_deref());
    if let Err(error) = act(stage, source, step, about, &mut seen) {
        seen.error = Some(error);
    }
    stage.world.settle();
    let id = seen.order.as_ref().map(|o| o.id).or(about);
    if let Some(id) = id {
        // What other tasks did meanwhile belongs to what is seen.
        let order = stage
            .world
            .run(stage.manager.get(&stage.principal, id.into()))?;
        if seen.order.is_some() {
            seen.said.push(describe(&order));
        }
        seen.order = Some(order);
    }
    Ok(seen)
}

fn describe(order: &Order) -> String {
    format!(
        "{}  {}  {}",
        order.number,
        status_line(order),
        order.in_currency(order.amounts.total)
    )
}

fn act(
    stage: &mut Stage,
    source: Source<'_>,
    step: &Step<'_>,
    about: Option<OrderId>,
    seen: &mut Seen,
) -> Done {
    let order =
        || about.ok_or_else(|| StepError::from(Failure::new(Code::NotFound, "there is no order")));
    match &step.act {
        Act::Place(place) => return placed(stage, place, seen),
        Act::Quote(cart) => {
            let request = request(stage, cart)?;
            let quote = stage
                .world
                .run(stage.manager.quote(&stage.principal, &request))?;
            seen.said.push(format!(
                "would cost {}",
                Money::new(quote.amounts.total, quote.currency)
            ));
            seen.quote = Some((quote.amounts, quote.currency));
        }
        Act::Change { command, wait, .. } => {
            changed(stage, order()?, command.as_change(), *wait, seen)?
        }
        Act::RetryPayment(retry, how) => {
            let model::RetryPayment {
                method,
                amount,
                payment_token,
                return_url,
            } = retry;
            let id = order()?;
            let currency = stage.manager.currency();
            let amount = amount
                .as_deref()
                .map(|a| Money::parse(a, currency))
                .transpose()
                .map_err(Failure::from)?;
            let retry = RetryPayment {
                amount,
                method: method.clone(),
                token: payment_token.clone(),
                return_url: return_url.clone(),
            };
            let done = stage.world.run(stage.manager.retry_payment(
                &stage.principal,
                id.into(),
                retry,
                options(how),
            ))?;
            settle_down(stage, how.wait, repeated(done, how, seen), seen)?;
            note_dead(seen);
        }
        Act::RecordPayment(model::RecordPayment {
            payment,
            reference,
            parent,
            status,
            amount,
        }) => {
            let before = stage
                .world
                .run(stage.manager.get(&stage.principal, order()?.into()))?;
            let operation = payment.map(Count::get).map(|n| {
                before.payment(n).ok_or_else(|| {
                    Failure::new(Code::NotFound, format!("the order has no payment {n}"))
                })
            });
            let operation = operation.transpose()?;
            let money = match (amount, operation) {
                (Some(text), _) => Money::parse(text, before.currency).map_err(Failure::from)?,
                (None, Some(p)) => before.in_currency(p.amount),
                (None, None) => before.in_currency(0),
            };
            let reference = match (reference, operation) {
                (Some(reference), _) => reference.clone(),
                (None, Some(p)) => match &p.reference {
                    Some(reference) => reference.clone(),
                    None => format!("scripted-{}", p.n).parse().map_err(Failure::from)?,
                },
                (None, None) => return Err(Failure::bad_input("a report needs a reference").into()),
            };
            let key = operation.map(|p| key(before.id, Purpose::Payment, p.n));
            let report = PaymentReport {
                key,
                reference,
                parent: parent.clone(),
                status: *status,
                amount: money,
            };
            let done = stage.world.run(stage.manager.record_payment(
                &stage.principal,
                before.id.into(),
                report,
            ))?;
            settle_down(stage, None, done, seen)?;
        }
        Act::Note(model::Note { text }, how) => {
            let id = order()?;
            let done = stage.world.run(stage.manager.execute(
                &stage.principal,
                id.into(),
                Command::Note,
                options(how).with_notes(text.clone()),
            ))?;
            seen.order = Some(repeated(done, how, seen));
        }
        Act::Settle(Settle {
            payment,
            outcome,
            report,
        }) => {
            let before = stage
                .world
                .run(stage.manager.get(&stage.principal, order()?.into()))?;
            let waits = |s| matches!(s, OperationState::Pending | OperationState::ActionRequired);
            let n = payment.map(Count::get).or_else(|| {
                before
                    .payments
                    .iter()
                    .rev()
                    .find(|p| waits(p.state))
                    .map(|p| p.n)
            });
            let n = n.ok_or_else(|| {
                Failure::new(Code::Refused, "no payment of the order waits for anything")
            })?;
            let key = key(before.id, Purpose::Payment, n);
            let settled = stage
                .outside(stage.shop.settle(key, (*outcome).into()))
                .map_err(Failure::from)?;
            seen.said
                .push(format!("payment {n} is {} at the desk", settled.status));
            if *report {
                let told = report_of(&settled)?;
                let done = stage.world.run(stage.manager.record_payment(
                    &stage.principal,
                    before.id.into(),
                    told,
                ))?;
                settle_down(stage, None, done, seen)?;
            }
        }
        Act::Restock(Restock { sku, units }) => {
            let row = stage
                .outside(stage.shop.restock(sku, units.get()))
                .map_err(Failure::from)?;
            seen.said.push(format!(
                "{sku}: {} on hand, {} available",
                row.on_hand, row.available
            ));
        }
        Act::Load(catalogue) => {
            stage.load(&read_catalogue(source, catalogue)?)?;
            seen.said.push("the catalogue is loaded".into());
        }
        Act::Advance(by) => {
            stage.world.advance(*by);
            seen.said.push(format!("it is {}", stage.world.now()));
        }
        Act::Service(fault) => {
            seen.said.push(announce(fault));
            stage.services.set(fault.clone());
        }
        Act::Work(Work {
            lasting,
            retry_stuck,
            resync,
        }) => {
            if *retry_stuck {
                let mut retried = Vec::new();
                stage.world.run(
                    stage
                        .manager
                        .retry_stuck(&stage.principal, |one| retried.push(said_of_retry(&one))),
                )?;
                if retried.is_empty() {
                    retried.push(NOTHING_STUCK.into());
                }
                seen.said.append(&mut retried);
            }
            if *resync {
                seen.said.extend(said_of_resync(
                    &stage.world.run(stage.manager.resync(&stage.principal))?,
                ));
            }
            let worked = stage.work(*lasting)?;
            let when = if lasting.is_zero() {
                String::new()
            } else {
                format!("; it is {}", stage.world.now())
            };
            // An order that falls due several times counts each time.
            seen.said.push(format!(
                "found {} due{when}",
                counted(worked as u64, "order")
            ));
        }
        Act::Restart(policy) => {
            stage.restart(policy.as_deref())?;
            seen.said
                .push("the process died, and another one runs".into());
        }
        Act::Export(form) => {
            let (orders, text) = stage.export(*form)?;
            seen.said
                .push(format!("exported {}", counted(orders, "order")));
            match form {
                ExportForm::Jsonl => stage.exported = text,
                ExportForm::CsvOrders | ExportForm::CsvLines => {
                    seen.said.extend(text.lines().map(str::to_owned))
                }
            }
        }
        Act::Restore => {
            let restored = stage.restore()?;
            seen.said.push(format!(
                "restored {} into a new store; exporting them again gives the same",
                counted(restored, "order")
            ));
        }
        Act::Import(model::Import { file, dry_run }) => {
            let file = Path::new(source.name)
                .parent()
                .unwrap_or(Path::new(""))
                .join(file);
            let args = Import {
                file,
                dry_run: *dry_run,
            };
            let imported = import_into(&stage.manager, &stage.principal, &stage.world, &args);
            seen.said.push(stage.world.run(imported)?.text());
        }
        Act::Backup => {
            let copied = stage.backup()?;
            seen.said.push(format!(
                "the copy has {}, the same as the store",
                counted(copied, "order")
            ));
        }
        Act::History => {
            let rows = stage
                .world
                .run(stage.manager.history(&stage.principal, order()?.into()))?;
            seen.said
                .extend(history_table(&rows).render().lines().map(str::to_owned));
        }
        Act::Explain => {
            let explanation = stage
                .world
                .run(stage.manager.explain(&stage.principal, order()?.into()))?;
            seen.said
                .extend(sentences(&explanation).lines().map(str::to_owned));
        }
        Act::Get => {
            let order = stage
                .world
                .run(stage.manager.get(&stage.principal, order()?.into()))?;
            seen.said.extend(text(&order).lines().map(str::to_owned));
        }
        Act::Timeline => {
            let id = order()?;
            let rows = stage
                .world
                .run(stage.manager.history(&stage.principal, id.into()))?;
            let explanation = stage
                .world
                .run(stage.manager.explain(&stage.principal, id.into()))?;
            seen.said.extend(
                Timeline::of(&explanation, &rows)
                    .text()
                    .lines()
                    .map(str::to_owned),
            );
        }
        Act::Stuck => {
            let found = stage
                .world
                .run(stuck_orders(&stage.manager, &stage.principal))?;
            seen.said
                .extend(stuck_table(&found).render().lines().map(str::to_owned));
        }
        Act::Watch => {
            let rows = stage.watch()?;
            seen.said.extend(rows.iter().map(|r| {
                format!(
                    "{} {} {}",
                    r.number,
                    r.seq,
                    r.row.as_ref().map_or("UNREADABLE", |row| row.event.name())
                )
            }));
        }
        Act::States => seen.said.extend(diagram().lines().map(str::to_owned)),
        Act::Check => {
            let findings = stage
                .outside(check_store(&stage.manager, Some(&stage.shop)))
                .map_err(Failure::from)?;
            seen.said.push(summary(&findings));
            if findings.is_breached() {
                return Err(Failure::new(Code::Refused, first_breach(&findings)).into());
            }
        }
        Act::Expect => {}
    }
    Ok(())
}

/// Does a command as the command line does it, and shows what would come of one that is only tried.
fn changed(
    stage: &Stage,
    order: OrderId,
    change: &dyn Change,
    wait: Option<Duration>,
    seen: &mut Seen,
) -> Done {
    let before = stage
        .world
        .run(stage.manager.get(&stage.principal, order.into()))?;
    let asked = stage.outside(change.ask(&before)?.resolve(Some(&stage.shop)))?;
    let operator = Operator {
        manager: &stage.manager,
        principal: &stage.principal,
        wait,
    };
    match stage
        .world
        .run(operator.perform(order, asked, change.how()))?
    {
        Changed::Order(done, repeated) => {
            seen.replayed = Some(repeated.is_some());
            seen.said.extend(repeated);
            settle_down(stage, wait, done, seen)
        }
        Changed::Preview(order, rows) => {
            seen.said
                .extend(preview_text(&order, &rows).lines().map(str::to_owned));
            Ok(())
        }
        Changed::EditPreview(preview) => {
            seen.said
                .extend(edit_text(&preview).lines().map(str::to_owned));
            Ok(())
        }
    }
}

/// The order of an answer; notes whether it was a repeat.
fn repeated(answered: Answered, how: &How, seen: &mut Seen) -> Arc<Order> {
    seen.replayed = Some(answered.repeats.is_some());
    seen.said
        .extend(said_of_repeat(how.key.as_ref(), &answered));
    answered.order
}

/// An order after a command: worked until nothing is due now, unless the caller waits only so long.
fn settle_down(stage: &Stage, wait: Option<Duration>, order: Arc<Order>, seen: &mut Seen) -> Done {
    seen.order = Some(if wait.is_some() {
        order
    } else {
        stage.drive(order.id)?
    });
    Ok(())
}

fn placed(stage: &mut Stage, place: &Place, seen: &mut Seen) -> Done {
    let mut request = request(stage, &place.cart)?;
    let wanted = &place.options;
    request.payment_token = wanted.payment_token.clone();
    request.return_url = wanted.return_url.clone();
    request.holds = wanted.holds.clone();
    request.metadata = wanted.metadata.clone();
    request.external_ref = wanted.external_ref.clone();
    let currency = stage.currency();
    let expected_total = wanted
        .expect_total
        .as_ref()
        .map(|t| Money::parse(t, currency).map_err(Failure::from))
        .transpose()?;
    let options = PlaceOptions {
        key: place.how.key.clone(),
        expected_total,
        wait: place.how.wait,
    };
    let placement = stage
        .world
        .run(stage.manager.place(&stage.principal, request, options))?;
    let id = placement.order.id;
    match &wanted.alias {
        Some(alias) => stage.orders.push((Some(alias.get_ref().clone()), id)),
        None if stage.orders.iter().all(|(_, o)| *o != id) => stage.orders.push((None, id)),
        None => {}
    }
    seen.replayed = Some(placement.replayed);
    seen.order = Some(if place.how.wait.is_some() {
        placement.order
    } else {
        stage.drive(id)?
    });
    note_dead(seen);
    Ok(())
}

fn note_dead(seen: &mut Seen) {
    let Some(order) = &seen.order else { return };
    let Some(rejection) = order_core::rules::failure(order) else {
        return;
    };
    let (reason, message) = (rejection.reason, rejection.message);
    seen.error = Some(StepError {
        kind: "REJECTED",
        reason: Some(reason),
        message,
        dead_order: true,
    });
}

fn request(stage: &Stage, cart: &Cart) -> Done<PlaceRequest> {
    let mut items = Vec::new();
    for item in &cart.items {
        items.push(stage.outside(resolve_item(item, Some(&stage.shop)))?);
    }
    Ok(PlaceRequest {
        user_id: cart.user.clone(),
        items,
        shipping_address: cart.ship_to.clone(),
        billing_address: cart.bill_to.clone(),
        payment_method: cart.payment_method.clone(),
        shipping_method: cart.shipping_method.clone(),
        notes: cart.notes.clone(),
        coupon_code: cart.coupon.clone(),
        ..PlaceRequest::default()
    })
}

fn options(how: &How) -> CommandOptions {
    CommandOptions {
        key: how.key.clone(),
        expected_version: how.expected_version.map(Natural::get),
        wait: how.wait,
        ..CommandOptions::default()
    }
}

fn announce(fault: &Fault) -> String {
    let what = match fault.call {
        Some(call) => format!("{}.{call}", fault.service),
        None => format!("the {} service", fault.service),
    };
    let how = match &fault.answer {
        Answer::Normal => "answers as it should".to_owned(),
        Answer::Decline(code) => format!("declines ({code})"),
        Answer::Fail => "fails, and nothing happens".into(),
        Answer::TimeoutBefore => "does not answer, and nothing happens".into(),
        Answer::TimeoutAfter => "does not answer, but it happens".into(),
        Answer::TimeoutThenLate(by) => format!(
            "does not answer, and it happens {} later",
            duration::show(*by)
        ),
        Answer::Malformed => "answers nonsense".into(),
        Answer::Late(by) => format!("answers {} late", duration::show(*by)),
    };
    let times = fault
        .times
        .map(|n| format!(", for {}", counted(n.into(), "call")))
        .unwrap_or_default();
    format!("{what} {how}{times}")
}

impl Stage {
    /// The order of that name; the last one placed if none.
    fn find(&self, alias: Option<&str>) -> Option<OrderId> {
        match alias {
            Some(alias) => self
                .orders
                .iter()
                .find(|(name, _)| name.as_deref() == Some(alias))
                .map(|(_, id)| *id),
            None => self.orders.last().map(|(_, id)| *id),
        }
    }
}
