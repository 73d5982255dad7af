//! The controller's process on this host: made, started so that it outlives this command, found
//! again by its command line, ended.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::service::Service;
use crate::desk::Desk;
use crate::failure::Failure;

/// Below which everything of ours lies on a host.
pub(super) const HOME: &str = "/var/lib/muster";
/// Where the controller's own log goes, in its data folder.
pub(super) const LOG: &str = "controller.log";
/// The certificate that clients pin; made last, so that its presence says that all is there.
const AUTHORITY: &str = "ca.pem";
/// The setting that names a file with sections of images, which become part of the settings.
pub(super) const IMAGES: &str = "images";
/// Its settings, so that it starts again as it was.
const SETTINGS: &str = "controller.toml";
/// The port that is tried first.
const PORT: u16 = 17070;
/// How much of a log is shown when a start fails.
const TAIL: u64 = 2048;
/// How long a process may take to be gone once it was killed.
const KILLED: Duration = Duration::from_secs(10);

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

/// A controller that is to answer soon.
pub(super) enum Started {
    /// It ran already.
    Found(OwnedFd),
    /// As a child of this command.
    Child(Child),
    /// By systemd.
    Service(Service),
}

impl Started {
    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Result<Option<String>, Failure> {
        match self {
            Started::Found(process) => {
                Ok(over(process, Duration::ZERO)?.then(|| "it ended".to_owned()))
            }
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

    /// Whether the whole of an installation is there.
    pub(super) fn made(&self) -> bool {
        self.data.join(AUTHORITY).exists()
    }

    /// Makes the installation: data folder, authority, store, first user.
    pub(super) fn init(&self, name: &str, cloud: &str, token_hash: &str) -> Result<(), Failure> {
        let data = self.data.display().to_string();
        let words = ["init", "--name", name, "--cloud", cloud, "--token-hash", token_hash];
        let what = format!("cannot make a controller in `{data}`");
        self.call(&words, &what).map(drop)
    }

    /// Removes from this host what the controller made, by its records and without it. Answers where
    /// the data of kept storage is. The controller must have ended.
    pub(super) fn teardown(&self) -> Result<Vec<String>, Failure> {
        let what = format!("cannot take down what `{}` has records of", self.data.display());
        Ok(self.call(&["teardown"], &what)?.lines().map(str::to_owned).collect())
    }

    /// Runs the controller's program to its end, on this data folder.
    fn call(&self, words: &[&str], what: &str) -> Result<String, Failure> {
        let done = Command::new(&self.program)
            .args(words)
            .arg("--data-dir")
            .arg(&self.data)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                Failure::tried(format!("cannot run `{}`", self.program.display()), &error)
            })?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&done.stderr);
        let said = said.trim().trim_start_matches("ERROR ");
        Err(Failure::new(format!("{what}: {said}")))
    }

    /// Keeps the settings that it is to run with.
    pub(super) fn keep(
        &self,
        settings: &std::collections::BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        let mut text = String::from("# Written by `muster bootstrap`.\n");
        let mut sections = String::new();
        for (key, value) in settings {
            if key == IMAGES {
                sections = std::fs::read_to_string(value)
                    .map_err(|error| Failure::tried(format!("cannot read `{value}`"), &error))?;
                continue;
            }
            // The one number among the settings; everything else is text.
            if key == "parallel-machines" {
                text.push_str(&format!("{key} = {value}\n"));
            } else {
                text.push_str(&format!("{key} = {}\n", serde_json::Value::from(value.as_str())));
            }
        }
        // Sections come last: every key after one would be its own.
        text.push_str(&sections);
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

    /// Its process, if it runs. Whoever started it may have been killed the moment after, so nothing
    /// but the process itself says so.
    pub(super) fn running(&self) -> Result<Option<OwnedFd>, Failure> {
        let failed =
            |error: std::io::Error| Failure::tried("cannot look for the controller", &error);
        // A controller in a machine on this host may have a folder of the same name.
        let here = std::fs::read_link("/proc/self/ns/pid").map_err(failed)?;
        for entry in std::fs::read_dir("/proc").map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(pid) = number.and_then(Pid::from_raw) else { continue };
            // Opened first: what is read is then of this process or of none.
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let there = std::fs::read_link(entry.path().join("ns/pid"));
            if serves(&line, &self.data) && there.is_ok_and(|there| there == here) {
                return Ok(Some(process));
            }
        }
        Ok(None)
    }

    /// Ends it: in good order, or by force when it takes longer. A service is unmade, so that it is not
    /// started again.
    pub(super) async fn end(&self, within: Duration) -> Result<(), Failure> {
        if let Some(service) = &self.service {
            service.remove()?;
        }
        for (signal, within) in [(Signal::TERM, within), (Signal::KILL, KILLED)] {
            let Some(process) = self.running()? else { return Ok(()) };
            match pidfd_send_signal(&process, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(Failure::tried("cannot end the controller", &error)),
            }
            let waiting = tokio::task::spawn_blocking(move || over(&process, within));
            let waited = waiting.await;
            waited.map_err(|error| {
                Failure::tried("cannot wait for the controller's end", &error)
            })??;
        }
        match self.running()? {
            None => Ok(()),
            Some(_) => Err(Failure::new("the controller was killed and does not end")
                .hint(format!("Its log: {}", self.data.join(LOG).display()))),
        }
    }

    /// The certificate that clients pin.
    pub(super) fn authority(&self) -> Result<String, Failure> {
        let path = self.data.join(AUTHORITY);
        std::fs::read_to_string(&path)
            .map_err(|error| Failure::tried(format!("cannot read `{}`", path.display()), &error))
    }
}

/// Whether a process of this command line serves the data folder.
fn serves(line: &[u8], data: &Path) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let folder = data.as_os_str().as_encoded_bytes();
    words.windows(3).any(|three| three == [b"run".as_slice(), b"--data-dir".as_slice(), folder])
}

/// Waits until a process has ended; `false` when the time is over.
fn over(process: &OwnedFd, within: Duration) -> Result<bool, Failure> {
    let time = Timespec {
        tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(within.subsec_nanos()),
    };
    let ready = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&time));
    ready
        .map(|ready| ready > 0)
        .map_err(|error| Failure::tried("cannot wait for the controller's end", &error))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_known_by_its_command_line() {
        let data = Path::new("/var/lib/muster/controllers/here");
        let line = |words: &[&str]| words.join("\0").into_bytes();
        let folder = data.to_str().unwrap();
        assert!(serves(&line(&["/opt/muster-controller", "run", "--data-dir", folder]), data));
        assert!(serves(&line(&["sh", "/x", "run", "--data-dir", folder, ""]), data));
        for other in [
            &["/opt/muster-controller", "teardown", "--data-dir", folder][..],
            &["/opt/muster-controller", "run", "--data-dir", "/elsewhere"],
            &["muster", "bootstrap", "--data-folder", folder],
            &[""],
        ] {
            assert!(!serves(&line(other), data), "{other:?}");
        }
    }
}
