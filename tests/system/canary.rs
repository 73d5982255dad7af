//! Where words that must stay hidden are looked for: among the arguments and variables of every
//! process of this host while a job runs, and in every file of the machines.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crate::killer::agents;

/// Folders of a machine in which files are no files, and those that no daemon or charm writes.
const PASSED_OVER: &[&str] = &["proc", "sys", "dev", "usr", "boot", "lib", "lib64", "bin", "sbin"];

/// Watches the processes of this host, and so those of every machine on it.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    /// Begins to look for any of the words.
    pub(crate) fn begin(words: &[String]) -> Self {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.clone().into_bytes()).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicUsize::new(0));
        let (stopped, counted) = (stop.clone(), rounds.clone());
        let thread = thread::spawn(move || {
            let mut found = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").expect("processes").flatten() {
                    // A process may end while it is looked at.
                    let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    if words.iter().any(|word| holds(&line, word)) {
                        let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
                        found.insert(String::from_utf8_lossy(program).into_owned());
                    }
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
            found
        });
        Self { stop, rounds, thread }
    }

    /// How often all processes were looked at.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Ends, and gives the programs that had a word among their arguments.
    pub(crate) fn end(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watch's thread")
    }
}

/// A file that holds a word.
#[derive(Debug)]
pub(crate) struct Found {
    /// As seen inside the machine.
    pub(crate) path: PathBuf,
    /// Whether everybody in the machine can read it: by its own mode and that of each folder above.
    pub(crate) open: bool,
}

/// A file of the first machine that has it; the path is without the leading slash.
pub(crate) fn read(path: &str) -> Option<String> {
    let machines = agents().into_iter();
    machines
        .map(|(pid, _)| PathBuf::from(format!("/proc/{pid}/root")).join(path))
        .find_map(|path| fs::read_to_string(path).ok())
}

/// The files of all machines on this host that hold any of the words.
pub(crate) fn files(words: &[String]) -> Vec<Found> {
    let mut found = Vec::new();
    for (pid, _) in agents() {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let entries = fs::read_dir(&root).expect("a machine's root").flatten();
        let folders = entries.map(|entry| entry.path()).filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !PASSED_OVER.contains(&name.as_ref()) && path.is_dir()
        });
        found.extend(in_folders(&root, &folders.collect::<Vec<_>>(), words));
    }
    found
}

/// The files below a folder of this host that hold any of the words.
pub(crate) fn below(folder: &Path, words: &[String]) -> Vec<Found> {
    in_folders(Path::new("/"), &[folder.to_owned()], words)
}

fn in_folders(root: &Path, folders: &[PathBuf], words: &[String]) -> Vec<Found> {
    // The words go in by standard input: among arguments they would be what is looked for.
    let mut search = Command::new("grep")
        .args(["-rlFsZ", "--devices=skip", "-f", "-"])
        .args(folders)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("grep");
    let mut stdin = search.stdin.take().expect("a pipe");
    stdin.write_all(words.join("\n").as_bytes()).expect("grep reads its patterns");
    drop(stdin);
    let printed = search.wait_with_output().expect("grep").stdout;
    let names = printed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let path = PathBuf::from(String::from_utf8_lossy(name).into_owned());
            let open = everybody_reads(root, &path);
            Found { path: Path::new("/").join(path.strip_prefix(root).unwrap_or(&path)), open }
        })
        .collect()
}

fn everybody_reads(root: &Path, path: &Path) -> bool {
    let mode = |path: &Path| fs::metadata(path).map_or(0, |found| found.permissions().mode());
    let folders = path.ancestors().skip(1).take_while(|folder| *folder != root);
    mode(path) & 0o004 != 0 && folders.into_iter().all(|folder| mode(folder) & 0o001 != 0)
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[test]
fn a_0_the_search_finds_what_is_there_and_tells_open_from_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("a mode");
    let word = format!("canary-{}", std::process::id());
    for (name, mode) in [("open", 0o644), ("closed", 0o640)] {
        let path = folder.path().join(name);
        fs::write(&path, format!("key={word}\n")).expect("a file");
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("a mode");
    }
    let mut found = below(folder.path(), std::slice::from_ref(&word));
    found.sort_by(|one, two| one.path.cmp(&two.path));
    let seen: Vec<_> =
        found.iter().map(|found| (found.path.ends_with("open"), found.open)).collect();
    assert_eq!(seen, [(false, false), (true, true)], "{found:?}");
    let mut shown = Command::new("sh")
        .args(["-c", "read line", "canary", &word])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let watch = Watch::begin(std::slice::from_ref(&word));
    while watch.rounds() == 0 {
        thread::yield_now();
    }
    drop(shown.stdin.take());
    shown.wait().expect("the shell ends");
    assert_eq!(watch.end(), BTreeSet::from(["sh".to_owned()]));
}
