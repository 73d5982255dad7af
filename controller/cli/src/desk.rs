//! Where a command is typed: its environment, its three streams, and how much the person wants to
//! be told.
//!
//! Everything that a command takes from outside its words and the controller comes through here, so
//! a test sits at a desk of its own and many commands run in one process without meeting.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::PathBuf;

use muster_console::outcome::{error_line, warning_line};

use crate::failure::Failure;
use crate::neutral::neutral;

/// Which of the streams are a person's terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminals {
    /// Questions can be asked.
    pub stdin: bool,
    /// Data is read by eyes.
    pub stdout: bool,
    /// Progress can be drawn.
    pub stderr: bool,
}

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Talk {
    /// Errors and warnings only (`--quiet`).
    Quiet,
    /// What is being done.
    #[default]
    Usual,
    /// Also why and how (`--verbose`).
    Verbose,
}

/// Where a command is typed.
pub struct Desk {
    /// What the program is called here: `muster` or `juju`.
    pub program: String,
    /// The environment, as it was when the program started.
    pub env: BTreeMap<String, String>,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// Which streams are terminals.
    pub terminals: Terminals,
    /// How much is said.
    pub talk: Talk,
    /// Standard input: answers to questions, and what a shell passes on.
    pub input: Box<dyn BufRead + Send>,
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    written: bool,
}

/// The three streams, lent to whoever passes bytes on.
pub(crate) struct Streams {
    pub(crate) input: Box<dyn Read + Send>,
    pub(crate) out: Box<dyn Write + Send>,
    pub(crate) err: Box<dyn Write + Send>,
}

impl Desk {
    /// A desk with these streams, nobody who answers and nothing in its environment.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Desk {
        Desk {
            program: "muster".to_owned(),
            env: BTreeMap::new(),
            folder: PathBuf::from("."),
            terminals: Terminals::default(),
            talk: Talk::Usual,
            input: Box::new(io::empty()),
            out,
            err,
            written: false,
        }
    }

    /// The desk of this process.
    #[must_use]
    pub fn of_this_process() -> Desk {
        let program = std::env::args_os()
            .next()
            .and_then(|path| PathBuf::from(path).file_name()?.to_str().map(str::to_owned));
        Desk {
            program: program.filter(|name| name == "juju").unwrap_or_else(|| "muster".to_owned()),
            env: std::env::vars_os()
                .filter_map(|(key, value)| {
                    Some((key.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            terminals: Terminals {
                stdin: io::stdin().is_terminal(),
                stdout: io::stdout().is_terminal(),
                stderr: io::stderr().is_terminal(),
            },
            input: Box::new(BufReader::new(io::stdin())),
            ..Desk::new(Box::new(io::stdout()), Box::new(io::stderr()))
        }
    }

    /// A variable that is set and not empty.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Writes data to stdout. On a terminal nothing of it steers the terminal; a pipe or a file gets
    /// it as it is.
    ///
    /// # Errors
    /// When nobody reads any more, or the disk behind it is full.
    pub fn data(&mut self, text: &str) -> Result<(), Failure> {
        if self.terminals.stdout { self.raw(&neutral(text)) } else { self.raw(text) }
    }

    /// Writes to stdout what may steer a terminal: what a remote command wrote, and what is drawn.
    ///
    /// # Errors
    /// When nobody reads any more, or the disk behind it is full.
    pub fn raw(&mut self, text: &str) -> Result<(), Failure> {
        self.written |= !text.is_empty();
        self.out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
            .map_err(|error| Failure::stream("standard output", &error))
    }

    /// Lends the streams out, until [`Desk::give_back`]; what is read is not given back.
    pub(crate) fn lend(&mut self) -> Streams {
        self.written = true;
        let input = std::mem::replace(&mut self.input, Box::new(io::empty()));
        Streams {
            input,
            out: std::mem::replace(&mut self.out, Box::new(io::sink())),
            err: std::mem::replace(&mut self.err, Box::new(io::sink())),
        }
    }

    /// Takes the streams back.
    pub(crate) fn give_back(&mut self, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) {
        (self.out, self.err) = (out, err);
    }

    /// Whether any data has been written.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.written
    }

    /// Tells what is being done; hidden by `--quiet`.
    pub fn say(&mut self, words: &str) {
        if self.talk >= Talk::Usual {
            self.mutter(&format!("{words}\n"));
        }
    }

    /// Tells more than most want to hear; shown by `--verbose`.
    pub fn detail(&mut self, words: &str) {
        if self.talk >= Talk::Verbose {
            self.mutter(&format!("{words}\n"));
        }
    }

    /// A line that begins with `WARNING`.
    pub fn warn(&mut self, words: &str) {
        self.mutter(&warning_line(words));
    }

    /// A line that begins with `ERROR`.
    pub fn error(&mut self, words: &str) {
        self.mutter(&error_line(words));
    }

    /// Words on stderr; nothing of them steers a terminal.
    pub fn mutter(&mut self, words: &str) {
        self.raw_words(&neutral(words));
    }

    /// What a remote command wrote to its stderr, as it is. When stderr is gone there is nobody to
    /// tell, so a failure to write there ends here.
    pub fn raw_words(&mut self, words: &str) {
        if self.err.write_all(words.as_bytes()).and_then(|()| self.err.flush()).is_err() {
            self.talk = Talk::Quiet;
        }
    }

    /// Whether progress may be drawn: a terminal that understands it, and a person who wants it.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.terminals.stderr && self.talk >= Talk::Usual && self.var("TERM") != Some("dumb")
    }

    /// A path as typed, from this desk's folder.
    #[must_use]
    pub fn path(&self, typed: &str) -> PathBuf {
        let home = typed.strip_prefix("~/").zip(self.var("HOME"));
        match home {
            Some((rest, home)) => PathBuf::from(home).join(rest),
            None => self.folder.join(typed),
        }
    }
}
