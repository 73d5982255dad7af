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
    /// What the build file asks for and is not done.
    pub undone: Vec<String>,
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

/// The charm that `folder` packs to; the same folder where it has no build file.
pub fn split(folder: &Tree) -> Result<Split, SplitError> {
    let mut split = Split { tree: folder.clone(), undone: Vec::new() };
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
    for (name, part) in root.get("parts")?.map_or(Ok(Vec::new()), |parts| parts.entries())? {
        let plugin = part.get("plugin")?.map_or(Ok(name.to_owned()), |p| p.scalar())?;
        if !matches!(plugin.as_str(), "dump" | "nil") {
            split.undone.push(format!(
                "part `{name}` (plugin {plugin}): the charm must bring what it would install"
            ));
        }
    }
    let entry = folder.get("dispatch").is_some() || folder.below("hooks").next().is_some();
    if !entry && folder.get("src/charm.py").is_some() {
        lay(&mut split.tree, "dispatch", Item::program(DISPATCH.as_bytes()))?;
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
        base.architectures = architectures.iter().filter_map(|(_, a)| a.clone()).collect();
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

/// `amd64:`, or `ubuntu@22.04:amd64:`.
fn platforms(root: &Field<'_>) -> Result<Vec<Platform>, FieldError> {
    let Some(platforms) = root.get("platforms")? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for (name, field) in platforms.entries()? {
        match name.split_once(':') {
            Some((base, architecture)) => {
                all.push((Some(field.parse_key(base)?), Some(architecture.to_owned())));
            }
            None if name.contains('@') => all.push((Some(field.parse_key(name)?), None)),
            None => all.push((None, Some(name.to_owned()))),
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
        assert_eq!(split.undone.len(), 1, "{:?}", split.undone);
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
}
