//! Loop devices: a file that the kernel shows as a disk.
//!
//! The one module with `unsafe`: requests to the kernel that no library offers safely. Each acts on
//! a descriptor that is held open for the call, and takes a number or one struct of fixed size.
//!
//! Devices are the whole host's, and machines that are containers all name their files alike: a
//! device is told by the file behind it (device and inode), never by that file's name. Where that file
//! was renamed or removed meanwhile, a device of which it is known that it is this machine's is told by
//! a mark that it was given.
#![expect(unsafe_code, reason = "ioctl; see the module's text")]

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use muster_resources::Digest;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

mod request {
    nix::ioctl_none_bad!(get_free, 0x4C82);
    nix::ioctl_write_int_bad!(set_file, 0x4C00);
    nix::ioctl_none_bad!(clear_file, 0x4C01);
    nix::ioctl_write_ptr_bad!(set_status, 0x4C04, super::Status);
    nix::ioctl_read_bad!(get_status, 0x4C05, super::Status);
}

/// `struct loop_info64` of the kernel's interface.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Status {
    /// The file system of the file behind the device, as `stat` says it.
    device: u64,
    /// The file's inode there.
    inode: u64,
    _places: [u64; 3],
    _numbers: [u32; 4],
    /// Whatever whoever set it up called it.
    mark: Mark,
    _cipher: [u64; 8],
    _key: [u64; 4],
    _init: [u64; 2],
}

/// 64 bytes, which the kernel ends with a zero.
type Mark = [u64; 8];

/// The device number of block devices of this kind.
const MAJOR: u64 = 7;
const ENTRIES: &str = "/sys/block";

/// The device that has `backing` behind it, if there is one.
pub(crate) fn find(backing: &Path) -> io::Result<Option<PathBuf>> {
    let file = match fs::metadata(backing) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in fs::read_dir(ENTRIES)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("loop")) else { continue };
        // Most are free, and then have no such folder.
        if !entry.path().join("loop").exists() {
            continue;
        }
        let device = node(name)?;
        if status(&File::open(&device)?)?.is_some_and(|status| status.shows(&file)) {
            return Ok(Some(device));
        }
    }
    Ok(None)
}

/// Whether a device of this machine was made for `backing`, be that renamed or removed by now.
pub(crate) fn was_made_for(device: &Path, backing: &Path) -> io::Result<bool> {
    let Some(status) = status(&File::open(device)?)? else { return Ok(false) };
    let shows = fs::metadata(backing).is_ok_and(|file| status.shows(&file));
    Ok(shows || status.mark == mark(backing)?)
}

impl Status {
    fn shows(&self, file: &fs::Metadata) -> bool {
        (self.device, self.inode) == (file.dev(), file.ino())
    }
}

/// The mark of the devices that are made for `backing`.
fn mark(backing: &Path) -> io::Result<Mark> {
    let (Some(parent), Some(name)) = (backing.parent(), backing.file_name()) else {
        return Err(io::Error::other(format!("`{}` is no file of ours", backing.display())));
    };
    let parent = match fs::canonicalize(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => parent.to_owned(),
        parent => parent?,
    };
    let path = parent.join(name);
    let text =
        format!("muster {:.48}", Digest::of(path.as_os_str().as_encoded_bytes()).to_string());
    let mut mark = Mark::default();
    for (word, bytes) in mark.iter_mut().zip(text.as_bytes().chunks(size_of::<u64>())) {
        let mut whole = [0; size_of::<u64>()];
        whole.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        *word = u64::from_ne_bytes(whole);
    }
    Ok(mark)
}

/// What the kernel says of a device; none if it is free.
fn status(opened: &File) -> io::Result<Option<Status>> {
    let mut status = Status::default();
    // SAFETY: the struct is the kernel's, of its size, and lives through the call.
    match unsafe { request::get_status(opened.as_raw_fd(), &raw mut status) } {
        Ok(_) => Ok(Some(status)),
        Err(nix::errno::Errno::ENXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Puts `backing` behind a free device. One that has it already is found, not made again.
pub(crate) fn attach(backing: &Path) -> io::Result<PathBuf> {
    let backing = &fs::canonicalize(backing)?;
    if let Some(device) = find(backing)? {
        return Ok(device);
    }
    let file = File::options().read(true).write(true).open(backing)?;
    let control = control()?;
    // Another process may take the device in between.
    for _ in 0..16 {
        // SAFETY: the request takes no argument; the descriptor is open.
        let number = unsafe { request::get_free(control.as_raw_fd()) }?;
        let device = node(&format!("loop{number}"))?;
        let opened = File::options().read(true).write(true).open(&device)?;
        // SAFETY: the argument is an open descriptor's number; both are open.
        match unsafe { request::set_file(opened.as_raw_fd(), file.as_raw_fd()) } {
            Ok(_) => {
                // A device without its mark is found by its file, as ever.
                if let Some(mut status) = status(&opened)? {
                    status.mark = mark(backing)?;
                    // SAFETY: the struct is the kernel's, of its size, and lives through the call.
                    unsafe { request::set_status(opened.as_raw_fd(), &raw const status) }?;
                }
                return Ok(device);
            }
            Err(nix::errno::Errno::EBUSY) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::other("no loop device is free"))
}

/// Takes the file from behind a device. While the device is in use the kernel waits for the last
/// user to leave, and then does it.
pub(crate) fn detach(device: &Path) -> io::Result<()> {
    let opened = File::open(device)?;
    // SAFETY: the request takes no argument; the descriptor is open.
    match unsafe { request::clear_file(opened.as_raw_fd()) } {
        Ok(_) | Err(nix::errno::Errno::ENXIO) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn control() -> io::Result<File> {
    let path = Path::new("/dev/loop-control");
    if !path.exists() {
        // A container's /dev may lack it; misc device 237 is the kernel's fixed number.
        mknod(path, SFlag::S_IFCHR, Mode::S_IRUSR | Mode::S_IWUSR, makedev(10, 237))?;
    }
    File::options().read(true).write(true).open(path)
}

/// The device's node, made if a container's `/dev` lacks it.
fn node(name: &str) -> io::Result<PathBuf> {
    let path = Path::new("/dev").join(name);
    match fs::metadata(&path) {
        Ok(found) if found.file_type().is_block_device() => return Ok(path),
        Ok(_) => return Err(io::Error::other(format!("/dev/{name} is no block device"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let number = name.trim_start_matches("loop").parse().map_err(io::Error::other)?;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    mknod(&path, SFlag::S_IFBLK, mode, makedev(MAJOR, number))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_has_the_kernels_size() {
        assert_eq!(size_of::<Status>(), 232);
    }

    #[test]
    fn a_device_is_told_by_its_file_and_not_by_the_files_name() {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/loop-control").exists() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let backing = folder.path().join("data-0.img");
        let make = || fs::write(&backing, vec![0; 1 << 20]).unwrap();
        make();
        let first = attach(&backing).unwrap();
        assert_eq!(attach(&backing).unwrap(), first, "found, not made again");
        // Another file under the very name that the first device still shows.
        fs::rename(&backing, folder.path().join("elsewhere")).unwrap();
        make();
        assert_eq!(find(&backing).unwrap(), None);
        let second = attach(&backing).unwrap();
        assert_ne!(first, second);
        detach(&first).unwrap();
        detach(&second).unwrap();
        assert_eq!(find(&backing).unwrap(), None);
    }
}
