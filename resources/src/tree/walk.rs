//! Walks a tree by folder descriptors: nothing on the way is ever followed out of it (S10).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::archive::{ArchiveError, Rule};

/// Folders below folders that are looked into. What archives may hold is far less deep; what a
/// charm makes by itself might be anything.
const DEPTH: usize = 256;

/// One entry of a tree.
pub(crate) struct Found<'a> {
    /// Below the tree's top.
    pub(crate) path: &'a Path,
    pub(crate) item: Item,
    folder: BorrowedFd<'a>,
    top: &'a Path,
}

pub(crate) enum Item {
    Folder { mode: u32 },
    File { mode: u32, size: u64 },
    Link { target: PathBuf },
}

impl Found<'_> {
    /// Opens the file for reading.
    pub(crate) fn open(&self) -> Result<File, ArchiveError> {
        let name = self.path.file_name().unwrap_or_default();
        open_file(self.folder, name)
            .map_err(|errno| ArchiveError::read_file(self.top.join(self.path), errno))
    }
}

/// Opens the folder a tree begins at. A link in its place is an error.
pub(crate) fn open_top(folder: &Path) -> Result<OwnedFd, ArchiveError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, folder, flags, Mode::empty())
        .map_err(|errno| ArchiveError::read_file(folder, errno))
}

/// Opens `path` below `top` and never anything else: no link, no mount, no `..`.
pub(crate) fn open_below(
    top: impl AsFd,
    path: &Path,
    flags: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    loop {
        // The kernel asks to try again when names move while it looks.
        match rustix::fs::openat2(top.as_fd(), path, flags | OFlags::CLOEXEC, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Calls `visit` for each entry below `top`, folders before what is in them, in no fixed order.
///
/// `name` is what the tree is called in errors.
pub(crate) fn walk(
    top: &OwnedFd,
    name: &Path,
    visit: &mut dyn FnMut(Found<'_>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    walk_folder(top.as_fd(), name, Path::new(""), 0, visit)
}

fn walk_folder(
    folder: BorrowedFd<'_>,
    top: &Path,
    above: &Path,
    depth: usize,
    visit: &mut dyn FnMut(Found<'_>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let failed = |path: &Path, errno: Errno| ArchiveError::read_file(top.join(path), errno);
    if depth > DEPTH {
        return Err(failed(above, Errno::NAMETOOLONG));
    }
    for name in names(folder).map_err(|errno| failed(above, errno))? {
        let path = above.join(&name);
        let stat = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| failed(&path, errno))?;
        let mode = stat.st_mode & 0o7777;
        let found = |item| Found { path: &path, item, folder, top };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                visit(found(Item::Folder { mode }))?;
                let below = open_folder(folder, &name).map_err(|errno| failed(&path, errno))?;
                walk_folder(below.as_fd(), top, &path, depth + 1, visit)?;
            }
            FileType::RegularFile => {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                visit(found(Item::File { mode, size }))?;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(folder, &name, Vec::new())
                    .map_err(|errno| failed(&path, errno))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                visit(found(Item::Link { target }))?;
            }
            _ => {
                let path = path.as_os_str().as_bytes();
                return Err(ArchiveError::refused(path, Rule::Special));
            }
        }
    }
    Ok(())
}

/// Removes `name` in `folder` with all that is in it, following nothing; nothing there is fine.
pub(crate) fn remove_below(folder: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // EISDIR on Linux; EPERM where unlink of folders is not even tried.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    let below = open_folder(folder, name)?;
    for entry in names(below.as_fd())? {
        remove_below(below.as_fd(), &entry)?;
    }
    rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
}

/// The names in a folder, sorted so that errors come in a fixed order.
fn names(folder: BorrowedFd<'_>) -> rustix::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn open_folder(folder: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

fn open_file(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<File> {
    // Not to wait for ever on a pipe that was put in the file's place since we looked.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let mode = rustix::fs::fstat(&file)?.st_mode;
    if FileType::from_raw_mode(mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no longer a plain file"));
    }
    Ok(File::from(file))
}
