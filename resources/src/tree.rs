//! Trees of files: what is in one as a single digest, and copies of one.
//!
//! The digest covers the paths, kinds, permission bits, contents and link targets of everything
//! below a folder, and nothing else: not the folder's own name or mode, not owners, not times, not
//! the order in which the file system lists them. So the same archive gives the same digest on every
//! machine, and any later change of a file shows.

mod clone;
mod walk;

use std::collections::BTreeMap;
use std::path::Path;

pub use clone::clone_tree;
pub(crate) use walk::{Found, Item, open_below, open_top, remove_below, walk};

use crate::archive::ArchiveError;
use crate::{Digest, Hashing};

/// The digest of the tree below `folder`, which is not followed if it is a link.
///
/// # Errors
///
/// A file that cannot be read; something that is neither file, folder nor link.
pub fn tree_digest(folder: &Path) -> Result<Digest, ArchiveError> {
    let mut tree = Tree::default();
    let top = open_top(folder)?;
    walk(&top, folder, &mut |found: Found<'_>| {
        match found.item {
            Item::Folder { mode } => tree.folder(found.path, mode),
            Item::File { mode, .. } => {
                let file = found.open()?;
                let wrong = |source| ArchiveError::read_file(folder.join(found.path), source);
                let mut hashing = Hashing::new(file);
                std::io::copy(&mut hashing, &mut std::io::sink()).map_err(wrong)?;
                let (_, content, size) = hashing.finish();
                tree.file(found.path, mode, size, content);
            }
            Item::Link { target } => tree.link(found.path, &target),
        }
        Ok(())
    })?;
    Ok(tree.digest())
}

/// Checks that the tree below `folder` is still the one that had the digest `expected`.
pub fn verify_tree(folder: &Path, expected: &Digest) -> Result<(), ArchiveError> {
    let actual = tree_digest(folder)?;
    if actual != *expected {
        return Err(ArchiveError::Changed { path: folder.to_owned(), expected: *expected, actual });
    }
    Ok(())
}

/// A tree as one line for each of its entries.
#[derive(Default)]
pub(crate) struct Tree {
    lines: BTreeMap<Vec<u8>, String>,
}

impl Tree {
    pub(crate) fn folder(&mut self, path: impl AsRef<Path>, mode: u32) {
        self.insert(path.as_ref(), format!("folder {mode:o}"));
    }

    pub(crate) fn file(&mut self, path: impl AsRef<Path>, mode: u32, size: u64, content: Digest) {
        self.insert(path.as_ref(), format!("file {mode:o} {size} {content}"));
    }

    pub(crate) fn link(&mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) {
        let target = hex::encode(target.as_ref().as_os_str().as_encoded_bytes());
        self.insert(path.as_ref(), format!("link {target}"));
    }

    pub(crate) fn append(&mut self, mut other: Tree) {
        self.lines.append(&mut other.lines);
    }

    /// The digest of the lines in the order of the paths' bytes. Names are preceded by their
    /// lengths, so that no name can pass for another entry's line.
    pub(crate) fn digest(&self) -> Digest {
        let mut hash = Hashing::new(std::io::sink());
        for (path, line) in &self.lines {
            hash.note(format!("{} ", path.len()).as_bytes());
            hash.note(path);
            hash.note(format!(" {line}\n").as_bytes());
        }
        hash.digest()
    }

    fn insert(&mut self, path: &Path, line: String) {
        self.lines.insert(path.as_os_str().as_encoded_bytes().to_vec(), line);
    }
}

#[cfg(test)]
mod tests;
