//! The help of the program as a whole, with its commands by what one wants to do, and examples
//! under the help of commands. What an option means stands where it is declared.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Command, CommandFactory as _, FromArgMatches as _};

use crate::args::Cli;
use crate::commands::changes;
use crate::exit::Failure;
use crate::output::table::Table;
use crate::output::{Format, failure, terminal};
use order_core::text::one_line;

/// The width of help where there is more room; the parser's own limit.
const WIDEST: usize = 100;

/// The commands by what one wants to do, in the order of an order's life; those that change one
/// order are added from [`changes::GROUPS`].
const GROUPS: [(&str, &[&str]); 8] = [
    ("Take orders", &["place", "quote"]),
    (
        "Look at orders",
        &["get", "list", "explain", "timeline", "history", "watch"],
    ),
    ("Change orders", &[]),
    ("Ship and take back", &[]),
    ("Settle money", &[]),
    ("See to what needs a person", &["stuck", "check"]),
    (
        "Keep the engine and its store",
        &[
            "work", "serve", "health", "migrate", "backup", "export", "restore", "copy", "import",
        ],
    ),
    (
        "Set up and try out",
        &[
            "shop",
            "services",
            "config",
            "run",
            "states",
            "completions",
            "man",
            "help",
        ],
    ),
];

/// Examples, by the command they stand under. A test parses each.
const EXAMPLES: [(&str, &[&str]); 25] = [
    (
        "place",
        &[
            "order place --user 9b1c7d34-0f4b-4a9d-8b7e-5d2c3e4f5a33 --item MUG-01=2 --ship-to \
             address.json --payment-method CREDIT_CARD --shipping-method STANDARD",
            "order place --file order.json --key day-1",
        ],
    ),
    ("quote", &["order quote --file order.json"]),
    (
        "list",
        &[
            "order list --status CONFIRMED,PROCESSING --limit 50",
            "order list --placed-from 2026-03-01 --sku MUG-01 --asc",
            "order list --format jsonl --email ada@example.org",
        ],
    ),
    (
        "watch",
        &["order watch --status SHIPPED", "order watch --until-idle"],
    ),
    (
        "edit",
        &[
            "order edit ORD-YM25-Y3MZ-DCT3 --set MUG-01=3 --add TEA-01 --dry-run",
            "order edit ORD-YM25-Y3MZ-DCT3 --remove 2 --payment-method PAYPAL",
        ],
    ),
    (
        "cancel",
        &[
            "order cancel ORD-YM25-Y3MZ-DCT3",
            "order cancel ORD-YM25-Y3MZ-DCT3 --item MUG-01=1 --reason 'found a scratch'",
        ],
    ),
    (
        "ship",
        &[
            "order ship ORD-YM25-Y3MZ-DCT3 --carrier DHL --tracking 00340434161094042557",
            "order ship ORD-YM25-Y3MZ-DCT3 --item MUG-01=1",
        ],
    ),
    (
        "deliver",
        &["order deliver ORD-YM25-Y3MZ-DCT3 --shipment 1"],
    ),
    (
        "fail-shipment",
        &["order fail-shipment ORD-YM25-Y3MZ-DCT3 --shipment 1 --returned"],
    ),
    (
        "return request",
        &["order return request ORD-YM25-Y3MZ-DCT3 --item MUG-01=1"],
    ),
    (
        "return receive",
        &["order return receive ORD-YM25-Y3MZ-DCT3 --return 1 --item MUG-01=1:scrap"],
    ),
    (
        "credit",
        &[
            "order credit ORD-YM25-Y3MZ-DCT3 --amount 5.00 --reason 'came late'",
            "order credit ORD-YM25-Y3MZ-DCT3 --item MUG-01=2.50",
        ],
    ),
    (
        "record-payment",
        &[
            "order record-payment ORD-YM25-Y3MZ-DCT3 --reference bank-77 --status captured \
             --amount 206.70",
        ],
    ),
    (
        "hold",
        &["order hold ORD-YM25-Y3MZ-DCT3 --kind fraud-review --lasts 2d"],
    ),
    (
        "metadata",
        &["order metadata ORD-YM25-Y3MZ-DCT3 --set po=4711"],
    ),
    (
        "attention",
        &["order attention ORD-YM25-Y3MZ-DCT3 --ack STOCK_LOST"],
    ),
    (
        "resolve",
        &["order resolve ORD-YM25-Y3MZ-DCT3 --unmatched bank-77 --evidence 'statement of 3 March'"],
    ),
    ("redact", &["order redact ORD-YM25-Y3MZ-DCT3 --yes"]),
    (
        "work",
        &[
            "order work",
            "order work --watch",
            "order work --retry-stuck",
        ],
    ),
    (
        "serve",
        &["order serve --listen 127.0.0.1:50053 --log json"],
    ),
    (
        "export",
        &[
            "order export --output orders.jsonl",
            "order export --as csv-lines --output lines.csv",
        ],
    ),
    (
        "import",
        &[
            "order import history.jsonl --dry-run",
            "order import history.jsonl",
        ],
    ),
    ("shop load", &["order shop load examples/catalogue.toml"]),
    ("run", &["order run examples/first-order.toml"]),
    (
        "completions",
        &[
            "order completions bash > ~/.local/share/bash-completion/completions/order",
            "order completions zsh > ~/.zfunc/_order",
        ],
    ),
];

/// The command line with its help.
pub fn command() -> Command {
    let mut command = Cli::command();
    for (path, examples) in EXAMPLES {
        command = with_examples(command, path, examples);
    }
    let template = template(&command);
    command.help_template(template)
}

/// Reads the command line.
///
/// # Errors
///
/// The exit code, once help was printed or a mistake was reported: as JSON where results would have
/// been JSON.
pub fn parse(arguments: &[OsString]) -> Result<Cli, ExitCode> {
    let parsed = command().try_get_matches_from(arguments);
    parsed
        .and_then(|m| Cli::from_arg_matches(&m))
        .map_err(|error| {
            let format = terminal::option(arguments, "--format");
            let format = format.and_then(|word| word.parse::<Format>().ok());
            match format {
                Some(format @ (Format::Json | Format::Jsonl)) if error.use_stderr() => {
                    let said = error.render().to_string();
                    let said = said.trim_start_matches("error: ");
                    // The usage of the command follows.
                    let (message, usage) = said.split_once("\n\n").unwrap_or((said, ""));
                    let mistake = Failure::bad_input(one_line(message));
                    failure::report(&mistake.hint(one_line(usage)), format)
                }
                _ => {
                    // Whoever does not read it any more has seen enough.
                    let _ = error.print();
                    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
                }
            }
        })
}

/// `command` with examples under the subcommand at `path`.
fn with_examples(command: Command, path: &str, examples: &[&str]) -> Command {
    let Some((name, rest)) = path
        .split_once(' ')
        .or(Some((path, "")))
        .filter(|(n, _)| !n.is_empty())
    else {
        let header = command.get_styles().get_header();
        let mut text = format!("{header}Examples:{header:#}");
        for example in examples {
            let _ = write!(text, "\n  {example}");
        }
        return command.after_help(text);
    };
    command.mut_subcommand(name, |command| with_examples(command, rest, examples))
}

/// Returns the commands of a group that change one order.
fn changes_of(heading: &str) -> &'static [&'static str] {
    let group = changes::GROUPS.iter().find(|(name, _)| *name == heading);
    group.map_or(&[], |(_, names)| names)
}

/// The help of the program, with its commands in groups.
fn template(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (heading, names) in GROUPS {
        let mut table = Table::new(&["", ""]).indented(2);
        for name in names.iter().chain(changes_of(heading)) {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            table.row([(*name).to_owned(), about]);
        }
        let width = terminal::columns().map_or(WIDEST, |columns| columns.min(WIDEST));
        let _ = write!(
            text,
            "\n{header}{heading}:{header:#}\n{}",
            table.fitted(Some(width))
        );
    }
    let _ = write!(
        text,
        "\n{header}Options:{header:#}\n{{options}}{{after-help}}"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line, as a shell takes them: `'…'` is one word, and what follows `>` is not
    /// for the program.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(" > ").next().unwrap_or_default();
        let mut words = Vec::new();
        for (i, part) in line.split('\'').enumerate() {
            if i % 2 == 1 {
                words.push(part.to_owned());
            } else {
                words.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        words
    }

    #[test]
    fn every_command_stands_in_one_group() {
        let command = command();
        let there = command.get_subcommands().map(|c| c.get_name().to_owned());
        let mut there: Vec<String> = there.chain(["help".to_owned()]).collect();
        there.sort();
        assert!(
            changes::GROUPS
                .iter()
                .all(|(name, _)| GROUPS.iter().any(|(known, _)| known == name))
        );
        let mut grouped: Vec<String> = GROUPS
            .iter()
            .chain(&changes::GROUPS)
            .flat_map(|(_, names)| names.iter().map(|n| (*n).to_owned()))
            .collect();
        grouped.sort();
        assert_eq!(grouped, there);
    }

    #[test]
    fn every_example_can_be_typed() {
        for (path, examples) in EXAMPLES {
            for example in examples {
                assert!(example.starts_with(&format!("order {path}")), "{example}");
                let parsed = command().try_get_matches_from(words(example));
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }
}
