//! The main job, from nothing: Spark counts the words of real text from a Ceph gateway into MariaDB,
//! and a second count, made without Spark, must agree.
//!
//! Everything is done by the `muster` command, as an operator would do it. Each step first looks
//! whether its outcome is there, so a run that was interrupted goes on, and a second run is quick.
//!
//! ```text
//! build ─▶ parts ─▶ charms ─▶ controller ─▶ bundle ─▶ text into the bucket ─▶ job ─▶ row == count?
//! ```

pub mod build;
pub mod day;
pub mod hand;
pub mod job;
pub mod stand;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use thiserror::Error;

use crate::call::CallError;
use crate::corpus::gateway::GatewayError;
use crate::corpus::{Corpus, CorpusError};
use crate::parts::{self, PartsError};
use crate::setup::{self, Feature, SetupError};
use crate::voice::{Seconds, Voice};

pub use build::Built;
pub use hand::Hand;

/// What the demo is called, as controller and as model.
pub const NAME: &str = "demo";

/// Why the demo did not come to its end.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The machine lacks something.
    #[error("cannot prepare this machine")]
    Setup(#[source] SetupError),
    /// The real parts could not be had.
    #[error("cannot provide the real parts")]
    Parts(#[source] PartsError),
    /// The text could not be read.
    #[error("cannot gather the text")]
    Corpus(#[source] CorpusError),
    /// A program failed.
    #[error("cannot {what}")]
    Call {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: CallError,
    },
    /// A file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What a command printed is not what its contract says.
    #[error("`{command}` printed something else than expected: {what}")]
    Shape {
        /// The command.
        command: String,
        /// What is missing or wrong.
        what: String,
    },
    /// A unit failed and stayed so.
    #[error("{unit} is in error: {message}; see `{see}`")]
    Unit {
        /// The unit.
        unit: String,
        /// Its message.
        message: String,
        /// What to type to learn more.
        see: String,
    },
    /// The bundle did not come up in time.
    #[error("the bundle is not up after {minutes} minutes; it waits for:\n{waits}")]
    Late {
        /// How long was waited.
        minutes: u64,
        /// A line for each unit that is not active.
        waits: String,
    },
    /// The bucket could not be used.
    #[error("cannot put the text into the bucket")]
    Gateway(#[source] GatewayError),
    /// The upload needs a runtime, and none could be started.
    #[error("cannot start a runtime")]
    Runtime(#[source] io::Error),
    /// The job ran, and failed.
    #[error("the job ended as {status}: {message}")]
    Job {
        /// The task's status.
        status: String,
        /// What it said.
        message: String,
    },
    /// The row is not what was counted.
    #[error("MariaDB holds {row}, but the text has {words} words")]
    Disagree {
        /// The row's value.
        row: u64,
        /// The count made without Spark.
        words: u64,
    },
}

/// What was asked of the demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Everything, from nothing or from where it is.
    Up {
        /// Run the job though its row is there.
        again: bool,
    },
    /// So many Spark units.
    Scale(u32),
    /// Options of the Spark charm, each `key=value`.
    Config(Vec<String>),
    /// The status table.
    Status,
    /// Remove all of it.
    Down,
}

/// Where the demo works.
#[derive(Clone, Debug)]
pub struct Place {
    /// The project.
    pub root: PathBuf,
    /// Cargo's target folder for this run.
    pub target: PathBuf,
    /// The kind of machine that is built for, as cargo names it.
    pub kind: String,
    /// `debug` or `release`.
    pub profile: String,
    /// The parts' cache.
    pub parts: PathBuf,
}

impl Place {
    /// The place of this very program: its project, and the target folder it was built into.
    pub fn of_this_program() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = package.parent().unwrap_or(package).to_owned();
        let exe = std::env::current_exe().unwrap_or_default();
        // Tests lie in `deps`, one folder further down.
        let mut above = exe.ancestors().skip(1).filter(|folder| !folder.ends_with("deps"));
        let mut name = || {
            let folder = above.next().and_then(Path::file_name).unwrap_or_default();
            folder.to_string_lossy().into_owned()
        };
        // The project's settings name the kind of machine, so that there is always a folder for it.
        let (profile, kind) = (name(), name());
        let target = above.next().map_or_else(|| root.join("target"), Path::to_path_buf);
        Self { root, target, kind, profile, parts: parts::HOME.into() }
    }

    /// Where the programs are, once they are built.
    pub fn programs(&self) -> PathBuf {
        self.target.join(&self.kind).join(&self.profile)
    }

    /// The command, once it is built.
    pub fn program(&self) -> PathBuf {
        self.programs().join("muster")
    }

    /// What the demo makes for itself: built charms, the overlay, what was counted last.
    pub fn folder(&self) -> PathBuf {
        self.target.join("demo")
    }
}

/// Does what was asked.
pub fn run(order: &Order, place: &Place, voice: &Voice) -> Result<(), DemoError> {
    match order {
        Order::Up { again } => up(*again, place, voice),
        Order::Down => day::down(&existing(place, voice)?, place, voice),
        Order::Scale(count) => day::scale(*count, &existing(place, voice)?, voice),
        Order::Config(pairs) => day::config(pairs, &existing(place, voice)?, voice),
        Order::Status => job::show_status(&existing(place, voice)?),
    }
}

/// The hand of a demo that stands: with the command that made it, not a newer one.
fn existing(place: &Place, voice: &Voice) -> Result<Hand, DemoError> {
    let program = place.program();
    let program = if program.is_file() { program } else { build::binaries(place, voice)? };
    Ok(Hand::new(program, NAME, NAME))
}

fn up(again: bool, place: &Place, voice: &Voice) -> Result<(), DemoError> {
    let began = Instant::now();
    setup::fit(Path::new("/var/lib/muster"), setup::ROOM).map_err(DemoError::Setup)?;
    setup::ready(&[Feature::Machines], voice).map_err(DemoError::Setup)?;
    let hand = Hand::new(build::binaries(place, voice)?, NAME, NAME);
    let parts = parts::provide(&place.parts, voice).map_err(DemoError::Parts)?;
    let corpus = Corpus::gather(&place.root).map_err(DemoError::Corpus)?;
    let built = build::charms(place, &hand, &parts, voice)?;
    stand::controller(&hand, voice)?;
    let deployed = Instant::now();
    stand::deploy(&hand, &built, voice)?;
    let bucket = stand::gateway(&hand, voice)?;
    job::upload(&bucket, &corpus, voice)?;
    stand::settled(&hand, voice)?;
    let row = job::count(&hand, &bucket, &corpus, again, place, voice)?;
    voice.say(format_args!("  from deploy to the row: {}", Seconds(deployed.elapsed())));
    job::show_status(&hand)?;
    job::tell(&hand, &row, &corpus)?;
    job::agree(&row, &corpus)?;
    voice.say(format_args!("the whole took {}", Seconds(began.elapsed())));
    Ok(())
}
