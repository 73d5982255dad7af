//! This host itself as a machine: an agent beside the controller, with its things in a folder.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::ProvisionError;

fn at(what: &'static str) -> impl Fn(io::Error) -> ProvisionError {
    move |source| ProvisionError::Host { what, source }
}

/// Starts the agent of this host, unless it runs.
pub(super) fn start(folder: &Path, agent: &Path, config: &str) -> Result<(), ProvisionError> {
    fs::create_dir_all(folder).map_err(at("make the folder of"))?;
    if running(folder).is_some() {
        return Ok(());
    }
    let path = folder.join("agent.toml");
    crate::disk::write(&path, config.as_bytes(), 0o600)
        .map_err(|(_, source)| ProvisionError::Host { what: "configure", source })?;
    let log = fs::File::create(folder.join("agent.log")).map_err(at("open the log of"))?;
    let errors = log.try_clone().map_err(at("open the log of"))?;
    let child = Command::new(agent)
        .arg("--config")
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(at("start"))?;
    let id = child.id().to_string();
    // It outlives a controller that starts again, and is found by this file.
    crate::disk::write(&folder.join("pid"), id.as_bytes(), 0o600)
        .map_err(|(_, source)| ProvisionError::Host { what: "note", source })
}

/// Ends the agent of this host and forgets its folder.
pub(super) fn stop(folder: &Path) -> Result<(), ProvisionError> {
    if let Some(pid) = running(folder) {
        match kill(pid, Signal::SIGTERM) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(at("end")(errno.into())),
        }
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("clear up after")(error)),
        _ => Ok(()),
    }
}

/// Ends every agent of this host.
pub(super) fn stop_all(root: &Path) -> Result<(), ProvisionError> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at("look for")(error)),
    };
    for entry in entries {
        stop(&entry.map_err(at("look for"))?.path())?;
    }
    Ok(())
}

/// The agent that the folder's note names, if it runs and is one.
fn running(folder: &Path) -> Option<Pid> {
    let text = fs::read_to_string(folder.join("pid")).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let config = folder.join("agent.toml");
    let own = String::from_utf8_lossy(&command).contains(&*config.to_string_lossy());
    own.then(|| Pid::from_raw(pid))
}
