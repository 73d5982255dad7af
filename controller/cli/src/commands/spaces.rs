//! Spaces and the networks in them. There is one space here, "alpha": what asks is answered, and
//! what would make another is refused.

use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::command::{ModelCommand, Refresh};

use super::Entry;
use super::common::{GLOBAL, MODEL, OUTPUT, TABULAR, YAML, need, parse, rule};
use crate::act::Act;

/// The one space.
pub const SPACE: &str = "alpha";

/// `spaces`, `show-space`, `subnets` and `reload-spaces`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spaces {
    /// The list; with names alone or not.
    List {
        /// Only their names.
        short: bool,
    },
    /// The one there is, with who is in it.
    Show,
    /// The networks.
    Subnets,
    /// Look again at what networks there are.
    Reload,
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[&[Flag::switch(&["short"], "Only their names.")], OUTPUT, MODEL, GLOBAL],
            examples: &["spaces", "spaces --format json"],
            ..Usage::of("spaces", "", "List the spaces: there is one.")
        },
        aliases: &["list-spaces"],
        formats: TABULAR,
        read: spaces,
    },
    Entry {
        usage: Usage {
            flags: &[OUTPUT, MODEL, GLOBAL],
            examples: &["show-space alpha"],
            ..Usage::of("show-space", "<space>", "Show a space and who is in it.")
        },
        aliases: &[],
        formats: YAML,
        read: show_space,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(&["space"], "NAME", "Only those of this space."),
                    Flag::value(&["zone"], "NAME", "Accepted; there are no zones."),
                ],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &["subnets"],
            ..Usage::of("subnets", "", "List the networks of the model's machines.")
        },
        aliases: &["list-subnets"],
        formats: YAML,
        read: subnets,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            examples: &["reload-spaces"],
            ..Usage::of("reload-spaces", "", "Look again at what networks there are.")
        },
        aliases: &[],
        formats: &[],
        read: reload,
    },
    Entry {
        usage: Usage {
            flags: &[&[Flag::switch(&["force"], "Accepted.")], MODEL, GLOBAL],
            examples: &["bind wiki alpha", "bind wiki db=alpha"],
            ..Usage::of(
                "bind",
                "<application> [<space>] [<endpoint>=<space> ...]",
                "Put endpoints of an application into spaces.",
            )
        },
        aliases: &[],
        formats: &[],
        read: bind,
    },
];

fn known(space: &str) -> Result<(), UsageError> {
    if space == SPACE {
        return Ok(());
    }
    Err(UsageError::rule(format!("space {space:?} not found; there is one, {SPACE:?}")))
}

fn spaces(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    Ok(Act::Spaces(Spaces::List { short: line.on("short") }))
}

fn show_space(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    known(line.need(0, "space name")?)?;
    Ok(Act::Spaces(Spaces::Show))
}

fn subnets(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    line.last("space").map_or(Ok(()), known)?;
    Ok(Act::Spaces(Spaces::Subnets))
}

fn reload(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    Ok(Act::Spaces(Spaces::Reload))
}

fn bind(line: &Line) -> Result<Act, UsageError> {
    let application = need(line, 0, "application name")?;
    let words = line.words.get(1..).unwrap_or_default();
    if words.is_empty() {
        return Err(rule("no bindings specified"));
    }
    let mut asked = Refresh::of(application);
    for word in words {
        match word.split_once('=') {
            None => known(word)?,
            Some((endpoint, space)) => {
                known(space)?;
                asked.bindings.insert(parse(endpoint)?, space.to_owned());
            }
        }
    }
    Ok(Act::Change(vec![ModelCommand::Refresh(asked)]))
}
