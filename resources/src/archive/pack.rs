//! Folders into archives: the same tree gives the same bytes, wherever and whenever it is packed.
//!
//! Entries are sorted, times are fixed, of files' modes there is what the limits keep, folders are
//! 0755, and owners are not told. What could not be unpacked again is refused here already, by the
//! same policy. `.git` is left out, and so is what `.jujuignore` names; [`Packed::left_out`] says
//! what that was.

mod ignore;

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use rustix::fs::{Mode, OFlags};
use zip::write::SimpleFileOptions;

use super::error::{ArchiveError, Rule};
use super::policy::{Kind, Limits, Policy};
use crate::tree::{Found, Item, open_below, open_top, walk};
use crate::{Digest, Hashing};
use ignore::Ignore;

/// The file that names what is not packed.
const IGNORE_FILE: &str = ".jujuignore";

/// Bytes of the file that names what is not packed: more is no list of patterns.
const IGNORE_LIMIT: u64 = 64 << 10;

/// An archive that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Bytes of the archive.
    pub bytes: u64,
    /// Its digest.
    pub digest: Digest,
    /// What was left out, by path; a folder stands for all that is in it.
    pub left_out: Vec<String>,
}

/// Packs the tree below `folder` as a zip into the file `to`, which is replaced once it is whole.
pub fn pack(folder: &Path, to: &Path, limits: &Limits) -> Result<Packed, ArchiveError> {
    let source = Source::read(folder, limits)?;
    write_whole(to, source.left_out.clone(), |file| source.zip(file))
}

/// Packs the tree below `folder` as a tar.gz into the file `to`, which is replaced once it is
/// whole.
pub fn pack_tar_gz(folder: &Path, to: &Path, limits: &Limits) -> Result<Packed, ArchiveError> {
    let source = Source::read(folder, limits)?;
    write_whole(to, source.left_out.clone(), |file| source.tar_gz(file))
}

/// Writes beside `to`, syncs, and renames; hashes what is then there.
fn write_whole(
    to: &Path,
    left_out: Vec<String>,
    write: impl FnOnce(&mut File) -> Result<(), ArchiveError>,
) -> Result<Packed, ArchiveError> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let failed = |source| ArchiveError::write(&partial, source);
    let made = File::options().read(true).write(true).create(true).truncate(true).open(&partial);
    let mut file = made.map_err(failed)?;
    let done = write(&mut file).and_then(|()| {
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut hashing = Hashing::new(&file);
        io::copy(&mut hashing, &mut io::sink()).map_err(failed)?;
        let (_, digest, bytes) = hashing.finish();
        file.sync_all().map_err(failed)?;
        fs::rename(&partial, to).map_err(|source| ArchiveError::write(to, source))?;
        Ok(Packed { bytes, digest, left_out })
    });
    if done.is_err() {
        // The error above is the one to tell; the next attempt truncates what stays.
        let _left = fs::remove_file(&partial);
    }
    done
}

/// What will be packed.
struct Source {
    folder: PathBuf,
    top: OwnedFd,
    /// Sorted by name, so that folders come before what is in them.
    entries: Vec<(String, Kind)>,
    left_out: Vec<String>,
}

impl Source {
    fn read(folder: &Path, limits: &Limits) -> Result<Source, ArchiveError> {
        let top = open_top(folder)?;
        let ignore = read_ignore(&top, folder)?;
        let mut entries: Vec<(String, Kind)> = Vec::new();
        let mut left_out: Vec<String> = Vec::new();
        walk(&top, folder, &mut |found: Found<'_>| {
            let Some(path) = found.path.to_str() else {
                let path = found.path.as_os_str().as_encoded_bytes();
                return Err(ArchiveError::refused(path, Rule::NotUtf8));
            };
            if left_out.last().is_some_and(|left| is_below(path, left)) {
                return Ok(());
            }
            if ignore.matches(path, matches!(found.item, Item::Folder { .. })) {
                left_out.push(path.to_owned());
                return Ok(());
            }
            let kind = match found.item {
                Item::Folder { .. } => Kind::Folder,
                Item::File { mode, size } => Kind::File { mode: limits.mode(mode), size },
                Item::Link { target } => match target.into_os_string().into_string() {
                    Ok(target) => Kind::Link { target },
                    Err(_) => return Err(ArchiveError::refused(path.as_bytes(), Rule::NotUtf8)),
                },
            };
            entries.push((path.to_owned(), kind));
            Ok(())
        })?;
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        let mut policy = Policy::new(limits.clone(), 0);
        for (path, kind) in &entries {
            policy
                .admit(path.as_bytes(), kind)
                .map_err(|rule| ArchiveError::refused(path.as_bytes(), rule))?;
        }
        policy.finish().map_err(|(path, rule)| ArchiveError::refused(path.as_bytes(), rule))?;
        left_out.sort();
        Ok(Source { folder: folder.to_owned(), top, entries, left_out })
    }

    /// Opens a file that was listed, to be read in exactly the size it then had.
    fn open(&self, path: &str, size: u64) -> Result<Exactly, ArchiveError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = open_below(&self.top, Path::new(path), flags, Mode::empty())
            .map_err(|errno| ArchiveError::read_file(self.folder.join(path), errno))?;
        Ok(Exactly { file: File::from(file), left: size })
    }

    fn zip(&self, file: &mut File) -> Result<(), ArchiveError> {
        let failed = |error: zip::result::ZipError| {
            ArchiveError::write(&self.folder, io::Error::other(error))
        };
        let mut zip = zip::ZipWriter::new(BufWriter::new(file));
        // The options' default time is the first a zip can say: 1 January 1980.
        let plain = SimpleFileOptions::DEFAULT.unix_permissions(0o644);
        let folder =
            plain.unix_permissions(0o755).compression_method(zip::CompressionMethod::Stored);
        for (path, kind) in &self.entries {
            match kind {
                Kind::Folder => zip.add_directory(path.as_str(), folder).map_err(failed)?,
                Kind::File { mode, size } => {
                    let options = plain
                        .unix_permissions(*mode)
                        .compression_method(zip::CompressionMethod::Deflated)
                        .compression_level(Some(6));
                    zip.start_file(path.as_str(), options).map_err(failed)?;
                    let failed = |source| ArchiveError::read_file(self.folder.join(path), source);
                    io::copy(&mut self.open(path, *size)?, &mut zip).map_err(failed)?;
                }
                Kind::Link { target } => {
                    zip.add_symlink(path.as_str(), target.as_str(), folder).map_err(failed)?;
                }
            }
        }
        let mut writer = zip.finish().map_err(failed)?;
        writer.flush().map_err(|source| ArchiveError::write(&self.folder, source))
    }

    fn tar_gz(&self, file: &mut File) -> Result<(), ArchiveError> {
        let failed = |source: io::Error| ArchiveError::write(&self.folder, source);
        // No time, no name, and 255 for "unknown system": nothing of where it was made.
        let gzip = GzBuilder::new().mtime(0).operating_system(255);
        let gzip = gzip.write(BufWriter::new(file), Compression::new(6));
        let mut tar = tar::Builder::new(gzip);
        for (path, kind) in &self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(0);
            header.set_mode(0o755);
            match kind {
                Kind::Folder => {
                    header.set_entry_type(tar::EntryType::Directory);
                    tar.append_data(&mut header, format!("{path}/"), io::empty())
                        .map_err(failed)?;
                }
                Kind::File { mode, size } => {
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_mode(*mode);
                    header.set_size(*size);
                    let file = self.open(path, *size)?;
                    tar.append_data(&mut header, path, file).map_err(failed)?;
                }
                Kind::Link { target } => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    tar.append_link(&mut header, path, target).map_err(failed)?;
                }
            }
        }
        let gzip = tar.into_inner().map_err(failed)?;
        gzip.finish().and_then(|mut writer| writer.flush()).map_err(failed)
    }
}

/// A file that must not change while it is packed: its size is in the archive before its bytes.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        match self.left.checked_sub(length as u64) {
            Some(left) if length > 0 || left == 0 || buffer.is_empty() => self.left = left,
            _ => return Err(io::Error::other("it changed while it was packed")),
        }
        Ok(length)
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn read_ignore(top: &OwnedFd, folder: &Path) -> Result<Ignore, ArchiveError> {
    let failed = |source: io::Error| ArchiveError::read_file(folder.join(IGNORE_FILE), source);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match open_below(top, Path::new(IGNORE_FILE), flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(Ignore::parse("")),
        Err(errno) => return Err(failed(errno.into())),
    };
    let mut text = String::new();
    let length = file.take(IGNORE_LIMIT + 1).read_to_string(&mut text).map_err(failed)?;
    if length as u64 > IGNORE_LIMIT {
        return Err(failed(io::Error::other("it is longer than 64 KiB")));
    }
    Ok(Ignore::parse(&text))
}
