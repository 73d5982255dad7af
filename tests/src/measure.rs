//! Speed as a ratio of two things run in turn on one machine.
//!
//! A row names what is measured (A) and its yardstick (B). Runs alternate A B A B …; a run in which
//! others used the machine is dropped and counted; the answer is the median of the pairs' ratios.
//! No test asserts a time: times go into a table and into one line of JSON for each row.

pub mod agents;
pub mod byte_rows;
pub mod charms;
pub mod child;
pub mod floor_rows;
pub mod hook_rows;
pub mod installation;
pub mod log;
pub mod machine;
pub mod pairs;
pub mod programs;
pub mod rest_rows;
pub mod scale_rows;
pub mod site;
pub mod status_rows;
pub mod table;
pub mod whole_rows;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::call::CallError;
use crate::voice::Voice;

pub use pairs::{Bench, Paired, Run, Summary};

/// A measurement that could not be made.
#[derive(Debug, Error)]
pub enum MeasureError {
    /// Something with files, sockets or processes failed.
    #[error("cannot {what}")]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A program failed.
    #[error("cannot run a program")]
    Call(#[from] CallError),
    /// The database of a floor failed.
    #[error("cannot use the floor's database")]
    Database(#[from] rusqlite::Error),
    /// A floor's TLS failed.
    #[error("cannot set up the floor's TLS: {0}")]
    Tls(String),
    /// A and B did not end in the same state, so their times say nothing.
    #[error("{0}")]
    Unequal(String),
    /// The machine is never quiet.
    #[error("{dropped} runs in a row were dropped because others used the machine")]
    Noisy {
        /// How many.
        dropped: usize,
    },
    /// A yardstick from outside cannot be had here.
    #[error("{what} cannot be had here: {why}")]
    Lacking {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// No row of that name.
    #[error("no row `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The log could not be written.
    #[error("cannot write `{}`", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// One thing measured beside another.
pub struct Row {
    /// Its name, such as `Q1`.
    pub id: &'static str,
    /// What A does.
    pub what: &'static str,
    /// What B does.
    pub yardstick: &'static str,
    /// The ratio to reach, if one was set.
    pub goal: Option<f64>,
    /// Measures it.
    pub run: fn(&Bench) -> Result<Measured, MeasureError>,
}

impl Row {
    /// Whether this row is meant: by its name, or by what its name and others' begin with (`Q16` is
    /// `Q16-100` and `Q16-1000`).
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.id.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// What came of a row.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Both sides.
    pub paired: Paired,
    /// Counts that do not depend on the machine, by name.
    pub counts: BTreeMap<String, u64>,
    /// What a reader must know: what B lacks, what was not done.
    pub note: String,
    /// What was measured.
    pub unit: Unit,
}

/// What the figures of a row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds of wall time.
    Seconds,
    /// Bytes of memory.
    Bytes,
}

/// All rows there are, floors last.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    byte_rows::ROWS
        .iter()
        .chain(hook_rows::ROWS)
        .chain(scale_rows::ROWS)
        .chain(status_rows::ROWS)
        .chain(rest_rows::ROWS)
        .chain(whole_rows::ROWS)
        .chain(floor_rows::ROWS)
}

/// Runs the rows named, or all, and says each as it is done.
pub fn run(
    names: &[String],
    bench: &Bench,
    voice: &Voice,
) -> Result<Vec<(&'static Row, Measured)>, MeasureError> {
    for name in names {
        if !rows().any(|row| row.is(name)) {
            let known = rows().map(|row| row.id).collect::<Vec<_>>().join(", ");
            return Err(MeasureError::Unknown { name: name.clone(), known });
        }
    }
    let mut measured = Vec::new();
    for row in rows() {
        if names.is_empty() || names.iter().any(|name| row.is(name)) {
            let work = voice.work(format!("{} {} / {}", row.id, row.what, row.yardstick));
            match (row.run)(bench) {
                Ok(outcome) => {
                    work.done(format_args!("{:.2}", outcome.paired.ratio));
                    measured.push((row, outcome));
                }
                // The other rows need it not.
                Err(error @ MeasureError::Lacking { .. }) => {
                    work.done(format_args!("not measured: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(measured)
}

/// Names what was tried, for `map_err`.
pub(crate) fn io_error(what: &'static str) -> impl Fn(io::Error) -> MeasureError {
    move |source| MeasureError::Io { what, source }
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn a_row_is_meant_by_its_name_or_the_beginning_that_it_shares() {
        let meant = |name| rows().filter(|row| row.is(name)).map(|row| row.id).collect::<Vec<_>>();
        assert_eq!(meant("Q16"), ["Q16-100", "Q16-1000"]);
        assert_eq!(meant("Q16-100"), ["Q16-100"]);
        assert_eq!(meant("Q1"), ["Q1"]);
        assert!(meant("Q").is_empty());
    }
}
