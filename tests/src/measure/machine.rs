//! How busy the machine is, and how much of that is ours.

use std::collections::BTreeMap;
use std::fs;

/// Processor time in ticks of the kernel's clock, a hundred to a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    /// Used by anybody.
    pub machine: u64,
    /// Used by this process and all that it started.
    pub ours: u64,
    /// Gone by, on all processors together.
    pub total: u64,
}

impl Ticks {
    /// What was used so far. A file that cannot be read counts as nothing used.
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let (machine, total) = machine(&stat);
        Self { machine, ours: ours(), total }
    }

    /// The share of the machine that others used since `earlier`, 0 to 1.
    pub fn others_since(self, earlier: Self) -> f64 {
        let used = self.machine.saturating_sub(earlier.machine);
        let ours = self.ours.saturating_sub(earlier.ours);
        let total = self.total.saturating_sub(earlier.total).max(1);
        used.saturating_sub(ours) as f64 / total as f64
    }

    /// Seconds that this process and its children used since `earlier`.
    pub fn ours_since(self, earlier: Self) -> f64 {
        self.ours.saturating_sub(earlier.ours) as f64 / 100.0
    }
}

/// Busy and total ticks of the first line of `/proc/stat`.
fn machine(stat: &str) -> (u64, u64) {
    let fields: Vec<u64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    let total: u64 = fields.iter().sum();
    // The fourth and fifth fields are idle time, and idle time while waiting for the disk.
    let idle: u64 = fields.iter().skip(3).take(2).sum();
    (total.saturating_sub(idle), total)
}

/// Ticks of this process and of everything below it, what has ended included.
fn ours() -> u64 {
    let (parents, used) = table();
    let me = std::process::id();
    used.iter().filter(|(pid, _)| below(**pid, me, &parents)).map(|(_, ticks)| ticks).sum()
}

/// Parent and ticks of each process.
fn table() -> (BTreeMap<u32, u32>, BTreeMap<u32, u64>) {
    let (mut parents, mut used) = (BTreeMap::new(), BTreeMap::new());
    let Ok(entries) = fs::read_dir("/proc") else { return (parents, used) };
    for entry in entries.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some((parent, ticks)) = process(&stat) {
            parents.insert(pid, parent);
            used.insert(pid, ticks);
        }
    }
    (parents, used)
}

/// Parent, and ticks used by a process and by its children that have ended.
fn process(stat: &str) -> Option<(u32, u64)> {
    // The second field is the name in brackets and may hold anything, brackets and blanks too.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse().unwrap_or(0)).sum();
    Some((parent, ticks))
}

fn below(mut pid: u32, top: u32, parents: &BTreeMap<u32, u32>) -> bool {
    // A chain of parents is short; the bound is against a table that changed while it was read.
    for _ in 0..64 {
        if pid == top {
            return true;
        }
        match parents.get(&pid) {
            Some(parent) => pid = *parent,
            None => return false,
        }
    }
    false
}

/// The largest resident memory that a process had, in bytes, while it lives.
pub fn peak_memory(pid: u32) -> Option<u64> {
    status_field(pid, "VmHWM:")
}

/// The resident memory of a process in bytes.
pub fn memory(pid: u32) -> Option<u64> {
    status_field(pid, "VmRSS:")
}

fn status_field(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// The anonymous part of a process's resident memory, in bytes.
pub fn anonymous(pid: u32) -> Option<u64> {
    status_field(pid, "RssAnon:")
}

/// How many threads a process has.
pub fn threads(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, |tasks| tasks.count() as u64)
}

/// Processor seconds that a process has used; zero if it has ended.
pub fn used(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
    let ticks = fields.and_then(|fields| {
        let own = fields.get(11..13)?.iter().map(|field| field.parse().unwrap_or(0));
        Some(own.sum::<u64>())
    });
    ticks.unwrap_or(0) as f64 / 100.0
}

/// Processor seconds that all processes of this name below us have used, those that run.
pub fn used_by(name: &str) -> f64 {
    let Ok(entries) = fs::read_dir("/proc") else { return 0.0 };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let named = |pid: &u32| {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        comm.trim() == name
    };
    let (parents, _) = table();
    let ours = |pid: &u32| below(*pid, std::process::id(), &parents);
    pids.filter(named).filter(ours).map(used).sum()
}

/// How often a process's threads have waited for something, and so were woken.
pub fn switches(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let of = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    tasks
        .flatten()
        .map(|task| of(fs::read_to_string(task.path().join("status")).unwrap_or_default()))
        .sum()
}

/// Bytes that a process has sent to disks; zero if it has ended.
pub fn written(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

/// How many sockets a process holds.
pub fn sockets(pid: u32) -> u64 {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return 0 };
    let socket = |path: std::path::PathBuf| {
        fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    };
    open.flatten().filter(|entry| socket(entry.path())).count() as u64
}

/// The kernel's version.
pub fn kernel() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read_rightly() {
        assert_eq!(machine("cpu  10 1 5 100 4 0 2 0 0 0\ncpu0 …"), (18, 122));
        let stat = "42 (a ) b) S 7 42 42 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 5";
        assert_eq!(process(stat), Some((7, 100)));
        assert_eq!(process("nonsense"), None);
    }

    #[test]
    fn our_own_work_is_not_others() {
        let before = Ticks { machine: 100, ours: 50, total: 1000 };
        let after = Ticks { machine: 190, ours: 130, total: 1200 };
        assert!((after.others_since(before) - 0.05).abs() < 1e-9);
        assert!((after.ours_since(before) - 0.8).abs() < 1e-9);
    }

    #[test]
    fn this_process_is_found() {
        assert!(memory(std::process::id()).unwrap() > 0);
        assert!(Ticks::now().total > 0);
    }
}
