//! A command inside a machine, run from outside.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::cgroup::Hierarchy;
use super::error::{SubstrateError, file, kernel};
use super::process::{self, Process, Waited};
use super::{Substrate, tool};

/// Bytes kept of each of stdout and stderr; the rest is read and dropped.
const MOST: u64 = 16 << 20;

/// A command and what it is given.
#[derive(Clone, Debug)]
pub struct Exec {
    /// The program and its arguments; looked for in the machine's usual `PATH`.
    pub argv: Vec<String>,
    /// More environment.
    pub env: Vec<(String, String)>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// How long it may take before it is killed.
    pub within: Duration,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its status; 128 and the signal when it was killed, as shells say it.
    pub status: i32,
    /// What it wrote, the first 16 MiB.
    pub stdout: Vec<u8>,
    /// What it wrote to stderr, the first 16 MiB.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Its stdout as text, without the blanks at its ends.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }
}

impl Substrate {
    /// Runs a command as root inside a machine, for at most ten minutes.
    ///
    /// # Errors
    ///
    /// As [`Substrate::exec_with`].
    pub fn exec(&self, name: &str, argv: &[&str]) -> Result<Output, SubstrateError> {
        self.exec_with(
            name,
            &Exec {
                argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
                env: Vec::new(),
                stdin: Vec::new(),
                within: Duration::from_secs(600),
            },
        )
    }

    /// Runs a command as root inside a machine: in its namespaces, and in its control groups, so
    /// that its limits hold and its end ends the command.
    ///
    /// # Errors
    ///
    /// [`SubstrateError::NotRunning`] and [`SubstrateError::ExecTimeout`]; a command that fails
    /// is no error.
    pub fn exec_with(&self, name: &str, exec: &Exec) -> Result<Output, SubstrateError> {
        let not_running = || SubstrateError::NotRunning { name: name.to_owned() };
        let leader = self.leader(name)?.ok_or_else(not_running)?;
        let pidfd = leader.open().ok_or_else(not_running)?;
        let groups = self.inner.exec_groups(name)?;

        let mut command = tool::command("sh");
        command.args(["-c", super::launch::ENTER, "sh"]);
        command.args(groups.iter().map(|group| group.join("cgroup.procs"))).arg("--");
        command.args(["nsenter", "--target", &leader.pid.to_string()]);
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]);
        command.args(["--", "/usr/bin/env", "-i"]);
        command.args(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
        command.args(["HOME=/root", "LANG=C.UTF-8", "TERM=dumb"]);
        command.args(exec.env.iter().map(|(key, value)| format!("{key}={value}")));
        command.args(&exec.argv);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that a command that runs for too long can be killed whole.
        command.process_group(0);
        let start = |source| SubstrateError::ToolStart { tool: "nsenter".into(), source };
        let mut child = command.spawn().map_err(start)?;
        drop(pidfd);
        let result = converse(&mut child, exec);
        if matches!(result, Ok(None)) {
            kill_group(&child);
        }
        let status = child.wait().map_err(start)?;
        let line = || exec.argv.join(" ");
        let Some((stdout, stderr)) = result? else {
            let name = name.to_owned();
            return Err(SubstrateError::ExecTimeout { name, line: line(), within: exec.within });
        };
        use std::os::unix::process::ExitStatusExt;
        let status = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ok(Output { status: status.unwrap_or(-1), stdout, stderr })
    }
}

fn kill_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group
        && let Err(error) =
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL)
    {
        tracing::warn!(%error, "a command that ran for too long was not killed");
    }
}

/// What a command wrote to stdout and to stderr; none when the time is over.
type Written = Option<(Vec<u8>, Vec<u8>)>;

fn converse(child: &mut Child, exec: &Exec) -> Result<Written, SubstrateError> {
    let gone = || kernel::<std::io::Error>("read what a command wrote");
    let none = || gone()(std::io::Error::other("no pipe"));
    let mut input = child.stdin.take().ok_or_else(none)?;
    let text = exec.stdin.clone();
    // A command need not read what it is given.
    std::thread::spawn(move || {
        if let Err(error) = input.write_all(&text) {
            tracing::debug!(%error, "a command did not read all of its input");
        }
    });
    let stdout = collect(child.stdout.take().ok_or_else(none)?);
    let stderr = collect(child.stderr.take().ok_or_else(none)?);
    let ended = match Process::of(child.id()).and_then(Process::open) {
        Some(fd) => process::wait_end(&fd, None, exec.within).map_err(gone())? == Waited::Ended,
        None => true,
    };
    if !ended {
        return Ok(None);
    }
    // A daemon that the command left behind may hold the pipes: what is there by now is taken.
    let taken = |pipe: std::sync::mpsc::Receiver<Vec<u8>>| {
        let mut all = Vec::new();
        while let Ok(some) = pipe.recv_timeout(Duration::from_millis(500)) {
            if some.is_empty() {
                break;
            }
            let room = usize::try_from(MOST).unwrap_or(usize::MAX).saturating_sub(all.len());
            all.extend_from_slice(some.get(..room.min(some.len())).unwrap_or_default());
        }
        all
    };
    Ok(Some((taken(stdout), taken(stderr))))
}

/// Reads a pipe in a thread; an empty piece is its end.
fn collect(mut pipe: impl Read + Send + 'static) -> std::sync::mpsc::Receiver<Vec<u8>> {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        let mut kept = 0;
        loop {
            let length = pipe.read(&mut buffer).unwrap_or(0);
            let piece = buffer.get(..length).unwrap_or_default().to_vec();
            kept += length as u64;
            let wanted = length == 0 || kept <= MOST;
            if (wanted && send.send(piece).is_err()) || length == 0 {
                return;
            }
        }
    });
    receive
}

impl super::Inner {
    /// Makes the groups for commands from outside: beside the machine's own, for its systemd
    /// removes empty groups that it finds in its part.
    fn exec_groups(&self, name: &str) -> Result<Vec<PathBuf>, SubstrateError> {
        let group = format!("{}/exec", self.group(name));
        let make = |hierarchy: &Hierarchy| {
            hierarchy.make(&group).map_err(file("make", hierarchy.at.join(&group)))
        };
        self.hierarchies.iter().map(make).collect()
    }
}
