//! A charm, a layer or what is made of them, as paths with modes and bytes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::charm::Files;

/// The longest path, in bytes (reliability document, section 5).
pub const MAX_PATH: usize = 1024;
/// The longest part of a path, in bytes.
pub const MAX_PART: usize = 255;
/// The most parts of a path.
pub const MAX_DEPTH: usize = 32;
/// The most items that a tree comes to when its links are followed.
pub const MAX_ITEMS: usize = 20_000;
/// The most links that are followed from one path.
const MAX_LINKS: usize = 16;

/// What lies at a path.
#[derive(Clone, PartialEq, Eq)]
pub enum Item {
    /// A file with its nine permission bits.
    File {
        /// The low nine bits.
        mode: u32,
        /// The content.
        bytes: Arc<[u8]>,
    },
    /// A symbolic link.
    Link {
        /// As it is written, relative to the link's folder.
        target: String,
    },
    /// A folder that is there even if nothing lies in it.
    Folder,
}

impl Item {
    /// A file that is not executable.
    #[must_use]
    pub fn file(bytes: impl Into<Arc<[u8]>>) -> Self {
        Item::File { mode: 0o644, bytes: bytes.into() }
    }

    /// A file that is executable.
    #[must_use]
    pub fn program(bytes: impl Into<Arc<[u8]>>) -> Self {
        Item::File { mode: 0o755, bytes: bytes.into() }
    }

    /// What it is, without its content.
    #[must_use]
    pub fn kind(&self) -> ItemKind {
        match self {
            Item::File { .. } => ItemKind::File,
            Item::Link { .. } => ItemKind::Link,
            Item::Folder => ItemKind::Folder,
        }
    }
}

/// Shows lengths and not contents: trees hold programs.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::File { mode, bytes } => write!(f, "File({mode:o}, {} bytes)", bytes.len()),
            Item::Link { target } => write!(f, "Link({target:?})"),
            Item::Folder => f.write_str("Folder"),
        }
    }
}

/// What an [`Item`] is, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A file.
    File,
    /// A symbolic link.
    Link,
    /// A folder.
    Folder,
}

/// Paths, relative and with `/` between their parts, and what lies there.
///
/// Every path is plain (no empty part, no `.` or `..`) and no file is also a folder. Folders need
/// no item of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    items: BTreeMap<String, Item>,
}

/// Why something cannot lie in a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It is empty, absolute, has an empty part, `.`, `..` or a zero byte.
    #[error("path {0:?} is not a plain relative path")]
    NotPlain(String),
    /// It is longer or deeper than any file system should be asked for.
    #[error(
        "path {0:?} is too long: at most {MAX_PATH} bytes, {MAX_PART} a part, {MAX_DEPTH} parts"
    )]
    TooLong(String),
    /// A file lies where a folder must be, or the other way round.
    #[error("path {path:?} cannot be there, for {other:?} is no folder")]
    Clash {
        /// The path that was to come.
        path: String,
        /// What is in its way.
        other: String,
    },
    /// Links that lead to folders with links make more of the tree than it may hold.
    #[error("following the links makes more than {MAX_ITEMS} files")]
    TooMany,
    /// A link ends nowhere, in itself, or outside.
    #[error("link {path:?} to {target:?} {why}")]
    Link {
        /// The link.
        path: String,
        /// Where it points.
        target: String,
        /// What is wrong with that.
        why: &'static str,
    },
}

/// Checks that a path is relative and plain, and within the limits.
pub fn check_path(path: &str) -> Result<(), BadPath> {
    let shown = || path.chars().take(80).collect();
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\0', '\\']);
    if path.len() > MAX_PATH || path.split('/').any(|p| p.len() > MAX_PART) {
        return Err(BadPath::TooLong(shown()));
    }
    if path.split('/').count() > MAX_DEPTH {
        return Err(BadPath::TooLong(shown()));
    }
    if path.split('/').all(plain) { Ok(()) } else { Err(BadPath::NotPlain(shown())) }
}

impl Tree {
    /// A tree in which nothing lies.
    #[must_use]
    pub fn new() -> Self {
        Tree::default()
    }

    /// Lays `item` at `path`, in place of what lay there.
    pub fn insert(&mut self, path: &str, item: Item) -> Result<(), BadPath> {
        check_path(path)?;
        let clash = |other: &str| BadPath::Clash { path: path.to_owned(), other: other.to_owned() };
        let mut ancestor = path;
        while let Some((parent, _)) = ancestor.rsplit_once('/') {
            if self.items.get(parent).is_some_and(|item| item.kind() != ItemKind::Folder) {
                return Err(clash(parent));
            }
            ancestor = parent;
        }
        if item.kind() != ItemKind::Folder && self.below(path).next().is_some() {
            return Err(clash(path));
        }
        match self.items.entry(path.to_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(item);
            }
            Entry::Occupied(mut entry) => {
                entry.insert(item);
            }
        }
        Ok(())
    }

    /// Takes away what lies at `path`; what lies below it stays.
    pub fn remove(&mut self, path: &str) -> Option<Item> {
        self.items.remove(path)
    }

    /// What lies at `path`, links not followed.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Item> {
        self.items.get(path)
    }

    /// Everything, in the order of paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Item)> {
        self.items.iter().map(|(path, item)| (path.as_str(), item))
    }

    /// What lies below the folder `path`, with whole paths.
    pub fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = (&'a str, &'a Item)> {
        let prefix = format!("{path}/");
        self.items
            .range(prefix.clone()..)
            .take_while(move |(p, _)| p.starts_with(&prefix))
            .map(|(path, item)| (path.as_str(), item))
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The paths with what lies there, to be kept beside a charm that was laid out (see
    /// [`crate::upgrade`]).
    #[must_use]
    pub fn listing(&self) -> BTreeMap<String, ItemKind> {
        self.items.iter().map(|(path, item)| (path.clone(), item.kind())).collect()
    }

    /// The same tree with every link replaced by what it leads to, folders with all that is in
    /// them. Links that end nowhere, in themselves or outside are refused.
    pub fn without_links(&self) -> Result<Tree, BadPath> {
        let mut whole = Tree::new();
        for (path, item) in self.iter() {
            self.copy_followed(path, path, item, &mut whole, 0)?;
        }
        Ok(whole)
    }

    fn copy_followed(
        &self,
        from: &str,
        to: &str,
        item: &Item,
        whole: &mut Tree,
        links: usize,
    ) -> Result<(), BadPath> {
        if whole.len() >= MAX_ITEMS {
            return Err(BadPath::TooMany);
        }
        let Item::Link { target } = item else { return whole.insert(to, item.clone()) };
        let bad = |why| BadPath::Link { path: from.to_owned(), target: target.clone(), why };
        if links >= MAX_LINKS {
            return Err(bad("leads in a circle"));
        }
        let end = resolve(from, target).ok_or_else(|| bad("leaves the tree"))?;
        if from == end || from.starts_with(&format!("{end}/")) || end.is_empty() {
            return Err(bad("leads in a circle"));
        }
        if let Some(item) = self.get(&end) {
            if item.kind() != ItemKind::Folder {
                return self.copy_followed(&end, to, item, whole, links + 1);
            }
            whole.insert(to, Item::Folder)?;
        } else if self.below(&end).next().is_none() {
            return Err(bad("ends nowhere"));
        }
        for (path, item) in self.below(&end) {
            let rest = path.strip_prefix(&end).unwrap_or_default();
            self.copy_followed(path, &format!("{to}{rest}"), item, whole, links + 1)?;
        }
        Ok(())
    }
}

/// Where a link at `path` with this `target` ends; `None` if that is outside of the tree.
fn resolve(path: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

impl Files for Tree {
    /// Links are followed.
    fn text(&self, path: &str) -> Option<&[u8]> {
        let mut at = path.to_owned();
        for _ in 0..MAX_LINKS {
            match self.get(&at)? {
                Item::File { bytes, .. } => return Some(bytes),
                Item::Link { target } => at = resolve(&at, target)?,
                Item::Folder => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(items: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::new();
        for (path, text) in items {
            let item = match text.strip_prefix("-> ") {
                Some(target) => Item::Link { target: target.to_owned() },
                None => Item::file(text.as_bytes()),
            };
            tree.insert(path, item).unwrap();
        }
        tree
    }

    #[test]
    fn only_plain_paths_lie_in_a_tree() {
        let mut tree = Tree::new();
        for bad in ["", "/a", "a/", "a//b", "./a", "a/../b", "..", "a\0", "a\\b"] {
            assert!(
                matches!(tree.insert(bad, Item::file(*b"")), Err(BadPath::NotPlain(_))),
                "{bad}"
            );
        }
        for bad in [&"a".repeat(256), &"a/".repeat(512), &format!("{}a", "a/".repeat(32))] {
            assert!(tree.insert(bad, Item::file(*b"")).is_err());
        }
        assert!(tree.insert(&format!("{}a", "a/".repeat(31)), Item::file(*b"")).is_ok());
    }

    #[test]
    fn nothing_is_a_file_and_a_folder() {
        let mut tree = tree(&[("a/b", "x"), ("c", "y")]);
        assert!(tree.insert("a", Item::file(*b"")).is_err());
        assert!(tree.insert("c/d", Item::file(*b"")).is_err());
        assert!(tree.insert("a", Item::Folder).is_ok());
        assert!(tree.insert("a/c", Item::file(*b"")).is_ok());
        // `a-b` sorts between `a` and `a/b`, and is not below `a`.
        assert!(tree.insert("a-b", Item::file(*b"")).is_ok());
        assert_eq!(tree.below("a").map(|(p, _)| p).collect::<Vec<_>>(), ["a/b", "a/c"]);
    }

    #[test]
    fn links_are_followed_inside_the_tree() {
        let linked = tree(&[("a/f", "x"), ("l", "-> a"), ("m/n", "-> ../l2"), ("l2", "-> a/f")]);
        let want = tree(&[("a/f", "x"), ("l/f", "x"), ("m/n", "x"), ("l2", "x")]);
        assert_eq!(linked.without_links(), Ok(want));
        assert_eq!(linked.text("m/n"), Some(&b"x"[..]));
    }

    #[test]
    fn links_that_lead_astray_are_refused() {
        for (link, why) in [
            ("-> nowhere", "ends nowhere"),
            ("-> ../x", "leaves the tree"),
            ("-> /etc/passwd", "leaves the tree"),
            ("-> l", "circle"),
            ("-> .", "circle"),
        ] {
            let error = tree(&[("l", link), ("a", "x")]).without_links().unwrap_err();
            assert!(error.to_string().contains(why), "{link}: {error}");
        }
        assert!(tree(&[("a", "-> b"), ("b", "-> a")]).without_links().is_err());
        assert!(tree(&[("d/up", "-> ../d")]).without_links().is_err());
        assert!(tree(&[("a/x", "-> ../b"), ("b/y", "-> ../a")]).without_links().is_err());
    }
}
