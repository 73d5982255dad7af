//! What is kept, on disk.
//!
//! ```text
//! entries/<sha256 of url>.json   what is known, and which body: renamed into place, the commit
//! bodies/<sha256 of url>-<n>     whole bodies
//! partial/…                      what is being fetched; emptied at each start
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Bytes kept at most; beyond, what was fetched longest ago goes.
const MOST: u64 = 20 << 30;

/// What is known of a kept file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) url: String,
    /// The body's name in its folder.
    pub(super) body: String,
    /// Bytes; unknown only while it is fetched from a mirror that does not say.
    pub(super) length: Option<u64>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) content_type: Option<String>,
}

/// The folder.
#[derive(Debug)]
pub(super) struct Shelf {
    entries: PathBuf,
    bodies: PathBuf,
    partial: PathBuf,
}

impl Shelf {
    /// Opens the folder and drops what a crash left half done.
    pub(super) fn open(folder: &Path) -> io::Result<Shelf> {
        let shelf = Shelf {
            entries: folder.join("entries"),
            bodies: folder.join("bodies"),
            // Caches of several state roots share what is whole, not what is under way.
            partial: folder.join(format!("partial-{}", uuid::Uuid::new_v4())),
        };
        for folder in [&shelf.entries, &shelf.bodies, &shelf.partial] {
            fs::create_dir_all(folder)?;
        }
        drop_left_partials(folder, &shelf.partial)?;
        shelf.shrink(MOST)?;
        Ok(shelf)
    }

    pub(super) fn key(url: &str) -> String {
        hex::encode(Sha256::digest(url.as_bytes()))
    }

    /// What is kept of a URL; an entry whose body is not whole is none.
    pub(super) fn find(&self, url: &str) -> Option<Entry> {
        let text = fs::read(self.entries.join(format!("{}.json", Self::key(url)))).ok()?;
        let entry: Entry = serde_json::from_slice(&text).ok()?;
        let plain = !entry.body.contains('/') && entry.url == url;
        let length = self.bodies.join(&entry.body).metadata().ok()?.len();
        (plain && entry.length == Some(length)).then_some(entry)
    }

    pub(super) async fn open_body(&self, entry: &Entry) -> io::Result<tokio::fs::File> {
        tokio::fs::File::open(self.bodies.join(&entry.body)).await
    }

    /// A new file for a download.
    pub(super) fn begin(&self, url: &str) -> (String, PathBuf) {
        let name = format!("{}-{}", Self::key(url), uuid::Uuid::new_v4().simple());
        let path = self.partial.join(&name);
        (name, path)
    }

    /// Takes a whole body in: synced, renamed, then named by its entry.
    pub(super) fn publish(&self, entry: &Entry, path: &Path) -> io::Result<()> {
        let before = self.find(&entry.url);
        fs::File::open(path)?.sync_all()?;
        fs::rename(path, self.bodies.join(&entry.body))?;
        let text = serde_json::to_vec(entry)?;
        let at = self.entries.join(format!("{}.json", Self::key(&entry.url)));
        super::super::record::publish(&at, &text)?;
        if let Some(before) = before
            && before.body != entry.body
        {
            remove(&self.bodies.join(before.body))?;
        }
        Ok(())
    }

    /// Removes bodies that no entry names, then the oldest until no more than `most` bytes are
    /// kept.
    fn shrink(&self, most: u64) -> io::Result<()> {
        let mut kept: Vec<(SystemTime, u64, PathBuf, String)> = Vec::new();
        for entry in fs::read_dir(&self.entries)? {
            let path = entry?.path();
            let known: Option<Entry> =
                fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
            match known {
                Some(known) => {
                    let at = path.metadata()?.modified()?;
                    kept.push((at, known.length.unwrap_or(0), path, known.body));
                }
                None => remove(&path)?,
            }
        }
        let named: BTreeSet<&str> = kept.iter().map(|(_, _, _, body)| body.as_str()).collect();
        for body in fs::read_dir(&self.bodies)? {
            let body = body?;
            let name = body.file_name();
            // A body appears a moment before the entry that names it: a young one is left.
            let old = body
                .metadata()?
                .modified()?
                .elapsed()
                .is_ok_and(|age| age > std::time::Duration::from_secs(3600));
            if old && name.to_str().is_none_or(|name| !named.contains(name)) {
                remove(&body.path())?;
            }
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, length, _, _)| length).sum();
        for (_, length, path, body) in &kept {
            if total <= most {
                break;
            }
            remove(path)?;
            remove(&self.bodies.join(body))?;
            total -= length;
        }
        Ok(())
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        if let Err(error) = super::super::tree::remove(&self.partial) {
            tracing::warn!(%error, "cut downloads were left in the package cache");
        }
    }
}

/// Drops folders of partial downloads that nobody has touched for a day: their owner is gone.
fn drop_left_partials(folder: &Path, own: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let partial = entry.file_name().to_string_lossy().starts_with("partial-");
        let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
        let old = age > std::time::Duration::from_secs(24 * 3600);
        if partial && old && entry.path() != own {
            super::super::tree::remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(shelf: &Shelf, url: &str, bytes: &[u8]) -> Entry {
        let (body, path) = shelf.begin(url);
        fs::write(&path, bytes).unwrap();
        let length = Some(bytes.len() as u64);
        let entry = Entry {
            url: url.into(),
            body,
            length,
            etag: None,
            last_modified: None,
            content_type: None,
        };
        shelf.publish(&entry, &path).unwrap();
        entry
    }

    #[test]
    fn a_cut_body_is_none_and_a_newer_one_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path()).unwrap();
        let first = put(&shelf, "http://a/x", b"12345");
        assert_eq!(shelf.find("http://a/x"), Some(first.clone()));
        let second = put(&shelf, "http://a/x", b"123");
        assert_eq!(shelf.find("http://a/x"), Some(second.clone()));
        assert!(!shelf.bodies.join(&first.body).exists());
        fs::write(shelf.bodies.join(&second.body), b"1").unwrap();
        assert_eq!(shelf.find("http://a/x"), None);
    }

    #[test]
    fn r29_the_shelf_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path()).unwrap();
        put(&shelf, "http://a/1", &[0; 100]);
        put(&shelf, "http://a/2", &[0; 100]);
        put(&shelf, "http://a/3", &[0; 100]);
        shelf.shrink(200).unwrap();
        let left = ["1", "2", "3"]
            .iter()
            .filter(|n| shelf.find(&format!("http://a/{n}")).is_some())
            .count();
        assert_eq!(left, 2);
    }
}
