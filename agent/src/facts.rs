//! What the machine is, as the kernel tells: name, addresses, hardware, base, boot.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::LazyLock;

use muster_charms::Base;
use muster_model::record::{Address, Hardware};
use muster_model::report::FactsReport;

/// Where the machine's own control groups begin: what is written there holds for all of it.
const GROUPS: &str = "/sys/fs/cgroup";

/// The facts at this moment.
pub(crate) fn gather(boot: &str, root: &Path) -> FactsReport {
    FactsReport {
        hostname: nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .unwrap_or_default(),
        addresses: addresses(),
        hardware: hardware(root),
        base: read_base(),
        boot_id: boot.to_owned(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        trouble: String::new(),
    }
}

/// The kernel's id for the present boot; containers of a host share it, so the time at which the
/// container's first process began tells them apart.
pub(crate) fn boot_id() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let first = fs::read_to_string("/proc/1/stat").unwrap_or_default();
    // The name in the second field may hold blanks; it ends with the last bracket.
    let start = first.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19));
    format!("{}-{}", kernel.trim(), start.unwrap_or("0"))
}

fn hardware(root: &Path) -> Hardware {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let groups = Path::new(GROUPS);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let cores = u32::try_from(cores).unwrap_or(u32::MAX);
    let disk = rustix::fs::statvfs(root).map_or(0, |disk| (disk.f_blocks * disk.f_frsize) >> 20);
    Hardware {
        arch: arch.to_owned(),
        cores: cores_within(groups).map_or(cores, |limit| limit.min(cores)),
        mem_mib: memory_within(groups).unwrap_or(u64::MAX).min(memory_mib()),
        root_disk_mib: disk,
    }
}

/// The kernel's memory, in MiB.
fn memory_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok())
        .map_or(0, |kib| kib >> 10)
}

/// The memory that the machine's control groups leave it, in MiB. In version 1 no limit is a number
/// that no machine has.
fn memory_within(groups: &Path) -> Option<u64> {
    let limit =
        number(groups, "memory.max").or_else(|| number(groups, "memory/memory.limit_in_bytes"))?;
    u64::try_from(limit).ok().map(|bytes| bytes >> 20)
}

/// The cores that the machine's control groups leave it; a part of one counts as one.
fn cores_within(groups: &Path) -> Option<u32> {
    let (quota, period) = match fs::read_to_string(groups.join("cpu.max")) {
        Ok(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse().ok()?, period.parse().ok()?)
        }
        Err(_) => {
            (number(groups, "cpu/cpu.cfs_quota_us")?, number(groups, "cpu/cpu.cfs_period_us")?)
        }
    };
    let (quota, period) = (u64::try_from(quota).ok()?, u64::try_from(period).ok()?);
    u32::try_from(quota.checked_div(period)? + u64::from(quota % period > 0)).ok()
}

fn number(groups: &Path, file: &str) -> Option<i64> {
    fs::read_to_string(groups.join(file)).ok()?.trim().parse().ok()
}

fn read_base() -> Option<Base> {
    base(&fs::read_to_string("/etc/os-release").unwrap_or_default())
}

/// What this machine runs; it does not change under a running agent.
pub(crate) fn own_base() -> Option<&'static Base> {
    static OWN: LazyLock<Option<Base>> = LazyLock::new(read_base);
    OWN.as_ref()
}

/// The `TERM` of hooks (hook contract, section 3.2).
pub(crate) fn terminal(base: Option<&Base>) -> &'static str {
    let release = |base: &Base| base.track().split('.').next()?.parse::<u32>().ok();
    match base {
        Some(base) if base.name == "ubuntu" => "tmux-256color",
        Some(base) if base.name == "centos" => match release(base) {
            Some(..=7) => "screen-256color",
            _ => "tmux-256color",
        },
        _ => "screen",
    }
}

/// `debian@12` from `ID` and `VERSION_ID`.
fn base(os_release: &str) -> Option<Base> {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    format!("{}@{}", value("ID")?, value("VERSION_ID")?).parse().ok()
}

/// Addresses that others can use: no loopback, no link-local; version 4 before 6. Interfaces that
/// only join containers of this machine come last.
fn addresses() -> Vec<Address> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let mut found: Vec<Address> = all
        .filter_map(|entry| {
            let address = ip(entry.address.as_ref()?)?;
            let mask = entry.netmask.as_ref().and_then(ip);
            usable(&address).then(|| Address {
                value: address,
                cidr: cidr(address, mask),
                mac: mac(&entry.interface_name),
                interface: entry.interface_name,
            })
        })
        .collect();
    let inner = |name: &str| {
        ["docker", "lxdbr", "virbr", "br-", "veth", "cni"].iter().any(|own| name.starts_with(own))
    };
    found.sort_by_key(|address| (inner(&address.interface), address.value.is_ipv6()));
    found
}

fn ip(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    if let Some(four) = address.as_sockaddr_in() {
        return Some(IpAddr::V4(four.ip()));
    }
    address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip()))
}

fn usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => !four.is_loopback() && !four.is_link_local() && !four.is_unspecified(),
        IpAddr::V6(six) => {
            !six.is_loopback() && !six.is_unspecified() && six.segments()[0] & 0xffc0 != 0xfe80
        }
    }
}

fn cidr(address: IpAddr, mask: Option<IpAddr>) -> String {
    match (address, mask) {
        (IpAddr::V4(address), Some(IpAddr::V4(mask))) => {
            let network = std::net::Ipv4Addr::from_bits(address.to_bits() & mask.to_bits());
            format!("{network}/{}", mask.to_bits().count_ones())
        }
        (IpAddr::V6(address), Some(IpAddr::V6(mask))) => {
            let network = std::net::Ipv6Addr::from_bits(address.to_bits() & mask.to_bits());
            format!("{network}/{}", mask.to_bits().count_ones())
        }
        (address, _) => format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }),
    }
}

fn mac(interface: &str) -> String {
    let path = format!("/sys/class/net/{interface}/address");
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_cut_from_addresses() {
        let cut = |address: &str, mask: &str| cidr(address.parse().unwrap(), mask.parse().ok());
        assert_eq!(cut("10.1.2.3", "255.255.255.0"), "10.1.2.0/24");
        assert_eq!(cut("fd00::1:2", "ffff:ffff:ffff:ffff::"), "fd00::/64");
        assert_eq!(cut("10.1.2.3", ""), "10.1.2.3/32");
    }

    #[test]
    fn the_base_is_read_from_its_file() {
        let text = "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n";
        assert!(base(text).unwrap().to_string().starts_with("debian@12"));
        assert!(base("").is_none());
    }

    fn limits(files: &[(&str, &str)]) -> (Option<u32>, Option<u64>) {
        let groups = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = groups.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        }
        (cores_within(groups.path()), memory_within(groups.path()))
    }

    #[test]
    fn a_machine_has_what_its_control_groups_leave_it() {
        assert_eq!(limits(&[]), (None, None));
        let two = [("cpu.max", "150000 100000"), ("memory.max", "536870912")];
        assert_eq!(limits(&two), (Some(2), Some(512)));
        assert_eq!(limits(&[("cpu.max", "max 100000"), ("memory.max", "max")]), (None, None));
        let one = [
            ("cpu/cpu.cfs_quota_us", "100000"),
            ("cpu/cpu.cfs_period_us", "100000"),
            ("memory/memory.limit_in_bytes", "536870912"),
        ];
        assert_eq!(limits(&one), (Some(1), Some(512)));
        let unlimited = [
            ("cpu/cpu.cfs_quota_us", "-1"),
            ("cpu/cpu.cfs_period_us", "100000"),
            ("memory/memory.limit_in_bytes", "9223372036854771712"),
        ];
        assert_eq!(limits(&unlimited), (None, Some(8796093022207)));
        assert_eq!(limits(&[("cpu.max", "100000 0")]).0, None);
    }

    /// Hook contract E08.
    #[test]
    fn the_terminal_is_the_one_that_the_base_has() {
        let of = |text: &str| terminal(Some(&text.parse().unwrap()));
        assert_eq!(of("ubuntu@20.04"), "tmux-256color");
        assert_eq!(of("centos@9"), "tmux-256color");
        assert_eq!(of("centos@7/stable"), "screen-256color");
        assert_eq!(of("debian@12"), "screen");
        assert_eq!(terminal(None), "screen");
    }

    #[test]
    fn a_boot_has_an_id() {
        assert!(boot_id().len() > 30);
        assert_eq!(boot_id(), boot_id());
    }
}
