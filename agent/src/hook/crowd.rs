//! How many processes a run may have, where the kernel counts them.
//!
//! A hook that starts processes without end would take the machine from every other unit there. The
//! count is a controller of the groups: of version 2, if whoever made the agent's own group hands it on;
//! else of version 1, where a host still has its hierarchy. An agent cannot hand it on to itself, since
//! it lives in the group that would have to be empty. Where nobody counts, the service manager's limit
//! on the agent as a whole remains.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the groups of runs are counted.
#[derive(Clone, Debug, Default)]
pub(crate) enum Crowds {
    /// Nowhere.
    #[default]
    Nowhere,
    /// In the groups themselves.
    Within,
    /// In groups of the same name, here.
    Beside(PathBuf),
}

/// Where one run is counted.
#[derive(Debug)]
pub(crate) struct Crowd {
    folder: PathBuf,
    beside: bool,
}

impl Crowds {
    /// Looks for the controller around the agent's own group of version 2.
    pub(crate) fn find(own: Option<&Path>) -> Crowds {
        let Some(own) = own else { return Crowds::Nowhere };
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let handed = fs::read_to_string(own.join("cgroup.subtree_control")).unwrap_or_default();
        if handed.split_whitespace().any(|controller| controller == "pids") {
            return Crowds::Within;
        }
        match version_1(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup")) {
            Some(place) if place.join("cgroup.procs").exists() => Crowds::Beside(place),
            _ => Crowds::Nowhere,
        }
    }

    /// Bounds the run whose group is `group`. A limit that cannot be had costs no hook.
    pub(crate) fn create(&self, group: &Path, name: &str, processes: u32) -> Option<Crowd> {
        let crowd = match self {
            Crowds::Nowhere => return None,
            Crowds::Within => Crowd { folder: group.to_owned(), beside: false },
            Crowds::Beside(place) => Crowd { folder: place.join(name), beside: true },
        };
        let made = if crowd.beside { fs::create_dir(&crowd.folder) } else { Ok(()) };
        let bounded =
            made.and_then(|()| fs::write(crowd.folder.join("pids.max"), processes.to_string()));
        match bounded {
            Ok(()) => Some(crowd),
            Err(error) => {
                tracing::debug!(%error, "the processes of a hook are not counted");
                None
            }
        }
    }

    /// Removes what an agent before has left of that name, if nobody is in it.
    pub(crate) fn sweep(&self, name: &OsStr) {
        if let Crowds::Beside(place) = self
            && let Err(error) = fs::remove_dir(place.join(name))
        {
            tracing::debug!(%error, "a count of an agent before is not removed");
        }
    }
}

impl Crowd {
    /// The file that a process writes to, to be counted; none if it is, by being in its group.
    pub(crate) fn procs(&self) -> Option<PathBuf> {
        self.beside.then(|| self.folder.join("cgroup.procs"))
    }

    /// Whether a process was not started because there were too many.
    pub(crate) fn was_hit(&self) -> bool {
        let events = fs::read_to_string(self.folder.join("pids.events")).unwrap_or_default();
        let most = events.lines().find_map(|line| line.strip_prefix("max "));
        most.is_some_and(|count| count.trim() != "0")
    }

    /// Takes the limit away.
    pub(crate) fn lift(&self) {
        if let Err(error) = fs::write(self.folder.join("pids.max"), "max") {
            tracing::debug!(%error, "what a hook left running stays counted");
        }
    }

    /// Removes what was made for counting.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if self.beside { fs::remove_dir(&self.folder) } else { Ok(()) }
    }
}

/// The agent's own place in the hierarchy of version 1 that counts processes.
fn version_1(mounts: &str, own: &str) -> Option<PathBuf> {
    let counts = |list: &str| list.split(',').any(|controller| controller == "pids");
    let named = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        counts(controllers).then_some(path)
    })?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        let mut fields = before.split(' ').skip(3);
        (kind == "cgroup" && counts(options)).then_some((fields.next()?, fields.next()?))
    })?;
    let below = named.strip_prefix(root.trim_end_matches('/')).unwrap_or(named);
    Some(Path::new(point).join(below.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "9:name=systemd:/a\n8:pids:/machine/agent\n1:cpu,cpuacct:/\n0::/b\n";

    #[test]
    fn the_place_in_version_1_is_found_below_what_is_mounted() {
        let mounts = |root: &str| {
            format!(
                "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                 31 24 0:27 {root} /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids\n"
            )
        };
        let found = |root: &str, own: &str| version_1(&mounts(root), own);
        assert_eq!(found("/", OWN), Some("/sys/fs/cgroup/pids/machine/agent".into()));
        assert_eq!(found("/machine", OWN), Some("/sys/fs/cgroup/pids/agent".into()));
        assert_eq!(found("/", "0::/b\n"), None);
        assert_eq!(version_1("", OWN), None);
    }
}
