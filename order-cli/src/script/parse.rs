//! Reading a script: its settings, its defaults and the names its steps share.

use std::collections::BTreeMap;

use order_core::request::AddressInput;
use order_core::time::Timestamp;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::context::{Context, Defaults};
use super::model::Script;
use super::parts::{catalogue, policy_of};
use super::steps;
use super::values::{self, Natural};
use crate::exit::Outcome;
use crate::toml_doc::{Fields, Source, kind_of};

/// Fields of a script but for its steps, its policy and its catalogue.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    title: Option<String>,
    #[serde(default, deserialize_with = "values::maybe_time")]
    start: Option<Timestamp>,
    seed: Option<Natural>,
    #[serde(default, deserialize_with = "values::addresses")]
    address: BTreeMap<String, AddressInput>,
    #[serde(default)]
    defaults: Defaults,
}

/// Reads a script.
///
/// # Errors
///
/// Bad input for everything that is wrong with its form, with its line and column.
pub fn parse<'s>(source: Source<'s>) -> Outcome<Script<'s>> {
    let document = DeValue::Table(source.parse()?.into_inner());
    let mut fields = Fields::of(source, "a script", Spanned::new(0..0, document))?;
    let table = fields.take_table("policy")?;
    let policy_span = table.as_ref().map_or(0..0, Spanned::span);
    let policy = policy_of(source, table.as_ref().map(Spanned::get_ref))?;
    let catalogue = catalogue(&mut fields)?;
    let steps = fields.take("step");
    let missing = fields.missing("[[step]]");
    let Head {
        title,
        start,
        seed,
        address,
        defaults,
    } = fields.rest()?;
    let ship_to = values::found(source, "ship_to", defaults.ship_to, &address)?;
    let mut context = Context {
        addresses: address,
        user: defaults.user,
        ship_to,
        payment_method: defaults.payment_method,
        shipping_method: defaults.shipping_method,
        ..Context::default()
    };
    let mut read = Vec::new();
    for step in list_of(source, steps)? {
        read.push(steps::read(source, step, &mut context)?);
    }
    if read.is_empty() {
        return Err(missing);
    }
    Ok(Script {
        title,
        start,
        seed: seed.map_or(1, Natural::get),
        policy,
        policy_span,
        catalogue,
        steps: read,
    })
}

fn list_of<'s>(
    source: Source<'s>,
    steps: Option<Spanned<DeValue<'s>>>,
) -> Outcome<Vec<Spanned<DeValue<'s>>>> {
    let Some(steps) = steps else {
        return Ok(Vec::new());
    };
    let span = steps.span();
    match steps.into_inner() {
        DeValue::Array(list) => Ok(list.into_iter().collect()),
        DeValue::Table(_) => Err(source.problem(
            &span,
            "a step begins with [[step]], in two pairs of brackets",
        )),
        other => Err(source.problem(
            &span,
            format!("step: expected a list in [ ], not {}", kind_of(&other)),
        )),
    }
}
