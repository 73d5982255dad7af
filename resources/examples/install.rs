//! Times the installation of a tarball against the shell's, in alternating pairs (performance.md,
//! Q1, Q2, Q4, Q6).
//!
//! ```text
//! cargo run --release -p muster-resources --example install -- [TARBALL [PAIRS]]
//! ```
//!
//! Without a tarball it makes one: about 350 MB, mostly hardly compressible, as products are.
//! Every run is a process of its own, so that its memory and processor time can be told.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measuring tool, not a part of the product"
)]

use std::env;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use muster_resources::{Archive, Hashing, Limits, Unpack, clone_tree, tree_digest};

/// One run: seconds of the clock and of the processors, and the largest resident memory in MiB.
#[derive(Clone, Copy)]
struct Run {
    wall: f64,
    cpu: f64,
    rss: f64,
}

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--unpack", archive, target, digest] => unpack(archive, target, digest),
        ["--clone", from, to] => {
            clone_tree(Path::new(from), Path::new(to)).unwrap();
            print_peak();
        }
        [] => compare(None, 7),
        [tarball] => compare(Some(tarball), 7),
        [tarball, pairs, ..] => compare(Some(tarball), pairs.parse().unwrap()),
    }
}

fn unpack(archive: &str, target: &str, digest: &str) {
    let how =
        Unpack { limits: Limits::resource(), strip: 1, expected: Some(digest.parse().unwrap()) };
    Archive::open(Path::new(archive)).unwrap().unpack(Path::new(target), &how).unwrap();
    print_peak();
}

fn print_peak() {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{}", line.trim().trim_end_matches(" kB"));
}

fn compare(tarball: Option<&str>, pairs: usize) {
    let scratch = tempfile::Builder::new()
        .prefix("install-")
        .tempdir_in(env::var("INSTALL_DIR").unwrap_or_else(|_| ".".into()))
        .unwrap();
    let tarball = tarball.map_or_else(|| make(scratch.path()), PathBuf::from);
    let mut hashing = Hashing::new(File::open(&tarball).unwrap());
    std::io::copy(&mut hashing, &mut std::io::sink()).unwrap();
    let digest = hashing.digest();
    println!("{} bytes, {digest}", hashing.count());
    let (ours, theirs) = (scratch.path().join("ours"), scratch.path().join("theirs"));
    let copy = scratch.path().join("copy");
    let (from, digest) = (tarball.display(), digest.to_string());
    let exe = env::current_exe().unwrap();
    let tar =
        format!("mkdir '{0}' && tar xzf '{from}' -C '{0}' --strip-components 1", theirs.display());
    let whole = format!("sha256sum '{from}' >/dev/null && {tar} && sync -f '{}'", theirs.display());
    let mut rows: Vec<[Run; 4]> = Vec::new();
    for _ in 0..pairs {
        let settle = || assert!(Command::new("sync").status().unwrap().success());
        settle();
        let mut install = Command::new(&exe);
        install.arg("--unpack").arg(&tarball).arg(&ours).arg(&digest);
        let install = time(&mut install);
        settle();
        let with_sync = time(Command::new("sh").args(["-c", &whole]));
        assert_eq!(tree_digest(&ours).unwrap(), tree_digest(&theirs).unwrap(), "equal work");
        fs::remove_dir_all(&theirs).unwrap();
        settle();
        let bare = time(Command::new("sh").args(["-c", &tar]));
        settle();
        let clone = time(Command::new(&exe).arg("--clone").arg(&ours).arg(&copy));
        assert_eq!(tree_digest(&ours).unwrap(), tree_digest(&copy).unwrap(), "equal work");
        for folder in [&ours, &theirs, &copy] {
            fs::remove_dir_all(folder).unwrap();
        }
        rows.push([install, with_sync, bare, clone]);
    }
    report("Q1 install / sha256sum && tar && sync", &rows, 0, 1, 0.36);
    report("Q2 install / tar", &rows, 0, 2, 0.55);
    report("Q4 clone / tar", &rows, 3, 2, 0.16);
    let peak = rows.iter().map(|row| row[0].rss).fold(0.0, f64::max);
    println!("Q6 peak resident memory of an install: {peak:.1} MiB (goal 32, better 20)");
}

fn report(what: &str, rows: &[[Run; 4]], one: usize, other: usize, goal: f64) {
    let ratio = middle(rows.iter().map(|row| row[one].wall / row[other].wall).collect());
    let cpu = middle(rows.iter().map(|row| row[one].cpu / row[other].cpu).collect());
    println!("{what}: median ratio {ratio:.3} (goal {goal}), of processor time {cpu:.3}");
    for (name, at) in [("A", one), ("B", other)] {
        let mut walls: Vec<f64> = rows.iter().map(|row| row[at].wall).collect();
        walls.sort_by(f64::total_cmp);
        let cpu = middle(rows.iter().map(|row| row[at].cpu).collect());
        let (min, max) = (walls[0], walls[walls.len() - 1]);
        println!(
            "  {name} min {min:.3} median {:.3} max {max:.3} s; {cpu:.2} s of processor",
            middle(walls)
        );
    }
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn time(command: &mut Command) -> Run {
    let before = children();
    let start = Instant::now();
    let output = command.output().unwrap();
    let wall = start.elapsed().as_secs_f64();
    assert!(output.status.success(), "{output:?}");
    let rss = String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().unwrap_or(0.0) / 1024.0;
    Run { wall, cpu: children() - before, rss }
}

/// Processor seconds of all children that have ended.
fn children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Counted from the state, which is field 3; in hundredths of a second.
    (fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap()) / 100.0
}

/// A tarball like a product's: a few large files, hundreds of middling ones, hardly compressible,
/// and some text.
fn make(scratch: &Path) -> PathBuf {
    let top = scratch.join("product-1.0");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut file = |name: String, length: usize, text: bool| {
        let path = top.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = BufWriter::new(File::create(path).unwrap());
        let mut written = 0;
        while written < length {
            // Jars are deflated already, but not quite without pattern: seven bits of eight.
            let word = if text {
                next() & 0x0303_0303_0303_0303 | 0x6060_6060_6060_6060
            } else {
                next() & 0x7fff_ffff_ffff_ffff
            };
            writer.write_all(&word.to_le_bytes()).unwrap();
            written += 8;
        }
        writer.flush().unwrap();
    };
    for at in 0..4 {
        file(format!("jars/large-{at}.jar"), 30 << 20, false);
    }
    for at in 0..250 {
        file(format!("jars/part-{at}.jar"), 800 << 10, false);
    }
    for at in 0..500 {
        file(format!("examples/src/text-{at}.txt"), 40 << 10, true);
    }
    let tarball = scratch.join("product.tar.gz");
    let status = Command::new("tar")
        .arg("czf")
        .arg(&tarball)
        .arg("-C")
        .arg(scratch)
        .arg("product-1.0")
        .status();
    assert!(status.unwrap().success());
    fs::remove_dir_all(&top).unwrap();
    tarball
}
