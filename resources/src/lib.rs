//! Bytes, digests and disks: blobs that are kept whole, archives that are unpacked safely.

pub mod archive;
mod digest;
mod hashing;
pub mod store;
mod tree;

pub use archive::{Archive, ArchiveError, Limits, Unpack, Unpacked};
pub use digest::{Digest, DigestError};
pub use hashing::Hashing;
pub use store::{Blob, BlobStore, Stage, Staged, StoreError};
pub use tree::{clone_tree, tree_digest, verify_tree};
