//! Files that are there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file so that a reader sees the old one or the new one: temporary, sync, rename, sync of
/// the directory.
///
/// # Errors
/// The path with what happened.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), (String, io::Error)> {
    replace(path, bytes, mode).map_err(|source| (path.display().to_string(), source))
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let partial = path.with_extension("partial");
    if partial.exists() {
        std::fs::remove_file(&partial)?;
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
