use super::*;
use muster_model::Life;

struct Host {
    folder: tempfile::TempDir,
    paths: Paths,
}

impl Host {
    fn new() -> Host {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let paths = Paths {
            juju: root.join("juju"),
            muster: root.join("muster"),
            logs: root.join("logs"),
            programs: None,
        };
        Host { folder, paths }
    }

    fn goal(&self, provider: Provider, kind: StorageKind) -> StorageGoal {
        let location = match kind {
            StorageKind::Filesystem => "/var/lib/juju/storage/data/0".to_owned(),
            StorageKind::Block => String::new(),
        };
        StorageGoal {
            life: Life::Alive,
            destroy: false,
            force: false,
            created: false,
            kind,
            provider,
            size_mib: 16,
            location,
            read_only: false,
        }
    }

    fn mounts(&self) -> usize {
        let root = fs::canonicalize(self.folder.path()).unwrap();
        table().unwrap().iter().filter(|entry| entry.point.starts_with(&root)).count()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        release(&self.paths, &id(), true).unwrap();
    }
}

fn id() -> StorageId {
    "data/0".parse().unwrap()
}

fn root_only() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("needs root: nothing was mounted");
    }
    root
}

/// Waits for what the kernel does when the last who looks at a device, be it another test, is done.
#[track_caller]
fn comes(what: &str, so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !so() {
        assert!(std::time::Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn r14_each_provider_is_made_found_and_taken_away() {
    if !root_only() {
        return;
    }
    for provider in [Provider::Rootfs, Provider::Tmpfs, Provider::Loop] {
        let host = Host::new();
        let goal = host.goal(provider, StorageKind::Filesystem);
        let made = ready(&host.paths, &id(), &goal, Data::New).unwrap();
        assert_eq!(made.location, host.paths.storage().join("data/0"));
        assert_eq!(host.mounts(), 1, "{provider:?}");
        fs::write(made.location.join("canary"), "1").unwrap();
        // An agent that starts again finds it and leaves it alone.
        assert_eq!(ready(&host.paths, &id(), &goal, Data::New).unwrap(), made);
        assert_eq!(host.mounts(), 1);
        // A busy mount is said to be busy.
        let held = File::open(made.location.join("canary")).unwrap();
        assert!(matches!(release(&host.paths, &id(), false), Err(MountError::Busy { .. })));
        drop(held);
        release(&host.paths, &id(), false).unwrap();
        assert_eq!(host.mounts(), 0);
        assert!(!made.location.join("canary").exists());
        // Kept data is there again.
        let again = ready(&host.paths, &id(), &goal, Data::New).unwrap();
        assert_eq!(again.location.join("canary").exists(), provider != Provider::Tmpfs);
        release(&host.paths, &id(), true).unwrap();
        assert_eq!(host.mounts(), 0);
        assert!(!host.paths.backing(&id()).exists());
        assert!(!host.paths.backing(&id()).with_extension("img").exists());
    }
}

#[test]
fn a_loop_gives_a_device_with_a_name_that_stays() {
    if !root_only() {
        return;
    }
    let host = Host::new();
    let goal = host.goal(Provider::Loop, StorageKind::Block);
    let made = ready(&host.paths, &id(), &goal, Data::New).unwrap();
    assert_eq!(made.location, host.paths.device(&id()));
    let device = fs::canonicalize(&made.location).unwrap();
    assert!(device.starts_with("/dev"));
    assert_eq!(ready(&host.paths, &id(), &goal, Data::New).unwrap(), made);
    release(&host.paths, &id(), false).unwrap();
    let image = fs::canonicalize(host.paths.backing(&id()).with_extension("img")).unwrap();
    comes("the device is free", || loop_device::find(&image).unwrap().is_none());
    let wrong =
        ready(&host.paths, &id(), &host.goal(Provider::Tmpfs, StorageKind::Block), Data::New);
    assert_eq!(wrong.unwrap_err().to_string(), "tmpfs gives no block devices");
}

#[test]
fn r14_data_that_is_gone_is_said_to_be_gone_and_not_made_anew() {
    if !root_only() {
        return;
    }
    for (provider, kind) in [
        (Provider::Rootfs, StorageKind::Filesystem),
        (Provider::Loop, StorageKind::Filesystem),
        (Provider::Loop, StorageKind::Block),
    ] {
        let host = Host::new();
        let goal = host.goal(provider, kind);
        ready(&host.paths, &id(), &goal, Data::New).unwrap();
        release(&host.paths, &id(), false).unwrap();
        // An agent that was killed before it knew of it finds what it made.
        ready(&host.paths, &id(), &goal, Data::New).unwrap();
        release(&host.paths, &id(), false).unwrap();
        let away = host.paths.backings().with_extension("away");
        fs::rename(host.paths.backings(), &away).unwrap();
        let lost = ready(&host.paths, &id(), &goal, Data::Kept).unwrap_err();
        assert!(matches!(lost, MountError::Gone { .. }), "{lost}");
        assert!(lost.to_string().contains(" is gone; "), "{lost}");
        assert!(!host.paths.backings().exists(), "nothing is put in its place");
        assert_eq!(host.mounts(), 0);
        fs::rename(&away, host.paths.backings()).unwrap();
        ready(&host.paths, &id(), &goal, Data::Kept).unwrap();
    }
    // Memory is empty after each boot, and rightly.
    let host = Host::new();
    ready(&host.paths, &id(), &host.goal(Provider::Tmpfs, StorageKind::Filesystem), Data::Kept)
        .unwrap();
}

#[test]
fn r14_an_image_that_is_renamed_or_removed_while_it_is_used_leaves_nothing_behind() {
    if !root_only() {
        return;
    }
    for kind in [StorageKind::Filesystem, StorageKind::Block] {
        for renamed in [true, false] {
            let host = Host::new();
            let goal = host.goal(Provider::Loop, kind);
            let made = ready(&host.paths, &id(), &goal, Data::New).unwrap();
            let image = host.paths.backing(&id()).with_extension("img");
            let device = loop_device::find(&image).unwrap().unwrap();
            let there = Path::new("/sys/block").join(device.file_name().unwrap()).join("loop");
            assert!(there.exists());
            if renamed {
                fs::rename(&image, image.with_extension("away")).unwrap();
            } else {
                fs::remove_file(&image).unwrap();
            }
            if kind == StorageKind::Filesystem {
                assert_eq!(ready(&host.paths, &id(), &goal, Data::Kept).unwrap(), made);
            }
            release(&host.paths, &id(), false).unwrap();
            assert_eq!(host.mounts(), 0);
            comes(&format!("{kind:?}, renamed: {renamed}: free"), || !there.exists());
        }
    }
}

#[test]
fn s11_hostile_places_are_refused() {
    let host = Host::new();
    let at = |location: &str| {
        let goal = StorageGoal {
            location: location.to_owned(),
            ..host.goal(Provider::Tmpfs, StorageKind::Filesystem)
        };
        place(&host.paths, &goal)
    };
    for bad in [
        "",
        "/",
        "srv/x",
        "/srv/../etc",
        "/srv/./x",
        "/etc",
        "/etc/x",
        "/usr/lib/x",
        "/dev/shm",
        "/proc/1",
        "/sys",
        "/var",
        "/var/lib",
        "/var/lib/juju",
        "/var/lib/juju/agents/unit-a-0",
        "/var/lib/muster/x",
        "/root/.ssh",
        "/run/x",
        "/boot",
        "/srv//x",
        "/srv/x/",
        "/var/lib/juju/storage/../agents",
        "/home",
        "/opt",
    ] {
        assert!(at(bad).is_err(), "{bad}");
    }
    for good in ["/srv/data", "/opt/spark/work", "/var/lib/mysql", "/data"] {
        assert!(at(good).is_ok(), "{good}");
    }
}

#[test]
fn s11_links_and_full_folders_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap();
    fs::create_dir(root.join("real")).unwrap();
    std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
    assert!(matches!(open_place(&root.join("link/x")), Err(MountError::Place { .. })));
    assert!(!root.join("real/x").exists());
    fs::write(root.join("real/file"), "").unwrap();
    assert!(matches!(open_place(&root.join("real")), Err(MountError::Place { .. })));
    assert!(open_place(&root.join("new/deep")).is_ok());
}

#[test]
fn the_table_is_read_with_its_escapes() {
    let line =
        r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
    let read = super::table::entry(line).unwrap();
    assert_eq!(read.point, Path::new("/mnt 2"));
    assert_eq!((read.root.to_str(), read.kind.as_str()), (Some("/mnt1"), "ext3"));
}
