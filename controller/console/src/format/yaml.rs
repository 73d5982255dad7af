//! YAML in block style, with strings quoted exactly when a loader could take them for something
//! else.
//!
//! The loaders meant are those of YAML 1.1 (PyYAML, Go's) and 1.2: a string stays plain only if
//! both read it as that string. So `yes`, `12`, `1e3`, `1:30` and `2026-01-31` are quoted, and
//! `10.0.0.5`, `db:1` and `-Xmx1g` are not.

use serde_json::Value;

use super::json::quoted;
use super::{decimal, sorted};

pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Null => {}
        Value::Array(_) | Value::Object(_) => node(&mut text, value, 0),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            scalar(&mut text, value, 0);
        }
    }
    text
}

/// Writes a list or map from the current column `indent` on; the first line is already indented.
fn node(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Array(items) if items.is_empty() => text.push_str("[]\n"),
        Value::Object(map) if map.is_empty() => text.push_str("{}\n"),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    pad(text, indent);
                }
                text.push_str("- ");
                node(text, item, indent + 2);
            }
        }
        Value::Object(map) => {
            for (index, (key, item)) in sorted(map).into_iter().enumerate() {
                if index > 0 {
                    pad(text, indent);
                }
                if plain_is_safe(key) {
                    text.push_str(key);
                } else {
                    quoted(text, key);
                }
                text.push(':');
                entry(text, item, indent);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            scalar(text, value, indent);
        }
    }
}

/// Writes what follows a key and its colon.
fn entry(text: &mut String, value: &Value, indent: usize) {
    match value {
        // A list may stand in the column of its key; loaders and people are used to it.
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            pad(text, indent);
            node(text, value, indent);
        }
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            pad(text, indent + 2);
            node(text, value, indent + 2);
        }
        _ => {
            text.push(' ');
            node(text, value, indent + 2);
        }
    }
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(&decimal(number)),
        Value::String(string) if block_is_safe(string) => return block(text, string, indent),
        Value::String(string) if plain_is_safe(string) => text.push_str(string),
        Value::String(string) => quoted(text, string),
        Value::Null | Value::Array(_) | Value::Object(_) => text.push_str("null"),
    }
    text.push('\n');
}

/// A block scalar can carry several lines of printable text whose first line says the indentation.
fn block_is_safe(string: &str) -> bool {
    let body = string.strip_suffix('\n').unwrap_or(string);
    body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\t', '\n'])
        && body.chars().all(|character| character == '\n' || character == '\t' || ok(character))
}

fn block(text: &mut String, string: &str, indent: usize) {
    let body = match string.strip_suffix('\n') {
        Some(body) => {
            text.push_str("|\n");
            body
        }
        None => {
            text.push_str("|-\n");
            string
        }
    };
    for line in body.split('\n') {
        if !line.is_empty() {
            // At the top a block needs an indentation of its own, too.
            pad(text, indent.max(2));
            text.push_str(line);
        }
        text.push('\n');
    }
}

/// Printable in YAML 1.1 and no line break to anybody.
fn ok(character: char) -> bool {
    !matches!(character, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}'
        | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether `string` without quotes is read as that string by loaders of YAML 1.1 and 1.2.
#[must_use]
pub fn plain_is_safe(string: &str) -> bool {
    let Some(first) = string.chars().next() else { return false };
    let second = string.chars().nth(1);
    let starts_well = match first {
        '-' | '?' | ':' => second.is_some_and(|next| next != ' ' && !"-?:,[]{}".contains(next)),
        ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
        | '@' | '`' | ' ' => false,
        _ => true,
    };
    starts_well
        && !string.ends_with([' ', ':'])
        && !string.contains(": ")
        && !string.contains(" #")
        && string.chars().all(ok)
        && !is_another_type(string)
}

fn is_another_type(string: &str) -> bool {
    const WORDS: [&str; 13] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "=", "<<", "..."];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(string))
        || looks_like_number(string)
        || looks_like_time(string)
}

fn looks_like_number(string: &str) -> bool {
    let body = string.strip_prefix(['-', '+']).unwrap_or(string);
    let lower = body.to_ascii_lowercase();
    if matches!(lower.as_str(), ".inf" | ".nan" | "inf" | "nan" | "infinity") {
        return true;
    }
    for (prefix, digits) in [("0x", "0123456789abcdef_"), ("0o", "01234567_"), ("0b", "01_")] {
        if let Some(rest) = lower.strip_prefix(prefix) {
            return rest.chars().all(|character| digits.contains(character));
        }
    }
    let starts = lower.starts_with(|character: char| character.is_ascii_digit());
    if lower.contains(':') {
        // Sixty-based numbers of YAML 1.1: `1:30`, `190:20:30.15`.
        return starts
            && lower
                .chars()
                .all(|character| character.is_ascii_digit() || ":._".contains(character));
    }
    let (mantissa, exponent) = match lower.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (lower.as_str(), None),
    };
    let digits = mantissa.chars().any(|character| character.is_ascii_digit());
    let points = mantissa.chars().filter(|character| *character == '.').count();
    let clean =
        mantissa.chars().all(|character| character.is_ascii_digit() || "._".contains(character));
    let power = exponent.is_none_or(|power| {
        let power = power.strip_prefix(['-', '+']).unwrap_or(power);
        !power.is_empty() && power.chars().all(|character| character.is_ascii_digit())
    });
    digits && clean && points <= 1 && power && !mantissa.starts_with('_')
}

/// `2026-01-31` and everything that begins so and goes on like a time.
fn looks_like_time(string: &str) -> bool {
    let mut parts = string.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let number = |text: &str, most: usize| {
        !text.is_empty() && text.len() <= most && text.chars().all(|c| c.is_ascii_digit())
    };
    let day = rest.split(['T', 't', ' ']).next().unwrap_or_default();
    year.len() == 4 && number(year, 4) && number(month, 2) && number(day, 2)
}
