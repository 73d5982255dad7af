//! What a fresh Debian 12 machine lacks, installed once, with the reason said.
//!
//! A need is first looked for: whoever has a tool from elsewhere keeps it. Only what is missing is
//! installed, in one call of `apt-get`, without recommended packages.

use std::fmt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::call::{self, Call, CallError};
use crate::voice::Voice;

/// What somebody is about to do, and so what must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Fetching and assembling the real parts.
    Parts,
    /// Machines as system containers on this host.
    Machines,
    /// The unit tests of the charms' Python.
    Charms,
    /// The published client library.
    Client,
}

/// How it is seen that a need is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Witness {
    /// A program of that name is found.
    Program(&'static str),
    /// Python can import a module of that name.
    Module(&'static str),
    /// A file is there.
    File(&'static str),
}

/// One thing that must be there.
#[derive(Clone, Copy, Debug)]
struct Need {
    feature: Feature,
    witness: Witness,
    package: &'static str,
    why: &'static str,
}

const NEEDS: &[Need] = &[
    need(Feature::Parts, Witness::Program("python3"), "python3", "runs pip"),
    need(Feature::Parts, Witness::Module("pip"), "python3-pip", "fetches Spark from PyPI"),
    need(
        Feature::Parts,
        Witness::File("/etc/ssl/certs/ca-certificates.crt"),
        "ca-certificates",
        "lets pip, Maven and apt trust the package registries",
    ),
    need(
        Feature::Parts,
        Witness::Program("mvn"),
        "maven",
        "fetches the S3 libraries that match Spark (brings a Java of its own)",
    ),
    need(
        Feature::Machines,
        Witness::Program("mmdebstrap"),
        "mmdebstrap",
        "makes the machines' root",
    ),
    need(
        Feature::Machines,
        Witness::Program("systemd-nspawn"),
        "systemd-container",
        "runs machines as system containers",
    ),
    need(Feature::Machines, Witness::Program("ip"), "iproute2", "gives machines a network"),
    need(Feature::Machines, Witness::Program("nft"), "nftables", "lets machines reach outside"),
    need(Feature::Machines, Witness::Program("nsenter"), "util-linux", "reaches into machines"),
    need(Feature::Machines, Witness::Program("mkfs.ext4"), "e2fsprogs", "formats loop volumes"),
    need(Feature::Machines, Witness::Program("mount"), "mount", "loop volumes and overlays"),
    need(Feature::Machines, Witness::Program("ssh"), "openssh-client", "`muster scp`"),
    need(Feature::Client, Witness::Module("pip"), "python3-pip", "fetches the client library"),
    need(Feature::Charms, Witness::Program("python3"), "python3", "runs the charms' unit tests"),
];

const fn need(
    feature: Feature,
    witness: Witness,
    package: &'static str,
    why: &'static str,
) -> Need {
    Need { feature, witness, package, why }
}

/// Bytes that must be free where machines and volumes lie: the machines' root and its packages, three
/// unpacked Sparks, the volumes' and the gateway's real content, and the parts.
pub const ROOM: u64 = 12 << 30;

/// The same for the published client, whose charms weigh nothing: the machines' root and its packages.
pub const ROOM_OF_CLIENT: u64 = 4 << 30;

/// The same for the system tests, in which two of the demo's models stand side by side.
pub const ROOM_OF_TESTS: u64 = 2 * ROOM;

/// What could not be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    /// Packages are missing and this user may not install them.
    #[error("{} not installed, and only root may install packages; as root: {command}", Listed(.packages))]
    NotRoot {
        /// What is missing.
        packages: Vec<&'static str>,
        /// What root would type.
        command: String,
    },
    /// This is no Debian, so package names would be guesses.
    #[error("{} missing, and there is no apt-get here; install what provides {}", Listed(.packages), Listed(.tools))]
    NoApt {
        /// The packages' names on Debian.
        packages: Vec<&'static str>,
        /// What they are wanted for.
        tools: Vec<&'static str>,
    },
    /// The package lists could not be fetched.
    #[error("cannot fetch the package lists")]
    Update(#[source] CallError),
    /// The packages could not be installed.
    #[error("cannot install {}", Listed(.packages))]
    Install {
        /// What was to be installed.
        packages: Vec<&'static str>,
        /// Why not.
        source: CallError,
    },
    /// apt said well done, and yet it is not there.
    #[error("installed `{package}`, but {witness} is still not there")]
    StillMissing {
        /// The package.
        package: &'static str,
        /// What it should have brought.
        witness: String,
    },
    /// The machine cannot do it, whatever is installed.
    #[error("{0}")]
    Unfit(String),
}

/// Installs what `features` need and is not there. Says what and why; silent when all is there.
pub fn ready(features: &[Feature], voice: &Voice) -> Result<(), SetupError> {
    let missing = missing(features);
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
    if call::find("apt-get").is_none() {
        let tools = missing.iter().map(|need| need.witness.name()).collect();
        return Err(SetupError::NoApt { packages, tools });
    }
    if !is_root() {
        let command = format!("apt-get install --no-install-recommends {}", packages.join(" "));
        return Err(SetupError::NotRoot { packages, command });
    }
    for need in &missing {
        voice.say(format_args!("  installing {}: {}", need.package, need.why));
    }
    install(&packages, voice)?;
    match missing.iter().find(|need| !need.witness.holds()) {
        None => Ok(()),
        Some(need) => Err(SetupError::StillMissing {
            package: need.package,
            witness: need.witness.name().to_owned(),
        }),
    }
}

/// Refuses with a sentence when the demo or the system tests cannot run here at all.
///
/// `folder` is where machines and volumes will lie, `room` the bytes that must be free there.
pub fn fit(folder: &Path, room: u64) -> Result<(), SetupError> {
    if !is_root() {
        let why = "machines are system containers, and only root may make them: run this as root";
        return Err(SetupError::Unfit(why.to_owned()));
    }
    let place = existing(folder);
    let free = match rustix::fs::statvfs(&place) {
        Ok(space) => space.f_bavail.saturating_mul(space.f_frsize),
        Err(error) => {
            let text = format!("cannot read the free space of `{}`: {error}", place.display());
            return Err(SetupError::Unfit(text));
        }
    };
    if free < room {
        let text = format!(
            "`{}` has {} free, and {} are needed",
            place.display(),
            crate::voice::Megabytes(free),
            crate::voice::Megabytes(room)
        );
        return Err(SetupError::Unfit(text));
    }
    Ok(())
}

/// A Python that can import `module`: the first in `PATH`, else Debian's own.
///
/// Only the latter sees what apt installs, and a person may have put another before it.
pub fn python_with(module: &str) -> Option<&'static str> {
    let imports = ["-c", "import importlib, sys; importlib.import_module(sys.argv[1])"];
    let can = |python: &&str| Call::new(python).args(imports).arg(module).run().is_ok();
    ["python3", "/usr/bin/python3"].into_iter().find(can)
}

/// Whether this process may install packages and make machines.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `folder`, or the nearest of its parents that is there.
fn existing(folder: &Path) -> PathBuf {
    let found = folder.ancestors().find(|place| place.exists());
    found.map_or_else(|| PathBuf::from("/"), Path::to_path_buf)
}

fn missing(features: &[Feature]) -> Vec<Need> {
    let mut missing: Vec<Need> = Vec::new();
    for need in NEEDS.iter().filter(|need| features.contains(&need.feature)) {
        if missing.iter().all(|other| other.package != need.package) && !need.witness.holds() {
            missing.push(*need);
        }
    }
    missing
}

fn install(packages: &[&'static str], voice: &Voice) -> Result<(), SetupError> {
    let work = voice.work("package lists");
    let update = apt().args(["update", "-q"]).run_with(|line| note(&work, line));
    update.map_err(SetupError::Update)?;
    work.done("");
    let work = voice.work(format!("apt-get install {}", packages.join(" ")));
    let install = apt().args(["install", "-y", "-q", "--no-install-recommends"]).args(packages);
    let failed = |source| SetupError::Install { packages: packages.to_vec(), source };
    install.run_with(|line| note(&work, line)).map_err(failed)?;
    work.done("");
    Ok(())
}

fn note(work: &crate::voice::Work, line: Option<&str>) {
    if let Some(line) = line {
        work.note(line.chars().take(60).collect::<String>());
    }
}

/// apt that asks nothing, keeps changed configuration files, and waits for another apt to end.
fn apt() -> Call {
    Call::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args([
        "-o",
        "DPkg::Lock::Timeout=300",
        "-o",
        "Dpkg::Options::=--force-confold",
    ])
}

impl Witness {
    fn holds(self) -> bool {
        match self {
            Self::Program(name) => call::find(name).is_some(),
            Self::File(path) => Path::new(path).exists(),
            Self::Module(name) => python_with(name).is_some(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Program(name) | Self::Module(name) | Self::File(name) => name,
        }
    }
}

/// Names in quotes, with commas.
struct Listed<'a>(&'a [&'static str]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_witness_sees_what_is_there_and_what_is_not() {
        assert!(Witness::Program("sh").holds());
        assert!(!Witness::Program("no-such-program").holds());
        assert!(Witness::File("/etc/passwd").holds());
        assert!(!Witness::Module("no_such_module").holds());
    }

    #[test]
    fn who_may_not_install_is_told_what_to_type() {
        let error = SetupError::NotRoot {
            packages: vec!["mmdebstrap", "maven"],
            command: "apt-get install --no-install-recommends mmdebstrap maven".to_owned(),
        };
        let text = error.to_string();
        assert!(text.starts_with("`mmdebstrap`, `maven` not installed"), "{text}");
        assert!(text.ends_with("mmdebstrap maven"), "{text}");
    }

    #[test]
    fn no_room_is_said_with_both_numbers() {
        if is_root() {
            let text = fit(Path::new("/var/no/such/folder"), u64::MAX).unwrap_err().to_string();
            assert!(text.contains("free, and") && text.contains("are needed"), "{text}");
        }
    }
}
