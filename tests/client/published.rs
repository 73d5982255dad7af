//! Brings up a controller, installs the library, runs its tests, takes everything down.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use muster_console::outcome::Chain;
use muster_tests::call::Call;
use muster_tests::demo::{Hand, Place, build, stand};
use muster_tests::setup::{self, Feature};
use muster_tests::voice::Voice;

/// The controller's name.
const CONTROLLER: &str = "client";

/// The library, and what reads YAML for its tests. Debian 12 has a Python that both are made for.
const LIBRARY: [&str; 2] = ["jubilant==1.14.0", "PyYAML==6.0.2"];

#[track_caller]
fn or_fail<T, E: std::error::Error>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{}", Chain(&error)),
    }
}

/// Installs the library beside what was built, and gives the folder.
fn library(python: &str, target: &Path) -> PathBuf {
    let folder = target.join("client-python");
    let call = Call::new(python)
        .args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"])
        .arg(&folder)
        .args(LIBRARY);
    or_fail(call.run());
    folder
}

/// The command under the name that the library calls.
fn as_juju(program: &Path, target: &Path) -> PathBuf {
    let folder = target.join("client-bin");
    std::fs::create_dir_all(&folder).expect("a folder for the link");
    let link = folder.join("juju");
    if link.symlink_metadata().is_ok() {
        std::fs::remove_file(&link).expect("the old link goes");
    }
    symlink(program, &link).expect("the link");
    link
}

/// CLI contract jub_1, jub_2, jub_3, jub_4, jub_5, jub_6.
#[test]
fn the_published_client_drives_muster() {
    let voice = Voice::new();
    or_fail(setup::ready(&[Feature::Charms, Feature::Client, Feature::Machines], &voice));
    or_fail(setup::fit("/var/lib/muster".as_ref(), setup::ROOM_OF_CLIENT));
    let place = Place { profile: "debug".to_owned(), ..Place::of_this_program() };
    let program = or_fail(build::binaries(&place, &voice));
    let python = setup::python_with("pip").expect("a Python with pip");
    let library = library(python, &place.target);
    let juju = as_juju(&program, &place.target);
    let store = place.target.join("client-store");
    let hand = Hand::new(program, CONTROLLER, "first").with("JUJU_DATA", store.clone());
    // What an earlier run left, if it was interrupted. Where there was none it is not known, which is
    // as good.
    let kill = || hand.bare(&["kill-controller", CONTROLLER, "--no-prompt"]).speak(|_| {});
    or_fail(kill());
    or_fail(stand::controller(&hand, &voice));
    let tests = place.root.join("tests/client");
    let path = std::env::var("PATH").unwrap_or_default();
    let call = Call::new(python)
        .args(["-B", "-m", "unittest", "discover", "--verbose", "--start-directory"])
        .arg(&tests)
        .env("PYTHONPATH", &library)
        .env("PATH", format!("{}:{path}", juju.parent().expect("its folder").display()))
        .env("JUJU_DATA", &store)
        .env("MUSTER_CLIENT_CHARMS", tests.join("charms"));
    let mut skipped = false;
    let spoken = call.speak(|line| {
        if let Some(line) = line {
            skipped |= line.contains("(skipped=");
            voice.say(line);
        }
    });
    let spoken = or_fail(spoken);
    let ended = or_fail(kill());
    assert!(spoken.status.success(), "the library's tests failed:\n{}", spoken.tail.join("\n"));
    assert!(!skipped, "a skipped test proves nothing");
    assert!(ended.status.success(), "the controller stays:\n{}", ended.tail.join("\n"));
}
