//! How a command or tool ends: what it wrote, and its exit code.
//!
//! | case | code | stdout | stderr |
//! | --- | --- | --- | --- |
//! | done | 0 | data | notices |
//! | refused before anything was done | 2 | nothing | `ERROR …` |
//! | failed while doing it | 1 | nothing | `ERROR …` |
//!
//! Hook contract §5.1, CLI contract §1.3 and §1.4.

use std::error::Error;
use std::fmt;

use crate::flags::UsageError;

/// Exit code of success.
pub const DONE: u8 = 0;
/// Exit code of a failure while running.
pub const FAILED: u8 = 1;
/// Exit code of a line that was refused before anything ran.
pub const USAGE: u8 = 2;

/// What a tool leaves behind, as values, so that it can be carried over a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The exit code.
    pub code: u8,
    /// Data, byte for byte.
    pub stdout: Vec<u8>,
    /// Words about it, with their newlines.
    pub stderr: String,
}

impl Outcome {
    /// Done, with data.
    pub fn done(stdout: impl Into<Vec<u8>>) -> Outcome {
        Outcome { code: DONE, stdout: stdout.into(), stderr: String::new() }
    }

    /// Failed while running.
    pub fn failed(message: impl fmt::Display) -> Outcome {
        Outcome { code: FAILED, stdout: Vec::new(), stderr: error_line(message) }
    }

    /// Refused before running.
    pub fn refused(message: impl fmt::Display) -> Outcome {
        Outcome { code: USAGE, stdout: Vec::new(), stderr: error_line(message) }
    }

    /// The same with a notice on stderr, which becomes a line of its own.
    #[must_use]
    pub fn with_notice(mut self, notice: impl fmt::Display) -> Outcome {
        self.stderr.push_str(&format!("{notice}\n"));
        self
    }
}

impl From<UsageError> for Outcome {
    fn from(error: UsageError) -> Outcome {
        Outcome::refused(error)
    }
}

/// `ERROR <message>` and a newline. Further lines of the message stand as they are.
#[must_use]
pub fn error_line(message: impl fmt::Display) -> String {
    format!("ERROR {message}\n")
}

/// `WARNING <message>` and a newline.
#[must_use]
pub fn warning_line(message: impl fmt::Display) -> String {
    format!("WARNING {message}\n")
}

/// Shows an error with every cause behind it, on one line. An error's own text never prints its
/// source, so nothing is said twice.
pub struct Chain<'a>(pub &'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hook contract T07.
    #[test]
    fn t07_errors_go_to_stderr_and_stdout_stays_empty() {
        let refused = Outcome::from(UsageError::Unknown("--x".to_owned()));
        assert_eq!(refused.code, 2);
        assert!(refused.stdout.is_empty());
        assert_eq!(refused.stderr, "ERROR option provided but not defined: --x\n");
        let failed = Outcome::failed("relation 7 not found");
        assert_eq!((failed.code, failed.stderr.as_str()), (1, "ERROR relation 7 not found\n"));
        let done = Outcome::done("a\n").with_notice("--format is ignored");
        assert_eq!(done.stdout, b"a\n");
        assert_eq!((done.code, done.stderr.as_str()), (0, "--format is ignored\n"));
    }

    #[test]
    fn a_chain_names_every_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read `a`")]
        struct Outer {
            source: std::io::Error,
        }
        let error = Outer { source: std::io::Error::other("no such file") };
        assert_eq!(Chain(&error).to_string(), "cannot read `a`: no such file");
        assert_eq!(warning_line("x"), "WARNING x\n");
    }
}
