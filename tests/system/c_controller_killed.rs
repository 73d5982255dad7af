//! (c) The controller is killed during a deploy, and started again.

use std::fs;

use muster_tests::demo::stand;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stand::{CONTROLLER, OrFail, stand as the_stand, units};

#[test]
fn c_a_controller_killed_in_the_middle_of_a_deploy_goes_on_where_it_was() {
    let stand = the_stand();
    let hand = stand.hand.on("interrupted");
    stand::controller(&hand, &stand.voice).or_fail();
    let charm = format!("{}/charms/hello", env!("CARGO_MANIFEST_DIR").trim_end_matches("/tests"));
    hand.run(&["deploy", &charm, "-n", "2"]).or_fail();
    // Accepted, and nothing of it done: machines are not even made.
    let controllers = controllers();
    assert_eq!(controllers.len(), 1, "one controller serves this test");
    for pid in controllers {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the controller was there");
    }
    hand.bare(&["start-controller", CONTROLLER]).run().or_fail();
    stand::counted(&hand, "hello", 2, &stand.voice).or_fail();
    assert_eq!(units(&hand, "hello"), ["hello/0", "hello/1"]);
    hand.bare(&["destroy-model", &format!("{CONTROLLER}:interrupted"), "--no-prompt"])
        .run()
        .or_fail();
}

/// The processes that serve this test's controller.
fn controllers() -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let ours = String::from_utf8_lossy(&line).contains(CONTROLLER);
        if name.starts_with("muster-controll") && ours {
            found.push(pid);
        }
    }
    found
}
