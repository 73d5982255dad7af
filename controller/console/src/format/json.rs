//! JSON on one line with sorted keys, whatever map `serde_json` was built with.

use serde_json::Value;

use super::{decimal, sorted};

pub(super) fn line(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text.push('\n');
    text
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(&decimal(number)),
        Value::String(string) => quoted(text, string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(text, item);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (index, (key, item)) in sorted(map).into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                quoted(text, key);
                text.push(':');
                write(text, item);
            }
            text.push('}');
        }
    }
}

/// A string in double quotes. This is also a YAML double-quoted scalar.
pub(super) fn quoted(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            // Control characters, the two line separators that JavaScript and YAML 1.1 stumble
            // over, and the byte order mark; all below U+10000, so four digits are enough.
            '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}
