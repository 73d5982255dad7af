//! Parts kept by name and version.
//!
//! ```text
//! HOME/.lock            held while a cache is open: two demos do not make the same part twice
//! HOME/.work/KEY/       what is under way; an interrupted run goes on from what is whole in it
//! HOME/KEY/FILE         the part, and beside it
//! HOME/KEY/part.json    its size and SHA-256, checked each time it is taken
//! ```
//!
//! `HOME/KEY` comes to be by one rename of a folder whose files are synced, so a part is there whole
//! or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{PartsError, io_error};
use crate::voice::Voice;

/// A part, whole and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// What is written beside a part.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    file: String,
    bytes: u64,
    sha256: String,
}

/// An open cache; others wait until it is dropped.
#[derive(Debug)]
pub struct Cache {
    home: PathBuf,
    _lock: File,
}

impl Cache {
    /// Opens the cache at `home`, and waits while another process has it open.
    pub fn open(home: &Path, voice: &Voice) -> Result<Self, PartsError> {
        fs::create_dir_all(home).map_err(io_error("make", home))?;
        let path = home.join(".lock");
        let lock = File::create(&path).map_err(io_error("make", &path))?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            voice.say("  waiting for another process that is making parts");
            rustix::fs::flock(&lock, FlockOperation::LockExclusive)
                .map_err(|errno| io_error("lock", &path)(errno.into()))?;
        }
        Ok(Self { home: home.to_owned(), _lock: lock })
    }

    /// Whether a part was published as `key`; nothing is checked.
    pub fn has(&self, key: &str) -> bool {
        self.home.join(key).join("part.json").is_file()
    }

    /// The part published as `key`, or what `make` makes of it.
    ///
    /// `make` gets a folder that survives interruption, and writes the part at the path given.
    pub fn obtain(
        &self,
        key: &str,
        file: &str,
        voice: &Voice,
        make: impl FnOnce(&Path, &Path) -> Result<(), PartsError>,
    ) -> Result<Part, PartsError> {
        if self.has(key) {
            match self.take(key) {
                Err(PartsError::Digest { path, .. }) => {
                    let path = path.display();
                    voice.say(format_args!(
                        "  `{path}` was changed since it was made; making it anew"
                    ));
                    let spoilt = self.home.join(key);
                    fs::remove_dir_all(&spoilt).map_err(io_error("remove", &spoilt))?;
                }
                other => return other,
            }
        }
        let work = self.home.join(".work").join(key);
        let publish = work.join("publish");
        if publish.exists() {
            fs::remove_dir_all(&publish).map_err(io_error("remove", &publish))?;
        }
        fs::create_dir_all(&publish).map_err(io_error("make", &publish))?;
        let path = publish.join(file);
        make(&work, &path)?;
        self.publish(key, file, &publish)?;
        fs::remove_dir_all(&work).map_err(io_error("remove", &work))?;
        self.take(key)
    }

    fn take(&self, key: &str) -> Result<Part, PartsError> {
        let record = self.home.join(key).join("part.json");
        let text = fs::read(&record).map_err(io_error("read", &record))?;
        let parse = |source| PartsError::Record { path: record.clone(), source };
        let record: Record = serde_json::from_slice(&text).map_err(parse)?;
        let path = self.home.join(key).join(&record.file);
        expect_digest(&path, &record.sha256)?;
        Ok(Part { path, bytes: record.bytes, sha256: record.sha256 })
    }

    fn publish(&self, key: &str, file: &str, folder: &Path) -> Result<(), PartsError> {
        let path = folder.join(file);
        sync(&path)?;
        let (sha256, bytes) = digest(&path)?;
        let record = folder.join("part.json");
        let kept = Record { file: file.to_owned(), bytes, sha256 };
        let text = serde_json::to_vec_pretty(&kept)
            .map_err(|source| PartsError::Record { path: record.clone(), source })?;
        fs::write(&record, text).map_err(io_error("write", &record))?;
        sync(&record)?;
        sync(folder)?;
        let home = self.home.join(key);
        fs::rename(folder, &home).map_err(io_error("publish", &home))?;
        sync(&self.home)
    }
}

/// Refuses a file whose SHA-256 is not `expected`.
pub fn expect_digest(path: &Path, expected: &str) -> Result<(), PartsError> {
    let (found, _) = digest(path)?;
    if found == expected {
        return Ok(());
    }
    Err(PartsError::Digest { path: path.to_owned(), expected: expected.to_owned(), found })
}

/// The SHA-256 and the size of a file.
pub fn digest(path: &Path) -> Result<(String, u64), PartsError> {
    let mut file = File::open(path).map_err(io_error("open", path))?;
    let mut sink = Hashing(Sha256::new());
    let bytes = io::copy(&mut Big(&mut file), &mut sink).map_err(io_error("read", path))?;
    Ok((hex::encode(sink.0.finalize()), bytes))
}

fn sync(path: &Path) -> Result<(), PartsError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(io_error("sync", path))
}

/// A sink that hashes.
struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A plain reader: `io::copy` must not hand a file to the kernel, which does not hash.
struct Big<'a>(&'a mut File);

impl Read for Big<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) -> Result<(), PartsError> {
        fs::write(path, text).map_err(io_error("write", path))
    }

    #[test]
    fn a_part_is_made_once_and_checked_each_time() {
        let home = tempfile::tempdir().unwrap();
        let voice = Voice::new();
        let cache = Cache::open(home.path(), &voice).unwrap();
        let first = cache.obtain("a-1", "a.tgz", &voice, |_, path| write(path, "one")).unwrap();
        let again = cache.obtain("a-1", "a.tgz", &voice, |_, _| panic!("made twice")).unwrap();
        assert_eq!(first, again);
        assert_eq!(first.bytes, 3);
        fs::write(&first.path, "two").unwrap();
        let anew = cache.obtain("a-1", "a.tgz", &voice, |_, path| write(path, "one")).unwrap();
        assert_eq!(anew, first);
        assert_eq!(fs::read(&anew.path).unwrap(), b"one");
    }

    #[test]
    fn an_interrupted_part_is_not_there_but_its_work_is() {
        let home = tempfile::tempdir().unwrap();
        let voice = Voice::new();
        let cache = Cache::open(home.path(), &voice).unwrap();
        let broken = cache.obtain("a-1", "a.tgz", &voice, |work, path| {
            write(&work.join("fetched"), "whole")?;
            write(path, "half")?;
            Err(PartsError::Layout { path: path.to_owned(), what: "end" })
        });
        assert!(broken.is_err());
        assert!(!cache.has("a-1"));
        let made = cache.obtain("a-1", "a.tgz", &voice, |work, path| {
            assert_eq!(fs::read(work.join("fetched")).unwrap(), b"whole");
            assert!(!path.exists());
            write(path, "all")
        });
        assert_eq!(made.unwrap().bytes, 3);
    }

    #[test]
    fn a_second_process_waits_for_the_first() {
        let home = tempfile::tempdir().unwrap();
        let voice = Voice::new();
        let first = Cache::open(home.path(), &voice).unwrap();
        let lock = File::open(home.path().join(".lock")).unwrap();
        let held = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive);
        assert!(held.is_err());
        drop(first);
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    }
}
