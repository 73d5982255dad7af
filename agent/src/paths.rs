//! Where things lie on a machine (hook contract, section 1.13).
//!
//! What charms look for lies where they look for it, below `juju`; what is only ours lies below
//! `muster`. Every root is a setting, so that several agents can live on one machine in tests.

use std::path::{Path, PathBuf};

use muster_model::name::{MachineId, StorageId, UnitName};
use muster_resources::Digest;

/// The roots, and what lies below them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `/var/lib/juju`: what charms look for.
    pub juju: PathBuf,
    /// `/var/lib/muster/agent`: what is only ours.
    pub muster: PathBuf,
    /// `/var/log/juju`: the units' logs.
    pub logs: PathBuf,
    /// `/usr/bin`: where `juju-exec` and `juju-run` are put. None: nowhere.
    pub programs: Option<PathBuf>,
}

impl Paths {
    /// The places on an ordinary machine.
    #[must_use]
    pub fn usual() -> Paths {
        Paths {
            juju: "/var/lib/juju".into(),
            muster: "/var/lib/muster/agent".into(),
            logs: "/var/log/juju".into(),
            programs: Some("/usr/bin".into()),
        }
    }

    /// A unit's folder: its charm, its resources, its socket.
    #[must_use]
    pub fn unit(&self, unit: &UnitName) -> PathBuf {
        self.juju.join("agents").join(unit.tag())
    }

    /// A unit's charm.
    #[must_use]
    pub fn charm(&self, unit: &UnitName) -> PathBuf {
        self.unit(unit).join("charm")
    }

    /// A unit's resources; each has a folder of its own there.
    #[must_use]
    pub fn resources(&self, unit: &UnitName) -> PathBuf {
        self.unit(unit).join("resources")
    }

    /// Where a unit's tools reach the agent.
    #[must_use]
    pub fn socket(&self, unit: &UnitName) -> PathBuf {
        self.unit(unit).join("agent.socket")
    }

    /// The tools of all units: a link for each. What is not one of the places that charms know.
    #[must_use]
    pub fn all_tools(&self) -> PathBuf {
        self.juju.join("tools").join("muster")
    }

    /// A unit's tools, which come first in its `PATH`: a link to those of all units.
    #[must_use]
    pub fn tools(&self, unit: &UnitName) -> PathBuf {
        self.juju.join("tools").join(unit.tag())
    }

    /// Where charms look for `jujud`, to ask it for its version.
    #[must_use]
    pub fn machine_tools(&self, machine: MachineId) -> PathBuf {
        self.juju.join("tools").join(format!("machine-{machine}"))
    }

    /// Where a file system without a place of its own is mounted.
    #[must_use]
    pub fn storage(&self) -> PathBuf {
        self.juju.join("storage")
    }

    /// A unit's log.
    #[must_use]
    pub fn log(&self, unit: &UnitName) -> PathBuf {
        self.logs.join(format!("{}.log", unit.tag()))
    }

    /// Which logs this agent has begun, an empty file for each: they outlive their units.
    #[must_use]
    pub fn log_notes(&self) -> PathBuf {
        self.muster.join("logs")
    }

    /// What only the agent knows of a unit.
    #[must_use]
    pub fn private(&self, unit: &UnitName) -> PathBuf {
        self.units().join(unit.tag())
    }

    /// What only the agent knows of its units.
    #[must_use]
    pub fn units(&self) -> PathBuf {
        self.muster.join("units")
    }

    /// Blobs by digest, fetched once for all units.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.muster.join("blobs")
    }

    /// Unpacked resources by digest, so that the next unit's unpacking is a copy.
    #[must_use]
    pub fn tree(&self, digest: &Digest, strip: usize) -> PathBuf {
        self.muster.join("trees").join(format!("{digest}-{strip}"))
    }

    /// Backing files, and folders of storage without a file system of its own.
    #[must_use]
    pub fn backing(&self, storage: &StorageId) -> PathBuf {
        self.backings().join(format!("{}-{}", storage.name, storage.number))
    }

    /// The folder of [`Paths::backing`].
    #[must_use]
    pub fn backings(&self) -> PathBuf {
        self.muster.join("storage")
    }

    /// Data that outlives the machine that it was made for; no agent looks here.
    #[must_use]
    pub fn kept(&self) -> PathBuf {
        self.muster.join("kept")
    }

    /// Links to devices, whose names stay while the devices' numbers change.
    #[must_use]
    pub fn device(&self, storage: &StorageId) -> PathBuf {
        self.devices().join(format!("{}-{}", storage.name, storage.number))
    }

    /// The folder of [`Paths::device`].
    #[must_use]
    pub fn devices(&self) -> PathBuf {
        self.muster.join("devices")
    }

    /// Log lines that the controller has not taken yet.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.muster.join("spool")
    }

    /// What this agent has started and not cleared away.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.muster.join("runs")
    }

    /// Who this agent is.
    #[must_use]
    pub fn identity(&self) -> PathBuf {
        self.muster.join("identity.json")
    }

    /// Where `juju-exec` reaches the agent from outside of hooks.
    #[must_use]
    pub fn exec_socket(&self) -> PathBuf {
        self.juju.join("exec.socket")
    }
}

/// Makes a folder that only root may enter.
pub fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

/// What is in a folder, in order; nothing, if it is not there.
pub(crate) fn entries(folder: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
    let found = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        found => found?,
    };
    let mut names = Vec::new();
    for entry in found {
        names.push(entry?.file_name());
    }
    names.sort();
    Ok(names)
}

/// Removes whatever is at a path, or nothing: a folder with what is in it, unless something foreign is
/// mounted there; of a link the link.
pub(crate) fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.is_dir() => remove_folder(path),
        Ok(_) => std::fs::remove_file(path),
    }
}

/// Removes a folder unless something foreign is mounted in it: what is under a mount is not ours.
fn remove_folder(folder: &Path) -> std::io::Result<()> {
    if let Some(point) = crate::mount::mounted_below(folder)?.first() {
        let what = format!("`{}` is still mounted", point.display());
        return Err(std::io::Error::other(what));
    }
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
