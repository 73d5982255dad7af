//! A unit's log: its file under `/var/log/juju`, and the spool for the controller. The file is bounded
//! (reliability document, R29): `….log` is the newest, `….log.1` and `….log.2` are the ones before.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use muster_api::body::LogLine;
use muster_model::Timestamp;
use muster_model::name::UnitName;

use crate::clock::Clock;
use crate::log_rate::Rate;
use crate::paths::{Paths, entries};
use crate::spool::Spool;

/// How grave a line is; charms may name more words than there are (hook contract, section 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Level::Trace => "TRACE",
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warning => "WARNING",
            Level::Error => "ERROR",
            Level::Critical => "CRITICAL",
        }
    }

    /// The level that a charm names, in any case.
    pub(crate) fn parse(word: &str) -> Option<Level> {
        Some(match word.to_ascii_uppercase().as_str() {
            "TRACE" => Level::Trace,
            "DEBUG" => Level::Debug,
            "INFO" => Level::Info,
            "WARN" | "WARNING" => Level::Warning,
            "ERROR" => Level::Error,
            "CRITICAL" => Level::Critical,
            _ => return None,
        })
    }
}

/// Bytes of one file, and how many files before it are kept.
const MOST: u64 = 20 << 20;
const BEFORE: u32 = 2;

/// A unit's log. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct UnitLog {
    unit: Arc<str>,
    tag: Arc<str>,
    file: Arc<Mutex<LogFile>>,
    rate: Arc<Mutex<Rate>>,
    spool: Spool,
    clock: Clock,
}

impl UnitLog {
    /// Opens the unit's log. A log that cannot be opened does not stop the unit.
    pub(crate) fn open(unit: &UnitName, paths: &Paths, spool: Spool, clock: Clock) -> UnitLog {
        let path = paths.log(unit);
        let mut file = LogFile { path: path.clone(), open: None };
        let begun = note(paths, &path).and_then(|()| file.reopen().map(|_| ()));
        if let Err(error) = begun {
            tracing::warn!(path = %path.display(), %error, "a unit's log cannot be opened");
        }
        UnitLog {
            unit: unit.to_string().into(),
            tag: unit.tag().into(),
            file: Arc::new(Mutex::new(file)),
            rate: Arc::new(Mutex::new(Rate::new(clock.instant()))),
            spool,
            clock,
        }
    }

    /// Writes a line of the hook (or `juju-log`) called `part`, unless the unit has written too many.
    pub(crate) fn write(&self, level: Level, part: &str, message: &str) {
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        if !rate.admits(self.clock.instant()) {
            return;
        }
        let left_out = rate.left_out();
        drop(rate);
        if let Some(left_out) = left_out {
            self.put(Level::Warning, part, &left_out);
        }
        self.put(level, part, message);
    }

    /// A run is over: says how many of its lines were left out, if that is not said yet.
    pub(crate) fn close(&self, part: &str) {
        let left_out = self.rate.lock().unwrap_or_else(PoisonError::into_inner).left_out();
        if let Some(left_out) = left_out {
            self.put(Level::Warning, part, &left_out);
        }
    }

    fn put(&self, level: Level, part: &str, message: &str) {
        let at = self.clock.now();
        let module = format!("unit.{}.{part}", self.unit);
        let line = format!("{} {} {module} agent.rs:1 {message}\n", stamp(at), level.as_str());
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.append(line.as_bytes()) {
            tracing::debug!(%error, "a line of a unit's log is lost");
        }
        drop(file);
        self.spool.push(&LogLine {
            at,
            entity: self.tag.to_string(),
            level: level.as_str().to_owned(),
            module,
            message: message.to_owned(),
        });
    }
}

/// The file, and those that it follows on.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    open: Option<File>,
}

impl LogFile {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.reopen()?,
        };
        // Asked of the file, for others may have cut it.
        if open.metadata()?.len().saturating_add(line.len() as u64) <= MOST {
            return open.write_all(line);
        }
        self.open = None;
        for number in (0..BEFORE).rev() {
            match fs::rename(self.before(number), self.before(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.reopen()?.write_all(line)
    }

    fn reopen(&mut self) -> io::Result<&mut File> {
        self.path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let file = File::options().append(true).create(true).mode(0o640).open(&self.path)?;
        Ok(self.open.insert(file))
    }

    /// The file so many before the newest.
    fn before(&self, number: u32) -> PathBuf {
        before(&self.path, number)
    }
}

fn before(newest: &Path, number: u32) -> PathBuf {
    let mut name = newest.to_owned().into_os_string();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name.into()
}

/// Notes that this agent has begun a log.
fn note(paths: &Paths, log: &Path) -> io::Result<()> {
    let folder = paths.log_notes();
    fs::create_dir_all(&folder)?;
    let name = log.file_name().ok_or_else(|| io::Error::other("a log without a name"))?;
    File::options().append(true).create(true).open(folder.join(name)).map(|_| ())
}

/// Every file of the logs that this agent has begun.
pub(crate) fn begun(paths: &Paths) -> io::Result<Vec<PathBuf>> {
    let names = entries(&paths.log_notes())?;
    let newest = names.into_iter().map(|name| paths.logs.join(name));
    Ok(newest.flat_map(|path| (0..=BEFORE).map(move |number| before(&path, number))).collect())
}

/// `YYYY-MM-DD HH:MM:SS` in UTC.
fn stamp(at: Timestamp) -> impl std::fmt::Display {
    at.calendar().strftime("%Y-%m-%d %H:%M:%S")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r29_the_log_of_a_unit_is_bounded_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("juju/unit-wiki-0.log");
        let mut log = LogFile { path: path.clone(), open: None };
        let piece = vec![b'x'; 1 << 20];
        for number in 0..70 {
            log.append(&piece).unwrap();
            log.append(format!("\n{number}\n").as_bytes()).unwrap();
        }
        let names = ["unit-wiki-0.log", "unit-wiki-0.log.1", "unit-wiki-0.log.2"];
        let mut found: Vec<String> = fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        assert_eq!(found, names);
        for name in names {
            assert!(fs::metadata(path.with_file_name(name)).unwrap().len() <= MOST, "{name}");
        }
        assert!(fs::read_to_string(&path).unwrap().ends_with("\n69\n"));
        // One that was full before the agent began is followed on, too.
        fs::write(&path, vec![b'y'; usize::try_from(MOST).unwrap()]).unwrap();
        LogFile { path: path.clone(), open: None }.append(b"next\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "next\n");
    }
}
