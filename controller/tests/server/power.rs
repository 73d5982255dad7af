//! The store under a power cut (R1), with the mutant that shows that this test can fail.
//!
//! The store lies on an ext4 of its own in a file; the cut is the kernel's own shutdown of that file
//! system without a flush of its log. A child commits and says so, number by number; what it said is
//! what must be there.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use muster_controller::store::{Embedded, Store};
use muster_model::record::{Key, Record, Request};
use muster_model::reply::{Outcome, Reply};
use muster_model::{Revision, Timestamp, Txn};

const FOLDER: &str = "MUSTER_TEST_POWER_FOLDER";
const MUTANT: &str = "MUSTER_TEST_POWER_MUTANT";

/// ext4 in a file, mounted while this lives.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn make() -> Disk {
        let disk = Disk { folder: tempfile::tempdir().unwrap() };
        let image = disk.folder.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        let made = Process::new("mkfs.ext4").args(["-q", "-F"]).arg(&image).status();
        assert!(made.unwrap().success());
        std::fs::create_dir(disk.at()).unwrap();
        disk.mount();
        disk
    }

    fn at(&self) -> PathBuf {
        self.folder.path().join("at")
    }

    fn mount(&self) {
        let image = self.folder.path().join("image");
        let done = Process::new("mount").args(["-o", "loop"]).arg(image).arg(self.at()).status();
        assert!(done.unwrap().success(), "this test needs root and a loop device");
    }

    fn unmount(&self) {
        assert!(Process::new("umount").arg(self.at()).status().unwrap().success());
    }

    /// What was not synced is gone.
    fn cut(&self) {
        nix::ioctl_read!(shut_down, b'X', 125, u32);
        let folder = std::fs::File::open(self.at()).unwrap();
        // FS_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH.
        let mut how: u32 = 2;
        #[expect(unsafe_code, reason = "the call has no safe wrapper; the number outlives it")]
        // SAFETY: the descriptor is open and `how` is a valid u32 for the length of the call.
        unsafe { shut_down(folder.as_raw_fd(), &raw mut how) }.unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Process::new("umount").arg("-l").arg(self.at()).stderr(Stdio::null()).status());
    }
}

fn numbered(number: u64) -> Txn {
    let id: muster_model::record::RequestId = format!("n{number}").parse().unwrap();
    let revision = Revision(number);
    let reply = Reply { revision, changed: true, outcome: Outcome::Done };
    let request = Request { id: id.clone(), at: Timestamp::ZERO, reply };
    let mut txn = Txn::default();
    txn.reads.insert(Key::Request(id.clone()), None);
    txn.writes.insert(Key::Request(id), Some(Record::Request(request)));
    txn
}

/// The child: commits until it is ended, and says each number once it is answered. No test of its
/// own; without a folder it does nothing.
#[test]
fn r01_child_of_the_power_cut() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut store = Embedded::open(Path::new(&folder)).unwrap();
    if std::env::var_os(MUTANT).is_some() {
        store = store.without_sync().unwrap();
    }
    let begin = store.load().unwrap().revision.0;
    let mut said = std::io::stdout().lock();
    for number in begin + 1.. {
        if store.commit(&[numbered(number)]).is_err() {
            return;
        }
        writeln!(said, "\nanswered {number}").unwrap();
        said.flush().unwrap();
    }
}

/// How many answered numbers the cut has lost.
fn trial(disk: &Disk, mutant: bool, answers: u64) -> usize {
    let mut child = Process::new(std::env::current_exe().unwrap());
    child.args(["--exact", "power::r01_child_of_the_power_cut", "--nocapture"]);
    child.env(FOLDER, disk.at().join("data")).stdout(Stdio::piped()).stderr(Stdio::null());
    if mutant {
        child.env(MUTANT, "1");
    }
    let mut child = child.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answered: Vec<u64> = Vec::new();
    let mut cut = false;
    for line in lines {
        let line = line.unwrap();
        let Some(number) = line.strip_prefix("answered ") else { continue };
        // Only what was said before the cut counts: a sync that is under way when the file system is
        // shut down may succeed without anything being on disk, which no real cut lets anybody see.
        if cut {
            continue;
        }
        answered.push(number.parse().unwrap());
        if answered.len() as u64 >= answers {
            disk.cut();
            cut = true;
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    disk.unmount();
    disk.mount();
    let Ok(mut store) = Embedded::open(&disk.at().join("data")) else { return answered.len() };
    let Ok(loaded) = store.load() else { return answered.len() };
    let there = |number: &u64| {
        let key = Key::Request(format!("n{number}").parse().unwrap());
        loaded.records.iter().any(|(found, ..)| *found == key)
    };
    // Completely or not at all, and in order.
    let revision = loaded.revision.0;
    assert_eq!(loaded.records.len() as u64, revision, "a gap");
    answered.iter().filter(|number| !there(number)).count()
}

fn made(disk: &Disk) {
    let data = disk.at().join("data");
    std::fs::create_dir(&data).unwrap();
    drop(Embedded::create(&data).unwrap());
    // As `init` does it: the folder is synced before anything is answered.
    std::fs::File::open(&data).unwrap().sync_all().unwrap();
    std::fs::File::open(disk.at()).unwrap().sync_all().unwrap();
}

#[test]
fn r01_what_was_answered_survives_a_power_cut() {
    let disk = Disk::make();
    made(&disk);
    for n in 0..10u64 {
        assert_eq!(trial(&disk, false, 5 + n * 7), 0, "trial {n} lost what was answered");
    }
    disk.unmount();
}

#[test]
fn r01_the_power_cut_catches_a_store_that_does_not_sync() {
    for _ in 0..5 {
        let disk = Disk::make();
        made(&disk);
        let lost = trial(&disk, true, 200);
        disk.unmount();
        if lost > 0 {
            return;
        }
    }
    panic!("five cuts of a store without syncs lost nothing: this rig proves nothing");
}
