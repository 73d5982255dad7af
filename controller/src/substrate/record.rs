//! What is written down before it is made, and removed by what is written down.
//!
//! One small file a machine and one a network, written beside, synced and renamed. A record lists
//! every thing that its owner may have made: a crash at any moment leaves a record that names at
//! least what exists, and removing a thing that was never made is no error.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cgroup::Limits;
use super::error::{SubstrateError, file};
use super::firewall::Door;
use super::process::Process;

/// The name of a record's file in its folder.
pub(super) const FILE: &str = "record.json";

/// Bytes that are read of a record at most; a real one has a few thousand.
const MOST: u64 = 1 << 20;

/// A thing of the host that we made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Thing {
    /// A folder or a file, with what is in it.
    Path(PathBuf),
    /// A named network namespace.
    Netns(String),
    /// A network device; with a namespace when it is not in the host's own.
    Link {
        /// The namespace's name.
        netns: Option<String>,
        /// The device's name.
        name: String,
    },
    /// A group in every hierarchy.
    Cgroup(String),
    /// An overlay mounted here.
    Overlay(PathBuf),
    /// An nft table of the `inet` family in the host's own namespace.
    Table(String),
    /// The rules of the machine of this index, in both tables.
    Rules(u8),
    /// Our share in the host's `ip_forward`.
    Forwarding(String),
    /// The reserved network number.
    Number(u8),
}

/// What the caller wants of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Wanted {
    /// It shall run; when it ends it is started again.
    Running,
    /// It shall not run.
    Stopped,
}

/// One run of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Run {
    /// The boot of the host in which it was started.
    pub(super) boot: String,
    /// The shell that waits for nspawn's end and writes down how it ended.
    pub(super) keeper: Process,
    /// The machine's first process.
    pub(super) leader: Option<Process>,
}

/// The record of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MachineRecord {
    pub(super) name: String,
    /// Its number in the network: names, address.
    pub(super) index: u8,
    pub(super) address: Ipv4Addr,
    pub(super) netns: String,
    /// Whose machines it belongs to.
    #[serde(default)]
    pub(super) group: String,
    /// The group's number on the switch; zero are all those of a time that knew no groups.
    #[serde(default)]
    pub(super) segment: u8,
    /// What of it may be reached from outside the group.
    #[serde(default)]
    pub(super) doors: Vec<Door>,
    pub(super) uuid: String,
    /// The cached root that lies below.
    pub(super) root: PathBuf,
    pub(super) cores: Option<u32>,
    pub(super) mem_mib: Option<u64>,
    pub(super) binds: Vec<(PathBuf, String, bool)>,
    pub(super) limits: Limits,
    pub(super) wanted: Wanted,
    pub(super) run: Option<Run>,
    /// Why it does not run although it did, in words.
    pub(super) ended: Option<String>,
    /// Everything that may exist because of this machine, in the order of making.
    pub(super) things: Vec<Thing>,
    /// Whether its files were all written; one that was not is only good for removal.
    pub(super) complete: bool,
}

/// The record of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NetworkRecord {
    pub(super) tag: String,
    /// The first two numbers of every address; those of the settings where it knows none.
    #[serde(default)]
    pub(super) prefix: Option<(u8, u8)>,
    pub(super) number: u8,
    /// The index that the next machine gets, unless taken.
    pub(super) next: u8,
    pub(super) things: Vec<Thing>,
}

/// Writes a record so that a crash leaves the old or the new one.
pub(super) fn save<T: Serialize>(folder: &Path, record: &T) -> Result<(), SubstrateError> {
    let path = folder.join(FILE);
    let text = serde_json::to_vec_pretty(record)
        .map_err(|source| SubstrateError::Record { path: path.clone(), source })?;
    publish(&path, &text).map_err(file("write", path))
}

/// Writes a file beside, syncs it, renames it and syncs the folder.
pub(super) fn publish(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut out = fs::File::create(&beside)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Reads a record; none when there is no file.
pub(super) fn load<T: DeserializeOwned>(folder: &Path) -> Result<Option<T>, SubstrateError> {
    use std::io::Read;
    let path = folder.join(FILE);
    let mut text = Vec::new();
    match fs::File::open(&path) {
        Ok(open) => open.take(MOST).read_to_end(&mut text).map_err(file("read", &path))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file("read", path)(error)),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|source| SubstrateError::Record { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_its_absence_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load::<NetworkRecord>(folder.path()).unwrap(), None);
        let record = NetworkRecord {
            tag: "abc".into(),
            prefix: Some((10, 97)),
            number: 7,
            next: 10,
            things: vec![
                Thing::Netns("n".into()),
                Thing::Link { netns: None, name: "l".into() },
                Thing::Overlay("/x".into()),
            ],
        };
        save(folder.path(), &record).unwrap();
        assert_eq!(load(folder.path()).unwrap(), Some(record));
        fs::write(folder.path().join(FILE), b"{}").unwrap();
        assert!(matches!(load::<NetworkRecord>(folder.path()), Err(SubstrateError::Record { .. })));
    }
}
