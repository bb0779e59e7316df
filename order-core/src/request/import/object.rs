//! A JSON object being taken apart field by field: what is missing, of another type or unknown is
//! noted with its path.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::super::{Check, echo, may_echo};
use crate::money::{Currency, Minor, Money};
use crate::time::Timestamp;

/// An object, its path, and which of its fields were asked for.
pub(super) struct Object<'v> {
    path: String,
    fields: &'v Map<String, Value>,
    known: Vec<&'static str>,
}

/// The need for a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

pub(super) use Need::{Optional, Required};

impl<'v> Object<'v> {
    /// `value` at `path`, if it is an object.
    pub fn of(check: &mut Check, path: impl Into<String>, value: &'v Value) -> Option<Object<'v>> {
        let path = path.into();
        match value {
            Value::Object(fields) => Some(Object {
                path,
                fields,
                known: Vec::new(),
            }),
            other => check.refuse(
                if path.is_empty() { "line".into() } else { path },
                unlike("an object", other),
            ),
        }
    }

    /// The path of a field.
    pub fn at(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.into()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A field's value; `null` is the same as none.
    fn take(&mut self, check: &mut Check, name: &'static str, need: Need) -> Option<&'v Value> {
        self.known.push(name);
        let value = self.fields.get(name).filter(|v| !v.is_null());
        if value.is_none() && need == Required {
            check.wrong(self.at(name), "is missing");
        }
        value
    }

    pub fn text(&mut self, check: &mut Check, name: &'static str, need: Need) -> Option<&'v str> {
        match self.take(check, name, need)? {
            Value::String(text) => Some(text),
            other => check.refuse(self.at(name), unlike("a text", other)),
        }
    }

    /// A text that means something.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        check: &mut Check,
        name: &'static str,
        need: Need,
    ) -> Option<T> {
        let text = self.text(check, name, need)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) if may_echo(text) => check.refuse(self.at(name), error.to_string()),
            Err(_) => check.refuse(self.at(name), "looks like a payment card number: remove it"),
        }
    }

    pub fn time(&mut self, check: &mut Check, name: &'static str, need: Need) -> Option<Timestamp> {
        self.parsed(check, name, need)
    }

    /// An amount, never negative; 0 if it is optional and not there.
    pub fn amount(
        &mut self,
        check: &mut Check,
        name: &'static str,
        currency: Option<Currency>,
        need: Need,
    ) -> Option<Minor> {
        self.amount_if_given(check, name, currency, need)?
            .or(Some(0))
    }

    /// An amount, never negative: `Some(None)` if it is not there, `None` if it is no amount.
    #[allow(
        clippy::option_option,
        reason = "wrong, not given and given are three things"
    )]
    pub fn amount_if_given(
        &mut self,
        check: &mut Check,
        name: &'static str,
        currency: Option<Currency>,
        need: Need,
    ) -> Option<Option<Minor>> {
        let Some(value) = self.take(check, name, need) else {
            return (need == Optional).then_some(None);
        };
        let Value::String(text) = value else {
            return check.refuse(
                self.at(name),
                unlike("a text such as \"12.50\", so that no digit is lost", value),
            );
        };
        // Without a currency nobody knows how many decimals there are; that it is missing has been
        // said.
        match Money::parse(text, currency?) {
            Ok(money) if money.minor >= 0 => Some(Some(money.minor)),
            Ok(_) => check.refuse(self.at(name), format!("{} is less than 0", echo(text))),
            Err(error) => check.refuse(self.at(name), error.to_string()),
        }
    }

    /// A number from `least` to `most`; `default` if it is not there.
    pub fn count(
        &mut self,
        check: &mut Check,
        name: &'static str,
        range: (u32, u32),
        default: Option<u32>,
    ) -> Option<u32> {
        let need = if default.is_some() {
            Optional
        } else {
            Required
        };
        let Some(value) = self.take(check, name, need) else {
            return default;
        };
        let (least, most) = range;
        let number = value
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| (least..=most).contains(n));
        number.or_else(|| {
            check.refuse(
                self.at(name),
                unlike(&format!("a whole number from {least} to {most}"), value),
            )
        })
    }

    pub fn truth(&mut self, check: &mut Check, name: &'static str, default: bool) -> Option<bool> {
        match self.take(check, name, Optional) {
            None => Some(default),
            Some(Value::Bool(is)) => Some(*is),
            Some(other) => check.refuse(self.at(name), unlike("true or false", other)),
        }
    }

    /// The objects of a list, each with its path.
    pub fn list(&mut self, check: &mut Check, name: &'static str, need: Need) -> Vec<Object<'v>> {
        match self.take(check, name, need) {
            None => Vec::new(),
            Some(Value::Array(values)) => {
                let at = self.at(name);
                values
                    .iter()
                    .zip(0..)
                    .filter_map(|(v, i)| Object::of(check, format!("{at}[{i}]"), v))
                    .collect()
            }
            Some(other) => {
                check.wrong(self.at(name), unlike("a list", other));
                Vec::new()
            }
        }
    }

    pub fn object(&mut self, check: &mut Check, name: &'static str) -> Option<Object<'v>> {
        let value = self.take(check, name, Optional)?;
        Object::of(check, self.at(name), value)
    }

    /// Every field with a name that the sender chose.
    pub fn entries(&self) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
        self.fields.iter()
    }

    /// Notes the fields that nobody asked for.
    pub fn end(self, check: &mut Check) {
        for name in self
            .fields
            .keys()
            .filter(|name| !self.known.contains(&name.as_str()))
        {
            let name = if may_echo(name) {
                name.chars().take(64).collect()
            } else {
                "a field".to_owned()
            };
            check.wrong(
                self.at(&name),
                "is unknown: remove it, or look how it is spelt",
            );
        }
    }
}

/// Says what stands there instead, and never quotes a text: it may be personal.
fn unlike(expected: &str, value: &Value) -> String {
    let is = match value {
        Value::Null => "null".into(),
        Value::Bool(is) => is.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(_) => "a text".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    };
    format!("is {is}: expected {expected}")
}
