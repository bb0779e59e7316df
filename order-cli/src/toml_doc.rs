//! Reading TOML so that every mistake is shown with its line and column, unknown fields included.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::exit::{Code, Failure, Outcome};

/// A text and where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file's name, for messages.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
}

impl<'a> Source<'a> {
    /// The text as a table.
    pub fn parse(&self) -> Outcome<Spanned<DeTable<'a>>> {
        DeTable::parse(self.text).map_err(|e| self.toml_error(&e))
    }

    /// `error` with this source's name, line and column.
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

    /// Bad input at `span`.
    pub fn problem(&self, span: &Range<usize>, message: impl fmt::Display) -> Failure {
        self.failure(Code::BadInput, span, message)
    }

    /// A failure at `span`.
    pub fn failure(&self, code: Code, span: &Range<usize>, message: impl fmt::Display) -> Failure {
        let (line, column) = self.line_and_column(span.start);
        Failure::new(code, format!("{}:{line}:{column}: {message}", self.name))
    }

    /// Where `at` is, both counted from 1, the column in characters.
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
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub span: Range<usize>,
}

/// A table whose fields are taken one by one; what is left over is unknown.
pub struct Fields<'s, 't> {
    /// Where the table is.
    pub source: Source<'s>,
    /// Where in it.
    pub span: Range<usize>,
    what: String,
    table: &'t DeTable<'s>,
    known: Vec<String>,
}

impl<'s, 't> Fields<'s, 't> {
    /// The fields of `table`, which messages call `what`.
    pub fn new(
        source: Source<'s>,
        what: impl Into<String>,
        table: &'t DeTable<'s>,
        span: Range<usize>,
    ) -> Self {
        Fields {
            source,
            span,
            what: what.into(),
            table,
            known: Vec::new(),
        }
    }

    /// The fields of a value that must be a table.
    pub fn of(
        source: Source<'s>,
        what: impl Into<String>,
        value: &'t Spanned<DeValue<'s>>,
    ) -> Outcome<Self> {
        let what = what.into();
        match value.get_ref() {
            DeValue::Table(table) => Ok(Fields::new(source, what, table, value.span())),
            other => Err(source.problem(
                &value.span(),
                format!("{what} must be a table, not {}", kind_of(other)),
            )),
        }
    }

    /// All of it.
    pub fn as_table(&self) -> &'t DeTable<'s> {
        self.table
    }

    /// A problem with `name`, at the field if it is there, else at the table.
    pub fn problem(&self, name: &str, message: impl fmt::Display) -> Failure {
        self.source
            .problem(&self.place_of(name), format!("{name}: {message}"))
    }

    /// Where a field stands; the table if it is not there.
    pub fn place_of(&self, name: &str) -> Range<usize> {
        self.table
            .get(name)
            .map_or(self.span.clone(), Spanned::span)
    }

    /// Every field there is, for tables whose keys are the writer's own.
    pub fn entries(
        &self,
    ) -> impl Iterator<Item = (At<&'t str>, &'t Spanned<DeValue<'s>>)> + use<'s, 't> {
        let table = self.table;
        table.iter().map(|(key, value)| {
            (
                At {
                    value: key.get_ref().as_ref(),
                    span: key.span(),
                },
                value,
            )
        })
    }

    /// The field, whatever it is.
    pub fn take(&mut self, name: &'static str) -> Option<&'t Spanned<DeValue<'s>>> {
        self.take_any(name)
    }

    /// The field of a name that is made up as we go.
    pub fn take_any(&mut self, name: &str) -> Option<&'t Spanned<DeValue<'s>>> {
        self.known.push(name.to_owned());
        self.table.get(name)
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Outcome<Option<At<&'t str>>> {
        self.take(name)
            .map(|value| match value.get_ref() {
                DeValue::String(text) => Ok(At {
                    value: text.as_ref(),
                    span: value.span(),
                }),
                other => Err(self.problem(
                    name,
                    format!("expected a text in quotes, not {}", kind_of(other)),
                )),
            })
            .transpose()
    }

    /// A text that must be there.
    pub fn required_text(&mut self, name: &'static str) -> Outcome<At<&'t str>> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    /// A text that is read into something, with its error at its place.
    pub fn parsed<T>(&mut self, name: &'static str) -> Outcome<Option<T>>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        self.text(name)?
            .map(|t| t.value.parse().map_err(|e| self.problem(name, e)))
            .transpose()
    }

    /// A whole number in a range.
    pub fn integer(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Outcome<Option<i64>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = integer_of(value.get_ref());
        match number {
            Some(n) if range.contains(&n) => Ok(Some(n)),
            Some(n) => Err(self.problem(
                name,
                format!("{n} is out of range: {} to {}", range.start(), range.end()),
            )),
            None => match value.get_ref() {
                DeValue::Integer(n) => Err(self.problem(
                    name,
                    format!(
                        "{} is out of range: {} to {}",
                        n.as_str(),
                        range.start(),
                        range.end()
                    ),
                )),
                other => Err(self.problem(
                    name,
                    format!("expected a whole number such as 3, not {}", kind_of(other)),
                )),
            },
        }
    }

    /// True or false.
    pub fn boolean(&mut self, name: &'static str) -> Outcome<Option<bool>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::Boolean(b) => Ok(Some(*b)),
            other => Err(self.problem(
                name,
                format!("expected true or false, not {}", kind_of(other)),
            )),
        }
    }

    /// A list.
    pub fn list(&mut self, name: &'static str) -> Outcome<Option<&'t DeArray<'s>>> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::Array(list) => Ok(Some(list)),
            other => Err(self.problem(
                name,
                format!("expected a list in [ ], not {}", kind_of(other)),
            )),
        }
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &'static str) -> Outcome<Option<Vec<At<&'t str>>>> {
        let Some(list) = self.list(name)? else {
            return Ok(None);
        };
        list.iter()
            .map(|value| match value.get_ref() {
                DeValue::String(text) => Ok(At {
                    value: text.as_ref(),
                    span: value.span(),
                }),
                other => Err(self.source.problem(
                    &value.span(),
                    format!("{name}: expected a text in quotes, not {}", kind_of(other)),
                )),
            })
            .collect::<Outcome<_>>()
            .map(Some)
    }

    /// A table within.
    pub fn table(&mut self, name: &'static str) -> Outcome<Option<Fields<'s, 't>>> {
        self.take(name)
            .map(|value| Fields::of(self.source, name, value))
            .transpose()
    }

    /// What is said when a field is not there.
    pub fn missing(&self, name: &str) -> Failure {
        self.source
            .problem(&self.span, format!("{} needs the field {name}", self.what))
    }

    /// Refuses fields nobody took.
    pub fn finish(self) -> Outcome {
        match self
            .table
            .iter()
            .find(|(key, _)| !self.known.iter().any(|k| k == key.get_ref()))
        {
            Some((key, _)) => Err(self.source.problem(
                &key.span(),
                format!(
                    "{} has no field {:?}: expected one of {}",
                    self.what,
                    key.get_ref().as_ref(),
                    self.known.join(", ")
                ),
            )),
            None => Ok(()),
        }
    }
}

/// The number, if it is a whole one that fits.
pub fn integer_of(value: &DeValue<'_>) -> Option<i64> {
    match value {
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok(),
        _ => None,
    }
}

/// What a value is, for messages.
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
    use super::*;

    #[test]
    fn problems_are_shown_where_they_are() {
        let source = Source {
            name: "a.toml",
            text: "x = 1\ny = \"ä\"\nzz = 3\n",
        };
        let table = source.parse().unwrap();
        let mut fields = Fields::new(source, "the file", table.get_ref(), table.span());
        assert_eq!(fields.integer("x", 0..=9).unwrap(), Some(1));
        assert_eq!(
            fields.text("x").unwrap_err().message(),
            "a.toml:1:5: x: expected a text in quotes, not a number"
        );
        assert_eq!(fields.text("y").unwrap().unwrap().value, "ä");
        let unknown = fields.finish().unwrap_err();
        assert_eq!(
            unknown.message(),
            "a.toml:3:1: the file has no field \"zz\": expected one of x, x, y"
        );
    }
}
