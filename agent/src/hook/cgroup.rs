//! One control group for each run, so that nothing a hook starts escapes its end (reliability
//! document, R6).
//!
//! Only version 2 is used, wherever it is mounted, with no controllers needed: the group is for
//! finding and killing processes; whether they are counted is told in [`crate::hook::crowd`]. Where
//! there is none, the session that the hook leads takes its place, which a determined child can leave.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::hook::crowd::{Crowd, Crowds};
use crate::hook::runs::Runs;
use crate::hook::session::{Session, parent};

/// How groups are called: this, the agent's process, the number of the run.
const PREFIX: &str = "muster-run-";

/// How many steps up from a process its parents are looked at: `sudo su -c …` in a script of a script.
const GENERATIONS: usize = 32;

/// Where groups can be made.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    /// The group of the agent itself, within the mounted hierarchy.
    own: Option<PathBuf>,
    /// The same, as `/proc/PID/cgroup` names it.
    named: String,
    crowds: Crowds,
}

/// The processes of one run: a control group, or the session that it leads.
#[derive(Debug)]
pub(crate) struct Group {
    path: Option<PathBuf>,
    /// What `/proc/PID/cgroup` says of a process in it.
    named: String,
    /// The session of the run's own process, once it was started.
    session: Option<Session>,
    /// The file in which an agent after this one finds the run.
    note: Option<PathBuf>,
    /// Where its processes are counted, if anywhere.
    crowd: Option<Crowd>,
}

impl Groups {
    /// Looks for the hierarchy and for the agent's own place in it.
    pub(crate) fn find() -> Groups {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let named = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").to_owned();
        let mount = mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let kind = after.split(' ').next()?;
            let mut fields = before.split(' ').skip(3);
            let (root, point) = (fields.next()?, fields.next()?);
            (kind == "cgroup2").then(|| (root.to_owned(), PathBuf::from(point)))
        });
        let own = mount.and_then(|(root, point)| {
            let below = named.strip_prefix(root.trim_end_matches('/')).unwrap_or(&named);
            let path = point.join(below.trim_start_matches('/'));
            usable(&path).then_some(path)
        });
        if own.is_none() {
            tracing::warn!("no control groups: children that leave a hook's session are not found");
        }
        let crowds = Crowds::find(own.as_deref());
        Groups { own, named, crowds }
    }

    /// Makes the group of this process's run of that number, for so many processes at most.
    pub(crate) fn create(&self, number: u64, processes: u32) -> Group {
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let made = self.own.as_ref().and_then(|own| {
            let path = own.join(&name);
            match fs::create_dir(&path) {
                Ok(()) => Some(path),
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "no control group for a hook");
                    None
                }
            }
        });
        let named = format!("{}/{name}", self.named.trim_end_matches('/'));
        let crowd = made.as_ref().and_then(|path| self.crowds.create(path, &name, processes));
        Group { path: made, named, session: None, note: None, crowd }
    }

    /// Removes the empty groups of agents that were killed. One with processes stays: the kernel
    /// refuses.
    pub(crate) fn sweep(&self) {
        let Some(entries) = self.own.as_ref().and_then(|own| fs::read_dir(own).ok()) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
                continue;
            };
            let agent = rest.split('-').next().unwrap_or_default();
            if Path::new("/proc").join(agent).exists() {
                continue;
            }
            if let Err(error) = fs::remove_dir(entry.path()) {
                tracing::debug!(%error, "a control group of an agent before is not removed");
            }
            self.crowds.sweep(&name);
        }
    }
}

fn usable(path: &Path) -> bool {
    let probe = path.join(format!("muster-probe-{}", std::process::id()));
    match fs::create_dir(&probe) {
        Ok(()) => fs::remove_dir(&probe).is_ok(),
        Err(_) => false,
    }
}

impl Group {
    /// What an earlier agent's note tells of.
    pub(crate) fn of_before(path: Option<PathBuf>, session: Session, note: PathBuf) -> Group {
        let named = note.display().to_string();
        Group { path, named, session: Some(session), note: Some(note), crowd: None }
    }

    /// The run's own process was started. A note that cannot be written costs no hook: it is missed
    /// only where the agent is killed and nobody ends what it started.
    pub(crate) fn began(&mut self, leader: Option<Pid>, runs: &Runs, name: &str) {
        self.session = leader.and_then(Session::of);
        let Some(session) = self.session else { return };
        match runs.note(name, session, self.path.as_deref()) {
            Ok(note) => self.note = Some(note),
            Err(error) => tracing::warn!(%error, "no note of what was started"),
        }
    }

    /// The files that a process writes to, to be in it; none if there is no group.
    pub(crate) fn procs(&self) -> impl Iterator<Item = PathBuf> {
        let own = self.path.as_ref().map(|path| path.join("cgroup.procs"));
        own.into_iter().chain(self.crowd.as_ref().and_then(Crowd::procs))
    }

    /// Whether a process is one of the run's, or was started by one: `sudo` and `su` move what they
    /// start to a login session's group. Without a group nobody can say, and the caller is taken at its
    /// word (the token).
    pub(crate) fn holds(&self, process: Pid) -> bool {
        if self.path.is_none() {
            return true;
        }
        std::iter::successors(Some(process), |process| parent(*process))
            .take(GENERATIONS)
            .any(|process| self.has(process))
    }

    fn has(&self, process: Pid) -> bool {
        let path = format!("/proc/{}/cgroup", process.as_raw_nonzero());
        let Ok(text) = fs::read_to_string(path) else { return false };
        text.lines().filter_map(|line| line.strip_prefix("0::")).any(|group| {
            group == self.named
                || group.strip_prefix(&self.named).is_some_and(|b| b.starts_with('/'))
        })
    }

    /// Whether it wanted more processes than it may have.
    pub(crate) fn was_crowded(&self) -> bool {
        self.crowd.as_ref().is_some_and(Crowd::was_hit)
    }

    /// It has ended by itself, and what is left of it may be what its charm is there for.
    pub(crate) fn unbound(&self) {
        if let Some(crowd) = &self.crowd {
            crowd.lift();
        }
    }

    /// The session of the run's own process, and its group, as a note has them.
    pub(crate) fn noted(&self) -> (Option<Session>, Option<&Path>, Option<&Path>) {
        (self.session, self.path.as_deref(), self.note.as_deref())
    }

    /// Its processes at this moment.
    pub(crate) fn members(&self) -> Vec<Pid> {
        let Some(path) = &self.path else {
            return self.session.map(Session::members).unwrap_or_default();
        };
        let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok().and_then(Pid::from_raw)).collect()
    }

    /// Whether no process of the run is left.
    pub(crate) fn is_empty(&self) -> bool {
        match (&self.path, self.session) {
            (Some(path), _) => fs::read_to_string(path.join("cgroup.events"))
                .map_or(true, |text| text.lines().any(|line| line == "populated 0")),
            (None, Some(session)) => session.members().is_empty(),
            (None, None) => true,
        }
    }

    /// Sends a signal to each process of the run.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(path) = &self.path
            && signal == Signal::KILL
            && fs::write(path.join("cgroup.kill"), "1").is_ok()
        {
            return;
        }
        for process in self.members() {
            gone_is_fine(rustix::process::kill_process(process, signal));
        }
    }

    /// Removes the group, and the note of the run. It must be empty.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if let Some(path) = &self.path {
            gone_is_removed(fs::remove_dir(path))?;
        }
        if let Some(crowd) = &self.crowd {
            gone_is_removed(crowd.remove())?;
        }
        self.note.as_ref().map_or(Ok(()), |note| gone_is_removed(fs::remove_file(note)))
    }

    /// Ends what the run left behind: it may finish for `linger`, is asked to end, and is killed
    /// `grace` later.
    pub(crate) async fn clear(&self, linger: Duration, grace: Duration) {
        if !self.wait_empty(linger).await {
            self.signal(Signal::TERM);
            if !self.wait_empty(grace).await && !self.kill().await {
                tracing::error!(group = self.named, "processes of a hook cannot be killed");
                return;
            }
        }
        // The kernel lets go of the last process a moment after it is dead.
        for _ in 0..50 {
            match self.remove() {
                Ok(()) => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        tracing::warn!(group = self.named, "a hook's control group is not removed");
    }

    /// Kills until nobody is left, for some seconds: without a group a process may start another in
    /// between.
    async fn kill(&self) -> bool {
        for _ in 0..50 {
            self.signal(Signal::KILL);
            if self.wait_empty(Duration::from_millis(100)).await {
                return true;
            }
        }
        false
    }

    /// Waits until no process is left, at most so long. The kernel offers a notification only
    /// through a file that must be polled for it; a run that leaves something is rare, so this looks.
    pub(crate) async fn wait_empty(&self, most: Duration) -> bool {
        let mut step = Duration::from_millis(1);
        let mut waited = Duration::ZERO;
        while !self.is_empty() {
            if waited >= most {
                return false;
            }
            tokio::time::sleep(step).await;
            waited += step;
            step = (step * 2).min(Duration::from_millis(100));
        }
        true
    }
}

fn gone_is_removed(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

fn gone_is_fine(sent: rustix::io::Result<()>) {
    if let Err(error) = sent
        && error != rustix::io::Errno::SRCH
    {
        tracing::debug!(%error, "a process of a hook could not be signalled");
    }
}
