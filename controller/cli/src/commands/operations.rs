//! What was run: listed, shown, ended.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::name::{ActionName, ApplicationName, MachineId, OperationId, TaskId, UnitName};

use super::Entry;
use super::common::{
    GLOBAL, MODEL, OUTPUT, PLAIN, Patience, YAML, each, listed, need, patience, rule,
};
use crate::act::Act;

/// `show-task`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowTask {
    /// Which.
    pub task: TaskId,
    /// How long to wait for its end.
    pub patience: Patience,
    /// Show its log as it comes.
    pub watch: bool,
    /// Times in UTC.
    pub utc: bool,
}

/// `operations` and `show-operation`.
#[derive(Clone, Debug, PartialEq)]
pub struct Operations {
    /// Only this one.
    pub id: Option<OperationId>,
    /// How many of the newest; none is all.
    pub limit: Option<usize>,
    /// How many of the newest are passed over first.
    pub offset: usize,
    /// Only those that match.
    pub only: Only,
    /// How long to wait for its end, when it is one.
    pub patience: Patience,
    /// Times in UTC.
    pub utc: bool,
}

/// Which operations are listed: in each list that is not empty there is one of theirs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Only {
    /// Units of these applications.
    pub applications: Vec<ApplicationName>,
    /// These units.
    pub units: Vec<UnitName>,
    /// These machines.
    pub machines: Vec<MachineId>,
    /// These actions.
    pub actions: Vec<ActionName>,
    /// Operations that stand so.
    pub statuses: Vec<String>,
}

/// `cancel-task`.
#[derive(Clone, Debug, PartialEq)]
pub struct CancelTasks {
    /// Which.
    pub tasks: BTreeSet<TaskId>,
}

/// How an operation may stand.
const STATUSES: &[&str] = &["pending", "running", "completed", "failed", "cancelled", "aborted"];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(&["wait"], "DURATION", "How long to wait for its end."),
                    Flag::switch(&["watch"], "Show its log as it comes, until its end."),
                    Flag::switch(&["utc"], "Show times in UTC."),
                ],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &["show-task 3", "show-task 3 --watch"],
            ..Usage::of("show-task", "<task>", "Show a task and what came of it.")
        },
        aliases: &[],
        formats: PLAIN,
        read: show_task,
    },
    Entry {
        usage: Usage {
            flags: &[OUTPUT, MODEL, GLOBAL],
            details: "One that waits in the queue never begins; one that runs is told to end. Shows how they stand then.",
            examples: &["cancel-task 3", "cancel-task 3 4 --format json"],
            ..Usage::of("cancel-task", "<task> ...", "End tasks.")
        },
        aliases: &[],
        formats: YAML,
        read: cancel_task,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(&["limit"], "N", "How many of the newest; 0 is all."),
                    Flag::value(&["offset"], "N", "Pass over so many of the newest first."),
                    Flag::list(&["applications", "apps"], "NAME,…", "On units of these."),
                    Flag::list(&["units"], "UNIT,…", "On these units."),
                    Flag::list(&["machines"], "ID,…", "On these machines."),
                    Flag::list(&["actions"], "NAME,…", "Of these actions; juju-exec is exec's."),
                    Flag::list(&["status"], "WORD,…", "That stand so, such as failed or running."),
                    Flag::switch(&["utc"], "Show times in UTC."),
                ],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &[
                "operations",
                "operations --limit 5",
                "operations --apps wiki --status failed",
            ],
            ..Usage::of("operations", "", "List what was run.")
        },
        aliases: &["list-operations"],
        formats: &["plain", "yaml", "json"],
        read: operations,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(&["wait"], "DURATION", "How long to wait for its end."),
                    Flag::switch(&["watch"], "Wait for its end, however long."),
                    Flag::switch(&["utc"], "Show times in UTC."),
                ],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &["show-operation 1", "show-operation 1 --wait 2m"],
            ..Usage::of("show-operation", "<operation>", "Show an operation and its tasks.")
        },
        aliases: &[],
        formats: YAML,
        read: show_operation,
    },
];

/// `--wait` and `--watch`: without either nothing is waited for.
fn watching(line: &Line) -> Result<Patience, UsageError> {
    Ok(match (line.has("wait"), line.on("watch")) {
        (true, true) => return Err(rule("cannot specify both --wait and --watch")),
        (true, false) => patience(line, Duration::ZERO)?,
        (false, true) => Patience::Endless,
        (false, false) => Patience::None,
    })
}

fn show_task(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let task = need(line, 0, "task ID")?;
    let patience = watching(line)?;
    Ok(Act::ShowTask(ShowTask { task, patience, watch: line.on("watch"), utc: line.on("utc") }))
}

fn cancel_task(line: &Line) -> Result<Act, UsageError> {
    let tasks: Vec<TaskId> = each(&line.words, "task ID")?;
    Ok(Act::CancelTasks(CancelTasks { tasks: tasks.into_iter().collect() }))
}

fn operations(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    let limit = Some(line.parsed("limit")?.unwrap_or(50)).filter(|limit| *limit > 0);
    let statuses: Vec<String> = line.parts("status").into_iter().map(str::to_owned).collect();
    if let Some(word) = statuses.iter().find(|word| !STATUSES.contains(&word.as_str())) {
        return Err(line.bad("status", format!("{word:?} is none of {}", STATUSES.join(", "))));
    }
    let only = Only {
        applications: listed(line, "applications")?,
        units: listed(line, "units")?,
        machines: listed(line, "machines")?,
        actions: listed(line, "actions")?,
        statuses,
    };
    let offset = line.parsed("offset")?.unwrap_or(0);
    let patience = Patience::None;
    Ok(Act::Operations(Operations { id: None, limit, offset, only, patience, utc: line.on("utc") }))
}

fn show_operation(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let id = Some(need(line, 0, "operation ID")?);
    let (patience, utc) = (watching(line)?, line.on("utc"));
    let only = Only::default();
    Ok(Act::Operations(Operations { id, limit: None, offset: 0, only, patience, utc }))
}
