//! The session that a run leads: its processes, where no control group tells them.
//!
//! A child can leave a session, and a group it cannot; so this is the second best, and beside a group
//! only says who leads.

use std::fs;

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

/// A session, by its leader and when that began: numbers are used again, the pair is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    leader: i32,
    /// In the kernel's ticks since the boot.
    began: u64,
}

impl Session {
    /// That which this process leads, or is about to.
    pub(crate) fn of(leader: Pid) -> Option<Session> {
        let leader = leader.as_raw_nonzero().get();
        stat(leader).map(|stat| Session { leader, began: stat.began })
    }

    /// Whether the number of the leader is another process's by now.
    pub(crate) fn is_over(self) -> bool {
        stat(self.leader).is_some_and(|stat| stat.began != self.began)
    }

    /// Its processes. A number is not given out again while a session is called by it; so if the
    /// leader is gone, whoever is in the session was there with it.
    pub(crate) fn members(self) -> Vec<Pid> {
        if self.is_over() {
            return Vec::new();
        }
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let ours = ids.filter(|id| {
            stat(*id).is_some_and(|stat| {
                stat.session == self.leader && stat.began >= self.began && stat.lives
            })
        });
        ours.filter_map(Pid::from_raw).collect()
    }
}

/// What `/proc/PID/stat` says, as far as it is needed.
struct Stat {
    lives: bool,
    session: i32,
    began: u64,
}

fn stat(process: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name comes second, in parentheses, and may hold anything.
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let session = fields.nth(2)?.parse().ok()?;
    let began = fields.nth(15)?.parse().ok()?;
    Some(Stat { lives: !matches!(state, "Z" | "X"), session, began })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_members_of_a_session_are_found_also_after_its_leader() {
        let mut child = Command::new("setsid")
            .args(["sh", "-c", "sleep 600 & exec sleep 600"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let leader = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let session = Session::of(leader).unwrap();
        while session.members().len() < 2 {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let left = session.members();
        assert_eq!(left.len(), 1);
        for process in left {
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        }
        while !session.members().is_empty() {
            std::thread::yield_now();
        }
        let own = rustix::process::getpid();
        let other = Session { began: 1, ..Session::of(own).unwrap() };
        assert!(other.is_over() && other.members().is_empty());
    }
}
