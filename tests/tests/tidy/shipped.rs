//! The charms and layers that ship: each composes, is read as a charm, and is used.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use muster_charms::tree::Item;
use muster_charms::{Charm, Tree};
use muster_layers::{Composed, Settings, candidates, compose};

use crate::tree::root;

/// Folders beside the shipped charms that are none.
const NO_CHARM: &[&str] = &["src", "tests", "bundles"];

#[test]
fn every_shipped_charm_composes_and_is_read() {
    let library = library();
    let mut composed_some = false;
    for (name, tree) in charms() {
        let tree = if tree.get("layer.yaml").is_some() {
            composed_some = true;
            composed(&name, &tree, &library).tree
        } else {
            tree
        };
        let charm = Charm::read(&tree).unwrap_or_else(|error| panic!("charms/{name}: {error}"));
        assert_eq!(charm.metadata.name.to_string(), name, "a charm's folder bears its name");
        assert!(tree.get("README.md").is_some(), "charms/{name} has no README.md");
    }
    assert!(composed_some, "no charm is composed from layers");
}

#[test]
fn composing_twice_gives_the_same_charm() {
    let library = library();
    for (name, tree) in charms() {
        if tree.get("layer.yaml").is_some() {
            let first = composed(&name, &tree, &library);
            let second = composed(&name, &tree, &library);
            assert!(first.tree == second.tree, "charms/{name}");
        }
    }
}

#[test]
fn nothing_is_worth_a_warning() {
    let library = library();
    for (name, tree) in charms() {
        if tree.get("layer.yaml").is_some() {
            let warnings = composed(&name, &tree, &library).warnings;
            assert!(warnings.is_empty(), "charms/{name}: {warnings:#?}");
        }
    }
}

#[test]
fn every_shipped_layer_is_used_by_a_shipped_charm() {
    let library = library();
    let mut used = BTreeSet::new();
    for (name, tree) in charms() {
        if tree.get("layer.yaml").is_some() {
            for url in composed(&name, &tree, &library).layers {
                used.extend(
                    candidates(&url).into_iter().filter(|name| library.0.contains_key(name)),
                );
            }
        }
    }
    let shipped: BTreeSet<String> = library.0.keys().cloned().collect();
    let idle: Vec<_> = shipped.difference(&used).collect();
    assert!(idle.is_empty(), "no shipped charm includes {idle:?}");
}

fn composed(name: &str, tree: &Tree, library: &Shipped) -> Composed {
    let settings = Settings { folder: name.to_owned(), ..Settings::default() };
    compose(tree, library, &settings).unwrap_or_else(|error| panic!("charms/{name}: {error}"))
}

/// The layers that ship, by folder.
struct Shipped(BTreeMap<String, Tree>);

impl muster_layers::Library for Shipped {
    fn layer(&self, include: &str) -> Option<Tree> {
        candidates(include).iter().find_map(|name| self.0.get(name).cloned())
    }
}

fn library() -> Shipped {
    let layers = folders("layers").map(|(name, path)| (name, read(&path)));
    Shipped(layers.collect())
}

fn charms() -> Vec<(String, Tree)> {
    let charms: Vec<_> = folders("charms").map(|(name, path)| (name, read(&path))).collect();
    assert!(charms.len() >= 5, "the charms were not found");
    charms
}

fn folders(top: &str) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(root().join(top)).unwrap();
    let mut folders: Vec<(String, PathBuf)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .filter(|(name, _)| !NO_CHARM.contains(&name.as_str()) && !name.starts_with('.'))
        .collect();
    folders.sort();
    folders.into_iter()
}

fn read(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    fill(folder, folder, &mut tree);
    tree
}

fn fill(top: &Path, folder: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(top).unwrap().to_string_lossy().into_owned();
        if name.ends_with("__pycache__") {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_symlink() {
            let target = fs::read_link(&path).unwrap().to_string_lossy().into_owned();
            tree.insert(&name, Item::Link { target }).unwrap();
        } else if metadata.is_dir() {
            fill(top, &path, tree);
        } else {
            let bytes = fs::read(&path).unwrap();
            let program = metadata.permissions().mode() & 0o100 != 0;
            let item = if program { Item::program(bytes) } else { Item::file(bytes) };
            tree.insert(&name, item).unwrap();
        }
    }
}
