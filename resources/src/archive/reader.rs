//! Reading archives in a process that can do nothing else (S9).
//!
//! ```text
//! daemon                                       child: the same binary, under another name
//! open the archive, make NAME.partial
//! spawn ─ stdin: the archive, cwd: the folder ─▶ give up rights, limits on itself, read, write
//! sync, rename, or remove      ◀─ stderr: the answer ─ and end
//! ```
//!
//! What parses hostile bytes is what an attacker would take over, and a thread that has given up its
//! rights shares the memory of those that have not; limits on memory, time and file sizes are a
//! process's too. So it is a process. It is spawned, not forked, and started anew from the binary
//! that runs: there is nothing of the daemon in its memory, and its environment is empty. The folder
//! that it may write into is all that it has; giving the folder its name stays with the daemon.
//! `confine` says what is given up.

mod confine;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Once;

use rustix::fs::{Mode, OFlags};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::confine::{Lacks, confine};
use super::{Archive, ArchiveError, Below, Fresh, Inspection, Limits, Unpack, Unpacked};
use crate::Digest;

/// The name, as `argv[0]`, under which a daemon's binary reads archives: its `main` then does
/// nothing but [`serve`].
pub const NAME: &str = "muster-archive-reader";

/// Where the child finds what it shall do.
const REQUEST: &str = "MUSTER_ARCHIVE_REQUEST";

/// Bytes of an answer: a listing of as many entries as an archive may have, and a charm's small
/// files.
const ANSWER: u64 = 256 << 20;

/// Which files of an archive somebody wants to see: those at its top that are called so.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Wanted {
    /// Whole names.
    pub names: BTreeSet<String>,
    /// Ends of names behind a dot, without it.
    pub extensions: BTreeSet<String>,
}

impl Wanted {
    fn has(&self, name: &str) -> bool {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
        !name.contains('/')
            && (self.names.contains(name)
                || extension.is_some_and(|extension| self.extensions.contains(extension)))
    }
}

/// Who reads archives.
#[derive(Clone, Debug, Default)]
pub enum Reader {
    /// The process that asks: right for a command that a person runs on their own files, and for
    /// tests. A daemon has others read.
    #[default]
    Here,
    /// A process for each archive.
    Child(Program),
}

/// What is started to read an archive.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Unpack { called: PathBuf, how: Unpack },
    UnpackAndInspect { called: PathBuf, how: Unpack, wanted: Wanted },
    Inspect { limits: Limits, expected: Option<Digest>, wanted: Wanted },
}

impl Request {
    fn limits(&self) -> &Limits {
        match self {
            Request::Unpack { how, .. } | Request::UnpackAndInspect { how, .. } => &how.limits,
            Request::Inspect { limits, .. } => limits,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer<T> {
    lacks: Lacks,
    result: Result<T, ArchiveError>,
}

impl Reader {
    /// Has this process's own binary read, as it was when it was started. Its `main` must know
    /// [`NAME`].
    #[must_use]
    pub fn child() -> Reader {
        Reader::of("/proc/self/exe".into())
    }

    fn of(path: PathBuf) -> Reader {
        // As an argument too: whatever is started by mistake has no use for it.
        Reader::Child(Program { path, arguments: vec![NAME.into()] })
    }

    /// As [`Archive::unpack`].
    ///
    /// # Errors
    ///
    /// As there, and those of a child.
    pub fn unpack(
        &self,
        archive: &Archive,
        target: &Path,
        how: &Unpack,
    ) -> Result<Unpacked, ArchiveError> {
        let Reader::Child(program) = self else { return archive.unpack(target, how) };
        let request = Request::Unpack { called: called(target), how: how.clone() };
        program.fill(archive, target, how, &request)
    }

    /// As [`Reader::unpack`] and [`Reader::inspect`], of one reading: what is told of the archive is
    /// what lies in the folder.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn unpack_and_inspect(
        &self,
        archive: &Archive,
        target: &Path,
        how: &Unpack,
        wanted: &Wanted,
    ) -> Result<(Unpacked, Inspection), ArchiveError> {
        let Reader::Child(program) = self else {
            return archive.unpack_and_look(target, how, &|name| wanted.has(name));
        };
        let (called, wanted) = (called(target), wanted.clone());
        let request = Request::UnpackAndInspect { called, how: how.clone(), wanted };
        program.fill(archive, target, how, &request)
    }

    /// What the archive holds, and the wanted files. Without an expected digest any archive will do.
    ///
    /// # Errors
    ///
    /// If the archive is refused, and those of a child.
    pub fn inspect(
        &self,
        archive: &Archive,
        limits: &Limits,
        expected: Option<&Digest>,
        wanted: &Wanted,
    ) -> Result<Inspection, ArchiveError> {
        let Reader::Child(program) = self else {
            return archive.look(limits, expected.copied(), &|name| wanted.has(name));
        };
        let (limits, wanted) = (limits.clone(), wanted.clone());
        let request = Request::Inspect { limits, expected: expected.copied(), wanted };
        program.ask(archive, None, &request)
    }
}

/// For messages only; the child knows its folder by its descriptor.
fn called(target: &Path) -> PathBuf {
    PathBuf::from(target.to_string_lossy().into_owned())
}

impl Program {
    /// Has a fresh folder filled, and gives it its name.
    fn fill<T: DeserializeOwned>(
        &self,
        archive: &Archive,
        target: &Path,
        how: &Unpack,
        request: &Request,
    ) -> Result<T, ArchiveError> {
        let fresh = Fresh::create(target)?;
        let done = self.ask(archive, Some(fresh.below().top()), request)?;
        fresh.publish(how.durable)?;
        Ok(done)
    }

    fn ask<T: DeserializeOwned>(
        &self,
        archive: &Archive,
        top: Option<&OwnedFd>,
        request: &Request,
    ) -> Result<T, ArchiveError> {
        let failed =
            |what| move |source| ArchiveError::Reader { what: Cow::Borrowed(what), source };
        let text = serde_json::to_string(request).map_err(|e| failed("ask")(e.into()))?;
        let input = archive.file.try_clone().map_err(failed("start"))?;
        // In the child that is the folder itself, whatever its path leads to by then.
        let folder = top.map_or("/".to_owned(), |top| format!("/proc/self/fd/{}", top.as_raw_fd()));
        let mut child = Command::new(&self.path)
            .arg0(NAME)
            .args(&self.arguments)
            .env_clear()
            .env(REQUEST, text)
            .current_dir(folder)
            .stdin(Stdio::from(input))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed("start"))?;
        let mut said = Vec::new();
        let read = match child.stderr.take() {
            Some(pipe) => pipe.take(ANSWER + 1).read_to_end(&mut said),
            None => Ok(0),
        };
        // Its end of the pipe is closed: it has ended, or ends at its next word.
        let status = child.wait().map_err(failed("wait for"))?;
        read.map_err(failed("hear"))?;
        if !status.success() || said.len() as u64 > ANSWER {
            let from = said.len().saturating_sub(2000);
            let said = String::from_utf8_lossy(said.get(from..).unwrap_or_default());
            let said = said.trim().to_owned();
            return Err(ArchiveError::ReaderEnded { status: status.to_string(), said });
        }
        let answer: Answer<T> =
            serde_json::from_slice(&said).map_err(|error| failed("understand")(error.into()))?;
        answer.lacks.tell();
        answer.result
    }
}

impl Lacks {
    /// Says, once, what this system cannot hold.
    fn tell(&self) {
        static SAID: Once = Once::new();
        if !self.0.is_empty() {
            let lacks = self.0.join("; ");
            SAID.call_once(|| {
                tracing::warn!(lacks, "the process that reads archives is not wholly confined");
            });
        }
    }
}

/// The whole of the child's `main`.
#[must_use]
pub fn serve() -> ExitCode {
    let answered = respond();
    match answered {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If even that cannot be told, the status has to do.
            let _told = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn respond() -> io::Result<()> {
    let text = std::env::var(REQUEST).map_err(io::Error::other)?;
    let request: Request = serde_json::from_str(&text)?;
    let top = match &request {
        Request::Unpack { .. } | Request::UnpackAndInspect { .. } => {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            Some(rustix::fs::open(".", flags, Mode::empty())?)
        }
        Request::Inspect { .. } => None,
    };
    let lacks = confine(top.as_ref(), request.limits())?;
    let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let archive = Archive::from_file(file);
    match (request, top) {
        (Request::Unpack { called, how }, Some(top)) => {
            let below = Below::new(called, top);
            let result = archive.and_then(|archive| archive.write(&below, &how));
            answer(&Answer { lacks, result })
        }
        (Request::UnpackAndInspect { called, how, wanted }, Some(top)) => {
            let below = Below::new(called, top);
            let wanted = |name: &str| wanted.has(name);
            let result = archive.and_then(|archive| archive.write_and_look(&below, &how, &wanted));
            answer(&Answer { lacks, result })
        }
        (Request::Unpack { .. } | Request::UnpackAndInspect { .. }, None) => {
            Err(io::Error::other("there is no folder"))
        }
        (Request::Inspect { limits, expected, wanted }, _) => {
            let wanted = |name: &str| wanted.has(name);
            let result = archive.and_then(|archive| archive.look(&limits, expected, &wanted));
            answer(&Answer { lacks, result })
        }
    }
}

fn answer<T: Serialize>(answer: &Answer<T>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stderr().lock());
    serde_json::to_writer(&mut out, answer)?;
    out.flush()
}

#[cfg(test)]
pub(crate) mod tests;
