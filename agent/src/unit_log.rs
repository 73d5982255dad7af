//! A unit's log: its file under `/var/log/juju`, and the spool for the controller.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use muster_api::body::LogLine;
use muster_model::Timestamp;
use muster_model::name::UnitName;

use crate::clock::Clock;
use crate::log_rate::Rate;
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

/// A unit's log. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct UnitLog {
    unit: Arc<str>,
    tag: Arc<str>,
    file: Arc<Mutex<Option<File>>>,
    rate: Arc<Mutex<Rate>>,
    spool: Spool,
    clock: Clock,
}

impl UnitLog {
    /// Opens the log at `path`. A log that cannot be opened does not stop the unit.
    pub(crate) fn open(unit: &UnitName, path: &Path, spool: Spool, clock: Clock) -> UnitLog {
        let opened = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| File::options().append(true).create(true).mode(0o640).open(path));
        let file = match opened {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a unit's log cannot be opened");
                None
            }
        };
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
        if let Some(open) = file.as_mut()
            && let Err(error) = open.write_all(line.as_bytes())
        {
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

/// `YYYY-MM-DD HH:MM:SS` in UTC.
fn stamp(at: Timestamp) -> impl std::fmt::Display {
    at.calendar().strftime("%Y-%m-%d %H:%M:%S")
}
