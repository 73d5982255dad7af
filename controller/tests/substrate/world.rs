//! A state root for one test, and what is said to its machines.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use muster_controller::substrate::{Host, HostSpec, HostState, Settings, Substrate};

/// A state root of its own, removed with everything in it even when the test fails.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) settings: Settings,
    substrate: Option<Substrate>,
    pub(crate) tag: String,
}

impl World {
    pub(crate) fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let state_root = folder.path().join("hosts");
        let settings = Settings { state_root, ..Settings::default() };
        let mut world = World { folder, settings, substrate: None, tag: String::new() };
        world.open();
        world
    }

    pub(crate) fn open(&mut self) -> &Substrate {
        self.close();
        let substrate = Substrate::open(self.settings.clone()).unwrap();
        self.tag = substrate.tag().to_owned();
        self.substrate.insert(substrate)
    }

    /// What the end of the controller is: its last handle goes.
    pub(crate) fn close(&mut self) {
        drop(self.substrate.take());
    }

    pub(crate) fn get(&self) -> &Substrate {
        self.substrate.as_ref().unwrap()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("hosts")
    }

    pub(crate) fn end(mut self) {
        self.get().kill_all().unwrap();
        self.get().kill_all().unwrap();
        self.close();
        assert_eq!(self.traces(), Vec::<String>::new());
        assert!(!self.state().exists());
    }

    /// Whatever on this host carries our tag or our folder.
    fn traces(&self) -> Vec<String> {
        let mut found = Vec::new();
        let folder = self.folder.path().to_string_lossy().into_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        found.extend(
            mounts
                .lines()
                .filter(|line| line.contains(&folder) || line.contains(&self.tag))
                .map(|line| format!("mount {line}")),
        );
        for (tool, args) in [
            ("ip", &["netns", "list"][..]),
            ("ip", &["-o", "link"]),
            ("nft", &["list", "tables"]),
            ("losetup", &["--list"]),
        ] {
            let said = run(tool, args);
            let ours = said.lines().filter(|l| l.contains(&self.tag) || l.contains(&folder));
            found.extend(ours.map(|line| format!("{tool} {line}")));
        }
        for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let group = hierarchy.path().join(format!("muster-{}", self.tag));
            if group.exists() {
                found.push(format!("group {}", group.display()));
            }
        }
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&folder) || line.contains(&format!("muster-{}", self.tag)) {
                found.push(format!("process {line}"));
            }
        }
        for path in ["/run/muster", "/run/systemd/nspawn/propagate", "/run/muster/forward/users"] {
            let names = fs::read_dir(path).into_iter().flatten().flatten();
            let ours = names.filter(|e| e.file_name().to_string_lossy().contains(&self.tag));
            found.extend(ours.map(|entry| format!("path {}", entry.path().display())));
        }
        for number in fs::read_dir("/var/lib/muster/networks").into_iter().flatten().flatten() {
            if fs::read_to_string(number.path()).is_ok_and(|holder| holder.starts_with(&folder)) {
                found.push(format!("number {}", number.path().display()));
            }
        }
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.state().exists() {
            return;
        }
        self.settings.interrupt = None;
        let opened = match self.substrate.take() {
            Some(substrate) => Ok(substrate),
            None => Substrate::open(self.settings.clone()),
        };
        if let Err(error) = opened.and_then(|substrate| substrate.kill_all()) {
            eprintln!("left on this host: {error}");
        }
    }
}

pub(crate) fn run(tool: &str, args: &[&str]) -> String {
    let output = Command::new(tool).args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn spec(name: &str) -> HostSpec {
    HostSpec { name: name.to_owned(), ..HostSpec::default() }
}

pub(crate) fn sh(substrate: &Substrate, name: &str, script: &str) -> (i32, String) {
    let output = substrate.exec(name, &["sh", "-c", script]).unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status, format!("{}{}", output.text(), words.trim()))
}

pub(crate) fn ok(substrate: &Substrate, name: &str, script: &str) -> String {
    let (status, said) = sh(substrate, name, script);
    assert_eq!(status, 0, "`{script}` in {name}: {said}");
    said
}

pub(crate) fn leader(host: &Host) -> Option<u32> {
    match host.state {
        HostState::Running { leader } => leader,
        _ => None,
    }
}

/// Looks again and again until it is so, for a minute: what is waited for tells nobody.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
