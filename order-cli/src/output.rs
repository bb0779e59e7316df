//! The output of commands: results on stdout in one of three formats, everything else on stderr.

pub mod failure;
pub mod life;
pub mod order_text;
pub mod preview;
pub mod rows;
pub mod stuck;
pub mod table;
pub mod terminal;
pub mod time;
pub mod timeline;

use std::fmt;
use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::str::FromStr;

use order_core::text::one_line;
use serde::Serialize;

use crate::exit::{Code, Failure, Outcome};

/// The form in which results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns, for people.
    #[default]
    #[value(alias = "text")]
    Table,
    /// One JSON document.
    Json,
    /// One JSON value per line.
    Jsonl,
    /// A state diagram; only for `order states`.
    Mermaid,
}

impl Format {
    /// Its name, as it is typed.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Mermaid => "mermaid",
        }
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "table" | "text" => Ok(Format::Table),
            "json" => Ok(Format::Json),
            "jsonl" => Ok(Format::Jsonl),
            "mermaid" => Ok(Format::Mermaid),
            _ => Err(format!(
                "{s:?} is not a format: expected table, json or jsonl"
            )),
        }
    }
}

/// The output of one command, in one format.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    format: Format,
}

impl Out {
    /// Prints in `format`.
    pub fn new(format: Format) -> Self {
        Out { format }
    }

    /// Returns true if results are one JSON document.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Returns true if results are a state diagram.
    pub fn is_diagram(&self) -> bool {
        self.format == Format::Mermaid
    }

    /// Returns true if results are for people.
    pub fn is_for_people(&self) -> bool {
        self.format == Format::Table
    }

    /// Prints one thing: `table` for people, `value` as one document or one line.
    pub fn one(&self, value: &impl Serialize, table: impl FnOnce() -> String) -> Outcome {
        match self.format {
            Format::Table | Format::Mermaid => to_stdout(&table()),
            Format::Json => to_stdout(&json(value, true)?),
            Format::Jsonl => to_stdout(&json(value, false)?),
        }
    }

    /// Prints many things: `document` as one document, or each of `rows` on a line of its own.
    pub fn many<R: Serialize>(
        &self,
        document: &impl Serialize,
        rows: &[R],
        table: impl FnOnce() -> String,
    ) -> Outcome {
        match self.format {
            Format::Table | Format::Mermaid => to_stdout(&table()),
            Format::Json => to_stdout(&json(document, true)?),
            Format::Jsonl => {
                let mut lines = String::new();
                for row in rows {
                    lines.push_str(&json(row, false)?);
                }
                to_stdout(&lines)
            }
        }
    }

    /// Prints one line of JSON, whatever the format, and returns true if somebody still reads.
    pub fn line(value: &impl Serialize) -> Outcome<bool> {
        to_reader(&json(value, false)?)
    }
}

fn json(value: &impl Serialize, pretty: bool) -> Outcome<String> {
    let text = if pretty {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    text.map(|t| t + "\n")
        .map_err(|e| Failure::caused(Code::Unavailable, &e).context("cannot print the result"))
}

/// Prints on stdout. A reader that has gone away is no error: it has seen enough.
pub fn to_stdout(text: &str) -> Outcome {
    to_reader(text).map(drop)
}

/// Prints on stdout, and returns true if somebody still reads.
pub fn to_reader(text: &str) -> Outcome<bool> {
    let mut stdout = anstream::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => {
            Err(Failure::caused(Code::Unavailable, &e).context("cannot write to standard output"))
        }
    }
}

/// Prints on stderr, if anybody is there.
pub fn to_stderr(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Prints a message for people beside the result.
pub fn note(message: impl fmt::Display) {
    to_stderr(&format!("{message}\n"));
}

/// Asks whoever sits at a terminal; programs and scripts are not asked.
///
/// # Errors
///
/// Refused unless the answer is yes.
pub fn confirm(question: &str) -> Outcome {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(());
    }
    to_stderr(&format!("{} [y/N] ", one_line(question)));
    let mut answer = String::new();
    // No answer is not a yes.
    let _ = io::stdin().lock().read_line(&mut answer);
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(Code::Refused, "nothing was done").hint("--yes goes without asking")),
    }
}

/// Returns the first `max` characters at most, with a sign if there are more.
pub fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        text.to_owned()
    } else {
        text.chars().take(max).chain(['…']).collect()
    }
}

/// Returns a number with its noun: `1 order`, `2 orders`.
pub fn counted(n: u64, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}
