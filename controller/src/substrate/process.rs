//! Processes that are not our children, told apart from whoever gets their number next.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags};
use serde::{Deserialize, Serialize};

/// A process by number and start time: a number alone is given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    /// The number, in the host's main process namespace.
    pub(super) pid: u32,
    /// When it was started, in clock ticks since the boot of the host.
    pub(super) start: u64,
}

impl Process {
    /// The process that has this number now, unless it is dead already.
    pub(super) fn of(pid: u32) -> Option<Process> {
        let (state, start) = stat(pid)?;
        // A zombie is dead; only nobody has asked for its status yet (`machines.md` §1).
        (!matches!(state, 'Z' | 'X')).then_some(Process { pid, start })
    }

    /// Whether it still lives.
    pub(super) fn lives(self) -> bool {
        Process::of(self.pid) == Some(self)
    }

    /// A descriptor that stays with this very process, or none when it is dead.
    pub(super) fn open(self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let fd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Opened first, looked at second: the descriptor is of the process that was looked at.
        self.lives().then_some(fd)
    }
}

fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, also parentheses.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // Field 22 of the line; the state was field 3.
    let start = fields.nth(18)?.parse().ok()?;
    Some((state, start))
}

/// Waits until the process behind the descriptor ends, or `stop` becomes readable, or time is
/// over.
pub(super) fn wait_end(
    process: &OwnedFd,
    stop: Option<&OwnedFd>,
    within: Duration,
) -> io::Result<Waited> {
    let until = Instant::now() + within;
    loop {
        let mut fds = vec![PollFd::new(process, PollFlags::IN)];
        if let Some(stop) = stop {
            fds.push(PollFd::new(stop, PollFlags::IN));
        }
        let left = until.saturating_duration_since(Instant::now());
        match rustix::event::poll(&mut fds, Some(&timespec(left))) {
            Ok(0) if left.is_zero() => return Ok(Waited::TimeOver),
            Ok(_) => {
                if fds.first().is_some_and(|fd| !fd.revents().is_empty()) {
                    return Ok(Waited::Ended);
                }
                if fds.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
                    return Ok(Waited::Stop);
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How [`wait_end`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// The process ended.
    Ended,
    /// The caller was asked to stop waiting.
    Stop,
    /// Neither happened in time.
    TimeOver,
}

/// Whether the descriptor becomes readable within the time.
pub(super) fn readable(fd: impl AsFd, within: Duration) -> io::Result<bool> {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    match rustix::event::poll(&mut fds, Some(&timespec(within))) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// Sends a signal by descriptor; a process that is gone already is fine.
pub(super) fn signal(process: &OwnedFd, signal: rustix::process::Signal) -> io::Result<()> {
    match rustix::process::pidfd_send_signal(process, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Kills the listed processes, as often as new ones appear, and waits for their end.
///
/// Gives back those that were still there when the time was over.
pub(super) fn kill_until_none(
    list: impl Fn() -> BTreeSet<u32>,
    within: Duration,
) -> io::Result<Vec<u32>> {
    let until = Instant::now() + within;
    loop {
        let pids = list();
        let living: Vec<_> = pids
            .iter()
            .copied()
            .filter_map(Process::of)
            .filter_map(|p| Some((p, p.open()?)))
            .collect();
        if living.is_empty() {
            return Ok(Vec::new());
        }
        for (_, fd) in &living {
            signal(fd, rustix::process::Signal::KILL)?;
        }
        for (_, fd) in &living {
            wait_end(fd, None, until.saturating_duration_since(Instant::now()))?;
        }
        if Instant::now() >= until {
            return Ok(living
                .iter()
                .map(|(p, _)| p.pid)
                .filter(|pid| Process::of(*pid).is_some())
                .collect());
        }
    }
}

/// The number the process has in its innermost process namespace, and how deep that is.
pub(super) fn inner_pid(pid: u32) -> Option<(usize, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let numbers: Vec<u32> =
        line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect();
    Some((numbers.len(), *numbers.last()?))
}

/// The id of this boot of the host: a record of another boot speaks of nothing that runs.
pub(super) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// Who has something open below `path`: for the message when a mount is busy.
pub(super) fn holders(path: &Path) -> String {
    let mut found = BTreeSet::new();
    let Ok(entries) = fs::read_dir("/proc") else { return String::from("somebody") };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let links = ["cwd", "root", "exe"].map(|link| entry.path().join(link));
        let open = fs::read_dir(entry.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|fd| fd.path());
        if links
            .into_iter()
            .chain(open)
            .any(|link| fs::read_link(link).is_ok_and(|target| target.starts_with(path)))
        {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.insert(format!("{pid} ({})", name.trim()));
        }
    }
    if found.is_empty() {
        return String::from("another mount namespace or a loop device");
    }
    found.into_iter().take(8).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_zombie_is_dead_and_its_number_is_not_enough() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(process.lives());
        assert!(!Process { start: process.start + 1, ..process }.lives());
        let fd = process.open().unwrap();
        signal(&fd, rustix::process::Signal::KILL).unwrap();
        assert_eq!(wait_end(&fd, None, Duration::from_secs(10)).unwrap(), Waited::Ended);
        assert!(!process.lives(), "ended and not yet waited for");
        child.wait().unwrap();
    }

    #[test]
    fn waiting_ends_with_the_time() {
        let own = Process::of(std::process::id()).unwrap().open().unwrap();
        let waited = wait_end(&own, None, Duration::from_millis(20)).unwrap();
        assert_eq!(waited, Waited::TimeOver);
    }

    #[test]
    fn killing_goes_on_until_none_is_left() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        let left = kill_until_none(|| BTreeSet::from([pid]), Duration::from_secs(10)).unwrap();
        assert_eq!(left, Vec::<u32>::new());
        child.wait().unwrap();
    }
}
