//! The controller's process on this host: made, started so that it outlives this command, known
//! again by its number, ended.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::service::Service;
use crate::desk::Desk;
use crate::failure::Failure;

/// Below which everything of ours lies on a host.
pub(super) const HOME: &str = "/var/lib/muster";
/// Where the controller's own log goes, in its data folder.
pub(super) const LOG: &str = "controller.log";
/// Where its process's number stands.
const PID: &str = "controller.pid";
/// Its settings, so that it starts again as it was.
const SETTINGS: &str = "controller.toml";
/// The port that is tried first.
const PORT: u16 = 17070;
/// How much of a log is shown when a start fails.
const TAIL: u64 = 2048;

/// The controller's program: `MUSTER_CONTROLLER`, or the one beside this program.
fn program(desk: &Desk) -> Result<PathBuf, Failure> {
    if let Some(path) = desk.var("MUSTER_CONTROLLER") {
        return Ok(desk.path(path));
    }
    let own = std::env::current_exe()
        .and_then(|path| path.canonicalize())
        .map_err(|error| Failure::tried("cannot find this program's folder", &error))?;
    let path = own.with_file_name("muster-controller");
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::new(format!(
        "cannot find the controller's program: `{}` is not there",
        path.display()
    ))
    .hint("Install muster-controller beside muster, or set MUSTER_CONTROLLER to its path."))
}

/// A controller's place on this host.
pub(super) struct Place {
    program: PathBuf,
    /// Its data folder.
    pub(super) data: PathBuf,
    service: Option<Service>,
}

/// A controller that was just started.
pub(super) enum Started {
    /// As a child of this command.
    Child(Child),
    /// By systemd.
    Service(Service),
}

impl Started {
    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Result<Option<String>, Failure> {
        match self {
            Started::Child(child) => match child.try_wait() {
                Ok(status) => Ok(status.map(|status| status.to_string())),
                Err(error) => Err(Failure::tried("cannot watch the controller start", &error)),
            },
            Started::Service(service) => service.ended(),
        }
    }
}

impl Place {
    pub(super) fn new(desk: &Desk, data: PathBuf) -> Result<Place, Failure> {
        Ok(Place { program: program(desk)?, service: Service::of(&data), data })
    }

    /// Makes the installation: data folder, authority, store, first user.
    pub(super) fn init(&self, name: &str, cloud: &str, token_hash: &str) -> Result<(), Failure> {
        let data = self.data.display().to_string();
        let arguments =
            ["--name", name, "--cloud", cloud, "--token-hash", token_hash, "--data-dir", &data];
        let done = Command::new(&self.program)
            .arg("init")
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                Failure::tried(format!("cannot run `{}`", self.program.display()), &error)
            })?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        let said = said.trim().trim_start_matches("ERROR ");
        Err(Failure::new(format!("cannot make a controller in `{data}`: {said}")))
    }

    /// Keeps the settings that it is to run with.
    pub(super) fn keep(
        &self,
        settings: &std::collections::BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        let mut text = String::from("# Written by `muster bootstrap`.\n");
        for (key, value) in settings {
            // The one number among the settings; everything else is text.
            if key == "parallel-machines" {
                text.push_str(&format!("{key} = {value}\n"));
            } else {
                text.push_str(&format!("{key} = {}\n", serde_json::Value::from(value.as_str())));
            }
        }
        let path = self.data.join(SETTINGS);
        std::fs::write(&path, text)
            .map_err(|error| Failure::tried(format!("cannot write `{}`", path.display()), &error))
    }

    /// Starts it so that it outlives this command, with its log in a file: as a service where
    /// there are services, else in a session of its own.
    pub(super) fn start(&self) -> Result<Started, Failure> {
        if let Some(service) = &self.service {
            service.start(&self.program, &self.data, &self.data.join(LOG))?;
            return Ok(Started::Service(service.clone()));
        }
        let what = || format!("cannot start `{}`", self.program.display());
        let failed = |error: std::io::Error| Failure::tried(what(), &error);
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.data.join(LOG))
            .map_err(failed)?;
        let child = Command::new("setsid")
            .arg(&self.program)
            .arg("run")
            .arg("--data-dir")
            .arg(&self.data)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        let mut file = File::create(self.data.join(PID)).map_err(failed)?;
        writeln!(file, "{}", child.id()).map_err(failed)?;
        Ok(Started::Child(child))
    }

    /// Removes it from this host once it has ended: its service and its data.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        if let Some(service) = &self.service {
            service.remove()?;
        }
        remove_folder(&self.data)
    }

    /// The end of its log, for when it does not start.
    pub(super) fn tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.data.join(LOG))?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut text = Vec::new();
            file.take(TAIL).read_to_end(&mut text)?;
            Ok(String::from_utf8_lossy(&text).into_owned())
        };
        match read() {
            Ok(text) => text
                .lines()
                .rev()
                .take(5)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect::<Vec<_>>()
                .join("\n"),
            Err(error) => error.to_string(),
        }
    }

    /// Its process, if the one of that number is still the controller of this folder.
    pub(super) fn running(&self) -> Option<Pid> {
        let noted = || std::fs::read_to_string(self.data.join(PID)).ok()?.trim().parse().ok();
        let service = self.service.as_ref().filter(|service| service.exists());
        let number: i32 = service.map_or_else(noted, Service::process)?;
        let line = std::fs::read(format!("/proc/{number}/cmdline")).ok()?;
        let data = self.data.as_os_str().as_encoded_bytes();
        let own = line.split(|byte| *byte == 0).any(|word| word == data);
        if own { Pid::from_raw(number) } else { None }
    }

    /// Waits until its process has ended; `false` when the time is over.
    pub(super) async fn ended(&self, within: Duration) -> Result<bool, Failure> {
        let Some(pid) = self.running() else { return Ok(true) };
        // Gone between the two looks is gone.
        let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(true) };
        let waiting = tokio::task::spawn_blocking(move || {
            let mut fds = [rustix::event::PollFd::from_borrowed_fd(
                std::os::fd::AsFd::as_fd(&fd),
                rustix::event::PollFlags::IN,
            )];
            let time = rustix::event::Timespec {
                tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(within.subsec_nanos()),
            };
            rustix::event::poll(&mut fds, Some(&time))
        });
        match waiting.await {
            Ok(Ok(ready)) => Ok(ready > 0),
            Ok(Err(error)) => Err(Failure::tried("cannot wait for the controller's end", &error)),
            Err(error) => Err(Failure::tried("cannot wait for the controller's end", &error)),
        }
    }

    /// Asks its process to end.
    pub(super) fn terminate(&self) -> Result<(), Failure> {
        let Some(pid) = self.running() else { return Ok(()) };
        let failed = |error: rustix::io::Errno| Failure::tried("cannot end the controller", &error);
        let fd = pidfd_open(pid, PidfdFlags::empty()).map_err(failed)?;
        pidfd_send_signal(&fd, Signal::TERM).map_err(failed)
    }

    /// The certificate that clients pin.
    pub(super) fn authority(&self) -> Result<String, Failure> {
        let path = self.data.join("ca.pem");
        std::fs::read_to_string(&path)
            .map_err(|error| Failure::tried(format!("cannot read `{}`", path.display()), &error))
    }
}

/// An address on the loopback that nobody listens on: the usual port, or one that the kernel gives.
pub(super) fn free_address() -> Result<SocketAddr, Failure> {
    let try_port = |port: u16| {
        TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).and_then(|l| l.local_addr())
    };
    try_port(PORT)
        .or_else(|_| try_port(0))
        .map_err(|error| Failure::tried("cannot find a free port on 127.0.0.1", &error))
}

/// Removes a controller's folder, and the folders around it that were made for such folders unless
/// something else lies in them.
fn remove_folder(data: &Path) -> Result<(), Failure> {
    use std::io::ErrorKind;

    let failed = |folder: &Path, error: std::io::Error| {
        Failure::tried(format!("cannot remove `{}`", folder.display()), &error)
    };
    match std::fs::remove_dir_all(data) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(data, error)),
        _ => {}
    }
    for folder in data.ancestors().skip(1).take_while(|folder| folder.starts_with(HOME)) {
        match std::fs::remove_dir(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => return Ok(()),
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(folder, error)),
            _ => {}
        }
    }
    Ok(())
}
