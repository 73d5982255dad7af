//! Entries onto disk, into a folder that is nobody else's and appears under its name only whole.
//!
//! ```text
//! make NAME.partial ─▶ write ─▶ sync ─▶ rename to NAME ─▶ sync the folder above
//!        └─ any error: remove NAME.partial
//! ```
//!
//! Everything is opened relative to the new folder's descriptor and beneath it, without following
//! links or crossing mounts, so it does not matter what somebody does to the paths meanwhile.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::Scope;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::chunk::Chunk;
use super::door::Sink;
use super::error::ArchiveError;
use super::hasher::{Hasher, ToHash};
use super::sync::SyncAhead;
use crate::tree::{Tree, open_below, remove_below};

const FOLDER: Mode = Mode::from_raw_mode(0o755);

/// A folder that we write into, whatever it is called meanwhile.
pub(crate) struct Below {
    /// What it is called in errors.
    called: PathBuf,
    top: OwnedFd,
}

impl Below {
    pub(super) fn new(called: PathBuf, top: OwnedFd) -> Below {
        Below { called, top }
    }

    /// Its descriptor.
    pub(super) fn top(&self) -> &OwnedFd {
        &self.top
    }

    /// Makes a folder; its parent was made before.
    pub(crate) fn folder(&self, path: &Path) -> Result<(), ArchiveError> {
        self.in_parent(path, |parent, name| {
            rustix::fs::mkdirat(parent, name, FOLDER)?;
            let made = open_below(parent, Path::new(name), OFlags::DIRECTORY, Mode::empty())?;
            rustix::fs::fchmod(made, FOLDER)
        })
    }

    /// Makes a link; its folder was made before.
    pub(crate) fn link(&self, path: &Path, target: &Path) -> Result<(), ArchiveError> {
        self.in_parent(path, |parent, name| rustix::fs::symlinkat(target, parent, name))
    }

    /// Makes a file that is not there yet.
    pub(crate) fn file(&self, path: &Path, mode: u32) -> Result<File, ArchiveError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(mode);
        let file = open_below(&self.top, path, flags, mode).and_then(|file| {
            // Not what the process's umask made of it.
            rustix::fs::fchmod(&file, mode)?;
            Ok(file)
        });
        file.map(File::from).map_err(|errno| self.failed(path, errno))
    }

    /// Gives a folder another mode than 0755.
    pub(crate) fn chmod(&self, path: &Path, mode: u32) -> Result<(), ArchiveError> {
        open_below(&self.top, path, OFlags::DIRECTORY, Mode::empty())
            .and_then(|folder| rustix::fs::fchmod(folder, Mode::from_raw_mode(mode)))
            .map_err(|errno| self.failed(path, errno))
    }

    pub(crate) fn failed(&self, path: &Path, errno: impl Into<std::io::Error>) -> ArchiveError {
        ArchiveError::write(self.called.join(path), errno)
    }

    fn in_parent(
        &self,
        path: &Path,
        make: impl FnOnce(&OwnedFd, &OsStr) -> rustix::io::Result<()>,
    ) -> Result<(), ArchiveError> {
        let name = path.file_name().unwrap_or_default();
        let done = match path.parent() {
            Some(above) if above != Path::new("") => {
                let flags = OFlags::PATH | OFlags::DIRECTORY;
                open_below(&self.top, above, flags, Mode::empty())
                    .and_then(|parent| make(&parent, name))
            }
            _ => make(&self.top, name),
        };
        done.map_err(|errno| self.failed(path, errno))
    }
}

/// A folder on its way to a name.
pub(crate) struct Fresh {
    below: Below,
    parent: OwnedFd,
    name: OsString,
    partial: OsString,
    published: bool,
}

impl Fresh {
    /// Makes `TARGET.partial`, empty. What a crashed attempt left there is removed first.
    ///
    /// The folder above the target must exist; the target must not, unless it is an empty folder.
    pub(crate) fn create(target: &Path) -> Result<Fresh, ArchiveError> {
        let failed = |errno: Errno| ArchiveError::write(target, errno);
        let Some(name) = target.file_name() else { return Err(failed(Errno::INVAL)) };
        let above = match target.parent() {
            Some(above) if above != Path::new("") => above,
            _ => Path::new("."),
        };
        let parent = File::open(above).map_err(|error| ArchiveError::write(above, error))?;
        let parent = OwnedFd::from(parent);
        check_free(&parent, name, target)?;
        let mut partial = name.to_owned();
        partial.push(".partial");
        let top = make(&parent, &partial, target)?;
        let name = name.to_owned();
        let below = Below::new(target.to_owned(), top);
        Ok(Fresh { below, parent, name, partial, published: false })
    }

    /// What is written into.
    pub(crate) fn below(&self) -> &Below {
        &self.below
    }

    /// Makes everything durable, if that is wanted, and gives the folder its name.
    pub(crate) fn publish(mut self, durable: bool) -> Result<(), ArchiveError> {
        let Below { called, top } = &self.below;
        let failed = |errno: Errno| ArchiveError::write(called, errno);
        rustix::fs::fchmod(top, FOLDER).map_err(failed)?;
        if durable {
            // One sync for all: a sync for each of thousands of files would wait for the disk as
            // often.
            rustix::fs::syncfs(top).map_err(failed)?;
        }
        if !self.is_ours() {
            return Err(ArchiveError::Swapped { path: called.with_file_name(&self.partial) });
        }
        match rustix::fs::renameat(&self.parent, &self.partial, &self.parent, &self.name) {
            Ok(()) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {
                return Err(ArchiveError::Exists { path: called.clone() });
            }
            Err(errno) => return Err(failed(errno)),
        }
        self.published = true;
        if !durable {
            return Ok(());
        }
        let called = &self.below.called;
        rustix::fs::fsync(&self.parent).map_err(|errno| ArchiveError::write(called, errno))
    }

    /// Whether the name of the partial folder still leads to the one we write into.
    fn is_ours(&self) -> bool {
        let there = rustix::fs::statat(&self.parent, &self.partial, AtFlags::SYMLINK_NOFOLLOW);
        let ours = rustix::fs::fstat(&self.below.top);
        matches!((there, ours), (Ok(there), Ok(ours))
            if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.published && self.is_ours() {
            // The error that brought us here is the one to tell; what stays is removed by the
            // next attempt, which begins by doing so.
            let _left = remove_below(self.parent.as_fd(), &self.partial);
        }
    }
}

fn check_free(parent: &OwnedFd, name: &OsStr, target: &Path) -> Result<(), ArchiveError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let exists = || ArchiveError::Exists { path: target.to_owned() };
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => Err(exists()),
        Err(errno) => Err(ArchiveError::write(target, errno)),
        Ok(folder) => {
            let names = rustix::fs::Dir::read_from(&folder)
                .map_err(|errno| ArchiveError::write(target, errno))?;
            for entry in names {
                let entry = entry.map_err(|errno| ArchiveError::write(target, errno))?;
                if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                    return Err(exists());
                }
            }
            Ok(())
        }
    }
}

/// Makes the partial folder and locks it, so that a second one at the same work knows.
fn make(parent: &OwnedFd, partial: &OsStr, target: &Path) -> Result<OwnedFd, ArchiveError> {
    let failed = |errno: Errno| ArchiveError::write(target.with_file_name(partial), errno);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock =
        |top: &OwnedFd| match rustix::fs::flock(top, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Err(ArchiveError::Busy { path: target.to_owned() }),
            other => other.map_err(failed),
        };
    match rustix::fs::openat(parent, partial, flags, Mode::empty()) {
        Err(Errno::NOENT) => {}
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return Err(ArchiveError::Swapped { path: target.with_file_name(partial) });
        }
        Err(errno) => return Err(failed(errno)),
        Ok(left) => {
            lock(&left)?;
            remove_below(parent.as_fd(), partial).map_err(failed)?;
        }
    }
    match rustix::fs::mkdirat(parent, partial, Mode::RWXU) {
        Err(Errno::EXIST) => return Err(ArchiveError::Busy { path: target.to_owned() }),
        other => other.map_err(failed)?,
    }
    let top = open_top_at(parent, partial).map_err(failed)?;
    lock(&top)?;
    Ok(top)
}

fn open_top_at(parent: &OwnedFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    open_below(parent, Path::new(name), flags, Mode::empty())
}

/// Writes entries below a fresh folder, and hashes them.
pub(super) struct Writer<'scope, 'a> {
    below: &'a Below,
    open: Option<(PathBuf, File, u64)>,
    tree: Tree,
    files: u64,
    bytes: u64,
    hashing: Hasher<'scope>,
    /// None where no file can be large.
    ahead: Option<SyncAhead<'scope>>,
}

/// What was written.
pub(super) struct Written {
    pub(super) tree: Tree,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl<'scope, 'a> Writer<'scope, 'a> {
    /// With threads of its own only if the archive is worth them.
    pub(super) fn new<'env>(
        scope: &'scope Scope<'scope, 'env>,
        below: &'a Below,
        threads: bool,
    ) -> Writer<'scope, 'a> {
        let hashing = if threads { Hasher::apart(scope) } else { Hasher::default() };
        let ahead = threads.then(|| SyncAhead::start(scope));
        Writer { below, open: None, tree: Tree::default(), files: 0, bytes: 0, hashing, ahead }
    }

    pub(super) fn finish(self) -> Result<Written, ArchiveError> {
        let synced = self.ahead.map_or(Ok(()), SyncAhead::finish);
        let hashed = self.hashing.finish();
        synced.map_err(|source| self.below.failed(Path::new(""), source))?;
        let mut tree = self.tree;
        tree.append(hashed?);
        Ok(Written { tree, files: self.files, bytes: self.bytes })
    }
}

impl Sink for Writer<'_, '_> {
    fn folder(&mut self, path: &str) -> Result<(), ArchiveError> {
        self.tree.folder(path, FOLDER.as_raw_mode());
        self.below.folder(Path::new(path))
    }

    fn file(&mut self, path: &str, mode: u32, size: u64) -> Result<(), ArchiveError> {
        let file = self.below.file(Path::new(path), mode)?;
        self.open = Some((PathBuf::from(path), file, size));
        self.files += 1;
        self.hashing.take(ToHash::File { path: path.to_owned(), mode })
    }

    fn data(&mut self, chunk: Chunk) -> Result<(), ArchiveError> {
        if let Some((path, file, _)) = &mut self.open {
            file.write_all(chunk.bytes()).map_err(|source| self.below.failed(path, source))?;
        }
        self.bytes += chunk.len() as u64;
        self.hashing.take(ToHash::Data(chunk))
    }

    fn close(&mut self) -> Result<(), ArchiveError> {
        if let (Some((_, file, size)), Some(ahead)) = (self.open.take(), &self.ahead) {
            ahead.take(file, size);
        }
        Ok(())
    }

    fn link(&mut self, path: &str, target: &str) -> Result<(), ArchiveError> {
        self.tree.link(path, target);
        self.below.link(Path::new(path), Path::new(target))
    }
}
