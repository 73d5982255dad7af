//! From nodes to text that readers of YAML 1.1 and 1.2 understand alike.
//!
//! Our own, because a number must be able to keep the digits that it was written with (`0755`),
//! which no serialiser lets through.

use super::{Map, Node, Value};

/// Writes a document in block style.
///
/// A text stands bare only where it is plainly a word; what some reader would take for a number, a
/// boolean or a date is quoted. Texts of several lines are literal blocks.
#[must_use]
pub fn to_text(node: &Node) -> String {
    let mut out = String::new();
    match &node.value {
        Value::Map(map) if !map.is_empty() => write_map(&mut out, map, 0),
        Value::List(list) if !list.is_empty() => write_list(&mut out, list, 0),
        _ => {
            write_inline(&mut out, node, 0);
            out.push('\n');
        }
    }
    out
}

fn write_map(out: &mut String, map: &Map, indent: usize) {
    for entry in map.iter() {
        push_indent(out, indent);
        write_text(out, &entry.key);
        out.push(':');
        write_value(out, &entry.node, indent);
    }
}

fn write_list(out: &mut String, list: &[Node], indent: usize) {
    for node in list {
        push_indent(out, indent);
        out.push('-');
        write_value(out, node, indent);
    }
}

/// What follows a `key:` or a `-`, with the end of the line.
fn write_value(out: &mut String, node: &Node, indent: usize) {
    match &node.value {
        Value::Map(map) if !map.is_empty() => {
            out.push('\n');
            write_map(out, map, indent + 2);
        }
        Value::List(list) if !list.is_empty() => {
            out.push('\n');
            write_list(out, list, indent + 2);
        }
        _ => {
            out.push(' ');
            write_inline(out, node, indent + 2);
            out.push('\n');
        }
    }
}

fn write_inline(out: &mut String, node: &Node, indent: usize) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => match node.written() {
            Some(written) => out.push_str(written),
            None => out.push_str(&value.to_string()),
        },
        Value::Float(value) => match node.written() {
            Some(written) => out.push_str(written),
            // `{:?}` keeps the point, so that it stays a float.
            None => out.push_str(&format!("{value:?}")),
        },
        Value::String(text) if is_block(text) && indent > 0 => write_block(out, text, indent),
        Value::String(text) => write_text(out, text),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
    }
}

fn push_indent(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_text(out: &mut String, text: &str) {
    if is_word(text) {
        out.push_str(text);
    } else {
        write_quoted(out, text);
    }
}

/// Words that stand for something else in one or the other version of YAML.
const RESERVED: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"];

/// Whether every reader takes the bare text for just this text.
fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | '+');
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'));
    // Blanks between words are harmless; so is a comma or a bracket outside of flow style, but
    // not worth the thought.
    starts
        && text.len() <= 200
        && text.split(' ').all(|word| !word.is_empty() && word.chars().all(plain))
        && !text.ends_with(['-', '+'])
        && !RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a text can be a literal block: several lines, nothing that must be escaped, and no
/// blanks where they would be lost or taken for indentation.
fn is_block(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n'])
        && text.chars().all(|c| c == '\n' || is_printable(c))
        && text.lines().all(|line| !line.ends_with(' ') && !line.starts_with('\u{feff}'))
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    let body = text.trim_end_matches('\n');
    let newlines = text.len() - body.len();
    out.push_str(match newlines {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in body.split('\n').chain(std::iter::repeat_n("", newlines.saturating_sub(1))) {
        out.push('\n');
        if !line.is_empty() {
            push_indent(out, indent);
            out.push_str(line);
        }
    }
}

fn is_printable(c: char) -> bool {
    // Tabs and line separators are allowed in YAML, and read differently by its two versions.
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}')
        || matches!(c, '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x100 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, parse};
    use super::*;

    fn read(text: &str) -> Node {
        parse("f.yaml", text.as_bytes(), &Limits::FILE).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = "a: {b: [1, 2.0, {c: [], d: {}}, [x, [y]]], mode: 0755, big: 1_000}\n\
                    yes: 'yes'\nn: null\nt: true\nday: '2020-01-01'\nport: '8080'\nempty: ''\n";
        let node = read(text);
        let written = to_text(&node);
        assert_eq!(read(&written), node, "{written}");
        assert!(written.contains("mode: 0755\n"), "{written}");
        assert!(written.contains("big: 1_000\n"), "{written}");
        assert!(written.contains("\"yes\": \"yes\"\n"), "{written}");
    }

    #[test]
    fn every_text_comes_back_as_it_was() {
        let texts = [
            "",
            " ",
            "a b",
            "a  b",
            "a: b",
            "a #b",
            "#a",
            "- a",
            "-",
            "--- ",
            "...",
            "1",
            "1.0",
            "1e3",
            "0x1",
            "0b1",
            "1:30",
            "12:30:45",
            ".5",
            ".inf",
            "=",
            "<<",
            "~",
            "Null",
            "NO",
            "a\nb",
            "a\nb\n",
            "a\n\n\nb\n\n\n",
            "\na",
            " a\nb",
            "a \nb",
            "a\n  b\n c",
            "\ta\nb",
            "a\tb",
            "a\r\nb",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "\u{feff}",
            "ä ö 漢字 🦀\nzwei",
            "'",
            "\"",
            "\\",
            "!x",
            "&x",
            "*x",
            "%x",
            "@x",
            "`x",
            "[x",
            "{x",
            "|",
            ">",
            "?",
            "? a",
            "a,b",
            "\n",
            "\n\n",
            "x:",
            "key: |\n  x\n",
            "\u{0}",
            "\u{1b}[0m",
            "# a\nb",
            "a\n# b",
            "- a\n- b",
            "a\n...\nb",
            "a\n---\nb",
        ];
        for text in texts {
            let mut map = Map::new();
            map.insert(text, Node::new(Value::String(text.to_owned())));
            let list = vec![Node::new(Value::Map(map)), Node::new(Value::String(text.to_owned()))];
            let node = Node::new(Value::List(list));
            let written = to_text(&node);
            assert_eq!(read(&written), node, "{written}");
            let alone = Node::new(Value::String(text.to_owned()));
            assert_eq!(read(&to_text(&alone)), alone, "{text:?}");
        }
    }
}
