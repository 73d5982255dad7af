//! Which files of a charm go when another takes its place (hook contract, section 1.12).

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::ItemKind;

/// The paths to remove before the files of `new` are laid over those of `old`, in order.
///
/// Only what was listed for the old charm and is not there in the new one goes; what the charm
/// made itself was never listed, and stays. A listed folder goes with all that is in it. So does
/// whatever is a folder in one and no folder in the other.
#[must_use]
pub fn removals(old: &BTreeMap<String, ItemKind>, new: &BTreeMap<String, ItemKind>) -> Vec<String> {
    let mut gone: Vec<String> = Vec::new();
    let mut folders: BTreeSet<&str> = BTreeSet::new();
    for (path, kind) in old {
        let stays = match new.get(path) {
            Some(ItemKind::Folder) => *kind == ItemKind::Folder,
            Some(ItemKind::File | ItemKind::Link) => *kind != ItemKind::Folder,
            None => *kind == ItemKind::Folder && is_folder_of(path, new),
        };
        if stays || ancestors(path).any(|folder| folders.contains(folder)) {
            continue;
        }
        if *kind == ItemKind::Folder {
            folders.insert(path);
        }
        gone.push(path.clone());
    }
    gone
}

/// Whether anything listed lies below `path`, so that it is a folder without being listed.
fn is_folder_of(path: &str, listing: &BTreeMap<String, ItemKind>) -> bool {
    let prefix = format!("{path}/");
    listing.range(prefix.clone()..).next().is_some_and(|(p, _)| p.starts_with(&prefix))
}

fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(paths: &[&str]) -> BTreeMap<String, ItemKind> {
        let kind = |path: &str| match path.chars().last() {
            Some('/') => ItemKind::Folder,
            Some('@') => ItemKind::Link,
            _ => ItemKind::File,
        };
        paths.iter().map(|p| (p.trim_end_matches(['/', '@']).to_owned(), kind(p))).collect()
    }

    fn gone(old: &[&str], new: &[&str]) -> Vec<String> {
        removals(&listing(old), &listing(new))
    }

    /// Hook contract C17.
    #[test]
    fn c17_only_what_the_old_charm_listed_and_the_new_lacks_goes() {
        assert_eq!(gone(&["a", "b", "hooks/install"], &["b", "c", "hooks/install"]), ["a"]);
        assert_eq!(gone(&["lib/", "lib/x", "lib/y"], &["lib/", "lib/y"]), ["lib/x"]);
        assert!(gone(&["a"], &["a", "b"]).is_empty());
        assert!(gone(&[], &["a"]).is_empty());
    }

    #[test]
    fn a_listed_folder_goes_whole_and_is_named_once() {
        assert_eq!(
            gone(&["lib/", "lib/x", "lib/sub/", "lib/sub/z", "libx"], &["a"]),
            ["lib", "libx"]
        );
        // Not listed itself: what is in it goes by name, and what the charm made there stays.
        assert_eq!(gone(&["lib/x", "lib/y"], &["a"]), ["lib/x", "lib/y"]);
        // Still a folder in the new charm, although it is not listed there.
        assert_eq!(gone(&["lib/", "lib/x"], &["lib/z"]), ["lib/x"]);
    }

    #[test]
    fn what_changes_between_folder_and_file_goes_first() {
        assert_eq!(gone(&["a/", "a/b"], &["a"]), ["a"]);
        assert_eq!(gone(&["a"], &["a/", "a/b"]), ["a"]);
        assert_eq!(gone(&["a"], &["a/b"]), ["a"]);
        assert!(gone(&["a"], &["a@"]).is_empty());
    }
}
