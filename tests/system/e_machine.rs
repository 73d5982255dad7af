//! (e) What a machine was asked to have is what its agent finds there; and one that somebody powers off
//! from inside is told of, and comes back. So do the host's rules for machines.

use std::time::{Duration, Instant};

use muster_tests::call::Call;
use muster_tests::demo::{Hand, stand as demo};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::c_controller_killed::{controllers, end};
use crate::stand::{CONTROLLER, OrFail, stand};

const MODEL: &str = "machine";
/// Or it is a matter of a minute.
const ACCURATE: &str = "--timer-property=AccuracySec=10ms";

#[test]
fn e_a_machine_has_what_was_asked_for_and_comes_back_when_it_was_powered_off() {
    let stand = stand();
    let hand = stand.hand.on(MODEL);
    demo::controller(&hand, &stand.voice).or_fail();
    hand.run(&["add-machine", "--constraints", "mem=1G cores=1"]).or_fail();
    hand.run(&["wait-for", "machine", "0", "--timeout", "5m"]).or_fail();
    let machine = machine(&hand);
    let hardware = machine["hardware"].as_str().expect("hardware");
    assert!(hardware.contains(" cores=1 mem=1024M "), "{hardware}");
    assert_eq!(machine["not-enforced"], Value::Null);

    let off = ["systemd-run", "--quiet", "--on-active=1", ACCURATE, "systemctl", "poweroff"];
    hand.run(&[&["exec", "--machine", "0", "--"], &off[..]].concat()).or_fail();
    is(&hand, "error", "it was powered off from inside");
    for pid in controllers() {
        end(pid);
    }
    hand.bare(&["start-controller", CONTROLLER]).run().or_fail();
    is(&hand, "running", "");
    hand.run(&["wait-for", "machine", "0", "--timeout", "5m"]).or_fail();
    assert_eq!(
        hand.run(&["exec", "--machine", "0", "--", "cat", "/etc/hostname"]).or_fail().trim(),
        { machine["hostname"].as_str().expect("a name") }
    );
    let model = format!("{CONTROLLER}:{MODEL}");
    hand.bare(&["destroy-model", &model, "--no-prompt"]).run().or_fail();
}

#[test]
fn e_rules_of_the_host_that_somebody_cleared_are_made_anew() {
    stand();
    let state = format!("/var/lib/muster/controllers/{CONTROLLER}/hosts");
    let tag = hex::encode(Sha256::digest(state.as_bytes()));
    let table = format!("muster_{}", &tag[..8]);
    let nft = |verb: &str| Call::new("nft").args([verb, "table", "inet", &table]).run();
    // Machines' chains stand in the order in which they were made.
    let sorted = |text: String| {
        let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines
    };
    let before = sorted(nft("list").or_fail());
    nft("delete").or_fail();
    let began = Instant::now();
    while nft("list").ok().map(sorted).as_ref() != Some(&before) {
        assert!(began.elapsed() < Duration::from_secs(60), "the rules did not come back");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn machine(hand: &Hand) -> Value {
    hand.status().or_fail()["machines"]["0"].clone()
}

/// Looks again and again until the substrate says so of the machine.
#[track_caller]
fn is(hand: &Hand, current: &str, message: &str) {
    let began = Instant::now();
    loop {
        let status = machine(hand)["machine-status"].clone();
        let said = status["message"].as_str().unwrap_or_default();
        if status["current"] == current && said.starts_with(message) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "not {current}: {status}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
