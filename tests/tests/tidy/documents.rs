//! The two documents name every crate, and say nothing of the machine they were written on.

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
