//! What is worth saying about a charm that could be packed (layers document, section 12).
//!
//! Errors are what would be refused or cannot run; warnings and remarks never stop anybody.

use std::fmt;

use crate::charm::{Charm, CharmError, Files};
use crate::tree::{Item, Tree};
use crate::yaml::{Limits, Map, Node, parse};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Worth a change.
    Warning,
    /// It will not work.
    Error,
}

impl Level {
    /// The letter before a finding, as charm authors know it.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Level::Info => 'I',
            Level::Warning => 'W',
            Level::Error => 'E',
        }
    }
}

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is no charm.
    Invalid(CharmError),
    /// There is neither an entry point nor a hook.
    NothingToRun,
    /// A file that is run has no execute bit, and none is added when the charm is laid out.
    NotExecutable(String),
    /// An action has no file and there is no `dispatch`.
    ActionWithoutFile(String),
    /// A file in `actions/` belongs to no declared action.
    StrayAction(String),
    /// Both `maintainer` and `maintainers` are there.
    TwoMaintainers,
    /// A maintainer is not written `Name <mail>`.
    BadMaintainer(String),
    /// Nobody is named as the maintainer.
    NoMaintainer,
    /// There is no file of this name.
    Missing(&'static str),
    /// An option does not say this key.
    OptionWithout {
        /// The option.
        option: String,
        /// `type`, `description` or `default`.
        key: &'static str,
    },
    /// An option, or the file, has a key that means nothing.
    StrayConfigKey(String),
    /// The summary is longer than a line of a table.
    LongSummary(usize),
    /// There are no tags.
    NoTags,
    /// There is no `display-name`.
    NoDisplayName,
    /// `series` is there, which newer charms say in their manifest.
    Series,
    /// The metadata has a key that means nothing.
    UnknownKey(String),
    /// It provides nothing.
    ProvidesNothing,
}

impl Finding {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Finding::Invalid(_)
            | Finding::NothingToRun
            | Finding::NotExecutable(_)
            | Finding::TwoMaintainers => Level::Error,
            Finding::ActionWithoutFile(_)
            | Finding::StrayAction(_)
            | Finding::BadMaintainer(_)
            | Finding::NoMaintainer
            | Finding::OptionWithout { .. }
            | Finding::StrayConfigKey(_)
            | Finding::LongSummary(_)
            | Finding::NoTags => Level::Warning,
            Finding::Missing(file) if *file == "icon.svg" => Level::Info,
            Finding::Missing(_) => Level::Warning,
            Finding::NoDisplayName
            | Finding::Series
            | Finding::UnknownKey(_)
            | Finding::ProvidesNothing => Level::Info,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Invalid(error) => write!(f, "{error}"),
            Finding::NothingToRun => f.write_str("there is neither a dispatch nor a hook"),
            Finding::NotExecutable(path) => write!(f, "{path} is not executable"),
            Finding::ActionWithoutFile(name) => write!(f, "action {name} has no actions/{name}"),
            Finding::StrayAction(path) => write!(f, "{path} belongs to no action"),
            Finding::TwoMaintainers => {
                f.write_str("metadata.yaml has both `maintainer` and `maintainers`")
            }
            Finding::BadMaintainer(text) => write!(f, "maintainer {text:?} is not `Name <mail>`"),
            Finding::NoMaintainer => f.write_str("metadata.yaml names no maintainer"),
            Finding::Missing(file) => write!(f, "there is no {file}"),
            Finding::OptionWithout { option, key } => write!(f, "option {option} has no {key}"),
            Finding::StrayConfigKey(key) => write!(f, "config.yaml: unknown key `{key}`"),
            Finding::LongSummary(length) => {
                write!(f, "the summary has {length} characters; more than 72 are cut in tables")
            }
            Finding::NoTags => f.write_str("metadata.yaml has no tags"),
            Finding::NoDisplayName => f.write_str("metadata.yaml has no display-name"),
            Finding::Series => {
                f.write_str("metadata.yaml has series; bases in manifest.yaml are newer")
            }
            Finding::UnknownKey(key) => write!(f, "metadata.yaml: unknown key `{key}`"),
            Finding::ProvidesNothing => f.write_str("the charm provides nothing"),
        }
    }
}

/// Keys of metadata that somebody reads.
const KNOWN: [&str; 32] = [
    "assumes",
    "categories",
    "charm-user",
    "containers",
    "deployment",
    "description",
    "devices",
    "display-name",
    "docs",
    "extra-bindings",
    "format",
    "issues",
    "links",
    "maintainer",
    "maintainers",
    "min-juju-version",
    "name",
    "payloads",
    "peers",
    "provides",
    "requires",
    "resources",
    "revision",
    "series",
    "source",
    "storage",
    "subordinate",
    "summary",
    "tags",
    "terms",
    "website",
    "documentation",
];

/// The most characters of a summary that a table shows.
const SUMMARY: usize = 72;

/// Everything to say about a charm, the worst first.
#[must_use]
pub fn lint(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    match Charm::read(tree) {
        Err(error) => found.push(Finding::Invalid(error)),
        Ok(charm) => {
            programs(tree, &charm, &mut found);
            if !charm.metadata.series.is_empty() {
                found.push(Finding::Series);
            }
            let length = charm.metadata.summary.chars().count();
            if length > SUMMARY {
                found.push(Finding::LongSummary(length));
            }
            let provides = |e: &crate::Endpoint| e.role == crate::name::Role::Provider;
            if !charm.metadata.endpoints.values().any(provides) {
                found.push(Finding::ProvidesNothing);
            }
        }
    }
    if let Some(map) = document(tree, "metadata.yaml") {
        metadata(&map, &mut found);
    }
    if let Some(map) = document(tree, "config.yaml") {
        config(&map, &mut found);
    }
    if !tree
        .iter()
        .any(|(path, _)| !path.contains('/') && path.to_ascii_lowercase().starts_with("readme"))
    {
        found.push(Finding::Missing("README"));
    }
    for file in ["copyright", "icon.svg"] {
        let licence = file == "copyright" && tree.get("LICENSE").is_some();
        if tree.get(file).is_none() && !licence {
            found.push(Finding::Missing(file));
        }
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.level()));
    found
}

fn document(tree: &Tree, file: &str) -> Option<Map> {
    // What cannot be parsed is told by reading the charm.
    parse(file, tree.text(file)?, &Limits::FILE).ok()?.as_map().cloned()
}

fn is_executable(item: &Item) -> bool {
    !matches!(item, Item::File { mode, .. } if mode & 0o100 == 0)
}

fn programs(tree: &Tree, charm: &Charm, found: &mut Vec<Finding>) {
    let dispatch = tree.get("dispatch");
    if dispatch.is_some_and(|item| !is_executable(item)) {
        found.push(Finding::NotExecutable("dispatch".to_owned()));
    }
    let names = charm.hook_names();
    let is_hook = |path: &str| path.strip_prefix("hooks/").is_some_and(|name| names.contains(name));
    if dispatch.is_none() && !tree.below("hooks").any(|(path, _)| is_hook(path)) {
        found.push(Finding::NothingToRun);
    }
    for name in charm.actions.keys() {
        if dispatch.is_none() && tree.get(&format!("actions/{name}")).is_none() {
            found.push(Finding::ActionWithoutFile(name.to_string()));
        }
    }
    for (path, item) in tree.below("actions") {
        let name = path.strip_prefix("actions/").unwrap_or(path);
        let declared = charm.actions.contains_key(name);
        if declared && !is_executable(item) {
            found.push(Finding::NotExecutable(path.to_owned()));
        } else if !declared && !name.contains('/') && is_executable(item) {
            found.push(Finding::StrayAction(path.to_owned()));
        }
    }
}

fn metadata(map: &Map, found: &mut Vec<Finding>) {
    let maintainers: Vec<&str> = match (map.get("maintainer"), map.get("maintainers")) {
        (Some(_), Some(_)) => {
            found.push(Finding::TwoMaintainers);
            Vec::new()
        }
        (Some(one), None) => one.as_str().into_iter().collect(),
        (None, Some(Node { value: crate::yaml::Value::List(list), .. })) => {
            list.iter().filter_map(Node::as_str).collect()
        }
        (None, _) => {
            found.push(Finding::NoMaintainer);
            Vec::new()
        }
    };
    for text in maintainers {
        let mail = text.split_once(" <").and_then(|(_, mail)| mail.strip_suffix('>'));
        if !mail.is_some_and(|mail| mail.contains('@')) {
            found.push(Finding::BadMaintainer(text.chars().take(80).collect()));
        }
    }
    if map.get("tags").is_none() {
        found.push(Finding::NoTags);
    }
    if map.get("display-name").is_none() {
        found.push(Finding::NoDisplayName);
    }
    for entry in map.iter().filter(|entry| !KNOWN.contains(&entry.key.as_str())) {
        found.push(Finding::UnknownKey(entry.key.clone()));
    }
}

fn config(map: &Map, found: &mut Vec<Finding>) {
    for entry in map.iter().filter(|entry| entry.key != "options") {
        found.push(Finding::StrayConfigKey(entry.key.clone()));
    }
    for entry in map.get("options").and_then(Node::as_map).into_iter().flat_map(Map::iter) {
        let Some(option) = entry.node.as_map() else { continue };
        for key in ["type", "description", "default"] {
            if option.get(key).is_none() {
                found.push(Finding::OptionWithout { option: entry.key.clone(), key });
            }
        }
        for inner in option.iter().map(|inner| inner.key.as_str()) {
            if !["type", "description", "default"].contains(&inner) {
                found.push(Finding::StrayConfigKey(format!("options.{}.{inner}", entry.key)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name: wiki\nsummary: s\ndescription: d\nmaintainer: Me <me@example.com>\n\
                        tags: [web]\ndisplay-name: Wiki\nprovides: {web: http}\n";

    fn charm(files: &[(&str, &str, u32)]) -> Tree {
        let mut tree = Tree::new();
        let always = [("README.md", "", 0o644), ("copyright", "", 0o644), ("icon.svg", "", 0o644)];
        for (path, text, mode) in always.iter().chain(files) {
            let item = Item::File { mode: *mode, bytes: text.as_bytes().into() };
            tree.insert(path, item).unwrap();
        }
        tree
    }

    #[test]
    fn a_good_charm_has_no_findings() {
        let config = "options: {port: {type: int, description: p, default: 80}}";
        let tree = charm(&[
            ("metadata.yaml", GOOD, 0o644),
            ("config.yaml", config, 0o644),
            ("hooks/install", "", 0o644),
            ("actions.yaml", "backup: {}", 0o644),
            ("actions/backup", "", 0o755),
        ]);
        assert_eq!(lint(&tree), []);
    }

    #[test]
    fn every_fault_is_found_and_errors_come_first() {
        let tree = charm(&[
            (
                "metadata.yaml",
                "name: wiki\nsummary: s\ndescription: d\nmaintainer: me\nmaintainers: [you]\nseries: [jammy]\nzone: 1",
                0o644,
            ),
            ("config.yaml", "x: 1\noptions: {port: {type: int, min: 3}}", 0o644),
            ("actions.yaml", "backup: {}\nrestore: {}", 0o644),
            ("actions/backup", "", 0o644),
            ("actions/other", "", 0o755),
        ]);
        let found = lint(&tree);
        for wanted in [
            Finding::NothingToRun,
            Finding::NotExecutable("actions/backup".into()),
            Finding::TwoMaintainers,
            Finding::ActionWithoutFile("restore".into()),
            Finding::StrayAction("actions/other".into()),
            Finding::OptionWithout { option: "port".into(), key: "default" },
            Finding::StrayConfigKey("x".into()),
            Finding::StrayConfigKey("options.port.min".into()),
            Finding::NoTags,
            Finding::NoDisplayName,
            Finding::Series,
            Finding::UnknownKey("zone".into()),
            Finding::ProvidesNothing,
        ] {
            assert!(found.contains(&wanted), "{wanted}: {found:?}");
        }
        assert!(found.is_sorted_by_key(|f| std::cmp::Reverse(f.level())));
        let none = lint(&Tree::new());
        assert_eq!(none[0], Finding::Invalid(CharmError::Missing("metadata.yaml")));
        assert!(none.contains(&Finding::Missing("README")));
    }

    #[test]
    fn a_dispatch_stands_for_hooks_and_actions() {
        let tree = charm(&[
            ("metadata.yaml", GOOD, 0o644),
            ("actions.yaml", "backup: {}", 0o644),
            ("dispatch", "", 0o755),
        ]);
        assert_eq!(lint(&tree), []);
        let tree = charm(&[("metadata.yaml", GOOD, 0o644), ("dispatch", "", 0o644)]);
        assert_eq!(lint(&tree), [Finding::NotExecutable("dispatch".into())]);
    }
}
