//! One control group a machine, in every hierarchy of the host.
//!
//! ```text
//! <hierarchy>/muster-<tag>/<machine>/          limits stand here
//!                                   launch/    the small shell that waits for the machine's end
//!                                   exec/      commands from outside
//!                                   host/      nspawn, and below it the machine's own groups;
//!                                              the limits once more, where the machine sees them
//! ```
//!
//! A machine has a namespace of control groups that begins below `<machine>/`, and whoever looks
//! inside, be it a charm, the agent or a Java machine, sees what is written at that beginning.
//! Without a group of its own every machine would put its processes into the same one
//! (`machines.md` §3 step 3). Version 1 has a hierarchy for each controller, version 2 has one;
//! a host may carry both, and what a host has is seen in its mounts, never assumed (§6).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Microseconds over which a share of processor time is measured: the kernel's default.
const PERIOD: u64 = 100_000;

/// Times a group is tried to be removed while the kernel still counts its last process out.
const REMOVE_TRIES: u32 = 10;

/// Where a mounted hierarchy is, and what it controls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// The mount point.
    pub(super) at: PathBuf,
    /// What it controls.
    pub(super) kind: Kind,
}

/// The kinds of hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Version 1, with these controllers (or a `name=…`).
    One(BTreeSet<String>),
    /// Version 2.
    Two,
}

/// Whether a limit that was asked for holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// No limit was asked for.
    #[default]
    Unlimited,
    /// The kernel has it, read back after writing.
    Enforced,
    /// It does not hold, and why.
    NotEnforced(String),
}

/// What became of a machine's limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processor time.
    pub cores: Enforcement,
    /// Memory.
    pub mem: Enforcement,
}

/// The hierarchies of this host.
pub(super) fn hierarchies() -> io::Result<Vec<Hierarchy>> {
    Ok(parse_mounts(&fs::read_to_string("/proc/self/mountinfo")?))
}

/// Reads hierarchies out of `mountinfo`; each once, and only where the whole of it is mounted.
pub(super) fn parse_mounts(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((front, back)) = line.split_once(" - ") else { continue };
        let mut front = front.split(' ').skip(3);
        let (Some("/"), Some(at)) = (front.next(), front.next()) else { continue };
        let mut back = back.split(' ');
        let (Some(kind), options) = (back.next(), back.nth(1).unwrap_or_default()) else {
            continue;
        };
        let kind = match kind {
            "cgroup2" => Kind::Two,
            "cgroup" => Kind::One(
                options
                    .split(',')
                    .filter(|option| !matches!(*option, "rw" | "ro" | "xattr" | "noprefix"))
                    .filter(|option| !option.contains('=') || option.starts_with("name="))
                    .map(str::to_owned)
                    .collect(),
            ),
            _ => continue,
        };
        if !found.iter().any(|hierarchy| hierarchy.kind == kind) {
            found.push(Hierarchy { at: PathBuf::from(at), kind });
        }
    }
    found
}

impl Hierarchy {
    fn controls(&self, controller: &str) -> bool {
        match &self.kind {
            Kind::One(controllers) => controllers.contains(controller),
            Kind::Two => fs::read_to_string(self.at.join("cgroup.controllers"))
                .is_ok_and(|text| text.split_whitespace().any(|name| name == controller)),
        }
    }

    /// Makes the group, with its parents, ready to take processes and to carry limits.
    ///
    /// # Errors
    ///
    /// The kernel's own. A group that is there already is fine.
    pub(super) fn make(&self, group: &str) -> io::Result<PathBuf> {
        let mut at = self.at.clone();
        for part in group.split('/') {
            if self.kind == Kind::Two {
                self.hand_down(&at);
            }
            let inner = at.join(part);
            match fs::create_dir(&inner) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            if self.controls("cpuset") && self.kind != Kind::Two {
                inherit_cpuset(&at, &inner)?;
            }
            at = inner;
        }
        Ok(at)
    }

    /// Gives the controllers that machines are limited by to the groups below.
    ///
    /// What cannot be handed down shows up when a limit is read back.
    fn hand_down(&self, group: &Path) {
        for controller in ["cpu", "memory", "pids", "io", "cpuset"] {
            let path = group.join("cgroup.subtree_control");
            if let Err(error) = fs::write(&path, format!("+{controller}")) {
                tracing::debug!(%error, controller, path = %path.display(), "not handed down");
            }
        }
    }

    /// Every process in the group and below.
    pub(super) fn processes(&self, group: &str) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        collect(&self.at.join(group), &mut found);
        found
    }

    /// Removes the group and everything below it; it must be empty of processes.
    ///
    /// # Errors
    ///
    /// The kernel's own, in particular `EBUSY` while a process is in it.
    pub(super) fn remove(&self, group: &str) -> io::Result<()> {
        remove_tree(&self.at.join(group))
    }

    /// Removes the group when nothing is in it any more.
    pub(super) fn remove_if_empty(&self, group: &str) {
        if let Err(error) = fs::remove_dir(self.at.join(group)) {
            tracing::debug!(%error, group, at = %self.at.display(), "the group stays");
        }
    }
}

/// A new version 1 `cpuset` group has no processor and no memory, and so takes no process.
fn inherit_cpuset(from: &Path, to: &Path) -> io::Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if fs::read_to_string(to.join(file))?.trim().is_empty() {
            fs::write(to.join(file), fs::read_to_string(from.join(file))?.trim())?;
        }
    }
    fs::write(to.join("cgroup.clone_children"), "1")
}

fn collect(group: &Path, found: &mut BTreeSet<u32>) {
    if let Ok(text) = fs::read_to_string(group.join("cgroup.procs")) {
        // Zero stands for a process outside of our process namespace.
        found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|p| *p != 0));
    }
    for inner in subgroups(group) {
        collect(&inner, found);
    }
}

fn subgroups(group: &Path) -> Vec<PathBuf> {
    fs::read_dir(group)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove_tree(group: &Path) -> io::Result<()> {
    for inner in subgroups(group) {
        remove_tree(&inner)?;
    }
    let mut tries = 0;
    loop {
        match fs::remove_dir(group) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // The kernel frees a group a moment after its last process is gone, and tells nobody.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && tries < REMOVE_TRIES => {
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(u64::from(tries)));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Writes the limits into the machine's group and reads them back (`machines.md` §6).
///
/// `cores` are whole processors, `mem` is MiB.
pub(super) fn limit(
    hierarchies: &[Hierarchy],
    group: &str,
    cores: Option<u32>,
    mem: Option<u64>,
) -> Limits {
    Limits {
        cores: cores.map_or(Enforcement::Unlimited, |cores| {
            enforce(hierarchies, "cpu", |hierarchy| limit_cores(hierarchy, group, cores))
        }),
        mem: mem.map_or(Enforcement::Unlimited, |mem| {
            enforce(hierarchies, "memory", |hierarchy| limit_mem(hierarchy, group, mem))
        }),
    }
}

fn enforce(
    hierarchies: &[Hierarchy],
    controller: &str,
    write: impl Fn(&Hierarchy) -> Result<(), String>,
) -> Enforcement {
    let Some(hierarchy) = hierarchies.iter().find(|hierarchy| hierarchy.controls(controller))
    else {
        return Enforcement::NotEnforced(format!("this host has no {controller} controller"));
    };
    match write(hierarchy) {
        Ok(()) => Enforcement::Enforced,
        Err(reason) => Enforcement::NotEnforced(reason),
    }
}

/// Writes the limits once more, to where the root of the machine's own namespace is, so that they are
/// seen inside: the group `host` in version 1, and in version 2 `host/payload`, which nspawn has made
/// once the machine's first process runs. That they hold does not hang on it.
pub(super) fn show_inside(
    hierarchies: &[Hierarchy],
    group: &str,
    cores: Option<u32>,
    mem: Option<u64>,
) -> Limits {
    let root = |hierarchy: &Hierarchy| match hierarchy.kind {
        Kind::One(_) => format!("{group}/host"),
        Kind::Two => format!("{group}/host/payload"),
    };
    Limits {
        cores: cores.map_or(Enforcement::Unlimited, |cores| {
            enforce(hierarchies, "cpu", |at| limit_cores(at, &root(at), cores))
        }),
        mem: mem.map_or(Enforcement::Unlimited, |mem| {
            enforce(hierarchies, "memory", |at| limit_mem(at, &root(at), mem))
        }),
    }
}

fn limit_cores(hierarchy: &Hierarchy, group: &str, cores: u32) -> Result<(), String> {
    let group = hierarchy.at.join(group);
    let quota = PERIOD * u64::from(cores);
    match hierarchy.kind {
        Kind::One(_) => {
            put(&group, "cpu.cfs_period_us", &PERIOD.to_string(), |got| got == PERIOD.to_string())?;
            put(&group, "cpu.cfs_quota_us", &quota.to_string(), |got| got == quota.to_string())
        }
        Kind::Two => {
            let value = format!("{quota} {PERIOD}");
            put(&group, "cpu.max", &value, |got| got == value)
        }
    }
}

fn limit_mem(hierarchy: &Hierarchy, group: &str, mem: u64) -> Result<(), String> {
    let group = hierarchy.at.join(group);
    let bytes = mem.checked_mul(1 << 20).ok_or("more memory than can be counted")?;
    let file = match hierarchy.kind {
        Kind::One(_) => "memory.limit_in_bytes",
        Kind::Two => "memory.max",
    };
    put(&group, file, &bytes.to_string(), |got| got == bytes.to_string())
}

fn put(group: &Path, file: &str, value: &str, holds: impl Fn(&str) -> bool) -> Result<(), String> {
    let path = group.join(file);
    fs::write(&path, value).map_err(|error| format!("cannot write {file}: {error}"))?;
    let got = fs::read_to_string(&path).map_err(|error| format!("cannot read {file}: {error}"))?;
    if holds(got.trim()) {
        return Ok(());
    }
    Err(format!("{file} holds `{}` although `{value}` was written", got.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /part /elsewhere rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime shared:9 - cgroup cgroup rw,xattr,name=systemd,release_agent=/x
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn mounts_are_read_each_once_and_only_whole() {
        let found = parse_mounts(HYBRID);
        let at: Vec<_> = found.iter().map(|h| h.at.to_str().unwrap()).collect();
        assert_eq!(at, ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]);
        assert_eq!(found[0].kind, Kind::One(["cpu", "cpuacct"].map(str::to_owned).into()));
        assert_eq!(found[1].kind, Kind::One(["name=systemd"].map(str::to_owned).into()));
    }

    /// Version 2 with controllers is not to be had on every host: a tree of plain files stands
    /// for it, and shows what is written where.
    #[test]
    fn version_two_gets_its_files() {
        let tree = tempfile::tempdir().unwrap();
        fs::write(tree.path().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        let host = Hierarchy { at: tree.path().to_owned(), kind: Kind::Two };
        host.make("muster-x/m0/host").unwrap();
        fs::create_dir(tree.path().join("muster-x/m0/host/payload")).unwrap();
        let both = Limits { cores: Enforcement::Enforced, mem: Enforcement::Enforced };
        let hosts = std::slice::from_ref(&host);
        assert_eq!(limit(hosts, "muster-x/m0", Some(2), Some(64)), both);
        assert_eq!(show_inside(hosts, "muster-x/m0", Some(2), Some(64)), both);
        let read = |file: &str| fs::read_to_string(tree.path().join(file)).unwrap();
        for group in ["muster-x/m0", "muster-x/m0/host/payload"] {
            assert_eq!(read(&format!("{group}/cpu.max")), "200000 100000");
            assert_eq!(read(&format!("{group}/memory.max")), "67108864");
        }
        // nspawn is in it until it has moved, which what is handed down to groups below forbids.
        assert!(!tree.path().join("muster-x/m0/host/memory.max").exists());
        assert!(!tree.path().join("muster-x/m0/host/cgroup.subtree_control").exists());
    }

    #[test]
    fn what_does_not_hold_is_said() {
        let tree = tempfile::tempdir().unwrap();
        let cpu = Kind::One(["cpu".to_owned()].into());
        let host = Hierarchy { at: tree.path().to_owned(), kind: cpu };
        let limits = limit(&[host], "missing", Some(1), Some(64));
        assert!(
            matches!(limits.cores, Enforcement::NotEnforced(why) if why.contains("cfs_period"))
        );
        assert!(matches!(limits.mem, Enforcement::NotEnforced(why) if why.contains("no memory")));
        assert_eq!(limit(&[], "x", None, None), Limits::default());
    }
}
