//! The things that steps may leave out, and those they may refer to.

use std::collections::{BTreeMap, BTreeSet};

use order_core::request::AddressInput;
use serde::Deserialize;
use toml::Spanned;

use super::model::Step;
use super::values::AddressOf;
use crate::exit::Outcome;
use crate::input::near::nearest;
use crate::toml_doc::Source;

/// Fields of `[defaults]`: what steps that place or price an order may leave out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// The customer.
    pub user: Option<String>,
    /// The shipping address.
    pub ship_to: Option<Spanned<AddressOf>>,
    /// The payment method.
    pub payment_method: Option<String>,
    /// The shipping method.
    pub shipping_method: Option<String>,
}

/// The values that steps may leave out, and those they may refer to.
#[derive(Default)]
pub struct Context {
    /// Addresses by name.
    pub addresses: BTreeMap<String, AddressInput>,
    /// The customer.
    pub user: Option<String>,
    /// The shipping address.
    pub ship_to: Option<AddressInput>,
    /// The payment method.
    pub payment_method: Option<String>,
    /// The shipping method.
    pub shipping_method: Option<String>,
    /// Orders named so far.
    pub aliases: BTreeSet<String>,
    /// An order may have been placed by now.
    pub placed: bool,
}

impl Context {
    /// Returns the order a step is about: one that an earlier step named.
    ///
    /// # Errors
    ///
    /// Bad input for a name that no earlier step gave.
    pub fn order(
        &self,
        source: Source<'_>,
        named: Option<Spanned<String>>,
    ) -> Outcome<Option<String>> {
        let Some(named) = named else { return Ok(None) };
        if self.aliases.contains(named.get_ref()) {
            return Ok(Some(named.into_inner()));
        }
        let known: Vec<&str> = self.aliases.iter().map(String::as_str).collect();
        let list = match known[..] {
            [] => "none so far".to_owned(),
            _ => known.join(", "),
        };
        let failure = source.problem(
            &named.span(),
            format!(
                "order: no step before this one names an order {:?} with `as`: {list}",
                named.get_ref()
            ),
        );
        Err(match nearest(named.get_ref(), known) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure,
        })
    }

    /// Refuses a step that is about an order where there can be none.
    ///
    /// # Errors
    ///
    /// Bad input at the step.
    pub fn needs_order(&self, source: Source<'_>, step: &Step<'_>) -> Outcome {
        let mut wanted = step.expect.iter().flat_map(|e| &e.wanted);
        let about = step.act.is_about_an_order() || wanted.any(|w| w.get_ref().needs_order());
        if about && !self.placed {
            return Err(source.problem(
                &step.span,
                "this step is about an order, and no step before it places one",
            ));
        }
        Ok(())
    }
}
