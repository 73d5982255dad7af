//! A blob on its way in.

use std::fs::{self, File, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

use rustix::fs::FlockOperation;

use super::{BlobStore, StoreError, is_full, sync_folder};
use crate::{Digest, Hashing};

/// The answer to [`BlobStore::stage`].
#[derive(Debug)]
pub enum Stage {
    /// The blob is here; nothing need be sent.
    Present,
    /// Send from [`Staged::length`] on.
    Ready(Staged),
}

/// A blob of which a beginning may be here. Dropped unfinished, the beginning stays for the next
/// [`BlobStore::stage`].
pub struct Staged {
    store: BlobStore,
    expected: Digest,
    size: u64,
    length: u64,
    /// Counts fewer bytes than `length` as long as what an earlier attempt left was not read.
    file: Hashing<File>,
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Staged({}, {} of {} bytes)", self.expected, self.length, self.size)
    }
}

impl BlobStore {
    /// Prepares to take in the blob `expected` of `size` bytes, from the beginning or from where
    /// an earlier attempt ended.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] while another holds the same blob's [`Staged`]; [`StoreError::Full`]
    /// when the disk cannot take it, before a byte is sent.
    pub fn stage(&self, expected: Digest, size: u64) -> Result<Stage, StoreError> {
        self.stage_how(expected, size, FlockOperation::NonBlockingLockExclusive)
    }

    /// Like [`BlobStore::stage`], but waits while another is writing the same blob.
    pub fn stage_waiting(&self, expected: Digest, size: u64) -> Result<Stage, StoreError> {
        self.stage_how(expected, size, FlockOperation::LockExclusive)
    }

    /// How many bytes of a blob that is arriving are here: where an upload goes on. The size when
    /// it is whole, 0 when nothing is known of it.
    pub fn progress(&self, digest: &Digest) -> Result<u64, StoreError> {
        for path in [self.path(digest), self.partial(digest)] {
            match fs::metadata(path) {
                Ok(metadata) => return Ok(metadata.len()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::Read { digest: *digest, source }),
            }
        }
        Ok(0)
    }

    fn stage_how(
        &self,
        expected: Digest,
        size: u64,
        how: FlockOperation,
    ) -> Result<Stage, StoreError> {
        loop {
            {
                // Whoever is told that a blob is here will soon name it, so its time starts anew.
                let _lock = self.lock(FlockOperation::LockShared)?;
                if self.contains(&expected) {
                    self.forget_mark(&expected)?;
                    return Ok(Stage::Present);
                }
            }
            let Some(file) = self.lock_partial(&expected, size, how)? else { continue };
            let wrong = |source| StoreError::Read { digest: expected, source };
            let mut length = file.metadata().map_err(wrong)?.len();
            let mut file = file;
            if length > size {
                // What is there cannot be a beginning of this.
                file.set_len(0).map_err(wrong)?;
                length = 0;
            }
            file.seek(SeekFrom::Start(length)).map_err(wrong)?;
            self.check_room(&expected, size, size - length, &file)?;
            let file = Hashing::new(file);
            return Ok(Stage::Ready(Staged { store: self.clone(), expected, size, length, file }));
        }
    }

    /// The locked partial file; nothing if it was published or removed while we waited.
    fn lock_partial(
        &self,
        digest: &Digest,
        size: u64,
        how: FlockOperation,
    ) -> Result<Option<File>, StoreError> {
        let path = self.partial(digest);
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| write_error(*digest, size, source))?;
        match rustix::fs::flock(&file, how) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StoreError::Busy(*digest)),
            Err(rustix::io::Errno::INTR) => return Ok(None),
            Err(errno) => return Err(StoreError::Write { digest: *digest, source: errno.into() }),
        }
        let read = |source| StoreError::Read { digest: *digest, source };
        let ours = file.metadata().map_err(read)?;
        match fs::metadata(&path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => Ok(Some(file)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(read(source)),
        }
    }

    /// A courtesy, not a guarantee: better to say no now than after an hour of sending.
    fn check_room(
        &self,
        digest: &Digest,
        size: u64,
        missing: u64,
        file: &File,
    ) -> Result<(), StoreError> {
        let room = rustix::fs::fstatvfs(file)
            .map_err(|errno| StoreError::Write { digest: *digest, source: errno.into() })?;
        if room.f_bavail.saturating_mul(room.f_frsize) < missing {
            return Err(StoreError::Full { digest: *digest, size });
        }
        Ok(())
    }
}

impl Staged {
    /// Bytes that are here: the next piece begins at this offset.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of the whole blob.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a piece that begins at `offset`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Offset`] if the piece does not begin at [`Staged::length`],
    /// [`StoreError::Size`] if it goes beyond the promised size, [`StoreError::Full`].
    /// What was here before is still here afterwards.
    pub fn append(&mut self, offset: u64, piece: &[u8]) -> Result<(), StoreError> {
        if offset != self.length {
            return Err(StoreError::Offset {
                digest: self.expected,
                expected: self.length,
                actual: offset,
            });
        }
        let after = self.length.saturating_add(piece.len() as u64);
        if after > self.size {
            return Err(StoreError::Size {
                digest: self.expected,
                expected: self.size,
                actual: after,
            });
        }
        self.catch_up()?;
        if let Err(source) = self.file.write_all(piece) {
            // Part of the piece may be there, and hashed: forget what was computed and start from
            // what is known to be right.
            self.go_back_to(self.length)?;
            return Err(write_error(self.expected, self.size, source));
        }
        self.length = after;
        Ok(())
    }

    /// Makes what is here durable and returns its length: what may be confirmed to a sender.
    pub fn sync(&mut self) -> Result<u64, StoreError> {
        let (expected, size) = (self.expected, self.size);
        let file = self.handle();
        file.sync_data().map_err(|source| write_error(expected, size, source))?;
        Ok(self.length)
    }

    /// Forgets what an earlier attempt left.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        self.go_back_to(0)
    }

    /// Checks size and digest and publishes the blob.
    ///
    /// # Errors
    ///
    /// [`StoreError::Size`] while bytes are missing (they can still be sent, to another
    /// [`Staged`]); [`StoreError::Mismatch`] when the bytes are wrong: then the partial file is
    /// gone, since nobody knows where the first wrong byte is.
    pub fn finish(mut self) -> Result<(), StoreError> {
        if self.length != self.size {
            return Err(StoreError::Size {
                digest: self.expected,
                expected: self.size,
                actual: self.length,
            });
        }
        self.catch_up()?;
        let actual = self.file.digest();
        let partial = self.store.partial(&self.expected);
        if actual != self.expected {
            self.store.erase(&partial)?;
            return Err(StoreError::Mismatch { expected: self.expected, actual });
        }
        let (expected, size) = (self.expected, self.size);
        let path = self.store.path(&expected);
        let _lock = self.store.lock(FlockOperation::LockShared)?;
        self.store.forget_mark(&expected)?;
        let file = self.handle();
        file.set_permissions(Permissions::from_mode(0o444))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&partial, &path))
            .and_then(|()| sync_folder(path.parent().unwrap_or(&path)))
            .map_err(|source| write_error(expected, size, source))
    }

    /// Gives up, and removes what is here.
    pub fn discard(self) -> Result<(), StoreError> {
        self.store.erase(&self.store.partial(&self.expected))
    }

    /// Reads what an earlier attempt left, once, so that the hash covers it.
    fn catch_up(&mut self) -> Result<(), StoreError> {
        if self.file.count() == self.length {
            return Ok(());
        }
        let digest = self.expected;
        let failed = |source| StoreError::Read { digest, source };
        let mut buffer = vec![0; 256 << 10];
        let file = self.handle().try_clone().map_err(failed)?;
        let mut again = Hashing::new(file);
        while again.count() < self.length {
            let left = usize::try_from(self.length - again.count()).unwrap_or(usize::MAX);
            let room = buffer.len().min(left);
            let window = buffer.get_mut(..room).unwrap_or_default();
            let at = again.count();
            let length = self.handle().read_at(window, at).map_err(failed)?;
            if length == 0 {
                return Err(failed(io::ErrorKind::UnexpectedEof.into()));
            }
            again.note(window.get(..length).unwrap_or_default());
        }
        self.file = again;
        let length = self.length;
        self.handle().seek(SeekFrom::Start(length)).map_err(failed)?;
        Ok(())
    }

    fn go_back_to(&mut self, length: u64) -> Result<(), StoreError> {
        let (digest, size) = (self.expected, self.size);
        let failed = |source| write_error(digest, size, source);
        let mut file = self.handle().try_clone().map_err(failed)?;
        file.set_len(length).map_err(failed)?;
        file.seek(SeekFrom::Start(length)).map_err(failed)?;
        self.file = Hashing::new(file);
        self.length = length;
        Ok(())
    }

    fn handle(&mut self) -> &mut File {
        self.file.inner_mut()
    }
}

fn write_error(digest: Digest, size: u64, source: io::Error) -> StoreError {
    if is_full(&source) {
        StoreError::Full { digest, size }
    } else {
        StoreError::Write { digest, source }
    }
}
