//! (e) Shells, files and keys on a real machine, through its agent and through OpenSSH.

use std::path::Path;
use std::time::{Duration, Instant};

use muster_tests::call::Call;
use muster_tests::demo::{Hand, stand as demo};

use crate::stand::{CONTROLLER, OrFail, stand};

const MODEL: &str = "shell";

/// The exit code of a line and what it printed.
fn said(call: Call) -> (Option<i32>, String) {
    let spoken = call.speak(|_| {}).or_fail();
    (spoken.status.code(), spoken.stdout)
}

/// A call that reads what this script prints.
fn piped(hand: &Hand, script: &str, args: &[&str]) -> Call {
    hand.under("bash", &["-c", &format!("{{ {script}; }} | \"$@\""), "bash"], args)
}

fn printed(hand: &Hand, args: &[&str]) -> String {
    hand.run(args).or_fail().trim().to_owned()
}

/// What a folder holds: names, modes, times, bytes.
fn listing(folder: &Path) -> String {
    let find = "find . -printf '%P %m %T@\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum";
    Call::new("bash").args(["-c", find]).within(folder).run().or_fail()
}

/// CLI contract cmd_ssh, cmd_scp, cmd_add-ssh-key, cmd_remove-ssh-key; jubilant's tests of them.
#[test]
fn e_shells_files_and_keys_reach_a_machine() {
    let stand = stand();
    let hand = stand.hand.on(MODEL);
    demo::controller(&hand, &stand.voice).or_fail();
    hand.run(&["add-machine"]).or_fail();
    hand.run(&["wait-for", "machine", "0", "--timeout", "10m"]).or_fail();
    let folder = tempfile::tempdir().or_fail();

    // The agent's own way.
    let cat = said(piped(&hand, "printf 'foo\\0bar'", &["ssh", "0", "cat"]));
    assert_eq!(cat, (Some(0), "foo\0bar".to_owned()));
    assert_eq!(said(hand.call(&["ssh", "0", "exit 7"])).0, Some(7));
    assert_eq!(printed(&hand, &["ssh", "0", "whoami; echo $HOME"]), "root\n/root");
    assert_eq!(
        printed(&hand, &["ssh", "ubuntu@0", "whoami; sudo whoami; pwd"]),
        "ubuntu\nroot\n/home/ubuntu"
    );
    let size = 96 << 20;
    let many = format!("head -c {size} /dev/zero");
    let counted = said(piped(&hand, &many, &["ssh", "0", "wc -c"]));
    assert_eq!((counted.0, counted.1.trim()), (Some(0), size.to_string().as_str()));
    let terminal = printed(&hand, &["ssh", "--pty=true", "0", "tty; stty size"]);
    assert!(terminal.starts_with("/dev/pts/") && terminal.ends_with("24 80"), "{terminal}");
    // Whoever is killed takes what ran there along.
    let cut = hand.under("timeout", &["5"], &["ssh", "0", "exec -a endless sleep 600"]);
    assert_eq!(said(cut).0, Some(124));
    let runs = || printed(&hand, &["ssh", "0", "pgrep -c -f ^endless || true"]) != "0";
    so(|| !runs(), "what nobody hears goes on");

    // OpenSSH's.
    let key = folder.path().join("key");
    let key = key.to_str().expect("a plain path");
    Call::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "ann", "-f", key])
        .run()
        .or_fail();
    let public = std::fs::read_to_string(format!("{key}.pub")).or_fail().trim().to_owned();
    hand.run(&["add-ssh-key", &public]).or_fail();
    assert_eq!(
        printed(&hand, &["ssh", "ubuntu@0", "-i", key, "echo", "hi;", "whoami"]),
        "hi\nubuntu"
    );
    assert_eq!(printed(&hand, &["ssh", "0", "-q", "--", "whoami"]), "root");
    assert_eq!(said(hand.call(&["ssh", "0", "-q", "exit", "9"])).0, Some(9));

    // Folders, times and modes, and a file of any size.
    let here = folder.path().join("here");
    std::fs::create_dir_all(here.join("a b/c")).or_fail();
    std::fs::write(here.join("a b/c/text"), "words\n").or_fail();
    let make = "chmod 640 'a b/c/text'; head -c 67108864 /dev/urandom > large; touch -d 2020-02-02 large 'a b/c/text' 'a b/c' 'a b' .";
    Call::new("bash").args(["-c", make]).within(&here).run().or_fail();
    let (from, back) = (here.to_str().expect("plain"), folder.path().join("back"));
    hand.run(&["scp", "--", "-r", "-p", "-i", key, from, "ubuntu@0:there"]).or_fail();
    hand.run(&["scp", "--", "-r", "-p", "0:/home/ubuntu/there", back.to_str().expect("plain")])
        .or_fail();
    assert_eq!(listing(&here), listing(&back));
    assert_eq!(said(hand.call(&["scp", "0:/nowhere", from])).0, Some(1));

    // The model's keys open the machine's own door, for as long as they are the model's.
    let status = hand.status().or_fail();
    let address = status["machines"]["0"]["ip-addresses"][0].as_str().expect("an address");
    let knocks = || {
        let mut call = Call::new("ssh").args(["-i", key, "-o", "BatchMode=yes"]);
        for option in
            ["IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
        {
            call = call.args(["-o", option]);
        }
        said(call.arg(format!("ubuntu@{address}")).arg("true")).0 == Some(0)
    };
    so(knocks, "the key opens nothing");
    assert_eq!(said(hand.call(&["ssh-keys"])).1.matches("(ann)").count(), 1);
    hand.run(&["remove-ssh-key", &public]).or_fail();
    so(|| !knocks(), "the key still opens the door");

    let model = format!("{CONTROLLER}:{MODEL}");
    hand.bare(&["destroy-model", &model, "--no-prompt"]).run().or_fail();
}

#[track_caller]
fn so(mut is: impl FnMut() -> bool, not: &str) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "{not}");
        std::thread::sleep(Duration::from_millis(300));
    }
}
