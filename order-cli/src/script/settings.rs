//! The parts of a script that are not steps: the engine's policy, addresses, times and durations.

use std::collections::BTreeMap;
use std::time::Duration;

use order_core::money::Money;
use order_core::policy::{BeforeLapse, LostStock, Policy};
use order_core::time::Timestamp;
use toml::de::DeValue;

use crate::exit::Outcome;
use crate::input::duration;
use crate::toml_doc::{Fields, kind_of};
use order_core::request::AddressInput;

/// A time: a TOML time with an offset, or a text in RFC 3339.
pub fn time(fields: &mut Fields<'_, '_>, name: &'static str) -> Outcome<Option<Timestamp>> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        other => {
            return Err(fields.problem(name, format!("expected a time such as 2026-03-01T10:00:00Z, not {}", kind_of(other))));
        }
    };
    text.parse().map(Some).map_err(|e| fields.problem(name, e))
}

/// A duration such as `10m`.
pub fn duration(fields: &mut Fields<'_, '_>, name: &'static str) -> Outcome<Option<Duration>> {
    fields.text(name)?.map(|t| duration::parse(t.value).map_err(|e| fields.problem(name, e))).transpose()
}

/// An address: the name of one of the script's, or one in place.
pub fn address_field(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    addresses: &BTreeMap<String, AddressInput>,
) -> Outcome<Option<AddressInput>> {
    let Some(value) = fields.take(name) else { return Ok(None) };
    match value.get_ref() {
        DeValue::String(alias) => match addresses.get(alias.as_ref()) {
            Some(address) => Ok(Some(address.clone())),
            None => Err(fields.problem(name, format!("the script has no [address.{alias}]"))),
        },
        _ => Ok(Some(address(Fields::of(fields.source, name, value)?)?)),
    }
}

/// An address with the field names of the order service's proto. Whether it is a good one is decided when it is used.
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
    let mut policy = Policy::default();
    let Some(mut fields) = fields else { return Ok(policy) };
    // Destructured, so that a new setting cannot be forgotten here.
    let Policy {
        call_deadline,
        settle_margin,
        lease,
        placing_deadline,
        action_deadline,
        retry_window,
        hold_lifetime,
        hold_reserve,
        backoff_first,
        backoff_longest,
        tries_before_attention,
        refusals_before_stuck,
        runs_before_stuck,
        suspects_allowed,
        lost_stock,
        completion_window,
        return_window,
        capture_warning,
        before_lapse,
        commit_at_confirm,
        longest_wait,
        write_off_up_to,
        write_off_after_delivery,
        user_statuses,
        answer_within,
        answer_margin,
        breaker_failures,
        breaker_pause,
        watch_poll,
    } = &mut policy;
    for (name, slot) in [
        ("call_deadline", call_deadline),
        ("settle_margin", settle_margin),
        ("lease", lease),
        ("placing_deadline", placing_deadline),
        ("action_deadline", action_deadline),
        ("retry_window", retry_window),
        ("hold_lifetime", hold_lifetime),
        ("hold_reserve", hold_reserve),
        ("backoff_first", backoff_first),
        ("backoff_longest", backoff_longest),
        ("completion_window", completion_window),
        ("return_window", return_window),
        ("capture_warning", capture_warning),
        ("longest_wait", longest_wait),
        ("answer_within", answer_within),
        ("answer_margin", answer_margin),
        ("breaker_pause", breaker_pause),
        ("watch_poll", watch_poll),
    ] {
        if let Some(value) = duration(&mut fields, name)? {
            *slot = value;
        }
    }
    for (name, slot) in [
        ("tries_before_attention", tries_before_attention),
        ("refusals_before_stuck", refusals_before_stuck),
        ("runs_before_stuck", runs_before_stuck),
        ("suspects_allowed", suspects_allowed),
        ("breaker_failures", breaker_failures),
    ] {
        if let Some(value) = fields.integer(name, 0..=i64::from(u32::MAX))? {
            *slot = u32::try_from(value).unwrap_or(u32::MAX);
        }
    }
    match fields.text("lost_stock")?.map(|t| t.value) {
        None => {}
        Some("cancel") => *lost_stock = LostStock::Cancel,
        Some("backorder") => *lost_stock = LostStock::Backorder,
        Some(other) => return Err(fields.problem("lost_stock", format!("{other:?} is neither cancel nor backorder"))),
    }
    match fields.text("before_lapse")?.map(|t| t.value) {
        None => {}
        Some("capture") => *before_lapse = BeforeLapse::Capture,
        Some("reauthorize") => *before_lapse = BeforeLapse::Reauthorize,
        Some("nothing") => *before_lapse = BeforeLapse::Nothing,
        Some(other) => {
            return Err(fields.problem("before_lapse", format!("{other:?} is not one of capture, reauthorize, nothing")));
        }
    }
    for (name, slot) in [("commit_at_confirm", commit_at_confirm), ("write_off_after_delivery", write_off_after_delivery)] {
        if let Some(yes) = fields.boolean(name)? {
            *slot = yes;
        }
    }
    if let Some(most) = fields.integer("write_off_up_to", 0..=Money::MAX_MINOR)? {
        *write_off_up_to = most;
    }
    if let Some(statuses) = fields.texts("user_statuses")? {
        *user_statuses = statuses.into_iter().map(|t| t.value.to_owned()).collect();
    }
    fields.finish()?;
    Ok(policy)
}
