//! Loop devices: a file that the kernel shows as a disk.
//!
//! The one module with `unsafe`: three requests to the kernel that no library offers safely. Each
//! takes no pointer, only numbers, and acts on a descriptor that is held open for the call.
#![expect(unsafe_code, reason = "ioctl; see the module's text")]

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

mod request {
    nix::ioctl_none_bad!(get_free, 0x4C82);
    nix::ioctl_write_int_bad!(set_file, 0x4C00);
    nix::ioctl_none_bad!(clear_file, 0x4C01);
}

/// The device number of block devices of this kind.
const MAJOR: u64 = 7;
const ENTRIES: &str = "/sys/block";

/// The device that has `backing` behind it, if there is one.
pub(crate) fn find(backing: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(ENTRIES)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("loop")) else { continue };
        // Most are free, and then have no such file.
        let Ok(text) = fs::read_to_string(entry.path().join("loop/backing_file")) else { continue };
        if Path::new(text.trim_end_matches('\n')) == backing {
            return node(name).map(Some);
        }
    }
    Ok(None)
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
            Ok(_) => return Ok(device),
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
