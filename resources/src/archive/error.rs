//! Why an archive was not taken.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::policy::Limits;
use crate::Digest;

/// An archive, a tree or a folder that could not be read, written or accepted.
#[derive(Debug, Error, Serialize, Deserialize)]
pub enum ArchiveError {
    /// The archive breaks a rule and is refused whole; nothing of it was kept.
    #[error("archive refused: {} {rule}", printable(entry))]
    Refused {
        /// The entry, as the archive calls it; empty if it is about the archive as a whole.
        entry: String,
        /// The rule.
        rule: Rule,
    },
    /// The blob is not the one that was asked for.
    #[error("archive has the digest {actual} instead of {expected}")]
    Mismatch {
        /// What it is called.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// The tree is not the one that was put there.
    #[error("the files in `{}` have changed", path.display())]
    Changed {
        /// The tree.
        path: PathBuf,
        /// Its digest when it was made.
        expected: Digest,
        /// Its digest now.
        actual: Digest,
    },
    /// The archive cannot be read.
    #[error("cannot read the archive")]
    Read {
        /// Why.
        #[serde(with = "wire")]
        source: io::Error,
    },
    /// A file or folder cannot be read.
    #[error("cannot read `{}`", path.display())]
    ReadFile {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[serde(with = "wire")]
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[serde(with = "wire")]
        source: io::Error,
    },
    /// The disk, or a quota on it, is full.
    #[error("no space on disk for `{}`", path.display())]
    Full {
        /// What could not be written.
        path: PathBuf,
    },
    /// There is something already where the tree should go.
    #[error("`{}` exists and is not an empty folder", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// Another is making the same tree at this moment.
    #[error("`{}` is being made by somebody else at this moment", path.display())]
    Busy {
        /// The target.
        path: PathBuf,
    },
    /// The process that read the archive could not be started, or not be understood.
    #[error("cannot {what} the process that reads archives")]
    Reader {
        /// What was tried.
        what: Cow<'static, str>,
        /// Why.
        #[serde(with = "wire")]
        source: io::Error,
    },
    /// The process that read the archive came to its end: by itself, or at a limit.
    #[error("the process that read the archive ended ({status}){}", last_words(said))]
    ReaderEnded {
        /// How it ended.
        status: String,
        /// What it said last.
        said: String,
    },
    /// Somebody put something else in the place of the folder that was being written.
    #[error("`{}` was replaced while it was written", path.display())]
    Swapped {
        /// The folder.
        path: PathBuf,
    },
}

/// An error of the system on its way from one process to another.
mod wire {
    use std::io;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(error: &io::Error, to: S) -> Result<S::Ok, S::Error> {
        (error.raw_os_error(), error.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<io::Error, D::Error> {
        let (number, text) = <(Option<i32>, String)>::deserialize(from)?;
        Ok(number.map_or_else(|| io::Error::other(text), io::Error::from_raw_os_error))
    }
}

fn last_words(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {}", said.escape_debug()) }
}

impl ArchiveError {
    /// A refusal of the entry of this name, which need not be text.
    pub(crate) fn refused(entry: &[u8], rule: Rule) -> ArchiveError {
        ArchiveError::Refused { entry: String::from_utf8_lossy(entry).into_owned(), rule }
    }

    /// A refusal of the archive as a whole.
    pub(super) fn whole(rule: Rule) -> ArchiveError {
        ArchiveError::Refused { entry: String::new(), rule }
    }

    pub(crate) fn read_file(
        path: impl Into<PathBuf>,
        source: impl Into<io::Error>,
    ) -> ArchiveError {
        ArchiveError::ReadFile { path: path.into(), source: source.into() }
    }

    pub(crate) fn write(path: impl Into<PathBuf>, source: impl Into<io::Error>) -> ArchiveError {
        let (path, source) = (path.into(), source.into());
        if crate::store::is_full(&source) {
            ArchiveError::Full { path }
        } else {
            ArchiveError::Write { path, source }
        }
    }

    /// The rule that was broken, if it is a refusal.
    pub fn rule(&self) -> Option<&Rule> {
        match self {
            ArchiveError::Refused { rule, .. } => Some(rule),
            _ => None,
        }
    }
}

/// A name as it may be shown on a terminal: control characters escaped, and not without end.
fn printable(entry: &str) -> String {
    const SHOWN: usize = 200;
    if entry.is_empty() {
        return "it".to_owned();
    }
    let shown: String = entry.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let more = if entry.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("entry `{shown}{more}`")
}

/// What an archive must hold to (S9, and the list of hostile archives beside it). The texts go on
/// after the entry's name.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each variant's message says what it is")]
pub enum Rule {
    // Paths.
    #[error("has an empty name")]
    EmptyName,
    #[error("has an absolute name")]
    Absolute,
    #[error("has a part `..`")]
    ParentPart,
    #[error("has an empty part or a part `.`")]
    EmptyPart,
    #[error("has a backslash in its name")]
    Backslash,
    #[error("has a control character in its name")]
    Control,
    #[error("has a name that is not UTF-8")]
    NotUtf8,
    #[error("has a name longer than {0} bytes")]
    LongPath(usize),
    #[error("has a part longer than {0} bytes")]
    LongPart(usize),
    #[error("lies deeper than {0} folders")]
    Deep(usize),
    #[error("ends in a slash and is no folder")]
    FileWithSlash,
    #[error("is a folder whose name does not end in a slash")]
    FolderWithoutSlash,
    #[error("would be lost: its name has no more parts than are stripped ({0})")]
    StrippedAway(usize),
    // Names against names.
    #[error("is there twice")]
    Duplicate,
    #[error("differs from `{0}` only in case or in Unicode form")]
    FoldsLike(String),
    #[error("lies below `{0}`, which is no folder")]
    ParentNotFolder(String),
    // Links.
    #[error("is a link without a target")]
    LinkEmpty,
    #[error("is a link to an absolute path")]
    LinkAbsolute,
    #[error("is a link that leads outside")]
    LinkOut,
    #[error("is a link that leads in a circle, or through more than {0} links")]
    LinkLoop(usize),
    #[error("is a link with a target longer than {0} bytes")]
    LinkLong(usize),
    #[error("is a link, and must be a plain file or folder")]
    LinkedName,
    #[error("is a hard link")]
    HardLink,
    #[error("is beyond the limit of {0} links")]
    TooManyLinks(u64),
    // Types.
    #[error("is a device")]
    Device,
    #[error("is a pipe")]
    Pipe,
    #[error("is a socket")]
    Socket,
    #[error("is a sparse file")]
    Sparse,
    #[error("is part of a multi-volume or incremental archive")]
    Volume,
    #[error("has the unknown type {0:#x}")]
    UnknownType(u32),
    #[error("has extended attributes (`{0}`)")]
    Attributes(String),
    #[error("is no file, yet has content")]
    Content,
    // Structure of tar.
    #[error("is not in a known archive format (zip, tar, tar.gz)")]
    UnknownFormat,
    #[error("has a wrong header checksum")]
    Checksum,
    #[error("has a number that cannot be read ({0})")]
    Number(Cow<'static, str>),
    #[error("has a malformed extended header")]
    PaxMalformed,
    #[error("has the unknown extended key `{0}`")]
    PaxKey(String),
    #[error("has two sizes that disagree")]
    PaxSize,
    #[error("changes all later entries by the global key `{0}`")]
    PaxGlobal(String),
    #[error("says its name or target twice")]
    NamedTwice,
    #[error("has an extended header that nothing follows")]
    HeaderAlone,
    #[error("has an extended header of more than {0} bytes")]
    HeaderSize(u64),
    #[error("ends too early")]
    Truncated,
    #[error("has bytes behind its end")]
    Trailing,
    // Compression.
    #[error("is not compressed properly")]
    Compression,
    #[error("consists of more than one compressed stream")]
    Members,
    // Structure of zip.
    #[error("has no end record, or bytes behind it")]
    NoEndRecord,
    #[error("has more than one end record")]
    EndRecords,
    #[error("is spread over several disks")]
    Disks,
    #[error("has a wrong number of entries or a wrong size in its end record")]
    EndRecord,
    #[error("uses or contradicts 64-bit fields")]
    Zip64,
    #[error("has a malformed directory record")]
    DirectoryRecord,
    #[error("is described differently in its two headers ({0})")]
    HeadersDisagree(Cow<'static, str>),
    #[error("has a second, different name")]
    UnicodePath,
    #[error("overlaps another entry")]
    Overlap,
    #[error("has bytes before it that belong to no entry")]
    Gap,
    #[error("is encrypted")]
    Encrypted,
    #[error("uses compression method {0}, which is neither stored nor deflate")]
    Method(u16),
    #[error("has a wrong data descriptor")]
    Descriptor,
    #[error("has a wrong length or checksum")]
    Crc,
    // Sizes (section 5).
    #[error("is larger than {0} bytes")]
    PackedSize(u64),
    #[error("is beyond the limit of {0} entries")]
    Entries(u64),
    #[error("is a file of more than {0} bytes")]
    FileSize(u64),
    #[error("brings the whole above {0} bytes")]
    Unpacked(u64),
    #[error("expands to more than {0} times its size")]
    Ratio(u64),
    /// A source folder has something that an archive may not hold.
    #[error("cannot be packed: it is neither file, folder nor link")]
    Special,
}

impl Rule {
    /// The refusal of a whole that is too large.
    pub(super) fn packed(limits: &Limits) -> Rule {
        Rule::PackedSize(limits.packed)
    }
}
