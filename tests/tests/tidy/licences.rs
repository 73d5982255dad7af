//! Everything that goes into a binary may be given on under Apache-2.0.

use crate::tree::metadata;

/// Licences that ask for nothing but their text to be kept.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[test]
fn every_dependency_is_permissive() {
    let mut wrong = Vec::new();
    for package in &metadata().packages {
        let allowed = package.license.as_deref().is_some_and(permissive);
        if !allowed {
            wrong.push(format!("{}: {:?}", package.name, package.license));
        }
    }
    assert!(wrong.is_empty(), "not permissive, or not known to be:\n{}", wrong.join("\n"));
}

/// Whether an SPDX expression can be satisfied by permissive licences alone.
fn permissive(expression: &str) -> bool {
    // Older manifests write `MIT/Apache-2.0`.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any(&words, &mut at) && at == words.len()
}

fn any(words: &[&str], at: &mut usize) -> bool {
    let mut found = all(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        found |= all(words, at);
    }
    found
}

fn all(words: &[&str], at: &mut usize) -> bool {
    let mut every = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        every &= one(words, at);
    }
    every
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let inner = any(words, at);
        *at += 1;
        return inner;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = words.get(*at + 1).copied().unwrap_or_default();
        *at += 2;
        return PERMISSIVE.contains(&format!("{word} WITH {exception}").as_str());
    }
    PERMISSIVE.contains(word)
}

#[test]
fn expressions_are_read_rightly() {
    for (expression, expected) in [
        ("MIT", true),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(GPL-2.0 OR MPL-2.0) AND MIT", false),
        ("MIT/Apache-2.0", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("GPL-2.0 WITH Classpath-exception-2.0", false),
        ("", false),
        ("MIT MIT", false),
    ] {
        assert_eq!(permissive(expression), expected, "{expression}");
    }
}
