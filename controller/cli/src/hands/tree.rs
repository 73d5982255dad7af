//! Folders of charms and layers between the disk and memory.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use muster_charms::Tree;
use muster_charms::tree::{Item, MAX_DEPTH};

use super::files;
use crate::failure::Failure;

/// The most bytes of one file, and of a whole folder (reliability document, section 5).
const MAX_FILE: usize = 512 << 20;
const MAX_ALL: u64 = 1 << 30;

/// Reads a folder. `.git` is left out.
pub(super) fn read(folder: &Path) -> Result<Tree, Failure> {
    let mut tree = Tree::new();
    let mut all = 0;
    walk(folder, "", 0, &mut tree, &mut Bytes::Whole(&mut all))?;
    Ok(tree)
}

/// Reads what a folder has, and what its own small files say; all else is there and empty.
pub(super) fn outline(folder: &Path) -> Result<Tree, Failure> {
    let mut tree = Tree::new();
    walk(folder, "", 0, &mut tree, &mut Bytes::Outline)?;
    Ok(tree)
}

/// How much is read of each file.
enum Bytes<'a> {
    /// All, counted.
    Whole(&'a mut u64),
    /// Only what says what the charm is.
    Outline,
}

/// The most bytes of a file that is read for an outline: what the charm's reader takes.
const MAX_OUTLINE: u64 = 1 << 20;

/// Whether a charm's own file of this name says what the charm is.
pub(super) fn says_what_it_is(name: &str) -> bool {
    name.ends_with(".yaml") || matches!(name, "version" | "revision")
}

fn walk(
    folder: &Path,
    below: &str,
    depth: usize,
    tree: &mut Tree,
    bytes: &mut Bytes<'_>,
) -> Result<(), Failure> {
    let what = |path: &Path| format!("cannot read `{}`", path.display());
    if depth > MAX_DEPTH {
        return Err(Failure::new(format!(
            "{}: folders nested more than {MAX_DEPTH} deep",
            what(folder)
        )));
    }
    let failed = |error: io::Error| Failure::tried(what(folder), &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(Failure::new(format!("{}: its name is not UTF-8", what(&path))));
        };
        if name == ".git" {
            continue;
        }
        let own = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let meta =
            fs::symlink_metadata(&path).map_err(|error| Failure::tried(what(&path), &error))?;
        let item = if meta.is_symlink() {
            let target =
                fs::read_link(&path).map_err(|error| Failure::tried(what(&path), &error))?;
            Item::Link { target: target.to_string_lossy().into_owned() }
        } else if meta.is_dir() {
            walk(&path, &own, depth + 1, tree, bytes)?;
            Item::Folder
        } else {
            let bytes = match bytes {
                Bytes::Whole(all) => {
                    **all += meta.len();
                    if **all > MAX_ALL {
                        let most = format!("{}: more than {MAX_ALL} bytes", what(folder));
                        return Err(Failure::new(most));
                    }
                    files::read(&path, MAX_FILE)?
                }
                Bytes::Outline
                    if below.is_empty() && says_what_it_is(name) && meta.len() <= MAX_OUTLINE =>
                {
                    files::read(&path, MAX_FILE)?
                }
                Bytes::Outline => Vec::new(),
            };
            Item::File { mode: meta.permissions().mode() & 0o777, bytes: bytes.into() }
        };
        tree.insert(&own, item).map_err(|error| Failure::tried(what(&path), &error))?;
    }
    Ok(())
}

/// Writes a tree into `folder`, which must not hold anything yet.
pub(super) fn write(tree: &Tree, folder: &Path) -> Result<(), Failure> {
    let what = |path: &Path| format!("cannot write `{}`", path.display());
    let make =
        |path: &Path| fs::create_dir_all(path).map_err(|error| Failure::tried(what(path), &error));
    make(folder)?;
    let used = fs::read_dir(folder).map_err(|error| Failure::tried(what(folder), &error))?;
    if used.into_iter().next().is_some() {
        return Err(Failure::new(format!("{}: the folder is not empty", what(folder))));
    }
    for (name, item) in tree.iter() {
        let path: PathBuf = folder.join(name);
        if let Some(parent) = path.parent() {
            make(parent)?;
        }
        match item {
            Item::Folder => make(&path)?,
            Item::Link { target } => std::os::unix::fs::symlink(target, &path)
                .map_err(|error| Failure::tried(what(&path), &error))?,
            Item::File { mode, bytes } => {
                let open = || -> io::Result<()> {
                    let mut file = fs::OpenOptions::new()
                        .write(true)
                        .create_new(true)
                        .mode(*mode)
                        .open(&path)?;
                    // Not what this process's umask makes of it.
                    file.set_permissions(fs::Permissions::from_mode(*mode))?;
                    file.write_all(bytes)
                };
                open().map_err(|error| Failure::tried(what(&path), &error))?;
            }
        }
    }
    Ok(())
}
