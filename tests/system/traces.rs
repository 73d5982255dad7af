//! What a host shows of machines: everything that `kill-controller` must have taken away again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use muster_tests::call::Call;

/// Folders in which nothing may be left.
const FOLDERS: &[&str] = &["/var/lib/muster", "/var/lib/juju", "/var/log/juju", "/run/muster"];

/// One line for each thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traces(BTreeSet<String>);

impl Traces {
    /// What is there now.
    pub(crate) fn of_this_host() -> Self {
        let mut found = BTreeSet::new();
        mounts(&mut found);
        processes(&mut found);
        cgroups(Path::new("/sys/fs/cgroup"), 0, &mut found);
        for folder in FOLDERS {
            files(Path::new(folder), 0, &mut found);
        }
        for (what, program, args) in [
            ("network namespace", "ip", &["-o", "netns", "list"][..]),
            ("network device", "ip", &["-o", "link", "show"]),
            ("nft", "nft", &["list", "tables"]),
            ("loop device", "losetup", &["--list", "--noheadings", "--output", "NAME,BACK-FILE"]),
        ] {
            let printed = Call::new(program).args(args).run().expect(program);
            for line in printed.lines() {
                // A device's index and state come and go with others; its name is what counts.
                let name = match what {
                    "network device" => line.split(':').nth(1).unwrap_or(line).trim(),
                    "network namespace" => line.split_whitespace().next().unwrap_or(line),
                    _ => line.trim(),
                };
                found.insert(format!("{what} {name}"));
            }
        }
        Self(found)
    }

    /// What is here and was not there.
    pub(crate) fn beyond(&self, before: &Self) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }
}

fn mounts(found: &mut BTreeSet<String>) {
    let text = fs::read_to_string("/proc/self/mounts").expect("mounts");
    for line in text.lines() {
        let target = line.split(' ').nth(1).unwrap_or(line);
        found.insert(format!("mount {target}"));
    }
}

/// Programs of ours, and those that run in a machine of ours.
fn processes(found: &mut BTreeSet<String>) {
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let (name, groups, stat) = (read("comm"), read("cgroup"), read("stat"));
        // A process that has ended and was not yet awaited holds nothing.
        let over = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'));
        let ours = name.starts_with("muster-controll") || name.starts_with("muster-agent");
        if !over && (ours || groups.contains("/muster-")) {
            found.insert(format!("process {pid} {}", name.trim()));
        }
    }
}

fn cgroups(folder: &Path, depth: usize, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_dir() || entry.path().is_symlink() {
            continue;
        }
        if name.starts_with("muster") {
            found.insert(format!("cgroup {}", entry.path().display()));
        } else if depth < 3 {
            cgroups(&entry.path(), depth + 1, found);
        }
    }
}

fn files(folder: &Path, depth: usize, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        found.insert(format!("file {}", path.display()));
        if depth < 2 && path.is_dir() && !path.is_symlink() {
            files(&path, depth + 1, found);
        }
    }
}
