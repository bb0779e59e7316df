//! Strict proto3 JSON: a message described as data, read without ever guessing.
//!
//! Both spellings of a field's name are accepted (`userId`, `user_id`); unknown fields, and a field
//! given twice in whatever spelling, are refused. `null` is unset, wrappers are bare, an int32 may
//! also be a text. Every mistake is shown with its path, line and column.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::JsonError;

/// A message type.
#[derive(Debug)]
pub(super) struct Message {
    /// Its name in the proto.
    pub(super) name: &'static str,
    /// Its fields.
    pub(super) fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name in the proto.
    pub(super) name: &'static str,
    /// Its name in JSON.
    pub(super) json: &'static str,
    /// The kind of its value.
    pub(super) kind: Kind,
}

/// The kind of a field's value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// `string`, or a `StringValue`.
    Text,
    /// `int32`.
    Int32,
    /// A message.
    Message(&'static Message),
    /// A repeated message.
    List(&'static Message),
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Unset,
    Text(String),
    Int(i64),
    Message(Values),
    List(Vec<Values>),
}

/// The fields of a message that were set.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Values(Vec<(&'static str, Value)>);

impl Values {
    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(n, _)| *n == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// A text, if it was set.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A number; 0 if it was not set, as in proto3.
    pub(super) fn int(&mut self, name: &str) -> i64 {
        match self.take(name) {
            Some(Value::Int(n)) => n,
            _ => 0,
        }
    }

    /// A message, if it was set.
    pub(super) fn message(&mut self, name: &str) -> Option<Values> {
        match self.take(name) {
            Some(Value::Message(values)) => Some(values),
            _ => None,
        }
    }

    /// A list; empty if it was not set.
    pub(super) fn list(&mut self, name: &str) -> Vec<Values> {
        match self.take(name) {
            Some(Value::List(list)) => list,
            _ => Vec::new(),
        }
    }
}

/// Reads `text`, which came from `source`, as a `message`.
pub(super) fn parse(
    source: &str,
    text: &str,
    message: &'static Message,
) -> Result<Values, JsonError> {
    if text.starts_with('\u{feff}') {
        return Err(JsonError::new(format_args!(
            "{source}:1:1: starts with a byte order mark: save it as UTF-8 without one"
        )));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let values = Seed {
        kind: Kind::Message(message),
        path: String::new(),
        null: false,
    }
    .deserialize(&mut json);
    let values = values
        .and_then(|v| json.end().map(|()| v))
        .map_err(|e| problem(source, &e))?;
    match values {
        Value::Message(values) => Ok(values),
        _ => Ok(Values::default()),
    }
}

fn problem(source: &str, error: &serde_json::Error) -> JsonError {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = said.strip_suffix(&place).unwrap_or(&said);
    // At the end of a text the parser counts columns from 0.
    JsonError::new(format_args!(
        "{source}:{}:{}: {message}",
        error.line(),
        error.column().max(1)
    ))
}

fn with_article(name: &str) -> String {
    format!(
        "{} {name}",
        if name.starts_with(['A', 'E', 'I', 'O', 'U']) {
            "an"
        } else {
            "a"
        }
    )
}

/// A place where a value of a kind is expected.
struct Seed {
    kind: Kind,
    path: String,
    /// `null` may stand here.
    null: bool,
}

impl Seed {
    /// Something of another type stands here.
    fn unlike<E: Error>(&self, what: impl fmt::Display) -> E {
        let place = if self.path.is_empty() {
            String::new()
        } else {
            format!("{}: ", shortened(&self.path))
        };
        E::custom(format_args!(
            "{place}expected {}, not {what}",
            self as &dyn serde::de::Expected
        ))
    }

    fn out_of_range<E: Error>(&self, n: impl fmt::Display) -> E {
        E::custom(format_args!(
            "{}: {n} is out of the range of int32",
            self.path
        ))
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Text => f.write_str("a text"),
            Kind::Int32 => f.write_str("a whole number"),
            Kind::Message(m) => write!(f, "an object, {}", with_article(m.name)),
            Kind::List(m) => write!(f, "a list, each {}", with_article(m.name)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        if self.null {
            Ok(Value::Unset)
        } else {
            Err(self.unlike("null"))
        }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Err(self.unlike(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        match self.kind {
            Kind::Text => Ok(Value::Text(text.to_owned())),
            // A quoted number is spelt as a bare one: `"2.0"` and `"2e0"` are 2 as well, and `"+2"`
            // and `" 2"` are not.
            Kind::Int32 => match serde_json::from_str::<serde_json::Number>(text) {
                Ok(n) if !text.contains(char::is_whitespace) => match (n.as_i64(), n.as_f64()) {
                    (Some(n), _) => self.visit_i64(n),
                    (None, Some(n)) => self.visit_f64(n),
                    (None, None) => Err(self.out_of_range(text)),
                },
                _ => Err(E::custom(format_args!(
                    "{}: {:?} is not a whole number",
                    self.path,
                    shortened(text)
                ))),
            },
            Kind::Message(_) | Kind::List(_) => {
                Err(self.unlike(format_args!("the text {:?}", shortened(text))))
            }
        }
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Value, E> {
        match self.kind {
            Kind::Int32 if i32::try_from(n).is_ok() => Ok(Value::Int(n)),
            Kind::Int32 => Err(self.out_of_range(n)),
            _ => Err(self.unlike(format_args!("the number {n}"))),
        }
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Value, E> {
        match i64::try_from(n) {
            Ok(n) => self.visit_i64(n),
            Err(_) if matches!(self.kind, Kind::Int32) => Err(self.out_of_range(n)),
            Err(_) => Err(self.unlike(format_args!("the number {n}"))),
        }
    }

    /// proto3 JSON allows `2.0` and `2e0` for 2.
    fn visit_f64<E: Error>(self, n: f64) -> Result<Value, E> {
        match self.kind {
            Kind::Int32 if n.fract() == 0.0 && n.abs() <= f64::from(i32::MAX) + 1.0 => {
                self.visit_i64(n as i64)
            }
            Kind::Int32 if n.fract() == 0.0 => Err(self.out_of_range(n)),
            Kind::Int32 => Err(E::custom(format_args!(
                "{}: {n} is not a whole number",
                self.path
            ))),
            _ => Err(self.unlike(format_args!("the number {n}"))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let Kind::List(message) = self.kind else {
            return Err(self.unlike("a list"));
        };
        let mut items = Vec::new();
        loop {
            let path = format!("{}[{}]", self.path, items.len());
            match list.next_element_seed(Seed {
                kind: Kind::Message(message),
                path,
                null: false,
            })? {
                Some(Value::Message(values)) => items.push(values),
                Some(_) => {}
                None => return Ok(Value::List(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Kind::Message(message) = self.kind else {
            return Err(self.unlike("an object"));
        };
        let mut values: Vec<(&'static str, Value)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() {
                key.clone()
            } else {
                format!("{}.{key}", self.path)
            };
            let Some(field) = message
                .fields
                .iter()
                .find(|f| f.json == key || f.name == key)
            else {
                let known: Vec<&str> = message.fields.iter().map(|f| f.json).collect();
                return Err(A::Error::custom(format_args!(
                    "{}: unknown field of {}: expected one of {}",
                    shortened(&path),
                    message.name,
                    known.join(", ")
                )));
            };
            if values.iter().any(|(name, _)| *name == field.name) {
                return Err(A::Error::custom(format_args!(
                    "{path}: {} is given twice",
                    field.name
                )));
            }
            values.push((
                field.name,
                map.next_value_seed(Seed {
                    kind: field.kind,
                    path,
                    null: true,
                })?,
            ));
        }
        Ok(Value::Message(Values(values)))
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
    }
}
