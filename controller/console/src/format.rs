//! The three formats that data is written in: smart, yaml and json (hook contract §5.2).
//!
//! Each takes a [`Value`] and gives the whole text, with its last newline, or nothing at all.
//! `smart` is for shells: a string is itself, a list is lines, a boolean is `True` or `False`, and
//! what is absent is no bytes. Maps are sorted by key in every format, whatever order they have in
//! memory.

mod json;
mod yaml;

use std::str::FromStr;

use serde_json::Value;
use thiserror::Error;

use crate::flags::{Flag, Line, UsageError};

pub use yaml::plain_is_safe;

/// How an answer is to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For shells and people.
    #[default]
    Smart,
    /// Block style, readable by loaders of YAML 1.1 and 1.2 alike.
    Yaml,
    /// One line, keys sorted.
    Json,
}

/// A word that names no format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown format {0:?}")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Format, UnknownFormat> {
        match text {
            "smart" => Ok(Format::Smart),
            "yaml" => Ok(Format::Yaml),
            "json" => Ok(Format::Json),
            other => Err(UnknownFormat(other.to_owned())),
        }
    }
}

/// The flags of everything that writes data: `--format` and `-o`.
pub const OUTPUT: &[Flag] = &[
    Flag::value(&["format"], "FORMAT", "Write as smart, yaml or json."),
    Flag::value(&["output", "o"], "FILE", "Write to FILE instead of standard output."),
];

impl Format {
    /// What `--format` asks for, or `usual` when it was not given.
    ///
    /// # Errors
    /// A word that names no format, as the contract words it.
    pub fn asked(line: &Line, usual: Format) -> Result<Format, UsageError> {
        Ok(line.parsed("format")?.unwrap_or(usual))
    }

    /// `value` as text.
    #[must_use]
    pub fn render(self, value: &Value) -> String {
        match self {
            Format::Smart => smart(value),
            Format::Yaml => yaml::document(value),
            Format::Json => json::line(value),
        }
    }
}

fn smart(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "True\n".to_owned(),
        Value::Bool(false) => "False\n".to_owned(),
        Value::Number(number) => format!("{}\n", decimal(number)),
        Value::String(text) if text.is_empty() => String::new(),
        Value::String(text) => format!("{text}\n"),
        Value::Array(items) => match lines(items) {
            Some(text) => text,
            None => yaml::document(value),
        },
        Value::Object(_) => yaml::document(value),
    }
}

/// The items one a line, if all of them are strings.
fn lines(items: &[Value]) -> Option<String> {
    let mut text = String::new();
    for item in items {
        text.push_str(item.as_str()?);
        text.push('\n');
    }
    Some(text)
}

/// A number in plain decimal: no exponent, and no fraction where there is none.
fn decimal(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => format!("{float}"),
        _ => number.to_string(),
    }
}

/// The entries of a map in the order of their keys.
fn sorted(map: &serde_json::Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

#[cfg(test)]
mod tests;
