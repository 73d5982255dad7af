//! Removal of what nobody names, in two phases.
//!
//! A blob arrives before the record that names it, so "unnamed" may mean "not yet". The first pass
//! that finds a blob unnamed notes when; a later one removes it, if it was unnamed all the time
//! and the grace time is over. Being named, or being offered again by a sender, forgets the note.
//! Partial files go the same way, with their length in the place of a name: one that grows is in use.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::FlockOperation;

use super::{BlobStore, StoreError};
use crate::Digest;

/// What a collection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs removed.
    pub removed: Vec<Digest>,
    /// Partial files removed.
    pub abandoned: Vec<Digest>,
    /// Bytes given back to the disk.
    pub bytes: u64,
    /// Blobs and partial files that are without a name and wait for their grace time.
    pub waiting: usize,
}

/// Since when something is seen unnamed, in seconds of the epoch, and how long it was then.
#[derive(PartialEq)]
struct Mark {
    since: u64,
    length: u64,
}

impl BlobStore {
    /// Removes blobs that are not in `named` and were not for `grace`, and partial files that did
    /// not grow for as long. `now` is the caller's clock; one that jumps back starts waits anew.
    pub fn collect(
        &self,
        named: &BTreeSet<Digest>,
        now: SystemTime,
        grace: Duration,
    ) -> Result<Collected, StoreError> {
        let _lock = self.lock(FlockOperation::LockExclusive)?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut done = Collected::default();
        for (digest, length) in self.list()? {
            if named.contains(&digest) {
                self.forget_mark(&digest)?;
            } else if self.is_due(self.mark(&digest), length, now, grace)? {
                self.erase(&self.path(&digest))?;
                self.forget_mark(&digest)?;
                done.removed.push(digest);
                done.bytes += length;
            } else {
                done.waiting += 1;
            }
        }
        for (digest, length) in self.names("partial")? {
            if !self.is_due(self.partial_mark(&digest), length, now, grace)? {
                done.waiting += 1;
            } else if self.is_free(&digest)? {
                self.erase(&self.partial(&digest))?;
                self.erase(&self.partial_mark(&digest))?;
                done.abandoned.push(digest);
                done.bytes += length;
            }
        }
        self.forget_stale_marks()?;
        Ok(done)
    }

    /// Starts the blob's grace time anew, should it have begun.
    pub(super) fn forget_mark(&self, digest: &Digest) -> Result<(), StoreError> {
        self.erase(&self.mark(digest))
    }

    fn mark(&self, digest: &Digest) -> PathBuf {
        self.folder("unnamed").join(digest.to_string())
    }

    fn partial_mark(&self, digest: &Digest) -> PathBuf {
        self.folder("unnamed").join(format!("{digest}.partial"))
    }

    /// Whether the grace time noted in `mark` is over; notes its beginning if nothing is noted.
    fn is_due(
        &self,
        mark: PathBuf,
        length: u64,
        now: u64,
        grace: Duration,
    ) -> Result<bool, StoreError> {
        let noted = fs::read_to_string(&mark).ok().as_deref().and_then(Mark::parse);
        match noted {
            // A note from the future, or one torn by a power cut, is no note.
            Some(noted) if noted.length == length && noted.since <= now => {
                Ok(now - noted.since >= grace.as_secs())
            }
            _ => {
                let text = Mark { since: now, length }.print();
                fs::write(&mark, text).map_err(|source| StoreError::Tidy { path: mark, source })?;
                Ok(false)
            }
        }
    }

    /// Whether nobody is writing this partial file.
    fn is_free(&self, digest: &Digest) -> Result<bool, StoreError> {
        let path = self.partial(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(source) => return Err(StoreError::Tidy { path, source }),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(errno) => Err(StoreError::Tidy { path, source: errno.into() }),
        }
    }

    fn forget_stale_marks(&self) -> Result<(), StoreError> {
        let folder = self.folder("unnamed");
        let failed = |source| StoreError::Tidy { path: folder.clone(), source };
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str() else { continue };
            let kept = match name.strip_suffix(".partial") {
                Some(name) => self.folder("partial").join(name),
                None => self.folder("blobs").join(name),
            };
            if !kept.exists() {
                self.erase(&folder.join(name))?;
            }
        }
        Ok(())
    }
}

impl Mark {
    fn parse(text: &str) -> Option<Mark> {
        let (since, length) = text.trim_end().split_once(' ')?;
        Some(Mark { since: since.parse().ok()?, length: length.parse().ok()? })
    }

    fn print(&self) -> String {
        format!("{} {}\n", self.since, self.length)
    }
}
