use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

fn sample() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().join("tree");
    fs::create_dir_all(top.join("bin/deep")).unwrap();
    fs::write(top.join("bin/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(top.join("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(top.join("bin/deep/data"), vec![7; 3_000_000]).unwrap();
    symlink("../bin/run", top.join("bin/link")).unwrap();
    folder
}

#[test]
fn every_kind_of_change_changes_the_digest() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 9] = [
        ("content", |top| fs::write(top.join("bin/run"), "#!/bin/sh\r").unwrap()),
        ("length", |top| fs::write(top.join("bin/deep/data"), vec![7; 3_000_001]).unwrap()),
        ("mode", |top| chmod(top, "bin/run", 0o644)),
        ("set-id", |top| chmod(top, "bin/run", 0o4755)),
        ("folder's mode", |top| chmod(top, "bin/deep", 0o700)),
        ("name", |top| fs::rename(top.join("bin/run"), top.join("bin/ran")).unwrap()),
        ("addition", |top| fs::create_dir(top.join("more")).unwrap()),
        ("removal", |top| fs::remove_file(top.join("bin/link")).unwrap()),
        ("target", |top| {
            fs::remove_file(top.join("bin/link")).unwrap();
            symlink("../bin/deep", top.join("bin/link")).unwrap();
        }),
    ];
    for (what, change) in changes {
        let folder = sample();
        let top = folder.path().join("tree");
        chmod(&top, "bin/deep", 0o755);
        let before = tree_digest(&top).unwrap();
        verify_tree(&top, &before).unwrap();
        change(&top);
        assert!(matches!(verify_tree(&top, &before), Err(ArchiveError::Changed { .. })), "{what}");
    }
}

fn chmod(top: &Path, path: &str, mode: u32) {
    fs::set_permissions(top.join(path), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_clone_is_the_same_tree_and_its_own() {
    let folder = sample();
    let (from, to) = (folder.path().join("tree"), folder.path().join("clone"));
    chmod(&from, "bin/deep", 0o500);
    let digest = tree_digest(&from).unwrap();
    clone_tree(&from, &to).unwrap();
    verify_tree(&to, &digest).unwrap();
    fs::write(to.join("bin/run"), "changed").unwrap();
    verify_tree(&from, &digest).unwrap();
    assert!(matches!(clone_tree(&from, &to), Err(ArchiveError::Exists { .. })));
    chmod(&from, "bin/deep", 0o755);
    chmod(&to, "bin/deep", 0o755);
}

#[test]
fn a_clone_that_fails_leaves_nothing() {
    let folder = sample();
    let (from, to) = (folder.path().join("tree"), folder.path().join("clone"));
    let _socket = std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap();
    let error = clone_tree(&from, &to).unwrap_err();
    assert_eq!(
        error.to_string(),
        "archive refused: entry `socket` cannot be packed: it is neither file, folder nor link"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn s10_a_link_in_the_place_of_a_tree_is_not_followed() {
    let folder = sample();
    let link = folder.path().join("link");
    symlink("tree", &link).unwrap();
    assert!(matches!(tree_digest(&link), Err(ArchiveError::ReadFile { .. })));
    assert!(matches!(
        clone_tree(&link, &folder.path().join("clone")),
        Err(ArchiveError::ReadFile { .. })
    ));
}
