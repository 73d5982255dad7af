//! The options of a charm (`config.yaml`; hook contract, section 1.5) and their values.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::is_default;
use crate::name::OptionName;
use crate::secret::SecretUri;
use crate::yaml::{Field, FieldError, Node, Value};

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
                let is_uri = text.starts_with("secret:") && text.parse::<SecretUri>().is_ok();
                if text.is_empty() || is_uri {
                    Ok(OptionValue::String(text.to_owned()))
                } else {
                    Err(BadValue::NoSecret(shown(text)))
                }
            }
        }
    }

    /// Reads what stands in a YAML file: a default of `config.yaml`, a value of a bundle or of
    /// `config --file`.
    ///
    /// Section 1.5: a quoted number is taken for an int (also `0x` and `0o` forms), a quoted
    /// boolean word for a boolean, a whole number for a float. Nothing but text is a string.
    pub fn parse_yaml(self, node: &Node) -> Result<OptionValue, BadValue> {
        let bad = || BadValue::Type {
            kind: self,
            found: match node.scalar_text() {
                Some(text) => format!("{} {:?}", node.kind(), shown(&text)),
                None => node.kind().to_owned(),
            },
        };
        match (self, &node.value) {
            (OptionKind::String, Value::String(text)) => Ok(OptionValue::String(text.clone())),
            (OptionKind::Secret, Value::String(text)) => self.parse_text(text),
            (OptionKind::Int, Value::Int(value)) => Ok(OptionValue::Int(*value)),
            (OptionKind::Int, Value::String(text)) => {
                radix(text).map(OptionValue::Int).ok_or_else(bad)
            }
            (OptionKind::Float, Value::Float(value)) => {
                Finite::new(*value).map(OptionValue::Float).ok_or_else(bad)
            }
            (OptionKind::Float, Value::Int(value)) => {
                float(&value.to_string()).map(OptionValue::Float).ok_or_else(bad)
            }
            (OptionKind::Boolean, Value::Bool(value)) => Ok(OptionValue::Boolean(*value)),
            (OptionKind::Boolean, Value::String(text)) => boolean(text)
                .or_else(|| old_boolean(text))
                .map(OptionValue::Boolean)
                .ok_or_else(bad),
            _ => Err(bad()),
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

/// The words that readers of YAML 1.1 take for booleans; charms are written for those.
fn old_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" => Some(true),
        "no" | "off" => Some(false),
        _ => None,
    }
}

fn radix(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (digits, radix) = match digits.get(..2) {
        Some("0x" | "0X") => (digits.get(2..)?, 16),
        Some("0o" | "0O") => (digits.get(2..)?, 8),
        _ => return text.parse().ok(),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
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

/// Reads `config.yaml`.
pub(crate) fn read(root: &Field<'_>) -> Result<BTreeMap<OptionName, CharmOption>, FieldError> {
    let empty = || root.error("empty configuration: there must be a map called `options`");
    if root.node().as_map().is_none_or(|map| map.get("options").is_none()) {
        return Err(empty());
    }
    let Some(options) = root.get("options")? else { return Err(empty()) };
    let mut read = BTreeMap::new();
    for (key, field) in options.entries()? {
        read.insert(field.parse_key(key)?, read_one(&field)?);
    }
    Ok(read)
}

fn read_one(field: &Field<'_>) -> Result<CharmOption, FieldError> {
    field.map()?;
    let kind = match field.get("type")? {
        None => OptionKind::String,
        Some(kind) => match kind.text()? {
            "string" => OptionKind::String,
            "int" => OptionKind::Int,
            "float" => OptionKind::Float,
            "boolean" => OptionKind::Boolean,
            "secret" => OptionKind::Secret,
            other => {
                return Err(kind.error(format_args!(
                    "unknown type {other:?}: expected string, int, float, boolean or secret"
                )));
            }
        },
    };
    let default = match field.get("default")? {
        None => None,
        Some(default) => Some(kind.parse_yaml(default.node()).map_err(|e| default.error(e))?),
    };
    Ok(CharmOption { kind, description: field.text_of("description")?, default })
}

#[cfg(test)]
mod tests;
