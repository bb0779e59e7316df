//! The parts of a script that are not steps: the engine's policy, addresses, times and durations.

use std::collections::BTreeMap;
use std::time::Duration;

use order_core::policy::Policy;
use order_core::time::Timestamp;
use toml::de::DeValue;

use crate::exit::Outcome;
use crate::input::duration;
use crate::settings::{self, layers::Layers};
use crate::toml_doc::{Fields, kind_of};
use order_core::request::AddressInput;

/// A time: a TOML time with an offset, or a text in RFC 3339.
pub fn time(fields: &mut Fields<'_, '_>, name: &'static str) -> Outcome<Option<Timestamp>> {
    let Some(value) = fields.take(name) else {
        return Ok(None);
    };
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        other => {
            return Err(fields.problem(
                name,
                format!(
                    "expected a time such as 2026-03-01T10:00:00Z, not {}",
                    kind_of(other)
                ),
            ));
        }
    };
    text.parse().map(Some).map_err(|e| fields.problem(name, e))
}

/// A duration such as `10m`.
pub fn duration(fields: &mut Fields<'_, '_>, name: &'static str) -> Outcome<Option<Duration>> {
    fields
        .text(name)?
        .map(|t| duration::parse(t.value).map_err(|e| fields.problem(name, e)))
        .transpose()
}

/// An address: the name of one of the script's, or one in place.
pub fn address_field(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    addresses: &BTreeMap<String, AddressInput>,
) -> Outcome<Option<AddressInput>> {
    let Some(value) = fields.take(name) else {
        return Ok(None);
    };
    match value.get_ref() {
        DeValue::String(alias) => match addresses.get(alias.as_ref()) {
            Some(address) => Ok(Some(address.clone())),
            None => Err(fields.problem(name, format!("the script has no [address.{alias}]"))),
        },
        _ => Ok(Some(address(Fields::of(fields.source, name, value)?)?)),
    }
}

/// An address with the field names of the order service's proto. Whether it is a good one is
/// decided when it is used.
pub fn address(mut fields: Fields<'_, '_>) -> Outcome<AddressInput> {
    let mut text = |name| fields.text(name).map(|t| t.map(|t| t.value.to_owned()));
    let address = AddressInput {
        address_type: text("address_type")?.unwrap_or_default(),
        first_name: text("first_name")?.unwrap_or_default(),
        last_name: text("last_name")?.unwrap_or_default(),
        address_line1: text("address_line1")?.unwrap_or_default(),
        address_line2: text("address_line2")?,
        city: text("city")?.unwrap_or_default(),
        state: text("state")?.unwrap_or_default(),
        postal_code: text("postal_code")?.unwrap_or_default(),
        country: text("country")?.unwrap_or_default(),
        phone: text("phone")?,
        email: text("email")?,
    };
    fields.finish()?;
    Ok(address)
}

/// The engine's settings: what usually holds, but for what `[policy]` says.
pub fn policy(fields: Option<Fields<'_, '_>>) -> Outcome<Policy> {
    let Some(fields) = fields else {
        return Ok(Policy::default());
    };
    let mut layers = Layers::of_table(fields.source, "policy", fields.as_table());
    let policy = settings::policy::policy(&mut layers)?;
    layers.finish()?;
    Ok(policy)
}
