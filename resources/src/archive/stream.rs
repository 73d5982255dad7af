//! The bytes of a tar archive, read, hashed and inflated ahead of whoever asks for them.
//!
//! ```text
//! thread 1: read the blob, hash it ─▶ thread 2: inflate ─▶ the caller: entries, writing
//! ```
//!
//! Inflating is the longest of these by far and has one core to itself; all else shares the other.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flate2::bufread::GzDecoder;

use super::chunk::{BUFFER, Chunk, Pool};
use super::door::check_ratio;
use super::error::{ArchiveError, Rule};
use super::policy::Limits;
use crate::{Digest, Hashing};

/// Buffers that wait between two threads: enough to even out files of all sizes.
const AHEAD: usize = 6;

/// Bytes of zeros that may follow the end of a tar archive, which is padded to its block size.
const PADDING: u64 = 1 << 20;

type Piece = Result<Chunk, ArchiveError>;

/// The archive's bytes in order, in pieces.
pub(super) struct Source {
    pieces: Receiver<Piece>,
    current: Chunk,
}

/// Runs `use_it` on the archive's bytes, inflated if `gzip`, and returns its result with the
/// digest of the file.
pub(super) fn stream<T>(
    file: &File,
    gzip: bool,
    limits: &Limits,
    use_it: impl FnOnce(&mut Source) -> Result<T, ArchiveError>,
) -> Result<(T, Digest), ArchiveError> {
    thread::scope(|scope| {
        let (raw, packed) = sync_channel(AHEAD);
        let reader = scope.spawn(move || read(file, &raw));
        let pieces = if gzip {
            let (inflated, pieces) = sync_channel(AHEAD);
            scope.spawn(move || inflate(packed, limits, &inflated));
            pieces
        } else {
            packed
        };
        let mut source = Source { pieces, current: Chunk::default() };
        let done = use_it(&mut source).and_then(|done| source.expect_end().map(|()| done));
        // Whoever waits to send to us must learn that nobody reads any more.
        drop(source);
        let digest = reader.join().map_err(|_| panicked())?;
        // A refusal of the content is the better answer; the reader merely saw us leave.
        let done = done?;
        Ok((done, digest?))
    })
}

/// Reads and hashes the file up to its end.
fn read(file: &File, pieces: &SyncSender<Piece>) -> Result<Digest, ArchiveError> {
    let pool = Pool::default();
    let mut hash = Hashing::new(io::sink());
    loop {
        let at = hash.count();
        match pool.filled(|buffer| fill(buffer, |window, done| file.read_at(window, at + done))) {
            Ok(chunk) => {
                hash.note(chunk.bytes());
                if chunk.is_empty() || pieces.send(Ok(chunk)).is_err() {
                    return Ok(hash.digest());
                }
            }
            Err(source) => {
                let again = io::Error::new(source.kind(), source.to_string());
                let told = pieces.send(Err(ArchiveError::Read { source: again }));
                return told
                    .map_or_else(|_| Ok(hash.digest()), |()| Err(ArchiveError::Read { source }));
            }
        }
    }
}

/// Inflates one gzip stream. What follows it is refused: readers do not agree on what it means.
fn inflate(packed: Receiver<Piece>, limits: &Limits, pieces: &SyncSender<Piece>) {
    let pool = Pool::default();
    let mut decoder =
        GzDecoder::new(Packed { pieces: packed, current: Chunk::default(), used: 0, failed: None });
    let mut output = 0;
    loop {
        let filled = pool.filled(|buffer| fill(buffer, |window, _| decoder.read(window)));
        let packed = decoder.get_mut();
        let piece = match (filled, packed.failed.take()) {
            (_, Some(error)) => Err(error),
            (Ok(chunk), None) if chunk.is_empty() => match packed.fill_buf() {
                Ok([]) => match packed.failed.take() {
                    None => return,
                    Some(error) => Err(error),
                },
                Ok(_) => Err(ArchiveError::whole(Rule::Members)),
                Err(source) => Err(packed.failed.take().unwrap_or(ArchiveError::Read { source })),
            },
            (Ok(chunk), None) => {
                output += chunk.len() as u64;
                let used = packed.used;
                check_ratio(limits, used, output).map_err(ArchiveError::whole).map(|()| chunk)
            }
            (Err(error), None) => Err(ArchiveError::whole(match error.kind() {
                io::ErrorKind::UnexpectedEof => Rule::Truncated,
                _ => Rule::Compression,
            })),
        };
        let over = piece.is_err();
        if pieces.send(piece).is_err() || over {
            return;
        }
    }
}

/// Fills the buffer as far as the source goes, since a full buffer makes the fewest hand-overs.
fn fill(
    buffer: &mut [u8],
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match read(buffer.get_mut(done..).unwrap_or_default(), done as u64) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

pub(super) fn panicked() -> ArchiveError {
    ArchiveError::Read { source: io::Error::other("a thread that reads the archive has panicked") }
}

/// The packed bytes, as the decoder wants them.
struct Packed {
    pieces: Receiver<Piece>,
    current: Chunk,
    used: u64,
    failed: Option<ArchiveError>,
}

impl BufRead for Packed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.is_empty() {
            match self.pieces.recv() {
                Ok(Ok(chunk)) => self.current = chunk,
                Ok(Err(error)) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the blob cannot be read"));
                }
                // The reader is at the end of the file.
                Err(_) => self.current = Chunk::default(),
            }
        }
        Ok(self.current.bytes())
    }

    fn consume(&mut self, amount: usize) {
        self.used += self.current.split(amount).len() as u64;
    }
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut from = self.fill_buf()?;
        let length = from.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl Source {
    /// The next piece, of at most `length` bytes; none at the end.
    pub(super) fn piece(&mut self, length: u64) -> Result<Option<Chunk>, ArchiveError> {
        if self.current.is_empty() {
            match self.pieces.recv() {
                Ok(piece) => self.current = piece?,
                Err(_) => return Ok(None),
            }
        }
        let length = usize::try_from(length).unwrap_or(BUFFER);
        Ok(Some(self.current.split(length)))
    }

    /// Fills `buffer`; false if the archive ends before.
    pub(super) fn exactly(&mut self, buffer: &mut [u8]) -> Result<bool, ArchiveError> {
        let mut rest = buffer;
        while !rest.is_empty() {
            let Some(piece) = self.piece(rest.len() as u64)? else { return Ok(false) };
            let (now, later) = rest.split_at_mut(piece.len());
            now.copy_from_slice(piece.bytes());
            rest = later;
        }
        Ok(true)
    }

    /// Sees to it that nothing but padding is left.
    fn expect_end(&mut self) -> Result<(), ArchiveError> {
        let mut padding = 0;
        while let Some(piece) = self.piece(BUFFER as u64)? {
            padding += piece.len() as u64;
            if padding > PADDING || piece.bytes().iter().any(|byte| *byte != 0) {
                return Err(ArchiveError::whole(Rule::Trailing));
            }
        }
        Ok(())
    }
}
