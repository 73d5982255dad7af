//! Operations and their tasks: actions of charms and commands of operators.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{ActionName, BadName, MachineId, OperationId, TaskId, UnitName, UserName};
use crate::status::TaskState;
use crate::time::Timestamp;

/// One request to run something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Operation {
    /// Its number.
    pub id: OperationId,
    /// What it is, in a line.
    pub summary: String,
    /// Its tasks.
    pub tasks: Vec<TaskId>,
    /// Who asked.
    pub by: UserName,
    /// When.
    pub enqueued: Timestamp,
}

/// An operation's part on one target. The target's agent looks again when this changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// The operation that it is part of.
    pub operation: OperationId,
    /// Where it runs.
    pub target: TaskTarget,
    /// What runs.
    pub kind: TaskKind,
    /// Whether it need not wait for the machine's lock.
    #[serde(default)]
    pub parallel: bool,
    /// The lock that it takes in place of the machine's, if not empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub execution_group: String,
    /// Whether an operator wants it ended.
    #[serde(default)]
    pub cancel: bool,
    /// When it was asked for.
    pub enqueued: Timestamp,
}

/// Where a task runs: in a unit's context, or on a machine without one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TaskTarget {
    /// A machine, by its id.
    Machine(MachineId),
    /// A unit, by its name.
    Unit(UnitName),
}

impl FromStr for TaskTarget {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            text.parse().map(TaskTarget::Machine)
        } else {
            text.parse().map(TaskTarget::Unit)
        }
    }
}

impl fmt::Display for TaskTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskTarget::Machine(machine) => machine.fmt(f),
            TaskTarget::Unit(unit) => unit.fmt(f),
        }
    }
}

impl TryFrom<String> for TaskTarget {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<TaskTarget> for String {
    fn from(target: TaskTarget) -> String {
        target.to_string()
    }
}

/// What a task runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// An action of the charm.
    Action {
        /// Its name.
        name: ActionName,
        /// Its parameters, with the schema's defaults filled in.
        #[serde(default)]
        parameters: serde_json::Map<String, serde_json::Value>,
    },
    /// A shell command.
    Command {
        /// The text for the shell.
        command: String,
        /// After how many milliseconds it is killed; none is never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
}

/// How far a task is and what came of it. Wakes no agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaskResult {
    /// The task.
    pub task: TaskId,
    /// Where it stands.
    pub state: TaskState,
    /// The failure's text; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What it set: nested maps of strings, `return-code` (an integer), `stdout`, `stderr`.
    #[serde(default)]
    pub results: serde_json::Map<String, serde_json::Value>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<Timestamp>,
}

/// What a task logged, as it came. Apart from the result, so that a line does not rewrite it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaskLog {
    /// The task.
    pub task: TaskId,
    /// Lines with their times; the newest are kept (at most 1,000 lines, 64 KiB).
    pub lines: Vec<(Timestamp, String)>,
}

/// The tasks that a target has still to run, in order. Concerns no other agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaskQueue {
    /// The unit or machine.
    pub target: TaskTarget,
    /// Not yet over.
    pub tasks: Vec<TaskId>,
}
