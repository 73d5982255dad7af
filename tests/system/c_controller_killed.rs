//! (c) The controller is killed during a deploy, and started again.

use std::fs;
use std::os::fd::AsFd;

use muster_tests::demo::stand;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::PidfdFlags;

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
        end(pid);
    }
    hand.bare(&["start-controller", CONTROLLER]).run().or_fail();
    stand::counted(&hand, "hello", 2, &stand.voice).or_fail();
    assert_eq!(units(&hand, "hello"), ["hello/0", "hello/1"]);
    hand.bare(&["destroy-model", &format!("{CONTROLLER}:interrupted"), "--no-prompt"])
        .run()
        .or_fail();
}

/// Kills a process and waits until it is over.
pub(crate) fn end(pid: i32) {
    let own = rustix::process::Pid::from_raw(pid).expect("a process");
    let watch = rustix::process::pidfd_open(own, PidfdFlags::empty()).expect("it is there");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is there");
    let mut watched = [PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)];
    let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
    assert_eq!(poll(&mut watched, Some(&patience)), Ok(1), "it outlived SIGKILL");
}

/// The processes that serve this test's controller.
pub(crate) fn controllers() -> Vec<i32> {
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
