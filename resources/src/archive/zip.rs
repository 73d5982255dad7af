//! Reads zip archives: stored and deflated entries, one disk, below 4 GiB.
//!
//! A zip says most things twice, and readers differ in whom they believe. Here both must agree, every
//! byte of the file must belong to exactly one entry or to the directory, and what is inflated must
//! have the length and checksum that were promised.

mod directory;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::chunk::{BUFFER, Pool};
use super::door::Door;
use super::error::{ArchiveError, Rule};
use super::policy::Kind;
use directory::{Entry, EntryKind};

/// Reads every entry and hands it to the door, in the order of their bytes.
pub(super) fn walk(file: &File, size: u64, door: &mut Door<'_>) -> Result<(), ArchiveError> {
    let entries = directory::read(file, size, door.limits())?;
    let pool = Pool::default();
    let mut output = 0;
    for entry in &entries {
        match &entry.kind {
            EntryKind::Folder => door.entry(&entry.name, &Kind::Folder)?,
            EntryKind::File { mode } => {
                let kind = Kind::File { mode: *mode, size: entry.size };
                door.entry(&entry.name, &kind)?;
                let before = entry.data;
                inflate(file, entry, &pool, &mut |chunk, used| {
                    output += chunk.len() as u64;
                    door.check_ratio(before + used, output).map_err(|rule| entry.refused(rule))?;
                    door.data(chunk)
                })?;
                door.close()?;
            }
            EntryKind::Link => {
                if entry.size > door.limits().target as u64 {
                    return Err(entry.refused(Rule::LinkLong(door.limits().target)));
                }
                let mut target = Vec::new();
                inflate(file, entry, &pool, &mut |chunk, _| {
                    target.extend_from_slice(chunk.bytes());
                    Ok(())
                })?;
                let target = String::from_utf8(target).map_err(|_| entry.refused(Rule::NotUtf8))?;
                door.entry(&entry.name, &Kind::Link { target })?;
            }
        }
    }
    Ok(())
}

/// Hands out the content of an entry in pieces, each with the packed bytes used so far, and checks
/// length and checksum. Never more comes out than the entry's size.
fn inflate(
    file: &File,
    entry: &Entry,
    pool: &Pool,
    take: &mut dyn FnMut(super::chunk::Chunk, u64) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let mut input = Input {
        file,
        at: entry.data,
        left: entry.packed,
        buffer: vec![0; BUFFER.min(64 << 10)],
        from: 0,
        to: 0,
    };
    let mut decoder = entry.deflated.then(|| Decompress::new(false));
    let mut crc = Crc::new();
    let mut output = 0;
    let mut ended = false;
    while !ended {
        let mut broken = None;
        let chunk = pool.filled(|buffer| {
            let mut done = 0;
            while done < buffer.len() && !ended && broken.is_none() {
                let window = buffer.get_mut(done..).unwrap_or_default();
                let step = match &mut decoder {
                    Some(decoder) => input.inflate(decoder, window)?,
                    None => input.copy(window)?,
                };
                match step {
                    Some((length, end)) => {
                        done += length;
                        ended = end;
                    }
                    None => broken = Some(Rule::Compression),
                }
            }
            Ok(done)
        });
        let chunk = chunk.map_err(|source| ArchiveError::Read { source })?;
        if let Some(rule) = broken {
            return Err(entry.refused(rule));
        }
        output += chunk.len() as u64;
        if output > entry.size {
            return Err(entry.refused(Rule::Crc));
        }
        crc.update(chunk.bytes());
        take(chunk, entry.packed - input.unused())?;
    }
    if output != entry.size || crc.sum() != entry.crc || input.unused() > 0 {
        return Err(entry.refused(Rule::Crc));
    }
    Ok(())
}

/// The packed bytes of one entry.
struct Input<'a> {
    file: &'a File,
    at: u64,
    left: u64,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

/// Bytes that came out and whether that was the end; none if the stream is broken.
type Progress = Option<(usize, bool)>;

impl Input<'_> {
    fn unused(&self) -> u64 {
        self.left + (self.to - self.from) as u64
    }

    fn refill(&mut self) -> io::Result<()> {
        if self.from == self.to && self.left > 0 {
            let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.buffer.len());
            let window = self.buffer.get_mut(..room).unwrap_or_default();
            self.file.read_exact_at(window, self.at)?;
            self.at += room as u64;
            self.left -= room as u64;
            (self.from, self.to) = (0, room);
        }
        Ok(())
    }

    fn inflate(&mut self, decoder: &mut Decompress, window: &mut [u8]) -> io::Result<Progress> {
        self.refill()?;
        let (read, written) = (decoder.total_in(), decoder.total_out());
        let input = self.buffer.get(self.from..self.to).unwrap_or_default();
        let Ok(status) = decoder.decompress(input, window, FlushDecompress::None) else {
            return Ok(None);
        };
        let read = (decoder.total_in() - read) as usize;
        let written = (decoder.total_out() - written) as usize;
        self.from += read;
        match status {
            Status::StreamEnd => Ok(Some((written, true))),
            // Nothing goes in, nothing comes out, and it is not the end: bytes are missing.
            _ if read == 0 && written == 0 => Ok(None),
            _ => Ok(Some((written, false))),
        }
    }

    fn copy(&mut self, window: &mut [u8]) -> io::Result<Progress> {
        self.refill()?;
        let input = self.buffer.get(self.from..self.to).unwrap_or_default();
        let length = input.len().min(window.len());
        let (input, window) = (input.get(..length), window.get_mut(..length));
        if let (Some(input), Some(window)) = (input, window) {
            window.copy_from_slice(input);
        }
        self.from += length;
        Ok(Some((length, self.unused() == 0)))
    }
}
