//! What a caller says of a machine, and is told.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use muster_charms::Base;

use super::cgroup::Limits;
use super::error::SubstrateError;
use super::firewall::Door;

/// What a machine shall be.
#[derive(Clone, Debug, Default)]
pub struct HostSpec {
    /// Its name and host name: 1 to 40 of `a-z`, `0-9`, `-`.
    pub name: String,
    /// Whose machines it belongs to: those of one group reach each other, others only its doors.
    pub group: String,
    /// Its base, which says of which image it is made; the usual one when there is none.
    pub base: Option<Base>,
    /// Whole processors it may use at most.
    pub cores: Option<u32>,
    /// MiB of memory it may use at most.
    pub mem_mib: Option<u64>,
    /// Files that it has from the start. Not below `/run` or `/tmp`, which are made at each boot.
    pub files: Vec<HostFile>,
    /// What of this host it sees.
    pub binds: Vec<HostBind>,
    /// Who may log in as root: lines of `authorized_keys`.
    pub authorized_keys: Vec<String>,
}

/// A file written into a machine before its first start.
#[derive(Clone, Debug)]
pub struct HostFile {
    /// Where, absolute, inside the machine.
    pub path: String,
    /// Its permission bits.
    pub mode: u32,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A file or folder of this host that is seen inside a machine.
#[derive(Clone, Debug)]
pub struct HostBind {
    /// Which, on this host.
    pub from: PathBuf,
    /// Where, absolute, inside the machine.
    pub to: String,
    /// Whether it can only be read there.
    pub read_only: bool,
}

/// A machine as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its address on `eth0`.
    pub address: Ipv4Addr,
    /// The name of its network namespace.
    pub netns: String,
    /// The file by which that is entered.
    pub netns_path: PathBuf,
    /// Its root, as this host sees it while the machine is mounted.
    pub root: PathBuf,
    /// What it wrote to its console.
    pub console: PathBuf,
    /// Whether it runs.
    pub state: HostState,
    /// What became of the limits that were asked for.
    pub limits: Limits,
    /// What of it may be reached from outside its group.
    pub doors: Vec<Door>,
}

/// Whether a machine runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostState {
    /// It runs; this is its first process, as this host numbers it, once that is known.
    Running {
        /// The process.
        leader: Option<u32>,
    },
    /// It was stopped.
    Stopped,
    /// It shall run and does not, or it ended by itself; in words.
    Ended(String),
    /// Its making was cut off; it can only be removed.
    Incomplete,
}

impl HostSpec {
    /// Whether a machine can be made from this.
    ///
    /// # Errors
    ///
    /// [`SubstrateError::BadName`] and [`SubstrateError::BadValue`].
    pub(super) fn check(&self) -> Result<(), SubstrateError> {
        check_name(&self.name)?;
        let bad = |what, value: &dyn ToString, rule| {
            Err(SubstrateError::BadValue { what, value: value.to_string(), rule })
        };
        if let Some(cores) = self.cores
            && !(1..=4096).contains(&cores)
        {
            return bad("cores", &cores, "1 to 4096");
        }
        if let Some(mem) = self.mem_mib
            && !(32..=1 << 24).contains(&mem)
        {
            return bad("mem", &mem, "32 MiB, below which systemd does not start, to 16 TiB");
        }
        for file in &self.files {
            check_file(&file.path)?;
        }
        for bind in &self.binds {
            inside(&bind.to)?;
            if !bind.from.is_absolute() || !bind.from.exists() {
                return bad("bind", &bind.from.display(), "an absolute path that exists");
            }
        }
        for key in &self.authorized_keys {
            if key.contains(['\n', '\r', '\0']) {
                return bad("authorized key", key, "one line");
            }
        }
        Ok(())
    }
}

/// Whether a file can be at this path of a machine from the start.
///
/// # Errors
///
/// [`SubstrateError::BadValue`].
pub(crate) fn check_file(path: &str) -> Result<(), SubstrateError> {
    inside(path)?;
    let anew = ["/run/", "/tmp/", "/dev/", "/proc/", "/sys/"];
    if anew.iter().any(|folder| path.starts_with(folder)) {
        let rule = "that folder is made anew at each start";
        return Err(SubstrateError::BadValue { what: "file", value: path.to_owned(), rule });
    }
    Ok(())
}

fn inside(path: &str) -> Result<(), SubstrateError> {
    let plain = path.starts_with('/')
        && !path.contains(['\0', '\n'])
        && !path.split('/').any(|part| part == "..");
    if plain {
        return Ok(());
    }
    Err(SubstrateError::BadValue {
        what: "path",
        value: path.to_owned(),
        rule: "absolute, without `..`",
    })
}

/// Whether this can be a machine's name: it becomes a folder, a group and a host name.
pub(super) fn check_name(name: &str) -> Result<(), SubstrateError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = name.starts_with('-') || name.ends_with('-');
    if (1..=40).contains(&name.len()) && name.chars().all(plain) && !edge {
        return Ok(());
    }
    Err(SubstrateError::BadName { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_a_host_can_be_called() {
        for good in ["a", "0", "juju-0", &"a".repeat(40)] {
            check_name(good).unwrap();
        }
        for bad in ["", "-a", "a-", "A", "a/b", "..", "a.b", &"a".repeat(41)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn impossible_machines_are_refused_with_the_rule() {
        let spec = HostSpec { name: "a".into(), ..HostSpec::default() };
        spec.check().unwrap();
        for (bad, word) in [
            (HostSpec { cores: Some(0), ..spec.clone() }, "cores"),
            (HostSpec { mem_mib: Some(1), ..spec.clone() }, "mem"),
            (HostSpec { authorized_keys: vec!["a\nb".into()], ..spec.clone() }, "one line"),
            (
                HostSpec {
                    files: vec![HostFile { path: "/a/../b".into(), mode: 0o644, bytes: vec![] }],
                    ..spec.clone()
                },
                "..",
            ),
            (
                HostSpec {
                    files: vec![HostFile { path: "/run/x".into(), mode: 0o644, bytes: vec![] }],
                    ..spec
                },
                "anew",
            ),
        ] {
            let said = bad.check().unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
    }
}
