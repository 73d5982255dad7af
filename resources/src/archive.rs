//! The one door for archives: read by a strict policy, written into a fresh folder, or refused.
//!
//! What an archive may hold is in [`policy`](Limits) and checked entry by entry while it is read;
//! nothing is skipped and nothing repaired. The same reading serves three purposes: to unpack
//! onto disk ([`Archive::unpack`]), to look at single files in memory ([`Archive::read_files`]),
//! and to list ([`Archive::list`]). So what one accepts, all accept.

mod chunk;
mod door;
mod error;
mod hasher;
mod memory;
mod pack;
mod policy;
pub mod reader;
mod stream;
mod sync;
mod tar;
mod write;
mod zip;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

pub use error::{ArchiveError, Rule};
pub use memory::Listed;
pub use pack::{Packed, pack, pack_tar_gz};
pub use policy::{Kind, Limits};
pub use reader::{Reader, Wanted};
pub(crate) use sync::{Queue, SyncAhead};
pub(crate) use write::{Below, Fresh};

use serde::{Deserialize, Serialize};

use crate::{Digest, Hashing};
use door::{Both, Door, Sink};
use memory::Memory;
use write::Writer;

/// Bytes of an archive up to which a thread costs more than it spares: most charms are smaller.
const SMALL: u64 = 256 << 10;

/// An archive in a file, whose format was told by its first bytes and never by its name.
#[derive(Debug)]
pub struct Archive {
    file: File,
    size: u64,
    format: Format,
}

/// The formats there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Zip: stored and deflated entries.
    Zip,
    /// Tar: ustar, pax, GNU.
    Tar,
    /// Tar in one gzip stream.
    TarGz,
}

/// How to unpack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unpack {
    /// What may be in the archive.
    pub limits: Limits,
    /// Leading parts that are taken off every name. A folder that has no more is left out; a file
    /// or link that has no more is refused, since it would be lost.
    pub strip: usize,
    /// What the archive must be. Checked while it is unpacked; nothing appears unless it is so.
    pub expected: Option<Digest>,
    /// Whether it is on disk when that returns. Not needed by whoever moves the pieces elsewhere and
    /// syncs those.
    pub durable: bool,
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// The archive's digest.
    pub digest: Digest,
    /// The tree's, as [`tree_digest`](crate::tree_digest) finds it in the folder.
    pub tree: Digest,
    /// Files written.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// What is in an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// All entries by name, with the folders that are only implied.
    pub entries: BTreeMap<String, Listed>,
    /// The files that were wanted, by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Reads those files of the archive at `path` whose names are `wanted`, without unpacking, and
/// checks the whole by the same rules as if it were unpacked.
pub fn read_files(
    path: &Path,
    limits: &Limits,
    wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, ArchiveError> {
    Archive::open(path)?.read_files(limits, wanted)
}

impl Archive {
    /// Opens the archive at `path`.
    pub fn open(path: &Path) -> Result<Archive, ArchiveError> {
        let file = File::open(path).map_err(|source| ArchiveError::read_file(path, source))?;
        Archive::from_file(file)
    }

    /// Takes an open file, such as [`Blob::into_file`](crate::Blob::into_file) gives.
    pub fn from_file(file: File) -> Result<Archive, ArchiveError> {
        let failed = |source| ArchiveError::Read { source };
        let size = file.metadata().map_err(failed)?.len();
        let mut start = [0; 512];
        let mut length = 0;
        while length < start.len() {
            let window = start.get_mut(length..).unwrap_or_default();
            match file.read_at(window, length as u64).map_err(failed)? {
                0 => break,
                more => length += more,
            }
        }
        let format = match start {
            [0x1f, 0x8b, ..] => Format::TarGz,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Format::Zip,
            _ if start.get(257..262) == Some(b"ustar") => Format::Tar,
            // An empty tar is nothing but its end.
            _ if length == start.len() && start == [0; 512] => Format::Tar,
            _ => return Err(ArchiveError::whole(Rule::UnknownFormat)),
        };
        Ok(Archive { file, size, format })
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes of the archive.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Unpacks into `target`, which must not exist or be an empty folder; the folder above it must
    /// exist. On error nothing remains.
    ///
    /// Hashing, inflating, writing and hashing the tree go on side by side, each in a thread.
    pub fn unpack(&self, target: &Path, how: &Unpack) -> Result<Unpacked, ArchiveError> {
        let fresh = Fresh::create(target)?;
        let unpacked = self.write(fresh.below(), how)?;
        fresh.publish(how.durable)?;
        Ok(unpacked)
    }

    /// The same, and what [`Archive::list`] and [`Archive::read_files`] would tell, of one reading.
    fn unpack_and_look(
        &self,
        target: &Path,
        how: &Unpack,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<(Unpacked, Inspection), ArchiveError> {
        let fresh = Fresh::create(target)?;
        let done = self.write_and_look(fresh.below(), how, wanted)?;
        fresh.publish(how.durable)?;
        Ok(done)
    }

    /// Writes all that is in it, without making it durable.
    fn write(&self, below: &Below, how: &Unpack) -> Result<Unpacked, ArchiveError> {
        self.write_by(below, |writer| self.walk(&how.limits, how.strip, how.expected, writer))
    }

    fn write_and_look(
        &self,
        below: &Below,
        how: &Unpack,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<(Unpacked, Inspection), ArchiveError> {
        let mut memory = Memory::new(wanted);
        let unpacked = self.write_by(below, |writer| {
            let mut both = Both(&mut memory, writer);
            self.walk(&how.limits, how.strip, how.expected, &mut both)
        })?;
        Ok((unpacked, memory.into()))
    }

    fn write_by(
        &self,
        below: &Below,
        how: impl FnOnce(&mut Writer<'_, '_>) -> Result<Digest, ArchiveError>,
    ) -> Result<Unpacked, ArchiveError> {
        let (written, digest) = thread::scope(|scope| {
            let mut writer = Writer::new(scope, below, self.size > SMALL);
            let walked = how(&mut writer);
            // Joined in any case, so that no thread is left with the folder's descriptors.
            let written = writer.finish();
            walked.and_then(|digest| Ok((written?, digest)))
        })?;
        Ok(Unpacked {
            digest,
            tree: written.tree.digest(),
            files: written.files,
            bytes: written.bytes,
        })
    }

    /// The files whose names are `wanted`. The whole archive is checked by the same rules as if it
    /// were unpacked. A wanted file is held in memory, up to the limits.
    pub fn read_files(
        &self,
        limits: &Limits,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Vec<u8>>, ArchiveError> {
        let mut memory = Memory::new(&wanted);
        self.walk(limits, 0, None, &mut memory)?;
        Ok(memory.files)
    }

    /// All that is in it, by name, with the folders that are only implied.
    pub fn list(&self, limits: &Limits) -> Result<BTreeMap<String, Listed>, ArchiveError> {
        let mut memory = Memory::new(&|_| false);
        self.walk(limits, 0, None, &mut memory)?;
        Ok(memory.listed)
    }

    /// The listing and the wanted files in one pass; with a digest, only if it is that blob.
    fn look(
        &self,
        limits: &Limits,
        expected: Option<Digest>,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Inspection, ArchiveError> {
        let mut memory = Memory::new(wanted);
        self.walk(limits, 0, expected, &mut memory)?;
        Ok(memory.into())
    }

    /// Hands every entry to `sink`, and returns the digest of the archive.
    fn walk(
        &self,
        limits: &Limits,
        strip: usize,
        expected: Option<Digest>,
        sink: &mut dyn Sink,
    ) -> Result<Digest, ArchiveError> {
        if self.size > limits.packed {
            return Err(ArchiveError::whole(Rule::packed(limits)));
        }
        let mut door = Door::new(limits.clone(), strip, sink);
        let walked = match self.format {
            Format::Zip => self.walk_zip(&mut door),
            format => {
                let gzip = format == Format::TarGz;
                stream::stream(&self.file, gzip, limits, |source| tar::walk(source, &mut door))
                    .map(|((), digest)| digest)
            }
        };
        let Some(expected) = expected else {
            return walked.and_then(|digest| door.finish().map(|()| digest));
        };
        let actual = match &walked {
            Ok(digest) => *digest,
            // Is it a bad archive, or not the archive? Whoever asks would do different things.
            Err(ArchiveError::Refused { .. }) => self.digest()?,
            Err(_) => return walked,
        };
        if actual != expected {
            return Err(ArchiveError::Mismatch { expected, actual });
        }
        let digest = walked?;
        door.finish()?;
        Ok(digest)
    }

    /// Entries of a zip are read here and there, so the hash of a large one has a thread for itself.
    fn walk_zip(&self, door: &mut Door<'_>) -> Result<Digest, ArchiveError> {
        if self.size <= SMALL {
            let digest = self.digest();
            return zip::walk(&self.file, self.size, door).and(digest);
        }
        thread::scope(|scope| {
            let digest = scope.spawn(|| self.digest());
            let walked = zip::walk(&self.file, self.size, door);
            let digest = digest.join().map_err(|_| stream::panicked())?;
            walked.and(digest)
        })
    }

    fn digest(&self) -> Result<Digest, ArchiveError> {
        let mut hash = Hashing::new(io::sink());
        let mut buffer = vec![0; chunk::BUFFER];
        loop {
            let length = self
                .file
                .read_at(&mut buffer, hash.count())
                .map_err(|source| ArchiveError::Read { source })?;
            match buffer.get(..length) {
                Some(bytes) if !bytes.is_empty() => hash.note(bytes),
                _ => return Ok(hash.digest()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
