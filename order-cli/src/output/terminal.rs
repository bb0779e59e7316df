//! The terminal that results go to, if they go to one: its width, and the colours of what is shown.
//!
//! Nothing here is true of a pipe or a file: there, lines are as long as they are and plain.

use std::ffi::OsString;
use std::io;
use std::sync::OnceLock;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

/// The heading of a column.
const HEADING: Style = Style::new().bold();
/// The style of a status that is as it should be.
const GOOD: Style = AnsiColor::Green.on_default();
/// The style of a status that will become another.
const WAITING: Style = AnsiColor::Yellow.on_default();
/// The style of a status that tells of a failure.
const BAD: Style = AnsiColor::Red.on_default();
/// The style of a status that is over and needs nobody.
const OVER: Style = Style::new().dimmed();

/// The word before an error.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// The word before a hint.
pub const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// The cases in which output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// Colour on a terminal, unless `NO_COLOR` or `CLICOLOR=0` is set; `CLICOLOR_FORCE=1` counts as
    /// always.
    #[default]
    Auto,
    /// Colour everywhere, also in a pipe or a file.
    Always,
    /// Plain text everywhere.
    Never,
}

/// The terminal of standard output.
#[derive(Debug, Clone, Copy, Default)]
struct Terminal {
    columns: Option<usize>,
    coloured: bool,
}

static STDOUT: OnceLock<Terminal> = OnceLock::new();

/// Looks at standard output, once and before anything is printed: the parser's own help and errors
/// are coloured by what `arguments` say too. Without it output is plain, as in tests.
pub fn look_at(arguments: &[OsString]) {
    match option(arguments, "--color").and_then(|word| Color::from_str(&word, true).ok()) {
        Some(Color::Always) => ColorChoice::Always.write_global(),
        Some(Color::Never) => ColorChoice::Never.write_global(),
        Some(Color::Auto) | None => {}
    }
    let stdout = io::stdout();
    let columns = terminal_size::terminal_size_of(&stdout).map(|(width, _)| width.0.into());
    let coloured = AutoStream::choice(&stdout) != ColorChoice::Never;
    let _ = STDOUT.set(Terminal { columns, coloured });
}

/// The last value that `arguments` give to `name`, before they are parsed; none if it is not there.
pub fn option(arguments: &[OsString], name: &str) -> Option<String> {
    let mut arguments = arguments.iter().map(|a| a.to_string_lossy());
    let mut found = None;
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix(name) {
            Some("") => found = arguments.next().map(Into::into).or(found),
            Some(rest) => {
                if let Some(value) = rest.strip_prefix('=') {
                    found = Some(value.to_owned());
                }
            }
            None if argument == "--" => break,
            None => {}
        }
    }
    found
}

/// The columns of the terminal of standard output; none if it is not a terminal.
pub fn columns() -> Option<usize> {
    STDOUT.get().and_then(|terminal| terminal.columns)
}

/// Colours `text` if standard output is coloured.
fn painted(style: Style, text: &str) -> String {
    let coloured = STDOUT.get().is_some_and(|terminal| terminal.coloured);
    if coloured && !text.is_empty() {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// A heading, as standard output shows it.
pub fn heading(text: &str) -> String {
    painted(HEADING, text)
}

/// A text that begins with a status, in the colour of that status.
pub fn status(text: &str) -> String {
    match style_of(text) {
        Some(style) => painted(style, text),
        None => text.to_owned(),
    }
}

/// The style of a text by the status it begins with: of orders, payments, reservations, shipments,
/// returns, disputes and edits alike.
fn style_of(text: &str) -> Option<Style> {
    if text.contains(" !") {
        return Some(BAD);
    }
    Some(match text.split([' ', ',']).next()? {
        "CONFIRMED" | "COMPLETED" | "PAID" | "AUTHORIZED" | "CAPTURED" | "SHIPPED"
        | "DELIVERED" | "RESERVED" | "HELD" | "COMMITTED" | "WON" | "APPLIED" => GOOD,
        "PENDING"
        | "PROCESSING"
        | "CANCELLING"
        | "PLANNED"
        | "ARMED"
        | "REQUESTED"
        | "APPROVED"
        | "OPEN"
        | "ACTION_REQUIRED"
        | "IN_PROGRESS"
        | "PARTIALLY_AUTHORIZED"
        | "PARTIALLY_PAID"
        | "PARTIALLY_REFUNDED"
        | "PARTIALLY_SHIPPED"
        | "PARTIALLY_DELIVERED"
        | "PARTIALLY_RETURNED"
        | "OVERPAID" => WAITING,
        "REJECTED" | "EXPIRED" | "PAYMENT_FAILED" | "FAILED" | "DECLINED" | "LOST" | "REFUSED"
        | "UNKNOWN" | "SUSPECT" | "DISPUTED" => BAD,
        "CANCELLED" | "RELEASED" | "REFUNDED" | "RETURNED" | "RETURNED_TO_SENDER" | "VOIDED"
        | "CLOSED" | "DISCARDED" | "DROPPED" | "NEVER_HAPPENED" | "NONE" | "NOT_REQUIRED"
        | "UNFULFILLED" => OVER,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use order_core::order::{FulfilmentStatus, PaymentStatus, ReturnStatus, Status};

    use super::*;

    #[test]
    fn the_last_value_of_an_option_before_the_double_dash_counts() {
        let value = |arguments: &str| {
            let words: Vec<OsString> = arguments.split(' ').map(OsString::from).collect();
            option(&words, "--color")
        };
        assert_eq!(value("order list --color never"), Some("never".into()));
        assert_eq!(
            value("order --color=never list --color=always"),
            Some("always".into())
        );
        assert_eq!(value("order --colors=never list"), None);
        assert_eq!(value("order note -- --color never"), None);
        assert_eq!(value("order --color never --color"), Some("never".into()));
    }

    #[test]
    fn every_status_of_an_order_has_a_colour() {
        let lifecycle = Status::ALL.iter().map(|s| s.as_str());
        let payment = PaymentStatus::ALL.iter().map(|s| s.as_str());
        let fulfilment = FulfilmentStatus::ALL.iter().map(|s| s.as_str());
        let returned = ReturnStatus::ALL.iter().map(|s| s.as_str());
        for word in lifecycle.chain(payment).chain(fulfilment).chain(returned) {
            assert!(style_of(word).is_some(), "{word}");
        }
    }

    #[test]
    fn statuses_have_the_colour_of_how_things_stand() {
        assert_eq!(style_of("CONFIRMED"), Some(GOOD));
        assert_eq!(style_of("CONFIRMED !"), Some(BAD));
        assert_eq!(style_of("PENDING #"), Some(WAITING));
        assert_eq!(style_of("REFUSED (3 available)"), Some(BAD));
        assert_eq!(style_of("whatever"), None);
    }
}
