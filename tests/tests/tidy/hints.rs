//! Who is told what to type next must be able to type it: every line of ours that a message, a
//! comment or a document quotes is read by the tables that lines are read by.

use muster::commands::find;
use muster_console::flags::{Reading, read};

use crate::tree::{files, product, root, rust};

/// How a quoted line begins in a source: each with what ends it.
const BEGINNINGS: [(&str, &str); 5] = [
    ("`muster ", "`"),
    ("\\\"muster ", "\\\""),
    ("'muster ", "'"),
    // With the name that the program was called by in place of ours.
    ("\\\"{0} ", "\\\""),
    ("\\\"{} ", "\\\""),
];

/// What is wrong with a line as a person would type it, without the program's name.
fn complaint(line: &str) -> Option<String> {
    let words: Vec<String> = line
        .split_whitespace()
        .take_while(|word| *word != "#" && *word != "…" && *word != "...")
        .map(|word| word.trim_matches('\'').trim_end_matches('\\').to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    let (command, rest) = words.split_first()?;
    if command.starts_with(['-', '<', '{']) || command.contains(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    let Some(entry) = find(command) else { return Some(format!("`{command}` is no command")) };
    match read(&entry.usage, rest.iter().cloned()) {
        Ok(Reading::Line(_) | Reading::Help) => None,
        Err(error) => Some(format!("`{line}`: {error}")),
    }
}

/// Every quoted line of a text.
fn quoted(text: &str) -> Vec<String> {
    // A literal that goes on in the next line is one line for whoever reads the message.
    let mut joined = String::new();
    for line in text.lines() {
        match line.strip_suffix('\\') {
            Some(begun) => joined.push_str(begun),
            None => joined.push_str(&format!("{line}\n")),
        }
    }
    let mut found = Vec::new();
    for (begin, end) in BEGINNINGS {
        for part in joined.split(begin).skip(1) {
            let line = part.lines().next().unwrap_or_default();
            if let Some((line, _)) = line.split_once(end) {
                found.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        }
    }
    found
}

#[test]
fn every_line_that_is_quoted_can_be_typed() {
    let mut wrong = Vec::new();
    let mut count = 0;
    let documents = files().into_iter().filter(|(path, _)| path.ends_with(".md"));
    for (path, text) in rust().into_iter().chain(documents) {
        // Its own patterns are no lines of anybody.
        if path.ends_with("tidy/hints.rs") {
            continue;
        }
        let mut lines = quoted(product(&text));
        if path.ends_with(".md") {
            let typed = text.lines().filter_map(|line| line.trim_start().strip_prefix("muster "));
            lines.extend(typed.map(str::to_owned));
        }
        count += lines.len();
        let complaints = lines.iter().filter_map(|line| complaint(line));
        wrong.extend(complaints.map(|complaint| format!("{path}: {complaint}")));
    }
    assert!(
        count > 100,
        "only {count} lines were found: is there nothing in {}?",
        root().display()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_line_that_cannot_be_typed_is_found() {
    assert_eq!(complaint("status --relations"), None);
    assert_eq!(complaint("remove-unit {name} --force"), None);
    assert!(complaint("frobnicate x").is_some());
    assert!(complaint("status --frob").is_some());
    let text = "hint(\"see \\\"muster status\\\" or `muster models`\", \"a \\\n     'muster switch x' b\")";
    assert_eq!(quoted(text), ["models", "status", "switch x"]);
}
