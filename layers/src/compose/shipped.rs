//! Every charm that ships is composed of the layers that ship, and is a charm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use muster_charms::Charm;

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

#[test]
fn every_shipped_charm_composes_to_a_charm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shelf = Shelf(root);
    let mut composed = 0;
    for entry in fs::read_dir(root.join("../charms")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("layer.yaml").is_file() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let settings = Settings { folder: name.clone(), ..Settings::default() };
        let charm = compose(&read(&folder), &shelf, &settings)
            .unwrap_or_else(|e| panic!("{name}: {e}: {:?}", std::error::Error::source(&e)));
        let read = Charm::read(&charm.tree).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read.metadata.name.as_str(), charm.name, "{name}");
        for hook in ["hooks/install", "hooks/start", "hooks/stop"] {
            assert!(charm.tree.get(hook).is_some(), "{name} has no {hook}");
        }
        assert!(charm.warnings.is_empty(), "{name}: {:?}", charm.warnings);
        composed += 1;
    }
    assert!(composed > 0, "no shipped charm was found");
}
