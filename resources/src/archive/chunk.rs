//! Pieces of a stream that several threads look at without copying, in buffers used again.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a buffer: large enough that handing one over costs nothing beside filling it, small
/// enough that the buffers of all stages stay in the processor's cache and below 10 MiB (Q6).
pub(super) const BUFFER: usize = 256 << 10;

/// Buffers that are not in use.
#[derive(Clone, Default)]
pub(super) struct Pool {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A part of a filled buffer; the buffer goes back to its pool with the last of its chunks.
#[derive(Clone, Default)]
pub(super) struct Chunk {
    buffer: Arc<Buffer>,
    from: usize,
    to: usize,
}

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    pool: Option<Pool>,
}

impl Pool {
    /// Fills a buffer by `fill`, which returns how many bytes it wrote.
    pub(super) fn filled(
        &self,
        fill: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Chunk> {
        let mut bytes = self.take();
        let result = fill(&mut bytes);
        let buffer = Arc::new(Buffer { bytes, pool: Some(self.clone()) });
        Ok(Chunk { buffer, from: 0, to: result?.min(BUFFER) })
    }

    fn take(&self) -> Vec<u8> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| vec![0; BUFFER])
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            let bytes = std::mem::take(&mut self.bytes);
            pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
    }
}

impl Chunk {
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.bytes.get(self.from..self.to).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.to - self.from
    }

    pub(super) fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Takes up to `length` bytes off the front.
    pub(super) fn split(&mut self, length: usize) -> Chunk {
        let at = self.from + length.min(self.len());
        let front = Chunk { buffer: Arc::clone(&self.buffer), from: self.from, to: at };
        self.from = at;
        front
    }
}
