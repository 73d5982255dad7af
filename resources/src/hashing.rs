//! Hashes and counts what passes, so that no byte is read twice only to be hashed.

use std::io::{self, Read, Write};

use sha2::Digest as _;

use crate::Digest;

/// A reader or writer around another, which hashes and counts every byte that passes.
pub struct Hashing<S> {
    inner: S,
    state: sha2::Sha256,
    count: u64,
}

impl<S> Hashing<S> {
    /// Starts with no byte seen.
    pub fn new(inner: S) -> Hashing<S> {
        Hashing { inner, state: sha2::Sha256::new(), count: 0 }
    }

    /// Bytes that have passed.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The digest of what has passed so far.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(self.state.clone().finalize().into())
    }

    /// What is wrapped, with the digest and number of the bytes that have passed.
    pub fn finish(self) -> (S, Digest, u64) {
        (self.inner, Digest::from_bytes(self.state.finalize().into()), self.count)
    }

    /// What is wrapped; what is done to it directly is neither hashed nor counted.
    pub(crate) fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Hashes and counts bytes that passed elsewhere.
    pub(crate) fn note(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.count += bytes.len() as u64;
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.note(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.note(bytes.get(..length).unwrap_or_default());
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_and_what_is_written_hash_alike() {
        let text = vec![7; 100_000];
        let mut reader = Hashing::new(text.as_slice());
        let mut writer = Hashing::new(Vec::new());
        io::copy(&mut reader, &mut writer).unwrap();
        assert_eq!(reader.digest(), Digest::of(&text));
        let (copy, digest, count) = writer.finish();
        assert_eq!((copy, digest, count), (text.clone(), Digest::of(&text), 100_000));
    }
}
