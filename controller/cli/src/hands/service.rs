//! A controller as a service of this host's systemd, so that it comes back with the host, and its
//! machines with it (`machines.md`).
//!
//! Where PID 1 is something else there is no service: the controller is then a process that
//! `muster start-controller` starts again.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// Is there where systemd is PID 1, says `sd_booted(3)`.
const BOOTED: &str = "/run/systemd/system";
/// Where an administrator's units lie.
const UNITS: &str = "/etc/systemd/system";

/// The service of the controller that keeps its data in one folder.
#[derive(Clone, Debug)]
pub(super) struct Service {
    name: String,
}

impl Service {
    /// The service for a data folder, where there are services.
    pub(super) fn of(data: &Path) -> Option<Service> {
        Path::new(BOOTED).is_dir().then(|| Service { name: name(data) })
    }

    fn file(&self) -> PathBuf {
        Path::new(UNITS).join(&self.name)
    }

    /// Whether it was made.
    pub(super) fn exists(&self) -> bool {
        self.file().exists()
    }

    /// Makes it and starts it, now and with the host.
    pub(super) fn start(&self, program: &Path, data: &Path, log: &Path) -> Result<(), Failure> {
        let file = self.file();
        std::fs::write(&file, unit(program, data, log)).map_err(|error| {
            Failure::tried(format!("cannot write `{}`", file.display()), &error)
        })?;
        for line in [&["daemon-reload"][..], &["enable", &self.name], &["restart", &self.name]] {
            systemctl(line)?;
        }
        Ok(())
    }

    /// How it ended, if it did; one that waits to be started again has ended.
    pub(super) fn ended(&self) -> Result<Option<String>, Failure> {
        let (state, sub) = (self.property("ActiveState")?, self.property("SubState")?);
        let over = matches!(state.as_str(), "failed" | "inactive") || sub == "auto-restart";
        if !over {
            return Ok(None);
        }
        let (result, status) = (self.property("Result")?, self.property("ExecMainStatus")?);
        Ok(Some(format!("{result}, exit status {status}")))
    }

    /// Ends it and unmakes it.
    pub(super) fn remove(&self) -> Result<(), Failure> {
        if !self.exists() {
            return Ok(());
        }
        systemctl(&["disable", "--now", &self.name])?;
        let file = self.file();
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let what = format!("cannot remove `{}`", file.display());
                return Err(Failure::tried(what, &error));
            }
            _ => {}
        }
        systemctl(&["daemon-reload"]).map(drop)
    }

    fn property(&self, key: &str) -> Result<String, Failure> {
        systemctl(&["show", "--value", "--property", key, &self.name])
    }
}

/// Named after the folder, since that is what two controllers of one name do not share.
fn name(data: &Path) -> String {
    let digest = muster_resources::Digest::of(data.as_os_str().as_encoded_bytes()).to_string();
    let short: String = digest.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    format!("muster-controller-{short}.service")
}

/// The unit.
///
/// Machines, and the agent of this host, outlive the controller: only its own process is ended with
/// it. It ends with success only when it was told to.
fn unit(program: &Path, data: &Path, log: &Path) -> String {
    let (program, data) = (word(program), word(data));
    format!(
        "# Written by `muster bootstrap`; removed by `muster kill-controller`.
[Unit]
Description=Muster controller
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={program} run --data-dir {data}
WorkingDirectory=/
UMask=0077
StandardOutput=append:{log}
Restart=on-failure
RestartSec=2
KillMode=process
TimeoutStopSec=120
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
",
        log = log.display().to_string().replace('%', "%%"),
    )
}

/// A path as one word of a command line: nothing in it is expanded.
fn word(path: &Path) -> String {
    let mut word = String::from("\"");
    for c in path.display().to_string().chars() {
        match c {
            '"' | '\\' => word.extend(['\\', c]),
            '%' | '$' => word.extend([c, c]),
            c => word.push(c),
        }
    }
    word.push('"');
    word
}

fn systemctl(line: &[&str]) -> Result<String, Failure> {
    let what = || format!("cannot run `systemctl {}`", line.join(" "));
    let done = Command::new("systemctl")
        .args(line)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::tried(what(), &error))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Failure::new(format!("{} ({}): {}", what(), done.status, said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_folders_have_two_services() {
        let one = name(Path::new("/var/lib/muster/controllers/one"));
        assert_ne!(one, name(Path::new("/var/lib/muster/controllers/two")));
        assert!(one.starts_with("muster-controller-") && one.ends_with(".service"), "{one}");
        assert_eq!(one.len(), "muster-controller-01234567.service".len());
    }

    #[test]
    fn nothing_in_a_path_means_anything() {
        assert_eq!(word(Path::new("/a b/$c%d\"\\")), r#""/a b/$$c%%d\"\\""#);
    }

    /// systemd's own reading of it, where its tools are.
    #[test]
    fn systemd_takes_the_unit() {
        let folder = tempfile::tempdir().unwrap();
        let (data, file) = (folder.path().join("100% $data"), folder.path().join("a.service"));
        std::fs::write(&file, unit(Path::new("/bin/true"), &data, &data.join("log"))).unwrap();
        let done = match Command::new("systemd-analyze").arg("verify").arg(&file).output() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                eprintln!("not tested: this host has no systemd-analyze");
                return;
            }
            done => done.unwrap(),
        };
        // What it says of other units of the host is no concern of ours.
        let said = String::from_utf8_lossy(&done.stderr);
        let ours: Vec<_> = said.lines().filter(|line| line.contains("a.service")).collect();
        assert_eq!(ours, Vec::<&str>::new());
    }
}
