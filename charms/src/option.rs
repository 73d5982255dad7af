//! The options of a charm (`config.yaml`; hook contract, section 1.5) and their values.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::is_default;

/// The type of an option.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum OptionKind {
    /// Any text.
    #[default]
    String,
    /// A signed integer of 64 bits.
    Int,
    /// A finite number of 64 bits.
    Float,
    /// True or false.
    Boolean,
    /// Empty, or the URI of a secret.
    Secret,
}

impl OptionKind {
    /// The word of `config.yaml` for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            OptionKind::String => "string",
            OptionKind::Int => "int",
            OptionKind::Float => "float",
            OptionKind::Boolean => "boolean",
            OptionKind::Secret => "secret",
        }
    }
}

impl fmt::Display for OptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A number that is neither infinite nor undefined, so that values can be compared.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(transparent)]
pub struct Finite(f64);

impl Finite {
    /// The number, unless it is infinite or not a number.
    #[must_use]
    pub fn new(number: f64) -> Option<Self> {
        // Adding zero turns minus zero into zero: there is one way to write nothing.
        number.is_finite().then_some(Finite(number + 0.0))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Finite {}

/// What an option is set to. In JSON it is the bare value: an int stays an int, a float keeps its
/// decimal point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OptionValue {
    /// Of a `boolean` option.
    Boolean(bool),
    /// Of an `int` option.
    Int(i64),
    /// Of a `float` option.
    Float(Finite),
    /// Of a `string` option, or the URI of a `secret` one.
    String(String),
}

/// An option as a charm declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CharmOption {
    /// What its values are.
    #[serde(default, rename = "type")]
    pub kind: OptionKind,
    /// For people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
    /// Its value where nobody set one; without it the option is unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<OptionValue>,
}

/// Why a value does not fit its option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// The text of the command line cannot be read as the option's type.
    #[error("expected {kind}, got {text:?}")]
    Text {
        /// The option's type.
        kind: OptionKind,
        /// The text, cut to what can be shown.
        text: String,
    },
    /// A secret option takes nothing but a secret's URI.
    #[error("expected empty or the URI of a secret (`secret:…`), got {0:?}")]
    NoSecret(String),
    /// The value in a YAML file has another type.
    #[error("expected {kind}, got {found}")]
    Type {
        /// The option's type.
        kind: OptionKind,
        /// What stands there, such as `a list`.
        found: String,
    },
}

impl OptionKind {
    /// Reads what an operator typed.
    ///
    /// Section 1.5: int is base-10 and 64 bits; boolean takes `1 t T TRUE true True` and their
    /// opposites. An empty text is a value for `string` and `secret` only.
    pub fn parse_text(self, text: &str) -> Result<OptionValue, BadValue> {
        let bad = || BadValue::Text { kind: self, text: shown(text) };
        match self {
            OptionKind::String => Ok(OptionValue::String(text.to_owned())),
            OptionKind::Int => text.parse().map(OptionValue::Int).map_err(|_| bad()),
            OptionKind::Float => float(text).map(OptionValue::Float).ok_or_else(bad),
            OptionKind::Boolean => boolean(text).map(OptionValue::Boolean).ok_or_else(bad),
            OptionKind::Secret => {
                if text.is_empty() || text.starts_with("secret:") && text.len() > "secret:".len() {
                    Ok(OptionValue::String(text.to_owned()))
                } else {
                    Err(BadValue::NoSecret(shown(text)))
                }
            }
        }
    }

    /// Whether `value` is one of this type.
    #[must_use]
    pub fn admits(self, value: &OptionValue) -> bool {
        match (self, value) {
            (OptionKind::Secret, OptionValue::String(text)) => self.parse_text(text).is_ok(),
            (OptionKind::String, OptionValue::String(_))
            | (OptionKind::Int, OptionValue::Int(_))
            | (OptionKind::Float, OptionValue::Float(_))
            | (OptionKind::Boolean, OptionValue::Boolean(_)) => true,
            _ => false,
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

fn float(text: &str) -> Option<Finite> {
    // `inf` and `nan` parse as floats; they are no values, and JSON cannot carry them.
    Finite::new(text.parse().ok()?)
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

impl fmt::Display for OptionValue {
    /// As it is written on a command line; `parse_text` reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Boolean(value) => write!(f, "{value}"),
            OptionValue::Int(value) => write!(f, "{value}"),
            OptionValue::Float(value) => write!(f, "{}", value.get()),
            OptionValue::String(value) => f.write_str(value),
        }
    }
}

impl From<&OptionValue> for serde_json::Value {
    fn from(value: &OptionValue) -> serde_json::Value {
        match value {
            OptionValue::Boolean(value) => (*value).into(),
            OptionValue::Int(value) => (*value).into(),
            OptionValue::Float(value) => value.get().into(),
            OptionValue::String(value) => value.as_str().into(),
        }
    }
}

impl<'de> Deserialize<'de> for OptionValue {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl serde::de::Visitor<'_> for AnyValue {
    type Value = OptionValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean, a number or a string")
    }

    fn visit_bool<E>(self, value: bool) -> Result<OptionValue, E> {
        Ok(OptionValue::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<OptionValue, E> {
        Ok(OptionValue::Int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<OptionValue, E> {
        i64::try_from(value).map(OptionValue::Int).map_err(|_| E::custom("number is out of range"))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<OptionValue, E> {
        Finite::new(value).map(OptionValue::Float).ok_or_else(|| E::custom("number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<OptionValue, E> {
        Ok(OptionValue::String(value.to_owned()))
    }
}
