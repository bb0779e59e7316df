//! A failure on stderr: lines for people, or one JSON object for programs.

use std::fmt::Write as _;
use std::process::ExitCode;

use order_core::json::ErrorView;
use order_core::text::one_line;
use serde::Serialize;

use super::terminal::{ERROR, HINT};
use super::{Format, to_stderr};
use crate::commands::changes::typed;
use crate::exit::{Code, Failure};

/// Says on stderr what failed, in the form that results would have had, and gives the exit code.
pub fn report(failure: &Failure, format: Format) -> ExitCode {
    let text = match format {
        Format::Table | Format::Mermaid => text(failure),
        // A document and a line are the same here: it stands among notes, which are lines.
        Format::Json | Format::Jsonl => json(failure),
    };
    to_stderr(&text);
    ExitCode::from(failure.code as u8)
}

/// The failure for people: what is wrong, each wrong field on a line, and what to do about it.
fn text(failure: &Failure) -> String {
    let mut text = format!("{ERROR}error:{ERROR:#} ");
    match failure.violations() {
        [] | [_] => {
            let _ = writeln!(text, "{}", one_line(failure.message()));
        }
        several => {
            let listed = several.iter().map(ToString::to_string);
            let listed = listed.collect::<Vec<_>>().join("; ");
            let about = failure.message().strip_suffix(&listed).unwrap_or_default();
            let wrong = format!("{about}{} values are wrong", several.len());
            let _ = writeln!(text, "{}", one_line(&wrong));
            for violation in several {
                let _ = writeln!(text, "  {}", one_line(&violation.to_string()));
            }
        }
    }
    for shortage in failure.rejection().iter().flat_map(|r| &r.shortages) {
        // Most messages of a shortage name it.
        if !failure.message().contains(shortage.sku.as_str()) {
            let there = shortage
                .available
                .map_or("unknown".into(), |n| n.to_string());
            let (sku, requested) = (&shortage.sku, shortage.requested);
            let _ = writeln!(text, "  {sku}: {requested} requested, {there} available");
        }
    }
    if let Some(hint) = failure.hint_text() {
        let _ = writeln!(text, "{HINT}hint:{HINT:#} {}", one_line(hint));
    }
    text
}

/// A failure for programs, in the manner of RFC 9457: the engine's view of errors, and what a
/// command line has besides. Members that do not apply are left out.
#[derive(Debug, Serialize)]
struct FailureView<'a> {
    #[serde(flatten)]
    error: ErrorView,
    /// The commands that are possible now, as they are typed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    exit_code: u8,
}

impl<'a> FailureView<'a> {
    fn of(failure: &'a Failure) -> Self {
        let rejection = failure.rejection();
        let possible = rejection.iter().flat_map(|r| &r.possible);
        FailureView {
            error: ErrorView::new(
                kind(failure),
                failure.message(),
                failure.violations(),
                rejection,
            ),
            commands: possible.map(|name| typed(name)).collect(),
            hint: failure.hint_text(),
            exit_code: failure.code as u8,
        }
    }
}

fn json(failure: &Failure) -> String {
    let view = FailureView::of(failure);
    serde_json::to_string(&view).map_or_else(|_| text(failure), |json| json + "\n")
}

/// The name of a failure's class: the engine's, or what the exit code says.
fn kind(failure: &Failure) -> &'static str {
    match failure.kind() {
        Some(kind) => kind.as_str(),
        None => match failure.code {
            Code::Refused => "REJECTED",
            Code::BadInput => "INVALID",
            Code::NotFound => "NOT_FOUND",
            Code::Unavailable => "UNAVAILABLE",
        },
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use order_core::error::{Error, Rejection, RejectionReason, Violation};
    use serde_json::{Value, json};

    use super::*;

    fn shown(failure: &Failure) -> String {
        strip_str(&text(failure)).to_string()
    }

    fn object(failure: &Failure) -> Value {
        let text = json(failure);
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn several_wrong_fields_stand_on_a_line_each() {
        let violations = vec![
            Violation::new("items[0].quantity", "is 0"),
            Violation::new("currency", "is \"XX\""),
        ];
        let failure = Failure::from(Error::Invalid(violations)).context("order.json");
        assert_eq!(
            shown(&failure),
            "error: order.json: 2 values are wrong\n  items[0].quantity: is 0\n  currency: is \
             \"XX\"\n"
        );
        assert_eq!(
            object(&failure),
            json!({
                "kind": "INVALID",
                "message": "order.json: items[0].quantity: is 0; currency: is \"XX\"",
                "violations": [
                    {"field": "items[0].quantity", "message": "is 0"},
                    {"field": "currency", "message": "is \"XX\""},
                ],
                "exit_code": 2,
            })
        );
    }

    #[test]
    fn one_wrong_field_stands_beside_the_word_error() {
        let failure = Failure::from(Error::invalid("items", "is empty"));
        assert_eq!(shown(&failure), "error: items: is empty\n");
    }

    #[test]
    fn a_refusal_has_its_reason_and_what_is_possible() {
        let mut rejection = Rejection::new(RejectionReason::TooLate, "too late");
        rejection.possible = vec!["cancel", "place hold"];
        let failure = Failure::from(Error::from(rejection));
        let object = object(&failure);
        assert_eq!(object["kind"], "REJECTED");
        assert_eq!(object["reason"], "TOO_LATE");
        assert_eq!(object["possible"], json!(["cancel", "place hold"]));
        assert_eq!(object["commands"], json!(["cancel", "hold --kind KIND"]));
        let said = shown(&failure);
        assert!(
            said.contains("possible now: cancel, hold --kind KIND"),
            "{said}"
        );
        assert_eq!(object["exit_code"], 1);
    }

    #[test]
    fn a_failure_of_the_program_is_named_by_its_exit_code() {
        let failure = Failure::new(Code::Unavailable, "no disk").hint("buy one");
        let expected = json!({
            "kind": "UNAVAILABLE", "message": "no disk", "hint": "buy one", "exit_code": 4,
        });
        assert_eq!(object(&failure), expected);
        assert_eq!(shown(&failure), "error: no disk\nhint: buy one\n");
    }
}
