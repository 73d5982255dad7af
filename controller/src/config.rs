//! Configuration: fragments from file, environment and flags, then settings that cannot be wrong.

mod image;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use muster_resources::Reader;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::substrate::Images;

/// Why there are no settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A fragment could not be read, or holds a value of another type; the message names where it
    /// came from.
    #[error("cannot read the configuration")]
    Read(#[source] Box<figment::Error>),
    /// A value that cannot be.
    #[error("cannot use `{key} = {value}`: {rule}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
}

/// Where the records of machines are, in the data directory.
pub(crate) const HOSTS: &str = "hosts";

/// Where the agents of this host itself are, in the data directory.
pub(crate) const THIS_HOST: &str = "this-host";

/// What a fragment may say; everything has a default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Fragment {
    data_dir: PathBuf,
    listen: SocketAddr,
    substrate: String,
    machine_prefix: String,
    machine_mirror: String,
    image: BTreeMap<String, image::Section>,
    cache_dir: PathBuf,
    agent: PathBuf,
    log: String,
    parallel_machines: usize,
}

impl Default for Fragment {
    fn default() -> Self {
        Fragment {
            data_dir: PathBuf::from("/var/lib/muster/controller"),
            listen: SocketAddr::from(([127, 0, 0, 1], 17070)),
            substrate: "nspawn".to_owned(),
            machine_prefix: "10.97".to_owned(),
            machine_mirror: String::new(),
            image: BTreeMap::new(),
            cache_dir: PathBuf::from("/var/cache/muster"),
            agent: PathBuf::new(),
            log: "info".to_owned(),
            parallel_machines: 4,
        }
    }
}

/// How a controller runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it keeps everything.
    pub data_dir: PathBuf,
    /// Where clients reach it; a loopback address unless an operator said otherwise.
    pub listen: SocketAddr,
    /// How it makes machines.
    pub substrate: SubstrateChoice,
    /// The agent's binary, which machines run. The one beside the controller's, by default.
    pub agent: PathBuf,
    /// Who reads archives: a child, where `main` knows how to be one.
    pub reader: Reader,
    /// What is logged, in `tracing`'s filter language.
    pub log: String,
    /// Machines that are made at the same time.
    pub parallel_machines: usize,
    /// How long things are waited for.
    pub times: Times,
    /// How much is taken on at a time.
    pub limits: Limits,
}

/// How long things are waited for. The defaults are the product's; a test is in a hurry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long a poll with nothing new is held.
    pub poll: Duration,
    /// How long a machine may be quiet before it counts as silent: a held poll and a margin.
    pub quiet: Duration,
    /// How often silence is looked for.
    pub beat: Duration,
    /// How long a client may take for the TLS handshake (S1).
    pub handshake: Duration,
    /// How long a request's head may take to come, once its first byte is there (S1).
    pub head: Duration,
    /// How long a connection may be open without a request.
    pub idle: Duration,
    /// How long an upload may send nothing.
    pub stall: Duration,
    /// How soon after a right was taken away what is under way with it ends (S33: 5 seconds).
    pub revocation: Duration,
    /// How long an operator waits for a machine's agent to take a shell.
    pub shell: Duration,
    /// How long requests that have begun may take once the controller is to end.
    pub grace: Duration,
    /// How often what has outlived its use is pruned.
    pub tidying: Duration,
    /// How long bytes that no record names are kept.
    pub unnamed: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            poll: muster_api::client::POLL,
            quiet: Duration::from_secs(40),
            beat: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            revocation: Duration::from_secs(2),
            shell: Duration::from_secs(20),
            grace: Duration::from_secs(30),
            tidying: Duration::from_secs(60),
            unnamed: Duration::from_secs(24 * 3600),
        }
    }
}

/// How much is taken on at a time (reliability document, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections.
    pub connections: usize,
    /// Connections from one address.
    pub per_address: usize,
    /// Connections from this host, whose programs share one address.
    pub per_loopback: usize,
    /// Uploads of one user.
    pub uploads: usize,
    /// Watches of one session: waits, and logs that are followed.
    pub watches: usize,
    /// Bytes of one model's log; then the older half is dropped.
    pub log: u64,
    /// Bytes that must be free where the store is, so that a checkpoint and the deletion that frees
    /// more still find room (R12). With less, nothing is written and reads go on.
    pub reserve: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 10_000,
            per_address: 256,
            per_loopback: 4096,
            uploads: 8,
            watches: 64,
            log: 20 << 20,
            reserve: 32 << 20,
        }
    }
}

/// How a controller makes machines.
#[derive(Clone, Debug)]
pub enum SubstrateChoice {
    /// Not at all: machines are joined by hand.
    None,
    /// System containers on this host.
    Nspawn {
        /// Where they live.
        state_root: PathBuf,
        /// Where what can be made again lives.
        cache_root: PathBuf,
        /// The first two numbers of their addresses.
        prefix: (u8, u8),
        /// What the machines of each base are made from.
        images: Images,
    },
}

/// Reads the settings: `controller.toml` in the data directory (or `file`), over it environment
/// variables that begin with `MUSTER_CONTROLLER_`, over them what the command line gave.
///
/// # Errors
/// If a fragment cannot be read or a value cannot be.
pub fn load(
    file: Option<&Path>,
    flags: &BTreeMap<String, String>,
) -> Result<Settings, ConfigError> {
    let base = Figment::from(Serialized::defaults(Fragment::default()))
        .merge(Env::prefixed("MUSTER_CONTROLLER_").map(|key| key.as_str().replace('_', "-").into()))
        .merge(Serialized::defaults(flags));
    let read = |source: figment::Error| ConfigError::Read(Box::new(source));
    let folder: PathBuf = base.extract_inner("data-dir").map_err(read)?;
    let file = file.map_or_else(|| folder.join("controller.toml"), Path::to_owned);
    let fragment: Fragment = Figment::from(Serialized::defaults(Fragment::default()))
        .merge(Toml::file(file))
        .merge(Env::prefixed("MUSTER_CONTROLLER_").map(|key| key.as_str().replace('_', "-").into()))
        .merge(Serialized::defaults(flags))
        .extract()
        .map_err(read)?;
    settings(fragment)
}

fn settings(fragment: Fragment) -> Result<Settings, ConfigError> {
    let mirror = Some(fragment.machine_mirror.as_str()).filter(|mirror| !mirror.is_empty());
    let substrate = match fragment.substrate.as_str() {
        "none" => SubstrateChoice::None,
        "nspawn" => SubstrateChoice::Nspawn {
            state_root: fragment.data_dir.join(HOSTS),
            cache_root: fragment.cache_dir,
            prefix: prefix(&fragment.machine_prefix)?,
            images: image::images(mirror, fragment.image)?,
        },
        other => {
            let value = other.to_owned();
            let rule = "it is `nspawn` or `none`";
            return Err(ConfigError::Value { key: "substrate", value, rule });
        }
    };
    if fragment.parallel_machines == 0 {
        let (value, rule) = ("0".to_owned(), "at least one machine at a time is made");
        return Err(ConfigError::Value { key: "parallel-machines", value, rule });
    }
    let agent = if fragment.agent.as_os_str().is_empty() { beside() } else { fragment.agent };
    Ok(Settings {
        data_dir: fragment.data_dir,
        listen: fragment.listen,
        substrate,
        agent,
        reader: Reader::Here,
        log: fragment.log,
        parallel_machines: fragment.parallel_machines,
        times: Times::default(),
        limits: Limits::default(),
    })
}

/// The agent's binary beside the controller's own.
fn beside() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("muster-controller"));
    own.with_file_name("muster-agent")
}

fn prefix(text: &str) -> Result<(u8, u8), ConfigError> {
    let bad = || ConfigError::Value {
        key: "machine-prefix",
        value: text.to_owned(),
        rule: "it is two numbers below 256, such as 10.97",
    };
    let (first, second) = text.split_once('.').ok_or_else(bad)?;
    Ok((first.parse().map_err(|_| bad())?, second.parse().map_err(|_| bad())?))
}
