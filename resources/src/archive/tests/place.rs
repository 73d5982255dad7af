//! Where an archive is unpacked to: what stands in the way, what is swapped, what is left behind.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::*;
use super::kit::*;

fn sample() -> Vec<u8> {
    gzip(&tar(&[
        Tar::folder("top/"),
        Tar::file("top/bin/run").mode(0o755),
        Tar::link("top/l", "bin/run"),
    ]))
}

#[test]
fn what_is_there_already_is_not_touched() {
    let (_folder, archive, target) = place(&sample());
    fs::create_dir(&target).unwrap();
    archive.unpack(&target, &how()).unwrap();
    let before = crate::tree_digest(&target).unwrap();
    assert!(matches!(archive.unpack(&target, &how()), Err(ArchiveError::Exists { .. })));
    assert_eq!(crate::tree_digest(&target).unwrap(), before);
    let file = target.join("top/bin/run");
    assert!(matches!(archive.unpack(&file, &how()), Err(ArchiveError::Exists { .. })));
    let below_nothing = target.join("not/there");
    assert!(matches!(archive.unpack(&below_nothing, &how()), Err(ArchiveError::Write { .. })));
}

#[test]
fn r21_an_archive_that_is_not_the_expected_one_leaves_nothing() {
    let bytes = sample();
    let (folder, archive, target) = place(&bytes);
    let expected = Digest::of(b"another");
    let error = archive.unpack(&target, &Unpack { expected: Some(expected), ..how() }).unwrap_err();
    let actual = Digest::of(&bytes);
    assert_eq!(error.to_string(), format!("archive has the digest {actual} instead of {expected}"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn r21_a_broken_archive_that_is_not_the_expected_one_is_called_so() {
    let bytes = sample();
    for at in [100, bytes.len() - 3] {
        let mut wrong = bytes.clone();
        wrong[at] ^= 0x10;
        let (_folder, archive, target) = place(&wrong);
        let how = Unpack { expected: Some(Digest::of(&bytes)), ..how() };
        assert!(matches!(archive.unpack(&target, &how), Err(ArchiveError::Mismatch { .. })));
    }
}

#[test]
fn stripped_parts_are_gone() {
    let (_folder, archive, target) = place(&sample());
    let unpacked = archive.unpack(&target, &Unpack { strip: 1, ..how() }).unwrap();
    assert_eq!((unpacked.files, unpacked.bytes), (1, 17));
    assert_eq!(fs::read(target.join("bin/run")).unwrap(), b"content of a file");
    assert_eq!(fs::read_link(target.join("l")).unwrap().to_str(), Some("bin/run"));
    crate::verify_tree(&target, &unpacked.tree).unwrap();
}

#[test]
fn what_a_crash_left_is_removed_first() {
    let (folder, archive, target) = place(&sample());
    let left = folder.path().join("target.partial");
    let canary = folder.path().join("canary");
    fs::create_dir_all(left.join("a/b")).unwrap();
    fs::create_dir(&canary).unwrap();
    fs::write(canary.join("x"), "alive").unwrap();
    fs::write(left.join("a/b/c"), "old").unwrap();
    symlink(&canary, left.join("a/way-out")).unwrap();
    archive.unpack(&target, &how()).unwrap();
    assert!(!left.exists());
    assert!(!target.join("a").exists());
    assert_eq!(fs::read_to_string(canary.join("x")).unwrap(), "alive");
}

#[test]
fn z71_a_link_in_the_place_of_the_partial_folder_is_refused() {
    let (folder, archive, target) = place(&sample());
    let canary = folder.path().join("canary");
    fs::create_dir(&canary).unwrap();
    symlink(&canary, folder.path().join("target.partial")).unwrap();
    assert!(matches!(archive.unpack(&target, &how()), Err(ArchiveError::Swapped { .. })));
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
    assert!(!target.exists());
}

#[test]
fn two_at_the_same_target_do_not_meet() {
    let (_folder, archive, target) = place(&sample());
    let first = Fresh::create(&target).unwrap();
    assert!(matches!(archive.unpack(&target, &how()), Err(ArchiveError::Busy { .. })));
    drop(first);
    archive.unpack(&target, &how()).unwrap();
}

#[test]
fn z69_z70_folders_swapped_for_links_while_unpacking_lead_nowhere() {
    let (folder, _, _) = place(&sample());
    let canary = folder.path().join("canary");
    fs::create_dir(&canary).unwrap();
    let fresh = Fresh::create(&folder.path().join("tree")).unwrap();
    let partial = folder.path().join("tree.partial");
    fresh.below().folder(Path::new("d")).unwrap();
    // A folder inside becomes a link to elsewhere.
    fs::remove_dir(partial.join("d")).unwrap();
    symlink(&canary, partial.join("d")).unwrap();
    assert!(fresh.below().file(Path::new("d/x"), 0o644).is_err());
    assert!(fresh.below().folder(Path::new("d/e")).is_err());
    assert!(fresh.below().link(Path::new("d/l"), Path::new("x")).is_err());
    assert!(fresh.below().chmod(Path::new("d"), 0o777).is_err());
    // The whole becomes a link to elsewhere: what we hold open is still ours, and never published.
    fs::rename(&partial, folder.path().join("moved")).unwrap();
    symlink(&canary, &partial).unwrap();
    fresh.below().file(Path::new("y"), 0o644).unwrap();
    assert!(matches!(fresh.publish(true), Err(ArchiveError::Swapped { .. })));
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
    assert!(!folder.path().join("tree").exists());
}

#[test]
fn z69_a_swapping_neighbour_never_reaches_the_canary() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let (folder, _, _) = place(&sample());
    let canary = folder.path().join("canary");
    fs::create_dir(&canary).unwrap();
    let fresh = Fresh::create(&folder.path().join("tree")).unwrap();
    let inside = folder.path().join("tree.partial/d");
    fresh.below().folder(Path::new("d")).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let aside = folder.path().join("aside");
            while !done.load(Ordering::Relaxed) {
                fs::rename(&inside, &aside).unwrap();
                symlink(&canary, &inside).unwrap();
                fs::remove_file(&inside).unwrap();
                fs::rename(&aside, &inside).unwrap();
            }
        });
        for at in 0..2000 {
            // Some find the folder, some nothing, some a link; none may find the canary.
            let _made = fresh.below().file(&Path::new("d").join(at.to_string()), 0o644);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
}

#[test]
fn the_charm_is_read_from_the_verified_bytes() {
    let bytes = zip(&[
        Zip::file("metadata.yaml"),
        Zip::file("src/charm.py").deflated(),
        Zip::link("l", "src"),
    ]);
    let (_folder, archive, _) = place(&bytes);
    let seen = archive
        .look(&Limits::charm(), Some(Digest::of(&bytes)), &|name| name.ends_with(".yaml"))
        .unwrap();
    assert_eq!(seen.files.keys().collect::<Vec<_>>(), ["metadata.yaml"]);
    assert_eq!(
        seen.entries.keys().collect::<Vec<_>>(),
        ["l", "metadata.yaml", "src", "src/charm.py"]
    );
    assert_eq!(seen.entries["l"], Listed::Link { target: "src".into() });
    let error = archive.look(&Limits::charm(), Some(Digest::of(b"")), &|_| true).unwrap_err();
    assert!(matches!(error, ArchiveError::Mismatch { .. }));
}

/// A file system of one MiB, gone when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Small {
        let folder = tempfile::tempdir().unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", folder.path(), "tmpfs", flags, c"size=1m").unwrap();
        Small(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Other tests start processes, and each holds all descriptors until it is its program.
        rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
    }
}

#[test]
fn z68_r12_a_full_disk_is_said_and_everything_given_back() {
    let small = Small::mount();
    let free = || rustix::fs::statvfs(small.0.path()).unwrap().f_bfree;
    let before = free();
    let noise: Vec<u8> =
        (0..3_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let bytes = tar(&[Tar::file("fits"), Tar::file("large").content(&noise)]);
    for bytes in [gzip(&bytes), zip(&[Zip::new(b"large", 0o100_644, &noise).deflated()])] {
        let (folder, archive, target) = place(&bytes);
        let error = archive.unpack(&small.0.path().join("tree"), &how()).unwrap_err();
        assert!(matches!(error, ArchiveError::Full { .. }), "{error:?}");
        assert_eq!(free(), before);
        archive.unpack(&target, &how()).unwrap();
        let error = crate::clone_tree(&target, &small.0.path().join("tree")).unwrap_err();
        assert!(matches!(error, ArchiveError::Full { .. }), "{error:?}");
        assert_eq!(free(), before);
        drop(folder);
    }
    // The store: refused beforehand, and clear if the room goes while bytes arrive.
    let store = crate::BlobStore::open(small.0.path().join("store")).unwrap();
    let digest = Digest::of(&noise);
    let size = noise.len() as u64;
    assert!(matches!(store.stage(digest, size), Err(crate::StoreError::Full { .. })));
    let half = &noise[..600_000];
    let crate::Stage::Ready(mut staged) = store.stage(Digest::of(half), 600_000).unwrap() else {
        panic!()
    };
    staged.append(0, &half[..300_000]).unwrap();
    fs::write(small.0.path().join("neighbour"), &noise[..700_000]).unwrap();
    assert!(matches!(
        staged.append(300_000, &half[300_000..]),
        Err(crate::StoreError::Full { .. })
    ));
    fs::remove_file(small.0.path().join("neighbour")).unwrap();
    staged.append(300_000, &half[300_000..]).unwrap();
    staged.finish().unwrap();
}

#[test]
fn z72_a_mount_over_a_folder_while_unpacking_gets_nothing() {
    let (folder, _, _) = place(&sample());
    let fresh = Fresh::create(&folder.path().join("tree")).unwrap();
    fresh.below().folder(Path::new("d")).unwrap();
    let over = folder.path().join("tree.partial/d");
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("tmpfs", &over, "tmpfs", flags, c"size=1m").unwrap();
    let made = fresh.below().file(Path::new("d/x"), 0o644);
    let seen = fs::read_dir(&over).unwrap().count();
    rustix::mount::unmount(&over, rustix::mount::UnmountFlags::empty()).unwrap();
    assert!(made.is_err());
    assert_eq!(seen, 0);
}
