//! One run of a machine: nspawn, started so that it outlives us, and what it tells of itself.
//!
//! ```text
//! setsid sh  (group …/launch)           waits, then writes how nspawn ended
//!   └ sh → systemd-nspawn  (…/host)     asked to stop by SIGTERM, turns that into an orderly end
//!        └ init → systemd  (…/host/payload)   the leader
//! ```
//!
//! nspawn says on its notify socket who the leader is, and the machine's own systemd says there
//! when everything has been started: nobody asks again and again.

use std::fs;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::cgroup::Hierarchy;
use super::error::{SubstrateError, file};
use super::process::{self, Process};
use super::record::MachineRecord;
use super::{network, root, tool};

/// The status with which nspawn says that the machine wants to be started again.
pub(super) const REBOOT: i32 = 133;

/// Bytes of the console that are kept; when there are more, the older half goes.
pub(super) const CONSOLE: u64 = 1 << 20;

/// Moves itself into the groups named before `--`, then becomes what is named after it.
pub(super) const ENTER: &str = r#"set -e
while [ "$1" != -- ]; do echo 0 > "$1"; shift; done
shift
exec "$@""#;

/// Waits for what is named after the file and writes its status there.
const KEEP: &str = r#"end=$1; shift
rm -f "$end"
"$@"
echo $? > "$end.new" && mv "$end.new" "$end""#;

/// The files of a machine's runs.
pub(super) struct Files {
    /// What the machine writes to its console.
    pub(super) console: PathBuf,
    /// How the last run ended.
    pub(super) end: PathBuf,
    /// Where nspawn and systemd tell of themselves.
    pub(super) notify: PathBuf,
}

impl Files {
    /// The files of the machine in `folder`; sockets lie elsewhere, for their paths must be short.
    pub(super) fn of(folder: &Path, runtime: &Path, index: u8) -> Files {
        Files {
            console: folder.join("console.log"),
            end: folder.join("end"),
            notify: runtime.join(format!("{index}.notify")),
        }
    }
}

/// A run that has begun.
pub(super) struct Launched {
    /// The shell that waits for the end, as our child.
    pub(super) child: Child,
    /// The same as a process that can be found again.
    pub(super) keeper: Process,
    notify: UnixDatagram,
}

/// The name by which nspawn knows the machine: unique on the host, unlike its own name.
pub(super) fn nspawn_name(tag: &str, record: &MachineRecord) -> String {
    format!("muster-{tag}-{}", record.index)
}

/// Starts nspawn.
///
/// # Errors
///
/// [`SubstrateError::ToolStart`] and those of files.
pub(super) fn launch(
    tag: &str,
    record: &MachineRecord,
    merged: &Path,
    files: &Files,
    launch_groups: &[PathBuf],
    host_groups: &[PathBuf],
) -> Result<Launched, SubstrateError> {
    remove(&files.notify)?;
    remove(&files.end)?;
    let notify = UnixDatagram::bind(&files.notify).map_err(file("listen on", &files.notify))?;
    let console = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&files.console)
        .map_err(file("open", &files.console))?;
    let also = console.try_clone().map_err(file("open", &files.console))?;

    let procs = |groups: &[PathBuf]| -> Vec<PathBuf> {
        groups.iter().map(|group| group.join("cgroup.procs")).collect()
    };
    let mut command = tool::command("setsid");
    command.args(["sh", "-c", ENTER, "sh"]).args(procs(launch_groups));
    command.args(["--", "sh", "-c", KEEP, "sh"]).arg(&files.end);
    command.args(["sh", "-c", ENTER, "sh"]).args(procs(host_groups)).arg("--");
    command.args(["systemd-nspawn", "--quiet", "--keep-unit", "--register=no"]);
    command.arg(format!("--machine={}", nspawn_name(tag, record)));
    command.arg(format!("--hostname={}", record.name));
    command.arg(format!("--uuid={}", record.uuid));
    command.arg("--directory").arg(merged);
    let netns = network::netns_path(&record.netns);
    command.arg(format!("--network-namespace-path={}", netns.display()));
    command.args(["--resolv-conf=off", "--timezone=off", "--link-journal=no"]);
    command.args(["--console=pipe", "--notify-ready=yes", "--kill-signal=SIGRTMIN+3"]);
    // Not in the set by default when the namespace comes from outside (`machines.md` §3).
    command.arg("--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_IPC_LOCK,CAP_SYS_NICE");
    // Only ever takes rights away; nspawn of Debian 12 has it among what it refuses (S9).
    command.arg(
        "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
    );
    command.arg("--bind=/dev/loop-control");
    for (from, to, read_only) in &record.binds {
        let kind = if *read_only { "--bind-ro" } else { "--bind" };
        let escape = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
        command.arg(format!("{kind}={}:{}", escape(&from.to_string_lossy()), escape(to)));
    }
    command.arg(root::INIT_PATH);
    command.env("NOTIFY_SOCKET", &files.notify);
    command.stdin(Stdio::null()).stdout(console).stderr(also);
    let child = command
        .spawn()
        .map_err(|source| SubstrateError::ToolStart { tool: "systemd-nspawn".into(), source })?;
    let start = || SubstrateError::BootEnded {
        name: record.name.clone(),
        console: console_tail(&files.console),
    };
    let keeper = Process::of(child.id()).ok_or_else(start)?;
    Ok(Launched { child, keeper, notify })
}

fn remove(path: &Path) -> Result<(), SubstrateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", path)(error)),
        _ => Ok(()),
    }
}

impl Launched {
    /// Waits until the machine has told who its leader is and that it is up.
    ///
    /// # Errors
    ///
    /// [`SubstrateError::BootTimeout`] and [`SubstrateError::BootEnded`].
    pub(super) fn wait_up(
        &self,
        name: &str,
        files: &Files,
        within: Duration,
        mut leader: impl FnMut(Process) -> Result<(), SubstrateError>,
    ) -> Result<(), SubstrateError> {
        let until = Instant::now() + within;
        let ended = || SubstrateError::BootEnded {
            name: name.to_owned(),
            console: console_tail(&files.console),
        };
        let keeper = self.keeper.open().ok_or_else(ended)?;
        let mut text = vec![0; 4096];
        self.notify.set_nonblocking(true).map_err(file("listen on", &files.notify))?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let console = console_tail(&files.console);
                return Err(SubstrateError::BootTimeout { name: name.to_owned(), within, console });
            }
            // The socket is looked at first: the end may come right behind the last words.
            match self.notify.recv(&mut text) {
                Ok(length) => {
                    let said = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
                    for line in said.lines() {
                        if let Some(pid) = line.strip_prefix("X_NSPAWN_LEADER_PID=")
                            && let Some(process) = pid.trim().parse().ok().and_then(Process::of)
                        {
                            leader(process)?;
                        }
                        if line == "READY=1" {
                            return Ok(());
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let stop = self.notify.try_clone().map(Into::into);
                    let stop = stop.map_err(file("listen on", &files.notify))?;
                    let waited = process::wait_end(&keeper, Some(&stop), left)
                        .map_err(file("wait for", &files.notify))?;
                    if waited == process::Waited::Ended && !self.has_words() {
                        return Err(ended());
                    }
                }
                Err(error) => return Err(file("read", &files.notify)(error)),
            }
        }
    }

    fn has_words(&self) -> bool {
        process::readable(&self.notify, Duration::ZERO).unwrap_or(false)
    }
}

/// The status that the last run ended with, when its keeper could write it down.
pub(super) fn end_status(files: &Files) -> Option<i32> {
    fs::read_to_string(&files.end).ok()?.trim().parse().ok()
}

/// nspawn's own process: the child of the keeper.
pub(super) fn nspawn(keeper: Process) -> Option<Process> {
    let path = format!("/proc/{0}/task/{0}/children", keeper.pid);
    let children = fs::read_to_string(path).ok()?;
    let pids = children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok());
    pids.filter_map(Process::of).next()
}

/// The leader among the processes of the machine's groups: number one in its own namespace.
pub(super) fn find_leader(hierarchies: &[Hierarchy], group: &str) -> Option<Process> {
    let (own_depth, _) = process::inner_pid(std::process::id())?;
    let mut pids = hierarchies.iter().flat_map(|hierarchy| hierarchy.processes(group));
    pids.find(|pid| process::inner_pid(*pid) == Some((own_depth + 1, 1))).and_then(Process::of)
}

/// The end of the console, for a message.
pub(super) fn console_tail(console: &Path) -> String {
    let bytes = fs::read(console).unwrap_or_default();
    let from = bytes.len().saturating_sub(4096);
    tool::tail(&String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()), 600)
}

/// Drops the older half of a console that has grown too large.
///
/// The writers append, so what they write next goes behind what is kept; what they write between
/// the read and the cut is lost, as the rest of the older half.
pub(super) fn bound_console(console: &Path) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom, Write};
    let mut log = fs::OpenOptions::new().read(true).append(true).open(console)?;
    let length = log.metadata()?.len();
    if length <= CONSOLE {
        return Ok(());
    }
    log.seek(SeekFrom::Start(length - CONSOLE / 2))?;
    let mut newer = Vec::new();
    Read::take(&mut log, CONSOLE).read_to_end(&mut newer)?;
    log.set_len(0)?;
    log.write_all(&newer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_stays_bounded_and_keeps_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let console = folder.path().join("console");
        let mut text = vec![b'x'; usize::try_from(CONSOLE).unwrap()];
        text.extend(b"the end");
        fs::write(&console, &text).unwrap();
        bound_console(&console).unwrap();
        let kept = fs::read(&console).unwrap();
        assert!(kept.len() as u64 <= CONSOLE);
        assert!(kept.ends_with(b"the end"));
        assert_eq!(console_tail(&console).len(), 600);
    }

    #[test]
    fn the_keeper_writes_down_how_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::of(folder.path(), folder.path(), 1);
        let mut command = tool::command("sh");
        command.args(["-c", KEEP, "sh"]).arg(&files.end).args(["sh", "-c", "exit 133"]);
        command.status().unwrap();
        assert_eq!(end_status(&files), Some(REBOOT));
    }
}
