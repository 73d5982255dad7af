//! Entries into memory: a listing, and those files somebody wants to read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Inspection;
use super::chunk::Chunk;
use super::door::Sink;
use super::error::ArchiveError;

/// What an archive says of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listed {
    /// A folder, perhaps only implied by what lies in it.
    Folder,
    /// A file.
    File {
        /// The mode that it gets where the archive is unpacked.
        mode: u32,
        /// Bytes.
        size: u64,
    },
    /// A symbolic link.
    Link {
        /// Where to, relative to its folder.
        target: String,
    },
}

/// Keeps what is wanted.
pub(super) struct Memory<'a> {
    wanted: &'a dyn Fn(&str) -> bool,
    open: Option<(String, Vec<u8>)>,
    pub(super) listed: BTreeMap<String, Listed>,
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

impl<'a> Memory<'a> {
    pub(super) fn new(wanted: &'a dyn Fn(&str) -> bool) -> Memory<'a> {
        Memory { wanted, open: None, listed: BTreeMap::new(), files: BTreeMap::new() }
    }
}

impl From<Memory<'_>> for Inspection {
    fn from(memory: Memory<'_>) -> Inspection {
        Inspection { entries: memory.listed, files: memory.files }
    }
}

impl Sink for Memory<'_> {
    fn folder(&mut self, path: &str) -> Result<(), ArchiveError> {
        self.listed.insert(path.to_owned(), Listed::Folder);
        Ok(())
    }

    fn file(&mut self, path: &str, mode: u32, size: u64) -> Result<(), ArchiveError> {
        self.listed.insert(path.to_owned(), Listed::File { mode, size });
        // Grown by what comes, not by what is claimed.
        self.open = (self.wanted)(path).then(|| (path.to_owned(), Vec::new()));
        Ok(())
    }

    fn data(&mut self, chunk: Chunk) -> Result<(), ArchiveError> {
        if let Some((_, bytes)) = &mut self.open {
            bytes.extend_from_slice(chunk.bytes());
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ArchiveError> {
        self.files.extend(self.open.take());
        Ok(())
    }

    fn link(&mut self, path: &str, target: &str) -> Result<(), ArchiveError> {
        self.listed.insert(path.to_owned(), Listed::Link { target: target.to_owned() });
        Ok(())
    }
}
