//! `status`.

use std::time::Duration;

use muster_console::duration::GoDuration;
use muster_console::flags::{Flag, Line, Usage, UsageError};

use super::Entry;
use super::common::{GLOBAL, MODEL, OUTPUT, rule};
use crate::act::Act;
use crate::print::status::Sections;

/// `status`.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Only what these match, with what belongs to it.
    pub selectors: Vec<String>,
    /// The optional tables.
    pub sections: Sections,
    /// Times in UTC.
    pub utc: bool,
    /// Draw it again as it changes, at most so often.
    pub watch: Option<Duration>,
    /// How often a controller that does not answer is asked again.
    pub retries: u32,
    /// How long to wait before that.
    pub retry_delay: Duration,
}

/// The formats of status.
pub const FORMATS: &[&str] = &["tabular", "yaml", "json", "line", "short", "oneline", "summary"];

pub(super) const ENTRIES: &[Entry] = &[Entry {
    usage: Usage {
        flags: &[
            &[
                Flag::switch(&["relations", "integrations"], "Show relations, too."),
                Flag::switch(&["storage"], "Show storage, too."),
                Flag::switch(&["utc"], "Show times in UTC."),
                Flag::switch(&["color"], "Accepted; nothing is coloured."),
                Flag::switch(&["no-color"], "Accepted; nothing is coloured."),
                Flag::value(
                    &["watch"],
                    "DURATION",
                    "Draw again as things change, at most so often.",
                ),
                Flag::value(&["retry-count"], "N", "Ask so often again when nobody answers."),
                Flag::value(&["retry-delay"], "DURATION", "How long to wait before that."),
            ],
            OUTPUT,
            MODEL,
            GLOBAL,
        ],
        details: "\
A selector is an application, a unit, a machine (each with * for anything), a word of status such as
active or error, or an address. What belongs to a match is shown with it.
The yaml and json formats also say whether the model, each application and each unit is settled, and
what it waits for.",
        examples: &[
            "status",
            "status wiki --relations",
            "status --format json",
            "status --watch 1s",
        ],
        ..Usage::of("status", "[<selector> ...]", "Show what is so in a model.")
    },
    aliases: &["show-status"],
    formats: FORMATS,
    read: status,
}];

fn status(line: &Line) -> Result<Act, UsageError> {
    let duration = |key| -> Result<Option<Duration>, UsageError> {
        let Some(asked) = line.parsed::<GoDuration>(key)? else { return Ok(None) };
        match asked.positive() {
            Some(duration) => Ok(Some(duration)),
            None => Err(line.bad(key, "must not be negative")),
        }
    };
    let watch = duration("watch")?;
    if watch.is_some() && line.last("format").is_some_and(|f| f == "json" || f == "yaml") {
        return Err(rule("--watch is for people; use wait-for, or ask again"));
    }
    Ok(Act::Status(Status {
        selectors: line.words.clone(),
        sections: Sections { relations: line.on("relations"), storage: line.on("storage") },
        utc: line.on("utc"),
        watch,
        retries: line.parsed("retry-count")?.unwrap_or(3),
        retry_delay: duration("retry-delay")?.unwrap_or(Duration::from_millis(100)),
    }))
}
