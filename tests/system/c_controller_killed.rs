//! (c) The controller is killed during a deploy, and started again.

use std::fs;

use muster_tests::call::Call;
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
    let [(pid, command)] = controllers.as_slice() else {
        panic!("one controller serves this test: {controllers:?}");
    };
    kill(Pid::from_raw(*pid), Signal::SIGKILL).expect("the controller was there");
    start_again(command);
    stand::counted(&hand, "hello", 2, &stand.voice).or_fail();
    assert_eq!(units(&hand, "hello"), ["hello/0", "hello/1"]);
    hand.bare(&["destroy-model", &format!("{CONTROLLER}:interrupted"), "--no-prompt"])
        .run()
        .or_fail();
}

/// What a supervisor does: the same command once more, with nobody to wait for it.
fn start_again(command: &[String]) {
    let log = std::env::temp_dir().join("muster-controller-again.log");
    let script = "exec setsid --fork \"$@\" >>\"$0\" 2>&1";
    Call::new("sh").args(["-c", script]).arg(&log).args(command).run().or_fail();
}

/// The processes that serve this test's controller, with their command lines.
fn controllers() -> Vec<(i32, Vec<String>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("processes").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<String> = line.split_terminator('\0').map(str::to_owned).collect();
        let ours = words.iter().any(|word| word.contains(CONTROLLER));
        if name.starts_with("muster-controll") && ours {
            found.push((pid, words));
        }
    }
    found
}
