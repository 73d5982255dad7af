//! What the sources may not say.

use crate::dependencies::PURE;
use crate::tree::{is_test, metadata, product, root, rust};

/// Lines of a file before its unit tests. From about 400 on: which two nouns does the file hold?
const LIMIT: usize = 450;

/// Files that are longer, with the lines they have. Entries shrink and go; none is added without a
/// reason beside it.
const LONGER: &[(&str, usize, &str)] = &[
    ("agent/src/unit.rs", 500, "the unit's loop and its commands from outside: to be parted"),
    ("tests/src/measure/installation.rs", 520, "an installation and its measuring: to be parted"),
    ("tests/src/world.rs", 560, "the world and its events: to be parted"),
];

/// What would make a pure function's answer depend on more than its arguments.
const IMPURE: &[&str] = &[
    "HashMap",
    "HashSet",
    "SystemTime",
    "Instant",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::env",
    "std::process",
    "std::thread",
    "Timestamp::now",
    "Zoned::now",
    "thread_rng",
    "getrandom",
];

#[test]
fn no_file_is_too_long() {
    let mut wrong = Vec::new();
    for (path, text) in rust() {
        let lines = product(&text).lines().count();
        let entry = LONGER.iter().find(|(long, _, _)| *long == path);
        match entry {
            None if lines > LIMIT => wrong.push(format!("{path}: {lines} lines, {LIMIT} at most")),
            Some((_, most, _)) if lines > *most => {
                wrong.push(format!("{path}: {lines} lines, grown from {most}"));
            }
            Some(_) if lines <= LIMIT => {
                wrong.push(format!("{path}: short again, take its entry out"));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "split at a noun:\n{}", wrong.join("\n"));
}

#[test]
fn pure_crates_name_nothing_that_varies() {
    let mut wrong = Vec::new();
    for (krate, folder) in folders() {
        if !PURE.contains(&krate.as_str()) {
            continue;
        }
        for (path, text) in rust() {
            if !path.starts_with(&folder) || is_test(&path) {
                continue;
            }
            for (number, line) in product(&text).lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let found = IMPURE.iter().find(|word| names(code, word));
                if let Some(word) = found {
                    wrong.push(format!("{path}:{}: `{word}` in {krate}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_runs_and_every_exception_has_its_reason() {
    // Put together here so that this file does not find itself.
    let ignore = ["#[ign", "ore"].concat();
    let allow = ["[al", "low("].concat();
    let expect = ["[exp", "ect("].concat();
    let mut wrong = Vec::new();
    for (path, text) in rust() {
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let here = format!("{path}:{}", number + 1);
            if !code.starts_with("#[") && !code.starts_with("#![") {
                continue;
            }
            if code.starts_with(&ignore) {
                wrong.push(format!("{here}: a test that does not run proves nothing"));
            }
            if code.contains(&allow) {
                wrong
                    .push(format!("{here}: `expect` with a reason says when it is of no more use"));
            }
            let attribute = lines[number..].iter().take(8).copied().collect::<Vec<_>>().join(" ");
            let attribute = attribute.split(")]").next().unwrap_or_default();
            if code.contains(&expect) && !attribute.contains("reason") {
                wrong.push(format!("{here}: an exception without a reason"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_with_its_story() {
    let silent: Vec<String> = rust()
        .into_iter()
        .filter(|(path, text)| !text.starts_with("//!") && !path.ends_with("/tests.rs"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "no `//!` at the top of\n{}", silent.join("\n"));
}

/// Whether `code` has `word` as words of their own.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Each crate with the folder of its sources, from the root and with a slash at the end.
fn folders() -> Vec<(String, String)> {
    let packages = metadata().workspace_packages();
    let mut folders = Vec::new();
    for package in packages {
        let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
        let folder = folder.strip_prefix(root()).expect("a member lies in the workspace");
        folders.push((package.name.to_string(), format!("{folder}/src/")));
    }
    folders
}

#[test]
fn words_are_found_whole() {
    assert!(names("use std::fs;", "std::fs"));
    assert!(names("Instant::now()", "Instant"));
    assert!(!names("InstantAnswer", "Instant"));
    assert!(!names("my_HashMap", "HashMap"));
}
