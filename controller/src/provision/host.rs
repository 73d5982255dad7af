//! This host itself as a machine: an agent beside the controller, with its things in a folder.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use muster_model::name::{MachineId, ModelId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::ProvisionError;

/// How long an agent may take to let what runs come to its end, in seconds; then it is killed.
const PATIENCE: i64 = 60;

fn at(what: &'static str) -> impl Fn(io::Error) -> ProvisionError {
    move |source| ProvisionError::Host { what, source }
}

/// Starts the agent of this host, unless it runs.
pub(super) fn start(
    folder: &Path,
    agent: &Path,
    (model, machine): (ModelId, MachineId),
    config: &str,
) -> Result<(), ProvisionError> {
    fs::create_dir_all(folder).map_err(at("make the folder of"))?;
    if running(folder).map_err(at("look for"))?.is_some() {
        return Ok(());
    }
    let write = |name: &str, text: &str| {
        crate::disk::write(&folder.join(name), text.as_bytes(), 0o600)
            .map_err(|(_, source)| ProvisionError::Host { what: "configure", source })
    };
    write("agent.toml", config)?;
    // Whoever clears up after it, be it without any records, knows whose things these are.
    write("machine", &format!("{model}/{machine}"))?;
    let log = fs::File::create(folder.join("agent.log")).map_err(at("open the log of"))?;
    let errors = log.try_clone().map_err(at("open the log of"))?;
    let child = Command::new(agent)
        .arg("--config")
        .arg(folder.join("agent.toml"))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(at("start"))?;
    // It outlives a controller that starts again, which finds it by its configuration: a note of its
    // number would be lost with a controller that is killed before it is written.
    tracing::debug!(pid = child.id(), "the agent of this host is started");
    Ok(())
}

/// Ends the agent of this host, takes away what it left and forgets its folder. Answers where the
/// data of kept storage is, which stays (reliability document, R14).
pub(super) fn stop(folder: &Path, agent: &Path) -> Result<Vec<String>, ProvisionError> {
    while let Some(pid) = running(folder).map_err(at("look for"))? {
        end(pid).map_err(at("end"))?;
    }
    let kept = clear_up(folder, agent).map_err(at("clear up after"))?;
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("clear up after")(error)),
        _ => Ok(kept),
    }
}

/// Ends every agent of this host, and answers where kept data is.
pub(super) fn stop_all(root: &Path, agent: &Path) -> Result<Vec<String>, ProvisionError> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at("look for")(error)),
    };
    let mut kept = Vec::new();
    for entry in entries {
        kept.extend(stop(&entry.map_err(at("look for"))?.path(), agent)?);
    }
    Ok(kept)
}

/// Asks a process to end and waits until it has; one that does not is killed.
fn end(pid: Pid) -> io::Result<()> {
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        opened => opened?,
    };
    for signal in [Signal::TERM, Signal::KILL] {
        match pidfd_send_signal(&process, signal) {
            Err(rustix::io::Errno::SRCH) => return Ok(()),
            sent => sent?,
        }
        let patience = Timespec { tv_sec: PATIENCE, tv_nsec: 0 };
        if poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience))? > 0 {
            return Ok(());
        }
    }
    Err(io::Error::other("it does not end"))
}

/// Lets the agent's own program take away what the agent left. One that never began left nothing.
fn clear_up(folder: &Path, agent: &Path) -> io::Result<Vec<String>> {
    let whose = match fs::read_to_string(folder.join("machine")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        whose => whose?,
    };
    let output = Command::new(agent)
        .arg("--config")
        .arg(folder.join("agent.toml"))
        .args(["--purge", whose.trim()])
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(io::Error::other(said));
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// The agent that runs with the configuration in the folder, if one does.
fn running(folder: &Path) -> io::Result<Option<Pid>> {
    let config = folder.join("agent.toml");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if is_agent(pid, &config) {
            found.push(pid);
        }
    }
    // What an agent has begun to start looks like it until it has become its own program.
    let first =
        found.iter().find(|pid| parent(**pid).is_none_or(|parent| !found.contains(&parent)));
    Ok(first.and_then(|pid| Pid::from_raw(*pid)))
}

/// Whether a process is an agent with that configuration. One that has ended is none.
fn is_agent(pid: i32, config: &Path) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let config = config.as_os_str().as_encoded_bytes();
    let asked = words.windows(2).any(|pair| *pair == [b"--config".as_slice(), config]);
    asked && !words.contains(&b"--purge".as_slice())
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in the second field may hold blanks; it ends with the last bracket.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// An agent that runs until it is asked to end, and a moment longer.
    const AGENT: &str = "#!/bin/sh
folder=$(dirname \"$2\")
if [ \"$3\" = --purge ]; then
    test -e \"$folder/ended\" || exit 1
    echo \"/kept/of/$4\"
    exit 0
fi
trap 'sleep 0.2; touch \"$folder/ended\"; exit 0' TERM
touch \"$folder/ready\"
while :; do sleep 0.05; done
";

    #[test]
    fn r14_an_agent_is_found_by_whoever_knows_its_folder() {
        let root = tempfile::tempdir().unwrap();
        let agent = root.path().join("agent");
        fs::write(&agent, AGENT).unwrap();
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
        let folder = root.path().join("one");
        let model: ModelId = "00000000-0000-4000-8000-000000000001".parse().unwrap();
        let whose = (model, MachineId(4));
        // A controller that was killed as soon as the agent was there: nothing was noted of it.
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("agent.toml"), "").unwrap();
        fs::write(folder.join("machine"), format!("{model}/4")).unwrap();
        let mut first = Command::new(&agent)
            .arg("--config")
            .arg(folder.join("agent.toml"))
            .process_group(0)
            .spawn()
            .unwrap();
        while !folder.join("ready").exists() {
            std::thread::yield_now();
        }
        let id = || running(&folder).unwrap().map(|pid| pid.as_raw_nonzero().get());
        let pid = i32::try_from(first.id()).unwrap();
        assert_eq!(id(), Some(pid));
        start(&folder, &agent, whose, "").unwrap();
        assert_eq!(id(), Some(pid), "a second agent is started beside it");
        assert_eq!(stop(&folder, &agent).unwrap(), [format!("/kept/of/{model}/4")]);
        assert!(first.wait().unwrap().success());
    }

    #[test]
    fn r14_an_agent_has_ended_before_what_it_left_is_taken_away() {
        let root = tempfile::tempdir().unwrap();
        let agent = root.path().join("agent");
        fs::write(&agent, AGENT).unwrap();
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
        let hosts = root.path().join("hosts");
        let folder = hosts.join("one");
        let model: ModelId = "00000000-0000-4000-8000-000000000001".parse().unwrap();
        start(&folder, &agent, (model, MachineId(4)), "").unwrap();
        while !folder.join("ready").exists() {
            std::thread::yield_now();
        }
        let kept = stop_all(&hosts, &agent).unwrap();
        assert_eq!(kept, [format!("/kept/of/{model}/4")]);
        assert!(!folder.exists());
        assert!(stop(&folder, &agent).unwrap().is_empty(), "nothing is left to do");
    }
}
