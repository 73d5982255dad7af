//! Every dependency is declared once, with a reason, and is used.

use std::collections::BTreeSet;

use crate::tree::{files, metadata, root};

#[test]
fn each_dependency_is_declared_in_the_workspace_under_its_reason() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut reason = false;
    let mut declared = 0;
    for line in section(&text, "[workspace.dependencies]") {
        if line.is_empty() {
            reason = false;
        } else if line.starts_with('#') {
            reason = true;
        } else {
            assert!(reason, "no reason stands above `{line}`");
            declared += 1;
        }
    }
    assert!(declared > 10, "the section was not found");
}

#[test]
fn members_take_every_dependency_from_the_workspace() {
    let mut seen = 0;
    for (path, text) in files() {
        if !path.ends_with("/Cargo.toml") {
            continue;
        }
        for name in ["[dependencies]", "[dev-dependencies]", "[build-dependencies]"] {
            for line in section(&text, name) {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let shared =
                    line.contains(".workspace = true") || line.contains("workspace = true,");
                assert!(shared || line.contains("workspace = true }"), "{path}: `{line}`");
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "the members were not found");
}

#[test]
fn nothing_is_declared_that_nobody_uses() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let used: BTreeSet<String> = metadata()
        .workspace_packages()
        .iter()
        .flat_map(|package| package.dependencies.iter().map(|d| d.name.clone()))
        .collect();
    for line in section(&text, "[workspace.dependencies]") {
        let Some((name, _)) = line.split_once('=') else { continue };
        let name = name.trim();
        if !line.starts_with('#') {
            assert!(used.contains(name), "`{name}` is declared, and no crate uses it");
        }
    }
}

#[test]
fn every_crate_keeps_the_workspace_lints() {
    for package in metadata().workspace_packages() {
        let text = std::fs::read_to_string(&package.manifest_path).unwrap();
        let lints: Vec<_> = section(&text, "[lints]").collect();
        assert_eq!(lints.first(), Some(&"workspace = true"), "{}", package.name);
    }
}

/// The lines of a manifest's section, trimmed.
fn section<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().map(str::trim);
    let name = name.to_owned();
    lines.skip_while(move |line| *line != name).skip(1).take_while(|line| !line.starts_with('['))
}
