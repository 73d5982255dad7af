//! Putting a charm's files in place (sections 1.12 and 7.1).

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use muster_agent::config::Settings;
use muster_agent::paths::Paths;

use crate::support::{CharmText, Host, unit};

/// Hook contract C15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c15_modes_and_links_are_those_of_the_charm() {
    let mut charm = CharmText::new();
    charm
        .file("bin/run", "#!/bin/sh\n", 0o750)
        .file("key.pem", "k", 0o600)
        .file("shared", "s", 0o664)
        .link("bin/again", "run")
        .link("up", "bin/../key.pem");
    let mut host = Host::new(&charm);
    host.start();
    assert_eq!(host.rest().await, "");
    let folder = host.paths.charm(&unit());
    let mode = |name: &str| {
        std::fs::symlink_metadata(folder.join(name)).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!(["bin/run", "key.pem", "shared"].map(mode), [0o750, 0o600, 0o664]);
    let target = |name: &str| std::fs::read_link(folder.join(name)).unwrap();
    assert_eq!(["bin/again", "up"].map(target), ["run", "bin/../key.pem"].map(PathBuf::from));
}

/// Hook contract C18.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c18_a_charm_that_was_split_starts_by_its_dispatch() {
    let mut charm = CharmText::new();
    charm
        .file(
            "manifest.yaml",
            "bases: [{name: debian, channel: '12', architectures: [amd64]}]\n",
            0o644,
        )
        .file("version", "v3\n", 0o644)
        .file(
            "src/charm.py",
            "import os\nprint(os.environ['JUJU_DISPATCH_PATH'], file=open('ran', 'a'))\n",
            0o644,
        )
        .file(
            "dispatch",
            "#!/bin/sh\nPYTHONPATH=lib:venv exec /usr/bin/env python3 ./src/charm.py\n",
            0o755,
        );
    let mut host = Host::new(&charm);
    host.start();
    assert_eq!(host.rest().await, "");
    let ran = std::fs::read_to_string(host.paths.charm(&unit()).join("ran")).unwrap();
    let hooks = ["install", "leader-settings-changed", "config-changed", "start"];
    assert_eq!(ran, hooks.map(|hook| format!("hooks/{hook}\n")).concat());
    assert_eq!(host.trace(), "", "no hook was run by itself");
}

/// Where the process that is to be killed keeps its machine.
const PLACE: &str = "MUSTER_TEST_KILLED_AT";

/// So many files that an agent is met while it lays them.
const FILES: usize = 3000;

fn large(version: &str) -> CharmText {
    let mut charm = CharmText::new();
    for number in 0..FILES {
        charm.file(&format!("many/{number:04}"), version, 0o644);
    }
    charm
}

/// The files of the charm that say this.
fn count(folder: &Path, version: &str) -> usize {
    let names = std::fs::read_dir(folder.join("many")).into_iter().flatten();
    let same = |path: PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text == version);
    names.filter(|entry| same(entry.as_ref().unwrap().path())).count()
}

/// A machine below `root`, whichever process looks at it.
fn at(root: &Path, charm: &CharmText) -> Host {
    let mut host = Host::new(charm);
    host.paths = Paths {
        juju: root.join("j"),
        muster: root.join("m"),
        logs: root.join("l"),
        programs: None,
    };
    let settings = Settings::new(host.paths.clone(), host.settings.program.clone());
    host.settings = Settings { paths: settings.paths, ..host.settings.clone() };
    // The hooks leave their traces there, and the archive's bytes say so.
    let (digest, bytes) = charm.pack(root);
    host.fake.state.lock().unwrap().blobs.insert(digest, bytes);
    host.unit(|goal| goal.charm.digest = digest);
    host
}

/// Hook contract C19.
///
/// The test is two processes: this one starts itself again as the agent that is killed, as soon as the
/// first files of the charm are in their places and the last are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c19_an_agent_killed_while_it_unpacks_ends_with_the_whole_charm() {
    if let Some(root) = std::env::var_os(PLACE) {
        let mut host = at(Path::new(&root), &large("new"));
        host.start();
        // It is killed before this: whoever comes here was not.
        host.rest().await;
        return;
    }
    let folder = tempfile::Builder::new().prefix("ma").tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    // Before the other begins: making the charm takes longer than unpacking it.
    let host = at(&root, &large("new"));
    let charm = host.paths.charm(&unit());
    let mut agent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "deploy::c19_an_agent_killed_while_it_unpacks_ends_with_the_whole_charm"])
        .env(PLACE, &root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let fresh = charm.parent().unwrap().join(".charm-new");
    while !fresh.join("many/0000").exists() {
        assert!(agent.try_wait().unwrap().is_none(), "it was done before it was met");
        std::thread::yield_now();
    }
    agent.kill().unwrap();
    let status = agent.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "it was killed at its work: {status}");
    assert!(!charm.join(".juju-charm").exists());
    let there = count(&fresh, "new") + count(&charm, "new");
    assert!(there <= FILES && !charm.join("revision").exists(), "{there} files are there");

    let mut host = host;
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(count(&charm, "new"), FILES);
    assert!(charm.join(".juju-charm").exists() && !charm.join(".juju-deploying").exists());
    assert!(!fresh.exists());
    let trace = std::fs::read_to_string(root.join("trace")).unwrap();
    assert_eq!(trace, "install\nleader-settings-changed\nconfig-changed\nstart\n");
}

/// Hook contract C20.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c20_bytes_that_are_not_the_charms_are_never_unpacked() {
    let mut host = Host::new(&CharmText::new());
    let (_, other) = {
        let mut charm = CharmText::new();
        charm.hook("install", "touch $out/wrong");
        charm.pack(&host.root())
    };
    let digest = host.fake.state.lock().unwrap().goal.units[&unit()].charm.digest;
    let right = host.fake.state.lock().unwrap().blobs.insert(digest, other).unwrap();
    host.start();
    let waits = host.rest().await;
    assert!(waits.contains(&format!("cannot keep blob {digest}")), "{waits}");
    assert_eq!(host.trace(), "");
    assert!(!host.root().join("wrong").exists());
    let folder = host.paths.charm(&unit());
    assert!(std::fs::read_dir(&folder).map_or(0, |all| all.count()) == 0, "nothing was laid");
    // As soon as the right ones come they are taken.
    host.fake.state.lock().unwrap().blobs.insert(digest, right);
    host.unit(|goal| goal.trust = true);
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "install, leader-settings-changed, config-changed, start");
    assert!(!host.root().join("wrong").exists());
}
