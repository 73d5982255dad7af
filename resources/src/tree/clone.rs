//! A second tree like the first: the next unit on a machine gets its files without unpacking.
//!
//! Where the file system shares extents (XFS, Btrfs) a file is cloned without touching its bytes.
//! Elsewhere the kernel copies them, on all cores at once, since copying is bound by memory.

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::io::Errno;

use super::{Found, Item, open_below, open_top, walk};
use crate::archive::{ArchiveError, Below, Fresh, Queue, SyncAhead};
use rustix::fs::{Mode, OFlags};

/// Threads that copy: more do not make memory faster.
const COPIERS: usize = 4;

struct Copy {
    path: PathBuf,
    mode: u32,
    size: u64,
}

/// Copies the tree `from` to `to`, which must not exist or be an empty folder; owners and times
/// are not kept, permission bits are. Durable when it returns; on error nothing remains.
pub fn clone_tree(from: &Path, to: &Path) -> Result<(), ArchiveError> {
    let top = open_top(from)?;
    let fresh = Fresh::create(to)?;
    let below = fresh.below();
    let mut files = Vec::new();
    let mut modes = Vec::new();
    walk(&top, from, &mut |found: Found<'_>| {
        let path = found.path;
        match found.item {
            Item::Folder { mode } => {
                below.folder(path)?;
                if mode != 0o755 {
                    modes.push((path.to_owned(), mode));
                }
            }
            Item::File { mode, size } => files.push(Copy { path: path.to_owned(), mode, size }),
            Item::Link { target } => below.link(path, &target)?,
        }
        Ok(())
    })?;
    // The largest last, since they are taken from the end: so all copiers are done together.
    files.sort_by_key(|file| file.size);
    let files = Mutex::new(files);
    let can_share = AtomicBool::new(true);
    let copiers = thread::available_parallelism().map_or(1, NonZero::get).min(COPIERS);
    thread::scope(|scope| {
        let ahead = SyncAhead::start(scope);
        let copiers: Vec<_> = (0..copiers)
            .map(|_| {
                let (queue, files, top, can_share) = (ahead.queue(), &files, &top, &can_share);
                scope.spawn(move || {
                    while let Some(file) = files.lock().ok().and_then(|mut files| files.pop()) {
                        copy_file(top, from, below, &file, can_share, &queue)?;
                    }
                    Ok(())
                })
            })
            .collect();
        let failed = |source| below.failed(Path::new(""), source);
        let mut copied = Ok(());
        for copier in copiers {
            let done = copier
                .join()
                .unwrap_or_else(|_| Err(failed(io::Error::other("a copier has panicked"))));
            copied = copied.and(done);
        }
        copied.and(ahead.finish().map_err(failed))
    })?;
    // Innermost first: a folder without the right to write would refuse what goes below it.
    for (path, mode) in modes.iter().rev() {
        below.chmod(path, *mode)?;
    }
    fresh.publish(true)
}

fn copy_file(
    top: &impl std::os::fd::AsFd,
    from: &Path,
    below: &Below,
    file: &Copy,
    can_share: &AtomicBool,
    queue: &Queue,
) -> Result<(), ArchiveError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let source = open_below(top, &file.path, flags, Mode::empty())
        .map_err(|errno| ArchiveError::read_file(from.join(&file.path), errno))?;
    let source = File::from(source);
    let mut target = below.file(&file.path, file.mode)?;
    if can_share.load(Ordering::Relaxed) {
        match rustix::fs::ioctl_ficlone(&target, &source) {
            Ok(()) => return Ok(()),
            Err(Errno::NOSPC | Errno::DQUOT) => return Err(below.failed(&file.path, Errno::NOSPC)),
            Err(_) => can_share.store(false, Ordering::Relaxed),
        }
    }
    copy_bytes(&source, &mut target, file.size).map_err(|error| below.failed(&file.path, error))?;
    queue.take(target, file.size);
    Ok(())
}

/// Copies `size` bytes in the kernel, or by hand between file systems that cannot.
fn copy_bytes(mut source: &File, target: &mut File, size: u64) -> io::Result<()> {
    let mut left = size;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(source, None, &*target, None, length) {
            // Shorter than it was: somebody is changing the source.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => left = left.saturating_sub(length as u64),
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if left == size => {
                io::copy(&mut source, target)?;
                return Ok(());
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}
