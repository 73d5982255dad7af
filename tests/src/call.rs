//! Running other programs, and saying well what went wrong with them.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

/// How often a waiting caller may redraw.
const TICK: Duration = Duration::from_millis(150);
/// How long a pipe may stay open after its program has ended (a daemon it left may hold it).
const LINGER: Duration = Duration::from_secs(1);
/// Lines of a failed program that are shown.
const TAIL: usize = 25;
/// Bytes of standard output that are kept; a program that says more is not one of those we call.
const MOST: usize = 64 << 20;

/// A program that could not be run, or ended badly.
#[derive(Debug, Error)]
pub enum CallError {
    /// The program was not started.
    #[error("cannot start `{line}`")]
    Start {
        /// The command as one would type it.
        line: String,
        /// Why.
        source: io::Error,
    },
    /// The program's end could not be awaited.
    #[error("cannot wait for `{line}`")]
    Wait {
        /// The command as one would type it.
        line: String,
        /// Why.
        source: io::Error,
    },
    /// The program printed more than is kept.
    #[error("`{line}` printed more than {MOST} bytes")]
    TooMuch {
        /// The command as one would type it.
        line: String,
    },
    /// The program ended, and not well.
    #[error("`{line}` ended with {status}{tail}")]
    Failed {
        /// The command as one would type it.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it printed, each on a line of its own, indented.
        tail: String,
    },
}

/// What a program printed, and how it ended.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// Everything on standard output.
    pub stdout: String,
    /// The last lines of both streams in the order they came.
    pub tail: Vec<String>,
    /// How it ended.
    pub status: ExitStatus,
}

/// One call of a program.
#[derive(Debug)]
pub struct Call {
    command: Command,
    line: String,
}

impl Call {
    /// A call of `program`, found in `PATH` unless it is a path.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        Self { command, line: program.to_string_lossy().into_owned() }
    }

    /// A call of the cargo that this program was started by. What cargo tells a program about the
    /// package it belongs to is left out: build scripts would take it for a change, and build
    /// everything after them once more, each time.
    pub fn cargo() -> Self {
        let mut call = Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (key, _) in std::env::vars_os() {
            if key.to_str().is_some_and(is_of_a_package) {
                call.command.env_remove(key);
            }
        }
        call
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        let arg = arg.as_ref();
        let text = arg.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+:,./@%{}".contains(c);
        if !text.is_empty() && text.chars().all(plain) {
            self.line.push(' ');
            self.line.push_str(&text);
        } else {
            self.line.push_str(&format!(" '{}'", text.replace('\'', r"'\''")));
        }
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        for arg in args {
            self = self.arg(arg);
        }
        self
    }

    /// Sets a variable of the program's environment. It does not show in error messages.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Takes a variable out of the program's environment.
    pub fn without(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    /// Runs the program in `folder`.
    pub fn within(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// The command as one would type it.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Runs to the end and gives standard output.
    pub fn run(self) -> Result<String, CallError> {
        self.run_with(|_| {})
    }

    /// As [`Call::run`]; `tick` is called with each line printed, and with `None` now and then.
    pub fn run_with(self, tick: impl FnMut(Option<&str>)) -> Result<String, CallError> {
        let line = self.line.clone();
        let spoken = self.speak(tick)?;
        if spoken.status.success() {
            return Ok(spoken.stdout);
        }
        let mut tail = String::new();
        for words in &spoken.tail {
            tail.push_str("\n    ");
            tail.push_str(words);
        }
        Err(CallError::Failed { line, status: spoken.status, tail })
    }

    /// Runs with the terminal as it is: the program's words go where ours go.
    pub fn show(mut self) -> Result<ExitStatus, CallError> {
        let Self { command, line } = &mut self;
        let start = |source| CallError::Start { line: line.clone(), source };
        command.status().map_err(start)
    }

    /// Runs to the end, however it ends.
    pub fn speak(mut self, mut tick: impl FnMut(Option<&str>)) -> Result<Spoken, CallError> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let line = self.line;
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(source) => return Err(CallError::Start { line, source }),
        };
        let (sender, lines) = mpsc::channel();
        read_lines(child.stdout.take(), true, &sender);
        read_lines(child.stderr.take(), false, &sender);
        drop(sender);

        let mut stdout = String::new();
        let mut tail = Vec::new();
        let mut ended: Option<(ExitStatus, Instant)> = None;
        loop {
            match lines.recv_timeout(TICK) {
                Ok((from_stdout, text)) => {
                    if from_stdout {
                        stdout.push_str(&text);
                        if stdout.len() > MOST {
                            end(&mut child);
                            return Err(CallError::TooMuch { line });
                        }
                    }
                    let words = text.trim_end();
                    if !words.is_empty() {
                        tick(Some(words));
                        tail.push(words.to_owned());
                        if tail.len() > TAIL {
                            tail.remove(0);
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => tick(None),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if ended.is_none() {
                let status = child.try_wait().map_err(|source| wait(&line, source))?;
                ended = status.map(|status| (status, Instant::now()));
            }
            if ended.is_some_and(|(_, since)| since.elapsed() > LINGER) {
                break;
            }
        }
        let status = match ended {
            Some((status, _)) => status,
            None => child.wait().map_err(|source| wait(&line, source))?,
        };
        Ok(Spoken { stdout, tail, status })
    }
}

/// The program called `name` in `PATH`, or in the folders that only root's has.
pub fn find(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|p| p.is_file())
}

/// Whether cargo sets a variable anew for each package whose program or build script it runs.
fn is_of_a_package(key: &str) -> bool {
    key == "OUT_DIR"
        || ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
            .iter()
            .any(|prefix| key.starts_with(prefix))
}

/// The words that a person gave one of this package's commands. The aliases end in `--`, so that an
/// option is not taken for one of cargo's; whoever types another one means the same.
pub fn words() -> Vec<std::ffi::OsString> {
    without_separator(std::env::args_os().collect())
}

fn without_separator(mut words: Vec<std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    if words.get(1).is_some_and(|word| word == "--") {
        words.remove(1);
    }
    words
}

fn wait(line: &str, source: io::Error) -> CallError {
    CallError::Wait { line: line.to_owned(), source }
}

/// Ends a program that is of no more use; it may just have ended by itself.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

fn read_lines(
    pipe: Option<impl Read + Send + 'static>,
    stdout: bool,
    lines: &Sender<(bool, String)>,
) {
    let Some(pipe) = pipe else { return };
    let lines = lines.clone();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match pipe.read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if lines.send((stdout, text)).is_err() {
                        break;
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_and_failure_shows_the_last_words() {
        assert_eq!(Call::new("printf").arg("a\nb").run().unwrap(), "a\nb");
        let failed = Call::new("sh").args(["-c", "echo oh no >&2; exit 3"]).run().unwrap_err();
        let text = failed.to_string();
        assert!(text.contains("exit status: 3") && text.ends_with("\n    oh no"), "{text}");
        assert!(text.starts_with("`sh -c 'echo oh no >&2; exit 3'`"), "{text}");
    }

    #[test]
    fn cargo_is_not_told_which_package_this_program_belongs_to() {
        for key in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR", "OUT_DIR"] {
            assert!(is_of_a_package(key), "{key}");
        }
        for key in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO", "CARGO_NET_OFFLINE", "PATH"] {
            assert!(!is_of_a_package(key), "{key}");
        }
        // Cargo runs this test with such a variable, and none comes through.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let call = Call::cargo();
        let left =
            |key: &str| call.command.get_envs().all(|(name, value)| name != key || value.is_some());
        assert!(!left("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn a_second_separator_means_nothing() {
        let words = |words: &[&str]| words.iter().map(Into::into).collect::<Vec<_>>();
        assert_eq!(without_separator(words(&["demo", "--", "down"])), words(&["demo", "down"]));
        assert_eq!(without_separator(words(&["demo", "down"])), words(&["demo", "down"]));
        assert_eq!(without_separator(words(&["demo"])), words(&["demo"]));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Call::new("no-such-program").run().unwrap_err();
        assert_eq!(error.to_string(), "cannot start `no-such-program`");
    }

    #[test]
    fn a_daemon_that_keeps_the_pipe_holds_nobody_up() {
        let began = Instant::now();
        let said = Call::new("sh").args(["-c", "sleep 30 & echo up"]).run().unwrap();
        assert_eq!(said, "up\n");
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
