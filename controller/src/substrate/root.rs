//! The cached roots that machines have below their own layers, one for each image.
//!
//! Made when it is first wanted, with `mmdebstrap`, keyed on what it is made from, and published by rename: a folder
//! with the key's name is whole. It is never changed afterwards, for machines lie over it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};

use super::error::{SubstrateError, file};
use super::{Image, Settings, sources, tool, tree};

/// Raised when what [`finish`] writes changes, so that old roots are not taken for new ones.
const FORMAT: u32 = 2;

/// Bytes that a root has at its largest, about, with the archives it is made from: for showing how
/// far it is.
const EXPECTED: u64 = 480 << 20;

/// How often the growing root is measured.
const MEASURE: Duration = Duration::from_secs(2);

/// What machines need: a real init, what the agent and charms call, and what a person expects.
pub const PACKAGES: [&str; 33] = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "udev",
    "kmod",
    "iproute2",
    "iputils-ping",
    "netcat-openbsd",
    "nftables",
    "openssh-server",
    "python3",
    "python3-yaml",
    "ca-certificates",
    "curl",
    "gnupg",
    "procps",
    "psmisc",
    "util-linux",
    "mount",
    "e2fsprogs",
    "acl",
    "adduser",
    "sudo",
    "less",
    "file",
    "lsb-release",
    "tzdata",
    "bzip2",
    "unzip",
    "xz-utils",
    "zstd",
    "rsync",
];

/// Tools of the host, and the package each comes with on Debian.
const TOOLS: [(&str, &str); 11] = [
    ("systemd-nspawn", "systemd-container"),
    ("mmdebstrap", "mmdebstrap"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("unshare", "util-linux"),
    ("losetup", "mount"),
    ("flock", "util-linux"),
    ("tar", "tar"),
    ("dpkg-divert", "dpkg"),
];

/// What [`super::Substrate::ensure_root`] tells while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// What begins now, for a person.
    Step(String),
    /// How many bytes of the root are there, and about how many there will be.
    Bytes {
        /// Bytes so far.
        done: u64,
        /// Bytes at the end, about.
        expected: u64,
    },
}

/// The first process of a machine: makes the control groups writable, then is systemd.
///
/// nspawn mounts version 1 controllers read-only, and systemd would then ignore every limit of
/// every unit without a word (`machines.md` §3 step 5). Done before systemd looks, nothing has to
/// be told to look again.
const INIT: &str = r#"#!/bin/sh
for group in /sys/fs/cgroup/*; do
  [ -L "$group" ] || [ ! -d "$group" ] || mount -n -o remount,rw,bind "$group" 2>/dev/null || :
done
[ ! -f /sys/fs/cgroup/cgroup.procs ] || mount -n -o remount,rw,bind /sys/fs/cgroup 2>/dev/null || :
exec /lib/systemd/systemd "$@"
"#;

/// Where [`INIT`] lies in a machine.
pub(super) const INIT_PATH: &str = "/usr/lib/muster/init";

/// Keys made with the root would be the same in every machine.
const SSH_KEYS: &str = "[Unit]\nDescription=Make this machine's own SSH host keys\n\
    Before=ssh.service\nConditionPathExists=!/etc/ssh/ssh_host_ed25519_key\n\
    [Service]\nType=oneshot\nExecStart=/usr/bin/ssh-keygen -A\n\
    [Install]\nWantedBy=multi-user.target\n";

/// For a person who waits.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Progress::Step(what) => f.write_str(what),
            Progress::Bytes { done, expected } => write!(
                f,
                "making the root of machines: {} of about {} MiB",
                done >> 20,
                expected >> 20
            ),
        }
    }
}

/// Gives the whole root of this image, making it when it is not there.
///
/// # Errors
///
/// A tool's, [`SubstrateError::NoMirror`] or [`SubstrateError::NoKeyring`].
pub(super) fn ensure(
    settings: &Settings,
    image: &Image,
    progress: &mut dyn FnMut(Progress),
) -> Result<PathBuf, SubstrateError> {
    ensure_tools(settings, progress)?;
    let lines = sources::lines(image)?;
    let roots = settings.cache_root.join("roots");
    let key = key(image, &lines);
    let whole = roots.join(&key);
    if whole.is_dir() {
        return Ok(whole);
    }
    fs::create_dir_all(&roots).map_err(file("make", &roots))?;
    // One maker at a time; and whoever made it meanwhile has saved us the work.
    let _maker = lock(&roots.join(format!("{key}.lock")), progress)?;
    if whole.is_dir() {
        return Ok(whole);
    }
    // Held by mmdebstrap itself: one that outlived its caller is waited for, not worked against.
    let working = roots.join(format!("{key}.working"));
    drop(lock(&working, progress)?);
    let making = roots.join(format!("{key}.making"));
    tree::remove(&making).map_err(file("remove", &making))?;
    make(settings, image, &lines, &working, &making, progress)?;
    progress(Progress::Step("finishing the root".into()));
    finish(&making)?;
    put(&making, &image.files)?;
    // What is renamed must be on the disk: afterwards the name alone says that it is whole.
    let folder = fs::File::open(&making).map_err(file("open", &making))?;
    rustix::fs::syncfs(&folder).map_err(|error| file("sync", &making)(error.into()))?;
    fs::rename(&making, &whole).map_err(file("publish", &whole))?;
    fs::File::open(&roots).and_then(|folder| folder.sync_all()).map_err(file("sync", roots))?;
    Ok(whole)
}

/// The name of a root: everything that it is made from is in it.
fn key(image: &Image, lines: &[String]) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    };
    add(&FORMAT.to_string());
    add(INIT);
    add(std::env::consts::ARCH);
    lines.iter().for_each(|line| add(line));
    let mut packages = image.packages.clone();
    packages.sort();
    packages.dedup();
    packages.iter().for_each(|package| add(package));
    for (path, text) in &image.files {
        add(path);
        add(text);
    }
    let digest = hex::encode(hash.finalize());
    format!("{}-{}", image.suite, digest.get(..16).unwrap_or(&digest))
}

fn lock(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<fs::File, SubstrateError> {
    let lock = fs::File::create(path).map_err(file("open", path))?;
    if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        progress(Progress::Step("waiting for another who makes the same root".into()));
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| file("lock", path)(error.into()))?;
    }
    Ok(lock)
}

/// Installs what this host lacks, saying so.
///
/// # Errors
///
/// [`SubstrateError::ToolMissing`] on a host that is no Debian.
fn ensure_tools(
    settings: &Settings,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), SubstrateError> {
    let missing: Vec<_> = TOOLS.iter().filter(|(name, _)| !tool::exists(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    let lacking = || SubstrateError::ToolMissing {
        missing: missing.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
        packages: packages.join(" "),
    };
    if !tool::exists("apt-get") {
        return Err(lacking());
    }
    progress(Progress::Step(format!("installing on this host: {}", packages.join(" "))));
    let apt = |args: &[&str]| {
        let mut command = tool::command("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command.args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300"]).args(args);
        proxy_environment(&mut command, settings);
        let output = command.output();
        output.is_ok_and(|output| output.status.success())
    };
    let mut install = vec!["install", "--no-install-recommends"];
    install.extend(&packages);
    // The lists may be missing or old; only then are they fetched.
    let installed = apt(&install) || (apt(&["update"]) && apt(&install));
    if !installed {
        return Err(lacking());
    }
    if TOOLS.iter().all(|(name, _)| tool::exists(name)) { Ok(()) } else { Err(lacking()) }
}

fn proxy_environment(command: &mut Command, settings: &Settings) {
    if let Some(proxy) = &settings.http_proxy {
        command.env("http_proxy", proxy).env("https_proxy", proxy);
    }
}

fn make(
    settings: &Settings,
    image: &Image,
    lines: &[String],
    working: &Path,
    making: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), SubstrateError> {
    let base = image.base.release();
    if let Some(path) = image.keyring.clone().filter(|path| !path.is_file()) {
        return Err(SubstrateError::NoKeyring { base, path });
    }
    progress(Progress::Step(format!("making the root of {base} machines")));
    let mut command = tool::command("flock");
    command.arg(working);
    // What it mounts into the root is gone with it, however it ends.
    command.args(["unshare", "--mount", "--propagation", "private"]);
    command.args(["mmdebstrap", "--variant=minbase", "--format=directory"]);
    command.arg(format!("--include={}", image.packages.join(",")));
    for option in [
        "path-exclude=/usr/share/man/*",
        "path-exclude=/usr/share/locale/*",
        "path-exclude=/usr/share/doc/*",
        "path-include=/usr/share/doc/*/copyright",
        "path-exclude=/usr/share/info/*",
        "force-unsafe-io",
    ] {
        command.arg(format!("--dpkgopt={option}"));
    }
    command.args(["--aptopt=Acquire::Languages \"none\"", "--aptopt=Acquire::Retries \"3\""]);
    if let Some(proxy) = &settings.http_proxy {
        command.arg(format!("--aptopt=Acquire::http::Proxy \"{proxy}\""));
    }
    command.arg(&image.suite).arg(making).args(lines);
    proxy_environment(&mut command, settings);
    let start = |source| SubstrateError::ToolStart { tool: "mmdebstrap".into(), source };
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(start)?;
    let (send, lines) = std::sync::mpsc::channel();
    let reader = child.stderr.take().map(|pipe| {
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        })
    });
    let mut said = String::new();
    let mut measured = Instant::now();
    loop {
        match lines.recv_timeout(MEASURE) {
            Ok(line) => {
                if let Some(step) = line.strip_prefix("I: ") {
                    progress(Progress::Step(step.trim().to_owned()));
                }
                said.push_str(&line);
                said.push('\n');
                if said.len() > 1 << 16 {
                    said = tool::tail(&said, 1 << 15);
                }
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if measured.elapsed() >= MEASURE {
            let done = measure(making);
            progress(Progress::Bytes { done, expected: EXPECTED.max(done) });
            measured = Instant::now();
        }
    }
    if let Some(reader) = reader
        && reader.join().is_err()
    {
        tracing::warn!("the reader of mmdebstrap's words panicked");
    }
    let status = child.wait().map_err(start)?;
    if status.success() {
        return Ok(());
    }
    Err(SubstrateError::Tool {
        line: "mmdebstrap".into(),
        status: status.to_string(),
        said: tool::tail(&said, 2000),
    })
}

fn measure(tree: &Path) -> u64 {
    fs::read_dir(tree)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let meta = entry.path().symlink_metadata().ok()?;
            Some(if meta.is_dir() { measure(&entry.path()) } else { meta.len() })
        })
        .sum()
}

/// Takes out what would be the same in every machine, and puts in what every machine has.
fn finish(root: &Path) -> Result<(), SubstrateError> {
    let inside = |path: &str| file("write", root.join(path.trim_start_matches('/')));
    let keys = fs::read_dir(root.join("etc/ssh")).into_iter().flatten().flatten();
    for key in keys.filter(|e| e.file_name().to_string_lossy().starts_with("ssh_host_")) {
        fs::remove_file(key.path()).map_err(file("remove", key.path()))?;
    }
    for (path, mode, text) in [
        (INIT_PATH, 0o755, INIT),
        ("/etc/machine-id", 0o444, ""),
        ("/etc/systemd/system/muster-ssh-keys.service", 0o644, SSH_KEYS),
        // Logs are bounded like everything that grows by itself.
        (
            "/etc/systemd/journald.conf.d/muster.conf",
            0o644,
            "[Journal]\nStorage=persistent\nSystemMaxUse=64M\n",
        ),
        ("/etc/apt/apt.conf.d/02muster", 0o644, "Acquire::Languages \"none\";\n"),
        ("/etc/default/locale", 0o644, "LANG=C.UTF-8\n"),
    ] {
        tree::write_inside(root, path, mode, text.as_bytes()).map_err(inside(path))?;
    }
    let wants = "/etc/systemd/system/multi-user.target.wants";
    tree::folder_inside(root, wants).map_err(inside(wants))?;
    let link = root.join("etc/systemd/system/multi-user.target.wants/muster-ssh-keys.service");
    if link.symlink_metadata().is_err() {
        std::os::unix::fs::symlink("/etc/systemd/system/muster-ssh-keys.service", &link)
            .map_err(file("make", &link))?;
    }
    // Whoever made it had a mask of their own.
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).map_err(file("open up", root))
}

/// Writes an image's own files. A package that has such a file, or gets it in a later version, has it
/// under another name from now on, as dpkg keeps account of.
fn put(root: &Path, files: &BTreeMap<String, String>) -> Result<(), SubstrateError> {
    for (path, text) in files {
        let (top, aside) = (root.display().to_string(), format!("{path}.distrib"));
        let args = ["--root", &top, "--local", "--rename", "--divert", &aside, "--add", path];
        tool::run("dpkg-divert", &args)?;
        tree::write_inside(root, path, 0o644, text.as_bytes()).map_err(file("write", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Images;
    use super::*;

    #[test]
    fn the_key_follows_what_the_root_is_made_from() {
        let images = Images::default();
        let image = images.of(None).unwrap();
        let line = vec!["deb http://mirror.example/debian bookworm main".to_owned()];
        let first = key(image, &line);
        let mut turned = image.clone();
        turned.packages.reverse();
        assert_eq!(key(&turned, &line), first, "the order says nothing");
        let mut more = image.clone();
        more.packages.push("hello".into());
        assert_ne!(key(&more, &line), first);
        assert_ne!(key(image, &[]), first);
        // Roots that differ in nothing but what they say of themselves are two.
        let mut named = BTreeSet::from([first]);
        for image in images.iter().filter(|image| image.suite == "bookworm").skip(1) {
            assert!(named.insert(key(image, &line)), "{}", image.base);
        }
        assert_eq!(named.len(), 4);
    }

    #[test]
    fn finishing_twice_is_finishing_once() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/ssh")).unwrap();
        fs::write(root.path().join("etc/ssh/ssh_host_rsa_key"), "same").unwrap();
        finish(root.path()).unwrap();
        finish(root.path()).unwrap();
        assert!(!root.path().join("etc/ssh/ssh_host_rsa_key").exists());
        assert!(root.path().join("usr/lib/muster/init").exists());
    }
}
