//! What is mounted on the machine, as the kernel tells it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A line of the mount table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// What of the file system is mounted: `/`, or the folder that a bind shows.
    pub(super) root: PathBuf,
    /// Where.
    pub(super) point: PathBuf,
    pub(super) kind: String,
    pub(super) source: String,
}

pub(super) fn table() -> io::Result<Vec<Entry>> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(text.lines().filter_map(entry).collect())
}

/// The places at `folder` and below it on which something is mounted. A link at its end is not
/// followed.
pub(crate) fn mounted_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(io::Error::other(format!("`{}` is no folder of ours", folder.display())));
    };
    let folder = match fs::canonicalize(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        parent => parent?.join(name),
    };
    let points = table()?.into_iter().map(|entry| entry.point);
    Ok(points.filter(|point| point.starts_with(&folder)).collect())
}

pub(super) fn entry(line: &str) -> Option<Entry> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let mut after = after.split(' ');
    Some(Entry {
        root: unescape(before.next()?).into(),
        point: unescape(before.next()?).into(),
        kind: after.next()?.to_owned(),
        source: unescape(after.next()?),
    })
}

/// The table writes blanks and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
