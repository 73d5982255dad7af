//! How a command fails: one sentence on what was tried and why it did not work, a line on what to
//! type next, and an exit code.

use std::error::Error;
use std::fmt;
use std::io;

use muster_console::flags::UsageError;
use muster_console::outcome::{Chain, FAILED, USAGE};
use muster_model::refusal::Code;

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What follows `ERROR `; empty when everything has been said already.
    pub message: String,
    /// What to type next, on a line of its own.
    pub hint: Option<String>,
    /// The rule that said no, when it was one of the controller's.
    pub refused: Option<Code>,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { code: FAILED, message: message.into(), hint: None, refused: None }
    }

    /// What was tried, and the error that came of it with all its causes.
    pub fn tried(what: impl fmt::Display, error: &dyn Error) -> Failure {
        Failure::new(format!("{what}: {}", Chain(error)))
    }

    /// An exit code of its own, with nothing left to say.
    #[must_use]
    pub fn silent(code: u8) -> Failure {
        Failure { code, message: String::new(), hint: None, refused: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The same, said to have happened while `what` was tried: `what: message`. A rule that says
    /// itself what it does not allow is not told twice.
    #[must_use]
    pub fn while_trying(mut self, what: impl fmt::Display) -> Failure {
        if self.refused.is_some() && self.message.starts_with("cannot ") {
            return self;
        }
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// A stream that could not be written to.
    #[must_use]
    pub fn stream(name: &str, error: &io::Error) -> Failure {
        // Whoever piped us into `head` has what he wants.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Failure::silent(FAILED);
        }
        Failure::tried(format!("cannot write to {name}"), error)
    }

    /// Whether this was found before anything was done.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        self.code == USAGE
    }
}

impl From<UsageError> for Failure {
    fn from(error: UsageError) -> Failure {
        Failure { code: USAGE, message: error.to_string(), hint: None, refused: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n{hint}"),
            None => Ok(()),
        }
    }
}
