//! Every charm that ships is composed of the layers that ship, and is a charm.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use muster_charms::bundle::{Source, check};
use muster_charms::lint::{Level, lint};
use muster_charms::{Bundle, Charm};

use super::*;
use crate::layer::candidates;

struct Shelf<'a>(&'a Path);

impl Library for Shelf<'_> {
    fn layer(&self, include: &str) -> Option<Tree> {
        candidates(include)
            .iter()
            .map(|name| self.0.join(name))
            .find(|p| p.is_dir())
            .map(|p| read(&p))
    }
}

fn read(folder: &Path) -> Tree {
    let mut tree = Tree::new();
    fill(folder, "", &mut tree);
    tree
}

fn fill(folder: &Path, prefix: &str, tree: &mut Tree) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            // What Python leaves beside tests is nobody's layer.
            if entry.file_name() != "__pycache__" {
                fill(&entry.path(), &format!("{path}/"), tree);
            }
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap().to_str().unwrap().to_owned();
            tree.insert(&path, Item::Link { target }).unwrap();
        } else {
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            let bytes = fs::read(entry.path()).unwrap().into();
            tree.insert(&path, Item::File { mode, bytes }).unwrap();
        }
    }
}

fn composed() -> BTreeMap<String, Charm> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shelf = Shelf(root);
    let mut charms = BTreeMap::new();
    for entry in fs::read_dir(root.join("../charms")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("layer.yaml").is_file() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let settings = Settings { folder: name.clone(), ..Settings::default() };
        let charm = compose(&read(&folder), &shelf, &settings)
            .unwrap_or_else(|e| panic!("{name}: {e}: {:?}", std::error::Error::source(&e)));
        for hook in ["hooks/install", "hooks/start", "hooks/stop"] {
            assert!(charm.tree.get(hook).is_some(), "{name} has no {hook}");
        }
        assert!(charm.warnings.is_empty(), "{name}: {:?}", charm.warnings);
        let faults: Vec<_> =
            lint(&charm.tree).into_iter().filter(|f| f.level() == Level::Error).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        let read = Charm::read(&charm.tree).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read.metadata.name.as_str(), charm.name, "{name}");
        charms.insert(name, read);
    }
    charms
}

#[test]
fn every_shipped_charm_composes_to_a_charm() {
    assert!(!composed().is_empty(), "no shipped charm was found");
}

#[test]
fn every_shipped_bundle_fits_the_shipped_charms() {
    let charms = composed();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charms/bundles");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "yaml") {
            continue;
        }
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = fs::read(&path).unwrap();
        let source = Source { file: &file, folder: "", bytes: &bytes };
        let none = |path: &str| Err(format!("{path} is not to be read here"));
        let bundle = Bundle::load(&source, &[], &none, &|_| Ok(()))
            .unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(bundle.unknown_keys.is_empty(), "{file}: {:?}", bundle.unknown_keys);
        let mut used = BTreeMap::new();
        for (name, spec) in &bundle.applications {
            let charm = spec.charm.rsplit('/').next().and_then(|name| charms.get(name));
            let charm = charm.unwrap_or_else(|| panic!("{file}: there is no {}", spec.charm));
            used.insert(name.clone(), charm.clone());
        }
        let problems = check::with_charms(&bundle, &used);
        assert!(problems.is_empty(), "{file}: {problems:#?}");
    }
}
