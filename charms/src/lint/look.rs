//! Looking for what is to be said.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use icu_normalizer::ComposingNormalizerBorrowed;

use super::{Finding, Remark};
use crate::charm::{Charm, CharmError, Files};
use crate::tree::{Item, Tree};
use crate::yaml::{Limits, Map, Node, parse};

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

const METADATA: &str = "metadata.yaml";
const CONFIG: &str = "config.yaml";

/// What was found so far.
struct Found(Vec<Remark>);

impl Found {
    fn at(&mut self, file: &str, line: Option<u32>, finding: Finding) {
        // A line of zero is one that is not known.
        let line = line.filter(|line| *line > 0);
        self.0.push(Remark { finding, file: file.to_owned(), line });
    }

    fn in_metadata(&mut self, finding: Finding, line: Option<u32>) {
        self.at(METADATA, line, finding);
    }

    fn whole(&mut self, finding: Finding) {
        self.at("", None, finding);
    }

    /// What is wrong says itself where: it is told the same elsewhere.
    fn invalid(&mut self, error: CharmError) {
        self.whole(Finding::Invalid(error));
    }
}

/// The line of a key of the metadata.
fn key(tree: &Tree, name: &str) -> Option<u32> {
    document(tree, METADATA)?.get(name).map(|node| node.line)
}

/// Everything to say about a charm, the worst first.
#[must_use]
pub fn lint(tree: &Tree) -> Vec<Remark> {
    let mut found = Found(Vec::new());
    match Charm::read(tree) {
        Err(error) => found.invalid(error),
        Ok(charm) => {
            programs(tree, &charm, &mut found);
            if !charm.metadata.series.is_empty() {
                found.in_metadata(Finding::Series, key(tree, "series"));
            }
            let length = charm.metadata.summary.chars().count();
            if length > SUMMARY {
                found.in_metadata(Finding::LongSummary(length), key(tree, "summary"));
            }
            let provides = |e: &crate::Endpoint| e.role == crate::name::Role::Provider;
            if !charm.metadata.endpoints.values().any(provides) {
                found.in_metadata(Finding::ProvidesNothing, None);
            }
        }
    }
    if let Some(map) = document(tree, METADATA) {
        metadata(&map, &mut found);
    }
    if let Some(map) = document(tree, CONFIG) {
        config(&map, &mut found);
    }
    if !tree
        .iter()
        .any(|(path, _)| !path.contains('/') && path.to_ascii_lowercase().starts_with("readme"))
    {
        found.whole(Finding::Missing("README"));
    }
    for file in ["copyright", "icon.svg"] {
        let licence = file == "copyright" && tree.get("LICENSE").is_some();
        if tree.get(file).is_none() && !licence {
            found.whole(Finding::Missing(file));
        }
    }
    fold_alike(tree, &mut found);
    let Found(mut found) = found;
    found.sort_by_key(|remark| std::cmp::Reverse(remark.level()));
    found
}

/// Names that a checkout on another system would lay onto each other.
fn fold_alike(tree: &Tree, found: &mut Found) {
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for (path, _) in tree.iter() {
        // The folders above need no item of their own.
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for name in ends.filter_map(|end| path.get(..end)) {
            match names.entry(folded(name)) {
                Entry::Vacant(free) => {
                    free.insert(name);
                }
                Entry::Occupied(other) if *other.get() != name => {
                    let finding = Finding::FoldAlike((*other.get()).to_owned(), name.to_owned());
                    found.at(name, None, finding);
                    // What lies below would only say the same again.
                    break;
                }
                Entry::Occupied(_) => {}
            }
        }
    }
}

/// What a file system that is blind to case and to Unicode forms takes the name for.
fn folded(name: &str) -> String {
    let forms = ComposingNormalizerBorrowed::new_nfkc();
    // Up and down again, since some letters meet only above.
    let cased = forms.normalize(name).to_uppercase().to_lowercase();
    forms.normalize(&cased).into_owned()
}

fn document(tree: &Tree, file: &str) -> Option<Map> {
    // What cannot be parsed is told by reading the charm.
    parse(file, tree.text(file)?, &Limits::FILE).ok()?.as_map().cloned()
}

fn is_executable(item: &Item) -> bool {
    !matches!(item, Item::File { mode, .. } if mode & 0o100 == 0)
}

fn programs(tree: &Tree, charm: &Charm, found: &mut Found) {
    let dispatch = tree.get("dispatch");
    if dispatch.is_some_and(|item| !is_executable(item)) {
        found.at("dispatch", None, Finding::NotExecutable("dispatch".to_owned()));
    }
    let names = charm.hook_names();
    let is_hook = |path: &str| path.strip_prefix("hooks/").is_some_and(|name| names.contains(name));
    if dispatch.is_none() && !tree.below("hooks").any(|(path, _)| is_hook(path)) {
        found.whole(Finding::NothingToRun);
    }
    for name in charm.actions.keys() {
        if dispatch.is_none() && tree.get(&format!("actions/{name}")).is_none() {
            found.at("actions.yaml", None, Finding::ActionWithoutFile(name.to_string()));
        }
    }
    for (path, item) in tree.below("actions") {
        let name = path.strip_prefix("actions/").unwrap_or(path);
        let declared = charm.actions.contains_key(name);
        if declared && !is_executable(item) {
            found.at(path, None, Finding::NotExecutable(path.to_owned()));
        } else if !declared && !name.contains('/') && is_executable(item) {
            found.at(path, None, Finding::StrayAction(path.to_owned()));
        }
    }
}

fn metadata(map: &Map, found: &mut Found) {
    let maintainers: Vec<&Node> = match (map.get("maintainer"), map.get("maintainers")) {
        (Some(_), Some(second)) => {
            found.in_metadata(Finding::TwoMaintainers, Some(second.line));
            Vec::new()
        }
        (Some(one), None) => vec![one],
        (None, Some(Node { value: crate::yaml::Value::List(list), .. })) => list.iter().collect(),
        (None, _) => {
            found.in_metadata(Finding::NoMaintainer, None);
            Vec::new()
        }
    };
    for node in maintainers {
        let Some(text) = node.as_str() else { continue };
        let mail = text.split_once(" <").and_then(|(_, mail)| mail.strip_suffix('>'));
        if !mail.is_some_and(|mail| mail.contains('@')) {
            let text = text.chars().take(80).collect();
            found.in_metadata(Finding::BadMaintainer(text), Some(node.line));
        }
    }
    if map.get("tags").is_none() {
        found.in_metadata(Finding::NoTags, None);
    }
    if map.get("display-name").is_none() {
        found.in_metadata(Finding::NoDisplayName, None);
    }
    for entry in map.iter().filter(|entry| !KNOWN.contains(&entry.key.as_str())) {
        found.in_metadata(Finding::UnknownKey(entry.key.clone()), Some(entry.node.line));
    }
}

fn config(map: &Map, found: &mut Found) {
    for entry in map.iter().filter(|entry| entry.key != "options") {
        let stray = Finding::StrayConfigKey(entry.key.clone());
        found.at(CONFIG, Some(entry.node.line), stray);
    }
    for entry in map.get("options").and_then(Node::as_map).into_iter().flat_map(Map::iter) {
        let Some(option) = entry.node.as_map() else { continue };
        for key in ["type", "description", "default"] {
            if option.get(key).is_none() {
                let without = Finding::OptionWithout { option: entry.key.clone(), key };
                found.at(CONFIG, Some(entry.node.line), without);
            }
        }
        for inner in option.iter() {
            if !["type", "description", "default"].contains(&inner.key.as_str()) {
                let stray = format!("options.{}.{}", entry.key, inner.key);
                found.at(CONFIG, Some(inner.node.line), Finding::StrayConfigKey(stray));
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
            assert!(found.iter().any(|remark| remark.finding == wanted), "{wanted}: {found:?}");
        }
        assert!(found.is_sorted_by_key(|f| std::cmp::Reverse(f.level())));
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        for line in [
            "E: metadata.yaml:5: maintainer: metadata.yaml has both `maintainer` and `maintainers`",
            "W: config.yaml:2: option: option port has no default",
            "I: metadata.yaml:7: unknown-key: unknown key `zone`",
        ] {
            assert!(lines.iter().any(|told| told == line), "{line}: {lines:#?}");
        }
        assert!(found.iter().all(|remark| !remark.finding.way_out().is_empty()));
        let none = lint(&Tree::new());
        assert_eq!(none[0].finding, Finding::Invalid(CharmError::Missing("metadata.yaml")));
        assert!(none.iter().any(|remark| remark.finding == Finding::Missing("README")));
    }

    #[test]
    fn names_that_fold_alike_are_worth_a_warning_once() {
        let tree = charm(&[
            ("metadata.yaml", GOOD, 0o644),
            ("dispatch", "", 0o755),
            ("src/A.py", "", 0o644),
            ("src/a.py", "", 0o644),
            ("Lib/x", "", 0o644),
            ("lib/x", "", 0o644),
            ("é", "", 0o644),
            ("e\u{301}", "", 0o644),
        ]);
        let found = lint(&tree);
        let names: Vec<&str> = found.iter().map(|remark| remark.file.as_str()).collect();
        assert_eq!(names, ["lib", "src/a.py", "é"]);
        assert!(found.iter().all(|remark| remark.level() == crate::lint::Level::Warning));
        assert_eq!(
            found[0].to_string(),
            "W: lib: name: Lib and lib are one name where letters' case or form is not told apart"
        );
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
        let found: Vec<Finding> = lint(&tree).into_iter().map(|remark| remark.finding).collect();
        assert_eq!(found, [Finding::NotExecutable("dispatch".into())]);
    }
}
