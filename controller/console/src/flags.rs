//! One table-driven reader of command lines, for every command and every hook tool.
//!
//! It is ours and not clap's for two reasons. A hook calls its tools hundreds of times and each call
//! is a new process that should be over in a fraction of a millisecond, so the tables here are
//! constants and reading a line allocates little more than its words. And the manners are fixed by
//! what scripts rely on: booleans that never eat the next word, flags among the positionals, the
//! exact wording of each complaint. The CLI gives the same tables to clap where clap is strong:
//! completions and manual pages.
//!
//! | rule | example |
//! | --- | --- |
//! | one letter, one dash; the value may be glued on | `-n 2`, `-n2` |
//! | longer names, two dashes; the value may follow `=` | `--to 0`, `--to=0` |
//! | booleans take a value only after `=` | `--trust`, `--trust=false` |
//! | boolean letters may be grouped | `-rf` |
//! | flags and positionals mix; `--` ends the flags; `-` is a positional | `wiki -n 2` |
//! | the last one wins, unless the flag is a list | `--config a=1 --config b=2` |

mod usage;

pub use usage::Usage;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How a flag takes its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// On when it stands there; `--flag=false` turns it off. Never takes the next word.
    Switch,
    /// Takes one value; the last one given wins.
    Value,
    /// Takes one value each time; all of them count.
    List,
}

/// One flag of a command or tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// Every name without dashes. The first is the one that [`Line`] is asked by. A name of one
    /// letter is written with one dash, a longer one with two.
    pub names: &'static [&'static str],
    /// How it takes its value.
    pub kind: Kind,
    /// What the value is called in the help; empty for a switch.
    pub value: &'static str,
    /// One sentence for the help.
    pub help: &'static str,
}

impl Flag {
    /// A boolean flag.
    #[must_use]
    pub const fn switch(names: &'static [&'static str], help: &'static str) -> Flag {
        Flag { names, kind: Kind::Switch, value: "", help }
    }

    /// A flag with one value.
    #[must_use]
    pub const fn value(
        names: &'static [&'static str],
        value: &'static str,
        help: &'static str,
    ) -> Flag {
        Flag { names, kind: Kind::Value, value, help }
    }

    /// A flag that may be repeated.
    #[must_use]
    pub const fn list(
        names: &'static [&'static str],
        value: &'static str,
        help: &'static str,
    ) -> Flag {
        Flag { names, kind: Kind::List, value, help }
    }

    /// The name that [`Line`] is asked by.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }
}

/// Where flags may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Anywhere, until `--`.
    Mixed,
    /// Only before the first positional: what follows belongs to another program (`ssh`, plugins).
    FlagsFirst,
}

/// Why a line of words cannot be carried out as it stands. Always exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UsageError {
    /// No such flag.
    #[error("option provided but not defined: {0}")]
    Unknown(String),
    /// The flag's value is missing.
    #[error("option needs an argument: {0}")]
    NeedsArgument(String),
    /// The flag's value does not fit.
    #[error("invalid value {value:?} for option {flag}: {reason}")]
    BadValue {
        /// What was given.
        value: String,
        /// The flag with its dashes.
        flag: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More positionals than the command takes.
    #[error("unrecognized args: [{}]", Quoted(.0))]
    Surplus(Vec<String>),
    /// A rule of the command itself, found before anything was done.
    #[error("{0}")]
    Rule(String),
}

impl UsageError {
    /// A rule of the command itself, in its own words.
    pub fn rule(text: impl Into<String>) -> UsageError {
        UsageError::Rule(text.into())
    }
}

struct Quoted<'a>(&'a [String]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{word:?}")?;
        }
        Ok(())
    }
}

/// What reading a line came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A line to carry out.
    Line(Line),
    /// `-h` or `--help` was there: print [`Usage::help`] on stdout and leave with 0.
    Help,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    key: &'static str,
    /// The flag as it was typed, for complaints about its value.
    typed: String,
    value: String,
}

/// A line of words, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    given: Vec<Given>,
    /// The words that are neither flags nor values of flags, in their order.
    pub words: Vec<String>,
    /// How many of [`Line::words`] stood before a `--`; `None` when there was no `--`.
    pub before_dashes: Option<usize>,
}

const HELP: Flag = Flag::switch(&["help", "h"], "Show this text and leave.");

/// Reads `words` (without the name of the command) by the tables of `usage`.
///
/// # Errors
/// The first word that the tables have no place for, in the contract's wording.
pub fn read<I>(usage: &Usage, words: I) -> Result<Reading, UsageError>
where
    I: IntoIterator<Item = String>,
{
    let mut line = Line::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            line.before_dashes = Some(line.words.len());
            line.words.extend(words);
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            line.long(usage, long, &mut words)?;
        } else if word.len() > 1 && word.starts_with('-') {
            line.letters(usage, &word, &mut words)?;
        } else {
            line.words.push(word);
            if usage.order == Order::FlagsFirst {
                line.words.extend(words);
                break;
            }
        }
    }
    if line.on("help") { Ok(Reading::Help) } else { Ok(Reading::Line(line)) }
}

impl Line {
    fn long(
        &mut self,
        usage: &Usage,
        text: &str,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), UsageError> {
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let typed = format!("--{name}");
        let flag = usage.find(name).filter(|_| name.len() > 1);
        let Some(flag) = flag else { return Err(UsageError::Unknown(typed)) };
        let value = match (flag.kind, inline) {
            (Kind::Switch, None) => "true".to_owned(),
            (Kind::Switch, Some(value)) => match truth(&value) {
                Some(on) => on.to_string(),
                None => return Err(bad_truth(value, typed)),
            },
            (Kind::Value | Kind::List, Some(value)) => value,
            (Kind::Value | Kind::List, None) => {
                rest.next().ok_or_else(|| UsageError::NeedsArgument(typed.clone()))?
            }
        };
        self.given.push(Given { key: flag.key(), typed, value });
        Ok(())
    }

    fn letters(
        &mut self,
        usage: &Usage,
        word: &str,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), UsageError> {
        let mut letters = word.chars();
        letters.next();
        while let Some(letter) = letters.next() {
            let typed = format!("-{letter}");
            let mut name = [0; 4];
            let Some(flag) = usage.find(letter.encode_utf8(&mut name)) else {
                return Err(UsageError::Unknown(typed));
            };
            if flag.kind == Kind::Switch {
                self.given.push(Given { key: flag.key(), typed, value: "true".to_owned() });
                continue;
            }
            let glued = letters.as_str();
            let value = if glued.is_empty() {
                rest.next().ok_or_else(|| UsageError::NeedsArgument(typed.clone()))?
            } else {
                glued.to_owned()
            };
            self.given.push(Given { key: flag.key(), typed, value });
            break;
        }
        Ok(())
    }

    fn of(&self, key: &'static str) -> impl DoubleEndedIterator<Item = &Given> {
        self.given.iter().filter(move |given| given.key == key)
    }

    /// Whether the switch is on. A switch that was not given is off.
    #[must_use]
    pub fn on(&self, key: &'static str) -> bool {
        self.switch(key).unwrap_or(false)
    }

    /// What the switch was set to, if it was given.
    #[must_use]
    pub fn switch(&self, key: &'static str) -> Option<bool> {
        self.last(key).map(|value| value == "true")
    }

    /// Whether the flag stood there at all.
    #[must_use]
    pub fn has(&self, key: &'static str) -> bool {
        self.of(key).next().is_some()
    }

    /// The value of the flag, if it was given.
    #[must_use]
    pub fn last(&self, key: &'static str) -> Option<&str> {
        self.of(key).next_back().map(|given| given.value.as_str())
    }

    /// Every value of a list, in order.
    pub fn all(&self, key: &'static str) -> impl Iterator<Item = &str> {
        self.of(key).map(|given| given.value.as_str())
    }

    /// Every part of comma lists, however they were spread over the flag's uses. Empty parts are
    /// left out.
    #[must_use]
    pub fn parts(&self, key: &'static str) -> Vec<&str> {
        self.of(key)
            .flat_map(|given| given.value.split(','))
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// The value of the flag, parsed.
    ///
    /// # Errors
    /// [`UsageError::BadValue`] with the parser's reason.
    pub fn parsed<T>(&self, key: &'static str) -> Result<Option<T>, UsageError>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let Some(given) = self.of(key).next_back() else { return Ok(None) };
        match given.value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(reason) => Err(self.bad(key, reason)),
        }
    }

    /// A complaint about the flag's last value; the flag is named as it was typed.
    pub fn bad(&self, key: &'static str, reason: impl fmt::Display) -> UsageError {
        let (value, flag) = match self.of(key).next_back() {
            Some(given) => (given.value.clone(), given.typed.clone()),
            None => (String::new(), format!("--{key}")),
        };
        UsageError::BadValue { value, flag, reason: reason.to_string() }
    }

    /// Refuses more than `most` positionals.
    ///
    /// # Errors
    /// [`UsageError::Surplus`] with the words that are too many.
    pub fn at_most(&self, most: usize) -> Result<(), UsageError> {
        match self.words.get(most..) {
            Some(surplus) if !surplus.is_empty() => Err(UsageError::Surplus(surplus.to_vec())),
            _ => Ok(()),
        }
    }

    /// The positional at `index`, if there is one.
    #[must_use]
    pub fn word(&self, index: usize) -> Option<&str> {
        self.words.get(index).map(String::as_str)
    }

    /// The positional at `index`.
    ///
    /// # Errors
    /// [`UsageError::Rule`] that says `no <what> specified`.
    pub fn need(&self, index: usize, what: &str) -> Result<&str, UsageError> {
        self.word(index).ok_or_else(|| UsageError::Rule(format!("no {what} specified")))
    }
}

fn bad_truth(value: String, flag: String) -> UsageError {
    let reason = "not a boolean; write true or false".to_owned();
    UsageError::BadValue { value, flag, reason }
}

/// A boolean as the contracts write it (hook contract §5.1).
#[must_use]
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Some(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
