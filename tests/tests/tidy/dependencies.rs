//! Who depends on whom, and what the pure crates can reach.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, PackageId};

use crate::tree::metadata;

/// Each crate of ours with those of ours it may use. `ARCHITECTURE.md` draws the same table.
const MAY_USE: &[(&str, &[&str])] = &[
    ("muster-resources", &[]),
    ("muster-charms", &[]),
    ("muster-console", &[]),
    ("muster-layers", &["muster-charms"]),
    ("muster-model", &["muster-charms", "muster-resources"]),
    ("muster-resolver", &["muster-charms", "muster-model"]),
    ("muster-api", &["muster-model", "muster-resources"]),
    (
        "muster-controller",
        &["muster-api", "muster-charms", "muster-console", "muster-model", "muster-resources"],
    ),
    (
        "muster-agent",
        &[
            "muster-api",
            "muster-charms",
            "muster-console",
            "muster-model",
            "muster-resolver",
            "muster-resources",
        ],
    ),
    (
        "muster",
        &[
            "muster-api",
            "muster-charms",
            "muster-console",
            "muster-layers",
            "muster-model",
            "muster-resources",
        ],
    ),
    (
        "muster-tests",
        &[
            "muster",
            "muster-agent",
            "muster-api",
            "muster-charms",
            "muster-console",
            "muster-controller",
            "muster-layers",
            "muster-model",
            "muster-resolver",
            "muster-resources",
        ],
    ),
];

/// No runtime, network, disk or clock: same input, same output.
pub(crate) const PURE: &[&str] =
    &["muster-charms", "muster-layers", "muster-console", "muster-model", "muster-resolver"];

/// What is not to come in by any way, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("tokio-tar", "unpacks what must be refused, and has open advisories"),
    ("astral-tokio-tar", "archives pass muster_resources::archive and nothing else"),
    ("async-tar", "unpacks what must be refused, and has open advisories"),
    ("rustls-pemfile", "no longer maintained; rustls-pki-types reads PEM"),
    ("users", "no longer maintained, unsound"),
    ("serde_yaml", "no longer maintained; serde-saphyr has budgets"),
    ("serde_yml", "unsound; serde-saphyr has budgets"),
    ("yaml-rust", "no longer maintained; serde-saphyr has budgets"),
    ("openssl", "TLS is rustls"),
    ("native-tls", "TLS is rustls"),
];

#[test]
fn every_crate_uses_only_those_below_it() {
    let metadata = metadata();
    let ours: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let listed: BTreeSet<&str> = table.keys().copied().collect();
    assert_eq!(ours, listed, "the table lists every crate of the workspace and no other");
    for package in metadata.workspace_packages() {
        let may = table[package.name.as_str()];
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if ours.contains(name) && dependency.kind != DependencyKind::Development {
                assert!(may.contains(&name), "{} may not use {name}", package.name);
            }
        }
    }
}

#[test]
fn what_is_above_the_network_reaches_none() {
    for krate in PURE.iter().chain(&["muster-resources"]) {
        let reached = reached_by(krate);
        for hand in ["tokio", "reqwest", "nix", "hyper", "mio"] {
            assert!(!reached.contains(hand), "{krate} reaches {hand}");
        }
    }
    assert!(reached_by("muster-api").contains("reqwest"), "the walk over the graph finds nothing");
}

#[test]
fn no_banned_crate_came_in() {
    for package in &metadata().packages {
        let banned = BANNED.iter().find(|(name, _)| *name == package.name.as_str());
        if let Some((name, why)) = banned {
            panic!("{name} is among the dependencies: {why}");
        }
    }
}

/// The names of everything that `krate` is built with, for use and not for its own tests.
fn reached_by(krate: &str) -> BTreeSet<String> {
    let metadata = metadata();
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let resolve = metadata.resolve.as_ref().expect("cargo resolved the graph");
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let start = names.iter().find(|(_, name)| **name == krate).expect("a crate of ours").0;
    let mut seen = BTreeSet::from([*start]);
    let mut left = vec![*start];
    while let Some(id) = left.pop() {
        for dependency in &nodes[id].deps {
            let used = dependency.dep_kinds.iter().any(|d| d.kind != DependencyKind::Development);
            if used && seen.insert(&dependency.pkg) {
                left.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}
