//! Steps that are commands of the command line: `do` names the command, and its options are the
//! step's fields.
//!
//! An option `--expect-version 3` is the field `expect_version = 3`; one that may be repeated is a
//! list, also under its plural: `items = ["1:2"]`. Addresses are named, or stand in braces, as
//! everywhere in a script.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command, CommandFactory, Parser};
use order_core::request::AddressInput;
use toml::Spanned;
use toml::de::DeValue;

use super::settings;
use crate::commands::changes::ChangeCommand;
use crate::exit::Outcome;
use crate::toml_doc::{Fields, integer_of, kind_of};

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

/// What stands for the order, which a step names otherwise.
const SOME_ORDER: &str = "00000000-0000-0000-0000-000000000000";

/// The names of all these steps, such as `ship` and `return request`.
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
pub fn read(
    words: &str,
    fields: &mut Fields<'_, '_>,
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
    for arg in command.get_arguments().filter(|a| a.get_long().is_some()) {
        for name in field_names(&command, arg) {
            if let Some(value) = fields.take_any(&name) {
                let is_address = arg
                    .get_value_names()
                    .is_some_and(|n| n.iter().any(|n| *n == "FILE|JSON"));
                line.extend(options(
                    fields,
                    &name,
                    arg,
                    value,
                    is_address.then_some(addresses),
                )?);
            }
        }
    }
    line.push(SOME_ORDER.into());
    match CommandLine::try_parse_from(line) {
        Ok(CommandLine { command }) => Ok(Some(command)),
        Err(error) => Err(fields
            .source
            .problem(&fields.span, format!("{words}: {}", said(&error)))),
    }
}

/// What a field for an option may be called.
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

/// The option with the field's value, as it would be typed.
fn options(
    fields: &Fields<'_, '_>,
    name: &str,
    arg: &Arg,
    value: &Spanned<DeValue<'_>>,
    addresses: Option<&BTreeMap<String, AddressInput>>,
) -> Outcome<Vec<String>> {
    let long = arg.get_long().unwrap_or_default();
    let wrong = |what: &str, value: &DeValue<'_>| {
        fields.problem(name, format!("expected {what}, not {}", kind_of(value)))
    };
    if let Some(addresses) = addresses {
        return Ok(vec![format!(
            "--{long}={}",
            address(fields, name, value, addresses)?
        )]);
    }
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Ok(format!("--{long}={text}")),
        DeValue::Datetime(time) => Ok(format!("--{long}={time}")),
        DeValue::Integer(_) => match integer_of(value) {
            Some(n) => Ok(format!("--{long}={n}")),
            None => Err(fields.problem(name, "is out of range")),
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

/// An address of the script as the JSON that the command line reads.
fn address(
    fields: &Fields<'_, '_>,
    name: &str,
    value: &Spanned<DeValue<'_>>,
    addresses: &BTreeMap<String, AddressInput>,
) -> Outcome<String> {
    let input = match value.get_ref() {
        DeValue::String(alias) => match addresses.get(alias.as_ref()) {
            Some(address) => address.clone(),
            None => {
                return Err(fields.problem(name, format!("the script has no [address.{alias}]")));
            }
        },
        _ => settings::address(Fields::of(fields.source, name, value)?)?,
    };
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
    } = input;
    let json = serde_json::json!({
        "address_type": address_type, "first_name": first_name, "last_name": last_name,
        "address_line1": address_line1, "address_line2": address_line2, "city": city, "state": state,
        "postal_code": postal_code, "country": country, "phone": phone, "email": email,
    });
    Ok(json.to_string())
}

/// What the command line says is wrong, on one line and with fields for options.
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
    use crate::toml_doc::Source;

    fn read_step(words: &str, text: &str) -> Result<ChangeCommand, String> {
        let source = Source {
            name: "s.toml",
            text,
        };
        let table = source.parse().unwrap();
        let mut fields = Fields::new(source, "a step", table.get_ref(), 0..0);
        let read =
            read(words, &mut fields, &BTreeMap::new()).map_err(|e| e.message().to_owned())?;
        fields.finish().map_err(|e| e.message().to_owned())?;
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
                "set = \"shipped\"",
                "expected one of PENDING, CONFIRMED",
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
