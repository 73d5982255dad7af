//! What is worth saying about a charm that could be packed (layers document, section 12).
//!
//! Errors are what would be refused or cannot run; warnings and remarks never stop anybody.

use std::fmt;

use crate::charm::CharmError;

mod look;

pub use look::lint;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Worth a change.
    Warning,
    /// It will not work.
    Error,
}

impl Level {
    /// The letter before a finding, as charm authors know it.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Level::Info => 'I',
            Level::Warning => 'W',
            Level::Error => 'E',
        }
    }
}

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is no charm.
    Invalid(CharmError),
    /// There is neither an entry point nor a hook.
    NothingToRun,
    /// A file that is run has no execute bit, and none is added when the charm is laid out.
    NotExecutable(String),
    /// An action has no file and there is no `dispatch`.
    ActionWithoutFile(String),
    /// A file in `actions/` belongs to no declared action.
    StrayAction(String),
    /// Both `maintainer` and `maintainers` are there.
    TwoMaintainers,
    /// A maintainer is not written `Name <mail>`.
    BadMaintainer(String),
    /// Nobody is named as the maintainer.
    NoMaintainer,
    /// There is no file of this name.
    Missing(&'static str),
    /// An option does not say this key.
    OptionWithout {
        /// The option.
        option: String,
        /// `type`, `description` or `default`.
        key: &'static str,
    },
    /// An option, or the file, has a key that means nothing.
    StrayConfigKey(String),
    /// The summary is longer than a line of a table.
    LongSummary(usize),
    /// There are no tags.
    NoTags,
    /// There is no `display-name`.
    NoDisplayName,
    /// `series` is there, which newer charms say in their manifest.
    Series,
    /// The metadata has a key that means nothing.
    UnknownKey(String),
    /// It provides nothing.
    ProvidesNothing,
    /// Two names that are one on a file system that is blind to case or to Unicode forms.
    FoldAlike(String, String),
}

impl Finding {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Finding::Invalid(_)
            | Finding::NothingToRun
            | Finding::NotExecutable(_)
            | Finding::TwoMaintainers => Level::Error,
            Finding::ActionWithoutFile(_)
            | Finding::StrayAction(_)
            | Finding::BadMaintainer(_)
            | Finding::NoMaintainer
            | Finding::OptionWithout { .. }
            | Finding::StrayConfigKey(_)
            | Finding::LongSummary(_)
            | Finding::FoldAlike(..)
            | Finding::NoTags => Level::Warning,
            Finding::Missing(file) if *file == "icon.svg" => Level::Info,
            Finding::Missing(_) => Level::Warning,
            Finding::NoDisplayName
            | Finding::Series
            | Finding::UnknownKey(_)
            | Finding::ProvidesNothing => Level::Info,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Invalid(error) => write!(f, "{error}"),
            Finding::NothingToRun => f.write_str("there is neither a dispatch nor a hook"),
            Finding::NotExecutable(path) => write!(f, "{path} is not executable"),
            Finding::ActionWithoutFile(name) => write!(f, "action {name} has no actions/{name}"),
            Finding::StrayAction(path) => write!(f, "{path} belongs to no action"),
            Finding::TwoMaintainers => {
                f.write_str("metadata.yaml has both `maintainer` and `maintainers`")
            }
            Finding::BadMaintainer(text) => write!(f, "maintainer {text:?} is not `Name <mail>`"),
            Finding::NoMaintainer => f.write_str("metadata.yaml names no maintainer"),
            Finding::Missing(file) => write!(f, "there is no {file}"),
            Finding::OptionWithout { option, key } => write!(f, "option {option} has no {key}"),
            Finding::LongSummary(length) => {
                write!(f, "the summary has {length} characters; more than 72 are cut in tables")
            }
            Finding::NoTags => f.write_str("metadata.yaml has no tags"),
            Finding::NoDisplayName => f.write_str("metadata.yaml has no display-name"),
            Finding::Series => {
                f.write_str("metadata.yaml has series; bases in manifest.yaml are newer")
            }
            Finding::StrayConfigKey(key) | Finding::UnknownKey(key) => {
                write!(f, "unknown key `{key}`")
            }
            Finding::ProvidesNothing => f.write_str("the charm provides nothing"),
            Finding::FoldAlike(one, other) => {
                write!(
                    f,
                    "{one} and {other} are one name where letters' case or form is not told apart"
                )
            }
        }
    }
}

/// A finding, with where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// What is said.
    pub finding: Finding,
    /// The file that it is about; empty where it is about the charm as a whole.
    pub file: String,
    /// The line in it, from 1, where that is known.
    pub line: Option<u32>,
}

impl Remark {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        self.finding.level()
    }
}

/// `W: metadata.yaml:7: maintainer: what is so`, as charm authors know it.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.level().letter())?;
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}: {}", self.finding.rule(), self.finding)
    }
}

impl Finding {
    /// The rule's name, which stays.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Finding::Invalid(_) => "charm",
            Finding::NothingToRun => "entry-point",
            Finding::NotExecutable(_) => "executable",
            Finding::ActionWithoutFile(_) | Finding::StrayAction(_) => "action-file",
            Finding::TwoMaintainers | Finding::BadMaintainer(_) | Finding::NoMaintainer => {
                "maintainer"
            }
            Finding::Missing(_) => "file",
            Finding::OptionWithout { .. } => "option",
            Finding::StrayConfigKey(_) | Finding::UnknownKey(_) => "unknown-key",
            Finding::LongSummary(_) => "summary",
            Finding::NoTags => "tags",
            Finding::NoDisplayName => "display-name",
            Finding::Series => "series",
            Finding::ProvidesNothing => "provides",
            Finding::FoldAlike(..) => "name",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn way_out(&self) -> String {
        match self {
            Finding::Invalid(_) => {
                "correct what the line says; it cannot be deployed as it is".into()
            }
            Finding::NothingToRun => {
                "add an executable `dispatch`, or hooks such as `hooks/install`".into()
            }
            Finding::NotExecutable(path) => format!("chmod +x {path}"),
            Finding::ActionWithoutFile(name) => {
                format!("add an executable actions/{name}, or take it out of actions.yaml")
            }
            Finding::StrayAction(path) => {
                format!("declare it in actions.yaml, or take away the execute bit of {path}")
            }
            Finding::TwoMaintainers => "keep one of the two".into(),
            Finding::BadMaintainer(_) => "write it `Name <name@example.com>`".into(),
            Finding::NoMaintainer => "add `maintainer: Name <name@example.com>`".into(),
            Finding::Missing(file) => format!("add {file}"),
            Finding::OptionWithout { key, .. } => format!("add `{key}` to the option"),
            Finding::StrayConfigKey(_) | Finding::UnknownKey(_) => {
                "take it out: nothing reads it, or it is misspelt".into()
            }
            Finding::LongSummary(_) => {
                "keep the summary to a line; the rest is for `description`".into()
            }
            Finding::NoTags => "add `tags: [databases]` or the like".into(),
            Finding::NoDisplayName => "add `display-name`".into(),
            Finding::Series => "say the bases in manifest.yaml".into(),
            Finding::ProvidesNothing => "add `provides` if others are to relate to it".into(),
            Finding::FoldAlike(..) => "rename one of the two".into(),
        }
    }
}
