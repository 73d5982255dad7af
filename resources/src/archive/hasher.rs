//! The hashes of files that are written, by whoever writes them or on a thread beside.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::chunk::Chunk;
use super::error::ArchiveError;
use super::stream::panicked;
use crate::Hashing;
use crate::tree::Tree;

/// Pieces that wait to be hashed.
const AHEAD: usize = 8;

/// Who hashes what is written.
pub(super) enum Hasher<'scope> {
    /// Whoever writes it.
    Here(FileHashes),
    /// A thread of its own.
    Apart(SyncSender<ToHash>, ScopedJoinHandle<'scope, Tree>),
}

impl Default for Hasher<'_> {
    fn default() -> Self {
        Hasher::Here(FileHashes::default())
    }
}

impl<'scope> Hasher<'scope> {
    /// On a thread of its own.
    pub(super) fn apart<'env>(scope: &'scope Scope<'scope, 'env>) -> Hasher<'scope> {
        let (to_hash, pieces) = sync_channel(AHEAD);
        Hasher::Apart(to_hash, scope.spawn(move || hash_files(&pieces)))
    }

    pub(super) fn take(&mut self, piece: ToHash) -> Result<(), ArchiveError> {
        match self {
            Hasher::Here(hashes) => {
                hashes.take(piece);
                Ok(())
            }
            Hasher::Apart(to_hash, _) => to_hash.send(piece).map_err(|_| panicked()),
        }
    }

    pub(super) fn finish(self) -> Result<Tree, ArchiveError> {
        match self {
            Hasher::Here(hashes) => Ok(hashes.finish()),
            Hasher::Apart(to_hash, thread) => {
                drop(to_hash);
                thread.join().map_err(|_| panicked())
            }
        }
    }
}

/// A piece of what is written: a file begins, or goes on.
pub(super) enum ToHash {
    File { path: String, mode: u32 },
    Data(Chunk),
}

fn hash_files(pieces: &Receiver<ToHash>) -> Tree {
    let mut hashes = FileHashes::default();
    for piece in pieces {
        hashes.take(piece);
    }
    hashes.finish()
}

/// The hashes of files whose pieces come in order.
#[derive(Default)]
pub(super) struct FileHashes {
    tree: Tree,
    current: Option<(String, u32, Hashing<io::Sink>)>,
}

impl FileHashes {
    fn take(&mut self, piece: ToHash) {
        match piece {
            ToHash::File { path, mode } => {
                self.close();
                self.current = Some((path, mode, Hashing::new(io::sink())));
            }
            ToHash::Data(chunk) => {
                if let Some((_, _, hashing)) = &mut self.current {
                    hashing.note(chunk.bytes());
                }
            }
        }
    }

    fn close(&mut self) {
        if let Some((path, mode, hashing)) = self.current.take() {
            let (_, content, size) = hashing.finish();
            self.tree.file(path, mode, size, content);
        }
    }

    fn finish(mut self) -> Tree {
        self.close();
        self.tree
    }
}
