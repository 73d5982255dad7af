//! Who reaches a machine over the network.
//!
//! ```text
//!                      same group         another group        elsewhere        host, gateway
//!  to a machine        everything         its doors            its doors        everything
//!                      switch, by port    host, as elsewhere   host
//! ```
//!
//! Machines of one *group* (a model) are one network of their own. The switch tells groups apart
//! by the *port* that a frame comes in through and not by what stands in it: root in a machine may
//! change its addresses and routes as it likes, but not its port, and a frame that does not carry
//! the port's own addresses goes nowhere. So no machine can pass for another one, for the gateway
//! or for the host. The host's own table has the rest: what comes from outside the group passes
//! through the host and only where a [`Door`] is. A machine of another group is no nearer than one
//! elsewhere; the host answers for it when it is asked for (`proxy_arp_pvlan`).
//!
//! Each machine has chains of its own behind maps, so that a change costs the rules of one machine
//! and a packet a look into a map, however many machines there are. It is the `bridge` family that
//! does it: whether bridged frames pass the hooks of `inet` is a switch of the host's
//! (`bridge-nf-call-iptables`) that others turn.
//!
//! What this does not hold is a machine that breaks out: it is a privileged container.

use std::net::Ipv4Addr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{SubstrateError, kernel};
use super::network::{self, Network};
use super::record::MachineRecord;
use super::{Inner, Substrate, hold, record, tool};

/// The table in the switch's namespace.
const SWITCH: &str = "muster";

/// What a door is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// All of it.
    Icmp,
    /// These ports, the last one included.
    Tcp(u16, u16),
    /// These ports, the last one included.
    Udp(u16, u16),
}

/// What of a machine may be reached from outside: from any address that is neither one of the
/// machine's own group nor the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Door {
    /// What for.
    pub traffic: Traffic,
    /// From which network: an address, and how many of its bits count.
    pub from: (Ipv4Addr, u8),
}

impl Substrate {
    /// Says what of a machine may be reached from outside; nothing at first. It holds until it is
    /// said anew, over restarts of the machine and of the host.
    ///
    /// # Errors
    ///
    /// [`SubstrateError::Unknown`], and those of the tools.
    pub fn set_doors(&self, name: &str, doors: &[Door]) -> Result<(), SubstrateError> {
        if let Some(door) = doors.iter().find(|door| door.from.1 > 32) {
            let value = format!("{}/{}", door.from.0, door.from.1);
            let rule = "at most 32 bits of an address count";
            return Err(SubstrateError::BadValue { what: "network", value, rule });
        }
        self.ensure_network()?;
        let inner = &self.inner;
        let slot = inner.slot(name);
        let _change = hold(&slot.change);
        let mut record = inner.load(name)?;
        record.doors = doors.to_vec();
        inner.save(&record)?;
        nft(None, &inner.network.door_rules(record.index, doors))
    }
}

impl Inner {
    /// Makes the rules of all machines, as far as they are not there: somebody may have cleared the
    /// host's tables while no controller ran.
    pub(super) fn restore_rules(&self) -> Result<(), SubstrateError> {
        let (mut switch, mut host) = (String::new(), String::new());
        for name in self.names()? {
            let Some(record) = record::load::<MachineRecord>(&self.folder(&name))? else {
                continue;
            };
            if self.runs(&record) {
                switch += &self.network.port_rules(record.index, record.segment);
                host += &self.network.door_rules(record.index, &record.doors);
            }
        }
        nft(Some(&self.network.switch()), &switch)?;
        nft(None, &host)
    }
}

impl Network {
    /// The frame address of a machine: fixed, so that the switch knows it.
    pub(super) fn mac(&self, index: u8) -> String {
        let (first, second) = self.prefix;
        format!("02:6d:{first:02x}:{second:02x}:{:02x}:{index:02x}", self.number)
    }

    /// Whether the host's table is there with what all machines share in it.
    pub(super) fn has_tables(&self) -> bool {
        let table = self.table();
        let whole = |chain: &str, rule: &str| {
            let listed = tool::run("nft", &["list", "chain", "inet", &table, chain]);
            listed.is_ok_and(|text| text.lines().any(|line| line.trim().ends_with(rule)))
        };
        whole("through", "drop") && whole("out", "masquerade")
    }

    /// Makes both tables, or sets what all machines share in them to what it shall be; the rules of
    /// single machines stay.
    pub(super) fn make_tables(&self) -> Result<(), SubstrateError> {
        let switch = self.switch();
        // What comes in through the gateway's namespace would get round the ports.
        network::inside(&switch, "turn forwarding off".to_owned(), || {
            std::fs::write("/proc/sys/net/ipv4/ip_forward", "0")
        })?;
        nft(Some(&switch), &self.switch_rules())?;
        nft(None, &self.host_rules())?;
        // For a machine of another group the host answers, at once, and passes on what may pass.
        let link = self.host_link();
        for (path, value) in [
            (format!("/proc/sys/net/ipv4/conf/{link}/proxy_arp_pvlan"), "1"),
            (format!("/proc/sys/net/ipv4/neigh/{link}/proxy_delay"), "0"),
        ] {
            let what = format!("set `{path}`");
            std::fs::write(Path::new(&path), value).map_err(kernel(what))?;
        }
        Ok(())
    }

    /// The host's table: out with the host's address, in only what was asked for.
    fn host_rules(&self) -> String {
        let (table, host, subnet) = (self.table(), self.host_link(), self.subnet());
        format!(
            "table inet {table} {{\n\
             map machines {{ type ipv4_addr : verdict; }}\n\
             chain out {{ type nat hook postrouting priority srcnat; policy accept; }}\n\
             chain through {{ type filter hook forward priority filter; policy accept; }}\n\
             }}\n\
             flush chain inet {table} out\n\
             flush chain inet {table} through\n\
             table inet {table} {{\n\
             chain out {{\n\
             ip saddr {subnet} oifname != \"{host}\" masquerade\n\
             }}\n\
             chain through {{\n\
             oifname != \"{host}\" return\n\
             ct state established,related accept\n\
             ip daddr vmap @machines\n\
             drop\n\
             }}\n\
             }}\n"
        )
    }

    /// The switch's table: each port only with its own addresses, and to its own group.
    fn switch_rules(&self) -> String {
        let (gateway, uplink) = (self.gateway(), self.uplink());
        format!(
            "table bridge {SWITCH} {{\n\
             map from {{ type ifname : verdict; }}\n\
             map to {{ type ifname : verdict; }}\n\
             map home {{ type ipv4_addr : verdict; }}\n\
             chain enter {{ type filter hook prerouting priority filter; policy drop; }}\n\
             chain local {{ type filter hook input priority filter; policy drop; }}\n\
             chain between {{ type filter hook forward priority filter; policy drop; }}\n\
             chain own {{ type filter hook output priority filter; policy accept; }}\n\
             }}\n\
             flush chain bridge {SWITCH} enter\n\
             flush chain bridge {SWITCH} local\n\
             flush chain bridge {SWITCH} between\n\
             flush chain bridge {SWITCH} own\n\
             table bridge {SWITCH} {{\n\
             chain enter {{\n\
             iifname \"up0\" ether type {{ ip, arp }} accept\n\
             iifname vmap @from\n\
             }}\n\
             chain local {{\n\
             ether type {{ ip, arp }} accept\n\
             }}\n\
             chain between {{\n\
             iifname \"up0\" accept\n\
             oifname vmap @to\n\
             oifname != \"up0\" drop\n\
             ether type ip accept\n\
             arp operation request arp daddr ip {gateway} drop\n\
             arp operation request arp daddr ip vmap @home\n\
             ether type arp accept\n\
             }}\n\
             chain own {{\n\
             oifname \"up0\" arp operation request arp daddr ip != {uplink} drop\n\
             }}\n\
             }}\n"
        )
    }

    /// Makes a machine's rules, in place of those it may have had.
    pub(super) fn make_rules(&self, record: &MachineRecord) -> Result<(), SubstrateError> {
        nft(Some(&self.switch()), &self.port_rules(record.index, record.segment))?;
        nft(None, &self.door_rules(record.index, &record.doors))
    }

    /// The rules of a machine's port, in place of those it may have had.
    ///
    /// Whom the host would answer for must be asked for only where the machine itself is not
    /// asked: `home` keeps questions for the own group away from the host.
    pub(super) fn port_rules(&self, index: u8, segment: u8) -> String {
        let (address, mac) = (self.address(index), self.mac(index));
        let mut rules = String::new();
        for chain in ["from", "to", "home"] {
            rules += &own_chain("bridge", SWITCH, &format!("{chain}-{index}"));
        }
        rules
            + &format!(
                "table bridge {SWITCH} {{\n\
                 chain from-{index} {{\n\
                 ether saddr != {mac} drop\n\
                 ether type ip ip saddr {address} meta mark set {segment} accept\n\
                 ether type arp arp saddr ether {mac} arp saddr ip {address} meta mark set {segment} accept\n\
                 ether type ip6 meta mark set {segment} accept\n\
                 }}\n\
                 chain to-{index} {{\n\
                 meta mark {segment} accept\n\
                 }}\n\
                 chain home-{index} {{\n\
                 meta mark {segment} drop\n\
                 }}\n\
                 }}\n\
                 add element bridge {SWITCH} from {{ \"m{index}\" : jump from-{index} }}\n\
                 add element bridge {SWITCH} to {{ \"m{index}\" : jump to-{index} }}\n\
                 add element bridge {SWITCH} home {{ {address} : jump home-{index} }}\n"
            )
    }

    /// The rules of a machine's doors, in place of those it may have had.
    pub(super) fn door_rules(&self, index: u8, doors: &[Door]) -> String {
        let (table, address) = (self.table(), self.address(index));
        let mut rules = own_chain("inet", &table, &format!("to-{index}"));
        for Door { traffic, from: (network, bits) } in doors {
            let what = match traffic {
                Traffic::Icmp => "meta l4proto icmp".to_owned(),
                Traffic::Tcp(first, last) => format!("tcp dport {first}-{last}"),
                Traffic::Udp(first, last) => format!("udp dport {first}-{last}"),
            };
            rules += &format!(
                "add rule inet {table} to-{index} ip saddr {network}/{bits} {what} accept\n"
            );
        }
        rules + &format!("add element inet {table} machines {{ {address} : jump to-{index} }}\n")
    }

    /// Removes the rules of a machine; none is fine.
    pub(super) fn remove_rules(&self, index: u8) -> Result<(), SubstrateError> {
        let (switch, table, address) = (self.switch(), self.table(), self.address(index));
        if network::is_netns(&switch) && chain_exists(Some(&switch), "bridge", SWITCH, index) {
            let elements = [
                ("from", format!("\"m{index}\"")),
                ("to", format!("\"m{index}\"")),
                ("home", address.to_string()),
            ];
            let mut rules = String::new();
            for (map, key) in elements {
                rules += &format!(
                    "delete element bridge {SWITCH} {map} {{ {key} : jump {map}-{index} }}\n\
                     flush chain bridge {SWITCH} {map}-{index}\n\
                     delete chain bridge {SWITCH} {map}-{index}\n"
                );
            }
            nft(Some(&switch), &rules)?;
        }
        if chain_exists(None, "inet", &table, index) {
            let rules = format!(
                "delete element inet {table} machines {{ {address} : jump to-{index} }}\n\
                 flush chain inet {table} to-{index}\n\
                 delete chain inet {table} to-{index}\n"
            );
            nft(None, &rules)?;
        }
        Ok(())
    }
}

/// Makes a chain that is not there and empties one that is.
fn own_chain(family: &str, table: &str, chain: &str) -> String {
    format!("add chain {family} {table} {chain}\nflush chain {family} {table} {chain}\n")
}

fn chain_exists(netns: Option<&str>, family: &str, table: &str, index: u8) -> bool {
    let chain = format!("to-{index}");
    run(netns, &["list", "chain", family, table, &chain], "").is_ok()
}

/// Hands rules to nft, which takes all of them or none.
fn nft(netns: Option<&str>, rules: &str) -> Result<(), SubstrateError> {
    if rules.is_empty() {
        return Ok(());
    }
    run(netns, &["-f", "-"], rules)
}

fn run(netns: Option<&str>, args: &[&str], input: &str) -> Result<(), SubstrateError> {
    let done = match netns {
        None => tool::run_with("nft", args, input),
        // Not `ip netns exec`, which mounts things (`machines.md` §1).
        Some(netns) => {
            let enter = format!("--net={}", network::netns_path(netns).display());
            let mut line = vec![enter.as_str(), "nft"];
            line.extend(args);
            tool::run_with("nsenter", &line, input)
        }
    };
    done.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        Network { tag: "0123ab".into(), prefix: (10, 97), number: 254 }
    }

    #[test]
    fn every_machine_has_an_address_of_its_own_on_the_wire() {
        assert_eq!(network().mac(10), "02:6d:0a:61:fe:0a");
        assert_ne!(network().mac(11), network().mac(12));
    }

    /// nft reads them without doing anything; needs no rights but to look.
    #[test]
    fn the_rules_are_ones_that_nft_takes() {
        let network = network();
        let doors = [
            Door { traffic: Traffic::Tcp(80, 90), from: (Ipv4Addr::UNSPECIFIED, 0) },
            Door { traffic: Traffic::Udp(53, 53), from: (Ipv4Addr::new(10, 0, 0, 0), 8) },
            Door { traffic: Traffic::Icmp, from: (Ipv4Addr::new(192, 0, 2, 7), 32) },
        ];
        for rules in [
            network.host_rules() + &network.door_rules(10, &doors),
            network.switch_rules() + &network.port_rules(10, 3),
        ] {
            tool::run_with("nft", &["--check", "-f", "-"], &rules).unwrap();
        }
    }

    #[test]
    fn the_rules_of_one_machine_do_not_grow_with_the_others() {
        let rules = network().port_rules(10, 3);
        assert!(!rules.contains("-11"));
        assert!(rules.lines().count() < 30);
    }
}
