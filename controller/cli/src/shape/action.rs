//! `run`, `exec`, `show-task`, `show-operation`, `actions` (CLI contract §4.4).

mod of;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// One task and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Task {
    /// Its number.
    pub id: String,
    /// Where it stands.
    pub status: String,
    /// The unit it ran on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The machine it ran on, when that was its target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// What the charm said of its failure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What it set; strings and maps of strings, but for the int `return-code`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub results: Map<String, Value>,
    /// `<time> <text>`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// When.
    pub timing: Timing,
    /// Why it could not run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// One operation of `operations` and `show-operation`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Operation {
    /// What it is.
    pub summary: String,
    /// Of all its tasks together.
    pub status: String,
    /// What the charm said of the first failure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fail: String,
    /// Why a task could not run.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// What runs.
    pub action: Action,
    /// When the first began and the last ended.
    pub timing: Timing,
    /// By number.
    pub tasks: BTreeMap<String, OperationTask>,
}

/// What an operation runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Action {
    /// The action, or `juju-exec` for a command.
    pub name: String,
    /// With which parameters.
    pub parameters: Map<String, Value>,
}

/// A task of an operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OperationTask {
    /// The action, or `juju-exec` for a command.
    pub name: String,
    /// Where it runs.
    pub host: String,
    /// Where it stands.
    pub status: String,
    /// When.
    pub timing: Timing,
    /// What it logged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// What the charm said of its failure.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What it set.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub results: Map<String, Value>,
}

/// When a task was asked for, began and ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timing {
    /// Asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enqueued: Option<String>,
    /// Begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
}

/// The answer of `run` and `exec`: by target.
pub type Tasks = BTreeMap<String, Task>;

impl Task {
    /// The return code among the results, if the script ran to an end.
    #[must_use]
    pub fn return_code(&self) -> Option<i64> {
        self.results.get("return-code").and_then(Value::as_i64)
    }

    /// Whether the caller is told of a failure: the task could not run, or its script ended badly.
    /// A charm that reports failure itself has done its work (§10, trap 6).
    #[must_use]
    pub fn went_wrong(&self) -> bool {
        let failed = matches!(self.status.as_str(), "error" | "aborted" | "cancelled");
        match self.return_code() {
            Some(code) => code != 0 || failed,
            None => failed || self.status == "failed",
        }
    }

    /// The text of stdout or stderr.
    #[must_use]
    pub fn stream(&self, name: &str) -> &str {
        self.results.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}
