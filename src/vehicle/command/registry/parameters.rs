//! Parameters of a command: what the table says about each one, and how a caller's JSON is checked against it.

use std::collections::BTreeMap;

use jiff::civil::{DateTime, Time};
use serde_json::{Map, Value};

use super::Rejection;
use crate::vehicle::intent::Reason;

/// One parameter of a command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// What it may be.
    pub kind: Kind,
    /// The unit of a number.
    pub unit: Option<&'static str>,
    /// What is taken when it is missing, written as a caller could write it.
    pub default: Option<&'static str>,
    /// Whether the command cannot do without it.
    pub required: bool,
    /// What it is for, one sentence.
    pub doc: &'static str,
}

/// What a parameter may be. Numbers and flags may also come as text, as scripts and templates tend to send them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number.
    Decimal {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// One of some words.
    Enum {
        /// The words.
        words: &'static [&'static str],
        /// Other words, each with the one it stands for.
        also: &'static [(&'static str, &'static str)],
    },
    /// True or false.
    Boolean,
    /// Text without control characters.
    Text {
        /// Most characters.
        max: usize,
    },
    /// A time of day, `HH:MM`.
    Time,
    /// A local date and time, `YYYY-MM-DD HH:MM:SS` or with a `T`.
    DateTime,
    /// Weekdays, 0 = Sunday to 6 = Saturday, as a list or as text with commas.
    Days,
    /// Seven flags, Monday first: `1,1,1,1,1,0,0`.
    Cycles,
    /// A JSON object.
    Object,
    /// A JSON object whose members are further parameters of the same command.
    Inline,
    /// A list of JSON objects.
    List,
}

impl Parameter {
    /// An optional parameter without default.
    pub const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            kind,
            unit: None,
            default: None,
            required: false,
            doc,
        }
    }

    /// The same, known by further names.
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// The same, with a unit.
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// The same, with a default.
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// The same, required.
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

/// A checked value.
#[derive(Debug, Clone, PartialEq)]
enum Argument {
    Integer(i64),
    Decimal(f64),
    Word(&'static str),
    Flag(bool),
    Text(String),
    DateTime(DateTime),
    Days(Vec<u8>),
    Object(Map<String, Value>),
    List(Vec<Value>),
}

/// The checked parameters of one call, defaults filled in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Arguments(BTreeMap<&'static str, Argument>);

/// Reads one kind of argument; the inner `Option` is `None` when the parameter was not given and has no default.
macro_rules! readers {
    ($($(#[$doc:meta])* $name:ident: $variant:ident => $type:ty, $read:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, parameter: &str) -> Option<$type> {
            match self.0.get(parameter) {
                Some(Argument::$variant(value)) => Some($read(value)),
                _ => None,
            }
        }
    )*};
}

impl Arguments {
    readers! {
        /// A whole number.
        integer: Integer => i64, |value: &i64| *value;
        /// A number.
        decimal: Decimal => f64, |value: &f64| *value;
        /// One of the words of the table.
        word: Word => &'static str, |value: &&'static str| *value;
        /// A flag.
        flag: Flag => bool, |value: &bool| *value;
        /// A text, a time of day or weekday flags.
        text: Text => String, String::clone;
        /// A local date and time.
        date_time: DateTime => DateTime, |value: &DateTime| *value;
        /// Weekdays, ascending and without repetition.
        days: Days => Vec<u8>, Vec::clone;
        /// A JSON object.
        object: Object => Map<String, Value>, Map::clone;
        /// A list of JSON objects.
        list: List => Vec<Value>, Vec::clone;
    }

    /// A small whole number; a number beyond 255 counts as missing, which the ranges of the table rule out.
    pub fn small(&self, parameter: &str) -> Option<u8> {
        self.integer(parameter).and_then(|number| u8::try_from(number).ok())
    }

    /// Whether a flag was given and is set.
    pub fn is_set(&self, parameter: &str) -> bool {
        self.flag(parameter) == Some(true)
    }

    /// Checks `given` against `parameters`. A member that is null counts as not given.
    pub fn read(parameters: &'static [Parameter], given: &Map<String, Value>) -> Result<Self, Rejection> {
        let mut arguments = Self::default();
        arguments.take(parameters, given)?;
        for parameter in parameters {
            if arguments.0.contains_key(parameter.name) {
                continue;
            }
            if let Some(default) = parameter.default {
                arguments.store(parameter, &Value::from(default))?;
            } else if parameter.required {
                return Err(Rejection::missing(parameter.name));
            }
        }
        Ok(arguments)
    }

    fn take(&mut self, parameters: &'static [Parameter], given: &Map<String, Value>) -> Result<(), Rejection> {
        for (name, value) in given {
            let parameter = parameters
                .iter()
                .find(|parameter| parameter.is_called(name))
                .ok_or_else(|| unknown(name, parameters))?;
            match (parameter.kind, value) {
                (_, Value::Null) => {}
                // One level only: the members of an inline object are not inline objects themselves.
                (Kind::Inline, Value::Object(members)) if !members.contains_key(name) => {
                    self.take(parameters, members)?;
                }
                _ => self.store(parameter, value)?,
            }
        }
        Ok(())
    }

    fn store(&mut self, parameter: &'static Parameter, value: &Value) -> Result<(), Rejection> {
        self.0.insert(parameter.name, parameter.check(value)?);
        Ok(())
    }
}

fn unknown(name: &str, parameters: &[Parameter]) -> Rejection {
    let known: Vec<_> = parameters.iter().map(|parameter| parameter.name).collect();
    let known = match known.as_slice() {
        [] => "the command takes none".to_owned(),
        names => format!("known are {}", names.join(", ")),
    };
    Rejection::new(
        Reason::InvalidPayload,
        format!("unknown parameter {}: {known}", Value::from(name)),
    )
}

impl Parameter {
    fn check(&self, value: &Value) -> Result<Argument, Rejection> {
        match self.kind {
            Kind::Integer { min, max } => self.integer(value, min, max),
            Kind::Decimal { min, max } => match number(value) {
                Some(number) if (min..=max).contains(&number) => Ok(Argument::Decimal(number)),
                Some(_) => Err(self.outside(&format!("from {min} to {max}"))),
                None => Err(self.invalid("a number")),
            },
            Kind::Enum { words, also } => self.word(value, words, also),
            Kind::Boolean => flag(value)
                .map(Argument::Flag)
                .ok_or_else(|| self.invalid("true or false")),
            Kind::Text { max } => match value {
                Value::String(text) if text.chars().count() > max => {
                    Err(self.outside(&format!("at most {max} characters long")))
                }
                Value::String(text) if !text.chars().any(char::is_control) => Ok(Argument::Text(text.clone())),
                _ => Err(self.invalid("text without control characters")),
            },
            Kind::Time => text(value)
                .and_then(time_of_day)
                .map(Argument::Text)
                .ok_or_else(|| self.invalid("a time of day like 07:30")),
            Kind::DateTime => text(value)
                .and_then(local_date_time)
                .map(Argument::DateTime)
                .ok_or_else(|| self.invalid("a local date and time like 2026-11-21 07:30:00")),
            Kind::Days => self.days(value),
            Kind::Cycles => text(value)
                .and_then(cycles)
                .map(Argument::Text)
                .ok_or_else(|| self.invalid("seven flags, Monday first, like 1,1,1,1,1,0,0")),
            Kind::Object | Kind::Inline => match value {
                Value::Object(members) if self.kind == Kind::Object => Ok(Argument::Object(members.clone())),
                _ => Err(self.invalid("a JSON object")),
            },
            Kind::List => match value {
                Value::Array(items) if items.len() <= LONGEST_LIST => Ok(Argument::List(items.clone())),
                Value::Array(_) => Err(self.outside(&format!("at most {LONGEST_LIST} entries long"))),
                _ => Err(self.invalid("a list of JSON objects")),
            },
        }
    }

    fn integer(&self, value: &Value, min: i64, max: i64) -> Result<Argument, Rejection> {
        let number = number(value)
            .filter(|number| number.fract() == 0.0)
            .ok_or_else(|| self.invalid("a whole number"))?;
        // A float compares exactly with the small bounds of the table; inside them the conversion is exact as well.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "whole and between small bounds"
        )]
        if number >= min as f64 && number <= max as f64 {
            Ok(Argument::Integer(number as i64))
        } else {
            Err(self.outside(&format!("from {min} to {max}")))
        }
    }

    fn word(
        &self,
        value: &Value,
        words: &'static [&'static str],
        also: &'static [(&'static str, &'static str)],
    ) -> Result<Argument, Rejection> {
        let given = match value {
            Value::String(text) => text.trim().to_ascii_lowercase(),
            Value::Number(number) => number.to_string(),
            _ => return Err(self.invalid(&format!("one of {}", words.join(", ")))),
        };
        let meant = also
            .iter()
            .find(|(other, _)| *other == given)
            .map_or(given.as_str(), |(_, word)| *word);
        words
            .iter()
            .find(|word| **word == meant)
            .map(|word| Argument::Word(word))
            .ok_or_else(|| self.outside(&format!("one of {}", words.join(", "))))
    }

    fn days(&self, value: &Value) -> Result<Argument, Rejection> {
        let items: Vec<Value> = match value {
            Value::Array(items) => items.clone(),
            Value::String(text) if text.trim().is_empty() => Vec::new(),
            Value::String(text) => text.split(',').map(Value::from).collect(),
            _ => return Err(self.invalid("a list of weekdays, 0 = Sunday to 6 = Saturday")),
        };
        let mut days = Vec::new();
        for item in &items {
            let day = number(item).and_then(|day| (0..=6u8).find(|known| f64::from(*known) == day));
            days.push(day.ok_or_else(|| self.outside("weekdays from 0 = Sunday to 6 = Saturday"))?);
        }
        days.sort_unstable();
        days.dedup();
        Ok(Argument::Days(days))
    }

    fn outside(&self, range: &str) -> Rejection {
        Rejection::new(Reason::OutOfRange, format!("{} must be {range}", self.name))
    }

    fn invalid(&self, expected: &str) -> Rejection {
        Rejection::new(Reason::InvalidPayload, format!("{} must be {expected}", self.name))
    }
}

/// Most entries of a schedule; the app shows a handful.
const LONGEST_LIST: usize = 50;

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_i64()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(true),
            "false" | "off" | "no" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim)
}

fn time_of_day(text: &str) -> Option<String> {
    let (hours, minutes) = text.split_once(':')?;
    // Home Assistant's time entities send seconds, which the car does not know.
    let minutes = minutes.split_once(':').map_or(minutes, |(minutes, _)| minutes);
    let time = Time::new(hours.parse().ok()?, minutes.parse().ok()?, 0, 0).ok()?;
    Some(time.strftime("%H:%M").to_string())
}

fn local_date_time(text: &str) -> Option<DateTime> {
    // A date alone would parse as midnight, which nobody means.
    text.contains(':').then(|| text.parse().ok()).flatten()
}

fn cycles(text: &str) -> Option<String> {
    let flags: Vec<&str> = text.split(',').map(str::trim).collect();
    (flags.len() == 7 && flags.iter().all(|flag| matches!(*flag, "0" | "1"))).then(|| flags.join(","))
}

#[cfg(test)]
mod tests;
