//! Bytes, digests and disks: blobs that are kept whole, archives that are unpacked safely.
