//! A machine's file system: a layer of its own over the cached root, and the loop devices that
//! were set up on files of it.

use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags};
use serde::Deserialize;

use super::error::{SubstrateError, file, kernel};
use super::process;
use super::tool;

/// Times a busy mount is tried again: what was killed a moment ago may still be closing its files.
const UNMOUNT_TRIES: u32 = 20;

/// Loop devices are listed by `losetup` in this form.
#[derive(Debug, Deserialize)]
struct Loops {
    #[serde(default)]
    loopdevices: Vec<Loop>,
}

#[derive(Debug, Deserialize)]
struct Loop {
    name: PathBuf,
    #[serde(rename = "back-ino")]
    inode: Option<u64>,
    #[serde(rename = "back-maj:min")]
    device: Option<String>,
}

/// The folders of a machine's file system, below the machine's own folder.
pub(super) struct Overlay {
    pub(super) lower: PathBuf,
    pub(super) upper: PathBuf,
    pub(super) work: PathBuf,
    pub(super) merged: PathBuf,
}

impl Overlay {
    /// The overlay of the machine that lives in `folder`, over `root`.
    pub(super) fn of(folder: &Path, root: &Path) -> Overlay {
        Overlay {
            lower: root.to_owned(),
            upper: folder.join("upper"),
            work: folder.join("work"),
            merged: folder.join("merged"),
        }
    }

    /// Makes the folders and mounts, unless it is mounted.
    ///
    /// # Errors
    ///
    /// The kernel's own; paths with `,` or `:` cannot be said to it.
    pub(super) fn mount(&self) -> Result<(), SubstrateError> {
        if is_mounted(&self.merged)? {
            return Ok(());
        }
        for folder in [&self.upper, &self.work, &self.merged] {
            fs::create_dir_all(folder).map_err(file("make", folder))?;
        }
        let (lower, upper, work) =
            (self.lower.display(), self.upper.display(), self.work.display());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        let plain = |path: &Path| {
            path.to_str().is_some_and(|path| !path.contains([',', ':', '\\', '\n', '\0']))
        };
        if ![&self.lower, &self.upper, &self.work].into_iter().all(|path| plain(path)) {
            return Err(SubstrateError::BadValue {
                what: "state or cache root",
                value: options,
                rule: "no `,`, `:` or `\\`, for the kernel takes them as its own",
            });
        }
        let data = std::ffi::CString::new(options).unwrap_or_default();
        rustix::mount::mount(
            "muster",
            &self.merged,
            "overlay",
            MountFlags::empty(),
            data.as_c_str(),
        )
        .map_err(kernel(format!("mount an overlay at `{}`", self.merged.display())))
    }
}

/// Unmounts an overlay, never lazily (R14), and says who holds it when it is busy.
pub(super) fn unmount(merged: &Path) -> Result<(), SubstrateError> {
    let mut tries = 0;
    while is_mounted(merged)? {
        match rustix::mount::unmount(merged, UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(rustix::io::Errno::BUSY) if tries < UNMOUNT_TRIES => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(10 * u64::from(tries)));
            }
            Err(rustix::io::Errno::BUSY) => {
                let holders = process::holders(merged);
                return Err(SubstrateError::Busy { path: merged.to_owned(), holders });
            }
            Err(error) => {
                return Err(kernel(format!("unmount `{}`", merged.display()))(error));
            }
        }
    }
    Ok(())
}

/// Whether something is mounted exactly here.
pub(super) fn is_mounted(at: &Path) -> Result<bool, SubstrateError> {
    const MOUNTS: &str = "/proc/self/mountinfo";
    let text = fs::read_to_string(MOUNTS).map_err(file("read", MOUNTS))?;
    Ok(mounted_in(&text, at))
}

fn mounted_in(mountinfo: &str, at: &Path) -> bool {
    mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).any(|point| {
        // Blanks, tabs, line ends and backslashes are written as octal numbers.
        let point = point
            .replace("\\040", " ")
            .replace("\\011", "\t")
            .replace("\\012", "\n")
            .replace("\\134", "\\");
        Path::new(&point) == at
    })
}

/// Lets go of loop devices whose file lies in the machine: the kernel keeps them for the whole
/// host, and a device left behind holds the overlay and, after a restart, an old state of a file.
///
/// # Errors
///
/// That of `losetup`.
pub(super) fn detach_loops(merged: &Path) -> Result<(), SubstrateError> {
    if !is_mounted(merged)? {
        return Ok(());
    }
    let overlay = fs::metadata(merged).map_err(file("look at", merged))?.st_dev();
    let upper = merged.with_file_name("upper");
    // Whoever removed it by hand still gets the rest removed.
    let below = fs::metadata(&upper).ok().map(|meta| meta.st_dev());
    let args = ["--list", "--json", "-O", "NAME,BACK-INO,BACK-MAJ:MIN"];
    let text = tool::run("losetup", &args)?;
    if text.trim().is_empty() {
        return Ok(());
    }
    let loops: Loops = serde_json::from_str(&text)
        .map_err(|error| kernel("read what losetup says")(io::Error::other(error)))?;
    for device in loops.loopdevices {
        let Some((inode, back)) = device.inode.zip(device.device.as_deref()) else { continue };
        let of = |number| back.trim() == device_text(number);
        // An overlay shows its own device number for files, or that of the layer the file is in,
        // depending on how the layers lie on disks.
        if of(overlay) || below.is_some_and(|below| of(below) && has_inode(&upper, below, inode)) {
            let name = device.name.display().to_string();
            tool::run("losetup", &["--detach", &name])?;
        }
    }
    Ok(())
}

fn device_text(device: u64) -> String {
    format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device))
}

fn has_inode(folder: &Path, device: u64, inode: u64) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let Ok(meta) = entry.metadata() else { return false };
        let here = meta.st_dev() == device;
        (here && meta.st_ino() == inode)
            || (here && meta.is_dir() && has_inode(&entry.path(), device, inode))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_found_by_its_whole_path() {
        let text = "36 27 0:57 / /a/b\\040c rw - overlay muster rw\n";
        assert!(mounted_in(text, Path::new("/a/b c")));
        assert!(!mounted_in(text, Path::new("/a/b")));
    }

    #[test]
    fn losetup_is_understood() {
        let text = r#"{"loopdevices":[{"name":"/dev/loop0","back-ino":100,"back-maj:min":"  0:57 "},
            {"name":"/dev/loop1","back-ino":null,"back-maj:min":null}]}"#;
        let loops: Loops = serde_json::from_str(text).unwrap();
        assert_eq!(loops.loopdevices.len(), 2);
        assert_eq!(device_text(rustix::fs::makedev(0, 57)), "0:57");
    }
}
