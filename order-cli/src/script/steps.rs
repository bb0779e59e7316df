//! Reading a `[[step]]`: each kind has its own fields, and no others.

use std::collections::BTreeMap;
use std::time::Duration;

use order_core::order::OperationState;
use order_core::request::HoldInput;
use order_core::services::ServiceName;

use super::command;
use super::expect::Expect;
use super::model::{Act, Answer, Cart, Fault, How, Place, Step};
use super::parse::{Context, catalogue};
use super::settings::{address_field, duration, policy};
use clap::ValueEnum as _;

use crate::commands::bulk::export::ExportForm;
use crate::commands::shop::desk::Settlement;
use crate::exit::Outcome;
use crate::input::{holds, items};
use crate::toml_doc::Fields;

const KINDS: &str = "place, quote, advance, service, work, settle, restock, load, restart, \
    export, restore, import, backup, get, history, timeline, explain, stuck, watch, states, check, expect";

/// Reads a step.
pub fn read<'s>(mut fields: Fields<'s, '_>, context: &mut Context) -> Outcome<Step<'s>> {
    let kind = fields.required_text("do")?;
    let name = fields.text("name")?.map(|t| t.value.to_owned());
    let act = act(kind.value, &mut fields, context)?;
    let order = if act.is_about_an_order() || matches!(act, Act::Expect) || act.changes_the_world()
    {
        context.order(&mut fields)?
    } else {
        None
    };
    let expect = fields.table("expect")?.map(Expect::read).transpose()?;
    if matches!(act, Act::Expect) && expect.is_none() {
        return Err(fields.missing("expect"));
    }
    let step = Step {
        span: kind.span,
        name,
        act,
        order,
        expect,
    };
    if let Act::Place(place) = &step.act {
        context.placed = true;
        if let Some(alias) = &place.alias
            && !context.aliases.insert(alias.clone())
        {
            return Err(fields.problem(
                "as",
                format!("an earlier step names another order {alias:?}"),
            ));
        }
    }
    context.needs_order(&step, &fields)?;
    fields.finish()?;
    Ok(step)
}

impl Act<'_> {
    /// Whether it does something to, or reads, one order that exists.
    pub fn is_about_an_order(&self) -> bool {
        match self {
            Act::Change { .. }
            | Act::RetryPayment { .. }
            | Act::RecordPayment { .. }
            | Act::Note { .. }
            | Act::Settle { .. }
            | Act::Get
            | Act::History
            | Act::Timeline
            | Act::Explain => true,
            Act::Place(_)
            | Act::Quote(_)
            | Act::Advance(_)
            | Act::Service(_)
            | Act::Work { .. }
            | Act::Restock { .. }
            | Act::Load(_)
            | Act::Restart(_)
            | Act::Export(_)
            | Act::Restore
            | Act::Import { .. }
            | Act::Backup
            | Act::Stuck
            | Act::Watch
            | Act::States
            | Act::Check
            | Act::Expect => false,
        }
    }

    /// Whether it is about no order, but may well be expected to change one.
    fn changes_the_world(&self) -> bool {
        matches!(
            self,
            Act::Advance(_)
                | Act::Work { .. }
                | Act::Service(_)
                | Act::Restock { .. }
                | Act::Load(_)
                | Act::Restart(_)
        )
    }
}

fn act<'s>(kind: &str, fields: &mut Fields<'s, '_>, context: &Context) -> Outcome<Act<'s>> {
    Ok(match kind {
        "place" => Act::Place(Box::new(place(fields, context)?)),
        "quote" => Act::Quote(Box::new(cart(fields, context)?)),
        "retry-payment" => Act::RetryPayment {
            method: fields.required_text("method")?.value.to_owned(),
            amount: owned(fields, "amount")?,
            token: owned(fields, "payment_token")?,
            return_url: owned(fields, "return_url")?,
            how: how(fields)?,
        },
        "record-payment" => record_payment(fields)?,
        "note" => Act::Note {
            text: fields.required_text("text")?.value.to_owned(),
            how: how(fields)?,
        },
        "advance" => Act::Advance(duration(fields, "by")?.ok_or_else(|| fields.missing("by"))?),
        "service" => Act::Service(fault(fields)?),
        "work" => Act::Work {
            lasting: duration(fields, "for")?.unwrap_or(Duration::ZERO),
            retry_stuck: fields.boolean("retry_stuck")?.unwrap_or(false),
            resync: fields.boolean("resync")?.unwrap_or(false),
        },
        "settle" => settle(fields)?,
        "restock" => Act::Restock {
            sku: fields.parsed("sku")?.ok_or_else(|| fields.missing("sku"))?,
            units: number(fields, "units", 1)?.ok_or_else(|| fields.missing("units"))?,
        },
        "load" => Act::Load(catalogue(fields)?.ok_or_else(|| fields.missing("catalogue"))?),
        "restart" => Act::Restart(
            fields
                .table("policy")?
                .map(|p| policy(Some(p)).map(Box::new))
                .transpose()?,
        ),
        "history" => Act::History,
        "export" => match fields.text("form")? {
            None => Act::Export(ExportForm::default()),
            Some(form) => {
                let known = ExportForm::from_str(form.value, false).map_err(|_| {
                    fields.problem(
                        "form",
                        format!(
                            "{:?} is not one of jsonl, csv-orders, csv-lines",
                            form.value
                        ),
                    )
                })?;
                Act::Export(known)
            }
        },
        "restore" => Act::Restore,
        "import" => Act::Import {
            file: fields.required_text("file")?.value.into(),
            dry_run: fields.boolean("dry_run")?.unwrap_or(false),
        },
        "backup" => Act::Backup,
        "explain" => Act::Explain,
        "get" => Act::Get,
        "timeline" => Act::Timeline,
        "stuck" => Act::Stuck,
        "watch" => Act::Watch,
        "states" => Act::States,
        "check" => Act::Check,
        "expect" => Act::Expect,
        other => match command::read(other, fields, &context.addresses)? {
            Some(command) => Act::Change {
                name: other.to_owned(),
                command: Box::new(command),
                wait: duration(fields, "wait")?,
            },
            None => {
                let known = format!("{KINDS}, {}", command::names().join(", "));
                return Err(fields.problem(
                    "do",
                    format!("{other:?} is not a step: expected one of {known}"),
                ));
            }
        },
    })
}

fn owned(fields: &mut Fields<'_, '_>, name: &'static str) -> Outcome<Option<String>> {
    Ok(fields.text(name)?.map(|t| t.value.to_owned()))
}

fn number(fields: &mut Fields<'_, '_>, name: &'static str, least: u32) -> Outcome<Option<u32>> {
    Ok(fields
        .integer(name, i64::from(least)..=i64::from(u32::MAX))?
        .and_then(|n| u32::try_from(n).ok()))
}

fn how(fields: &mut Fields<'_, '_>) -> Outcome<How> {
    Ok(How {
        key: fields.parsed("key")?,
        expected_version: fields
            .integer("expected_version", 0..=i64::MAX)?
            .map(i64::unsigned_abs),
        wait: duration(fields, "wait")?,
    })
}

fn cart(fields: &mut Fields<'_, '_>, context: &Context) -> Outcome<Cart> {
    let user = owned(fields, "user")?
        .or_else(|| context.user.clone())
        .ok_or_else(|| fields.missing("user"))?;
    let texts = fields
        .texts("items")?
        .ok_or_else(|| fields.missing("items"))?;
    let mut list = Vec::new();
    for text in texts {
        list.push(
            items::parse(text.value)
                .map_err(|e| fields.source.problem(&text.span, format!("items: {e}")))?,
        );
    }
    Ok(Cart {
        user,
        items: list,
        ship_to: address_field(fields, "ship_to", &context.addresses)?
            .or_else(|| context.ship_to.clone()),
        bill_to: address_field(fields, "bill_to", &context.addresses)?,
        payment_method: owned(fields, "payment_method")?
            .or_else(|| context.payment_method.clone())
            .unwrap_or_default(),
        shipping_method: owned(fields, "shipping_method")?
            .or_else(|| context.shipping_method.clone())
            .unwrap_or_default(),
        coupon: owned(fields, "coupon")?,
        notes: owned(fields, "notes")?,
    })
}

fn place(fields: &mut Fields<'_, '_>, context: &Context) -> Outcome<Place> {
    Ok(Place {
        cart: cart(fields, context)?,
        alias: owned(fields, "as")?,
        token: owned(fields, "payment_token")?,
        return_url: owned(fields, "return_url")?,
        holds: held(fields)?,
        metadata: entries(fields)?,
        external_ref: owned(fields, "external_ref")?,
        expect_total: owned(fields, "expect_total")?,
        key: fields.parsed("key")?,
        wait: duration(fields, "wait")?,
    })
}

fn held(fields: &mut Fields<'_, '_>) -> Outcome<Vec<HoldInput>> {
    let mut held = Vec::new();
    for text in fields.texts("holds")?.unwrap_or_default() {
        held.push(
            holds::parse(text.value)
                .map_err(|e| fields.source.problem(&text.span, format!("holds: {e}")))?,
        );
    }
    Ok(held)
}

fn entries(fields: &mut Fields<'_, '_>) -> Outcome<BTreeMap<String, String>> {
    let mut entries = BTreeMap::new();
    let Some(table) = fields.table("metadata")? else {
        return Ok(entries);
    };
    for (name, value) in table.entries() {
        let Some(text) = value.get_ref().as_str() else {
            return Err(fields.source.problem(
                &value.span(),
                format!("metadata: {} is no text", name.value),
            ));
        };
        entries.insert(name.value.to_owned(), text.to_owned());
    }
    Ok(entries)
}

fn record_payment(fields: &mut Fields<'_, '_>) -> Outcome<Act<'static>> {
    let status: OperationState = fields
        .parsed("status")?
        .ok_or_else(|| fields.missing("status"))?;
    let payment = number(fields, "payment", 1)?;
    let reference = fields.parsed("reference")?;
    let amount = owned(fields, "amount")?;
    let parent = fields.parsed("parent")?;
    if payment.is_none() && (reference.is_none() || amount.is_none()) {
        return Err(fields.source.problem(
            &fields.span,
            "record-payment needs either the field payment (the operation's number), or both reference and amount",
        ));
    }
    Ok(Act::RecordPayment {
        payment,
        reference,
        parent,
        status,
        amount,
    })
}

fn settle(fields: &mut Fields<'_, '_>) -> Outcome<Act<'static>> {
    let outcome = match fields.required_text("outcome")?.value {
        "captured" => Settlement::Captured,
        "declined" => Settlement::Declined,
        other => {
            return Err(fields.problem(
                "outcome",
                format!("{other:?} is neither captured nor declined"),
            ));
        }
    };
    let payment = number(fields, "payment", 1)?;
    Ok(Act::Settle {
        payment,
        outcome,
        report: fields.boolean("report")?.unwrap_or(true),
    })
}

fn fault(fields: &mut Fields<'_, '_>) -> Outcome<Fault> {
    let (service, calls): (_, &'static [&'static str]) =
        match fields.required_text("service")?.value {
            "inventory" => (
                ServiceName::Inventory,
                &["check", "reserve", "commit", "release", "look_up"],
            ),
            "product" => (ServiceName::Product, &["get"]),
            "user" => (ServiceName::User, &["get"]),
            "payment" => (
                ServiceName::Payment,
                &[
                    "authorize",
                    "charge",
                    "capture",
                    "void",
                    "refund",
                    "look_up",
                ],
            ),
            "notification" => (ServiceName::Notification, &["notify"]),
            "pricing" => (ServiceName::Pricing, &["price", "terms"]),
            other => {
                let known = "inventory, product, user, payment, notification, pricing";
                return Err(fields.problem(
                    "service",
                    format!("{other:?} is not a service: expected one of {known}"),
                ));
            }
        };
    let call = match fields.text("call")? {
        None => None,
        Some(call) => match calls.iter().find(|c| **c == call.value) {
            Some(call) => Some(*call),
            None => {
                let message = format!(
                    "the {service} service has no call {:?}: expected one of {}",
                    call.value,
                    calls.join(", ")
                );
                return Err(fields.problem("call", message));
            }
        },
    };
    let code = owned(fields, "code")?;
    let by = duration(fields, "by")?;
    let answer = fields.required_text("answer")?;
    let needs_by = || by.ok_or_else(|| fields.missing("by"));
    let read = match answer.value {
        "normal" => Answer::Normal,
        "decline" => Answer::Decline(code.clone().unwrap_or_else(|| "declined".into())),
        "fail" => Answer::Fail,
        "timeout_before" => Answer::TimeoutBefore,
        "timeout_after" => Answer::TimeoutAfter,
        "malformed" => Answer::Malformed,
        "timeout_then_late" => Answer::TimeoutThenLate(needs_by()?),
        "late" => Answer::Late(needs_by()?),
        other => {
            let known = "normal, decline, fail, timeout_before, timeout_after, timeout_then_late, late, malformed";
            return Err(fields.problem(
                "answer",
                format!("{other:?} is not an answer: expected one of {known}"),
            ));
        }
    };
    if code.is_some() && !matches!(read, Answer::Decline(_)) {
        return Err(fields.problem("code", "only an answer that declines has a code"));
    }
    if by.is_some() && !matches!(read, Answer::Late(_) | Answer::TimeoutThenLate(_)) {
        return Err(fields.problem(
            "by",
            "only an answer or an effect that comes late comes late by something",
        ));
    }
    Ok(Fault {
        service,
        call,
        answer: read,
        times: number(fields, "times", 1)?,
    })
}
