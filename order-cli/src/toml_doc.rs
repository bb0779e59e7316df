//! TOML documents whose mistakes are told with file, line and column. Shapes are read by serde;
//! what it says of a mistake is put into the words of the document's writer here.

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::exit::{Code, Failure, Outcome};
use crate::input::near::nearest;

/// A text, and the file it came from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file's name, for messages.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
}

impl<'a> Source<'a> {
    /// Parses the text as a table.
    ///
    /// # Errors
    ///
    /// Bad input for what is no TOML.
    pub fn parse(&self) -> Outcome<Spanned<DeTable<'a>>> {
        DeTable::parse(self.text).map_err(|e| self.toml_error(&e))
    }

    /// Tells an error with this source's name, line and column.
    pub fn toml_error(&self, error: &toml::de::Error) -> Failure {
        match error.span() {
            // The parser names the place and not the key.
            Some(span) if error.message() == "duplicate key" => {
                let key = self.text.get(span.clone()).unwrap_or_default();
                self.problem(&span, format!("{key} is given twice"))
            }
            Some(span) => self.problem(&span, error.message()),
            None => Failure::bad_input(format!("{}: {}", self.name, error.message())),
        }
    }

    /// Tells bad input at `span`.
    pub fn problem(&self, span: &Range<usize>, message: impl fmt::Display) -> Failure {
        self.failure(Code::BadInput, span, message)
    }

    /// Tells a failure at `span`.
    pub fn failure(&self, code: Code, span: &Range<usize>, message: impl fmt::Display) -> Failure {
        let (line, column) = self.line_and_column(span.start);
        Failure::new(code, format!("{}:{line}:{column}: {message}", self.name))
    }

    /// Tells a field that `what` does not have, and what may have been meant.
    pub fn unknown_field(
        &self,
        what: &str,
        field: &Spanned<impl AsRef<str>>,
        known: &[&str],
    ) -> Failure {
        let name = field.get_ref().as_ref();
        let failure = self.problem(
            &field.span(),
            match known {
                [] => format!("{what} has no field {name:?}, and needs none"),
                known => format!(
                    "{what} has no field {name:?}: expected one of {}",
                    known.join(", ")
                ),
            },
        );
        did_you_mean(failure, name, known)
    }

    /// Tells that a field is missing.
    pub fn missing(&self, what: &str, span: &Range<usize>, field: &str) -> Failure {
        self.problem(span, format!("{what} needs the field {field}"))
    }

    /// Returns the line and the column of a place, both counted from 1, the column in characters.
    pub fn line_and_column(&self, at: usize) -> (usize, usize) {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    /// Reads a value as `T`. Mistakes call the value `what`; `beside` are fields of it that are
    /// read elsewhere, for those who look for one that is known.
    ///
    /// # Errors
    ///
    /// Bad input, at its place.
    pub fn read<T: DeserializeOwned>(
        &self,
        what: &str,
        value: Spanned<DeValue<'a>>,
        beside: &[&str],
    ) -> Outcome<T> {
        T::deserialize(ValueDeserializer::from(value.clone())).map_err(|mut error| {
            error.set_input(None);
            let span = error.span().unwrap_or_else(|| value.span());
            self.said(&error, &span, (what, &value), beside)
        })
    }

    /// Puts what serde says into our words: the field first, no backticks, kinds by TOML's names.
    fn said(
        &self,
        error: &toml::de::Error,
        span: &Range<usize>,
        (what, value): (&str, &Spanned<DeValue<'_>>),
        beside: &[&str],
    ) -> Failure {
        let text = error.message();
        let path = path_to(value, span.start);
        let holder = |path: &[&str]| path.last().map_or(what, |key| *key).to_owned();
        if let Some(field) = quoted(text, "missing field ") {
            return self.missing(&holder(&path), span, field);
        }
        if let Some(field) = quoted(text, "unknown field ") {
            let above = &path[..path.len().saturating_sub(1)];
            let mut known: Vec<&str> = listed(text);
            if above.is_empty() {
                known.extend(beside);
            }
            return self.unknown_field(&holder(above), &Spanned::new(span.clone(), field), &known);
        }
        let (message, known) = if let Some(word) = quoted(text, "unknown variant ") {
            let known = listed(text);
            let message = format!("{word:?} is not one of {}", known.join(", "));
            (message, Some((word, known)))
        } else if let Some((found, expected)) = text
            .strip_prefix("invalid type: ")
            .and_then(|rest| rest.split_once(", expected "))
        {
            let expected = match expected {
                "a string" | "path string" => "a text in quotes",
                "a boolean" => "true or false",
                "a sequence" => "a list in [ ]",
                "i64" | "u64" | "u32" => "a whole number such as 3",
                other if other.starts_with("struct ") || other == "a map" => "a table",
                other => other,
            };
            (format!("expected {expected}, not {}", kind(found)), None)
        } else {
            (text.to_owned(), None)
        };
        let message = match path.last() {
            Some(field) => format!("{field}: {message}"),
            None => message,
        };
        let failure = self.problem(span, message);
        match known {
            Some((word, known)) => did_you_mean(failure, word, &known),
            None => failure,
        }
    }
}

fn did_you_mean(failure: Failure, word: &str, known: &[&str]) -> Failure {
    match nearest(word, known.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure,
    }
}

/// Returns the word in backticks that follows `prefix` at the beginning of a message.
fn quoted<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(prefix)?.strip_prefix('`')?;
    rest.split_once('`').map(|(word, _)| word)
}

/// Returns the words in backticks that a message says are expected.
fn listed(text: &str) -> Vec<&str> {
    let expected = text.split_once("expected ").map_or("", |(_, rest)| rest);
    expected.split('`').skip(1).step_by(2).collect()
}

/// Names the kind of a value as serde found it, such as ``integer `5` ``.
fn kind(found: &str) -> &str {
    match found.split_whitespace().next().unwrap_or_default() {
        "integer" => "a number",
        "floating" => "a number with decimals",
        "boolean" => "true or false",
        "string" => "a text",
        "sequence" => "a list",
        "map" => "a table",
        _ => found,
    }
}

/// Returns the keys that lead to the place `at` within a value.
fn path_to<'v>(value: &'v Spanned<DeValue<'_>>, at: usize) -> Vec<&'v str> {
    match value.get_ref() {
        DeValue::Table(table) => {
            for (key, value) in table {
                let mut path = path_to(value, at);
                let is_here = key.span().contains(&at) || value.span().contains(&at);
                if is_here || !path.is_empty() {
                    path.insert(0, key.get_ref().as_ref());
                    return path;
                }
            }
            Vec::new()
        }
        DeValue::Array(list) => list
            .iter()
            .map(|value| path_to(value, at))
            .find(|path| !path.is_empty())
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// A table that is read in groups of fields, and what is left of it last.
pub struct Fields<'s> {
    /// The document.
    pub source: Source<'s>,
    /// The table's place.
    pub span: Range<usize>,
    what: &'static str,
    table: DeTable<'s>,
    taken: Vec<&'static str>,
}

impl<'s> Fields<'s> {
    /// Takes a value that must be a table, which mistakes call `what`.
    ///
    /// # Errors
    ///
    /// Bad input for anything else.
    pub fn of(
        source: Source<'s>,
        what: &'static str,
        value: Spanned<DeValue<'s>>,
    ) -> Outcome<Self> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Ok(Fields {
                source,
                span,
                what,
                table,
                taken: Vec::new(),
            }),
            other => Err(source.problem(
                &span,
                format!("{what} must be a table, not {}", kind_of(&other)),
            )),
        }
    }

    /// Takes out a field, whatever it is.
    pub fn take(&mut self, name: &'static str) -> Option<Spanned<DeValue<'s>>> {
        self.taken.push(name);
        self.table.remove(name)
    }

    /// Takes out a field that must be a table.
    ///
    /// # Errors
    ///
    /// Bad input for anything else.
    pub fn take_table(&mut self, name: &'static str) -> Outcome<Option<Spanned<DeTable<'s>>>> {
        let source = self.source;
        self.take(name)
            .map(|value| {
                let span = value.span();
                let Fields { table, .. } = Fields::of(source, name, value)?;
                Ok(Spanned::new(span, table))
            })
            .transpose()
    }

    /// Takes out fields that several kinds of table have, and reads them as `T`.
    ///
    /// # Errors
    ///
    /// Bad input, at its place.
    pub fn group<T: DeserializeOwned>(&mut self, names: &[&'static str]) -> Outcome<T> {
        let mut group = DeTable::new();
        for name in names {
            self.taken.push(name);
            if let Some((key, value)) = self.table.remove_entry(*name) {
                group.insert(key, value);
            }
        }
        let group = Spanned::new(self.span.clone(), DeValue::Table(group));
        self.source.read(self.what, group, &[])
    }

    /// Reads what is left as `T`.
    ///
    /// # Errors
    ///
    /// Bad input, at its place; unknown fields are told with all that are known.
    pub fn rest<T: DeserializeOwned>(self) -> Outcome<T> {
        let rest = Spanned::new(self.span, DeValue::Table(self.table));
        self.source.read(self.what, rest, &self.taken)
    }

    /// Refuses what is left.
    ///
    /// # Errors
    ///
    /// Bad input for a field that nobody took; `known` are those that were looked for besides.
    pub fn nothing_more(self, known: &[&str]) -> Outcome {
        match self.table.iter().next() {
            Some((key, _)) => {
                let known: Vec<&str> = known.iter().chain(&self.taken).copied().collect();
                Err(self.source.unknown_field(self.what, key, &known))
            }
            None => Ok(()),
        }
    }

    /// Takes out a field whose name is made up as we go.
    pub fn take_any(&mut self, name: &str) -> Option<Spanned<DeValue<'s>>> {
        self.table.remove(name)
    }

    /// Tells that a field is missing.
    pub fn missing(&self, field: &str) -> Failure {
        self.source.missing(self.what, &self.span, field)
    }
}

/// Returns the number, if it is a whole one that fits.
pub fn integer_of(value: &DeValue<'_>) -> Option<i64> {
    match value {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => None,
    }
}

/// Names the kind of a value, for messages.
pub fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with decimals",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only the mistakes matter")]
    struct Group {
        lines: i64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only the mistakes matter")]
    struct Rest {
        text: String,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only the mistakes matter")]
    struct Inner {
        way: Way,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Way {
        Left,
        Right,
    }

    fn mistake(text: &str) -> (String, Option<String>) {
        let source = Source {
            name: "a.toml",
            text,
        };
        let table = source.parse().unwrap();
        let value = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        let mut fields = Fields::of(source, "the file", value).unwrap();
        let read = fields.group::<Group>(&["lines"]);
        let failure = match read {
            Ok(_) => fields.rest::<Rest>().unwrap_err(),
            Err(failure) => failure,
        };
        (
            failure.message().to_owned(),
            failure.hint_text().map(str::to_owned),
        )
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        for (text, message, hint) in [
            (
                "lines = \"ä\"\ntext = \"\"",
                "a.toml:1:9: lines: expected a whole number such as 3, not a text",
                None,
            ),
            (
                "lines = 1\ntext = 2",
                "a.toml:2:8: text: expected a text in quotes, not a number",
                None,
            ),
            (
                "lines = 1",
                "a.toml:1:1: the file needs the field text",
                None,
            ),
            (
                "lines = 1\ntext = \"ä\"\ntxet = 3\n",
                "a.toml:3:1: the file has no field \"txet\": expected one of text, inner, lines",
                Some("did you mean text?"),
            ),
            (
                "lines = 1\ntext = \"ä\"\nliness = 3\n",
                "a.toml:3:1: the file has no field \"liness\": expected one of text, inner, lines",
                Some("did you mean lines?"),
            ),
            (
                "lines = 1\ntext = \"ä\"\ninner = [{ way = \"rihgt\" }]",
                "a.toml:3:18: way: \"rihgt\" is not one of left, right",
                Some("did you mean right?"),
            ),
            (
                "lines = 1\ntext = \"ä\"\n[[inner]]\nway = \"righ\"",
                "a.toml:4:7: way: \"righ\" is not one of left, right",
                Some("did you mean right?"),
            ),
            (
                "lines = 1\ntext = \"ä\"\n[[inner]]\nway = \"right\"\nto = 1",
                "a.toml:5:1: inner has no field \"to\": expected one of way",
                None,
            ),
            (
                "lines = 1\ntext = \"ä\"\n[inner]",
                "a.toml:3:1: inner: expected a list in [ ], not a table",
                None,
            ),
        ] {
            let told = mistake(text);
            assert_eq!(
                (told.0.as_str(), told.1.as_deref()),
                (message, hint),
                "{text}"
            );
        }
    }
}
