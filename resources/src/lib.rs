//! Bytes, digests and disks: blobs that are kept whole, archives that are unpacked safely.
//!
//! ```text
//! sender ─▶ store: stage, check, publish ─▶ blob ─▶ archive: check, unpack ─▶ tree ─▶ clone
//! folder ─▶ archive: pack ─▶ blob
//! ```
//!
//! A [`Digest`] names a blob; a [`BlobStore`] keeps it whole; [`archive`] is the one door through which
//! what is in it comes out; [`tree_digest`] says whether what came out is still as it was. All of
//! this is synchronous: callers choose the thread. Nothing here knows a network or a model.

pub mod archive;
mod digest;
mod hashing;
pub mod store;
mod tree;

pub use archive::{Archive, ArchiveError, Limits, Reader, Unpack, Unpacked};
pub use digest::{Digest, DigestError};
pub use hashing::Hashing;
pub use store::{Blob, BlobStore, Stage, Staged, StoreError};
pub use tree::{clone_tree, tree_digest, verify_tree};
