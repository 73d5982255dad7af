//! Bytes, digests and disks: blobs that are kept whole, archives that are unpacked safely.

mod digest;
mod hashing;
pub mod store;

pub use digest::{Digest, DigestError};
pub use hashing::Hashing;
pub use store::{Blob, BlobStore, Stage, Staged, StoreError};
