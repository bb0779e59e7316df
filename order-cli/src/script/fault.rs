//! Reading a `service` step: how a service is to answer from now on.

use std::time::Duration;

use order_core::services::ServiceName;
use serde::Deserialize;
use toml::Spanned;

use super::model::{Answer, Fault};
use super::values::{self, Count};
use crate::exit::{Failure, Outcome};
use crate::toml_doc::Fields;

/// The services by the names that scripts have for them, each with its calls.
const SERVICES: [(&str, ServiceName, &[&str]); 6] = [
    (
        "inventory",
        ServiceName::Inventory,
        &["check", "reserve", "commit", "release", "look_up"],
    ),
    ("product", ServiceName::Product, &["get"]),
    ("user", ServiceName::User, &["get"]),
    (
        "payment",
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
    ("notification", ServiceName::Notification, &["notify"]),
    ("pricing", ServiceName::Pricing, &["price", "terms"]),
];

/// The answers by the names that scripts have for them.
const ANSWERS: &str = "normal, decline, fail, timeout_before, timeout_after, timeout_then_late, \
    late, malformed";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    service: Spanned<String>,
    call: Option<Spanned<String>>,
    answer: Spanned<String>,
    code: Option<Spanned<String>>,
    #[serde(default)]
    by: Option<Spanned<Lasting>>,
    times: Option<Count>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Lasting(#[serde(deserialize_with = "values::lasting")] Duration);

/// Reads the step's fields.
///
/// # Errors
///
/// Bad input, at its place.
pub fn read(fields: Fields<'_>) -> Outcome<Fault> {
    let (source, missing) = (fields.source, fields.missing("by"));
    let raw: Raw = fields.rest()?;
    let wrong = |field: &str, at: &Spanned<String>, message: String| -> Failure {
        source.problem(&at.span(), format!("{field}: {message}"))
    };
    let named = raw.service.get_ref();
    let Some((_, service, calls)) = SERVICES.iter().find(|(name, ..)| name == named) else {
        let known: Vec<&str> = SERVICES.iter().map(|(name, ..)| *name).collect();
        let known = known.join(", ");
        let message = format!("{named:?} is not a service: expected one of {known}");
        return Err(wrong("service", &raw.service, message));
    };
    let call = match &raw.call {
        None => None,
        Some(call) => match calls.iter().find(|c| *c == call.get_ref()) {
            Some(call) => Some(*call),
            None => {
                let message = format!(
                    "the {service} service has no call {:?}: expected one of {}",
                    call.get_ref(),
                    calls.join(", ")
                );
                return Err(wrong("call", call, message));
            }
        },
    };
    let by = raw.by.as_ref().map(|by| by.get_ref().0);
    let code = raw.code.as_ref().map(|code| code.get_ref().clone());
    let answer = match raw.answer.get_ref().as_str() {
        "normal" => Answer::Normal,
        "decline" => Answer::Decline(code.unwrap_or_else(|| "declined".into())),
        "fail" => Answer::Fail,
        "timeout_before" => Answer::TimeoutBefore,
        "timeout_after" => Answer::TimeoutAfter,
        "malformed" => Answer::Malformed,
        "timeout_then_late" => Answer::TimeoutThenLate(by.ok_or(missing)?),
        "late" => Answer::Late(by.ok_or(missing)?),
        other => {
            let message = format!("{other:?} is not an answer: expected one of {ANSWERS}");
            return Err(wrong("answer", &raw.answer, message));
        }
    };
    if let Some(code) = raw.code.filter(|_| !matches!(answer, Answer::Decline(_))) {
        let message = "only an answer that declines has a code".to_owned();
        return Err(wrong("code", &code, message));
    }
    let late = matches!(answer, Answer::Late(_) | Answer::TimeoutThenLate(_));
    if let Some(by) = raw.by.filter(|_| !late) {
        return Err(source.problem(
            &by.span(),
            "by: only an answer or an effect that comes late comes late by something",
        ));
    }
    Ok(Fault {
        service: *service,
        call,
        answer,
        times: raw.times.map(Count::get),
    })
}
