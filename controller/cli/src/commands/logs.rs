//! `debug-log`.

use muster_console::flags::{Flag, Line, Usage, UsageError};

use super::Entry;
use super::common::{GLOBAL, MODEL, rule};
use crate::act::Act;

/// `debug-log`.
#[derive(Clone, Debug, PartialEq)]
pub struct DebugLog {
    /// Only these entities.
    pub include: Vec<String>,
    /// None of these.
    pub exclude: Vec<String>,
    /// Only these modules.
    pub include_module: Vec<String>,
    /// None of these.
    pub exclude_module: Vec<String>,
    /// The mildest level.
    pub level: Option<String>,
    /// How many of the last lines to begin with; none is from the beginning.
    pub lines: Option<u64>,
    /// Stop after so many; none is no limit.
    pub limit: Option<u64>,
    /// Whether to follow: told, or none to follow on a terminal.
    pub tail: Option<bool>,
    /// Times in UTC.
    pub utc: bool,
    /// Show the date.
    pub date: bool,
    /// Show milliseconds.
    pub ms: bool,
    /// Show where in the source.
    pub location: bool,
}

pub(super) const ENTRIES: &[Entry] = &[Entry {
    usage: Usage {
        flags: &[
            &[
                Flag::list(
                    &["include", "i"],
                    "ENTITY,…",
                    "Only these: wiki, wiki/0, unit-wiki-0, machine-0.",
                ),
                Flag::list(&["exclude", "x"], "ENTITY,…", "None of these."),
                Flag::list(
                    &["include-module"],
                    "MODULE,…",
                    "Only these modules and what is in them.",
                ),
                Flag::list(&["exclude-module"], "MODULE,…", "None of these modules."),
                Flag::list(
                    &["include-label", "include-labels"],
                    "LABEL,…",
                    "Accepted; there are no labels.",
                ),
                Flag::list(
                    &["exclude-label", "exclude-labels"],
                    "LABEL,…",
                    "Accepted; there are no labels.",
                ),
                Flag::value(
                    &["level", "l"],
                    "LEVEL",
                    "At least TRACE, DEBUG, INFO, WARNING or ERROR.",
                ),
                Flag::value(
                    &["lines", "n"],
                    "N",
                    "Begin with so many of the last lines; 10 unless told otherwise.",
                ),
                Flag::value(&["limit"], "N", "Show so many of the most recent and stop; 0 is all."),
                Flag::switch(&["replay"], "Begin at the beginning."),
                Flag::switch(&["tail"], "Go on with lines as they come."),
                Flag::switch(&["no-tail"], "Stop at the last line."),
                Flag::switch(&["color"], "Accepted; nothing is coloured."),
                Flag::switch(&["utc"], "Show times in UTC."),
                Flag::switch(&["date"], "Show the date, too."),
                Flag::switch(&["ms"], "Show milliseconds, too."),
                Flag::switch(&["location"], "Show where in the source, where it is known."),
                Flag::switch(&["retry"], "Accepted; a lost connection is taken up again."),
                Flag::value(&["retry-delay"], "DURATION", "Accepted."),
            ],
            MODEL,
            GLOBAL,
        ],
        details: "On a terminal it goes on with lines as they come; on a pipe it ends by itself.",
        examples: &[
            "debug-log",
            "debug-log --replay --no-tail --level ERROR",
            "debug-log -i wiki -n 100",
        ],
        ..Usage::of("debug-log", "", "Show the log of a model.")
    },
    aliases: &[],
    formats: &[],
    read: debug_log,
}];

const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"];

fn debug_log(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    if line.on("tail") && line.on("no-tail") {
        return Err(rule("setting --tail and --no-tail not valid"));
    }
    let level = line.last("level").map(str::to_uppercase);
    if level.as_ref().is_some_and(|level| !LEVELS.contains(&level.as_str())) {
        return Err(line.bad("level", format!("must be one of {}", LEVELS.join(", "))));
    }
    let limit = line.parsed::<u64>("limit")?;
    let lines = match line.parsed("lines")? {
        Some(lines) => Some(lines),
        None if line.on("replay") => None,
        // The most recent ones; a limit of 0 is none, and shows everything.
        None if limit.is_some() => limit.filter(|limit| *limit > 0),
        None => Some(10),
    };
    let owned = |key| line.parts(key).into_iter().map(str::to_owned).collect();
    let tail = match (line.on("tail"), line.on("no-tail") || limit.is_some()) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    Ok(Act::DebugLog(DebugLog {
        include: owned("include"),
        exclude: owned("exclude"),
        include_module: owned("include-module"),
        exclude_module: owned("exclude-module"),
        level,
        lines,
        limit: limit.filter(|limit| *limit > 0),
        tail,
        utc: line.on("utc"),
        date: line.on("date"),
        ms: line.on("ms"),
        location: line.on("location"),
    }))
}
