//! Reading a `[[step]]`: each kind has its own fields, and no others.

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::command;
use super::context::Context;
use super::expect::{self, Expect};
use super::fault;
use super::model::{Act, Advance, Cart, Export, How, Place, PlaceOptions, RecordPayment, Step};
use super::parts::{catalogue, policy_of};
use super::values::{self, AddressOf};
use crate::exit::{Failure, Outcome};
use crate::input::items::Item;
use crate::input::near::nearest;
use crate::toml_doc::{Fields, Source};

/// The kinds of step that are no commands of the command line, or have other fields there.
const KINDS: &str = "place, quote, advance, service, work, settle, restock, load, restart, export, \
    restore, import, backup, get, history, timeline, explain, stuck, watch, states, check, expect";

/// The kinds of step that are about no order, and can change none that exists.
const WITHOUT_ORDER: [&str; 10] = [
    "place", "quote", "export", "restore", "import", "backup", "stuck", "watch", "states", "check",
];

/// Fields of every step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    #[serde(rename = "do")]
    kind: Spanned<String>,
    name: Option<String>,
    expect: Option<expect::Raw>,
}

const HEAD: [&str; 3] = ["do", "name", "expect"];

/// The field of steps about an order: the name that an earlier step gave it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    order: Option<Spanned<String>>,
}

const ABOUT: [&str; 1] = ["order"];
const HOW: [&str; 3] = ["key", "expected_version", "wait"];
const PLACING: [&str; 2] = ["key", "wait"];
const WAIT: [&str; 1] = ["wait"];

/// Fields of steps that place or price an order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCart {
    user: Option<String>,
    #[serde(deserialize_with = "values::list")]
    items: Vec<Item>,
    ship_to: Option<Spanned<AddressOf>>,
    bill_to: Option<Spanned<AddressOf>>,
    payment_method: Option<String>,
    shipping_method: Option<String>,
    coupon: Option<String>,
    notes: Option<String>,
}

const CART: [&str; 8] = [
    "user",
    "items",
    "ship_to",
    "bill_to",
    "payment_method",
    "shipping_method",
    "coupon",
    "notes",
];

/// A kind of step without fields of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Reads a step.
///
/// # Errors
///
/// Bad input, at its place.
pub fn read<'s>(
    source: Source<'s>,
    step: Spanned<DeValue<'s>>,
    context: &mut Context,
) -> Outcome<Step<'s>> {
    let mut fields = Fields::of(source, "a step", step)?;
    let nothing_expected = fields.missing("expect");
    let Head { kind, name, expect } = fields.group(&HEAD)?;
    let About { order } = match WITHOUT_ORDER.contains(&kind.get_ref().as_str()) {
        true => About { order: None },
        false => fields.group(&ABOUT)?,
    };
    let act = act(&kind, fields, context)?;
    let step = Step {
        span: kind.span(),
        name,
        order: context.order(source, order)?,
        act,
        expect: expect.map(Expect::from),
    };
    match &step.act {
        Act::Expect if step.expect.is_none() => return Err(nothing_expected),
        Act::Place(place) => {
            context.placed = true;
            if let Some(alias) = &place.options.alias
                && !context.aliases.insert(alias.get_ref().clone())
            {
                let message = format!(
                    "as: an earlier step names another order {:?}",
                    alias.get_ref()
                );
                return Err(source.problem(&alias.span(), message));
            }
        }
        _ => {}
    }
    context.needs_order(source, &step)?;
    Ok(step)
}

fn act<'s>(kind: &Spanned<String>, mut fields: Fields<'s>, context: &Context) -> Outcome<Act<'s>> {
    // The fields of these are not, or not all, read by serde.
    match kind.get_ref().as_str() {
        "load" => {
            let catalogue = catalogue(&mut fields)?.ok_or_else(|| fields.missing("catalogue"))?;
            return fields.rest().map(|Nothing {}| Act::Load(catalogue));
        }
        "restart" => {
            let table = fields.take_table("policy")?;
            let policy = match &table {
                Some(table) => Some(Box::new(policy_of(fields.source, Some(table.get_ref()))?)),
                None => None,
            };
            return fields.rest().map(|Nothing {}| Act::Restart(policy));
        }
        _ => {}
    }
    let nothing = |fields: Fields<'s>, act| fields.rest().map(|Nothing {}| act);
    Ok(match kind.get_ref().as_str() {
        "place" => {
            let cart = cart(&mut fields, context)?;
            let how = fields.group(&PLACING)?;
            let options: PlaceOptions = fields.rest()?;
            Act::Place(Box::new(Place { cart, how, options }))
        }
        "quote" => {
            let cart = cart(&mut fields, context)?;
            nothing(fields, Act::Quote(Box::new(cart)))?
        }
        "retry-payment" => {
            let how = fields.group(&HOW)?;
            Act::RetryPayment(fields.rest()?, how)
        }
        "record-payment" => record_payment(fields)?,
        "note" => {
            let how = fields.group(&HOW)?;
            Act::Note(fields.rest()?, how)
        }
        "advance" => Act::Advance(fields.rest::<Advance>()?.by),
        "service" => Act::Service(fault::read(fields)?),
        "work" => Act::Work(fields.rest()?),
        "settle" => Act::Settle(fields.rest()?),
        "restock" => Act::Restock(fields.rest()?),
        "export" => Act::Export(fields.rest::<Export>()?.form),
        "import" => Act::Import(fields.rest()?),
        "restore" => nothing(fields, Act::Restore)?,
        "backup" => nothing(fields, Act::Backup)?,
        "get" => nothing(fields, Act::Get)?,
        "history" => nothing(fields, Act::History)?,
        "timeline" => nothing(fields, Act::Timeline)?,
        "explain" => nothing(fields, Act::Explain)?,
        "stuck" => nothing(fields, Act::Stuck)?,
        "watch" => nothing(fields, Act::Watch)?,
        "states" => nothing(fields, Act::States)?,
        "check" => nothing(fields, Act::Check)?,
        "expect" => nothing(fields, Act::Expect)?,
        other => {
            let How { wait, .. } = fields.group(&WAIT)?;
            let source = fields.source;
            match command::read(other, fields, &context.addresses)? {
                Some(command) => Act::Change {
                    name: other.to_owned(),
                    command: Box::new(command),
                    wait,
                },
                None => return Err(no_such_step(source, kind)),
            }
        }
    })
}

fn no_such_step(source: Source<'_>, kind: &Spanned<String>) -> Failure {
    let commands = command::names();
    let known: Vec<&str> = KINDS
        .split(", ")
        .chain(commands.iter().map(String::as_str))
        .collect();
    let failure = source.problem(
        &kind.span(),
        format!(
            "do: {:?} is not a step: expected one of {}",
            kind.get_ref(),
            known.join(", ")
        ),
    );
    match nearest(kind.get_ref(), known) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure,
    }
}

fn cart(fields: &mut Fields<'_>, context: &Context) -> Outcome<Cart> {
    let source = fields.source;
    let raw: RawCart = fields.group(&CART)?;
    let user = raw.user.or_else(|| context.user.clone());
    let ship_to = values::found(source, "ship_to", raw.ship_to, &context.addresses)?;
    let or = |given: Option<String>, usual: &Option<String>| {
        given.or_else(|| usual.clone()).unwrap_or_default()
    };
    Ok(Cart {
        user: user.ok_or_else(|| fields.missing("user"))?,
        items: raw.items,
        ship_to: ship_to.or_else(|| context.ship_to.clone()),
        bill_to: values::found(source, "bill_to", raw.bill_to, &context.addresses)?,
        payment_method: or(raw.payment_method, &context.payment_method),
        shipping_method: or(raw.shipping_method, &context.shipping_method),
        coupon: raw.coupon,
        notes: raw.notes,
    })
}

fn record_payment(fields: Fields<'_>) -> Outcome<Act<'static>> {
    let (source, span) = (fields.source, fields.span.clone());
    let report: RecordPayment = fields.rest()?;
    if report.payment.is_none() && (report.reference.is_none() || report.amount.is_none()) {
        return Err(source.problem(
            &span,
            "record-payment needs either the field payment (the operation's number), or both \
             reference and amount",
        ));
    }
    Ok(Act::RecordPayment(report))
}
