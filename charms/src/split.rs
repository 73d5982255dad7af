//! A folder with `charmcraft.yaml` as the charm that is packed of it (hook contract, section 1.1).
//!
//! The build file says in one place what a charm says in four. Splitting it is all that is done
//! here: its `parts`, which would install packages, are not carried out, and whoever packs is told.

use crate::charm::Files;
use crate::manifest::Base;
use crate::tree::{BadPath, Item, Tree};
use crate::yaml::{Field, FieldError, Limits, Map, Node, Value, YamlError, parse, to_text};

/// The build file.
pub const BUILD_FILE: &str = "charmcraft.yaml";

/// Keys of the build file that are metadata under the same name.
const METADATA: [&str; 19] = [
    "name",
    "summary",
    "description",
    "assumes",
    "charm-user",
    "containers",
    "devices",
    "extra-bindings",
    "payloads",
    "peers",
    "provides",
    "requires",
    "resources",
    "storage",
    "subordinate",
    "terms",
    "tags",
    "maintainers",
    "display-name",
];

/// What starts a charm that is written in Python and brings no entry point of its own.
const DISPATCH: &str = "#!/bin/sh
# Made when the charm was packed: every hook and action goes to src/charm.py.
export JUJU_DISPATCH_PATH=\"${JUJU_DISPATCH_PATH:-$0}\"
export PYTHONPATH=lib:venv
exec /usr/bin/env python3 ./src/charm.py
";

/// A folder split into a charm.
#[derive(Clone, Debug)]
pub struct Split {
    /// The charm's files.
    pub tree: Tree,
    /// Parts that the build file asks for and that are not carried out.
    pub undone: Vec<Undone>,
}

/// A part of a build file that would put files into the charm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "part `{part}` (plugin {plugin}) is not carried out: the charm must bring what it would install"
)]
pub struct Undone {
    /// The part's name.
    pub part: String,
    /// What would build it, such as `charm` or `reactive`.
    pub plugin: String,
}

/// Why a folder cannot be split.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// The build file is not YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A value in the build file is not what it must be.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The build file and another both say the same thing.
    #[error("both charmcraft.yaml and {0} say this; only one may")]
    Twice(&'static str),
    /// A made file cannot be laid into the folder.
    #[error("cannot lay {file} into the charm")]
    Put {
        /// The file that was made.
        file: &'static str,
        /// What is in its way.
        source: BadPath,
    },
}

/// Whether `folder` has a build file that must be split before it is a charm. A charm that was split
/// may still have its build file beside what was made of it.
#[must_use]
pub fn is_needed(folder: &Tree) -> bool {
    let has = |name: &str| folder.get(name).is_some();
    has(BUILD_FILE) && !(has("metadata.yaml") && has("manifest.yaml"))
}

/// The charm that `folder` packs to; the same folder where nothing is to be split.
pub fn split(folder: &Tree) -> Result<Split, SplitError> {
    let mut split = Split { tree: folder.clone(), undone: Vec::new() };
    if !is_needed(folder) {
        return Ok(split);
    }
    let Some(bytes) = folder.text(BUILD_FILE) else { return Ok(split) };
    let node = parse(BUILD_FILE, bytes, &Limits::FILE)?;
    let root = Field::root(BUILD_FILE, &node);
    root.map()?;
    if root.get("bundle")?.is_some()
        || root.get("type")?.is_some_and(|t| t.node().as_str() == Some("bundle"))
    {
        return Err(root.error("this is the build file of a bundle, not of a charm").into());
    }
    let metadata = metadata(&root)?;
    // A build file of the older kind names the charm's bases and leaves the rest to metadata.yaml.
    if metadata.get("summary").is_some() {
        put(&mut split.tree, "metadata.yaml", metadata)?;
    }
    if let Some(config) = root.get("config")? {
        put(&mut split.tree, "config.yaml", config.map()?.clone())?;
    }
    if let Some(actions) = root.get("actions")? {
        put(&mut split.tree, "actions.yaml", actions.map()?.clone())?;
    }
    if folder.get("manifest.yaml").is_none() {
        let bases = bases(&root)?;
        if !bases.is_empty() {
            put(&mut split.tree, "manifest.yaml", manifest(&bases))?;
        }
    }
    let mut entry = "src/charm.py".to_owned();
    for (name, part) in root.get("parts")?.map_or(Ok(Vec::new()), |parts| parts.entries())? {
        let plugin = part.get("plugin")?.map_or(Ok(name.to_owned()), |p| p.scalar())?;
        if let Some(field) = part.get("charm-entrypoint")? {
            entry = field.text()?.to_owned();
        }
        if !matches!(plugin.as_str(), "dump" | "nil") {
            split.undone.push(Undone { part: name.to_owned(), plugin });
        }
    }
    let has_own = folder.get("dispatch").is_some() || folder.below("hooks").next().is_some();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !has_own && folder.get(&entry).is_some() && entry.chars().all(plain) {
        let text = DISPATCH.replace("src/charm.py", &entry);
        lay(&mut split.tree, "dispatch", Item::program(text.into_bytes()))?;
    }
    split.tree.remove(BUILD_FILE);
    Ok(split)
}

fn metadata(root: &Field<'_>) -> Result<Map, FieldError> {
    let mut metadata = Map::new();
    for key in METADATA {
        if let Some(field) = root.get(key)? {
            metadata.insert(key, field.node().clone());
        }
    }
    if let Some(title) = root.get("title")? {
        metadata.insert("display-name", title.node().clone());
    }
    if let Some(links) = root.get("links")? {
        let names = [
            ("contact", "maintainers"),
            ("documentation", "docs"),
            ("issues", "issues"),
            ("source", "source"),
            ("website", "website"),
        ];
        for (link, key) in names {
            if let Some(field) = links.get(link)? {
                let node = match (&field.node().value, key) {
                    (Value::String(_), "maintainers") => {
                        Node::new(Value::List(vec![field.node().clone()]))
                    }
                    _ => field.node().clone(),
                };
                metadata.insert(key, node);
            }
        }
    }
    Ok(metadata)
}

/// `bases` in its short and long form, or `base` with `platforms`.
fn bases(root: &Field<'_>) -> Result<Vec<Base>, FieldError> {
    let mut all: Vec<Base> = Vec::new();
    let mut add = |base: Base| match all.iter_mut().find(|known| known.same_release(&base)) {
        Some(known) => {
            let more = base.architectures.iter().filter(|a| !known.architectures.contains(a));
            let more: Vec<String> = more.cloned().collect();
            known.architectures.extend(more);
        }
        None => all.push(base),
    };
    for item in root.get("bases")?.map_or(Ok(Vec::new()), |bases| bases.items())? {
        let run_on = match item.get("run-on")? {
            Some(run_on) => run_on.items()?,
            None => vec![item],
        };
        for field in run_on {
            add(base(&field)?);
        }
    }
    let architectures = platforms(root)?;
    if let Some(field) = root.get("base")? {
        let mut base: Base = field.parse()?;
        for (_, architecture) in architectures {
            let new = architecture.filter(|name| !base.architectures.contains(name));
            base.architectures.extend(new);
        }
        add(base);
    } else {
        for (base, architecture) in architectures {
            if let Some(mut base) = base {
                base.architectures.extend(architecture);
                add(base);
            }
        }
    }
    Ok(all)
}

fn base(field: &Field<'_>) -> Result<Base, FieldError> {
    let channel = field.need("channel")?.scalar()?;
    let name = field.need("name")?;
    let mut base = Base::new(name.text()?, &channel).map_err(|e| field.error(e))?;
    base.architectures = field.texts_of("architectures")?;
    Ok(base)
}

type Platform = (Option<Base>, Option<String>);

/// `amd64:`, or `ubuntu@22.04:amd64:`, or any name with what it is built for below it.
fn platforms(root: &Field<'_>) -> Result<Vec<Platform>, FieldError> {
    let Some(platforms) = root.get("platforms")? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for (name, field) in platforms.entries()? {
        let said = match field.node().value {
            Value::Map(_) => field.get("build-for")?.or(field.get("build-on")?),
            _ => None,
        };
        let targets = match said {
            // One may stand for a list of one.
            Some(said) if said.node().as_str().is_some() => vec![said.text()?.to_owned()],
            Some(said) => {
                said.items()?.iter().map(|item| item.scalar()).collect::<Result<_, _>>()?
            }
            None => vec![name.to_owned()],
        };
        for target in targets {
            let (base, architecture) = match target.split_once(':') {
                Some((base, architecture)) => (Some(field.parse_key(base)?), Some(architecture)),
                None if target.contains('@') => (Some(field.parse_key(&target)?), None),
                None => (None, Some(target.as_str())),
            };
            // `all` is no processor: the charm does not care.
            let architecture = architecture.filter(|name| *name != "all").map(str::to_owned);
            all.push((base, architecture));
        }
    }
    Ok(all)
}

fn manifest(bases: &[Base]) -> Map {
    let text = |text: &str| Node::new(Value::String(text.to_owned()));
    let one = |base: &Base| {
        let mut map = Map::new();
        map.insert("name", text(&base.name));
        map.insert("channel", text(&base.channel));
        if !base.architectures.is_empty() {
            let list = base.architectures.iter().map(|a| text(a)).collect();
            map.insert("architectures", Node::new(Value::List(list)));
        }
        Node::new(Value::Map(map))
    };
    let mut map = Map::new();
    map.insert("bases", Node::new(Value::List(bases.iter().map(one).collect())));
    map
}

fn put(tree: &mut Tree, file: &'static str, map: Map) -> Result<(), SplitError> {
    if tree.get(file).is_some() {
        return Err(SplitError::Twice(file));
    }
    lay(tree, file, Item::file(to_text(&Node::new(Value::Map(map))).into_bytes()))
}

fn lay(tree: &mut Tree, file: &'static str, item: Item) -> Result<(), SplitError> {
    tree.insert(file, item).map_err(|source| SplitError::Put { file, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::charm::{Charm, Format};

    fn folder(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in files {
            tree.insert(path, Item::file(text.as_bytes())).unwrap();
        }
        tree
    }

    const BUILD: &str = "
name: wiki
type: charm
title: The Wiki
summary: s
description: d
links: {contact: me <me@example.com>, website: [https://example.com]}
base: ubuntu@22.04
platforms: {amd64: , arm64: }
parts: {charm: {source: .}, files: {plugin: dump}}
requires: {db: {interface: mysql}}
config: {options: {port: {type: int, default: 80}}}
actions: {backup: {params: {to: {type: string}}}}
";

    /// Hook contract C18.
    #[test]
    fn c18_a_build_file_is_split_into_a_charm() {
        let split = split(&folder(&[("charmcraft.yaml", BUILD), ("src/charm.py", "")])).unwrap();
        let charm = Charm::read(&split.tree).unwrap();
        assert_eq!(charm.format, Format::V2);
        assert_eq!(charm.bases[0].to_string(), "ubuntu@22.04/stable");
        assert_eq!(charm.bases[0].architectures, ["amd64", "arm64"]);
        assert!(charm.options.contains_key("port") && charm.actions.contains_key("backup"));
        assert!(charm.metadata.endpoints.contains_key("db"));
        assert!(matches!(split.tree.get("dispatch"), Some(Item::File { mode: 0o755, .. })));
        assert!(split.tree.get(BUILD_FILE).is_none());
        let undone = Undone { part: "charm".into(), plugin: "charm".into() };
        assert_eq!(split.undone, [undone]);
        // Split once more, with or without its build file, it stays what it is.
        let mut again = split.tree.clone();
        assert_eq!(super::split(&again).unwrap().tree, split.tree);
        again.insert(BUILD_FILE, Item::file(BUILD.as_bytes())).unwrap();
        assert!(!is_needed(&again));
        assert_eq!(super::split(&again).unwrap().tree, again);
    }

    #[test]
    fn a_part_may_name_another_entry_point() {
        let build = |entry: &str| {
            format!(
                "name: a\nsummary: s\ndescription: d\nbase: ubuntu@24.04\nparts: {{my: {{plugin: uv, charm-entrypoint: '{entry}'}}}}"
            )
        };
        let dispatch = |entry: &str| {
            let build = build(entry);
            let files = folder(&[("charmcraft.yaml", &build), (entry, ""), ("src/charm.py", "")]);
            let tree = split(&files).unwrap().tree;
            let text =
                tree.text("dispatch").map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
            text.and_then(|text| Some(text.lines().last()?.to_owned()))
        };
        assert_eq!(dispatch("src/app.py").unwrap(), "exec /usr/bin/env python3 ./src/app.py");
        assert_eq!(dispatch("src/a;b.py"), None, "no shell word");
    }

    #[test]
    fn older_build_files_say_only_the_bases() {
        let older = "type: charm\nbases:\n- build-on: [{name: ubuntu, channel: '20.04'}]\n  run-on:\n  - {name: ubuntu, channel: '20.04', architectures: [amd64]}\n  - {name: ubuntu, channel: '22.04'}\n- {name: ubuntu, channel: '24.04'}\n";
        let files = [
            ("charmcraft.yaml", older),
            ("metadata.yaml", "name: a\nsummary: s\ndescription: d"),
            ("dispatch", "#!/bin/sh"),
        ];
        let split = split(&folder(&files)).unwrap();
        let charm = Charm::read(&split.tree).unwrap();
        let bases: Vec<_> = charm.bases.iter().map(ToString::to_string).collect();
        assert_eq!(bases, ["ubuntu@20.04/stable", "ubuntu@22.04/stable", "ubuntu@24.04/stable"]);
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        for file in ["metadata.yaml", "config.yaml", "actions.yaml"] {
            let files = folder(&[("charmcraft.yaml", BUILD), (file, "{}")]);
            assert!(matches!(split(&files), Err(SplitError::Twice(name)) if name == file));
        }
        assert!(split(&folder(&[("charmcraft.yaml", "type: bundle")])).is_err());
        assert!(split(&folder(&[("charmcraft.yaml", "base: beos@5")])).is_err());
        let plain = folder(&[("metadata.yaml", "{}")]);
        assert_eq!(split(&plain).unwrap().tree, plain);
    }

    #[test]
    fn platforms_may_name_their_base() {
        let build = "name: a\nsummary: s\ndescription: d\nplatforms: {'ubuntu@22.04:amd64': , 'ubuntu@24.04': , 'ubuntu@22.04:arm64': }";
        let charm =
            Charm::read(&split(&folder(&[("charmcraft.yaml", build)])).unwrap().tree).unwrap();
        assert_eq!(charm.bases.len(), 2);
        assert_eq!(charm.bases[0].architectures, ["amd64", "arm64"]);
    }

    #[test]
    fn platforms_may_have_any_name_and_say_what_they_are_for() {
        let bases = |rest: &str| {
            let build = format!("name: a\nsummary: s\ndescription: d\n{rest}");
            let tree = split(&folder(&[("charmcraft.yaml", &build)])).unwrap().tree;
            let bases = Charm::read(&tree).unwrap().bases;
            let one = |base: &Base| format!("{base} {}", base.architectures.join(","));
            bases.iter().map(one).collect::<Vec<_>>().join("; ")
        };
        let named = "base: ubuntu@22.04\nplatforms: {here: {build-on: [amd64, arm64], build-for: [arm64]}, there: {build-on: amd64}}";
        assert_eq!(bases(named), "ubuntu@22.04/stable arm64,amd64");
        let several = "platforms: {jammy: {build-on: ['ubuntu@22.04:amd64'], build-for: ['ubuntu@22.04:amd64']}, noble: {build-on: ['ubuntu@24.04:amd64'], build-for: ['ubuntu@24.04:all']}}";
        assert_eq!(bases(several), "ubuntu@22.04/stable amd64; ubuntu@24.04/stable ");
        assert_eq!(
            bases("base: debian@12\nplatforms: {all: {build-on: [amd64], build-for: all}}"),
            "debian@12/stable "
        );
    }
}
