//! The parts of a script that other readers know: the catalogue, and the engine's policy.

use order_core::policy::Policy;
use toml::de::{DeTable, DeValue};

use super::model::CatalogueSource;
use crate::exit::Outcome;
use crate::settings::layers::Layers;
use crate::settings::policy;
use crate::toml_doc::{Fields, Source, kind_of};

/// Takes the catalogue of a script, or of a step: a file's name or the catalogue itself.
///
/// # Errors
///
/// Bad input for anything else.
pub fn catalogue<'s>(fields: &mut Fields<'s>) -> Outcome<Option<CatalogueSource<'s>>> {
    let Some(value) = fields.take("catalogue") else {
        return Ok(None);
    };
    match value.get_ref() {
        DeValue::String(file) => Ok(Some(CatalogueSource::File(
            file.as_ref().into(),
            value.span(),
        ))),
        DeValue::Table(_) => Ok(Some(CatalogueSource::Inline(value))),
        other => Err(fields.source.problem(
            &value.span(),
            format!(
                "catalogue: expected a file's name or a table, not {}",
                kind_of(other)
            ),
        )),
    }
}

/// Reads the engine's settings: what usually holds, but for what `[policy]` says.
///
/// # Errors
///
/// Bad input, at its place.
pub fn policy_of(source: Source<'_>, table: Option<&DeTable<'_>>) -> Outcome<Policy> {
    let Some(table) = table else {
        return Ok(Policy::default());
    };
    let mut layers = Layers::of_table(source, "policy", table);
    let policy = policy::policy(&mut layers)?;
    layers.finish()?;
    Ok(policy)
}
