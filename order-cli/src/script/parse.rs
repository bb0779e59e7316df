//! Reading a script: its settings, its defaults and the names its steps share.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::DeValue;

use super::model::{CatalogueSource, Script, Step};
use super::settings;
use super::steps;
use crate::exit::Outcome;
use crate::toml_doc::{Fields, Source, kind_of};
use order_core::request::AddressInput;

/// What steps may leave out, and what they may refer to.
#[derive(Default)]
pub struct Context {
    /// Addresses by name.
    pub addresses: BTreeMap<String, AddressInput>,
    /// Who orders.
    pub user: Option<String>,
    /// Where it goes.
    pub ship_to: Option<AddressInput>,
    /// How it is paid.
    pub payment_method: Option<String>,
    /// How it is sent.
    pub shipping_method: Option<String>,
    /// Orders named so far.
    pub aliases: BTreeSet<String>,
    /// Whether an order may have been placed by now.
    pub placed: bool,
}

/// Reads a script. Everything that is wrong with its form is refused with its line and column.
pub fn parse<'s>(source: Source<'s>) -> Outcome<Script<'s>> {
    let table = source.parse()?;
    let mut fields = Fields::new(source, "a script", table.get_ref(), 0..0);
    let mut context = Context::default();
    let title = fields.text("title")?.map(|t| t.value.to_owned());
    let start = settings::time(&mut fields, "start")?;
    let seed = fields
        .integer("seed", 0..=i64::MAX)?
        .unwrap_or(1)
        .unsigned_abs();
    let policy = settings::policy(fields.table("policy")?)?;
    let policy_span = fields.place_of("policy");
    let catalogue = catalogue(&mut fields)?;
    if let Some(addresses) = fields.table("address")? {
        for (name, value) in addresses.entries() {
            let address = settings::address(Fields::of(
                source,
                format!("address.{}", name.value),
                value,
            )?)?;
            context.addresses.insert(name.value.to_owned(), address);
        }
    }
    if let Some(defaults) = fields.table("defaults")? {
        read_defaults(defaults, &mut context)?;
    }
    let mut read = Vec::new();
    if let Some(table) = fields
        .take("step")
        .filter(|value| matches!(value.get_ref(), DeValue::Table(_)))
    {
        return Err(source.problem(
            &table.span(),
            "a step begins with [[step]], in two pairs of brackets",
        ));
    }
    for step in fields.list("step")?.into_iter().flatten() {
        read.push(steps::read(
            Fields::of(source, "a step", step)?,
            &mut context,
        )?);
    }
    if read.is_empty() {
        return Err(fields.missing("[[step]]"));
    }
    fields.finish()?;
    Ok(Script {
        title,
        start,
        seed,
        policy,
        policy_span,
        catalogue,
        steps: read,
    })
}

/// The catalogue of a script, or of a step: a file's name or the catalogue itself.
pub fn catalogue<'s>(fields: &mut Fields<'s, '_>) -> Outcome<Option<CatalogueSource<'s>>> {
    let Some(value) = fields.take("catalogue") else {
        return Ok(None);
    };
    match value.get_ref() {
        DeValue::String(file) => Ok(Some(CatalogueSource::File(
            file.as_ref().into(),
            value.span(),
        ))),
        DeValue::Table(_) => Ok(Some(CatalogueSource::Inline(value.clone()))),
        other => Err(fields.problem(
            "catalogue",
            format!("expected a file's name or a table, not {}", kind_of(other)),
        )),
    }
}

fn read_defaults(mut fields: Fields<'_, '_>, context: &mut Context) -> Outcome {
    context.user = fields.text("user")?.map(|t| t.value.to_owned());
    context.ship_to = settings::address_field(&mut fields, "ship_to", &context.addresses)?;
    context.payment_method = fields.text("payment_method")?.map(|t| t.value.to_owned());
    context.shipping_method = fields.text("shipping_method")?.map(|t| t.value.to_owned());
    fields.finish()
}

impl Context {
    /// The order a step is about: one that an earlier step named, or the last one placed.
    pub fn order(&self, fields: &mut Fields<'_, '_>) -> Outcome<Option<String>> {
        match fields.text("order")? {
            Some(alias) if self.aliases.contains(alias.value) => Ok(Some(alias.value.to_owned())),
            Some(alias) => {
                let known: Vec<&str> = self.aliases.iter().map(String::as_str).collect();
                let known = if known.is_empty() {
                    "none so far".to_owned()
                } else {
                    known.join(", ")
                };
                Err(fields.problem(
                    "order",
                    format!(
                        "no step before this one names an order {:?} with `as`: {known}",
                        alias.value
                    ),
                ))
            }
            None => Ok(None),
        }
    }

    /// Refuses a step that is about an order where there can be none.
    pub fn needs_order(&self, step: &Step<'_>, fields: &Fields<'_, '_>) -> Outcome {
        let about = step
            .expect
            .iter()
            .flat_map(|e| &e.wanted)
            .any(|w| w.value.needs_order())
            || step.act.is_about_an_order();
        if about && !self.placed {
            return Err(fields.source.problem(
                &step.span,
                "this step is about an order, and no step before it places one",
            ));
        }
        Ok(())
    }
}
