//! Charms on this side: packed, composed from layers, checked.

use muster_console::flags::{Flag, Line, Usage, UsageError};

use super::Entry;
use super::common::{GLOBAL, rule};
use crate::act::Act;

/// `charm pack`, `charm build` and `charm lint`.
#[derive(Clone, Debug, PartialEq)]
pub struct Charm {
    /// Which of them.
    pub verb: Verb,
    /// The charm's folder.
    pub folder: String,
    /// Where the result goes.
    pub output: Option<String>,
    /// Folders that layers are looked for in, before the ones that ship.
    pub layers: Vec<String>,
}

/// What to do with a charm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Make one file of a folder: the same folder gives the same file.
    Pack,
    /// Compose a charm from its layers.
    Build,
    /// Read it, and say what is wrong.
    Lint,
}

pub(super) const ENTRIES: &[Entry] = &[Entry {
    usage: Usage {
        flags: &[
            &[
                Flag::value(&["output", "o"], "PATH", "Where the result goes."),
                Flag::list(&["layers"], "FOLDER", "Look for layers here, too."),
            ],
            GLOBAL,
        ],
        examples: &[
            "charm build charms/spark -o /tmp/spark.charm",
            "charm pack ./wiki",
            "charm lint ./wiki",
        ],
        ..Usage::of("charm", "build|pack|lint <folder>", "Compose, pack or check a charm.")
    },
    aliases: &[],
    formats: &[],
    read: charm,
}];

fn charm(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let verb = match line.word(0) {
        Some("pack") => Verb::Pack,
        Some("build") => Verb::Build,
        Some("lint") => Verb::Lint,
        Some(other) => {
            return Err(UsageError::rule(format!(
                "cannot {other:?} a charm; there are build, pack and lint"
            )));
        }
        None => return Err(rule("say what to do: build, pack or lint")),
    };
    Ok(Act::Charm(Charm {
        verb,
        folder: line.word(1).unwrap_or(".").to_owned(),
        output: line.last("output").map(str::to_owned),
        layers: line.all("layers").map(str::to_owned).collect(),
    }))
}
