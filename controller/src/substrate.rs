//! Machines on this host: system containers with real systemd, an address and a network namespace
//! of their own, over the cached root of their base.
//!
//! ```text
//! open ─▶ ensure_root ─▶ create ─▶ supervised run ─▶ stop, start, restart ─▶ destroy
//!           once          │ record first, then make     ▲ reboot inside        │ by record
//!                         └──────── one folder a machine, `record.json` ───────┘
//! ```
//!
//! The disk is the truth: a record lists every thing of a machine before it is made
//! (`record.rs`), so any crash is an ordinary start, and removal goes by the record. Machines
//! outlive the controller and are found again by the next one; after a reboot of the host they are
//! started again by [`Substrate::revive`]. Machines are *privileged* containers: root inside is
//! root on the host for whoever is determined (`machines.md`, "Machines: what a host is").
//!
//! Everything here blocks; callers choose the thread. Names on the host carry a short hash of the
//! state root, so that two of them live beside each other.

pub mod apt_cache;

mod cgroup;
mod error;
mod exec;
mod firewall;
mod host;
mod image;
mod launch;
mod machine;
mod making;
mod network;
mod overlay;
mod process;
mod record;
mod removal;
mod root;
mod settings;
mod shared;
mod sources;
mod supervise;
mod tool;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_charms::Base;
use rustix::event::EventfdFlags;
use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};

pub use cgroup::{Enforcement, Limits};
pub use error::SubstrateError;
pub use exec::{Exec, Output};
pub use firewall::{Door, Traffic};
pub(crate) use host::check_file;
pub use host::{Host, HostBind, HostFile, HostSpec, HostState};
pub use image::{Image, Images, Wanted};
pub use machine::Revived;
pub use root::{PACKAGES, Progress};
pub use settings::{Interrupt, Settings};

use apt_cache::AptCache;
use error::{file, kernel};
use network::Network;
use record::{NetworkRecord, Thing};

/// Where the package cache listens, on the gateway address.
pub const APT_CACHE_PORT: u16 = 3142;

/// The machines of one state root. Cheap to clone; the last handle lets go of the state root and
/// leaves the machines running.
#[derive(Clone, Debug)]
pub struct Substrate {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    state: PathBuf,
    network: Network,
    boot: String,
    hierarchies: Vec<cgroup::Hierarchy>,
    /// One lock a machine, held while it is changed.
    slots: Mutex<BTreeMap<String, Arc<machine::Slot>>>,
    /// Held while an index is chosen, or the network is changed.
    shape: Mutex<Shape>,
    apt: Mutex<Option<AptCache>>,
    /// Told of machines that ended or came back without being asked to.
    turns: Mutex<Option<Turns>>,
    /// Readable once the last handle is gone: supervisors leave.
    stop: Arc<OwnedFd>,
    _lock: fs::File,
}

type Turns = Box<dyn Fn(&str) + Send + Sync>;

/// What is known of the network in this process.
#[derive(Debug, Default)]
struct Shape {
    /// The rules of machines that run already were seen to.
    restored: bool,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = rustix::io::write(&*self.stop, &1u64.to_ne_bytes()) {
            tracing::warn!(%error, "supervisors were not told to leave");
        }
    }
}

impl Substrate {
    /// Takes hold of a state root, and of the machines that run in it already.
    ///
    /// Needs root. Makes the state root, reserves a network number, makes nothing else.
    ///
    /// # Errors
    ///
    /// [`SubstrateError::InUse`] when another process holds it.
    pub fn open(settings: Settings) -> Result<Substrate, SubstrateError> {
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true).mode(0o700);
        folder.create(&settings.state_root).map_err(file("make", &settings.state_root))?;
        let state =
            settings.state_root.canonicalize().map_err(file("find", &settings.state_root))?;
        let lock = lock_state(&state)?;
        let machines = state.join("machines");
        folder.create(&machines).map_err(file("make", machines))?;
        let network = network_of(&settings, &state)?;
        let stop = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(kernel("make an eventfd"))?;
        let substrate = Substrate {
            inner: Arc::new(Inner {
                boot: process::boot_id().map_err(kernel("read the boot id"))?,
                hierarchies: cgroup::hierarchies().map_err(kernel("read the mounts"))?,
                settings,
                state,
                network,
                slots: Mutex::default(),
                shape: Mutex::default(),
                apt: Mutex::default(),
                turns: Mutex::default(),
                stop: Arc::new(stop),
                _lock: lock,
            }),
        };
        substrate.adopt()?;
        Ok(substrate)
    }

    /// Gives the cached root of a base's machines, making it when it is not there: half a minute and
    /// 300 MB.
    ///
    /// Installs the tools that this host lacks, saying so first. Safe to interrupt, and to call
    /// from several processes at once.
    ///
    /// # Errors
    ///
    /// Those of the tools; [`SubstrateError::NoImage`], [`SubstrateError::NoMirror`],
    /// [`SubstrateError::NoKeyring`].
    pub fn ensure_root(
        &self,
        base: Option<&Base>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, SubstrateError> {
        let settings = &self.inner.settings;
        root::ensure(settings, settings.images.of(base)?, progress)
    }

    /// Makes the network, where it is not there, and starts the package cache.
    ///
    /// # Errors
    ///
    /// Those of the tools.
    pub fn ensure_network(&self) -> Result<(), SubstrateError> {
        let inner = &self.inner;
        let mut shape = hold(&inner.shape);
        // After kill_all there is no record any more, and nothing is made off it.
        if record::load::<NetworkRecord>(&inner.state)?.is_none() {
            return Err(SubstrateError::Unknown { name: "network".into() });
        }
        inner.make_runtime()?;
        // Somebody who clears the host's tables clears those of single machines, too.
        shape.restored &= inner.network.has_tables();
        inner.network.make(&|step| inner.step(step))?;
        if !shape.restored {
            inner.restore_rules()?;
            shape.restored = true;
        }
        let mut apt = hold(&inner.apt);
        if inner.settings.apt_cache && apt.is_none() {
            let listener = inner.network.listen(APT_CACHE_PORT)?;
            let settings = &inner.settings;
            // Whoever has no mirrors has no root, and is told so there.
            let of_each = settings.images.iter().filter_map(|image| sources::lines(image).ok());
            let lines: Vec<String> = of_each.flatten().collect();
            let upstream = apt_cache::Upstream {
                proxy: settings.http_proxy.clone(),
                secure: sources::secure(&lines),
                allow_loopback: false,
            };
            let folder = inner.settings.cache_root.join("apt");
            *apt = Some(
                AptCache::start(listener, &folder, &upstream)
                    .map_err(kernel("start the package cache"))?,
            );
        }
        Ok(())
    }

    /// Has `tell` called, from now on, with the name of each machine that has ended or come back without
    /// being asked to. It is called with the machine held, so it must neither block nor ask the substrate.
    pub fn on_turn(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        *hold(&self.inner.turns) = Some(Box::new(tell));
    }

    /// Makes the host's rules anew, with the doors of all machines, where somebody has cleared them, as a
    /// reload of the host's own firewall does. Until then machines are reached by everybody, and reach
    /// nobody outside. Answers whether that was so.
    ///
    /// # Errors
    ///
    /// Those of the tools.
    pub fn mend_rules(&self) -> Result<bool, SubstrateError> {
        if self.inner.network.has_tables() {
            return Ok(false);
        }
        self.ensure_network().map(|()| true)
    }

    /// Opens a listening socket on the gateway address, inside the switch's namespace: machines
    /// and this host reach it, nobody else.
    ///
    /// # Errors
    ///
    /// When the network is not there, or the port is taken.
    pub fn listen(&self, port: u16) -> Result<TcpListener, SubstrateError> {
        self.ensure_network()?;
        self.inner.network.listen(port)
    }

    /// The address that [`Substrate::listen`] listens on.
    pub fn gateway(&self) -> Ipv4Addr {
        self.inner.network.gateway()
    }

    /// The file by which the switch's namespace is entered: `nsenter --net=<this>`.
    pub fn netns_path(&self) -> PathBuf {
        network::netns_path(&self.inner.network.switch())
    }

    /// The short hash of the state root that names on the host carry.
    pub fn tag(&self) -> &str {
        &self.inner.network.tag
    }
}

impl Inner {
    fn runtime(&self) -> PathBuf {
        Path::new("/run/muster").join(&self.network.tag)
    }

    fn make_runtime(&self) -> Result<(), SubstrateError> {
        let path = self.runtime();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(file("make", path))
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.state.join("machines").join(name)
    }

    /// The control group of a machine, in every hierarchy.
    fn group(&self, name: &str) -> String {
        format!("muster-{}/{name}", self.network.tag)
    }

    fn step(&self, step: &str) -> Result<(), SubstrateError> {
        match &self.settings.interrupt {
            Some(Interrupt(asked)) if asked(step) => {
                Err(SubstrateError::Interrupted { step: step.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// The names of all machines that have a folder.
    fn names(&self) -> Result<Vec<String>, SubstrateError> {
        let machines = self.state.join("machines");
        let entries = match fs::read_dir(&machines) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(file("list", machines)(error)),
        };
        let mut names: Vec<_> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }
}

/// How long a state root that is held is asked for again: a supervisor may be at its last words
/// when the last handle goes, and tells nobody when it is done.
const LOCK_WITHIN: Duration = Duration::from_secs(2);

fn lock_state(state: &Path) -> Result<fs::File, SubstrateError> {
    let path = state.join("lock");
    let lock = fs::File::create(&path).map_err(file("open", &path))?;
    let began = std::time::Instant::now();
    while let Err(error) = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        if error != rustix::io::Errno::WOULDBLOCK {
            return Err(file("lock", path)(error.into()));
        }
        if began.elapsed() > LOCK_WITHIN {
            return Err(SubstrateError::InUse { path: state.to_owned() });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(lock)
}

/// The network of a state root: as recorded, or a new one that is recorded now.
fn network_of(settings: &Settings, state: &Path) -> Result<Network, SubstrateError> {
    let tag = hex::encode(Sha256::digest(state.to_string_lossy().as_bytes()));
    let tag = tag.get(..8).unwrap_or(&tag).to_owned();
    let known = record::load::<NetworkRecord>(state)?;
    let begin = known.as_ref().map_or_else(
        || u8::from_str_radix(tag.get(..2).unwrap_or("0"), 16).unwrap_or(0) % 254,
        |record| record.number - 1,
    );
    // Addresses that were given out stay, whatever the settings say by now.
    let prefix = known.as_ref().and_then(|record| record.prefix).unwrap_or(settings.prefix);
    let network = |number| Network { tag: tag.clone(), prefix, number };
    if let Some(record) = known {
        return Ok(network(record.number));
    }
    let network = network(shared::reserve_number(settings.prefix, begin, state)?);
    let mut things = network.things();
    things.push(Thing::Path(Path::new("/run/muster").join(&tag)));
    let next = *network::INDICES.start();
    record::save(
        state,
        &NetworkRecord { tag, prefix: Some(prefix), number: network.number, next, things },
    )?;
    Ok(network)
}

/// Locks; what a thread that panicked left behind is on disk and read anew.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
