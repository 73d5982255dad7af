//! Packed and unpacked again: the same tree, and the same bytes each time.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;

use super::super::*;
use super::kit::how;
use crate::tree_digest;

#[derive(Clone, Debug)]
enum Node {
    Folder,
    File { mode: u32, content: Vec<u8> },
    Link,
}

fn trees() -> impl Strategy<Value = BTreeMap<String, Node>> {
    let content = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..2000),
        (any::<u8>(), 0..700_000usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let node = prop_oneof![
        1 => Just(Node::Folder),
        // What its owner cannot read nobody can pack.
        4 => (0..0o1000u32, content).prop_map(|(mode, content)| Node::File { mode: mode | 0o400, content }),
        1 => Just(Node::Link),
    ];
    proptest::collection::btree_map("[a-c]{1,2}(/[a-cé]{1,3}){0,3}", node, 0..12)
}

/// Puts the tree on disk; what has no place (below a file, twice) is left out.
fn lay_out(top: &Path, tree: &BTreeMap<String, Node>) {
    fs::create_dir(top).unwrap();
    for (path, node) in tree {
        let place = top.join(path);
        if fs::create_dir_all(place.parent().unwrap()).is_err() || place.symlink_metadata().is_ok()
        {
            continue;
        }
        match node {
            Node::Folder => fs::create_dir(&place).unwrap(),
            Node::File { mode, content } => {
                fs::write(&place, content).unwrap();
                fs::set_permissions(&place, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Node::Link => symlink("nowhere/yet", &place).unwrap(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_packed_unpacks_to_the_same_tree(tree in trees()) {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("tree");
        lay_out(&top, &tree);
        let expected = tree_digest(&top).unwrap();
        for (name, pack) in [("zip", pack as fn(&Path, &Path, &Limits) -> _), ("tgz", pack_tar_gz)] {
            let archive = folder.path().join(name);
            let packed = pack(&top, &archive, &Limits::charm()).unwrap();
            let again = pack(&top, &archive, &Limits::charm()).unwrap();
            prop_assert_eq!(&packed, &again);
            prop_assert_eq!(packed.digest, Digest::of(&fs::read(&archive).unwrap()));
            let target = folder.path().join(format!("{name}.unpacked"));
            let opened = Archive::open(&archive).unwrap();
            let unpacked = opened.unpack(&target, &Unpack { expected: Some(packed.digest), ..how() }).unwrap();
            prop_assert_eq!(unpacked.tree, expected);
            prop_assert_eq!(tree_digest(&target).unwrap(), expected);
            let files = opened.read_files(&Limits::charm(), |_| true).unwrap();
            for (path, content) in &files {
                prop_assert_eq!(&fs::read(top.join(path)).unwrap(), content);
            }
            prop_assert_eq!(files.len() as u64, unpacked.files);
        }
    }
}

#[test]
fn two_copies_of_a_tree_pack_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let digests: Vec<[Digest; 2]> = ["one", "two"]
        .into_iter()
        .map(|name| {
            let top = folder.path().join(name);
            fs::create_dir(&top).unwrap();
            // Written in opposite orders, with modes that a charm keeps and a resource does not.
            let mut files = ["metadata.yaml", "config.yaml", "z"];
            if name == "two" {
                files.reverse();
            }
            for file in files {
                fs::write(top.join(file), file).unwrap();
                let mode = if name == "one" { 0o600 } else { 0o664 };
                fs::set_permissions(top.join(file), fs::Permissions::from_mode(mode)).unwrap();
            }
            let archive = folder.path().join("zip");
            let plain = pack(&top, &archive, &Limits::resource()).unwrap().digest;
            for file in files {
                let mode = fs::Permissions::from_mode(0o640);
                fs::set_permissions(top.join(file), mode).unwrap();
            }
            [plain, pack(&top, &archive, &Limits::charm()).unwrap().digest]
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0][0], digests[0][1]);
}

#[test]
fn git_and_what_jujuignore_names_are_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().join("tree");
    for file in [".git/config", "src/charm.py", "src/charm.pyc", "build/out/x", ".gitignore"] {
        fs::create_dir_all(top.join(file).parent().unwrap()).unwrap();
        fs::write(top.join(file), file).unwrap();
    }
    fs::write(top.join(".jujuignore"), "*.pyc\n/build/\n").unwrap();
    let archive = folder.path().join("zip");
    let packed = pack(&top, &archive, &Limits::charm()).unwrap();
    assert_eq!(packed.left_out, [".git", "build", "src/charm.pyc"]);
    let names = Archive::open(&archive).unwrap().list(&Limits::charm()).unwrap();
    let names: Vec<_> = names.keys().map(String::as_str).collect();
    assert_eq!(names, [".gitignore", ".jujuignore", "src", "src/charm.py"]);
}

#[test]
fn what_could_not_be_unpacked_is_not_packed() {
    let refuse = |prepare: fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("tree");
        fs::create_dir(&top).unwrap();
        prepare(&top);
        let error = pack(&top, &folder.path().join("zip"), &Limits::charm()).unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        error.rule().unwrap().clone()
    };
    assert_eq!(refuse(|top| symlink("/etc", top.join("etc")).unwrap()), Rule::LinkAbsolute);
    assert_eq!(refuse(|top| symlink("../x", top.join("out")).unwrap()), Rule::LinkOut);
    assert_eq!(refuse(|top| symlink("x", top.join("metadata.yaml")).unwrap()), Rule::LinkedName);
    assert_eq!(refuse(|top| fs::write(top.join("a\nb"), "").unwrap()), Rule::Control);
    let pipe = |top: &Path| {
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, top.join("pipe"), kind, rustix::fs::Mode::RWXU, 0)
            .unwrap();
    };
    assert_eq!(refuse(pipe), Rule::Special);
}

/// Small archives are read without threads, large ones with them: both give the same tree.
#[test]
fn an_archive_on_either_side_of_small_unpacks_to_the_same_tree() {
    let folder = tempfile::tempdir().unwrap();
    let noise: Vec<u8> = (0..20_000u32)
        .flat_map(|n| Digest::of(&n.to_le_bytes()).to_string().into_bytes())
        .collect();
    for (name, length) in [("small", 1000), ("large", noise.len())] {
        let top = folder.path().join(name);
        fs::create_dir_all(top.join("in")).unwrap();
        fs::write(top.join("in/noise"), noise.get(..length).unwrap()).unwrap();
        fs::write(top.join("words"), "words\n").unwrap();
        let archive = folder.path().join(format!("{name}.zip"));
        pack(&top, &archive, &Limits::charm()).unwrap();
        let opened = Archive::open(&archive).unwrap();
        assert_eq!(opened.size() > SMALL, name == "large");
        let target = folder.path().join(format!("{name}.unpacked"));
        let unpacked = opened.unpack(&target, &how()).unwrap();
        assert_eq!(unpacked.tree, tree_digest(&top).unwrap());
        assert_eq!(tree_digest(&target).unwrap(), unpacked.tree);
    }
}
