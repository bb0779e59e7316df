//! Steps that are commands of the command line: `do` names the command, and its options are the
//! step's fields.
//!
//! An option `--expect-version 3` is the field `expect_version = 3`; one that may be repeated is a
//! list, also under its plural: `items = ["1:2"]`. Addresses are named, or stand in braces, as
//! everywhere in a script.
//!
//! Clap reads the options here as it does there, so that a command, its values and the rules
//! between its options stand in one place, and a new command is a new step without a word about it
//! here.

use std::any::TypeId;
use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command, CommandFactory, Parser};
use order_core::request::AddressInput;
use toml::Spanned;
use toml::de::DeValue;

use super::values::{self, AddressOf};
use crate::commands::changes::ChangeCommand;
use crate::exit::Outcome;
use crate::input::addresses::AddressText;
use crate::toml_doc::{Fields, Source, integer_of, kind_of};

/// A command line of nothing but these commands.
#[derive(Debug, Parser)]
#[command(
    name = "order",
    disable_help_flag = true,
    disable_help_subcommand = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: ChangeCommand,
}

/// A stand-in for the order, which a step names otherwise.
const SOME_ORDER: &str = "00000000-0000-0000-0000-000000000000";

/// Returns the names of all these steps, such as `ship` and `return request`.
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    for command in CommandLine::command().get_subcommands() {
        match command.get_subcommands().next() {
            None => names.push(command.get_name().to_owned()),
            Some(_) => names.extend(
                command
                    .get_subcommands()
                    .map(|c| format!("{} {}", command.get_name(), c.get_name())),
            ),
        }
    }
    names
}

/// Reads the step as the command `words`; `None` if there is no such command.
///
/// # Errors
///
/// Bad input, at its place.
pub fn read(
    words: &str,
    mut fields: Fields<'_>,
    addresses: &BTreeMap<String, AddressInput>,
) -> Outcome<Option<ChangeCommand>> {
    let mut command = CommandLine::command();
    let mut line = vec!["order".to_owned()];
    for word in words.split_whitespace() {
        let Some(found) = command.find_subcommand(word).cloned() else {
            return Ok(None);
        };
        line.push(word.to_owned());
        command = found;
    }
    if line.len() == 1 || command.get_subcommands().next().is_some() {
        return Ok(None);
    }
    let mut known = Vec::new();
    for arg in command.get_arguments().filter(|a| a.get_long().is_some()) {
        for name in field_names(&command, arg) {
            if let Some(value) = fields.take_any(&name) {
                line.extend(options(fields.source, (&name, value), arg, addresses)?);
            }
            known.push(name);
        }
    }
    line.push(SOME_ORDER.into());
    let (source, span) = (fields.source, fields.span.clone());
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    fields.nothing_more(&known)?;
    match CommandLine::try_parse_from(line) {
        Ok(CommandLine { command }) => Ok(Some(command)),
        Err(error) => Err(source.problem(&span, format!("{words}: {}", said(&error)))),
    }
}

/// Returns the names that a field for an option may have.
fn field_names(command: &Command, arg: &Arg) -> Vec<String> {
    let longs = arg
        .get_long()
        .into_iter()
        .chain(arg.get_all_aliases().into_iter().flatten());
    let mut names: Vec<String> = longs.map(|long| long.replace('-', "_")).collect();
    let is_taken = |name: &str| command.get_arguments().any(|a| a.get_long() == Some(name));
    if matches!(arg.get_action(), ArgAction::Append)
        && let Some(plural) = names
            .first()
            .map(|n| format!("{n}s"))
            .filter(|n| !is_taken(n))
    {
        names.push(plural);
    }
    names
}

/// Returns the option with the field's value, as it would be typed.
fn options<'s>(
    source: Source<'s>,
    (name, value): (&str, Spanned<DeValue<'s>>),
    arg: &Arg,
    addresses: &BTreeMap<String, AddressInput>,
) -> Outcome<Vec<String>> {
    let long = arg.get_long().unwrap_or_default();
    let span = value.span();
    let problem = |message: String| source.problem(&span, format!("{name}: {message}"));
    let wrong = |what: &str, value: &DeValue<'_>| {
        problem(format!("expected {what}, not {}", kind_of(value)))
    };
    if arg.get_value_parser().type_id() == TypeId::of::<AddressText>() {
        let given = Spanned::new(span.clone(), source.read::<AddressOf>(name, value, &[])?);
        let address = values::found(source, name, Some(given), addresses)?;
        return Ok(address
            .iter()
            .map(|address| format!("--{long}={}", as_json(address)))
            .collect());
    }
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Ok(format!("--{long}={text}")),
        DeValue::Datetime(time) => Ok(format!("--{long}={time}")),
        DeValue::Integer(_) => match integer_of(value) {
            Some(n) => Ok(format!("--{long}={n}")),
            None => Err(problem("is out of range".to_owned())),
        },
        other => Err(wrong("a text or a number", other)),
    };
    match (value.get_ref(), arg.get_action()) {
        (DeValue::Boolean(true), ArgAction::SetTrue) => Ok(vec![format!("--{long}")]),
        (DeValue::Boolean(false), ArgAction::SetTrue) => Ok(Vec::new()),
        (other, ArgAction::SetTrue) => Err(wrong("true or false", other)),
        (DeValue::Array(list), ArgAction::Append) => {
            list.iter().map(|v| one(v.get_ref())).collect()
        }
        (value, _) => one(value).map(|o| vec![o]),
    }
}

/// Writes an address as the JSON that the command line reads.
fn as_json(address: &AddressInput) -> String {
    let AddressInput {
        address_type,
        first_name,
        last_name,
        address_line1,
        address_line2,
        city,
        state,
        postal_code,
        country,
        phone,
        email,
    } = address;
    let json = serde_json::json!({
        "address_type": address_type, "first_name": first_name, "last_name": last_name,
        "address_line1": address_line1, "address_line2": address_line2, "city": city,
        "state": state, "postal_code": postal_code, "country": country, "phone": phone,
        "email": email,
    });
    json.to_string()
}

/// Returns what the command line says is wrong, on one line.
fn said(error: &clap::Error) -> String {
    let text = error.to_string();
    let first: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|l| !l.is_empty() && !l.starts_with("Usage:"))
        .collect();
    let text = first.join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_step(words: &str, text: &str) -> Result<ChangeCommand, String> {
        let source = Source {
            name: "s.toml",
            text,
        };
        let table = DeValue::Table(source.parse().unwrap().into_inner());
        let fields = Fields::of(source, "a step", Spanned::new(0..0, table)).unwrap();
        let read = read(words, fields, &BTreeMap::new()).map_err(|e| e.message().to_owned())?;
        read.ok_or_else(|| "no such command".into())
    }

    #[test]
    fn fields_are_the_options_of_the_command_line() {
        let ChangeCommand::Ship(ship) = read_step(
            "ship",
            "items = [\"1:2\", \"MUG-01:1\"]\ncarrier = \"-x\"\nexpected_version = 3",
        )
        .unwrap() else {
            panic!("not ship")
        };
        assert_eq!(
            (
                ship.items.items.len(),
                ship.carrier.as_deref(),
                ship.how.once.expect_version
            ),
            (2, Some("-x"), Some(3))
        );
        let ChangeCommand::FailShipment(fail) =
            read_step("fail-shipment", "shipment = 1\nreturned = true").unwrap()
        else {
            panic!("not fail-shipment")
        };
        assert!(fail.returned && !fail.lost);
        let ChangeCommand::FailShipment(fail) =
            read_step("fail-shipment", "shipment = 1\nlost = true").unwrap()
        else {
            panic!("not fail-shipment")
        };
        assert!(fail.lost && !fail.returned);
        assert!(matches!(
            read_step("return approve", "return = 1").unwrap(),
            ChangeCommand::Return(_)
        ));
        assert!(matches!(
            read_step("release-hold", "kind = \"fraud\"").unwrap(),
            ChangeCommand::Release(_)
        ));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (words, text, message) in [
            (
                "ship",
                "colour = 1",
                "s.toml:1:1: a step has no field \"colour\": expected one of shipment, item, items, ",
            ),
            (
                "ship",
                "items = [\"MUG\"]",
                "s.toml:1:1: ship: invalid value 'MUG' for '--item <LINE:QTY>': expected LINE:QTY",
            ),
            (
                "fail-shipment",
                "shipment = 1\nlost = true\nreturned = true",
                "the argument '--returned' cannot be used with '--lost'",
            ),
            (
                "fail-shipment",
                "",
                "the following required arguments were not provided: --shipment <N>",
            ),
            (
                "cancel",
                "rest = 1",
                "s.toml:1:8: rest: expected true or false, not a number",
            ),
            (
                "status",
                "set = \"shiped\"",
                "possible values: CONFIRMED, PROCESSING",
            ),
            (
                "address",
                "type = \"billing\"\nfile = \"home\"",
                "the script has no [address.home]",
            ),
            ("return", "", "no such command"),
            ("dance", "", "no such command"),
        ] {
            let told = read_step(words, text).unwrap_err();
            assert!(told.contains(message), "{words}: {told}");
        }
    }

    #[test]
    fn every_command_has_its_step() {
        let names = names();
        for name in [
            "cancel",
            "ship",
            "return request",
            "return close",
            "resolve",
            "redact",
        ] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
    }
}
