//! The network of the machines: all of it inside namespaces that we make.
//!
//! ```text
//!  host namespace                 muster-sw-<tag>                  muster-<tag>-<index>
//!  mh-<tag> 10.97.n.254 ──veth── up0 ┐
//!     │ nft: masquerade, doors       ├ br0 10.97.n.1 ── m<index> ──veth── eth0 10.97.n.<index>
//!     ▼ ip_forward                   ┘   controller and package cache listen here; nft: groups
//! ```
//!
//! Nothing of ours listens on an address of the host's own namespace. Machines leave through the
//! host, which reaches them directly; who else reaches them is told in `firewall.rs`.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use super::error::{SubstrateError, file, kernel};
use super::record::{MachineRecord, Thing};
use super::shared::{remove_file, shared_lock, use_forwarding};
use super::tool;

/// Where named network namespaces are.
const NETNS: &str = "/run/netns";

/// Indices a machine may have: below are the switch and what may come, above the host.
pub(super) const INDICES: std::ops::RangeInclusive<u8> = 10..=250;

/// The addresses and names that follow from a tag and a number.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// The short hash of the state root.
    pub(super) tag: String,
    /// The first two numbers of every address.
    pub(super) prefix: (u8, u8),
    /// The third.
    pub(super) number: u8,
}

impl Network {
    fn at(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(self.prefix.0, self.prefix.1, self.number, last)
    }

    /// Where controller and package cache listen.
    pub(super) fn gateway(&self) -> Ipv4Addr {
        self.at(1)
    }

    /// The host's side, and the machines' way out.
    pub(super) fn uplink(&self) -> Ipv4Addr {
        self.at(254)
    }

    /// The address of a machine.
    pub(super) fn address(&self, index: u8) -> Ipv4Addr {
        self.at(index)
    }

    /// The whole network.
    pub(super) fn subnet(&self) -> String {
        format!("{}/24", self.at(0))
    }

    /// The switch's namespace.
    pub(super) fn switch(&self) -> String {
        format!("muster-sw-{}", self.tag)
    }

    /// A machine's namespace.
    pub(super) fn netns(&self, index: u8) -> String {
        format!("muster-{}-{index}", self.tag)
    }

    pub(super) fn host_link(&self) -> String {
        format!("mh-{}", self.tag)
    }

    pub(super) fn table(&self) -> String {
        format!("muster_{}", self.tag)
    }

    /// Everything that [`Network::make`] may make, in its order.
    pub(super) fn things(&self) -> Vec<Thing> {
        vec![
            Thing::Number(self.number),
            Thing::Netns(self.switch()),
            Thing::Link { netns: None, name: self.host_link() },
            Thing::Table(self.table()),
            Thing::Forwarding(self.tag.clone()),
        ]
    }

    /// Makes what is not there yet; `step` is told of each thing once it is made.
    ///
    /// # Errors
    ///
    /// A tool's or the kernel's own, or what `step` says.
    pub(super) fn make(
        &self,
        step: &dyn Fn(&str) -> Result<(), SubstrateError>,
    ) -> Result<(), SubstrateError> {
        let _shared = shared_lock()?;
        let switch = self.switch();
        if make_netns(&switch)? {
            ip(&["-n", &switch, "link", "set", "lo", "up"])?;
        }
        step("switch namespace")?;
        let mtu = mtu().to_string();
        // One end may be what is left of a namespace that is being taken down.
        if !link_exists(None, &self.host_link()) || !link_exists(Some(&switch), "up0") {
            let host = self.host_link();
            remove_link(None, &host)?;
            let end = ["mtu", &mtu, "type", "veth", "peer", "name", "up0", "mtu", &mtu];
            let mut args = vec!["link", "add", &host];
            args.extend(end);
            args.extend(["netns", &switch]);
            ip(&args)?;
        }
        step("host link")?;
        if !link_exists(Some(&switch), "br0") {
            ip(&["-n", &switch, "link", "add", "br0", "mtu", &mtu, "type", "bridge"])?;
        }
        ip(&["-n", &switch, "link", "set", "up0", "master", "br0", "up"])?;
        let gateway = format!("{}/24", self.gateway());
        ip(&["-n", &switch, "address", "replace", &gateway, "dev", "br0"])?;
        ip(&["-n", &switch, "link", "set", "br0", "up"])?;
        ip(&["-n", &switch, "route", "replace", "default", "via", &self.uplink().to_string()])?;
        let uplink = format!("{}/24", self.uplink());
        let host = self.host_link();
        ip(&["address", "replace", &uplink, "dev", &host])?;
        ip(&["link", "set", &host, "up"])?;
        step("switch")?;
        self.make_tables()?;
        step("tables")?;
        use_forwarding(&self.tag)?;
        step("forwarding")
    }

    /// Everything that [`Network::plug`] may make.
    pub(super) fn machine_things(&self, index: u8) -> Vec<Thing> {
        vec![
            Thing::Netns(self.netns(index)),
            Thing::Link { netns: Some(self.switch()), name: format!("m{index}") },
            Thing::Rules(index),
        ]
    }

    /// Gives a machine its namespace and plugs it into the switch, unless that was done.
    ///
    /// # Errors
    ///
    /// As [`Network::make`].
    pub(super) fn plug(
        &self,
        record: &MachineRecord,
        step: &dyn Fn(&str) -> Result<(), SubstrateError>,
    ) -> Result<(), SubstrateError> {
        let index = record.index;
        let (switch, netns, port) = (self.switch(), self.netns(index), format!("m{index}"));
        {
            let _shared = shared_lock()?;
            make_netns(&netns)?;
        }
        step("namespace")?;
        let mtu = mtu().to_string();
        if !link_exists(Some(&switch), &port) || !link_exists(Some(&netns), "eth0") {
            remove_link(Some(&switch), &port)?;
            let mut args = vec!["-n", &switch, "link", "add", &port, "mtu", &mtu];
            args.extend(["type", "veth", "peer", "name", "eth0", "mtu", &mtu, "netns", &netns]);
            ip(&args)?;
        }
        step("link")?;
        // Before the port is: what has no rules goes nowhere.
        self.make_rules(record)?;
        step("rules")?;
        ip(&["-n", &switch, "link", "set", &port, "master", "br0", "up"])?;
        let address = format!("{}/24", self.address(index));
        ip(&["-n", &netns, "link", "set", "lo", "up"])?;
        ip(&["-n", &netns, "address", "replace", &address, "dev", "eth0"])?;
        ip(&["-n", &netns, "link", "set", "eth0", "address", &self.mac(index), "up"])?;
        ip(&["-n", &netns, "route", "replace", "default", "via", &self.uplink().to_string()])?;
        step("address")
    }

    /// Opens a listening socket inside the switch, on the gateway address.
    ///
    /// # Errors
    ///
    /// [`SubstrateError::Kernel`], in particular when the port is taken.
    pub(super) fn listen(&self, port: u16) -> Result<TcpListener, SubstrateError> {
        let address = SocketAddr::V4(SocketAddrV4::new(self.gateway(), port));
        inside(&self.switch(), format!("listen on {address}"), move || TcpListener::bind(address))
    }
}

/// Runs something in a thread that has entered a network namespace; sockets made there stay there.
pub(super) fn inside<T: Send + 'static>(
    netns: &str,
    what: String,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, SubstrateError> {
    let path = netns_path(netns);
    let open = fs::File::open(&path).map_err(file("open", path))?;
    std::thread::Builder::new()
        .name("netns".into())
        .spawn(move || {
            setns(open, CloneFlags::CLONE_NEWNET)?;
            work()
        })
        .map_err(kernel("start a thread"))?
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread panicked")))
        .map_err(kernel(what))
}

/// The file by which a named network namespace is entered.
pub(super) fn netns_path(netns: &str) -> PathBuf {
    Path::new(NETNS).join(netns)
}

fn ip(args: &[&str]) -> Result<(), SubstrateError> {
    tool::run("ip", args).map(drop)
}

fn make_netns(name: &str) -> Result<bool, SubstrateError> {
    if is_netns(name) {
        return Ok(false);
    }
    // A crash between making the file and mounting the namespace onto it leaves the file.
    remove_file(&netns_path(name))?;
    ip(&["netns", "add", name]).map(|()| true)
}

pub(super) fn is_netns(name: &str) -> bool {
    let proc = rustix::fs::PROC_SUPER_MAGIC;
    rustix::fs::statfs(netns_path(name))
        .is_ok_and(|stat| stat.f_type == proc || stat.f_type == NSFS)
}

/// `NSFS_MAGIC` of `linux/magic.h`.
const NSFS: rustix::fs::FsWord = 0x6e73_6673;

fn link_exists(netns: Option<&str>, name: &str) -> bool {
    let mut args = Vec::new();
    if let Some(netns) = netns {
        args.extend(["-n", netns]);
    }
    args.extend(["link", "show", "dev", name]);
    tool::run("ip", &args).is_ok()
}

/// Bytes of a frame that pass on the way out: larger ones would be lost without a word where
/// somebody drops the messages about them.
fn mtu() -> u32 {
    let read = || {
        let routes = fs::read_to_string("/proc/net/route").ok()?;
        let device = routes.lines().skip(1).find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let device = fields.next()?;
            (fields.next()? == "00000000").then(|| device.to_owned())
        })?;
        fs::read_to_string(format!("/sys/class/net/{device}/mtu")).ok()?.trim().parse().ok()
    };
    read().unwrap_or(1500).clamp(576, 1500)
}

/// Removes a network namespace; none is fine.
pub(super) fn remove_netns(name: &str) -> Result<(), SubstrateError> {
    let _shared = shared_lock()?;
    if is_netns(name) {
        ip(&["netns", "delete", name])?;
    }
    remove_file(&netns_path(name))
}

/// Removes a network device; none is fine.
pub(super) fn remove_link(netns: Option<&str>, name: &str) -> Result<(), SubstrateError> {
    if netns.is_some_and(|netns| !is_netns(netns)) || !link_exists(netns, name) {
        return Ok(());
    }
    let mut args = Vec::new();
    if let Some(netns) = netns {
        args.extend(["-n", netns]);
    }
    args.extend(["link", "delete", "dev", name]);
    match ip(&args) {
        // The other end may have gone with its namespace between the look and the removal.
        Err(_) if !link_exists(netns, name) => Ok(()),
        other => other,
    }
}

/// Removes an nft table; none is fine.
pub(super) fn remove_table(name: &str) -> Result<(), SubstrateError> {
    // Making it first makes the removal of a missing one no error.
    let rules = format!("table inet {name} {{}}\ndelete table inet {name}\n");
    tool::run_with("nft", &["-f", "-"], &rules).map(drop)
}

/// The name servers that machines can reach: a host's own stub on a loopback address is not one.
pub(super) fn name_servers() -> Vec<String> {
    for path in ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"] {
        let servers = parse_resolv(&fs::read_to_string(path).unwrap_or_default());
        if !servers.is_empty() {
            return servers;
        }
    }
    Vec::new()
}

fn parse_resolv(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.trim().parse::<Ipv4Addr>().ok())
        .filter(|address| !address.is_loopback() && !address.is_unspecified())
        .map(|address| address.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_name_servers_are_left_out() {
        let text = "# x\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver ::1\nsearch a\n";
        assert_eq!(parse_resolv(text), ["10.0.0.2"]);
    }

    #[test]
    fn names_fit_into_what_the_kernel_takes() {
        let network = Network { tag: "0123ab".into(), prefix: (10, 97), number: 254 };
        assert!(network.host_link().len() <= 15);
        assert_eq!(network.subnet(), "10.97.254.0/24");
        assert_eq!(network.address(10), Ipv4Addr::new(10, 97, 254, 10));
    }
}
