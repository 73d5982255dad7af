//! [`Local`] on disk: synced before and after each step, in place.
//!
//! One file a unit, of two slots that are written in turn. A slot has a generation, a length and a
//! digest of its content; a torn write therefore spoils only the slot that was being written, and
//! the other one holds what was true before. The file has its full size from the beginning, so that
//! a sync moves data only and no inode: that is what makes a step cheap.
//!
//! ```text
//! | magic  generation  length  digest | Local as JSON …  |  magic  generation …  |
//! '─────────────── slot 0 ────────────────────────────'  '────── slot 1 ────────'
//! ```
//!
//! Content that outgrows its slot moves to a new file with larger slots, by rename.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use muster_resolver::Local;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

const MAGIC: &[u8; 8] = b"muster-1";
const HEADER: usize = 8 + 8 + 8 + 32;
/// Bytes of a slot at first: room for the journal of a unit with some dozens of relations.
const SLOT: u64 = 16 << 10;
/// Bytes of the largest slot: the effects of one hook are limited far below.
const MAX_SLOT: u64 = 64 << 20;

/// What went wrong with a journal.
#[derive(Debug, Error)]
pub(crate) enum JournalError {
    /// It cannot be read.
    #[error("cannot read the journal `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither slot is whole.
    #[error("the journal `{}` is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Its content is not what this version understands.
    #[error("cannot understand the journal `{}`", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// It cannot be written. No step may be taken that cannot be journalled (R12).
    #[error("cannot write the journal `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A unit's journal, open for its one writer.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    slot: u64,
    generation: u64,
    last: Vec<u8>,
}

impl Journal {
    /// Opens the journal at `path` with what it holds; none if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or is not understood.
    pub(crate) fn open(path: &Path) -> Result<Option<(Journal, Local)>, JournalError> {
        let file = match File::options().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(JournalError::Read { path: path.to_owned(), source }),
        };
        let read = |source| JournalError::Read { path: path.to_owned(), source };
        let slot = file.metadata().map_err(read)?.len() / 2;
        let mut best: Option<(u64, Vec<u8>)> = None;
        for index in 0..2 {
            let Some((generation, content)) = read_slot(&file, index, slot).map_err(read)? else {
                continue;
            };
            if best.as_ref().is_none_or(|(newest, _)| generation > *newest) {
                best = Some((generation, content));
            }
        }
        let Some((generation, content)) = best else {
            return Err(JournalError::Damaged { path: path.to_owned() });
        };
        let local = serde_json::from_slice(&content)
            .map_err(|source| JournalError::Content { path: path.to_owned(), source })?;
        let journal = Journal { path: path.to_owned(), file, slot, generation, last: content };
        Ok(Some((journal, local)))
    }

    /// Makes the journal of a unit that is new here.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn create(path: &Path, local: &Local) -> Result<Journal, JournalError> {
        let content = render(path, local)?;
        let file = make(path, SLOT.max(needed(&content)), 1, &content)?;
        let slot = file.metadata().map_err(|source| failed(path, source))?.len() / 2;
        Ok(Journal { path: path.to_owned(), file, slot, generation: 1, last: content })
    }

    /// Replaces the content. On disk when this returns; what is already there is not written again.
    ///
    /// # Errors
    /// If it cannot be written; then what was there before still holds.
    pub(crate) fn write(&mut self, local: &Local) -> Result<(), JournalError> {
        let content = render(&self.path, local)?;
        if content == self.last {
            return Ok(());
        }
        let generation = self.generation + 1;
        if needed(&content) > self.slot {
            let slot = needed(&content).next_power_of_two().min(MAX_SLOT);
            self.file = make(&self.path, slot, generation, &content)?;
            self.slot = slot;
        } else {
            let at = (generation % 2) * self.slot;
            write_slot(&self.file, at, generation, &content)
                .and_then(|()| self.file.sync_data())
                .map_err(|source| failed(&self.path, source))?;
        }
        self.generation = generation;
        self.last = content;
        Ok(())
    }
}

fn failed(path: &Path, source: io::Error) -> JournalError {
    JournalError::Write { path: path.to_owned(), source }
}

fn render(path: &Path, local: &Local) -> Result<Vec<u8>, JournalError> {
    let content =
        serde_json::to_vec(local).map_err(|error| failed(path, io::Error::other(error)))?;
    if needed(&content) > MAX_SLOT {
        return Err(failed(path, io::Error::other("the entry is larger than any may be")));
    }
    Ok(content)
}

fn needed(content: &[u8]) -> u64 {
    (HEADER + content.len()) as u64
}

fn read_slot(file: &File, index: u64, slot: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    let mut header = [0; HEADER];
    let at = index * slot;
    if slot < HEADER as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut header, at)?;
    let (magic, rest) = header.split_at(8);
    let (generation, rest) = rest.split_at(8);
    let (length, digest) = rest.split_at(8);
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
    let (generation, length) = (number(generation), number(length));
    if magic != MAGIC || length > slot - HEADER as u64 {
        return Ok(None);
    }
    let mut content = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut content, at + HEADER as u64)?;
    Ok((checksum(generation, &content) == digest).then_some((generation, content)))
}

fn checksum(generation: u64, content: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(generation.to_le_bytes());
    hash.update(content);
    hash.finalize().into()
}

fn write_slot(file: &File, at: u64, generation: u64, content: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(HEADER + content.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&generation.to_le_bytes());
    bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&checksum(generation, content));
    bytes.extend_from_slice(content);
    file.write_all_at(&bytes, at)
}

/// A whole file under its name, with both slots allocated and one of them written.
fn make(path: &Path, slot: u64, generation: u64, content: &[u8]) -> Result<File, JournalError> {
    let wrong = |source| failed(path, source);
    let folder = path.parent().unwrap_or(Path::new("/"));
    let fresh = path.with_extension("new");
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&fresh)
        .map_err(wrong)?;
    // Zeros are written, not left out: a hole would be allocated later, at the price of a sync.
    let zeros = vec![0; 64 << 10];
    let mut at = 0;
    while at < 2 * slot {
        let piece = usize::try_from((2 * slot - at).min(zeros.len() as u64)).unwrap_or_default();
        file.write_all_at(zeros.get(..piece).unwrap_or_default(), at).map_err(wrong)?;
        at += piece as u64;
    }
    write_slot(&file, (generation % 2) * slot, generation, content).map_err(wrong)?;
    file.sync_all().map_err(wrong)?;
    fs::rename(&fresh, path).map_err(wrong)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(wrong)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_model::{Effects, Seq};
    use muster_resolver::{Progress, TaskProgress};

    fn local(seq: u64) -> Local {
        Local { seq: Seq(seq), ..Local::default() }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        assert!(Journal::open(&path).unwrap().is_none());
        let mut journal = Journal::create(&path, &local(1)).unwrap();
        for seq in 2..9 {
            journal.write(&local(seq)).unwrap();
            let (_, read) = Journal::open(&path).unwrap().unwrap();
            assert_eq!(read, local(seq));
        }
    }

    #[test]
    fn a_torn_write_leaves_the_entry_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path, &local(1)).unwrap();
        journal.write(&local(2)).unwrap();
        journal.write(&local(3)).unwrap();
        let torn = journal.generation % 2 * journal.slot;
        for cut in [0, 9, 17, HEADER as u64 + 3] {
            let mut byte = [0];
            journal.file.read_exact_at(&mut byte, torn + cut).unwrap();
            journal.file.write_all_at(&[byte[0] ^ 0xff], torn + cut).unwrap();
            let (_, read) = Journal::open(&path).unwrap().unwrap();
            assert_eq!(read, local(2), "torn at {cut}");
            journal.file.write_all_at(&byte, torn + cut).unwrap();
        }
    }

    #[test]
    fn an_entry_that_outgrows_its_slot_moves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::create(&path, &local(1)).unwrap();
        let mut big = local(2);
        let text = "x".repeat(100_000);
        big.task = Some(TaskProgress::Ended {
            task: muster_model::name::TaskId(1),
            outcome: muster_model::report::TaskOutcome {
                state: muster_model::status::TaskState::Completed,
                message: text,
                results: serde_json::Map::new(),
            },
            effects: Effects::default(),
        });
        journal.write(&big).unwrap();
        assert_eq!(Journal::open(&path).unwrap().unwrap().1, big);
        let after = Local { progress: Progress::Leaving, ..local(3) };
        journal.write(&after).unwrap();
        assert_eq!(Journal::open(&path).unwrap().unwrap().1, after);
    }

    #[test]
    fn a_damaged_journal_is_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, [0; 4096]).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::Damaged { .. })));
    }
}
