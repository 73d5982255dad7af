//! (h) A host with systemd: the controller is a service there and comes back with the host.
//!
//! The host is one of our own machines. It makes no machines itself: that those come back after a
//! reboot is tried in the controller's own tests of the substrate.

use std::time::{Duration, Instant};

use muster_controller::substrate::{Exec, HostBind, HostSpec, Settings, Substrate};
use muster_tests::demo::{Place, build};
use muster_tests::voice::Voice;

use crate::stand::OrFail;

const HOST: &str = "host";

/// Runs it on the host and gives what it printed.
#[track_caller]
fn on(substrate: &Substrate, line: &str) -> String {
    let output = tried(substrate, line);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status, 0, "`{line}`: {}{words}", output.text());
    output.text().trim().to_owned()
}

fn tried(substrate: &Substrate, line: &str) -> muster_controller::substrate::Output {
    let exec = Exec {
        argv: ["sh", "-c", line].map(str::to_owned).to_vec(),
        env: vec![("JUJU_DATA".to_owned(), "/root/client".to_owned())],
        stdin: Vec::new(),
        within: Duration::from_secs(120),
    };
    substrate.exec_with(HOST, &exec).or_fail()
}

#[test]
fn h_1_the_controller_comes_back_with_its_host() {
    let place = Place { profile: "debug".to_owned(), ..Place::of_this_program() };
    let program = build::binaries(&place, &Voice::new()).or_fail();
    let programs = program.parent().expect("a folder").to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { state_root: folder.path().join("hosts"), ..Settings::default() };
    let substrate = Substrate::open(settings).or_fail();
    let bind = HostBind { from: programs, to: "/opt/muster".to_owned(), read_only: true };
    let spec = HostSpec { name: HOST.to_owned(), binds: vec![bind], ..HostSpec::default() };
    let _removed = Removed(substrate.clone());
    substrate.create(&spec).or_fail();
    comes_back(&substrate);
}

/// Whatever becomes of the test, nothing of it stays.
struct Removed(Substrate);

impl Drop for Removed {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill_all() {
            eprintln!("left on this host: {error}");
        }
    }
}

fn comes_back(substrate: &Substrate) {
    let muster = "/opt/muster/muster";
    on(substrate, &format!("{muster} bootstrap localhost here --config substrate=none"));
    on(substrate, &format!("{muster} add-model kept"));
    let unit = on(substrate, "systemctl list-units --plain --no-legend 'muster-controller-*'");
    let unit = unit.split_ascii_whitespace().next().expect("a service").to_owned();
    assert_eq!(on(substrate, &format!("systemctl is-active {unit}")), "active");
    assert_eq!(on(substrate, &format!("systemctl is-enabled {unit}")), "enabled");
    on(substrate, &format!("systemd-analyze verify /etc/systemd/system/{unit}"));
    let said = on(substrate, &format!("{muster} start-controller here 2>&1"));
    assert!(said.contains("runs already"), "{said}");

    // Killed hard, it is started again; ended by the administrator, it stays so until it is asked.
    let number = format!("systemctl show --value --property MainPID {unit}");
    let before = on(substrate, &number);
    on(substrate, &format!("kill -9 {before}"));
    answers(substrate);
    assert_ne!(on(substrate, &number), before);
    on(substrate, &format!("systemctl stop {unit}"));
    assert_ne!(tried(substrate, &format!("{muster} models")).status, 0);
    on(substrate, &format!("{muster} start-controller here"));
    answers(substrate);

    substrate.restart(HOST).or_fail();
    answers(substrate);
    let models = on(substrate, &format!("{muster} models"));
    assert!(models.contains("kept"), "{models}");

    on(substrate, &format!("{muster} kill-controller here --no-prompt"));
    assert_eq!(on(substrate, "ls /etc/systemd/system | grep -c muster-controller || true"), "0");
    assert_ne!(tried(substrate, &format!("systemctl cat {unit}")).status, 0);
    assert_ne!(tried(substrate, "test -e /var/lib/muster").status, 0, "nothing of ours is left");

    // One that cannot run is said to be so, and leaves nothing behind.
    let broken =
        format!("{muster} bootstrap localhost bad --config substrate=none --config log=[ 2>&1");
    let failed = tried(substrate, &broken);
    assert_ne!(failed.status, 0);
    assert!(failed.text().contains("did not start"), "{}", failed.text());
    assert_eq!(on(substrate, "ls /etc/systemd/system | grep -c muster-controller || true"), "0");
    assert_ne!(tried(substrate, "test -e /var/lib/muster").status, 0, "nothing of ours is left");
}

/// Waits until the controller answers: a service that is started again tells nobody when it does.
#[track_caller]
fn answers(substrate: &Substrate) {
    let began = Instant::now();
    while tried(substrate, "/opt/muster/muster models").status != 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "the controller did not come back");
        std::thread::sleep(Duration::from_millis(200));
    }
}
