//! What can go wrong while machines are made and removed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// A failure of the substrate; one variant for each thing that was tried.
#[derive(Debug, Error)]
pub enum SubstrateError {
    /// A file or folder could not be read, written or removed.
    #[error("cannot {what} `{}`", path.display())]
    File {
        /// What was tried, as a verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A record was there and could not be understood.
    #[error("the record `{}` is not one of this version", path.display())]
    Record {
        /// The record's file.
        path: PathBuf,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// A tool of the host could not be started.
    #[error("cannot start `{tool}`")]
    ToolStart {
        /// The tool.
        tool: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A tool of the host ran and failed.
    #[error("`{line}` failed ({status}): {said}")]
    Tool {
        /// The command line.
        line: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote to stderr.
        said: String,
    },
    /// A tool that must be on this host is missing and could not be installed.
    #[error("this host lacks {missing}; install it (on Debian: `apt-get install {packages}`)")]
    ToolMissing {
        /// The missing tools.
        missing: String,
        /// The packages that have them.
        packages: String,
    },
    /// The state root is being used by another process.
    #[error("`{}` is in use by another controller", path.display())]
    InUse {
        /// The state root.
        path: PathBuf,
    },
    /// A name was not one a machine can have.
    #[error(
        "`{name}` cannot name a machine: use 1 to 40 of a-z, 0-9 and `-`, not `-` at either end"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// A value of the settings or of a machine's description is not possible.
    #[error("{what} `{value}` is not possible: {rule}")]
    BadValue {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// There is no machine with this name.
    #[error("there is no machine `{name}`")]
    Unknown {
        /// The name.
        name: String,
    },
    /// There is a machine with this name already.
    #[error("there is a machine `{name}` already")]
    Exists {
        /// The name.
        name: String,
    },
    /// The machine does not run.
    #[error("machine `{name}` does not run")]
    NotRunning {
        /// The name.
        name: String,
    },
    /// Nothing says where Debian packages come from.
    #[error(
        "no package mirror is known for suite `{suite}`; name one in the setting `machine-mirror`, or in the \
         `mirror` of its image"
    )]
    NoMirror {
        /// The suite.
        suite: String,
    },
    /// Nothing says which image a base means.
    #[error(
        "there is no image of base {base}; say in controller.toml what it is made from, in a section \
         [image.\"{base}\"]"
    )]
    NoImage {
        /// The base.
        base: String,
    },
    /// The keys of an image's mirror are not on this host.
    #[error(
        "the keys `{}` that sign the mirror of base {base} are not on this host; install them, or name \
         others in the `keyring` of its image", path.display()
    )]
    NoKeyring {
        /// The base.
        base: String,
        /// Where they should be.
        path: PathBuf,
    },
    /// No address or network number is free.
    #[error("no {what} is free in {range}")]
    Full {
        /// What there is none of.
        what: &'static str,
        /// In which range.
        range: String,
    },
    /// The machine did not come up in time.
    #[error("machine `{name}` did not come up within {} s; its console ended with: {console}", within.as_secs())]
    BootTimeout {
        /// The name.
        name: String,
        /// How long was waited.
        within: Duration,
        /// The end of its console.
        console: String,
    },
    /// The machine ended while it was coming up.
    #[error("machine `{name}` ended while it was coming up; its console ended with: {console}")]
    BootEnded {
        /// The name.
        name: String,
        /// The end of its console.
        console: String,
    },
    /// Processes did not end although they were killed.
    #[error("processes {pids:?} of `{name}` did not end within {} s of being killed", within.as_secs())]
    Unkillable {
        /// The machine.
        name: String,
        /// The processes.
        pids: Vec<u32>,
        /// How long was waited.
        within: Duration,
    },
    /// A mount is still used.
    #[error("`{}` is still used by {holders}", path.display())]
    Busy {
        /// The mount.
        path: PathBuf,
        /// Who uses it, as far as can be seen.
        holders: String,
    },
    /// A command inside a machine ran for too long.
    #[error("`{line}` did not end within {} s in `{name}`", within.as_secs())]
    ExecTimeout {
        /// The machine.
        name: String,
        /// The command.
        line: String,
        /// How long was waited.
        within: Duration,
    },
    /// A kernel call failed.
    #[error("cannot {what}")]
    Kernel {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A test asked for a stop after this step.
    #[error("interrupted after step `{step}`")]
    Interrupted {
        /// The step.
        step: String,
    },
}

/// Makes an error about a path out of an [`io::Error`].
pub(super) fn file(
    what: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(io::Error) -> SubstrateError {
    let path = path.into();
    move |source| SubstrateError::File { what, path, source }
}

/// Makes an error about a kernel call.
pub(super) fn kernel<E: Into<io::Error>>(
    what: impl Into<String>,
) -> impl FnOnce(E) -> SubstrateError {
    let what = what.into();
    move |source| SubstrateError::Kernel { what, source: source.into() }
}
