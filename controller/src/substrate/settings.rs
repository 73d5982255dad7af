//! What may be said of how machines are made.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Images;

/// How machines of a state root are made. Everything has a default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where machines live: records, layers, consoles.
    pub state_root: PathBuf,
    /// Where what can be made again lives: roots, packages. May be shared by state roots.
    pub cache_root: PathBuf,
    /// The first two numbers of the machines' addresses.
    pub prefix: (u8, u8),
    /// What the machines of each base are made from.
    pub images: Images,
    /// A proxy that this host needs to reach the mirrors, `http://…`.
    pub http_proxy: Option<String>,
    /// Name servers of the machines; those of the host when there are none.
    pub name_servers: Vec<Ipv4Addr>,
    /// Whether machines get their packages through the shared cache.
    pub apt_cache: bool,
    /// How long a machine may take to come up.
    pub boot_timeout: Duration,
    /// How long a machine may take to end by itself before it is killed.
    pub stop_timeout: Duration,
    /// For tests: asked after each step, by its name; yes stops there, as a crash would.
    pub interrupt: Option<Interrupt>,
}

/// A question asked after each step of making things; see [`Settings::interrupt`].
#[derive(Clone)]
pub struct Interrupt(pub Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interrupt")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            state_root: "/var/lib/muster/hosts".into(),
            cache_root: "/var/cache/muster".into(),
            prefix: (10, 97),
            images: Images::default(),
            http_proxy: None,
            name_servers: Vec::new(),
            apt_cache: true,
            // A machine is up in half a second; twenty at once on two cores took 5.5.
            boot_timeout: Duration::from_secs(120),
            stop_timeout: Duration::from_secs(30),
            interrupt: None,
        }
    }
}
