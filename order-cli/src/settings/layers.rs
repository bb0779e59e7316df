//! The sources of settings: options over the environment over `order.toml`. It knows no setting
//! itself: whoever reads one names it, and what nobody has named in the end is unknown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use crate::exit::{Failure, Outcome};
use crate::input::duration;
use crate::input::near::nearest;
use crate::input::renamed::{formerly, today};
use crate::output::Format;
use crate::toml_doc::{Source, integer_of, kind_of};

/// The bytes of a file with a secret that are read at the most: no address and no key is longer.
const SECRET_MAX: u64 = 64 * 1024;

/// The source of a setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An option of the command line, by its name.
    Option(String),
    /// A variable of the environment, by its name.
    Variable(String),
    /// A place in a file: its name, line and column.
    File(String),
    /// Nobody: the value is the usual one.
    Usual,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Option(name) | Origin::Variable(name) | Origin::File(name) => f.pad(name),
            Origin::Usual => f.pad("default"),
        }
    }
}

/// A value that was given, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// The source of it.
    pub from: Origin,
    key: &'static str,
}

impl Given<String> {
    /// Makes one of what follows an option that no setting stands for.
    pub fn by_option(name: &'static str, value: &str) -> Self {
        Given {
            value: value.to_owned(),
            from: Origin::Option(name.to_owned()),
            key: name,
        }
    }
}

impl<T> Given<T> {
    /// Bad input: this value cannot be used. A file's place does not say which setting stands
    /// there.
    pub fn problem(&self, message: impl fmt::Display) -> Failure {
        problem(&self.from, self.key, message)
    }

    /// The same of another value.
    fn with<U>(&self, value: U) -> Given<U> {
        Given {
            value,
            from: self.from.clone(),
            key: self.key,
        }
    }
}

fn problem(from: &Origin, key: &str, message: impl fmt::Display) -> Failure {
    match from {
        Origin::Option(name) | Origin::Variable(name) => {
            Failure::bad_input(format!("{name}: {message}"))
        }
        Origin::File(_) | Origin::Usual => Failure::bad_input(format!("{from}: {key}: {message}")),
    }
}

/// A value that a setting can have.
pub trait Value: Sized {
    /// The form it has in a file.
    const SHAPE: Shape;

    /// Reads it; says otherwise what was expected.
    fn read(text: &str) -> Result<Self, String>;

    /// Writes it as it is read.
    fn show(&self) -> String;
}

/// The form of a value in a file. On the command line and in the environment all are texts, and
/// members of a list stand between commas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A text in quotes.
    Text,
    /// A whole number.
    Whole,
    /// `true` or `false`.
    Boolean,
    /// A list of texts.
    Texts,
}

impl Value for String {
    const SHAPE: Shape = Shape::Text;
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for PathBuf {
    const SHAPE: Shape = Shape::Text;
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Err("expected the name of a file".into())
        } else {
            Ok(text.into())
        }
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for Format {
    const SHAPE: Shape = Shape::Text;
    fn read(text: &str) -> Result<Self, String> {
        Format::from_str(text)
    }
    fn show(&self) -> String {
        self.name().to_owned()
    }
}

impl Value for Duration {
    const SHAPE: Shape = Shape::Text;
    fn read(text: &str) -> Result<Self, String> {
        duration::parse(text)
    }
    fn show(&self) -> String {
        duration::show(*self)
    }
}

impl Value for i64 {
    const SHAPE: Shape = Shape::Whole;
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("{text:?} is no whole number such as 3"))
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for bool {
    const SHAPE: Shape = Shape::Boolean;
    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("expected true or false, not {text:?}"))
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Vec<String> {
    const SHAPE: Shape = Shape::Texts;
    fn read(text: &str) -> Result<Self, String> {
        Ok(text
            .split(',')
            .map(|member| member.trim().to_owned())
            .collect())
    }
    fn show(&self) -> String {
        self.join(",")
    }
}

/// An entry of a file.
#[derive(Debug, Clone)]
struct Written {
    /// As an option would have it, or else what it is.
    value: Result<(Shape, String), String>,
    /// The place of the key.
    key_at: String,
    /// The place of the value.
    value_at: String,
}

/// A setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its name, as in `policy.lease`.
    pub key: &'static str,
    /// Its value; without passwords.
    pub value: String,
    /// The source of it.
    pub from: Origin,
}

/// The values that were given, from all sources, and those that have been asked for.
#[derive(Debug, Default)]
pub struct Layers {
    /// By key, the option and what follows it.
    options: BTreeMap<String, (String, String)>,
    written: BTreeMap<String, Written>,
    reads_environment: bool,
    effective: Vec<Effective>,
}

impl Layers {
    /// Those of the environment and of the text of a file, if there is one, without the tables that
    /// are read apart.
    pub fn new(file: Option<Source<'_>>, apart: &[&str]) -> Outcome<Self> {
        let mut layers = Layers {
            reads_environment: true,
            ..Layers::default()
        };
        if let Some(source) = file {
            let table = source.parse()?;
            layers.write_down(source, "", table.get_ref());
            let is_apart = |key: &str| apart.iter().any(|name| key.split('.').next() == Some(name));
            layers.written.retain(|key, _| !is_apart(key));
        }
        Ok(layers)
    }

    /// Those of one table of a document, and of nothing else.
    pub fn of_table(source: Source<'_>, name: &str, table: &DeTable<'_>) -> Self {
        let mut layers = Layers::default();
        layers.write_down(source, name, table);
        layers
    }

    /// An option that was given for `key`; one that is named later counts for less.
    pub fn option(
        &mut self,
        key: impl Into<String>,
        name: impl Into<String>,
        value: Option<String>,
    ) {
        if let Some(value) = value {
            self.options
                .entry(today(&key.into()).to_owned())
                .or_insert((name.into(), value));
        }
    }

    fn write_down(&mut self, source: Source<'_>, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let value_of = |shape, text: String| Ok((shape, text));
            let found = match value.get_ref() {
                DeValue::Table(table) => {
                    self.write_down(source, &key, table);
                    continue;
                }
                DeValue::String(text) => value_of(Shape::Text, text.to_string()),
                DeValue::Boolean(yes) => value_of(Shape::Boolean, yes.to_string()),
                number @ DeValue::Integer(written) => value_of(
                    Shape::Whole,
                    integer_of(number)
                        .map_or_else(|| written.as_str().to_owned(), |n| n.to_string()),
                ),
                DeValue::Array(list) => {
                    let texts = list.iter().map(|member| match member.get_ref() {
                        DeValue::String(text) => Some(text.as_ref()),
                        _ => None,
                    });
                    match texts.collect::<Option<Vec<_>>>() {
                        Some(texts) => value_of(Shape::Texts, texts.join(",")),
                        None => Err("a list of something else than texts".to_owned()),
                    }
                }
                other => Err(kind_of(other).to_owned()),
            };
            let at = |start| {
                let (line, column) = source.line_and_column(start);
                format!("{}:{line}:{column}", source.name)
            };
            let (key_at, value_at) = (at(name.span().start), at(value.span().start));
            let written = Written {
                value: found,
                key_at,
                value_at,
            };
            self.written.insert(key, written);
        }
    }

    /// The value of a setting, if anybody gave it. Nothing is kept of it for those who ask what is
    /// in force: say so by [`in_force`](Layers::in_force).
    pub fn given<T: Value>(&mut self, key: &'static str) -> Outcome<Option<Given<T>>> {
        let Some(text) = self.text_of(key, T::SHAPE)? else {
            return Ok(None);
        };
        let value = T::read(&text.value).map_err(|expected| text.problem(expected))?;
        Ok(Some(text.with(value)))
    }

    /// A setting's value, or else the usual one.
    pub fn or<T: Value>(&mut self, key: &'static str, usual: T) -> Outcome<T> {
        let given = self.given(key)?;
        let from = given
            .as_ref()
            .map_or(Origin::Usual, |given| given.from.clone());
        let value = given.map_or(usual, |given| given.value);
        self.in_force(key, value.show(), from);
        Ok(value)
    }

    /// A setting that need not have a value.
    pub fn optional<T: Value>(&mut self, key: &'static str) -> Outcome<Option<Given<T>>> {
        let given = self.given::<T>(key)?;
        let (value, from) = match &given {
            Some(given) => (given.value.show(), given.from.clone()),
            None => (String::new(), Origin::Usual),
        };
        self.in_force(key, value, from);
        Ok(given)
    }

    /// A whole number of a range.
    pub fn whole(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
        usual: i64,
    ) -> Outcome<i64> {
        if let Some(given) = self.text_of(key, i64::SHAPE)? {
            let digits = given.value.strip_prefix('-').unwrap_or(&given.value);
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            // One that no machine word holds is out of range like any other.
            if is_number && !given.value.parse().is_ok_and(|n| range.contains(&n)) {
                return Err(given.problem(format!(
                    "{} is out of range: {} to {}",
                    given.value,
                    range.start(),
                    range.end()
                )));
            }
        }
        self.or(key, usual)
    }

    /// A duration of a range.
    pub fn duration(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<Duration>,
        usual: Duration,
    ) -> Outcome<Duration> {
        if let Some(given) = self.given::<Duration>(key)?
            && !range.contains(&given.value)
        {
            let [value, least, most] =
                [given.value, *range.start(), *range.end()].map(duration::show);
            return Err(given.problem(format!("{value} is out of range: {least} to {most}")));
        }
        self.or(key, usual)
    }

    /// One of some named values.
    pub fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        usual: T,
    ) -> Outcome<T> {
        let given = self.given::<String>(key)?;
        let name_of = |value: T| {
            choices
                .iter()
                .find(|(_, v)| *v == value)
                .map_or("", |(name, _)| name)
        };
        let (value, from) = match given {
            None => (usual, Origin::Usual),
            Some(given) => match choices.iter().find(|(name, _)| *name == given.value) {
                Some((_, value)) => (*value, given.from),
                None => {
                    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                    return Err(given.problem(format!(
                        "{:?} is not one of {}",
                        given.value,
                        names.join(", ")
                    )));
                }
            },
        };
        self.in_force(key, name_of(value).to_owned(), from);
        Ok(value)
    }

    /// A setting that may hold a password: a variable whose name ends in `_FILE` names a file that
    /// it stands in.
    pub fn secret(&mut self, key: &'static str) -> Outcome<Option<Given<String>>> {
        let variable = format!("{}_FILE", variable_of(key));
        let file = match self.reads_environment && !self.options.contains_key(key) {
            true => environment(&variable)?,
            false => None,
        };
        let Some(path) = file else {
            return self.given(key);
        };
        if environment(&variable_of(key))?.is_some() {
            return Err(Failure::bad_input(format!(
                "{variable}: {} is given too, and one of them must go",
                variable_of(key)
            )));
        }
        let cannot =
            |e: std::io::Error| Failure::bad_input(format!("{variable}: cannot read {path}: {e}"));
        let read = std::fs::File::open(&path).and_then(|file| {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut std::io::Read::take(file, SECRET_MAX), &mut text)
                .map(|_| text)
        });
        let value = read
            .map_err(cannot)?
            .trim_end_matches(['\r', '\n'])
            .to_owned();
        Ok(Some(Given {
            value,
            from: Origin::Variable(variable),
            key,
        }))
    }

    /// Keeps what holds for a setting, as people may see it.
    pub fn in_force(&mut self, key: &'static str, value: String, from: Origin) {
        self.effective.push(Effective { key, value, from });
    }

    fn text_of(&mut self, key: &'static str, shape: Shape) -> Outcome<Option<Given<String>>> {
        if let Some((name, value)) = self.options.get(key) {
            return Ok(Some(Given {
                value: value.clone(),
                from: Origin::Option(name.clone()),
                key,
            }));
        }
        if self.reads_environment {
            for name in [Some(key), formerly(key)].into_iter().flatten() {
                let variable = variable_of(name);
                if let Some(value) = environment(&variable)? {
                    return Ok(Some(Given {
                        value,
                        from: Origin::Variable(variable),
                        key,
                    }));
                }
            }
        }
        let Some(Written {
            value, value_at, ..
        }) = self.written_as(key)
        else {
            return Ok(None);
        };
        let from = Origin::File(value_at.clone());
        let expected = match shape {
            Shape::Text => "a text in quotes",
            Shape::Whole => "a whole number such as 3",
            Shape::Boolean => "true or false",
            Shape::Texts => "a list of texts in [ ]",
        };
        match value {
            Ok((written, text)) if *written == shape => Ok(Some(Given {
                value: text.clone(),
                from,
                key,
            })),
            Ok((written, _)) => {
                let found = match written {
                    Shape::Text => "a text",
                    Shape::Whole => "a number",
                    Shape::Boolean => "true or false",
                    Shape::Texts => "a list",
                };
                Err(problem(
                    &from,
                    key,
                    format!("expected {expected}, not {found}"),
                ))
            }
            Err(found) => Err(problem(
                &from,
                key,
                format!("expected {expected}, not {found}"),
            )),
        }
    }

    /// Returns what a file has for a setting, by today's name or by an older one.
    fn written_as(&self, key: &str) -> Option<&Written> {
        let older = || self.written.get(formerly(key)?);
        self.written.get(key).or_else(older)
    }

    /// Returns what is in force, once everybody has asked for what they need.
    ///
    /// # Errors
    ///
    /// Bad input for what a file or an option sets and nobody asked for, with its place and what
    /// may have been meant.
    pub fn finish(self) -> Outcome<Vec<Effective>> {
        let known: Vec<&str> = self
            .effective
            .iter()
            .map(|effective| effective.key)
            .collect();
        for (key, Written { key_at, .. }) in &self.written {
            let new = today(key);
            if new != key && self.written.contains_key(new) {
                return Err(Failure::bad_input(format!(
                    "{key_at}: {key} is the older name of {new}, which is given too"
                )));
            }
        }
        let in_file = self
            .written
            .iter()
            .map(|(key, written)| (key, &written.key_at));
        let by_option = self.options.iter().map(|(key, (name, _))| (key, name));
        match in_file
            .chain(by_option)
            .find(|(key, _)| !known.contains(&today(key)))
        {
            Some((key, place)) => {
                let failure = Failure::bad_input(format!("{place}: there is no setting {key:?}"));
                Err(match nearest(key, known) {
                    Some(near) => failure.hint(format!("did you mean {near}?")),
                    None => failure.hint("`order config` shows every setting"),
                })
            }
            None => Ok(self.effective),
        }
    }
}

/// The variable of the environment that a setting is read from.
pub fn variable_of(key: &str) -> String {
    let key = key.strip_prefix("services.").unwrap_or(key);
    format!("ORDER_{}", key.to_uppercase().replace('.', "_"))
}

/// A variable of the environment; none if it is empty.
pub fn environment(name: &str) -> Outcome<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|v| !v.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::bad_input(format!("{name} is not valid UTF-8")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Layers {
        let source = Source {
            name: "order.toml",
            text,
        };
        let table = source.parse().unwrap();
        Layers::of_table(source, "", table.get_ref())
    }

    #[test]
    fn an_option_counts_for_more_than_the_file_and_the_usual_value_for_less() {
        let mut layers = of("a = \"file\"\nb = \"file\"\n");
        layers.option("a", "--a", Some("option".into()));
        layers.option("a", "--setting a", Some("less".into()));
        layers.option("b", "--b", None);
        let values = ["a", "b", "c"].map(|key| layers.or(key, "usual".to_owned()).unwrap());
        assert_eq!(values, ["option", "file", "usual"]);
        let from: Vec<String> = layers
            .finish()
            .unwrap()
            .into_iter()
            .map(|e| e.from.to_string())
            .collect();
        assert_eq!(from, ["--a", "order.toml:2:5", "default"]);
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_shown_with_its_place() {
        let mut layers = of("[p]\na = 5\nb = \"5x\"\nc = [1]\nd = 70\n");
        layers.option("e", "--setting e", Some("x".into()));
        let said = |failure: Failure| failure.message().to_owned();
        assert_eq!(
            said(layers.or("p.a", String::new()).unwrap_err()),
            "order.toml:2:5: p.a: expected a text in quotes, not a number"
        );
        let expected = "order.toml:3:5: p.b: \"5x\" is not a duration: expected something like 500ms, 10m, 1h30m or 7d";
        assert_eq!(
            said(layers.or("p.b", Duration::ZERO).unwrap_err()),
            expected
        );
        let expected = "order.toml:4:5: p.c: expected a list of texts in [ ], not a list of something else than texts";
        assert_eq!(
            said(layers.or::<Vec<String>>("p.c", vec![]).unwrap_err()),
            expected
        );
        assert_eq!(
            said(layers.whole("p.d", 0..=9, 1).unwrap_err()),
            "order.toml:5:5: p.d: 70 is out of range: 0 to 9"
        );
        assert_eq!(
            said(layers.or("e", true).unwrap_err()),
            "--setting e: expected true or false, not \"x\""
        );
    }

    #[test]
    fn what_nobody_asked_for_is_unknown_and_near_misses_are_named() {
        let mut layers = of("[policy]\nlaese = \"5s\"\n");
        layers.or("policy.lease", Duration::ZERO).unwrap();
        let failure = layers.finish().unwrap_err();
        assert_eq!(
            failure.message(),
            "order.toml:2:1: there is no setting \"policy.laese\""
        );
        assert_eq!(failure.hint_text(), Some("did you mean policy.lease?"));
        assert_eq!(
            of("zebra = 1").finish().unwrap_err().hint_text(),
            Some("`order config` shows every setting")
        );
    }

    #[test]
    fn a_setting_is_known_by_its_older_name_too() {
        const KEY: &str = "policy.reservation_lifetime";
        let hour = Duration::from_secs(3600);
        let mut layers = of("[policy]\nhold_lifetime = \"1h\"\n");
        assert_eq!(layers.or(KEY, Duration::ZERO).unwrap(), hour);
        let [effective] = &layers.finish().unwrap()[..] else {
            panic!("there is one setting")
        };
        assert_eq!(
            (effective.key, effective.from.to_string().as_str()),
            (KEY, "order.toml:2:17")
        );
        let mut layers = Layers::default();
        layers.option(
            "policy.hold_lifetime",
            "--setting policy.hold_lifetime",
            Some("1h".into()),
        );
        assert_eq!(layers.or(KEY, Duration::ZERO).unwrap(), hour);
        assert!(layers.finish().is_ok());
        let both = "[policy]\nhold_lifetime = \"1h\"\nreservation_lifetime = \"2h\"\n";
        let mut layers = of(both);
        layers.or(KEY, Duration::ZERO).unwrap();
        let expected = "order.toml:2:1: policy.hold_lifetime is the older name of \
            policy.reservation_lifetime, which is given too";
        assert_eq!(layers.finish().unwrap_err().message(), expected);
    }

    #[test]
    fn settings_have_variables_and_those_of_services_short_ones() {
        assert_eq!(variable_of("listen"), "ORDER_LISTEN");
        assert_eq!(
            variable_of("policy.call_deadline"),
            "ORDER_POLICY_CALL_DEADLINE"
        );
        assert_eq!(variable_of("services.inventory.url"), "ORDER_INVENTORY_URL");
    }
}
