//! Blobs kept by digest: the controller's store, and each machine's cache.
//!
//! A blob arrives in pieces, is checked, and appears under its digest in one step:
//!
//! ```text
//! stage(digest, size) ─▶ Staged ─append…─▶ finish: size, digest, sync file, rename, sync folder
//!                          │ dropped, killed, cut off
//!                          └─▶ the next stage(digest, size) goes on where this one ended
//! ```
//!
//! Nothing is visible under a digest until it is whole, checked and on disk; the rename is the
//! commit. Any number of threads and processes may stage at once: a partial file is locked by the
//! one who writes it, and a blob that is there is never written again.

mod collect;
mod staged;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use thiserror::Error;

pub use collect::Collected;
pub use staged::{Stage, Staged};

use crate::{Digest, Hashing};

/// A folder of blobs; cheap to clone, and safe to share between threads and processes.
///
/// ```text
/// blobs/DIGEST       whole and checked, read-only
/// partial/DIGEST     arriving
/// unnamed/DIGEST     seen without a name, and since when (see [`BlobStore::collect`])
/// lock
/// ```
#[derive(Clone, Debug)]
pub struct BlobStore {
    root: PathBuf,
}

/// A blob opened for reading.
#[derive(Debug)]
pub struct Blob {
    digest: Digest,
    size: u64,
    file: File,
}

/// What went wrong with a blob.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A folder of the store cannot be made or opened.
    #[error("cannot open the blob store in `{}`", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A blob, or its partial file, cannot be read.
    #[error("cannot read blob {digest}")]
    Read {
        /// The blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// A blob cannot be written.
    #[error("cannot write blob {digest}")]
    Write {
        /// The blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// The disk, or a quota on it, is full.
    #[error("no space on disk for blob {digest} of {size} bytes")]
    Full {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
    },
    /// There is no such blob.
    #[error("there is no blob {0}")]
    Missing(Digest),
    /// Another is writing this blob at this moment.
    #[error("blob {0} is arriving from elsewhere at this moment")]
    Busy(Digest),
    /// The bytes are not the ones that were promised.
    #[error("blob {expected} has the digest {actual}")]
    Mismatch {
        /// What it is called.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// There are more or fewer bytes than were promised.
    #[error("blob {digest} has {actual} bytes instead of {expected}")]
    Size {
        /// The blob.
        digest: Digest,
        /// Bytes promised.
        expected: u64,
        /// Bytes there are.
        actual: u64,
    },
    /// A piece does not begin where the last one ended.
    #[error("blob {digest} goes on at byte {expected}, not at {actual}")]
    Offset {
        /// The blob.
        digest: Digest,
        /// Where the next piece begins.
        expected: u64,
        /// Where the piece that was offered begins.
        actual: u64,
    },
    /// A listing or a collection failed.
    #[error("cannot tidy the blob store in `{}`", path.display())]
    Tidy {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl BlobStore {
    /// Opens the store in `root`, and makes the folder if there is none.
    pub fn open(root: impl Into<PathBuf>) -> Result<BlobStore, StoreError> {
        let store = BlobStore { root: root.into() };
        for folder in [
            store.root.clone(),
            store.folder("blobs"),
            store.folder("partial"),
            store.folder("unnamed"),
        ] {
            fs::create_dir_all(&folder)
                .map_err(|source| StoreError::Open { path: folder, source })?;
        }
        // The folders themselves must outlive a power cut, or the first blob goes with them.
        sync_folder(&store.root)
            .map_err(|source| StoreError::Open { path: store.root.clone(), source })?;
        Ok(store)
    }

    /// Whether the blob is here, whole.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Where the blob is, or would be. Only for readers: nobody else writes below the store.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder("blobs").join(digest.to_string())
    }

    /// Opens a blob for reading.
    pub fn blob(&self, digest: &Digest) -> Result<Blob, StoreError> {
        let file = match File::open(self.path(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing(*digest));
            }
            Err(source) => return Err(StoreError::Read { digest: *digest, source }),
        };
        let size =
            file.metadata().map_err(|source| StoreError::Read { digest: *digest, source })?.len();
        Ok(Blob { digest: *digest, size, file })
    }

    /// Opens a blob whose size is known, and refuses one that was cut short or has grown: the
    /// check that costs nothing, for each time a blob is served. [`Blob::verify`] is the full one.
    pub fn blob_of_size(&self, digest: &Digest, size: u64) -> Result<Blob, StoreError> {
        let blob = self.blob(digest)?;
        if blob.size != size {
            return Err(StoreError::Size { digest: *digest, expected: size, actual: blob.size });
        }
        Ok(blob)
    }

    /// Takes in a whole blob from `source`, unless it is here already.
    ///
    /// Waits while another is writing the same one. What an interrupted attempt left is not sent
    /// for again but read over: `source` begins at the blob's first byte.
    pub fn put(
        &self,
        expected: Digest,
        size: u64,
        source: &mut impl Read,
    ) -> Result<(), StoreError> {
        let mut staged = match self.stage_waiting(expected, size)? {
            Stage::Present => return Ok(()),
            Stage::Ready(staged) => staged,
        };
        staged.restart()?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let length = source
                .read(&mut buffer)
                .map_err(|source| StoreError::Read { digest: expected, source })?;
            let piece = buffer.get(..length).unwrap_or_default();
            if piece.is_empty() {
                return staged.finish();
            }
            staged.append(staged.length(), piece)?;
        }
    }

    /// Every blob that is here, with its size in bytes, in the order of digests.
    pub fn list(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        let mut found = self.names("blobs")?;
        found.sort();
        Ok(found)
    }

    /// Removes one blob at once. For a cache whose owner knows that nobody reads it; what the
    /// controller keeps goes through [`BlobStore::collect`].
    pub fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        let _lock = self.lock(FlockOperation::LockExclusive)?;
        self.erase(&self.path(digest))?;
        self.forget_mark(digest)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn partial(&self, digest: &Digest) -> PathBuf {
        self.folder("partial").join(digest.to_string())
    }

    /// Holds collection off (shared), or everybody else (exclusive), until the file is dropped.
    fn lock(&self, how: FlockOperation) -> Result<File, StoreError> {
        let path = self.root.join("lock");
        File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .and_then(|file| {
                rustix::fs::flock(&file, how)?;
                Ok(file)
            })
            .map_err(|source| StoreError::Open { path, source })
    }

    /// The digests that name files of `folder`, with those files' sizes. Other names are not ours.
    fn names(&self, folder: &str) -> Result<Vec<(Digest, u64)>, StoreError> {
        let path = self.folder(folder);
        let read = || -> io::Result<Vec<(Digest, u64)>> {
            let mut found = Vec::new();
            for entry in fs::read_dir(&path)? {
                let entry = entry?;
                let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse().ok())
                else {
                    continue;
                };
                match entry.metadata() {
                    Ok(metadata) => found.push((digest, metadata.len())),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(found)
        };
        read().map_err(|source| StoreError::Tidy { path: path.clone(), source })
    }

    fn erase(&self, path: &Path) -> Result<(), StoreError> {
        match fs::remove_file(path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(StoreError::Tidy { path: path.to_owned(), source }),
        }
    }
}

impl Blob {
    /// What it is called.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The file, at its first byte, for a reader that checks on its own (such as the archive
    /// door) or serves a part.
    pub fn into_file(self) -> File {
        self.file
    }

    /// Reads the whole blob and compares it with its digest.
    pub fn verify(&self) -> Result<(), StoreError> {
        let failed = |source| StoreError::Read { digest: self.digest, source };
        let mut file = self.file.try_clone().map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let (actual, _) = hash(file).map_err(failed)?;
        if actual != self.digest {
            return Err(StoreError::Mismatch { expected: self.digest, actual });
        }
        Ok(())
    }

    /// A reader of the whole blob that fails instead of giving the last bytes of a blob that is
    /// no longer what it is called: who receives it sees a transfer that broke off (R21).
    pub fn reader(self) -> impl Read + Send {
        Checked { expected: self.digest, size: self.size, inner: Hashing::new(self.file) }
    }
}

struct Checked {
    expected: Digest,
    size: u64,
    inner: Hashing<File>,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let complete = self.inner.count() >= self.size || length == 0;
        if complete && !buffer.is_empty() && self.inner.digest() != self.expected {
            let what =
                StoreError::Mismatch { expected: self.expected, actual: self.inner.digest() };
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(length)
    }
}

/// The digest and the number of the bytes that are left in `source`.
fn hash(source: impl Read) -> io::Result<(Digest, u64)> {
    let mut source = Hashing::new(source);
    let mut buffer = vec![0; 256 << 10];
    while source.read(&mut buffer)? > 0 {}
    let (_, digest, count) = source.finish();
    Ok((digest, count))
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether the error means that there is no room left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests;
