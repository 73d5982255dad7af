//! Machines of another base than the usual one.

use muster_controller::substrate::{HostSpec, Substrate, SubstrateError};

use crate::world::{World, ok, sh, spec};

fn of_base(name: &str, base: &str) -> HostSpec {
    HostSpec { base: Some(base.parse().unwrap()), ..spec(name) }
}

/// Issue 3: a machine presents itself as the base that charms look for, and goes on doing so when
/// packages are renewed; what its root is in truth can be read there, too.
#[test]
fn a_machine_of_ubuntu_without_a_mirror_says_that_it_is_ubuntu() {
    let world = World::new();
    let substrate = world.get();
    let none = substrate.create(&of_base("none", "centos@9"));
    assert!(matches!(none, Err(SubstrateError::NoImage { .. })), "{none:?}");
    let mut said = Vec::new();
    let base = "ubuntu@22.04".parse().unwrap();
    let root = substrate.ensure_root(Some(&base), &mut |p| said.push(p.to_string())).unwrap();
    let again = substrate.ensure_root(Some(&base), &mut |p| panic!("made again: {p}")).unwrap();
    assert_eq!(root, again);
    let usual = substrate.ensure_root(None, &mut |_| {}).unwrap();
    assert_ne!(root, usual, "one root for each image");
    substrate.create(&of_base("jammy", "ubuntu@22.04/edge")).unwrap();
    substrate.create(&spec("usual")).unwrap();

    assert_eq!(ok(substrate, "jammy", "systemctl is-system-running"), "running");
    looks_like_ubuntu(substrate);
    assert_eq!(ok(substrate, "usual", ". /etc/os-release; echo $ID $VERSION_ID"), "debian 12");
    assert_ne!(sh(substrate, "usual", "test -e /etc/lsb-release").0, 0);

    // base-files has /usr/lib/os-release: unpacked again, as by an upgrade, it leaves ours alone.
    ok(
        substrate,
        "jammy",
        "apt-get -q update && apt-get -q -y install --reinstall base-files && apt-get -q -y upgrade",
    );
    looks_like_ubuntu(substrate);
    assert!(ok(substrate, "jammy", "cat /usr/lib/os-release.distrib").contains("ID=debian"));

    // What layer:basic makes its environment with is there, without asking a mirror.
    ok(substrate, "jammy", "python3 -m venv /tmp/v && /tmp/v/bin/pip --version && pip3 --version");
    ok(substrate, "jammy", "python3 -c 'import setuptools, pkg_resources, distutils'");
    world.end();
}

fn looks_like_ubuntu(substrate: &Substrate) {
    let os = ". /etc/os-release; echo $NAME $ID $VERSION_ID $VERSION_CODENAME $VARIANT_ID";
    assert_eq!(ok(substrate, "jammy", os), "Ubuntu ubuntu 22.04 jammy muster-debian-12");
    let lsb = ". /etc/lsb-release; echo $DISTRIB_ID $DISTRIB_RELEASE $DISTRIB_CODENAME";
    assert_eq!(ok(substrate, "jammy", lsb), "Ubuntu 22.04 jammy");
    assert_eq!(ok(substrate, "jammy", "lsb_release -sc"), "jammy");
}

/// A release that is not the host's comes from the same mirrors.
#[test]
fn a_machine_of_debian_13_is_one() {
    let world = World::new();
    let substrate = world.get();
    substrate.create(&of_base("trixie", "debian@13")).unwrap();
    assert_eq!(ok(substrate, "trixie", ". /etc/os-release; echo $ID $VERSION_ID"), "debian 13");
    assert_eq!(ok(substrate, "trixie", "systemctl is-system-running"), "running");
    let policy = ok(substrate, "trixie", "apt-get -q update && apt-cache policy hello");
    assert!(policy.contains("trixie"), "{policy}");
    ok(substrate, "trixie", "python3 -m venv /tmp/v && python3 -c 'import setuptools, distutils'");
    world.end();
}
