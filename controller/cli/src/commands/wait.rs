//! `wait-for`: blocks until something is so.

use std::time::Duration;

use muster_console::duration::GoDuration;
use muster_console::flags::{Flag, Line, Usage, UsageError};

use super::Entry;
use super::common::{GLOBAL, MODEL, parse, rule};
use crate::act::Act;
use crate::query::Query;

/// `wait-for`.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitFor {
    /// What kind of thing.
    pub kind: Kind,
    /// Its name; empty for the model that one works on.
    pub name: String,
    /// What must be so; none is the usual.
    pub query: Option<Query>,
    /// For how long; none is for ever.
    pub timeout: Option<Duration>,
    /// Say at the end how things are.
    pub summary: bool,
    /// Whether the thing must have settled, and no more.
    pub settled: bool,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A model.
    Model,
    /// An application.
    Application,
    /// A machine.
    Machine,
    /// A unit.
    Unit,
}

impl Kind {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Model => "model",
            Kind::Application => "application",
            Kind::Machine => "machine",
            Kind::Unit => "unit",
        }
    }
}

pub(super) const ENTRIES: &[Entry] = &[Entry {
    usage: Usage {
        flags: &[
            &[
                Flag::value(&["query"], "QUERY", "What must be so."),
                Flag::value(&["timeout"], "DURATION", "For how long at most; 10m unless told otherwise."),
                Flag::switch(&["summary"], "Say at the end how things are; on unless told otherwise."),
                Flag::switch(&["settled"], "Wait until nothing is left to do, whatever the status."),
            ],
            MODEL,
            GLOBAL,
        ],
        details: "\
Without a query an application must be alive and active, a model alive and available with everything in
it settled, a machine started, and a unit alive and active. --settled asks for nothing but that all
that was asked for has been done: no hook is left to run.

A query compares names with == != < <= > >=, joins with && and ||, and has len(), startsWith(),
endsWith() and forEach(units, unit => …), which is true when there are none. Ends with 1 and \"timed
out\" when the time is over, and says which part of the query was false.",
        examples: &["wait-for application wiki", "wait-for model --settled", "wait-for unit wiki/0 --query='workload-status==\"active\"' --timeout 5m"],
        ..Usage::of("wait-for", "model|application|machine|unit [<name>]", "Wait until something is so.")
    },
    aliases: &[],
    formats: &[],
    read: wait_for,
}];

fn wait_for(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let kind = match line.word(0) {
        Some("model") => Kind::Model,
        Some("application") => Kind::Application,
        Some("machine") => Kind::Machine,
        Some("unit") => Kind::Unit,
        Some(other) => {
            return Err(UsageError::rule(format!(
                "cannot wait for {other:?}; there are model, application, machine and unit"
            )));
        }
        None => return Err(rule("say what to wait for: model, application, machine or unit")),
    };
    let name = line.word(1).unwrap_or_default().to_owned();
    if name.is_empty() && kind != Kind::Model {
        return Err(UsageError::rule(format!("{} name must be supplied", kind.as_str())));
    }
    let timeout = match line.parsed::<GoDuration>("timeout")? {
        None => Some(Duration::from_secs(600)),
        Some(asked) => asked.positive(),
    };
    let query: Option<Query> = match line.last("query") {
        Some(text) => Some(parse(text).map_err(|error| line.bad("query", error))?),
        None => None,
    };
    if query.is_some() && line.on("settled") {
        return Err(rule("cannot specify both --query and --settled"));
    }
    Ok(Act::Wait(WaitFor {
        kind,
        name,
        query,
        timeout,
        summary: line.switch("summary").unwrap_or(true),
        settled: line.on("settled"),
    }))
}
