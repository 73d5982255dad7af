//! (i) A bootstrap that is cut off or fails, and a controller that cannot be started any more: nothing of
//! them is ever out of reach.
//!
//! Each has a client store of its own. A small program stands before the controller's and kills the
//! command that calls it at a step of the bootstrap.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use muster_tests::call::{Call, Spoken};
use muster_tests::demo::{Place, build};
use muster_tests::voice::Voice;

use crate::c_controller_killed::end;
use crate::stand::OrFail;
use crate::traces::Traces;

/// The controller's name.
const NAME: &str = "cut";

/// Where the command is killed, which is the parent of the program that stands before the controller's.
/// The last one lets the controller serve first.
const STEPS: [&str; 5] = ["before init", "after init", "before run", "in run", "serving"];

const BEFORE: &str = r#"#!/bin/sh
step=$(cat "$STEP")
case "$step:$1" in
"before init:init") kill -9 $PPID; exit 1 ;;
"after init:init") "$REAL" "$@"; kill -9 $PPID; exit 0 ;;
"before run:run") kill -9 $PPID; exit 1 ;;
"in run:run") kill -9 $PPID ;;
"serving:run")
    caller=$PPID
    kill -STOP $caller
    ( until grep -q serving "$3/controller.log"; do sleep 0.01; done; kill -9 $caller ) &
    ;;
esac
exec "$REAL" "$@"
"#;

struct Desk {
    folder: tempfile::TempDir,
    programs: PathBuf,
    before: Traces,
}

impl Desk {
    fn new() -> Desk {
        let place = Place { profile: "debug".to_owned(), ..Place::of_this_program() };
        let program = build::binaries(&place, &Voice::new()).or_fail();
        let folder = tempfile::tempdir().expect("a folder");
        let before = folder.path().join("before");
        fs::write(&before, BEFORE).expect("a program");
        fs::set_permissions(&before, fs::Permissions::from_mode(0o755)).expect("a program");
        let programs = program.parent().expect("a folder").to_owned();
        Desk { folder, programs, before: Traces::of_this_host() }
    }

    fn muster(&self, words: &[&str]) -> Call {
        Call::new(self.programs.join("muster"))
            .args(words)
            .env("JUJU_DATA", self.folder.path().join("client"))
    }

    /// The same, where whoever calls the controller's program may be killed for it.
    fn at(&self, step: &str, words: &[&str]) -> Spoken {
        fs::write(self.folder.path().join("step"), step).expect("a step");
        self.muster(words)
            .env("STEP", self.folder.path().join("step"))
            .env("REAL", self.programs.join("muster-controller"))
            .env("MUSTER_CONTROLLER", self.folder.path().join("before"))
            .speak(|_| {})
            .or_fail()
    }

    fn leaves_nothing(&self) {
        let mut left = Traces::of_this_host().beyond(&self.before);
        // Agents of other tests may run on this host at the same time, with their hooks and volumes.
        let others = |line: &String| line.contains("/muster-run-") || line.contains(" /tmp/");
        left.retain(|line| !others(line) && !line.starts_with("process "));
        left.extend(processes().into_iter().map(|(pid, line)| format!("process {pid} {line}")));
        assert!(left.is_empty(), "left on this host:\n{}", left.join("\n"));
        let known = self.muster(&["controllers", "--format", "json"]).run().or_fail();
        assert!(!known.contains(NAME), "{known}");
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Without asking whether there is one: a test that failed leaves it.
        drop(self.muster(&["kill-controller", NAME, "--no-prompt"]).speak(|_| {}));
    }
}

fn data() -> PathBuf {
    Path::new("/var/lib/muster/controllers").join(NAME)
}

/// Every process whose command line names the controller's folder: the controller itself, and what
/// runs its machines.
fn processes() -> Vec<(i32, String)> {
    let folder = data().display().to_string();
    let named = |pid: i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(&folder).then_some((pid, line))
    };
    let numbers = fs::read_dir("/proc").expect("processes").flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(named).collect()
}

#[test]
fn i_1_a_bootstrap_that_was_cut_off_is_gone_on_with_or_removed() {
    let desk = Desk::new();
    for step in STEPS {
        for goes_on in [true, false] {
            let cut = desk.at(step, &["bootstrap", "localhost", NAME]);
            assert!(!cut.status.success(), "{step}: it was not cut off");
            let known = desk.muster(&["controllers", "--format", "json"]).run().or_fail();
            assert!(known.contains(NAME), "{step}: {known}");
            let used = desk.muster(&["models", "--controller", NAME]).speak(|_| {}).or_fail();
            let said = used.tail.join("\n");
            assert!(said.contains("is not whole") && said.contains("kill-controller"), "{said}");
            if goes_on {
                desk.muster(&["bootstrap", "localhost", NAME]).run().or_fail();
                desk.muster(&["add-model", "one", "--controller", NAME]).run().or_fail();
                let again = desk.muster(&["bootstrap", "localhost", NAME]).speak(|_| {}).or_fail();
                assert!(again.tail.join("\n").contains("already exists"), "{:?}", again.tail);
            }
            desk.muster(&["kill-controller", NAME, "--no-prompt"]).run().or_fail();
            desk.leaves_nothing();
        }
    }
}

#[test]
fn i_2_a_host_that_cannot_make_machines_is_told_of_and_nothing_stays() {
    let desk = Desk::new();
    let cache = format!("cache-dir={}", desk.folder.path().join("cache").display());
    let began = Instant::now();
    let words = ["bootstrap", "localhost", NAME, "--config", &cache];
    let words = [&words[..], &["--config", "machine-mirror=http://127.0.0.1:9/debian"]].concat();
    let failed = desk.muster(&words).speak(|_| {}).or_fail();
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
    let said = failed.tail.join("\n");
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(
        said.contains("this host cannot make machines") && said.contains("mmdebstrap"),
        "{said}"
    );
    assert!(said.contains("run the same command again"), "{said}");
    desk.leaves_nothing();

    // One that shall stay is gone on with, with what was mended.
    let failed = desk.muster(&words).arg("--keep-broken").speak(|_| {}).or_fail();
    assert_eq!(failed.status.code(), Some(1));
    assert!(data().exists());
    let mended = ["bootstrap", "localhost", NAME, "--config", "log=info"];
    desk.muster(&mended).run().or_fail();
    desk.muster(&["kill-controller", NAME, "--no-prompt"]).run().or_fail();
    desk.leaves_nothing();
}

#[test]
fn i_3_a_controller_that_cannot_be_started_is_taken_down_all_the_same() {
    let desk = Desk::new();
    desk.muster(&["bootstrap", "localhost", NAME, "--add-model", "one"]).run().or_fail();
    desk.muster(&["add-machine"]).run().or_fail();
    desk.muster(&["wait-for", "machine", "0", "--timeout", "5m"]).run().or_fail();
    let data = data();
    let serving = |(_, line): &(i32, String)| line.contains(" run --data-dir ");
    let (pid, _) = processes().into_iter().find(serving).expect("the controller runs");
    end(pid);
    // Neither its store nor its settings can be read.
    for name in ["store.db", "controller.toml"] {
        fs::write(data.join(name), "no such thing").expect("damage");
    }
    let words = ["destroy-controller", NAME, "--no-prompt"];
    let refused = desk.muster(&words).speak(|_| {}).or_fail();
    assert!(refused.tail.join("\n").contains("kill-controller"), "{:?}", refused.tail);
    desk.muster(&["kill-controller", NAME, "--no-prompt"]).run().or_fail();
    desk.leaves_nothing();
}
