//! The two documents name every crate, and say nothing of the machine they were written on.

use std::collections::BTreeSet;

use muster::{Act, Said};

use crate::tree::{files, metadata, root};

#[test]
fn readme_and_architecture_name_every_crate() {
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = std::fs::read_to_string(root().join(document))
            .unwrap_or_else(|error| panic!("{document}: {error}"));
        for package in metadata().workspace_packages() {
            let name = format!("`{}`", package.name);
            assert!(text.contains(&name), "{document} does not mention {name}");
        }
    }
}

/// Everything that README tells somebody to type at `muster` can be typed there, and speaks of what an
/// earlier line made.
#[test]
fn what_readme_says_to_type_can_be_typed() {
    let text = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let mut acts = Vec::new();
    for block in text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"))
    {
        for line in block.lines() {
            let line = line.split(" #").next().unwrap_or(line);
            let mut words = line.split_whitespace().map(str::to_owned);
            if words.next().as_deref() != Some("muster") {
                continue;
            }
            match muster::parse(&words.collect::<Vec<_>>()) {
                Ok(Said::Request(request)) => acts.push((line.to_owned(), request.act)),
                Ok(Said::Text(_)) => panic!("`{line}` only prints help"),
                Err(failure) => panic!("`{line}`: {failure}"),
            }
        }
    }
    let mut controllers = BTreeSet::new();
    for (line, act) in &acts {
        let named = match act {
            Act::Bootstrap(act) => {
                controllers.insert(act.name.as_str().to_owned());
                continue;
            }
            Act::KillController(act) => &act.name,
            Act::StartController(act) => &act.name,
            Act::Deploy(act) => {
                let charm = root().join(&act.source);
                assert!(charm.exists(), "`{line}`: `{}` is not there", charm.display());
                continue;
            }
            _ => continue,
        };
        assert!(controllers.contains(named), "`{line}`: no line before it makes \"{named}\"");
    }
    assert!(acts.len() >= 5, "README shows how to begin: {acts:?}");
}

#[test]
fn no_file_names_a_registry_or_somebodys_machine() {
    // Whoever runs this has settings of their own for cargo, pip, Maven and apt.
    let hosts = ["pypi.o", "pythonhosted.o", "crates.i", "maven.apache.o", "maven.o", "debian.o"];
    let ends = ["rg", "rg", "o", "rg/maven2", "rg/maven2", "rg/debian"];
    let mut forbidden: Vec<String> =
        hosts.iter().zip(ends).map(|(a, b)| format!("{a}{b}")).collect();
    forbidden.push(["/wo", "rk/"].concat());
    for (path, text) in files() {
        if path == "Cargo.lock" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            // `/opt/work/` and the like are other folders than the one at the root.
            let found = forbidden.iter().find(|word| {
                line.match_indices(word.as_str()).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_ascii_alphanumeric() || "-_.}".contains(c))
                })
            });
            if let Some(word) = found {
                panic!("{path}:{}: names `{word}`", number + 1);
            }
        }
    }
}
